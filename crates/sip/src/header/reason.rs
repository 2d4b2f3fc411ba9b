//! Reason ([RFC 3326]).
//!
//! [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326

use std::borrow::Cow;

use super::{Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;

/// Why a request was sent, or why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another protocol.
    pub protocol: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one value of a Reason header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (protocol, params) = grammar::take_while(grammar::trim(value), grammar::is_token_byte);
        if protocol.is_empty() {
            return Err(HeaderError::new(Name::Reason, Fault::Malformed));
        }
        let params = Params::parse(params).map_err(|fault| HeaderError::new(Name::Reason, fault))?;
        Ok(Reason { protocol, params })
    }

    /// The code of that protocol.
    pub fn cause(&self) -> Option<u32> {
        grammar::number(self.params.get(b"cause").flatten()?).ok()
    }

    /// The text for people.
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        self.params.unquoted(b"text")
    }

    /// The value that says this.
    pub fn write(protocol: &str, cause: u32, text: &str) -> Vec<u8> {
        let mut value = format!("{protocol};cause={cause};text=").into_bytes();
        grammar::quote(text.as_bytes(), &mut value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let value = Reason::write("SIP", 200, "Call completed \"elsewhere\"");
        let reason = Reason::parse(&value).unwrap();
        assert_eq!((reason.protocol, reason.cause()), (&b"SIP"[..], Some(200)));
        assert_eq!(reason.text().unwrap().as_ref(), b"Call completed \"elsewhere\"");
        assert_eq!(Reason::parse(b"Q.850 ;cause=16").unwrap().cause(), Some(16));
        assert!(Reason::parse(b";cause=16").is_err());
    }
}
