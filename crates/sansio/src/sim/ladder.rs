//! Message ladders, as in the RFCs: one column for each participant, one line for each message.

use std::fmt::{self, Write};
use std::time::Duration;

/// A ladder that is drawn while a test runs and compared as text.
///
/// ```text
///               alice                       bob
///     0.000       |--- INVITE sip:bob@b ----->|
///     0.020       |<-- 100 Trying ------------|
///     0.520       |--- BYE sip:bob@b -----X   |   (lost)
/// ```
///
/// The printer knows nothing of what the messages are: the caller gives each its label.
#[derive(Debug, Clone)]
pub struct Ladder {
    names: Vec<String>,
    gap: usize,
    rows: Vec<Row>,
}

/// How an arrow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// At the far lifeline.
    Arrives,
    /// Short of it, with a cross.
    Lost,
}

#[derive(Debug, Clone)]
enum Row {
    Arrow { at: Duration, from: usize, to: usize, label: String, head: Head, remark: String },
    Note { at: Duration, text: String },
}

impl Ladder {
    /// An empty ladder with a column for each name, in this order, `gap` characters apart.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, gap: usize) -> Self {
        Ladder {
            names: names.into_iter().map(str::to_owned).collect(),
            gap: gap.max(MIN_GAP),
            rows: Vec::new(),
        }
    }

    /// Draws a message that was sent at `at`.
    ///
    /// # Panics
    /// When a name has no column: a mistake of the test.
    #[allow(clippy::expect_used, reason = "a ladder is a test's tool and a wrong name is the test's mistake")]
    pub fn arrow(&mut self, at: Duration, from: &str, to: &str, label: &str, head: Head, remark: &str) {
        let column =
            |name| self.names.iter().position(|known| known == name).expect("a participant of the ladder");
        let (from, to) = (column(from), column(to));
        let (label, remark) = (label.to_owned(), remark.to_owned());
        self.rows.push(Row::Arrow { at, from, to, label, head, remark });
    }

    /// Writes a remark across all columns.
    pub fn note(&mut self, at: Duration, text: &str) {
        self.rows.push(Row::Note { at, text: text.to_owned() });
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing has been drawn.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The position of a lifeline in a row.
    fn lifeline(&self, column: usize) -> usize {
        MARGIN + column * self.gap
    }

    fn heading(&self) -> String {
        let mut heading = String::new();
        for (column, name) in self.names.iter().enumerate() {
            // Each name is centred on its lifeline, or follows the one before it.
            let start = self.lifeline(column).saturating_sub(name.chars().count() / 2);
            let used = heading.chars().count();
            let pad = start.saturating_sub(used).max(usize::from(column > 0));
            heading.extend(std::iter::repeat_n(' ', pad));
            heading.push_str(name);
        }
        heading
    }

    fn arrow_row(&self, from: usize, to: usize, label: &str, head: Head) -> String {
        let width = self.lifeline(self.names.len().saturating_sub(1)) + 1;
        let mut row = vec![' '; width];
        for column in 0..self.names.len() {
            row[self.lifeline(column)] = '|';
        }
        if from == to {
            // A message to oneself has no shaft.
            let text = format!(" [{label}]");
            let start = self.lifeline(from) + 1;
            row.truncate(start);
            row.extend(text.chars());
            return row.into_iter().collect();
        }
        let (left, right) = (self.lifeline(from.min(to)), self.lifeline(from.max(to)));
        let rightwards = from < to;
        for (position, cell) in row.iter_mut().enumerate().take(right).skip(left + 1) {
            // A lifeline in between stays visible, so that one sees who did not get the message.
            if *cell == ' ' || !(position - MARGIN).is_multiple_of(self.gap) {
                *cell = '-';
            }
        }
        let room = right - left - 1;
        let label: String = label.chars().take(room.saturating_sub(8)).collect();
        let start = left + 4;
        let text = format!(" {label} ");
        for (cell, letter) in row[start..].iter_mut().zip(text.chars()) {
            *cell = letter;
        }
        match (head, rightwards) {
            (Head::Arrives, true) => row[right - 1] = '>',
            (Head::Arrives, false) => row[left + 1] = '<',
            (Head::Lost, true) => {
                row[right - 3] = 'X';
                row[right - 2..right].fill(' ');
            }
            (Head::Lost, false) => {
                row[left + 3] = 'X';
                row[left + 1..left + 3].fill(' ');
            }
        }
        row.into_iter().collect()
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading())?;
        for row in &self.rows {
            let mut line = String::new();
            match row {
                Row::Arrow { at, from, to, label, head, remark } => {
                    let body = self.arrow_row(*from, *to, label, *head);
                    // The margin of the row is where the time stands.
                    write!(line, "{:>9.3}{}", at.as_secs_f64(), body.get(TIME_WIDTH..).unwrap_or_default())?;
                    let marks = match (head, remark.is_empty()) {
                        (Head::Lost, true) => "(lost)".to_owned(),
                        (Head::Lost, false) => format!("(lost, {remark})"),
                        (Head::Arrives, true) => String::new(),
                        (Head::Arrives, false) => format!("({remark})"),
                    };
                    write!(line, "   {marks}")?;
                }
                Row::Note { at, text } => write!(line, "{:>9.3}      -- {text}", at.as_secs_f64())?,
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Where the first lifeline stands.
const MARGIN: usize = 16;
/// How much of the margin the time takes.
const TIME_WIDTH: usize = 9;
/// The smallest distance of two lifelines that leaves room for a label.
const MIN_GAP: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn two_participants() {
        let mut ladder = Ladder::new(["alice", "bob"], 32);
        ladder.arrow(ms(0), "alice", "bob", "INVITE sip:bob@b SIP/2.0", Head::Lost, "");
        ladder.arrow(ms(500), "alice", "bob", "INVITE sip:bob@b SIP/2.0", Head::Arrives, "again");
        ladder.arrow(ms(510), "bob", "alice", "SIP/2.0 100 Trying", Head::Arrives, "");
        ladder.arrow(ms(2000), "bob", "alice", "SIP/2.0 180 Ringing", Head::Lost, "rare");
        ladder.note(ms(2500), "bob picks up");
        let expected = "
              alice                            bob
    0.000       |--- INVITE sip:bob@b SIP/2. X  |   (lost)
    0.500       |--- INVITE sip:bob@b SIP/2. -->|   (again)
    0.510       |<-- SIP/2.0 100 Trying --------|
    2.000       |  X SIP/2.0 180 Ringing -------|   (lost, rare)
    2.500      -- bob picks up
";
        assert_eq!(format!("\n{ladder}"), expected);
    }

    #[test]
    fn three_participants_show_who_is_passed_by() {
        let mut ladder = Ladder::new(["alice", "ringback", "bob"], 24);
        ladder.arrow(ms(0), "alice", "ringback", "INVITE", Head::Arrives, "");
        ladder.arrow(ms(3), "ringback", "bob", "INVITE", Head::Arrives, "");
        ladder.arrow(ms(12_345), "bob", "alice", "RTP", Head::Arrives, "");
        ladder.arrow(ms(12_345), "alice", "bob", "RTP", Head::Lost, "");
        ladder.arrow(ms(12_346), "ringback", "ringback", "timer", Head::Arrives, "");
        let expected = "
              alice                 ringback                   bob
    0.000       |--- INVITE ----------->|                       |
    0.003       |                       |--- INVITE ----------->|
   12.345       |<-- RTP ---------------|-----------------------|
   12.345       |--- RTP ---------------|--------------------X  |   (lost)
   12.346       |                       | [timer]
";
        assert_eq!(format!("\n{ladder}"), expected);
    }
}
