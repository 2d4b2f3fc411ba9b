//! Sides that are protected without ICE, sides whose audio is made anew, and what is told of them.

use ringback_control::ng::{Dict, Value};
use ringback_media::negotiation::Profile;
use ringback_media::quality::{History, Summary};
use ringback_media::session::{Drops, LegKey, LegReport};

use crate::kit::{World, about, browser, browser_calls, phone, phone_answers, reason, sdp, text};

fn offer(world: &mut World, text: &str, more: &[(&str, &str)]) -> Dict {
    let mut all = vec![("from-tag", "alice"), ("sdp", text)];
    all.extend_from_slice(more);
    world.ask(&about("offer", &all))
}

fn answer(world: &mut World, text: &str, more: &[(&str, &str)]) -> Dict {
    let mut all = vec![("from-tag", "alice"), ("to-tag", "bob"), ("sdp", text)];
    all.extend_from_slice(more);
    world.ask(&about("answer", &all))
}

#[test]
fn a_browser_talks_to_a_telephone_with_sdes() {
    let mut world = World::new();
    let offered = offer(
        &mut world,
        &browser("actpass", "brow"),
        &[("transport-protocol", "RTP/SAVP"), ("ICE", "remove"), ("SDES", "|no-AEAD_AES_256_GCM")],
    );
    let offered = sdp(&offered);
    assert!(
        offered.contains("m=audio 20004 RTP/SAVP ") && !offered.contains("AEAD_AES_256_GCM"),
        "{offered}"
    );
    let line = offered.lines().find(|line| line.contains("AES_CM_128_HMAC_SHA1_80")).unwrap();
    let telephone = phone("203.0.113.9", 40_000).replace("RTP/AVP", "RTP/SAVP") + line + "\r\n";
    let more = [("transport-protocol", "UDP/TLS/RTP/SAVPF"), ("ICE", "force")];
    let answered = sdp(&answer(&mut world, &telephone, &more));
    assert!(answered.contains("UDP/TLS/RTP/SAVPF") && !answered.contains("a=crypto"), "{answered}");
    let settings = |name: &str| world.legs[&world.leg(name)].settings.clone().unwrap();
    assert!(settings("rtp2").sdes.is_some() && settings("web1").dtls.is_some());
    let told = world.ask(&about("query", &[]));
    let told = format!("{told:?}");
    assert!(told.contains("RTP/SAVP") && told.contains("SDES"), "{told}");
}

#[test]
fn an_offer_with_sdes_is_answered_in_kind() {
    let mut world = World::new();
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let secure = phone("203.0.113.9", 40_000).replace("RTP/AVP", "RTP/SAVP") + key;
    let offered = sdp(&offer(&mut world, &secure, &[("transport-protocol", "RTP/AVP")]));
    assert!(offered.contains(" RTP/AVP ") && !offered.contains("a=crypto"), "{offered}");
    let answered = sdp(&answer(&mut world, &phone("203.0.113.7", 4000), &[]));
    assert!(answered.contains(" RTP/SAVP ") && answered.contains("a=crypto:1 AES_CM_128"), "{answered}");

    // Without a word the other side is like this one.
    let mut world = World::new();
    let offered = sdp(&offer(&mut world, &secure, &[]));
    assert!(offered.contains(" RTP/SAVP ") && offered.contains("a=crypto:3 AES_CM_128"), "{offered}");
    assert!(!offered.contains("WVNfX19z"), "the key of one side reaches the other: {offered}");
}

#[test]
fn osrtp_is_offered_when_it_is_asked_for() {
    for (flags, has_keys) in
        [(&[("OSRTP", "|offer")][..], true), (&[("OSRTP", "|accept")], false), (&[], false)]
    {
        let mut world = World::new();
        let offered = sdp(&offer(&mut world, &phone("203.0.113.9", 4000), flags));
        assert!(offered.contains(" RTP/AVP "), "{offered}");
        assert_eq!(offered.contains("a=crypto"), has_keys, "{flags:?}: {offered}");
    }
}

