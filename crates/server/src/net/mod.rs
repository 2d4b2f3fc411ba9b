//! Sockets: datagrams with the address they came to, SIP over TCP and TLS, TURN over those and DTLS, what wakes a thread
//! that waits and how long it rests.

pub mod accept;
mod certificates;
pub mod client;
pub mod datagram;
mod doorkeeper;
mod end;
pub mod epoll;
mod farewell;
pub mod https_stream;
pub mod kernel;
pub mod pace;
mod patience;
mod proxy_protocol;
pub mod ring;
pub mod sip_stream;
pub mod stun;
pub mod turn_dtls;
pub mod turn_stream;
pub mod wake;

pub use certificates::{Certificates, Freshness};
pub use doorkeeper::{Bounds, Doorkeeper, Place};
pub use end::End;
pub use farewell::discard_rest;
