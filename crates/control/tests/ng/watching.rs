//! Video beside the audio.

use ringback_control::ng::{Dict, Value};
use ringback_media::session::{FeedbackCounts, LegReport, VideoReport};

use crate::kit::{World, about, browser, phone, sdp};
use crate::protecting::{at, report};

/// What a browser says that has a camera.
fn browser_with_camera(setup: &str) -> String {
    let audio = browser(setup, "brow").replace("BUNDLE 0", "BUNDLE 0 1");
    let of_transport =
        |line: &&str| ["a=ice-", "a=fingerprint", "a=setup"].iter().any(|of| line.starts_with(of));
    let transport: String = audio.lines().filter(of_transport).map(|line| format!("{line}\r\n")).collect();
    format!(
        "{audio}m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\n{transport}a=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=content:main\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
         a=fmtp:97 apt=96\r\na=ssrc:77 cname:x\r\n"
    )
}

const CAMERA_OF_PHONE: &str = "m=video 40002 RTP/AVP 99\r\nb=AS:512\r\na=rtpmap:99 VP8/90000\r\n";

fn offer<'a>(sdp: &'a str, transport: &'a str, ice: &'a str) -> Vec<(&'a str, &'a str)> {
    let flags = [("flags", "|trust-address"), ("transport-protocol", transport), ("ICE", ice)];
    [("from-tag", "alice"), ("sdp", sdp)].into_iter().chain(flags).collect()
}

fn answer<'a>(sdp: &'a str, transport: &'a str, ice: &'a str) -> Vec<(&'a str, &'a str)> {
    offer(sdp, transport, ice).into_iter().chain([("to-tag", "bob")]).collect()
}

/// Two telephones without a camera talk; what the first of them has said.
fn telephones_talk(world: &mut World) -> String {
    let talk = phone("203.0.113.8", 30_000);
    sdp(&world.ask(&about("offer", &offer(&talk, "RTP/AVP", "remove"))));
    sdp(&world.ask(&about("answer", &answer(&phone("203.0.113.9", 40_000), "RTP/AVP", "remove"))));
    talk
}

/// The first of them shows a camera.
fn offer_camera(talk: String) -> Dict {
    let camera = talk + &CAMERA_OF_PHONE.replace("40002", "30002");
    let again: Vec<_> = offer(&camera, "RTP/AVP", "remove").into_iter().chain([("to-tag", "bob")]).collect();
    about("offer", &again)
}

/// The section of video.
fn video(sdp: &str) -> &str {
    &sdp[sdp.find("m=video").unwrap_or_else(|| panic!("no video in {sdp}"))..]
}

#[test]
fn a_browser_sees_a_video_phone() {
    let mut world = World::new();
    let camera = browser_with_camera("actpass");
    let offered = sdp(&world.ask(&about("offer", &offer(&camera, "RTP/AVP", "remove"))));
    assert!(video(&offered).starts_with("m=video 21004 RTP/AVP 96\r\n"), "{offered}");
    for passed in ["a=content:main\r\n", "a=rtpmap:96 VP8/90000\r\n", "a=rtcp:21005\r\n"] {
        assert!(video(&offered).contains(passed), "no {passed} in {offered}");
    }
    assert!(!video(&offered).contains("a=ssrc") && !video(&offered).contains("rtx"), "{offered}");
    world.happened();

    let phone = phone("203.0.113.9", 40_000) + CAMERA_OF_PHONE;
    let answered = sdp(&world.ask(&about("answer", &answer(&phone, "UDP/TLS/RTP/SAVPF", "force"))));
    assert!(video(&answered).starts_with("m=video 8443 UDP/TLS/RTP/SAVPF 96 97\r\n"), "{answered}");
    for passed in ["b=AS:512\r\n", "a=mid:1\r\n", "a=rtcp:8443\r\n", "a=rtpmap:97 rtx/90000\r\n"] {
        assert!(video(&answered).contains(passed), "no {passed} in {answered}");
    }
    assert_eq!(
        world.happened(),
        "web1 by ICE {0: 0, 8: 8, 110: 101}\nweb1 is seen by {96: 99}, is sent by ICE\n\
         rtp2 203.0.113.9:40000 {0: 0, 8: 8, 101: 110, 110: 110}\n\
         rtp2 is seen by {96: 96, 99: 96}, is sent to 203.0.113.9:40002\nweb1 and rtp2 talk"
    );
}

