//! The worker: its legs, and which of them a packet belongs to.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::demux::{Class, classify};
use ringback_nat::ice::{self, Check, Credentials};
use ringback_nat::stun;
use ringback_sansio::{AddressKey, Deadlines, Seeded, Table, canonical};
use slab::Slab;

use super::former::FormerPeers;
use super::joining::Shown;
use super::leg::{Leg, Section};
use super::path::Path;
use super::plain::Plain;
use super::random::Random;
use super::transit::{Arrival, InFlight, Onward, Way};
use super::webrtc::WebRtc;
use super::{Destination, Event, LegKey, LegReport, Medium, Packet, Reason, Socket, Stats, Verdict};
use crate::dtls::Identity;
use crate::dtmf::{Press, Refusal};
use crate::insert::Manner;
use crate::negotiation::LegSettings;
use crate::quality::Series;
use crate::rtcp::NtpClock;
use crate::rtp::Header;
use crate::sdp::Kind;

/// The machine of one media worker.
///
/// What happened comes in by `handle_packet` and `handle_timeout`, commands of control by plain verbs, and what is to
/// be done goes out by the verdict, `poll_transmit`, `poll_event` and `poll_timeout`.
pub struct Worker {
    identity: Arc<Identity>,
    clock: NtpClock,
    pub(super) random: Random,
    pub(super) legs: Slab<Leg>,
    pub(super) slots_by_key: Table<LegKey, usize>,
    pub(super) slots_by_address: Table<AddressKey, usize>,
    pub(super) slots_by_ufrag: Table<Box<[u8]>, usize>,
    pub(super) former: FormerPeers,
    pub(super) deadlines: Deadlines<usize>,
    /// Slots that may have something to send; each stands here once.
    pub(super) ready: VecDeque<usize>,
    /// What closed legs still have to say.
    farewells: VecDeque<(Destination, Box<[u8]>)>,
    pub(super) events: VecDeque<Event>,
    scratch: Packet,
    /// The packet of a tapped leg before it is changed for the other one, and of which leg, until it is taken.
    copy: Packet,
    copied: Option<LegKey>,
    /// Packets on their way to audiences.
    pub(super) shown: Shown,
    pub(super) stats: Stats,
    /// When something happened last.
    pub(super) latest: Option<Instant>,
    /// The slot of a leg and how many things happen to it until one panics.
    #[cfg(test)]
    pub(super) sabotaged: Option<(usize, u32)>,
}

/// What a worker is made with.
#[derive(Clone)]
pub struct Settings {
    /// The certificate that WebRTC legs show.
    pub identity: Arc<Identity>,
    /// What all random numbers follow from.
    pub seed: [u8; 32],
    /// What gives sender reports their date.
    pub clock: NtpClock,
}

/// Why a leg was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is a leg of this name.
    #[error("the leg is open already")]
    LegExists,
    /// Another leg has this ICE user name fragment.
    #[error("another leg has this ICE user name fragment")]
    UfragTaken,
    /// A section has no leg to go with.
    #[error("there is no WebRTC leg to bundle the section with")]
    NoOwner,
}

impl Worker {
    /// A worker without legs.
    pub fn new(settings: Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let seeded = Seeded::new(random.block());
        Worker {
            identity: settings.identity,
            clock: settings.clock,
            random,
            legs: Slab::new(),
            slots_by_key: Table::with_hasher(seeded),
            slots_by_address: Table::with_hasher(seeded),
            slots_by_ufrag: Table::with_hasher(seeded),
            former: FormerPeers::default(),
            deadlines: Deadlines::new(),
            ready: VecDeque::new(),
            farewells: VecDeque::new(),
            events: VecDeque::new(),
            scratch: Packet::new(),
            copy: Packet::new(),
            copied: None,
            shown: Shown::default(),
            stats: Stats::default(),
            latest: None,
            #[cfg(test)]
            sabotaged: None,
        }
    }

