//! RAck ([RFC 3262 §7.2]).
//!
//! [RFC 3262 §7.2]: https://www.rfc-editor.org/rfc/rfc3262#section-7.2

use std::fmt;

use super::{CSeq, Fault, HeaderError};
use crate::grammar;
use crate::message::{Method, Name};

/// The reliable provisional response that a PRACK acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rack {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the response.
    pub cseq: u32,
    /// The CSeq method of the response.
    pub method: Method,
}

impl Rack {
    /// Reads the value of an RAck header.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        let (digits, rest) = grammar::take_while(grammar::trim(value), |byte| byte.is_ascii_digit());
        let rseq = grammar::number(digits).map_err(|error| HeaderError::number(Name::Rack, error))?;
        if !rest.first().copied().is_some_and(grammar::is_lws) {
            return Err(HeaderError::new(Name::Rack, Fault::Malformed));
        }
        let cseq = CSeq::parse(rest).map_err(|error| error.of(Name::Rack))?;
        Ok(Rack { rseq, cseq: cseq.number, method: cseq.method })
    }
}

impl fmt::Display for Rack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_and_a_method() {
        let rack = Rack::parse(b"776656 1 INVITE").unwrap();
        assert_eq!(rack, Rack { rseq: 776_656, cseq: 1, method: Method::Invite });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for value in ["", "1 INVITE", "1 2", "x 1 INVITE", "1 2 3 INVITE"] {
            assert!(Rack::parse(value.as_bytes()).is_err(), "{value}");
        }
    }
}
