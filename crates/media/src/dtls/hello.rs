//! The ClientHello that a server is at.

use super::record::{Fragment, HANDSHAKE_HEADER, RECORD_HEADER, Record};

/// What tells one ClientHello from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    random: [u8; 32],
    /// The length of the whole message.
    pub(super) total: u32,
}

impl Hello {
    /// Reads the random out of the first piece of a ClientHello ([RFC 6347 §4.2.2]): behind the headers and two bytes of
    /// version, in every version.
    ///
    /// [RFC 6347 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.2
    pub(super) fn begun_by(record: &Record<'_>, fragment: Fragment) -> Option<Self> {
        const RANDOM: usize = RECORD_HEADER + HANDSHAKE_HEADER + 2;
        if fragment.offset != 0 {
            return None;
        }
        let random = record.bytes.get(RANDOM..RANDOM + 32)?.try_into().ok()?;
        Some(Hello { random, total: fragment.total })
    }
}
