//! Presses out of the tones in the audio.

use super::{COLUMNS, Digit, Found, Press, ROWS};
use crate::audio::power;

/// Finds keys in the audio of a leg, by [Goertzel] filters at the eight frequencies over blocks of 12.75 ms.
///
/// A block has a key when one tone of each group is loud enough, far above the others of its group, not far from the
/// other one (twist), and both are most of what sounds: which voices and music are not. Two such blocks in a row are a
/// press when the tones are as pure over both together, where the filters are twice as narrow; two without end it: so
/// 40 ms are always found, and a gap of one block is bridged.
///
/// [Goertzel]: https://doi.org/10.2307/2310304
#[derive(Debug)]
pub struct ToneDetector {
    rate: u32,
    /// The block before, and behind it the one that is gathered.
    blocks: Box<[i16]>,
    len: usize,
    filled: usize,
    /// 2·cos of each frequency, rows before columns.
    coefficients: [f32; 8],
    /// What the last block had: the key and the power of its tones.
    last: Option<Heard>,
    down: Option<Down>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    digit: Digit,
    low: f32,
    high: f32,
    /// The power of all that sounds.
    total: f32,
}

/// The key that is down: for how many blocks, and how many after them were without it.
#[derive(Debug, Clone, Copy)]
struct Down {
    digit: Digit,
    blocks: u64,
    missed: u64,
}

impl ToneDetector {
    /// A detector at so many samples a second: 8, 16 or 48 kHz, or anything from 4 to 192 kHz.
    pub fn new(rate: u32) -> Self {
        let rate = rate.clamp(4000, 192_000);
        let len = (rate / 4000 * 51) as usize;
        let frequencies: [f32; 8] =
            std::array::from_fn(|n| ROWS.iter().chain(&COLUMNS).nth(n).copied().unwrap_or_default());
        ToneDetector {
            rate,
            blocks: vec![0; 2 * len].into(),
            len,
            filled: 0,
            coefficients: frequencies.map(|hertz| coefficient(hertz, rate)),
            last: None,
            down: None,
        }
    }

