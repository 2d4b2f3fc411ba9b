//! Playing: tones and what was read from files, to one leg, by the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::TICK;
use super::desk::{Desk, DeskError, MOST, next};
use super::made::Outbox;
use super::voice::Voice;
use crate::audio::{Region, Resampler, Signal, Step, ToneGenerator, level};
use crate::codec::MAX_SAMPLES;
use crate::dtmf::{Press, Refusal};
use crate::negotiation::Patch;
use crate::session::LegKey;

/// What can be played.
#[derive(Debug, Clone)]
pub enum Sound {
    /// A tone of a telephone network.
    Tone(Signal, Region),
    /// Tones of one's own, in a cadence that says nothing.
    Cadence(&'static [Step]),
    /// What was read from a file.
    Clip(Arc<Clip>),
    /// Silence, until the keys are heard that were pressed for the leg ([`Desk::press_alone`]).
    Keys,
}

/// Audio in memory.
#[derive(PartialEq, Eq)]
pub struct Clip {
    /// Samples in a second: one of [`RATES`](crate::audio::RATES).
    pub rate: u32,
    /// The samples, of one channel.
    pub samples: Box<[i16]>,
}

impl Clip {
    /// How many samples lie before a moment of it.
    fn place(&self, from: Duration) -> usize {
        let samples = from.as_micros().saturating_mul(self.rate.into()) / 1_000_000;
        usize::try_from(samples).unwrap_or(usize::MAX).min(self.samples.len())
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({} samples at {} Hz)", self.samples.len(), self.rate)
    }
}

/// How something is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In the place of what the leg would hear.
    Over,
    /// As long as the leg would hear nothing: who speaks to it ends it.
    Under,
}

/// What is to be played to a leg.
#[derive(Debug, Clone)]
pub struct Play {
    /// What.
    pub sound: Sound,
    /// How often, from its beginning to its end; `None` until it is stopped. A tone has no end.
    pub times: Option<u32>,
    /// Where the first time begins; the others begin at its beginning. A tone has no such place.
    pub from: Duration,
    /// How.
    pub manner: Manner,
}

/// Why something is played no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlayEnd {
    /// It was played as often as asked.
    Finished,
    /// Somebody spoke to the leg.
    Interrupted,
}

/// Why a key is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PressError {
    /// There is nothing to make its tone in.
    #[error("{0}")]
    Voice(#[from] DeskError),
    /// It cannot be played.
    #[error("{0}")]
    Key(#[from] Refusal),
}

impl Desk {
    /// Plays something to a leg until it is over or [`Desk::stop`]. A leg that has no voice gets one for it, for a far
    /// end that understands what `to` of the patch says. What is played already goes on.
    pub fn play(&mut self, now: Instant, leg: LegKey, play: Play, patch: &Patch) -> Result<(), DeskError> {
        let has_voice = self.voices.contains_key(&leg);
        if self
            .players
            .get(&leg)
            .is_some_and(|player| player.is(&play, patch) && (has_voice || player.own.is_some()))
        {
            return Ok(());
        }
        self.players.remove(&leg);
        self.seed = next(self.seed);
        let own = match has_voice {
            true => None,
            false => Some(Voice::new(leg, leg, patch, MOST, self.seed).map_err(|_| DeskError::Codec)?),
        };
        self.players.insert(leg, Player::new(play, patch.clone(), own));
        self.start_clock(now);
        Ok(())
    }

    /// Sends a key to a leg, as [`Desk::press`] does. One that has no voice gets one until it has heard its keys.
    pub fn press_alone(
        &mut self,
        now: Instant,
        leg: LegKey,
        press: Press,
        patch: &Patch,
    ) -> Result<(), PressError> {
        if self.voices.contains_key(&leg) {
            return Ok(self.press(now, leg, press)?);
        }
        if !self.players.contains_key(&leg) {
            self.seed = next(self.seed);
            let own = Voice::new(leg, leg, patch, MOST, self.seed).map_err(|_| DeskError::Codec)?;
            let play =
                Play { sound: Sound::Keys, times: Some(1), from: Duration::ZERO, manner: Manner::Over };
            self.players.insert(leg, Player::new(play, patch.clone(), Some(own)));
            self.start_clock(now);
        }
        let own = self.players.get_mut(&leg).and_then(|player| player.own.as_mut());
        Ok(own.ok_or(DeskError::Codec)?.press(press)?)
    }

    /// Plays nothing more to a leg.
    pub fn stop(&mut self, leg: LegKey) {
        self.players.remove(&leg);
    }

    /// What is played no more, other than by [`Desk::stop`].
    pub fn poll_ended(&mut self) -> Option<(LegKey, PlayEnd)> {
        self.ended.pop_front()
    }
}

/// Plays to one leg.
pub(super) struct Player {
    play: Play,
    /// What its own voice was made for.
    patch: Patch,
    source: Option<(u32, Source)>,
    /// The voice of a leg that has no other.
    pub(super) own: Option<Voice>,
    /// Frames in a row in which somebody spoke to the leg.
    spoken: u8,
}

/// Gives the samples, at the rate of a voice.
enum Source {
    Silence,
    Tone(ToneGenerator),
    Clip { resampler: Option<Resampler>, at: usize, ready: Vec<i16>, times: u32 },
}

impl Player {
    pub(super) fn new(play: Play, patch: Patch, own: Option<Voice>) -> Self {
        Player { play, patch, source: None, own, spoken: 0 }
    }

    /// Plays by a voice of its own from here on.
    pub(super) fn speak_alone(&mut self, leg: LegKey, seed: u64) {
        if self.own.is_none() {
            self.own = Voice::new(leg, leg, &self.patch, MOST, seed).ok();
        }
    }

    /// Whether this is what is played already, to a far end that understands the same.
    pub(super) fn is(&self, play: &Play, patch: &Patch) -> bool {
        let same = match (&self.play.sound, &play.sound) {
            (Sound::Tone(signal, region), Sound::Tone(other, theirs)) => signal == other && region == theirs,
            (Sound::Cadence(steps), Sound::Cadence(other)) => std::ptr::eq(*steps, *other),
            (Sound::Clip(clip), Sound::Clip(other)) => Arc::ptr_eq(clip, other),
            _ => false,
        };
        let Play { times, from, manner, .. } = self.play;
        same && (times, from, manner) == (play.times, play.from, play.manner) && self.patch == *patch
    }

    /// Hears what is said to the leg meanwhile; says whether that ends it. A click does not, since a telephone that holds
    /// may send what it said last a moment later.
    pub(super) fn is_interrupted(&mut self, samples: &[i16]) -> bool {
        let is_heard = self.play.manner == Manner::Under && level(samples) < QUIETEST;
        self.spoken = if is_heard { self.spoken.saturating_add(1) } else { 0 };
        self.spoken >= IN_A_ROW
    }

    /// Lets 20 ms pass by a voice; says whether it is over.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        voice: Option<&mut Voice>,
        frame: &mut [i16],
        outbox: &mut Outbox,
    ) -> bool {
        let Player { play, source, own, .. } = self;
        let Some(voice) = voice.or(own.as_mut()) else { return true };
        let rate = voice.sample_rate();
        if source.as_ref().is_none_or(|(known, _)| *known != rate) {
            *source = Source::new(play, rate).map(|source| (rate, source));
        }
        let Some((_, source)) = source else { return true };
        let len = (rate / 1000) as usize * TICK.as_millis() as usize;
        let Some(frame) = frame.get_mut(..len) else { return true };
        let is_over = source.fill(&play.sound, play.times.is_none(), frame);
        voice.catch_up(now);
        voice.say(now, frame, outbox);
        is_over && !voice.is_pressing()
    }
}

