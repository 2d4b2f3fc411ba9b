//! How long a commit waits for company.

use std::time::{Duration, Instant};

/// What the writer has done last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commit {
    /// When it was on the disk.
    pub at: Instant,
    /// The jobs that it carried.
    pub jobs: usize,
}

/// How long a batch is left to fill before it is looked at again; `None` to commit it.
///
/// Commits are an interval apart: [`INTERVAL`], or [`BUSY_INTERVAL`] when [`BUSY`] jobs came in the last one. So a
/// write after a pause waits for nothing, and under load the wait of the first write in a batch is the rest of the
/// interval, never the whole of it on top of the disk's time. A batch that `is_patient` is gathered for
/// [`PATIENT_INTERVAL`] and looked at every [`INTERVAL`], lest somebody in a hurry has come.
pub(super) fn rest(last: Option<Commit>, now: Instant, is_patient: bool) -> Option<Duration> {
    let last = last?;
    let interval = match is_patient {
        true => PATIENT_INTERVAL,
        false if last.jobs < BUSY => INTERVAL,
        false => BUSY_INTERVAL,
    };
    let left = (last.at + interval).saturating_duration_since(now);
    let rest = if is_patient { left.min(INTERVAL) } else { left };
    (!rest.is_zero()).then_some(rest)
}

/// At 1000 registrations a second, four of them share a commit.
const INTERVAL: Duration = Duration::from_millis(4);

/// At 2000 registrations a second, sixteen of them share a commit.
const BUSY_INTERVAL: Duration = Duration::from_millis(8);

/// At 200 calls a second, five records share a commit. The answer to the BYE waits for it, and whoever sent that has hung
/// up: it is long before a BYE is repeated.
const PATIENT_INTERVAL: Duration = Duration::from_millis(24);

/// Jobs in a commit after which more is gathered. A commit costs as much as half a dozen jobs in it.
const BUSY: usize = 6;

/// A batch is committed when it has this many jobs, so that the first of them is not kept waiting by the rest.
pub(super) const LARGEST_BATCH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn after(jobs: usize) -> (Option<Commit>, Instant) {
        let at = Instant::now();
        (Some(Commit { at, jobs }), at)
    }

    #[test]
    fn an_idle_writer_commits_at_once() {
        let (last, at) = after(BUSY);
        assert_eq!(rest(None, at, false), None);
        assert_eq!(rest(last, at + BUSY_INTERVAL, false), None);
        assert_eq!(rest(last, at + PATIENT_INTERVAL, true), None);
    }

    #[test]
    fn a_busy_writer_gathers() {
        let (last, at) = after(BUSY - 1);
        assert_eq!(rest(last, at + SOON, false), Some(INTERVAL - SOON));
        let (last, at) = after(BUSY);
        assert_eq!(rest(last, at + SOON, false), Some(BUSY_INTERVAL - SOON));
    }

    #[test]
    fn what_is_patient_gathers_longer_and_is_looked_at_all_the_while() {
        let (last, at) = after(1);
        assert_eq!(rest(last, at + SOON, true), Some(INTERVAL));
        assert_eq!(rest(last, at + PATIENT_INTERVAL - SOON, true), Some(SOON));
    }
}
