//! STUN ([RFC 8489]): Binding requests and their answers, and the short-term credentials of ICE.
//!
//! Assumptions: one datagram is one message, so a message whose length field disagrees with the datagram is refused.
//! Reading makes no copy and no allocation; writing fills a buffer of the caller. Attributes, keys and hashes are those
//! of the crate `stun-types`. The walk over a received message is ours: the packet path needs the USERNAME before it
//! spends a checksum, the length has to be exact, and bad bytes from the network must not reach the log as warnings.
//!
//! Left out: RFC 3489 without the magic cookie, the long-term credential mechanism (with TURN), retransmission of
//! requests (we send none), ALTERNATE-SERVER, TCP framing.
//!
//! [RFC 8489]: https://www.rfc-editor.org/rfc/rfc8489

mod attribute;
mod integrity;
mod message;
pub mod server;
mod write;

pub use integrity::{Algorithm, Key, Unauthenticated};
pub(crate) use message::split_username;
pub use message::{Malformed, Message, username};
pub use stun_types::message::{MessageClass, TransactionId};
pub use write::{Answer, BindingRequest, NoRoom, REPLY_ROOM, Role};
