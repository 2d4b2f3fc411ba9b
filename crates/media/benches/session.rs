//! The way of a packet of 20 ms of G.711 through a worker, without sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use divan::Bencher;
use ringback_media::session::{LegKey, Packet, Socket, Verdict};

#[path = "../tests/session_world/mod.rs"]
mod session_world;

use session_world::*;

fn main() {
    divan::main();
}

/// Parsing the addresses of the world is no part of what is measured.
const SHARED_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8443);
const OURS_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 20_000);

/// How many calls are up; the packets go through all of them in turn.
const CALLS: [u32; 3] = [1, 100, 1000];

#[divan::bench(args = CALLS, sample_size = 2000)]
fn plain_to_plain(bencher: Bencher<'_, '_>, calls: u32) {
    let mut world = World::new();
    for call in 0..calls {
        let (a, b) = legs(call);
        world.phone(a, &phone(call, 4000).to_string());
        world.phone(b, &phone(call, 6000).to_string());
        world.worker.join(a, b);
    }
    let mut slot = Packet::new();
    let mut n = 0;
    bencher.bench_local(|| {
        let call = n % calls;
        let (a, _) = legs(call);
        forward(&mut world, &mut slot, Socket::Rtp(a), OURS_AT, phone(call, 4000), &rtp(n / calls));
        n += 1;
    });
}

/// From a phone to a browser: the packet is protected on its way.
#[divan::bench(args = [1, 100], sample_size = 2000)]
fn plain_to_srtp(bencher: Bencher<'_, '_>, calls: u32) {
    let mut world = World::new();
    let mut slot = Packet::new();
    for call in 0..calls {
        let (a, b) = legs(call);
        browser(&mut world, a, call);
        world.phone(b, &phone(call, 6000).to_string());
        world.worker.join(a, b);
    }
    let mut n = 0;
    bencher.bench_local(|| {
        let call = n % calls;
        let (_, b) = legs(call);
        forward(&mut world, &mut slot, Socket::Rtp(b), OURS_AT, phone(call, 6000), &rtp(n / calls));
        n += 1;
    });
}

/// From a browser to a phone: the packet is opened on its way. What the browser does to protect it is not counted.
#[divan::bench(args = [1, 100], sample_size = 2000)]
fn srtp_to_plain(bencher: Bencher<'_, '_>, calls: u32) {
    let mut world = World::new();
    let mut slot = Packet::new();
    let mut browsers: Vec<_> = (0..calls)
        .map(|call| {
            let (a, b) = legs(call);
            let browser = browser(&mut world, a, call);
            world.phone(b, &phone(call, 6000).to_string());
            world.worker.join(a, b);
            browser
        })
        .collect();
    let sources: Vec<SocketAddr> = browsers.iter().map(|browser| at(browser.address)).collect();
    let mut n = 0;
    bencher
        .with_inputs(|| {
            let call = n % calls;
            let packet = browsers[call as usize].protect(&Rtp::nth(7, n / calls));
            n += 1;
            (call, packet)
        })
        .bench_local_values(|(call, packet)| {
            let from = sources[call as usize];
            forward(&mut world, &mut slot, Socket::Shared, SHARED_AT, from, &packet);
        });
}

/// What a packet from a stranger costs.
#[divan::bench]
fn refuse_a_stranger(bencher: Bencher<'_, '_>) {
    let mut world = World::new();
    for call in 0..100 {
        browser(&mut world, legs(call).0, call);
    }
    let (mut slot, packet) = (Packet::new(), rtp(0));
    let (now, to) = (world.clock.now(), at(SHARED));
    let mut n = 0u16;
    bencher.bench_local(|| {
        n = n.wrapping_add(1);
        slot.fill(&packet);
        let verdict =
            world.worker.handle_packet(now, Socket::Shared, to, ([192, 0, 2, 200], n).into(), &mut slot);
        assert!(matches!(verdict, Verdict::Drop(_)));
    });
}

fn browser(world: &mut World, leg: LegKey, call: u32) -> Browser {
    let address: &'static str = browser_at(call).leak();
    let mut browser = Browser::open_at(world, leg, ringback_media::dtls::Role::Server, address);
    browser.configure(world, ringback_media::dtls::Role::Server);
    browser.check(world, true);
    browser.shake(world);
    browser
}

fn forward(
    world: &mut World,
    slot: &mut Packet,
    socket: Socket,
    to: SocketAddr,
    from: SocketAddr,
    packet: &[u8],
) {
    slot.fill(packet);
    let verdict = world.worker.handle_packet(world.clock.now(), socket, to, from, slot);
    assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
}

fn legs(call: u32) -> (LegKey, LegKey) {
    (LegKey(u64::from(call) * 2), LegKey(u64::from(call) * 2 + 1))
}

fn phone(call: u32, port: u16) -> SocketAddr {
    ([198, 51, (call >> 8) as u8, call as u8], port).into()
}

fn browser_at(call: u32) -> String {
    format!("203.0.{}.{}:50000", call >> 8, call & 0xff)
}

/// The n-th packet of a stream, on the stack.
fn rtp(n: u32) -> [u8; 172] {
    let mut packet = [0; 172];
    packet[..4].copy_from_slice(&[0x80, 0, (n >> 8) as u8, n as u8]);
    packet[4..8].copy_from_slice(&(n * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&[0, 0, 0, 7]);
    packet
}
