//! What an end of a browser's does before its media flows: a connectivity check, and a DTLS handshake.
//!
//! It controls, has one candidate and checks one of the engine's, which it nominates at once. It goes on checking, as
//! consent asks for, and answers the checks of an engine that is a full agent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_media::dtls::{Endpoint, Event, Identity};
use ringback_media::srtp::{Receiver, Sender};
use ringback_nat::ice::Credentials;
use ringback_nat::stun::{Algorithm, Answer, BindingRequest, Key, Message, MessageClass, Role};

use super::description::Engine;

/// A browser's end that knows the engine's description.
pub(super) struct Browser {
    username: String,
    theirs: Key,
    ours: Key,
    endpoint: Endpoint,
    is_valid: bool,
    transaction: u128,
    check_at: Instant,
    tie_breaker: u64,
}

/// What a browser asks of who drives it.
pub(super) enum Step {
    /// A datagram to send: its length in the buffer.
    Send(usize),
    /// Its media has keys.
    Keys(Box<(Sender, Receiver)>),
    /// It cannot be connected.
    Failed(&'static str),
}

impl Browser {
    /// A browser that begins to check.
    pub(super) fn new(
        now: Instant,
        own: &Credentials,
        identity: &Arc<Identity>,
        engine: &Engine,
        seed: u64,
    ) -> Result<Self, &'static str> {
        let theirs = engine.ice.as_ref().ok_or("the engine's description has no ICE")?;
        if engine.fingerprints.is_empty() {
            return Err("the engine's description has no fingerprint");
        }
        let mut endpoint = Endpoint::new(identity, engine.role, now);
        endpoint.expect(engine.fingerprints.clone());
        Ok(Browser {
            username: format!("{}:{}", theirs.ufrag, own.ufrag),
            theirs: Key::new(&theirs.pwd),
            ours: Key::new(&own.pwd),
            endpoint,
            is_valid: false,
            transaction: u128::from(seed) << 32,
            check_at: now,
            tie_breaker: seed,
        })
    }

    /// A datagram that is not media came; gives the length of an answer in the buffer.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        if datagram.first().is_some_and(|first| DTLS.contains(first)) {
            // What is wrong with it the endpoint counts, and a handshake that does not end fails the call.
            let _ = self.endpoint.handle_datagram(now, datagram);
            return None;
        }
        let message = Message::parse(datagram).ok()?;
        match message.class() {
            MessageClass::Request => {
                let algorithm = message.verify(&self.ours).ok()?;
                Answer { request: &message, key: Some((&self.ours, algorithm)) }.success(from, out).ok()
            }
            MessageClass::Success if message.verify(&self.theirs).is_ok() => {
                self.is_valid = true;
                None
            }
            _ => None,
        }
    }

    /// What is to be done next, until there is nothing; a datagram is written to the buffer.
    pub(super) fn poll(&mut self, now: Instant, out: &mut [u8]) -> Option<Step> {
        if now >= self.check_at {
            self.check_at = now + if self.is_valid { CONSENT } else { AGAIN };
            return Some(self.check(out));
        }
        if !self.is_valid {
            return None;
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        if let Some(len) = self.endpoint.poll_transmit(out) {
            return Some(Step::Send(len));
        }
        loop {
            return match self.endpoint.poll_event()? {
                Event::Connected { suite, keys, .. } => {
                    let sender = Sender::new(suite, &keys.local_key, &keys.local_salt);
                    let receiver = Receiver::new(suite, &keys.remote_key, &keys.remote_salt);
                    match sender.ok().zip(receiver.ok()) {
                        Some(keys) => Some(Step::Keys(Box::new(keys))),
                        None => Some(Step::Failed("the keys of the handshake cannot be used")),
                    }
                }
                Event::Failed(_) => Some(Step::Failed("the DTLS handshake failed")),
                Event::Closed => continue,
            };
        }
    }

    fn check(&mut self, out: &mut [u8]) -> Step {
        self.transaction += 1;
        let request = BindingRequest {
            transaction: self.transaction.into(),
            username: Some(&self.username),
            priority: Some(PRIORITY),
            role: Some((Role::Controlling, self.tie_breaker)),
            use_candidate: true,
        };
        match request.write(Some((&self.theirs, Algorithm::Sha1)), out) {
            Ok(len) => Step::Send(len),
            Err(_) => Step::Failed("a check has no room"),
        }
    }
}

/// The first bytes of DTLS records ([RFC 7983]).
///
/// [RFC 7983]: https://www.rfc-editor.org/rfc/rfc7983#section-7
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;
/// The priority of a peer reflexive candidate.
const PRIORITY: u32 = 0x6eff_ffff;
/// How long the answer to a check is waited for.
const AGAIN: Duration = Duration::from_millis(100);
/// How often consent is asked for ([RFC 7675 §5.1]).
///
/// [RFC 7675 §5.1]: https://www.rfc-editor.org/rfc/rfc7675#section-5.1
const CONSENT: Duration = Duration::from_secs(5);
