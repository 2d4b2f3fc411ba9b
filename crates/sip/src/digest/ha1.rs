//! What is kept of a password.

use std::fmt;

use super::algorithm::{Algorithm, Hash};

/// H(user ":" realm ":" password), which is as good as the password within its realm ([RFC 7616 §3.4.2]).
///
/// A secret: `Debug` prints the algorithm only, and comparing takes the same time wherever two of them differ.
///
/// [RFC 7616 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.2
#[derive(Clone)]
pub struct Ha1 {
    algorithm: Algorithm,
    hash: Hash,
}

impl Ha1 {
    /// Of a password that is known.
    pub fn of_password(algorithm: Algorithm, user: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Ha1 { algorithm, hash: algorithm.hash(&[user, realm, password]) }
    }

    /// As stored; `None` when the length is not the algorithm's.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let hash = Hash::from_bytes(bytes)?;
        (bytes.len() == algorithm.length()).then_some(Ha1 { algorithm, hash })
    }

    /// As written in hexadecimal digits, which is how other SIP servers keep it; `None` when it is something else.
    pub fn from_hex(algorithm: Algorithm, digits: &[u8]) -> Option<Self> {
        let hash = Hash::from_hex(digits)?;
        (hash.as_bytes().len() == algorithm.length()).then_some(Ha1 { algorithm, hash })
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret itself, for the store.
    pub fn reveal(&self) -> &[u8] {
        self.hash.as_bytes()
    }

    pub(super) const fn hash(&self) -> &Hash {
        &self.hash
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.hash.same(&other.hash)
    }
}

impl Eq for Ha1 {}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let ha1 = Ha1::of_password(Algorithm::Md5, b"alice", b"ringback", b"secret");
        assert_eq!(format!("{ha1:?}"), "Ha1(MD5)");
    }

    #[test]
    fn the_stored_forms_are_the_same_secret() {
        for algorithm in Algorithm::ALL {
            let ha1 = Ha1::of_password(algorithm, b"alice", b"ringback", b"secret");
            assert_eq!(Ha1::from_bytes(algorithm, ha1.reveal()), Some(ha1.clone()));
            let hex: String = ha1.reveal().iter().map(|byte| format!("{byte:02X}")).collect();
            assert_eq!(Ha1::from_hex(algorithm, hex.as_bytes()), Some(ha1.clone()));
            assert_ne!(Ha1::of_password(algorithm, b"alice", b"ringback", b"Secret"), ha1);
        }
    }

    #[test]
    fn a_hash_of_another_length_is_refused() {
        assert_eq!(Ha1::from_bytes(Algorithm::Sha256, &[0; 16]), None);
        assert_eq!(Ha1::from_bytes(Algorithm::Md5, &[0; 32]), None);
        assert_eq!(Ha1::from_bytes(Algorithm::Md5, &[0; 20]), None);
        assert_eq!(Ha1::from_hex(Algorithm::Sha256, &[b'0'; 32]), None);
        assert_eq!(Ha1::from_hex(Algorithm::Md5, b"zz"), None);
    }
}
