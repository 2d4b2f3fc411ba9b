//! Calls that are recorded because the proxy says so.

use ringback_control::MediaEvent;
use ringback_control::ng::Dict;

use crate::kit::{
    World, about, browser_calls, browser_calls_two, phone, phone_answers, reason, recordings, sdp, text,
};

fn in_call() -> World {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.happened();
    world
}

fn ask(world: &mut World, command: &str, more: &[(&str, &str)]) -> Dict {
    let answer = world.ask(&about(command, more));
    assert_eq!(text(&answer, "result"), "ok", "{answer:?}");
    answer
}

const BOTH: &str = "web1 is recorded as First: PCMA PCMU telephone-event\n\
                    rtp2 is recorded as Second: PCMU PCMA telephone-event telephone-event";

#[test]
fn a_call_is_recorded_until_it_is_told_to_stop() {
    let mut world = in_call();
    let begun = ask(&mut world, "start recording", &[("from-tag", "whoever")]);
    let names = recordings(&begun);
    let name = &names[0];
    assert_eq!(world.happened(), BOTH);
    assert!(world.tracks.iter().all(|(_, track)| *track.name == **name && track.note.is_none()));
    assert!(name.starts_with("c1@kamailio-") && name.ends_with(".wav") && name.len() == 32, "{name}");

    // Again is as it is, and so is an end without a beginning.
    assert_eq!(recordings(&ask(&mut world, "start recording", &[])), names);
    assert_eq!(world.happened(), "");
    assert_eq!(recordings(&ask(&mut world, "query", &[])), names);
    ask(&mut world, "stop recording", &[]);
    assert_eq!(world.happened(), format!("{name} ends"));
    ask(&mut world, "stop recording", &[]);
    assert_eq!(world.happened(), "");

    // Another one has a file of its own.
    let both = recordings(&ask(&mut world, "start recording", &[]));
    assert!(both.len() == 2 && both[0] == *name && both[1] != *name, "{both:?}");
    assert_eq!(world.happened(), BOTH);
    let stats = world.engine.stats();
    assert_eq!((stats.recordings_begun, stats.recordings_refused), (2, 0));
}

#[test]
fn what_is_thrown_away_is_named_no_more() {
    for (command, more) in [
        ("stop recording", [("flags", "|discard-recording")]),
        ("stop recording", [("flags", "|discard recording")]),
        ("stop recording", [("rtpp-flags", "discard-recording")]),
        ("delete", [("flags", "|discard-recording")]),
    ] {
        let mut world = in_call();
        let kept = recordings(&ask(&mut world, "start recording", &[]));
        ask(&mut world, "stop recording", &[]);
        let both = recordings(&ask(&mut world, "start recording", &[]));
        ask(&mut world, "pause recording", &[]);
        world.happened();
        let answer = ask(&mut world, command, &more);
        assert!(world.happened().starts_with(&format!("{} is thrown away", both[1])), "{command} {more:?}");
        assert_eq!(recordings(&answer), kept, "what has ended before stays");
    }
    // In a description, too; and before anybody is heard.
    let mut world = in_call();
    let plain = [("transport-protocol", "UDP/TLS/RTP/SAVPF"), ("ICE", "force")];
    let names = recordings(&ask(&mut world, "start recording", &[]));
    let off = [&plain[..], &[("record-call", "off"), ("flags", "|discard-recording")]].concat();
    phone_answers(&mut world, &off);
    assert!(world.happened().ends_with(&format!("{} is thrown away", names[0])));
    ask(&mut world, "stop recording", &[("flags", "|discard-recording")]);
    assert_eq!(world.happened(), "", "there is none");
    let mut world = World::new();
    browser_calls(&mut world);
    ask(&mut world, "start recording", &[]);
    let answer = ask(&mut world, "stop recording", &[("flags", "|discard-recording")]);
    assert_eq!(answer.value("recordings"), None);
    phone_answers(&mut world, &[]);
    assert!(!world.happened().contains("recorded"));
}

/// Nor has one that throws them all away.
#[test]
fn what_was_thrown_away_counts_among_the_recordings_of_a_call() {
    let mut world = in_call();
    for _ in 0..32 {
        ask(&mut world, "start recording", &[]);
        ask(&mut world, "stop recording", &[("flags", "|discard-recording")]);
    }
    let words = reason(&world.ask(&about("start recording", &[])));
    assert!(words.ends_with("it has had 32 recordings already"), "{words}");
}

#[test]
fn a_pause_is_a_gap_and_starting_again_goes_on() {
    let mut world = in_call();
    let names = recordings(&ask(&mut world, "start recording", &[]));
    world.happened();
    ask(&mut world, "pause recording", &[]);
    ask(&mut world, "stop recording", &[("flags", "|pause")]);
    assert_eq!(world.happened(), format!("{} pauses", names[0]));
    assert_eq!(recordings(&ask(&mut world, "start recording", &[])), names);
    assert_eq!(world.happened(), format!("{} goes on", names[0]));
    ask(&mut world, "stop recording", &[]);
    assert_eq!(reason(&world.ask(&about("pause recording", &[]))), "The call is not recorded");
}

