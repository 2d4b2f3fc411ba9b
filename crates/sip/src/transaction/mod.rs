//! Transactions: [RFC 3261 §17] as amended by [RFC 6026], with what belongs to them from §8.2.7, §9,
//! §13.3.1.4 and §18.2.
//!
//! `invite_client`, `invite_server`, `non_invite_client` and `non_invite_server` are the four machines of the
//! RFC, `cancel` and `success` two that it describes in prose. Each is a pure table `(state, event) ->
//! (state, actions)`. [`Transactions`] matches messages to them, does what they say and keeps their time.
//!
//! Assumptions and what is left out:
//! - A response goes by the flow its request came by, never by an address in a Via (RFC 3581, RFC 5626).
//!   `received` and `rport` are written into a request before anybody sees it.
//! - A branch of ours can be guessed by nobody who has not seen it, so a response is not asked where it comes
//!   from.
//! - Without the magic cookie (RFC 2543) requests are matched on Request-URI, From tag, Call-ID, CSeq and
//!   Via.
//! - A 2xx to an INVITE is repeated here on behalf of the user agent server. A proxy that forwards a 2xx must
//!   not do so; here every INVITE is a call between two user agents of ours, and there is no such proxy.
//! - Merged requests (§8.2.2.2), Timer C (§16.6) and how long a callee rings are the user's:
//!   [`Transactions::cancel`] is what the user calls when its patience ends. A request that the user never
//!   answers stays; it must answer each.
//! - No failover to another address (RFC 3263 §4.3): the user sends a new request.
//!
//! [RFC 3261 §17]: https://www.rfc-editor.org/rfc/rfc3261#section-17
//! [RFC 6026]: https://www.rfc-editor.org/rfc/rfc6026

mod branch;
mod cancel;
mod client;
mod clients;
mod derived;
mod event;
#[doc(hidden)]
pub mod fuzz;
mod invite_client;
mod invite_server;
pub(crate) mod keyed_hash;
mod keys;
mod layer;
mod non_invite_client;
mod non_invite_server;
mod output;
mod received;
mod server;
mod servers;
mod stats;
mod success;
#[cfg(test)]
mod tables;
mod timers;

pub use branch::Branch;
pub use clients::Cancellation;
pub use event::{ClientId, Event, ServerId};
pub use layer::{LIMIT, Transactions};
pub use stats::Stats;
pub use timers::Timers;
