//! Where a message came from, written into its topmost Via ([RFC 3261 §18.2.1], [RFC 3581 §4]).
//!
//! Every request passes here, so this is no [`Edit`](super::Edit): the bytes before and after the Via are copied at once,
//! and the spans behind it are moved.
//!
//! [RFC 3261 §18.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.1
//! [RFC 3581 §4]: https://www.rfc-editor.org/rfc/rfc3581#section-4

use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;

use super::edit::place;
use super::index::{Entry, offset};
use super::{Message, Name};
use crate::header::{HeaderError, Values, Via};

impl Message {
    /// The message with `received`, and `rport` where it was asked for, as `source` says.
    ///
    /// What the sender wrote there itself is overwritten, and `received` is always written. The address stands without
    /// brackets, as RFC 3261 §25.1 has it (`received = IPv4address / IPv6address`).
    pub fn with_source(&self, source: SocketAddr) -> Result<Message, HeaderError> {
        let missing = HeaderError::missing(Name::Via);
        let at = self.index.iter().position(|entry| entry.name == Name::Via).ok_or(missing)?;
        let entry = self.index.get(at).copied().ok_or(missing)?;
        let line = entry.value(&self.bytes);
        let raw = Values::new(line).next().ok_or(missing)?;
        let value = stamped(line, &Via::parse(raw)?, source);
        Ok(self.with_value(at, &entry, &value))
    }

    /// The message with another value for the line at that place of the index.
    fn with_value(&self, at: usize, old: &Entry, value: &[u8]) -> Message {
        let (start, end) = (old.value as usize, old.value_end as usize);
        let [before, after] = [self.bytes.get(..start), self.bytes.get(end..)].map(Option::unwrap_or_default);
        let mut bytes = Vec::with_capacity(before.len() + value.len() + after.len());
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(value);
        let new_end = bytes.len();
        bytes.extend_from_slice(after);
        let moved = |at: u32| offset((at as usize).saturating_sub(end) + new_end);
        let mut index = self.index.clone();
        for (place, entry) in index.iter_mut().enumerate().skip(at) {
            if place > at {
                entry.line = moved(entry.line);
                entry.value = moved(entry.value);
            }
            entry.value_end = moved(entry.value_end);
        }
        let body = moved(self.body) as usize;
        Message::assemble(Bytes::from(bytes), self.start.clone(), index, body)
    }
}

/// The value of a Via line whose topmost value says where the message came from.
fn stamped(line: &[u8], via: &Via<'_>, source: SocketAddr) -> SmallVec<[u8; 256]> {
    let mut value = SmallVec::new();
    let mut copied = 0;
    for param in via.params.iter() {
        let is_received = param.name.eq_ignore_ascii_case(b"received");
        if is_received || param.name.eq_ignore_ascii_case(b"rport") {
            let start = place(line, param.raw);
            value.extend_from_slice(line.get(copied..start).unwrap_or_default());
            copied = start + param.raw.len();
            if !is_received {
                // Writing to memory cannot fail.
                let _ = write!(value, ";rport={}", source.port());
            }
        }
    }
    let end = place(line, via.raw) + via.raw.len();
    value.extend_from_slice(line.get(copied..end).unwrap_or_default());
    let _ = write!(value, ";received={}", source.ip());
    value.extend_from_slice(line.get(end..).unwrap_or_default());
    value
}