#[test]
fn the_profile_with_feedback_is_offered_where_it_is_asked_for() {
    let plain = phone("203.0.113.9", 4000);
    for (asked, flags, has_keys) in [
        ("RTP/AVP", &[][..], false),
        ("RTP/AVPF", &[], false),
        ("RTP/AVPF", &[("OSRTP", "|offer")], true),
        ("RTP/SAVP", &[], true),
        ("RTP/SAVPF", &[], true),
        ("UDP/TLS/RTP/SAVP", &[("ICE", "remove")], false),
        ("UDP/TLS/RTP/SAVPF", &[("ICE", "remove")], false),
    ] {
        let mut world = World::new();
        let told = offer(&mut world, &plain, &[&[("transport-protocol", asked)], flags].concat());
        assert_eq!(told.text("warning"), None, "{told:?}");
        let offered = sdp(&told);
        assert!(offered.contains(&format!(" {asked} 8 0 101\r\n")), "{asked}: {offered}");
        assert_eq!(offered.contains("a=crypto"), has_keys, "{asked}: {offered}");
        // Whoever offers is answered in the protocol of the offer.
        let keys: String =
            offered.lines().filter(|it| it.contains("AES_CM_128")).map(|it| format!("{it}\r\n")).collect();
        if asked.starts_with("RTP/") {
            let answered = sdp(&answer(&mut world, &(plain.replace("RTP/AVP", asked) + &keys), &[]));
            assert!(answered.contains(" RTP/AVP 8 0 101\r\n"), "{asked}: {answered}");
        }
    }
    // Without a word the other side is like this one.
    let mut world = World::new();
    let offered = sdp(&offer(&mut world, &plain.replace("RTP/AVP", "RTP/AVPF"), &[]));
    assert!(offered.contains(" RTP/AVPF 8 0 101\r\n"), "{offered}");
    let answered = sdp(&answer(&mut world, &plain.replace("RTP/AVP", "RTP/AVPF"), &[]));
    assert!(answered.contains(" RTP/AVPF 8 0 101\r\n"), "{answered}");
}

/// What a script does when a telephone has answered 488: the same offer again, in another protocol.
#[test]
fn an_offer_that_was_refused_is_made_again_in_another_protocol() {
    let mut world = World::new();
    let plain = phone("203.0.113.9", 4000);
    let offered = sdp(&offer(&mut world, &plain, &[("transport-protocol", "RTP/SAVPF")]));
    assert!(offered.contains(" RTP/SAVPF ") && offered.contains("a=crypto"), "{offered}");
    let offered = sdp(&offer(&mut world, &plain, &[("transport-protocol", "RTP/AVP")]));
    assert!(offered.contains(" RTP/AVP ") && !offered.contains("a=crypto"), "{offered}");
    sdp(&answer(&mut world, &phone("203.0.113.7", 4000), &[]));
    assert!(world.legs[&world.leg("rtp2")].settings.as_ref().unwrap().sdes.is_none());
    // What is agreed stays.
    let more = [("transport-protocol", "RTP/SAVPF"), ("to-tag", "bob")];
    let offered = sdp(&offer(&mut world, &plain, &more));
    assert!(offered.contains(" RTP/AVP ") && !offered.contains("a=crypto"), "{offered}");
}

#[test]
fn a_handshake_needs_no_ice() {
    let mut world = World::new();
    let more = [("transport-protocol", "UDP/TLS/RTP/SAVPF"), ("ICE", "remove"), ("SDES", "|off")];
    let offered = sdp(&offer(&mut world, &phone("203.0.113.9", 4000), &more));
    assert!(offered.contains(" UDP/TLS/RTP/SAVPF ") && offered.contains("a=setup:actpass"), "{offered}");
    assert!(!offered.contains("ice-") && !offered.contains("a=crypto"), "{offered}");
    let fingerprint = browser("active", "brow");
    let fingerprint: Vec<&str> =
        fingerprint.lines().filter(|line| line.starts_with("a=fingerprint")).collect();
    let telephone = phone("203.0.113.7", 4000).replace("RTP/AVP", "UDP/TLS/RTP/SAVP")
        + &format!("{}\r\na=setup:active\r\n", fingerprint[0]);
    sdp(&answer(&mut world, &telephone, &[]));
    assert!(world.legs[&world.leg("rtp2")].settings.as_ref().unwrap().dtls.is_some());
}

