//! A frame played a little faster or slower, without a change of pitch.
//!
//! One period of the voice is taken out or put in, with its neighbours faded into each other: what waveform-similarity
//! overlap-add does, within one frame. A frame whose periods do not resemble each other is left as it is, for the next
//! one may be better; after a few of them one is taken as it comes, so that noise and music cannot keep a delay for
//! ever.

use super::level::power;

/// Shortens and stretches frames of one stream.
#[derive(Debug, Clone)]
pub struct Stretch {
    rate: usize,
    refused: u32,
}

impl Stretch {
    /// For frames of so many samples a second.
    pub const fn new(rate: u32) -> Self {
        Stretch { rate: if rate > MAX_RATE { MAX_RATE as usize } else { rate as usize }, refused: 0 }
    }

    /// How many samples [`Self::slower`] adds at most.
    pub const fn most(&self) -> usize {
        self.rate * LONGEST_MS / 1000
    }

    /// Takes one period out of a frame; the samples that are left, at the beginning of the slice.
    pub fn faster(&mut self, frame: &mut [i16]) -> usize {
        let Some(period) = self.period(frame) else { return frame.len() };
        // The first period fades into the second one, and the rest moves up.
        let (first, rest) = frame.split_at_mut(period);
        fade(first, rest.get(..period).unwrap_or_default());
        let len = frame.len();
        frame.copy_within(2 * period.., period);
        len - period
    }

    /// Puts one period into the first `len` samples of `frame`; the samples that there are then. The slice must have
    /// room for [`Self::most`] more, else nothing is put in.
    pub fn slower(&mut self, frame: &mut [i16], len: usize) -> usize {
        let len = len.min(frame.len());
        let Some(period) = self.period(frame.get(..len).unwrap_or_default()) else { return len };
        if len + period > frame.len() {
            return len;
        }
        // The first period, then the second fading into the first, then all from the second on.
        frame.copy_within(period..len, 2 * period);
        let (first, rest) = frame.split_at_mut(period);
        let (inserted, behind) = rest.split_at_mut(period);
        inserted.copy_from_slice(behind.get(..period).unwrap_or_default());
        fade(inserted, first);
        len + period
    }

    /// The period at the beginning of a frame at which it resembles itself most.
    fn period(&mut self, frame: &[i16]) -> Option<usize> {
        let shortest = (self.rate * SHORTEST_MS / 1000).max(1);
        let longest = self.most().min(frame.len() / 2);
        if longest < shortest {
            return None;
        }
        let quiet = power(frame) < QUIET;
        // Every sample of narrow-band speech is looked at; of wider bands as many.
        let stride = (self.rate / 8000).max(1);
        let coarse = (shortest..=longest).step_by(stride);
        let best = coarse.map(|lag| (likeness(frame, lag, longest, stride), lag));
        let (mut likeness_found, mut period) = best.max_by(|one, other| one.0.total_cmp(&other.0))?;
        if stride > 1 {
            let near = period.saturating_sub(stride).max(shortest)..=(period + stride).min(longest);
            let best = near.map(|lag| (likeness(frame, lag, longest, 1), lag));
            (likeness_found, period) = best.max_by(|one, other| one.0.total_cmp(&other.0))?;
        }
        if quiet {
            period = longest;
        } else if likeness_found < ALIKE && self.refused < PATIENCE {
            self.refused += 1;
            return None;
        }
        self.refused = 0;
        Some(period)
    }
}

/// How much the beginning of a frame resembles what comes `lag` later, from -1 to 1.
fn likeness(frame: &[i16], lag: usize, window: usize, stride: usize) -> f32 {
    let later = frame.get(lag..).unwrap_or_default();
    let (mut product, mut here, mut there) = (0f32, 0f32, 0f32);
    for (&a, &b) in frame.iter().zip(later).take(window).step_by(stride) {
        let (a, b) = (f32::from(a), f32::from(b));
        product += a * b;
        here += a * a;
        there += b * b;
    }
    product / (here * there).sqrt().max(1.0)
}

