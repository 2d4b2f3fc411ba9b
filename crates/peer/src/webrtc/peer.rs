//! The machine: one peer connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ringback_media::insert::Made;
use ringback_media::rtp::{FIXED_LEN, Header, Rewrite};
use ringback_media::sdp::{Codec, Description, MediaType, Section};
use ringback_nat::demux::{Class, classify};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::crypto::from_feature_flags;
use str0m::error::IceError;
use str0m::format::{Codec as Coding, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, IceConnectionState, Input, Output, Rtc};

use super::{DescriptionError, Event, SendError, Settings};
use crate::audio::Audio;

/// One peer connection, without sockets and without a clock.
///
/// After each call take what [`Peer::poll_transmit`] and [`Peer::poll_event`] have.
pub struct Peer {
    rtc: Rtc,
    most_message: u32,
    has_audio: bool,
    /// An offer of ours that waits for its answer, and whether it asks for something new.
    pending: Option<(SdpPendingOffer, bool)>,
    /// Whether channels were agreed on, and those that wait for that.
    has_channels: bool,
    wanted: Vec<ChannelConfig>,
    audio: Option<Line>,
    /// The audio section of our offers, once there is one.
    mid: Option<Mid>,
    opened: Vec<ChannelId>,
    events: VecDeque<Event>,
    transmits: VecDeque<str0m::net::Transmit>,
    due: Instant,
    seed: u64,
    is_connected: bool,
    is_closed: bool,
    counts: PeerCounts,
}

/// Audio that was agreed on.
struct Line {
    mid: Mid,
    codecs: Vec<Codec>,
    audio: Audio,
    /// The sequence number of the next packet, with what has overflowed.
    sequence: u64,
    /// Whether the far end wants to hear us.
    is_heard: bool,
    /// The sources that the far end was seen to send with, and whether a packet of each was authentic.
    sources: Vec<(Ssrc, bool)>,
}

/// What a peer has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Datagrams that were taken.
    pub received: u64,
    /// Datagrams that are neither STUN, DTLS nor RTP, or belong to no one here.
    pub strange: u64,
    /// Packets of sources beyond those that are told apart.
    pub crowded: u64,
    /// Packets of audio that were heard.
    pub heard: u64,
    /// Packets of audio that were said, before anybody was there to hear them or while nobody wanted to.
    pub unsaid: u64,
    /// Datagrams that found too many waiting to be sent.
    pub overflowed: u64,
}

impl Peer {
    /// A peer without addresses; see [`Peer::add_address`].
    pub fn new(now: Instant, settings: &Settings) -> Self {
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::new(from_feature_flags()))
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_g722(true, false)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .set_sctp_max_message_size(settings.most_message);
        // RFC 4733 §2.5.1.2: the clock is that of the audio beside it.
        for (payload_type, clock_rate) in [(110, Frequency::FORTY_EIGHT_KHZ), (101, Frequency::EIGHT_KHZ)] {
            let codecs = config.codec_config();
            codecs.add_config(
                payload_type.into(),
                None,
                Coding::Tele,
                clock_rate,
                None,
                FormatParams::default(),
            );
        }
        let negotiated = settings.channels.iter().map(|channel| ChannelConfig {
            label: channel.label.clone(),
            negotiated: Some(channel.id),
            ..ChannelConfig::default()
        });
        Peer {
            rtc: config.build(now),
            most_message: settings.most_message,
            has_audio: settings.has_audio,
            pending: None,
            has_channels: false,
            wanted: negotiated.collect(),
            audio: None,
            mid: None,
            opened: Vec::new(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            due: now,
            seed: rand::random(),
            is_connected: false,
            is_closed: false,
            counts: PeerCounts::default(),
        }
    }

    /// Takes datagrams at an address from here on; says whether it is one that a peer can have.
    pub fn add_address(&mut self, address: SocketAddr) -> bool {
        let Ok(candidate) = Candidate::host(address, "udp") else { return false };
        self.rtc.add_local_candidate(candidate).is_some()
    }

