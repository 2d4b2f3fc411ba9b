//! Credentials: Authorization and Proxy-Authorization ([RFC 7616 §3.4], [RFC 3261 §22]).
//!
//! [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
//! [RFC 3261 §22]: https://www.rfc-editor.org/rfc/rfc3261#section-22

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::{Fault, HeaderError};
use crate::grammar;
use crate::message::Name;
use crate::message::limits::MAX_PARAMETERS;

/// Credentials; `Debug` prints the scheme only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The scheme, such as `Digest`.
    pub scheme: &'a [u8],
    params: AuthParams<'a>,
}

impl<'a> Credentials<'a> {
    /// Reads the value of a credentials header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (scheme, params) =
            AuthParams::parse(value).map_err(|fault| HeaderError::new(Name::Authorization, fault))?;
        Ok(Credentials { scheme, params })
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// The value of a parameter without quotes and escapes.
    pub fn param(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.params.unquoted(name)
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.scheme.escape_ascii())
    }
}

/// `name=value` separated by commas, read in one pass: a verifier asks for ten of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthParams<'a> {
    /// Names, and values as they stand.
    read: SmallVec<[(&'a [u8], &'a [u8]); 12]>,
}

impl<'a> AuthParams<'a> {
    /// The scheme and its parameters. Of another scheme than Digest only what has the form is read. A parameter of
    /// Digest given twice is an error: which of the two was meant decides who is let in.
    pub(super) fn parse(value: &'a [u8]) -> Result<(&'a [u8], Self), Fault> {
        let value = grammar::trim(value);
        if value.is_empty() {
            return Err(Fault::Empty);
        }
        let (scheme, rest) = grammar::take_while(value, grammar::is_token_byte);
        let raw = grammar::trim_start(rest);
        if scheme.is_empty() || raw.len() == rest.len() && !raw.is_empty() {
            return Err(Fault::Malformed);
        }
        let params = match AuthParams::read(raw) {
            (_, Some(fault)) if scheme.eq_ignore_ascii_case(b"Digest") => return Err(fault),
            (params, _) => params,
        };
        Ok((scheme, params))
    }

    pub(super) fn unquoted(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let (_, value) = self.read.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(grammar::unquote(value))
    }

    /// The parameters up to the first that is at fault, and its fault.
    fn read(mut rest: &'a [u8]) -> (Self, Option<Fault>) {
        let mut params = AuthParams { read: SmallVec::new() };
        while !rest.is_empty() {
            let Some((name, value, after)) = take(rest) else { return (params, Some(Fault::Params)) };
            if params.read.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return (params, Some(Fault::Params));
            }
            if params.read.len() >= MAX_PARAMETERS {
                return (params, Some(Fault::TooManyParams));
            }
            params.read.push((name, value));
            rest = after;
        }
        (params, None)
    }
}

/// Splits off `name=value` and the comma after it.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let bytes = grammar::trim_start(bytes);
    let (name, rest) = grammar::take_while(bytes, grammar::is_token_byte);
    let value = grammar::trim_start(grammar::trim_start(rest).strip_prefix(b"=")?);
    let (value, rest) = match value.first() {
        Some(b'"') => grammar::take_quoted(value)?,
        _ => grammar::take_while(value, grammar::is_value_byte),
    };
    let rest = grammar::trim_start(rest);
    let after = match rest {
        [] => rest,
        [b',', after @ ..] => skip_commas(after),
        _ => return None,
    };
    (!name.is_empty()).then_some((name, value, after))
}

fn skip_commas(bytes: &[u8]) -> &[u8] {
    grammar::take_while(bytes, |byte| byte == b',' || grammar::is_lws(byte)).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest() {
        let credentials = Credentials::parse(
            b"Digest username=\"bob\", realm=\"biloxi.com\",nonce=\"d==\" ,uri=\"sip:bob@biloxi.com;a,b\", qop=auth, \
              nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"\"",
        )
        .unwrap();
        assert!(credentials.is_digest());
        assert_eq!(credentials.param(b"uri").unwrap().as_ref(), b"sip:bob@biloxi.com;a,b");
        assert_eq!(credentials.param(b"NC").unwrap().as_ref(), b"00000001");
        assert_eq!(credentials.param(b"opaque").unwrap().as_ref(), b"");
        assert_eq!(format!("{credentials:?}"), "Credentials(Digest)");
    }

    #[test]
    fn another_scheme_is_read_as_far_as_its_name() {
        let credentials = Credentials::parse(b"NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!credentials.is_digest());
        assert_eq!(Credentials::parse(b"Bearer a.b/c+d==").unwrap().scheme, b"Bearer");
    }

    #[test]
    fn malformed() {
        let fault = |value: &str| Credentials::parse(value.as_bytes()).unwrap_err().fault;
        assert_eq!(fault(""), Fault::Empty);
        assert_eq!(fault("=x"), Fault::Malformed);
        assert_eq!(fault("Digest\"x\""), Fault::Malformed);
        assert_eq!(fault("Digest username"), Fault::Params);
        assert_eq!(fault("Digest username=\"open"), Fault::Params);
        assert_eq!(fault("Digest a=b c=d"), Fault::Params);
        assert_eq!(fault("Digest username=a, Username=b"), Fault::Params);
        let many: Vec<_> = (0..65).map(|at| format!("p{at}=x")).collect();
        assert_eq!(fault(&format!("Digest {}", many.join(","))), Fault::TooManyParams);
    }
}
