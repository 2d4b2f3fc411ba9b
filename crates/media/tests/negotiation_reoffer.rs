//! Later offers in a call: versions, DTLS roles, ICE restarts, sections that stay, failures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::dtls::Role;
use ringback_media::negotiation::{Party, Refusal, payload_map};
use ringback_media::sdp::{Direction, MediaType, Setup};
use ringback_nat::ice::Credentials;
use sdp_peers::{exchange, line, rtp, sections, shown, text, version, webrtc, with_direction};

#[test]
fn the_version_grows_by_one_when_the_text_changes_and_only_then() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (to_b, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    assert_eq!((version(&to_b), version(&to_a)), (1, 1));
    assert_eq!(line(&to_b, "o="), Some("o=- 2002 1 IN IP4 192.0.2.1"));

    let (to_b, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    assert_eq!((version(&to_b), version(&to_a)), (1, 1), "the same again");

    let hold = with_direction(text!("chromium-offer"), "sendonly");
    let held = with_direction(text!("baresip-answer"), "recvonly");
    let (to_b, to_a) = exchange(&mut a, &hold, &mut b, &held);
    assert_eq!((version(&to_b), version(&to_a)), (2, 2));

    let (to_b, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    assert_eq!((version(&to_b), version(&to_a)), (3, 3), "an earlier text is a change too");
    assert_eq!(line(&to_b, "o="), Some("o=- 2002 3 IN IP4 192.0.2.1"), "the session id stays");
}

#[test]
fn a_failed_offer_leaves_the_last_agreement() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    let (before_a, before_b) = (a.current().unwrap(), b.current().unwrap());

    a.handle_offer(with_direction(text!("chromium-offer"), "sendonly").as_bytes()).unwrap();
    let failed = b.offer(&a).unwrap();
    assert_eq!(version(&failed), 2);
    assert_eq!(b.current().unwrap(), before_b, "until it is answered the agreement holds");
    b.rollback();
    a.rollback();
    assert_eq!((a.current().unwrap(), b.current().unwrap()), (before_a, before_b));
    assert!(!a.is_on_hold() && a.agreed().unwrap().receives);

    a.handle_offer(with_direction(text!("chromium-offer"), "inactive").as_bytes()).unwrap();
    assert_eq!(version(b.offer(&a).unwrap()), 3, "a version is never used for two texts");
}

#[test]
fn crossing_offers_are_glare_on_the_leg_where_they_meet() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    b.offer(&a).unwrap();
    assert_eq!(b.handle_offer(text!("baresip-offer").as_bytes()), Err(Refusal::Glare));
    assert_eq!(a.offer(&b), Err(Refusal::Glare), "A's own offer waits");
    assert_eq!(Refusal::Glare.status(), 491);

    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    a.answer(&b).unwrap();
    assert_eq!(b.handle_offer(text!("baresip-offer").as_bytes()), Ok(()));
}

#[test]
fn answers_need_offers() {
    let (mut a, mut b) = (webrtc(), rtp());
    assert_eq!(a.handle_answer(text!("chromium-answer").as_bytes()), Err(Refusal::NoOffer));
    assert_eq!(a.answer_alone(), Err(Refusal::NoOffer));
    assert_eq!(b.offer(&a), Err(Refusal::NoDescription));
    assert_eq!(b.offer_from_answer(&a), Err(Refusal::NoDescription));
    assert!(a.current().is_none() && a.agreed().is_none() && a.direction().is_none());
    assert_eq!(payload_map(&a, &b).iter().count(), 0);

    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    assert_eq!(a.answer(&b), Err(Refusal::NoDescription));
    assert_eq!(a.handle_answer(text!("chromium-answer").as_bytes()), Err(Refusal::NoOffer));
}

#[test]
fn a_session_refresh_is_known_by_its_text() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    let answer = a.current().unwrap();

    let counted = text!("chromium-offer").replace("o=- 4611730259438274721 2", "o=- 4611730259438274721 3");
    a.handle_offer(counted.as_bytes()).unwrap();
    assert!(a.repeats_itself(), "the o= line alone is no change");
    assert_eq!(a.answer(&b).unwrap(), answer);

    a.handle_offer(with_direction(&counted, "sendonly").as_bytes()).unwrap();
    assert!(!a.repeats_itself());
}

#[test]
fn our_current_description_can_be_sent_as_an_offer() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    let refresh = b.current().unwrap();
    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    assert_eq!(b.current().unwrap(), refresh);

    // The leg that we answered: its answer to our passive is active.
    let answer = text!("chromium-offer").replace("setup:actpass", "setup:active");
    a.handle_answer(answer.as_bytes()).unwrap();
    assert_eq!(a.agreed().unwrap().dtls.unwrap().role, Role::Server);
}

/// Role of ours after an offer with this setup, in the state that the party is in.
fn setup_of_answer(a: &mut Party, b: &Party, offered: &str, other_certificate: bool) -> (Setup, Role) {
    let mut offer = text!("chromium-offer").replace("setup:actpass", offered);
    if other_certificate {
        offer = offer.replace("5C:1E:0B", "00:00:00");
    }
    a.handle_offer(offer.as_bytes()).unwrap();
    let setup = sections(a.answer(b).unwrap())[0].setup.unwrap();
    (setup, a.agreed().unwrap().dtls.unwrap().role)
}

