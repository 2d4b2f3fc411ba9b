//! Descriptions as they are passed on: what rtpengine 10.5 answers to the same, and where ours differs and means to.
//!
//! `RTPENGINE_*` are its answers, with addresses, ports, keys and names of its own put as ours. Lines that it has and we
//! have not begin with a minus, those that only we have with a plus.

use crate::kit::{World, about, sdp};

/// What Chromium offers.
const BROWSER: &str = "v=0
o=- 6551250587297337345 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS a339b53d
m=audio 41048 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.0.2.33
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:4194162482 1 udp 2122260223 192.0.2.33 41048 typ host generation 0 network-id 1
a=ice-ufrag:nBFQ
a=ice-pwd:jOHmJgAPcwPMZ1MaWEaA/RSl
a=ice-options:trickle
a=fingerprint:sha-256 6E:94:92:D7:6F:A2:10:D6:BF:BA:D6:38:A1:FB:FE:57:3F:89:B3:5E:5B:92:8F:39:D1:F9:F3:23:65:3E:B6:B1
a=setup:SETUP
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:a339b53d a666f17d
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1002332789 cname:AQcHGmxUO1a0/wRw
";

/// What baresip offers and answers.
const PHONE: &str = "v=0
o=- 3971753823 690361939 IN IP4 203.0.113.9
s=-
c=IN IP4 203.0.113.9
t=0 0
a=tool:baresip 1.0.0
m=audio 11406 RTP/AVP 0 8 126
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-15
a=sendrecv
a=label:1
a=ssrc:1609982367 cname:sip:bob@192.0.2.5
a=minptime:20
a=ptime:20
";

const RTPENGINE_TO_PHONE: &str = "v=0
o=- 6551250587297337345 2 IN IP4 192.0.2.1
s=-
+c=IN IP4 192.0.2.1
t=0 0
-a=extmap-allow-mixed
-a=msid-semantic: WMS a339b53d
-m=audio 20004 RTP/AVP 111 63 9 0 8 13 110 126
+m=audio 20004 RTP/AVP 111 9 0 8 13 110 126
c=IN IP4 192.0.2.1
-a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
-a=msid:a339b53d a666f17d
-a=rtcp-rsize
-a=ssrc:1002332789 cname:AQcHGmxUO1a0/wRw
-a=mid:0
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
-a=rtcp-fb:111 transport-cc
-a=rtpmap:63 red/48000/2
-a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=sendrecv
a=rtcp:20005
";

const RTPENGINE_TO_BROWSER: &str = "v=0
o=- 3971753823 690361939 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
a=tool:baresip 1.0.0
+a=ice-lite
+a=ice-options:ice2
+a=group:BUNDLE 0
m=audio 8443 UDP/TLS/RTP/SAVPF 0 8 126
a=label:1
-a=ssrc:1609982367 cname:sip:bob@192.0.2.5
a=minptime:20
a=mid:0
+a=msid:ringback audio
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-15
a=sendrecv
a=rtcp:8443
a=rtcp-mux
a=setup:SETUP
a=fingerprint:sha-256 AB
a=ptime:20
a=ice-ufrag:ufrag00N
a=ice-pwd:abcdefghijklmnopqrstuvwx
-a=ice-options:trickle
a=candidate:1 1 UDP 2130706431 192.0.2.1 8443 typ host
a=end-of-candidates
";

const RTPENGINE_BETWEEN_PHONES: &str = "v=0
o=- 3971753823 690361939 IN IP4 203.0.113.9
s=-
c=IN IP4 192.0.2.1
t=0 0
a=tool:baresip 1.0.0
m=audio 20004 RTP/AVP 0 8 126
a=label:1
-a=ssrc:1609982367 cname:sip:bob@192.0.2.5
a=minptime:20
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-15
a=sendrecv
a=rtcp:20005
a=ptime:20
";

/// What is expected of us: the lines without a sign and those with a plus.
fn ours(marked: &str) -> String {
    let lines = marked.lines().filter(|line| !line.starts_with('-'));
    // The address stands once only, for the session.
    let has_address = marked.lines().any(|line| line == "+c=IN IP4 192.0.2.1");
    let lines = lines.filter(|line| !(has_address && *line == "c=IN IP4 192.0.2.1"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix('+').unwrap_or(line)).collect();
    lines.join("\n") + "\n"
}

fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn read(text: &str) -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    text.replace("\r\n", "\n").replace(&fingerprint, "AB")
}

