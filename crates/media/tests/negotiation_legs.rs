//! Offer and answer between a browser and a telephone, two of a kind, and an echo: the texts that both ends see.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::dtls::Role;
use ringback_media::negotiation::payload_map;
use sdp_peers::{exchange, line, rtp, rtp_with_ports, sections, shown, text, version, webrtc};

#[test]
fn a_browser_calls_a_phone() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (to_b, to_a) = exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    insta::assert_snapshot!("browser_to_phone_offer", to_b);
    insta::assert_snapshot!("browser_to_phone_answer", to_a);

    let settings = a.agreed().unwrap();
    assert_eq!(settings.codec, "PCMA");
    assert!(settings.sends && settings.receives);
    assert_eq!(settings.remote, None, "with ICE only the nominated pair counts");
    assert_eq!(settings.ice.unwrap().ufrag, "pQ3x");
    let dtls = settings.dtls.unwrap();
    assert_eq!((dtls.role, dtls.fingerprints.len()), (Role::Server, 1));

    let settings = b.agreed().unwrap();
    assert_eq!((settings.codec.as_str(), settings.ice, settings.dtls), ("PCMA", None, None));
    let remote = settings.remote.unwrap();
    assert_eq!(remote.rtp, "198.51.100.50:19834".parse().unwrap());
    assert_eq!(remote.rtcp, "198.51.100.50:19835".parse().unwrap());
    assert!(!remote.mux);
    assert_eq!(payload_map(&a, &b).iter().collect::<Vec<_>>(), [(0, 0), (8, 8), (126, 126)]);
}

#[test]
fn a_phone_calls_a_browser() {
    let (mut a, mut b) = (rtp(), webrtc());
    let (to_b, to_a) = exchange(&mut a, text!("baresip-offer"), &mut b, text!("chromium-answer"));
    insta::assert_snapshot!("phone_to_browser_offer", to_b);
    insta::assert_snapshot!("phone_to_browser_answer", to_a);
    assert_eq!(b.agreed().unwrap().dtls.unwrap().role, Role::Server, "the browser answered setup:active");
}

#[test]
fn a_browser_calls_a_browser() {
    let (mut a, mut b) = (webrtc(), webrtc());
    let (to_b, to_a) =
        exchange(&mut a, text!("chromium-offer-audio-video-data"), &mut b, text!("chromium-answer-all"));
    insta::assert_snapshot!("browser_to_browser_offer", to_b);
    insta::assert_snapshot!("browser_to_browser_answer", to_a);
    assert_eq!(
        payload_map(&a, &b).iter().collect::<Vec<_>>(),
        [(0, 0), (8, 8), (9, 9), (13, 13), (110, 110), (111, 111), (126, 126)],
    );
}

#[test]
fn a_phone_calls_a_phone() {
    let (mut a, mut b) = (rtp(), rtp_with_ports(20002, 20003));
    let (to_b, to_a) = exchange(&mut a, text!("linphone-offer"), &mut b, text!("phone-answer-other-numbers"));
    insta::assert_snapshot!("phone_to_phone_offer", to_b);
    insta::assert_snapshot!("phone_to_phone_answer", to_a);

    let remote = a.agreed().unwrap().remote.unwrap();
    assert!(remote.mux, "a phone that offers rtcp-mux gets it");
    assert_eq!(remote.rtcp, remote.rtp);
    assert!(!b.agreed().unwrap().remote.unwrap().mux);
}

#[test]
fn firefox_calls_a_phone_that_gave_no_rtpmap() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (to_b, to_a) = exchange(&mut a, text!("firefox-offer"), &mut b, text!("sipp-answer"));
    insta::assert_snapshot!("firefox_to_sipp_offer", to_b);
    insta::assert_snapshot!("firefox_to_sipp_answer", to_a);
    assert_eq!(a.agreed().unwrap().codec, "PCMU");
}

#[test]
fn a_phone_calls_firefox_whose_addresses_are_hidden() {
    let (mut a, mut b) = (rtp(), webrtc());
    exchange(&mut a, text!("baresip-offer"), &mut b, text!("firefox-answer"));
    let settings = b.agreed().unwrap();
    assert!(settings.sends && settings.receives, "c=0.0.0.0 beside ICE is no hold");
    assert_eq!((settings.remote, settings.codec.as_str()), (None, "PCMA"));
}

#[test]
fn a_browser_calls_the_echo() {
    let mut a = webrtc();
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    let answer = a.answer_alone().unwrap();
    insta::assert_snapshot!("browser_to_echo_answer", shown(&answer));
    assert_eq!(a.answer_alone().unwrap(), answer);
    assert_eq!(payload_map(&a, &a).iter().collect::<Vec<_>>(), [(110, 110), (111, 111)]);
    assert_eq!(a.agreed().unwrap().codec, "opus");
}

#[test]
fn a_phone_calls_the_echo() {
    let mut a = rtp();
    a.handle_offer(text!("sipp-offer").as_bytes()).unwrap();
    insta::assert_snapshot!("phone_to_echo_answer", shown(&a.answer_alone().unwrap()));
}

