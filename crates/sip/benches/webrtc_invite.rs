//! The INVITE of a browser, as JsSIP sends it: 2.7 kB, twenty header lines or so, SDP with candidates.
//!
//! Shared by the benchmark and by the test that counts allocations.

/// One INVITE, always the same.
pub fn fixed() -> Vec<u8> {
    invite(&mut Random(0), false)
}

/// Many INVITEs of which no two look alike: other values, lengths, spellings, order and number of headers.
pub fn shuffled(count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(0x5eed);
    (0..count).map(|_| invite(&mut random, true)).collect()
}

fn invite(random: &mut Random, vary: bool) -> Vec<u8> {
    let user = random.word(vary, 8);
    let host = format!("{}.invalid", random.word(vary, 12));
    let callee = random.word(vary, 4);
    let sdp = sdp(random, vary);
    let uri = format!("sip:{callee}@ringback.example");
    let mut headers = vec![
        ("Via", format!("SIP/2.0/WSS {host};branch=z9hG4bK{}", random.word(vary, 7))),
        ("Max-Forwards", "69".to_owned()),
        ("To", format!("<{uri}>")),
        ("From", format!("\"Alice\" <sip:alice@ringback.example>;tag={}", random.word(vary, 10))),
        ("Call-ID", random.word(vary, 20)),
        ("CSeq", format!("{} INVITE", 2 + random.below(if vary { 9000 } else { 1 }))),
        (
            "Authorization",
            format!(
                "Digest algorithm=MD5, username=\"alice\", realm=\"ringback\", nonce=\"{}\", uri=\"{uri}\", \
                 response=\"{}\", qop=auth, cnonce=\"{}\", nc=00000001",
                random.word(vary, 44),
                random.word(vary, 32),
                random.word(vary, 12)
            ),
        ),
        ("Contact", format!("<sip:{user}@{host};transport=ws;ob>;+sip.ice")),
        ("Session-Expires", "90".to_owned()),
        ("Allow", "INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY".to_owned()),
        ("Supported", "timer,gruu,ice,replaces,outbound".to_owned()),
        ("User-Agent", "JsSIP 3.13.8".to_owned()),
        ("Content-Type", "application/sdp".to_owned()),
        ("Content-Length", sdp.len().to_string()),
    ];
    if vary {
        let extra = [
            ("Accept", "application/sdp, application/dtmf-relay"),
            ("Route", "<sip:edge.ringback.example;lr;transport=ws>"),
            ("X-Conversation", "17"),
            ("P-Preferred-Identity", "<sip:alice@ringback.example>"),
            ("Privacy", "none"),
            ("Subject", "a call"),
            ("Alert-Info", "<urn:alert:service:normal>"),
            ("X-Trace", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ];
        for (name, value) in extra {
            if random.below(2) == 0 {
                headers.push((name, value.to_owned()));
            }
        }
        for at in (1..headers.len()).rev() {
            headers.swap(at, random.below(at + 1));
        }
    }
    let mut text = format!("INVITE {uri} SIP/2.0\r\n");
    for (name, value) in headers {
        let name = if vary && random.below(4) == 0 { compact(name) } else { name };
        text.push_str(name);
        text.push_str(": ");
        text.push_str(&value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(&sdp);
    text.into_bytes()
}

fn compact(name: &str) -> &str {
    match name {
        "Via" => "v",
        "To" => "t",
        "From" => "f",
        "Call-ID" => "i",
        "Contact" => "m",
        "Supported" => "k",
        "Content-Type" => "c",
        "Content-Length" => "l",
        name => name,
    }
}

fn sdp(random: &mut Random, vary: bool) -> String {
    let mut lines: Vec<String> = [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 9d2d3c4b-52d1-4d0c-9c6e-6b2f6f4a7f11",
        "m=audio 51372 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 203.0.113.7",
        "a=rtcp:9 IN IP4 0.0.0.0",
    ]
    .map(str::to_owned)
    .to_vec();
    for at in 0..3 + random.below(if vary { 6 } else { 1 }) {
        lines.push(format!(
            "a=candidate:{} 1 udp {} 192.0.2.{} {} typ host generation 0 network-id 1 network-cost 10",
            1_906_210_233 + at,
            2_122_260_223 - at * 256,
            at + 1,
            50_000 + random.below(9000)
        ));
    }
    lines.push(
        "a=candidate:842163049 1 udp 1686052607 203.0.113.7 51372 typ srflx raddr 192.0.2.1 rport 51372"
            .to_owned(),
    );
    lines.push(format!("a=ice-ufrag:{}", random.word(vary, 4)));
    lines.push(format!("a=ice-pwd:{}", random.word(vary, 24)));
    lines.extend(
        [
            "a=ice-options:trickle",
            "a=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:\
             D0:A1:2C:19:08",
            "a=setup:actpass",
            "a=mid:0",
            "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            "a=sendrecv",
            "a=rtcp-mux",
            "a=candidate:842163049 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active generation 0 network-id 1 \
             network-cost 10",
            "a=candidate:1467250027 1 udp 2122194687 fd00::7 50123 typ host generation 0 network-id 2",
            "a=rtcp-rsize",
            "a=rtpmap:111 opus/48000/2",
            "a=rtcp-fb:111 transport-cc",
            "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=msid:9d2d3c4b-52d1-4d0c-9c6e-6b2f6f4a7f11 1d0a6f7e-3c55-4f55-a1e5-0d4e6f3b2a90",
            "a=fmtp:111 minptime=10;useinbandfec=1",
            "a=rtpmap:63 red/48000/2",
            "a=fmtp:63 111/111",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:13 CN/8000",
            "a=rtpmap:110 telephone-event/48000",
            "a=rtpmap:126 telephone-event/8000",
            "a=ssrc:3712941527 cname:q5Lh0YF2v6mC4aXn",
            "a=ssrc:3712941527 msid:9d2d3c4b-52d1-4d0c-9c6e-6b2f6f4a7f11 1d0a6f7e-3c55-4f55-a1e5-0d4e6f3b2a90",
        ]
        .map(str::to_owned),
    );
    lines.join("\r\n") + "\r\n"
}

/// SplitMix64: enough for benchmarks, and the same everywhere.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Letters and digits; about as many as asked for when they vary.
    fn word(&mut self, vary: bool, length: usize) -> String {
        let length = if vary { length / 2 + self.below(length) + 1 } else { length };
        (0..length).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[self.below(36)])).collect()
    }
}
