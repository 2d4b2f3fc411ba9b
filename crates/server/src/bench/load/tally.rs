//! What came of the registrations, or of the calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failure;
use crate::bench::times::Times;

/// What came of the registrations, or of the calls.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Tally {
    /// How many were begun.
    pub(in crate::bench) begun: u64,
    /// How many went as they should.
    pub(in crate::bench) succeeded: u64,
    /// The others that are over, by reason.
    pub(in crate::bench) failures: BTreeMap<Failure, u64>,
    /// From the first REGISTER, or INVITE, to its 200, challenges included.
    pub(in crate::bench) answered: Times,
    /// From a BYE to its 200.
    pub(in crate::bench) ended: Times,
}

impl Tally {
    pub(in crate::bench) fn new() -> Self {
        Tally {
            begun: 0,
            succeeded: 0,
            failures: BTreeMap::new(),
            answered: Times::new(),
            ended: Times::new(),
        }
    }

    pub(super) fn succeed(&mut self) {
        self.succeeded += 1;
    }

    pub(super) fn answered(&mut self, after: Duration) {
        self.answered.note(after);
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    /// How many did not go as they should.
    pub(in crate::bench) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}
