//! Keys as tones in the audio.

use std::collections::VecDeque;

use super::{Digit, MAX_QUEUED, Press, Refusal, playable};
use crate::audio::Oscillator;

/// Plays presses as tones, one after the other.
#[derive(Debug)]
pub struct TonePlayer {
    rate: u32,
    levels: ToneLevels,
    /// The key that is down, or was last.
    digit: Option<Digit>,
    amplitudes: [f32; 2],
    queue: VecDeque<Press>,
    oscillators: [Oscillator; 2],
    /// Samples of the tone and of the pause behind it that are left.
    tone: u64,
    pause: u64,
    /// It follows the tone within [`RAMP_MS`], so that nothing clicks.
    gain: f32,
}

/// How loud the two tones of a key are that is as loud as is usual, -dBov each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToneLevels {
    /// The tone of the row.
    pub low: u8,
    /// The tone of the column.
    pub high: u8,
}

impl Default for ToneLevels {
    /// The higher one is 2 dB louder, for lines dampen it more.
    fn default() -> Self {
        ToneLevels { low: 14, high: 12 }
    }
}

impl TonePlayer {
    /// A player at so many samples a second.
    pub fn new(rate: u32, levels: ToneLevels) -> Self {
        TonePlayer {
            rate: rate.clamp(1, 192_000),
            levels,
            digit: None,
            amplitudes: [0.0; 2],
            queue: VecDeque::with_capacity(MAX_QUEUED),
            oscillators: [Oscillator::default(); 2],
            tone: 0,
            pause: 0,
            gain: 0.0,
        }
    }

    /// Goes on at another rate with what is left to play.
    pub fn change_rate(&mut self, rate: u32) {
        let rate = rate.clamp(1, 192_000);
        for left in [&mut self.tone, &mut self.pause] {
            *left = *left * u64::from(rate) / u64::from(self.rate);
        }
        self.rate = rate;
        self.oscillators = self.digit.map_or_else(Default::default, |digit| oscillators(digit, rate));
    }

    /// Has a key played after those that wait.
    pub fn press(&mut self, press: Press) -> Result<(), Refusal> {
        playable(press, self.queue.len())?;
        self.queue.push_back(press);
        Ok(())
    }

    /// Writes tones and pauses over a frame of audio, as far as there is something to play; says whether there was.
    pub fn fill(&mut self, frame: &mut [i16]) -> bool {
        let slope = 1000.0 / (RAMP_MS * self.rate as f32);
        let mut played = false;
        for sample in frame {
            if self.tone == 0 && self.pause == 0 && !self.next() {
                break;
            }
            played = true;
            let wanted = if self.tone > 0 { 1.0 } else { 0.0 };
            if self.tone > 0 {
                self.tone -= 1
            } else {
                self.pause -= 1
            }
            self.gain += (wanted - self.gain).clamp(-slope, slope);
            let [low, high] = &mut self.oscillators;
            let [low_amplitude, high_amplitude] = self.amplitudes;
            let sum = low.next_sample() * low_amplitude + high.next_sample() * high_amplitude;
            *sample = (sum * self.gain) as i16;
        }
        played
    }

    /// Whether there is nothing to play.
    pub fn is_idle(&self) -> bool {
        self.tone == 0 && self.pause == 0 && self.queue.is_empty()
    }

    /// Forgets the keys that wait and lets go of the one that is down.
    pub fn cancel(&mut self) {
        self.queue.clear();
        self.tone = 0;
    }

    fn next(&mut self) -> bool {
        let Some(press) = self.queue.pop_front() else { return false };
        let louder = f32::from(super::VOLUME) - f32::from(press.volume);
        // The amplitude of a sine of that level; both together stay within full scale.
        let amplitude = |level: u8| {
            let one = 10f32.powf((louder - f32::from(level)) / 20.0) * std::f32::consts::SQRT_2;
            one.min(0.5) * f32::from(i16::MAX)
        };
        self.amplitudes = [amplitude(self.levels.low), amplitude(self.levels.high)];
        self.digit = Some(press.digit);
        self.oscillators = oscillators(press.digit, self.rate);
        let samples = |milliseconds: u32| (u64::from(milliseconds) * u64::from(self.rate) / 1000).max(1);
        (self.tone, self.pause) = (samples(press.milliseconds), samples(PAUSE_MS));
        true
    }
}

fn oscillators(digit: Digit, rate: u32) -> [Oscillator; 2] {
    let (low, high) = digit.frequencies();
    [Oscillator::new(low, rate), Oscillator::new(high, rate)]
}

const RAMP_MS: f32 = 1.0;
/// The pause between two keys that every receiver notices (ITU-T Q.24 asks for 40 ms).
const PAUSE_MS: u32 = 60;
