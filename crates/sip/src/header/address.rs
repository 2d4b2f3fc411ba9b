//! Addresses: `name-addr / addr-spec` with parameters, as in From, To, Contact, Route ([RFC 3261 §20.10]).
//!
//! [RFC 3261 §20.10]: https://www.rfc-editor.org/rfc/rfc3261#section-20.10

use std::borrow::Cow;

use super::{Fault, HeaderError, Params, delta_seconds};
use crate::grammar;
use crate::message::Name;
use crate::uri::{Uri, UriError};

/// A display name, a URI and the header's own parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The display name as it stands, quotes included; empty when there is none.
    pub display: &'a [u8],
    /// The URI without angle brackets.
    pub uri: &'a [u8],
    /// The parameters after the URI.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one address.
    ///
    /// Without angle brackets a semicolon ends the URI, and a comma or question mark in it is an error, for nobody can
    /// tell what it belongs to (RFC 3261 §20).
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let value = grammar::trim(value);
        let (display, uri, rest) = split(value).map_err(|fault| HeaderError::new(Name::Other, fault))?;
        let params = Params::parse(rest).map_err(|fault| HeaderError::new(Name::Other, fault))?;
        Ok(Address { display, uri, params })
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get(b"tag").flatten()
    }

    /// The `expires` parameter in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.params.get(b"expires").flatten().and_then(delta_seconds)
    }

    /// The `q` parameter in thousandths, 1000 when it is absent or broken ([RFC 3261 §20.10]).
    ///
    /// [RFC 3261 §20.10]: https://www.rfc-editor.org/rfc/rfc3261#section-20.10
    pub fn q(&self) -> u16 {
        self.params.get(b"q").flatten().and_then(thousandths).unwrap_or(1000)
    }

    /// The display name without quotes and escapes.
    pub fn display_unquoted(&self) -> Cow<'a, [u8]> {
        grammar::unquote(self.display)
    }

    /// The URI, read.
    pub fn parse_uri(&self) -> Result<Uri<'a>, UriError> {
        Uri::parse(self.uri)
    }
}

/// Display name, URI and what follows them.
type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Finds out which of its two forms an address has.
fn split(value: &[u8]) -> Result<Split<'_>, Fault> {
    let (display, rest) = match value.first() {
        None => return Err(Fault::Empty),
        Some(b'"') => {
            let (display, rest) = grammar::take_quoted(value).ok_or(Fault::Unbalanced)?;
            (display, grammar::trim_start(rest))
        }
        Some(_) => match memchr::memchr2(b'<', b'"', value) {
            Some(at) => {
                let (display, rest) = value.split_at_checked(at).ok_or(Fault::Malformed)?;
                // A quote or bracket after the semicolon belongs to a parameter of a bare URI.
                if memchr::memchr(b';', display).is_some() {
                    return bare(value);
                }
                (grammar::trim_end(display), rest)
            }
            None => return bare(value),
        },
    };
    let plain = |byte: u8| grammar::is_token_byte(byte) || grammar::is_lws(byte) || byte >= 0x80;
    if !display.starts_with(b"\"") && !display.iter().all(|&byte| plain(byte)) {
        return Err(Fault::Malformed);
    }
    let rest = rest.strip_prefix(b"<").ok_or(Fault::Malformed)?;
    let (uri, rest) = grammar::split_once(rest, b'>').ok_or(Fault::Unbalanced)?;
    check_uri_bytes(uri)?;
    Ok((display, uri, rest))
}

/// A URI without angle brackets.
fn bare(value: &[u8]) -> Result<Split<'_>, Fault> {
    let (uri, rest) = grammar::take_while(value, |byte| byte != b';');
    let uri = grammar::trim_end(uri);
    check_uri_bytes(uri)?;
    if memchr::memchr2(b',', b'?', uri).is_some() {
        return Err(Fault::Uri);
    }
    Ok((b"", uri, rest))
}

/// What every URI must have whatever its scheme: a scheme, no white space, no brackets, no control bytes.
fn check_uri_bytes(uri: &[u8]) -> Result<(), Fault> {
    let colon = memchr::memchr(b':', uri).ok_or(Fault::Uri)?;
    if colon == 0 || uri.iter().any(|&byte| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f)) {
        return Err(Fault::Uri);
    }
    Ok(())
}

