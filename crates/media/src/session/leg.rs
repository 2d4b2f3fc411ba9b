//! One leg: the way of a packet in, the way of a packet out, its reports and its signs of life.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::former::FormerPeers;
use super::joining::Viewer;
use super::keys::Keys;
use super::path::Path;
use super::random::Random;
use super::rtcp::Rtcp;
use super::transit::{Arrival, InFlight, Onward, Way};
use super::video::Pictures;
use super::webrtc::Change;
use super::{Destination, Drops, Event, FarReport, Gone, LegKey, LegReport, Packet, Reason};
use crate::dtmf::{Press, Refusal};
use crate::insert::{Manner, PACKETS_IN_A_ROW};
use crate::negotiation::{LegSettings, Payload, Payloads, Profile};
use crate::quality::emodel::Codec;
use crate::quality::{Far, History, Listener, Meter, Reading, Series, is_audible};
use crate::rtcp::{self, Cname, NtpClock};
use crate::rtp::{self, Continuity, Header, Jump, Reception, Rewrite};
use crate::sdp::Kind;

/// A leg of the worker.
pub(super) struct Leg {
    pub(super) key: LegKey,
    pub(super) path: Path,
    /// The slot of the leg it is joined with, which may be its own.
    pub(super) peer: Option<usize>,
    /// The legs that watch it.
    pub(super) audience: Vec<Viewer>,
    /// Whether it stands in the worker's queue of legs that may have something to send.
    pub(super) is_queued: bool,
    pub(super) drops: Drops,
    pub(super) section: Section,
    /// Whether what it says is copied for a recording.
    pub(super) is_tapped: bool,
    /// What is played to it, and how many audible packets in a row it was sent meanwhile.
    pub(super) played: Option<(Manner, u8)>,
    pub(super) agreed: Option<Agreed>,
    reception: Reception,
    stream: Continuity,
    /// The clock rate of the latest packet sent.
    clock_rate: u32,
    cname: Cname,
    pub(super) packets_in: u64,
    pub(super) octets_in: u64,
    pub(super) packets_out: u64,
    pub(super) octets_out: u64,
    pub(super) first_media: Option<Instant>,
    pub(super) last_media: Option<Instant>,
    pub(super) last_heard: Option<Instant>,
    last_sent: Option<Instant>,
    /// Since when silence is counted: the answer, or when it was last told.
    silent_since: Option<Instant>,
    rtcp: Rtcp,
    /// Keys that are pressed for the far end, until they are done.
    keys: Option<Box<Keys>>,
    keys_due: Option<Instant>,
    /// What is not looked at with every packet lies elsewhere, so that legs lie close together.
    pub(super) history: Box<History>,
    listener: Listener,
    codec: Codec,
    meter: Box<Meter>,
}

/// Which section of a leg it is, and what else the leg has.
pub(super) enum Section {
    /// Audio, and nothing else.
    Audio,
    /// Audio over a path that video goes over too; the slot of that.
    AudioBeside(usize),
    /// Video.
    Video(Box<Pictures>),
}

/// What offer and answer left.
pub(super) struct Agreed {
    pub(super) sends: bool,
    pub(super) receives: bool,
    /// Whether it is a fax instead of audio.
    pub(super) is_fax: bool,
    is_silenced: bool,
    payloads: Payloads,
    way: Way,
}

impl Leg {
    pub(super) fn new(key: LegKey, path: Path, random: &mut Random) -> Self {
        let sequence = first_sequence(random);
        let stream = Continuity::new(random.word(), sequence, random.word());
        let stream = if key.is_video() { stream.of_video() } else { stream };
        let history = History::new(match path {
            Path::WebRtc(_) => Profile::WebRtc,
            Path::Plain(_) | Path::Bundled(_) => Profile::Rtp,
        });
        let section = if key.is_video() { Section::Video(Box::default()) } else { Section::Audio };
        Leg {
            key,
            path,
            peer: None,
            audience: Vec::new(),
            is_queued: false,
            drops: Drops::default(),
            section,
            is_tapped: false,
            played: None,
            agreed: None,
            reception: Reception::new(),
            stream,
            clock_rate: DEFAULT_CLOCK_RATE,
            cname: Cname::from_random(random.bytes()),
            packets_in: 0,
            octets_in: 0,
            packets_out: 0,
            octets_out: 0,
            first_media: None,
            last_media: None,
            last_heard: None,
            last_sent: None,
            silent_since: None,
            rtcp: Rtcp::new(random),
            keys: None,
            keys_due: None,
            history: Box::new(history),
            listener: Listener::default(),
            codec: Codec::default(),
            meter: Box::default(),
        }
    }

