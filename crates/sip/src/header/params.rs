//! Parameters: `;name=value` ([RFC 3261 §25.1], `generic-param`).
//!
//! [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1

use std::borrow::Cow;

use super::Fault;
use crate::grammar;
use crate::message::limits::MAX_PARAMETERS;

/// The parameters of a header value, checked; names are compared in any case of letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a> {
    raw: &'a [u8],
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, quotes included; `None` for a flag such as `lr`.
    pub value: Option<&'a [u8]>,
    /// The whole parameter as it stands, from its semicolon to its last byte.
    pub raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads parameters: nothing, or a semicolon before each.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Fault> {
        let raw = grammar::trim(raw);
        let mut rest = raw;
        let mut count = 0;
        while !rest.is_empty() {
            rest = take_param(rest).ok_or(Fault::Params)?.1;
            count += 1;
            if count > MAX_PARAMETERS {
                return Err(Fault::TooManyParams);
            }
        }
        Ok(Params { raw })
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.raw;
        std::iter::from_fn(move || {
            let (param, after) = take_param(rest)?;
            rest = after;
            Some(param)
        })
    }

    /// The value of the first parameter of that name, as it stands; `Some(None)` when it is there without a value.
    pub fn get(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// The value of the first parameter of that name without its quotes and escapes.
    pub fn unquoted(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.get(name).flatten().map(grammar::unquote)
    }

    /// Whether there is a parameter of that name.
    pub fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// The parameters as they stand, from the first semicolon.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

/// Splits off `;name=value` and the white space around it.
fn take_param(bytes: &[u8]) -> Option<(Param<'_>, &[u8])> {
    let bytes = grammar::trim_start(bytes);
    let after_semicolon = grammar::trim_start(bytes.strip_prefix(b";")?);
    let (name, after_name) = grammar::take_while(after_semicolon, grammar::is_token_byte);
    if name.is_empty() {
        return None;
    }
    let (value, end) = match grammar::trim_start(after_name) {
        [b'=', value @ ..] => {
            let value = grammar::trim_start(value);
            let (value, end) = match value.first() {
                Some(b'"') => grammar::take_quoted(value)?,
                _ => grammar::take_while(value, grammar::is_value_byte),
            };
            (Some(value), end)
        }
        _ => (None, after_name),
    };
    if value.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let raw = bytes.get(..bytes.len() - end.len())?;
    let rest = grammar::trim_start(end);
    matches!(rest.first(), None | Some(b';')).then_some((Param { name, value, raw }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_tokens_hosts_or_quoted() {
        let params = Params::parse(b" ; a ;b = c\r\n ;D=\"x;y\\\"\";e=[2001:db8::1];lr").unwrap();
        assert_eq!(params.get(b"a"), Some(None));
        assert_eq!(params.get(b"B"), Some(Some(&b"c"[..])));
        assert_eq!(params.get(b"d"), Some(Some(&br#""x;y\"""#[..])));
        assert_eq!(params.unquoted(b"d").unwrap().as_ref(), br#"x;y""#);
        assert_eq!(params.get(b"e"), Some(Some(&b"[2001:db8::1]"[..])));
        assert!(params.has(b"LR"));
        assert_eq!(params.get(b"x"), None);
        assert_eq!(params.iter().count(), 5);
    }

    #[test]
    fn broken_parameters_are_refused() {
        for raw in [";;", ";", ";=x", ";a=", ";a=\"open", ";a b", "a=b", ";a=b,c", ";a=<b>"] {
            assert_eq!(Params::parse(raw.as_bytes()), Err(Fault::Params), "{raw}");
        }
    }

    #[test]
    fn the_number_of_parameters_is_limited() {
        assert!(Params::parse(";a".repeat(MAX_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(Params::parse(";a".repeat(MAX_PARAMETERS + 1).as_bytes()), Err(Fault::TooManyParams));
    }
}
