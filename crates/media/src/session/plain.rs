//! The side of a leg that has ports of its own: its source locks, its destinations, and its keys where it has some.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ringback_nat::ice::Pair;

use super::former::FormerPeers;
use super::latch::{Fit, Latch};
use super::secure::Secure;
use super::transit::Arrival;
use super::webrtc::Change;
use super::{Destination, LegKey, Packet, Reason, Socket};
use crate::dtls::Identity;
use crate::negotiation::{LegSettings, Remote};
use crate::rtcp;
use crate::rtp::Header;
use crate::srtp::Suite;

/// Where a leg's packets come from and go to, and what protects them.
pub(super) struct Plain {
    identity: Arc<Identity>,
    pub(super) signalling: IpAddr,
    rtp: Path,
    rtcp: Path,
    mux: bool,
    /// The keys; `None` while media is in the clear.
    secure: Option<Box<Secure>>,
    /// The keys of RTCP, where its own port has a handshake of its own ([RFC 5764 §3]).
    ///
    /// [RFC 5764 §3]: https://www.rfc-editor.org/rfc/rfc5764#section-3
    secure_rtcp: Option<Box<Secure>>,
}

/// RTP or RTCP.
#[derive(Debug)]
struct Path {
    latch: Latch,
    /// Our address that the far end's packets come to.
    local: Option<SocketAddr>,
}

impl Plain {
    pub(super) fn new(now: Instant, signalling: IpAddr, identity: Arc<Identity>) -> Self {
        let path = || Path { latch: Latch::new(now, signalling), local: None };
        let (rtp, rtcp) = (path(), path());
        Plain { identity, signalling, rtp, rtcp, mux: false, secure: None, secure_rtcp: None }
    }

    /// Takes over what was agreed; says whether we send with another key than before.
    pub(super) fn answer(&mut self, now: Instant, settings: &mut LegSettings) -> bool {
        if settings.is_fax {
            let rtp = settings.remote.map(|remote| remote.rtp);
            self.rtp.latch.answer(now, self.signalling, rtp);
            return false;
        }
        self.locate(now, settings.remote);
        match (settings.sdes.take(), settings.dtls.take()) {
            (Some(sdes), _) => {
                self.secure_rtcp = None;
                let was_ready = self.secure.as_ref().is_some_and(|secure| secure.is_ready());
                let secure = match self.secure.take() {
                    Some(secure) if !secure.has_handshake() => secure,
                    _ => Box::new(Secure::by_sdes()),
                };
                let secure = self.secure.insert(secure);
                let has_changed = secure.agree_sdes(now, sdes);
                was_ready && has_changed
            }
            (None, Some(dtls)) => {
                let identity = &self.identity;
                let shaking = |secure: Option<Box<Secure>>| {
                    secure
                        .filter(|secure| secure.has_handshake())
                        .unwrap_or_else(|| Box::new(Secure::by_dtls(Arc::clone(identity))))
                };
                let mut rtcp = (!self.mux).then(|| shaking(self.secure_rtcp.take()));
                if let Some(secure) = &mut rtcp {
                    secure.agree_dtls(now, dtls.clone(), self.rtcp.pair());
                }
                let mut rtp = shaking(self.secure.take());
                rtp.agree_dtls(now, dtls, self.rtp.pair());
                (self.secure, self.secure_rtcp) = (Some(rtp), rtcp);
                false
            }
            (None, None) => {
                (self.secure, self.secure_rtcp) = (None, None);
                false
            }
        }
    }

    fn locate(&mut self, now: Instant, remote: Option<Remote>) {
        self.rtp.latch.answer(now, self.signalling, remote.map(|remote| remote.rtp));
        self.rtcp.latch.answer(now, self.signalling, remote.map(|remote| remote.rtcp));
        self.mux = remote.map_or(self.mux, |remote| remote.mux);
    }

