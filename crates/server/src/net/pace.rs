//! How often a thread looks at its sockets: at once while little comes, once a tick under load.
//!
//! Waking up costs as much as a message or a packet does. When several come in a tick, a short sleep lets them share
//! it, and delays none by more than the tick.

use std::time::{Duration, Instant};

/// How long the rate is measured before it is believed.
const WINDOW: Duration = Duration::from_millis(20);

/// What comes in a tick when it pays to gather.
const WORTH: u32 = 2;

/// The rate at which work comes, and when the thread woke up last.
#[derive(Debug)]
pub struct Pace {
    tick: Duration,
    window: Instant,
    count: u32,
    is_busy: bool,
    woken: Instant,
}

impl Pace {
    /// Nothing has come yet; what comes waits a `tick` for others at the most.
    pub fn new(now: Instant, tick: Duration) -> Self {
        Pace { tick, window: now, count: 0, is_busy: false, woken: now }
    }

    /// A round has taken this many messages or packets.
    pub fn took(&mut self, now: Instant, count: usize) {
        self.count = self.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let elapsed = now.saturating_duration_since(self.window);
        if elapsed >= WINDOW {
            // A window that was slept through is longer, and its rate lower.
            let ticks = elapsed.as_micros() / self.tick.as_micros().max(1);
            self.is_busy = u128::from(self.count) >= u128::from(WORTH) * ticks.max(1);
            self.window = now;
            self.count = 0;
        }
    }

    /// How long to sleep before the next look.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let left = (self.woken + self.tick).checked_duration_since(now)?;
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

    const TICK: Duration = Duration::from_millis(1);

    /// A thread that has had so much in each tick of a tenth of a second, and the time at which it woke up last.
    fn after(each: usize) -> (Pace, Instant) {
        let mut now = Instant::now();
        let mut pace = Pace::new(now, TICK);
        for _ in 0..100 {
            now += TICK;
            pace.wakes(now);
            pace.took(now, each);
        }
        (pace, now)
    }

    #[test]
    fn a_quiet_thread_looks_at_once() {
        let (pace, now) = after(1);
        assert_eq!(pace.rest(now), None);
    }

    #[test]
    fn a_busy_thread_looks_once_a_tick() {
        let (pace, now) = after(2);
        let since = Duration::from_micros(300);
        assert_eq!(pace.rest(now + since), Some(TICK - since));
        assert_eq!(pace.rest(now + TICK), None, "the tick is over");
    }

    #[test]
    fn a_thread_whose_load_is_over_looks_at_once() {
        let (mut pace, mut now) = after(4);
        now += Duration::from_secs(1);
        pace.wakes(now);
        pace.took(now, 1);
        assert_eq!(pace.rest(now), None);
    }
}
