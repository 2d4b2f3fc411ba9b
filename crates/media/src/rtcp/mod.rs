//! RTCP ([RFC 3550 §6]), ended at each leg.
//!
//! A far end talks RTCP with us and never with the other far end: what it tells about the stream we send is about our
//! numbering. [`read`] takes a compound packet apart as far as we use it; [`Outgoing`] writes ours: a sender or
//! receiver report with one block, and the CNAME.
//!
//! Assumptions: reduced-size packets ([RFC 5506]) are taken from whoever sends them, we send none; a leg has one source
//! in each direction.
//!
//! Feedback about pictures is read by [`feedback`] and asked by a [`Request`]; what it is about is numbered anew by the
//! session.
//!
//! Left out: `transport-cc`, XR, APP; BYE is noted and never forwarded, since the call ends by its signalling.
//!
//! [RFC 3550 §6]: https://www.rfc-editor.org/rfc/rfc3550#section-6
//! [RFC 5506]: https://www.rfc-editor.org/rfc/rfc5506

mod feedback;
#[doc(hidden)]
pub mod fuzz;
mod incoming;
mod ntp;
mod outgoing;

pub use feedback::{Feedback, Request, feedback, missing, request_for};
pub use incoming::{Incoming, Malformed, Report, SenderReport, read, sender_ssrc};
pub use ntp::{Ntp, NtpClock};
pub use outgoing::{Cname, MAX_LEN, Outgoing, Sent};
