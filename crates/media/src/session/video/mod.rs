//! Video beside the audio of a leg: a section of its own, with its own numbers, reports and feedback.
//!
//! It is a leg to the worker ([`LegKey::video`]): with ports of its own where the far end has those, or over the path of
//! the leg that it is bundled with, to which its payload types lead. What is lost is mended hop by hop:
//!
//! - What a far end misses is sent again out of a cache, in a stream of its own where it knows RFC 4588, or else as the very
//!   same bytes. What is not there was lost before us, and is asked of who sent it, in its own numbers.
//! - A packet that comes again in a stream of its own is what it repeats from here on.
//! - A lost picture is told to who sends it: by RTCP, or, where that was not agreed, by an event for the signalling. Whoever
//!   begins to see gets a whole picture in the same way.
//! - How much can be received passes to who sends (REMB).

mod cache;
#[doc(hidden)]
pub mod fuzz;
mod pictures;

pub(super) use pictures::Pictures;

use std::time::Instant;

use super::leg::{Leg, Section};
use super::path::Path;
use super::transit::{Arrival, InFlight, Onward, Way};
use super::worker::Worker;
use super::{Destination, Event, LegKey, LegReport, Medium, Packet, Reason, Verdict, VideoReport};
use crate::negotiation::{PayloadMap, VideoSettings};
use crate::rtcp::{self, Feedback, Request};
use crate::rtp::Header;
use pictures::{Asking, unwrap};

impl Worker {
    /// Tells the video of a leg what an offer and its answer agreed, or that there is none. Of a leg with ports of its
    /// own the section is opened before, by [`LegKey::video`]; of a WebRTC leg it opens by itself. What a leg sends to an
    /// audience needs no map.
    pub fn configure_video(
        &mut self,
        now: Instant,
        leg: LegKey,
        settings: Option<VideoSettings>,
        map: PayloadMap,
    ) {
        let key = leg.video();
        if settings.is_some() && !self.slots_by_key.contains_key(&key) {
            // What lacks its leg, or its ports, has nothing to go over.
            let _ = self.open(now, key, Medium::Bundled);
        }
        let Some(&slot) = self.slots_by_key.get(&key) else { return };
        self.latest = Some(now);
        self.contain(slot, |worker| {
            let way = worker.way_of_video(leg, map);
            let Some(leg) = worker.legs.get_mut(slot) else { return };
            match settings {
                Some(settings) => leg.configure_video(now, settings, way, &mut worker.random),
                None => leg.rest(),
            }
            worker.settle(now, slot);
        });
    }

    /// Where the video of a leg goes: to the audience that the rest of it has, or by the map.
    fn way_of_video(&self, leg: LegKey, map: PayloadMap) -> Way {
        let owner = self.slots_by_key.get(&leg.owner()).and_then(|slot| self.legs.get(*slot));
        if owner.is_some_and(Leg::is_for_audience) { Way::Audience } else { Way::Direct(map) }
    }

    /// Closes the video of a leg, if it has any; gives its last counters.
    pub(super) fn close_video(&mut self, now: Instant, leg: LegKey) -> Option<Box<VideoReport>> {
        let report = self.video_report(leg);
        self.close(now, leg.video());
        report
    }

    /// Asks the far end of a leg for a whole picture.
    pub fn ask_picture(&mut self, now: Instant, leg: LegKey) {
        if let Some(&slot) = self.slots_by_key.get(&leg.video()) {
            self.latest = Some(now);
            self.contain(slot, |worker| worker.want_picture(now, slot));
        }
    }

    /// The counters of the video of a leg.
    pub(super) fn video_report(&self, leg: LegKey) -> Option<Box<VideoReport>> {
        let leg = self.legs.get(*self.slots_by_key.get(&leg.video())?)?;
        Some(Box::new(leg.video_report()?))
    }

    /// The SSRC that the video of a leg is sent with.
    pub(super) fn video_ssrc(&self, leg: LegKey) -> Option<u32> {
        let slot = self.slots_by_key.get(&leg.video())?;
        self.legs.get(*slot).map(Leg::ssrc)
    }

