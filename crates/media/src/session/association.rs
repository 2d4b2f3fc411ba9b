//! The DTLS association of a leg, over whatever handshakes it takes.

use std::sync::Arc;
use std::time::Instant;

use ringback_nat::ice::Pair;

use super::Reason;
use crate::dtls::{Endpoint, Event, Failure, Fingerprint, Identity, Role};
use crate::negotiation::Dtls;
use crate::srtp::{Receiver, Sender};

/// The association of one leg. A handshake that fails leaves it as it was before, ready for the next.
pub(super) struct Association {
    identity: Arc<Identity>,
    role: Role,
    /// What the far end's certificate must match; not known before its answer.
    fingerprints: Option<Vec<Fingerprint>>,
    handshake: Option<Handshake>,
    /// How many handshakes have failed since the association was agreed.
    failures: u32,
    /// When the first handshake began.
    begun: Option<Instant>,
}

struct Handshake {
    endpoint: Endpoint,
    /// Where the far end's latest datagram came from.
    pair: Pair,
}

/// What came of a handshake.
pub(super) enum Outcome {
    /// The keys for both directions.
    Connected(Box<(Sender, Receiver)>),
    /// The far end said goodbye.
    Closed,
    /// The handshake failed, and with it so many since the association was agreed.
    Failed { failures: u32, why: Failure },
}

impl Association {
    /// An association that takes a ClientHello, which may come before the answer that tells our role.
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Association {
            identity,
            role: Role::Server,
            fingerprints: None,
            handshake: None,
            failures: 0,
            begun: None,
        }
    }

    /// Sets what was agreed; says whether that ends the association that was there.
    pub(super) fn agree(&mut self, dtls: Dtls) -> bool {
        let known = self.fingerprints.is_some();
        if self.role == dtls.role && self.fingerprints.as_ref() == Some(&dtls.fingerprints) {
            return false;
        }
        if known || self.role != dtls.role {
            self.handshake = None;
        }
        if let Some(handshake) = &mut self.handshake {
            handshake.endpoint.expect(dtls.fingerprints.clone());
        }
        self.role = dtls.role;
        self.fingerprints = Some(dtls.fingerprints);
        self.failures = 0;
        known
    }

    /// Sends the ClientHello if that is our part and has not been done.
    pub(super) fn start(&mut self, now: Instant, pair: Pair) {
        if self.role == Role::Client && self.handshake.is_none() && self.fingerprints.is_some() {
            self.begin(now, pair);
        }
    }

    /// Handles a datagram from a validated pair.
    ///
    /// While a handshake goes on over the nominated pair, no other pair can begin one in its place.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        pair: Pair,
        nominated: Option<Pair>,
        datagram: &[u8],
    ) -> Result<(), Reason> {
        let is_hello = is_client_hello(datagram);
        match &self.handshake {
            None if self.role == Role::Server && is_hello => self.begin(now, pair),
            Some(handshake) if is_hello && pair != handshake.pair && nominated == Some(handshake.pair) => {
                return Err(Reason::DtlsRefused);
            }
            _ => {}
        }
        let handshake = self.handshake.as_mut().ok_or(Reason::DtlsRefused)?;
        handshake.endpoint.handle_datagram(now, datagram).map_err(|_| Reason::DtlsRefused)?;
        handshake.pair = pair;
        Ok(())
    }

    /// Where the far end's latest datagram of the handshake came from, or where the first of ours went.
    pub(super) fn pair(&self) -> Option<Pair> {
        self.handshake.as_ref().map(|handshake| handshake.pair)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(handshake) = &mut self.handshake {
            handshake.endpoint.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.handshake.as_ref()?.endpoint.poll_timeout()
    }

    /// Writes a datagram to send; says its length and the pair that it goes over.
    pub(super) fn poll_transmit(&mut self, nominated: Option<Pair>, out: &mut [u8]) -> Option<(usize, Pair)> {
        let handshake = self.handshake.as_mut()?;
        let len = handshake.endpoint.poll_transmit(out)?;
        Some((len, nominated.unwrap_or(handshake.pair)))
    }

    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        let handshake = self.handshake.as_mut()?;
        match handshake.endpoint.poll_event()? {
            Event::Connected { suite, keys, .. } => {
                let sender = Sender::new(suite, &keys.local_key, &keys.local_salt);
                let receiver = Receiver::new(suite, &keys.remote_key, &keys.remote_salt);
                let (Ok(sender), Ok(receiver)) = (sender, receiver) else {
                    return Some(self.fail(Failure::NoSrtpProfile));
                };
                Some(Outcome::Connected(Box::new((sender, receiver))))
            }
            Event::Closed => Some(Outcome::Closed),
            Event::Failed(why) => Some(self.fail(why)),
        }
    }

    /// Says goodbye to the far end; what is to be sent comes from `poll_transmit`.
    pub(super) fn close(&mut self) {
        if let Some(handshake) = &mut self.handshake {
            handshake.endpoint.close();
        }
    }

    /// When the first handshake began.
    pub(super) const fn begun(&self) -> Option<Instant> {
        self.begun
    }

    fn begin(&mut self, now: Instant, pair: Pair) {
        self.begun.get_or_insert(now);
        let mut endpoint = Endpoint::new(&self.identity, self.role, now);
        if let Some(fingerprints) = &self.fingerprints {
            endpoint.expect(fingerprints.clone());
        }
        self.handshake = Some(Handshake { endpoint, pair });
    }

    fn fail(&mut self, why: Failure) -> Outcome {
        self.handshake = None;
        self.failures += 1;
        Outcome::Failed { failures: self.failures, why }
    }
}

/// Whether a datagram starts with a ClientHello, or a fragment of one, that is not encrypted ([RFC 6347 §4.1, §4.2.2]).
///
/// [RFC 6347 §4.1, §4.2.2]: https://www.rfc-editor.org/rfc/rfc6347#section-4.1
fn is_client_hello(datagram: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const RECORD_HEADER_LEN: usize = 13;
    matches!(datagram, [HANDSHAKE, _, _, 0, 0, ..]) && datagram.get(RECORD_HEADER_LEN) == Some(&CLIENT_HELLO)
}
