//! Comfort noise ([RFC 3389]): silence described by how loud it is, and noise made of the description.
//!
//! We describe the level alone; of a description that has a spectrum as well the spectrum is heard.
//!
//! [RFC 3389]: https://www.rfc-editor.org/rfc/rfc3389

/// How loud samples are, in dB below overload (-dBov): 0 is a square wave of full scale, 127 is silence.
pub fn level(pcm: &[i16]) -> u8 {
    let energy: u64 = pcm.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    if energy == 0 {
        return SILENT;
    }
    let mean = energy as f64 / pcm.len() as f64;
    let below = -10.0 * (mean / (32768.0 * 32768.0)).log10();
    // A float becomes an integer by saturation.
    below.round().clamp(0.0, SILENT.into()) as u8
}

/// Writes the payload for a level in -dBov ([RFC 3389 §3.1]) and says how many bytes it has: 1, or 0 without room.
///
/// [RFC 3389 §3.1]: https://www.rfc-editor.org/rfc/rfc3389#section-3.1
pub fn write(level: u8, payload: &mut [u8]) -> usize {
    match payload.first_mut() {
        Some(first) => {
            *first = level.min(SILENT);
            1
        }
        None => 0,
    }
}

/// Makes the noise that was described last.
#[derive(Debug, Clone)]
pub struct Generator {
    random: u64,
    /// What white noise is multiplied with before the filter, so that the level is right behind it.
    gain: f32,
    reflections: [f32; ORDER],
    state: [f32; ORDER + 1],
}

impl Generator {
    /// Silence until something is described. The same seed gives the same noise.
    pub fn new(seed: u64) -> Self {
        Generator { random: seed, gain: 0.0, reflections: [0.0; ORDER], state: [0.0; ORDER + 1] }
    }

    /// Takes a description: a byte of level, then one for each reflection coefficient ([RFC 3389 §3.2]), of which the
    /// first twelve count. An empty payload changes nothing.
    ///
    /// [RFC 3389 §3.2]: https://www.rfc-editor.org/rfc/rfc3389#section-3.2
    pub fn describe(&mut self, payload: &[u8]) {
        let Some((level, spectrum)) = payload.split_first() else { return };
        // The first bit of the level is to be 0 and is not looked at.
        let deviation = 32768.0 * 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        let mut spectrum = spectrum.iter();
        let mut loss = 1.0;
        for reflection in &mut self.reflections {
            let quantised = spectrum.next().map_or(0, |byte| i16::from(*byte) - 127);
            // Below 1, or the filter would ring for ever.
            *reflection = (f32::from(quantised) * 258.0 / 32768.0).clamp(-STEEPEST, STEEPEST);
            loss *= 1.0 - *reflection * *reflection;
        }
        self.gain = deviation * loss.sqrt();
    }

    /// Fills `pcm` with noise.
    pub fn fill(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            let mut forward = self.gain * self.white();
            // A lattice of all-pole sections, from the last to the first.
            for at in (0..ORDER).rev() {
                let (Some(reflection), Some(&backward)) = (self.reflections.get(at), self.state.get(at))
                else {
                    continue;
                };
                forward -= reflection * backward;
                if let Some(next) = self.state.get_mut(at + 1) {
                    *next = backward + reflection * forward;
                }
            }
            if let Some(first) = self.state.first_mut() {
                *first = forward;
            }
            *sample = forward.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }

    /// White noise, nearly Gaussian, of deviation 1: the sum of four even numbers, by SplitMix64.
    fn white(&mut self) -> f32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let sum: i32 = [0, 16, 32, 48].iter().map(|shift| i32::from((bits >> shift) as u16)).sum();
        // Four of 65536 values each: their mean is 4 * 32767.5, their variance 4 * 65536² / 12.
        (sum - 131_070) as f32 / 37837.0
    }
}

/// The level of no noise at all.
const SILENT: u8 = 127;

/// The highest order of a spectrum that is heard; RFC 3389 §4 lets a receiver take fewer coefficients than it gets.
const ORDER: usize = 12;

/// The largest reflection coefficient.
const STEEPEST: f32 = 0.98;

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, payload: &[u8]) -> Vec<i16> {
        let mut generator = Generator::new(seed);
        generator.describe(payload);
        let mut pcm = vec![0; 40000];
        generator.fill(&mut pcm);
        pcm
    }

    #[test]
    fn levels_are_below_overload() {
        assert_eq!(level(&[]), 127);
        assert_eq!(level(&[0; 160]), 127);
        assert_eq!(level(&[i16::MIN, i16::MAX]), 0);
        assert_eq!(level(&[328, -328]), 40);
        assert_eq!(level(&[1, -1]), 90);
    }

    #[test]
    fn the_noise_is_as_loud_as_described() {
        for described in [20, 40, 60, 75] {
            let heard = level(&noise(1, &[described]));
            assert!(heard.abs_diff(described) <= 1, "{described}: {heard}");
        }
        assert_eq!(level(&noise(1, &[127])), 127);
    }

    #[test]
    fn a_spectrum_changes_the_colour_and_not_the_level() {
        for first in [30, 227] {
            let pcm = noise(1, &[40, first, 127, 100]);
            assert!(level(&pcm).abs_diff(40) <= 1, "{}", level(&pcm));
            let products = pcm.windows(2).map(|pair| f64::from(pair[0]) * f64::from(pair[1])).sum::<f64>();
            // Neighbours are alike when the first coefficient is negative, and opposed when it is positive.
            assert_eq!(products > 0.0, first < 127);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_noise() {
        assert_eq!(noise(7, &[50]), noise(7, &[50]));
        assert_ne!(noise(7, &[50]), noise(8, &[50]));
    }

    #[test]
    fn every_description_gives_noise_that_ends_with_the_next() {
        let mut generator = Generator::new(3);
        let mut pcm = [0; 800];
        for byte in [0, 255, 127, 254] {
            generator.describe(&[[0].as_slice(), &[byte; 40]].concat());
            generator.fill(&mut pcm);
            generator.describe(&[127]);
            generator.fill(&mut pcm);
            assert_eq!(level(&pcm), 127, "{byte}");
        }
        generator.describe(&[]);
    }

    #[test]
    fn a_level_is_one_byte() {
        let mut payload = [0xff; 2];
        assert_eq!(write(200, &mut payload), 1);
        assert_eq!(payload, [127, 0xff]);
        assert_eq!(write(40, &mut []), 0);
    }
}