    /// Opens a leg, which can be checked and can shake hands from here on, before anything is agreed.
    pub fn open(&mut self, now: Instant, leg: LegKey, medium: Medium) -> Result<(), OpenError> {
        if self.slots_by_key.contains_key(&leg) {
            return Err(OpenError::LegExists);
        }
        let path = match medium {
            Medium::Rtp { signalling } => {
                Path::Plain(Plain::new(now, signalling, Arc::clone(&self.identity)))
            }
            Medium::WebRtc { ice } => {
                if self.slots_by_ufrag.contains_key(ice.ufrag.as_bytes()) {
                    return Err(OpenError::UfragTaken);
                }
                Path::WebRtc(Box::new(WebRtc::new(now, ice, Arc::clone(&self.identity))))
            }
            Medium::Bundled => {
                let (slot, owner) = self.leg_mut(leg.owner()).ok_or(OpenError::NoOwner)?;
                if !leg.is_video() || !matches!(owner.path, Path::WebRtc(_)) {
                    return Err(OpenError::NoOwner);
                }
                Path::Bundled(slot)
            }
        };
        let slot = self.legs.insert(Leg::new(leg, path, &mut self.random));
        self.slots_by_key.insert(leg, slot);
        if let Some(Path::Bundled(owner)) = self.legs.get(slot).map(|leg| &leg.path)
            && let Some(owner) = self.legs.get_mut(*owner)
        {
            owner.section = Section::AudioBeside(slot);
        }
        if let Some(Path::WebRtc(webrtc)) = self.legs.get(slot).map(|leg| &leg.path) {
            for ufrag in &webrtc.ufrags {
                self.slots_by_ufrag.insert(ufrag.clone(), slot);
            }
        }
        Ok(())
    }

    /// Tells a leg what an offer and its answer agreed. A leg that is not open is passed over: its close was quicker.
    pub fn configure(&mut self, now: Instant, leg: LegKey, settings: LegSettings, way: impl Into<Way>) {
        let Some(&slot) = self.slots_by_key.get(&leg) else { return };
        self.latest = Some(now);
        let way = way.into();
        self.contain(slot, |worker| {
            if let Some(leg) = worker.legs.get_mut(slot) {
                leg.configure(now, settings, way, &mut worker.random);
            }
            worker.settle(now, slot);
        });
    }

    /// Says where the far end's signalling comes from, of a leg with ports of its own that was opened without knowing, its
    /// video included; call it before `configure`, from which on it counts.
    pub fn locate(&mut self, leg: LegKey, signalling: IpAddr) {
        for section in [leg, leg.video()] {
            if let Some((_, Leg { path: Path::Plain(plain), .. })) = self.leg_mut(section) {
                plain.signalling = signalling;
            }
        }
    }

    /// Gives a WebRTC leg new ICE credentials of ours, for an answer to an ICE restart; call it before `configure`,
    /// which tells those of the far end. The old ones stay good until the first check with the new.
    pub fn restart(&mut self, now: Instant, leg: LegKey, credentials: Credentials) -> Result<(), OpenError> {
        if self.slots_by_ufrag.contains_key(credentials.ufrag.as_bytes()) {
            return Err(OpenError::UfragTaken);
        }
        let Some(&slot) = self.slots_by_key.get(&leg) else { return Ok(()) };
        self.latest = Some(now);
        self.contain(slot, |worker| {
            let Some(Leg { path: Path::WebRtc(webrtc), .. }) = worker.legs.get_mut(slot) else { return };
            let ufrag: Box<[u8]> = credentials.ufrag.as_bytes().into();
            if let Some(spent) = webrtc.restart(now, credentials) {
                worker.slots_by_ufrag.remove(&spent);
            }
            worker.slots_by_ufrag.insert(ufrag, slot);
            worker.settle(now, slot);
        });
        Ok(())
    }

    /// Presses a key for the far end of a leg, as telephone events of this payload type and clock. A leg that is not open
    /// is passed over.
    pub fn press(
        &mut self,
        now: Instant,
        leg: LegKey,
        press: Press,
        payload_type: u8,
        clock_rate: u32,
    ) -> Result<(), Refusal> {
        let Some(&slot) = self.slots_by_key.get(&leg) else { return Ok(()) };
        self.latest = Some(now);
        let pressed = self.contain(slot, |worker| {
            let pressed = worker
                .legs
                .get_mut(slot)
                .map_or(Ok(()), |leg| leg.press(now, press, payload_type, clock_rate));
            worker.settle(now, slot);
            pressed
        });
        pressed.unwrap_or(Ok(()))
    }

