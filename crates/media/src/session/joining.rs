//! Who hears and sees whom: pairs of legs, and audiences.
//!
//! Two legs that are joined send to each other. A leg that is watched sends to any number of others, which send nothing: each
//! gets a copy of every packet under numbers and keys of its own, out of one opened packet. What viewers ask for (whole
//! pictures, packets again) goes to the leg that they watch, as between two; of how much they can receive the least counts,
//! because all get the same.

use std::collections::VecDeque;
use std::time::Instant;

use super::transit::InFlight;
use super::worker::Worker;
use super::{Destination, LegKey, Packet, Reason, Verdict};
use crate::negotiation::PayloadMap;

/// A leg that watches another one.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) slot: usize,
    /// What the payload types of the other become for it.
    map: Box<PayloadMap>,
}

/// Opened packets that wait to be copied for audiences, the oldest first, and slots that are free for more.
#[derive(Default)]
pub(super) struct Shown {
    waiting: VecDeque<Showing>,
    spare: Vec<Packet>,
}

/// One packet on its way to an audience.
struct Showing {
    /// The slot of the leg that it came from.
    from: usize,
    now: Instant,
    in_flight: InFlight,
    packet: Packet,
    /// How many of the audience have had it.
    done: usize,
}

impl Worker {
    /// Joins two legs: what one takes goes out at the other, and so it does with their video. Each is parted from whom it
    /// was joined with.
    pub fn join(&mut self, a: LegKey, b: LegKey) {
        self.part(a);
        self.part(b);
        for (a, b) in [(a, b), (a.video(), b.video())] {
            let slots = (self.slots_by_key.get(&a), self.slots_by_key.get(&b));
            if let (Some(&slot_a), Some(&slot_b)) = slots {
                self.set_peer(slot_a, Some(slot_b));
                self.set_peer(slot_b, Some(slot_a));
            }
        }
    }

    /// Joins a leg with itself.
    pub fn echo(&mut self, leg: LegKey) {
        self.join(leg, leg);
    }

    /// Has a leg get what another one sends to its audience ([`Way::Audience`](super::Way::Audience)), with these payload
    /// types of its audio and of its video. It is parted from whom it was joined with. Call it when the video of both is
    /// configured.
    pub fn watch(&mut self, viewer: LegKey, source: LegKey, audio: PayloadMap, video: PayloadMap) {
        self.part(viewer);
        for (viewer, source, map) in [(viewer, source, audio), (viewer.video(), source.video(), video)] {
            let slots = (self.slots_by_key.get(&viewer), self.slots_by_key.get(&source));
            let (Some(&slot), Some(&source)) = slots else { continue };
            if slot == source {
                continue;
            }
            self.set_peer(slot, Some(source));
            if let Some(source) = self.legs.get_mut(source) {
                source.audience.push(Viewer { slot, map: Box::new(map) });
            }
        }
    }

    /// Parts a leg from the one it is joined with or watches, and from those who watch it.
    pub fn part(&mut self, leg: LegKey) {
        if !leg.is_video() {
            self.part(leg.video());
        }
        let Some((slot, leg)) = self.leg_mut(leg) else { return };
        let (peer, audience) = (leg.peer.take(), std::mem::take(&mut leg.audience));
        for viewer in audience {
            self.set_peer(viewer.slot, None);
        }
        self.shown.forget(slot);
        let Some(peer) = peer.filter(|peer| *peer != slot) else { return };
        let Some(other) = self.legs.get_mut(peer) else { return };
        other.audience.retain(|viewer| viewer.slot != slot);
        if other.peer == Some(slot) {
            self.set_peer(peer, None);
        }
    }

    /// No other leg knows of the one in a slot any more.
    pub(super) fn leave_alone(&mut self, slot: usize) {
        for (_, other) in &mut self.legs {
            other.peer = other.peer.filter(|peer| *peer != slot);
            other.audience.retain(|viewer| viewer.slot != slot);
        }
        self.shown.forget(slot);
    }

    fn set_peer(&mut self, slot: usize, peer: Option<usize>) {
        if let Some(leg) = self.legs.get_mut(slot) {
            if peer.is_some() && leg.peer != peer {
                leg.begin_to_see();
            }
            leg.peer = peer;
        }
    }

    /// Takes a packet for everybody who watches its leg.
    pub(super) fn show(
        &mut self,
        from: usize,
        now: Instant,
        in_flight: InFlight,
        packet: &Packet,
    ) -> Result<Verdict, Reason> {
        if self.legs.get(from).is_none_or(|leg| leg.audience.is_empty()) {
            return Err(Reason::NotJoined);
        }
        self.shown.push(from, now, in_flight, packet)?;
        Ok(Verdict::Shown)
    }

    /// Writes the next copy of a packet for one of an audience.
    pub(super) fn poll_shown(&mut self, out: &mut Packet) -> Option<Destination> {
        while let Some(showing) = self.shown.waiting.front_mut() {
            let (from, now, in_flight) = (showing.from, showing.now, showing.in_flight);
            let viewer = self.legs.get(from).and_then(|leg| leg.audience.get(showing.done));
            let Some(viewer) = viewer else {
                self.shown.pop();
                continue;
            };
            let (slot, payload_type) = (viewer.slot, viewer.map.translate(in_flight.header.payload_type));
            showing.done += 1;
            if !out.fill(showing.packet.bytes()) {
                continue;
            }
            let sent = self.contain(slot, |worker| {
                let payload_type = payload_type.ok_or(Reason::NoPayloadType)?;
                let (leg, shared) = worker.leg_and_path(slot).ok_or(Reason::NotJoined)?;
                let sent = leg.send_rtp(shared, now, &in_flight, payload_type, out)?;
                worker.note_seen(now, from, slot);
                Ok(sent)
            });
            match sent.unwrap_or(Err(Reason::Failed)) {
                Ok(destination) => {
                    self.stats.copied += 1;
                    return Some(destination);
                }
                Err(reason) => {
                    self.stats.drops.count(reason);
                    if let Some(leg) = self.legs.get_mut(slot) {
                        leg.drops.count(reason);
                    }
                }
            }
        }
        None
    }
}

impl Shown {
    fn push(
        &mut self,
        from: usize,
        now: Instant,
        in_flight: InFlight,
        packet: &Packet,
    ) -> Result<(), Reason> {
        if self.waiting.len() >= MOST_WAITING {
            return Err(Reason::AudienceBehind);
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        if !copy.fill(packet.bytes()) {
            self.spare.push(copy);
            return Err(Reason::Malformed);
        }
        self.waiting.push_back(Showing { from, now, in_flight, packet: copy, done: 0 });
        Ok(())
    }

    fn pop(&mut self) {
        let showing = self.waiting.pop_front();
        self.spare.extend(showing.map(|showing| showing.packet));
    }

    /// Nobody gets what waits of that leg: its slot may become another's.
    fn forget(&mut self, from: usize) {
        if self.waiting.iter().any(|showing| showing.from == from) {
            let (gone, rest) = std::mem::take(&mut self.waiting).into_iter().partition(|it| it.from == from);
            let gone: VecDeque<Showing> = gone;
            self.waiting = rest;
            self.spare.extend(gone.into_iter().map(|showing| showing.packet));
        }
    }
}

/// Packets that may wait for their copies: more than one round of a driver has.
const MOST_WAITING: usize = 1024;