#[test]
fn an_invite_without_an_offer() {
    // A sends no offer: ours goes to B, what B answers is offered to A in the 200, and A answers in the ACK.
    let (mut a, mut b) = (webrtc(), rtp());
    insta::assert_snapshot!("late_offer_to_b", shown(&b.offer_alone()));
    b.handle_answer(text!("phone-answer-no-events").as_bytes()).unwrap();
    let to_a = a.offer_from_answer(&b).unwrap();
    insta::assert_snapshot!("late_offer_to_a", shown(&to_a));
    a.handle_answer(text!("chromium-answer").as_bytes()).unwrap();
    assert_eq!(payload_map(&a, &b).iter().collect::<Vec<_>>(), [(8, 8)]);
}

#[test]
fn a_browser_is_offered_the_same_whoever_offers_on_our_behalf() {
    let mut b = webrtc();
    insta::assert_snapshot!("offer_alone_to_browser", shown(&b.offer_alone()));
}

#[test]
fn rtcp_is_named_when_it_is_not_on_the_next_port() {
    let mut b = rtp_with_ports(20000, 20007);
    assert_eq!(line(&shown(&b.offer_alone()), "a=rtcp:"), Some("a=rtcp:20007"));
    let mut b = rtp_with_ports(20000, 20001);
    assert_eq!(line(&shown(&b.offer_alone()), "a=rtcp:"), None);
}

#[test]
fn rtcp_mux_that_was_not_offered_is_not_agreed() {
    let (mut a, mut b) = (webrtc(), rtp());
    let eager = text!("baresip-answer").to_owned() + "a=rtcp-mux\r\n";
    exchange(&mut a, text!("chromium-offer"), &mut b, &eager);
    let remote = b.agreed().unwrap().remote.unwrap();
    assert_eq!((remote.mux, remote.rtcp.port()), (false, 19835));
}

#[test]
fn rtcp_goes_to_the_port_of_the_attribute_and_to_no_other_address() {
    for (attribute, rtcp) in [
        ("a=rtcp:19900", "198.51.100.50:19900"),
        ("a=rtcp:19900 IN IP4 203.0.113.9", "198.51.100.50:19900"),
        ("a=rtcp:9 IN IP4 0.0.0.0", "198.51.100.50:19835"),
        ("a=rtcp:0", "198.51.100.50:19835"),
        ("a=x", "198.51.100.50:19835"),
    ] {
        let (mut a, mut b) = (webrtc(), rtp());
        let answer = text!("baresip-answer").replace("a=rtcp:19835", attribute);
        exchange(&mut a, text!("chromium-offer"), &mut b, &answer);
        assert_eq!(b.agreed().unwrap().remote.unwrap().rtcp, rtcp.parse().unwrap(), "{attribute}");
    }
}

#[test]
fn an_ipv6_leg() {
    let mut a = rtp();
    a.handle_offer(text!("phone-offer-ipv6").as_bytes()).unwrap();
    let mut b = webrtc();
    let offer = shown(&b.offer(&a).unwrap());
    assert_eq!(line(&offer, "m="), Some("m=audio 8443 UDP/TLS/RTP/SAVPF 2 9 111 8 0 110 101"));
    assert_eq!(line(&offer, "a=rtpmap:2 "), Some("a=rtpmap:2 G726-32/8000"));
}

#[test]
fn the_answer_of_a_183_and_of_the_200_are_the_same_bytes() {
    let (mut a, mut b) = (webrtc(), rtp());
    exchange(&mut a, text!("chromium-offer"), &mut b, text!("baresip-answer"));
    let early = a.current().unwrap();
    b.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    assert_eq!(a.answer(&b).unwrap(), early);
    assert_eq!(a.answer(&b).unwrap(), early);
    assert_eq!((version(&early), a.current()), (1, Some(early)));
}

#[test]
fn a_fork_of_one_offer_reaches_legs_of_both_kinds() {
    let mut a = webrtc();
    a.handle_offer(text!("chromium-offer").as_bytes()).unwrap();
    let (mut phone, mut browser) = (rtp(), webrtc());
    let to_phone = phone.offer(&a).unwrap();
    let to_browser = browser.offer(&a).unwrap();
    assert_eq!(sections(&to_phone)[0].protocol, "RTP/AVP");
    assert_eq!(sections(&to_browser)[0].protocol, "UDP/TLS/RTP/SAVPF");

    // The phone rang with early media; the browser answers first, and a branch started later still gets the offer.
    phone.handle_answer(text!("baresip-answer").as_bytes()).unwrap();
    a.answer(&phone).unwrap();
    let mut late = webrtc();
    assert_eq!(late.offer(&a).unwrap(), to_browser);
    browser.handle_answer(text!("chromium-answer-all").as_bytes()).unwrap();
    a.answer(&browser).unwrap();
    assert_eq!(a.agreed().unwrap().codec, "opus");
}
