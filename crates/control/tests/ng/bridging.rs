//! A browser and a telephone talk by way of somebody else's proxy.

use ringback_control::ng::Message;

use crate::kit::{
    World, about, browser, browser_calls, browser_calls_two, phone, phone_answers, reason, sdp, text,
};

#[test]
fn a_browser_calls_a_plain_telephone() {
    let mut world = World::new();
    let offered = sdp(&browser_calls(&mut world));
    assert!(offered.contains("m=audio 20004 RTP/AVP 111 9 0 8 110\r\n"), "{offered}");
    assert!(offered.contains("c=IN IP4 192.0.2.1\r\n"), "{offered}");
    for absent in ["ice-", "fingerprint", "candidate", "rtcp-mux", "BUNDLE"] {
        assert!(!offered.contains(absent), "{absent} in {offered}");
    }
    assert_eq!(
        world.happened(),
        "web1 opens at 192.0.2.1, far end 198.51.100.7\nrtp2 opens at 192.0.2.1, far end 0.0.0.0"
    );

    let answered = sdp(&phone_answers(&mut world, &[]));
    assert!(answered.contains("m=audio 8443 UDP/TLS/RTP/SAVPF 8 0 110\r\n"), "{answered}");
    for present in
        ["a=ice-lite", "a=ice-ufrag:ufrag001", "a=setup:passive", "a=rtcp-mux", "a=mid:0", "a=ptime:20"]
    {
        assert!(answered.contains(present), "no {present} in {answered}");
    }
    assert_eq!(
        world.happened(),
        "web1 by ICE {0: 0, 8: 8, 110: 101}\nrtp2 203.0.113.9:40000 {0: 0, 8: 8, 101: 110, 110: 110}\nweb1 and rtp2 talk"
    );
}

#[test]
fn a_plain_telephone_calls_a_browser() {
    let mut world = World::new();
    let offer = phone("203.0.113.9", 40_000);
    let answer = world.ask(&about(
        "offer",
        &[
            ("from-tag", "bob"),
            ("sdp", &offer),
            ("ICE", "force"),
            ("DTLS", "passive"),
            ("SDES", "|off"),
            ("rtcp-mux", "|offer"),
            ("flags", "|generate-mid|trust-address"),
            ("transport-protocol", "UDP/TLS/RTP/SAVPF"),
        ],
    ));
    let offered = sdp(&answer);
    assert!(offered.contains("m=audio 8443 UDP/TLS/RTP/SAVPF 8 0 101\r\n"), "{offered}");
    assert!(offered.contains("a=setup:actpass\r\n") && offered.contains("a=mid:0\r\n"), "{offered}");
    assert_eq!(answer.text("warning"), None);

    let sdp_of_browser =
        browser("active", "brow").replace("111 9 0 8 110", "8 101").replace(":110 ", ":101 ");
    let answer = world.ask(&about(
        "answer",
        &[
            ("from-tag", "bob"),
            ("to-tag", "alice"),
            ("sdp", &sdp_of_browser),
            ("ICE", "remove"),
            ("transport-protocol", "RTP/AVP"),
        ],
    ));
    assert!(sdp(&answer).contains("m=audio 20002 RTP/AVP 8 101\r\n"), "{answer:?}");
    assert!(world.happened().ends_with("rtp1 and web2 talk"));
}

#[test]
fn a_fax_is_passed_on_between_telephones() {
    let mut world = World::new();
    let fax = |port: u16| {
        let (audio, image) = ("m=audio 0 RTP/AVP 8\r\n", format!("m=image {port} udptl t38\r\n"));
        let top = "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n";
        format!("{top}{audio}{image}a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n")
    };
    let flags = ("flags", "|trust-address");
    let offer = about("offer", &[("from-tag", "bob"), ("sdp", &fax(40_000)), flags]);
    let offered = sdp(&world.ask(&offer));
    assert!(offered.contains("m=image 20004 udptl t38\r\na=T38FaxVersion:0\r\n"), "{offered}");
    let answer = fax(41_000).replace("m=audio 0 RTP/AVP 8\r\n", "");
    let answer = about("answer", &[("from-tag", "bob"), ("to-tag", "carol"), ("sdp", &answer), flags]);
    let answered = sdp(&world.ask(&answer));
    assert!(answered.contains("m=audio 0 RTP/AVP 8\r\nm=image 20002 udptl t38\r\n"), "{answered}");
    assert!(answered.contains("a=T38FaxUdpEC:t38UDPRedundancy\r\n"), "{answered}");
    assert!(world.happened().ends_with("rtp1 and rtp2 talk"));
}

