//! A fast hash under a secret seed, for tables that are looked up with every packet.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use crate::as_ipv6;

/// A table under a seed.
pub type Table<K, V> = HashMap<K, V, Seeded>;

/// A remote address as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(u128, u16);

impl From<SocketAddr> for AddressKey {
    fn from(address: SocketAddr) -> Self {
        AddressKey(as_ipv6(address.ip()).to_bits(), address.port())
    }
}

/// Makes hashers with a seed: who does not know it cannot choose addresses that collide.
#[derive(Debug, Clone, Copy)]
pub struct Seeded {
    start: u64,
    multiplier: u64,
}

impl Seeded {
    /// Hashes under this seed, which nobody else knows.
    pub fn new(seed: [u8; 16]) -> Self {
        let seed = u128::from_le_bytes(seed);
        // An odd multiplier loses nothing.
        Seeded { start: seed as u64, multiplier: (seed >> 64) as u64 | 1 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.start, multiplier: self.multiplier }
    }
}

/// Multiplies to twice the width and folds the halves together, a word at a time.
#[derive(Debug)]
pub struct Folding {
    state: u64,
    multiplier: u64,
}

impl Folding {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.multiplier);
        self.state = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u16(&mut self, word: u16) {
        self.fold(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }

    fn write_u128(&mut self, word: u128) {
        self.fold(word as u64);
        self.fold((word >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.state.rotate_left(26) ^ self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn neighbouring_addresses_spread_over_both_ends_of_the_hash() {
        let seeded = Seeded::new(std::array::from_fn(|i| (i as u8).wrapping_mul(37).wrapping_add(11)));
        let (mut low, mut high) = (BTreeSet::new(), BTreeSet::new());
        for port in 0..4096u16 {
            let address: SocketAddr = ([192, 0, 2, 1], 20_000 + port).into();
            let hash = seeded.hash_one(AddressKey::from(address));
            low.insert(hash & 0xfff);
            high.insert(hash >> 52);
        }
        // 4096 balls in 4096 bins leave about 63 % of them hit.
        assert!(low.len() > 2300 && high.len() > 2300, "{} {}", low.len(), high.len());
    }

    #[test]
    fn the_seed_decides() {
        let address = AddressKey::from(SocketAddr::from(([192, 0, 2, 1], 5004)));
        assert_ne!(Seeded::new([1; 16]).hash_one(address), Seeded::new([2; 16]).hash_one(address));
    }

    #[test]
    fn a_mapped_address_is_the_same_key() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:9".parse().unwrap();
        assert_eq!(AddressKey::from(mapped), AddressKey::from(SocketAddr::from(([192, 0, 2, 1], 9))));
    }
}
