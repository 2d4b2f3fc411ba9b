//! The keys of a leg with ports of its own: from `a=crypto`, or from a DTLS handshake without ICE.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::ice::Pair;
use smallvec::SmallVec;

use super::association::{Association, Outcome};
use super::path::{opening, protection};
use super::webrtc::{CONNECT, Change, MAX_FAILURES};
use super::{Gone, Packet, Reason};
use crate::dtls::Identity;
use crate::negotiation::{Dtls, Sdes};
use crate::srtp::{MasterKey, Receiver, Sender, SrtpError, Suite};

/// What protects the packets of one leg, or of its RTCP alone where that has a handshake of its own.
pub(super) struct Secure {
    /// What we send with is the last. One that was in force before stays, because taking it up again must not use an
    /// index twice: an offer of several keys can be answered by several forks.
    senders: SmallVec<[(MasterKey, Sender); 1]>,
    receiver: Option<(MasterKey, Receiver)>,
    /// The receiver before, and until when what it knows is taken.
    former: Option<(Receiver, Instant)>,
    handshake: Option<Handshake>,
}

struct Handshake {
    association: Association,
    keys: Option<(Sender, Receiver)>,
    /// Where the association was made.
    pair: Option<Pair>,
    /// Whether the far end has said something in the handshake that goes on.
    has_answered: bool,
    /// By when there have to be keys, or what lacks is told.
    connect_by: Option<Instant>,
}

impl Secure {
    /// Keys that are in the descriptions.
    pub(super) fn by_sdes() -> Self {
        Secure { senders: SmallVec::new(), receiver: None, former: None, handshake: None }
    }

    /// Keys that a handshake makes.
    pub(super) fn by_dtls(identity: Arc<Identity>) -> Self {
        let association = Association::new(identity);
        let handshake =
            Handshake { association, keys: None, pair: None, has_answered: false, connect_by: None };
        Secure { handshake: Some(handshake), ..Self::by_sdes() }
    }

    /// Whether the keys come from a handshake.
    pub(super) fn has_handshake(&self) -> bool {
        self.handshake.is_some()
    }

    /// Takes over the keys of an offer and its answer; says whether ours has changed.
    pub(super) fn agree_sdes(&mut self, now: Instant, sdes: Sdes) -> bool {
        self.handshake = None;
        if self.receiver.as_ref().is_none_or(|(key, _)| *key != sdes.receive)
            && let Ok(mut receiver) = sdes.receive.receiver()
        {
            if let Some((_, before)) = self.receiver.take() {
                receiver.follow(&before);
                self.former = Some((before, now + GRACE));
            }
            self.receiver = Some((sdes.receive, receiver));
        }
        if self.senders.last().is_some_and(|(key, _)| *key == sdes.send) {
            return false;
        }
        let is_first = self.senders.is_empty();
        match self.senders.iter().position(|(key, _)| *key == sdes.send) {
            Some(at) => {
                let again = self.senders.remove(at);
                self.senders.push(again);
            }
            None => {
                let Ok(sender) = sdes.send.sender() else { return false };
                if self.senders.len() >= MAX_SENDERS {
                    self.senders.remove(0);
                }
                self.senders.push((sdes.send, sender));
            }
        }
        !is_first
    }

    /// Takes over how the handshake is to be made. `target` is where the far end is expected.
    pub(super) fn agree_dtls(&mut self, now: Instant, dtls: Dtls, target: Option<Pair>) {
        let Some(handshake) = &mut self.handshake else { return };
        if handshake.association.agree(dtls) {
            handshake.keys = None;
            handshake.pair = None;
        }
        if handshake.keys.is_none() {
            handshake.connect_by = Some(now + CONNECT);
        }
        if let Some(pair) = handshake.pair.or(target) {
            handshake.has_answered &= handshake.association.pair().is_some();
            handshake.association.start(now, pair);
        }
    }

