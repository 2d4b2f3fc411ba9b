//! Media workers that refuse, are slow, or are dead.

use ringback_control::MediaEvent;
use ringback_media::session::{Gone, LegKey};

use crate::kit::{Client, World, ms, secs};

#[test]
fn a_worker_that_cannot_open_legs() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.media.refuses = Some("no port is free".to_owned());
    world.phone(alice).dial("bob");
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(503));
    assert!(world.phone(bob).requests("INVITE").is_empty());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// One contact of two cannot have a leg: the other rings.
#[test]
fn a_worker_that_cannot_open_one_leg() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::SipJs);
    world.register_all();
    world.media.refuses_browsers = true;
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert!(world.phone(desk).is_ringing());
    assert!(world.phone(page).requests("INVITE").is_empty());
    world.phone(desk).answer();
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_dead_worker() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.media.is_dead = true;
    world.phone(alice).dial("bob");
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!((world.exchange.stats().legs_unopened, world.exchange.stats().reports_missing), (1, 2));
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_worker_that_dies_in_mid_call() {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    world.media.is_dead = true;
    world.phone(alice).hang_up();
    world.settle();
    assert_eq!(world.exchange.under_way(), 0);
    assert!(world.cdrs[0].legs.iter().all(|leg| leg.media.is_none()));
    assert_eq!(world.exchange.stats().reports_missing, 2);
}

/// The call was given up before the worker got to it: the leg is closed all the same.
#[test]
fn a_leg_that_is_opened_too_late() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.media.slow = secs(10);
    world.phone(alice).dial("bob");
    world.run(secs(60));
    assert_eq!(world.phone(alice).last_failure(), Some(503));
    world.settle();
    world.assert_nothing_is_left();
}

/// A leg of a call that nobody knows any more would stay for ever.
#[test]
fn a_stray_leg_is_closed() {
    let mut world = World::new(1);
    let now = world.now();
    for number in 1..3 {
        world.exchange.handle_media(now, MediaEvent::Gone(LegKey(number << 10), Gone::ConsentLost));
    }
    let mut closed = Vec::new();
    while let Some((worker, leg, command)) = world.exchange.poll_media() {
        closed.push(format!("{command:?} {leg:?} on {worker}"));
    }
    assert_eq!(closed, ["Close LegKey(1024) on 1", "Close LegKey(2048) on 0"]);
    assert_eq!(world.exchange.stats().legs_stray, 2);
    world.exchange.handle_media(now, MediaEvent::Connected(LegKey(1 << 10)));
    assert!(world.exchange.poll_media().is_none());
}

#[test]
fn what_a_worker_tells_of_a_call_is_told_on() {
    let (mut world, _alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    let (a, b) = (world.media.leg_of("alice"), world.media.leg_of("bob"));
    for event in [MediaEvent::Connected(a), MediaEvent::FirstPacket(a), MediaEvent::FirstPacket(b)] {
        world.media.tell(world.now(), event);
    }
    world.run(ms(10));
    assert_eq!(world.exchange.stats().legs_connected, 1);
    let told = format!("{:?}", world.events);
    assert!(told.contains("caller: true") && told.contains("caller: false"), "{told}");
}

/// All legs of a call are on one worker, and calls are spread over the workers.
#[test]
fn calls_are_spread_over_the_workers() {
    let mut world = World::with(1, |settings| settings.workers = 3);
    let users = ["a", "b", "c", "d", "e", "f"].map(|user| world.baresip(user));
    world.register_all();
    for pair in users.chunks(2) {
        let callee = world.phone(pair[1]).user.clone();
        world.phone(pair[0]).dial(&callee);
    }
    world.run(secs(1));
    let mut workers = world.media.workers.clone();
    workers.dedup();
    assert_eq!(workers, [1, 2, 0]);
}
