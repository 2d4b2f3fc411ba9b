//! AES in counter mode with HMAC-SHA1 ([RFC 3711 §4.1.1, §4.2.1]), for one of RTP and RTCP.
//!
//! [RFC 3711 §4.1.1, §4.2.1]: https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use subtle::ConstantTimeEq;

use super::derivation::key_stream;
use super::mac::Mac;

/// The session keys of AES_CM_128_HMAC_SHA1_80.
pub(super) struct AesCm {
    cipher: Aes128Enc,
    /// The session salt, shifted to where the counter block has it.
    salt: [u8; 16],
    mac: Mac,
}

impl AesCm {
    pub(super) const TAG_LEN: usize = 10;

    pub(super) fn new(key: &[u8; 16], salt: &[u8; 14], authentication: &[u8; 20]) -> Self {
        let mut block = [0; 16];
        for (to, from) in block.iter_mut().zip(salt) {
            *to = *from;
        }
        AesCm { cipher: Aes128Enc::new(key.into()), salt: block, mac: Mac::new(authentication) }
    }

    /// Encrypts or decrypts the payload of the packet with this SSRC and index.
    #[inline]
    pub(super) fn apply(&self, ssrc: u32, index: u64, payload: &mut [u8]) {
        // IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)
        let position = u128::from(ssrc) << 64 | u128::from(index) << 16;
        key_stream(&self.cipher, (u128::from_be_bytes(self.salt) ^ position).to_be_bytes(), payload);
    }

    /// The tag over `authenticated`, followed by `trailer` (the roll-over counter of RTP; nothing for RTCP).
    #[inline]
    pub(super) fn tag(&self, authenticated: &[u8], trailer: &[u8]) -> [u8; Self::TAG_LEN] {
        let mut tag = [0; Self::TAG_LEN];
        for (to, from) in tag.iter_mut().zip(self.mac.code(authenticated, trailer)) {
            *to = from;
        }
        tag
    }

    /// Whether `tag` is the tag, in a time that does not depend on where they differ.
    #[inline]
    pub(super) fn verify(&self, authenticated: &[u8], trailer: &[u8], tag: &[u8]) -> bool {
        self.tag(authenticated, trailer).ct_eq(tag).into()
    }
}