    /// Takes a frame of any length; `found` is told what is found in it.
    pub fn handle_frame(&mut self, frame: &[i16], mut found: impl FnMut(Found)) {
        let mut rest = frame;
        while !rest.is_empty() {
            let (taken, block) = self.gather(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(news) = block
                && news != Found::default()
            {
                found(news);
            }
        }
    }

    /// The key that is down.
    pub fn is_down(&self) -> Option<Digit> {
        self.down.map(|down| down.digit)
    }

    /// The samples of a block.
    pub(super) const fn block_len(&self) -> usize {
        self.len
    }

    /// Takes samples up to the end of the block; how many, and what the block has told if it is full.
    pub(super) fn gather(&mut self, samples: &[i16]) -> (usize, Option<Found>) {
        let room = self.blocks.get_mut(self.len + self.filled..).unwrap_or_default();
        let len = samples.len().min(room.len());
        for (kept, &sample) in room.iter_mut().zip(samples) {
            *kept = sample;
        }
        self.filled += len;
        if self.filled < self.len {
            return (len, None);
        }
        self.filled = 0;
        let news = self.judge();
        self.blocks.copy_within(self.len.., 0);
        (len, Some(news))
    }

    /// What a full block means after those before.
    fn judge(&mut self) -> Found {
        let heard = self.hear();
        let steady = match (self.last, heard) {
            (Some(last), Some(heard)) => {
                last.digit == heard.digit
                    && near(last.low, heard.low)
                    && near(last.high, heard.high)
                    && self.is_pure(last, heard)
            }
            _ => false,
        };
        self.last = heard;
        let mut found = Found::default();
        if let Some(down) = &mut self.down {
            if heard.is_some_and(|heard| heard.digit == down.digit) {
                down.blocks += down.missed + 1;
                down.missed = 0;
                return found;
            }
            down.missed += 1;
            if down.missed < 2 {
                return found;
            }
            let down = *down;
            found.ended = Some(self.press(down));
            self.down = None;
        }
        if let Some(heard) = heard.filter(|_| steady) {
            self.down = Some(Down { digit: heard.digit, blocks: 2, missed: 0 });
            found.started = Some(heard.digit);
        }
        found
    }

    /// A tone begins and ends within blocks, which count when two thirds of them have it: a third of a block is lost on
    /// average.
    fn press(&self, down: Down) -> Press {
        let samples = down.blocks * self.len as u64 + self.len as u64 / 3;
        Press::new(down.digit, (samples * 1000 / u64::from(self.rate)) as u32)
    }

    /// The key that a block has.
    fn hear(&self) -> Option<Heard> {
        let block = self.blocks.get(self.len..)?;
        let total = power(block);
        if total < LEAST_POWER {
            return None;
        }
        let powers = self.coefficients.map(|coefficient| goertzel(block, coefficient));
        let (rows, columns) = powers.split_at(4);
        let (row, low) = loudest(rows)?;
        let (column, high) = loudest(columns)?;
        let levels = low > LEAST_POWER && high > LEAST_POWER;
        let twist = high < low * HIGH_TWIST && low < high * LOW_TWIST;
        (levels && twist && low + high > total * PURITY).then_some(())?;
        Some(Heard { digit: Digit::at(row, column)?, low, high, total })
    }

    /// Whether two blocks together are the tones and little else. They may be beside their frequency by as much as ITU-T
    /// Q.24 lets them, which is more than one narrow filter lets through.
    fn is_pure(&self, last: Heard, heard: Heard) -> bool {
        let (low, high) = heard.digit.frequencies();
        let tone = |hertz: f32| {
            let places = [1.0 - BESIDE, 1.0, 1.0 + BESIDE].map(|place| coefficient(hertz * place, self.rate));
            places.into_iter().map(|place| goertzel(&self.blocks, place)).fold(0.0, f32::max)
        };
        // The first block may have the tones in part. What is at a frequency for a part of the time has that part of its
        // power in the filter, and that part of it again.
        let covered = (1.0 + (last.total / heard.total).clamp(LEAST_PART, 1.0)) / 2.0;
        tone(low) + tone(high) > power(&self.blocks) * covered * PURITY_OF_BOTH
    }
}

fn coefficient(hertz: f32, rate: u32) -> f32 {
    2.0 * (std::f32::consts::TAU * hertz / rate as f32).cos()
}

/// The power of one frequency in a block, of 1.0 for the square wave of full scale.
fn goertzel(block: &[i16], coefficient: f32) -> f32 {
    let (mut one, mut two) = (0f32, 0f32);
    for &sample in block {
        (one, two) = (f32::from(sample) + coefficient * one - two, one);
    }
    let len = block.len() as f32 * 32_768.0;
    2.0 * (one * one + two * two - coefficient * one * two) / (len * len)
}

/// The loudest of a group, when it is far above the others.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (place, &most) = powers.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
    let mut others = powers.iter().enumerate().filter(|&(other, _)| other != place);
    others.all(|(_, &power)| power * ABOVE_OTHERS < most).then_some((place, most))
}

/// Whether two blocks have a tone at the same level; the first of them may have it in part.
fn near(one: f32, other: f32) -> bool {
    one < other * STEADY && other < one * STEADY
}

/// -36 dBov for each tone.
const LEAST_POWER: f32 = 2.5e-4;
/// The column louder than the row: 6 dB; the row louder than the column: 9 dB (ITU-T Q.24 has 4 and 8 dB of AT&T).
const HIGH_TWIST: f32 = 4.0;
const LOW_TWIST: f32 = 8.0;
/// What part of the power the two tones are. Tones that are 1.5 % beside their frequency lose a fifth.
const PURITY: f32 = 0.65;
const PURITY_OF_BOTH: f32 = 0.82;
/// A block with less of the tones than this is not taken for one.
const LEAST_PART: f32 = 0.6;
const BESIDE: f32 = 0.012;
/// 8 dB.
const ABOVE_OTHERS: f32 = 6.3;
/// 6 dB.
const STEADY: f32 = 4.0;
