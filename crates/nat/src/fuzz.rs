//! Fuzz targets of this crate: plain functions that must return for every input.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use crate::demux::{Class, classify};
use crate::ice::{Check, Credentials, Lite};
use crate::stun::{Key, Message, REPLY_ROOM, server, username};

/// Reads `data` as STUN in every way there is and lets the server and a lite agent answer it.
///
/// `now` is any instant: nothing here depends on it.
pub fn stun(data: &[u8], now: Instant) {
    let class = classify(data);
    let parsed = Message::parse(data);
    assert!(parsed.is_err() || class == Class::Stun, "the first byte of STUN is 0 to 3");
    let names = username(data);
    if let Ok(message) = parsed {
        let key = Key::new(PWD);
        let verified = message.verify(&key).is_ok();
        assert!(!verified || message.has_integrity());
        assert_eq!(
            names.is_some() && message.is_binding(),
            names.is_some(),
            "only a Binding request names an agent"
        );
        let _ = (message.priority(), message.controlling(), message.controlled(), message.error_code());
        let _ = (message.mapped_address(), message.unknown_attributes().count(), message.has_use_candidate());
    }

    let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 9), 40_000));
    let mut reply = [0; REPLY_ROOM];
    if let server::Answer::Reply(length) = server::respond(remote, data, &mut reply) {
        assert!(reply.get(..length).is_some_and(|answer| Message::parse(answer).is_ok()));
    }
    let local = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 8443));
    let mut agent = Lite::new(Credentials { ufrag: UFRAG.to_owned(), pwd: PWD.to_owned() }, now);
    if let Check::Reply(length) = agent.handle_check(now, local, remote, data, &mut reply) {
        assert!(reply.get(..length).is_some_and(|answer| Message::parse(answer).is_ok()));
    }
    // Only a check that was answered with success validates a pair and gives consent.
    let validated = agent.is_validated(crate::ice::Pair { local, remote });
    assert_eq!(validated, agent.stats().success == 1);
    assert_eq!(validated, agent.poll_timeout().is_some());
}

/// The user name fragment of RFC 5769 §2.1, so that its request authenticates.
const UFRAG: &str = "evtj";
const PWD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
