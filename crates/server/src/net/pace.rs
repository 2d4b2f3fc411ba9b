//! How often the control thread looks: at once while little comes, once a millisecond under load.
//!
//! Waking up costs as much as a message does. Above a few messages a millisecond a short sleep lets several share it,
//! and delays none by more than [`TICK`].

use std::time::{Duration, Instant};

/// The longest that a message waits for others.
const TICK: Duration = Duration::from_millis(1);

/// How long the rate is measured before it is believed.
const WINDOW: Duration = Duration::from_millis(20);

/// Messages in a window from which on it pays to gather: 2000 a second.
const BUSY: u32 = 40;

/// The rate of messages, and when the thread woke up last.
#[derive(Debug)]
pub struct Pace {
    window: Instant,
    count: u32,
    is_busy: bool,
    woken: Instant,
}

impl Pace {
    /// Nothing has come yet.
    pub fn new(now: Instant) -> Self {
        Pace { window: now, count: 0, is_busy: false, woken: now }
    }

    /// A round has taken this many messages.
    pub fn took(&mut self, now: Instant, messages: usize) {
        self.count = self.count.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
        let elapsed = now.saturating_duration_since(self.window);
        if elapsed >= WINDOW {
            // A window that was slept through is longer, and its rate lower.
            let windows = u32::try_from(elapsed.as_millis() / WINDOW.as_millis()).unwrap_or(u32::MAX);
            self.is_busy = self.count / windows.max(1) >= BUSY;
            self.window = now;
            self.count = 0;
        }
    }

    /// How long to sleep before the next look.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let left = (self.woken + TICK).checked_duration_since(now)?;
        (self.is_busy && !left.is_zero()).then_some(left)
    }

    /// The thread is awake.
    pub fn wakes(&mut self, now: Instant) {
        self.woken = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_thread_looks_at_once_and_a_busy_one_once_a_millisecond() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        for _ in 0..100 {
            now += TICK;
            pace.wakes(now);
            pace.took(now, 1);
            assert_eq!(pace.rest(now), None, "1000 messages a second");
        }
        for _ in 0..40 {
            now += TICK;
            pace.wakes(now);
            pace.took(now, 4);
        }
        let since = Duration::from_micros(300);
        assert_eq!(pace.rest(now + since), Some(TICK - since));
        assert_eq!(pace.rest(now + TICK), None);
        now += Duration::from_secs(1);
        pace.took(now, 1);
        assert_eq!(pace.rest(now), None, "the load is over");
    }
}