    /// Copies what a leg says from here on, or does so no more: see [`Worker::poll_copy`].
    pub fn tap(&mut self, leg: LegKey, is_tapped: bool) {
        if let Some((_, leg)) = self.leg_mut(leg) {
            leg.is_tapped = is_tapped;
        }
    }

    /// The opened packet of a tapped leg that was passed on by the last [`Worker::handle_packet`], as it came or silenced, or
    /// the RTCP that it took.
    #[inline]
    pub fn poll_copy(&mut self) -> Option<(LegKey, &[u8])> {
        let leg = self.copied.take()?;
        Some((leg, self.copy.bytes()))
    }

    /// Has an insert play something to a leg; what another one says to it is dropped meanwhile. When that ends what is
    /// played, [`Event::Interrupted`] tells it.
    pub fn set_played(&mut self, leg: LegKey, manner: Option<Manner>) {
        if let Some((_, leg)) = self.leg_mut(leg) {
            leg.set_played(manner);
        }
    }

    /// Closes a leg and returns its counters. What it still has to say to its far end goes out by `poll_transmit`.
    pub fn close(&mut self, now: Instant, leg: LegKey) -> Option<LegReport> {
        // Its video goes first, over a path that is still there.
        let video = if leg.is_video() { None } else { self.close_video(now, leg) };
        self.part(leg);
        let slot = self.slots_by_key.remove(&leg)?;
        self.deadlines.cancel(&slot);
        let leg = self.legs.try_remove(slot)?;
        self.latest = Some(now);
        // It is in no table any more, so a panic costs its report and nothing else.
        let report = self.contain(slot, |worker| worker.say_goodbye(now, slot, leg))?;
        Some(LegReport { video, ..report })
    }

    fn say_goodbye(&mut self, now: Instant, slot: usize, mut leg: Leg) -> LegReport {
        leg.end(now);
        let report = leg.report();
        match &leg.path {
            Path::Plain(plain) => plain.leave(now, &mut self.former),
            Path::Bundled(owner) => {
                if let Some(owner) = self.legs.get_mut(*owner) {
                    owner.section = Section::Audio;
                }
            }
            Path::WebRtc(webrtc) => {
                for ufrag in &webrtc.ufrags {
                    self.slots_by_ufrag.remove(ufrag);
                }
                for &address in &webrtc.addresses {
                    forget_address(&mut self.slots_by_address, address, slot);
                }
            }
        }
        leg.close(now);
        let mut shared = match leg.path {
            Path::Bundled(owner) => self.legs.get_mut(owner).map(|owner| &mut owner.path),
            Path::WebRtc(_) | Path::Plain(_) => None,
        };
        while let Some(destination) = leg.poll_transmit(shared.as_deref_mut(), &self.clock, &mut self.scratch)
        {
            if self.farewells.len() >= MAX_FAREWELLS {
                self.stats.farewells_left_out += 1;
                continue;
            }
            self.farewells.push_back((destination, self.scratch.bytes().into()));
        }
        report
    }

    /// Handles a datagram that came by `socket` from `remote` to our address `local`.
    #[inline]
    pub fn handle_packet(
        &mut self,
        now: Instant,
        socket: Socket,
        local: SocketAddr,
        remote: SocketAddr,
        packet: &mut Packet,
    ) -> Verdict {
        let arrival = Arrival { now, socket, local: canonical(local), remote: canonical(remote) };
        let class = classify(packet.bytes());
        let slot = match self.find(arrival, class, packet.bytes()) {
            Ok(slot) => slot,
            Err(reason) => {
                self.stats.drops.count(reason);
                // What comes to a port of its own tells something of its leg, even when the leg cannot take it.
                if let Socket::Rtp(key) | Socket::Rtcp(key) = socket
                    && let Some((_, leg)) = self.leg_mut(key)
                {
                    leg.drops.count(reason);
                }
                return Verdict::Drop(reason);
            }
        };
        self.latest = Some(now);
        let result = self.contain(slot, |worker| match class {
            _ if worker.carries_fax(slot) => worker.handle_fax(arrival, slot, packet),
            Class::Rtp => worker.handle_rtp(arrival, slot, packet),
            Class::Rtcp => worker.handle_rtcp(arrival, slot, packet),
            Class::Stun => worker.handle_check(arrival, slot, packet),
            Class::Dtls => worker.handle_dtls(arrival, slot, packet),
            Class::TurnChannel | Class::Unknown => Err(Reason::UnknownProtocol),
        });
        let result = result.unwrap_or(Err(Reason::Failed));
        match result {
            Ok(verdict) => {
                match verdict {
                    Verdict::Forward(_) => self.stats.forwarded += 1,
                    Verdict::Reply(_) => self.stats.replied += 1,
                    Verdict::Insert(_) => self.stats.inserted += 1,
                    Verdict::Shown => self.stats.shown += 1,
                    Verdict::Consumed | Verdict::Drop(_) => self.stats.consumed += 1,
                }
                verdict
            }
            Err(reason) => {
                self.stats.drops.count(reason);
                if let Some(leg) = self.legs.get_mut(slot) {
                    leg.drops.count(reason);
                }
                Verdict::Drop(reason)
            }
        }
    }

