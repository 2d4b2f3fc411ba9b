//! The sealed part of a temporary GRUU.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Seals with a synthetic nonce, as SIV does ([RFC 5297]), with HMAC-SHA-256 for both of its functions: the tag is an
/// HMAC of the plain text, and the key stream is made of the tag.
///
/// Two equal plain texts would look alike; a number that no other REGISTER has is in each.
///
/// [RFC 5297]: https://www.rfc-editor.org/rfc/rfc5297
#[derive(Clone)]
pub(super) struct Seal {
    tag: Hmac<Sha256>,
    stream: Hmac<Sha256>,
    digest: Hmac<Sha256>,
}

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) aor: Vec<u8>,
    instance: [u8; HASH],
    call_id: [u8; HASH],
}

impl Seal {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        let key = |label: &[u8]| {
            let mut mac = keyed(secret);
            mac.update(label);
            keyed(mac.finalize().into_bytes().into())
        };
        Seal { tag: key(b"gruu tag"), stream: key(b"gruu stream"), digest: key(b"gruu digest") }
    }

    /// A token; `None` when the address of record is too long for one.
    pub(super) fn seal(&self, aor: &[u8], instance: &[u8], call_id: &[u8], serial: u64) -> Option<String> {
        let length = u8::try_from(aor.len()).ok().filter(|&length| length <= MAX_AOR)?;
        // Padded, so that the length of a token does not tell whose it is.
        let padded = (1 + aor.len()).next_multiple_of(BLOCK);
        let mut plain = vec![length];
        plain.extend_from_slice(aor);
        plain.resize(padded, 0);
        plain.extend_from_slice(&self.hash(b"instance", instance));
        plain.extend_from_slice(&self.hash(b"call-id", call_id));
        plain.extend_from_slice(&serial.to_be_bytes());
        let tag = self.tag(&plain);
        self.apply_stream(&tag, &mut plain);
        let mut token = tag.to_vec();
        token.extend_from_slice(&plain);
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// Opens a token; `None` when it is none of ours.
    pub(super) fn open(&self, token: &[u8]) -> Option<Opened> {
        if token.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, sealed) = bytes.split_first_chunk::<TAG>()?;
        let mut plain = sealed.to_vec();
        self.apply_stream(tag, &mut plain);
        if !bool::from(self.tag(&plain).ct_eq(tag)) {
            return None;
        }
        let (rest, _serial) = plain.split_last_chunk::<8>()?;
        let (rest, call_id) = rest.split_last_chunk::<HASH>()?;
        let (rest, instance) = rest.split_last_chunk::<HASH>()?;
        let (&length, padded) = rest.split_first()?;
        let aor = padded.get(..usize::from(length))?.to_vec();
        Some(Opened { aor, instance: *instance, call_id: *call_id })
    }

    /// Whether a binding with that instance and Call-ID is what the token was made for.
    pub(super) fn is_of(&self, opened: &Opened, instance: &[u8], call_id: &[u8]) -> bool {
        !instance.is_empty()
            && opened.instance == self.hash(b"instance", instance)
            && opened.call_id == self.hash(b"call-id", call_id)
    }

    fn tag(&self, plain: &[u8]) -> [u8; TAG] {
        let mut mac = self.tag.clone();
        mac.update(plain);
        first(mac.finalize().into_bytes().into())
    }

    fn hash(&self, label: &[u8], text: &[u8]) -> [u8; HASH] {
        let mut mac = self.digest.clone();
        mac.update(label);
        mac.update(b":");
        mac.update(text);
        first(mac.finalize().into_bytes().into())
    }

    fn apply_stream(&self, tag: &[u8; TAG], text: &mut [u8]) {
        for (number, block) in text.chunks_mut(32).enumerate() {
            let mut mac = self.stream.clone();
            mac.update(tag);
            mac.update(&(number as u64).to_be_bytes());
            let stream: [u8; 32] = mac.finalize().into_bytes().into();
            block.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}

fn keyed(secret: [u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(secret).for_each(|(to, from)| *to = from);
    Hmac::new(&block)
}

fn first<const N: usize>(full: [u8; 32]) -> [u8; N] {
    let mut part = [0; N];
    part.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    part
}

const TAG: usize = 16;
const HASH: usize = 8;
const BLOCK: usize = 16;
const MAX_AOR: u8 = 128;
/// 16 bytes of tag, 144 of address of record, 24 behind it, in Base64.
const LONGEST: usize = 246;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal::new([7; 32])
    }

    #[test]
    fn the_longest_token_is_within_the_limit_and_a_longer_name_has_none() {
        let token = |length: usize| seal().seal(&vec![b'a'; length], b"i", b"c", 1);
        assert_eq!(token(128).unwrap().len(), LONGEST);
        assert_eq!(seal().open(token(128).unwrap().as_bytes()).unwrap().aor.len(), 128);
        assert_eq!(token(129), None);
        assert_eq!(token(1).unwrap().len(), token(15).unwrap().len(), "short names look alike");
    }

    #[test]
    fn another_secret_opens_nothing_and_another_serial_looks_different() {
        let token = seal().seal(b"alice", b"i", b"c", 1).unwrap();
        assert_eq!(Seal::new([8; 32]).open(token.as_bytes()), None);
        let other = seal().seal(b"alice", b"i", b"c", 2).unwrap();
        let same = token.bytes().zip(other.bytes()).filter(|(one, two)| one == two).count();
        assert!(same < token.len() / 4, "{token} {other}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(aor in prop::collection::vec(any::<u8>(), 0..=128), serial: u64) {
            let token = seal().seal(&aor, b"instance", b"call", serial).unwrap();
            let opened = seal().open(token.as_bytes()).unwrap();
            prop_assert_eq!(&opened.aor, &aor);
            prop_assert!(seal().is_of(&opened, b"instance", b"call"));
            prop_assert!(!seal().is_of(&opened, b"instance", b"other"));
            prop_assert!(!seal().is_of(&opened, b"other", b"call"));
        }

        #[test]
        fn a_changed_token_is_refused(at: prop::sample::Index, bit in 0u8..8) {
            let mut token = seal().seal(b"alice", b"instance", b"call", 5).unwrap().into_bytes();
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            prop_assert_eq!(seal().open(&token), None);
            prop_assert_eq!(seal().open(&token[..at]), None);
        }

        #[test]
        fn any_text_is_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(seal().open(&text), None);
        }
    }
}