/// As the module writes it: names in no order, a list for the source, the cookie of a process.
#[test]
fn a_datagram_of_the_module_is_understood() {
    let mut world = World::new();
    let offer = browser("actpass", "brow");
    let datagram = format!(
        "23511_77 d8:supportsl10:load limite3:sdp{}:{offer}3:ICE6:remove5:flagsl13:trust-addresse\
         7:replacel6:origin18:session-connectione18:transport-protocol7:RTP/AVP8:rtcp-muxl5:demuxe\
         13:received-froml3:IP412:198.51.100.7e7:call-id10:c1@example10:via-branch12:z9hG4bK776as\
         8:from-tag5:alice7:command5:offer16:sip-message-type7:requeste",
        offer.len()
    );
    world.send(datagram.as_bytes());
    let sent = world.sent().pop().unwrap();
    assert!(sent.starts_with("23511_77 d6:result2:ok3:sdp"), "{sent}");
    assert_eq!(world.engine.stats().unknown_flags.len(), 0);
}

#[test]
fn the_line_of_the_script_may_be_left_to_us() {
    let mut world = World::new();
    let offer = browser("actpass", "brow").replace('\r', "\\r").replace('\n', "\\n");
    let line = "replace-origin replace-session-connection ICE=remove rtcp-mux-demux RTP/AVP \
                codec-strip-opus codec-strip-G722 direction=default direction=default via-branch=1";
    let datagram = format!(
        r#"1_1 {{"command":"offer","call-id":"c1","from-tag":"alice","sdp":"{offer}","rtpp-flags":"{line}"}}"#
    );
    world.send(datagram.as_bytes());
    let sent = world.sent().pop().unwrap();
    let message = Message::read(&sent.clone().into_bytes().into()).unwrap();
    let offered = sdp(&message.dict.unwrap());
    assert!(offered.contains(" RTP/AVP 0 8 110\r\n"), "{offered}");
    assert!(!offered.contains("opus") && !offered.contains("G722"), "{offered}");
    assert_eq!(world.engine.stats().unknown_flags.len(), 0, "{:?}", world.engine.stats().unknown_flags);
}

