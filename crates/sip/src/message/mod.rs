//! SIP messages: the bytes as they came, an index of spans over them, and edits that touch only their span.
//!
//! [`Message::parse`] looks at every line once: it ends the lines, names the headers, checks the limits and finds the
//! body by the one Content-Length rule of [`content_length`]. It does not read header values; those are read on demand
//! by [`crate::header`], and [`Message::validate`] reads the ones that every request must have.
//!
//! Assumptions and what is left out:
//! - Lines end in CRLF. A bare CR or LF in the head is an error: peers disagree about it, which is how headers are
//!   smuggled. White space between a name and its colon is taken, as the grammar allows, and the name is the same.
//! - A folded line is one header. [`Line::value`] keeps the fold, [`Line::unfolded`] takes it out, and everything in
//!   [`crate::header`] reads a fold as white space.
//! - The head must end in an empty line on every transport: a datagram cut off in the head is refused.
//! - RFC 2543 requests (no branch, no Max-Forwards, no Content-Length on a datagram) are taken.

mod body;
mod build;
pub mod content_length;
mod edit;
mod index;
pub mod limits;
mod method;
mod name;
mod parse;
mod parse_error;
mod reason_phrase;
mod source;
mod validate;

pub use body::{BodyError, Part, Parts};
pub use build::Builder;
pub use edit::Edit;
pub use index::Line;
pub use method::{Method, Token};
pub use name::Name;
pub use parse_error::{Layer, ParseError, Unanswerable};
pub use reason_phrase::reason_phrase;
pub use validate::{Disposition, Invalid, InvalidCause};

pub(crate) use index::{Index, index_head};

use std::fmt;

use bytes::Bytes;

use crate::grammar;
use crate::header::{Address, CSeq, Fault, HeaderError, Values, Via};
use index::{Entry, Span};

/// One SIP request or response ([RFC 3261 §7]).
///
/// A clone shares the bytes. Two messages are equal when their bytes are.
///
/// [RFC 3261 §7]: https://www.rfc-editor.org/rfc/rfc3261#section-7
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    start: StartLine,
    index: Index,
    /// Where the body starts: two bytes after the empty line.
    body: u32,
}

/// The start line, read.
#[derive(Debug, Clone)]
enum StartLine {
    Request { method: Method, uri: Span, version: Version },
    Response { status: u16, reason: Span, method: Method, version: Version },
}

impl StartLine {
    /// The same start line; of a response, with the method that the CSeq of the index names.
    fn answering(mut self, bytes: &[u8], index: &Index) -> Self {
        if let StartLine::Response { method, .. } = &mut self
            && let Some(named) = parse::cseq_method(bytes, index)
        {
            *method = named;
        }
        self
    }
}

/// The SIP version of a start line; only [`Version::Sip2`] is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Sip2,
    Other,
}

