//! What a client answers a challenge with, read.

use std::borrow::Cow;
use std::fmt;

use super::algorithm::{Algorithm, Hash};
use super::refusal::Defect;
use super::response::{Auth, Request};
use crate::header;

/// Digest credentials ([RFC 7616 §3.4]). `Debug` prints the user only.
///
/// [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
#[derive(Clone)]
pub struct Credentials<'m> {
    username: Cow<'m, [u8]>,
    realm: Cow<'m, [u8]>,
    nonce: Cow<'m, [u8]>,
    uri: Cow<'m, [u8]>,
    /// `None` when it is no hash: it then equals none.
    response: Option<Hash>,
    /// `None` when it is one that we do not know.
    algorithm: Option<Algorithm>,
    protection: Protection<'m>,
}

/// The `qop` and what comes with it.
#[derive(Clone)]
enum Protection<'m> {
    /// The form of RFC 2069, without `qop`.
    Legacy,
    Auth {
        /// The eight digits as they stand, which is how they are hashed.
        nc: Cow<'m, [u8]>,
        count: u32,
        cnonce: Cow<'m, [u8]>,
    },
    Unsupported,
}

impl<'m> Credentials<'m> {
    /// Reads the value of an Authorization or Proxy-Authorization header; `None` when its scheme is not Digest.
    pub fn parse(value: &'m [u8]) -> Result<Option<Self>, Defect> {
        let fields = header::Credentials::parse(value).map_err(|_| Defect::Syntax)?;
        if !fields.is_digest() {
            return Ok(None);
        }
        let required = |name: &'static str| fields.param(name.as_bytes()).ok_or(Defect::Missing(name));
        let algorithm = match fields.param(b"algorithm") {
            None => Some(Algorithm::Md5),
            Some(token) => Algorithm::from_token(&token),
        };
        let protection = match fields.param(b"qop") {
            None => Protection::Legacy,
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = required("nc")?;
                let count = nonce_count(&nc).ok_or(Defect::NonceCount)?;
                Protection::Auth { nc, count, cnonce: required("cnonce")? }
            }
            Some(_) => Protection::Unsupported,
        };
        Ok(Some(Credentials {
            username: required("username")?,
            realm: required("realm")?,
            nonce: required("nonce")?,
            uri: required("uri")?,
            response: Hash::from_hex(&required("response")?),
            algorithm,
            protection,
        }))
    }

    /// The user, as the client named it.
    pub fn username(&self) -> &[u8] {
        &self.username
    }

    /// The realm.
    pub fn realm(&self) -> &[u8] {
        &self.realm
    }

    /// The algorithm, MD5 when none is named; `None` when it is not one of ours.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The URI that the client has hashed.
    pub fn uri(&self) -> &[u8] {
        &self.uri
    }

    pub(super) fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    pub(super) fn response(&self) -> Option<&Hash> {
        self.response.as_ref()
    }

    pub(super) fn has_unsupported_qop(&self) -> bool {
        matches!(self.protection, Protection::Unsupported)
    }

    /// The nonce count. Without `qop` there is none, and the response is good once: it counts as the last one.
    pub(super) fn count(&self) -> u32 {
        match self.protection {
            Protection::Auth { count, .. } => count,
            Protection::Legacy | Protection::Unsupported => u32::MAX,
        }
    }

    /// What the response must have been computed over.
    pub(super) fn request<'a>(&'a self, method: &'a [u8]) -> Request<'a> {
        let auth = match &self.protection {
            Protection::Auth { nc, cnonce, .. } => Some(Auth { nc, cnonce }),
            Protection::Legacy | Protection::Unsupported => None,
        };
        Request { method, uri: &self.uri, nonce: &self.nonce, auth }
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.username.escape_ascii())
    }
}

/// Eight hexadecimal digits.
fn nonce_count(digits: &[u8]) -> Option<u32> {
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: &str = "Digest username=\"al\\\"ice\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", \
                            response=\"00112233445566778899aabbccddeeff\", qop=auth, nc=0000000a, cnonce=\"c\"";

    #[test]
    fn every_form_that_clients_write_is_read() {
        for value in [
            COMPLETE.to_owned(),
            COMPLETE.replace("qop=auth", "qop=\"auth\""),
            COMPLETE.replace("qop=auth", "QOP=AUTH"),
            COMPLETE.replace("Digest", "digest"),
            COMPLETE.replace(", ", " ,\r\n  "),
            COMPLETE.replace(", ", ","),
            COMPLETE.replace("=", " = "),
            COMPLETE.replace("nc=0000000a", "nc=\"0000000A\""),
            format!("{COMPLETE}, algorithm=md5, opaque=\"\""),
            format!("{COMPLETE}, algorithm=\"MD5\""),
        ] {
            let credentials = Credentials::parse(value.as_bytes()).unwrap().unwrap();
            assert_eq!(credentials.username(), b"al\"ice", "{value}");
            assert_eq!(credentials.algorithm(), Some(Algorithm::Md5));
            assert_eq!((credentials.count(), credentials.response().is_some()), (10, true));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["username", "realm", "nonce", "uri", "response", "nc", "cnonce"] {
            let value = COMPLETE.replace(&format!(" {name}="), &format!(" x{name}="));
            assert_eq!(Credentials::parse(value.as_bytes()).unwrap_err(), Defect::Missing(name));
        }
    }

    #[test]
    fn what_is_broken_is_refused() {
        let defect = |value: &str| Credentials::parse(value.as_bytes()).unwrap_err();
        assert_eq!(defect("Digest username=\"alice"), Defect::Syntax);
        assert_eq!(defect(&format!("{COMPLETE}, username=\"bob\"")), Defect::Syntax);
        for nc in ["nc=1", "nc=0000000g", "nc=+0000001", "nc=000000001"] {
            assert_eq!(defect(&COMPLETE.replace("nc=0000000a", nc)), Defect::NonceCount, "{nc}");
        }
        assert!(Credentials::parse(b"Basic YWxpY2U6c2VjcmV0").unwrap().is_none());
        let odd = COMPLETE.replace("00112233445566778899aabbccddeeff", "not hexadecimal");
        assert!(Credentials::parse(odd.as_bytes()).unwrap().unwrap().response().is_none());
    }

    #[test]
    fn debug_shows_the_user_only() {
        let credentials = Credentials::parse(COMPLETE.as_bytes()).unwrap().unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(al\\\"ice)");
    }
}
