//! AES in counter mode with HMAC-SHA1 ([RFC 3711 §4.1.1, §4.2.1]), for one of RTP and RTCP.
//!
//! [RFC 3711 §4.1.1, §4.2.1]: https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};
use subtle::ConstantTimeEq;

use super::derivation::key_stream;
use super::mac::Mac;

/// The session keys of a suite of AES_CM with HMAC-SHA1.
pub(super) struct AesCm {
    cipher: Cipher,
    /// The session salt, shifted to where the counter block has it.
    salt: [u8; 16],
    mac: Mac,
    /// Bytes of the tag.
    tag_len: usize,
}

enum Cipher {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl AesCm {
    /// The tag of SRTCP in every suite, and the longest of SRTP.
    pub(super) const MAX_TAG_LEN: usize = 10;

    pub(super) fn with_128(
        key: &[u8; 16],
        salt: &[u8; 14],
        authentication: &[u8; 20],
        tag_len: usize,
    ) -> Self {
        Self::new(Cipher::Aes128(Aes128Enc::new(key.into())), salt, authentication, tag_len)
    }

    pub(super) fn with_256(
        key: &[u8; 32],
        salt: &[u8; 14],
        authentication: &[u8; 20],
        tag_len: usize,
    ) -> Self {
        Self::new(Cipher::Aes256(Aes256Enc::new(key.into())), salt, authentication, tag_len)
    }

    fn new(cipher: Cipher, salt: &[u8; 14], authentication: &[u8; 20], tag_len: usize) -> Self {
        let mut block = [0; 16];
        for (to, from) in block.iter_mut().zip(salt) {
            *to = *from;
        }
        AesCm { cipher, salt: block, mac: Mac::new(authentication), tag_len: tag_len.min(Self::MAX_TAG_LEN) }
    }

    /// Bytes of the tag.
    #[inline]
    pub(super) fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Encrypts or decrypts the payload of the packet with this SSRC and index.
    #[inline]
    pub(super) fn apply(&self, ssrc: u32, index: u64, payload: &mut [u8]) {
        // IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)
        let position = u128::from(ssrc) << 64 | u128::from(index) << 16;
        let block = (u128::from_be_bytes(self.salt) ^ position).to_be_bytes();
        match &self.cipher {
            Cipher::Aes128(cipher) => key_stream(cipher, block, payload),
            Cipher::Aes256(cipher) => key_stream(cipher, block, payload),
        }
    }

    /// Writes the tag over `authenticated`, followed by `trailer` (the roll-over counter of RTP; nothing for RTCP), to
    /// the first [`tag_len`](Self::tag_len) bytes of `tag`.
    #[inline]
    pub(super) fn tag(&self, authenticated: &[u8], trailer: &[u8], tag: &mut [u8]) {
        for (to, from) in tag.iter_mut().zip(self.mac.code(authenticated, trailer)).take(self.tag_len) {
            *to = from;
        }
    }

    /// Whether `tag` is the tag, in a time that does not depend on where they differ.
    #[inline]
    pub(super) fn verify(&self, authenticated: &[u8], trailer: &[u8], tag: &[u8]) -> bool {
        let code = self.mac.code(authenticated, trailer);
        code.get(..self.tag_len).is_some_and(|code| code.ct_eq(tag).into())
    }
}
