//! What a peer says and hears on one stream of audio: files and keys into packets, packets into samples.
//!
//! An [`Audio`] is a [`media::insert::Desk`] with one leg, the far end. Codecs, jitter, concealment, resampling and keys are
//! those of the server. It has no socket and no clock: whoever carries its packets (a [`Peer`] or an [`RtpSession`]) drives
//! it.
//!
//! Something is always said: silence, when nothing else is to be. A far end, and every NAT on the way, then knows
//! that we are there.
//!
//! Left out: stereo.
//!
//! [`media::insert::Desk`]: ringback_media::insert::Desk
//! [`Peer`]: crate::webrtc::Peer
//! [`RtpSession`]: crate::rtp::RtpSession

mod file;

pub use file::{FileError, Recorder, read_clip};
pub use ringback_media::dtmf::Digit;
pub use ringback_media::insert::Clip;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_media::dtmf::{EventReceiver, Press, Refusal};
use ringback_media::insert::{
    Desk, DeskError, Made, Manner, Play, PlayEnd, RECORDING_RATE, Recorded, RecordingKey, RecordingSettings,
    Side, Sound, TICK, Track,
};
use ringback_media::negotiation::{Keys, Patch};
use ringback_media::rtp::{FIXED_LEN, Header, Rewrite};
use ringback_media::sdp::{Codec, Kind};
use ringback_media::session::LegKey;

/// Samples in a second of what is heard, and of what [`Audio::say`] takes: wide-band speech, one channel.
pub const RATE: u32 = RECORDING_RATE;

/// One stream of audio in both directions.
pub struct Audio {
    desk: Desk,
    patch: Patch,
    /// Understands keys of each payload type that has them.
    keys: Vec<(u8, EventReceiver)>,
    pressed: VecDeque<Digit>,
    is_playing: bool,
    ended: bool,
    /// The numbers of what [`Audio::say`] was given last.
    said: (u16, u32),
    /// When something was said whose packets are not asked for yet.
    said_at: Option<Instant>,
    packet: Vec<u8>,
    /// Packets of RTP that came and can be heard.
    received: u64,
    /// Packets of RTP that were made.
    sent: u64,
}

/// Samples that were heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// How many samples go before them; what is missing there is silence.
    pub at: u64,
    /// The samples, [`RATE`] of them in a second.
    pub samples: Vec<i16>,
}

/// Why there is no audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side takes no audio codec that we have: it needs opus, G722, PCMA or PCMU")]
pub struct NoCodec;

impl Audio {
    /// A stream whose far end takes what `codecs` say, what it likes best first, and sends the same.
    ///
    /// The numbers of its packets follow from `seed`.
    pub fn new(now: Instant, codecs: &[Codec], ptime: Option<u16>, seed: u64) -> Result<Self, NoCodec> {
        let to = sendable(codecs);
        let patch = Patch {
            from: vec![
                codec(SAID, "L16", RATE),
                // Who says samples presses keys by `press`: none are looked for in the sound.
                codec(SAID + 1, "telephone-event", RATE),
            ],
            to,
            ptime: ptime.unwrap_or(20),
            keys: Keys::Heard,
        };
        let mut desk = Desk::new(seed);
        let failed = |_: DeskError| NoCodec;
        desk.patch(OWN, FAR, &patch).map_err(failed)?;
        let track = Track {
            recording: RECORDING,
            name: Arc::from(""),
            note: None,
            side: Side::First,
            codecs: codecs.to_vec(),
        };
        let settings = RecordingSettings {
            is_separate: false,
            masks_keys: false,
            keeps_packets: false,
            piece: TICK,
            most: LONGEST,
        };
        desk.record(now, FAR, &track, settings).map_err(failed)?;
        let events = codecs.iter().filter(|codec| codec.kind() == Kind::TelephoneEvent);
        let mut audio = Audio {
            desk,
            patch,
            keys: events.map(|codec| (codec.payload_type, EventReceiver::new(codec.clock_rate))).collect(),
            pressed: VecDeque::new(),
            is_playing: false,
            ended: false,
            said: (0, 0),
            said_at: None,
            packet: Vec::new(),
            received: 0,
            sent: 0,
        };
        audio.be_silent(now);
        Ok(audio)
    }

    /// Plays a clip from its beginning, `times` often, or until something else is played; [`Audio::poll_ended`] tells when
    /// it is over.
    pub fn play(&mut self, now: Instant, clip: Arc<Clip>, times: Option<u32>) {
        self.is_playing = true;
        self.start(now, clip, times);
    }

    /// Ends what is played.
    pub fn stop(&mut self, now: Instant) {
        self.is_playing = false;
        self.be_silent(now);
    }

    /// Whether a clip is being played.
    pub fn is_playing(&self) -> bool {
        self.is_playing
    }

