//! How long things took: a histogram of fixed size.

use std::time::Duration;

/// Buckets for each power of two: a figure is at most one part in 64 too large.
const PARTS: usize = 64;

/// The powers of two above those that have a bucket for each microsecond. What is longer is in the last bucket.
const POWERS: usize = 32;

/// Durations, counted in buckets that grow with what they hold.
#[derive(Debug, Clone)]
pub(super) struct Times {
    buckets: Vec<u64>,
    count: u64,
    most: u64,
}

impl Times {
    /// None.
    pub(super) fn new() -> Self {
        Times { buckets: vec![0; PARTS * (POWERS + 2)], count: 0, most: 0 }
    }

    /// Counts one.
    pub(super) fn note(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.most = self.most.max(micros);
    }

    /// Whether none was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The time that the part `share` of them did not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return Duration::from_micros(top_of(at).min(self.most));
            }
        }
        Duration::from_micros(self.most)
    }

    /// The longest.
    pub(super) fn most(&self) -> Duration {
        Duration::from_micros(self.most)
    }
}

/// A time in milliseconds, as reports tell it.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn bucket_of(micros: u64) -> usize {
    let power = (micros / (2 * PARTS as u64)).checked_ilog2().map_or(0, |power| power as usize + 1);
    if power > POWERS {
        return PARTS * (POWERS + 2) - 1;
    }
    // The first power has twice as many buckets: it begins with 0.
    PARTS * power + (micros >> power) as usize
}

/// The longest time in a bucket.
fn top_of(bucket: usize) -> u64 {
    let power = (bucket / PARTS).saturating_sub(1);
    (((bucket - PARTS * power) as u64 + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_belongs_to_it() {
        for micros in (0..5_000).chain([1 << 20, (1 << 20) - 1, 12_345_678, 1 << 37]) {
            let top = top_of(bucket_of(micros));
            assert!(top >= micros, "{micros} is above its bucket, which ends at {top}");
            assert!(top - micros <= micros / PARTS as u64, "{micros} is in a bucket that ends at {top}");
        }
        assert_eq!(bucket_of(u64::MAX), PARTS * (POWERS + 2) - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut times = Times::new();
        for millis in 1..=1000 {
            times.note(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0), (0.0, 1.0)] {
            let found = times.quantile(share).as_secs_f64() * 1000.0;
            assert!((millis..=millis * 1.02).contains(&found), "{share}: {found}");
        }
        assert_eq!(times.most(), Duration::from_secs(1));
        assert_eq!(Times::new().quantile(0.5), Duration::ZERO);
    }
}
