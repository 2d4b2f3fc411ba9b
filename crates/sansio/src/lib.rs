//! What every protocol machine of Ringback shares, so that all of them are driven the same way: [`Deadlines`] by key,
//! [`Flow`]s and [`Transmit`]s, [`Table`]s that are looked up with every packet, [`Prefix`]es and what counts as one source,
//! [`reasons!`] for drops, and, with the feature `sim`, a simulated world to test them in.
//!
//! A machine has no socket, no clock and no task. It is told what happened and what time it is, and it is asked what
//! is to be done:
//!
//! ```text
//! fn handle_xxx(&mut self, now: Instant, ...)      // something happened
//! fn handle_timeout(&mut self, now: Instant)       // the deadline has come
//! fn offer(&mut self, now, ...) -> Result<..>      // commands are plain verbs of the domain
//! fn poll_transmit(&mut self) -> Option<Transmit>  // bytes to send
//! fn poll_event(&mut self) -> Option<Event>        // news for the layer above
//! fn poll_timeout(&self) -> Option<Instant>        // when to call back
//! ```
//!
//! After every call the driver drains `poll_transmit` and `poll_event`, then reads `poll_timeout` once.

mod deadlines;
mod flow;
#[doc(hidden)]
pub mod fuzz;
mod hash;
mod prefix;
mod reasons;
#[cfg(feature = "sim")]
pub mod sim;
mod source;

pub use deadlines::Deadlines;
pub use flow::{ConnectionId, FiveTuple, Flow, Transmit, Transport, as_ipv6, canonical};
pub use hash::{AddressKey, Seeded, Table};
pub use prefix::{InvalidPrefix, Prefix};
pub use source::source_prefix;
