//! What is typed, and what is told.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc::{Receiver, channel};

use super::RoomError;
use crate::terminal::{self, printable};

/// What somebody wants who types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Say a line to everybody.
    Say(String),
    /// Send a file to everybody.
    Send(PathBuf),
    /// See who is there.
    Peers,
    /// Take the file of that number, or the only one.
    Accept(Option<u64>),
    /// Do not take it.
    Refuse(Option<u64>),
    /// See what can be typed.
    Help,
    /// Leave.
    Quit,
    /// What begins like a command and is none.
    Unknown(String),
}

impl Wish {
    /// Reads a line; none is one without anything in it.
    pub(super) fn read(line: &str) -> Option<Wish> {
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        // Two slashes are one that is said.
        let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            let said = line.strip_prefix('/').unwrap_or(line);
            return Some(Wish::Say(said.to_owned()));
        };
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let number = if rest.is_empty() { Some(None) } else { rest.parse().ok().map(Some) };
        Some(match (word, number) {
            ("send", _) if !rest.is_empty() => Wish::Send(PathBuf::from(rest)),
            ("peers", _) => Wish::Peers,
            ("accept", Some(number)) => Wish::Accept(number),
            ("refuse", Some(number)) => Wish::Refuse(number),
            ("help", _) => Wish::Help,
            ("quit", _) => Wish::Quit,
            _ => Wish::Unknown(command.to_owned()),
        })
    }
}

/// What can be typed.
pub(super) const HELP: &str = "a line is said to everybody; /send FILE, /peers, /accept [N], /refuse [N], /quit; // begins a \
                               line that begins with /";

/// Reads standard input on a thread of its own, which ends with it; `None` is its end.
pub(super) fn wishes() -> Receiver<Option<Wish>> {
    let (sender, receiver) = channel(WAITING);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if let Some(wish) = Wish::read(&line)
                && sender.blocking_send(Some(wish)).is_err()
            {
                return;
            }
        }
        // Nobody is left to tell when the room has ended.
        let _ = sender.blocking_send(None);
    });
    receiver
}

/// Writes lines, and under them the progress of a transfer where there is a terminal.
#[derive(Debug)]
pub(super) struct Console {
    has_terminal: bool,
    is_drawn: bool,
}

impl Console {
    pub(super) fn new() -> Self {
        Console { has_terminal: io::stderr().is_terminal(), is_drawn: false }
    }

    /// Writes a line to standard output.
    pub(super) fn line(&mut self, text: &str) -> Result<(), RoomError> {
        self.clear();
        terminal::line(text).map_err(RoomError::Print)
    }

    /// Shows how far a transfer is.
    pub(super) fn progress(&mut self, what: &str, done: u64, all: u64) {
        if !self.has_terminal {
            return;
        }
        self.is_drawn = true;
        let _ = write!(io::stderr(), "\r\u{1b}[K{}", bar(&printable(what), done, all));
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// A progress bar.
fn bar(what: &str, done: u64, all: u64) -> String {
    let part = if all == 0 { 1.0 } else { done as f64 / all as f64 };
    let full = (part * BAR as f64) as usize;
    let (full, empty) = ("#".repeat(full.min(BAR)), "-".repeat(BAR - full.min(BAR)));
    format!("{what} [{full}{empty}] {:3.0} %", part * 100.0)
}

/// Wishes that wait.
const WAITING: usize = 64;
/// The length of a progress bar.
const BAR: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_and_commands_are_carried_out() {
        for (line, wish) in [
            ("hello", Some(Wish::Say("hello".into()))),
            ("  ", None),
            ("/send a b.pdf", Some(Wish::Send("a b.pdf".into()))),
            ("/send", Some(Wish::Unknown("send".into()))),
            ("/peers", Some(Wish::Peers)),
            ("/accept", Some(Wish::Accept(None))),
            ("/accept 2", Some(Wish::Accept(Some(2)))),
            ("/refuse x", Some(Wish::Unknown("refuse x".into()))),
            ("/quit", Some(Wish::Quit)),
            ("/dance", Some(Wish::Unknown("dance".into()))),
            ("//etc", Some(Wish::Say("/etc".into()))),
        ] {
            assert_eq!(Wish::read(line), wish, "{line}");
        }
    }

    #[test]
    fn a_bar_is_as_full_as_the_transfer() {
        assert!(bar("a", 0, 10).contains(&format!("[{}]   0 %", "-".repeat(BAR))));
        assert!(bar("a", 10, 10).contains(&format!("[{}] 100 %", "#".repeat(BAR))));
        assert!(bar("a", 0, 0).contains("100 %") && bar("a", 5, 10).contains(" 50 %"));
    }
}
