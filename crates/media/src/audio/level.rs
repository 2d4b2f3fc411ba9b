//! How loud a frame is, and whether somebody speaks in it.

/// The level of a frame in -dBov, as [RFC 6464 §3] writes it: 0 is the loudest that there is, 127 is digital silence.
///
/// [RFC 6464 §3]: https://www.rfc-editor.org/rfc/rfc6464#section-3
pub fn level(frame: &[i16]) -> u8 {
    level_of_power(power(frame))
}

/// The mean square of a frame, of 1.0 for the square wave of full scale; zero for a frame without samples.
pub fn power(frame: &[i16]) -> f32 {
    if frame.is_empty() {
        return 0.0;
    }
    let sum: i64 = frame.iter().map(|&sample| i64::from(sample) * i64::from(sample)).sum();
    sum as f32 / frame.len() as f32 / (FULL_SCALE * FULL_SCALE)
}

/// The level in -dBov of a mean square.
pub fn level_of_power(power: f32) -> u8 {
    // The conversion saturates, and takes no number for 0.
    if power <= 0.0 { SILENCE } else { (-10.0 * power.log10()).round().clamp(0.0, f32::from(SILENCE)) as u8 }
}

/// The level that stands for digital silence.
pub const SILENCE: u8 = 127;

/// Finds speech by how far a frame is above the noise of the last seconds.
///
/// The noise floor is the quietest frame of the last two seconds: speech has pauses, noise has none. So a steady tone
/// counts as noise after two seconds. A hang-over keeps the soft ends of words.
#[derive(Debug, Clone)]
pub struct SpeechDetector {
    /// The quietest level, dBov, of each half second before this one.
    minima: [f32; WINDOWS],
    /// That of the half second that goes on, and how much of it has passed.
    minimum: f32,
    passed_ms: u32,
    next: usize,
    hang_over_ms: u32,
}

impl SpeechDetector {
    /// A detector that expects a quiet line.
    pub const fn new() -> Self {
        SpeechDetector { minima: [QUIET_LINE; WINDOWS], minimum: 0.0, passed_ms: 0, next: 0, hang_over_ms: 0 }
    }

    /// Takes a frame of so many milliseconds; says whether somebody speaks in it or spoke a moment ago.
    pub fn handle_frame(&mut self, frame: &[i16], milliseconds: u32) -> bool {
        let level = 10.0 * power(frame).max(1e-12).log10();
        let speaks = level > self.noise_floor() + ABOVE_NOISE && level > LOWEST_SPEECH;
        self.minimum = self.minimum.min(level);
        self.passed_ms = self.passed_ms.saturating_add(milliseconds);
        if self.passed_ms >= WINDOW_MS {
            if let Some(oldest) = self.minima.get_mut(self.next) {
                *oldest = self.minimum;
            }
            self.next = (self.next + 1) % WINDOWS;
            (self.minimum, self.passed_ms) = (0.0, 0);
        }
        if speaks {
            self.hang_over_ms = HANG_OVER_MS;
            return true;
        }
        let hangs_over = self.hang_over_ms > 0;
        self.hang_over_ms = self.hang_over_ms.saturating_sub(milliseconds);
        hangs_over
    }

    /// The level of the noise in dBov.
    pub fn noise_floor(&self) -> f32 {
        self.minima.iter().fold(self.minimum, |least, &level| least.min(level)).clamp(FLOOR_LEAST, FLOOR_MOST)
    }
}

impl Default for SpeechDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// The amplitude of full scale.
pub(crate) const FULL_SCALE: f32 = 32_768.0;
const WINDOWS: usize = 4;
const WINDOW_MS: u32 = 500;
const HANG_OVER_MS: u32 = 200;
const QUIET_LINE: f32 = -60.0;
/// How many decibels speech is above the noise.
const ABOVE_NOISE: f32 = 8.0;
/// What is quieter is not speech on any line.
const LOWEST_SPEECH: f32 = -58.0;
/// Bounds of the floor: digital silence must not make every whisper loud, and loud music is no noise.
const FLOOR_LEAST: f32 = -75.0;
const FLOOR_MOST: f32 = -30.0;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Rng;

    use super::*;

    #[test]
    fn levels_are_those_of_rfc_6464() {
        assert_eq!(level(&[]), 127);
        assert_eq!(level(&[0; 160]), 127);
        assert_eq!(level(&[i16::MIN; 160]), 0);
        assert_eq!(level(&[i16::MAX; 160]), 0);
        // A tenth of the amplitude is 20 dB less, the least sample that there is 90.
        assert_eq!(level(&[3277; 160]), 20);
        assert_eq!(level(&[1; 160]), 90);
    }

    fn noise(rng: &mut Rng, amplitude: u64) -> [i16; 160] {
        std::array::from_fn(|_| rng.below(2 * amplitude + 1) as i16 - amplitude as i16)
    }

    #[test]
    fn speech_is_found_above_any_noise_and_noise_is_learnt() {
        let mut rng = Rng::new(1);
        let mut detector = SpeechDetector::new();
        assert!((0..100).all(|_| !detector.handle_frame(&[0; 160], 20)), "silence is no speech");
        assert!(detector.handle_frame(&noise(&mut rng, 8000), 20), "a word in silence");
        // The noise of a car sets in: taken for speech at first, for noise within some seconds.
        let heard = (0..500).filter(|_| detector.handle_frame(&noise(&mut rng, 1000), 20)).count();
        assert!((50..200).contains(&heard), "{heard} frames of noise were taken for speech");
        assert!(!detector.handle_frame(&noise(&mut rng, 1000), 20));
        assert!(detector.handle_frame(&noise(&mut rng, 8000), 20), "a word in the noise");
    }

    #[test]
    fn the_hang_over_lasts_two_hundred_milliseconds() {
        let mut detector = SpeechDetector::new();
        let mut rng = Rng::new(2);
        assert!(detector.handle_frame(&noise(&mut rng, 8000), 20));
        let after = (0..50).take_while(|_| detector.handle_frame(&[0; 160], 20)).count();
        assert_eq!(after, 10);
    }
}
