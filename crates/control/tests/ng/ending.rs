//! How calls end, and what is told and blocked until then.

use ringback_control::ng::{Dict, Value};
use ringback_media::session::Gone;

use crate::kit::{
    World, about, browser, browser_calls, browser_calls_two, phone, phone_answers, reason, sdp, text,
};

fn in_call() -> World {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[]);
    world.happened();
    world
}

#[test]
fn media_flows_until_the_delay_of_a_delete_is_over() {
    let mut world = in_call();
    assert_eq!(text(&world.ask(&about("delete", &[("from-tag", "bob")])), "result"), "ok");
    // The other side hangs up too; that does not prolong it.
    world.pass(20);
    world.ask(&about("delete", &[("from-tag", "alice")]));
    world.pass(9);
    assert_eq!(world.legs.len(), 2);
    world.pass(1);
    assert_eq!(world.happened(), "web1 closes\nrtp2 closes");
    assert_eq!((world.engine.calls(), world.engine.stats().calls_deleted), (0, 1));
    assert_eq!(world.engine.poll_timeout(), None);
}

#[test]
fn a_delete_says_its_own_delay() {
    let mut world = in_call();
    let answer = world.ask(&about("delete", &[("from-tag", "bob"), ("delete delay", "0")]));
    assert!(answer.value("tags").is_some());
    assert!(world.legs.is_empty());
}

