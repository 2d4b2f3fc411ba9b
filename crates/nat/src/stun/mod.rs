//! STUN ([RFC 8489]): Binding requests and their answers, and what ICE and TURN protect their messages with.
//!
//! Assumptions: one datagram is one message, so a message whose length field disagrees with the datagram is refused.
//! Reading makes no copy and no allocation; writing fills a buffer of the caller. Addresses, checksums and short-term
//! keys are those of the crate `stun-types`. The walk over a received message is ours: the packet path needs the USERNAME
//! before it spends a checksum, the length has to be exact, and bad bytes from the network must not reach the log as
//! warnings. So is the writer: the crate has no form for the long-term key of a user whose password nobody keeps.
//!
//! The rules of the long-term credential mechanism are those of its one user, [`turn`](crate::turn).
//!
//! Left out: RFC 3489 without the magic cookie, retransmission of requests (those of TURN are repeated by their
//! machine), ALTERNATE-SERVER.
//!
//! [RFC 8489]: https://www.rfc-editor.org/rfc/rfc8489

pub(crate) mod attribute;
mod integrity;
mod message;
pub mod server;
mod write;
mod writer;

pub use integrity::{Algorithm, Key, Unauthenticated};
pub(crate) use message::split_username;
pub use message::{Malformed, Message, username};
pub use stun_types::message::{MessageClass, TransactionId};
pub use write::{Answer, BindingRequest, REPLY_ROOM, Role};
pub use writer::NoRoom;
pub(crate) use writer::{Writer, error_value};