/// `0.5` as 500; at most three digits after the point and nothing above one.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = grammar::split_once(value, b'.').unwrap_or((value, b""));
    let mut sum = match whole {
        b"0" => 0,
        b"1" => 1000,
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for (digit, weight) in fraction.iter().zip([100, 10, 1]) {
        sum += u16::from(digit - b'0') * weight;
    }
    (sum <= 1000).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<(String, String, String), Fault> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let address = Address::parse(value.as_bytes()).map_err(|error| error.fault)?;
        Ok((text(address.display), text(address.uri), text(address.params.as_bytes())))
    }

    fn parts(display: &str, uri: &str, params: &str) -> Result<(String, String, String), Fault> {
        Ok((display.to_owned(), uri.to_owned(), params.to_owned()))
    }

    #[test]
    fn name_addr() {
        assert_eq!(parse("<sip:a@x>;tag=1"), parts("", "sip:a@x", ";tag=1"));
        assert_eq!(parse("\"A, <B>\" <sip:a@x;lr> ;tag=1"), parts("\"A, <B>\"", "sip:a@x;lr", ";tag=1"));
        assert_eq!(parse("caller<sip:a@x>"), parts("caller", "sip:a@x", ""));
        assert_eq!(parse("J  Rosenberg\r\n <sip:a@x?b=c,d>"), parts("J  Rosenberg", "sip:a@x?b=c,d", ""));
        assert_eq!(parse("\"\"<sip:a@x>"), parts("\"\"", "sip:a@x", ""));
        assert_eq!(parse("Ö <tel:+1>"), parts("Ö", "tel:+1", ""));
    }

    #[test]
    fn addr_spec_ends_at_its_semicolon() {
        assert_eq!(parse("sip:a@x;tag=1"), parts("", "sip:a@x", ";tag=1"));
        assert_eq!(parse("sip:a@x ; b=\"<\""), parts("", "sip:a@x", "; b=\"<\""));
        assert_eq!(parse("isbn:2983792873"), parts("", "isbn:2983792873", ""));
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        assert_eq!(parse("sip:a@x?b=c"), Err(Fault::Uri));
        assert_eq!(parse("sip:a,b@x"), Err(Fault::Uri));
        assert_eq!(parse("\"A <sip:a@x>"), Err(Fault::Unbalanced));
        assert_eq!(parse("<sip:a@x"), Err(Fault::Unbalanced));
        assert_eq!(parse("Bell, A <sip:a@x>"), Err(Fault::Malformed));
        assert_eq!(parse("\"A\" < sip:a@x >"), Err(Fault::Uri));
        assert_eq!(parse("\"A\" sip:a@x"), Err(Fault::Malformed));
        assert_eq!(parse("<sip:a@x>tag=1"), Err(Fault::Params));
        assert_eq!(parse("alan"), Err(Fault::Uri));
        assert_eq!(parse(""), Err(Fault::Empty));
        assert_eq!(parse("<>"), Err(Fault::Uri));
    }

    #[test]
    fn parameters_of_a_contact() {
        let address = Address::parse(b"<sip:a@x>;expires=60;q=0.75;+sip.instance=\"<urn:uuid:1>\"").unwrap();
        assert_eq!((address.expires(), address.q()), (Some(60), 750));
        assert_eq!(address.params.unquoted(b"+sip.instance").unwrap().as_ref(), b"<urn:uuid:1>");
        for (q, thousandths) in
            [("1", 1000), ("0", 0), ("0.33", 330), ("1.000", 1000), ("1.1", 1000), ("x", 1000)]
        {
            let value = format!("<sip:a@x>;q={q}");
            assert_eq!(Address::parse(value.as_bytes()).unwrap().q(), thousandths, "{q}");
        }
        assert_eq!(Address::parse(b"<sip:a@x>;expires=99999999999").unwrap().expires(), Some(u32::MAX));
        assert_eq!(Address::parse(b"<sip:a@x>;expires=soon").unwrap().expires(), None);
    }
}
