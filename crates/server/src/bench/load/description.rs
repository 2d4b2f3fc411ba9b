//! Session descriptions of phones that send no media: a telephone's with RTP, a browser's with ICE and DTLS-SRTP.

use ringback_sansio::Transport;

/// The port of the media: nobody listens there. It is below those that sockets are given (`ip_local_port_range`) and
/// above those of the servers' media.
const PORT: u16 = 30_000;

/// What a telephone offers.
const CODECS: &[(&str, &str)] = &[("0", "PCMU/8000"), ("8", "PCMA/8000"), ("101", "telephone-event/8000")];

/// What a browser offers.
const BROWSER_CODECS: &[(&str, &str)] = &[
    ("111", "opus/48000/2"),
    ("0", "PCMU/8000"),
    ("8", "PCMA/8000"),
    ("110", "telephone-event/48000"),
    ("126", "telephone-event/8000"),
];

/// The offer of a phone that is reached by `transport`.
pub(super) fn offer(transport: Transport) -> String {
    match transport.is_websocket() {
        true => description("UDP/TLS/RTP/SAVPF", BROWSER_CODECS, &security("actpass", "0")),
        false => description("RTP/AVP", CODECS, ""),
    }
}

/// The answer to an offer: its first codec, in its profile. An INVITE without an offer is answered with one.
pub(super) fn answer(offered: &[u8], transport: Transport) -> String {
    let offered = String::from_utf8_lossy(offered);
    let mut media =
        offered.lines().filter_map(|line| line.strip_prefix("m=audio ")).flat_map(str::split_whitespace);
    let (Some(_port), Some(profile), Some(codec)) = (media.next(), media.next(), media.next()) else {
        return offer(transport);
    };
    let map = format!("a=rtpmap:{codec} ");
    let name = offered.lines().find_map(|line| line.strip_prefix(&map)).unwrap_or("PCMU/8000");
    let security = match profile.contains("TLS") {
        true => {
            let mid = offered.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap_or("0");
            security("active", mid)
        }
        false => String::new(),
    };
    description(profile, &[(codec, name)], &security)
}

fn description(profile: &str, codecs: &[(&str, &str)], security: &str) -> String {
    let types = codecs.iter().map(|(number, _)| *number).collect::<Vec<_>>().join(" ");
    let maps =
        codecs.iter().map(|(number, name)| format!("a=rtpmap:{number} {name}\r\n")).collect::<String>();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio {PORT} {profile} {types}\r\nc=IN IP4 \
         127.0.0.1\r\n{security}{maps}a=sendrecv\r\n"
    )
}

/// ICE and DTLS of a peer that nothing will come from.
fn security(setup: &str, mid: &str) -> String {
    let fingerprint = (0x10..0x30).map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    format!(
        "a=candidate:1 1 udp 2122260223 127.0.0.1 {PORT} typ host\r\na=ice-ufrag:load\r\n\
         a=ice-pwd:nobody-will-ever-check-it\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\n\
         a=mid:{mid}\r\na=rtcp-mux\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_the_first_codec_of_the_offer_in_its_profile() {
        let plain = answer(offer(Transport::Tcp).as_bytes(), Transport::Tcp);
        assert!(plain.contains("m=audio 30000 RTP/AVP 0\r\n") && plain.contains("a=rtpmap:0 PCMU/8000\r\n"));
        let web = answer(offer(Transport::Wss).replace("mid:0", "mid:sound").as_bytes(), Transport::Wss);
        assert!(
            web.contains("UDP/TLS/RTP/SAVPF 111\r\n") && web.contains("a=rtpmap:111 opus/48000/2\r\n"),
            "{web}"
        );
        assert!(web.contains("a=setup:active\r\n") && web.contains("a=mid:sound\r\n"), "{web}");
    }

    #[test]
    fn what_is_no_offer_is_answered_with_one() {
        for body in [&b""[..], b"m=audio", b"m=audio 1 RTP/AVP", b"\xff\xfe"] {
            assert_eq!(answer(body, Transport::Udp), offer(Transport::Udp));
        }
    }
}
