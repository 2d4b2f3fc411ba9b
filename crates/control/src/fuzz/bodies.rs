//! The bodies of messages, as many as there are kinds.

use ringback_sip::message::Builder;

/// The kind of a body that offers or answers a fax.
pub(super) const FAX: usize = 6;

/// Gives a message the body of a kind: none, what a telephone or a browser says, or a key; the last one is [`FAX`].
pub(super) fn with_body(builder: Builder, kind: usize) -> Builder {
    const PLAIN: &[u8] = b"v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
        m=audio 9000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    const HELD: &[u8] = b"v=0\r\no=- 1 2 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
        m=audio 9000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";
    const MACHINE: &[u8] = b"v=0\r\no=- 1 3 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
        m=image 9000 udptl t38\r\na=T38FaxVersion:0\r\n";
    const BROWSER: &[u8] = b"v=0\r\no=- 3 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 8 110\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n\
        a=fingerprint:sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:\
00:00:00\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n";
    match kind {
        0 => builder,
        1 | 2 => builder.body(b"application/sdp", PLAIN),
        3 => builder.body(b"application/sdp", HELD),
        4 => builder.body(b"application/sdp", BROWSER),
        FAX => builder.body(b"application/sdp", MACHINE),
        _ => builder.body(b"application/dtmf-relay", b"Signal=5\r\nDuration=100\r\n"),
    }
}

/// A report of quality about a dialog, which is written as in a Replaces: `CALL-ID;to-tag=TAG;from-tag=TAG`.
pub(super) fn report(dialog: &str) -> String {
    let call_id = dialog.split(';').next().unwrap_or_default();
    format!(
        "VQSessionReport: CallTerm\r\nCallID: {call_id}\r\nLocalMetrics:\r\nPacketLoss: NLR=1.5 JDR=0\r\n\
         Delay: RTD=80 IAJ=4\r\nQualityEst: MOSLQ=4.1 MOSCQ=4.0\r\nDialogID: {dialog}\r\n"
    )
}
