//! A packet between two legs: where it came from, what it is on its way, and where the way leads.

use std::net::SocketAddr;
use std::time::Instant;

use ringback_nat::ice::Pair;

use super::Socket;
use crate::negotiation::PayloadMap;
use crate::rtp::Header;
use crate::sdp::Kind;

/// Where the packets of a leg go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the leg that it is joined with, under these payload types.
    Direct(PayloadMap),
    /// To an insert.
    Insert,
    /// To every leg that watches it ([`Worker::watch`](super::Worker::watch)).
    Audience,
}

/// Where one packet goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Onward {
    /// To the leg in this slot, as this payload type.
    Peer(usize, u8),
    /// To an insert.
    Insert,
    /// To all who watch.
    Audience,
}

impl From<PayloadMap> for Way {
    fn from(map: PayloadMap) -> Self {
        Way::Direct(map)
    }
}

/// A packet on its way from its leg to the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) header: Header,
    pub(super) clock_rate: u32,
    pub(super) kind: Kind,
    /// What its payload is to become again and again, if it is to be silence.
    pub(super) silence: Option<u8>,
    /// Whether it is the first of its leg.
    pub(super) is_first: bool,
}

/// Where a packet came from and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) now: Instant,
    pub(super) socket: Socket,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

impl Arrival {
    pub(super) fn pair(&self) -> Pair {
        Pair { local: self.local, remote: self.remote }
    }
}
