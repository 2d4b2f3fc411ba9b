//! SipHash-2-4 with 128 bits of output: what peers choose is looked up by a hash they cannot predict.

/// The key of every hash of one layer.
#[derive(Clone, Copy)]
pub(crate) struct Secret {
    k0: u64,
    k1: u64,
}

impl Secret {
    /// A key made from `seed`: as hard to guess as the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let blank = Secret { k0: seed, k1: !seed };
        let half = |label: &[u8]| {
            let mut hash = blank.hash();
            hash.write(label);
            hash.finish() as u64
        };
        Secret { k0: half(b"first half"), k1: half(b"second half") }
    }

    /// A hash of nothing so far.
    pub(crate) fn hash(self) -> KeyedHash {
        KeyedHash {
            v: [
                self.k0 ^ 0x736f_6d65_7073_6575,
                self.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                self.k0 ^ 0x6c79_6765_6e65_7261,
                self.k1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            held: 0,
            length: 0,
        }
    }
}

/// A hash that bytes are written to.
pub(crate) struct KeyedHash {
    v: [u64; 4],
    /// The bytes that do not fill a word yet, and how many they are.
    tail: u64,
    held: u32,
    length: u8,
}

impl KeyedHash {
    /// Adds bytes; where one call ends and the next begins makes no difference.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            self.compress(self.tail | (word << (8 * self.held)));
            self.tail = if self.held == 0 { 0 } else { word >> (64 - 8 * self.held) };
        }
        for &byte in rest {
            self.tail |= u64::from(byte) << (8 * self.held);
            self.held += 1;
            if self.held == 8 {
                self.compress(self.tail);
                (self.tail, self.held) = (0, 0);
            }
        }
        // The algorithm wants the length modulo 256.
        self.length = self.length.wrapping_add(bytes.len() as u8);
    }

    /// Adds a field with its length, so that no two lists of fields look alike.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.write(&(bytes.len() as u64).to_le_bytes());
        self.write(bytes);
    }

    /// Adds a field whose letters compare without regard to case.
    pub(crate) fn folded_field(&mut self, bytes: &[u8]) {
        self.write(&(bytes.len() as u64).to_le_bytes());
        for chunk in bytes.chunks(64) {
            let mut lower = [0; 64];
            let lower = &mut lower[..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            self.write(lower);
        }
    }

    /// The hash.
    pub(crate) fn finish(mut self) -> u128 {
        self.compress(self.tail | (u64::from(self.length) << 56));
        self.v[2] ^= 0xee;
        self.rounds(4);
        let low = self.v.iter().fold(0, |sum, word| sum ^ word);
        self.v[1] ^= 0xdd;
        self.rounds(4);
        let high = self.v.iter().fold(0, |sum, word| sum ^ word);
        u128::from(low) | (u128::from(high) << 64)
    }

    fn compress(&mut self, word: u64) {
        self.v[3] ^= word;
        self.rounds(2);
        self.v[0] ^= word;
    }

    fn rounds(&mut self, count: u32) {
        let [mut a, mut b, mut c, mut d] = self.v;
        for _ in 0..count {
            a = a.wrapping_add(b);
            b = b.rotate_left(13) ^ a;
            a = a.rotate_left(32);
            c = c.wrapping_add(d);
            d = d.rotate_left(16) ^ c;
            a = a.wrapping_add(d);
            d = d.rotate_left(21) ^ a;
            c = c.wrapping_add(b);
            b = b.rotate_left(17) ^ c;
            c = c.rotate_left(32);
        }
        self.v = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference_key() -> Secret {
        Secret { k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908 }
    }

    /// The published vectors: the key is 00 to 0f, the input 00, 01, 02 and so on.
    #[test]
    fn published_vectors() {
        for (length, expected) in [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (1, "da87c1d86b99af44347659119b22fc45"),
            (2, "8177228da4a45dc7fca38bdef60affe4"),
        ] {
            let input: Vec<u8> = (0..length).collect();
            let mut hash = reference_key().hash();
            hash.write(&input);
            let hex: String = hash.finish().to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{length} bytes");
        }
    }

    #[test]
    fn the_cuts_between_writes_do_not_matter_but_those_between_fields_do() {
        let input: Vec<u8> = (0..100).collect();
        let whole = {
            let mut hash = reference_key().hash();
            hash.write(&input);
            hash.finish()
        };
        for cut in 0..input.len() {
            let mut hash = reference_key().hash();
            hash.write(&input[..cut]);
            hash.write(&input[cut..]);
            assert_eq!(hash.finish(), whole, "cut at {cut}");
        }
        let fields = |first: &[u8], second: &[u8]| {
            let mut hash = reference_key().hash();
            hash.field(first);
            hash.field(second);
            hash.finish()
        };
        assert_ne!(fields(b"ab", b"c"), fields(b"a", b"bc"));
    }

    #[test]
    fn folded_fields_compare_without_case() {
        let folded = |text: &[u8]| {
            let mut hash = reference_key().hash();
            hash.folded_field(text);
            hash.finish()
        };
        let long = "Z9HG4BK".repeat(20);
        assert_eq!(folded(long.as_bytes()), folded(long.to_lowercase().as_bytes()));
        assert_ne!(folded(b"z9hG4bK1"), folded(b"z9hG4bK2"));
    }

    #[test]
    fn another_seed_is_another_hash() {
        let hash = |seed| Secret::new(seed).hash().finish();
        assert_ne!(hash(1), hash(2));
        assert_eq!(hash(1), hash(1));
    }
}
