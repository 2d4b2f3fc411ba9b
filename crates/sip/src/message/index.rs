//! The index: one small entry of spans for each header line.

use std::borrow::Cow;

use memchr::memchr2;
use smallvec::SmallVec;

use super::limits::{MAX_HEADER_LINES, MAX_LINE};
use super::{Name, ParseError};
use crate::grammar;

/// One header line of a message, folds included.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    bytes: &'a [u8],
    entry: &'a Entry,
}

impl<'a> Line<'a> {
    pub(super) fn new(bytes: &'a [u8], entry: &'a Entry) -> Self {
        Line { bytes, entry }
    }

    /// The name, normalised.
    pub fn name(&self) -> Name {
        self.entry.name
    }

    /// The name as it stands in the message.
    pub fn raw_name(&self) -> &'a [u8] {
        self.entry.raw_name(self.bytes)
    }

    /// The value without white space around it; a fold inside it is kept.
    pub fn value(&self) -> &'a [u8] {
        self.entry.value(self.bytes)
    }

    /// The value with every fold as one space.
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        if self.entry.folded { grammar::unfold(self.value()) } else { Cow::Borrowed(self.value()) }
    }

    /// Whether the line is folded.
    pub fn is_folded(&self) -> bool {
        self.entry.folded
    }
}

/// Enough entries for a usual message without an allocation.
pub(crate) type Index = SmallVec<[Entry; 24]>;

/// The spans of one header line. Offsets are from the start of the message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Where the line starts, which is where its name starts and the line before ends.
    pub(super) line: u32,
    pub(super) value: u32,
    pub(super) value_end: u32,
    pub(super) name_length: u16,
    pub(super) name: Name,
    pub(super) folded: bool,
}

impl Entry {
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Span { start: self.value, end: self.value_end }.of(bytes)
    }

    pub(super) fn raw_name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Span { start: self.line, end: self.line.saturating_add(u32::from(self.name_length)) }.of(bytes)
    }
}

/// A range of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Span { start: offset(start), end: offset(end) }
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// An offset as the index holds it. A received message is far below 4 GiB; one of ours that were above would lose its
/// end and never reach past its bytes.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Indexes the header lines that start at `at` up to the empty line; the answer is where the body starts.
pub(crate) fn index_head(bytes: &[u8], mut at: usize, index: &mut Index) -> Result<usize, ParseError> {
    loop {
        if let Some(b"\r\n") = bytes.get(at..at + 2) {
            return Ok(at + 2);
        }
        if index.len() == MAX_HEADER_LINES {
            return Err(ParseError::TooManyLines);
        }
        let (entry, next) = header_line(bytes, at)?;
        index.push(entry);
        at = next;
    }
}

/// Indexes what can be indexed of a head that [`index_head`] refused, so that it can be answered.
pub(super) fn index_leniently(bytes: &[u8], mut at: usize, index: &mut Index) {
    while index.len() < MAX_HEADER_LINES && !matches!(bytes.get(at..at + 2), None | Some(b"\r\n")) {
        at = match header_line(bytes, at) {
            Ok((entry, next)) => {
                index.push(entry);
                next
            }
            Err(_) => match memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
                Some(end) => at + end + 1,
                None => return,
            },
        };
    }
}

/// One header line: its entry and where the next line starts.
fn header_line(bytes: &[u8], line: usize) -> Result<(Entry, usize), ParseError> {
    let rest = bytes.get(line..).unwrap_or_default();
    let colon = colon_or_line_feed(rest).ok_or(ParseError::Unterminated)?;
    let Some((before_colon, [b':', ..])) = rest.split_at_checked(colon) else {
        return Err(ParseError::HeaderLine);
    };
    let raw_name = trim_name(before_colon);
    let name_length = raw_name.len();
    let name = Name::parse(raw_name);
    // A name that we know is a token.
    if name == Name::Other && !grammar::is_token(raw_name) {
        return Err(ParseError::HeaderLine);
    }
    let mut end = line_end(bytes, line + colon + 1)?;
    let mut folded = false;
    while let Some(b' ' | b'\t') = bytes.get(end + 2) {
        folded = true;
        end = line_end(bytes, end + 2)?;
    }
    if end - line > MAX_LINE {
        return Err(ParseError::LineTooLong);
    }
    let mut value = line + colon + 1;
    let mut value_end = end;
    while value < end && bytes.get(value).copied().is_some_and(grammar::is_lws) {
        value += 1;
    }
    while value_end > value && bytes.get(value_end - 1).copied().is_some_and(grammar::is_lws) {
        value_end -= 1;
    }
    let entry = Entry {
        line: offset(line),
        value: offset(value),
        value_end: offset(value_end),
        name_length: u16::try_from(name_length).map_err(|_| ParseError::LineTooLong)?,
        name,
        folded,
    };
    Ok((entry, end + 2))
}

/// The name without the spaces and tabs that may stand before its colon.
fn trim_name(mut name: &[u8]) -> &[u8] {
    while let [before @ .., b' ' | b'\t'] = name {
        name = before;
    }
    name
}

/// Where the first colon or LF stands, eight bytes at a time: names are short, and a branch for each byte costs more than
/// the bytes.
fn colon_or_line_feed(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        match chunk.first_chunk() {
            Some(eight) => word = *eight,
            None => word.get_mut(..chunk.len())?.copy_from_slice(chunk),
        }
        let word = u64::from_le_bytes(word);
        let found = zero_bytes(word ^ COLONS) | zero_bytes(word ^ LINE_FEEDS);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    None
}

/// The high bit of each byte that is zero; bits above the first such byte may be set wrongly.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(EACH_BYTE) & !word & (EACH_BYTE << 7)
}

/// A one in every byte.
const EACH_BYTE: u64 = u64::MAX / 255;
const COLONS: u64 = EACH_BYTE * b':' as u64;
const LINE_FEEDS: u64 = EACH_BYTE * b'\n' as u64;

/// Where the CRLF that ends the line stands.
pub(super) fn line_end(bytes: &[u8], from: usize) -> Result<usize, ParseError> {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = memchr2(b'\r', b'\n', rest).ok_or(ParseError::Unterminated)?;
    match rest.get(found..found + 2) {
        Some(b"\r\n") => Ok(from + found),
        // The CR is the last byte we have.
        None if rest.get(found) == Some(&b'\r') => Err(ParseError::Unterminated),
        _ => Err(ParseError::BareLineBreak),
    }
}
