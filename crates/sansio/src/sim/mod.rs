//! A simulated world: what tests of protocol machines need around them.
//!
//! A [`Clock`] that moves when it is told to, a [`Network`] of [`Link`]s with seeded loss, delay, doubling
//! and reordering and with [`NatBox`]es in it, and a [`Ladder`] that draws what passed. None of it knows a
//! protocol.
//!
//! Assumptions: packets have no size and links no bandwidth; hosts have one address each way they are named;
//! a NAT box translates addresses and never looks inside a packet. Left out: fragmentation, ICMP, NAT boxes
//! in series.

mod clock;
mod ladder;
mod nat_box;
mod network;
mod rng;

pub use clock::Clock;
pub use ladder::{Head, Ladder};
pub use nat_box::{Blocked, Dependence, NatBox};
pub use network::{Datagram, Fate, Link, NatId, Network, Traffic};
pub use rng::Rng;
