//! A registration is a success once the store has it: updates in flight, in every order of success and failure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use ringback_sip::location::{BindingId, Change, InvalidBinding, Location, Ticket};
use ringback_sip::registrar;

use registrar_world::*;

#[test]
fn an_update_that_fails_leaves_what_was_there() {
    let mut world = World::new();
    world
        .register(udp(9), &register("c", 1, "Contact: <sip:a@x>;expires=100;q=0.5, <sip:b@x>;expires=100"))
        .unwrap();
    let before: Vec<_> = world.location.bindings(AOR).to_vec();
    for own in [
        "Contact: <sip:a@x>;expires=3000",
        "Contact: <sip:a@x>;expires=0",
        "Contact: *\nExpires: 0",
        "Contact: <sip:new@x>",
        "Contact: <sip:a@x>;q=0.9, <sip:b@x>;expires=0, <sip:c@x>",
    ] {
        let outcome = world.process(udp(8), &register("other", 1, own)).unwrap();
        assert!(!outcome.changes.is_empty());
        assert_ne!(world.location.bindings(AOR), before, "{own}");
        assert!(world.location.roll_back(outcome.ticket.unwrap()).is_empty(), "{own}");
        assert_eq!(world.location.bindings(AOR), before, "{own}");
        assert_eq!(world.location.iter().count(), 2, "{own}");
        assert_eq!(world.location.in_flight(), 0);
    }
    assert_eq!(world.location.stats().rolled_back, 5);
    world.pass(115);
    assert_eq!(world.location.handle_timeout(world.now).len(), 2, "they expire when they would have");
}

#[test]
fn the_answer_to_a_failed_update_is_500() {
    let request = message(&register("c", 1, "Contact: <sip:a@x>"));
    assert_eq!(registrar::not_stored(&request).finish().status(), Some(500));
}

/// Two REGISTERs of one device under way at once.
#[test]
fn the_second_of_two_builds_on_the_first() {
    // (first is stored, second is stored) -> seconds left
    for (first_stored, second_stored, expected) in [
        (true, true, Some(300)),
        (true, false, Some(200)),
        (false, true, Some(300)),
        (false, false, Some(100)),
    ] {
        for in_order in [true, false] {
            let mut world = World::new();
            world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>;expires=100")).unwrap();
            let first = world.process(udp(9), &register("c", 2, "Contact: <sip:a@x>;expires=200")).unwrap();
            let second = world.process(udp(9), &register("c", 3, "Contact: <sip:a@x>;expires=300")).unwrap();
            let mut ends = [(first.ticket.unwrap(), first_stored), (second.ticket.unwrap(), second_stored)];
            if !in_order {
                ends.reverse();
            }
            for (ticket, stored) in ends {
                end(&mut world.location, ticket, stored);
            }
            let left: Vec<_> = world
                .location
                .bindings(AOR)
                .iter()
                .map(|binding| (binding.expires() - world.now).as_secs())
                .collect();
            assert_eq!(
                left,
                expected.into_iter().collect::<Vec<_>>(),
                "{first_stored} {second_stored} {in_order}"
            );
        }
    }
}

/// A device removes its contact and adds it again; the store loses the removal only.
#[test]
fn a_binding_that_comes_back_to_a_taken_place_is_deleted() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>")).unwrap();
    let old = world.location.bindings(AOR)[0].id();
    let removal = world.process(udp(9), &register("c", 2, "Contact: <sip:a@x>;expires=0")).unwrap();
    let again = world.process(udp(9), &register("c", 3, "Contact: <sip:a@x>")).unwrap();
    let left = world.location.roll_back(removal.ticket.unwrap());
    assert_eq!(left.iter().map(word).collect::<Vec<_>>(), ["superseded"]);
    assert_eq!(left[0].binding().id(), old, "its row is still in the store");
    world.location.commit(again.ticket.unwrap());
    assert_eq!(world.bindings(), 1);
}

