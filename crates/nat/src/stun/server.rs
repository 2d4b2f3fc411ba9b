//! A plain STUN server ([RFC 8489 §12]): tells who asks which address it is seen from.
//!
//! Without state and without authentication, so that it can answer anybody: an answer carries XOR-MAPPED-ADDRESS and
//! nothing else that would make it larger, and with the headers of UDP and IP it is less than 1.5 times its request.
//!
//! Left out: RFC 3489 clients, CHANGE-REQUEST and OTHER-ADDRESS ([RFC 5780]; such a request is refused with 420).
//!
//! [RFC 8489 §12]: https://www.rfc-editor.org/rfc/rfc8489#section-12
//! [RFC 5780]: https://www.rfc-editor.org/rfc/rfc5780

use std::net::SocketAddr;

use ringback_sansio::canonical;
use stun_types::attribute::ErrorCode;

use super::message::{Malformed, Message};
use super::{NoRoom, write};
use crate::stun::MessageClass;

/// Answers a Binding request that came from `remote`; the answer goes into `reply`.
pub fn respond(remote: SocketAddr, packet: &[u8], reply: &mut [u8]) -> Answer {
    let request = match Message::parse(packet) {
        Ok(request) => request,
        Err(malformed) => return Answer::Drop(Reason::Malformed(malformed)),
    };
    if !request.is_binding() || request.class() != MessageClass::Request {
        return Answer::Drop(Reason::NotBindingRequest);
    }
    match answer(remote, &request, reply) {
        Ok(length) => Answer::Reply(length),
        Err(NoRoom) => Answer::Drop(Reason::NoRoom),
    }
}

/// The same for a Binding request that was read already. Gives the length of the answer.
pub(crate) fn answer(remote: SocketAddr, request: &Message<'_>, reply: &mut [u8]) -> Result<usize, NoRoom> {
    let answer = write::Answer { request, key: None };
    if request.unknown_attributes().next().is_some() {
        answer.error(ErrorCode::UNKNOWN_ATTRIBUTE, reply)
    } else {
        answer.success(canonical(remote), reply)
    }
}

/// What to do after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Send the first bytes of the reply buffer, this many.
    Reply(usize),
    /// Send nothing.
    Drop(Reason),
}

/// Why a packet got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is no STUN message.
    Malformed(Malformed),
    /// It is a response, an indication or of another method.
    NotBindingRequest,
    /// The reply buffer is smaller than [`REPLY_ROOM`](super::REPLY_ROOM).
    NoRoom,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{BindingRequest, REPLY_ROOM};

    const HEADERS: [(&str, usize); 2] = [("192.0.2.9:40000", 28), ("[2001:db8::9]:40000", 48)];

    fn plain() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend_from_slice(&[9; 12]);
        bytes
    }

    #[test]
    fn tells_the_address_and_stays_below_one_and_a_half_times_the_request() {
        for (remote, headers) in HEADERS {
            let remote: SocketAddr = remote.parse().unwrap();
            let mut reply = [0; REPLY_ROOM];
            let Answer::Reply(len) = respond(remote, &plain(), &mut reply) else { panic!("no answer") };
            let answer = Message::parse(&reply[..len]).unwrap();
            assert_eq!(answer.class(), MessageClass::Success);
            assert_eq!(answer.mapped_address(), Some(remote));
            assert_eq!(answer.transaction(), Message::parse(&plain()).unwrap().transaction());
            assert!(!answer.has_fingerprint() && !answer.has_integrity());
            assert!((len + headers) * 2 <= (plain().len() + headers) * 3, "{len} bytes for 20");
        }
    }

    #[test]
    fn a_fingerprint_is_answered_with_a_fingerprint() {
        let request = BindingRequest {
            transaction: 7.into(),
            username: None,
            priority: None,
            role: None,
            use_candidate: false,
        };
        let mut packet = [0; 128];
        let len = request.write(None, &mut packet).unwrap();
        let mut reply = [0; REPLY_ROOM];
        let mapped = "[::ffff:192.0.2.9]:5".parse().unwrap();
        let Answer::Reply(len) = respond(mapped, &packet[..len], &mut reply) else { panic!("no answer") };
        let answer = Message::parse(&reply[..len]).unwrap();
        assert!(answer.has_fingerprint());
        assert_eq!(answer.mapped_address(), Some("192.0.2.9:5".parse().unwrap()), "canonical");
    }

    #[test]
    fn change_request_is_refused_and_small() {
        let mut packet = plain();
        packet[3] = 8;
        packet.extend_from_slice(&[0, 3, 0, 4, 0, 0, 0, 6]);
        let mut reply = [0; REPLY_ROOM];
        let remote = "192.0.2.9:40000".parse().unwrap();
        let Answer::Reply(len) = respond(remote, &packet, &mut reply) else { panic!("no answer") };
        assert_eq!(Message::parse(&reply[..len]).unwrap().error_code(), Some(420));
        assert!((len + 28) * 2 <= (packet.len() + 28) * 3);
    }

    #[test]
    fn what_is_no_request_gets_nothing() {
        let remote = "192.0.2.9:40000".parse().unwrap();
        let mut reply = [0; REPLY_ROOM];
        for (byte, value) in [(0, 1), (1, 0x11), (1, 3)] {
            let mut packet = plain();
            packet[byte] = value;
            assert_eq!(respond(remote, &packet, &mut reply), Answer::Drop(Reason::NotBindingRequest));
        }
        assert_eq!(respond(remote, b"hello", &mut reply), Answer::Drop(Reason::Malformed(Malformed::Header)));
        assert_eq!(respond(remote, &plain(), &mut [0; 8]), Answer::Drop(Reason::NoRoom));
    }
}
