//! What a registered contact costs in memory: at most 0.6 kB, whatever the client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(unsafe_code, reason = "a global allocator that counts is an unsafe trait")]

mod registrar_world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ringback_sip::registrar;

use registrar_world::*;

/// Counts what is allocated, as large as the C library makes it: eight bytes of its own, in steps of sixteen.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(chunk(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(chunk(layout.size()), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

/// Both kinds in one test: the counter is the whole process's.
#[test]
fn a_contact_takes_at_most_600_bytes() {
    let browser = "Contact: <sip:8hj2k4l6@q8h1c2v3b4n5.invalid;transport=ws>;+sip.ice;reg-id=1;\
                   +sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-2a6f5e8c9d01>\";expires=600\n\
                   Supported: path,gruu,outbound\nUser-Agent: JsSIP 3.13.8";
    let phone = "Contact: <sip:alice-0x55d0c1a2@192.0.2.9:5060>;expires=3600\nUser-Agent: baresip v1.0.0 (x86_64/linux)";
    for (name, own, browser) in [("browser", browser, true), ("phone", phone, false)] {
        let mut most = 0;
        let mut world = World::new();
        let before = HELD.load(Ordering::Relaxed);
        for number in 1..=20_000u32 {
            let flow = if browser { wss_many(number) } else { udp(9) };
            let request = message(&register(&format!("5n2k8f7d1s0a9p3o{number:06}"), 1, own));
            let aor = format!("user{number:06}@ringback.example.com");
            let outcome = registrar::process(
                &mut world.location,
                &world.settings,
                world.now,
                &request,
                aor.as_bytes(),
                flow,
            );
            world.location.commit(outcome.unwrap().ticket.unwrap());
            drop(request);
            if number >= 2_000 && number % 500 == 0 {
                let held = HELD.load(Ordering::Relaxed) - before;
                most = most.max(held / number as usize);
            }
        }
        let held = (HELD.load(Ordering::Relaxed) - before) / 20_000;
        println!("{name}: {held} bytes a contact at 20 000, at most {most} on the way");
        assert!(most <= 600, "{name}: {most} bytes a contact");

        // A refresh leaves nothing behind.
        let before = HELD.load(Ordering::Relaxed);
        for cseq in 2..10 {
            let request = message(&register("5n2k8f7d1s0a9p3o000001", cseq, own));
            let flow = if browser { wss_many(1) } else { udp(9) };
            let outcome = registrar::process(
                &mut world.location,
                &world.settings,
                world.now,
                &request,
                b"user000001@ringback.example.com",
                flow,
            );
            world.location.commit(outcome.unwrap().ticket.unwrap());
        }
        let grown = HELD.load(Ordering::Relaxed).saturating_sub(before);
        assert!(grown < 1024, "{name}: eight refreshes hold {grown} bytes");
    }
}

fn wss_many(number: u32) -> ringback_sansio::Flow {
    let mut flow = wss(1);
    flow.connection = ringback_sansio::ConnectionId(u64::from(number));
    flow
}
