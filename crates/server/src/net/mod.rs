//! Sockets: datagrams with the address they came to, SIP over TCP and TLS, and what wakes a thread that waits.

pub mod accept;
pub mod datagram;
pub mod sip_stream;
pub mod wake;
