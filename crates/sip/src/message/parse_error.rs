//! Why bytes are no message, and what can still be answered.

use bytes::Bytes;
use thiserror::Error;

use super::{Builder, Message, Method, Name, parse, reason_phrase};

/// Why bytes cannot be taken for a SIP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Error)]
pub enum ParseError {
    /// Nothing at all.
    #[error("Empty message")]
    Empty,
    /// More bytes than a message may have.
    #[error("Message too large")]
    TooLarge,
    /// The first line names no SIP version: another protocol, or noise.
    #[error("Not SIP")]
    NotSip,
    /// A request line that is not method, URI and version with one space between them.
    #[error("Malformed request line")]
    RequestLine,
    /// A request line above the limit of a line.
    #[error("Request line too long")]
    RequestLineTooLong,
    /// A status line without a space after the version.
    #[error("Malformed status line")]
    StatusLine,
    /// A status code that is not three digits from 100 to 699.
    #[error("Malformed status code")]
    StatusCode,
    /// A response whose CSeq is absent or names no method.
    #[error("Response without a CSeq method")]
    CSeqMethod,
    /// A header line without a name or without a colon.
    #[error("Malformed header line")]
    HeaderLine,
    /// A header line above the limit.
    #[error("Header line too long")]
    LineTooLong,
    /// More header lines than the limit.
    #[error("Too many header lines")]
    TooManyLines,
    /// A CR without LF or an LF without CR.
    #[error("Bare CR or LF")]
    BareLineBreak,
    /// The bytes end before the empty line.
    #[error("Header section does not end")]
    Unterminated,
    /// A Content-Length that is not a number.
    #[error("Malformed Content-Length")]
    ContentLength,
    /// Two different Content-Lengths.
    #[error("Conflicting Content-Length")]
    ContentLengthConflict,
    /// No Content-Length on a stream.
    #[error("Content-Length required")]
    ContentLengthMissing,
    /// A Content-Length above the limit.
    #[error("Body too large")]
    BodyTooLarge,
    /// Fewer bytes than the Content-Length says.
    #[error("Body shorter than Content-Length")]
    BodyTruncated,
}

/// The layer that objects to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Where the message ends cannot be told; on a stream the connection is lost.
    Framing,
    /// The lines cannot be told apart.
    Parse,
    /// A header value cannot be read by whoever asks for it.
    Header,
    /// The message can be read and breaks a rule.
    Validate,
}

impl ParseError {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            ParseError::TooLarge | ParseError::LineTooLong | ParseError::TooManyLines => 513,
            ParseError::BodyTooLarge => 413,
            ParseError::RequestLineTooLong => 414,
            _ => 400,
        }
    }

    /// The layer that objects.
    pub fn layer(self) -> Layer {
        match self {
            ParseError::TooLarge
            | ParseError::ContentLength
            | ParseError::ContentLengthConflict
            | ParseError::ContentLengthMissing
            | ParseError::BodyTooLarge
            | ParseError::BodyTruncated => Layer::Framing,
            _ => Layer::Parse,
        }
    }

    /// A name for counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            ParseError::Empty => "empty",
            ParseError::TooLarge => "too_large",
            ParseError::NotSip => "not_sip",
            ParseError::RequestLine => "request_line",
            ParseError::RequestLineTooLong => "request_line_too_long",
            ParseError::StatusLine => "status_line",
            ParseError::StatusCode => "status_code",
            ParseError::CSeqMethod => "cseq_method",
            ParseError::HeaderLine => "header_line",
            ParseError::LineTooLong => "line_too_long",
            ParseError::TooManyLines => "too_many_lines",
            ParseError::BareLineBreak => "bare_line_break",
            ParseError::Unterminated => "unterminated",
            ParseError::ContentLength => "content_length",
            ParseError::ContentLengthConflict => "content_length_conflict",
            ParseError::ContentLengthMissing => "content_length_missing",
            ParseError::BodyTooLarge => "body_too_large",
            ParseError::BodyTruncated => "body_truncated",
        }
    }

    /// The answer to the bytes that were refused, when enough of them can be read to find the way back.
    ///
    /// The reason phrase says what is wrong. A response and an ACK are never answered.
    pub fn reply(self, bytes: &Bytes) -> Result<Message, Unanswerable> {
        let request = parse::salvage(bytes).ok_or(Unanswerable::NotARequest)?;
        if *request.method_ref() == Method::Ack {
            return Err(Unanswerable::Ack);
        }
        request.via().map_err(|_| Unanswerable::NoVia)?;
        if !request.has(Name::CSeq) {
            return Err(Unanswerable::NoCSeq);
        }
        let phrase = format!("{} ({self})", reason_phrase(self.status()));
        Ok(Builder::reply_with_phrase(&request, self.status(), &phrase).stateless_to_tag(&request).finish())
    }
}

/// Why refused bytes get no answer; each is a counted reason to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Error)]
pub enum Unanswerable {
    /// A response, or nothing that looks like a request.
    #[error("not a request")]
    NotARequest,
    /// An ACK is not answered.
    #[error("an ACK")]
    Ack,
    /// No Via that says where to send it.
    #[error("no usable Via")]
    NoVia,
    /// No CSeq, without which the sender cannot match the answer.
    #[error("no CSeq")]
    NoCSeq,
}

impl Unanswerable {
    /// A name for counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Unanswerable::NotARequest => "not_a_request",
            Unanswerable::Ack => "ack",
            Unanswerable::NoVia => "no_via",
            Unanswerable::NoCSeq => "no_cseq",
        }
    }
}
