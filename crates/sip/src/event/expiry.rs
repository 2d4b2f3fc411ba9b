//! For how long a subscription or a publication is granted.

use thiserror::Error;

/// The bounds of what is granted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The shortest; less is refused with 423.
    pub min: u32,
    /// What is granted when nothing is asked for.
    pub default: u32,
    /// The longest; more is shortened to it.
    pub max: u32,
}

/// The refusal of a time that is too short ([RFC 6665 §4.2.1.1], [RFC 3903 §6]).
///
/// [RFC 6665 §4.2.1.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1.1
/// [RFC 3903 §6]: https://www.rfc-editor.org/rfc/rfc3903#section-6
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the shortest time that is granted is {min} s")]
pub struct TooBrief {
    /// The value of Min-Expires.
    pub min: u32,
}

impl Expiry {
    /// What is granted to who asks for so many seconds; 0 asks for an end and is always granted.
    pub fn grant(&self, asked: Option<u32>) -> Result<u32, TooBrief> {
        match asked {
            None => Ok(self.default.min(self.max)),
            Some(0) => Ok(0),
            // RFC 6665 §4.2.1.1: only a time below an hour may be called too brief.
            Some(seconds) if seconds < self.min && seconds < 3600 => Err(TooBrief { min: self.min }),
            Some(seconds) => Ok(seconds.min(self.max)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_granted_within_bounds() {
        let expiry = Expiry { min: 60, default: 600, max: 7200 };
        assert_eq!(expiry.grant(None), Ok(600));
        assert_eq!(expiry.grant(Some(0)), Ok(0));
        assert_eq!(expiry.grant(Some(59)), Err(TooBrief { min: 60 }));
        assert_eq!(expiry.grant(Some(60)), Ok(60));
        assert_eq!(expiry.grant(Some(u32::MAX)), Ok(7200));
        let strict = Expiry { min: 7000, default: 7000, max: 7200 };
        assert_eq!(strict.grant(Some(3600)), Ok(3600), "an hour is never too brief");
    }
}
