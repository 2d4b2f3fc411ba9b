//! Challenges: WWW-Authenticate and Proxy-Authenticate ([RFC 7616 §3.3], [RFC 3261 §22]).
//!
//! [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
//! [RFC 3261 §22]: https://www.rfc-editor.org/rfc/rfc3261#section-22

use std::borrow::Cow;

use super::credentials::AuthParams;
use super::{Fault, HeaderError};
use crate::message::Name;

/// One challenge; a header line holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The scheme, such as `Digest`.
    pub scheme: &'a [u8],
    params: AuthParams<'a>,
}

impl<'a> Challenge<'a> {
    /// Reads the value of a challenge header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (scheme, params) = AuthParams::parse(value)
            .map_err(|fault: Fault| HeaderError::new(Name::WwwAuthenticate, fault))?;
        Ok(Challenge { scheme, params })
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// The value of a parameter without quotes and escapes.
    pub fn param(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.params.unquoted(name)
    }

    /// The realm.
    pub fn realm(&self) -> Option<Cow<'a, [u8]>> {
        self.param(b"realm")
    }

    /// The nonce.
    pub fn nonce(&self) -> Option<Cow<'a, [u8]>> {
        self.param(b"nonce")
    }

    /// Whether the nonce was too old and the credentials are not in doubt.
    pub fn is_stale(&self) -> bool {
        self.param(b"stale").is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
    }

    /// Whether the `qop` list holds that token.
    pub fn offers_qop(&self, qop: &[u8]) -> bool {
        self.param(b"qop").is_some_and(|list| {
            list.split(|&byte| byte == b',')
                .any(|token| crate::grammar::trim(token).eq_ignore_ascii_case(qop))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest() {
        let challenge = Challenge::parse(
            b"Digest realm=\"a \\\"b\\\"\", nonce=\"x,y\",qop=\"auth-int , auth\",\r\n algorithm=MD5, stale=TRUE",
        )
        .unwrap();
        assert!(challenge.is_digest() && challenge.is_stale());
        assert_eq!(challenge.realm().unwrap().as_ref(), b"a \"b\"");
        assert_eq!(challenge.nonce().unwrap().as_ref(), b"x,y");
        assert_eq!(challenge.param(b"ALGORITHM").unwrap().as_ref(), b"MD5");
        assert!(challenge.offers_qop(b"auth") && challenge.offers_qop(b"auth-int"));
        assert!(!challenge.offers_qop(b"aut"));
        assert_eq!(challenge.param(b"opaque"), None);
    }
}
