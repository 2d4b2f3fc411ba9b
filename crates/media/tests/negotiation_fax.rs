//! Faxes: in the place of the audio or beside it, refused, and audio again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::negotiation::{Party, Profile, Refusal, Srtp, payload_map};
use ringback_media::sdp::{Description, MediaType, Section};
use sdp_peers::{exchange, line, lines, rtp, rtp_with_ports, rtp_with_srtp, sections, text, version, webrtc};

/// Two telephones that talk in PCMA and PCMU.
fn talking() -> (Party, Party) {
    let (mut a, mut b) = (rtp(), rtp_with_ports(20010, 20011));
    exchange(&mut a, text!("baresip-offer"), &mut b, text!("baresip-answer"));
    (a, b)
}

/// What stands in the m= lines of a text of ours.
fn outline(text: &str) -> Vec<&str> {
    lines(text, "m=").iter().map(|line| line.trim_start_matches("m=")).collect()
}

/// What a fax says of itself.
fn t38(text: &str) -> Vec<&str> {
    lines(text, "a=T38")
}

/// The offer in the middle of a call that was one before, with this version.
fn later(text: &str, version: u32) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = lines[1].replace("834502716", &version.to_string());
    lines.join("\r\n") + "\r\n"
}

#[test]
fn a_fax_takes_the_place_of_the_audio_and_gives_it_back() {
    let (mut a, mut b) = talking();
    let (to_b, to_a) = exchange(&mut a, text!("fax-offer"), &mut b, text!("fax-answer"));
    assert_eq!(outline(&to_b), ["image 20010 udptl t38"]);
    assert_eq!(outline(&to_a), ["image 20000 udptl t38"]);
    assert_eq!(version(&to_b), 2);
    assert_eq!(line(&to_b, "c="), Some("c=IN IP4 192.0.2.1"));
    assert_eq!(t38(&to_b), t38(&text!("fax-offer").replace('\r', "")), "each end hears what the other said");
    assert_eq!(t38(&to_a), t38(&text!("fax-answer").replace('\r', "")));
    for text in [&to_b, &to_a] {
        let others = lines(text, "a=");
        assert_eq!(others.len(), t38(text).len(), "nothing of RTP: {others:?}");
    }
    for (party, far) in [(&a, "198.51.100.80:16402"), (&b, "203.0.113.90:40010")] {
        let agreed = party.agreed().unwrap();
        assert!(agreed.is_fax && agreed.sends && agreed.receives);
        assert_eq!((agreed.codec.as_str(), agreed.payloads.iter().count()), ("t38", 0));
        assert_eq!(agreed.remote.unwrap().rtp, far.parse().unwrap());
    }
    assert_eq!(payload_map(&a, &b).iter().count(), 0);

    let again = later(text!("baresip-offer"), 834_502_720);
    let (to_b, to_a) = exchange(&mut a, &again, &mut b, text!("baresip-answer"));
    assert_eq!(outline(&to_b), ["audio 20010 RTP/AVP 8 0 101"]);
    assert_eq!(outline(&to_a), ["audio 20000 RTP/AVP 8 0 101"]);
    assert_eq!(version(&to_b), 3);
    assert!(![&a, &b].iter().any(|party| party.agreed().unwrap().is_fax));
    assert_eq!(a.agreed().unwrap().codec, "PCMA");
}

#[test]
fn a_fax_beside_the_audio_has_the_place_that_its_machine_gave_it() {
    let (mut a, mut b) = talking();
    let (to_b, to_a) = exchange(&mut a, text!("fax-offer-beside-audio"), &mut b, text!("fax-answer"));
    assert_eq!(outline(&to_b), ["image 20010 udptl t38"], "RFC 3264 §8.3.3");
    assert_eq!(outline(&to_a), ["audio 0 RTP/AVP 8", "image 20000 UDPTL t38"]);
    assert!(t38(&to_b).contains(&"a=T38FaxFillBitRemoval"), "{to_b}");
    assert!(a.agreed().unwrap().is_fax);

    // B goes back to audio: A finds it where it was, and the fax rejected where that was.
    b.handle_offer(later(text!("baresip-answer"), 3).as_bytes()).unwrap();
    let to_a = sdp_peers::shown(&a.offer(&b).unwrap());
    assert_eq!(outline(&to_a), ["audio 20000 RTP/AVP 8 0 101", "image 0 UDPTL t38"]);
    let answer = text!("baresip-answer").replace("8 0 126", "8") + "m=image 0 udptl t38\r\n";
    a.handle_answer(answer.as_bytes()).unwrap();
    assert_eq!(outline(&sdp_peers::shown(&b.answer(&a).unwrap())), ["audio 20010 RTP/AVP 8 126"]);
    assert!(![&a, &b].iter().any(|party| party.agreed().unwrap().is_fax));

    // And to a fax once more, which has its line already.
    b.handle_offer(text!("fax-answer").as_bytes()).unwrap();
    let to_a = sdp_peers::shown(&a.offer(&b).unwrap());
    assert_eq!(outline(&to_a), ["audio 0 RTP/AVP 8 0 101", "image 20000 udptl t38"]);
}

