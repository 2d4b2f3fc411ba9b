//! The location service against a model that is a plain list.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringback_sansio::Flow;
use ringback_sip::location::Location;

use registrar_world::*;

#[derive(Debug, Clone)]
enum Step {
    Register { device: u8, flow: u8, seconds: u64, q: u16 },
    Unregister { device: u8 },
    UnregisterAll,
    Lose { flow: u8 },
    Pass { seconds: u64 },
    Restart,
}

/// A binding as the model has it.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    device: u8,
    flow: Flow,
    live: bool,
    ends: Instant,
    q: u16,
    age: usize,
}

/// Devices 0 to 3 use outbound, each by two reg-ids of two instances; the others have a URI of their own.
fn contact(device: u8) -> String {
    match device {
        0..4 => format!(
            "<sip:{}@x.invalid>;reg-id={};+sip.instance=\"<urn:uuid:{}>\"",
            device % 2,
            device % 2 + 1,
            device / 2
        ),
        _ => format!("<sip:own{device}@x>"),
    }
}

/// Flows 0 and 1 are of datagrams, the others connections; a connection that was lost does not come back.
fn flow(number: u8, generation: u64) -> Flow {
    match number {
        0 | 1 => udp(number + 1),
        _ => wss(u64::from(number) + 10 * generation),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let register = (0u8..8, 0u8..5, 10u64..120, 0u16..3)
        .prop_map(|(device, flow, seconds, q)| Step::Register { device, flow, seconds, q: q * 500 });
    let step = prop_oneof![
        6 => register,
        2 => (0u8..8).prop_map(|device| Step::Unregister { device }),
        1 => Just(Step::UnregisterAll),
        2 => (0u8..5).prop_map(|flow| Step::Lose { flow }),
        2 => (1u64..60).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_list(steps in steps()) {
        let mut world = World::new();
        let mut model: Vec<Entry> = Vec::new();
        let mut generations = [0u64; 5];
        for (age, step) in steps.into_iter().enumerate() {
            let cseq = u32::try_from(age).unwrap() + 1;
            let (known, own, over, expected) = match step {
                Step::Register { device, flow: number, seconds, q } => {
                    let over = flow(number, generations[usize::from(number)]);
                    let known = model.iter().position(|entry| entry.device == device);
                    let ends = world.now + Duration::from_secs(seconds + 15);
                    let word = match known.map(|at| model.remove(at)) {
                        None => "added",
                        Some(old) if old.flow == over || was_of_an_earlier_process(&old) => "refreshed",
                        Some(_) => "moved",
                    };
                    model.push(Entry { device, flow: over, live: true, ends, q, age });
                    let own = format!(
                        "Contact: {};expires={seconds};q={}.{:03}", contact(device), q / 1000, q % 1000
                    );
                    (known, own, over, vec![word])
                }
                Step::Unregister { device } => {
                    let known = model.iter().position(|entry| entry.device == device);
                    let words = if known.is_some() { vec!["unregistered"] } else { vec![] };
                    model.retain(|entry| entry.device != device);
                    (known, format!("Contact: {};expires=0", contact(device)), udp(1), words)
                }
                Step::UnregisterAll => {
                    let words = vec!["unregistered"; model.len()];
                    model.clear();
                    (None, "Contact: *\nExpires: 0".to_owned(), udp(1), words)
                }
                Step::Lose { flow: number } => {
                    let lost = flow(number, generations[usize::from(number)]);
                    let connection = number > 1;
                    let mut count = 0;
                    for entry in model.iter_mut().filter(|entry| connection && entry.live && entry.flow == lost) {
                        entry.live = false;
                        count += 1;
                    }
                    prop_assert_eq!(world.location.remove_flow(&lost).len(), count);
                    generations[usize::from(number)] += u64::from(connection);
                    check(&world, &model)?;
                    continue;
                }
                Step::Pass { seconds } => {
                    world.pass(seconds);
                    let expired = model.iter().filter(|entry| entry.ends <= world.now).count();
                    model.retain(|entry| entry.ends > world.now);
                    let due = world.location.poll_timeout().is_some_and(|at| at <= world.now);
                    prop_assert_eq!(due, expired > 0);
                    prop_assert_eq!(world.location.handle_timeout(world.now).len(), expired);
                    check(&world, &model)?;
                    continue;
                }
                Step::Restart => {
                    world.location = restarted(&world);
                    for entry in &mut model {
                        let datagrams = entry.flow.connection == ringback_sansio::ConnectionId::NONE;
                        entry.live &= datagrams;
                        entry.flow.connection = ringback_sansio::ConnectionId::NONE;
                    }
                    for generation in &mut generations[2..] {
                        *generation += 1;
                    }
                    check(&world, &model)?;
                    continue;
                }
            };
            let _ = known;
            let registered = world.register(over, &register("c", cseq, &own)).unwrap();
            prop_assert_eq!(registered.done(), expected, "{}", own);
            check(&world, &model)?;
        }
    }
}

fn was_of_an_earlier_process(entry: &Entry) -> bool {
    entry.flow.transport().is_websocket() && entry.flow.connection == ringback_sansio::ConnectionId::NONE
}

/// What the store has, read by a new process.
fn restarted(world: &World) -> Location {
    let mut location = Location::new(world.now - Duration::from_secs(1000), Duration::from_secs(15));
    // In the order of the store, which is by no order of ours.
    let mut bindings: Vec<_> = world.location.iter().collect();
    bindings.sort_by_key(|binding| std::cmp::Reverse(binding.id()));
    for binding in bindings {
        assert_eq!(location.restore(&binding.record(0), binding.expires()), Ok(None));
    }
    location
}

fn check(world: &World, model: &[Entry]) -> Result<(), TestCaseError> {
    let mut model = model.to_vec();
    model.sort_by_key(|entry| std::cmp::Reverse((entry.q, entry.age)));
    let flows = |live: bool| model.iter().filter(move |entry| entry.live || !live).map(|entry| entry.flow);
    let location = &world.location;
    let targets: Vec<_> = location.targets(AOR).map(|binding| binding.flow()).collect();
    prop_assert_eq!(targets, flows(true).collect::<Vec<_>>());
    let bindings: Vec<_> = location.bindings(AOR).iter().map(|binding| binding.flow()).collect();
    prop_assert_eq!(bindings, flows(false).collect::<Vec<_>>());
    prop_assert_eq!(location.len(), model.len());
    prop_assert_eq!(location.aors(), usize::from(!model.is_empty()));
    prop_assert_eq!(location.poll_timeout(), model.iter().map(|entry| entry.ends).min());
    Ok(())
}
