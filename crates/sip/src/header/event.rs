//! Event ([RFC 6665 §8.2.1]).
//!
//! [RFC 6665 §8.2.1]: https://www.rfc-editor.org/rfc/rfc6665#section-8.2.1

use super::{Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;

/// An event package and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The package with its templates, such as `message-summary` or `presence.winfo`.
    pub package: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads the value of an Event header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (package, params) = grammar::take_while(grammar::trim(value), grammar::is_token_byte);
        if package.is_empty() {
            return Err(HeaderError::new(Name::Event, Fault::Malformed));
        }
        let params = Params::parse(params).map_err(|fault| HeaderError::new(Name::Event, fault))?;
        Ok(Event { package, params })
    }

    /// The `id` parameter, which tells subscriptions of one dialog apart.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.params.get(b"id").flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_and_id() {
        let event = Event::parse(b"refer ; id=93809824").unwrap();
        assert_eq!((event.package, event.id()), (&b"refer"[..], Some(&b"93809824"[..])));
        assert_eq!(Event::parse(b"presence.winfo").unwrap().package, b"presence.winfo");
        assert!(Event::parse(b"").is_err());
        assert!(Event::parse(b"a b").is_err());
    }
}