#[test]
fn audio_is_made_anew_where_the_script_wants_it() {
    let mut world = World::new();
    let more = [
        ("transport-protocol", "RTP/AVP"),
        ("ICE", "remove"),
        ("flags", "|codec-mask-opus|codec-mask-G722|codec-mask-PCMU|codec-mask-PCMA|codec-transcode-PCMA"),
    ];
    let text = browser("actpass", "brow");
    let offered = offer(&mut world, &text, &more);
    assert_eq!(offered.text("warning"), None, "{offered:?}");
    let offered = sdp(&offered);
    assert!(offered.contains(" RTP/AVP 8 110\r\n"), "{offered}");
    // The browser did offer PCMA, so nothing has to be made.
    sdp(&answer(&mut world, &phone("203.0.113.9", 40_000).replace("8 0 101", "8 101"), &[]));
    assert!(!world.happened().contains("made anew"));

    let mut world = World::new();
    let opus_only = text.replace("111 9 0 8 110", "111 110");
    let offered = sdp(&offer(&mut world, &opus_only, &more));
    assert!(offered.contains(" RTP/AVP 8 "), "{offered}");
    let answered = sdp(&answer(&mut world, &phone("203.0.113.9", 40_000).replace("8 0 101", "8 101"), &[]));
    assert!(answered.contains(" UDP/TLS/RTP/SAVPF 111"), "{answered}");
    let happened = world.happened();
    assert!(
        happened.contains("web1 by ICE made anew for rtp2") && happened.contains("made anew for web1"),
        "{happened}"
    );
    // What is blocked is not made either.
    world.ask(&about("block media", &[("from-tag", "alice")]));
    let happened = world.happened();
    assert!(happened.contains("web1 by ICE {}") && happened.contains("made anew for web1"), "{happened}");
    // Of Opus no silence is made, and of the telephone's PCMA it is.
    world.ask(&about("unblock media", &[("from-tag", "alice")]));
    world.happened();
    world.ask(&about("silence media", &[]));
    let happened = world.happened();
    let silenced = "web1 by ICE {} in silence\nrtp2 203.0.113.9:40000 made anew for web1 in silence";
    assert!(happened.starts_with(silenced), "{happened}");
}

#[test]
fn what_is_silenced_is_silence_until_it_is_heard_again() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.happened();
    world.ask(&about("silence media", &[("from-tag", "alice")]));
    let happened = world.happened();
    assert!(happened.starts_with("web1 by ICE {0: 0, 8: 8, 110: 101} in silence\nrtp2"), "{happened}");
    // What is blocked besides is not sent at all.
    world.ask(&about("block media", &[]));
    assert!(world.happened().contains("web1 by ICE {110: 101} in silence\nrtp2"));
    world.ask(&about("unblock media", &[]));
    world.happened();
    world.ask(&about("unsilence media", &[("from-tag", "alice")]));
    let happened = world.happened();
    assert!(happened.starts_with("web1 by ICE {0: 0, 8: 8, 110: 101}\nrtp2"), "{happened}");
}

#[test]
fn a_key_is_pressed_for_the_other_side() {
    let mut world = World::new();
    browser_calls(&mut world);
    let play = |world: &mut World, from: &str, more: &[(&str, &str)]| {
        let mut all = vec![("from-tag", from)];
        all.extend_from_slice(more);
        world.ask(&about("play DTMF", &all))
    };
    assert!(
        reason(&play(&mut world, "alice", &[("code", "5")]))
            .starts_with("The side that is meant talks to nobody")
    );
    phone_answers(&mut world, &[]);
    world.happened();
    assert_eq!(text(&play(&mut world, "alice", &[("code", "#")]), "result"), "ok");
    assert_eq!(text(&play(&mut world, "alice", &[("code", "11"), ("duration", "100")]), "result"), "ok");
    assert_eq!(
        world.happened(),
        "rtp2 is sent # for 250 ms as 101/8000\nrtp2 is sent # for 100 ms as 101/8000"
    );
    // Too short, too long, and loud; and for both at once.
    play(&mut world, "alice", &[("code", "5"), ("duration", "9")]);
    play(&mut world, "alice", &[("rtpp-flags", "code=6 duration=9000 volume=-3")]);
    play(&mut world, "", &[("code", "7"), ("flags", "|all")]);
    assert_eq!(
        world.happened(),
        "rtp2 is sent 5 for 100 ms as 101/8000\n\
         rtp2 is sent 6 for 5000 ms at -3 dBm0 as 101/8000\n\
         rtp2 is sent 7 for 250 ms as 101/8000\n\
         web1 is sent 7 for 250 ms as 110/8000"
    );
    let nobody = reason(&play(&mut world, "", &[("code", "5")]));
    assert!(nobody.starts_with("Nobody is meant: say a from-tag"), "{nobody}");
    for (from, more, expected) in [
        ("alice", &[][..], "The command needs a code"),
        ("alice", &[("code", "x")], "The value of code is not a key"),
        ("alice", &[("code", "5"), ("duration", "long")], "The value of duration is not"),
        ("alice", &[("code", "5"), ("volume", "loud")], "The value of volume is not"),
        ("nobody", &[("code", "5")], "No side of the call"),
    ] {
        let words = reason(&play(&mut world, from, more));
        assert!(words.starts_with(expected), "{words}");
    }
}

