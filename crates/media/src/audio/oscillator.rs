//! A sine wave.

/// A sine wave at any sample rate whose phase goes on when its frequency changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Oscillator {
    /// A turn is 2^32.
    phase: u32,
    step: u32,
}

impl Oscillator {
    /// An oscillator that starts at a zero crossing. Frequencies above half the sample rate are none that can be heard:
    /// it is silent then.
    pub fn new(hertz: f32, rate: u32) -> Self {
        let mut made = Oscillator::default();
        made.tune(hertz, rate);
        made
    }

    /// Changes the frequency and keeps the phase.
    pub fn tune(&mut self, hertz: f32, rate: u32) {
        let turns = f64::from(hertz) / f64::from(rate.max(1));
        self.step = if turns < 0.5 { (turns * TURN) as u32 } else { 0 };
    }

    /// The next sample, from -1 to 1.
    pub fn next_sample(&mut self) -> f32 {
        let now = self.phase;
        self.phase = now.wrapping_add(self.step);
        sine(now)
    }
}

/// The sine of a phase whose turn is 2^32, to a part in 10^7.
fn sine(phase: u32) -> f32 {
    // From the signed phase, of which 2^30 is a quarter, to a quarter's fraction; the second and third quarters are
    // mirrored.
    let signed = phase as i32;
    let folded = if (-QUARTER..=QUARTER).contains(&signed) { signed } else { i32::MIN.wrapping_sub(signed) };
    let x = folded as f32 / QUARTER as f32;
    let square = x * x;
    // The series of sin(x·π/2), with its last coefficients fitted to the interval.
    x * (std::f32::consts::FRAC_PI_2
        + square
            * (-0.645_963_7 + square * (0.079_689_68 + square * (-0.004_673_766 + square * 0.000_151_484_2))))
}

const TURN: f64 = 4_294_967_296.0;
const QUARTER: i32 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_sine() {
        let mut oscillator = Oscillator::new(440.0, 8000);
        for n in 0..80_000u32 {
            let expected = (f64::from(n) * 440.0 / 8000.0 * std::f64::consts::TAU).sin();
            let sample = f64::from(oscillator.next_sample());
            assert!((sample - expected).abs() < 1e-3, "{n}: {sample} is not {expected}");
        }
    }

    #[test]
    fn what_cannot_be_sampled_is_silent() {
        for (hertz, rate) in [(4000.0, 8000), (1e9, 8000), (f32::NAN, 8000), (440.0, 0), (-1.0, 8000)] {
            let mut oscillator = Oscillator::new(hertz, rate);
            assert!((0..100).all(|_| oscillator.next_sample() == 0.0), "{hertz} Hz at {rate}");
        }
    }
}