#[test]
fn what_is_asked_for_before_the_answer_begins_with_it() {
    let mut world = World::new();
    browser_calls(&mut world);
    let names = recordings(&ask(&mut world, "start recording", &[("metadata", "order 7\r\nof Monday")]));
    ask(&mut world, "pause recording", &[]);
    world.happened();
    let answer = phone_answers(&mut world, &[]);
    assert_eq!(recordings(&answer), names);
    let happened = world.happened();
    assert!(happened.ends_with(&format!("{BOTH}\n{} pauses", names[0])), "{happened}");
    let note = world.tracks[0].1.note.as_deref();
    assert_eq!(note, Some("call-id: c1@kamailio\nmetadata: order 7  of Monday\n"));
}

#[test]
fn an_offer_and_an_answer_say_whether_they_are_recorded() {
    let mut world = World::new();
    let offer = phone("203.0.113.8", 30_000);
    let more =
        [("from-tag", "alice"), ("sdp", &offer[..]), ("record-call", "on"), ("recording-file", "order.wav")];
    let offered = world.ask(&about("offer", &more));
    sdp(&offered);
    let names = recordings(&offered);
    assert!(names[0].starts_with("order-") && names[0].ends_with(".wav"), "{names:?}");
    let plain = [("transport-protocol", "RTP/AVP"), ("ICE", "remove")];
    phone_answers(&mut world, &plain);
    assert!(world.happened().contains("rtp2 is recorded as Second: "));
    // As it is in every description of a script.
    assert_eq!(
        recordings(&phone_answers(&mut world, &[&plain[..], &[("flags", "|record-call")]].concat())),
        names
    );
    assert!(!world.happened().contains("ends"));
    // Who refreshes a session does not end a pause.
    ask(&mut world, "pause recording", &[]);
    world.happened();
    phone_answers(&mut world, &[&plain[..], &[("record-call", "on")]].concat());
    assert!(!world.happened().contains("goes on"));
    phone_answers(&mut world, &[&plain[..], &[("record-call", "off")]].concat());
    assert!(world.happened().ends_with(&format!("{} ends", names[0])));
    phone_answers(&mut world, &[&plain[..], &[("record-call", "on")]].concat());
    assert_eq!(world.tracks.last().unwrap().1.name.split('-').next(), Some("c1@kamailio"));
}

#[test]
fn no_name_from_outside_leads_out_of_the_directory() {
    let mut world = in_call();
    for path in ["/etc/passwd", "../up", "a/b"] {
        for key in ["recording-file", "output-destination"] {
            let words = reason(&world.ask(&about("start recording", &[(key, path)])));
            assert!(words.contains("give a name, and no path"), "{words}");
        }
    }
    assert_eq!((world.happened(), world.engine.stats().recordings_refused), (String::new(), 6));
    for (name, expected) in [("..", "-"), (".hidden", "hidden-"), ("a\\b\0c d\u{e4}", "a_b_c_d__-")] {
        let names = recordings(&ask(&mut world, "start recording", &[("recording-file", name)]));
        assert!(names.last().unwrap().starts_with(expected), "{names:?}");
        ask(&mut world, "stop recording", &[]);
    }
    let long = "x".repeat(500);
    let names = recordings(&ask(&mut world, "start recording", &[("recording-file", &long)]));
    assert_eq!(names.last().unwrap().len(), 64 + 1 + 16 + 4);
    // The Call-ID is from outside too.
    let offer = phone("203.0.113.8", 30_000);
    let more = [("call-id", "/../x"), ("from-tag", "a"), ("sdp", &offer[..]), ("record-call", "on")];
    let names = recordings(&world.ask(&crate::kit::dict(&[&[("command", "offer")], &more[..]].concat())));
    assert!(names[0].starts_with("_.._x-"), "{names:?}");
}

#[test]
fn as_many_calls_are_recorded_as_may_be() {
    let mut world = World::with(|settings| settings.max_recordings = 1);
    let offer = phone("203.0.113.8", 30_000);
    for call in ["one", "two"] {
        let more = [("command", "offer"), ("call-id", call), ("from-tag", "a"), ("sdp", &offer[..])];
        sdp(&world.ask(&crate::kit::dict(&more)));
    }
    let about = |command: &str, call: &str| crate::kit::dict(&[("command", command), ("call-id", call)]);
    assert_eq!(text(&world.ask(&about("start recording", "one")), "result"), "ok");
    let words = reason(&world.ask(&about("start recording", "two")));
    assert_eq!(words, "The call is not recorded: as many are as ng.recordings allows at once");
    // A call goes on without it.
    let more = [
        ("command", "offer"),
        ("call-id", "two"),
        ("from-tag", "a"),
        ("sdp", &offer[..]),
        ("record-call", "on"),
    ];
    let answer = world.ask(&crate::kit::dict(&more));
    assert!(sdp(&answer).contains("m=audio") && text(&answer, "warning") == words, "{answer:?}");
    // The first one ends, and makes room.
    world.ask(&about("delete", "one"));
    assert_eq!(text(&world.ask(&about("start recording", "two")), "result"), "ok");
    assert_eq!(world.engine.stats().recordings_refused, 2);
}

