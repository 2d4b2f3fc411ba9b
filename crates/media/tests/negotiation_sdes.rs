//! Offer and answer on legs that are encrypted without ICE: by `a=crypto` (RFC 4568, RFC 8643) and by DTLS-SRTP (RFC
//! 5764).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

mod sdp_peers;

use ringback_media::dtls::Role;
use ringback_media::negotiation::{Party, Refusal, Sdes, Srtp};
use ringback_media::sdp::{Section, Setup};
use ringback_media::srtp::{Mki, Suite};
use sdp_peers::{line, rtp, rtp_with_ports, rtp_with_srtp, sections, shown, text, version, webrtc};

/// Keys and salts of the suites with 128 bits, as phones write them.
const KEYS: [&str; 3] = [
    "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
    "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
    "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj",
];

/// What a phone writes: a protocol and lines of its audio section.
fn phone(protocol: &str, lines: &[&str]) -> String {
    let mut text = format!(
        "v=0\r\no=- 3911 1 IN IP4 198.51.100.70\r\ns=call\r\nc=IN IP4 198.51.100.70\r\nt=0 0\r\n\
         m=audio 11800 {protocol} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    );
    for line in lines {
        text += line;
        text += "\r\n";
    }
    text
}

fn crypto(tag: u32, suite: Suite, key: usize) -> String {
    format!("a=crypto:{tag} {} inline:{}", suite.name(), KEYS[key])
}

const CM_80: Suite = Suite::AesCm128HmacSha1_80;
const CM_32: Suite = Suite::AesCm128HmacSha1_32;
const FINGERPRINT: &str = "a=fingerprint:sha-256 5C:1E:0B:7A:93:42:D8:6F:21:B4:EE:07:C9:58:3D:A6:10:F2:8B:64:9E:35:77:DC:\
                           4A:01:BF:E3:68:2D:96:50";

/// Answers a phone's offer by ourselves; our section.
fn answered(party: &mut Party, offer: &str) -> Section {
    party.handle_offer(offer.as_bytes()).unwrap();
    let answer = party.answer_alone().unwrap();
    assert_eq!(party.answer_alone().unwrap(), answer, "asked again, it says the same");
    sections(answer).remove(0)
}

fn sdes(party: &Party) -> Sdes {
    party.agreed().unwrap().sdes.expect("keys")
}

#[test]
fn the_answer_has_the_protocol_of_its_offer_and_keys_where_the_offer_has() {
    for (protocol, has_keys, encrypted) in [
        ("RTP/AVP", false, false),
        ("RTP/AVPF", false, false),
        ("RTP/AVP", true, true),
        ("RTP/AVPF", true, true),
        ("RTP/SAVP", true, true),
        ("RTP/SAVPF", true, true),
        ("rtp/savp", true, true),
    ] {
        let line = crypto(1, CM_80, 0);
        let lines = if has_keys { vec![line.as_str()] } else { Vec::new() };
        let mut party = rtp();
        let section = answered(&mut party, &phone(protocol, &lines));
        assert_eq!(section.protocol, protocol);
        assert_eq!(section.crypto.len(), usize::from(encrypted), "{protocol}");
        let settings = party.agreed().unwrap();
        assert_eq!(settings.dtls, None);
        assert_eq!(settings.sdes.is_some(), encrypted);
        assert_eq!(settings.remote.unwrap().rtp, "198.51.100.70:11800".parse().unwrap());
        if encrypted {
            let sdes = settings.sdes.unwrap();
            assert_eq!((section.crypto[0].tag, &section.crypto[0].master), (1, &sdes.send));
            assert_eq!(&*sdes.receive.key, b"YS___semctl () {");
            assert_ne!(sdes.send, sdes.receive, "each direction has its own");
        }
    }
}

#[test]
fn the_first_line_that_can_be_used_is_answered_by_its_tag_and_suite() {
    let unknown = format!("a=crypto:4 F8_128_HMAC_SHA1_80 inline:{}", KEYS[0]);
    let wanting = crypto(5, CM_80, 0) + " UNENCRYPTED_SRTCP";
    let offer = phone("RTP/SAVP", &[&unknown, &wanting, &crypto(6, CM_32, 1), &crypto(7, CM_80, 2)]);
    let mut party = rtp();
    let section = answered(&mut party, &offer);
    assert_eq!((section.crypto[0].tag, section.crypto[0].master.suite), (6, CM_32));
    assert_eq!(sdes(&party).receive.suite, CM_32);
    assert_eq!(&*sdes(&party).receive.key, b"wDfvg&T+)xG7@fb5");
}

/// Who puts identifiers into its packets is answered with one that ours carry.
#[test]
fn a_line_of_several_keys_is_answered_with_one_of_ours_and_the_identifier_of_the_first() {
    let [first, second, third] = KEYS;
    let several = |len: u8| {
        format!("a=crypto:2 {} inline:{first}|2^20|7:{len};inline:{second}|2^20|8:{len}", CM_80.name())
    };
    let mut party = rtp();
    let section = answered(&mut party, &phone("RTP/SAVP", &[&several(4)]));
    let keys = sdes(&party);
    let mki = |value| Some(Mki { value, len: 4 });
    assert_eq!((section.crypto[0].tag, &section.crypto[0].master), (2, &keys.send));
    assert_eq!((keys.send.mki, keys.send.others.len()), (mki(7), 0), "one key of ours");
    assert_eq!((keys.receive.mki, keys.receive.others[0].mki), (mki(7), mki(8)));
    assert!(String::from_utf8_lossy(&party.current().unwrap()).contains("|7:4\r\n"));
    // The same again changes nothing; another key among theirs does.
    answered(&mut party, &phone("RTP/SAVP", &[&several(4)]));
    assert_eq!(sdes(&party), keys);
    let next = format!("a=crypto:2 {} inline:{second}|8:4;inline:{third}|9:4", CM_80.name());
    answered(&mut party, &phone("RTP/SAVP", &[&next]));
    assert_ne!(sdes(&party).send.key, keys.send.key);
    assert_eq!((sdes(&party).send.mki, sdes(&party).receive.mki), (mki(8), mki(8)));

    // What cannot be told apart is passed over for the next line, or refused.
    let mut party = rtp();
    let section = answered(&mut party, &phone("RTP/SAVP", &[&several(5), &crypto(3, CM_32, 2)]));
    assert_eq!((section.crypto[0].tag, sdes(&party).send.mki), (3, None));
    let mut party = rtp();
    assert_eq!(party.handle_offer(phone("RTP/SAVP", &[&several(5)]).as_bytes()), Err(Refusal::NoCrypto));
    // One key needs no telling apart: a long identifier is taken off, and none of ours put in.
    let long = crypto(4, CM_80, 0) + "|7:32";
    answered(&mut party, &phone("RTP/SAVP", &[&long]));
    let keys = sdes(&party);
    assert_eq!((keys.send.mki, keys.receive.mki), (None, Some(Mki { value: 7, len: 32 })));
}

/// Our own offers have one key in each line and no identifier; the far end may have both.
#[test]
fn an_answer_may_have_several_keys() {
    let mut party = rtp_with_srtp(Srtp::Required);
    let offer = sections(party.offer_alone());
    let ours = &offer[0].crypto[2];
    assert!(ours.master.mki.is_none() && ours.master.others.is_empty());
    let [first, second, _] = KEYS;
    let line = format!("a=crypto:3 {} inline:{first}|1:1;inline:{second}|2:1", CM_80.name());
    party.handle_answer(phone("RTP/SAVP", &[&line]).as_bytes()).unwrap();
    let keys = sdes(&party);
    assert_eq!((keys.send.mki, keys.receive.others.len()), (None, 1));
}

#[test]
fn every_suite_is_answered() {
    for suite in Suite::ALL {
        // Without padding, as some phones write it.
        let key = "A".repeat(((suite.key_len() + suite.salt_len()) * 8).div_ceil(6));
        let line = format!("a=crypto:9 {} inline:{key}", suite.name());
        let mut party = rtp();
        let section = answered(&mut party, &phone("RTP/SAVP", &[&line]));
        assert_eq!((section.crypto[0].tag, section.crypto[0].master.suite), (9, suite));
        assert_eq!(sdes(&party).send.key.len(), suite.key_len());
    }
}

#[test]
fn the_other_leg_sees_nothing_of_the_keys() {
    for mut other in [rtp_with_ports(20002, 20003), webrtc()] {
        let mut a = rtp();
        let offer = phone("RTP/SAVP", &[&crypto(1, CM_80, 0)]);
        a.handle_offer(offer.as_bytes()).unwrap();
        let to_b = shown(&other.offer(&a).unwrap());
        assert!(!to_b.contains("crypto") && !to_b.contains(KEYS[0]) && !to_b.contains("RTP/SAVP "), "{to_b}");
    }
    // Nor does who offered see those of the answerer.
    let (mut a, mut b) = (rtp(), rtp_with_srtp(Srtp::Preferred));
    a.handle_offer(phone("RTP/AVP", &[]).as_bytes()).unwrap();
    b.offer(&a).unwrap();
    b.handle_answer(phone("RTP/AVP", &[&crypto(3, CM_80, 0)]).as_bytes()).unwrap();
    let to_a = shown(&a.answer(&b).unwrap());
    assert!(!to_a.contains("crypto"), "{to_a}");
    assert!(b.agreed().unwrap().sdes.is_some() && a.agreed().unwrap().sdes.is_none());
}

#[test]
fn what_we_offer_is_told_by_the_policy() {
    for (srtp, protocol, lines) in [
        (Srtp::Never, "RTP/AVP", 0),
        (Srtp::Offered, "RTP/AVP", 0),
        (Srtp::Preferred, "RTP/AVP", 3),
        (Srtp::Required, "RTP/SAVP", 3),
    ] {
        let mut party = rtp_with_srtp(srtp);
        let offer = party.offer_alone();
        assert_eq!(party.offer_alone(), offer, "asked again, it says the same");
        let section = sections(&offer).remove(0);
        assert_eq!((section.protocol.as_str(), section.crypto.len()), (protocol, lines), "{srtp}");
        let tags: Vec<_> = section.crypto.iter().map(|crypto| crypto.tag).collect();
        assert_eq!(tags, (1..=lines as u32).collect::<Vec<_>>());
        assert!(section.fingerprints.is_empty() && section.setup.is_none());
        assert!(!shown(&offer).contains("rtcp-mux"));
    }
}

#[test]
fn an_answer_names_the_line_that_is_used() {
    for (srtp, protocol) in [(Srtp::Preferred, "RTP/AVP"), (Srtp::Required, "RTP/SAVP")] {
        let mut party = rtp_with_srtp(srtp);
        let offer = sections(party.offer_alone()).remove(0);
        party.handle_answer(phone(protocol, &[&crypto(3, CM_80, 1)]).as_bytes()).unwrap();
        let sdes = sdes(&party);
        assert_eq!(sdes.send, offer.crypto[2].master);
        assert_eq!(&*sdes.receive.key, b"wDfvg&T+)xG7@fb5");
        // A tag that is wrong, and a suite that can be one line only.
        party.handle_answer(phone(protocol, &[&crypto(1, CM_80, 1)]).as_bytes()).unwrap();
        assert_eq!(party.agreed().unwrap().sdes, Some(sdes));
    }
}

#[test]
fn an_answer_without_keys_is_in_the_clear_where_that_was_left_open() {
    let mut party = rtp_with_srtp(Srtp::Preferred);
    party.offer_alone();
    party.handle_answer(phone("RTP/AVP", &[]).as_bytes()).unwrap();
    assert_eq!(party.agreed().unwrap().sdes, None);
    // From there on it is.
    let later = sections(party.offer_alone()).remove(0);
    assert_eq!((later.protocol.as_str(), later.crypto.len()), ("RTP/AVP", 0));

    for (srtp, answer) in [
        (Srtp::Required, phone("RTP/SAVP", &[])),
        (Srtp::Required, phone("RTP/AVP", &[])),
        (Srtp::Preferred, phone("RTP/SAVP", &[])),
        // A suite that we did not offer: what they send would be noise.
        (Srtp::Preferred, phone("RTP/AVP", &[&crypto(1, CM_32, 0)])),
    ] {
        let mut party = rtp_with_srtp(srtp);
        party.offer_alone();
        assert_eq!(party.handle_answer(answer.as_bytes()), Err(Refusal::NoCrypto), "{answer}");
        assert_eq!(party.agreed(), None);
    }
}

#[test]
fn a_policy_refuses_what_it_does_not_allow() {
    let keyed = [crypto(1, CM_80, 0)];
    let keyed: Vec<_> = keyed.iter().map(String::as_str).collect();
    let mut never = rtp_with_srtp(Srtp::Never);
    assert_eq!(never.handle_offer(phone("RTP/SAVP", &keyed).as_bytes()), Err(Refusal::SrtpNever));
    assert_eq!(
        never.handle_offer(phone("UDP/TLS/RTP/SAVPF", &[FINGERPRINT, "a=setup:actpass"]).as_bytes()),
        Err(Refusal::SrtpNever)
    );
    let section = answered(&mut never, &phone("RTP/AVP", &keyed));
    assert!(section.crypto.is_empty(), "a=crypto beside RTP/AVP can be passed over");
    assert_eq!(never.agreed().unwrap().sdes, None);

    let mut required = rtp_with_srtp(Srtp::Required);
    assert_eq!(required.handle_offer(phone("RTP/AVP", &[]).as_bytes()), Err(Refusal::SrtpRequired));
    assert_eq!(Refusal::SrtpRequired.status(), 488);
    answered(&mut required, &phone("RTP/AVP", &keyed));
    assert!(required.agreed().unwrap().sdes.is_some());
}

#[test]
fn of_two_audio_sections_the_first_that_fits_is_served() {
    let section = answered(&mut rtp(), text!("phone-offer-sdes-or-plain"));
    assert_eq!((section.protocol.as_str(), section.crypto.len()), ("RTP/SAVP", 1));
    let mut never = rtp_with_srtp(Srtp::Never);
    never.handle_offer(text!("phone-offer-sdes-or-plain").as_bytes()).unwrap();
    let answer = sections(never.answer_alone().unwrap());
    let ports: Vec<_> = answer.iter().map(|section| section.port).collect();
    assert_eq!(ports, [0, 20000, 0]);
    assert!(answer.iter().all(|section| section.crypto.is_empty()));
}

#[test]
fn a_hold_and_a_refresh_keep_the_keys() {
    let mut party = rtp();
    let offer = phone("RTP/SAVP", &[&crypto(1, CM_80, 0)]);
    let first = answered(&mut party, &offer);
    let before = sdes(&party);
    let held = answered(&mut party, &offer.replace("a=rtpmap", "a=sendonly\r\na=rtpmap"));
    assert_eq!(held.crypto, first.crypto);
    assert_eq!(sdes(&party), before);
    // Ours: an offer has the one line that is in force.
    let ours = sections(party.offer_alone()).remove(0);
    assert_eq!((ours.protocol.as_str(), &ours.crypto), ("RTP/SAVP", &first.crypto));
    party.handle_answer(offer.as_bytes()).unwrap();
    assert_eq!(sdes(&party), before);
    // The same key under another tag, behind a new one.
    let moved = phone("RTP/SAVP", &[&crypto(2, CM_80, 1), &crypto(3, CM_80, 0)]);
    let section = answered(&mut party, &moved);
    assert_eq!(section.crypto[0].tag, 3);
    assert_eq!(sdes(&party), before);
}

#[test]
fn our_key_changes_when_theirs_does() {
    let mut party = rtp();
    let offer = |key| phone("RTP/SAVP", &[&crypto(1, CM_80, key)]);
    let mut seen = Vec::new();
    for key in [0, 1, 0, 2] {
        answered(&mut party, &offer(key));
        let sdes = sdes(&party);
        assert!(!seen.contains(&sdes.send), "a key of ours came twice");
        seen.push(sdes.send);
    }
    // In the clear in between: what was sent before may not be sent again under the same key.
    answered(&mut party, &phone("RTP/AVP", &[]));
    assert_eq!(party.agreed().unwrap().sdes, None);
    answered(&mut party, &offer(2));
    assert!(!seen.contains(&sdes(&party).send));
}

#[test]
fn another_key_in_an_answer_changes_only_theirs() {
    let mut party = rtp_with_srtp(Srtp::Required);
    party.offer_alone();
    party.handle_answer(phone("RTP/SAVP", &[&crypto(3, CM_80, 0)]).as_bytes()).unwrap();
    let early = sdes(&party);
    party.handle_answer(phone("RTP/SAVP", &[&crypto(3, CM_80, 1)]).as_bytes()).unwrap();
    let later = sdes(&party);
    assert_eq!(early.send, later.send);
    assert_ne!(early.receive, later.receive);
}

#[test]
fn a_late_offer_is_encrypted_too() {
    // A offers nothing; ours goes to B, and what B answers to A.
    let (mut a, mut b) = (rtp_with_srtp(Srtp::Required), rtp_with_srtp(Srtp::Preferred));
    b.offer_alone();
    b.handle_answer(phone("RTP/AVP", &[]).as_bytes()).unwrap();
    let to_a = a.offer_from_answer(&b).unwrap();
    let to_a = shown(&to_a);
    assert_eq!(line(&to_a, "m="), Some("m=audio 20000 RTP/SAVP 8 101"));
    a.handle_answer(phone("RTP/SAVP", &[&crypto(3, CM_80, 0)]).as_bytes()).unwrap();
    assert!(a.agreed().unwrap().sdes.is_some());
    assert_eq!(version(&to_a), 1);
}

#[test]
fn a_handshake_without_ice() {
    for (protocol, setup, ours, role) in [
        ("UDP/TLS/RTP/SAVPF", Setup::ActPass, Setup::Passive, Role::Server),
        ("UDP/TLS/RTP/SAVP", Setup::Active, Setup::Passive, Role::Server),
        ("UDP/TLS/RTP/SAVP", Setup::Passive, Setup::Active, Role::Client),
        ("RTP/SAVPF", Setup::ActPass, Setup::Passive, Role::Server),
        ("RTP/AVP", Setup::ActPass, Setup::Passive, Role::Server),
    ] {
        let setup = format!("a=setup:{setup}");
        let mut party = rtp();
        let section = answered(&mut party, &phone(protocol, &[FINGERPRINT, &setup, "a=rtcp-mux"]));
        assert_eq!((section.protocol.as_str(), section.setup), (protocol, Some(ours)));
        assert_eq!(section.fingerprints.len(), 1);
        assert!(section.ice.is_none() && section.candidates.is_empty() && section.rtcp_mux);
        let settings = party.agreed().unwrap();
        let dtls = settings.dtls.unwrap();
        assert_eq!((dtls.role, dtls.fingerprints.len()), (role, 1));
        assert!(settings.sdes.is_none() && settings.ice.is_none());
        assert!(settings.remote.unwrap().mux);
        // A later offer of ours says the same, with the role open.
        let later = sections(party.offer_alone()).remove(0);
        assert_eq!((later.protocol.as_str(), later.setup), (protocol, Some(Setup::ActPass)));
        assert_eq!(later.fingerprints, section.fingerprints);
    }
}

#[test]
fn with_both_the_keys_of_the_description_are_taken_where_the_protocol_does_not_say_tls() {
    let lines = [&crypto(1, CM_80, 0), FINGERPRINT, "a=setup:actpass"];
    for (protocol, by_keys) in [("RTP/AVP", true), ("RTP/SAVP", true), ("UDP/TLS/RTP/SAVP", false)] {
        let mut party = rtp();
        let section = answered(&mut party, &phone(protocol, &lines));
        assert_eq!(section.crypto.len(), usize::from(by_keys), "{protocol}");
        assert_eq!(section.fingerprints.is_empty(), by_keys, "{protocol}");
        let settings = party.agreed().unwrap();
        assert_eq!((settings.sdes.is_some(), settings.dtls.is_some()), (by_keys, !by_keys));
    }
}

#[test]
fn debug_shows_no_key() {
    let mut party = rtp();
    let answer = {
        party.handle_offer(phone("RTP/SAVP", &[&crypto(1, CM_80, 0)]).as_bytes()).unwrap();
        shown(&party.answer_alone().unwrap())
    };
    let ours = answer.split("inline:").nth(1).unwrap().lines().next().unwrap();
    let shown = format!("{party:?} {:?}", party.agreed());
    assert!(!shown.contains(KEYS[0]) && !shown.contains(ours) && !shown.contains("semctl"), "{shown}");
}
