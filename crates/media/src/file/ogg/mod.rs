//! Opus in Ogg files ([RFC 7845]); the Opus packets are not looked into, but for how long they last.
//!
//! [`OpusWriter`] makes pages of a second at most, so that a recording that is cut off lacks no more than that.
//! [`OpusReader`] reads pages in order. One stream at a time: others that are multiplexed with it are passed over, those
//! that are chained behind it are read on. Left out: seeking, comments, channel mappings other than mono and stereo.
//!
//! [RFC 7845]: https://www.rfc-editor.org/rfc/rfc7845

mod packet;
mod page;
mod reader;
mod writer;

pub use packet::duration;
pub use reader::{OpusFileError, OpusPacket, OpusReader};
pub use writer::{NotOpus, OpusWriter, OpusWriterSettings};

/// The longest packet that is written and read (RFC 7845 §6: what a mono or stereo stream has at most).
pub const MAX_PACKET: usize = 61_440;