/// What the engine can do about lost pictures is offered with the profile with feedback, for video and for nothing else.
#[test]
fn a_video_phone_is_offered_feedback() {
    for protocol in ["RTP/AVPF", "RTP/SAVPF"] {
        let mut world = World::new();
        let camera = browser_with_camera("actpass");
        // With keys of its own SAVPF is not that of a browser.
        let mut more = offer(&camera, protocol, "remove");
        more.push(("SDES", "|only-AES_CM_128_HMAC_SHA1_80"));
        let offered = sdp(&world.ask(&about("offer", &more)));
        assert!(video(&offered).starts_with(&format!("m=video 21004 {protocol} 96\r\n")), "{offered}");
        for line in ["a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:96 nack pli\r\n", "a=rtcp-fb:96 ccm fir\r\n"] {
            assert!(video(&offered).contains(line), "no {line} in {offered}");
        }
        assert_eq!(offered.matches("a=rtcp-fb").count(), 3, "{offered}");
        assert_eq!(video(&offered).contains("a=crypto"), protocol == "RTP/SAVPF", "{offered}");
    }
}

#[test]
fn a_query_tells_what_was_seen_and_asked_for() {
    let mut world = World::new();
    let camera = browser_with_camera("actpass");
    sdp(&world.ask(&about("offer", &offer(&camera, "RTP/AVP", "remove"))));
    let told = world.ask(&about("query", &[]));
    let Value::List(medias) = at(&told, &["tags", "alice", "medias"]) else { panic!("{told:?}") };
    assert_eq!(medias.len(), 1, "nothing is agreed of its video yet");
    let phone = phone("203.0.113.9", 40_000) + CAMERA_OF_PHONE;
    sdp(&world.ask(&about("answer", &answer(&phone, "UDP/TLS/RTP/SAVPF", "force"))));
    let counted = FeedbackCounts {
        nacks_in: 1,
        nacks_out: 2,
        plis_in: 3,
        plis_out: 4,
        firs_in: 5,
        firs_out: 6,
        repeated_in: 7,
        repeated_out: 8,
    };
    let section = LegReport { packets_in: 500, ssrc: Some(99), ..report(&world, 500) };
    let section = LegReport { remote: Some("203.0.113.9:40010".parse().unwrap()), ..section };
    let video = Some(Box::new(VideoReport { section, feedback: counted }));
    let told_of_phone = LegReport { video, ..report(&world, 100) };
    world.reports.insert("rtp2".to_owned(), told_of_phone);
    let told = world.ask(&about("query", &[]));
    let number = |path: &[&str]| at(&told, path).as_number().unwrap();
    let media = ["tags", "bob", "medias", "1"];
    let of = |name: &[&'static str]| number(&[&media[..], name].concat());
    let word = |name: &'static str| at(&told, &[&media[..], &[name]].concat()).as_text().unwrap().to_vec();
    assert_eq!((of(&["index"]), word("type"), word("protocol")), (2, b"video".to_vec(), b"RTP/AVP".to_vec()));
    let rtp = |name: &[&'static str]| of(&[&["streams", "0"], name].concat());
    assert_eq!((rtp(&["stats", "packets"]), rtp(&["stats", "bytes"])), (500, 86_000));
    assert_eq!((rtp(&["stats_out", "packets"]), rtp(&["packets lost"]), rtp(&["SSRC"])), (90, 2, 99));
    assert_eq!((rtp(&["endpoint", "port"]), rtp(&["local port"])), (40_010, 21_004));
    assert_eq!((of(&["streams", "1", "local port"]), of(&["streams", "1", "stats", "packets"])), (21_005, 3));
    let asked = ["NACK", "PLI", "FIR", "retransmissions"]
        .map(|what| (of(&["feedback", what, "received"]), of(&["feedback", what, "sent"])));
    assert_eq!(asked, [(1, 2), (3, 4), (5, 6), (7, 8)]);
    assert_eq!((number(&["totals", "RTP", "packets"]), number(&["totals", "RTCP", "packets"])), (600, 6));
    // Of the browser nothing was counted yet.
    let browser = ["tags", "alice", "medias", "1"];
    let streams = at(&told, &[&browser[..], &["streams"]].concat());
    let Value::List(streams) = streams else { panic!("{streams:?}") };
    assert_eq!(streams.len(), 1, "RTCP shares its port");
    assert_eq!(number(&[&browser[..], &["streams", "0", "stats", "packets"]].concat()), 0);
}

#[test]
fn who_may_not_be_heard_is_not_seen() {
    let mut world = World::new();
    let camera = browser_with_camera("actpass");
    sdp(&world.ask(&about("offer", &offer(&camera, "RTP/AVP", "remove"))));
    let phone = phone("203.0.113.9", 40_000) + CAMERA_OF_PHONE;
    sdp(&world.ask(&about("answer", &answer(&phone, "UDP/TLS/RTP/SAVPF", "force"))));
    world.happened();
    for (command, seen) in [
        ("block media", "{}"),
        ("unblock media", "{96: 99}"),
        ("silence media", "{}"),
        ("unsilence media", "{96: 99}"),
    ] {
        world.ask(&about(command, &[("from-tag", "alice")]));
        let happened = world.happened();
        assert!(happened.contains(&format!("web1 is seen by {seen}, ")), "{command}: {happened}");
        assert!(happened.contains("rtp2 is seen by {96: 96, 99: 96}, "), "{command}: {happened}");
    }
}

#[test]
fn video_that_comes_later_has_a_place_made() {
    let mut world = World::new();
    let talk = telephones_talk(&mut world);
    assert!(!world.happened().contains("seen"));

    let offered = sdp(&world.ask(&offer_camera(talk.clone())));
    assert!(video(&offered).starts_with("m=video 21004 RTP/AVP 99\r\n"), "{offered}");
    assert_eq!(world.happened(), "rtp1 gets a place for video\nrtp2 gets a place for video");
    let seen = phone("203.0.113.9", 40_000) + CAMERA_OF_PHONE;
    let answered = sdp(&world.ask(&about("answer", &answer(&seen, "RTP/AVP", "remove"))));
    assert!(video(&answered).starts_with("m=video 21002 RTP/AVP 99\r\n"), "{answered}");
    assert!(world.happened().contains("rtp1 is seen by {99: 99}, is sent to 203.0.113.8:30002"));

    // Without a camera again, nothing of it is left.
    let without = talk + "m=video 0 RTP/AVP 99\r\n";
    let again: Vec<_> = offer(&without, "RTP/AVP", "remove").into_iter().chain([("to-tag", "bob")]).collect();
    let offered = sdp(&world.ask(&about("offer", &again)));
    assert!(video(&offered).starts_with("m=video 0 "), "{offered}");
    let unseen = phone("203.0.113.9", 40_000) + "m=video 0 RTP/AVP 99\r\n";
    sdp(&world.ask(&about("answer", &answer(&unseen, "RTP/AVP", "remove"))));
    let happened = world.happened();
    assert!(happened.contains("rtp1 has no video") && happened.contains("rtp2 has no video"), "{happened}");
}

#[test]
fn where_no_place_can_be_had_the_call_goes_on_without() {
    for (switch_off, refuse) in [(true, false), (false, true)] {
        let mut world = World::with(|settings| settings.video = !switch_off);
        let talk = telephones_talk(&mut world);
        world.refuses = refuse.then(|| "no ports".to_owned());
        let camera = talk + &CAMERA_OF_PHONE.replace("40002", "30002");
        let again: Vec<_> =
            offer(&camera, "RTP/AVP", "remove").into_iter().chain([("to-tag", "bob")]).collect();
        let offered = sdp(&world.ask(&about("offer", &again)));
        assert!(offered.contains("m=audio 20004 RTP/AVP 8 0 101\r\n"), "{offered}");
        assert!(!offered.contains("m=video") || video(&offered).starts_with("m=video 0 "), "{offered}");
    }
}

/// Each section says for itself where it comes from.
#[test]
fn video_from_a_private_address_is_expected_where_its_sip_came_from() {
    let mut world = World::new();
    let camera = browser_with_camera("actpass");
    sdp(&world.ask(&about("offer", &offer(&camera, "RTP/AVP", "remove"))));
    let seen = CAMERA_OF_PHONE.replace("b=AS:512\r\n", "c=IN IP4 10.0.0.5\r\n");
    let phone = phone("203.0.113.9", 40_000) + &seen;
    let answer: Vec<_> = answer(&phone, "UDP/TLS/RTP/SAVPF", "force")
        .into_iter()
        .filter(|(name, _)| *name != "flags")
        .chain([("received-from", "|IP4|203.0.113.9")])
        .collect();
    sdp(&world.ask(&about("answer", &answer)));
    let happened = world.happened();
    assert!(happened.contains("rtp2 203.0.113.9:40000 "), "{happened}");
    assert!(happened.contains("is sent to 203.0.113.9:40002"), "{happened}");
}

#[test]
fn a_place_for_video_is_not_waited_for_for_ever() {
    let mut world = World::new();
    let talk = telephones_talk(&mut world);
    world.is_prompt = false;
    let cookie = world.ask_only(&offer_camera(talk));
    assert_eq!(world.answer_to(&cookie), None);
    world.pass(4);
    let offered = sdp(&world.answer_to(&cookie).unwrap());
    assert!(offered.contains("m=audio 20004 RTP/AVP 8 0 101\r\n"), "{offered}");
    assert!(!offered.contains("m=video"), "{offered}");
    assert_eq!(world.engine.stats().video_unopened, 2);
}