    /// Takes over what an offer and its answer agreed.
    pub(super) fn configure(
        &mut self,
        now: Instant,
        mut settings: LegSettings,
        way: Way,
        random: &mut Random,
    ) {
        let has_another_key = match &mut self.path {
            Path::WebRtc(webrtc) => {
                webrtc.answer(now, &mut settings);
                false
            }
            Path::Plain(plain) => plain.answer(now, &mut settings),
            Path::Bundled(_) => false,
        };
        if has_another_key {
            // Under a new key some far ends start the roll-over counter of an SSRC at zero and some go on; that of a new
            // SSRC is zero for all.
            self.stream.renew(random.word(), first_sequence(random));
        }
        let LegSettings { sends, receives, payloads, is_silenced, .. } = settings;
        let is_fax = settings.is_fax && matches!(self.path, Path::Plain(_));
        let goes_on = self.agreed.as_ref().is_some_and(|agreed| agreed.sends && agreed.is_fax == is_fax);
        if !goes_on || !sends {
            self.silent_since = sends.then_some(now);
        }
        match is_fax {
            // What is left of the audio is scored as what it was.
            true if self.agreed.is_some() && !self.carries_fax() => self.measure(now),
            true => {}
            false => self.codec = Codec::from_name(&settings.codec),
        }
        self.meter.begin(now, self.reception.tally());
        self.history.agreed.get_or_insert(now);
        self.history.candidates = settings.candidates;
        (self.history.sends, self.history.receives) = (sends, receives);
        self.history.could_send |= sends;
        self.history.could_receive |= receives;
        self.history.has_fax |= is_fax;
        self.agreed = Some(Agreed { sends, receives, is_fax, is_silenced, payloads, way });
        match is_fax {
            true => {
                self.rtcp.rest();
                (self.keys, self.keys_due) = (None, None);
            }
            false => self.rtcp.begin(now),
        }
    }

    /// The way in, as far as all sections share it: checks the source and opens the packet in place.
    #[inline]
    pub(super) fn open_rtp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<Header, Reason> {
        self.path.open_rtp(arrival, former, packet)?;
        Header::parse(packet.bytes()).ok_or(Reason::Malformed)
    }

