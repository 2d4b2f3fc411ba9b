//! Files that are played to a side of a call because the proxy says so.

use std::time::Duration;

use ringback_control::MediaEvent;
use ringback_control::ng::{Dict, Value};
use ringback_media::insert::PlayEnd;

use crate::kit::{World, about, browser, browser_calls, phone, phone_answers, reason, sdp, text};

/// A call in which a file of a second and a half can be played.
fn in_call() -> World {
    let mut world = World::new();
    let sounds = [("welcome", 1_500), ("v1.2", 20)];
    let sounds = sounds.map(|(name, length)| (name.into(), Duration::from_millis(length)));
    world.engine.handle_sounds(sounds.into_iter().collect());
    browser_calls(&mut world);
    phone_answers(&mut world, &[("label", "desk")]);
    world.happened();
    world
}

fn play(world: &mut World, more: &[(&str, &str)]) -> Dict {
    world.ask(&about("play media", more))
}

#[test]
fn who_is_meant_hears_a_file() {
    for more in [
        &[("from-tag", "bob"), ("file", "welcome")][..],
        &[("from-tag", "bob"), ("file", "/var/lib/prompts/welcome.wav")],
        &[("from-tag", "bob"), ("file", "welcome.mp3")],
        &[("to-tag", "bob"), ("file", "../welcome.ogg")],
        &[("from-tag", "alice"), ("label", "desk"), ("file", "welcome")],
        &[("address", "203.0.113.9"), ("file", "welcome")],
        &[("from-tag", "bob"), ("rtpp-flags", "from-tag=bob file=/x/welcome.wav repeat-times=1")],
    ] {
        let mut world = in_call();
        let answer = play(&mut world, more);
        assert_eq!(text(&answer, "result"), "ok", "{more:?}: {answer:?}");
        assert_eq!(
            answer.value("duration"),
            Some(&Value::Number(1_500)),
            "of one time, as rtpengine says it"
        );
        assert_eq!(world.happened(), "rtp2 hears File(\"welcome\") 1 times in PCMA", "{more:?}");
    }
}

#[test]
fn a_file_is_played_as_often_as_asked_and_to_all() {
    let mut world = in_call();
    for (times, expected) in [("3", 3), ("0", 1), ("-1", 1), ("99999999999", u32::MAX)] {
        play(&mut world, &[("from-tag", "alice"), ("file", "v1.2"), ("repeat-times", times)]);
        let happened = world.happened();
        assert!(
            happened.ends_with(&format!("web1 hears File(\"v1.2\") {expected} times in PCMU")),
            "{happened}"
        );
    }
    let mut world = in_call();
    play(&mut world, &[("from-tag", "alice"), ("flags", "|all"), ("file", "v1.2.wav")]);
    assert_eq!(
        world.happened(),
        "web1 hears File(\"v1.2\") 1 times in PCMU\nrtp2 hears File(\"v1.2\") 1 times in PCMA"
    );
}

#[test]
fn a_file_begins_where_it_is_to_begin() {
    let mut world = in_call();
    for (place, from) in [("100", " from 100ms"), ("1499", " from 1.499s"), ("0", ""), ("-5", "")] {
        let more = [("from-tag", "bob"), ("file", "welcome"), ("start-pos", place), ("repeat-times", "2")];
        let answer = play(&mut world, &more);
        assert_eq!((answer.text("warning"), text(&answer, "result").as_str()), (None, "ok"), "{place}");
        assert_eq!(answer.value("duration"), Some(&Value::Number(1_500)), "of all of it");
        let happened = world.happened();
        assert!(happened.ends_with(&format!("2 times{from} in PCMA")), "{place}: {happened}");
    }
}

/// What has begun is played to its end.
#[test]
fn a_file_is_begun_again_as_long_as_asked() {
    for (duration, times, from, expected) in [
        ("10000", None, None, 7),
        ("15000", None, None, 10),
        ("15001", None, None, 11),
        ("1", None, None, 1),
        ("0", None, None, 1),
        ("15000", Some("3"), None, 3),
        ("4000", Some("9"), None, 3),
        ("1500", None, Some("1000"), 2),
        ("500", None, Some("1000"), 1),
        ("9999999999999999", None, None, u32::MAX),
    ] {
        let mut world = in_call();
        let mut more = vec![("from-tag", "bob"), ("file", "welcome"), ("repeat-duration", duration)];
        more.extend(times.map(|times| ("repeat-times", times)));
        more.extend(from.map(|from| ("start-pos", from)));
        play(&mut world, &more);
        let happened = world.happened();
        assert!(happened.contains(&format!(") {expected} times")), "{more:?}: {happened}");
    }
}