/// What comes back after a failure does not come back on a connection that was lost in the meantime.
#[test]
fn a_lost_connection_stays_lost() {
    let mut world = World::new();
    world.register(wss(1), &register("c", 1, "Contact: <sip:a@x>")).unwrap();
    let moved = world.process(wss(2), &register("c", 2, "Contact: <sip:a@x>")).unwrap();
    assert!(world.location.remove_flow(&wss(1)).is_empty(), "nothing is on it now");
    let _ = world.location.roll_back(moved.ticket.unwrap());
    assert!(world.targets().is_empty() && world.bindings() == 1);

    let back = world.process(wss(2), &register("c", 3, "Contact: <sip:a@x>")).unwrap();
    world.location.commit(back.ticket.unwrap());
    let moved = world.process(wss(3), &register("c", 4, "Contact: <sip:a@x>")).unwrap();
    let _ = world.location.roll_back(moved.ticket.unwrap());
    assert_eq!(world.targets(), ["sip:a@x"], "the other one is still open");
    assert_eq!(world.location.remove_flow(&wss(2)).len(), 1);
}

/// A user who is removed has no contact from then on, in memory and, by the changes, in the store.
#[test]
fn a_removed_user_has_no_contacts() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>, <sip:b@x>")).unwrap();
    let changes = world.location.remove_aor(AOR);
    assert_eq!(changes.len(), 2);
    assert!(changes.iter().all(|change| matches!(change, Change::Remove { .. })));
    assert!(world.location.is_empty() && world.targets().is_empty());
    assert!(world.location.remove_aor(AOR).is_empty());
}

/// A store that hangs for longer than a registration lasts: what expired stays gone, in memory as in the store.
#[test]
fn what_expires_while_the_store_hangs_does_not_come_back() {
    let mut world = World::new();
    world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>;expires=3000")).unwrap();
    let shortened = world.process(udp(9), &register("c", 2, "Contact: <sip:a@x>;expires=10")).unwrap();
    world.pass(30);
    assert_eq!(world.location.handle_timeout(world.now).len(), 1);
    assert!(world.location.roll_back(shortened.ticket.unwrap()).is_empty());
    assert!(world.location.is_empty());
}

/// After kill -9 every binding is there again: phones can be called, browsers are recognised when they come back.
#[test]
fn a_restart_brings_every_binding_back() {
    let mut world = World::new();
    let device = "reg-id=1;+sip.instance=\"<urn:uuid:1>\"";
    let phone = "Path: <sip:edge@192.0.2.50;lr>\nUser-Agent: baresip v1.0.0\nContact: \"A\" <sip:a@x>;q=0.25;expires=100";
    world.register(udp(9), &register("one", 7, phone)).unwrap();
    world
        .register(wss(1), &register("two", 8, &format!("Contact: <sip:b@x.invalid>;{device};expires=600")))
        .unwrap();
    let ends = |id: u64| 1_700_000_000_000 + id;
    let old = world.location;
    world.location = Location::new(world.now, std::time::Duration::from_secs(15));
    for binding in old.iter() {
        let row = binding.record(ends(binding.id().0));
        assert_eq!(world.location.restore(&row, binding.expires()), Ok(None));
    }
    for (before, after) in old.iter().zip(world.location.iter()) {
        assert_eq!(before.record(1), after.record(1), "nothing is lost on the way");
    }
    assert_eq!(world.targets(), ["sip:a@x"]);
    let binding = &world.location.bindings(AOR)[1];
    assert_eq!((binding.q(), binding.call_id(), binding.cseq()), (250, &b"one"[..], 7));
    assert_eq!(binding.path(), Some(&b"<sip:edge@192.0.2.50;lr>"[..]));
    assert_eq!((binding.user_agent(), binding.flow()), (Some(&b"baresip v1.0.0"[..]), udp(9)));

    // A connection of the new process may have the number of one of the old.
    assert!(world.location.remove_flow(&wss(1)).is_empty());
    let again = format!("Contact: <sip:other@x.invalid>;{device};expires=600");
    assert_eq!(world.register(wss(1), &register("three", 1, &again)).unwrap().done(), ["refreshed"]);
    assert_eq!(world.targets(), ["sip:other@x.invalid", "sip:a@x"]);
    let added = world.register(udp(8), &register("four", 1, "Contact: <sip:c@x>")).unwrap();
    assert_eq!(added.changes[0].binding().id(), BindingId(3), "no number is used twice");
}