#[test]
fn a_hold_and_an_ice_restart_pass() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.happened();

    // The telephone holds.
    let hold = phone("203.0.113.9", 40_000) + "a=sendonly\r\n";
    let held = sdp(&world.ask(&about("offer", &[("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &hold)])));
    assert!(held.contains("a=sendonly\r\n") && held.contains("UDP/TLS/RTP/SAVPF"), "{held}");
    let resting = browser("active", "brow").replace("sendrecv", "recvonly");
    let more = [("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &resting[..])];
    assert!(sdp(&world.ask(&about("answer", &more))).contains("a=recvonly\r\n"));
    assert!(!world.legs[&world.leg("web1")].settings.as_ref().unwrap().sends);
    world.happened();

    // The browser comes back by another network.
    let offer = browser("actpass", "newu");
    let more = [("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer[..])];
    assert!(sdp(&world.ask(&about("offer", &more))).contains("RTP/AVP"));
    let answered = sdp(&phone_answers(&mut world, &[]));
    assert!(!answered.contains("ufrag001"), "{answered}");
    assert!(world.happened().starts_with("web1 restarts ICE\nweb1 by ICE"));
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn an_offer_that_was_refused_over_sip_is_not_in_the_way() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    let offer = browser("actpass", "brow");
    let again = [("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer[..])];
    sdp(&world.ask(&about("offer", &again)));
    // 488. Then the other side offers, is refused too, and the first tries again.
    let other = phone("203.0.113.9", 40_002);
    sdp(&world.ask(&about("offer", &[("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &other)])));
    sdp(&world.ask(&about("offer", &again)));
    sdp(&phone_answers(&mut world, &[]));
}

#[test]
fn an_invite_that_comes_again_with_credentials_is_the_same_side() {
    let mut world = World::new();
    let first = sdp(&browser_calls(&mut world));
    let again = sdp(&browser_calls(&mut world));
    assert_eq!(first, again);
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn an_offer_may_come_with_the_200_and_its_answer_with_the_ack() {
    let mut world = World::new();
    let offer = phone("203.0.113.9", 40_000);
    let more = [
        ("from-tag", "bob"),
        ("to-tag", "alice"),
        ("sdp", &offer[..]),
        ("ICE", "force"),
        ("transport-protocol", "UDP/TLS/RTP/SAVPF"),
    ];
    assert!(sdp(&world.ask(&about("offer", &more))).contains("SAVPF 8 0 101"));
    let answer = browser("active", "brow");
    let more = [("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &answer[..])];
    assert!(sdp(&world.ask(&about("answer", &more))).contains("RTP/AVP 0 8 101\r\n"));
    // From here on either side may offer.
    let again = browser("actpass", "brow");
    let more = [("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &again[..])];
    assert!(sdp(&world.ask(&about("offer", &more))).contains("RTP/AVP"));
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn each_branch_has_a_leg_and_who_answers_last_is_heard() {
    let mut world = World::new();
    browser_calls_two(&mut world);
    assert_eq!(world.legs.len(), 3);
    world.happened();
    sdp(&phone_answers(&mut world, &[("via-branch", "z9hG4bKtwo"), ("to-tag", "two")]));
    assert!(world.happened().ends_with("web1 and rtp3 talk"));
    sdp(&phone_answers(&mut world, &[("via-branch", "z9hG4bKone"), ("to-tag", "one")]));
    assert!(world.happened().ends_with("web1 and rtp2 talk"));
    // In the dialog only the tags count: its requests have branches of their own.
    sdp(&phone_answers(&mut world, &[("via-branch", "z9hG4bKother"), ("to-tag", "two")]));
    assert!(world.happened().ends_with("web1 and rtp3 talk"));
    // Behind a branch is another proxy that forks.
    sdp(&phone_answers(&mut world, &[("via-branch", "z9hG4bKone"), ("to-tag", "one-too")]));
    assert!(world.happened().ends_with("web1 and rtp2 talk"));
    assert_eq!(world.legs.len(), 3);
}

#[test]
fn what_comes_before_the_media_is_open_waits_its_turn() {
    let mut world = World::new();
    world.is_prompt = false;
    let offer = phone("203.0.113.9", 4000);
    let first = world.ask_only(&about("offer", &[("from-tag", "a"), ("sdp", &offer)]));
    let answer = phone("203.0.113.8", 5000);
    let more = [("from-tag", "a"), ("to-tag", "b"), ("sdp", &answer[..])];
    let second = world.ask_only(&about("answer", &more));
    let third = world.ask_only(&about("delete", &[("from-tag", "a"), ("delete delay", "0")]));
    assert!(world.sent().is_empty());
    world.obey();
    sdp(&world.answer_to(&first).unwrap());
    sdp(&world.answer_to(&second).unwrap());
    assert_eq!(text(&world.answer_to(&third).unwrap(), "result"), "ok");
    assert!(world.legs.is_empty());
}

#[test]
fn too_much_does_not_wait() {
    let mut world = World::new();
    world.is_prompt = false;
    let offer = phone("203.0.113.9", 4000);
    let mut cookies = Vec::new();
    for _ in 0..17 {
        cookies.push(world.ask_only(&about("offer", &[("from-tag", "a"), ("sdp", &offer)])));
    }
    let last = world.answer_to(&cookies[16]).unwrap();
    assert_eq!(reason(&last), "Too many requests for this call wait for its media");
    assert!(world.answer_to(&cookies[15]).is_none());
}

#[test]
fn a_media_worker_that_is_silent_is_not_waited_for() {
    let mut world = World::new();
    world.is_prompt = false;
    let offer = phone("203.0.113.9", 4000);
    let cookie = world.ask_only(&about("offer", &[("from-tag", "a"), ("sdp", &offer)]));
    world.pass(4);
    let answer = world.answer_to(&cookie).unwrap();
    assert_eq!(reason(&answer), "The media workers did not open the call in time");
    assert_eq!(world.engine.calls(), 0);
    world.obey();
    assert!(world.legs.is_empty(), "what is opened too late is closed");
}

#[test]
fn without_ports_the_proxy_is_sent_to_another_engine() {
    let mut world = World::new();
    world.refuses = Some("no free port".to_owned());
    let answer = browser_calls(&mut world);
    assert_eq!(
        (text(&answer, "result"), text(&answer, "message")),
        ("load limit".into(), "no free port".into())
    );
    assert_eq!(world.engine.calls(), 0);

    let mut world = World::with(|settings| settings.max_calls = 0);
    assert_eq!(text(&browser_calls(&mut world), "result"), "load limit");
    assert_eq!(world.engine.stats().calls_refused, 1);
}

#[test]
fn a_telephone_behind_a_nat_is_reached_where_its_sip_came_from() {
    for (flags, expected) in [("|symmetric", "203.0.113.50"), ("|trust-address", "192.168.7.7")] {
        let mut world = World::new();
        browser_calls(&mut world);
        let answer = phone("192.168.7.7", 40_000);
        phone_answers(
            &mut world,
            &[("sdp", &answer), ("flags", flags), ("received-from", "|IP4|203.0.113.50")],
        );
        let happened = world.happened();
        assert!(happened.contains(&format!("rtp2 {expected}:40000")), "{happened}");
        // The media worker hears of it as well, and once.
        let is_located = happened.contains("rtp2 signals from 203.0.113.50\n");
        assert_eq!(is_located, flags == "|symmetric", "{happened}");
        phone_answers(
            &mut world,
            &[("sdp", &answer), ("flags", flags), ("received-from", "|IP4|203.0.113.50")],
        );
        assert!(!world.happened().contains("signals from"));
    }
}

#[test]
fn what_the_negotiation_does_not_allow_is_an_error_in_words() {
    let browser = browser("actpass", "brow");
    let phone = phone("203.0.113.9", 4000);
    for (offer, more, expected) in [
        (
            &phone,
            &[("transport-protocol", "RTP/SAVP"), ("SDES", "|off"), ("DTLS", "off")][..],
            "SRTP needs keys",
        ),
        (
            &phone,
            &[("transport-protocol", "UDP/TLS/RTP/SAVPF"), ("ICE", "force"), ("DTLS", "off")],
            "SRTP needs keys",
        ),
        (&browser, &[("flags", "|fragment")], "Fragments of trickle ICE"),
        (&phone, &[("direction", "|pub|priv")], "No interface has this name"),
        (&phone, &[("address-family", "IP6")], "The interface has no address of this family"),
        (&phone.replace("RTP/AVP", "RTP/SAVP"), &[], "a=crypto"),
        (&phone.replace("m=audio", "m=video"), &[], "The session description has no audio"),
        (&"hello".to_owned(), &[], ""),
    ] {
        let mut world = World::new();
        let mut all = vec![("from-tag", "a"), ("sdp", &offer[..])];
        all.extend_from_slice(more);
        let words = reason(&world.ask(&about("offer", &all)));
        assert!(words.contains(expected), "{words:?} is not {expected:?}");
        assert!(world.legs.is_empty() && world.engine.calls() == 0, "{expected}: something is left");
    }
}

#[test]
fn a_refused_answer_leaves_the_call_as_it_was() {
    let mut world = World::new();
    browser_calls(&mut world);
    let answer = phone("203.0.113.9", 4000).replace("8 0 101", "3");
    let words = reason(&phone_answers(&mut world, &[("sdp", &answer)]));
    assert!(words.contains("codec"), "{words}");
    sdp(&phone_answers(&mut world, &[]));
    let more = [("from-tag", "nobody"), ("to-tag", "bob"), ("sdp", "v=0")];
    assert!(reason(&world.ask(&about("answer", &more))).starts_with("No side of the call"));
}

#[test]
fn a_side_keeps_its_transport() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    let offer = browser("actpass", "brow");
    let more =
        [("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer[..]), ("transport-protocol", "RTP/SAVPF")];
    assert!(reason(&world.ask(&about("offer", &more))).starts_with("A side cannot change"));
}