    /// Tells what one of our addresses looks like from outside. Where that is news for the other side,
    /// [`Event::Candidate`] follows.
    pub fn add_reflexive(&mut self, base: SocketAddr, mapped: SocketAddr) {
        if base == mapped {
            return;
        }
        self.add_own(Candidate::server_reflexive(mapped, base, "udp"));
    }

    /// Tells an address that a TURN server relays to the socket `base`. What goes from it is sent from `relayed` by
    /// [`Peer::poll_transmit`], and is for the server.
    pub fn add_relayed(&mut self, base: SocketAddr, relayed: SocketAddr) {
        self.add_own(Candidate::relayed(relayed, base, "udp"));
    }

    /// An address that cannot be a candidate is none.
    fn add_own(&mut self, candidate: Result<Candidate, IceError>) {
        let Ok(candidate) = candidate else { return };
        let line = self.rtc.add_local_candidate(candidate).map(Candidate::to_sdp_string);
        self.events.extend(line.map(Event::Candidate));
    }

    /// Takes a candidate of the other side, as `candidate:…`. A name is passed over: it is not looked up.
    pub fn add_candidate(&mut self, now: Instant, candidate: &str) -> Result<(), DescriptionError> {
        // RFC 8838 §8.2: the end of candidates, as browsers write it.
        if candidate.trim().is_empty() || has_name(candidate) {
            return Ok(());
        }
        let candidate = Candidate::from_sdp_string(candidate.trim())
            .map_err(|error| DescriptionError::Candidate(error.to_string()))?;
        self.rtc.add_remote_candidate(candidate);
        self.advance(now);
        Ok(())
    }

    /// Opens a data channel, ordered and reliable; it can be used when [`Event::ChannelOpened`] has come.
    ///
    /// The first one has to be asked for before the first offer. The other side hears of it by a message on the connection
    /// (DCEP), so more can be opened at any time.
    pub fn open_channel(&mut self, now: Instant, label: &str) {
        self.wanted.push(ChannelConfig { label: label.to_owned(), ..ChannelConfig::default() });
        if self.has_channels {
            self.make_wanted();
            self.advance(now);
        }
    }

    /// Closes a data channel.
    pub fn close_channel(&mut self, now: Instant, channel: ChannelId) {
        self.rtc.direct_api().close_data_channel(channel);
        self.advance(now);
    }

    /// The offer: of audio if the settings say so, and of the channels that were asked for.
    pub fn offer(&mut self, now: Instant) -> Result<String, DescriptionError> {
        self.offer_anew(now, false)
    }

    /// An offer that looks for another way between the two: when it is lost, or our addresses have changed.
    pub fn restart(&mut self, now: Instant) -> Result<String, DescriptionError> {
        self.offer_anew(now, true)
    }

    /// Whether an offer of ours waits for its answer.
    pub fn is_offering(&self) -> bool {
        self.pending.is_some()
    }

    /// Answers an offer. One of ours that waits and only looked for another way is dropped: make it again afterwards.
    pub fn answer(&mut self, now: Instant, offer: &str) -> Result<String, DescriptionError> {
        let offer = SdpOffer::from_sdp_string(&without_names(offer)).map_err(unreadable)?;
        if self.pending.as_ref().is_some_and(|(_, is_new)| *is_new) {
            return Err(DescriptionError::Offering);
        }
        self.pending = None;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(DescriptionError::Refused)?;
        let answer = answer.to_sdp_string();
        // What an answer of ours has is what was offered and is taken.
        self.agree(now, &answer, false)?;
        self.advance(now);
        Ok(answer)
    }