/// Rows that should not be: two for one contact, and one whose parts do not belong together.
#[test]
fn rows_that_contradict_each_other() {
    for newer_first in [true, false] {
        let mut world = World::new();
        world.register(udp(9), &register("c", 1, "Contact: <sip:a@x>")).unwrap();
        let older = world.location.bindings(AOR)[0].clone();
        let mut newer = older.record(0);
        (newer.id, newer.recency) = (BindingId(50), 70);
        let mut rows = [older.record(0), newer];
        if newer_first {
            rows.reverse();
        }
        let mut location = Location::new(world.now, std::time::Duration::from_secs(15));
        let left: Vec<_> = rows
            .iter()
            .filter_map(|row| location.restore(row, older.expires()).unwrap())
            .map(|change| (word(&change), change.binding().id()))
            .collect();
        assert_eq!(left, [("superseded", older.id())], "its row is to be deleted");
        assert_eq!(
            location.bindings(AOR).iter().map(|binding| binding.id()).collect::<Vec<_>>(),
            [BindingId(50)]
        );

        let mut torn = older.record(0);
        torn.uri = b"sip:other@x";
        assert_eq!(location.restore(&torn, older.expires()), Err(InvalidBinding::Torn));
        let long = vec![b'x'; 5000];
        let mut long_row = older.record(0);
        long_row.call_id = &long;
        assert_eq!(location.restore(&long_row, older.expires()), Err(InvalidBinding::TooLong));
        assert_eq!(location.len(), 1);
    }
}

fn end(location: &mut Location, ticket: Ticket, stored: bool) {
    if stored {
        location.commit(ticket);
    } else {
        let _ = location.roll_back(ticket);
    }
}

/// What the store would hold: each batch of changes is written whole or not at all.
#[derive(Default)]
struct Store(BTreeMap<BindingId, (String, std::time::Instant)>);

impl Store {
    fn write(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Upsert { binding, .. } => {
                    self.0.insert(binding.id(), (text(binding.uri()), binding.expires()));
                }
                Change::Remove { binding, .. } => {
                    self.0.remove(&binding.id());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever succeeds and fails, in the store's order, memory and store agree in the end.
    #[test]
    fn memory_follows_the_store(
        steps in prop::collection::vec((0u8..4, 0u8..4, 10u64..100, any::<bool>(), 0usize..3), 1..40),
    ) {
        let mut world = World::new();
        let mut store = Store::default();
        let mut waiting: std::collections::VecDeque<(Ticket, Vec<Change>, bool)> = Default::default();
        let settle = |world: &mut World, store: &mut Store, (ticket, changes, stored): (Ticket, Vec<Change>, bool)| {
            if stored {
                store.write(&changes);
                world.location.commit(ticket);
            } else {
                store.write(&world.location.roll_back(ticket));
            }
        };
        for (cseq, (step, contact, seconds, stored, settled)) in (1..).zip(steps) {
            let own = match step {
                0 => "Contact: *\nExpires: 0".to_owned(),
                1 => format!("Contact: <sip:{contact}@x>;expires=0"),
                _ => format!("Contact: <sip:{contact}@x>;expires={seconds}"),
            };
            let outcome = world.process(udp(9), &register("c", cseq, &own)).unwrap();
            if let Some(ticket) = outcome.ticket {
                waiting.push_back((ticket, outcome.changes, stored));
            }
            for _ in 0..settled {
                if let Some(next) = waiting.pop_front() {
                    settle(&mut world, &mut store, next);
                }
            }
        }
        while let Some(next) = waiting.pop_front() {
            settle(&mut world, &mut store, next);
        }
        let memory: BTreeMap<_, _> = world
            .location
            .bindings(AOR)
            .iter()
            .map(|binding| (binding.id(), (text(binding.uri()), binding.expires())))
            .collect();
        prop_assert_eq!(&memory, &store.0);
        prop_assert_eq!(world.location.iter().count(), memory.len());
        prop_assert_eq!(world.location.in_flight(), 0);
        let uris: std::collections::BTreeSet<_> = memory.values().map(|(uri, _)| uri).collect();
        prop_assert_eq!(uris.len(), memory.len(), "one binding for each contact");
    }
}
