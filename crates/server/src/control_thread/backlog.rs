//! How far the thread is behind.
//!
//! A round that takes as much as it may leaves more behind. One of them is a burst; when they go on, those who are
//! known ask for more than the thread can do, and the kernel will soon drop what comes, whatever it is. Then each of
//! their sources has a share, and what is beyond waits for the rest. When those who keep to their shares are still too
//! many, the exchange refuses what can wait, which costs less than serving it, until a round has found less than it
//! could take. What is beyond a share is refused as early as that would be without shares.

use std::time::{Duration, Instant};

use ringback_control::Pressure;

use super::INPUTS_A_ROUND;
use super::sockets::DATAGRAMS_A_ROUND;

/// For how long rounds are full before shares are looked at. That refuses nothing, so it begins early.
const SHARED: Duration = Duration::from_millis(20);

/// For how long rounds are full before what can wait is refused: a burst of some thousand messages is served sooner.
const HIGH: Duration = Duration::from_millis(100);

/// For how long they are full before new calls are refused too. Less than the 500 ms (T1, RFC 3261 §17) after which
/// what is not answered comes again.
const EXTREME: Duration = Duration::from_millis(200);

/// What a round has taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// Datagrams.
    pub datagrams: usize,
    /// Those of them from who is known, within the share.
    pub known_datagrams: usize,
    /// Those beyond it.
    pub datagrams_beyond: usize,
    /// What other threads have handed in.
    pub inputs: usize,
    /// That, without the messages of strangers and those beyond a share.
    pub known_inputs: usize,
    /// The messages beyond a share.
    pub inputs_beyond: usize,
    /// Whether such a message still waits from an earlier round.
    pub is_waited: bool,
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

    /// Whether there may be more of those who are known. Strangers are put aside, or held to their budgets, faster than
    /// they come: they are no reason to refuse anybody.
    fn is_pressing(&self) -> bool {
        self.has_more(self.known_datagrams, self.known_inputs)
    }

    /// The same, with what they ask for beyond their shares.
    fn is_contended(&self) -> bool {
        let datagrams = self.known_datagrams + self.datagrams_beyond;
        self.is_waited || self.has_more(datagrams, self.known_inputs + self.inputs_beyond)
    }

    fn has_more(&self, datagrams: usize, inputs: usize) -> bool {
        self.datagrams >= DATAGRAMS_A_ROUND && datagrams > self.datagrams / 2
            || self.inputs >= INPUTS_A_ROUND && inputs > self.inputs / 2
    }
}

/// Since when the thread has been behind, and what comes of it.
#[derive(Debug, Default)]
pub struct Backlog {
    /// With what is within the shares.
    pressing_since: Option<Instant>,
    /// With everything that those ask for who are known.
    contended_since: Option<Instant>,
    pressure: Pressure,
    pressure_beyond: Pressure,
}

impl Backlog {
    /// A round that began at `began` is over at `now`. Gives the pressure when it has changed.
    pub fn round(&mut self, began: Instant, now: Instant, round: Round) -> Option<Pressure> {
        self.pressing_since = round.is_pressing().then(|| self.pressing_since.unwrap_or(began));
        self.contended_since = round.is_contended().then(|| self.contended_since.unwrap_or(began));
        let behind = |since: Option<Instant>| match since.map(|since| now.saturating_duration_since(since)) {
            Some(behind) if behind >= EXTREME => Pressure::Extreme,
            Some(behind) if behind >= HIGH => Pressure::High,
            Some(behind) if behind >= SHARED => Pressure::Shared,
            _ => Pressure::None,
        };
        self.pressure_beyond = behind(self.contended_since);
        let pressure = behind(self.pressing_since).max(self.pressure_beyond.min(Pressure::Shared));
        let has_changed = pressure != self.pressure;
        self.pressure = pressure;
        has_changed.then_some(pressure)
    }

    /// What is to be refused.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// What is to be refused of those who have had their share.
    pub fn pressure_beyond(&self) -> Pressure {
        self.pressure_beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(10);
    const FULL: Round = Round {
        datagrams: DATAGRAMS_A_ROUND,
        known_datagrams: DATAGRAMS_A_ROUND,
        datagrams_beyond: 0,
        inputs: 0,
        known_inputs: 0,
        inputs_beyond: 0,
        is_waited: false,
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
        let pressures = full_rounds(&mut backlog, 9, Instant::now());
        assert!(pressures.iter().all(|it| *it <= Pressure::Shared), "{pressures:?}");
        assert_eq!(pressures[0], Pressure::None);
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

    /// A round that one source fills, most of which is beyond its share.
    const FLOODED: Round = Round { known_datagrams: 20, datagrams_beyond: DATAGRAMS_A_ROUND - 20, ..FULL };

    #[test]
    fn who_floods_is_pressed_alone() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        for n in 0..40 {
            backlog.round(start + ROUND * n, start + ROUND * (n + 1), FLOODED);
        }
        assert_eq!((backlog.pressure(), backlog.pressure_beyond()), (Pressure::Shared, Pressure::Extreme));
        // What it has sent is not served yet: it would be let in again, and press everybody.
        let rest = Round { is_waited: true, ..Round::default() };
        assert_eq!(backlog.round(start + ROUND * 40, start + ROUND * 41, rest), None);
        assert_eq!(
            backlog.round(start + ROUND * 41, start + ROUND * 42, Round::default()),
            Some(Pressure::None)
        );
        assert_eq!(backlog.pressure_beyond(), Pressure::None);
    }

    #[test]
    fn those_who_keep_to_their_shares_and_are_too_many_are_pressed_together() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let half = Round { known_datagrams: DATAGRAMS_A_ROUND - 20, datagrams_beyond: 20, ..FULL };
        for n in 0..40 {
            backlog.round(start + ROUND * n, start + ROUND * (n + 1), half);
        }
        assert_eq!(backlog.pressure(), Pressure::Extreme);
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
