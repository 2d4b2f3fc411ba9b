//! What a phone dials to set something.

use ringback_control::Features;

use crate::kit::{World, ms, secs};

#[test]
fn a_code_is_answered_when_it_is_kept_and_then_hung_up() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(bob).dial("*72alice");
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
    assert_eq!(world.store.features["bob"].always.as_deref(), Some("alice"));
    assert!(world.media.log.iter().all(|line| !line.contains("hears itself")), "it is no echo");
    let carol = world.baresip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert!(world.phone(alice).is_ringing());
    world.phone(carol).cancel();
    world.settle();
    world.phone(bob).dial("*73#");
    world.settle();
    assert_eq!(world.store.features["bob"], Features::default());
    world.phone(carol).dial("bob");
    world.run(ms(500));
    assert!(world.phone(bob).is_ringing());
}

#[test]
fn every_code_sets_its_own() {
    let mut world = World::new(1);
    let bob = world.baresip("bob");
    world.register_all();
    for (code, features) in [
        ("*90carol", Features { busy: Some("carol".to_owned()), ..Features::default() }),
        ("*91", Features::default()),
        ("*92100", Features { no_answer: Some("100".to_owned()), ..Features::default() }),
        ("*93", Features::default()),
        ("*78", Features { do_not_disturb: true, ..Features::default() }),
        ("*79", Features::default()),
    ] {
        world.phone(bob).dial(code);
        world.settle();
        assert_eq!(world.store.features["bob"], features, "{code}");
    }
    assert_eq!(world.exchange.stats().settings_changed, 6);
    world.assert_nothing_is_left();
}

#[test]
fn a_code_without_its_number_is_incomplete() {
    let mut world = World::new(1);
    let bob = world.baresip("bob");
    world.register_all();
    for code in ["*72", "*90*72x", "*72a%40b"] {
        world.phone(bob).dial(code);
        world.settle();
        assert_eq!(world.phone(bob).last_failure(), Some(484), "{code}");
    }
    assert!(world.store.features.is_empty());
}

#[test]
fn a_change_that_the_store_does_not_take_is_none() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.store.broken = true;
    world.phone(bob).dial("*78");
    world.settle();
    assert_eq!(world.phone(bob).last_failure(), Some(503));
    world.phone(alice).dial("bob");
    world.run(ms(500));
    assert!(world.phone(bob).is_ringing(), "it is as it was");
}

/// A CANCEL while the store writes comes too late: what is being written is true.
#[test]
fn a_code_that_is_cancelled_meanwhile_is_carried_out() {
    let mut world = World::new(1);
    let bob = world.baresip("bob");
    world.register_all();
    world.store.slow = ms(200);
    world.phone(bob).dial("*78");
    world.run(ms(350));
    world.phone(bob).cancel();
    world.settle();
    assert!(world.store.features["bob"].do_not_disturb);
    world.assert_nothing_is_left();
}