    /// A packet of video on its way from one far end to the other.
    pub(super) fn handle_video(
        &mut self,
        arrival: Arrival,
        slot: usize,
        header: Header,
        packet: &mut Packet,
    ) -> Result<Verdict, Reason> {
        let leg = self.legs.get_mut(slot).ok_or(Reason::NoLeg)?;
        let in_flight = leg.take_video(arrival, &self.former, header, packet)?;
        let (viewer, payload_type) = match leg.route(&in_flight.header)? {
            Onward::Peer(viewer, payload_type) => (viewer, payload_type),
            Onward::Insert => return Err(Reason::NotJoined),
            Onward::Audience => return self.show(slot, arrival.now, in_flight, packet),
        };
        let (peer, shared) = self.leg_and_path(viewer).ok_or(Reason::NotJoined)?;
        let sent = peer.send_rtp(shared, arrival.now, &in_flight, payload_type, packet)?;
        self.note_seen(arrival.now, slot, viewer);
        Ok(Verdict::Forward(sent))
    }

    /// Sees to it that a leg whose far end begins to see gets a whole picture.
    pub(super) fn note_seen(&mut self, now: Instant, source: usize, viewer: usize) {
        let begins = self.legs.get(viewer).is_some_and(Leg::begins_to_see);
        if begins && self.want_picture(now, source) {
            self.legs.get_mut(viewer).map(Leg::has_begun_to_see);
        }
    }

    /// Takes what a compound packet, which is opened and sound, says of the pictures that a section is sent.
    pub(super) fn take_feedback(&mut self, arrival: Arrival, slot: usize, packet: &Packet) {
        let now = arrival.now;
        for feedback in rtcp::feedback(packet.bytes()) {
            let Some(leg) = self.legs.get_mut(slot) else { return };
            let (ours, peer) = (leg.ssrc(), leg.peer);
            let Section::Video(pictures) = &mut leg.section else { return };
            match feedback {
                Feedback::PictureLoss { ssrc } if ssrc == ours => {
                    pictures.counts.plis_in += 1;
                    self.tell_lost_picture(now, peer);
                }
                Feedback::FullIntra { entries } => {
                    let number = rtcp::request_for(ours, entries);
                    pictures.counts.firs_in += u64::from(number.is_some());
                    // The same number is the same request again.
                    if number.is_some()
                        && pictures.answered != number
                        && self.tell_lost_picture(now, peer)
                        && let Some(pictures) = self.pictures(Some(slot))
                    {
                        pictures.answered = number;
                    }
                }
                Feedback::Nack { ssrc, pairs } if ssrc == ours => {
                    pictures.counts.nacks_in += 1;
                    for number in rtcp::missing(pairs).take(MOST_MISSING) {
                        self.repeat(now, slot, number);
                    }
                    self.settle(now, slot);
                    self.settle_peer(now, peer);
                }
                Feedback::Bitrate(bits) => {
                    pictures.bitrate = Some(bits);
                    let least = peer.and_then(|peer| self.least_bitrate(peer)).unwrap_or(bits);
                    if let Some(pictures) = self.pictures(peer).filter(|pictures| pictures.heeds_bitrate()) {
                        pictures.wanted.bitrate = Some(least);
                        pictures.wake(now);
                        self.settle_peer(now, peer);
                    }
                }
                Feedback::PictureLoss { .. } | Feedback::Nack { .. } => {}
            }
        }
    }

    /// A far end misses what we sent as this number: it gets it again, or whoever sends it is asked.
    fn repeat(&mut self, now: Instant, slot: usize, number: u16) {
        let Some(leg) = self.legs.get_mut(slot) else { return };
        let (peer, original) = (leg.peer, leg.source_sequence(number));
        let Section::Video(pictures) = &mut leg.section else { return };
        if pictures.has(number) {
            pictures.wake(now);
            if !pictures.repeats.push(number) {
                leg.drops.count(Reason::TooManyAsked);
            }
            return;
        }
        let Some(original) = original else { return };
        let Some(pictures) = self.pictures(peer).filter(|pictures| pictures.sends_again()) else { return };
        pictures.wake(now);
        let has_room = pictures.wanted.packets.push(original);
        if !has_room && let Some(leg) = self.legs.get_mut(slot) {
            leg.drops.count(Reason::TooManyAsked);
        }
    }

