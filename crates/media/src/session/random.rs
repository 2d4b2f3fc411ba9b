//! Random numbers out of a seed.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

/// AES in counter mode: who sees some of the numbers learns nothing about the others, and the same seed gives the same
/// run.
pub(super) struct Random {
    cipher: Aes128Enc,
    counter: u128,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let (mut key, mut counter) = ([0; 16], [0; 16]);
        for (at, byte) in seed.into_iter().enumerate() {
            if let Some(to) = key.get_mut(at).or_else(|| counter.get_mut(at.wrapping_sub(16))) {
                *to = byte;
            }
        }
        Random { cipher: Aes128Enc::new(&key.into()), counter: u128::from_be_bytes(counter) }
    }

    pub(super) fn block(&mut self) -> [u8; 16] {
        let mut block = self.counter.to_be_bytes().into();
        self.counter = self.counter.wrapping_add(1);
        self.cipher.encrypt_block(&mut block);
        block.into()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(16) {
            for (to, from) in chunk.iter_mut().zip(self.block()) {
                *to = from;
            }
        }
        bytes
    }

    pub(super) fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_both_halves_count() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (random.word(), random.bytes::<24>())
        };
        let seed: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert_eq!(numbers(seed), numbers(seed));
        for at in [0, 31] {
            let mut other = seed;
            other[at] ^= 1;
            assert_ne!(numbers(seed), numbers(other));
        }
    }
}