impl Message {
    /// Indexes one datagram, one WebSocket message or one framed message of a stream.
    ///
    /// Bytes after the body are not part of the message ([RFC 3261 §18.3]).
    ///
    /// [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        parse::message(bytes)
    }

    /// The bytes as received, start line to the last byte of the body.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The method of a request; of a response, that of its CSeq.
    pub fn method(&self) -> Method {
        self.method_ref().clone()
    }

    /// The same as [`Message::method`], borrowed.
    pub fn method_ref(&self) -> &Method {
        match &self.start {
            StartLine::Request { method, .. } | StartLine::Response { method, .. } => method,
        }
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match self.start {
            StartLine::Request { .. } => b"",
            StartLine::Response { reason, .. } => reason.of(&self.bytes),
        }
    }

    /// The Request-URI; empty for a response.
    pub fn request_uri(&self) -> &[u8] {
        match self.start {
            StartLine::Request { uri, .. } => uri.of(&self.bytes),
            StartLine::Response { .. } => b"",
        }
    }

    /// The value of the first header line of that name, without white space around it.
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.headers(name).next()
    }

    /// The values of all header lines of that name, in order.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.index.iter().filter(move |entry| entry.name == name).map(|entry| entry.value(&self.bytes))
    }

    /// The comma-separated values of all header lines of that name, in order.
    ///
    /// Only for header fields whose grammar is a list: a comma in a Date or an Authorization separates no values.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.headers(name).flat_map(Values::new)
    }

    /// The value of the first header line with that text for a name, in any case of letters.
    ///
    /// The compact form of a known name is found by the long one and the other way round.
    pub fn header_named(&self, name: &[u8]) -> Option<&[u8]> {
        match Name::parse(name) {
            Name::Other => self
                .lines()
                .find(|line| line.name() == Name::Other && line.raw_name().eq_ignore_ascii_case(name))
                .map(|line| line.value()),
            known => self.header(known),
        }
    }

    /// Whether there is a header line of that name.
    pub fn has(&self, name: Name) -> bool {
        self.index.iter().any(|entry| entry.name == name)
    }

    /// Every header line in order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.index.iter().map(|entry| Line::new(&self.bytes, entry))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body as usize..).unwrap_or_default()
    }

    /// The body, sharing the message's bytes.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice((self.body as usize).min(self.bytes.len())..)
    }

    /// The body with its Content-Type, cut into parts when it is a multipart ([RFC 5621]).
    ///
    /// [RFC 5621]: https://www.rfc-editor.org/rfc/rfc5621
    pub fn parts(&self) -> Parts<'_> {
        Parts::new(self.header(Name::ContentType).unwrap_or_default(), self.body())
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via<'_>, HeaderError> {
        let value = self.values(Name::Via).next().ok_or(HeaderError::missing(Name::Via))?;
        Via::parse(value)
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq<'_>, HeaderError> {
        CSeq::parse(self.required(Name::CSeq)?)
    }

    /// The From.
    pub fn from(&self) -> Result<Address<'_>, HeaderError> {
        Address::parse(self.required(Name::From)?).map_err(|error| error.of(Name::From))
    }

    /// The To.
    pub fn to(&self) -> Result<Address<'_>, HeaderError> {
        Address::parse(self.required(Name::To)?).map_err(|error| error.of(Name::To))
    }

    /// The Call-ID; `None` when it is absent or empty.
    pub fn call_id(&self) -> Option<&[u8]> {
        self.header(Name::CallId).filter(|value| !value.is_empty())
    }

    /// The Max-Forwards, which an RFC 2543 request may lack.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let Some(value) = self.header(Name::MaxForwards) else {
            return Ok(None);
        };
        let number = grammar::number(value).map_err(|error| HeaderError::number(Name::MaxForwards, error))?;
        u8::try_from(number).map(Some).map_err(|_| HeaderError::new(Name::MaxForwards, Fault::TooLarge))
    }

    /// Every Contact that is an address; nothing for `Contact: *`.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Address<'_>, HeaderError>> {
        let wildcard = self.is_wildcard_contact();
        self.values(Name::Contact)
            .filter(move |_| !wildcard)
            .map(|value| Address::parse(value).map_err(|error| error.of(Name::Contact)))
    }

    /// Whether the one Contact is `*`, which removes every binding ([RFC 3261 §10.2.2]).
    ///
    /// [RFC 3261 §10.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.2
    pub fn is_wildcard_contact(&self) -> bool {
        let mut values = self.values(Name::Contact);
        values.next() == Some(b"*") && values.next().is_none()
    }

    /// The Expires in seconds; a number above 32 bits is the largest, anything else is as if absent.
    pub fn expires(&self) -> Option<u32> {
        crate::header::delta_seconds(self.header(Name::Expires)?)
    }

    /// Starts an edit: what it does not change leaves byte for byte.
    pub fn edit(&self) -> Edit<'_> {
        Edit::new(self)
    }

    /// Checks what RFC 3261 asks of every message beyond its syntax (§8.1.1, §8.2, §16.3, §20).
    pub fn validate(&self) -> Result<(), Invalid> {
        validate::message(self)
    }

    fn required(&self, name: Name) -> Result<&[u8], HeaderError> {
        self.header(name).ok_or(HeaderError::missing(name))
    }

    /// What the start line and the index say of bytes that we made ourselves.
    fn assemble(bytes: Bytes, start: StartLine, index: Index, body: usize) -> Self {
        Message { bytes, start, index, body: index::offset(body) }
    }

    fn entries(&self) -> &[Entry] {
        &self.index
    }

    fn start_line(&self) -> &StartLine {
        &self.start
    }

    /// The end of the last header line, where the empty line starts.
    fn head_end(&self) -> usize {
        (self.body as usize).saturating_sub(2)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

/// The start line and the size: a message in a log is no place for its headers.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            StartLine::Request { method, uri, .. } => {
                write!(f, "Message({method} {}", uri.of(&self.bytes).escape_ascii())?;
            }
            StartLine::Response { status, method, .. } => write!(f, "Message({status} to {method}")?,
        }
        write!(f, ", {} bytes)", self.bytes.len())
    }
}
