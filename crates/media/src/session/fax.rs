//! A leg that carries a fax: datagrams of UDPTL ([ITU-T T.38] §9.1) are passed on as they are.
//!
//! Who may send them is known as for RTP (`latch.rs`), but for the SSRC, which they do not have: a source that was
//! learnt gives way only to the very address of the description, and is learnt only from what can be UDPTL, since the port
//! of the audio may be kept open by a few bytes meanwhile. Packets of the audio before come for a moment longer, and are
//! known by their SSRC.
//!
//! A machine that receives pages is silent for minutes, so only a long silence tells something; the exchange asks
//! whether it is still there before. There is no RTCP and nothing to score. The keys of the audio rest meanwhile.
//!
//! [ITU-T T.38]: https://www.itu.int/rec/T-REC-T.38

use std::ops::RangeInclusive;
use std::time::Instant;

use super::former::FormerPeers;
use super::leg::Leg;
use super::path::Path;
use super::transit::Arrival;
use super::worker::Worker;
use super::{Destination, Event, Packet, Reason, Socket, Verdict};

impl Worker {
    /// Whether the leg in a slot carries a fax: whatever comes to its ports is of that.
    #[inline]
    pub(super) fn carries_fax(&self, slot: usize) -> bool {
        self.legs.get(slot).is_some_and(Leg::carries_fax)
    }

    /// Passes a datagram on to the leg that its own is joined with.
    pub(super) fn handle_fax(
        &mut self,
        arrival: Arrival,
        slot: usize,
        packet: &Packet,
    ) -> Result<Verdict, Reason> {
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        let is_first = leg.take_fax(arrival, &self.former, packet)?;
        if is_first {
            self.events.push_back(Event::FirstPacket { leg: leg.key });
        }
        let peer = leg.peer.ok_or(Reason::NotJoined)?;
        let peer = self.legs.get_mut(peer).ok_or(Reason::NotJoined)?;
        peer.send_fax(arrival.now, packet).map(Verdict::Forward)
    }
}

impl Leg {
    /// Whether a fax is agreed.
    #[inline]
    pub(super) fn carries_fax(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.is_fax)
    }

    /// Checks where a datagram comes from, and counts it; says whether it is the first packet of the leg.
    fn take_fax(&mut self, arrival: Arrival, former: &FormerPeers, packet: &Packet) -> Result<bool, Reason> {
        let agreed = self.agreed.as_ref().ok_or(Reason::NotConfigured)?;
        let Arrival { now, socket, local, remote } = arrival;
        if matches!(socket, Socket::Rtcp(_)) || self.is_late_audio(packet.bytes()) {
            return Err(Reason::NotFax);
        }
        if !LENGTHS.contains(&packet.bytes().len()) {
            return Err(Reason::Malformed);
        }
        if !agreed.sends {
            return Err(Reason::MayNotSend);
        }
        let Path::Plain(plain) = &mut self.path else { return Err(Reason::WrongSocket) };
        plain.admit_fax(now, former, local, remote, may_be_udptl(packet.bytes()))?;
        self.packets_in += 1;
        self.octets_in += packet.bytes().len() as u64;
        (self.last_media, self.last_heard) = (Some(now), Some(now));
        let is_first = self.first_media.is_none();
        self.first_media.get_or_insert(now);
        Ok(is_first)
    }

    /// Counts a datagram that another leg took, and says where it goes.
    fn send_fax(&mut self, now: Instant, packet: &Packet) -> Result<Destination, Reason> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.is_fax).ok_or(Reason::PeerNotReady)?;
        if !agreed.receives {
            return Err(Reason::MayNotReceive);
        }
        let Path::Plain(plain) = &self.path else { return Err(Reason::PeerNotReady) };
        let destination = plain.fax_destination(self.key).ok_or(Reason::PeerNotReady)?;
        self.packets_out += 1;
        self.octets_out += packet.bytes().len() as u64;
        self.history.first_sent.get_or_insert(now);
        Ok(destination)
    }

    /// Whether it is RTP or RTCP of the stream that the far end sent before: where an SSRC stands there is that of it.
    fn is_late_audio(&self, datagram: &[u8]) -> bool {
        let Some(ssrc) = self.source().map(u32::to_be_bytes) else { return false };
        let has = |at: usize| datagram.get(at..).is_some_and(|rest| rest.starts_with(&ssrc));
        matches!(datagram, [0x80..=0xbf, ..]) && (has(RTP_SSRC) || has(RTCP_SSRC))
    }
}

/// Whether a number, a packet of the length that is said, and something that mends errors can stand in a datagram.
fn may_be_udptl(datagram: &[u8]) -> bool {
    let (len, rest) = match datagram {
        [_, _, len @ 1..=0x7f, rest @ ..] => (usize::from(*len), rest),
        [_, _, high @ 0x80..=0xbf, low, rest @ ..] => {
            (usize::from(high & 0x3f) << 8 | usize::from(*low), rest)
        }
        _ => return false,
    };
    len < rest.len()
}

/// The lengths of a datagram in bytes: from a sequence number with the least that can follow it, to the most that an
/// Ethernet frame holds.
const LENGTHS: RangeInclusive<usize> = 4..=1472;

/// Where the SSRC of a sender stands in RTP (RFC 3550 §5.1), and in RTCP (§6.4).
const RTP_SSRC: usize = 8;
const RTCP_SSRC: usize = 4;