#[test]
fn what_is_played_goes_on_until_it_is_stopped_or_over() {
    let mut world = in_call();
    let welcome = [("from-tag", "bob"), ("file", "welcome")];
    let stop = |world: &mut World, more: &[(&str, &str)]| {
        assert_eq!(text(&world.ask(&about("stop media", more)), "result"), "ok");
        world.happened()
    };
    play(&mut world, &welcome);
    world.happened();
    // The same again begins anew.
    play(&mut world, &welcome);
    assert_eq!(world.happened(), "rtp2 hears nothing more\nrtp2 hears File(\"welcome\") 1 times in PCMA");
    assert_eq!(stop(&mut world, &[("from-tag", "alice")]), "");
    assert_eq!(stop(&mut world, &[("from-tag", "bob")]), "rtp2 hears nothing more");
    assert_eq!(stop(&mut world, &[("from-tag", "bob")]), "");
    play(&mut world, &[("flags", "|all"), ("file", "welcome")]);
    world.happened();
    let leg = world.leg("rtp2");
    let ended = |number| MediaEvent::Played(leg, number, PlayEnd::Finished);
    let first = world.plays[&leg];
    play(&mut world, &[("from-tag", "bob"), ("file", "welcome")]);
    world.happened();
    // News of what was there before does not concern what has taken its place.
    world.tell(ended(first));
    assert_eq!(stop(&mut world, &[("from-tag", "bob")]), "rtp2 hears nothing more");
    play(&mut world, &[("from-tag", "bob"), ("file", "welcome")]);
    world.happened();
    world.tell(ended(world.plays[&leg]));
    assert_eq!(stop(&mut world, &[("flags", "|all")]), "web1 hears nothing more");
    let words = reason(&world.ask(&about("stop media", &[])));
    assert!(words.starts_with("Nobody is meant"), "{words}");
}

#[test]
fn it_is_made_in_what_the_side_understands_after_another_answer() {
    let mut world = in_call();
    play(&mut world, &[("from-tag", "bob"), ("file", "welcome")]);
    world.happened();
    let offer = browser("actpass", "brow");
    let again = |world: &mut World, answer: &str| {
        sdp(&world.ask(&about("offer", &[("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer)])));
        phone_answers(world, &[("sdp", answer)]);
        world.happened()
    };
    let same = again(&mut world, &phone("203.0.113.9", 40_002));
    assert!(!same.contains("hears"), "{same}");
    let other = again(&mut world, &phone("203.0.113.9", 40_000).replace("8 0 101", "0 101"));
    assert!(other.contains("rtp2 hears File(\"welcome\") 1 times in PCMU"), "{other}");
}

#[test]
fn what_cannot_be_played_is_an_error_in_words() {
    for (more, expected) in [
        (&[("from-tag", "bob")][..], "The command needs a file"),
        (
            &[("from-tag", "bob"), ("blob", "RIFF")],
            "The files of the configuration are played, by their names; a blob",
        ),
        (
            &[("from-tag", "bob"), ("db-id", "7")],
            "The files of the configuration are played, by their names; some",
        ),
        (&[("from-tag", "bob"), ("file", "")], "The value of file is not"),
        (
            &[("from-tag", "bob"), ("file", "/etc/passwd")],
            "There is no sound \"passwd\" to play: put it into",
        ),
        (&[("from-tag", "bob"), ("file", "/")], "There is no sound \"\" to play"),
        (&[("from-tag", "bob"), ("file", "welcome"), ("repeat-times", "often")], "The value of repeat-times"),
        (&[("from-tag", "bob"), ("file", "welcome"), ("start-pos", "1500")], "start-pos lies behind the end"),
        (&[("from-tag", "bob"), ("file", "welcome"), ("start-pos", "soon")], "The value of start-pos"),
        (&[("from-tag", "bob"), ("file", "welcome"), ("repeat-duration", "long")], "The value of repeat-d"),
        (&[("from-tag", "carol"), ("file", "welcome")], "No side of the call"),
        (&[("label", "door"), ("file", "welcome")], "No side of the call"),
        (&[("file", "welcome")], "Nobody is meant: say a from-tag, an address, a label or the flag all"),
    ] {
        let mut world = in_call();
        let words = reason(&play(&mut world, more));
        assert!(words.starts_with(expected), "{words} is not {expected}");
        assert_eq!(world.happened(), "", "{expected}");
    }
    let mut world = World::new();
    world.engine.handle_sounds([("welcome".into(), Duration::ZERO)].into_iter().collect());
    let welcome = [("from-tag", "alice"), ("file", "welcome")];
    assert_eq!(reason(&play(&mut world, &welcome)), "Unknown call-id");
    browser_calls(&mut world);
    assert_eq!(reason(&play(&mut world, &welcome)), "The side that is meant talks to nobody yet");
    let mut world = World::new();
    world.engine.handle_sounds([("welcome".into(), Duration::ZERO)].into_iter().collect());
    let sdp = phone("203.0.113.9", 40_000).replace("8 0 101", "18");
    world.ask(&about("offer", &[("from-tag", "alice"), ("sdp", &sdp)]));
    phone_answers(&mut world, &[("sdp", &sdp), ("transport-protocol", "RTP/AVP"), ("ICE", "remove")]);
    let words = reason(&play(&mut world, &welcome));
    assert!(words.starts_with("The side that is meant has no codec of opus"), "{words}");
}
