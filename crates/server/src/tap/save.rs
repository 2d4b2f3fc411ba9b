//! What is kept, in a file: pcap, HEP or text, by the end of its name.
//!
//! Every message is there on each connection that it was on: as it came, between its sender and the tap, and as it left,
//! between the tap and who got it. A file is readable by its owner only, for it holds what people write and the digests
//! of their passwords, and takes the place of none.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ringback_sansio::{ConnectionId, FiveTuple, Flow};
use thiserror::Error;

use super::Side;
use super::ladder::{Entry, Seen, Way, What, clean, row};
use super::plain::LANES;
use crate::trace::{Direction, Traced, hep, pcap};

/// The capture id of HEP packets.
const HEP_AGENT: u32 = 1;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For Wireshark, sngrep and tcpdump.
    Pcap,
    /// HEP3 packets one after the other, each as long as it says.
    Hep,
    /// For people.
    Text,
}

impl Form {
    /// The form that the end of a name asks for.
    pub fn of(path: &Path) -> Option<Form> {
        match path.extension()?.to_str()? {
            "pcap" => Some(Form::Pcap),
            "hep" => Some(Form::Hep),
            "txt" | "text" => Some(Form::Text),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Pcap => "pcap",
            Form::Hep => "HEP3",
            Form::Text => "text",
        })
    }
}

/// Why nothing is saved.
#[derive(Debug, Error)]
pub enum SaveError {
    /// The name says no form.
    #[error("`{}` says no form; end the name in .pcap, .hep or .txt", .0.display())]
    Form(PathBuf),
    /// The file cannot be written.
    #[error("`{}` cannot be written: {error}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Writes entries into a new file.
pub(super) fn write<'e>(path: &Path, entries: impl Iterator<Item = &'e Entry>) -> Result<(), SaveError> {
    let form = Form::of(path).ok_or_else(|| SaveError::Form(path.to_owned()))?;
    let failed = |error| SaveError::File { path: path.to_owned(), error };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    write_as(form, BufWriter::new(file), entries).map_err(failed)
}

fn write_as<'e>(
    form: Form,
    mut out: BufWriter<File>,
    entries: impl Iterator<Item = &'e Entry>,
) -> io::Result<()> {
    if form == Form::Pcap {
        pcap::write_header(&mut out)?;
    }
    let mut packet = Vec::new();
    for entry in entries {
        match (&entry.what, form) {
            (_, Form::Text) => write_text(&mut out, entry)?,
            (What::Told(_), _) => {}
            (What::Seen(seen), Form::Pcap) => {
                for traced in traced(entry, seen) {
                    let (from, to) = traced.ends();
                    pcap::write_message(&mut out, traced.at, from, to, &traced.bytes)?;
                }
            }
            (What::Seen(seen), Form::Hep) => {
                for traced in traced(entry, seen) {
                    hep::write(&mut packet, HEP_AGENT, &traced);
                    out.write_all(&packet)?;
                }
            }
        }
    }
    out.flush()
}

/// A message on each connection that it was on.
fn traced(entry: &Entry, seen: &Seen) -> impl Iterator<Item = Traced> {
    let of = |side| match side {
        Side::Browser => seen.ends.browser,
        Side::Server => seen.ends.server,
    };
    let came = (seen.way != Way::FromTap).then(|| (of(seen.from), Direction::Received, seen.came.clone()));
    let left = seen.left.clone().map(|left| (of(seen.from.other()), Direction::Sent, left));
    let call_id = (!seen.summary.call_id.is_empty()).then(|| Bytes::from(seen.summary.call_id.clone()));
    let at = entry.at;
    came.into_iter().chain(left).map(move |(tuple, direction, bytes): (FiveTuple, _, _)| Traced {
        at,
        flow: Flow { tuple, connection: ConnectionId::NONE },
        direction,
        bytes,
        correlation: call_id.clone(),
    })
}

fn write_text(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let row = row(entry, LANES);
    writeln!(out, "{}{} {}", row.place, row.lane, row.about)?;
    let Some(seen) = entry.seen() else { return Ok(()) };
    write_message(out, &seen.came)?;
    if let Some(left) = seen.left.as_ref().filter(|left| **left != seen.came) {
        writeln!(out, "          as it left:")?;
        write_message(out, left)?;
    }
    writeln!(out)
}

fn write_message(out: &mut impl Write, message: &[u8]) -> io::Result<()> {
    for line in String::from_utf8_lossy(message).lines() {
        writeln!(out, "          {}", clean(line.as_bytes()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