    /// Takes the answer to the offer.
    pub fn accept(&mut self, now: Instant, answer: &str) -> Result<(), DescriptionError> {
        let parsed = SdpAnswer::from_sdp_string(&without_names(answer)).map_err(unreadable)?;
        let (pending, _) = self.pending.take().ok_or(DescriptionError::NothingOffered)?;
        self.rtc.sdp_api().accept_answer(pending, parsed).map_err(DescriptionError::Refused)?;
        self.agree(now, answer, true)?;
        self.advance(now);
        Ok(())
    }

    /// The audio, once it was agreed on.
    pub fn audio(&mut self) -> Option<&mut Audio> {
        self.audio.as_mut().map(|line| &mut line.audio)
    }

    /// Sends a message on a channel.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        is_text: bool,
        data: &[u8],
    ) -> Result<(), SendError> {
        if data.len() > self.most_message as usize {
            return Err(SendError::TooLong(data.len(), self.most_message));
        }
        if !self.opened.contains(&channel) {
            return Err(SendError::NotOpen);
        }
        let mut open = self.rtc.channel(channel).ok_or(SendError::NotOpen)?;
        if !open.write(!is_text, data).map_err(SendError::Broken)? {
            return Err(SendError::Full);
        }
        self.advance(now);
        Ok(())
    }

    /// Bytes that wait to be sent on a channel.
    pub fn buffered(&mut self, channel: ChannelId) -> usize {
        self.rtc.channel(channel).map_or(0, |mut channel| channel.buffered_amount())
    }

    /// Says goodbye; [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        // What cannot be said any more needs not be.
        if self.rtc.close().is_err() {
            self.rtc.disconnect();
        }
        self.advance(now);
        self.end();
    }

    /// Whether ICE and DTLS are through.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// What was counted.
    pub fn counts(&self) -> PeerCounts {
        self.counts
    }

    /// Takes a datagram that came from `source` to our address `destination`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        let receive = Receive::new(Protocol::Udp, source, destination, datagram);
        let input = receive.map(|receive| Input::Receive(now, receive));
        match input {
            Ok(input) if self.rtc.accepts(&input) => {
                self.counts.received += 1;
                self.meet(datagram);
                if self.rtc.handle_input(input).is_err() {
                    self.rtc.disconnect();
                }
            }
            _ => self.counts.strange += 1,
        }
        self.drain(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.say(now);
        self.advance(now);
    }

    /// The next datagram to send: from which of our addresses, to whom, what.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let transmit = self.transmits.pop_front()?;
        Some((transmit.source, transmit.destination, transmit.contents.to_vec()))
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When something is due next; `None` once it is closed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed {
            return None;
        }
        let audio = self.audio.as_ref().and_then(|line| line.audio.poll_timeout());
        Some(audio.map_or(self.due, |audio| audio.min(self.due)))
    }

    fn offer_anew(&mut self, now: Instant, is_restart: bool) -> Result<String, DescriptionError> {
        let is_new = self.has_audio && self.mid.is_none() || !self.wanted.is_empty();
        let mut changes = self.rtc.sdp_api();
        if is_restart {
            changes.ice_restart(true);
        }
        if self.has_audio && self.mid.is_none() {
            self.mid = Some(changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        }
        for config in self.wanted.drain(..) {
            changes.add_channel_with_config(config);
        }
        let (offer, pending) = changes.apply().ok_or(DescriptionError::NothingToOffer)?;
        self.pending = Some((pending, is_new));
        self.advance(now);
        Ok(offer.to_sdp_string())
    }

    /// Makes the channels that have waited for an agreement on channels.
    fn make_wanted(&mut self) {
        for config in self.wanted.drain(..) {
            self.rtc.direct_api().create_data_channel(config);
        }
    }

    /// Sets up audio and channels as an answer says; `is_theirs` says whose it is.
    fn agree(&mut self, now: Instant, answer: &str, is_theirs: bool) -> Result<(), DescriptionError> {
        let description = Description::parse(answer.as_bytes())?;
        let is_channels = |section: &Section| section.media == MediaType::Application && section.is_live();
        if description.sections.iter().any(is_channels) {
            self.has_channels = true;
            self.make_wanted();
        }
        let is_audio = |section: &&Section| {
            section.media == MediaType::Audio && section.is_live() && !section.codecs.is_empty()
        };
        let Some(section) = description.sections.iter().find(is_audio) else {
            self.audio = None;
            return Ok(());
        };
        let Some(mid) = section.mid.as_deref() else { return Ok(()) };
        let mid = Mid::from(mid);
        let direction = section.direction;
        let is_heard = if is_theirs { direction.receives() } else { direction.sends() };
        if let Some(line) = self.audio.as_mut().filter(|line| line.codecs == section.codecs) {
            (line.mid, line.is_heard) = (mid, is_heard);
            return Ok(());
        }
        self.seed = self.seed.wrapping_add(1);
        let audio = Audio::new(now, &section.codecs, section.ptime, self.seed)?;
        let sequence = self.audio.as_ref().map_or(1, |former| former.sequence);
        self.audio = Some(Line {
            mid,
            codecs: section.codecs.clone(),
            audio,
            sequence,
            is_heard,
            sources: Vec::new(),
        });
        self.mid = Some(mid);
        self.events.push_back(Event::Audio);
        Ok(())
    }

    /// Gives what is to be said to `str0m`.
    fn say(&mut self, now: Instant) {
        let Some(line) = &mut self.audio else { return };
        line.audio.handle_timeout(now);
        while let Some(made) = line.audio.poll_packet() {
            let is_said = self.is_connected && line.is_heard && write(&mut self.rtc, line, now, &made);
            self.counts.unsaid += u64::from(!is_said);
            line.audio.recycle(made);
        }
    }

    fn advance(&mut self, now: Instant) {
        if self.rtc.is_alive() && self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.rtc.disconnect();
        }
        self.drain(now);
    }

    /// Takes everything that `str0m` has until it wants to wait.
    fn drain(&mut self, now: Instant) {
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.due = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) if self.transmits.len() < MOST_TRANSMITS => {
                    self.transmits.push_back(transmit);
                }
                Ok(Output::Transmit(_)) => self.counts.overflowed += 1,
                Ok(Output::Event(event)) => self.handle_event(now, event),
                Err(_) => self.rtc.disconnect(),
            }
        }
        self.end();
    }

    fn end(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.is_connected = false;
            self.events.push_back(Event::Closed);
        }
    }

    fn handle_event(&mut self, now: Instant, event: str0m::Event) {
        let told = match event {
            str0m::Event::Connected => {
                self.is_connected = true;
                Event::Connected
            }
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.is_connected => {
                self.is_connected = false;
                Event::Disconnected
            }
            str0m::Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) if !self.is_connected && self.rtc.is_connected() => {
                self.is_connected = true;
                Event::Reconnected
            }
            str0m::Event::RtpPacket(packet) => return self.hear(now, &packet),
            str0m::Event::ChannelOpen(channel, label) => {
                self.opened.push(channel);
                if let Some(mut open) = self.rtc.channel(channel) {
                    open.set_buffered_amount_low_threshold(LOW);
                }
                Event::ChannelOpened { channel, label }
            }
            str0m::Event::ChannelData(data) => {
                Event::Message { channel: data.id, is_text: !data.binary, data: data.data }
            }
            str0m::Event::ChannelBufferedAmountLow(channel) => Event::Drained(channel),
            str0m::Event::ChannelClose(channel) => {
                self.opened.retain(|open| *open != channel);
                Event::ChannelClosed(channel)
            }
            str0m::Event::Closed => return self.end(),
            // Statistics, pictures, and what is told by other events too.
            _ => return,
        };
        self.events.push_back(told);
    }

    /// Has packets of a source taken for audio that the far end has not named, neither in its description (`a=ssrc`) nor by
    /// a header extension: with one section of audio there is nothing else that they can be
    /// ([RFC 8843 §9.2] has the payload type decide).
    ///
    /// [RFC 8843 §9.2]: https://www.rfc-editor.org/rfc/rfc8843#section-9.2
    fn meet(&mut self, datagram: &[u8]) {
        let Some(line) = self.audio.as_mut().filter(|_| classify(datagram) == Class::Rtp) else { return };
        let Some(header) = Header::parse(datagram) else { return };
        let ssrc = Ssrc::from(header.ssrc);
        let is_known = line.codecs.iter().any(|codec| codec.payload_type == header.payload_type);
        if !is_known || line.sources.iter().any(|(source, _)| *source == ssrc) {
            return;
        }
        if self.rtc.media(line.mid).is_none() || self.rtc.direct_api().stream_rx(&ssrc).is_some() {
            return;
        }
        if line.sources.len() >= MOST_SOURCES {
            // Whoever has never sent anything authentic goes first.
            let Some(at) = line.sources.iter().position(|(_, is_authentic)| !is_authentic) else {
                self.counts.crowded += 1;
                return;
            };
            let (former, _) = line.sources.swap_remove(at);
            self.rtc.direct_api().remove_stream_rx(former);
        }
        line.sources.push((ssrc, false));
        self.rtc.direct_api().expect_stream_rx(ssrc, None, line.mid, None);
    }

    fn hear(&mut self, now: Instant, packet: &str0m::rtp::RtpPacket) {
        let Some(line) = &mut self.audio else { return };
        if let Some((_, is_authentic)) =
            line.sources.iter_mut().find(|(source, _)| *source == packet.header.ssrc)
        {
            *is_authentic = true;
        }
        let mut header = [0; FIXED_LEN];
        let numbers = Rewrite {
            payload_type: *packet.header.payload_type,
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            ssrc: *packet.header.ssrc,
        };
        numbers.write(packet.header.marker, &mut header);
        let bytes = [&header[..], &packet.payload].concat();
        self.counts.heard += 1;
        line.audio.handle_packet(now, &bytes);
    }
}

