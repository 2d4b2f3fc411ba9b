//! Targets that failed a short while ago.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_sansio::Transport;

use super::target::Target;

/// Remembers which targets failed, so that the next requests try others first; of fixed size.
///
/// A target in it is not forbidden: when all targets of a destination are in it, they are tried all the same.
#[derive(Debug)]
pub struct FailedTargets {
    until: BTreeMap<(Transport, SocketAddr), Instant>,
    by_end: BTreeSet<(Instant, Transport, SocketAddr)>,
    capacity: usize,
    evicted: u64,
}

impl FailedTargets {
    /// A table for that many targets.
    pub fn new(capacity: usize) -> Self {
        FailedTargets { until: BTreeMap::new(), by_end: BTreeSet::new(), capacity, evicted: 0 }
    }

    /// The target failed; it comes last for that long, a day at most.
    pub fn insert(&mut self, now: Instant, target: &Target, duration: Duration) {
        self.expire(now);
        self.remove(target);
        let key = (target.transport, target.address);
        let until = now + duration.min(LONGEST);
        if self.capacity == 0 {
            return;
        }
        if self.until.len() >= self.capacity
            && let Some((_, transport, address)) = self.by_end.pop_first()
        {
            self.until.remove(&(transport, address));
            self.evicted += 1;
        }
        self.until.insert(key, until);
        self.by_end.insert((until, target.transport, target.address));
    }

    /// The target answered.
    pub fn remove(&mut self, target: &Target) {
        if let Some(until) = self.until.remove(&(target.transport, target.address)) {
            self.by_end.remove(&(until, target.transport, target.address));
        }
    }

    /// Whether the target failed a short while ago.
    pub fn contains(&self, now: Instant, target: &Target) -> bool {
        self.until.get(&(target.transport, target.address)).is_some_and(|&until| until > now)
    }

    /// How many targets are remembered, those whose time is over but have not been looked at included.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// How many were forgotten before their time because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(until, transport, address)) = self.by_end.first()
            && until <= now
        {
            self.by_end.pop_first();
            self.until.remove(&(transport, address));
        }
    }
}

const LONGEST: Duration = Duration::from_secs(86_400);
