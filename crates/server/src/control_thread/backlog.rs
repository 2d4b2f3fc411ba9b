//! How far the thread is behind.
//!
//! A round that takes as much as it may leaves more behind. One of them is a burst; when they go on, those who are known ask
//! for more than the thread can do, and the kernel will soon drop what comes, whatever it is. Then the exchange refuses what
//! can wait, which costs less than serving it, until a round has found less than it could take.

use std::time::{Duration, Instant};

use ringback_control::Pressure;

use super::INPUTS_A_ROUND;
use super::sockets::DATAGRAMS_A_ROUND;

/// For how long rounds are full before what can wait is refused: a burst of some thousand messages is served sooner.
const HIGH: Duration = Duration::from_millis(100);

/// For how long they are full before new calls are refused too. Less than the 500 ms (T1, RFC 3261 §17) after which what is
/// not answered comes again.
const EXTREME: Duration = Duration::from_millis(200);

/// What a round has taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// Datagrams.
    pub datagrams: usize,
    /// Those of them from who is known.
    pub known_datagrams: usize,
    /// What other threads have handed in.
    pub inputs: usize,
    /// That, without the messages of strangers.
    pub known_inputs: usize,
}

impl Round {
    /// All that it has taken.
    pub fn count(&self) -> usize {
        self.datagrams + self.inputs
    }

    /// Whether it took as much as it may, so that there is more.
    pub fn is_full(&self) -> bool {
        self.datagrams >= DATAGRAMS_A_ROUND || self.inputs >= INPUTS_A_ROUND
    }

    /// Whether there may be more of those who are known. Strangers are put aside, or held to their budgets, faster than they
    /// come: they are no reason to refuse anybody.
    fn is_pressing(&self) -> bool {
        self.datagrams >= DATAGRAMS_A_ROUND && self.known_datagrams > self.datagrams / 2
            || self.inputs >= INPUTS_A_ROUND && self.known_inputs > self.inputs / 2
    }
}

/// Since when the thread has been behind, and what comes of it.
#[derive(Debug, Default)]
pub struct Backlog {
    since: Option<Instant>,
    pressure: Pressure,
}

impl Backlog {
    /// A round that began at `began` is over at `now`. Gives the pressure when it has changed.
    pub fn round(&mut self, began: Instant, now: Instant, round: Round) -> Option<Pressure> {
        self.since = round.is_pressing().then(|| self.since.unwrap_or(began));
        let pressure = match self.since.map(|since| now.saturating_duration_since(since)) {
            Some(behind) if behind >= EXTREME => Pressure::Extreme,
            Some(behind) if behind >= HIGH => Pressure::High,
            _ => Pressure::None,
        };
        let has_changed = pressure != self.pressure;
        self.pressure = pressure;
        has_changed.then_some(pressure)
    }

    /// What is to be refused.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(10);
    const FULL: Round = Round {
        datagrams: DATAGRAMS_A_ROUND,
        known_datagrams: DATAGRAMS_A_ROUND,
        inputs: 0,
        known_inputs: 0,
    };

    /// The pressure after each of so many full rounds.
    fn full_rounds(backlog: &mut Backlog, count: u32, start: Instant) -> Vec<Pressure> {
        let mut round = |n| {
            backlog.round(start + ROUND * n, start + ROUND * (n + 1), FULL);
            backlog.pressure()
        };
        (0..count).map(&mut round).collect()
    }

    #[test]
    fn a_burst_is_served_whole() {
        let mut backlog = Backlog::default();
        assert!(full_rounds(&mut backlog, 9, Instant::now()).iter().all(|it| *it == Pressure::None));
    }

    #[test]
    fn what_can_wait_is_refused_first_and_new_calls_then() {
        let pressures = full_rounds(&mut Backlog::default(), 24, Instant::now());
        assert_eq!(pressures.iter().position(|it| *it == Pressure::High), Some(9));
        assert_eq!(pressures.iter().position(|it| *it == Pressure::Extreme), Some(19));
        assert!(pressures.is_sorted());
    }

    #[test]
    fn who_has_caught_up_refuses_nothing() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        full_rounds(&mut backlog, 30, start);
        assert_eq!(
            backlog.round(start, start + ROUND * 31, Round::default()),
            Some(Pressure::None),
            "a change is told"
        );
        assert_eq!(backlog.round(start, start + ROUND * 32, Round::default()), None, "and told once");
        assert_eq!(full_rounds(&mut backlog, 1, start + ROUND * 32), [Pressure::None]);
    }

    #[test]
    fn strangers_press_nobody() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let most = INPUTS_A_ROUND;
        for (round, presses) in [
            (Round { known_datagrams: DATAGRAMS_A_ROUND / 2, ..FULL }, false),
            (Round { inputs: most, known_inputs: most / 2, ..Round::default() }, false),
            (Round { inputs: most, known_inputs: most, ..Round::default() }, true),
            (Round { inputs: most - 1, known_inputs: most - 1, ..Round::default() }, false),
        ] {
            backlog.round(start, start, round);
            backlog.round(start, start + EXTREME, round);
            assert_eq!(backlog.pressure() == Pressure::Extreme, presses, "{round:?}");
            backlog.round(start, start, Round::default());
        }
    }
}
