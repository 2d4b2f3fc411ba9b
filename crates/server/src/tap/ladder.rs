//! What has passed, as data: the entries of the ladder, and how one reads in a line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ringback_sip::message::{Message, Name};

use super::{Ends, Side};

/// Bytes of messages that are kept at most, however few messages they are.
const MOST_BYTES: usize = 256 << 20;

/// Everything that has passed, the oldest given up for the newest.
#[derive(Debug)]
pub(super) struct Ladder {
    entries: VecDeque<Entry>,
    /// How many entries are kept.
    most: usize,
    bytes: usize,
    /// The number of the oldest entry that is kept; entries are counted from 1.
    first: u64,
}

/// Something that has happened.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// When.
    pub(super) at: SystemTime,
    /// How long after the start of the tap.
    pub(super) elapsed: Duration,
    /// The number of the browser.
    pub(super) browser: u32,
    /// What.
    pub(super) what: What,
}

/// What has happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A message.
    Seen(Box<Seen>),
    /// Anything else, in words.
    Told(String),
}

/// A message that has passed, or not.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) from: Side,
    pub(super) ends: Arc<Ends>,
    /// As it came; of an answer of the tap, as it was made.
    pub(super) came: Bytes,
    /// As it left; nothing when it went no further.
    pub(super) left: Option<Bytes>,
    pub(super) way: Way,
    /// What rules have done.
    pub(super) notes: Vec<String>,
    pub(super) summary: Summary,
}

/// How far a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From one side to the other.
    Through,
    /// To the tap and no further.
    ToTap,
    /// From the tap, in the name of the other side.
    FromTap,
}

/// What a line says of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// The method, or the status with its phrase.
    pub(super) start: String,
    /// The method of a request, and of what a response answers.
    pub(super) method: String,
    pub(super) is_request: bool,
    pub(super) has_sdp: bool,
    /// Who and to whom, and the CSeq.
    pub(super) about: String,
    pub(super) call_id: String,
}

impl Summary {
    /// The summary of a message.
    pub(super) fn of(message: &Message) -> Summary {
        let method = message.method().to_string();
        let start = match message.status() {
            Some(status) => format!("{status} {}", String::from_utf8_lossy(message.reason())),
            None => method.clone(),
        };
        let user = |address: Result<ringback_sip::header::Address<'_>, _>| match address {
            Ok(address) => match address.parse_uri() {
                Ok(uri) => clean(uri.user.unwrap_or(address.uri)),
                Err(_) => clean(address.uri),
            },
            Err(_) => "?".to_owned(),
        };
        let (from, to) = (user(message.from()), user(message.to()));
        let cseq = message.cseq().map_or_else(|_| "?".to_owned(), |cseq| cseq.number.to_string());
        let between = if from == to { from } else { format!("{from}→{to}") };
        let content_type = message.header(Name::ContentType).unwrap_or_default();
        Summary {
            start: clean(start.as_bytes()),
            is_request: message.is_request(),
            has_sdp: !message.body().is_empty() && starts_with(content_type, b"application/sdp"),
            about: match message.is_request() {
                true => format!("{cseq} {between}"),
                false => format!("{cseq} {method} {between}"),
            },
            call_id: clean(message.call_id().unwrap_or_default()),
            method,
        }
    }

    /// The summary of what is no SIP.
    pub(super) fn of_unreadable(bytes: &[u8], why: &str) -> Summary {
        let first = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let first = first.get(..40).unwrap_or(first);
        Summary { start: format!("not SIP: {}", clean(first)), about: why.to_owned(), ..Summary::default() }
    }
}

fn starts_with(value: &[u8], start: &[u8]) -> bool {
    value.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Text from the network without what could steer a terminal.
pub(super) fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

impl Entry {
    /// The message, when it is one.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match &self.what {
            What::Seen(seen) => Some(seen),
            What::Told(_) => None,
        }
    }

    /// Roughly what it costs to keep.
    fn size(&self) -> usize {
        match &self.what {
            What::Told(words) => words.len(),
            What::Seen(seen) => {
                let left = seen.left.as_ref().filter(|left| left.as_ptr() != seen.came.as_ptr());
                seen.came.len() + left.map_or(0, Bytes::len)
            }
        }
    }

    /// Whether every one of these words, in any case of letters, stands in its line or its message.
    pub(super) fn has_words(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let text = match &self.what {
            What::Told(told) => told.clone(),
            What::Seen(seen) => {
                let left = seen.left.as_ref().map(|left| String::from_utf8_lossy(left)).unwrap_or_default();
                let came = String::from_utf8_lossy(&seen.came);
                format!("{} {} {} {came} {left}", seen.from.word(), seen.summary.about, seen.notes.join(" "))
            }
        };
        let text = text.to_lowercase();
        words.iter().all(|word| match word.strip_prefix('#').map(str::parse::<u32>) {
            Some(Ok(browser)) => self.browser == browser,
            _ => text.contains(word.as_str()),
        })
    }
}

impl Ladder {
    /// Keeps at most this many entries.
    pub(super) fn new(most: usize) -> Self {
        Ladder { entries: VecDeque::new(), most: most.max(1), bytes: 0, first: 1 }
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.size();
        self.entries.push_back(entry);
        while self.entries.len() > self.most || (self.bytes > MOST_BYTES && self.entries.len() > 1) {
            let gone = self.entries.pop_front();
            self.bytes -= gone.map_or(0, |entry| entry.size());
            self.first += 1;
        }
    }

    /// Every entry that is kept, with its number.
    pub(super) fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> + ExactSizeIterator {
        self.entries.iter().enumerate().map(|(at, entry)| (self.first + at as u64, entry))
    }