#[test]
fn a_far_end_without_events_hears_a_tone_in_a_codec_of_its_own() {
    let mut world = World::new();
    browser_calls(&mut world);
    let answer = phone("203.0.113.9", 40_000).replace("8 0 101", "8 0");
    phone_answers(&mut world, &[("sdp", &answer)]);
    world.happened();
    let press = about("play DTMF", &[("from-tag", "alice"), ("code", "5")]);
    assert_eq!(text(&world.ask(&press), "result"), "ok");
    assert_eq!(world.happened(), "rtp2 is sent 5 for 250 ms as a tone of PCMA");

    // Neither events nor anything that could be made.
    let mut world = World::new();
    let sdp = phone("203.0.113.9", 40_000).replace("8 0 101", "18");
    world.ask(&about("offer", &[("from-tag", "alice"), ("sdp", &sdp)]));
    phone_answers(&mut world, &[("sdp", &sdp), ("transport-protocol", "RTP/AVP"), ("ICE", "remove")]);
    let words = reason(&world.ask(&press));
    assert!(words.starts_with("The far end takes no telephone-event, and has no codec of opus"), "{words}");
}

/// What a leg is said to have carried.
pub fn report(world: &World, packets: u64) -> LegReport {
    LegReport {
        leg: LegKey(0),
        packets_in: packets,
        octets_in: packets * 160,
        packets_out: 90,
        octets_out: 14_400,
        rtcp_in: 3,
        rtcp_octets_in: 192,
        ssrc: Some(4_711),
        lost: 2,
        jitter: std::time::Duration::ZERO,
        far: None,
        round_trip: None,
        drops: Drops::default(),
        first_media: Some(world.now),
        last_media: Some(world.now),
        last_heard: Some(world.now),
        remote: Some("203.0.113.9:40002".parse().unwrap()),
        suite: None,
        evicted: 0,
        history: History::new(Profile::Rtp),
        quality: Summary::default(),
        video: None,
    }
}

/// The value at the end of a path; a number in it is a place in a list.
pub fn at<'a>(dict: &'a Dict, path: &[&str]) -> &'a Value {
    let mut found = dict.value(path[0]).unwrap_or_else(|| panic!("no {}", path[0]));
    for name in &path[1..] {
        found = match found {
            Value::Dict(dict) => dict.value(name).unwrap_or_else(|| panic!("no {name} in {dict:?}")),
            Value::List(list) => &list[name.parse::<usize>().unwrap()],
            other => panic!("nothing in {other:?}"),
        };
    }
    found
}

#[test]
fn a_query_and_a_delete_tell_what_was_carried() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    let told_of_phone = report(&world, 100);
    world.reports.insert("rtp2".to_owned(), told_of_phone);
    world.pass(7);
    for command in ["query", "delete"] {
        let told = world.ask(&about(command, &[("from-tag", "alice")]));
        let number = |path: &[&str]| at(&told, path).as_number().unwrap();
        let rtp = ["tags", "bob", "medias", "0", "streams", "0"];
        let of = |name: &[&'static str]| number(&[&rtp[..], name].concat());
        assert_eq!((of(&["stats", "packets"]), of(&["stats", "bytes"])), (100, 17_200));
        assert_eq!((of(&["stats_out", "packets"]), of(&["packets lost"]), of(&["SSRC"])), (90, 2, 4_711));
        assert_eq!(
            (of(&["endpoint", "port"]), of(&["local port"]), of(&["last packet"])),
            (40_002, 20_004, 1_000)
        );
        let rtcp = ["tags", "bob", "medias", "0", "streams", "1", "stats", "packets"];
        assert_eq!((number(&rtcp), number(&["totals", "RTP", "packets"])), (3, 100));
        assert_eq!((number(&["totals", "RTCP", "bytes"]), number(&["created"])), (192, 1_000));
        // A query is no signalling.
        assert_eq!(number(&["last signal"]), if command == "query" { 1_000 } else { 1_007 });
    }
}

#[test]
fn a_media_worker_that_does_not_tell_is_not_waited_for() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.is_prompt = false;
    let query = world.ask_only(&about("query", &[]));
    let delete = world.ask_only(&about("delete", &[("from-tag", "alice")]));
    assert_eq!(world.answer_to(&query), None);
    world.pass(5);
    assert_eq!(text(&world.answer_to(&query).unwrap(), "result"), "ok");
    world.pass(5);
    assert_eq!(text(&world.answer_to(&delete).unwrap(), "result"), "ok");
}
