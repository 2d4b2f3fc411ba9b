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

/// Until when a batch that began at `now` is filled; `None` to commit at once.
///
/// Commits are an interval apart: [`INTERVAL`], or [`BUSY_INTERVAL`] when [`BUSY`] jobs came in the last one. So a write
/// after a pause waits for nothing, and under load the wait of the first write in a batch is the rest of the interval, never
/// the whole of it on top of the disk's time.
pub(super) fn until(last: Option<Commit>, now: Instant) -> Option<Instant> {
    let last = last?;
    let interval = if last.jobs < BUSY { INTERVAL } else { BUSY_INTERVAL };
    Some(last.at + interval).filter(|&until| until > now)
}

/// At 1000 registrations a second, four of them share a commit.
const INTERVAL: Duration = Duration::from_millis(4);

/// At 2000 registrations a second, sixteen of them share a commit.
const BUSY_INTERVAL: Duration = Duration::from_millis(8);

/// Jobs in a commit after which more is gathered. A commit costs as much as half a dozen jobs in it.
const BUSY: usize = 6;

/// A batch is committed when it has this many jobs, so that the first of them is not kept waiting by the rest.
pub(super) const LARGEST_BATCH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_writer_commits_at_once_and_a_busy_one_gathers() {
        let start = Instant::now();
        let after = |jobs| Some(Commit { at: start, jobs });
        assert_eq!(until(None, start), None);
        assert_eq!(until(after(1), start + INTERVAL), None);
        let soon = start + Duration::from_millis(1);
        assert_eq!(until(after(1), soon), Some(start + INTERVAL));
        assert_eq!(until(after(BUSY), soon), Some(start + BUSY_INTERVAL));
        assert_eq!(until(after(BUSY), start + BUSY_INTERVAL), None);
    }
}