#[test]
fn a_call_may_begin_with_a_fax() {
    let (mut a, mut b) = (rtp(), rtp_with_ports(20010, 20011));
    assert_eq!(Profile::of_offer(text!("fax-offer").as_bytes()), Some(Profile::Rtp));
    let (to_b, to_a) = exchange(&mut a, text!("fax-offer"), &mut b, text!("fax-answer"));
    assert_eq!(outline(&to_b), ["image 20010 udptl t38"]);
    assert_eq!(outline(&to_a), ["image 20000 udptl t38"]);
    // A 200 that says the same as the 183 before.
    b.handle_answer(text!("fax-answer").as_bytes()).unwrap();
    assert_eq!(sdp_peers::shown(&a.answer(&b).unwrap()), to_a);
    let (to_b, _) = exchange(&mut a, text!("baresip-offer"), &mut b, text!("baresip-answer"));
    assert_eq!(outline(&to_b), ["audio 20010 RTP/AVP 8 0 101"]);
}

#[test]
fn of_audio_and_a_fax_the_fax_is_meant_when_it_is_new() {
    let both = text!("fax-offer-beside-audio").replace("m=audio 0", "m=audio 17000");
    let is_fax = |party: &mut Party, offer: &str| {
        party.handle_offer(offer.as_bytes()).unwrap();
        let mut other = rtp_with_ports(20010, 20011);
        sections(other.offer(party).unwrap())[0].media == MediaType::Image
    };
    let (mut a, _) = talking();
    assert!(is_fax(&mut a, &both), "in mid-call");
    assert!(!is_fax(&mut rtp(), &both), "in the beginning it says what it can");

    // Who said so in the beginning goes on to say so, and means it when the audio is no more.
    let (mut a, mut b) = (rtp(), rtp_with_ports(20010, 20011));
    exchange(&mut a, &both, &mut b, text!("baresip-answer"));
    assert!(!is_fax(&mut a, &both.replace("4108", "4109")));
    assert!(is_fax(&mut a, text!("fax-offer-beside-audio")));
}

#[test]
fn audio_beside_a_fax_is_served_where_no_fax_passes() {
    let both = text!("fax-offer-beside-audio").replace("m=audio 0", "m=audio 17000");
    let (mut a, mut browser) = (rtp(), webrtc());
    exchange(&mut a, text!("baresip-offer"), &mut browser, text!("chromium-answer-all"));
    a.handle_offer(both.as_bytes()).unwrap();
    assert_eq!(browser.offer(&a), Err(Refusal::NoFax));
    assert!(a.decline_fax());
    assert_eq!(sections(browser.offer(&a).unwrap())[0].media, MediaType::Audio);
    assert!(!a.decline_fax(), "there is none any more");
    a.rollback();
    browser.rollback();
    a.handle_offer(both.as_bytes()).unwrap();
    assert_eq!(sections(browser.pass_on(&mut a).unwrap())[0].media, MediaType::Audio);
    // So it is where we answer by ourselves.
    let (mut a, _) = talking();
    a.handle_offer(both.as_bytes()).unwrap();
    let answer = sdp_peers::shown(&a.answer_alone().unwrap());
    assert_eq!(outline(&answer), ["audio 20000 RTP/AVP 8", "image 0 UDPTL t38"]);
}

#[test]
fn who_takes_no_fax_refuses_it_and_nothing_changes() {
    let (mut a, mut b) = talking();
    let (agreed, current) = (a.agreed(), a.current());
    for srtp in [Srtp::Required, Srtp::Handshake] {
        let refused = rtp_with_srtp(srtp).handle_offer(text!("fax-offer").as_bytes());
        assert_eq!(refused, Err(Refusal::SrtpRequired));
        a.handle_offer(text!("fax-offer").as_bytes()).unwrap();
        assert_eq!(rtp_with_srtp(srtp).offer(&a), Err(Refusal::NoFax));
        assert!(!a.decline_fax());
        a.rollback();
    }
    assert_eq!(webrtc().handle_offer(text!("fax-offer").as_bytes()), Err(Refusal::NoAudio));
    a.handle_offer(text!("fax-offer").as_bytes()).unwrap();
    assert_eq!(a.clone().answer_alone(), Err(Refusal::NoFax));
    b.offer(&a).unwrap();
    let rejected = text!("fax-answer").replace("m=image 40010", "m=image 0");
    assert_eq!(b.handle_answer(rejected.as_bytes()), Err(Refusal::FaxRejected));
    assert_eq!(b.handle_answer(text!("baresip-answer").as_bytes()), Err(Refusal::FaxRejected));
    a.rollback();
    b.rollback();
    assert_eq!((a.agreed(), a.current()), (agreed, current));
    for refusal in [Refusal::NoFax, Refusal::FaxRejected, Refusal::SrtpRequired] {
        assert_eq!(refusal.status(), 488);
    }
    // What is no fax over UDPTL is not one.
    for other in ["UDP/TLS/UDPTL t38", "tcp t38", "RTP/AVP t38", "udptl t30"] {
        let offer = text!("fax-offer").replace("udptl t38", other);
        assert_eq!(a.handle_offer(offer.as_bytes()), Err(Refusal::NoAudio), "{other}");
    }
    let multicast = text!("fax-offer").replace("c=IN IP4 198.51.100.80", "c=IN IP4 224.2.1.1/127");
    assert_eq!(a.handle_offer(multicast.as_bytes()), Err(Refusal::Address));
}

