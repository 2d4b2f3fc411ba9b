//! Data on its way between clients and peers: the packet path, which allocates nothing.

use std::net::SocketAddr;
use std::time::Instant;

use ringback_sansio::{Flow, canonical};
use stun_types::message::MessageClass;

use super::DATA_METHOD;
use super::allocation::{Family, RelayKey};
use super::channel_data::{self, HEADER};
use super::credentials::Users;
use super::drops::Reason;
use super::quotas::Direction;
use super::server::{Server, Verdict};
use crate::stun::attribute::{DATA, XOR_PEER_ADDRESS};
use crate::stun::{Message, Writer};

/// Where packets to a peer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Out of the relay socket.
    Outside,
    /// To another allocation of ours.
    Relay(RelayKey),
    /// To our own media.
    Media,
}

impl<U: Users> Server<U> {
    /// A ChannelData message of a client ([RFC 8656 §12.6]).
    ///
    /// The channel says who the peer is and the permission that data may go there: binding a channel gives both, and the
    /// permission is over first.
    ///
    /// [RFC 8656 §12.6]: https://www.rfc-editor.org/rfc/rfc8656#section-12.6
    pub(super) fn channel_data<'p>(
        &mut self,
        now: Instant,
        flow: &Flow,
        packet: &'p [u8],
    ) -> Result<Verdict<'p>, Reason> {
        let (number, data) = channel_data::parse(packet).ok_or(Reason::Malformed)?;
        let flow = self.whose(flow);
        let allocation = self.allocations.get(&flow).ok_or(Reason::NoAllocation)?;
        let peer = allocation.peer_of(now, number).ok_or(Reason::NoChannel)?;
        self.forward(now, &flow, peer, data)
    }

    /// A Send indication ([RFC 8656 §11.2]).
    ///
    /// [RFC 8656 §11.2]: https://www.rfc-editor.org/rfc/rfc8656#section-11.2
    pub(super) fn send<'p>(
        &mut self,
        now: Instant,
        flow: &Flow,
        indication: &Message<'p>,
    ) -> Result<Verdict<'p>, Reason> {
        let peer = indication.attribute(XOR_PEER_ADDRESS).and_then(|value| indication.xor_address(value));
        let peer = canonical(peer.ok_or(Reason::Malformed)?);
        let data = indication.attribute(DATA).ok_or(Reason::Malformed)?;
        let flow = self.whose(flow);
        self.forward(now, &flow, peer, data)
    }

    /// The 5-tuple of the allocation that data of a client is for: another one while its client is on its way.
    fn whose(&mut self, flow: &Flow) -> Flow {
        if !self.tickets.has_former() {
            return *flow;
        }
        self.arrived_over(flow);
        self.tickets.moved(flow).filter(|_| !self.allocations.contains_key(flow)).unwrap_or(*flow)
    }

    fn forward<'p>(
        &mut self,
        now: Instant,
        flow: &Flow,
        peer: SocketAddr,
        data: &'p [u8],
    ) -> Result<Verdict<'p>, Reason> {
        let (route, elapsed) = (self.route(peer), self.elapsed(now));
        let allocation = self.allocations.get_mut(flow).filter(|allocation| !allocation.is_opening());
        let allocation = allocation.ok_or(Reason::NoAllocation)?;
        let (relay, from) = allocation.relay(Family::of(peer.ip())).ok_or(Reason::WrongFamily)?;
        if !allocation.is_permitted(now, peer.ip()) {
            return Err(Reason::NoPermission);
        }
        let route = route.ok_or(Reason::PeerRefused)?;
        if let Some(rate) = self.limits.bandwidth
            && !allocation.bucket.take(elapsed, data.len() as u64, rate)
        {
            return Err(Reason::Bandwidth);
        }
        if !allocation.place.may_carry(now, Direction::ToPeer, data.len()) {
            return Err(Reason::Bandwidth);
        }
        self.stats.to_peers += 1;
        self.stats.bytes_to_peers += data.len() as u64;
        Ok(match route {
            Route::Outside => Verdict::ToPeer { relay, peer, data },
            Route::Relay(relay) => Verdict::ToRelay { relay, from, data },
            Route::Media => Verdict::ToMedia { relay, to: peer, from, data },
        })
    }

    /// A datagram of a peer ([RFC 8656 §11.3, §12.7]), in its buffer.
    ///
    /// [RFC 8656 §11.3, §12.7]: https://www.rfc-editor.org/rfc/rfc8656#section-11.3
    pub(super) fn relayed<'p>(
        &mut self,
        now: Instant,
        relay: RelayKey,
        from: SocketAddr,
        buffer: &'p mut [u8],
        length: usize,
    ) -> Result<Verdict<'p>, Reason> {
        let size = u16::try_from(length).map_err(|_| Reason::NoRoom)?;
        let peer = canonical(from);
        let (is_open, elapsed) = (self.route(peer).is_some(), self.elapsed(now));
        let flow = self.flows_by_relay.get(&relay).copied().ok_or(Reason::NoRelay)?;
        let allocation = self.allocations.get_mut(&flow).ok_or(Reason::NoRelay)?;
        if allocation.is_opening() {
            return Err(Reason::NoRelay);
        }
        if !allocation.is_permitted(now, peer.ip()) {
            return Err(Reason::NoPermission);
        }
        if !is_open {
            return Err(Reason::PeerRefused);
        }
        if let Some(rate) = self.limits.bandwidth
            && !allocation.bucket.take(elapsed, length as u64, rate)
        {
            return Err(Reason::Bandwidth);
        }
        if !allocation.place.may_carry(now, Direction::ToClient, length) {
            return Err(Reason::Bandwidth);
        }
        let message = match allocation.channel_of(now, peer) {
            Some(number) => {
                let is_padded = flow.transport().is_stream();
                before(buffer, &channel_data::header(number, size), length, is_padded)
            }
            None => self.data_indication(peer, buffer, size),
        };
        let message = message.ok_or(Reason::NoRoom)?;
        self.stats.to_clients += 1;
        self.stats.bytes_to_clients += length as u64;
        Ok(Verdict::ToClient { flow, message })
    }

    /// Makes a Data indication of what lies in the buffer: everything that it has besides the data stands before it.
    fn data_indication<'p>(
        &mut self,
        peer: SocketAddr,
        buffer: &'p mut [u8],
        length: u16,
    ) -> Option<&'p [u8]> {
        let mut head = [0; HEADROOM];
        let mut message =
            Writer::new(MessageClass::Indication, DATA_METHOD, self.next_transaction(), &mut head);
        message.xor_address(XOR_PEER_ADDRESS, peer);
        message.announce(DATA, length);
        let written = message.finish().ok()?;
        before(buffer, head.get(..written)?, length.into(), true)
    }
}

/// Writes `head` right before the data in the buffer, and zeros behind it where it is padded to a multiple of four.
fn before<'p>(buffer: &'p mut [u8], head: &[u8], length: usize, is_padded: bool) -> Option<&'p [u8]> {
    let start = HEADROOM.checked_sub(head.len())?;
    let end = HEADROOM.checked_add(length)?;
    let padded = if is_padded { HEADROOM + length.next_multiple_of(4) } else { end };
    buffer.get_mut(end..padded)?.fill(0);
    buffer.get_mut(start..HEADROOM)?.copy_from_slice(head);
    buffer.get(start..padded)
}

/// Room before what a peer sent, for what makes a Data indication of it: a header, the peer's IPv6 address, and the header
/// of the data.
pub const HEADROOM: usize = 20 + 24 + 4;
/// Room behind it, for padding.
pub const TAILROOM: usize = 3;
const _: () = assert!(HEADER <= HEADROOM);
