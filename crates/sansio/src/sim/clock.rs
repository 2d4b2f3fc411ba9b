//! Virtual time.

use std::time::{Duration, Instant};

/// A clock that stands still until it is advanced.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    now: Instant,
}

impl Clock {
    /// A clock at its zero.
    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant has no other base; no test depends on its value"
    )]
    pub fn new() -> Self {
        let start = Instant::now();
        Clock { start, now: start }
    }

    /// The time it shows.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Time since its zero.
    pub fn elapsed(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    /// Moves forward by `step`.
    pub fn advance(&mut self, step: Duration) -> Instant {
        self.now += step;
        self.now
    }

    /// Moves forward to `at`; an instant in the past leaves it where it is.
    pub fn advance_to(&mut self, at: Instant) -> Instant {
        self.now = self.now.max(at);
        self.now
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
