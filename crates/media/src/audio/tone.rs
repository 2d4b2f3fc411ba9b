//! The tones that a caller hears while a call is set up.

use super::level::FULL_SCALE;
use super::oscillator::Oscillator;

/// Whose tones they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// The tones that most of Europe has in common.
    Europe,
    /// The United States and Canada.
    UnitedStates,
    /// The United Kingdom.
    UnitedKingdom,
    /// Japan.
    Japan,
    /// Australia.
    Australia,
}

impl Region {
    /// All regions.
    pub const ALL: [Region; 5] =
        [Region::Europe, Region::UnitedStates, Region::UnitedKingdom, Region::Japan, Region::Australia];
}

/// What a tone says, in the words of [ITU-T E.180].
///
/// [ITU-T E.180]: https://www.itu.int/rec/T-REC-E.180
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// The far end is alerted.
    RingBack,
    /// The far end is busy.
    Busy,
    /// The network cannot carry the call.
    Congestion,
    /// The call failed for another reason: three rising tones, the same everywhere.
    SpecialInformation,
    /// No tone.
    Silence,
}

impl Signal {
    /// All signals.
    pub const ALL: [Signal; 5] =
        [Signal::RingBack, Signal::Busy, Signal::Congestion, Signal::SpecialInformation, Signal::Silence];

    /// The steps that a region repeats to say it.
    pub const fn cadence(self, region: Region) -> &'static [Step] {
        use Region::*;
        match (self, region) {
            (Signal::Silence, _) => const { &[off(1000)] },
            (Signal::SpecialInformation, _) => {
                const { &[on(950.0, 0.0, 330), on(1400.0, 0.0, 330), on(1800.0, 0.0, 330), off(1000)] }
            }
            (Signal::RingBack, Europe) => const { &[on(425.0, 0.0, 1000), off(4000)] },
            (Signal::Busy, Europe) => const { &[on(425.0, 0.0, 500), off(500)] },
            (Signal::Congestion, Europe) => const { &[on(425.0, 0.0, 200), off(200)] },
            (Signal::RingBack, UnitedStates) => const { &[on(440.0, 480.0, 2000), off(4000)] },
            (Signal::Busy, UnitedStates) => const { &[on(480.0, 620.0, 500), off(500)] },
            (Signal::Congestion, UnitedStates) => const { &[on(480.0, 620.0, 250), off(250)] },
            (Signal::RingBack, UnitedKingdom) => {
                const { &[on(400.0, 450.0, 400), off(200), on(400.0, 450.0, 400), off(2000)] }
            }
            (Signal::Busy, UnitedKingdom) => const { &[on(400.0, 0.0, 375), off(375)] },
            (Signal::Congestion, UnitedKingdom) => {
                const { &[on(400.0, 0.0, 400), off(350), on(400.0, 0.0, 225), off(525)] }
            }
            // 400 Hz whose loudness swings 16 times a second.
            (Signal::RingBack, Japan) => const { &[on(392.0, 408.0, 1000), off(2000)] },
            // There is one tone for both.
            (Signal::Busy | Signal::Congestion, Japan) => const { &[on(400.0, 0.0, 500), off(500)] },
            (Signal::RingBack, Australia) => {
                const { &[on(400.0, 450.0, 400), off(200), on(400.0, 450.0, 400), off(2000)] }
            }
            (Signal::Busy, Australia) => const { &[on(425.0, 0.0, 375), off(375)] },
            // Every other pulse is 10 dB quieter.
            (Signal::Congestion, Australia) => {
                const QUIETER: f32 = 0.316_227_77;
                const {
                    &[
                        on(425.0, 0.0, 375),
                        off(375),
                        Step { frequencies: [425.0, 0.0], gain: QUIETER, milliseconds: 375 },
                        off(375),
                    ]
                }
            }
        }
    }
}

/// A part of a cadence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The frequencies that sound, in hertz; 0 for none.
    pub frequencies: [f32; 2],
    /// The amplitude, of 1 for that of the tone; 0 is a pause.
    pub gain: f32,
    /// How long it lasts.
    pub milliseconds: u32,
}

const fn on(one: f32, other: f32, milliseconds: u32) -> Step {
    Step { frequencies: [one, other], gain: 1.0, milliseconds }
}

const fn off(milliseconds: u32) -> Step {
    Step { frequencies: [0.0, 0.0], gain: 0.0, milliseconds }
}

/// A tone that is played: an endless stream of samples whose phase never jumps.
#[derive(Debug, Clone)]
pub struct ToneGenerator {
    cadence: &'static [Step],
    rate: u32,
    /// The amplitude of one frequency alone.
    amplitude: f32,
    oscillators: [Oscillator; 2],
    /// Which of the two sound.
    sounding: f32,
    second: f32,
    position: usize,
    left: u64,
    /// The gain that is heard; it follows that of the step within [`RAMP_MS`], so that nothing clicks.
    gain: f32,
    wanted: f32,
}

impl ToneGenerator {
    /// A tone at so many samples a second, of `level` -dBov while it sounds.
    pub fn new(signal: Signal, region: Region, rate: u32, level: u8) -> Self {
        Self::of_cadence(signal.cadence(region), rate, level)
    }

