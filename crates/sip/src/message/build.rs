//! Messages of our own making.

use bytes::Bytes;

use super::index::{Entry, Index, Span, offset};
use super::{Message, Method, Name, StartLine, Version, reason_phrase};
use crate::grammar;
use crate::header::Address;

/// Writes a message line by line, in the order of the calls.
///
/// A CR or LF in what it is given becomes a space: no value of a caller can start another header line.
#[derive(Debug, Clone)]
pub struct Builder {
    text: Vec<u8>,
    start: StartLine,
    index: Index,
    content_type: Vec<u8>,
    body: Vec<u8>,
}

impl Builder {
    /// Starts a request.
    pub fn request(method: Method, uri: &[u8]) -> Self {
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        text.extend_from_slice(method.as_bytes());
        text.push(b' ');
        let start = text.len();
        text.extend(uri.iter().filter(|&&byte| is_uri_byte(byte)));
        let uri = Span::new(start, text.len());
        text.extend_from_slice(b" SIP/2.0\r\n");
        Builder::starting(text, StartLine::Request { method, uri, version: Version::Sip2 })
    }

    /// Starts a response that copies nothing.
    ///
    /// It answers no method until a CSeq is written with [`Builder::header`].
    pub fn response(status: u16, reason: &str) -> Self {
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        text.extend_from_slice(b"SIP/2.0 ");
        // Three digits whatever the caller asks for.
        let status = status.clamp(100, 699);
        text.extend_from_slice(status.to_string().as_bytes());
        text.push(b' ');
        let start = text.len();
        push_clean(&mut text, reason.as_bytes());
        let reason = Span::new(start, text.len());
        text.extend_from_slice(b"\r\n");
        let method = Method::Options;
        Builder::starting(text, StartLine::Response { status, reason, method, version: Version::Sip2 })
    }

    /// Starts the response to a request: every Via, From, To, Call-ID and CSeq as they stand in it, and the Timestamp
    /// when it is a 100 ([RFC 3261 §8.2.6]).
    ///
    /// [RFC 3261 §8.2.6]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.6
    pub fn reply(request: &Message, status: u16) -> Self {
        Builder::reply_with_phrase(request, status, reason_phrase(status))
    }

