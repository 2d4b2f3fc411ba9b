//! What a transfer finds: targets that have their calls forwarded, several groups of contacts, callers without a name.

use std::sync::Arc;

use ringback_control::{Features, HeaderTables, PeerTable};
use ringback_sip::message::Name;

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice has called Bob and they talk; Carol and Dave are signed in, and this is what Carol has set.
fn world(carol_has: Features) -> (World, [PhoneId; 4]) {
    let mut world = World::with(1, |settings| {
        let table = PeerTable::new([], [], [("X-Site", "berlin")], true).unwrap();
        settings.headers = HeaderTables { users: Arc::new(table) };
    });
    let ids = ["alice", "bob", "carol", "dave"].map(|name| world.baresip(name));
    world.register_all();
    world.exchange.set_features("carol", carol_has);
    world.connect(ids[0], ids[1]);
    (world, ids)
}

fn to(user: &str) -> Option<String> {
    Some(user.to_owned())
}

fn header(world: &mut World, id: PhoneId, name: Name) -> String {
    let invite = world.phone(id).requests("INVITE").pop().expect("it was called");
    String::from_utf8_lossy(invite.header(name).unwrap_or_default()).into_owned()
}

#[track_caller]
fn finish(world: &mut World, who: PhoneId) {
    world.phone(who).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_target_that_is_busy_has_the_transferee_forwarded() {
    let (mut world, [alice, bob, carol, dave]) = world(Features { busy: to("dave"), ..Features::default() });
    world.phone(bob).refer("carol");
    world.run(secs(1));
    world.phone(carol).refuse(486);
    world.run(secs(1));
    assert!(world.phone(dave).is_ringing());
    assert_eq!(
        world.phone(bob).told(),
        [
            "SIP/2.0 100 Trying",
            "SIP/2.0 180 Ringing",
            "SIP/2.0 181 Call Is Being Forwarded",
            "SIP/2.0 180 Ringing"
        ]
    );
    let diversion = header(&mut world, dave, Name::Diversion);
    assert_eq!(diversion, "<sip:carol@192.0.2.1>;reason=user-busy;counter=1");
    let asserted = header(&mut world, dave, Name::PAssertedIdentity);
    assert_eq!(asserted, "\"alice\" <sip:alice@192.0.2.1>");
    assert!(header(&mut world, dave, Name::ReferredBy).contains("sip:bob@"));
    let invite = world.phone(dave).requests("INVITE").pop().unwrap();
    assert!(String::from_utf8_lossy(invite.bytes()).contains("x-site: berlin"));
    world.phone(dave).answer();
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["dave"]);
    assert!(world.phone(bob).is_idle());
    finish(&mut world, alice);
    assert_eq!(world.exchange.stats().transfers_completed, 1);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_target_that_does_not_answer_has_the_transferee_forwarded() {
    let features = Features { no_answer: to("dave"), ring_seconds: Some(5), ..Features::default() };
    let (mut world, [alice, bob, carol, dave]) = world(features);
    world.exchange.set_features("dave", Features { ring_seconds: Some(5), ..Features::default() });
    world.phone(bob).refer("carol");
    world.run(secs(4));
    assert!(world.phone(carol).is_ringing());
    world.run(secs(2));
    assert!(!world.phone(carol).is_ringing() && world.phone(dave).is_ringing());
    world.run(secs(5));
    assert_eq!(world.phone(bob).told().last().unwrap(), "SIP/2.0 408 Request Timeout");
    assert_eq!(world.media.hears("alice"), ["bob"], "the call is as it was");
    finish(&mut world, alice);
}

#[test]
fn a_target_whose_calls_go_to_the_echo_has_the_transferee_hear_itself() {
    for features in [
        Features { busy: to("echo"), ..Features::default() },
        Features { always: to("*43"), ..Features::default() },
    ] {
        let is_called = features.always.is_none();
        let (mut world, [alice, bob, carol, _]) = world(features);
        world.phone(bob).refer("carol");
        world.run(secs(1));
        if is_called {
            world.phone(carol).refuse(486);
            world.run(secs(1));
        }
        assert_eq!(world.media.hears("alice"), ["alice"], "{}", world.ladder());
        assert!(world.phone(bob).is_idle());
        finish(&mut world, alice);
    }
}

#[test]
fn a_circle_ends_the_transfer_and_not_the_call() {
    let (mut world, [alice, bob, carol, dave]) = world(Features { busy: to("dave"), ..Features::default() });
    world.exchange.set_features("dave", Features { always: to("carol"), ..Features::default() });
    world.phone(bob).refer("carol");
    world.run(secs(1));
    world.phone(carol).refuse(486);
    world.run(secs(1));
    assert_eq!(world.phone(bob).told().last().unwrap(), "SIP/2.0 482 Loop Detected");
    assert!(!world.phone(dave).is_ringing());
    assert_eq!(world.media.hears("alice"), ["bob"]);
    finish(&mut world, alice);
}

#[test]
fn contacts_of_a_lower_preference_ring_when_the_others_have_refused() {
    let (mut world, [alice, bob, carol, _]) = world(Features::default());
    let mobile = world.add("carol", "mobile", Client::Baresip);
    world.phone(mobile).register();
    world.run(secs(1));
    let contact = format!("{};q=0.5;expires=600", world.phone(mobile).contact());
    world.phone(mobile).send_register(&contact);
    world.run(secs(1));
    world.phone(bob).refer("carol");
    world.run(secs(1));
    assert!(world.phone(carol).is_ringing() && !world.phone(mobile).is_ringing());
    world.phone(carol).refuse(480);
    world.run(secs(1));
    assert!(world.phone(mobile).is_ringing());
    world.phone(mobile).answer();
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["mobile"], "{}", world.ladder());
    finish(&mut world, alice);
}