    /// The rest of the way in: checks what an opened packet is, and counts it.
    #[inline]
    pub(super) fn take_rtp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        header: Header,
        packet: &Packet,
    ) -> Result<InFlight, Reason> {
        let agreed = self.agreed.as_ref().ok_or(Reason::NotConfigured)?;
        let meaning = agreed.payloads.meaning(header.payload_type).ok_or(Reason::PayloadType)?;
        if !agreed.sends {
            return Err(Reason::MayNotSend);
        }
        let Arrival { now, local, remote, .. } = arrival;
        if let Path::Plain(plain) = &mut self.path {
            plain.admit_rtp(now, former, local, remote, header.ssrc)?;
        }
        let sound = packet.bytes().get(header.payload..).unwrap_or_default();
        self.listener.listen(header.payload_type, meaning.kind, sound);
        self.packets_in += 1;
        self.octets_in += packet.bytes().len().saturating_sub(header.payload) as u64;
        self.reception.receive(now, &header, meaning.clock_rate);
        self.last_media = Some(now);
        self.last_heard = Some(now);
        let is_first = self.first_media.is_none();
        self.first_media.get_or_insert(now);
        let silence = meaning.silence.filter(|_| agreed.is_silenced);
        Ok(InFlight { header, clock_rate: meaning.clock_rate, kind: meaning.kind, silence, is_first })
    }

    /// The way in of a packet that came again in a stream of its own; the reports are not about that (RFC 4588 §6.3).
    pub(super) fn take_repeated(&mut self, now: Instant, header: Header) -> Result<InFlight, Reason> {
        let agreed = self.agreed.as_ref().ok_or(Reason::NotConfigured)?;
        let meaning = agreed.payloads.meaning(header.payload_type).ok_or(Reason::PayloadType)?;
        if !agreed.sends {
            return Err(Reason::MayNotSend);
        }
        self.last_heard = Some(now);
        let Payload { kind, clock_rate, .. } = meaning;
        Ok(InFlight { header, clock_rate, kind, silence: None, is_first: false })
    }

    /// Whether a payload type was agreed.
    #[inline]
    pub(super) fn accepts(&self, payload_type: u8) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.payloads.accepts(payload_type))
    }

    /// Whether what it sends is for an audience.
    pub(super) fn is_for_audience(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.way == Way::Audience)
    }

    /// Whether the far end may receive.
    pub(super) fn receives(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.receives)
    }

    /// The SSRC that we send with.
    pub(super) const fn ssrc(&self) -> u32 {
        self.stream.ssrc()
    }

    /// The SSRC that the far end sends with.
    pub(super) fn source(&self) -> Option<u32> {
        self.reception.ssrc()
    }

    /// What the far end called what it gets, or would get, as this number.
    pub(super) fn source_sequence(&self, sequence: u16) -> Option<u16> {
        self.stream.source_sequence(sequence)
    }

    pub(super) const fn cname(&self) -> Cname {
        self.cname
    }

    /// Sends with the SSRC and the name that the description says.
    pub(super) fn send_as(&mut self, ssrc: u32, cname: Cname, random: &mut Random) {
        self.cname = cname;
        if self.stream.ssrc() != ssrc {
            self.stream.renew(ssrc, first_sequence(random));
        }
    }

    /// Something is played to the far end in the place of what another leg sends, or no more.
    pub(super) fn set_played(&mut self, manner: Option<Manner>) {
        if self.played.is_some() && manner.is_none() {
            self.stream.expect_former();
        }
        self.played = manner.map(|manner| (manner, 0));
    }

    /// Nothing is agreed any more.
    pub(super) fn rest(&mut self) {
        self.agreed = None;
        self.rtcp.rest();
        self.silent_since = None;
        if let Section::Video(pictures) = &mut self.section {
            pictures.rest();
        }
    }

    /// Where a packet goes.
    #[inline]
    pub(super) fn route(&self, header: &Header) -> Result<Onward, Reason> {
        match &self.agreed.as_ref().ok_or(Reason::NotConfigured)?.way {
            Way::Insert => Ok(Onward::Insert),
            Way::Audience => Ok(Onward::Audience),
            Way::Direct(map) => {
                let peer = self.peer.ok_or(Reason::NotJoined)?;
                let payload_type = map.translate(header.payload_type).ok_or(Reason::NoPayloadType)?;
                Ok(Onward::Peer(peer, payload_type))
            }
        }
    }

    /// Whether a packet of another leg has its way although something is played to this one: what is played under it ends
    /// when the other is heard to speak.
    #[cold]
    pub(super) fn yields_to(
        &mut self,
        manner: Manner,
        in_a_row: u8,
        kind: Kind,
        header: &Header,
        packet: &[u8],
    ) -> bool {
        let payload = packet.get(header.payload..).unwrap_or_default();
        let is_heard = manner == Manner::Under && is_audible(header.payload_type, kind, payload);
        let in_a_row = if is_heard { in_a_row.saturating_add(1) } else { 0 };
        let is_over = in_a_row >= PACKETS_IN_A_ROW;
        match is_over {
            true => self.set_played(None),
            false => self.played = Some((manner, in_a_row)),
        }
        is_over
    }

    /// The way out: renumbers a packet that another leg took, and protects it in place. A section without a path of its
    /// own goes over one that is `shared`.
    #[inline]
    pub(super) fn send_rtp(
        &mut self,
        shared: Option<&mut Path>,
        now: Instant,
        in_flight: &InFlight,
        payload_type: u8,
        packet: &mut Packet,
    ) -> Result<Destination, Reason> {
        let agreed = self.agreed.as_ref().ok_or(Reason::PeerNotReady)?;
        if !agreed.receives {
            return Err(Reason::MayNotReceive);
        }
        if agreed.is_fax {
            return Err(Reason::NotFax);
        }
        let path = shared.unwrap_or(&mut self.path);
        let destination = path.rtp_destination(self.key).ok_or(Reason::PeerNotReady)?;
        let InFlight { header, clock_rate, .. } = in_flight;
        let rewrite: Rewrite =
            self.stream.rewrite(now, header, payload_type, *clock_rate).map_err(|jump| match jump {
                Jump::Late => Reason::Late,
                Jump::FormerSource => Reason::FormerSource,
            })?;
        let mut payload = header.payload;
        if header.has_extension {
            let moved = rtp::strip_extension(packet.bytes_mut());
            packet.advance(moved);
            payload = payload.saturating_sub(moved);
        }
        let octets = packet.bytes().len().saturating_sub(payload) as u64;
        rewrite.apply(packet.bytes_mut());
        if let Section::Video(pictures) = &mut self.section {
            pictures.keep_clear(rewrite.sequence, packet.bytes());
        }
        path.protect_rtp(packet)?;
        if let Section::Video(pictures) = &mut self.section {
            pictures.keep_protected(rewrite.sequence, packet.bytes());
        }
        self.packets_out += 1;
        self.octets_out += octets;
        self.clock_rate = *clock_rate;
        if self.last_sent.replace(now).is_none() {
            self.history.first_sent.get_or_insert(now);
        }
        Ok(destination)
    }

    /// Opens a compound RTCP packet, for all sections that it may be about.
    pub(super) fn open_rtcp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        packet: &mut Packet,
    ) -> Result<(), Reason> {
        self.path.open_rtcp(arrival, former, packet)
    }

    /// Takes what an opened compound RTCP packet says of this section; it ends here.
    pub(super) fn take_rtcp(
        &mut self,
        arrival: Arrival,
        former: &FormerPeers,
        clock: &NtpClock,
        packet: &Packet,
    ) -> Result<(), Reason> {
        if self.agreed.is_none() {
            return Err(Reason::NotConfigured);
        }
        let incoming = rtcp::read(packet.bytes(), self.stream.ssrc()).map_err(|_| Reason::RtcpMalformed)?;
        let Arrival { now, socket, local, remote } = arrival;
        if let Path::Plain(plain) = &mut self.path {
            let ssrc = rtcp::sender_ssrc(packet.bytes()).ok_or(Reason::RtcpMalformed)?;
            plain.admit_rtcp(now, former, socket, local, remote, ssrc)?;
        }
        self.rtcp.count(packet.bytes());
        self.last_heard = Some(now);
        self.history.first_rtcp.get_or_insert(now);
        let is_alone = matches!(self.section, Section::Audio);
        let is_ours = |report: &rtcp::SenderReport| is_alone || self.reception.ssrc() == Some(report.ssrc);
        if let Some(report) = incoming.sender.filter(is_ours) {
            self.rtcp.take_sender_report(now, report);
        }
        if let Some(report) = incoming.report {
            let FarReport { fraction_lost, jitter, .. } =
                self.rtcp.take_report(now, report, self.clock_rate, clock);
            self.meter.hear(Far { loss: f64::from(fraction_lost) / 256.0, jitter });
        }
        Ok(())
    }

    /// The loss that the far end reports, in percent, when it is another than at the last look.
    pub(super) fn poll_loss(&mut self) -> Option<u8> {
        self.rtcp.poll_loss()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        if let Some(change) = self.path.handle_timeout(now) {
            self.tell(change, events);
        }
        self.poll_changes(now, events);
        if self.keys.as_ref().is_some_and(|keys| keys.poll_timeout() <= now) {
            self.keys_due = Some(now);
        }
        if self.rtcp.handle_timeout(now) {
            self.measure(now);
        }
        if self.silent_at().is_some_and(|at| at <= now) {
            self.silent_since = Some(now);
            events.push_back(Event::Gone { leg: self.key, why: Gone::NoMedia });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let keys = self.keys.as_ref().map(|keys| keys.poll_timeout());
        [self.path.poll_timeout(), self.rtcp.poll_timeout(), self.silent_at(), keys]
            .into_iter()
            .flatten()
            .min()
    }

    /// Turns what happened to ICE and DTLS into events.
    pub(super) fn poll_changes(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        while let Some(change) = self.path.poll_change(now) {
            self.tell(change, events);
        }
    }

    /// Writes a DTLS datagram or a report that is due. A section without a path of its own uses one that is `shared`.
    pub(super) fn poll_transmit(
        &mut self,
        mut shared: Option<&mut Path>,
        clock: &NtpClock,
        out: &mut Packet,
    ) -> Option<Destination> {
        if let Some(destination) = self.path.poll_transmit(self.key, out) {
            return Some(destination);
        }
        if let Some(now) = self.keys_due.take()
            && let Some(destination) = self.write_key(now, out)
        {
            return Some(destination);
        }
        if let Section::Video(_) = self.section
            && let Some(destination) = self.write_feedback(shared.as_deref_mut(), out)
        {
            return Some(destination);
        }
        let now = self.rtcp.take_due()?;
        self.write_report(shared, now, clock, out)
    }

    /// Sends a key to the far end, as telephone events of this payload type and clock.
    pub(super) fn press(
        &mut self,
        now: Instant,
        press: Press,
        payload_type: u8,
        clock_rate: u32,
    ) -> Result<(), Refusal> {
        let timestamp = self.stream.timestamp_at(now, clock_rate).unwrap_or_default();
        let keys =
            self.keys.get_or_insert_with(|| Box::new(Keys::new(now, payload_type, clock_rate, timestamp)));
        keys.press(press)
    }

    fn write_key(&mut self, now: Instant, out: &mut Packet) -> Option<Destination> {
        let keys = self.keys.as_mut()?;
        let may_send = self.agreed.as_ref().is_some_and(|agreed| agreed.receives && !agreed.is_fax);
        let destination = self.path.rtp_destination(self.key).filter(|_| may_send);
        let packet = keys.poll_packet(now, &mut self.stream);
        if keys.is_idle() {
            self.keys = None;
        }
        // To a far end that is on hold or has no keys yet the key is not sent.
        let (rewrite, marker, payload) = packet?;
        let destination = destination?;
        let (header, space) = out.space().split_first_chunk_mut()?;
        rewrite.write(marker, header);
        space.get_mut(..payload.len())?.copy_from_slice(&payload);
        out.set_len(rtp::FIXED_LEN + payload.len());
        if let Err(reason) = self.path.protect_rtp(out) {
            self.drops.count(reason);
            return None;
        }
        self.packets_out += 1;
        self.octets_out += payload.len() as u64;
        self.last_sent = Some(now);
        Some(destination)
    }

    /// Makes ready to say goodbye, by RTCP and DTLS, in `poll_transmit`.
    pub(super) fn close(&mut self, now: Instant) {
        self.path.close();
        if !self.carries_fax() {
            self.rtcp.leave(now, self.last_sent.is_some());
        }
    }

    /// Measures what has not been measured, for the last report.
    pub(super) fn end(&mut self, now: Instant) {
        self.history.closed = Some(now);
        self.measure(now);
    }

    /// The samples of its quality.
    pub(super) fn series(&self) -> &Series {
        self.meter.series()
    }

    pub(super) fn report(&self) -> LegReport {
        let (suite, evicted) = self.path.suite().unzip();
        LegReport {
            leg: self.key,
            packets_in: self.packets_in,
            octets_in: self.octets_in,
            packets_out: self.packets_out,
            octets_out: self.octets_out,
            rtcp_in: self.rtcp.packets_in,
            rtcp_octets_in: self.rtcp.octets_in,
            ssrc: self.reception.ssrc(),
            lost: self.reception.lost(),
            jitter: self.reception.jitter(),
            far: self.rtcp.far,
            round_trip: self.rtcp.round_trip,
            drops: self.drops,
            first_media: self.first_media,
            last_media: self.last_media,
            last_heard: self.last_heard,
            remote: self.path.rtp_destination(self.key).map(|destination| destination.remote),
            suite,
            evicted: evicted.unwrap_or_default(),
            history: self.history(),
            quality: *self.meter.summary(),
            video: None,
        }
    }

    fn history(&self) -> History {
        let connecting = match &self.path {
            Path::WebRtc(webrtc) => webrtc.connecting(),
            Path::Plain(_) | Path::Bundled(_) => self.history.connecting,
        };
        let (first_received, audible) = (self.first_media, self.listener.audible());
        History { connecting, first_received, audible, ..*self.history }
    }

    fn measure(&mut self, now: Instant) {
        let reading = Reading {
            tally: self.reception.tally(),
            jitter: self.reception.jitter(),
            round_trip: self.rtcp.round_trip,
            codec: self.codec,
        };
        self.meter.sample(now, &reading);
    }

    /// When the silence of a plain leg that may send has lasted too long.
    fn silent_at(&self) -> Option<Instant> {
        match self.path {
            Path::WebRtc(_) | Path::Bundled(_) => None,
            // A camera may be off for as long as it likes.
            Path::Plain(_) if self.key.is_video() => None,
            Path::Plain(_) => self.silent_since.map(|since| {
                let heard = self.last_heard.map_or(since, |heard| heard.max(since));
                heard + if self.carries_fax() { NO_FAX } else { NO_MEDIA }
            }),
        }
    }

    fn write_report(
        &mut self,
        shared: Option<&mut Path>,
        now: Instant,
        clock: &NtpClock,
        out: &mut Packet,
    ) -> Option<Destination> {
        let path = shared.unwrap_or(&mut self.path);
        let destination = path.rtcp_destination(self.key)?;
        let received = self.reception.report();
        let is_sender = Rtcp::is_sender(now, self.last_sent);
        let sent = self.stream.timestamp_at(now, self.clock_rate).filter(|_| is_sender).map(|timestamp| {
            rtcp::Sent {
                ntp: clock.ntp(now),
                timestamp,
                // The fields count modulo 2^32.
                packets: self.packets_out as u32,
                octets: self.octets_out as u32,
            }
        });
        let report = rtcp::Outgoing {
            ssrc: self.stream.ssrc(),
            cname: &self.cname,
            sent,
            received,
            last_sender_report: self.rtcp.last_sender_report(now, received.map(|received| received.ssrc)),
            bye: self.rtcp.is_leaving(),
        };
        let len = report.write(out.space())?;
        out.set_len(len);
        if let Err(reason) = path.protect_rtcp(out) {
            self.drops.count(reason);
            return None;
        }
        self.rtcp.sent();
        Some(destination)
    }

    /// Tells what happened to a leg. Video that fails is no reason to end a call.
    fn tell(&self, change: Change, events: &mut VecDeque<Event>) {
        if self.key.is_video() {
            return;
        }
        events.push_back(match change {
            Change::Connected => Event::Connected { leg: self.key },
            Change::Gone(why) => Event::Gone { leg: self.key, why },
        });
    }
}

/// In the lower half of the sequence space: a first packet that is lost costs no SRTP roll-over (RFC 3711 §3.3.1).
fn first_sequence(random: &mut Random) -> u16 {
    random.word() as u16 & 0x7fff
}

/// How long a plain leg that may send can be silent.
const NO_MEDIA: Duration = Duration::from_secs(65);

/// How long one can that has a fax: who receives says nothing until a page is done.
const NO_FAX: Duration = Duration::from_secs(600);

/// Until a packet tells otherwise: the clock of G.711.
const DEFAULT_CLOCK_RATE: u32 = 8000;