#[test]
fn dtls_roles_of_answers() {
    let mut phone = rtp();
    let mut other = rtp();
    other.handle_offer(text!("baresip-offer").as_bytes()).unwrap();
    phone.offer(&other).unwrap();
    phone.handle_answer(text!("baresip-answer").as_bytes()).unwrap();

    for (offered, expected) in [
        ("setup:actpass", (Setup::Passive, Role::Server)),
        ("setup:active", (Setup::Passive, Role::Server)),
        ("setup:passive", (Setup::Active, Role::Client)),
        ("x-no-setup", (Setup::Passive, Role::Server)),
    ] {
        let mut a = webrtc();
        assert_eq!(setup_of_answer(&mut a, &phone, offered, false), expected, "{offered}");
        assert_eq!(setup_of_answer(&mut a, &phone, "setup:actpass", false), expected, "{offered}: kept");
        assert_eq!(
            setup_of_answer(&mut a, &phone, "setup:actpass", true),
            (Setup::Passive, Role::Server),
            "{offered}: another certificate is another association",
        );
    }
}

#[test]
fn dtls_roles_of_offers() {
    for (answered, role, setup) in [
        ("setup:active", Role::Server, Setup::Passive),
        ("setup:passive", Role::Client, Setup::Active),
        ("setup:actpass", Role::Server, Setup::Passive),
        ("x-no-setup", Role::Server, Setup::Passive),
    ] {
        let (mut a, mut b) = (rtp(), webrtc());
        let answer = text!("chromium-answer").replace("setup:active", answered);
        let (to_b, _) = exchange(&mut a, text!("baresip-offer"), &mut b, &answer);
        assert_eq!(sections(&to_b)[0].setup, Some(Setup::ActPass));
        assert_eq!(b.agreed().unwrap().dtls.unwrap().role, role, "{answered}");

        let (to_b, _) = exchange(&mut a, text!("baresip-offer"), &mut b, &answer);
        assert_eq!(sections(&to_b)[0].setup, Some(Setup::ActPass), "later offers leave it open too");

        // The browser offers in turn, with the same certificate.
        let offer = text!("chromium-answer").replace("setup:active", "setup:actpass");
        b.handle_offer(offer.as_bytes()).unwrap();
        assert_eq!(sections(b.answer(&a).unwrap())[0].setup, Some(setup), "{answered}: the role stays");
        assert_eq!(b.agreed().unwrap().dtls.unwrap().role, role);
    }
}

#[test]
fn an_ice_restart_takes_new_credentials_and_keeps_the_role() {
    let (mut a, mut b) = (webrtc(), rtp());
    let passive = text!("chromium-offer").replace("setup:actpass", "setup:passive");
    exchange(&mut a, &passive, &mut b, text!("baresip-answer"));
    assert!(!a.restarts_ice());

    a.handle_offer(text!("chromium-offer-restart").as_bytes()).unwrap();
    assert!(a.restarts_ice());
    a.set_ice(Credentials { ufrag: "newfragm".into(), pwd: "newpasswordnewpasswordne".into() });
    let answer = shown(&a.answer(&b).unwrap());
    assert_eq!(line(&answer, "a=ice-ufrag"), Some("a=ice-ufrag:newfragm"));
    assert_eq!(line(&answer, "a=setup"), Some("a=setup:active"), "the DTLS association goes on");
    assert_eq!(version(answer.replace('\n', "\r\n")), 2);
    let settings = a.agreed().unwrap();
    assert_eq!(settings.ice.unwrap().ufrag, "zT7u");
    assert_eq!(settings.dtls.unwrap().role, Role::Client);
    assert!(!a.restarts_ice());
}

#[test]
fn rejected_sections_keep_their_place_in_all_later_descriptions() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (to_b, to_a) =
        exchange(&mut a, text!("chromium-offer-audio-video-data"), &mut b, text!("baresip-answer"));
    assert_eq!(sections(&to_b).len(), 1, "they are not offered onward");
    insta::assert_snapshot!("rejected_sections_answer", to_a);

    // B holds: the offer to A has all three sections.
    b.handle_offer(with_direction(text!("baresip-offer"), "sendonly").as_bytes()).unwrap();
    let offer = a.offer(&b).unwrap();
    insta::assert_snapshot!("rejected_sections_later_offer", shown(&offer));
    let answer = text!("chromium-offer-audio-video-data").replace("actpass", "active");
    a.handle_answer(with_direction(&answer, "recvonly").as_bytes()).unwrap();
    b.answer(&a).unwrap();

    // A adds no section and B one: each leg answers with what it was offered.
    let unusable = text!("phone-offer-sdes-or-plain").replace("AES_CM_128", "F8_128");
    b.handle_offer(unusable.as_bytes()).unwrap();
    assert_eq!(a.offer(&b), Err(Refusal::NoFax), "a browser takes none");
    assert!(b.decline_fax());
    assert_eq!(sections(a.offer(&b).unwrap()).len(), 3);
    a.handle_answer(answer.as_bytes()).unwrap();
    let to_b = sections(b.answer(&a).unwrap());
    let outline: Vec<_> =
        to_b.iter().map(|s| (s.media.value(), s.port, s.protocol.as_str(), s.formats.as_str())).collect();
    assert_eq!(
        outline,
        [
            ("audio", 0, "RTP/SAVP", "8 101"),
            ("audio", 20000, "RTP/AVP", "8 101"),
            ("image", 0, "udptl", "t38"),
        ],
        "the audio that can be served is served, wherever it stands",
    );
}