/// It says so at once, so that a phone that hangs up after the 202 keeps its call.
#[test]
fn what_cannot_be_a_target_is_refused_at_once() {
    let (mut world, [alice, bob, carol, _]) = world(Features { do_not_disturb: true, ..Features::default() });
    for (target, status) in [("carol", 480), ("*78", 403), ("*8", 403)] {
        world.phone(bob).refer(target);
        world.run(secs(1));
        assert_eq!(world.phone(bob).last_status("REFER"), Some(status), "{target}");
    }
    assert!(!world.phone(carol).is_ringing() && world.phone(alice).is_up());
    assert_eq!(world.store.features.len(), 0);
    finish(&mut world, alice);
}

#[test]
fn who_is_anonymous_stays_so_in_a_transfer() {
    for referrer in ["alice", "bob"] {
        let (mut world, [alice, bob, carol, _]) = world(Features::default());
        world.phone(alice).hang_up();
        world.run(secs(1));
        world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, "id"));
        world.run(secs(1));
        world.phone(bob).answer();
        world.run(secs(1));
        let from = if referrer == "alice" { alice } else { bob };
        world.phone(from).refer_with("<sip:carol@192.0.2.1>", |refer| refer);
        world.run(secs(1));
        let invite = world.phone(carol).requests("INVITE").pop().unwrap();
        let text = String::from_utf8_lossy(invite.bytes()).into_owned();
        assert!(!text.contains("alice"), "{text}");
        assert_eq!(invite.has(Name::PAssertedIdentity), referrer == "alice", "Bob is not anonymous: {text}");
        world.phone(carol).answer();
        world.run(secs(1));
        finish(&mut world, carol);
    }
}

/// A lamp of one's own calls does not say who the anonymous caller is.
#[test]
fn who_is_anonymous_stays_so_in_the_list_of_calls() {
    let (mut world, [alice, bob, ..]) = world(Features::default());
    world.phone(alice).hang_up();
    world.phone(bob).subscribe("dialog", "bob", 600);
    world.run(secs(1));
    for (privacy, is_told) in [("none", true), ("id", false)] {
        world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, privacy));
        world.run(secs(5));
        let (_, last) = world.phone(bob).notifications().pop().unwrap();
        assert_eq!(last.contains("alice"), is_told, "{last}");
        world.phone(alice).cancel();
        world.run(secs(5));
    }
}

/// Who has left a call by a transfer is not in it.
#[test]
fn a_transferor_is_free_again() {
    let (mut world, [alice, bob, carol, dave]) = world(Features::default());
    world.exchange.set_features("alice", Features { waiting: Some(1), ..Features::default() });
    world.phone(dave).dial("alice");
    world.run(ms(500));
    assert_eq!(world.phone(dave).last_failure(), Some(486));
    world.phone(alice).refer("carol");
    world.run(secs(1));
    world.phone(carol).answer();
    world.run(secs(1));
    world.phone(dave).dial("alice");
    world.run(ms(500));
    assert!(world.phone(alice).is_ringing(), "{}", world.ladder());
    world.phone(dave).cancel();
    world.run(secs(1));
    finish(&mut world, bob);
}

/// Two callers at the same moment: the second finds the line taken before the first rings.
#[test]
fn a_line_is_taken_from_the_beginning() {
    let (mut world, [alice, bob, carol, dave]) = world(Features { waiting: Some(1), ..Features::default() });
    world.phone(alice).hang_up();
    world.run(secs(1));
    world.media.slow = ms(500);
    world.phone(bob).dial("carol");
    world.phone(dave).dial("carol");
    world.run(secs(2));
    let refused = [bob, dave].map(|id| world.phone(id).last_failure());
    assert_eq!(refused.iter().flatten().collect::<Vec<_>>(), [&486]);
    assert!(world.phone(carol).is_ringing());
    assert_eq!(world.phone(carol).requests("INVITE").len(), 1, "the exchange said so, not the phone");
}

/// The table of the peer holds for messages outside of calls too.
#[test]
fn messages_are_under_the_table_of_the_peer() {
    let mut world = World::with(1, |settings| {
        let table = PeerTable::new([], ["Subject"], [("X-Site", "berlin")], false).unwrap();
        settings.headers = HeaderTables { users: Arc::new(table) };
    });
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    let request = world.phone(alice).request_outside(ringback_sip::message::Method::Message, "bob");
    let request = request
        .header(Name::Subject, "lunch")
        .header_named(b"X-Site", "forged")
        .header_named(b"X-Ticket", "7")
        .body(b"text/plain", b"hello");
    world.phone(alice).send(request.finish());
    world.run(secs(1));
    let message = world.phone(bob).requests("MESSAGE").pop().unwrap();
    let text = String::from_utf8_lossy(message.bytes()).into_owned();
    assert!(text.contains("x-site: berlin") && text.contains("X-Ticket: 7"), "{text}");
    assert!(!text.contains("lunch") && !text.contains("forged"), "{text}");
}
