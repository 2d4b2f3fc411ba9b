//! The ladder in a terminal: the loop between keys, entries and the picture.
//!
//! [`state`] holds what is shown and what a key does, [`draw`] makes the picture of it, [`difference`] compares two
//! messages. The loop never holds up the traffic: entries come over a queue that does not wait for it.

mod difference;
mod draw;
mod state;

use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Options;
use super::ladder::{Entry, Ladder};
use super::listener::Listener;
use super::rules::SharedRules;
use state::{Facts, Screen, Wish};

/// How long a key is waited for before the picture is made anew.
const WAIT: Duration = Duration::from_millis(50);

/// Entries taken between two pictures, so that keys are heard however much passes.
const ENTRIES_AT_ONCE: usize = 2000;

/// Shows every entry until the tap ends.
pub(super) fn run(
    listener: &Listener,
    options: &Options,
    rules: SharedRules,
    entries: &Receiver<Entry>,
    ladder: Ladder,
) -> io::Result<Ladder> {
    let scheme = if options.identity.is_some() { "wss" } else { "ws" };
    let facts = Facts {
        way: format!("{scheme}://{} → {}", listener.local(), options.to),
        is_insecure: options.is_insecure,
        rules_file: options.rules_file.clone(),
        browsers: 0,
        missed: 0,
    };
    let mut screen = Screen::new(ladder, rules, facts);
    let mut terminal = ratatui::try_init()?;
    let result = keep_showing(listener, entries, &mut screen, &mut terminal);
    ratatui::try_restore()?;
    result.map(|()| screen.into_ladder())
}

fn keep_showing(
    listener: &Listener,
    entries: &Receiver<Entry>,
    screen: &mut Screen,
    terminal: &mut ratatui::DefaultTerminal,
) -> io::Result<()> {
    let mut is_new = true;
    while !listener.is_ended() {
        for entry in entries.try_iter().take(ENTRIES_AT_ONCE) {
            screen.push(entry);
            is_new = true;
        }
        is_new |= screen.set_counts(listener.open(), listener.missed());
        if is_new {
            terminal.draw(|frame| draw::draw(screen, frame))?;
            is_new = false;
        }
        if !is_there(WAIT)? {
            return Ok(());
        }
        // A new size is no key and comes all the same.
        if !event::poll(Duration::ZERO)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if screen.handle_key(key) == Wish::End {
                    return Ok(());
                }
                is_new = true;
            }
            Event::Paste(text) => {
                screen.handle_paste(&text);
                is_new = true;
            }
            _ => is_new = true,
        }
    }
    Ok(())
}

/// Waits for a key, and says whether the terminal is still there. That has to be found out here: crossterm reads from one
/// that is gone without end.
fn is_there(within: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let within = Timespec::try_from(within).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut watched, Some(&within)) {
        // A signal, such as that of a new size, ends the wait too.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [stdin] = watched;
    Ok(!stdin.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

#[cfg(test)]
mod tests;
