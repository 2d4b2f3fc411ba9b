//! The allocator of tests that count: how often a thread allocates, and how much it holds.
//!
//! Counted is the heap of Rust, of the thread that asks: the test harness allocates on others.

#![allow(dead_code, reason = "each test counts one thing")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// How often the closure allocates.
pub fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

/// Bytes that become free with a value.
pub fn held_by<T>(value: T) -> i64 {
    let before = LIVE.get();
    drop(value);
    before - LIVE.get()
}

/// What the closure makes, and the bytes that were held for a moment meanwhile beyond those that are held now.
pub fn passing<T>(run: impl FnOnce() -> T) -> (T, i64) {
    MOST.set(LIVE.get());
    let made = run();
    (made, MOST.get() - LIVE.get())
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that are held, and the most that were.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn count(allocations: u64, bytes: i64) {
    COUNT.set(COUNT.get() + allocations);
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    MOST.set(MOST.get().max(live));
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator as it is; counting touches cells of the thread only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8; 10]))), 1);
    assert_eq!(held_by(std::hint::black_box(vec![1u8; 10])), 10);
    let (kept, passed) = passing(|| {
        drop(std::hint::black_box(vec![1u8; 100]));
        std::hint::black_box(vec![1u8; 10])
    });
    assert_eq!((kept.len(), passed), (10, 90));
}
