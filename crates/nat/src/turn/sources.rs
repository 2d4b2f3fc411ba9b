//! How much is done for a source before it is known who asks.
//!
//! Over UDP anybody can write anybody's address. So a source that has shown that it receives what it is sent, by a nonce
//! of ours that it has sent back or by a connection, has budgets of its own, which nobody else can use up in its name.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Instant;

use ringback_sansio::source_prefix;

use super::budget::{Bucket, Rate, since};
use super::settings::Limits;

/// What is known of the address that a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Anybody can have written it.
    Unproven,
    /// Who is there receives what we send.
    Proven,
}

/// The budgets of all sources.
#[derive(Debug)]
pub(super) struct Budgets {
    unproven: Sources,
    proven: Sources,
    guesses: Sources,
}

impl Budgets {
    pub(super) fn new(start: Instant, secret: &[u8; 32], limits: &Limits) -> Self {
        let sources = |rate| Sources::new(start, secret, rate);
        Budgets {
            unproven: sources(limits.unproven),
            proven: sources(limits.proven),
            guesses: sources(limits.guesses),
        }
    }

    /// Whether a source may be answered once more; if so, it is.
    pub(super) fn answer(&mut self, now: Instant, source: IpAddr, standing: Standing) -> bool {
        match standing {
            Standing::Unproven => self.unproven.take(now, source),
            Standing::Proven => self.proven.take(now, source),
        }
    }

    /// Whether credentials of a proven source are looked at once more.
    pub(super) fn may_guess(&self, now: Instant, source: IpAddr) -> bool {
        self.guesses.has(now, source)
    }

    /// Notes wrong credentials.
    pub(super) fn guessed(&mut self, now: Instant, source: IpAddr) {
        self.guesses.take(now, source);
    }
}

/// A bucket for each source, in a table that never grows.
///
/// Sources whose hashes meet share a bucket: nobody can drive a source out of the table, and which ones meet is known to
/// nobody outside.
#[derive(Debug, Clone)]
pub struct Sources {
    start: Instant,
    buckets: Box<[Bucket]>,
    /// A hasher that has taken the secret in.
    hasher: DefaultHasher,
    rate: Rate,
}

impl Sources {
    /// Full buckets. `start` is any instant before the first use.
    pub fn new(start: Instant, secret: &[u8; 32], rate: Rate) -> Self {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        Sources { start, buckets: vec![Bucket::default(); SOURCES].into_boxed_slice(), hasher, rate }
    }

    /// Takes one for the source if it has one left.
    pub fn take(&mut self, now: Instant, source: IpAddr) -> bool {
        let (place, rate, now) = (self.place(source), self.rate, since(self.start, now));
        self.buckets.get_mut(place).is_some_and(|bucket| bucket.take(now, 1, rate))
    }

    /// Whether the source has one left.
    fn has(&self, now: Instant, source: IpAddr) -> bool {
        let now = since(self.start, now);
        self.buckets.get(self.place(source)).is_some_and(|bucket| bucket.has(now, 1, self.rate))
    }

    fn place(&self, source: IpAddr) -> usize {
        let mut hasher = self.hasher.clone();
        source_prefix(source).hash(&mut hasher);
        (hasher.finish() % SOURCES as u64) as usize
    }
}

/// 64 kB of buckets in each table.
const SOURCES: usize = 8192;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn a_source_is_an_ipv4_address_or_the_64_of_an_ipv6_one() {
        let now = Clock::new().now();
        let mut sources = Sources::new(now, &[7; 32], Rate::per_second(1, 2));
        let mut take = |source: &str| sources.take(now, source.parse().unwrap());
        assert!(take("2001:db8::1") && take("2001:db8::2") && !take("2001:db8::3"));
        assert!(take("192.0.2.1") && take("::ffff:192.0.2.1") && !take("192.0.2.1"));
    }

    #[test]
    fn one_budget_does_not_use_up_another() {
        let limits = Limits {
            unproven: Rate::per_second(1, 1),
            proven: Rate::per_second(1, 2),
            guesses: Rate::per_second(1, 3),
            ..Limits::default()
        };
        let now = Clock::new().now();
        let mut budgets = Budgets::new(now, &[7; 32], &limits);
        let source = "192.0.2.1".parse().unwrap();
        let mut answered = |standing| (0..9).filter(|_| budgets.answer(now, source, standing)).count();
        assert_eq!((answered(Standing::Unproven), answered(Standing::Proven)), (1, 2));
        let guesses = (0..9).filter(|_| {
            let may = budgets.may_guess(now, source);
            budgets.guessed(now, source);
            may
        });
        assert_eq!(guesses.count(), 3);
    }
}
