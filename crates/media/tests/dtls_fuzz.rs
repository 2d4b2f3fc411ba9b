//! Never a panic, whatever comes; and the corpus of the fuzz target `dtls`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dtls_peer;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use dtls_peer::{Dice, Fate, LATENCY, LONG, Sender, Speaks, World, ours, their_fingerprint};
use proptest::prelude::*;
use ringback_media::dtls::{Event, Fingerprint, Role};
use ringback_sansio::sim::Clock;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dtls");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        ringback_media::dtls::fuzz::dtls(&data, ours(), Clock::new().now());
        count += 1;
    }
    assert!(count >= 8, "only {count} files: is this the corpus?");
}

/// Before each datagram a copy of it with one to three bytes changed. Somebody who reads along and forges can keep two
/// ends apart; he cannot crash one, nor make it connect to somebody else, nor give the two ends different keys.
#[test]
fn forged_copies_of_every_datagram() {
    for seed in 0..200 {
        for role in [Role::Client, Role::Server] {
            for speaks in [Speaks::Only12, Speaks::Only13] {
                let mut dice = Dice::new(seed);
                let forged = RefCell::new(Vec::new());
                let mut world = World::new(role, speaks, |_, from, bytes: &[u8]| {
                    let mut copy = bytes.to_vec();
                    for _ in 0..=dice.below(3) {
                        let at = dice.below(copy.len() as u64) as usize;
                        copy[at] ^= 1 << dice.below(8);
                    }
                    if from == Sender::Them {
                        forged.borrow_mut().push(copy);
                    }
                    Fate::Late(LATENCY)
                });
                world.near.expect(vec![their_fingerprint()]);
                let end = world.clock.now() + LONG;
                while world.clock.now() < end && world.step() {
                    assert!(world.sent < 1000, "seed {seed} {role:?} {speaks:?}: a storm of {}", world.sent);
                    let now = world.clock.now();
                    for copy in forged.take() {
                        let _ = world.near.handle_datagram(now, &copy);
                    }
                }
                match &world.event {
                    Some(Event::Connected { .. }) if world.far.connected => {
                        world.assert_connected(speaks.agreed());
                    }
                    Some(Event::Connected { .. } | Event::Failed(_)) => {}
                    other => panic!("seed {seed} {role:?} {speaks:?}: {other:?}"),
                }
            }
        }
    }
}

/// Datagrams as the fuzz target reads them: two bytes of length, then the bytes.
fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for datagram in datagrams {
        data.extend_from_slice(&u16::try_from(datagram.len()).unwrap().to_be_bytes());
        data.extend_from_slice(datagram);
    }
    data
}

/// A record of a type that there is, around anything.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let content_type = prop_oneof![20u8..=23, Just(26u8), 0x20u8..0x40];
    (content_type, 0u8..3, prop::collection::vec(any::<u8>(), 0..120)).prop_map(|(kind, epoch, body)| {
        let mut bytes = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1];
        bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&body);
        bytes
    })
}

/// A handshake message, or a piece of one, with a header that is sound.
fn message() -> impl Strategy<Value = Vec<u8>> {
    (0u8..25, 0u8..4, 0u8..30, prop::collection::vec(any::<u8>(), 0..120)).prop_map(
        |(kind, sequence, offset, body)| {
            let (len, total) = (body.len() as u8, (body.len() as u8).saturating_add(offset));
            let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 12 + len];
            bytes.extend_from_slice(&[kind, 0, 0, total, 0, sequence, 0, 0, offset, 0, 0, len]);
            bytes.extend_from_slice(&body);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..400)) {
        ringback_media::dtls::fuzz::dtls(&data, ours(), Clock::new().now());
    }

    #[test]
    fn any_records(datagrams in prop::collection::vec(prop_oneof![record(), message()], 0..40)) {
        ringback_media::dtls::fuzz::dtls(&framed(&datagrams), ours(), Clock::new().now());
    }

    #[test]
    fn any_fingerprint(text in "(sha-(1|256|384|512)|SHA-256|[a-z0-9-]{0,8}) ?[0-9A-Fa-f:+ -]{0,200}") {
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            prop_assert_eq!(fingerprint.value.len(), fingerprint.hash.digest_len());
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }
}

/// Time that passes in large steps must not break what counts on it.
#[test]
fn a_clock_that_jumps() {
    let mut world = World::new(Role::Client, Speaks::Both, |_, _, _| Fate::Arrives);
    world.near.expect(vec![their_fingerprint()]);
    let now = world.clock.now();
    world.near.handle_timeout(now + Duration::from_secs(5));
    world.near.handle_timeout(now);
    world.run(LONG);
    assert!(matches!(world.event, Some(Event::Connected { .. })), "{:?}", world.event);
}
