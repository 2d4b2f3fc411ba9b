//! Parsing a usual message and reading its headers allocates nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../sansio/tests/counting/mod.rs"]
mod counting;
#[path = "../benches/webrtc_invite.rs"]
mod webrtc_invite;

use bytes::Bytes;
use counting::allocations;
use ringback_sip::header::Via;
use ringback_sip::message::{Message, Name};
use ringback_sip::uri::Uri;

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
        let mut reached = 0;
        let count = allocations(|| reached = read(&Message::parse(bytes).unwrap()));
        assert_eq!(count, 0, "{}", String::from_utf8_lossy(&kept));
        assert!(reached > 0);
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