    /// Says samples, [`RATE`] of them in a second, as they are recorded: from a microphone, say. It ends what is played.
    ///
    /// Give as many as time has passed; after the first ones nothing is said in between.
    pub fn say(&mut self, now: Instant, samples: &[i16]) {
        self.desk.stop(FAR);
        self.is_playing = false;
        for piece in samples.chunks(MOST_SAID) {
            let (sequence, timestamp) = self.said;
            let mut header = [0; FIXED_LEN];
            Rewrite { payload_type: SAID, sequence, timestamp, ssrc: 0 }.write(false, &mut header);
            self.packet.clear();
            self.packet.extend_from_slice(&header);
            self.packet.extend(piece.iter().flat_map(|sample| sample.to_be_bytes()));
            self.desk.handle_packet(now, OWN, &self.packet);
            self.said = (sequence.wrapping_add(1), timestamp.wrapping_add(piece.len() as u32));
        }
        // What is spoken does not wait for the clock.
        self.said_at.get_or_insert(now);
    }

    /// Presses a key for 160 ms, as the far end understands it: as a telephone event, else as its tone. Keys wait for
    /// each other.
    pub fn press(&mut self, now: Instant, digit: Digit) -> Result<(), Refusal> {
        self.desk.press(now, FAR, Press::new(digit, PRESSED_MS))
    }

    /// Takes an RTP packet of the far end, without its protection.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        let Some(header) = Header::parse(packet) else { return };
        self.received += 1;
        let events = self.keys.iter_mut().find(|(payload_type, _)| *payload_type == header.payload_type);
        let Some((_, receiver)) = events else {
            return self.desk.handle_packet(now, FAR, packet);
        };
        if let Some(payload) = header.content(packet).and_then(|content| packet.get(content)) {
            let found = receiver.handle_packet(now, header.timestamp, header.marker, payload);
            self.pressed.extend(found.started.filter(|_| self.pressed.len() < MOST_PRESSED));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.said_at = None;
        for (_, receiver) in &mut self.keys {
            receiver.handle_timeout(now);
        }
        self.desk.handle_timeout(now);
        while let Some((_, end)) = self.desk.poll_ended() {
            if end == PlayEnd::Finished && self.is_playing {
                self.is_playing = false;
                self.ended = true;
                self.be_silent(now);
            }
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keys = self.keys.iter().filter_map(|(_, receiver)| receiver.poll_timeout());
        keys.chain(self.desk.poll_timeout()).chain(self.said_at).min()
    }

    /// The next RTP packet for the far end, before its protection. Give it back by [`Audio::recycle`].
    pub fn poll_packet(&mut self) -> Option<Made> {
        let made = self.desk.poll_made()?;
        self.sent += 1;
        Some(made)
    }

    /// Takes back a packet that was sent, so that nothing is allocated for the next.
    pub fn recycle(&mut self, made: Made) {
        self.desk.recycle(made);
    }

    /// What was heard next: 20 ms at a time, silence included, from the making of the stream on. Whoever asks seldom gets all
    /// that has come meanwhile, of 40 s at the most.
    pub fn poll_heard(&mut self) -> Option<Heard> {
        loop {
            match self.desk.poll_recorded()? {
                Recorded::Piece(piece) => {
                    let heard = Heard { at: piece.at, samples: piece.samples().to_vec() };
                    self.desk.recycle_piece(piece);
                    return Some(heard);
                }
                Recorded::Begun { .. } | Recorded::Ended { .. } => {}
            }
        }
    }

    /// A key that the far end has pressed.
    pub fn poll_pressed(&mut self) -> Option<Digit> {
        self.pressed.pop_front()
    }

    /// Whether a clip has been played to its end since this was asked last.
    pub fn poll_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// Ends the stream: what was heard last comes out by [`Audio::poll_heard`].
    pub fn finish(&mut self) {
        self.desk.stop_recording(RECORDING);
    }

    /// Packets of RTP that came, and that were made.
    pub fn counts(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    fn be_silent(&mut self, now: Instant) {
        let silence = Clip { rate: 8000, samples: vec![0; 8000].into() };
        self.start(now, Arc::new(silence), None);
    }

    fn start(&mut self, now: Instant, clip: Arc<Clip>, times: Option<u32>) {
        let play = Play { sound: Sound::Clip(clip), times, from: Duration::ZERO, manner: Manner::Over };
        // The leg has a voice, and a player without one of its own cannot fail.
        let _ = self.desk.play(now, FAR, play, &self.patch);
    }
}

/// The codecs that something can be sent in, with the keys whose clock is that of the first.
fn sendable(codecs: &[Codec]) -> Vec<Codec> {
    codecs
        .iter()
        .filter(|codec| matches!(codec.kind(), Kind::Audio | Kind::TelephoneEvent))
        .cloned()
        .collect()
}

pub(crate) fn codec(payload_type: u8, name: &str, clock_rate: u32) -> Codec {
    Codec { payload_type, name: name.to_owned(), clock_rate, channels: 1, fmtp: None }
}

/// The far end.
const FAR: LegKey = LegKey(1);
/// Who says samples.
const OWN: LegKey = LegKey(2);
const RECORDING: RecordingKey = RecordingKey(1);
/// The payload type of samples that are said.
const SAID: u8 = 96;
/// Samples that are said at once: 20 ms.
const MOST_SAID: usize = RATE as usize / 50;
/// How long a key is down.
const PRESSED_MS: u32 = 160;
/// Keys of the far end that may wait to be asked for.
const MOST_PRESSED: usize = 256;
/// How long a stream is heard.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests;
