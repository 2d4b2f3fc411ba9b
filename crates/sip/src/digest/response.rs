//! The response to a challenge ([RFC 7616 §3.4.1]).
//!
//! [RFC 7616 §3.4.1]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1

use smallvec::SmallVec;

use super::algorithm::{Algorithm, Hash};
use super::ha1::Ha1;

/// What a response is computed over, besides the secret. All as written between the quotes, escapes included: what
/// the two ends hash must be the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) nonce: &'a [u8],
    /// `None` is the form without `qop` of RFC 2069.
    pub(super) auth: Option<Auth<'a>>,
}

/// What `qop=auth` adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Auth<'a> {
    /// The eight digits, as written.
    pub(super) nc: &'a [u8],
    pub(super) cnonce: &'a [u8],
}

/// What follows the secret in what is hashed.
pub(super) type AfterSecret = SmallVec<[u8; 160]>;

impl Request<'_> {
    /// What follows the secret: it is known before the user is.
    pub(super) fn after_secret(&self, algorithm: Algorithm) -> AfterSecret {
        let ha2 = algorithm.hash(&[self.method, self.uri]).hex();
        let mut text = AfterSecret::from_slice(self.nonce);
        let auth = self.auth.map(|Auth { nc, cnonce }| [nc, cnonce, b"auth"]);
        for part in auth.iter().flatten().copied().chain([ha2.as_bytes()]) {
            text.push(b':');
            text.extend_from_slice(part);
        }
        text
    }
}

/// Computes the response.
pub(super) fn response(ha1: &Ha1, after_secret: &[u8]) -> Hash {
    ha1.algorithm().hash(&[ha1.hash().hex().as_bytes(), after_secret])
}
