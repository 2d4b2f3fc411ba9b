//! For how long a contact is registered.

use super::Rejection;
use crate::gruu::Gruus;

/// The bounds of registration times, in seconds, and what a 200 says beside them.
#[derive(Debug, Clone)]
pub struct Settings {
    min: u32,
    default: u32,
    max: u32,
    pub(super) flow_timer: Option<u32>,
    pub(super) service_routes: Vec<Vec<u8>>,
    pub(super) gruus: Option<Gruus>,
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
            Ok(Settings { min, default, max, ..Settings::default() })
        }
    }

    /// After how many seconds without a keep-alive we take a TCP or TLS flow for dead ([RFC 5626 §6]): clients that use
    /// outbound are told.
    ///
    /// [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6
    #[must_use]
    pub fn with_flow_timer(mut self, seconds: u32) -> Self {
        self.flow_timer = Some(seconds);
        self
    }

    /// The Service-Route ([RFC 3608]), a value such as `<sip:ringback.example;lr>` for each hop: the way that the
    /// client's own requests are to take.
    ///
    /// [RFC 3608]: https://www.rfc-editor.org/rfc/rfc3608
    #[must_use]
    pub fn with_service_routes(mut self, values: Vec<Vec<u8>>) -> Self {
        self.service_routes = values;
        self
    }

    /// Has clients that ask for GRUUs get them ([RFC 5627]).
    ///
    /// [RFC 5627]: https://www.rfc-editor.org/rfc/rfc5627
    #[must_use]
    pub fn with_gruus(mut self, gruus: Gruus) -> Self {
        self.gruus = Some(gruus);
        self
    }

    /// The time granted for the time asked for; `None` when the contact is to be removed ([RFC 3261 §10.3] step 7).
    ///
    /// What we choose ourselves is shorter by up to a [`SPREAD`]th, by `chance`: clients that came together, after a
    /// restart, do not return together.
    ///
    /// [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    pub(super) fn grant(&self, asked: Option<u32>, chance: u64) -> Result<Option<u32>, Rejection> {
        let chosen = |seconds: u32| {
            let less = u32::try_from(chance % u64::from(seconds / SPREAD + 1)).unwrap_or_default();
            Some((seconds - less).max(self.min))
        };
        match asked {
            None => Ok(chosen(self.default)),
            Some(0) => Ok(None),
            Some(seconds) if seconds < self.min => Err(Rejection::IntervalTooBrief { min: self.min }),
            Some(seconds) if seconds > self.max => Ok(chosen(self.max)),
            Some(seconds) => Ok(Some(seconds)),
        }
    }
}

impl Default for Settings {
    /// From ten seconds to an hour: a client that asks for less than an hour has a reason.
    fn default() -> Self {
        Settings {
            min: LEAST,
            default: 3600,
            max: 3600,
            flow_timer: None,
            service_routes: Vec::new(),
            gruus: None,
        }
    }
}

/// No setting may shorten a registration below this.
const LEAST: u32 = 10;

/// The part of a time of our own choice by which it is shortened at most.
const SPREAD: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_granted_within_bounds() {
        let settings = Settings::new(60, 600, 1800).unwrap();
        let grant = |asked| settings.grant(asked, 0);
        assert_eq!(grant(None), Ok(Some(600)));
        assert_eq!(grant(Some(0)), Ok(None));
        assert_eq!(grant(Some(59)), Err(Rejection::IntervalTooBrief { min: 60 }));
        assert_eq!(grant(Some(60)), Ok(Some(60)));
        assert_eq!(grant(Some(1800)), Ok(Some(1800)));
        assert_eq!(grant(Some(u32::MAX)), Ok(Some(1800)));
    }

    #[test]
    fn what_we_choose_is_spread_and_what_a_client_chose_is_not() {
        let settings = Settings::new(60, 600, 1800).unwrap();
        let all = |asked| -> std::collections::BTreeSet<u32> {
            (0..10_000).map(|chance| settings.grant(asked, chance).unwrap().unwrap()).collect()
        };
        assert_eq!(all(None), (540..=600).collect());
        assert_eq!(all(Some(4000)), (1620..=1800).collect());
        assert_eq!(all(Some(1800)), [1800].into());
        let narrow = Settings::new(60, 60, 60).unwrap();
        assert_eq!(narrow.grant(None, 3), Ok(Some(60)), "never less than the shortest");
    }

    #[test]
    fn bounds_that_break_clients_are_refused() {
        let error = |min, default, max| Settings::new(min, default, max).unwrap_err();
        assert_eq!(error(9, 600, 600), InvalidSettings::TooShort);
        assert_eq!(error(60, 30, 600), InvalidSettings::NotInOrder);
        assert_eq!(error(60, 700, 600), InvalidSettings::NotInOrder);
        assert!(Settings::new(10, 10, 10).is_ok());
    }
}