/// Gives a packet to `str0m`; says whether there is a stream for it.
fn write(rtc: &mut Rtc, line: &mut Line, now: Instant, made: &Made) -> bool {
    let Some(header) = Header::parse(made.bytes()) else { return false };
    let payload = header.content(made.bytes()).and_then(|content| made.bytes().get(content));
    let mut api = rtc.direct_api();
    let (Some(payload), Some(stream)) = (payload, api.stream_tx_by_mid(line.mid, None)) else {
        return false;
    };
    let sequence = line.sequence;
    line.sequence += 1;
    let packet = RtpWrite::new(header.payload_type.into(), sequence.into(), header.timestamp, now, payload);
    stream.write_rtp(packet.marker(header.marker));
    // What was written leaves with the next look at the time.
    true
}

fn unreadable(error: str0m::error::SdpError) -> DescriptionError {
    DescriptionError::Unreadable(error.to_string())
}

/// Whether a candidate stands for a name and not for an address.
fn has_name(candidate: &str) -> bool {
    let address = candidate.split_ascii_whitespace().nth(4);
    address.is_some_and(|address| address.parse::<std::net::IpAddr>().is_err())
}

/// A description without the candidates that are names, and without those over TCP, which `str0m` would refuse as a whole.
fn without_names(sdp: &str) -> String {
    let is_kept = |line: &&str| !line.strip_prefix("a=candidate:").is_some_and(has_name);
    let mut kept = String::with_capacity(sdp.len());
    for line in sdp.lines().filter(is_kept) {
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    kept
}

/// Sources that are told apart: a far end has one, and another one after each change of what it sends.
const MOST_SOURCES: usize = 8;
/// Datagrams that may wait to be sent.
const MOST_TRANSMITS: usize = 4096;
/// When a channel is drained, in bytes.
const LOW: usize = 64 << 10;

#[cfg(test)]
mod tests;
