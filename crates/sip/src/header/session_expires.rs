//! Session-Expires ([RFC 4028 §4]).
//!
//! [RFC 4028 §4]: https://www.rfc-editor.org/rfc/rfc4028#section-4

use std::fmt;

use super::{Fault, HeaderError, Params};
use crate::grammar;
use crate::message::Name;

/// The session timer of one side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds without a refresh after which the session ends.
    pub seconds: u32,
    /// Who refreshes, when that is settled.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

impl SessionExpires {
    /// Reads the value of a Session-Expires header.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        let error = |fault| HeaderError::new(Name::SessionExpires, fault);
        let (digits, params) = grammar::take_while(grammar::trim(value), |byte| byte.is_ascii_digit());
        let seconds =
            grammar::number(digits).map_err(|cause| HeaderError::number(Name::SessionExpires, cause))?;
        let params = Params::parse(params).map_err(error)?;
        let refresher = match params.get(b"refresher").flatten() {
            None => None,
            Some(value) if value.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(value) if value.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) => return Err(error(Fault::Malformed)),
        };
        Ok(SessionExpires { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            None => Ok(()),
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["90", "1800;refresher=uas", "90;refresher=uac"] {
            assert_eq!(SessionExpires::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        let spaced = SessionExpires::parse(b"4000 ; refresher = UAC").unwrap();
        assert_eq!(spaced, SessionExpires { seconds: 4000, refresher: Some(Refresher::Uac) });
        for value in ["", "x", "90;refresher=me", "90 uac"] {
            assert!(SessionExpires::parse(value.as_bytes()).is_err(), "{value}");
        }
    }
}
