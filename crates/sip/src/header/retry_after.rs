//! Retry-After ([RFC 3261 §20.33]).
//!
//! [RFC 3261 §20.33]: https://www.rfc-editor.org/rfc/rfc3261#section-20.33

use super::{Fault, HeaderError, delta_seconds};
use crate::grammar;
use crate::message::Name;

/// How long to leave the sender alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds; a number above 32 bits is the largest.
    pub seconds: u32,
}

impl RetryAfter {
    /// Reads the value of a Retry-After header; its comment and parameters are passed over.
    pub fn parse(value: &[u8]) -> Result<Self, HeaderError> {
        let (digits, rest) = grammar::take_while(grammar::trim(value), |byte| byte.is_ascii_digit());
        let ends = matches!(grammar::trim_start(rest).first(), None | Some(b'(' | b';'));
        match delta_seconds(digits) {
            Some(seconds) if ends => Ok(RetryAfter { seconds }),
            _ => Err(HeaderError::new(Name::RetryAfter, Fault::Malformed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_with_a_comment() {
        assert_eq!(RetryAfter::parse(b"18000;duration=3600").unwrap().seconds, 18000);
        assert_eq!(RetryAfter::parse(b"120 (I'm in a meeting)").unwrap().seconds, 120);
        assert_eq!(RetryAfter::parse(b"949302838503028349304023988").unwrap().seconds, u32::MAX);
        assert!(RetryAfter::parse(b"soon").is_err());
        assert!(RetryAfter::parse(b"1x").is_err());
    }
}
