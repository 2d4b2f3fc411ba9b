//! The sealed part of a temporary GRUU.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use crate::transaction::keyed_hash::Secret;

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
    /// Of what is sealed, so that it says which device it was, and of which registration, in few bytes.
    digest: Secret,
}

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) aor: Vec<u8>,
    device: [u8; HASH],
}

impl Seal {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        let key = |label: &[u8]| -> [u8; 32] {
            let mut mac = keyed(secret);
            mac.update(label);
            mac.finalize().into_bytes().into()
        };
        let digest = Secret::new(u64::from_be_bytes(first(key(b"gruu digest"))));
        Seal { tag: keyed(key(b"gruu tag")), stream: keyed(key(b"gruu stream")), digest }
    }

    /// Appends a token; says whether there is one: an address of record may be too long. A letter of the instance counts
    /// in either case.
    pub(super) fn seal(
        &self,
        aor: &[u8],
        instance: &[u8],
        call_id: &[u8],
        serial: u64,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(length) = u8::try_from(aor.len()).ok().filter(|&length| length <= MAX_AOR) else {
            return false;
        };
        // Padded, so that the length of a token does not tell whose it is.
        let padded = (1 + aor.len()).next_multiple_of(BLOCK);
        // The tag in front, then what it is of.
        let mut bytes: SmallVec<[u8; TAG + USUAL]> = SmallVec::from_slice(&[0; TAG]);
        bytes.push(length);
        bytes.extend_from_slice(aor);
        bytes.resize(TAG + padded, 0);
        bytes.extend_from_slice(&self.device(instance, call_id));
        bytes.extend_from_slice(&serial.to_be_bytes());
        let Some((tag, plain)) = bytes.split_first_chunk_mut::<TAG>() else { return false };
        *tag = self.tag(plain);
        self.apply_stream(tag, plain);
        let start = out.len();
        // Base64 without padding: four characters for three bytes, and one more than the bytes that are left.
        out.resize(start + (bytes.len() * 4).div_ceil(3), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = URL_SAFE_NO_PAD.encode_slice(&bytes, room);
        debug_assert!(written.is_ok_and(|written| start + written == out.len()), "it was measured");
        true
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
        let (rest, device) = rest.split_last_chunk::<HASH>()?;
        let (&length, padded) = rest.split_first()?;
        let aor = padded.get(..usize::from(length))?.to_vec();
        Some(Opened { aor, device: *device })
    }

    /// Whether a binding with that instance and Call-ID is what the token was made for.
    pub(super) fn is_of(&self, opened: &Opened, instance: &[u8], call_id: &[u8]) -> bool {
        !instance.is_empty() && opened.device == self.device(instance, call_id)
    }

    fn tag(&self, plain: &[u8]) -> [u8; TAG] {
        let mut mac = self.tag.clone();
        mac.update(plain);
        first(mac.finalize().into_bytes().into())
    }

    fn device(&self, instance: &[u8], call_id: &[u8]) -> [u8; HASH] {
        let mut hash = self.digest.hash();
        hash.folded_field(instance);
        hash.field(call_id);
        (hash.finish() as u64).to_be_bytes()
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
/// 16 bytes of tag, 144 of address of record, 16 behind it, in Base64.
const LONGEST: usize = 235;
/// What is sealed of an address of record of up to 31 bytes.
const USUAL: usize = 48;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal::new([7; 32])
    }

    fn token(aor: &[u8], serial: u64) -> Option<String> {
        let mut out = b"before".to_vec();
        let is_there = seal().seal(aor, b"instance", b"call", serial, &mut out);
        let token = String::from_utf8(out.split_off(6)).unwrap();
        assert_eq!((out, is_there), (b"before".to_vec(), !token.is_empty()));
        is_there.then_some(token)
    }

    #[test]
    fn the_longest_token_is_within_the_limit_and_a_longer_name_has_none() {
        let token = |length: usize| token(&vec![b'a'; length], 1);
        assert_eq!(token(128).unwrap().len(), LONGEST);
        assert_eq!(seal().open(token(128).unwrap().as_bytes()).unwrap().aor.len(), 128);
        assert_eq!(token(129), None);
        assert_eq!(token(1).unwrap().len(), token(15).unwrap().len(), "short names look alike");
    }

    #[test]
    fn another_secret_opens_nothing_and_another_serial_looks_different() {
        let sealed = token(b"alice", 1).unwrap();
        assert_eq!(Seal::new([8; 32]).open(sealed.as_bytes()), None);
        let other = token(b"alice", 2).unwrap();
        let same = sealed.bytes().zip(other.bytes()).filter(|(one, two)| one == two).count();
        assert!(same < sealed.len() / 4, "{sealed} {other}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(aor in prop::collection::vec(any::<u8>(), 0..=128), serial: u64) {
            let token = token(&aor, serial).unwrap();
            let opened = seal().open(token.as_bytes()).unwrap();
            prop_assert_eq!(&opened.aor, &aor);
            prop_assert!(seal().is_of(&opened, b"INSTANCE", b"call"));
            prop_assert!(!seal().is_of(&opened, b"instance", b"other"));
            prop_assert!(!seal().is_of(&opened, b"other", b"call"));
        }

        #[test]
        fn a_changed_token_is_refused(at: prop::sample::Index, bit in 0u8..8) {
            let mut token = token(b"alice", 5).unwrap().into_bytes();
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
