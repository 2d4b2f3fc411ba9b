//! AES-GCM ([RFC 7714]), for one of RTP and RTCP.
//!
//! [RFC 7714]: https://www.rfc-editor.org/rfc/rfc7714

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{KeyError, Suite};

/// The session keys of AEAD_AES_128_GCM or AEAD_AES_256_GCM.
///
/// The nonce follows from SSRC and packet index, which the stream contexts never let through twice.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) const TAG_LEN: usize = 16;

    pub(super) fn new(suite: Suite, key: &[u8], salt: [u8; 12]) -> Result<Self, KeyError> {
        let algorithm = match suite {
            Suite::AeadAes128Gcm => &AES_128_GCM,
            Suite::AeadAes256Gcm => &AES_256_GCM,
            _ => return Err(KeyError { suite }),
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| KeyError { suite })?;
        Ok(Gcm { key: LessSafeKey::new(key), salt })
    }

    /// Encrypts `text` in place and returns the tag; `None` when the library refuses the length.
    #[inline]
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; Self::TAG_LEN]> {
        let tag =
            self.key.seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(associated), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Checks the tag and decrypts `text` in place; says whether the tag fits.
    #[inline]
    pub(super) fn open(&self, ssrc: u32, index: u64, associated: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
        self.key.open_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(associated), tag, text).is_ok()
    }

    /// Two zero bytes, the SSRC and the 48-bit index, mixed with the salt ([RFC 7714 §8.1, §9.1]): for RTP the
    /// index is the roll-over counter and the sequence number, for RTCP the SRTCP index.
    ///
    /// [RFC 7714 §8.1, §9.1]: https://www.rfc-editor.org/rfc/rfc7714#section-8.1
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let position = (u128::from(ssrc) << 48 | u128::from(index)).to_be_bytes();
        let mut nonce = self.salt;
        for (byte, position) in nonce.iter_mut().zip(&position[4..]) {
            *byte ^= position;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}