    /// Opens an RTP packet in place, when it comes from where the leg's packets may come from. Nothing is learnt of it
    /// before the payload type is known to fit too, by [`admit_rtp`](Self::admit_rtp).
    #[inline]
    pub(super) fn open_rtp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        let Some(secure) = &mut self.secure else { return Ok(()) };
        let ssrc = Header::parse(packet.bytes()).ok_or(Reason::Malformed)?.ssrc;
        let Arrival { now, local, remote, .. } = arrival;
        self.rtp.check(now, former, local, remote, Some(ssrc))?;
        secure.open_rtp(now, ssrc, packet)
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
        self.rtp.admit(now, former, local, remote, Some(ssrc))
    }

    /// Checks where a datagram of a fax comes from. What is surely none is taken from no new source.
    pub(super) fn admit_fax(
        &mut self,
        now: Instant,
        former: &FormerPeers,
        local: SocketAddr,
        remote: SocketAddr,
        may_be_fax: bool,
    ) -> Result<(), Reason> {
        match self.rtp.check(now, former, local, remote, None)? {
            Fit::New if !may_be_fax => Err(Reason::NotFax),
            Fit::New | Fit::Known => self.rtp.admit(now, former, local, remote, None),
        }
    }

    /// Where a fax goes, which needs no key.
    pub(super) fn fax_destination(&self, leg: LegKey) -> Option<Destination> {
        self.rtp.destination(Socket::Rtp(leg))
    }

    /// Opens a compound RTCP packet in place, like [`open_rtp`](Self::open_rtp).
    pub(super) fn open_rtcp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        let Arrival { now, socket, local, remote } = arrival;
        let (path, secure) = match socket {
            Socket::Rtcp(_) if self.secure_rtcp.is_some() => (&self.rtcp, &mut self.secure_rtcp),
            Socket::Rtcp(_) => (&self.rtcp, &mut self.secure),
            Socket::Shared | Socket::Rtp(_) => (&self.rtp, &mut self.secure),
        };
        let Some(secure) = secure else { return Ok(()) };
        let ssrc = rtcp::sender_ssrc(packet.bytes()).ok_or(Reason::RtcpMalformed)?;
        path.check(now, former, local, remote, Some(ssrc))?;
        secure.open_rtcp(now, ssrc, packet)
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
            Socket::Rtcp(_) => self.rtcp.admit(now, former, local, remote, Some(ssrc)),
            Socket::Shared | Socket::Rtp(_) => {
                self.rtp.check(now, former, local, remote, Some(ssrc)).map(drop)
            }
        }
    }

    /// Where RTP goes; `None` while that, or a key, is not known.
    #[inline]
    pub(super) fn rtp_destination(&self, leg: LegKey) -> Option<Destination> {
        if self.secure.as_ref().is_some_and(|secure| !secure.is_ready()) {
            return None;
        }
        self.rtp.destination(Socket::Rtp(leg))
    }

    pub(super) fn rtcp_destination(&self, leg: LegKey) -> Option<Destination> {
        if self.mux {
            return self.rtp_destination(leg);
        }
        let secure = self.secure_rtcp.as_ref().or(self.secure.as_ref());
        if secure.is_some_and(|secure| !secure.is_ready()) {
            return None;
        }
        self.rtcp.destination(Socket::Rtcp(leg))
    }

    #[inline]
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        self.secure.as_mut().map_or(Ok(()), |secure| secure.protect_rtp(packet))
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        let secure = if self.mux { None } else { self.secure_rtcp.as_mut() };
        secure.or(self.secure.as_mut()).map_or(Ok(()), |secure| secure.protect_rtcp(packet))
    }

    /// Handles DTLS, from where the leg's packets may come from.
    pub(super) fn handle_dtls(&mut self, arrival: Arrival, datagram: &[u8]) -> Result<(), Reason> {
        let (path, secure) = match arrival.socket {
            Socket::Rtcp(_) => (&self.rtcp, &mut self.secure_rtcp),
            Socket::Shared | Socket::Rtp(_) => (&self.rtp, &mut self.secure),
        };
        let secure = secure.as_mut().ok_or(Reason::WrongSocket)?;
        if !path.latch.may_shake_hands(arrival.now, arrival.remote) {
            return Err(Reason::WrongSource);
        }
        secure.handle_dtls(arrival.now, arrival.pair(), datagram)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Change> {
        if let Some(secure) = &mut self.secure_rtcp {
            // A leg without RTCP is a leg all the same.
            secure.handle_timeout(now, self.rtcp.pair());
        }
        self.secure.as_mut()?.handle_timeout(now, self.rtp.pair())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let secure = [&self.secure, &self.secure_rtcp].into_iter().flatten();
        secure.filter_map(|secure| secure.poll_timeout()).min()
    }

    /// What happened since the last poll.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        if let Some(secure) = &mut self.secure_rtcp {
            while let Some(change) = secure.poll_change() {
                self.rtcp.note(change, secure);
            }
        }
        let secure = self.secure.as_mut()?;
        let change = secure.poll_change()?;
        self.rtp.note(change, secure);
        Some(change)
    }

    /// Writes a DTLS datagram to send.
    pub(super) fn poll_transmit(&mut self, leg: LegKey, out: &mut Packet) -> Option<Destination> {
        let over = |socket, pair: Pair| Destination { socket, local: pair.local, remote: pair.remote };
        if let Some(pair) = self.secure.as_mut().and_then(|secure| secure.poll_transmit(out)) {
            return Some(over(Socket::Rtp(leg), pair));
        }
        let pair = self.secure_rtcp.as_mut()?.poll_transmit(out)?;
        Some(over(Socket::Rtcp(leg), pair))
    }

    /// Makes ready to say goodbye, in `poll_transmit`.
    pub(super) fn close(&mut self) {
        for secure in [&mut self.secure, &mut self.secure_rtcp].into_iter().flatten() {
            secure.close();
        }
    }

    /// The suite and how many streams the receiver forgot.
    pub(super) fn suite(&self) -> Option<(Suite, u64)> {
        self.secure.as_ref()?.suite()
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
    /// Checks where a packet comes from, by its SSRC too if it has one; changes nothing.
    #[inline]
    fn check(
        &self,
        now: Instant,
        former: &FormerPeers,
        local: SocketAddr,
        remote: SocketAddr,
        ssrc: Option<u32>,
    ) -> Result<Fit, Reason> {
        match self.latch.check(now, remote, ssrc) {
            Some(Fit::New) if former.sends(now, local.port(), remote, ssrc) => Err(Reason::FormerPeer),
            Some(fit) => Ok(fit),
            None => Err(Reason::WrongSource),
        }
    }

    #[inline]
    fn admit(
        &mut self,
        now: Instant,
        former: &FormerPeers,
        local: SocketAddr,
        remote: SocketAddr,
        ssrc: Option<u32>,
    ) -> Result<(), Reason> {
        if self.check(now, former, local, remote, ssrc)? == Fit::New {
            self.latch.learn(remote, ssrc);
        }
        self.local = Some(local);
        Ok(())
    }

    fn destination(&self, socket: Socket) -> Option<Destination> {
        let Pair { local, remote } = self.pair()?;
        Some(Destination { socket, local, remote })
    }

    /// Our address and the far end's, as far as they are known.
    fn pair(&self) -> Option<Pair> {
        let remote = self.latch.target()?;
        Some(Pair { local: self.local.unwrap_or_else(|| unspecified(remote)), remote })
    }

    /// After a handshake media goes where that came from, until the first packet tells better.
    fn note(&mut self, change: Change, secure: &Secure) {
        if let (Change::Connected, Some(remote)) = (change, secure.connected()) {
            self.latch.expect(remote);
        }
    }
}

/// The address that leaves the choice to the system.
fn unspecified(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
