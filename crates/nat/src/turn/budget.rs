//! How much of something there may be in a time.

use std::time::{Duration, Instant};

/// So many in a time on the whole, and so many at once. A rate of nothing lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub amount: u64,
    /// In this time.
    pub per: Duration,
    /// At once, after a time of rest.
    pub burst: u64,
}

impl Rate {
    /// So many in a second.
    pub const fn per_second(amount: u64, burst: u64) -> Self {
        Rate { amount, per: Duration::from_secs(1), burst }
    }

    /// So many in a minute.
    pub const fn per_minute(amount: u64, burst: u64) -> Self {
        Rate { amount, per: Duration::from_secs(60), burst }
    }

    /// Whether it lets anything through, and not everything.
    pub(super) fn is_sound(self) -> bool {
        self.amount > 0 && self.burst > 0 && !self.per.is_zero()
    }

    /// How long it takes in nanoseconds until so much has come in; `None` for never.
    fn time_for(self, amount: u64) -> Option<u64> {
        let nanoseconds =
            u128::from(amount).saturating_mul(self.per.as_nanos()).checked_div(self.amount.into())?;
        Some(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// A token bucket, kept as the time at which it will be full again. Times count from the start of its machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes `amount` out of the bucket if so much is in it.
    pub(super) fn take(&mut self, now: u64, amount: u64, rate: Rate) -> bool {
        let Some(full_at) = self.full_after(now, amount, rate) else { return false };
        self.full_at = full_at;
        true
    }

    /// Whether so much is in it.
    pub(super) fn has(self, now: u64, amount: u64, rate: Rate) -> bool {
        self.full_after(now, amount, rate).is_some()
    }

    /// When it would be full again if so much were taken; `None` when so much is not in it.
    fn full_after(self, now: u64, amount: u64, rate: Rate) -> Option<u64> {
        if amount > rate.burst {
            return None;
        }
        let missing = self.full_at.saturating_sub(now).saturating_add(rate.time_for(amount)?);
        (missing <= rate.time_for(rate.burst)?).then(|| now.saturating_add(missing))
    }
}

/// The time since `start` as buckets count it.
pub(super) fn since(start: Instant, now: Instant) -> u64 {
    let passed: Duration = now.saturating_duration_since(start);
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate::per_second(20, 5);
        let mut bucket = Bucket::default();
        assert_eq!((0..10).filter(|_| bucket.take(SECOND, 1, rate)).count(), 5);
        // Asked every millisecond for ten seconds: 200, and no fraction is lost.
        let taken = (0..10_000).filter(|n| bucket.take(SECOND + n * 1_000_000, 1, rate)).count();
        assert!((199..=200).contains(&taken), "{taken}");
        assert!(!bucket.take(100 * SECOND, 6, rate), "more than is ever in it");
        assert!(bucket.has(100 * SECOND, 5, rate) && bucket.take(100 * SECOND, 5, rate));
        assert!(!bucket.has(100 * SECOND, 1, rate));
    }

    #[test]
    fn a_minute_is_sixty_seconds() {
        let rate = Rate::per_minute(6, 1);
        let mut bucket = Bucket::default();
        assert!(bucket.take(SECOND, 1, rate) && !bucket.take(10 * SECOND, 1, rate));
        assert!(bucket.take(11 * SECOND, 1, rate));
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        for rate in [
            Rate::per_second(0, 0),
            Rate::per_second(0, u64::MAX),
            Rate::per_second(u64::MAX, 0),
            Rate { amount: 0, per: Duration::MAX, burst: u64::MAX },
        ] {
            assert!(!rate.is_sound());
            for now in [0, SECOND, u64::MAX] {
                assert!(!Bucket::default().take(now, 1, rate), "{rate:?}");
            }
        }
        let endless = Rate { amount: u64::MAX, per: Duration::MAX, burst: u64::MAX };
        assert!(
            endless.is_sound() && Bucket::default().take(u64::MAX, u64::MAX, endless),
            "and none overflows"
        );
    }
}
