//! The hash functions of digest.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use subtle::ConstantTimeEq;

/// A digest algorithm ([RFC 7616 §6.1], [RFC 8760 §2.1]), the weakest first.
///
/// [RFC 7616 §6.1]: https://www.rfc-editor.org/rfc/rfc7616#section-6.1
/// [RFC 8760 §2.1]: https://www.rfc-editor.org/rfc/rfc8760#section-2.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`: all that browsers' SIP libraries know.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`: SHA-512/256 of FIPS 180-4, which is not SHA-512 cut short.
    Sha512_256,
}

impl Algorithm {
    /// Every algorithm, the weakest first.
    pub const ALL: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256];

    /// The `algorithm` token.
    pub const fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// The algorithm that an `algorithm` token names, in any case of letters.
    ///
    /// The session variants (`MD5-sess` and the like) are not among them.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.token().as_bytes().eq_ignore_ascii_case(token))
    }

    /// The number of bytes of a hash.
    pub const fn length(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha256 | Algorithm::Sha512_256 => 32,
        }
    }

    /// The hash of the parts with a colon between each, which is how digest joins what it hashes.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Hash {
        match self {
            Algorithm::Md5 => Hash::Short(joined::<Md5>(parts).into()),
            Algorithm::Sha256 => Hash::Long(joined::<Sha256>(parts).into()),
            Algorithm::Sha512_256 => Hash::Long(joined::<Sha512_256>(parts).into()),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// A hash of one of the lengths that there are.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Short([u8; 16]),
    Long([u8; 32]),
}

impl Hash {
    /// The hash that the bytes are.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            16 => bytes.try_into().ok().map(Hash::Short),
            32 => bytes.try_into().ok().map(Hash::Long),
            _ => None,
        }
    }

    /// The hash that is written in hexadecimal digits, in either case of letters.
    pub(super) fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() || pairs.len() > bytes.len() {
            return None;
        }
        for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Self::from_bytes(bytes.get(..pairs.len())?)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Hash::Short(bytes) => bytes,
            Hash::Long(bytes) => bytes,
        }
    }

    /// The hash in lower-case hexadecimal digits.
    pub(super) fn hex(&self) -> Hex {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.as_bytes()) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        Hex { digits, length: 2 * self.as_bytes().len() }
    }

    /// Whether the hashes are the same, in a time that does not depend on where they differ.
    pub(super) fn same(&self, other: &Hash) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

/// A hash in hexadecimal digits.
pub(super) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or(&self.digits)
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hasher.finalize()
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_in_any_case_and_session_variants_are_not() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_token(algorithm.token().to_lowercase().as_bytes()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_token(b"MD5-sess"), None);
        assert_eq!(Algorithm::from_token(b"SHA-512"), None);
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        // RFC 1321 §A.5, FIPS 180-4 examples.
        assert_eq!(Algorithm::Md5.hash(&[b"abc"]).hex().as_bytes(), b"900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            Algorithm::Sha256.hash(&[b"abc"]).hex().as_bytes(),
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            Algorithm::Sha512_256.hash(&[b"abc"]).hex().as_bytes(),
            b"53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn hexadecimal_is_read_in_either_case_and_nothing_else_is() {
        let hash = Algorithm::Md5.hash(&[b"abc"]);
        let upper = hash.hex().as_bytes().to_ascii_uppercase();
        assert!(Hash::from_hex(&upper).is_some_and(|read| read.same(&hash)));
        assert!(Hash::from_hex(b"900150983cd24fb0d6963f7d28e17f7").is_none());
        assert!(Hash::from_hex(b"900150983cd24fb0d6963f7d28e17f7g").is_none());
        assert!(Hash::from_hex(&[b'0'; 66]).is_none());
        assert!(Hash::from_hex(&[b'0'; 40]).is_none());
        assert!(Hash::from_hex(b"").is_none());
    }
}
