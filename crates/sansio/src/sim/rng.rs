//! A small random number generator for simulations.

use std::time::Duration;

/// A seeded generator ([SplitMix64]): the same seed gives the same world.
///
/// It is written here because a simulation must not change when a library changes its stream. It is no source
/// of secrets.
///
/// [SplitMix64]: https://doi.org/10.1145/2714064.2660195
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that starts from `seed`.
    pub const fn new(seed: u64) -> Self {
        Rng { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift instead of a remainder: no bias that a simulation could notice.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// A duration from zero up to and including `most`.
    pub fn duration(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // The first outputs of SplitMix64 for the seed 1234567, as in the reference implementation.
        let mut rng = Rng::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_hold_and_chances_are_about_right() {
        let mut rng = Rng::new(1);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert!((0..1000).all(|_| rng.duration(Duration::from_millis(3)) <= Duration::from_millis(3)));
        let hits = (0..100_000).filter(|_| rng.chance(30)).count();
        assert!((29_000..31_000).contains(&hits), "{hits} of 100000 at 30 %");
        assert!((0..1000).all(|_| rng.chance(100)));
        assert!(!(0..1000).any(|_| rng.chance(0)));
    }

    #[test]
    fn a_slice_of_any_length_is_filled() {
        let mut long = [0; 19];
        Rng::new(9).fill(&mut long);
        let mut short = [0; 3];
        Rng::new(9).fill(&mut short);
        assert_eq!(long[..3], short);
        assert_ne!(long[16..], [0; 3]);
    }
}