    /// As [`Worker::want_picture`], of whoever sends the pictures, if anybody does.
    fn tell_lost_picture(&mut self, now: Instant, source: Option<usize>) -> bool {
        source.is_some_and(|source| self.want_picture(now, source))
    }

    /// Asks for a whole picture; `false` when that was done a moment ago, so that it has to be wanted again.
    fn want_picture(&mut self, now: Instant, slot: usize) -> bool {
        let Some(leg) = self.legs.get_mut(slot) else { return false };
        let key = leg.key;
        let Section::Video(pictures) = &mut leg.section else { return false };
        match pictures.want_picture(now) {
            Asking::Feedback => self.settle(now, slot),
            Asking::Signalling => self.events.push_back(Event::PictureWanted { leg: key.owner() }),
            Asking::TooSoon => return false,
        }
        true
    }

    /// What all who watch a leg can receive: one stream goes to all.
    fn least_bitrate(&self, source: usize) -> Option<u64> {
        let audience = self.legs.get(source)?.audience.iter();
        let told = audience.filter_map(|viewer| match &self.legs.get(viewer.slot)?.section {
            Section::Video(pictures) => pictures.bitrate,
            Section::Audio | Section::AudioBeside(_) => None,
        });
        told.min()
    }

    fn pictures(&mut self, slot: Option<usize>) -> Option<&mut Pictures> {
        match &mut self.legs.get_mut(slot?)?.section {
            Section::Video(pictures) => Some(pictures),
            Section::Audio | Section::AudioBeside(_) => None,
        }
    }

    fn settle_peer(&mut self, now: Instant, peer: Option<usize>) {
        if let Some(peer) = peer {
            self.settle(now, peer);
        }
    }

    /// The leg in a slot, and the path of the leg that it is bundled with, if it has none of its own.
    pub(super) fn leg_and_path(&mut self, slot: usize) -> Option<(&mut Leg, Option<&mut Path>)> {
        match self.legs.get(slot)?.path {
            Path::Bundled(owner) if owner != slot && self.legs.contains(owner) => {
                let (leg, owner) = self.legs.get2_mut(slot, owner)?;
                Some((leg, Some(&mut owner.path)))
            }
            _ => Some((self.legs.get_mut(slot)?, None)),
        }
    }
}

impl Leg {
    /// The slot of the section that a packet belongs to, when that is video.
    #[inline]
    pub(super) fn video_for(&self, slot: usize, header: &Header) -> Option<usize> {
        match self.section {
            Section::Audio => None,
            Section::AudioBeside(video) => (!self.accepts(header.payload_type)).then_some(video),
            Section::Video(_) => Some(slot),
        }
    }

    /// The slot of the section that feedback is for.
    pub(super) fn video_slot(&self, slot: usize) -> Option<usize> {
        match self.section {
            Section::Audio => None,
            Section::AudioBeside(video) => Some(video),
            Section::Video(_) => Some(slot),
        }
    }

    fn configure_video(
        &mut self,
        now: Instant,
        settings: VideoSettings,
        way: Way,
        random: &mut super::random::Random,
    ) {
        if let Some(sources) = settings.sources {
            self.send_as(sources.media, sources.cname, random);
        }
        let could_receive = self.receives();
        let ssrc = self.ssrc();
        let first = random.word() as u16 & 0x7fff;
        if let Section::Video(pictures) = &mut self.section {
            pictures.agree(&settings, first);
        }
        self.configure(now, settings.leg, way, random);
        let (receives, has_renewed) = (self.receives(), self.ssrc() != ssrc);
        if let Section::Video(pictures) = &mut self.section {
            pictures.is_new |= receives && !could_receive || has_renewed;
            if has_renewed {
                pictures.forget();
            }
        }
    }

    /// The counters of a section of video.
    pub(super) fn video_report(&self) -> Option<VideoReport> {
        let Section::Video(pictures) = &self.section else { return None };
        let report = self.report();
        let section = match self.path {
            // That of the whole bundle is counted once.
            Path::Bundled(_) => LegReport { rtcp_in: 0, rtcp_octets_in: 0, ..report },
            Path::Plain(_) | Path::WebRtc(_) => report,
        };
        Some(VideoReport { section, feedback: pictures.counts })
    }

    /// Has seen nothing of whom it is joined with.
    pub(super) fn begin_to_see(&mut self) {
        if let Section::Video(pictures) = &mut self.section {
            pictures.is_new = true;
        }
    }

