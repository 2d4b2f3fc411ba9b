//! Has the engine take a cookie that somebody else has given out and checked.
//!
//! `dimpl` makes its cookies by an association's own secret, so that there has to be an association before there is a
//! cookie: that is the state that an exchange without state shall not have. The cookie is part of what both ends hash, so it
//! cannot be exchanged for another on its way in either. What is left is the place where the engine computes the cookie
//! that it expects: it is the one user of [`HmacProvider::hmac_sha256`], and is told the cookie of [`Verified`] there, which
//! [`Cookies`](super::Cookies) has compared before.
//!
//! The cookie lies in a cell of its thread from the call of [`while_vouched`] to its end, and no longer.
//!
//! [`Verified`]: super::Verified

use std::cell::Cell;

use dimpl::CryptoError;
use dimpl::crypto::{CryptoProvider, HashAlgorithm, HmacProvider, aws_lc_rs};

/// The cryptography of an engine that takes cookies by [`while_vouched`].
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider { hmac_provider: &Vouching, ..aws_lc_rs::default_provider() }
}

/// Does something during which an engine of this provider expects `cookie`.
pub(super) fn while_vouched<T>(cookie: [u8; 32], action: impl FnOnce() -> T) -> T {
    EXPECTED.set(Some(cookie));
    let done = action();
    EXPECTED.set(None);
    done
}

thread_local! {
    static EXPECTED: Cell<Option<[u8; 32]>> = const { Cell::new(None) };
}

#[derive(Debug)]
struct Vouching;

impl HmacProvider for Vouching {
    fn hmac_sha256(&self, key: &[u8], data: &[u8]) -> Result<[u8; 32], CryptoError> {
        if let Some(cookie) = EXPECTED.get() {
            return Ok(cookie);
        }
        let mut out = [0; 32];
        self.hmac(HashAlgorithm::SHA256, key, data, &mut out)?;
        Ok(out)
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        aws_lc_rs::default_provider().hmac_provider.hmac(hash, key, data, out)
    }
}
