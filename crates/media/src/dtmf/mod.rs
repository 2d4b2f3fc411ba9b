//! Keys pressed in a call: as telephone events ([RFC 4733]) and as tones in the audio ([ITU-T Q.23]).
//!
//! [`EventReceiver`] and [`ToneDetector`] make [`Press`]es of what comes, [`EventSender`] and [`TonePlayer`] the other way;
//! [`ToneMask`] keeps the tones out of a recording. A press has the same form whichever way it came, and control reads
//! those of INFO requests.
//!
//! Assumptions: a sender has one key down at a time; a payload holds one event, of which more (RFC 4733 §2.5.1.5) only
//! the first is read. Left out: events other than keys (§3.2), which RFC 4734 and the like define.
//!
//! [RFC 4733]: https://www.rfc-editor.org/rfc/rfc4733
//! [ITU-T Q.23]: https://www.itu.int/rec/T-REC-Q.23

mod detector;
mod event;
#[doc(hidden)]
pub mod fuzz;
mod mask;
mod receiver;
mod sender;
mod tones;

use std::fmt;

pub use detector::ToneDetector;
pub use event::TelephoneEvent;
pub use mask::ToneMask;
pub use receiver::{EventReceiver, EventStats};
pub use sender::{EventPacket, EventSender, EventSettings};
pub use tones::{ToneLevels, TonePlayer};

/// A key of a telephone, by its number in [RFC 4733 §3.2].
///
/// [RFC 4733 §3.2]: https://www.rfc-editor.org/rfc/rfc4733#section-3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

impl Digit {
    /// The sixteen keys in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Digit> {
        (0..KEYS.len() as u8).map(Digit)
    }

    /// The key of an event number.
    pub fn from_event(event: u8) -> Option<Self> {
        (usize::from(event) < KEYS.len()).then_some(Digit(event))
    }

    /// The key that is written so: `0` to `9`, `*`, `#`, `A` to `D` in either case.
    pub fn from_char(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        let event = KEYS.iter().position(|&(name, ..)| name == key)?;
        Some(Digit(event as u8))
    }

    /// Its event number.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// How it is written.
    pub fn key(self) -> char {
        self.entry().0
    }

    /// The frequencies of its row and its column, in hertz.
    pub fn frequencies(self) -> (f32, f32) {
        let (_, row, column) = self.entry();
        (ROWS.get(row).copied().unwrap_or_default(), COLUMNS.get(column).copied().unwrap_or_default())
    }

    /// The key at a row and a column.
    fn at(row: usize, column: usize) -> Option<Self> {
        let event = KEYS.iter().position(|&(_, r, c)| (r, c) == (row, column))?;
        Some(Digit(event as u8))
    }

    fn entry(self) -> (char, usize, usize) {
        KEYS.get(usize::from(self.0)).copied().unwrap_or(('0', 3, 1))
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.key(), f)
    }
}

/// A key that was pressed and let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    /// Which one.
    pub digit: Digit,
    /// For how long, in milliseconds.
    pub milliseconds: u32,
    /// How loud it is to be, -dBm0; of a key that was found, what is usual.
    pub volume: u8,
}

impl Press {
    /// A key that is as loud as is usual.
    pub const fn new(digit: Digit, milliseconds: u32) -> Press {
        Press { digit, milliseconds, volume: VOLUME }
    }

    /// The same as far as it can be played: one that is too short for anybody to notice is made longer.
    #[must_use]
    pub fn playable(self) -> Press {
        Press { milliseconds: self.milliseconds.clamp(LEAST_MS, MOST_MS), ..self }
    }
}

/// What a receiver or a detector has found: a key can be let go and the next pressed at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// The key that was let go.
    pub ended: Option<Press>,
    /// The key that was pressed then.
    pub started: Option<Digit>,
}

/// Why a key cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many keys wait already.
    #[error("{MAX_QUEUED} keys wait to be played already: wait until some are done")]
    QueueFull,
    /// It would last too long, or no time.
    #[error("a key can be played for {LEAST_MS} to {MOST_MS} ms: choose a duration between them")]
    Duration,
}

/// Checks that a press can be played after so many others.
fn playable(press: Press, queued: usize) -> Result<(), Refusal> {
    if !(LEAST_MS..=MOST_MS).contains(&press.milliseconds) {
        return Err(Refusal::Duration);
    }
    if queued >= MAX_QUEUED { Err(Refusal::QueueFull) } else { Ok(()) }
}

/// How loud a key is when nothing is said, -dBm0.
const VOLUME: u8 = 10;
/// Keys that wait to be played at most: more than a person or a script dials at once.
pub const MAX_QUEUED: usize = 64;
/// The shortest key that is played: what every receiver notices (ITU-T Q.24).
pub const LEAST_MS: u32 = 40;
/// The longest key that is played.
pub const MOST_MS: u32 = 60_000;

const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Name, row and column of each key, by event number.
const KEYS: [(char, usize, usize); 16] = [
    ('0', 3, 1),
    ('1', 0, 0),
    ('2', 0, 1),
    ('3', 0, 2),
    ('4', 1, 0),
    ('5', 1, 1),
    ('6', 1, 2),
    ('7', 2, 0),
    ('8', 2, 1),
    ('9', 2, 2),
    ('*', 3, 0),
    ('#', 3, 2),
    ('A', 0, 3),
    ('B', 1, 3),
    ('C', 2, 3),
    ('D', 3, 3),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_rfc_4733_and_q_23() {
        let written: String = Digit::all().map(Digit::key).collect();
        assert_eq!(written, "0123456789*#ABCD");
        for digit in Digit::all() {
            assert_eq!(Digit::from_char(digit.key().to_ascii_lowercase()), Some(digit));
            assert_eq!(Digit::from_event(digit.event()), Some(digit));
        }
        assert_eq!((Digit::from_event(16), Digit::from_char('E')), (None, None));
        assert_eq!(Digit::from_char('5').unwrap().frequencies(), (770.0, 1336.0));
        assert_eq!(Digit::from_char('#').unwrap().frequencies(), (941.0, 1477.0));
        assert_eq!(Digit::from_char('A').unwrap().frequencies(), (697.0, 1633.0));
        assert_eq!(Digit::at(3, 1), Digit::from_char('0'));
    }
}
