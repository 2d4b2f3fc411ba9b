//! The response to a challenge ([RFC 7616 §3.4.1]).
//!
//! [RFC 7616 §3.4.1]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1

use super::algorithm::Hash;
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

/// Computes the response.
pub(super) fn response(ha1: &Ha1, request: &Request<'_>) -> Hash {
    let algorithm = ha1.algorithm();
    let secret = ha1.hash().hex();
    let ha2 = algorithm.hash(&[request.method, request.uri]).hex();
    match request.auth {
        Some(Auth { nc, cnonce }) => {
            algorithm.hash(&[secret.as_bytes(), request.nonce, nc, cnonce, b"auth", ha2.as_bytes()])
        }
        None => algorithm.hash(&[secret.as_bytes(), request.nonce, ha2.as_bytes()]),
    }
}
