//! Refer-To ([RFC 3515 §2.1]).
//!
//! [RFC 3515 §2.1]: https://www.rfc-editor.org/rfc/rfc3515#section-2.1

use std::borrow::Cow;

use super::{Address, Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;
use crate::uri::Uri;

/// Whom to call instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferTo<'a> {
    /// The URI, its headers included.
    pub uri: &'a [u8],
    /// The header's own parameters; none without angle brackets.
    pub params: Params<'a>,
}

impl<'a> ReferTo<'a> {
    /// Reads the value of a Refer-To header.
    ///
    /// Phones leave out the angle brackets around a URI that has parameters and headers. The grammar forbids it, but here
    /// only one reading makes sense: the whole value is the URI.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let value = grammar::trim(value);
        if memchr::memchr(b'<', value).is_none() {
            return match Uri::parse(value) {
                Ok(_) => Ok(ReferTo { uri: value, params: Params::default() }),
                Err(_) => Err(HeaderError::new(Name::ReferTo, Fault::Uri)),
            };
        }
        let address = Address::parse(value).map_err(|error| error.of(Name::ReferTo))?;
        Ok(ReferTo { uri: address.uri, params: address.params })
    }

    /// The Replaces value inside the URI, without escapes ([RFC 3891 §3]).
    ///
    /// [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3
    pub fn replaces(&self) -> Option<Cow<'a, [u8]>> {
        Uri::parse(self.uri).ok()?.header(b"Replaces")
    }

    /// The value of the Join header that the new request is to have ([RFC 3911 §5]).
    ///
    /// [RFC 3911 §5]: https://www.rfc-editor.org/rfc/rfc3911#section-5
    pub fn join(&self) -> Option<Cow<'a, [u8]>> {
        Uri::parse(self.uri).ok()?.header(b"Join")
    }

    /// The URI without its headers: where the new call goes.
    pub fn target(&self) -> &'a [u8] {
        grammar::split_once(self.uri, b'?').map_or(self.uri, |(target, _)| target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Replaces;

    #[test]
    fn with_and_without_brackets() {
        let text = "sip:bob@x;transport=ws?Replaces=abc%40x%3Bto-tag%3D7%3Bfrom-tag%3D8";
        for value in [text.to_owned(), format!("<{text}>"), format!("\"Bob\" <{text}>;a=b")] {
            let refer_to = ReferTo::parse(value.as_bytes()).unwrap();
            assert_eq!(refer_to.uri, text.as_bytes());
            assert_eq!(refer_to.target(), b"sip:bob@x;transport=ws");
            let replaces = refer_to.replaces().unwrap();
            let replaces = Replaces::parse(&replaces).unwrap();
            assert_eq!(
                (replaces.dialog.call_id, replaces.dialog.to_tag, replaces.dialog.from_tag),
                (&b"abc@x"[..], &b"7"[..], &b"8"[..])
            );
        }
    }

    #[test]
    fn malformed() {
        for value in ["", "bob", "<sip:bob", "sip:bob@x y"] {
            assert!(ReferTo::parse(value.as_bytes()).is_err(), "{value}");
        }
    }
}
