//! Every reason to refuse a description, with its status and the layer's sentence; and that no input does worse.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use std::path::Path;

use proptest::prelude::*;
use ringback_media::negotiation::{Party, Profile, Refusal, fuzz};
use sdp_peers::{rtp, text, webrtc};

fn refusal(mut party: Party, offer: &str) -> (u16, u16, String) {
    let refusal = party.handle_offer(offer.as_bytes()).expect_err("refused");
    assert!(party.answer_alone().is_err(), "a refused offer leaves nothing behind");
    let sentence = refusal.to_string();
    assert!(!sentence.contains(['"', '\\', '\r', '\n']), "it stands in a quoted string: {sentence}");
    (refusal.status(), refusal.warning(), sentence)
}

#[test]
fn offers_that_a_browser_leg_refuses() {
    let offer = text!("chromium-offer");
    let fingerprint = offer.lines().find(|line| line.starts_with("a=fingerprint")).unwrap();
    let without = |start: &str| {
        offer.lines().filter(|line| !line.starts_with(start)).fold(String::new(), |t, l| t + l + "\r\n")
    };
    for (offer, status, warning, sentence) in [
        ("nonsense".to_owned(), 488, 399, "The session description does not begin with v=0"),
        (
            offer.replace("m=audio 51372", "m=audio many"),
            488,
            399,
            "Line 8 of the session description cannot be read",
        ),
        (offer.replace("m=audio", "m=text"), 488, 304, "The session description has no audio that is in use"),
        (
            offer.replace("m=audio 51372", "m=audio 0"),
            488,
            304,
            "The session description has no audio that is in use",
        ),
        (
            offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            488,
            302,
            "The media transport is RTP/AVP; this leg speaks UDP/TLS/RTP/SAVPF",
        ),
        (
            offer.replace("UDP/TLS/RTP/SAVPF", "RTP/\"AVP\""),
            488,
            302,
            "The media transport is unknown; this leg speaks UDP/TLS/RTP/SAVPF",
        ),
        (without("a=fingerprint"), 488, 399, "The session description has no a=fingerprint"),
        (
            offer.replace(
                fingerprint,
                "a=fingerprint:sha-1 5C:1E:0B:7A:93:42:D8:6F:21:B4:EE:07:C9:58:3D:A6:10:F2:8B:64",
            ),
            488,
            399,
            "No a=fingerprint is readable and of SHA-256 or better",
        ),
        (
            offer.replace(fingerprint, "a=fingerprint:sha-256 5C:1E"),
            488,
            399,
            "No a=fingerprint is readable and of SHA-256 or better",
        ),
        (
            offer.replace(fingerprint, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"),
            488,
            302,
            "A leg with ICE is keyed by DTLS-SRTP, not by a=crypto (SDES)",
        ),
        (without("a=ice-pwd"), 488, 399, "The session description has no usable a=ice-ufrag and a=ice-pwd"),
        (
            offer.replace("a=ice-ufrag:pQ3x", "a=ice-ufrag:p:Q3x"),
            488,
            399,
            "The session description has no usable a=ice-ufrag and a=ice-pwd",
        ),
        (
            offer.replace("a=extmap-allow-mixed", "a=ice-lite"),
            488,
            399,
            "Both sides are ICE lite, so neither would begin",
        ),
        (offer.replace("actpass", "holdconn"), 488, 399, "a=setup:holdconn cannot be used with DTLS"),
        (without("a=rtcp-mux"), 488, 399, "This leg has one port and needs a=rtcp-mux"),
        (
            offer.replace("111 63 9 0 8 13 110 126", "63 13 110 126"),
            488,
            305,
            "No codec in common: one side has none; the other has any audio codec",
        ),
    ] {
        assert_eq!(refusal(webrtc(), &offer), (status, warning, sentence.to_owned()));
    }
}

#[test]
fn offers_that_a_plain_leg_refuses() {
    let offer = text!("baresip-offer");
    for (offer, status, warning, sentence) in [
        (
            text!("phone-offer-sdes").replace("AES_CM_128", "F8_128"),
            488,
            302,
            "No a=crypto has a suite and parameters that this server takes",
        ),
        (
            offer.replace("RTP/AVP", "RTP/SAVP"),
            488,
            302,
            "No a=crypto has a suite and parameters that this server takes",
        ),
        (
            offer.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"),
            488,
            399,
            "The session description has no a=fingerprint",
        ),
        (
            text!("phone-offer-dtls").replace("sha-256", "sha-1"),
            488,
            399,
            "No a=fingerprint is readable and of SHA-256 or better",
        ),
        (
            text!("phone-offer-dtls").replace("actpass", "holdconn"),
            488,
            399,
            "a=setup:holdconn cannot be used with DTLS",
        ),
        (
            offer.replace("RTP/AVP", "TCP/RTP/AVP"),
            488,
            302,
            "The media transport is TCP/RTP/AVP; this leg speaks RTP/AVP",
        ),
        (
            offer.replace("c=IN IP4 198.51.100.50", "c=IN IP4 224.2.1.1/127"),
            488,
            301,
            "The media address is a name, multicast or broadcast, not a host's address",
        ),
        (
            offer.replace("c=IN IP4 198.51.100.50", "c=IN IP4 255.255.255.255"),
            488,
            301,
            "The media address is a name, multicast or broadcast, not a host's address",
        ),
        (
            offer.replace("c=IN IP4 198.51.100.50", "c=IN IP6 ff02::1"),
            488,
            301,
            "The media address is a name, multicast or broadcast, not a host's address",
        ),
        (
            offer.replace("c=IN IP4 198.51.100.50", "c=IN IP4 phone.example.com"),
            488,
            301,
            "The media address is a name, multicast or broadcast, not a host's address",
        ),
        (
            offer.replace("c=IN IP4 198.51.100.50\r\n", ""),
            488,
            301,
            "The media address is a name, multicast or broadcast, not a host's address",
        ),
        (
            "v=0\r\nc=IN IP4 198.51.100.50\r\nt=0 0\r\n".to_owned(),
            488,
            304,
            "The session description has no audio that is in use",
        ),
    ] {
        assert_eq!(refusal(rtp(), &offer), (status, warning, sentence.to_owned()));
    }
}

#[test]
fn an_offer_tells_its_profile() {
    for (offer, profile) in [
        (text!("chromium-offer"), Some(Profile::WebRtc)),
        (text!("firefox-offer"), Some(Profile::WebRtc)),
        (text!("session-level-attributes"), Some(Profile::WebRtc)),
        (text!("baresip-offer"), Some(Profile::Rtp)),
        (text!("phone-offer-sdes-or-plain"), Some(Profile::Rtp)),
        (text!("phone-hold-rfc2543"), Some(Profile::Rtp)),
        (text!("phone-offer-sdes"), Some(Profile::Rtp)),
        (text!("phone-offer-dtls"), Some(Profile::Rtp)),
        (&text!("phone-offer-sdes").replace("AES_CM_128", "F8_128"), None),
        ("", None),
    ] {
        assert_eq!(Profile::of_offer(offer.as_bytes()), profile, "{offer}");
    }
}

#[test]
fn limits_have_statuses() {
    let mut long = b"v=0\r\na=".to_vec();
    long.resize(65 * 1024, b'x');
    assert_eq!(rtp().handle_offer(&long).unwrap_err().status(), 413);
    let many = "v=0\r\nc=IN IP4 198.51.100.50\r\n".to_owned() + &"m=audio 4000 RTP/AVP 0\r\n".repeat(33);
    assert_eq!(rtp().handle_offer(many.as_bytes()).unwrap_err().status(), 488);
}

#[test]
fn answers_that_are_refused() {
    let answer = text!("chromium-answer");
    for (answer, expected) in [
        (answer.replace("m=audio 58010", "m=audio 0"), Refusal::AudioRejected),
        (answer.replace("m=audio", "m=video"), Refusal::NoAudio),
        ("v=0\r\n".to_owned(), Refusal::AudioRejected),
        (answer.replace("a=rtcp-mux\r\n", ""), Refusal::NoRtcpMux),
        (answer.replace("a=fingerprint", "a=x"), Refusal::NoFingerprint),
        (answer.replace("setup:active", "setup:holdconn"), Refusal::HoldConn),
    ] {
        let (mut a, mut b) = (rtp(), webrtc());
        a.handle_offer(text!("baresip-offer").as_bytes()).unwrap();
        b.offer(&a).unwrap();
        assert_eq!(b.handle_answer(answer.as_bytes()), Err(expected.clone()));
        assert!(b.agreed().is_none());
        assert_eq!(b.handle_answer(text!("chromium-answer").as_bytes()), Ok(()), "after {expected:?}");
    }
}

#[test]
fn a_list_of_codecs_in_a_sentence_is_short() {
    let formats: Vec<String> = (96..128).map(|n| n.to_string()).collect();
    let lines: String = (96..128).map(|n| format!("a=rtpmap:{n} codec{n}/8000\r\n")).collect();
    let offer =
        format!("v=0\r\nc=IN IP4 198.51.100.9\r\nm=audio 4000 RTP/AVP {}\r\n{lines}", formats.join(" "));
    let mut a = rtp();
    a.handle_offer(offer.as_bytes()).unwrap();
    let sentence = a.answer_alone().unwrap_err().to_string();
    assert!(sentence.contains("codec103/8000 and 24 more; the other has opus/48000/2"), "{sentence}");
}

#[test]
fn debug_output_holds_no_ice_password() {
    let mut a = webrtc();
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    a.answer_alone().unwrap();
    let shown = format!("{a:?} {:?}", a.agreed());
    assert!(shown.contains("ourfragm"));
    assert!(!shown.contains("ourpassword") && !shown.contains("U8mZk1b0"), "{shown}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the corpus is read from the source tree")]
fn the_corpus_holds_what_the_fuzz_target_checks() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/negotiation");
    let mut replayed = 0;
    for entry in corpus.read_dir().unwrap() {
        fuzz::negotiation(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 10, "{replayed} files in {}", corpus.display());
}

/// Two texts for the fuzz target, with some bytes changed.
fn damaged_pair() -> impl Strategy<Value = Vec<u8>> {
    let texts = || {
        prop::sample::select(vec![
            text!("chromium-offer"),
            text!("chromium-offer-audio-video-data"),
            text!("chromium-offer-bundle-only"),
            text!("chromium-answer-all"),
            text!("firefox-answer"),
            text!("baresip-answer"),
            text!("linphone-offer"),
            text!("phone-answer-other-numbers"),
        ])
    };
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (0..4u8, texts(), texts(), damage).prop_map(|(profiles, offer, answer, damage)| {
        let mut data = [&[profiles], offer.as_bytes(), &[0], answer.as_bytes()].concat();
        for (index, byte) in damage {
            let at = index.index(data.len());
            data[at] = byte;
        }
        data
    })
}

proptest! {
    #[test]
    fn damaged_exchanges_keep_the_invariants(data in damaged_pair()) {
        fuzz::negotiation(&data);
    }
}