impl Source {
    fn new(play: &Play, rate: u32) -> Option<Source> {
        Some(match &play.sound {
            Sound::Keys => Source::Silence,
            Sound::Tone(signal, region) => {
                Source::Tone(ToneGenerator::new(*signal, *region, rate, TONE_LEVEL))
            }
            Sound::Cadence(steps) => Source::Tone(ToneGenerator::of_cadence(steps, rate, MUSIC_LEVEL)),
            Sound::Clip(clip) => Source::Clip {
                resampler: match clip.rate == rate {
                    true => None,
                    false => Some(Resampler::new(clip.rate, rate)?),
                },
                at: clip.place(play.from),
                ready: Vec::with_capacity(2 * MAX_SAMPLES),
                times: play.times.unwrap_or(1),
            },
        })
    }

    /// Fills a frame; says whether that was the last.
    fn fill(&mut self, sound: &Sound, is_endless: bool, frame: &mut [i16]) -> bool {
        let (Source::Clip { resampler, at, ready, times }, Sound::Clip(clip)) = (&mut *self, sound) else {
            return match self {
                Source::Tone(tone) => {
                    tone.fill(frame);
                    false
                }
                Source::Silence | Source::Clip { .. } => {
                    frame.fill(0);
                    true
                }
            };
        };
        let piece = (clip.rate / 1000) as usize * TICK.as_millis() as usize;
        // A piece at a time makes a frame; one that is short, or the first of a resampler, needs another.
        for _ in 0..MOST_PIECES {
            if ready.len() >= frame.len() || *times == 0 || clip.samples.is_empty() {
                break;
            }
            let rest = clip.samples.get(*at..).unwrap_or_default();
            let input = rest.get(..piece).unwrap_or(rest);
            *at += input.len();
            if *at >= clip.samples.len() {
                *at = 0;
                *times -= u32::from(!is_endless);
            }
            let start = ready.len();
            match resampler {
                Some(resampler) => {
                    ready.resize(start + resampler.most(input.len()), 0);
                    let len = ready.get_mut(start..).map_or(0, |space| resampler.convert(input, space));
                    ready.truncate(start + len);
                }
                None => ready.extend_from_slice(input),
            }
        }
        let len = frame.len().min(ready.len());
        let (start, rest) = frame.split_at_mut(len);
        start.copy_from_slice(ready.get(..len).unwrap_or_default());
        rest.fill(0);
        ready.drain(..len);
        clip.samples.is_empty() || *times == 0 && ready.is_empty()
    }
}

/// A tone by which a phone that holds is known to hold, for those who have no music: two soft notes every four seconds.
pub const HOLD_TONES: &[Step] = &[
    Step { frequencies: [330.0, 0.0], gain: 1.0, milliseconds: 250 },
    Step { frequencies: [247.0, 0.0], gain: 1.0, milliseconds: 350 },
    Step { frequencies: [0.0, 0.0], gain: 0.0, milliseconds: 3400 },
];

/// How loud the tones of a network are, -dBov.
const TONE_LEVEL: u8 = 20;

/// How loud tones are that are to bother nobody, -dBov.
const MUSIC_LEVEL: u8 = 32;

/// What is quieter is silence, -dBov.
const QUIETEST: u8 = 60;

/// Frames in a row that are no click.
const IN_A_ROW: u8 = 10;

/// Pieces of a clip that a frame takes at the most, however short the clip is.
const MOST_PIECES: usize = 64;

/// Audible packets in a row that end what is played under them, as [`Player::is_interrupted`] counts frames.
pub(crate) const PACKETS_IN_A_ROW: u8 = IN_A_ROW;
