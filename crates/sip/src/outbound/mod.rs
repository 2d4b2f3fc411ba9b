//! Client-initiated connections ([RFC 5626]) and the Path of a registration ([RFC 3327]).
//!
//! A request to a contact goes out over the flow that its REGISTER came in on. This module has what of that is visible
//! in messages: the flow token that stands in the user part of our own Path and Record-Route URIs, the Path that a
//! registration came along and that its requests go back by, and which of a device's flows is taken.
//!
//! Assumptions and what is left out:
//! - Flows are kept alive by the transports (WebSocket pings, CRLF, STUN); the registrar announces a Flow-Timer where
//!   the client has to do so.
//! - A registration with several reg-ids from one instance is several bindings, and one device to send a request to.
//! - A request that names a flow which is gone gets 430 from us as an edge; that the next flow is taken is
//!   [`crate::proxy::ResponseContext`]'s doing.
//! - A Path is followed over the flow that its REGISTER came by. Whose Path is believed beyond that is policy.
//!
//! [RFC 5626]: https://www.rfc-editor.org/rfc/rfc5626
//! [RFC 3327]: https://www.rfc-editor.org/rfc/rfc3327

mod edge;
mod first_hop;
mod flow_token;
pub(crate) mod packed;
mod path;
mod way;

pub use edge::{FlowFailed, Onwards, add_path, follow};
pub use first_hop::first_hop_supports_outbound;
pub use flow_token::{FlowToken, FlowTokens, InvalidToken};
pub use path::path;
pub use way::{Device, Way, devices, way_to};