#[test]
fn one_call_has_no_recordings_without_end() {
    let mut world = in_call();
    for _ in 0..32 {
        ask(&mut world, "start recording", &[]);
        ask(&mut world, "stop recording", &[]);
    }
    let words = reason(&world.ask(&about("start recording", &[])));
    assert_eq!(words, "The call is not recorded: it has had 32 recordings already");
}

#[test]
fn the_recording_ends_with_the_delete_and_not_with_what_flows_on() {
    let mut world = in_call();
    let names = recordings(&ask(&mut world, "start recording", &[]));
    world.happened();
    let deleted = ask(&mut world, "delete", &[("from-tag", "alice")]);
    assert_eq!(world.happened(), format!("{} ends", names[0]));
    assert_eq!(recordings(&deleted), names, "whoever writes records finds the file");
    world.pass(31);
    assert_eq!(world.happened(), "web1 closes\nrtp2 closes");
}

#[test]
fn one_that_is_as_long_as_it_may_be_is_over() {
    let mut world = in_call();
    ask(&mut world, "start recording", &[]);
    let (leg, track) = world.tracks[0].clone();
    world.happened();
    world.tell(MediaEvent::RecordingEnded(leg, track.recording));
    ask(&mut world, "stop recording", &[]);
    assert_eq!(world.happened(), "");
    ask(&mut world, "start recording", &[]);
    assert_eq!(world.happened(), BOTH);
    // The news of the one before is no news of this one.
    world.tell(MediaEvent::RecordingEnded(leg, track.recording));
    ask(&mut world, "pause recording", &[]);
    assert!(world.happened().ends_with(" pauses"));
}

#[test]
fn who_is_left_out_is_not_recorded() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[("flags", "|exclude-recording"), ("record-call", "yes")]);
    let happened = world.happened();
    assert!(happened.contains("web1 is recorded") && !happened.contains("rtp2 is recorded"), "{happened}");

    // There is nothing to record of G.729 either.
    let mut world = World::new();
    let sdp = phone("203.0.113.9", 40_000).replace("8 0 101", "18");
    world.ask(&about("offer", &[("from-tag", "alice"), ("sdp", &sdp)]));
    phone_answers(&mut world, &[("sdp", &sdp), ("transport-protocol", "RTP/AVP"), ("ICE", "remove")]);
    let words = reason(&world.ask(&about("start recording", &[])));
    assert!(words.starts_with("The call is not recorded: no side has opus"), "{words}");
    assert_eq!(recordings(&world.ask(&about("query", &[]))), Vec::<String>::new());
}

#[test]
fn who_wants_to_be_left_out_in_mid_call_ends_the_file_it_is_in() {
    let mut world = in_call();
    world.ask(&about("start recording", &[("output-destination", "talk")]));
    let happened = world.happened();
    assert!(happened.contains("web1 is recorded") && happened.contains("rtp2 is recorded"), "{happened}");
    let offer = crate::kit::browser("actpass", "brow");
    let more =
        [("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer[..]), ("flags", "|exclude-recording")];
    let answer = world.ask(&about("offer", &more));
    let happened = world.happened();
    assert!(happened.contains(" ends"), "{happened}");
    assert!(happened.contains("rtp2 is recorded") && !happened.contains("web1 is recorded"), "{happened}");
    let files = recordings(&answer);
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|file| file.starts_with("talk-")), "{files:?}");
    // Said again it changes nothing.
    assert_eq!(recordings(&world.ask(&about("offer", &more))).len(), 2);
}

#[test]
fn who_answers_last_is_recorded_in_the_place_of_who_did_before() {
    let mut world = World::new();
    browser_calls_two(&mut world);
    ask(&mut world, "start recording", &[]);
    for (branch, leg) in [("z9hG4bKtwo", "rtp3"), ("z9hG4bKone", "rtp2")] {
        phone_answers(&mut world, &[("via-branch", branch), ("to-tag", leg)]);
        let happened = world.happened();
        assert!(happened.contains(&format!("{leg} is recorded as Second")), "{happened}");
    }
    let keys: Vec<_> = world.tracks.iter().map(|(_, track)| track.recording).collect();
    assert!(keys.len() == 4 && keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
}

#[test]
fn both_hear_that_they_are_recorded_where_the_configuration_says_so() {
    let mut world = World::with(|settings| settings.recording.beep = true);
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.happened();
    ask(&mut world, "start recording", &[]);
    let happened = world.happened();
    assert_eq!(happened, format!("{BOTH}\nweb1 hears Beep 1 times in PCMU\nrtp2 hears Beep 1 times in PCMA"));
}

#[test]
fn what_nobody_knows_is_not_recorded() {
    let mut world = World::new();
    for command in ["start recording", "stop recording", "pause recording"] {
        assert_eq!(reason(&world.ask(&about(command, &[]))), "Unknown call-id");
    }
    browser_calls(&mut world);
    let words = reason(&world.ask(&about("start recording", &[("metadata", "|a|b")])));
    assert_eq!(words, "The value of metadata is not a string");
}
