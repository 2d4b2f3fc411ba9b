//! The ladder as lines on standard output.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Options;
use super::ladder::{Entry, Ladder, Lanes, Row, heading, row};
use super::listener::Listener;

/// How often a signal is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The width of the arrows.
pub(super) const LANES: Lanes = Lanes::One(44);

/// Writes every entry until the tap ends.
pub(super) fn run(
    listener: &Listener,
    options: &Options,
    entries: &Receiver<Entry>,
    mut ladder: Ladder,
) -> io::Result<Ladder> {
    let mut out = BufWriter::new(io::stdout().lock());
    let scheme = if options.identity.is_some() { "wss" } else { "ws" };
    writeln!(out, "tap {scheme}://{} to {}, {} rules", listener.local(), options.to, options.rules.len())?;
    write_row(&mut out, &heading(LANES, "browser", ""))?;
    writeln!(out, "ready")?;
    out.flush()?;
    let mut missed = 0;
    while !listener.is_ended() {
        let mut next = match entries.recv_timeout(LOOK_EVERY) {
            Ok(entry) => Some(entry),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        while let Some(entry) = next {
            write_row(&mut out, &row(&entry, LANES))?;
            ladder.push(entry);
            next = entries.try_recv().ok();
        }
        if listener.missed() > missed {
            writeln!(
                out,
                "{} messages are missing here: this output was behind",
                listener.missed() - missed
            )?;
            missed = listener.missed();
        }
        out.flush()?;
    }
    Ok(ladder)
}

fn write_row(out: &mut impl Write, row: &Row) -> io::Result<()> {
    writeln!(out, "{}{} {}", row.place, row.lane, row.about)
}
