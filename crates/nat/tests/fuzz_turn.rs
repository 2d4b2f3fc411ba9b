//! Replays the corpus of the fuzz target `turn`, and plays scripts at random.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use proptest::prelude::*;
use ringback_nat::turn::fuzz::turn;
use ringback_nat::turn::{Reason, Stats};
use ringback_sansio::sim::Clock;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/turn");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let stats: Vec<Stats> = files.map(|bytes| turn(&bytes, Clock::new().now())).collect();
    // The scripts mean something: this is what they come to.
    let is_met = |met: &dyn Fn(&Stats) -> bool| stats.iter().any(met);
    assert!(
        is_met(&|stats| stats.to_peers > 1 && stats.to_clients > 1)
            && is_met(&|stats| stats.expired > 0)
            && is_met(&|stats| stats.moved > 1)
    );
    for code in [400, 401, 403, 437, 438, 441, 443, 486, 508] {
        assert!(is_met(&|stats| stats.errors.of(code) > 0), "{code}");
    }
    for reason in [
        Reason::Bandwidth,
        Reason::NoAllocation,
        Reason::NoChannel,
        Reason::NoPermission,
        Reason::NoRelay,
        Reason::Opening,
        Reason::PeerRefused,
    ] {
        assert!(is_met(&|stats| stats.drops.of(reason) > 0), "{reason:?}");
    }
}

/// One step of a script, as likely as not one that makes sense.
fn step() -> impl Strategy<Value = Vec<u8>> {
    let attributes = prop::collection::vec((0u8..8, 0u8..8), 0..4);
    let request = (0u8..3, 0u8..4, any::<u8>(), attributes, 0u8..3);
    let request = request.prop_map(|(client, method, id, attributes, user)| {
        let mut bytes = vec![2, client, method, 1, 1, id];
        if method == 0 {
            bytes.push(1);
        }
        bytes.push(attributes.len() as u8);
        for (kind, value) in attributes {
            // The last two are an empty ticket and a ticket.
            let value = if kind == 7 && value > 5 { value | 0xf8 } else { value };
            bytes.extend(if kind == 5 { vec![kind] } else { vec![kind, value] });
        }
        bytes.extend([user, id & 1]);
        bytes
    });
    let packet = (prop_oneof![Just(1u8), Just(5u8)], 0u8..3, 0u8..8, 0u8..4);
    let packet = packet.prop_map(|(step, which, peer, channel)| match step {
        1 => vec![1, which, 0, 8, 0x40, channel, 0, 4, 1, 2, 3, 4],
        _ => vec![5, which, peer, 0, 3, 1, 2, 3],
    });
    let socket = (0u8..2, 0u8..4).prop_map(|(which, how)| vec![6, which, how]);
    let time = any::<u8>().prop_map(|time| vec![0, time]);
    let anything = prop::collection::vec(any::<u8>(), 0..8);
    prop_oneof![6 => request, 4 => packet, 4 => socket, 1 => time, 1 => anything]
}

proptest! {
    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..400)) {
        turn(&data, Clock::new().now());
    }

    #[test]
    fn any_script(steps in prop::collection::vec(step(), 0..60)) {
        turn(&steps.concat(), Clock::new().now());
    }
}
