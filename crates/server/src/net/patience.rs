//! How long a SIP connection over TCP or TLS is waited for.

use std::time::{Duration, Instant};

use super::End;
use crate::config::Limits;

/// The deadline of a stream. Whole messages move it; a byte of one, or a keep-alive, gains nobody more than the rest of
/// that one message.
#[derive(Debug)]
pub struct Patience {
    message: Duration,
    idle: Duration,
    /// When the connection ends, and why, if no message comes whole before.
    between: (Instant, End),
    /// When the message that has begun must be whole.
    whole: Option<Instant>,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Whether a message came whole.
    pub has_message: bool,
    /// Whether a message has begun and not ended.
    pub is_in_message: bool,
}

impl Patience {
    /// With a connection that was made at `now`.
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Patience {
            message: limits.message(),
            // A phone refreshes its registration before it expires: who says nothing for longer is gone.
            idle: limits.longest_registration() + SLACK,
            between: (now + limits.first_request(), End::FirstRequestLate),
            whole: None,
        }
    }

    /// With a connection that we made at `now`, and that ends when nothing comes over it for `idle`.
    pub fn of_ours(now: Instant, limits: &Limits, idle: Duration) -> Self {
        Patience { message: limits.message(), idle, between: (now + idle, End::Idle), whole: None }
    }

    /// Something was read.
    pub fn handle_read(&mut self, now: Instant, Progress { has_message, is_in_message }: Progress) {
        if has_message {
            self.between = (now + self.idle, End::Idle);
            self.whole = None;
        }
        self.whole = is_in_message.then(|| self.whole.unwrap_or(now + self.message));
    }

    /// Until when the rest, or the next message, is waited for, and why the connection ends then.
    pub fn deadline(&self) -> (Instant, End) {
        match self.whole {
            Some(whole) if whole < self.between.0 => (whole, End::MessageLate),
            _ => self.between,
        }
    }
}

const SLACK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Progress = Progress { has_message: false, is_in_message: false };
    const PART: Progress = Progress { has_message: false, is_in_message: true };
    const WHOLE: Progress = Progress { has_message: true, is_in_message: false };
    const WHOLE_AND_PART: Progress = Progress { has_message: true, is_in_message: true };

    /// The deadline in seconds after what was read, each with its second, and why it is one.
    fn after(reads: &[(u64, Progress)]) -> (u64, End) {
        let start = Instant::now();
        let mut patience = Patience::new(start, &Limits::default());
        for &(second, progress) in reads {
            patience.handle_read(start + Duration::from_secs(second), progress);
        }
        let (deadline, end) = patience.deadline();
        ((deadline - start).as_secs(), end)
    }

    #[test]
    fn the_first_request_comes_in_ten_seconds_whatever_else_comes() {
        let late = (10, End::FirstRequestLate);
        assert_eq!(after(&[]), late);
        assert_eq!(after(&[(1, KEEP_ALIVE), (5, KEEP_ALIVE), (9, KEEP_ALIVE)]), late);
        assert_eq!(after(&[(8, PART)]), late, "a byte of it gains no time");
    }

    #[test]
    fn the_rest_of_a_message_comes_in_five_seconds_from_its_first_byte() {
        assert_eq!(after(&[(1, PART)]), (6, End::MessageLate));
        assert_eq!(after(&[(1, PART), (2, PART), (5, PART)]), (6, End::MessageLate));
        assert_eq!(after(&[(1, WHOLE), (100, PART), (104, PART)]), (105, End::MessageLate));
    }

    #[test]
    fn a_message_that_begins_where_another_ends_has_five_seconds_of_its_own() {
        assert_eq!(after(&[(1, PART), (5, WHOLE_AND_PART)]), (10, End::MessageLate));
        assert_eq!(after(&[(1, WHOLE_AND_PART)]), (6, End::MessageLate));
    }

    #[test]
    fn only_a_whole_message_extends_the_idle_time() {
        let idle = 3600 + 60;
        assert_eq!(after(&[(1, WHOLE)]), (1 + idle, End::Idle));
        assert_eq!(after(&[(1, WHOLE), (2000, KEEP_ALIVE)]), (1 + idle, End::Idle));
        assert_eq!(after(&[(1, WHOLE), (2000, PART), (2001, WHOLE)]), (2001 + idle, End::Idle));
    }

    #[test]
    fn who_registers_for_long_may_be_silent_for_long() {
        let start = Instant::now();
        let limits = Limits { max_expires: 86_400, ..Limits::default() };
        let mut patience = Patience::new(start, &limits);
        patience.handle_read(start, WHOLE);
        assert_eq!(patience.deadline(), (start + Duration::from_secs(86_460), End::Idle));
    }
}
