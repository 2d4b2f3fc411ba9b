//! How often a source may be wrong about a password or a PIN, where they come as they are and not by digest.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringback_sansio::source_prefix;

use crate::budget::{Budgets, Terms};

/// The guesses of all sources: five at once, and one a minute more. Who is right uses none up.
#[derive(Debug)]
pub struct Guesses(Budgets);

impl Guesses {
    /// Nobody has guessed. `secret` keeps others from choosing which sources share a place.
    pub fn new(now: Instant, secret: u64) -> Self {
        Guesses(Budgets::new(now, secret))
    }

    /// Whether the source may try: one that has been wrong too often is not told whether it is right.
    pub fn may_try(&self, now: Instant, source: IpAddr) -> bool {
        self.0.has_left(now, source_prefix(source), TERMS)
    }

    /// The source was wrong.
    pub fn was_wrong(&mut self, now: Instant, source: IpAddr) {
        self.0.spend(now, source_prefix(source), TERMS);
    }
}

/// How long each wrong one counts.
pub(crate) const GUESSED_EACH: Duration = Duration::from_secs(60);
const TERMS: Terms = Terms::new(GUESSED_EACH, 5);

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn five_wrong_ones_are_enough_for_a_minute() {
        let start = Clock::new().now();
        let source: IpAddr = "192.0.2.7".parse().unwrap();
        let mut guesses = Guesses::new(start, 1);
        for _ in 0..5 {
            assert!(guesses.may_try(start, source));
            guesses.was_wrong(start, source);
        }
        assert!(!guesses.may_try(start, source));
        assert!(guesses.may_try(start, "192.0.2.8".parse().unwrap()), "another source");
        assert!(!guesses.may_try(start + Duration::from_secs(59), source));
        assert!(guesses.may_try(start + Duration::from_secs(61), source));
    }
}
