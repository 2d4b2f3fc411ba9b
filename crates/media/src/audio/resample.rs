//! Conversion between sample rates, as samples come.
//!
//! A windowed-sinc low-pass in polyphase form ([`RATES`] have ratios of small whole numbers, so that every output sample
//! meets one of at most eight sets of coefficients; the rates of sound cards, as 44100 Hz, have up to a thousand). Up to 85 % of the lower Nyquist frequency pass; from that frequency
//! on everything is 55 dB down. For telephony at 8 kHz that is 3400 and 4000 Hz. From four times the rate or more it goes
//! by twice the rate, with a low-pass that is as short as what folds down then allows: half of the work.
//!
//! Written here because a ratio is known and small, samples are 16 bits and one channel, and a frame must not allocate:
//! what libraries for arbitrary ratios offer is not needed, and they want blocks of floats.

/// The rates that codecs and files have.
pub const RATES: [u32; 6] = [8000, 12000, 16000, 24000, 32000, 48000];

/// Converts one stream from one rate to another.
pub struct Resampler {
    /// What comes before, and what it has made.
    before: Option<Box<(Resampler, [i16; CHUNK / 2])>>,
    /// Coefficients in 1/16384, `taps` for each phase, the one for the oldest sample first.
    coefficients: Vec<i16>,
    taps: usize,
    /// Interpolation and decimation: the ratio in lowest terms.
    up: usize,
    down: usize,
    /// The last `taps - 1` samples, then those of a call.
    samples: Vec<i16>,
    /// Where the next output sample lies: the number of its newest input sample in the call to come, and its phase.
    next: usize,
    phase: usize,
}

impl Resampler {
    /// A resampler between two of [`RATES`]; `None` for others.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return None;
        }
        Self::between(from, to)
    }

    /// A resampler between any two rates from 8 to 192 kHz that go up in whole numbers: those of sound cards. `None` for
    /// rates beyond these, and where the ratio has larger numbers than a thousand.
    pub fn between(from: u32, to: u32) -> Option<Self> {
        if !RANGE.contains(&from) || !RANGE.contains(&to) {
            return None;
        }
        if to / greatest_common_divisor(from, to) > MOST_PHASES {
            return None;
        }
        let stop = f64::from(from.min(to)) / 2.0;
        let pass = stop * PASS_BAND;
        if from >= 4 * to {
            // What lies between folds down beside what passes, and is taken out by the second step.
            let before = Self::with_band(from, 2 * to, pass, f64::from(2 * to) - pass);
            let after = Self::with_band(2 * to, to, pass, stop);
            return Some(Resampler { before: Some(Box::new((before, [0; CHUNK / 2]))), ..after });
        }
        Some(Self::with_band(from, to, pass, stop))
    }

    /// One that lets through what is below `pass` hertz, and nothing above `stop`.
    fn with_band(from: u32, to: u32, pass: f64, stop: f64) -> Self {
        let common = greatest_common_divisor(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let (coefficients, taps) =
            if from == to { (Vec::new(), 1) } else { low_pass(f64::from(from), up, pass, stop) };
        let samples = vec![0; taps - 1 + CHUNK];
        Resampler { before: None, coefficients, taps, up, down, samples, next: 0, phase: 0 }
    }

    /// The most samples that come out for so many that go in. For whole milliseconds it is as many each time.
    pub fn most(&self, samples: usize) -> usize {
        let samples = self.before.as_ref().map_or(samples, |before| before.0.most(samples));
        (samples * self.up).div_ceil(self.down)
    }

    /// How much later a sample comes out than it goes in, in input samples.
    pub fn delay(&self) -> usize {
        match &self.before {
            Some(before) => before.0.delay() + self.taps / 2 * before.0.down / before.0.up,
            None => self.taps / 2,
        }
    }

    /// Converts samples and says how many came out: [`Resampler::most`] of them at most. What `output` has no room for
    /// is lost.
    pub fn convert(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let Some(mut stage) = self.before.take() else { return self.convert_once(input, output) };
        let (before, between) = &mut *stage;
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            let len = before.convert(chunk, between);
            let room = output.get_mut(written..).unwrap_or_default();
            written += self.convert_once(between.get(..len).unwrap_or_default(), room);
        }
        self.before = Some(stage);
        written
    }

    fn convert_once(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        if self.coefficients.is_empty() {
            let len = input.len().min(output.len());
            output.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
            return len;
        }
        let kept = self.taps - 1;
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            if let Some(room) = self.samples.get_mut(kept..kept + chunk.len()) {
                room.copy_from_slice(chunk);
            }
            while self.next < chunk.len() {
                let window = self.samples.get(self.next..self.next + self.taps).unwrap_or_default();
                let first = self.phase * self.taps;
                let phase = self.coefficients.get(first..first + self.taps).unwrap_or_default();
                if let Some(sample) = output.get_mut(written) {
                    *sample = weighted(window, phase);
                    written += 1;
                }
                self.phase += self.down;
                self.next += self.phase / self.up;
                self.phase %= self.up;
            }
            self.next -= chunk.len();
            self.samples.copy_within(chunk.len()..chunk.len() + kept, 0);
        }
        written
    }
}

