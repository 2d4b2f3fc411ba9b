//! What whoever watches is shown while a load runs.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// One line of standard error, where that is a terminal.
pub(super) struct Progress {
    shown: Instant,
    is_watched: bool,
}

impl Progress {
    /// Nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Progress { shown: now, is_watched: io::stderr().is_terminal() }
    }

    /// Whether it is time to show how far it is.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.is_watched && now.duration_since(self.shown) >= EVERY;
        if is_due {
            self.shown = now;
        }
        is_due
    }

    /// Shows a line in place of the one before.
    pub(super) fn show(&self, line: Arguments<'_>) {
        if self.is_watched {
            // Nobody watches if standard error is closed.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.show(format_args!(""));
    }
}

const EVERY: Duration = Duration::from_millis(500);
