//! Reliable provisional responses: [RFC 3262].
//!
//! [`Sender`] is the server's side of one INVITE: it numbers what it sends, repeats it until its PRACK comes, and gives up
//! when none does. [`Receiver`] is the client's side of one early dialog: it says which provisional responses are to be
//! acknowledged and which are passed over.
//!
//! Assumptions and what is left out:
//! - One provisional response at a time waits for its PRACK. RFC 3262 §3 asks for that of the first only; with one there
//!   is no window to keep, and the next one loses a round trip.
//! - What a response says is the user's: `Require`, `RSeq` and the session description are written by who makes it.
//! - A response that came too early is not kept until the one before it has come, which §4 permits: its sender repeats it.
//! - Requests other than INVITE have none (§3).
//!
//! [RFC 3262]: https://www.rfc-editor.org/rfc/rfc3262

mod receiver;
mod sender;

pub use receiver::{Receiver, Verdict};
pub use sender::{Due, Sender, Unmatched};

use crate::message::{Message, Name};

/// The option tag ([RFC 3262 §8.1]).
///
/// [RFC 3262 §8.1]: https://www.rfc-editor.org/rfc/rfc3262#section-8.1
pub const OPTION: &str = "100rel";

/// Whether a message lists the option in that header field, `Require` or `Supported`.
pub fn is_listed(message: &Message, name: Name) -> bool {
    message.values(name).any(|option| option.eq_ignore_ascii_case(OPTION.as_bytes()))
}
