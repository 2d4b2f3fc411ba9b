//! Locating SIP servers ([RFC 3263]): from a URI, or from the Via of a response, to an ordered list of targets.
//!
//! [`Resolution`] asks for NAPTR, SRV and address records by [`Resolution::poll_ask`] and is told what came of it by
//! [`Resolution::handle_answer`]; who talks to the DNS is the driver's affair. The end is a list of [`Targets`] in the
//! order to try them, or a [`NotFound`] that says who is wrong. [`Failover`] walks the list when targets fail (§4.3) and
//! [`FailedTargets`] remembers which did, so that the next request does not wait for them again.
//!
//! ```text
//! URI ─▶ numeric, or a port      ─────────────────────────────────────────▶ addresses ─▶ targets
//!        transport, no port      ──────────────────▶ SRV ──── none ───────▶ addresses ─▶ targets
//!        neither                 ─▶ NAPTR ── none ─▶ SRV of each transport ▶ addresses ─▶ targets
//! ```
//!
//! Assumptions and what is left out:
//! - The driver gives each question a time limit and answers [`Answer::Failed`] when it is over. It may follow aliases
//!   itself; what it does not follow is followed here.
//! - Additional sections are not used: a resolver with a cache answers the questions for addresses from them.
//! - Records are not taken on trust: numbers, lengths, aliases and the questions of one resolution are bounded, and an
//!   address that no request may go to ([`is_usable`]) is dropped and counted. Which addresses are our own is known to
//!   the caller alone.
//! - Of NAPTR records those with the flags `s`, `a` and none are followed, never a regular expression: RFC 3263 uses
//!   replacements only. Only the records of the lowest order that we can use are used (RFC 3403 §4.1).
//! - A NAPTR of a SIP URI may lead to TLS (§4.1). A `sips:` URI never leaves TLS.
//! - There is no SRV name for WebSockets: with `transport=ws` the addresses of the name are taken with port 80 or 443.
//!   The path of the WebSocket is configuration.
//! - No ENUM, no DNSSEC, no SCTP.
//!
//! [RFC 3263]: https://www.rfc-editor.org/rfc/rfc3263

mod destination;
mod failed_targets;
mod failover;
#[doc(hidden)]
pub mod fuzz;
mod naptr;
mod outcome;
mod question;
mod random;
mod resolution;
mod srv;
mod stage;
mod target;

pub use destination::{Destination, DnsName, Unresolvable};
pub use failed_targets::FailedTargets;
pub use failover::{Failover, Failure};
pub use outcome::{Abilities, Dropped, Families, NotFound};
pub use question::{Answer, AskId, Data, Naptr, Question, Record, Srv};
pub use resolution::Resolution;
pub use target::{MAX_UDP_REQUEST, Target, Targets, is_usable};
