//! NTP timestamps ([RFC 3550 §4]) out of instants.
//!
//! [RFC 3550 §4]: https://www.rfc-editor.org/rfc/rfc3550#section-4

use std::time::{Duration, Instant};

/// An NTP timestamp: seconds since 1900 in the upper half, their fraction in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ntp(pub u64);

impl Ntp {
    /// The middle 32 bits, which report blocks use: 16 bits of seconds and 16 of their fraction.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// What gives instants their date.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    at: Instant,
    /// The time since 1970 at that instant.
    unix: Duration,
}

impl NtpClock {
    /// The clock that shows `unix`, the time since 1970, at the instant `at`.
    pub const fn new(at: Instant, unix: Duration) -> Self {
        NtpClock { at, unix }
    }

    /// The timestamp of an instant.
    pub fn ntp(&self, at: Instant) -> Ntp {
        let unix = self.unix + at.saturating_duration_since(self.at);
        let seconds = unix.as_secs().wrapping_add(UNIX_EPOCH) & u64::from(u32::MAX);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        Ntp(seconds << 32 | fraction)
    }
}

/// A duration in units of 1/65536 s, as report blocks count the delay since a sender report.
pub(super) fn short(duration: Duration) -> u32 {
    let seconds = duration.as_secs().min(0xffff) as u32;
    let fraction = ((u64::from(duration.subsec_nanos()) << 16) / 1_000_000_000) as u32;
    seconds << 16 | fraction
}

/// The duration of that many units of 1/65536 s.
pub(super) fn from_short(short: u32) -> Duration {
    Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16)
}

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn an_instant_has_its_date() {
        let start = Clock::new().now();
        let clock = NtpClock::new(start, Duration::from_secs(1));
        let ntp = clock.ntp(start + Duration::from_millis(500));
        assert_eq!(ntp, Ntp((UNIX_EPOCH + 1) << 32 | 1 << 31));
        assert_eq!(ntp.middle(), ((UNIX_EPOCH + 1) as u32 & 0xffff) << 16 | 0x8000);
    }

    #[test]
    fn the_short_form_holds_what_fits() {
        assert_eq!(short(Duration::from_millis(1500)), 0x1_8000);
        assert_eq!(from_short(0x1_8000), Duration::from_millis(1500));
        assert_eq!(short(Duration::from_secs(1 << 20)) >> 16, 0xffff);
    }
}