    /// A tone of any cadence.
    pub fn of_cadence(cadence: &'static [Step], rate: u32, level: u8) -> Self {
        // A sine is 3 dB below the square wave of its amplitude, which is what dBov counts from.
        let amplitude = (10f32.powf(-f32::from(level) / 20.0) * std::f32::consts::SQRT_2).min(1.0);
        let mut made = ToneGenerator {
            cadence,
            rate: rate.clamp(1, MAX_RATE),
            amplitude: amplitude * (FULL_SCALE - 1.0),
            oscillators: [Oscillator::default(); 2],
            sounding: 0.0,
            second: 0.0,
            position: 0,
            left: 0,
            gain: 0.0,
            wanted: 0.0,
        };
        made.enter();
        made
    }

    /// Fills a frame with the next samples.
    pub fn fill(&mut self, frame: &mut [i16]) {
        let slope = 1000.0 / (RAMP_MS * self.rate as f32);
        for sample in frame {
            if self.left == 0 {
                self.position = (self.position + 1) % self.cadence.len().max(1);
                self.enter();
            }
            self.left = self.left.saturating_sub(1);
            let step = (self.wanted - self.gain).clamp(-slope, slope);
            self.gain += step;
            let [one, other] = &mut self.oscillators;
            let sum = one.next_sample() * self.sounding + other.next_sample() * self.second;
            *sample = (sum * self.gain * self.amplitude) as i16;
        }
    }

    /// Starts the step at `position`. In a pause the frequencies stay, for the sound fades out with them.
    fn enter(&mut self) {
        let Some(step) = self.cadence.get(self.position) else { return };
        self.left = (u64::from(step.milliseconds) * u64::from(self.rate) / 1000).max(1);
        self.wanted = step.gain;
        if step.gain > 0.0 {
            for (oscillator, hertz) in self.oscillators.iter_mut().zip(step.frequencies) {
                oscillator.tune(hertz, self.rate);
            }
            // Two frequencies share the power of one.
            let both = step.frequencies.iter().all(|&hertz| hertz > 0.0);
            self.sounding = if both { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
            self.second = if both { std::f32::consts::FRAC_1_SQRT_2 } else { 0.0 };
        }
    }
}

/// How long a tone takes to come and to go.
const RAMP_MS: f32 = 3.0;
/// The highest sample rate that is believed.
const MAX_RATE: u32 = 192_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::level;

    /// How much of a frame's power is at a frequency.
    fn share(samples: &[i16], hertz: f32, rate: u32) -> f64 {
        let (mut re, mut im, mut total) = (0f64, 0f64, 0f64);
        for (n, &sample) in samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * f64::from(hertz) * n as f64 / f64::from(rate);
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
            total += f64::from(sample) * f64::from(sample);
        }
        2.0 * (re * re + im * im) / samples.len() as f64 / total.max(1.0)
    }

    #[test]
    fn every_cadence_sounds_as_long_as_it_says_at_its_frequencies() {
        for (region, signal) in Region::ALL.into_iter().flat_map(|r| Signal::ALL.map(|s| (r, s))) {
            for rate in [8000u32, 16_000, 44_100, 48_000] {
                let mut tone = ToneGenerator::new(signal, region, rate, 13);
                for step in signal.cadence(region).iter().cycle().take(9) {
                    let mut samples = vec![0; (step.milliseconds * rate / 1000) as usize];
                    tone.fill(&mut samples);
                    // The ramp of the step before is over.
                    let settled = &samples[(rate / 200) as usize..];
                    if step.gain == 0.0 {
                        assert_eq!(level(settled), 127, "{region:?} {signal:?}: the pause is not silent");
                        continue;
                    }
                    let expected = if step.gain < 1.0 { 23 } else { 13 };
                    let heard = level(settled);
                    assert!(heard.abs_diff(expected) <= 1, "{region:?} {signal:?} {rate}: {heard} -dBov");
                    let wanted = step.frequencies.iter().filter(|&&hertz| hertz > 0.0);
                    let power: f64 = wanted.map(|&hertz| share(settled, hertz, rate)).sum();
                    assert!(power > 0.9, "{region:?} {signal:?} {rate}: {power} at its frequencies");
                }
            }
        }
    }

    #[test]
    fn nothing_clicks_and_frames_of_any_length_are_one_stream() {
        // The highest frequency of each; the second ends in the middle of a turn.
        for (signal, region, hertz) in
            [(Signal::SpecialInformation, Region::Europe, 1800.0), (Signal::Busy, Region::Australia, 425.0)]
        {
            let tone = || ToneGenerator::new(signal, region, 8000, 10);
            let mut whole = vec![0; 24_000];
            tone().fill(&mut whole);
            let mut parts = vec![0; 24_000];
            let mut generator = tone();
            for part in parts.chunks_mut(137) {
                generator.fill(part);
            }
            assert_eq!(whole, parts);
            // The steepest that a sine of this level is from one sample to the next, and the ramp.
            let amplitude = 32_767.0 * 0.4473;
            let steepest = amplitude * (2.0 * (std::f32::consts::PI * hertz / 8000.0).sin() + 0.05);
            let steps = whole.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
            assert!(steps.max().unwrap() <= steepest as i32, "{signal:?} clicks");
        }
    }

    #[test]
    fn any_rate_and_any_cadence_are_safe() {
        for rate in [0, 1, 7, 200, u32::MAX] {
            ToneGenerator::new(Signal::RingBack, Region::Japan, rate, 0).fill(&mut [0; 500]);
        }
        ToneGenerator::of_cadence(&[], 8000, 0).fill(&mut [0; 500]);
        ToneGenerator::of_cadence(const { &[off(0)] }, 8000, 0).fill(&mut [0; 500]);
    }
}