#[test]
fn an_offer_keeps_a_call_that_is_being_deleted() {
    let mut world = in_call();
    world.ask(&about("delete", &[("from-tag", "bob")]));
    let offer = browser("actpass", "brow");
    sdp(&world.ask(&about("offer", &[("from-tag", "alice"), ("to-tag", "bob"), ("sdp", &offer)])));
    world.pass(31);
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn a_delete_of_nothing_is_an_error_when_that_is_asked_for() {
    let mut world = World::new();
    let answer = world.ask(&about("delete", &[("from-tag", "bob")]));
    assert_eq!((text(&answer, "result"), text(&answer, "warning")), ("ok".into(), "Unknown call-id".into()));
    let answer = world.ask(&about("delete", &[("from-tag", "bob"), ("flags", "|fatal")]));
    assert_eq!(reason(&answer), "Unknown call-id");

    let mut world = in_call();
    let answer = world.ask(&about("delete", &[("from-tag", "carol"), ("delete delay", "0")]));
    assert!(text(&answer, "warning").starts_with("No side"));
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn a_branch_is_deleted_alone() {
    let mut world = World::new();
    browser_calls_two(&mut world);
    sdp(&phone_answers(&mut world, &[("via-branch", "z9hG4bKone")]));
    world.happened();
    let more = [("from-tag", "alice"), ("via-branch", "z9hG4bKtwo"), ("delete delay", "5")];
    world.ask(&about("delete", &more));
    world.pass(5);
    assert_eq!(world.happened(), "rtp3 closes");
    // What is left is the call, whichever way it is named.
    world.ask(&about("delete", &[("from-tag", "bob"), ("to-tag", "alice"), ("delete delay", "0")]));
    assert_eq!(world.happened(), "web1 closes\nrtp2 closes");
}

#[test]
fn who_hangs_up_on_one_branch_leaves_the_others_their_caller() {
    let mut world = World::new();
    let offer = browser("actpass", "brow");
    for (branch, tag) in [("z9hG4bKone", "one"), ("z9hG4bKtwo", "two")] {
        let more = [
            ("from-tag", "alice"),
            ("via-branch", branch),
            ("sdp", &offer[..]),
            ("transport-protocol", "RTP/AVP"),
        ];
        sdp(&world.ask(&about("offer", &more)));
        sdp(&phone_answers(&mut world, &[("via-branch", branch), ("to-tag", tag)]));
    }
    world.happened();
    world.ask(&about("delete", &[("from-tag", "one"), ("to-tag", "alice"), ("delete delay", "0")]));
    assert_eq!(world.happened(), "rtp2 closes");
}

#[test]
fn a_call_ends_when_all_its_media_has() {
    let mut world = in_call();
    world.gone("rtp2", Gone::NoMedia);
    world.pass(65);
    world.gone("rtp2", Gone::NoMedia);
    assert_eq!(world.legs.len(), 2, "one side may be on hold");
    world.gone("web1", Gone::ConsentLost);
    assert!(world.legs.is_empty());
    assert_eq!(world.engine.stats().calls_silent, 1);

    // Silence that is not told again is over.
    let mut world = in_call();
    world.gone("rtp2", Gone::NoMedia);
    world.pass(141);
    world.gone("web1", Gone::ConsentLost);
    assert_eq!(world.legs.len(), 2);
}

#[test]
fn browsers_that_hang_up_have_not_fallen_silent() {
    let mut world = in_call();
    world.ask(&about("delete", &[("from-tag", "alice")]));
    world.gone("rtp2", Gone::NoMedia);
    world.gone("web1", Gone::ConsentLost);
    assert!(world.legs.is_empty());
    let stats = world.engine.stats();
    assert_eq!((stats.calls_deleted, stats.calls_silent), (1, 0));
}

#[test]
fn a_call_that_nobody_answers_ends_within_an_hour() {
    let mut world = World::new();
    browser_calls(&mut world);
    world.pass(3_599);
    assert_eq!(world.legs.len(), 2);
    world.pass(1);
    assert_eq!((world.legs.len(), world.engine.stats().calls_unanswered), (0, 1));
}

#[test]
fn a_query_tells_who_talks_to_whom() {
    let mut world = in_call();
    world.pass(7);
    let told = world.ask(&about("query", &[]));
    assert_eq!(
        (told.value("created"), told.value("last signal")),
        (Some(&Value::Number(1_000)), Some(&Value::Number(1_000)))
    );
    let Some(Value::Dict(tags)) = told.value("tags") else { panic!("no tags") };
    let side = |tag: &str| -> Dict {
        let Some(Value::Dict(side)) = tags.value(tag) else { panic!("no {tag}") };
        side.clone()
    };
    assert_eq!(text(&side("alice"), "in dialogue with"), "bob");
    assert_eq!(text(&side("bob"), "in dialogue with"), "alice");
    let media = format!("{:?}", side("bob"));
    for present in
        ["b\"203.0.113.9\"", "Number(40000)", "Number(40001)", "Number(20004)", "b\"RTP/AVP\"", "initialized"]
    {
        assert!(media.contains(present), "{present} in {media}");
    }
    assert!(format!("{:?}", side("alice")).contains("DTLS-SRTP"));
    assert!(reason(&world.ask(&about("query", &[("from-tag", "carol")]))).starts_with("No side"));
}

#[test]
fn blocked_media_does_not_pass_and_comes_back() {
    let mut world = in_call();
    let passes = |world: &World, leg: &str| format!("{:?}", world.legs[&world.leg(leg)].map);
    world.ask(&about("block DTMF", &[("from-tag", "bob")]));
    assert_eq!(passes(&world, "rtp2"), "{0: 0, 8: 8}");
    assert_eq!(passes(&world, "web1"), "{0: 0, 8: 8, 110: 101}");
    world.ask(&about("block media", &[]));
    assert_eq!((passes(&world, "rtp2"), passes(&world, "web1")), ("{}".into(), "{110: 101}".into()));
    // A new offer and answer does not open what is blocked.
    sdp(&world.ask(&about(
        "offer",
        &[("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &phone("203.0.113.9", 4))],
    )));
    let answer = browser("active", "brow");
    sdp(&world.ask(&about("answer", &[("from-tag", "bob"), ("to-tag", "alice"), ("sdp", &answer)])));
    assert_eq!(passes(&world, "rtp2"), "{}");
    world.ask(&about("unblock media", &[]));
    world.ask(&about("unblock DTMF", &[]));
    assert!(!passes(&world, "rtp2").contains("101"), "one who was named is not meant by all");
    world.ask(&about("unblock DTMF", &[("flags", "|all")]));
    assert!(passes(&world, "rtp2").contains("101"));
    assert!(reason(&world.ask(&about("block media", &[("from-tag", "carol")]))).starts_with("No side"));
}

#[test]
fn who_is_blocked_may_be_named_by_label_or_address() {
    let mut world = World::new();
    browser_calls(&mut world);
    phone_answers(&mut world, &[("label", "desk")]);
    let map = |world: &World, leg: &str| format!("{:?}", world.legs[&world.leg(leg)].map);
    // The module says the tag of the message beside it.
    world.ask(&about("block media", &[("from-tag", "alice"), ("label", "desk")]));
    assert_eq!(map(&world, "rtp2"), "{101: 110, 110: 110}");
    world.ask(&about("block DTMF", &[("address", "203.0.113.9")]));
    assert_eq!((map(&world, "rtp2"), map(&world, "web1").as_str() == "{}"), ("{}".into(), false));
    assert!(reason(&world.ask(&about("block media", &[("address", "203.0.113.1")]))).starts_with("No side"));
    assert!(
        reason(&world.ask(&about("block media", &[("address", "here")]))).starts_with("The value of address")
    );
}
