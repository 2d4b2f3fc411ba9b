//! Sockets: datagrams with the address they came to, SIP over TCP and TLS, and what wakes a thread that waits.

pub mod accept;
pub mod datagram;
mod doorkeeper;
mod end;
mod farewell;
pub mod pace;
mod patience;
pub mod sip_stream;
mod source;
pub mod wake;

pub use doorkeeper::{Bounds, Doorkeeper, Place};
pub use end::End;
pub use farewell::discard_rest;
pub use source::source_prefix;