#[test]
fn who_has_rejected_all_is_offered_its_audio_as_something_new() {
    let (mut a, mut b) = talking();
    a.handle_offer(text!("fax-offer").as_bytes()).unwrap();
    let audio = sections(b.current().unwrap());
    assert_eq!(version(b.offer(&a).unwrap()), 2);
    b.rollback();
    let anew = b.offer_anew().unwrap();
    assert_eq!((version(&anew), sections(&anew)), (3, audio));
    assert_eq!(b.offer_anew(), None, "it waits for its answer");
    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    assert_eq!(b.current(), Some(anew));
}

#[test]
fn audio_after_a_fax_is_encrypted_as_before_with_another_key() {
    let (mut a, mut b) = (rtp(), rtp_with_srtp(Srtp::Preferred));
    a.handle_offer(text!("baresip-offer").as_bytes()).unwrap();
    let offered = sections(b.offer(&a).unwrap()).remove(0);
    let answered = |section: &Section| {
        let line = &section.crypto[0];
        let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        assert_eq!(line.master.suite.name(), "AES_CM_128_HMAC_SHA1_80");
        format!("{}a=crypto:{} AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n", text!("baresip-answer"), line.tag)
    };
    let plain = Section { crypto: offered.crypto[2..].to_vec(), ..offered };
    b.handle_answer(answered(&plain).as_bytes()).unwrap();
    a.answer(&b).unwrap();
    let first = b.agreed().unwrap().sdes.unwrap();

    exchange(&mut a, text!("fax-offer"), &mut b, text!("fax-answer"));
    let fax = b.agreed().unwrap();
    assert!(fax.is_fax && fax.sdes.is_none());

    a.handle_offer(later(text!("baresip-offer"), 834_502_720).as_bytes()).unwrap();
    let again = sections(b.offer(&a).unwrap()).remove(0);
    assert_eq!((again.protocol.as_str(), again.crypto.len()), ("RTP/AVP", 1), "the suite that was agreed");
    b.handle_answer(answered(&again).as_bytes()).unwrap();
    let second = b.agreed().unwrap().sdes.unwrap();
    assert_eq!(second.receive, first.receive);
    assert_ne!(second.send, first.send, "its index may begin anew");
}

#[test]
fn a_fax_of_far_ends_that_meet_past_us_has_their_own_addresses() {
    use ringback_media::negotiation::Source;
    let ours = "192.0.2.1".parse().unwrap();
    let party = |source: &str| Party::past_us(ours, Source::new(source.parse().unwrap(), &[]), 7);
    let (mut a, mut b) = (party("198.51.100.80"), party("203.0.113.90"));
    let (to_b, to_a) = exchange(&mut a, text!("fax-offer"), &mut b, text!("fax-answer"));
    assert_eq!(
        (outline(&to_b), line(&to_b, "c=")),
        (vec!["image 16402 udptl t38"], Some("c=IN IP4 198.51.100.80"))
    );
    assert_eq!(
        (outline(&to_a), line(&to_a, "c=")),
        (vec!["image 40010 udptl t38"], Some("c=IN IP4 203.0.113.90"))
    );
    assert!(a.meets(&b) && a.is_told(&b) && b.is_told(&a));
}

#[test]
fn what_a_fax_says_is_read_and_written() {
    let fax = Description::parse(text!("fax-offer").as_bytes()).unwrap();
    assert_eq!(Description::parse(&fax.write()).unwrap(), fax);
    let said: Vec<_> = fax.sections[0].t38.iter().map(|it| (it.name.as_str(), it.value.as_deref())).collect();
    assert_eq!(said[0], ("T38FaxVersion", Some("0")));
    assert_eq!(said.len(), 9);
    assert!(!text!("baresip-offer").contains("T38"));
    let audio = text!("baresip-offer").to_owned() + "a=T38FaxVersion:0\r\n";
    assert_eq!(Description::parse(audio.as_bytes()).unwrap().sections[0].t38, [], "of a fax only");
}
