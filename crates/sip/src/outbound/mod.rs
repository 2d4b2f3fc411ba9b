//! Client-initiated connections ([RFC 5626]) and the Path of a registration ([RFC 3327]).
//!
//! A request to a contact goes out over the flow that its REGISTER came in on. This module has what of that is visible
//! in messages: the flow token that stands in the user part of our own Path and Record-Route URIs, the Path that a
//! registration came along, and whether the first hop of it keeps its flows.
//!
//! Assumptions and what is left out:
//! - Flows are kept alive by the transports (WebSocket pings, CRLF, STUN), so no Flow-Timer is announced here.
//! - A registration with several reg-ids from one instance is several bindings; choosing among them is the caller's.
//!
//! [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
//! [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327

mod first_hop;
mod flow_token;
pub(crate) mod packed;
mod path;

pub use first_hop::first_hop_supports_outbound;
pub use flow_token::{FlowToken, FlowTokens, InvalidToken};
pub use path::path;
