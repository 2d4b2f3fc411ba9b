//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 ([RFC 8489 §14.5, §14.6]).
//!
//! [RFC 8489 §14.5, §14.6]: https://www.rfc-editor.org/rfc/rfc8489#section-14.5

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use smallvec::SmallVec;
use stun_types::attribute::{MessageIntegrity, MessageIntegritySha256};
use stun_types::message::{IntegrityKey, MessageHeader, ShortTermCredentials};
use subtle::ConstantTimeEq;

use super::message::{Message, Sealed};

/// The key of a message integrity code; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key(Mechanism);

/// By which mechanism the two ends have come to the key.
#[derive(Clone)]
enum Mechanism {
    /// The hash of the key is kept, so that a leg pays for it once and not with every check.
    ShortTerm(IntegrityKey),
    LongTerm(SmallVec<[u8; 32]>),
}

impl Key {
    /// The key that a password is, by the short-term credential mechanism ([RFC 8489 §9.1]).
    ///
    /// [RFC 8489 §9.1]: https://www.rfc-editor.org/rfc/rfc8489#section-9.1
    pub fn new(password: &str) -> Self {
        Key(Mechanism::ShortTerm(ShortTermCredentials::new(password.to_owned()).make_key()))
    }

    /// The key that a hash over user name, realm and password is, by the long-term credential mechanism
    /// ([RFC 8489 §9.2]).
    ///
    /// [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2
    pub fn long_term(hash: &[u8]) -> Self {
        Key(Mechanism::LongTerm(SmallVec::from_slice(hash)))
    }

    /// The code over the pieces of a message. What makes it can fail by its signature only; then there is none, which
    /// equals none.
    pub(super) fn code(&self, algorithm: Algorithm, covered: &[&[u8]]) -> SmallVec<[u8; 32]> {
        match (&self.0, algorithm) {
            (Mechanism::ShortTerm(key), Algorithm::Sha1) => MessageIntegrity::compute(covered, key)
                .map(|code| SmallVec::from_slice(&code))
                .unwrap_or_default(),
            (Mechanism::ShortTerm(key), Algorithm::Sha256) => MessageIntegritySha256::compute(covered, key)
                .map(|code| SmallVec::from_slice(&code))
                .unwrap_or_default(),
            (Mechanism::LongTerm(key), Algorithm::Sha1) => hmac::<Hmac<Sha1>>(key, covered),
            (Mechanism::LongTerm(key), Algorithm::Sha256) => hmac::<Hmac<Sha256>>(key, covered),
        }
    }
}

/// An HMAC takes a key of any length.
fn hmac<M: Mac + KeyInit>(key: &[u8], covered: &[&[u8]]) -> SmallVec<[u8; 32]> {
    let Ok(mut mac) = M::new_from_slice(key) else { return SmallVec::new() };
    covered.iter().for_each(|piece| mac.update(piece));
    SmallVec::from_slice(&mac.finalize().into_bytes())
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
    key.code(algorithm, &covered).ct_eq(sealed.code).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Key::new("VOkJxbRl1RmTxUk/WvJxBt")), "Key");
        assert_eq!(format!("{:?}", Key::long_term(&[7; 16])), "Key");
    }
}
