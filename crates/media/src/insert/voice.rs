//! What a leg hears: samples made into packets.

use std::time::{Duration, Instant};

use crate::audio::Resampler;
use crate::codec::{Encoder, Format, Unsupported};
use crate::dtmf::{
    EventPacket, EventSender, EventSettings, LEAST_MS, Press, Refusal, TelephoneEvent, ToneLevels, TonePlayer,
};
use crate::negotiation::Patch;
use crate::rtp::{Rewrite, ticks};
use crate::sdp::{Codec, Kind};
use crate::session::LegKey;

use super::TICK;
use super::follow::EventReport;
use super::made::{Label, Outbox};

/// Makes the packets of one leg.
pub(super) struct Voice {
    leg: LegKey,
    /// Who speaks by it: another leg, or the leg itself where that hears a conference.
    pub(super) speaker: LegKey,
    ssrc: u32,
    sequence: u16,
    /// Of the next sample that is not sent yet.
    timestamp: u32,
    payload_type: u8,
    encoder: Encoder,
    /// What part of the packets the far end loses, in percent.
    pub(super) loss: u8,
    /// Samples in a packet.
    frame: usize,
    /// Samples that are not yet a packet's worth.
    waiting: Vec<i16>,
    /// Whether the next packet begins a talk-spurt.
    begins: bool,
    /// How keys are sent.
    keys: Keys,
    /// The event that is passed on: its timestamp where it comes from, and here.
    event: Option<(u32, u32)>,
    /// When its far end was told of a key last.
    told: Option<Instant>,
    /// When it said something last, and whether that was silence for a key to be sent in.
    at: Option<Instant>,
    is_filled: bool,
}

enum Keys {
    /// As telephone events of this payload type.
    Events { payload_type: u8, sender: EventSender },
    /// As tones, for a far end that knows no events.
    Tones(TonePlayer),
}

impl Voice {
    /// The voice for the far end of a leg by which `speaker` speaks, out of samples at `wanted` hertz if its codec can
    /// choose; in numbers that `seed` gives.
    pub(super) fn new(
        leg: LegKey,
        speaker: LegKey,
        patch: &Patch,
        wanted: u32,
        seed: u64,
    ) -> Result<Self, Unsupported> {
        let (codec, _) = preferred(&patch.to).ok_or(Unsupported)?;
        let encoder = Encoder::new(codec, wanted)?;
        let format = encoder.format();
        let frame_ms = format.frame_ms(u32::from(patch.ptime));
        let frame = (encoder.sample_rate() / 1000 * frame_ms) as usize;
        let clock_rate = format.clock_rate();
        let events = patch
            .to
            .iter()
            .find(|other| other.kind() == Kind::TelephoneEvent && other.clock_rate == clock_rate);
        let keys = match events {
            Some(events) => Keys::Events {
                payload_type: events.payload_type,
                sender: EventSender::new(EventSettings { frame_ms, ..EventSettings::new(clock_rate) }),
            },
            None => Keys::Tones(TonePlayer::new(encoder.sample_rate(), ToneLevels::default())),
        };
        Ok(Voice {
            leg,
            speaker,
            ssrc: seed as u32,
            sequence: (seed >> 32) as u16 & 0x7fff,
            timestamp: (seed >> 24) as u32,
            payload_type: codec.payload_type,
            frame,
            waiting: Vec::with_capacity(2 * frame),
            begins: true,
            encoder,
            loss: 0,
            keys,
            event: None,
            told: None,
            at: None,
            is_filled: false,
        })
    }

    pub(super) fn format(&self) -> Format {
        self.encoder.format()
    }

    /// The rate of the samples that it takes.
    pub(super) fn sample_rate(&self) -> u32 {
        self.encoder.sample_rate()
    }

    /// Takes samples at another rate from here on if its codec can choose; its packets go on without a gap.
    pub(super) fn change_rate(&mut self, patch: &Patch, wanted: u32) {
        let before = self.sample_rate();
        if self.format().sample_rate(wanted) == before {
            return;
        }
        // One that cannot be made leaves the one that is there, which hears the same in fewer samples.
        let codec = preferred(&patch.to).map(|(codec, _)| codec);
        let Some(Ok(encoder)) = codec.map(|codec| Encoder::new(codec, wanted)) else { return };
        let rate = encoder.sample_rate();
        // Both are rates of Opus, between which there is a resampler.
        if let Some(mut resampler) = Resampler::new(before, rate) {
            let mut waiting = vec![0; resampler.most(self.waiting.len())];
            let len = resampler.convert(&self.waiting, &mut waiting);
            waiting.truncate(len);
            self.waiting = waiting;
        }
        self.frame = self.frame * rate as usize / before as usize;
        if let Keys::Tones(player) = &mut self.keys {
            player.change_rate(rate);
        }
        self.encoder = encoder;
        self.encoder.expect_loss(self.loss);
    }

    /// Takes samples, and sends every packet that is full.
    pub(super) fn say(&mut self, now: Instant, samples: &[i16], outbox: &mut Outbox) {
        self.at = Some(now);
        self.is_filled = false;
        for chunk in samples.chunks(self.frame.max(1)) {
            self.waiting.extend_from_slice(chunk);
            while self.waiting.len() >= self.frame {
                self.send_frame(outbox);
            }
        }
    }

    /// Lets time pass in which nobody speaks; what waits is not worth a packet.
    pub(super) fn pause(&mut self, ticks: u32) {
        let waited = self.format().ticks(self.waiting.len(), self.sample_rate());
        self.waiting.clear();
        self.timestamp = self.timestamp.wrapping_add(waited).wrapping_add(ticks);
        self.begins = true;
    }

