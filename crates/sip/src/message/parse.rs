//! From bytes to an indexed message.

use bytes::Bytes;

use super::build::is_uri_byte;
use super::index::{Index, Span, index_head, index_leniently, line_end};
use super::limits::{MAX_LINE, MAX_STREAM_MESSAGE};
use super::{Message, Method, Name, ParseError, StartLine, Version, content_length, index};
use crate::grammar;

pub(super) fn message(mut bytes: Bytes) -> Result<Message, ParseError> {
    if bytes.len() > MAX_STREAM_MESSAGE {
        return Err(ParseError::TooLarge);
    }
    let (line, headers) = start_line(&bytes)?;
    let mut index = Index::new();
    let body = index_head(&bytes, headers, &mut index)?;
    let available = bytes.len() - body;
    match content_length::declared(&bytes, &index)? {
        Some(declared) if declared > available => return Err(ParseError::BodyTruncated),
        Some(declared) => bytes.truncate(body + declared),
        None => {}
    }
    let start = line.with_method(&bytes, &index)?;
    Ok(Message { bytes, start, index, body: index::offset(body) })
}

/// A request of which only the lines that a response copies are sure to be readable.
pub(super) fn salvage(bytes: &Bytes) -> Option<Message> {
    let bytes = bytes.slice(..bytes.len().min(MAX_STREAM_MESSAGE));
    let (line, headers) = match start_line(&bytes) {
        Ok((line @ RawStartLine::Request { .. }, headers)) => (line, headers),
        // The method and the URI of such a line do not matter: the response is found by Via and CSeq.
        Err(ParseError::RequestLine | ParseError::RequestLineTooLong) => {
            let end = line_end(&bytes, 0).ok()?;
            let method = Method::parse(grammar::take_while(&bytes, grammar::is_token_byte).0)?;
            let uri = Span::new(0, 0);
            (RawStartLine::Request { method, uri, version: Version::Sip2 }, end + 2)
        }
        _ => return None,
    };
    let mut index = Index::new();
    index_leniently(&bytes, headers, &mut index);
    let start = line.with_method(&bytes, &index).ok()?;
    let body = index::offset(bytes.len());
    Some(Message { bytes, start, index, body })
}

/// A start line as far as it can be read without the headers.
enum RawStartLine {
    Request { method: Method, uri: Span, version: Version },
    Response { status: u16, reason: Span, version: Version },
}

impl RawStartLine {
    /// A response answers the method that its CSeq names.
    fn with_method(self, bytes: &[u8], index: &Index) -> Result<StartLine, ParseError> {
        Ok(match self {
            RawStartLine::Request { method, uri, version } => StartLine::Request { method, uri, version },
            RawStartLine::Response { status, reason, version } => {
                let method = cseq_method(bytes, index).ok_or(ParseError::CSeqMethod)?;
                StartLine::Response { status, reason, method, version }
            }
        })
    }
}

/// The method that the CSeq names, whatever its number.
pub(super) fn cseq_method(bytes: &[u8], index: &Index) -> Option<Method> {
    let cseq = index.iter().find(|entry| entry.name == Name::CSeq)?;
    Method::parse(cseq.value(bytes).rsplit(|&byte| grammar::is_lws(byte)).next()?)
}

/// The start line and where the headers start.
fn start_line(bytes: &[u8]) -> Result<(RawStartLine, usize), ParseError> {
    let end = match line_end(bytes, 0) {
        Err(ParseError::Unterminated) if bytes.is_empty() => return Err(ParseError::Empty),
        end => end?,
    };
    let line = bytes.get(..end).unwrap_or_default();
    let read = match version(line.get(..VERSION_LENGTH).unwrap_or_default()) {
        Some(version) => status_line(line, version)?,
        None => request_line(line)?,
    };
    Ok((read, end + 2))
}

/// `Method SP Request-URI SP SIP-Version`: exactly two spaces, no white space inside the URI ([RFC 3261 §7.1]).
///
/// [RFC 3261 §7.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.1
fn request_line(line: &[u8]) -> Result<RawStartLine, ParseError> {
    let (method, rest) = grammar::split_once(line, b' ').ok_or(ParseError::NotSip)?;
    let Some((uri, version_text)) = grammar::split_once(rest, b' ') else {
        return Err(if Method::parse(method).is_some() {
            ParseError::RequestLine
        } else {
            ParseError::NotSip
        });
    };
    let method = Method::parse(method).ok_or(ParseError::NotSip)?;
    let version = version(version_text).ok_or_else(|| {
        if memchr::memmem::find(version_text, b"SIP/").is_some() {
            ParseError::RequestLine
        } else {
            ParseError::NotSip
        }
    })?;
    if line.len() > MAX_LINE {
        return Err(ParseError::RequestLineTooLong);
    }
    if uri.is_empty() || !uri.iter().all(|&byte| is_uri_byte(byte)) {
        return Err(ParseError::RequestLine);
    }
    let start = line.len() - rest.len();
    Ok(RawStartLine::Request { method, uri: Span::new(start, start + uri.len()), version })
}

/// `SIP-Version SP Status-Code SP Reason-Phrase` ([RFC 3261 §7.2]); the phrase and its space may be absent.
///
/// [RFC 3261 §7.2]: https://www.rfc-editor.org/rfc/rfc3261#section-7.2
fn status_line(line: &[u8], version: Version) -> Result<RawStartLine, ParseError> {
    if line.len() > MAX_LINE {
        return Err(ParseError::LineTooLong);
    }
    let code = match line.get(VERSION_LENGTH..) {
        Some([b' ', code @ ..]) => code,
        _ => return Err(ParseError::StatusLine),
    };
    let (digits, rest) = grammar::take_while(code, |byte| byte != b' ');
    let status = match digits {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => grammar::number(digits).ok(),
        _ => None,
    };
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or(ParseError::StatusCode)?;
    let start = line.len() - rest.len() + usize::from(!rest.is_empty());
    Ok(RawStartLine::Response { status, reason: Span::new(start, line.len()), version })
}

fn version(bytes: &[u8]) -> Option<Version> {
    let (name, number) = bytes.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    match number {
        b"2.0" => Some(Version::Sip2),
        [b'0'..=b'9', b'.', b'0'..=b'9'] => Some(Version::Other),
        _ => None,
    }
}

/// Bytes of `SIP/2.0`.
const VERSION_LENGTH: usize = 7;
