//! Session keys from the master key and salt ([RFC 3711 §4.3], [RFC 6188 §3]), with a key derivation rate of 0.
//!
//! [RFC 3711 §4.3]: https://www.rfc-editor.org/rfc/rfc3711#section-4.3
//! [RFC 6188 §3]: https://www.rfc-editor.org/rfc/rfc6188#section-3

use std::hint::black_box;

use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128Enc, Aes256Enc};
use ctr::{Ctr128BE, CtrCore, cipher::StreamCipherCoreWrapper, flavors};

use super::{KeyError, Suite};

/// What a derived key is for ([RFC 3711 §4.3.2]).
///
/// [RFC 3711 §4.3.2]: https://www.rfc-editor.org/rfc/rfc3711#section-4.3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The pseudo-random function of a master key and salt: AES in counter mode, of the key's length.
pub(super) struct Derivation {
    cipher: Prf,
    /// The master salt, with zeros behind it, which is the block that a label is mixed into.
    salt: [u8; 16],
}

enum Prf {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl Derivation {
    /// A derivation; a key or salt of the wrong length is refused.
    pub(super) fn new(suite: Suite, master_key: &[u8], master_salt: &[u8]) -> Result<Self, KeyError> {
        if master_salt.len() != suite.salt_len() {
            return Err(KeyError { suite });
        }
        let cipher = match suite.key_len() {
            16 => Aes128Enc::new_from_slice(master_key).map(Prf::Aes128),
            _ => Aes256Enc::new_from_slice(master_key).map(Prf::Aes256),
        }
        .map_err(|_| KeyError { suite })?;
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(master_salt) {
            *to = *from;
        }
        Ok(Derivation { cipher, salt })
    }

    /// The key of `label`.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> SessionKey<N> {
        let mut key = SessionKey([0; N]);
        let mut block = self.salt;
        // key_id = label || (index DIV kdr), which is 56 bits, aligned to the end of the 112 bits of salt.
        block[7] ^= label as u8;
        match &self.cipher {
            Prf::Aes128(cipher) => key_stream(cipher, block, &mut key.0),
            Prf::Aes256(cipher) => key_stream(cipher, block, &mut key.0),
        }
        key
    }
}

/// A derived key, which is overwritten when it goes out of use.
pub(super) struct SessionKey<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Drop for SessionKey<N> {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without a reader the compiler might leave out the writes.
        black_box(&self.0);
    }
}

/// XORs `data` with the key stream of AES in counter mode that starts at `block` ([RFC 3711 §4.1.1]).
///
/// [RFC 3711 §4.1.1]: https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1
#[inline]
pub(super) fn key_stream<C>(cipher: &C, block: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let core = CtrCore::<&C, flavors::Ctr128BE>::inner_iv_init(cipher, &block.into());
    let mut stream: Ctr128BE<&C> = StreamCipherCoreWrapper::from_core(core);
    stream.apply_keystream(data);
}
