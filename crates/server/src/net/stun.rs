//! Binding requests of anybody, on the ports that answer them: those of SIP over UDP, where they are how a client keeps
//! its flow alive and learns whether its address has changed ([RFC 5626 §4.4.2]), and those of WebRTC media.
//!
//! [RFC 5626 §4.4.2]: https://www.rfc-editor.org/rfc/rfc5626#section-4.4.2

use std::net::SocketAddr;

use ringback_nat::demux::{Class, classify};
use ringback_nat::stun::{self, server};

/// The answer to a Binding request.
#[derive(Debug)]
pub struct Reply {
    bytes: [u8; stun::REPLY_ROOM],
    length: usize,
}

impl Reply {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether a datagram is of STUN, by its first byte: nothing of SIP begins so.
pub fn is_stun(datagram: &[u8]) -> bool {
    classify(datagram) == Class::Stun
}

/// The answer to a Binding request that names nobody and came from `remote`. Everything else has none.
pub fn answer(remote: SocketAddr, datagram: &[u8]) -> Option<Reply> {
    if !is_stun(datagram) || stun::username(datagram).is_some() {
        return None;
    }
    let mut bytes = [0; stun::REPLY_ROOM];
    match server::respond(remote, datagram, &mut bytes) {
        server::Answer::Reply(length) => Some(Reply { bytes, length }),
        server::Answer::Drop(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: &str = "192.0.2.9:40000";

    fn binding_request() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend_from_slice(&[9; 12]);
        bytes
    }

    #[test]
    fn a_binding_request_is_answered_with_the_address_it_came_from() {
        let reply = answer(REMOTE.parse().unwrap(), &binding_request()).expect("an answer");
        let message = stun::Message::parse(reply.bytes()).unwrap();
        assert_eq!(message.mapped_address(), Some(REMOTE.parse().unwrap()));
    }

    #[test]
    fn what_names_a_leg_or_is_no_binding_request_has_no_answer() {
        let mut named = binding_request();
        named[3] = 8;
        named.extend_from_slice(b"\x00\x06\x00\x03a:b\x00");
        let mut indication = binding_request();
        indication[1] = 0x11;
        for datagram in [&named[..], &indication, b"\x00\x01", b"OPTIONS sip:a@b SIP/2.0\r\n", b""] {
            assert!(answer(REMOTE.parse().unwrap(), datagram).is_none(), "{datagram:02x?}");
        }
        assert!(is_stun(&indication) && !is_stun(b"OPTIONS"));
    }
}
