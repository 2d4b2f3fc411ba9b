//! Telephones behind a NAT: they are asked whether they are there, and are no targets when they are not.

use ringback_control::Event;
use ringback_sip::message::Name;

use crate::kit::{DELAY, PhoneId, World, ms, secs};

/// Alice, and Bob behind a NAT: what he has registered is not where he comes from.
fn world() -> (World, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.phone(bob).send_register(BEHIND_NAT);
    world.run(secs(1));
    world.begin();
    (world, alice, bob)
}

const BEHIND_NAT: &str = "<sip:bob-0x55d0c1a2@10.0.0.7:5060>;expires=600";

#[test]
fn a_telephone_behind_a_nat_is_asked_and_the_way_to_it_is_measured() {
    let (mut world, alice, bob) = world();
    world.run(secs(26));
    let asked = world.phone(bob).requests("OPTIONS").pop().expect("within 25 s").clone();
    assert_eq!(asked.request_uri(), b"sip:bob-0x55d0c1a2@10.0.0.7:5060");
    assert_eq!(asked.header(Name::To), Some(&b"<sip:bob@192.0.2.1>"[..]));
    assert!(
        world.phone(alice).requests("OPTIONS").is_empty(),
        "what it has registered is where it comes from"
    );
    let stats = world.exchange.stats();
    assert_eq!((stats.pings_answered, u128::from(stats.ping_milliseconds)), (1, (DELAY * 2).as_millis()));
    world.run(secs(250));
    let count = world.phone(bob).requests("OPTIONS").len();
    assert!((10..=14).contains(&count), "{count} in 277 s");
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_telephone_that_does_not_answer_is_no_target_within_50_s_and_one_again_when_it_does() {
    let (mut world, alice, bob) = world();
    world.run(secs(26));
    world.phone(bob).manners.is_deaf = true;
    world.run(secs(50));
    assert_eq!(world.exchange.stats().contacts_silent, 1);
    assert!(
        matches!(world.events.last(), Some(Event::Unregistered { aor }) if aor == "bob"),
        "{:?}",
        world.events
    );
    assert_eq!(world.exchange.bindings(), 2, "its binding stays");
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(480), "at once, and not after 32 s");
    world.phone(alice).write("bob", "for later");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(202));
    world.phone(bob).manners.is_deaf = false;
    world.run(secs(60));
    assert_eq!(world.exchange.stats().contacts_heard_again, 1);
    assert_eq!(world.phone(bob).messages(), ["for later"], "it has what it has missed");
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing());
    world.phone(bob).refuse(486);
    world.run(secs(1));
}

#[test]
fn a_telephone_that_registers_again_is_a_target_at_once() {
    let (mut world, alice, bob) = world();
    world.phone(bob).manners.is_deaf = true;
    world.run(secs(60));
    assert_eq!(world.exchange.stats().contacts_silent, 1);
    world.phone(bob).manners.is_deaf = false;
    world.phone(bob).send_register(BEHIND_NAT);
    world.run(ms(100));
    world.phone(alice).dial("bob");
    world.run(ms(100));
    assert!(world.phone(bob).is_ringing());
}

/// One lost question is repeated by its transaction, and one lost answer does not make a telephone silent.
#[test]
fn any_answer_tells_that_it_is_there() {
    let (mut world, _, bob) = world();
    world.phone(bob).manners.on_options = Some(404);
    world.run(secs(120));
    assert_eq!(world.exchange.stats().contacts_silent, 0);
    assert!(world.exchange.stats().pings_answered >= 4);
}

#[test]
fn who_is_asked_is_known_after_a_restart_and_forgotten_with_its_binding() {
    let (mut world, _, bob) = world();
    world.restart();
    world.run(secs(30));
    assert_eq!(world.phone(bob).requests("OPTIONS").len(), 1);
    world.phone(bob).send_register("<sip:bob-0x55d0c1a2@10.0.0.7:5060>;expires=0");
    world.run(secs(1));
    let count = world.phone(bob).requests("OPTIONS").len();
    world.run(secs(100));
    assert_eq!(world.phone(bob).requests("OPTIONS").len(), count);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn nobody_is_asked_when_it_is_switched_off() {
    let mut world = World::with(1, |settings| settings.limits.ping = secs(0));
    let bob = world.baresip("bob");
    world.phone(bob).send_register(BEHIND_NAT);
    world.run(secs(200));
    assert!(world.phone(bob).requests("OPTIONS").is_empty());
}