    /// Whether there are keys.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        match &self.handshake {
            None => !self.senders.is_empty(),
            Some(handshake) => handshake.keys.is_some(),
        }
    }

    /// The suite and how many streams the receiver forgot.
    pub(super) fn suite(&self) -> Option<(Suite, u64)> {
        let receiver = match &self.handshake {
            None => self.receiver.as_ref().map(|(_, receiver)| receiver),
            Some(handshake) => handshake.keys.as_ref().map(|(_, receiver)| receiver),
        }?;
        Some((receiver.suite(), receiver.evicted()))
    }

    #[inline]
    pub(super) fn open_rtp(&mut self, now: Instant, ssrc: u32, packet: &mut Packet) -> Result<(), Reason> {
        self.open(now, ssrc, packet, Receiver::unprotect_rtp)
    }

    pub(super) fn open_rtcp(&mut self, now: Instant, ssrc: u32, packet: &mut Packet) -> Result<(), Reason> {
        self.open(now, ssrc, packet, Receiver::unprotect_rtcp)
    }

    #[inline]
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        let (buffer, len) = packet.with_tail_room();
        let len = self.sender()?.protect_rtp(buffer, len).map_err(protection)?;
        packet.resize(len);
        Ok(())
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        let (buffer, len) = packet.with_tail_room();
        let len = self.sender()?.protect_rtcp(buffer, len).map_err(protection)?;
        packet.resize(len);
        Ok(())
    }

    /// Handles DTLS from a source that may speak for the leg.
    ///
    /// Where we begin, the answer may come from another port than the description has. From the first datagram on, and
    /// once there are keys, only its source counts: who forges the host of the phone must not turn our flights away.
    pub(super) fn handle_dtls(&mut self, now: Instant, pair: Pair, datagram: &[u8]) -> Result<(), Reason> {
        let handshake = self.handshake.as_mut().ok_or(Reason::WrongSocket)?;
        let owner = handshake.association.pair();
        let is_settled = handshake.keys.is_some() || owner.is_some() && handshake.has_answered;
        if is_settled && owner != Some(pair) {
            return Err(Reason::DtlsRefused);
        }
        handshake.association.handle_datagram(now, pair, owner, datagram)?;
        handshake.has_answered = true;
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, target: Option<Pair>) -> Option<Change> {
        if self.former.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.former = None;
        }
        let handshake = self.handshake.as_mut()?;
        handshake.association.handle_timeout(now);
        if handshake.connect_by.is_none_or(|deadline| now < deadline) {
            return None;
        }
        handshake.connect_by = None;
        if handshake.keys.is_some() {
            return None;
        }
        handshake.connect_by = Some(now + CONNECT);
        // A client whose handshake failed tries again.
        if let Some(pair) = target {
            handshake.has_answered &= handshake.association.pair().is_some();
            handshake.association.start(now, pair);
        }
        Some(Change::Gone(Gone::DtlsFailed))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let former = self.former.as_ref().map(|(_, until)| *until);
        let handshake = self.handshake.as_ref();
        let association = handshake.and_then(|handshake| handshake.association.poll_timeout());
        let connect_by = handshake.and_then(|handshake| handshake.connect_by);
        [former, association, connect_by].into_iter().flatten().min()
    }

    /// What happened since the last poll.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        let handshake = self.handshake.as_mut()?;
        while let Some(outcome) = handshake.association.poll_outcome() {
            match outcome {
                Outcome::Connected(keys) => {
                    handshake.keys = Some(*keys);
                    handshake.pair = handshake.association.pair();
                    handshake.connect_by = None;
                    return Some(Change::Connected);
                }
                Outcome::Closed => return Some(Change::Gone(Gone::DtlsClosed)),
                Outcome::Failed { failures, .. } if failures >= MAX_FAILURES => {
                    return Some(Change::Gone(Gone::DtlsFailed));
                }
                Outcome::Failed { .. } => {}
            }
        }
        None
    }

    /// Writes a DTLS datagram to send; says the pair that it goes over.
    pub(super) fn poll_transmit(&mut self, out: &mut Packet) -> Option<Pair> {
        let (len, pair) = self.handshake.as_mut()?.association.poll_transmit(None, out.space())?;
        out.set_len(len);
        Some(pair)
    }

    /// Where the handshake that is complete was made.
    pub(super) fn connected(&self) -> Option<SocketAddr> {
        self.handshake.as_ref()?.pair.map(|pair| pair.remote)
    }

    pub(super) fn close(&mut self) {
        if let Some(handshake) = &mut self.handshake {
            handshake.association.close();
        }
    }

    #[inline]
    fn sender(&mut self) -> Result<&mut Sender, Reason> {
        match &mut self.handshake {
            None => self.senders.last_mut().map(|(_, sender)| sender),
            Some(handshake) => handshake.keys.as_mut().map(|(sender, _)| sender),
        }
        .ok_or(Reason::PeerNotReady)
    }

    #[inline]
    fn open(
        &mut self,
        now: Instant,
        ssrc: u32,
        packet: &mut Packet,
        unprotect: fn(&mut Receiver, &mut [u8]) -> Result<usize, SrtpError>,
    ) -> Result<(), Reason> {
        let receiver = match &mut self.handshake {
            None => self.receiver.as_mut().map(|(_, receiver)| receiver),
            Some(handshake) => handshake.keys.as_mut().map(|(_, receiver)| receiver),
        }
        .ok_or(Reason::NoKeys)?;
        let opened = match &mut self.former {
            // Until the first packet under the new key, an SSRC that is known may still be under the old one.
            Some((former, until)) if now < *until && former.knows(ssrc) && !receiver.knows(ssrc) => {
                open_with_either(receiver, former, packet.bytes_mut(), unprotect)
            }
            _ => unprotect(receiver, packet.bytes_mut()),
        };
        packet.resize(opened.map_err(opening)?);
        Ok(())
    }
}

/// Opens a packet with a receiver, or else with the one before it.
fn open_with_either(
    receiver: &mut Receiver,
    former: &mut Receiver,
    packet: &mut [u8],
    unprotect: fn(&mut Receiver, &mut [u8]) -> Result<usize, SrtpError>,
) -> Result<usize, SrtpError> {
    // A receiver that fails may write over the packet.
    let mut copy = [0; LONGEST_TRIED];
    let Some(copy) = copy.get_mut(..packet.len()) else { return unprotect(receiver, packet) };
    copy.copy_from_slice(packet);
    unprotect(receiver, packet).or_else(|error| {
        let len = unprotect(former, copy).map_err(|_| error)?;
        packet.copy_from_slice(copy);
        Ok(len)
    })
}

/// How long the key before is taken beside a new one, for what was on its way.
const GRACE: Duration = Duration::from_secs(3);

/// Keys of ours that are remembered with their indices: more than one offer of ours has.
const MAX_SENDERS: usize = 8;

/// The longest packet that is tried with two keys.
const LONGEST_TRIED: usize = 1500;
