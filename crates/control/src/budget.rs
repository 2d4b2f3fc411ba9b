//! How much one source may ask: so many messages a second. Who has shown no valid credentials has such a budget always,
//! who has shown them while more comes than can be served: its share.
//!
//! A source is an IPv4 address or an IPv6 /64, without the port. The table has a fixed size: a source hashes to one
//! place and takes it over from another. So a flood from one source is cut off, and a flood from sources without
//! number, each of which is new, costs no memory; that one is held off by serving whom we know first.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What a source has for its budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a message takes it to earn.
    earned_in: Duration,
    /// Messages that it may send at once after a pause.
    burst: u64,
}

/// Those of strangers. Fifty a second: what an office sends that comes back from a power cut with some hundred phones,
/// until the first of them is signed in. From then on all of it is known.
pub(crate) const STRANGER: Terms = Terms { earned_in: Duration::from_millis(20), burst: 200 };

/// The share of a source that is known: a thousand messages a second, a small part of what any machine serves. An
/// office of five hundred telephones behind one address, each of which registers every minute with two messages and has
/// a call of twenty every ten minutes, sends thirty-three.
pub(crate) const SHARE: Terms = Terms { earned_in: Duration::from_millis(1), burst: 200 };

/// The same when those who keep to [`SHARE`] are together more than can be served: still seven times what that office
/// sends.
pub(crate) const LESSER_SHARE: Terms = Terms { earned_in: Duration::from_millis(4), burst: 200 };

/// The budgets of all sources.
#[derive(Debug)]
pub(crate) struct Budgets {
    places: Box<[Place]>,
    /// Keeps others from choosing which sources share a place.
    secret: u64,
    start: Instant,
}

/// The budget of the source that had this place last.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Some bits of the hash of the source.
    tag: u32,
    /// Until when its budget is spent, in microseconds since the start: each message moves it on by its price, and it may
    /// not be further ahead than a burst.
    spent_until: u64,
}

impl Budgets {
    /// Nobody has asked anything.
    pub fn new(start: Instant, secret: u64) -> Self {
        Budgets { places: vec![Place::default(); PLACES].into(), secret, start }
    }

    /// Whether the source may ask once more on these terms; if so, it has.
    pub fn spend(&mut self, now: Instant, source: IpAddr, terms: Terms) -> bool {
        let Some(after) = self.after(now, source, terms) else { return false };
        let (index, _) = self.place_of(source);
        if let Some(place) = self.places.get_mut(index) {
            *place = after;
        }
        true
    }

    /// Whether the source may ask once more on these terms, for what is only reckoned when it has failed.
    pub fn has_left(&self, now: Instant, source: IpAddr, terms: Terms) -> bool {
        self.after(now, source, terms).is_some()
    }

    /// What would be in its place if the source asked once more; `None` when it may not.
    fn after(&self, now: Instant, source: IpAddr, terms: Terms) -> Option<Place> {
        let (index, tag) = self.place_of(source);
        let place = self.places.get(index)?;
        let now = now.saturating_duration_since(self.start).as_micros() as u64;
        let before = if place.tag == tag { place.spent_until.max(now) } else { now };
        let price = terms.price(source).as_micros() as u64;
        let spent_until = before + price;
        (spent_until - now <= terms.burst * price).then_some(Place { tag, spent_until })
    }

    fn place_of(&self, source: IpAddr) -> (usize, u32) {
        let mut hasher = DefaultHasher::new();
        (self.secret, source).hash(&mut hasher);
        let hash = hasher.finish();
        (hash as usize % PLACES, (hash >> 32) as u32)
    }
}

impl Terms {
    /// One for each `earned_in`, and so many at once.
    pub(crate) const fn new(earned_in: Duration, burst: u64) -> Self {
        Terms { earned_in, burst }
    }

    /// How long a message takes a source to earn. On our own machine sit proxies and tests, and nobody else.
    fn price(self, source: IpAddr) -> Duration {
        if source.is_loopback() { self.earned_in / LOOPBACK } else { self.earned_in }
    }
}

/// Sources that have a place of their own, if no two share one: 128 kB.
const PLACES: usize = 8192;
/// How many times as much a source on our own machine may ask.
const LOOPBACK: u32 = 64;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    fn spent(budgets: &mut Budgets, now: Instant, source: IpAddr, messages: u32) -> u32 {
        (0..messages).map(|_| u32::from(budgets.spend(now, source, STRANGER))).sum()
    }

    #[test]
    fn a_source_has_a_burst_and_then_its_rate() {
        let mut clock = Clock::new();
        let mut budgets = Budgets::new(clock.now(), 1);
        let source = "198.51.100.7".parse().unwrap();
        assert_eq!(spent(&mut budgets, clock.now(), source, 1000), 200);
        clock.advance(Duration::from_secs(1));
        assert_eq!(spent(&mut budgets, clock.now(), source, 1000), 50);
        clock.advance(Duration::from_secs(60));
        assert_eq!(spent(&mut budgets, clock.now(), source, 1000), 200, "no more is saved than a burst");
        let other = "198.51.100.8".parse().unwrap();
        assert_eq!(spent(&mut budgets, clock.now(), other, 1000), 200, "another source has its own");
    }

    #[test]
    fn what_runs_on_our_own_machine_may_ask_more() {
        let clock = Clock::new();
        let mut budgets = Budgets::new(clock.now(), 1);
        let local = "127.0.0.1".parse().unwrap();
        assert_eq!(spent(&mut budgets, clock.now(), local, 1000), 200);
        let later = clock.now() + Duration::from_secs(1);
        assert_eq!(spent(&mut budgets, later, local, 10_000), 200);
        let mut sum = 0;
        for millisecond in 0..1000 {
            sum += spent(&mut budgets, later + Duration::from_millis(millisecond), local, 100);
        }
        assert!((3190..3210).contains(&sum), "3200 a second, not {sum}");
    }

    /// A source that is new each time is nobody's budget, and nobody's memory.
    #[test]
    fn a_flood_of_sources_takes_no_memory() {
        let clock = Clock::new();
        let mut budgets = Budgets::new(clock.now(), 1);
        for i in 0..100_000_u32 {
            budgets.spend(clock.now(), std::net::Ipv4Addr::from(0x0a00_0000 + i).into(), STRANGER);
        }
        assert_eq!(budgets.places.len(), PLACES);
        assert_eq!(size_of::<Place>(), 16);
    }
}
