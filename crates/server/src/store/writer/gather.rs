//! How long a commit waits for company.

use std::time::{Duration, Instant};

/// Until when a batch that began at `now` is filled; `None` to commit at once.
///
/// Commits are at least [`INTERVAL`] apart. So a write after a pause waits for nothing, and under load the wait of the
/// first write in a batch is the rest of the interval, never the whole of it on top of the disk's time.
pub(super) fn until(last_commit: Option<Instant>, now: Instant) -> Option<Instant> {
    last_commit.map(|last| last + INTERVAL).filter(|&until| until > now)
}

/// At 2000 registrations a second, eight of them share a commit.
const INTERVAL: Duration = Duration::from_millis(4);

/// A batch is committed when it has this many jobs, so that the first of them is not kept waiting by the rest.
pub(super) const LARGEST_BATCH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_writer_commits_at_once_and_a_busy_one_gathers() {
        let start = Instant::now();
        assert_eq!(until(None, start), None);
        assert_eq!(until(Some(start), start + INTERVAL), None);
        let busy = start + Duration::from_millis(1);
        assert_eq!(until(Some(start), busy), Some(start + INTERVAL));
    }
}