#[test]
fn the_served_section_stays_when_another_would_do() {
    let two = text!("baresip-offer").to_owned() + "m=audio 19900 RTP/AVP 8\r\n";
    let first_gone = two.replace("m=audio 19834", "m=audio 0");
    let mut a = rtp();
    let ports = |text: &[u8]| sections(text).iter().map(|section| section.port).collect::<Vec<_>>();
    a.handle_offer(two.as_bytes()).unwrap();
    assert_eq!(ports(&a.answer_alone().unwrap()), [20000, 0]);
    a.handle_offer(first_gone.as_bytes()).unwrap();
    assert_eq!(ports(&a.answer_alone().unwrap()), [0, 20000]);
    assert_eq!(a.agreed().unwrap().remote.unwrap().rtp, "198.51.100.50:19900".parse().unwrap());
    a.handle_offer(two.as_bytes()).unwrap();
    assert_eq!(ports(&a.answer_alone().unwrap()), [0, 20000]);
}

#[test]
fn audio_that_is_bundled_behind_a_rejected_video() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (_, to_a) = exchange(&mut a, text!("chromium-offer-bundle-only"), &mut b, text!("baresip-answer"));
    insta::assert_snapshot!("bundle_only_answer", to_a);
    let settings = a.agreed().unwrap();
    assert_eq!(
        settings.ice.unwrap().ufrag,
        "pQ3x",
        "the transport is that of the first section of the group"
    );
    assert_eq!(settings.dtls.unwrap().fingerprints.len(), 1);
}

#[test]
fn bundled_audio_without_the_section_it_names_uses_its_own_transport() {
    let offer = text!("session-level-attributes").replace("m=audio 4004", "m=audio 0")
        + "a=mid:1\r\na=bundle-only\r\n";
    for group in ["", "a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE\r\n"] {
        let mut a = webrtc();
        a.handle_offer(offer.replace("a=sendonly\r\n", group).as_bytes()).unwrap();
        a.answer_alone().unwrap();
        assert_eq!(a.agreed().unwrap().ice.unwrap().ufrag, "Sess", "{group}");
    }
}

#[test]
fn mid_and_bundle_mirror_the_offer() {
    let mut b = rtp();
    let mut other = rtp();
    other.handle_offer(text!("baresip-offer").as_bytes()).unwrap();
    b.offer(&other).unwrap();
    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();

    let mut a = webrtc();
    a.handle_offer(
        text!("chromium-offer")
            .replace("a=mid:0", "a=mid:audio")
            .replace("BUNDLE 0", "BUNDLE audio")
            .as_bytes(),
    )
    .unwrap();
    let answer = shown(&a.answer(&b).unwrap());
    assert_eq!(line(&answer, "a=group"), Some("a=group:BUNDLE audio"));
    assert_eq!(line(&answer, "a=mid"), Some("a=mid:audio"));
    let offer = shown(&a.offer(&b).unwrap());
    assert_eq!(line(&offer, "a=group"), Some("a=group:BUNDLE audio"));
    assert_eq!(line(&offer, "a=mid"), Some("a=mid:audio"));

    let mut a = webrtc();
    a.handle_offer(text!("session-level-attributes").as_bytes()).unwrap();
    let answer = shown(&a.answer_alone().unwrap());
    assert_eq!((line(&answer, "a=group"), line(&answer, "a=mid")), (None, None));
    assert_eq!(sections(&answer)[0].direction, Direction::RecvOnly);
    assert_eq!(sections(&answer)[0].protocol, "RTP/SAVPF", "the protocol of the offer");
    assert!(sections(&answer).iter().all(|section| section.media == MediaType::Audio));
}

#[test]
fn rtcp_mux_stays_once_a_phone_asked_for_it() {
    let (mut a, mut b) = (webrtc(), rtp());
    b.handle_offer(text!("linphone-offer").as_bytes()).unwrap();
    a.offer(&b).unwrap();
    a.handle_answer(text!("chromium-answer-all").as_bytes()).unwrap();
    let answer = b.answer(&a).unwrap();
    assert!(sections(&answer)[0].rtcp_mux);
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    let later = sections(b.offer(&a).unwrap());
    assert!(later[0].rtcp_mux);
    assert_eq!((later.len(), later[1].port, later[1].media.value()), (2, 0, "video"));
    // Should the phone leave it out this time, RTCP has its own port again.
    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    assert!(!b.agreed().unwrap().remote.unwrap().mux);
}
