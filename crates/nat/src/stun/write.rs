//! Writing Binding requests and answers into a buffer.

use std::net::SocketAddr;

use stun_types::attribute::ErrorCode;
use stun_types::message::{BINDING, MessageClass, TransactionId};

use super::attribute::{
    ICE_CONTROLLED, ICE_CONTROLLING, PRIORITY, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
};
use super::integrity::{Algorithm, Key};
use super::message::Message;
use super::{NoRoom, Writer};

/// The answer to a Binding request.
///
/// An error carries no reason phrase: numbers are what agents read, and an answer stays small.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The request that is answered.
    pub request: &'a Message<'a>,
    /// The key and hash of the MESSAGE-INTEGRITY; `None` for a request that was not authenticated.
    pub key: Option<(&'a Key, Algorithm)>,
}

impl Answer<'_> {
    /// Writes a success response that tells `mapped`, and gives its length.
    pub fn success(&self, mapped: SocketAddr, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut message = self.begin(MessageClass::Success, out);
        message.xor_address(XOR_MAPPED_ADDRESS, mapped);
        self.finish(message)
    }

    /// Writes an error response, and gives its length. With 420 go the attributes that were not understood.
    pub fn error(&self, code: u16, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut message = self.begin(MessageClass::Error, out);
        message.error_code(code);
        if code == ErrorCode::UNKNOWN_ATTRIBUTE {
            message.unknown_attributes(self.request);
        }
        self.finish(message)
    }

    fn begin<'b>(&self, class: MessageClass, out: &'b mut [u8]) -> Writer<'b> {
        Writer::new(class, BINDING, self.request.transaction(), out)
    }

    /// ICE demands a FINGERPRINT of both sides; a plain client gets one when it sent one.
    fn finish(&self, mut message: Writer<'_>) -> Result<usize, NoRoom> {
        if let Some((key, algorithm)) = self.key {
            message.integrity(key, algorithm);
        }
        if self.request.has_fingerprint() || self.request.has_integrity() {
            message.fingerprint();
        }
        message.finish()
    }
}

/// A Binding request: a connectivity check with its ICE attributes, or a plain one without.
#[derive(Debug, Clone, Copy)]
pub struct BindingRequest<'a> {
    /// The transaction.
    pub transaction: TransactionId,
    /// `theirs:ours`, as one string.
    pub username: Option<&'a str>,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// The role and its tie-breaker.
    pub role: Option<(Role, u64)>,
    /// USE-CANDIDATE.
    pub use_candidate: bool,
}

impl BindingRequest<'_> {
    /// Writes the request with a FINGERPRINT, and gives its length.
    pub fn write(&self, key: Option<(&Key, Algorithm)>, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut message = Writer::new(MessageClass::Request, BINDING, self.transaction, out);
        if let Some(username) = self.username {
            message.attribute(USERNAME, username.as_bytes());
        }
        if let Some((role, tie_breaker)) = self.role {
            let kind = match role {
                Role::Controlling => ICE_CONTROLLING,
                Role::Controlled => ICE_CONTROLLED,
            };
            message.attribute(kind, &tie_breaker.to_be_bytes());
        }
        if self.use_candidate {
            message.attribute(USE_CANDIDATE, &[]);
        }
        if let Some(priority) = self.priority {
            message.attribute(PRIORITY, &priority.to_be_bytes());
        }
        if let Some((key, algorithm)) = key {
            message.integrity(key, algorithm);
        }
        message.fingerprint();
        message.finish()
    }
}

/// Which agent decides on the pair ([RFC 8445 §6.1.1]).
///
/// [RFC 8445 §6.1.1]: https://www.rfc-editor.org/rfc/rfc8445#section-6.1.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates.
    Controlling,
    /// Follows; a lite agent always does when the other is full.
    Controlled,
}

/// Room that is enough for every answer: the largest is a 420 with SHA-256 of 92 bytes.
pub const REPLY_ROOM: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: u128 = 0x0102_0304_0506_0708_090a_0b0c;

    fn check(use_candidate: bool) -> BindingRequest<'static> {
        BindingRequest {
            transaction: TRANSACTION.into(),
            username: Some("ours:theirs"),
            priority: Some(0x6e7f_1eff),
            role: Some((Role::Controlling, 42)),
            use_candidate,
        }
    }

    #[test]
    fn a_check_is_read_as_it_was_written() {
        let key = Key::new("secret password of 22 c");
        let mut out = [0; 160];
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
            let len = check(true).write(Some((&key, algorithm)), &mut out).unwrap();
            let message = Message::parse(&out[..len]).unwrap();
            assert_eq!(message.verify(&key), Ok(algorithm));
            assert_eq!(message.verify(&Key::new("another")), Err(super::super::Unauthenticated::Mismatch));
            assert_eq!(message.username(), Some(&b"ours:theirs"[..]));
            assert_eq!(message.priority(), Some(0x6e7f_1eff));
            assert_eq!((message.controlling(), message.controlled()), (Some(42), None));
            assert!(message.has_use_candidate() && message.has_fingerprint());
        }
    }

    #[test]
    fn the_largest_answers_fit_the_room() {
        let mut request = [0; 400];
        let len = check(false).write(None, &mut request).unwrap();
        let mut with_unknown = request[..len - 8].to_vec();
        for kind in 0..20u16 {
            with_unknown.extend_from_slice(&(0x7000 + kind).to_be_bytes());
            with_unknown.extend_from_slice(&[0, 0]);
        }
        let length = u16::try_from(with_unknown.len() - 20).unwrap();
        with_unknown[2..4].copy_from_slice(&length.to_be_bytes());
        let parsed = Message::parse(&with_unknown).unwrap();
        let key = Key::new("secret");
        let answer = Answer { request: &parsed, key: Some((&key, Algorithm::Sha256)) };
        let mut out = [0; REPLY_ROOM];
        let len = answer.error(420, &mut out).unwrap();
        assert_eq!(Message::parse(&out[..len]).unwrap().error_code(), Some(420));
        let len = answer.success("[2001:db8::1]:65535".parse().unwrap(), &mut out).unwrap();
        let message = Message::parse(&out[..len]).unwrap();
        assert_eq!(message.mapped_address(), Some("[2001:db8::1]:65535".parse().unwrap()));
        assert_eq!(message.verify(&key), Ok(Algorithm::Sha256));
        assert_eq!(answer.error(400, &mut out[..60]), Err(NoRoom));
    }
}
