//! For how long a contact is registered.

use super::Rejection;

/// The bounds of registration times, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    min: u32,
    default: u32,
    max: u32,
}

/// The times are not in order, or below what clients bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Clients refresh some seconds early, and one that is given less than ten seconds never rests.
    #[error("the shortest registration time must be {LEAST} seconds or more")]
    TooShort,
    /// Shortest, default and longest do not rise.
    #[error("the registration times must be in the order shortest, default, longest")]
    NotInOrder,
}

impl Settings {
    /// The shortest time that is granted, the one for a REGISTER that asks for none, and the longest.
    pub fn new(min: u32, default: u32, max: u32) -> Result<Self, InvalidSettings> {
        if min < LEAST {
            Err(InvalidSettings::TooShort)
        } else if min > default || default > max {
            Err(InvalidSettings::NotInOrder)
        } else {
            Ok(Settings { min, default, max })
        }
    }

    /// The time granted for the time asked for; `None` when the contact is to be removed ([RFC 3261 §10.3] step 7).
    ///
    /// [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    pub(super) fn grant(&self, asked: Option<u32>) -> Result<Option<u32>, Rejection> {
        match asked {
            None => Ok(Some(self.default)),
            Some(0) => Ok(None),
            Some(seconds) if seconds < self.min => Err(Rejection::IntervalTooBrief { min: self.min }),
            Some(seconds) => Ok(Some(seconds.min(self.max))),
        }
    }
}

impl Default for Settings {
    /// From ten seconds to an hour: a client that asks for less than an hour has a reason.
    fn default() -> Self {
        Settings { min: LEAST, default: 3600, max: 3600 }
    }
}

/// No setting may shorten a registration below this.
const LEAST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_granted_within_bounds() {
        let settings = Settings::new(60, 600, 1800).unwrap();
        assert_eq!(settings.grant(None), Ok(Some(600)));
        assert_eq!(settings.grant(Some(0)), Ok(None));
        assert_eq!(settings.grant(Some(59)), Err(Rejection::IntervalTooBrief { min: 60 }));
        assert_eq!(settings.grant(Some(60)), Ok(Some(60)));
        assert_eq!(settings.grant(Some(1800)), Ok(Some(1800)));
        assert_eq!(settings.grant(Some(u32::MAX)), Ok(Some(1800)));
    }

    #[test]
    fn bounds_that_break_clients_are_refused() {
        assert_eq!(Settings::new(9, 600, 600), Err(InvalidSettings::TooShort));
        assert_eq!(Settings::new(60, 30, 600), Err(InvalidSettings::NotInOrder));
        assert_eq!(Settings::new(60, 700, 600), Err(InvalidSettings::NotInOrder));
        assert!(Settings::new(10, 10, 10).is_ok());
    }
}
