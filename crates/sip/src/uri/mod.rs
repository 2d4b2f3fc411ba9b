//! URIs: `sip:` and `sips:` ([RFC 3261 §19.1]), `tel:` ([RFC 3966]) and others as far as their scheme.
//!
//! A [`Uri`] borrows the bytes it was read from and undoes no escapes; [`Uri::user_unescaped`] does. Equality is that of
//! RFC 3261 §19.1.4 and of RFC 3966 §4, byte for byte for other schemes. Left out: `im:`, `pres:` and `urn:` beyond
//! their bytes, and internationalised host names.
//!
//! [RFC 3261 §19.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1
//! [RFC 3966]: https://www.rfc-editor.org/rfc/rfc3966

mod compare;
mod escape;
mod host;

pub use escape::{escape_user, unescape};
pub use host::{Host, host_and_port};

use std::borrow::Cow;

use thiserror::Error;

use crate::grammar;
use crate::header::{Fault, Params};

/// A URI, read.
#[derive(Debug, Clone, Copy)]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme<'a>,
    /// The user part as it stands; of a `tel:` URI the number.
    pub user: Option<&'a [u8]>,
    /// The password, which nobody should send.
    pub password: Option<&'a [u8]>,
    /// The host; empty for other schemes than `sip:` and `sips:`.
    pub host: Host<'a>,
    /// The port.
    pub port: Option<u16>,
    /// The parameters after the host, or after the number of a `tel:` URI.
    pub params: Params<'a>,
    /// What stands after the question mark.
    pub headers: Option<&'a [u8]>,
    /// The whole URI as it stands.
    pub raw: &'a [u8],
}

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Another one: only its bytes are known.
    Other(&'a [u8]),
}

/// Why bytes are no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Error)]
pub enum UriError {
    /// No scheme, or one with other bytes than a scheme may have.
    #[error("URI without a scheme")]
    Scheme,
    /// A byte that no URI may hold, or a user part that breaks the grammar.
    #[error("URI with an illegal byte")]
    Byte,
    /// A percent sign without two hexadecimal digits.
    #[error("URI with a broken escape")]
    Escape,
    /// A host that is neither name nor address, or a port that is no number.
    #[error("URI with a malformed host or port")]
    Host,
    /// Broken parameters.
    #[error("URI with malformed parameters")]
    Params,
    /// More parameters than the limit.
    #[error("URI with too many parameters")]
    TooManyParams,
}

impl<'a> Uri<'a> {
    /// Reads a URI without angle brackets.
    pub fn parse(raw: &'a [u8]) -> Result<Self, UriError> {
        let (scheme, rest) = grammar::split_once(raw, b':').ok_or(UriError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(UriError::Scheme)?;
        if rest.iter().any(|&byte| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f)) {
            return Err(UriError::Byte);
        }
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(raw, scheme, rest),
            Scheme::Tel => Self::parse_tel(raw, rest),
            Scheme::Other(_) if rest.is_empty() => Err(UriError::Byte),
            Scheme::Other(_) => Ok(Uri::opaque(raw, scheme)),
        }
    }

    /// Whether it is a `sip:` or `sips:` URI.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part without escapes.
    pub fn user_unescaped(&self) -> Option<Cow<'a, [u8]>> {
        self.user.map(unescape)
    }

    /// The transport that a `transport` parameter names.
    pub fn transport(&self) -> Option<&'a [u8]> {
        self.params.get(b"transport").flatten()
    }

    /// Whether the URI names a loose router ([RFC 3261 §19.1.1], `lr`).
    ///
    /// [RFC 3261 §19.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1
    pub fn is_loose_router(&self) -> bool {
        self.params.has(b"lr")
    }

    /// The headers after the question mark: name and value, escapes kept.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.headers
            .unwrap_or_default()
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| grammar::split_once(pair, b'=').unwrap_or((pair, b"")))
    }

    /// The value of the first header after the question mark of that name, without escapes.
    pub fn header(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.header_pairs()
            .find(|(key, _)| unescape(key).eq_ignore_ascii_case(name))
            .map(|(_, value)| unescape(value))
    }

    /// Whether both URIs are equivalent ([RFC 3261 §19.1.4]).
    ///
    /// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
    pub fn equals(&self, other: &Uri<'_>) -> bool {
        compare::equal(self, other)
    }

    fn parse_sip(raw: &'a [u8], scheme: Scheme<'a>, rest: &'a [u8]) -> Result<Self, UriError> {
        // The user part may hold `;` and `?`, so it ends at the `@` before anything else is looked for.
        let (userinfo, rest) = match memchr::memchr(b'@', rest) {
            Some(at) => (rest.get(..at), rest.get(at + 1..).unwrap_or_default()),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            None => (None, None),
            Some(info) => match grammar::split_once(info, b':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(info), None),
            },
        };
        if user.is_some_and(<[u8]>::is_empty) {
            return Err(UriError::Byte);
        }
        for part in [user, password].into_iter().flatten() {
            if !part.iter().all(|&byte| escape::is_user_byte(byte)) {
                return Err(UriError::Byte);
            }
            escape::check(part)?;
        }
        let (rest, headers) = match grammar::split_once(rest, b'?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        escape::check(headers.unwrap_or_default())?;
        let (host, params) = grammar::take_while(rest, |byte| byte != b';');
        let (host, port) = host_and_port(host).ok_or(UriError::Host)?;
        let params = uri_params(params)?;
        Ok(Uri { scheme, user, password, host, port, params, headers, raw })
    }

    fn parse_tel(raw: &'a [u8], rest: &'a [u8]) -> Result<Self, UriError> {
        let (number, params) = grammar::take_while(rest, |byte| byte != b';');
        let digits = number.strip_prefix(b"+").unwrap_or(number);
        let is_number =
            |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#') || is_separator(*byte);
        if digits.iter().all(|byte| is_separator(*byte)) || !digits.iter().all(is_number) {
            return Err(UriError::Byte);
        }
        Ok(Uri { user: Some(number), params: uri_params(params)?, ..Uri::opaque(raw, Scheme::Tel) })
    }

    fn opaque(raw: &'a [u8], scheme: Scheme<'a>) -> Self {
        let host = Host::Name(b"");
        Uri {
            scheme,
            user: None,
            password: None,
            host,
            port: None,
            params: Params::default(),
            headers: None,
            raw,
        }
    }
}