    /// Whether a packet that was sent is the first that the far end sees.
    fn begins_to_see(&self) -> bool {
        match &self.section {
            Section::Video(pictures) => pictures.is_new,
            Section::Audio | Section::AudioBeside(_) => false,
        }
    }

    /// A whole picture is on its way.
    fn has_begun_to_see(&mut self) {
        if let Section::Video(pictures) = &mut self.section {
            pictures.is_new = false;
        }
    }

    /// The way in of an opened packet. One that repeats another becomes it.
    fn take_video(
        &mut self,
        arrival: Arrival,
        former: &super::former::FormerPeers,
        header: Header,
        packet: &mut Packet,
    ) -> Result<InFlight, Reason> {
        let Section::Video(pictures) = &self.section else { return Err(Reason::NoLeg) };
        let repeated = pictures.repeated_by(header.payload_type);
        let is_again = repeated.is_some();
        let in_flight = match repeated {
            None => self.take_rtp(arrival, former, header, packet)?,
            Some(original) => {
                let ssrc = self.source().ok_or(Reason::NothingRepeated)?;
                let header = unwrap(packet, header, original, ssrc)?;
                self.take_repeated(arrival.now, header)?
            }
        };
        let Section::Video(pictures) = &mut self.section else { return Err(Reason::NoLeg) };
        pictures.counts.repeated_in += u64::from(is_again);
        if pictures.has_come(&in_flight.header) {
            return Err(Reason::Duplicate);
        }
        Ok(in_flight)
    }

    /// Writes what is to be sent again, or what the far end is asked for.
    pub(super) fn write_feedback(
        &mut self,
        mut shared: Option<&mut Path>,
        out: &mut Packet,
    ) -> Option<Destination> {
        let may_send = self.receives();
        let Section::Video(pictures) = &mut self.section else { return None };
        let now = pictures.woken()?;
        let path = shared.as_deref_mut().unwrap_or(&mut self.path);
        if let Some(destination) = path.rtp_destination(self.key).filter(|_| may_send) {
            while let Some((len, is_clear)) = pictures.write_repeat(now, out.whole()) {
                out.resize_whole(len);
                match if is_clear { path.protect_rtp(out) } else { Ok(()) } {
                    Ok(()) => {
                        pictures.counts.repeated_out += 1;
                        return Some(destination);
                    }
                    Err(reason) => self.drops.count(reason),
                }
            }
        }
        self.write_requests(shared, out)
    }

    fn write_requests(&mut self, shared: Option<&mut Path>, out: &mut Packet) -> Option<Destination> {
        let (ssrc, source, cname) = (self.ssrc(), self.source(), self.cname());
        let path = shared.unwrap_or(&mut self.path);
        let Section::Video(pictures) = &mut self.section else { return None };
        let wanted = std::mem::take(&mut pictures.wanted);
        // Without a packet of it there is nothing to ask for: the first picture is a whole one.
        let source = source?;
        let packets = Some(wanted.packets.as_slice()).filter(|packets| !packets.is_empty());
        let picture =
            wanted.picture.then(|| pictures.next_request().map_or(Request::PictureLoss, Request::FullIntra));
        let requests = [packets.map(Request::Nack), picture, wanted.bitrate.map(Request::Bitrate)];
        if requests.iter().all(Option::is_none) {
            return None;
        }
        let destination = path.rtcp_destination(self.key)?;
        // RFC 3550 §6.1: a compound packet begins with a report, be it an empty one.
        let report = rtcp::Outgoing {
            ssrc,
            cname: &cname,
            sent: None,
            received: None,
            last_sender_report: None,
            bye: false,
        };
        let space = out.space();
        let mut len = report.write(space)?;
        for request in requests.iter().flatten() {
            len += request.write(ssrc, source, space.get_mut(len..)?)?;
        }
        out.set_len(len);
        match path.protect_rtcp(out) {
            Ok(()) => {
                requests.iter().flatten().for_each(|request| pictures.note_sent(request));
                Some(destination)
            }
            Err(reason) => {
                self.drops.count(reason);
                None
            }
        }
    }
}

/// The numbers of one NACK that are looked at; more than that is no loss that could be mended.
const MOST_MISSING: usize = 512;