/// Fades the samples of `from` into those of `into`.
fn fade(from: &mut [i16], into: &[i16]) {
    let len = from.len() as i32 + 1;
    for (n, (sample, &other)) in (1i32..).zip(from.iter_mut().zip(into)) {
        *sample = ((i32::from(*sample) * (len - n) + i32::from(other) * n) / len) as i16;
    }
}

/// Periods of voices: 400 to 100 Hz, and twice that of low ones is a period as well.
const SHORTEST_MS: usize = 2;
const LONGEST_MS: usize = 10;
const ALIKE: f32 = 0.5;
/// Frames that are left as they are one after the other.
const PATIENCE: u32 = 4;
/// What is quieter than -60 dBov can be cut anywhere.
const QUIET: f32 = 1e-6;
const MAX_RATE: u32 = 192_000;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Rng;

    use super::*;
    use crate::audio::Oscillator;

    fn tone(hertz: f32, rate: u32, len: usize) -> Vec<i16> {
        let mut oscillator = Oscillator::new(hertz, rate);
        (0..len).map(|_| (oscillator.next_sample() * 10_000.0) as i16).collect()
    }

    /// The most that a sample differs from the line through its neighbours: a click is far from it.
    fn roughness(samples: &[i16]) -> i32 {
        let bends =
            samples.windows(3).map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs());
        bends.max().unwrap()
    }

    #[test]
    fn a_voice_loses_and_gains_whole_periods_without_a_click() {
        for (rate, hertz) in [(8000, 150.0), (16_000, 220.0), (48_000, 310.0), (8000, 400.0)] {
            let len = rate as usize / 50;
            let whole = tone(hertz, rate, len);
            let mut stretch = Stretch::new(rate);
            let mut frame = whole.clone();
            let left = stretch.faster(&mut frame);
            assert!(left < len, "{hertz} Hz at {rate} was not shortened");
            let periods = (len - left) as f32 * hertz / rate as f32;
            assert!(
                (periods - periods.round()).abs() < 0.1,
                "{periods} periods of {hertz} Hz were taken out"
            );
            assert!(frame[0].abs_diff(whole[0]) < 100, "it follows on the frame before");
            assert_eq!(frame[left - 1], whole[len - 1], "the next frame follows");
            assert!(roughness(&frame[..left]) <= roughness(&whole) * 5 / 4 + 50);

            let mut frame = whole.clone();
            frame.resize(len + stretch.most(), 0);
            let more = stretch.slower(&mut frame, len);
            assert!(more > len, "{hertz} Hz at {rate} was not stretched");
            assert_eq!((frame[0], frame[more - 1]), (whole[0], whole[len - 1]));
            assert!(roughness(&frame[..more]) <= roughness(&whole) * 5 / 4 + 50);
        }
    }

    #[test]
    fn noise_is_refused_for_some_frames_and_then_taken() {
        let mut rng = Rng::new(3);
        let mut stretch = Stretch::new(8000);
        let mut lengths = Vec::new();
        for _ in 0..10 {
            let mut frame: [i16; 160] = std::array::from_fn(|_| rng.below(20_000) as i16 - 10_000);
            lengths.push(stretch.faster(&mut frame));
        }
        assert_eq!(lengths.iter().filter(|&&len| len < 160).count(), 2, "{lengths:?}");
    }

    #[test]
    fn silence_is_cut_at_once_and_any_frame_is_safe() {
        assert_eq!(Stretch::new(8000).faster(&mut [0; 160]), 80);
        for rate in [0, 1, 8000, u32::MAX] {
            for len in [0usize, 1, 2, 39, 1000] {
                let mut stretch = Stretch::new(rate);
                let mut frame = vec![i16::MIN; len];
                assert!(stretch.faster(&mut frame) <= len);
                assert!(stretch.slower(&mut frame, len / 2) <= len);
                assert!(stretch.slower(&mut frame, usize::MAX) <= len);
            }
        }
    }
}
