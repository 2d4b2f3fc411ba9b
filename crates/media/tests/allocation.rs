//! A packet on its way allocates nothing: invariant 6 of the architecture.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ringback_media::session::{LegKey, Packet, Socket, Verdict};
use ringback_media::srtp::{Receiver, Sender, Suite};
use session_world::*;

#[test]
fn plain_to_plain() {
    let mut world = World::phones();
    let packets: Vec<_> = (0..1100).map(|n| Rtp::nth(7, n).bytes()).collect();
    let count = forward(&mut world, Socket::Rtp(A), OURS, PHONE_A, &packets);
    assert_eq!(count, 0);
}

#[test]
fn plain_to_dtls_and_back() {
    let mut world = World::new();
    let mut browser = Browser::connect(&mut world, A);
    world.phone(B, PHONE_B);
    let map = [(0, 0)].into_iter().collect();
    world.worker.configure(world.clock.now(), B, phone_settings(Some(PHONE_B)), map);
    world.worker.join(A, B);
    let plain: Vec<_> = (0..1100).map(|n| Rtp::nth(9, n).bytes()).collect();
    assert_eq!(forward(&mut world, Socket::Rtp(B), OURS, PHONE_B, &plain), 0);
    let protected: Vec<_> = (0..1100).map(|n| browser.protect(&Rtp::nth(7, n))).collect();
    assert_eq!(forward(&mut world, Socket::Shared, SHARED, BROWSER_AT, &protected), 0);
}

#[test]
fn drops_too() {
    let mut world = World::phones();
    let packet = Rtp::nth(7, 0).bytes();
    let mut slot = Packet::new();
    let now = world.clock.now();
    let count = allocations(|| {
        for n in 0..1000u64 {
            slot.fill(&packet);
            let socket = Socket::Rtp(LegKey(n % 3));
            let verdict = world.worker.handle_packet(now, socket, at(OURS), at("192.0.2.200:9"), &mut slot);
            assert!(matches!(verdict, Verdict::Drop(_)));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn every_suite() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
        let mut sender = Sender::new(suite, &key, &salt).unwrap();
        let mut receiver = Receiver::new(suite, &key, &salt).unwrap();
        let mut buffer = [0; 300];
        let mut round = |n: u32| {
            let packet = Rtp::nth(7, n);
            let bytes = packet.bytes();
            allocations(|| {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                let len = sender.protect_rtp(&mut buffer, bytes.len()).unwrap();
                let len = receiver.unprotect_rtp(&mut buffer[..len]).unwrap();
                assert_eq!(len, bytes.len());
            })
        };
        round(0);
        let count: u64 = (1..1000).map(&mut round).sum();
        assert_eq!(count, 0, "{suite:?}");
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8; 10]))), 1);
}

/// Allocations while all but the first hundred packets are forwarded.
fn forward(world: &mut World, socket: Socket, to: &str, from: &str, packets: &[Vec<u8>]) -> u64 {
    let mut slot = Packet::new();
    let (to, from) = (at(to), at(from));
    let (warm, steady) = packets.split_at(100);
    let mut pass = |bytes: &[u8]| {
        slot.fill(bytes);
        let now = world.clock.advance(ms(20));
        let verdict = world.worker.handle_packet(now, socket, to, from, &mut slot);
        assert!(matches!(verdict, Verdict::Forward(_)), "{verdict:?}");
    };
    warm.iter().for_each(|bytes| pass(bytes));
    allocations(|| steady.iter().for_each(|bytes| pass(bytes)))
}

/// How often the closure allocates, on this thread.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    run();
    COUNT.with(Cell::get) - before
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator as it is; counting touches a cell of the thread only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