const TO_PHONE: [(&str, &str); 4] = [
    ("replace", "|origin|session-connection"),
    ("ICE", "remove"),
    ("rtcp-mux", "|demux"),
    ("transport-protocol", "RTP/AVP"),
];

const TO_BROWSER: [(&str, &str); 7] = [
    ("replace", "|origin|session-connection"),
    ("ICE", "force"),
    ("rtcp-mux", "|require"),
    ("flags", "|generate-mid"),
    ("SDES", "|off"),
    ("DTLS", "passive"),
    ("transport-protocol", "UDP/TLS/RTP/SAVPF"),
];

fn exchange(world: &mut World, command: &str, text: &str, more: &[(&str, &str)]) -> String {
    let text = wire(text);
    let mut all = vec![("from-tag", "a"), ("sdp", &text[..])];
    all.extend_from_slice(more);
    read(&sdp(&world.ask(&about(command, &all))))
}

#[test]
fn a_browser_that_calls_a_telephone() {
    let mut world = World::new();
    let offered = exchange(&mut world, "offer", &BROWSER.replace("SETUP", "actpass"), &TO_PHONE);
    assert_eq!(offered, ours(RTPENGINE_TO_PHONE));
    let more = [&[("to-tag", "b")][..], &TO_BROWSER].concat();
    let answered = exchange(&mut world, "answer", PHONE, &more);
    let expected = ours(RTPENGINE_TO_BROWSER).replace("SETUP", "passive").replace("00N", "001");
    assert_eq!(answered, expected);
}

#[test]
fn a_telephone_that_calls_a_browser() {
    let mut world = World::new();
    let offered = exchange(&mut world, "offer", PHONE, &TO_BROWSER);
    // All our candidates are in the offer, which rtpengine leaves open.
    assert_eq!(offered, ours(RTPENGINE_TO_BROWSER).replace("SETUP", "actpass").replace("00N", "002"));
    let more = [&[("to-tag", "b")][..], &TO_PHONE].concat();
    let answered = exchange(&mut world, "answer", &BROWSER.replace("SETUP", "active"), &more);
    let expected = ours(RTPENGINE_TO_PHONE)
        .replace("20004 RTP/AVP 111 9 0 8 13 110 126", "20002 RTP/AVP 0 8 126")
        .replace("20005", "20003");
    let is_left = |line: &&str| {
        !["111", "63", "9 ", "13 ", "110"].iter().any(|number| {
            ["a=rtpmap:", "a=fmtp:"].iter().any(|name| line.starts_with(&format!("{name}{number}")))
        })
    };
    let expected: Vec<&str> = expected.lines().filter(is_left).collect();
    assert_eq!(answered.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn two_telephones_and_a_script_without_flags() {
    let mut world = World::new();
    let offered = exchange(&mut world, "offer", PHONE, &[]);
    assert_eq!(offered, ours(RTPENGINE_BETWEEN_PHONES));
    let answered = exchange(&mut world, "answer", PHONE, &[("to-tag", "b")]);
    let expected = ours(RTPENGINE_BETWEEN_PHONES).replace("20004", "20002").replace("20005", "20003");
    assert_eq!(answered, expected);
}

#[test]
fn the_flags_say_what_of_the_session_is_ours() {
    let text = PHONE.replace("s=-", "s=A call\nb=AS:84").replace("t=0 0", "t=1 2");
    let lines = |flags: &[(&str, &str)]| {
        let offered = exchange(&mut World::new(), "offer", &text, flags);
        offered.lines().filter(|line| !line.starts_with("a=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let kept = lines(&[]);
    assert_eq!(
        kept[1..6],
        ["o=- 3971753823 690361939 IN IP4 203.0.113.9", "s=A call", "c=IN IP4 192.0.2.1", "b=AS:84", "t=1 2"]
    );
    let replaced = lines(&[("replace", "|username|session-name|SDP-version|origin")]);
    assert!(
        replaced[1].ends_with(" 1 IN IP4 192.0.2.1") && !replaced[1].contains("3971753823"),
        "{replaced:?}"
    );
    assert_eq!(replaced[2], "s=-");
    for (flags, expected) in
        [("|no-rtcp-attribute", None), ("|full-rtcp-attribute", Some("a=rtcp:20005 IN IP4 192.0.2.1"))]
    {
        let offered = exchange(&mut World::new(), "offer", &text, &[("flags", flags)]);
        assert_eq!(offered.lines().find(|line| line.starts_with("a=rtcp")), expected);
    }
}
