//! Which target is next when one fails ([RFC 3263 §4.3]).
//!
//! [RFC 3263 §4.3]: https://www.rfc-editor.org/rfc/rfc3263#section-4.3

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::failed_targets::FailedTargets;
use super::target::{Target, Targets};

/// The targets that one request has not been tried on.
///
/// Each try is a transaction of its own: the same request with another branch in our Via.
#[derive(Debug, Clone)]
pub struct Failover {
    current: Target,
    rest: VecDeque<Target>,
}

/// Why a target failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection could not be made or broke, or an ICMP error came.
    Transport,
    /// The transaction timed out without any response, provisional ones included.
    ///
    /// After a provisional response it is the request that takes long, not the target that is gone.
    Timeout,
    /// It answered 503, perhaps with a Retry-After.
    Unavailable {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Failover {
    /// Starts with the first target that has not failed lately, else with the first of all.
    pub fn new(now: Instant, targets: &Targets, failed: &FailedTargets) -> Option<Self> {
        let mut rest: VecDeque<_> = targets.as_slice().iter().cloned().collect();
        // The sort is stable: among those that failed the order stays, too.
        rest.make_contiguous().sort_by_key(|target| failed.contains(now, target));
        let current = rest.pop_front()?;
        Some(Failover { current, rest })
    }

    /// The target that the request is on.
    pub fn current(&self) -> &Target {
        &self.current
    }

    /// The current target failed: remembers it and gives the next one, which is current from then on.
    pub fn handle_failure(
        &mut self,
        now: Instant,
        failure: Failure,
        failed: &mut FailedTargets,
    ) -> Option<&Target> {
        let duration = match failure {
            Failure::Unavailable { retry_after: Some(duration) } => duration.min(MAX_RETRY_AFTER),
            Failure::Unavailable { retry_after: None } | Failure::Transport | Failure::Timeout => FORGET,
        };
        failed.insert(now, &self.current, duration);
        self.current = self.rest.pop_front()?;
        Some(&self.current)
    }

    /// The current target answered something else than 503: it is no longer remembered as failed.
    pub fn handle_response(&self, failed: &mut FailedTargets) {
        failed.remove(&self.current);
    }
}

/// How long a target that failed comes last.
const FORGET: Duration = Duration::from_secs(30);
/// The longest Retry-After that is honoured: one server's word must not hide it for ever.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
