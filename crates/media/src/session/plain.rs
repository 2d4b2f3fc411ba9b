//! The plain RTP side of a leg: its source locks and destinations.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use super::former::FormerPeers;
use super::latch::{Fit, Latch};
use super::{Destination, LegKey, Reason, Socket};
use crate::negotiation::Remote;

/// Where a plain leg's packets come from and go to.
#[derive(Debug)]
pub(super) struct Plain {
    signalling: IpAddr,
    rtp: Path,
    rtcp: Path,
    mux: bool,
}

/// RTP or RTCP.
#[derive(Debug)]
struct Path {
    latch: Latch,
    /// Our address that the far end's packets come to.
    local: Option<SocketAddr>,
}

impl Plain {
    pub(super) fn new(now: Instant, signalling: IpAddr) -> Self {
        let path = || Path { latch: Latch::new(now, signalling), local: None };
        Plain { signalling, rtp: path(), rtcp: path(), mux: false }
    }

    pub(super) fn answer(&mut self, now: Instant, remote: Option<Remote>) {
        self.rtp.latch.answer(now, self.signalling, remote.map(|remote| remote.rtp));
        self.rtcp.latch.answer(now, self.signalling, remote.map(|remote| remote.rtcp));
        self.mux = remote.map_or(self.mux, |remote| remote.mux);
    }

    /// Checks where an RTP packet of an agreed payload type comes from.
    #[inline]
    pub(super) fn admit_rtp(
        &mut self,
        now: Instant,
        former: &FormerPeers,
        local: SocketAddr,
        remote: SocketAddr,
        ssrc: u32,
    ) -> Result<(), Reason> {
        self.rtp.admit(now, former, local, remote, ssrc)
    }

    /// Checks where a compound RTCP packet comes from. On the RTP socket only the source of RTP may send it, whether
    /// multiplexing was agreed or not.
    pub(super) fn admit_rtcp(
        &mut self,
        now: Instant,
        former: &FormerPeers,
        socket: Socket,
        local: SocketAddr,
        remote: SocketAddr,
        ssrc: u32,
    ) -> Result<(), Reason> {
        match socket {
            Socket::Rtcp(_) => self.rtcp.admit(now, former, local, remote, ssrc),
            Socket::Shared | Socket::Rtp(_) => match self.rtp.latch.check(now, remote, ssrc) {
                Some(Fit::New) if former.sends(now, local.port(), remote, ssrc) => Err(Reason::FormerPeer),
                Some(_) => Ok(()),
                None => Err(Reason::WrongSource),
            },
        }
    }

    #[inline]
    pub(super) fn rtp_destination(&self, leg: LegKey) -> Option<Destination> {
        self.rtp.destination(Socket::Rtp(leg))
    }

    pub(super) fn rtcp_destination(&self, leg: LegKey) -> Option<Destination> {
        if self.mux { self.rtp_destination(leg) } else { self.rtcp.destination(Socket::Rtcp(leg)) }
    }

    /// Notes who sent to our ports, for the next leg that has them.
    pub(super) fn leave(&self, now: Instant, former: &mut FormerPeers) {
        for path in [&self.rtp, &self.rtcp] {
            if let (Some(local), Some((remote, ssrc))) = (path.local, path.latch.learnt()) {
                former.note(now, local.port(), remote, ssrc);
            }
        }
    }
}

impl Path {
    fn admit(
        &mut self,
        now: Instant,
        former: &FormerPeers,
        local: SocketAddr,
        remote: SocketAddr,
        ssrc: u32,
    ) -> Result<(), Reason> {
        match self.latch.check(now, remote, ssrc) {
            Some(Fit::Known) => {}
            Some(Fit::New) if former.sends(now, local.port(), remote, ssrc) => {
                return Err(Reason::FormerPeer);
            }
            Some(Fit::New) => self.latch.learn(remote, ssrc),
            None => return Err(Reason::WrongSource),
        }
        self.local = Some(local);
        Ok(())
    }

    fn destination(&self, socket: Socket) -> Option<Destination> {
        let remote = self.latch.target()?;
        Some(Destination { socket, local: self.local.unwrap_or_else(|| unspecified(remote)), remote })
    }
}

/// The address that leaves the choice to the system.
fn unspecified(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
