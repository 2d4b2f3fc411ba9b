//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 ([RFC 8489 §14.5, §14.6]).
//!
//! [RFC 8489 §14.5, §14.6]: https://www.rfc-editor.org/rfc/rfc8489#section-14.5

use std::fmt;

use stun_types::attribute::{MessageIntegrity, MessageIntegritySha256};
use stun_types::message::{IntegrityAlgorithm, IntegrityKey, MessageHeader, ShortTermCredentials};

use super::message::{Message, Sealed};

/// The key of the short-term credential mechanism ([RFC 8489 §9.1]); `Debug` shows nothing of it.
///
/// The hash of the key is kept, so that a leg pays for it once and not with every check.
///
/// [RFC 8489 §9.1]: https://www.rfc-editor.org/rfc/rfc8489#section-9.1
#[derive(Clone)]
pub struct Key(IntegrityKey);

impl Key {
    /// The key that a password is.
    pub fn new(password: &str) -> Self {
        Key(ShortTermCredentials::new(password.to_owned()).make_key())
    }

    pub(super) fn inner(&self) -> &IntegrityKey {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The hash function of a message integrity code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MESSAGE-INTEGRITY: what every ICE agent sends.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl From<Algorithm> for IntegrityAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => IntegrityAlgorithm::Sha1,
            Algorithm::Sha256 => IntegrityAlgorithm::Sha256,
        }
    }
}

/// Why a message is not from who holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unauthenticated {
    /// It has no message integrity code.
    #[error("no MESSAGE-INTEGRITY")]
    Missing,
    /// The code was made with another key, or the message was changed.
    #[error("MESSAGE-INTEGRITY does not match")]
    Mismatch,
}

impl Message<'_> {
    /// Checks the message integrity code, the stronger one where there are two, in constant time.
    ///
    /// An answer is to be protected with the algorithm that this gives ([RFC 8489 §9.1.3]).
    ///
    /// [RFC 8489 §9.1.3]: https://www.rfc-editor.org/rfc/rfc8489#section-9.1.3
    pub fn verify(&self, key: &Key) -> Result<Algorithm, Unauthenticated> {
        let (algorithm, sealed) = match (self.sha256, self.sha1) {
            (Some(sealed), _) => (Algorithm::Sha256, sealed),
            (None, Some(sealed)) => (Algorithm::Sha1, sealed),
            (None, None) => return Err(Unauthenticated::Missing),
        };
        if verify(algorithm, &sealed, key) { Ok(algorithm) } else { Err(Unauthenticated::Mismatch) }
    }

    /// Whether it carries a message integrity code of either kind.
    pub fn has_integrity(&self) -> bool {
        self.sha1.is_some() || self.sha256.is_some()
    }
}

/// The code covers the message up to its attribute, with a length field that ends behind the attribute.
fn verify(algorithm: Algorithm, sealed: &Sealed<'_>, key: &Key) -> bool {
    let Some((&[kind1, kind2, _, _], protected)) = sealed.before.split_first_chunk() else {
        return false;
    };
    let length = (sealed.before.len() - MessageHeader::LENGTH) + 4 + sealed.code.len();
    let Ok(length) = u16::try_from(length) else {
        return false;
    };
    let [length1, length2] = length.to_be_bytes();
    let covered = [&[kind1, kind2, length1, length2], protected];
    match algorithm {
        Algorithm::Sha1 => {
            sealed.code.try_into().is_ok_and(|code| MessageIntegrity::verify(&covered, key.inner(), code))
        }
        Algorithm::Sha256 => MessageIntegritySha256::verify(&covered, key.inner(), sealed.code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Key::new("VOkJxbRl1RmTxUk/WvJxBt")), "Key");
    }
}
