//! Edits: spans of a received message replaced, the rest copied byte for byte.

use bytes::Bytes;
use smallvec::SmallVec;

use super::build::{is_uri_byte, push_clean};
use super::index::{Entry, Index, Line, Span, offset};
use super::{Message, Name, StartLine};
use crate::grammar;
use crate::header::Values;

/// Changes to a message, applied by [`Edit::finish`].
///
/// A line that is not named leaves as it came, with its own spelling, white space and folds. Of a line whose value is
/// replaced, the name and the white space around the value stay. A CR or LF in a new value becomes a space.
#[derive(Debug, Clone)]
pub struct Edit<'m> {
    message: &'m Message,
    request_uri: Option<Span>,
    body: Option<Span>,
    lines: SmallVec<[EditLine; 32]>,
    /// What the edit adds; the spans of the edit point into it.
    text: Vec<u8>,
}

/// One line of the message to be.
#[derive(Debug, Clone, Copy)]
enum EditLine {
    /// A line of the original, by its place in the index.
    Kept { entry: u16 },
    /// A line of the original with another value.
    Changed { entry: u16, value: Span },
    /// A line of our own.
    New { name: Name, raw_name: Span, value: Span },
}

impl<'m> Edit<'m> {
    pub(super) fn new(message: &'m Message) -> Self {
        let count = u16::try_from(message.entries().len()).unwrap_or(u16::MAX);
        let lines = (0..count).map(|entry| EditLine::Kept { entry }).collect();
        Edit { message, request_uri: None, body: None, lines, text: Vec::new() }
    }

    /// Replaces the Request-URI; nothing on a response.
    pub fn set_request_uri(&mut self, uri: &[u8]) -> &mut Self {
        let start = self.text.len();
        self.text.extend(uri.iter().filter(|&&byte| is_uri_byte(byte)));
        self.request_uri = Some(Span::new(start, self.text.len()));
        self
    }

    /// Replaces the value of the first line of that name; adds a line when there is none.
    pub fn replace(&mut self, name: Name, value: &[u8]) -> &mut Self {
        if !self.replace_nth(name, 0, value) {
            self.push_back(name, value);
        }
        self
    }

    /// Replaces the value of the `nth` line of that name, counted from 0, and says whether there is one.
    pub fn replace_nth(&mut self, name: Name, nth: usize, value: &[u8]) -> bool {
        let Some(at) = self.position(name, nth) else {
            return false;
        };
        let value = self.keep(value);
        self.set_value(at, value);
        true
    }

    /// Removes every line of that name.
    pub fn remove(&mut self, name: Name) -> &mut Self {
        let entries = self.message.entries();
        self.lines.retain(|line| line.name(entries) != name);
        self
    }

    /// Removes every line with that text for a name, in any case of letters; a known name goes in all its forms.
    pub fn remove_named(&mut self, name: &[u8]) -> &mut Self {
        match Name::parse(name) {
            Name::Other => {
                let (message, text) = (self.message, &self.text);
                self.lines.retain(|line| match line {
                    EditLine::Kept { entry } | EditLine::Changed { entry, .. } => message
                        .entries()
                        .get(usize::from(*entry))
                        .is_none_or(|entry| !entry.raw_name(message.bytes()).eq_ignore_ascii_case(name)),
                    EditLine::New { raw_name, .. } => !raw_name.of(text).eq_ignore_ascii_case(name),
                });
                self
            }
            known => self.remove(known),
        }
    }