    /// The same as [`Builder::reply`] with a reason phrase that says more.
    pub fn reply_with_phrase(request: &Message, status: u16, phrase: &str) -> Self {
        let mut builder = Builder::response(status, phrase);
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            builder = builder.copy(request, name);
        }
        if status == 100 {
            builder = builder.copy(request, Name::Timestamp);
        }
        if let StartLine::Response { method, .. } = &mut builder.start {
            *method = request.method();
        }
        builder
    }

    /// Writes a header line.
    ///
    /// Content-Length is written by [`Builder::finish`] and is passed over here. [`Name::Other`] has no text: use
    /// [`Builder::header_named`].
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        debug_assert!(name != Name::Other, "a header without a name");
        if !matches!(name, Name::Other | Name::ContentLength) {
            self.line(name, name.as_bytes(), value.as_ref());
        }
        self
    }

    /// Writes a header line with a name in text.
    pub fn header_named(mut self, name: &[u8], value: impl AsRef<[u8]>) -> Self {
        let known = Name::parse(name);
        debug_assert!(grammar::is_token(name), "a header name is a token");
        if known != Name::ContentLength && grammar::is_token(name) {
            self.line(known, name, value.as_ref());
        }
        self
    }

    /// Copies every header line of that name as it stands in a message, in order.
    pub fn copy(mut self, message: &Message, name: Name) -> Self {
        for line in message.lines().filter(|line| line.name() == name && name != Name::ContentLength) {
            // What came over the wire is whole lines already, so a fold stays a fold.
            let start = self.text.len();
            self.text.extend_from_slice(line.raw_name());
            self.text.extend_from_slice(b": ");
            let value = self.text.len();
            self.text.extend_from_slice(line.value());
            self.entry(name, start, line.raw_name().len(), value, line.is_folded());
        }
        self
    }

    /// Adds a tag to the To, unless it has one or cannot be read.
    pub fn to_tag(mut self, tag: &[u8]) -> Self {
        let Some(at) = self.index.iter().position(|entry| entry.name == Name::To) else {
            return self;
        };
        let Some(entry) = self.index.get(at).copied() else {
            return self;
        };
        // A To that cannot be read is sent back as it came: a tag behind an open quote would be part of the name.
        let is_untagged = Address::parse(entry.value(&self.text)).is_ok_and(|to| to.tag().is_none());
        if !is_untagged || tag.is_empty() {
            return self;
        }
        let mut param = b";tag=".to_vec();
        param.extend(tag.iter().filter(|&&byte| grammar::is_value_byte(byte)));
        let end = (entry.value_end as usize).min(self.text.len());
        let added = offset(param.len());
        self.text.splice(end..end, param);
        for (position, entry) in self.index.iter_mut().enumerate() {
            if position > at {
                entry.line += added;
                entry.value += added;
            }
            if position >= at {
                entry.value_end += added;
            }
        }
        self
    }

    /// Adds the tag of an answer that leaves no state behind: the same for every retransmission of the request, and
    /// of no dialog ([RFC 3261 §8.2.7]).
    ///
    /// [RFC 3261 §8.2.7]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.7
    pub fn stateless_to_tag(self, request: &Message) -> Self {
        let values = [Name::Via, Name::From, Name::CallId, Name::CSeq]
            .into_iter()
            .filter_map(|name| request.header(name));
        // FNV-1a: nothing is kept under this tag, so nothing is won by guessing it.
        let hash = values.flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.to_tag(format!("{hash:016x}").as_bytes())
    }

    /// Sets the body and its type.
    pub fn body(mut self, content_type: &[u8], body: &[u8]) -> Self {
        self.content_type = content_type.to_vec();
        self.body = body.to_vec();
        self
    }

    /// Writes Content-Type, when there is a body, Content-Length, the empty line and the body.
    pub fn finish(mut self) -> Message {
        let content_type = std::mem::take(&mut self.content_type);
        if !self.body.is_empty() && !content_type.is_empty() {
            self.line(Name::ContentType, Name::ContentType.as_bytes(), &content_type);
        }
        let length = self.body.len().to_string();
        self.line(Name::ContentLength, Name::ContentLength.as_bytes(), length.as_bytes());
        self.text.extend_from_slice(b"\r\n");
        let body = self.text.len();
        self.text.extend_from_slice(&self.body);
        let start = self.start.answering(&self.text, &self.index);
        Message::assemble(Bytes::from(self.text), start, self.index, body)
    }

    fn starting(text: Vec<u8>, start: StartLine) -> Self {
        Builder { text, start, index: Index::new(), content_type: Vec::new(), body: Vec::new() }
    }

    fn line(&mut self, name: Name, raw_name: &[u8], value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(raw_name);
        self.text.extend_from_slice(b": ");
        let value_start = self.text.len();
        push_clean(&mut self.text, grammar::trim(value));
        self.entry(name, start, raw_name.len(), value_start, false);
    }

    fn entry(&mut self, name: Name, start: usize, name_length: usize, value: usize, folded: bool) {
        self.index.push(Entry {
            line: offset(start),
            value: offset(value),
            value_end: offset(self.text.len()),
            name_length: u16::try_from(name_length).unwrap_or(u16::MAX),
            name,
            folded,
        });
        self.text.extend_from_slice(b"\r\n");
    }
}

/// Appends bytes that cannot end the line.
pub(super) fn push_clean(out: &mut Vec<u8>, bytes: &[u8]) {
    if memchr::memchr2(b'\r', b'\n', bytes).is_none() {
        out.extend_from_slice(bytes);
    } else {
        out.extend(bytes.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    }
}

/// Whether a byte in a Request-URI cannot end it.
pub(super) fn is_uri_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

/// Room for a message without a body. An allocator keeps blocks up to about a kilobyte at hand for each thread (glibc:
/// 1032 bytes); for a larger one it merges what is free.
const USUAL_LENGTH: usize = 1000;
