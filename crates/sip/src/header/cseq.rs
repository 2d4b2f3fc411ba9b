//! CSeq ([RFC 3261 §20.16]).
//!
//! [RFC 3261 §20.16]: https://www.rfc-editor.org/rfc/rfc3261#section-20.16

use super::{Fault, HeaderError};
use crate::grammar;
use crate::message::{Method, Name};

/// A sequence number and the method it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The number, below 2³¹ ([RFC 3261 §8.1.1.5]).
    ///
    /// [RFC 3261 §8.1.1.5]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.5
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The value as it stands.
    pub raw: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// Reads the value of a CSeq header.
    pub fn parse(raw: &'a [u8]) -> Result<Self, HeaderError> {
        let malformed = HeaderError::new(Name::CSeq, Fault::Malformed);
        let value = grammar::trim(raw);
        let (digits, rest) = grammar::take_while(value, |byte| byte.is_ascii_digit());
        let number = grammar::number(digits).map_err(|error| HeaderError::number(Name::CSeq, error))?;
        if number >= 1 << 31 {
            return Err(HeaderError::new(Name::CSeq, Fault::TooLarge));
        }
        if !rest.first().copied().is_some_and(grammar::is_lws) {
            return Err(malformed);
        }
        let method = Method::parse(grammar::trim_start(rest)).ok_or(malformed)?;
        Ok(CSeq { number, method, raw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
        assert_eq!(CSeq::parse(b"2147483647 ACK").unwrap().number, 0x7fff_ffff);
    }

    #[test]
    fn out_of_range_and_malformed() {
        let fault = |value: &str| CSeq::parse(value.as_bytes()).unwrap_err().fault;
        assert_eq!(fault("2147483648 ACK"), Fault::TooLarge);
        assert_eq!(fault("36893488147419103232 REGISTER"), Fault::TooLarge);
        for value in ["", "1", "INVITE 1", "1INVITE", "-1 INVITE", "1 INV ITE", "1 "] {
            assert_eq!(fault(value), Fault::Malformed, "{value}");
        }
    }
}
