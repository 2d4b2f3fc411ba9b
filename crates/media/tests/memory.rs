//! What legs and inserts hold: the heap of Rust, without what the C library of the ciphers allocates (some 2 kB a leg).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../../sansio/tests/counting/mod.rs"]
mod counting;
mod session_world;

use counting::{held_by, passing};
use ringback_media::codec::{Decoder, Encoder, Format};
use ringback_media::dtls::Role;
use ringback_media::insert::Desk;
use ringback_media::negotiation::{Keys, Patch};
use ringback_media::rtp::Rewrite;
use ringback_media::session::{LegKey, Verdict};
use session_world::*;

/// As many legs as share what a worker has once.
const LEGS: u64 = 32;

#[test]
fn a_plain_leg_is_small() {
    let mut world = World::new();
    for leg in 1..=LEGS {
        world.phone(LegKey(leg), PHONE_A);
    }
    world.pass(secs(12));
    let held = held_by(world.worker) / LEGS as i64;
    assert!((1_300..=2_600).contains(&held), "{held} bytes");
}

#[test]
fn a_leg_whose_dtls_is_done_is_small() {
    let mut world = World::new();
    for leg in 1..=LEGS {
        connect(&mut world, LegKey(leg));
    }
    world.pass(secs(12));
    let held = held_by(world.worker) / LEGS as i64;
    assert!((9_000..=18_000).contains(&held), "{held} bytes");
}

/// Memory that is taken for a moment by each of many handshakes stays with the process: what is kept lies between.
#[test]
fn a_handshake_takes_little_more() {
    let mut world = World::new();
    connect(&mut world, LegKey(1));
    let (_browser, passing) = passing(|| connect(&mut world, LegKey(2)));
    assert!((5_000..=20_000).contains(&passing), "{passing} bytes at both ends");
}

#[test]
fn a_transcoded_pair_holds_its_codecs_and_little_else() {
    let now = World::new().clock.now();
    let (opus, pcmu) = (Format::Opus.describe(111), Format::Pcmu.describe(0));
    let codecs = || (Encoder::new(&opus, 8000).unwrap(), Decoder::new(&opus, 48_000).unwrap());
    // The first have tables made that all share.
    drop(codecs());
    let of_opus = held_by(codecs());

    let mut desk = Desk::new(1);
    let towards = |from, to| Patch { from: vec![from], to: vec![to], ptime: 20, keys: Keys::Heard };
    let mut encoder = Encoder::new(&opus, 8000).unwrap();
    let mut payload = [0; 200];
    for pair in 0..LEGS {
        let (a, b) = (LegKey(2 * pair), LegKey(2 * pair + 1));
        desk.patch(a, b, &towards(opus.clone(), pcmu.clone())).unwrap();
        desk.patch(b, a, &towards(pcmu.clone(), opus.clone())).unwrap();
        for n in 0..5 {
            let len = encoder.encode(&[1000; 160], &mut payload).unwrap();
            for (leg, payload_type, payload) in [(a, 111, &payload[..len]), (b, 0, &[0x55; 160][..])] {
                let ticks = if payload_type == 0 { 160 } else { 960 };
                let numbers =
                    Rewrite { payload_type, sequence: n as u16, timestamp: n * ticks, ssrc: leg.0 as u32 };
                let mut packet = vec![0; 12];
                numbers.write(false, packet.first_chunk_mut().unwrap());
                packet.extend(payload);
                desk.handle_packet(now + ms(u64::from(n) * 20), leg, &packet);
            }
            while let Some(made) = desk.poll_made() {
                desk.recycle(made);
            }
        }
    }
    assert!(desk.stats().made >= 9 * LEGS, "{:?}", desk.stats());
    let own = held_by(desk) / LEGS as i64 - of_opus;
    assert!((5_000..=20_000).contains(&own), "{own} bytes beside {of_opus} of Opus");
}

/// A browser at an address of its own that has shaken hands.
fn connect(world: &mut World, leg: LegKey) -> Browser {
    let address: &'static str = format!("198.51.100.77:{}", 50_000 + leg.0).leak();
    let mut browser = Browser::open_at(world, leg, Role::Server, address);
    browser.configure(world, Role::Server);
    assert!(matches!(browser.check(world, true), Verdict::Reply(_)));
    browser.shake(world);
    assert!(browser.keys.is_some());
    browser
}