    /// Has a key sent, frame by frame, in the place of what is said or by [`Self::press_on`].
    pub(super) fn press(&mut self, press: Press) -> Result<(), Refusal> {
        match &mut self.keys {
            Keys::Events { sender, .. } => sender.press(press),
            Keys::Tones(player) => player.press(press),
        }
    }

    /// Whether its far end can be told of a key: nobody presses them faster than they can be heard.
    pub(super) fn may_tell(&mut self, now: Instant) -> bool {
        let is_late_enough =
            self.told.is_none_or(|told| now >= told + Duration::from_millis(LEAST_MS.into()));
        if is_late_enough {
            self.told = Some(now);
        }
        is_late_enough
    }

    /// Whether keys are being sent.
    pub(super) fn is_pressing(&self) -> bool {
        match &self.keys {
            Keys::Events { sender, .. } => !sender.is_idle(),
            Keys::Tones(player) => !player.is_idle(),
        }
    }

    /// Tells what part of the packets the far end loses, in percent.
    pub(super) fn expect_loss(&mut self, percent: u8) {
        self.loss = percent;
        self.encoder.expect_loss(percent);
    }

    /// Whether the far end knows telephone events.
    pub(super) fn takes_events(&self) -> bool {
        matches!(self.keys, Keys::Events { .. })
    }

    /// Passes on the report of an event, in the clock of this leg.
    pub(super) fn pass_event(&mut self, report: &EventReport, outbox: &mut Outbox) {
        let Keys::Events { payload_type, .. } = self.keys else { return };
        let clock_rate = self.format().clock_rate();
        let scaled = |ticks: i64| ticks * i64::from(clock_rate) / i64::from(report.clock_rate.max(1));
        let timestamp = match self.event {
            Some((theirs, ours)) if theirs == report.timestamp => ours,
            // Modulo 2^32, as timestamps are.
            _ => self.next_timestamp().wrapping_add(scaled(report.since.into()) as u32),
        };
        self.event = Some((report.timestamp, timestamp));
        let duration = scaled(report.event.duration.into());
        let event = TelephoneEvent { duration: u16::try_from(duration).unwrap_or(u16::MAX), ..report.event };
        self.send_event(payload_type, EventPacket { timestamp, marker: report.marker, event }, outbox);
        self.begins = true;
    }

    /// Lets the time pass in which nothing was said, before something is said by the clock.
    pub(super) fn catch_up(&mut self, now: Instant) {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if passed > QUIET {
            self.pause(ticks(passed.saturating_sub(TICK), self.format().clock_rate()));
        }
    }

    /// Goes on with the keys that are pressed when nothing is said meanwhile.
    pub(super) fn press_on(&mut self, now: Instant, silence: &mut [i16], outbox: &mut Outbox) {
        let is_spoken_to = self.at.is_some_and(|at| now.saturating_duration_since(at) < QUIET);
        if is_spoken_to && !self.is_filled {
            return;
        }
        self.catch_up(now);
        let len = (self.sample_rate() / 1000) as usize * TICK.as_millis() as usize;
        let Some(silence) = silence.get_mut(..len) else { return };
        silence.fill(0);
        self.say(now, silence, outbox);
        self.is_filled = true;
    }

    /// The timestamp of what is said next.
    fn next_timestamp(&self) -> u32 {
        self.timestamp.wrapping_add(self.format().ticks(self.waiting.len(), self.sample_rate()))
    }

    fn send_frame(&mut self, outbox: &mut Outbox) {
        match &mut self.keys {
            Keys::Events { payload_type, sender } => {
                let payload_type = *payload_type;
                if let Some(packet) = sender.poll_packet(self.timestamp) {
                    self.send_event(payload_type, packet, outbox);
                    self.begins = true;
                    return self.advance();
                }
            }
            Keys::Tones(player) => {
                if let Some(frame) = self.waiting.get_mut(..self.frame)
                    && !player.is_idle()
                {
                    player.fill(frame);
                }
            }
        }
        let label = self.label(self.payload_type, self.timestamp, self.begins);
        let Some(frame) = self.waiting.get(..self.frame) else { return };
        let encoder = &mut self.encoder;
        // A frame that cannot be encoded is one that is lost; the encoder's frame length is its own.
        let is_sent = outbox.write(label, |space| encoder.encode(frame, space).unwrap_or_default());
        if is_sent {
            self.sequence = self.sequence.wrapping_add(1);
            self.begins = false;
        } else {
            self.begins = true;
        }
        self.advance();
    }

    fn send_event(&mut self, payload_type: u8, packet: EventPacket, outbox: &mut Outbox) {
        let label = self.label(payload_type, packet.timestamp, packet.marker);
        let bytes = packet.event.write();
        let is_sent = outbox.write(label, |space| match space.get_mut(..bytes.len()) {
            Some(space) => {
                space.copy_from_slice(&bytes);
                bytes.len()
            }
            None => 0,
        });
        if is_sent {
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// A frame's time is over.
    fn advance(&mut self) {
        let ticks = self.format().ticks(self.frame, self.sample_rate());
        self.timestamp = self.timestamp.wrapping_add(ticks);
        let sent = self.frame.min(self.waiting.len());
        self.waiting.drain(..sent);
    }

    fn label(&self, payload_type: u8, timestamp: u32, marker: bool) -> Label {
        Label {
            leg: self.leg,
            clock_rate: self.format().clock_rate(),
            marker,
            numbers: Rewrite { payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc },
        }
    }
}

/// The first codec of a list that we can make.
pub(super) fn preferred(codecs: &[Codec]) -> Option<(&Codec, Format)> {
    codecs.iter().find_map(|codec| Some((codec, Format::of(codec)?)))
}

/// What says nothing for so long is not spoken to by packets.
const QUIET: Duration = Duration::from_millis(40);
