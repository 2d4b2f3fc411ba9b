//! What users have set about their calls: forwarding, do not disturb, call waiting; and redirections of phones.

use ringback_control::Features;
use ringback_sip::message::{Builder, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

fn to(user: &str) -> Option<String> {
    Some(user.to_owned())
}

/// Alice in a browser, Bob and Carol at telephones, and what Bob has set.
fn world(features: Features) -> (World, PhoneId, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let [bob, carol] = ["bob", "carol"].map(|user| world.baresip(user));
    world.register_all();
    world.exchange.set_features("bob", features);
    (world, alice, bob, carol)
}

fn header(world: &mut World, id: PhoneId, name: Name) -> Vec<String> {
    let invite = world.phone(id).requests("INVITE").pop().expect("it was called");
    invite.headers(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn always() {
    let (mut world, alice, bob, carol) = world(Features { always: to("carol"), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(500));
    assert!(world.phone(bob).requests("INVITE").is_empty());
    assert_eq!(
        header(&mut world, carol, Name::HistoryInfo),
        ["<sip:bob@192.0.2.1>;index=1, <sip:carol@192.0.2.1;cause=302>;index=1.1;mp=1"]
    );
    world.phone(carol).answer();
    world.run(ms(500));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Otherwise the secretary could not put a call through.
#[test]
fn who_is_forwarded_to_can_call_who_forwards() {
    let (mut world, _, bob, carol) = world(Features { always: to("carol"), ..Features::default() });
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert!(world.phone(bob).is_ringing());
}

#[test]
fn when_busy() {
    let (mut world, alice, bob, carol) = world(Features { busy: to("carol"), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(486);
    world.run(ms(500));
    assert!(world.phone(carol).is_ringing());
    assert!(world.phone(alice).statuses("INVITE").contains(&181));
    world.phone(carol).answer();
    world.run(ms(500));
    world.phone(carol).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Nobody picks up for the time that Bob has set, at the first nor at the second.
#[test]
fn when_nobody_answers() {
    let features = Features { no_answer: to("carol"), ring_seconds: Some(8), ..Features::default() };
    let (mut world, alice, bob, carol) = world(features);
    world.exchange.set_features("carol", Features { ring_seconds: Some(5), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(secs(7));
    assert!(world.phone(bob).is_ringing());
    world.run(secs(2));
    assert!(!world.phone(bob).is_ringing() && world.phone(carol).is_ringing());
    world.run(secs(5));
    assert_eq!(world.phone(alice).last_failure(), Some(408));
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn when_nobody_is_signed_in() {
    let (mut world, alice, _, carol) = world(Features::default());
    world.store.add("dave");
    world.exchange.set_features("dave", Features { no_answer: to("carol"), ..Features::default() });
    world.phone(alice).dial("dave");
    world.run(ms(500));
    assert!(world.phone(carol).is_ringing());
    assert_eq!(
        header(&mut world, carol, Name::Diversion),
        ["<sip:dave@192.0.2.1>;reason=unavailable;counter=1"]
    );
}

/// Bob declines: that is meant for the caller.
#[test]
fn a_call_that_is_declined_is_not_forwarded() {
    let features = Features { busy: to("carol"), no_answer: to("carol"), ..Features::default() };
    let (mut world, alice, bob, carol) = world(features);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(603);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(603));
    assert!(world.phone(carol).requests("INVITE").is_empty());
    world.assert_nothing_is_left();
}

#[test]
fn do_not_disturb() {
    let (mut world, alice, bob, _) = world(Features { do_not_disturb: true, ..Features::default() });
    world.phone(alice).dial("bob");
    world.settle();
    assert!(world.phone(bob).requests("INVITE").is_empty());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
    world
        .exchange
        .set_features("bob", Features { do_not_disturb: true, no_answer: to("echo"), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(500));
    assert!(world.phone(alice).is_up(), "it goes where calls go that nobody answers");
}

/// One call at a time: a second caller finds Bob busy, whether he called or was called, talks or is rung.
#[test]
fn call_waiting_switched_off() {
    let (mut world, alice, bob, carol) = world(Features { waiting: Some(1), ..Features::default() });
    let dave = world.baresip("dave");
    world.phone(dave).register();
    world.run(secs(1));
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert_eq!(world.phone(carol).last_failure(), Some(486), "it rings");
    world.phone(bob).answer();
    world.run(ms(500));
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert_eq!(world.phone(carol).statuses("INVITE").iter().filter(|status| **status == 486).count(), 2);
    world.phone(alice).hang_up();
    world.settle();
    world.phone(bob).dial("echo");
    world.run(ms(500));
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert_eq!(world.phone(carol).statuses("INVITE").iter().filter(|status| **status == 486).count(), 3);
    world.phone(bob).hang_up();
    world.settle();
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert!(world.phone(bob).is_ringing());
    assert_eq!(world.exchange.stats().callees_busy, 3);
}

#[test]
fn a_circle_gets_482_and_a_long_chain_483() {
    let always = |user: &str| Features { always: to(user), ..Features::default() };
    let (mut world, alice, _, _) = world(always("carol"));
    world.exchange.set_features("carol", always("bob"));
    world.phone(alice).dial("bob");
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(482));
    for number in 1..=6 {
        world.exchange.set_features(&format!("u{number}"), always(&format!("u{}", number + 1)));
    }
    world.phone(alice).dial("u1");
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(483));
    assert_eq!(world.exchange.stats().forwards_refused, 2);
    assert_eq!(world.cdrs.len(), 2, "both are calls that were missed");
    world.exchange.set_features("u6", Features::default());
    world.exchange.set_features("u5", always("carol"));
    world.exchange.set_features("carol", Features::default());
    world.phone(alice).dial("u1");
    world.run(ms(500));
    assert!(world.phone(alice).last_failure().is_none_or(|status| status == 483), "five are allowed");
    assert_eq!(world.phone(alice).statuses("INVITE").last(), Some(&180));
}

/// Both are busy and forward to each other.
#[test]
fn a_circle_that_shows_while_it_rings_ends_the_call() {
    let (mut world, alice, bob, carol) = world(Features { busy: to("carol"), ..Features::default() });
    world.exchange.set_features("carol", Features { busy: to("bob"), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(486);
    world.run(ms(500));
    world.phone(carol).refuse(486);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(482));
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_that_gives_up_after_forwarding_stops_the_ringing_there() {
    let (mut world, alice, bob, carol) = world(Features { busy: to("carol"), ..Features::default() });
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(486);
    world.run(ms(500));
    assert!(world.phone(carol).is_ringing());
    world.phone(alice).cancel();
    world.settle();
    assert!(!world.phone(carol).is_ringing());
    world.assert_nothing_is_left();
}

#[test]
fn a_phone_sends_the_caller_to_another_user() {
    let (mut world, alice, bob, carol) = world(Features::default());
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).redirect("<sip:carol@192.0.2.1>");
    world.run(ms(500));
    assert!(world.phone(carol).is_ringing());
    assert_eq!(
        header(&mut world, carol, Name::Diversion),
        ["<sip:bob@192.0.2.1>;reason=deflection;counter=1"]
    );
    world.phone(carol).answer();
    world.run(ms(500));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// One phone of Bob's is diverted to Carol; the other one rings on.
#[test]
fn a_redirection_of_one_phone_rings_beside_the_others() {
    let (mut world, alice, bob, carol) = world(Features::default());
    let desk = world.add("bob", "desk", Client::Baresip);
    world.phone(desk).register();
    world.run(secs(1));
    world.begin();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(desk).redirect("<sip:carol@192.0.2.1>");
    world.run(ms(500));
    assert!(world.phone(carol).is_ringing() && world.phone(bob).is_ringing());
    assert_eq!(header(&mut world, carol, Name::Diversion).len(), 1);
    world.phone(carol).answer();
    world.run(ms(500));
    assert!(world.phone(alice).is_up() && !world.phone(bob).is_ringing());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// Toll fraud: a callee cannot make the exchange call elsewhere, nor carry out a code in the caller's name.
#[test]
fn a_redirection_elsewhere_is_not_followed() {
    for contact in [
        "<sip:+900123@example.net>",
        "<tel:+900123>",
        "<sip:bob@example.org>",
        "<sip:*72mallory@example.org>",
        "<sip:example.org>",
        "*",
    ] {
        let mut world = World::with(1, |settings| settings.domains = vec!["example.org".to_owned()]);
        let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(500));
        world.phone(bob).redirect(contact);
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(480), "{contact}");
        assert_eq!(world.exchange.stats().redirections_refused, 1, "{contact}");
        assert!(world.store.features.is_empty());
        world.assert_nothing_is_left();
    }
}

#[test]
fn phones_that_send_a_caller_round_in_a_circle_get_482() {
    let (mut world, alice, bob, carol) = world(Features::default());
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).redirect("<sip:carol@192.0.2.1>");
    world.run(ms(500));
    world.phone(carol).redirect("<sip:bob@192.0.2.1>");
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(482));
    world.assert_nothing_is_left();
}

const ANONYMOUS: &str = "<sip:anonymous@anonymous.invalid";

/// RFC 7044 §10.1: that there was somebody is told, and not who.
#[test]
fn a_caller_who_asks_for_it_has_nobody_named_on_the_way() {
    for (privacy, hides) in [("history", true), ("id; HISTORY", true), ("session", true), ("id", false)] {
        let (mut world, alice, _, carol) = world(Features { always: to("carol"), ..Features::default() });
        world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, privacy));
        world.run(ms(500));
        let [history] = &header(&mut world, carol, Name::HistoryInfo)[..] else { panic!("one line") };
        let [diversion] = &header(&mut world, carol, Name::Diversion)[..] else { panic!("one line") };
        assert_eq!(history.contains("bob"), !hides, "{privacy}: {history}");
        assert_eq!(diversion.contains("bob"), !hides, "{privacy}: {diversion}");
        if hides {
            assert_eq!(
                *history,
                format!("{ANONYMOUS}>;index=1, {ANONYMOUS};cause=302>;index=1.1;mp=1"),
                "{privacy}"
            );
            assert_eq!(
                *diversion,
                format!("\"Anonymous\" {ANONYMOUS}>;reason=unconditional;counter=1;privacy=full")
            );
            let invite = world.phone(carol).requests("INVITE").pop().unwrap();
            assert!(!String::from_utf8_lossy(invite.bytes()).contains("bob"));
        }
    }
}

/// The phone that sends its callers on asks for itself in its 302, or for everybody so far in the Contact.
#[test]
fn a_phone_that_sends_its_callers_on_asks_not_to_be_named() {
    for (contact, privacy) in [
        ("<sip:dave@192.0.2.1>", "history"),
        ("<sip:dave@192.0.2.1?Privacy=history>", "none"),
        ("<sip:dave@192.0.2.1?Privacy=id%3Bhistory>", "none"),
    ] {
        let (mut world, alice, bob, carol) = world(Features { busy: to("carol"), ..Features::default() });
        let dave = world.baresip("dave");
        world.phone(dave).register();
        world.run(secs(1));
        world.phone(alice).dial("bob");
        world.run(ms(500));
        world.phone(bob).refuse(486);
        world.run(ms(500));
        world.phone(carol).redirect_with(contact, |reply| reply.header(Name::Privacy, privacy));
        world.run(ms(500));
        assert!(world.phone(dave).is_ringing(), "{}", world.ladder());
        let bob = if privacy == "history" { "<sip:bob@192.0.2.1" } else { ANONYMOUS };
        assert_eq!(
            header(&mut world, dave, Name::HistoryInfo),
            [format!(
                "{bob}?Reason=SIP%3Bcause%3D486>;index=1, {ANONYMOUS};cause=486?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1, \
                 <sip:dave@192.0.2.1;cause=302>;index=1.1.1;mp=1.1"
            )]
        );
        let diversions = header(&mut world, dave, Name::Diversion);
        assert!(diversions.iter().all(|value| !value.contains("carol")), "{diversions:?}");
        assert_eq!(diversions.iter().any(|value| value.contains("bob")), privacy == "history");
    }
}

/// The phone that rings, or refuses, asks not to be named to whom the call is sent on.
#[test]
fn a_phone_that_is_passed_by_asks_not_to_be_named() {
    for (when, privacy, hides) in
        [("180", "history", true), ("486", "history", true), ("180", "id", false), ("486", "id", false)]
    {
        let (mut world, alice, bob, carol) = world(Features { busy: to("carol"), ..Features::default() });
        world.phone(alice).dial("bob");
        world.run(ms(500));
        let asks = |reply: Builder| reply.header(Name::Privacy, privacy);
        if when == "180" {
            world.phone(bob).ring_with(asks);
            world.phone(bob).refuse(486);
        } else {
            world.phone(bob).refuse_with(486, asks);
        }
        world.run(secs(1));
        let [history] = &header(&mut world, carol, Name::HistoryInfo)[..] else { panic!("one line") };
        let [diversion] = &header(&mut world, carol, Name::Diversion)[..] else { panic!("one line") };
        assert_eq!(
            (history.contains("bob"), diversion.contains("bob")),
            (!hides, !hides),
            "{when} {privacy}"
        );
    }
}
