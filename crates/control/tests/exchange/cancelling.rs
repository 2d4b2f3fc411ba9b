//! The caller gives up before the answer.

use ringback_sip::message::{Method, Name};

use crate::kit::{Client, World, as_cancel, ms, secs};

#[test]
fn while_it_rings() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(secs(3));
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Our CANCEL has to wait until the callee has said anything (RFC 3261 §9.1).
#[test]
fn before_the_callee_says_anything() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(alice).cancel();
    world.run(ms(300));
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert!(world.phone(bob).requests("CANCEL").is_empty());
    world.phone(bob).ring();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn while_the_callee_picks_up() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(alice).cancel();
    world.run(ms(5));
    world.phone(bob).answer();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// The 200 is on its way to the caller when its CANCEL comes: it gets the call and ends it by a BYE.
#[test]
fn after_the_answer_it_changes_nothing() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).answer();
    world.run(ms(15));
    world.phone(alice).cancel();
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn the_reason_that_the_caller_gives_is_passed_on() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(alice).cancel_because("SIP;cause=480;text=\"Logged out\"");
    world.settle();
    let cancel = world.phone(bob).requests("CANCEL").pop().unwrap();
    assert_eq!(cancel.header(Name::Reason), Some(&b"SIP;cause=480;text=\"Logged out\""[..]));
    world.assert_nothing_is_left();
}

/// RFC 3261 §9.2: the answers to CANCEL and INVITE have one tag.
#[test]
fn the_answers_to_cancel_and_invite_have_one_tag() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let cancel = as_cancel(&world.phone(alice).call.as_ref().unwrap().invite.clone());
    world.send_past(alice, &cancel);
    world.run(secs(1));
    let phone = world.phone(alice);
    let tag = |method: &str| phone.responses(method).pop().unwrap().to().unwrap().tag().unwrap().to_vec();
    assert_eq!(phone.last_failure(), Some(487));
    assert_eq!(tag("CANCEL"), tag("INVITE"));
}

#[test]
fn while_the_store_is_asked_who_calls() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.store.slow = secs(2);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(alice).cancel();
    world.settle();
    assert!(world.phone(bob).requests("INVITE").is_empty());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn while_the_store_is_asked_for_the_callee() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("nobody");
    world.run(ms(25));
    world.store.slow = secs(2);
    world.run(ms(300));
    world.phone(alice).cancel();
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    world.assert_nothing_is_left();
}

#[test]
fn while_the_media_workers_open_the_legs() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.media.slow = secs(1);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(alice).cancel();
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert!(world.phone(bob).requests("INVITE").is_empty());
    world.assert_nothing_is_left();
}

/// Of an INVITE that was challenged nothing is kept, so there is nothing to cancel.
#[test]
fn an_invite_that_was_challenged() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let invite = world.phone(alice).invite_request("bob").finish();
    let cancel = as_cancel(&invite);
    let before = world.exchange.under_way();
    world.send_past(alice, &invite);
    world.run(ms(100));
    world.send_past(alice, &cancel);
    world.run(ms(100));
    assert_eq!(world.exchange.under_way(), before, "stateless, both of them");
    insta::assert_snapshot!(world.ladder());
}

/// A CANCEL cannot be challenged, so it counts only from where its INVITE came from.
#[test]
fn somebody_else_cannot_cancel() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let cancel = as_cancel(&world.phone(alice).call.as_ref().unwrap().invite.clone());
    assert_eq!(cancel.method(), Method::Cancel);
    world.send_past(bob, &cancel);
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing());
    assert_eq!(world.exchange.transaction_stats().cancels_from_elsewhere, 1);
}

/// A BYE in the early dialog is a CANCEL by another name (RFC 3261 §15.1.2).
#[test]
fn by_a_bye() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let bye = world.phone(alice).in_dialog(Method::Bye).finish();
    world.phone(alice).send(bye);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}