impl PartialEq for Uri<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl<'a> Scheme<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        Some(match bytes {
            _ if bytes.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            _ if bytes.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            _ if bytes.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            [first, ..] if first.is_ascii_alphabetic() && bytes.iter().all(allowed) => Scheme::Other(bytes),
            _ => return None,
        })
    }
}

fn uri_params(bytes: &[u8]) -> Result<Params<'_>, UriError> {
    escape::check(bytes)?;
    Params::parse(bytes).map_err(|fault| match fault {
        Fault::TooManyParams => UriError::TooManyParams,
        _ => UriError::Params,
    })
}

/// The visual separators of a telephone number (RFC 3966 §3).
fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'.' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_sip_uri() {
        let uri =
            Uri::parse(b"sip:al%69ce:s3cret@Example.com:5070;transport=ws;lr?Replaces=a%40b&X=1").unwrap();
        assert_eq!((uri.user, uri.password), (Some(&b"al%69ce"[..]), Some(&b"s3cret"[..])));
        assert_eq!(uri.user_unescaped().unwrap().as_ref(), b"alice");
        assert_eq!((uri.host, uri.port), (Host::Name(b"Example.com"), Some(5070)));
        assert_eq!(uri.transport(), Some(&b"ws"[..]));
        assert!(uri.is_sip() && uri.is_loose_router());
        assert_eq!(uri.header(b"replaces").unwrap().as_ref(), b"a@b");
        assert_eq!(uri.header_pairs().count(), 2);
    }

    #[test]
    fn the_user_part_may_hold_delimiters() {
        let uri = Uri::parse(b"sip:user;par=u%40example.net@example.com").unwrap();
        assert_eq!(uri.user_unescaped().unwrap().as_ref(), b"user;par=u@example.net");
        let uri = Uri::parse(
            b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@x.org",
        );
        assert_eq!(uri.unwrap().host, Host::Name(b"x.org"));
    }

    #[test]
    fn addresses() {
        let uri = Uri::parse(b"sips:[2001:db8::10]:5061").unwrap();
        assert_eq!((uri.scheme, uri.port), (Scheme::Sips, Some(5061)));
        assert_eq!(uri.host.ip(), Some("2001:db8::10".parse().unwrap()));
        assert_eq!(Uri::parse(b"sip:[2001:db8::10:5070]").unwrap().port, None);
        assert_eq!(Uri::parse(b"sip:2001:db8::10").unwrap_err(), UriError::Host);
    }

    #[test]
    fn tel_and_other_schemes() {
        let uri = Uri::parse(b"tel:+1-201-555-0123;ext=7").unwrap();
        assert_eq!(
            (uri.user, uri.params.get(b"ext")),
            (Some(&b"+1-201-555-0123"[..]), Some(Some(&b"7"[..])))
        );
        assert_eq!(Uri::parse(b"soap.beep://192.0.2.103:3002").unwrap().scheme, Scheme::Other(b"soap.beep"));
        assert_eq!(Uri::parse(b"tel:").unwrap_err(), UriError::Byte);
        assert_eq!(Uri::parse(b"tel:hello").unwrap_err(), UriError::Byte);
    }

    #[test]
    fn malformed() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("alice", UriError::Scheme),
            (":x", UriError::Scheme),
            ("1x:y", UriError::Scheme),
            ("<sip:a@x>", UriError::Scheme),
            ("sip:", UriError::Host),
            ("sip:@x", UriError::Byte),
            ("sip:a b@x", UriError::Byte),
            ("sip:a\0b@x", UriError::Byte),
            ("sip:a%4@x", UriError::Escape),
            ("sip:a%zz@x", UriError::Escape),
            ("sip:a@x:65536", UriError::Host),
            ("sip:a@x:", UriError::Host),
            ("sip:a@[::1", UriError::Host),
            ("sip:a@x;;", UriError::Params),
            ("sip:a@b@c", UriError::Host),
            ("isbn:", UriError::Byte),
        ] {
            assert_eq!(Uri::parse(text.as_bytes()).unwrap_err(), error, "{text}");
        }
        let many = format!("sip:x{}", ";a".repeat(65));
        assert_eq!(Uri::parse(many.as_bytes()).unwrap_err(), UriError::TooManyParams);
    }
}