    /// Sends the far end of a leg what an insert has made for it: an RTP packet in its payload types, whose clock has
    /// `clock_rate`. Its other numbers are the insert's own.
    pub fn handle_made(
        &mut self,
        now: Instant,
        leg: LegKey,
        clock_rate: u32,
        packet: &mut Packet,
    ) -> Verdict {
        let sent = match self.slots_by_key.get(&leg).copied() {
            None => Err(Reason::NoLeg),
            Some(slot) => {
                self.latest = Some(now);
                let sent = self.contain(slot, |worker| {
                    let header = Header::parse(packet.bytes()).ok_or(Reason::Malformed)?;
                    let leg = worker.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
                    let made =
                        InFlight { header, clock_rate, kind: Kind::Audio, silence: None, is_first: false };
                    leg.send_rtp(None, now, &made, header.payload_type, packet).inspect_err(|&reason| {
                        leg.drops.count(reason);
                    })
                });
                sent.unwrap_or(Err(Reason::Failed))
            }
        };
        match sent {
            Ok(destination) => {
                self.stats.made += 1;
                Verdict::Forward(destination)
            }
            Err(reason) => {
                self.stats.drops.count(reason);
                Verdict::Drop(reason)
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.latest = Some(now);
        while let Some(slot) = self.deadlines.pop_due(now) {
            self.contain(slot, |worker| {
                if let Some(leg) = worker.legs.get_mut(slot) {
                    leg.handle_timeout(now, &mut worker.events);
                }
                worker.settle(now, slot);
            });
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Writes the next datagram for an audience, or that no packet has asked for: DTLS flights, RTCP reports, goodbyes.
    pub fn poll_transmit(&mut self, out: &mut Packet) -> Option<Destination> {
        while let Some((destination, bytes)) = self.farewells.pop_front() {
            if out.fill(&bytes) {
                return Some(destination);
            }
        }
        if let Some(destination) = self.poll_shown(out) {
            return Some(destination);
        }
        while let Some(&slot) = self.ready.front() {
            let written = self.contain(slot, |worker| {
                let clock = worker.clock;
                let (leg, shared) = worker.leg_and_path(slot)?;
                leg.poll_transmit(shared, &clock, out)
            });
            match written {
                Some(Some(destination)) => return Some(destination),
                Some(None) => {
                    self.ready.pop_front();
                    if let Some(leg) = self.legs.get_mut(slot) {
                        leg.is_queued = false;
                    }
                }
                // The leg has gone, and its place in the queue with it.
                None => {}
            }
        }
        None
    }

    /// Gives the next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The counters of an open leg.
    pub fn report(&self, leg: LegKey) -> Option<LegReport> {
        let slot = self.slots_by_key.get(&leg)?;
        let report = self.legs.get(*slot)?.report();
        Some(LegReport { video: self.video_report(leg), ..report })
    }

    /// The quality of an open leg over time.
    pub fn series(&self, leg: LegKey) -> Option<&Series> {
        let slot = self.slots_by_key.get(&leg)?;
        self.legs.get(*slot).map(Leg::series)
    }

    /// How the checks of a WebRTC leg were answered.
    pub fn checks(&self, leg: LegKey) -> Option<ice::Stats> {
        let slot = self.slots_by_key.get(&leg)?;
        match &self.legs.get(*slot)?.path {
            Path::WebRtc(webrtc) => Some(*webrtc.lite.stats()),
            Path::Plain(_) | Path::Bundled(_) => None,
        }
    }

    /// The names of the legs that are open.
    pub fn legs(&self) -> impl Iterator<Item = LegKey> {
        self.slots_by_key.keys().copied().filter(|leg| !leg.is_video())
    }

    /// The counters of the worker.
    pub fn stats(&self) -> Stats {
        Stats { legs: self.legs().count() as u64, ..self.stats }
    }

    /// The slot of the leg that a packet belongs to.
    #[inline]
    fn find(&self, arrival: Arrival, class: Class, bytes: &[u8]) -> Result<usize, Reason> {
        match (arrival.socket, class) {
            (Socket::Shared, Class::TurnChannel | Class::Unknown) => Err(Reason::UnknownProtocol),
            (Socket::Rtp(key) | Socket::Rtcp(key), Class::Rtp | Class::Rtcp | Class::Dtls) => {
                self.slots_by_key.get(&key).copied().ok_or(Reason::NoLeg)
            }
            // The first byte of a fax may be any.
            (Socket::Rtp(key) | Socket::Rtcp(key), Class::Stun | Class::TurnChannel | Class::Unknown) => {
                let slot = self.slots_by_key.get(&key).copied().filter(|slot| self.carries_fax(*slot));
                let is_stun = class == Class::Stun;
                slot.ok_or(if is_stun { Reason::WrongSocket } else { Reason::UnknownProtocol })
            }
            (Socket::Shared, Class::Stun) => {
                let (ours, _) = stun::username(bytes).ok_or(Reason::UnknownUsername)?;
                self.slots_by_ufrag.get(ours).copied().ok_or(Reason::UnknownUsername)
            }
            (Socket::Shared, Class::Rtp | Class::Rtcp | Class::Dtls) => {
                self.slots_by_address.get(&arrival.remote.into()).copied().ok_or(Reason::UnknownAddress)
            }
        }
    }

    #[inline]
    fn handle_rtp(&mut self, arrival: Arrival, slot: usize, packet: &mut Packet) -> Result<Verdict, Reason> {
        // The RTCP socket of a plain leg has no use for RTP.
        if let Socket::Rtcp(_) = arrival.socket {
            return Err(Reason::WrongSocket);
        }
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        let header = leg.open_rtp(arrival, &self.former, packet)?;
        if let Some(video) = leg.video_for(slot, &header) {
            return self.handle_video(arrival, video, header, packet);
        }
        let in_flight = leg.take_rtp(arrival, &self.former, header, packet)?;
        if in_flight.is_first {
            self.events.push_back(Event::FirstPacket { leg: leg.key });
        }
        if let Some(byte) = in_flight.silence {
            in_flight.header.fill(packet.bytes_mut(), byte);
        }
        let (peer, payload_type) = match leg.route(&in_flight.header)? {
            Onward::Peer(peer, payload_type) => (peer, payload_type),
            Onward::Insert => return Ok(Verdict::Insert(leg.key)),
            Onward::Audience => return self.show(slot, arrival.now, in_flight, packet),
        };
        if leg.is_tapped && self.copy.fill(packet.bytes()) {
            self.copied = Some(leg.key);
        }
        let peer = self.legs.get_mut(peer).ok_or(Reason::NotJoined)?;
        if let Some((manner, in_a_row)) = peer.played {
            if !peer.yields_to(manner, in_a_row, in_flight.kind, &in_flight.header, packet.bytes()) {
                return Err(Reason::PlayedOver);
            }
            self.events.push_back(Event::Interrupted { leg: peer.key });
        }
        peer.send_rtp(None, arrival.now, &in_flight, payload_type, packet).map(Verdict::Forward)
    }

    fn handle_rtcp(&mut self, arrival: Arrival, slot: usize, packet: &mut Packet) -> Result<Verdict, Reason> {
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        leg.open_rtcp(arrival, &self.former, packet)?;
        leg.take_rtcp(arrival, &self.former, &self.clock, packet)?;
        if leg.is_tapped && self.copy.fill(packet.bytes()) {
            self.copied = Some(leg.key);
        }
        if let Some(video) = leg.video_slot(slot) {
            if video != slot
                && let Some(video) = self.legs.get_mut(video)
            {
                // What it says of nothing that is agreed is nobody's.
                let _ = video.take_rtcp(arrival, &self.former, &self.clock, packet);
            }
            self.take_feedback(arrival, video, packet);
            if video == slot {
                return Ok(Verdict::Consumed);
            }
        }
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        if let Some(percent) = leg.poll_loss() {
            self.events.push_back(Event::Loss { leg: leg.key, percent });
        }
        Ok(Verdict::Consumed)
    }

    fn handle_check(
        &mut self,
        arrival: Arrival,
        slot: usize,
        packet: &mut Packet,
    ) -> Result<Verdict, Reason> {
        let Arrival { now, socket, local, remote } = arrival;
        if self.is_others(slot, arrival) {
            return Err(Reason::AddressTaken);
        }
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        let Path::WebRtc(webrtc) = &mut leg.path else { return Err(Reason::WrongSocket) };
        let mut reply = [0; stun::REPLY_ROOM];
        let check = webrtc.lite.handle_check(now, local, remote, packet.bytes(), &mut reply);
        webrtc.note_check(now, arrival.pair());
        let len = match check {
            Check::Reply(len) => len,
            Check::Drop(ice::Reason::ConsentLost) => return Err(Reason::CheckConsentLost),
            Check::Drop(_) => return Err(Reason::CheckRefused),
        };
        let is_known = self.slots_by_address.get(&remote.into()) == Some(&slot);
        if !is_known && webrtc.lite.is_validated(arrival.pair()) {
            self.slots_by_address.insert(remote.into(), slot);
            if let Some(given_up) = webrtc.note_address(remote) {
                forget_address(&mut self.slots_by_address, given_up, slot);
            }
        }
        packet.fill(reply.get(..len).unwrap_or_default());
        self.settle(now, slot);
        Ok(Verdict::Reply(Destination { socket, local, remote }))
    }

    fn handle_dtls(&mut self, arrival: Arrival, slot: usize, packet: &mut Packet) -> Result<Verdict, Reason> {
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        let handled = match &mut leg.path {
            Path::WebRtc(webrtc) => webrtc.handle_dtls(arrival.now, arrival.pair(), packet.bytes()),
            Path::Plain(plain) => plain.handle_dtls(arrival, packet.bytes()),
            Path::Bundled(_) => Err(Reason::WrongSocket),
        };
        self.settle(arrival.now, slot);
        handled.map(|()| Verdict::Consumed)
    }

    /// Whether an address leads to another leg that is alive: who knows the credentials of one leg must not be able to
    /// turn away another's media by checks with a forged source.
    fn is_others(&self, slot: usize, arrival: Arrival) -> bool {
        let Some(&owner) = self.slots_by_address.get(&arrival.remote.into()) else { return false };
        owner != slot
            && self.legs.get(owner).is_some_and(|leg| match &leg.path {
                Path::WebRtc(webrtc) => webrtc.has_consent(),
                Path::Plain(_) | Path::Bundled(_) => false,
            })
    }

    /// Passes on what happened to a leg, queues what it may have to send and sets its deadline.
    pub(super) fn settle(&mut self, now: Instant, slot: usize) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        leg.poll_changes(now, &mut self.events);
        if !leg.is_queued {
            leg.is_queued = true;
            self.ready.push_back(slot);
        }
        let Some(next) = leg.poll_timeout() else { return };
        // A deadline that moves away, as consent does with every check, is left to fire and found not due.
        if self.deadlines.of(&slot).is_none_or(|set| next < set) {
            self.deadlines.set(slot, next.max(now + LEAST_WAIT));
        }
    }

    pub(super) fn leg_mut(&mut self, leg: LegKey) -> Option<(usize, &mut Leg)> {
        let slot = *self.slots_by_key.get(&leg)?;
        Some((slot, self.legs.get_mut(slot)?))
    }
}

/// Removes an address of a leg, unless it has become another's.
fn forget_address(slots_by_address: &mut Table<AddressKey, usize>, address: SocketAddr, slot: usize) {
    let key = address.into();
    if slots_by_address.get(&key) == Some(&slot) {
        slots_by_address.remove(&key);
    }
}

/// The least time to the next deadline, so that one that is always due cannot keep the worker busy.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// Goodbyes waiting to be sent.
const MAX_FAREWELLS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_can_be_handed_to_its_thread() {
        fn is_send<T: Send>() {}
        is_send::<Worker>();
        is_send::<Packet>();
    }
}
