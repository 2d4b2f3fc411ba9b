//! The one Content-Length rule of every transport ([RFC 3261 §18.3], §20.14).
//!
//! The number is checked before anything is allocated for it. Two lines with the same number are one; two different
//! numbers are an error and never a guess, because the peer behind us might guess otherwise. On a datagram and on a
//! WebSocket the header may be absent, then the body ends with the packet; bytes after the body are ignored; a body that
//! is too short is an error. On a stream the header must be there, for nothing else ends the message.
//!
//! [RFC 3261 §18.3]: https://www.rfc-editor.org/rfc/rfc3261#section-18.3

use super::limits::MAX_STREAM_MESSAGE;
use super::{Name, ParseError};
use crate::grammar::{self, NumberError};

/// The body length that the head declares.
pub(crate) fn declared(head: &[u8], index: &super::Index) -> Result<Option<usize>, ParseError> {
    let mut declared = None;
    for entry in index.iter().filter(|entry| entry.name() == Name::ContentLength) {
        let length = read(entry.value(head))?;
        if declared.is_some_and(|earlier| earlier != length) {
            return Err(ParseError::ContentLengthConflict);
        }
        declared = Some(length);
    }
    Ok(declared)
}

fn read(value: &[u8]) -> Result<usize, ParseError> {
    match grammar::number(value) {
        Ok(length) if length as usize <= MAX_STREAM_MESSAGE => Ok(length as usize),
        Ok(_) | Err(NumberError::TooLarge) => Err(ParseError::BodyTooLarge),
        Err(NumberError::NotDigits) => Err(ParseError::ContentLength),
    }
}
