//! How much of something there may be in a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many in a second on the whole, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In a second.
    pub per_second: u64,
    /// At once, after a time of rest.
    pub burst: u64,
}

/// A token bucket, kept as the time at which it will be full again. Times count from the start of its machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes `amount` out of the bucket if so much is in it.
    pub(super) fn take(&mut self, now: u64, amount: u64, rate: Rate) -> bool {
        let missing = self.full_at.saturating_sub(now).saturating_add(nanoseconds(amount, rate));
        if missing > nanoseconds(rate.burst, rate) {
            return false;
        }
        self.full_at = now.saturating_add(missing);
        true
    }
}

/// How long it takes until so much has come in.
fn nanoseconds(amount: u64, rate: Rate) -> u64 {
    let nanoseconds = u128::from(amount) * NANOSECONDS / u128::from(rate.per_second.max(1));
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// The time since `start` as buckets count it.
pub(super) fn since(start: Instant, now: Instant) -> u64 {
    let passed: Duration = now.saturating_duration_since(start);
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

/// A bucket for each source, in a table that never grows.
///
/// Sources whose hashes meet share a bucket: nobody can drive a source out of the table, and which ones meet is known to
/// nobody outside.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    buckets: Box<[Bucket]>,
    /// A hasher that has taken the secret in.
    hasher: DefaultHasher,
    rate: Rate,
}

impl Sources {
    pub(super) fn new(secret: &[u8; 32], rate: Rate) -> Self {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        Sources { buckets: vec![Bucket::default(); SOURCES].into_boxed_slice(), hasher, rate }
    }

    /// Takes one for the source if it has one left.
    pub(super) fn take(&mut self, now: u64, source: IpAddr) -> bool {
        let mut hasher = self.hasher.clone();
        prefix(source).hash(&mut hasher);
        let place = (hasher.finish() % SOURCES as u64) as usize;
        self.buckets.get_mut(place).is_some_and(|bucket| bucket.take(now, 1, self.rate))
    }
}

/// What one customer of a provider has: an IPv4 address, or the /64 of an IPv6 one.
fn prefix(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

const NANOSECONDS: u128 = 1_000_000_000;
/// 64 kB of buckets.
const SOURCES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { per_second: 20, burst: 5 };
        let mut bucket = Bucket::default();
        assert_eq!((0..10).filter(|_| bucket.take(SECOND, 1, rate)).count(), 5);
        // Asked every millisecond for ten seconds: 200, and no fraction is lost.
        let taken = (0..10_000).filter(|n| bucket.take(SECOND + n * 1_000_000, 1, rate)).count();
        assert!((199..=200).contains(&taken), "{taken}");
        assert!(!bucket.take(100 * SECOND, 6, rate), "more than is ever in it");
        assert!(bucket.take(100 * SECOND, 5, rate));
        let mut none = Bucket::default();
        assert!(!none.take(SECOND, 1, Rate { per_second: 0, burst: 0 }));
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_the_64_of_an_ipv6_one() {
        let mut sources = Sources::new(&[7; 32], Rate { per_second: 1, burst: 2 });
        let mut take = |source: &str| sources.take(SECOND, source.parse().unwrap());
        assert!(take("2001:db8::1") && take("2001:db8::2") && !take("2001:db8::3"));
        assert!(take("192.0.2.1") && take("::ffff:192.0.2.1") && !take("192.0.2.1"));
    }
}
