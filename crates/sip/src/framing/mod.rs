//! Cutting a byte stream into messages ([RFC 3261 §18.3], [RFC 5626 §4.4.1]).
//!
//! A message ends where its Content-Length says, by the rule of [`crate::message::content_length`]. A stream that breaks
//! the rule cannot be cut any further, so the error closes the connection. Left out: time limits, which belong to the
//! owner of the connection; datagrams and WebSocket messages, which come framed.
//!
//! [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
//! [RFC 5626 §4.4.1]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.1

mod stream;

pub use stream::{Frame, FrameError, StreamFramer};
