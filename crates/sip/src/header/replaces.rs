//! Replaces ([RFC 3891 §6.1]) and Join ([RFC 3911 §7.1]): each names a dialog.
//!
//! [RFC 3891 §6.1]: https://www.rfc-editor.org/rfc/rfc3891#section-6.1
//! [RFC 3911 §7.1]: https://www.rfc-editor.org/rfc/rfc3911#section-7.1

use super::{Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;

/// The dialog that a new one takes the place of, its tags as the receiver of the INVITE knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// The dialog.
    pub dialog: NamedDialog<'a>,
    /// Whether only an early dialog may be replaced.
    pub early_only: bool,
}

/// The dialog that a new one is joined with, its tags as the receiver of the INVITE knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join<'a> {
    /// The dialog.
    pub dialog: NamedDialog<'a>,
}

/// A dialog by its three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedDialog<'a> {
    /// The Call-ID.
    pub call_id: &'a [u8],
    /// The tag that is the receiver's own.
    pub to_tag: &'a [u8],
    /// The tag of the other side.
    pub from_tag: &'a [u8],
}

impl<'a> Replaces<'a> {
    /// Reads the value of a Replaces header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (dialog, params) = read(Name::Replaces, value)?;
        Ok(Replaces { dialog, early_only: params.has(b"early-only") })
    }
}

impl<'a> Join<'a> {
    /// Reads the value of a Join header.
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let (dialog, _) = read(Name::Join, value)?;
        Ok(Join { dialog })
    }
}

fn read(name: Name, value: &[u8]) -> Result<(NamedDialog<'_>, Params<'_>), HeaderError> {
    let error = |fault| HeaderError::new(name, fault);
    let (call_id, params) = grammar::take_while(grammar::trim(value), |byte| byte != b';');
    let call_id = grammar::trim_end(call_id);
    let params = Params::parse(params).map_err(error)?;
    let tag = |name| params.get(name).flatten().ok_or(error(Fault::Malformed));
    if call_id.is_empty() || call_id.iter().copied().any(grammar::is_lws) {
        return Err(error(Fault::Malformed));
    }
    let dialog = NamedDialog { call_id, to_tag: tag(b"to-tag")?, from_tag: tag(b"from-tag")? };
    Ok((dialog, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_by_its_three_parts() {
        let replaces =
            Replaces::parse(b"98732@sip.example.com ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff").unwrap();
        let NamedDialog { call_id, to_tag, from_tag } = replaces.dialog;
        assert_eq!(call_id, b"98732@sip.example.com");
        assert_eq!((to_tag, from_tag), (&b"ff87ff"[..], &b"r33th4x0r"[..]));
        assert!(!replaces.early_only);
        assert!(Replaces::parse(b"a;to-tag=1;from-tag=2;early-only").unwrap().early_only);
        assert_eq!(Join::parse(b"a;to-tag=1;from-tag=2").unwrap().dialog.from_tag, b"2");
    }

    #[test]
    fn both_tags_are_needed() {
        for value in
            ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2"]
        {
            assert!(Replaces::parse(value.as_bytes()).is_err(), "{value}");
            assert_eq!(Join::parse(value.as_bytes()).map_err(|error| error.name), Err(Name::Join), "{value}");
        }
    }
}