/// The sum of samples times coefficients, rounded.
fn weighted(samples: &[i16], coefficients: &[i16]) -> i16 {
    // The coefficients of a phase sum up to less than 3 in magnitude, so nothing wraps; saying that it may, and that each
    // of several sums takes its turn, lets the compiler do them at once.
    let mut sums = [0i32; LANES];
    let (samples, _) = samples.as_chunks::<LANES>();
    let (coefficients, _) = coefficients.as_chunks::<LANES>();
    for (samples, coefficients) in samples.iter().zip(coefficients) {
        for (sum, (a, b)) in sums.iter_mut().zip(samples.iter().zip(coefficients)) {
            *sum = sum.wrapping_add(i32::from(*a) * i32::from(*b));
        }
    }
    let sum = sums.iter().fold(1 << 13, |sum: i32, part| sum.wrapping_add(*part));
    (sum >> 14).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The coefficients for all phases, and how many each has: a multiple of [`LANES`].
fn low_pass(from: f64, up: usize, pass: f64, stop: f64) -> (Vec<i16>, usize) {
    let dense = from * up as f64;
    // Kaiser's estimate of the length.
    let length = (STOP_BAND - 7.95) / (2.285 * std::f64::consts::TAU * (stop - pass)) * dense;
    let taps = ((length / up as f64).ceil() as usize).next_multiple_of(LANES);
    let total = taps * up;
    let middle = (total - 1) as f64 / 2.0;
    let cut = (pass + stop) / 2.0 / dense;
    let beta = 0.1102 * (STOP_BAND - 8.7);
    let tap = |n: usize| {
        let at = n as f64 - middle;
        let sinc = if at == 0.0 {
            2.0 * cut
        } else {
            (std::f64::consts::TAU * cut * at).sin() / (std::f64::consts::PI * at)
        };
        let edge = at / middle;
        sinc * bessel(beta * (1.0 - edge * edge).max(0.0).sqrt()) / bessel(beta)
    };
    let mut coefficients = Vec::with_capacity(total);
    for phase in 0..up {
        // Each phase passes a constant unchanged: what the rounding and the window left is divided out.
        let taps_of_phase: Vec<f64> = (0..taps).rev().map(|k| tap(phase + k * up)).collect();
        let sum: f64 = taps_of_phase.iter().sum();
        coefficients.extend(taps_of_phase.iter().map(|tap| (tap / sum * 16384.0).round() as i16));
    }
    (coefficients, taps)
}

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The rates of sound cards.
const RANGE: std::ops::RangeInclusive<u32> = 8000..=192_000;

/// The sets of coefficients that a ratio may need.
const MOST_PHASES: u32 = 1000;

/// What passes of the band up to the lower Nyquist frequency.
const PASS_BAND: f64 = 0.85;

/// Attenuation from the lower Nyquist frequency on, in dB, before the coefficients are rounded.
const STOP_BAND: f64 = 62.0;

/// Samples that are worked on at once.
const CHUNK: usize = 320;

/// Products that are added up side by side.
const LANES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, len: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..len).map(|n| (16000.0 * (step * n as f64).sin()) as i16).collect()
    }

    fn level(pcm: &[i16]) -> f64 {
        10.0 * (pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / pcm.len() as f64).log10()
    }

    /// The level of what is not the tone: the tone's two amplitudes are found by least squares and taken away.
    fn rest(pcm: &[i16], hertz: f64, rate: u32) -> f64 {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        let (mut a, mut b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, sample) in pcm.iter().enumerate() {
            let (sin, cos) = (step * n as f64).sin_cos();
            let sample = f64::from(*sample);
            (a, b) = (a + sin * sample, b + cos * sample);
            (aa, bb, ab) = (aa + sin * sin, bb + cos * cos, ab + sin * cos);
        }
        let determinant = aa * bb - ab * ab;
        let (sines, cosines) = ((a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant);
        let energy: f64 = pcm
            .iter()
            .enumerate()
            .map(|(n, sample)| {
                let (sin, cos) = (step * n as f64).sin_cos();
                (f64::from(*sample) - sines * sin - cosines * cos).powi(2)
            })
            .sum();
        10.0 * (energy / pcm.len() as f64).log10()
    }

    fn converted(input: &[i16], from: u32, to: u32) -> Vec<i16> {
        let mut resampler = Resampler::between(from, to).unwrap();
        let mut output = vec![0; resampler.most(input.len())];
        let len = resampler.convert(input, &mut output);
        output.truncate(len);
        output
    }

    fn pairs() -> impl Iterator<Item = (u32, u32)> {
        RATES.into_iter().flat_map(|from| RATES.into_iter().map(move |to| (from, to)))
    }

    /// Wide-band speech and the rates that sound cards have besides, in both directions.
    fn pairs_of_cards() -> impl Iterator<Item = (u32, u32)> {
        let cards = [11_025, 22_050, 44_100, 88_200, 96_000, 176_400, 192_000];
        cards.into_iter().flat_map(|card| [(card, 16_000), (16_000, card)])
    }

    #[test]
    fn what_both_rates_hold_passes_and_nothing_is_added() {
        for (from, to) in pairs().chain(pairs_of_cards()).filter(|(from, to)| from != to) {
            for part in [0.025, 0.22, 0.6, 0.84] {
                let hertz = part * f64::from(from.min(to)) / 2.0;
                let input = tone(hertz, from, from as usize);
                let output = converted(&input, from, to);
                let output = &output[to as usize / 10..];
                let change = level(output) - level(&input);
                assert!(change.abs() < 0.3, "{hertz} Hz from {from} to {to}: {change} dB");
                let below = level(output) - rest(output, hertz, to);
                assert!(below > 50.0, "{hertz} Hz from {from} to {to}: the rest is {below} dB below");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_50_db_down() {
        for (from, to) in pairs().chain(pairs_of_cards()).filter(|(from, to)| from > to) {
            for part in [1.0, 1.1, 1.3, 1.45, 1.9, 2.1, 3.0, 3.15, 4.0, 5.5] {
                let hertz = part * f64::from(to) / 2.0;
                if hertz * 2.0 >= f64::from(from) {
                    continue;
                }
                let input = tone(hertz, from, from as usize / 2);
                let output = converted(&input, from, to);
                let down = level(&input) - level(&output[to as usize / 10..]);
                assert!(down > 50.0, "{hertz} Hz from {from} to {to}: {down} dB down");
            }
        }
    }

    #[test]
    fn a_frame_gives_a_frame_however_it_is_cut() {
        for (from, to) in pairs() {
            let input = tone(440.0, from, from as usize / 5);
            let whole = converted(&input, from, to);
            assert_eq!(whole.len(), to as usize / 5);
            let mut resampler = Resampler::new(from, to).unwrap();
            let (mut output, mut frame) = (Vec::new(), vec![0; resampler.most(from as usize / 100)]);
            for ten in input.chunks(from as usize / 100) {
                assert_eq!(resampler.convert(ten, &mut frame), to as usize / 100);
                output.extend_from_slice(&frame);
            }
            assert_eq!(output, whole, "from {from} to {to} by 10 ms");
            let mut resampler = Resampler::new(from, to).unwrap();
            let (mut output, mut frame) = (Vec::new(), vec![0; resampler.most(7)]);
            for seven in input.chunks(7) {
                let len = resampler.convert(seven, &mut frame);
                output.extend_from_slice(&frame[..len]);
            }
            assert_eq!(output, whole, "from {from} to {to} by seven");
        }
    }

    #[test]
    fn full_scale_neither_wraps_nor_changes() {
        for (from, to) in pairs().chain(pairs_of_cards()) {
            for sample in [i16::MIN, i16::MAX] {
                let output = converted(&vec![sample; 4000], from, to);
                let last = output[output.len() - 1];
                assert!(i32::from(last).abs_diff(sample.into()) < 40, "{from} to {to}: {last}");
            }
            // The worst for a filter: full scale, changing sides.
            let square: Vec<i16> =
                (0..4000).map(|n| if n / 7 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
            converted(&square, from, to);
        }
    }

    #[test]
    fn no_phase_can_overflow() {
        for (from, to) in pairs().chain(pairs_of_cards()).filter(|(from, to)| from != to) {
            let resampler = Resampler::between(from, to).unwrap();
            for phase in resampler.coefficients.chunks(resampler.taps) {
                let sum: i32 = phase.iter().map(|tap| i32::from(*tap).abs()).sum();
                assert!(sum < 3 << 14, "{from} to {to}: {sum}");
            }
        }
    }

    #[test]
    fn other_rates_are_refused_and_room_is_respected() {
        assert!(Resampler::new(44100, 48000).is_none());
        assert!(Resampler::new(8000, 0).is_none());
        assert!(Resampler::between(44_100, 44_099).is_none() && Resampler::between(4000, 16_000).is_none());
        let mut resampler = Resampler::new(8000, 48000).unwrap();
        assert_eq!(resampler.convert(&[1; 160], &mut [0; 10]), 10);
        assert_eq!(resampler.convert(&[1; 160], &mut [0; 960]), 960);
        assert_eq!(resampler.convert(&[], &mut []), 0);
    }
}
