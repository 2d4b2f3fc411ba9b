//! Parsing a usual message and reading its headers allocates nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use ringback_sip::header::Via;
use ringback_sip::message::{Message, Name};
use ringback_sip::uri::Uri;

#[path = "../benches/webrtc_invite.rs"]
mod webrtc_invite;

#[test]
fn the_invite_of_a_browser_is_read_without_allocating() {
    let fixed = webrtc_invite::fixed();
    assert!((2600..2800).contains(&fixed.len()), "{}", fixed.len());
    let mut messages = webrtc_invite::shuffled(200);
    messages.push(fixed);
    for bytes in messages {
        let bytes = Bytes::from(bytes);
        // The first clone of bytes that were a Vec allocates their reference count; a socket's buffer has it already.
        let kept = bytes.clone();
        let before = allocations();
        let message = Message::parse(bytes).unwrap();
        let read = read(&message);
        assert_eq!(allocations() - before, 0, "{}", String::from_utf8_lossy(&kept));
        assert!(read > 0);
    }
}

fn read(message: &Message) -> usize {
    assert_eq!(message.validate(), Ok(()));
    let via = message.via().unwrap();
    let (from, to) = (message.from().unwrap(), message.to().unwrap());
    let uri = Uri::parse(message.request_uri()).unwrap();
    via.branch().unwrap().len()
        + from.tag().unwrap().len()
        + to.parse_uri().unwrap().user.unwrap().len()
        + uri.user.unwrap().len()
        + message.call_id().unwrap().len()
        + message.cseq().unwrap().number as usize
        + message.contacts().map(|contact| contact.unwrap().uri.len()).sum::<usize>()
        + message.values(Name::Via).map(|value| Via::parse(value).unwrap().sent_by.len()).sum::<usize>()
        + message.header_named(b"X-Conversation").map_or(0, <[u8]>::len)
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    std::hint::black_box(vec![1u8; 100]);
    assert_eq!(allocations() - before, 1);
}

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

thread_local! {
    /// Of this thread: the test harness allocates on others.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator cannot be counted without being one")]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
