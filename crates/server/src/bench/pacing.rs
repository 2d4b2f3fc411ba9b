//! When packets are due that are sent at a steady rate.

use std::time::{Duration, Instant};

/// The packets of a while, evenly apart.
pub(super) struct Pacing {
    began: Instant,
    lasting: Duration,
    a_second: f64,
    total: u64,
    next: u64,
    late: u64,
}

impl Pacing {
    /// So many a second, from now on and for so long.
    pub(super) fn new(now: Instant, a_second: f64, lasting: Duration) -> Self {
        let total = (a_second * lasting.as_secs_f64()).round() as u64;
        Pacing { began: now, lasting, a_second, total, next: 0, late: 0 }
    }

    /// Whether there is nothing more to send.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.next >= self.total || now >= self.began + self.lasting + TOO_LATE
    }

    /// Leaves out what was due so long ago that it would come in a burst.
    pub(super) fn leave_out(&mut self, now: Instant) {
        let behind = now.saturating_duration_since(self.due_at(self.next));
        if behind > TOO_LATE {
            let missed = ((behind.as_secs_f64() * self.a_second) as u64).min(self.total - self.next);
            self.late += missed;
            self.next += missed;
        }
    }

    /// The number of the next packet, when it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        (self.next < self.total && self.due_at(self.next) <= now).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// How long to wait for what comes before the next is sent: those that are due in between go together.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.due_at(self.next).saturating_duration_since(now).max(PACE)
    }

    /// How many were left out in all, when it is over: those at its end as well, which came due while nobody looked.
    pub(super) fn left_out(self) -> u64 {
        self.late + (self.total - self.next)
    }

    fn due_at(&self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.a_second)
    }
}

/// How often packets are sent at the most.
const PACE: Duration = Duration::from_micros(250);
/// A packet that was due so long ago is left out: the load does not keep up.
const TOO_LATE: Duration = Duration::from_millis(100);
/// Packets that are sent before what came is looked at.
pub(super) const BURST: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_due_one_after_the_other_and_old_ones_are_left_out() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pacing = Pacing::new(start, 100.0, Duration::from_secs(1));
        let due = |pacing: &mut Pacing, now| std::iter::from_fn(|| pacing.take(now)).collect::<Vec<_>>();
        assert_eq!(due(&mut pacing, at(25)), [0, 1, 2]);
        assert_eq!(pacing.wait(at(25)), Duration::from_millis(5));
        pacing.leave_out(at(60));
        assert_eq!((due(&mut pacing, at(60)), pacing.late), (vec![3, 4, 5, 6], 0));
        pacing.leave_out(at(570));
        assert_eq!((due(&mut pacing, at(570)), pacing.late), (vec![57], 50));
        assert!(!pacing.is_over(at(999)) && pacing.is_over(at(1100)));
        pacing.leave_out(at(5000));
        assert!(pacing.is_over(at(1000)), "no more than there are");
        assert_eq!(pacing.left_out(), 100 - 8);
    }

    #[test]
    fn what_comes_due_while_nobody_looks_is_left_out_at_the_end_too() {
        let start = Instant::now();
        let mut pacing = Pacing::new(start, 100.0, Duration::from_secs(1));
        while pacing.take(start + Duration::from_millis(795)).is_some() {}
        assert!(pacing.is_over(start + Duration::from_millis(1200)));
        assert_eq!(pacing.left_out(), 20);
    }
}
