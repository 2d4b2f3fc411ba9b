//! Writing the answers of a TURN server.
//!
//! None says SOFTWARE: what runs here is nobody's business. An error has no reason phrase, as everywhere.

use bytes::Bytes;
use stun_types::message::{MessageClass, Method, TransactionId};

use super::allocation::Family;
use crate::stun::attribute::{ADDRESS_ERROR_CODE, LIFETIME};
use crate::stun::{Algorithm, Key, Message, Writer, error_value};

/// What an answer takes from its request.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    method: Method,
    transaction: TransactionId,
    has_fingerprint: bool,
    /// How the request was authenticated, and so how the answer is.
    pub(super) key: Option<(Key, Algorithm)>,
}

impl Reply {
    pub(super) fn to(request: &Message<'_>) -> Self {
        Reply {
            method: request.method(),
            transaction: request.transaction(),
            has_fingerprint: request.has_fingerprint(),
            key: None,
        }
    }

    pub(super) fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// A success response with what `fill` adds.
    pub(super) fn success(&self, fill: impl FnOnce(&mut Writer<'_>)) -> Bytes {
        self.write(MessageClass::Success, fill)
    }

    /// An error response with what `fill` adds behind its code.
    pub(super) fn error(&self, code: u16, fill: impl FnOnce(&mut Writer<'_>)) -> Bytes {
        self.write(MessageClass::Error, |message| {
            message.error_code(code);
            fill(message);
        })
    }

    fn write(&self, class: MessageClass, fill: impl FnOnce(&mut Writer<'_>)) -> Bytes {
        let mut out = [0; ROOM];
        let mut message = Writer::new(class, self.method, self.transaction, &mut out);
        fill(&mut message);
        if let Some((key, algorithm)) = &self.key {
            message.integrity(key, *algorithm);
        }
        if self.has_fingerprint {
            message.fingerprint();
        }
        let length = message.finish();
        debug_assert!(length.is_ok(), "an answer of ours fits its room");
        length.ok().and_then(|length| out.get(..length)).map(Bytes::copy_from_slice).unwrap_or_default()
    }
}

pub(super) fn lifetime(message: &mut Writer<'_>, seconds: u64) {
    message.attribute(LIFETIME, &u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
}

/// ADDRESS-ERROR-CODE: which family is not there, and why ([RFC 8656 §18.12]).
///
/// [RFC 8656 §18.12]: https://www.rfc-editor.org/rfc/rfc8656#section-18.12
pub(super) fn address_error_code(message: &mut Writer<'_>, family: Family, code: u16) {
    let [_, _, class, number] = error_value(code);
    message.attribute(ADDRESS_ERROR_CODE, &[family.number(), 0, class, number]);
}

/// The largest answer is a challenge: 84 bytes and the longest realm. The next is that to an Allocate request for two
/// families over IPv6, with 160.
const ROOM: usize = 320;
