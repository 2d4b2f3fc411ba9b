//! What a packet through a TURN allocation costs: ChannelData of a client, and a datagram of its peer.
//!
//! `cargo bench -p ringback-nat --bench turn`. The table beside the times counts allocations.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

#[path = "../tests/turn_world/mod.rs"]
mod turn_world;

use divan::{AllocProfiler, Bencher, black_box};
use ringback_nat::turn::{HEADROOM, Quotas, TAILROOM, Verdict};
use turn_world::*;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A server with a thousand allocations, of which one has a channel.
fn world() -> (World, Client) {
    let mut world = World::with(|settings| settings.quotas = Quotas::new(10_000, 1000));
    for port in 1..1000 {
        let mut other = Client::new("bob", "builder", &format!("192.0.2.20:{port}")).challenged(&mut world);
        other.allocate(&mut world);
        world.pass(std::time::Duration::from_millis(50));
    }
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    assert!(alice.bind(&mut world, 0x4001, PEER).is_success());
    (world, alice)
}

#[divan::bench]
fn channel_data_of_a_client(bencher: Bencher<'_, '_>) {
    let (mut world, alice) = world();
    let (now, packet) = (world.clock.now(), channel_data(0x4001, &[7; 200]));
    bencher.bench_local(|| {
        let verdict = world.server.handle_datagram(now, alice.flow, black_box(&packet));
        assert!(matches!(verdict, Verdict::ToPeer { .. }));
    });
}

#[divan::bench]
fn datagram_of_a_peer(bencher: Bencher<'_, '_>) {
    let (mut world, _) = world();
    let relay = *world.sockets.keys().last().unwrap();
    let now = world.clock.now();
    let mut buffer = [7; HEADROOM + 200 + TAILROOM];
    bencher.bench_local(|| {
        let verdict = world.server.handle_relayed(now, relay, at(PEER), black_box(&mut buffer), 200);
        assert!(matches!(verdict, Verdict::ToClient { .. }));
    });
}

#[divan::bench]
fn refresh_of_an_allocation(bencher: Bencher<'_, '_>) {
    let (mut world, mut alice) = world();
    let (now, packet) = (world.clock.now(), alice.request(REFRESH, &[]));
    bencher.bench_local(|| {
        world.server.handle_datagram(now, alice.flow, black_box(&packet));
        assert!(world.server.poll_transmit().is_some());
    });
}
