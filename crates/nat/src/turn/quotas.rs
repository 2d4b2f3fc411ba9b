//! How many allocations there may be, of all servers of a process together.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::budget::{Bucket, Rate, since};

/// How many allocations there may be, in all and of one account.
///
/// A clone counts together with what it was cloned from: give each worker's server one, so that an account has as much
/// with four workers as with one. It is locked when an allocation begins and when it ends, and for no packet.
#[derive(Clone)]
pub struct Quotas(Arc<Shared>);

struct Shared {
    allocations: usize,
    per_account: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    allocations: usize,
    by_account: HashMap<Box<[u8]>, Theirs>,
}

/// What an account has.
#[derive(Default)]
struct Theirs {
    allocations: usize,
    /// What its allocations carry, where that is limited.
    meter: Option<Arc<Meter>>,
}

impl Quotas {
    /// So many allocations in all, and so many of one account.
    pub fn new(allocations: usize, per_account: usize) -> Self {
        Quotas(Arc::new(Shared { allocations, per_account, taken: Mutex::default() }))
    }

    /// How many allocations there are.
    pub fn taken(&self) -> usize {
        self.0.lock().allocations
    }

    /// How many there may be: in all, and of one account.
    pub(super) fn most(&self) -> (usize, usize) {
        (self.0.allocations, self.0.per_account)
    }

    /// Takes a place for an allocation of an account, all of which together carry as much as `bandwidth` says. It is given
    /// back when it is dropped.
    pub(super) fn take(
        &self,
        now: Instant,
        account: &[u8],
        bandwidth: Option<Rate>,
    ) -> Result<Place, Exhausted> {
        let mut taken = self.0.lock();
        let theirs = taken.by_account.get(account).map_or(0, |theirs| theirs.allocations);
        if theirs >= self.0.per_account {
            return Err(Exhausted::OfAccount);
        }
        if taken.allocations >= self.0.allocations {
            return Err(Exhausted::OfAll);
        }
        taken.allocations += 1;
        let theirs = taken.by_account.entry(account.into()).or_default();
        theirs.allocations += 1;
        let meter = bandwidth.map(|rate| {
            let meter = theirs.meter.get_or_insert_with(|| Arc::new(Meter::new(now, rate)));
            Arc::clone(meter)
        });
        Ok(Place { quotas: self.clone(), account: account.into(), meter })
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas::new(10_000, 20)
    }
}

impl Shared {
    /// A thread that panicked has left numbers that are right: nothing panics between one and the next.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no account.
impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { allocations, per_account, .. } = &*self.0;
        write!(f, "Quotas({} of {allocations}, {per_account} of an account)", self.taken())
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exhausted {
    /// The account has as many as it may.
    OfAccount,
    /// There are as many as there may be.
    OfAll,
}

/// One allocation in the count.
pub(super) struct Place {
    quotas: Quotas,
    account: Box<[u8]>,
    meter: Option<Arc<Meter>>,
}

impl Place {
    /// Whether so many bytes may still go, of all allocations of the account.
    pub(super) fn may_carry(&self, now: Instant, direction: Direction, bytes: usize) -> bool {
        self.meter.as_ref().is_none_or(|meter| meter.take(now, direction, bytes))
    }
}

/// Which way data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToPeer,
    ToClient,
}

/// What the allocations of one account carry.
struct Meter {
    start: Instant,
    rate: Rate,
    /// Of each direction.
    buckets: Mutex<[Bucket; 2]>,
}

impl Meter {
    fn new(start: Instant, rate: Rate) -> Self {
        Meter { start, rate, buckets: Mutex::default() }
    }

    fn take(&self, now: Instant, direction: Direction, bytes: usize) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let [to_peer, to_client] = &mut *buckets;
        let bucket = match direction {
            Direction::ToPeer => to_peer,
            Direction::ToClient => to_client,
        };
        bucket.take(since(self.start, now), bytes as u64, self.rate)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.quotas.0.lock();
        taken.allocations = taken.allocations.saturating_sub(1);
        if let Some(theirs) = taken.by_account.get_mut(&self.account) {
            theirs.allocations = theirs.allocations.saturating_sub(1);
            if theirs.allocations == 0 {
                taken.by_account.remove(&self.account);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn a_place_is_of_an_account_and_of_all_and_comes_back() {
        let quotas = Quotas::new(3, 2);
        let now = Clock::new().now();
        let other_server = quotas.clone();
        let first = quotas.take(now, b"a", None).unwrap();
        let second = other_server.take(now, b"a", None).unwrap();
        assert_eq!(quotas.take(now, b"a", None).unwrap_err(), Exhausted::OfAccount);
        let third = quotas.take(now, b"b", None).unwrap();
        assert_eq!(other_server.take(now, b"b", None).unwrap_err(), Exhausted::OfAll);
        assert_eq!(format!("{quotas:?}"), "Quotas(3 of 3, 2 of an account)");
        drop((first, second, third));
        assert_eq!(quotas.taken(), 0);
        assert!(quotas.0.lock().by_account.is_empty(), "nobody is remembered");
    }
}