    /// Every entry that is kept.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry of a number, while it is kept.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// How many entries were given up.
    pub(super) fn gone(&self) -> u64 {
        self.first - 1
    }

    /// The message that one is to be compared with: the one before it of the same sender and start line in its call;
    /// failing that, of the same sender and method in its call, or of the same browser.
    pub(super) fn previous(&self, number: u64) -> Option<(&Entry, &Seen)> {
        let this = self.get(number)?;
        let seen = this.seen()?;
        let before = || {
            let before = self.numbered().rev().filter(move |(other, _)| *other < number);
            let seen_before = before.filter_map(|(_, entry)| Some((entry, entry.seen()?)));
            seen_before.filter(|(_, other)| {
                let (a, b) = (&other.summary, &seen.summary);
                other.from == seen.from && a.is_request == b.is_request && a.method == b.method
            })
        };
        let is_of_call = |other: &Seen| other.summary.call_id == seen.summary.call_id;
        before()
            .find(|(_, other)| is_of_call(other) && other.summary.start == seen.summary.start)
            .or_else(|| before().find(|(_, other)| is_of_call(other)))
            .or_else(|| before().find(|(entry, _)| entry.browser == this.browser))
    }
}

/// A line of the ladder, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Seconds since the start, and the number of the browser.
    pub(super) place: String,
    /// The arrow between the two sides, of the width that was asked for.
    pub(super) lane: String,
    /// What it is about, and what rules have done.
    pub(super) about: String,
}

/// How the two sides of each browser stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lanes {
    /// Every browser on the left and the server on the right, this many characters in all.
    One(usize),
    /// The server in the middle, browsers of odd numbers on the left and of even ones on the right, each with an arrow
    /// of this many characters: so a call between two browsers of a tap reads as one ladder.
    Two(usize),
}

/// What stands above the rows; of two lanes, with the names of what is on the left and on the right.
pub(super) fn heading(lanes: Lanes, left: &str, right: &str) -> Row {
    let lane = match lanes {
        Lanes::One(width) => format!("{}server", fit(left, width.saturating_sub("server".len()), ' ')),
        Lanes::Two(width) => {
            let before = fit(left, (width + 2).saturating_sub("server".len() / 2), ' ');
            let room = (width + 1).saturating_sub("server".len() / 2);
            format!("{before}server{right:>room$}")
        }
    };
    Row { place: format!("{:>9} {:>3} ", "seconds", "#"), lane, about: "CSeq, from and to".to_owned() }
}

/// How an entry reads.
pub(super) fn row(entry: &Entry, lanes: Lanes) -> Row {
    let place = format!("{:>9.3} {:>3} ", entry.elapsed.as_secs_f64(), entry.browser);
    let (width, is_mirrored) = match lanes {
        Lanes::One(width) => (width.saturating_sub(2), false),
        Lanes::Two(width) => (width, entry.browser.is_multiple_of(2)),
    };
    let (arrow, about) = match &entry.what {
        What::Told(words) => (fit("", width, '·'), words.clone()),
        What::Seen(seen) => {
            let sdp = if seen.summary.has_sdp { " SDP" } else { "" };
            let label = format!(" {}{sdp} ", seen.summary.start);
            // What is out of the ordinary comes first: a line may be too short for everything.
            let about = seen.notes.iter().chain(std::iter::once(&seen.summary.about));
            let about = about.map(String::as_str).collect::<Vec<_>>().join(" ▪ ");
            (arrow(seen, &label, width, is_mirrored), about)
        }
    };
    let empty = fit("", width, ' ');
    let lane = match (lanes, is_mirrored) {
        (Lanes::One(_), _) => format!("│{arrow}│"),
        (Lanes::Two(_), false) => format!("│{arrow}│{empty}│"),
        (Lanes::Two(_), true) => format!("│{empty}│{arrow}│"),
    };
    Row { place, lane, about }
}

/// The arrow: its label stands at the end where it starts, and one that does not go through ends at a cross.
fn arrow(seen: &Seen, label: &str, width: usize, is_mirrored: bool) -> String {
    let line = if seen.notes.is_empty() { '─' } else { '═' };
    let goes_right = (seen.from == Side::Browser) != is_mirrored;
    let (length, head) = match seen.way {
        Way::Through => (width, if goes_right { '▶' } else { '◀' }),
        Way::ToTap => (width * 2 / 3, '✕'),
        Way::FromTap => (width * 2 / 3, if goes_right { '▶' } else { '◀' }),
    };
    let shaft = length.saturating_sub(2);
    // A line behind the label, and one before it even when there is little room.
    let label: String = label.chars().take(shaft.saturating_sub(1)).collect();
    let rest = width.saturating_sub(length);
    // What the tap says begins in the middle; what ends there leaves the rest empty.
    let beside = fit(if seen.way == Way::FromTap { " tap" } else { "" }, rest, ' ');
    let arrow = match goes_right {
        true => format!("{line}{}{head}", fit(&label, shaft, line)),
        false => {
            let fill: String = std::iter::repeat_n(line, shaft - label.chars().count()).collect();
            format!("{head}{fill}{label}{line}")
        }
    };
    if goes_right == (seen.way == Way::FromTap) {
        format!("{beside}{arrow}")
    } else {
        format!("{arrow}{beside}")
    }
}

/// A text of exactly this many characters.
pub(super) fn fit(text: &str, width: usize, fill: char) -> String {
    let taken = text.chars().take(width);
    let missing = width - taken.clone().count();
    taken.chain(std::iter::repeat_n(fill, missing)).collect()
}

#[cfg(test)]
pub(in crate::tap) mod tests;
