//! The core of a stateful proxy ([RFC 3261 §16]), for every request that is not a call of ours.
//!
//! It stands on the words of the transaction layer and sends nothing itself:
//!
//! ```text
//! request ─▶ check ─▶ preprocess ─▶ (target set: the caller's) ─▶ ResponseContext ─▶ forward, one for each branch
//!            §16.3    §16.4         §16.5                         §16.7–16.10         §16.6
//! ```
//!
//! [`check`] says what the request may still do ([`Budget`]) or why it is refused. [`preprocess`] takes our own entries
//! out of the Route. [`ResponseContext`] starts branches, group after group ([`groups`]), and chooses what goes back.
//! [`forward`] makes the copy for a branch: an edit of what was received, so that everything it does not touch leaves
//! byte for byte.
//!
//! Assumptions and what is left out:
//! - [`Message::validate`](crate::message::Message::validate) has passed; credentials are the caller's (§16.3 step 6).
//! - The transaction layer acknowledges failures, repeats and absorbs; it answers no CANCEL: the caller answers 200 or
//!   481 and tells [`ResponseContext::handle_cancel`].
//! - Which address a next hop has is [`crate::resolve`]'s; which flow a token in a Route names, [`crate::outbound`]'s.
//!   A branch stays one branch while its request is tried on several addresses of a next hop.
//! - Responses are sent on as they come: Record-Route is written for both sides at once (RFC 5658) and never rewritten.
//! - As [RFC 4320] asks, a request other than INVITE gets no 408 and no provisional response from us.
//! - Loops are found by a keyed hash in our own branches ([RFC 5393 §4.2]), whatever sent-by they went out with.
//! - A request that Max-Breadth does not let go out to all targets at once goes out to them one after the other.
//! - No stateless proxying (§16.11), no Proxy-Authorization of our own towards a next hop.
//!
//! [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16
//! [RFC 4320]: https://www.rfc-editor.org/rfc/rfc4320
//! [RFC 5393 §4.2]: https://www.rfc-editor.org/rfc/rfc5393#section-4.2

mod admission;
mod context;
mod forward;
#[doc(hidden)]
pub mod fuzz;
mod groups;
mod loops;
mod own_route;
mod route;

pub use admission::{Budget, MAX_BREADTH, Refusal, Rules, check};
pub use context::{
    Action, BranchFailure, BranchId, Candidate, Dropped, Ending, MAX_CANDIDATES, Redirects, ResponseContext,
    Role, Settings,
};
pub use forward::{Onward, OwnVia, forward, next_hop};
pub use groups::groups;
pub use loops::{LoopDetection, Trace};
pub use own_route::{OwnRoute, RouteScheme, record_routes};
pub use route::{Routed, preprocess};