    /// Keeps only the lines of the original that `keep` wants; lines that the edit added stay.
    pub fn retain(&mut self, mut keep: impl FnMut(Line<'_>) -> bool) -> &mut Self {
        let message = self.message;
        self.lines.retain(|line| match line {
            EditLine::Kept { entry } | EditLine::Changed { entry, .. } => message
                .entries()
                .get(usize::from(*entry))
                .is_some_and(|entry| keep(Line::new(message.bytes(), entry))),
            EditLine::New { .. } => true,
        });
        self
    }

    /// Adds a line before the first of that name, or as the first of all.
    pub fn push_front(&mut self, name: Name, value: &[u8]) -> &mut Self {
        let at = self.position(name, 0).unwrap_or(0);
        let line = self.new_line(name, name.as_bytes(), value);
        self.lines.insert(at, line);
        self
    }

    /// Adds a line after the last of that name, or as the last of all.
    pub fn push_back(&mut self, name: Name, value: &[u8]) -> &mut Self {
        let entries = self.message.entries();
        let last = self.lines.iter().rposition(|line| line.name(entries) == name);
        let at = last.map_or(self.lines.len(), |at| at + 1);
        let line = self.new_line(name, name.as_bytes(), value);
        self.lines.insert(at, line);
        self
    }

    /// Adds a line with a name in text as the last of all.
    pub fn push_named(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        debug_assert!(grammar::is_token(name), "a header name is a token");
        if grammar::is_token(name) {
            let line = self.new_line(Name::parse(name), name, value);
            self.lines.push(line);
        }
        self
    }

    /// Removes the first of the comma-separated values of that name, and its line when it was the only one on it.
    pub fn pop_value(&mut self, name: Name) -> &mut Self {
        let Some(at) = self.position(name, 0) else {
            return self;
        };
        let mut values = Values::new(self.value(at));
        values.next();
        let mut others = values.clone();
        if others.next().is_none() {
            self.lines.remove(at);
        } else {
            let rest = values.rest().to_vec();
            let value = self.keep_as_it_stands(grammar::trim(&rest));
            self.set_value(at, value);
        }
        self
    }

    /// Replaces the body, its type and its length; an empty body has no type.
    pub fn set_body(&mut self, content_type: &[u8], body: &[u8]) -> &mut Self {
        if body.is_empty() {
            self.remove(Name::ContentType);
        } else {
            self.replace(Name::ContentType, content_type);
        }
        self.body = Some(self.keep_as_it_stands(body));
        self.replace(Name::ContentLength, body.len().to_string().as_bytes());
        while let Some(second) = self.position(Name::ContentLength, 1) {
            self.lines.remove(second);
        }
        self
    }

    /// Makes the edited message. It always has a Content-Length, for it may leave by a stream.
    pub fn finish(mut self) -> Message {
        if self.position(Name::ContentLength, 0).is_none() {
            let length = self.new_body().len().to_string();
            self.push_back(Name::ContentLength, length.as_bytes());
        }
        let added = self.text.len() + 4 * self.lines.len();
        let mut out = Vec::with_capacity(self.message.bytes().len() + added);
        let start = self.write_start_line(&mut out);
        let mut index = Index::with_capacity(self.lines.len());
        for &line in &self.lines {
            self.write_line(line, &mut out, &mut index);
        }
        out.extend_from_slice(b"\r\n");
        let body = out.len();
        out.extend_from_slice(self.new_body());
        let start = start.answering(&out, &index);
        Message::assemble(Bytes::from(out), start, index, body)
    }

    fn new_body(&self) -> &[u8] {
        self.body.map_or(self.message.body(), |body| body.of(&self.text))
    }

    fn write_start_line(&self, out: &mut Vec<u8>) -> StartLine {
        let original = self.message.bytes();
        let end = self.message.entries().first().map_or(self.message.head_end(), |entry| entry.line as usize);
        let copy = |out: &mut Vec<u8>, from: usize, to: usize| {
            out.extend_from_slice(original.get(from..to).unwrap_or_default());
        };
        match (self.message.start_line(), self.request_uri) {
            (StartLine::Request { method, uri, version }, Some(new)) => {
                copy(out, 0, uri.start as usize);
                let start = out.len();
                out.extend_from_slice(new.of(&self.text));
                let new = Span::new(start, out.len());
                copy(out, uri.end as usize, end);
                StartLine::Request { method: method.clone(), uri: new, version: *version }
            }
            (start, _) => {
                copy(out, 0, end);
                start.clone()
            }
        }
    }

    fn write_line(&self, line: EditLine, out: &mut Vec<u8>, index: &mut Index) {
        let original = self.message.bytes();
        let start = out.len();
        match line {
            EditLine::Kept { entry } => {
                let Some((entry, end)) = self.entry(entry) else { return };
                out.extend_from_slice(original.get(entry.line as usize..end).unwrap_or_default());
                let to = |at: u32| offset(start).saturating_add(at - entry.line);
                let (value, value_end) = (to(entry.value), to(entry.value_end));
                index.push(Entry { line: offset(start), value, value_end, ..*entry });
            }
            EditLine::Changed { entry, value } => {
                let Some((entry, end)) = self.entry(entry) else { return };
                out.extend_from_slice(
                    original.get(entry.line as usize..entry.value as usize).unwrap_or_default(),
                );
                let value_start = out.len();
                out.extend_from_slice(value.of(&self.text));
                let value_end = out.len();
                out.extend_from_slice(original.get(entry.value_end as usize..end).unwrap_or_default());
                let (value, value_end) = (offset(value_start), offset(value_end));
                index.push(Entry { line: offset(start), value, value_end, ..*entry });
            }
            EditLine::New { name, raw_name, value } => {
                let raw_name = raw_name.of(&self.text);
                out.extend_from_slice(raw_name);
                out.extend_from_slice(b": ");
                let value_start = out.len();
                out.extend_from_slice(value.of(&self.text));
                index.push(Entry {
                    line: offset(start),
                    value: offset(value_start),
                    value_end: offset(out.len()),
                    name_length: u16::try_from(raw_name.len()).unwrap_or(u16::MAX),
                    name,
                    folded: false,
                });
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// A line of the original and where it ends, its CRLF included.
    fn entry(&self, at: u16) -> Option<(&'m Entry, usize)> {
        let entries = self.message.entries();
        let entry = entries.get(usize::from(at))?;
        let next = entries.get(usize::from(at) + 1);
        Some((entry, next.map_or(self.message.head_end(), |next| next.line as usize)))
    }

    fn position(&self, name: Name, nth: usize) -> Option<usize> {
        let entries = self.message.entries();
        let lines = self.lines.iter().enumerate();
        lines.filter(|(_, line)| line.name(entries) == name).map(|(at, _)| at).nth(nth)
    }

    /// The value that the line at that place has so far.
    fn value(&self, at: usize) -> &[u8] {
        match self.lines.get(at) {
            Some(EditLine::Kept { entry }) => {
                self.entry(*entry).map_or(&b""[..], |(entry, _)| entry.value(self.message.bytes()))
            }
            Some(EditLine::Changed { value, .. } | EditLine::New { value, .. }) => value.of(&self.text),
            None => b"",
        }
    }

    fn set_value(&mut self, at: usize, new: Span) {
        if let Some(line) = self.lines.get_mut(at) {
            match line {
                EditLine::Kept { entry } => *line = EditLine::Changed { entry: *entry, value: new },
                EditLine::Changed { value, .. } | EditLine::New { value, .. } => *value = new,
            }
        }
    }

    fn new_line(&mut self, name: Name, raw_name: &[u8], value: &[u8]) -> EditLine {
        debug_assert!(!raw_name.is_empty(), "a header without a name: use push_named");
        let raw_name = self.keep(raw_name);
        let value = self.keep(value);
        EditLine::New { name, raw_name, value }
    }

    /// Keeps bytes from outside, which must not end the line.
    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        push_clean(&mut self.text, grammar::trim(bytes));
        Span::new(start, self.text.len())
    }

    /// Keeps bytes of a line of the original, folds included.
    fn keep_as_it_stands(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Span::new(start, self.text.len())
    }
}

impl EditLine {
    fn name(&self, entries: &[Entry]) -> Name {
        match self {
            EditLine::Kept { entry } | EditLine::Changed { entry, .. } => {
                entries.get(usize::from(*entry)).map_or(Name::Other, Entry::name)
            }
            EditLine::New { name, .. } => *name,
        }
    }
}

/// Where a part of a value starts in it.
pub(super) fn place(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}
