//! RTP packets ([RFC 3550 §5]): read and rewritten where they lie.
//!
//! [`Header`] is the fixed header, decoded once; [`Rewrite`] writes the four fields that differ between two legs;
//! [`Continuity`] makes one unbroken stream out of whatever sources feed a leg; [`Reception`] keeps what a receiver
//! report tells about a source.
//!
//! Payloads are never looked at: RFC 4733 events pass like any other payload, under the payload type of each leg.
//!
//! Left out: header extensions are not read ([`strip_extension`] removes them on the way to a leg that did not
//! negotiate them); padding is left in place.
//!
//! [RFC 3550 §5]: https://www.rfc-editor.org/rfc/rfc3550#section-5

mod continuity;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod reception;

pub(crate) use continuity::ticks;
pub use continuity::{Continuity, Jump};
pub use header::{FIXED_LEN, Header, Rewrite, strip_extension};
pub use reception::{Quality, Reception, Tally};
