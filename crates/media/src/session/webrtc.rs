//! The WebRTC side of a leg: ICE, DTLS, SRTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::ice::{self, Lite, Pair};
use smallvec::SmallVec;

use super::association::{Association, Outcome};
use super::path::{opening, protection};
use super::{Destination, Gone, Packet, Reason, Socket};
use crate::dtls::Identity;
use crate::negotiation::LegSettings;
use crate::quality::Connecting;
use crate::srtp::{Receiver, Sender, Suite};

/// The far end's paths and keys.
pub(super) struct WebRtc {
    pub(super) lite: Lite,
    association: Association,
    /// The keys of the association that is complete.
    keys: Option<Keys>,
    /// By when there have to be consent and keys, or what lacks is told.
    connect_by: Option<Instant>,
    /// Our user name fragments that checks may name: the current one last.
    pub(super) ufrags: SmallVec<[Box<[u8]>; 2]>,
    /// The far end's addresses that lead to this leg, the oldest first.
    pub(super) addresses: SmallVec<[SocketAddr; 4]>,
    /// How far it has come, and when.
    connecting: Connecting,
}

struct Keys {
    sender: Sender,
    receiver: Receiver,
}

/// What happened to the far end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// Media may flow.
    Connected,
    /// It seems to be gone.
    Gone(Gone),
}

impl WebRtc {
    pub(super) fn new(now: Instant, credentials: ice::Credentials, identity: Arc<Identity>) -> Self {
        WebRtc {
            ufrags: SmallVec::from_iter([credentials.ufrag.as_bytes().into()]),
            lite: Lite::new(credentials, now),
            association: Association::new(identity),
            keys: None,
            connect_by: None,
            addresses: SmallVec::new(),
            connecting: Connecting::default(),
        }
    }

    /// Notes a connectivity check over this pair, when it has been answered or dropped.
    pub(super) fn note_check(&mut self, now: Instant, pair: Pair) {
        self.connecting.first_check.get_or_insert(now);
        if self.connecting.validated.is_none() && self.lite.is_validated(pair) {
            self.connecting.validated = Some(now);
        }
    }

    /// How far ICE and DTLS have come, and when.
    pub(super) fn connecting(&self) -> Connecting {
        Connecting {
            unauthenticated: self.lite.stats().unauthenticated,
            dtls_begun: self.association.begun(),
            ..self.connecting
        }
    }

    /// Takes over what was agreed.
    pub(super) fn answer(&mut self, now: Instant, settings: &mut LegSettings) {
        if let Some(credentials) = settings.ice.take() {
            self.lite.set_remote(credentials);
        }
        if let Some(dtls) = settings.dtls.take()
            && self.association.agree(dtls)
        {
            self.keys = None;
        }
        if self.keys.is_none() || !self.has_consent() {
            self.connect_by = Some(now + CONNECT);
        }
        self.start(now);
    }

    /// Takes new credentials of ours; gives the user name fragment that is spent, when there is one.
    pub(super) fn restart(&mut self, now: Instant, credentials: ice::Credentials) -> Option<Box<[u8]>> {
        self.ufrags.push(credentials.ufrag.as_bytes().into());
        self.lite.restart(credentials, now);
        if !self.has_consent() {
            self.connect_by = Some(now + CONNECT);
        }
        (self.ufrags.len() > 2).then(|| self.ufrags.remove(0))
    }

    /// Notes that an address leads to this leg; gives up the oldest when there are more than the ICE agent remembers.
    pub(super) fn note_address(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        self.addresses.retain(|address| *address != remote);
        self.addresses.push(remote);
        if self.addresses.len() <= MAX_ADDRESSES {
            return None;
        }
        let nominated = self.lite.nominated().map(|pair| pair.remote);
        let oldest = self.addresses.iter().position(|&address| Some(address) != nominated)?;
        Some(self.addresses.remove(oldest))
    }

    /// Handles DTLS.
    pub(super) fn handle_dtls(&mut self, now: Instant, pair: Pair, datagram: &[u8]) -> Result<(), Reason> {
        if !self.lite.is_validated(pair) {
            return Err(Reason::DtlsNotValidated);
        }
        self.association.handle_datagram(now, pair, self.lite.nominated(), datagram)
    }

    /// Opens an RTP packet from this pair.
    #[inline]
    pub(super) fn open_rtp(&mut self, pair: Pair, packet: &mut Packet) -> Result<(), Reason> {
        let keys = self.keys_for(pair)?;
        let len = keys.receiver.unprotect_rtp(packet.bytes_mut()).map_err(opening)?;
        packet.resize(len);
        Ok(())
    }

    /// Opens a compound RTCP packet from this pair.
    pub(super) fn open_rtcp(&mut self, pair: Pair, packet: &mut Packet) -> Result<(), Reason> {
        let keys = self.keys_for(pair)?;
        let len = keys.receiver.unprotect_rtcp(packet.bytes_mut()).map_err(opening)?;
        packet.resize(len);
        Ok(())
    }

    #[inline]
    pub(super) fn protect_rtp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        let keys = self.keys.as_mut().ok_or(Reason::PeerNotReady)?;
        let (buffer, len) = packet.with_tail_room();
        let len = keys.sender.protect_rtp(buffer, len).map_err(protection)?;
        packet.resize(len);
        Ok(())
    }

    pub(super) fn protect_rtcp(&mut self, packet: &mut Packet) -> Result<(), Reason> {
        let keys = self.keys.as_mut().ok_or(Reason::PeerNotReady)?;
        let (buffer, len) = packet.with_tail_room();
        let len = keys.sender.protect_rtcp(buffer, len).map_err(protection)?;
        packet.resize(len);
        Ok(())
    }

    /// Where media goes, once there are keys and a nominated pair.
    #[inline]
    pub(super) fn destination(&self) -> Option<Destination> {
        self.keys.as_ref()?;
        self.lite.nominated().map(shared)
    }

    /// The suite and how many streams the receiver forgot.
    pub(super) fn suite(&self) -> Option<(Suite, u64)> {
        self.keys.as_ref().map(|keys| (keys.receiver.suite(), keys.receiver.evicted()))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Change> {
        self.lite.handle_timeout(now);
        self.association.handle_timeout(now);
        if self.connect_by.is_none_or(|deadline| now < deadline) {
            return None;
        }
        // Without consent there is no path; with it there is a path, and perhaps no association.
        let why = match (self.has_consent(), &self.keys) {
            (false, _) => Gone::ConsentLost,
            (true, None) => Gone::DtlsFailed,
            (true, Some(_)) => {
                self.connect_by = None;
                return None;
            }
        };
        self.connect_by = Some(now + CONNECT);
        // A client whose handshake failed tries again.
        self.start(now);
        Some(Change::Gone(why))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.lite.poll_timeout(), self.association.poll_timeout(), self.connect_by]
            .into_iter()
            .flatten()
            .min()
    }

    /// What happened since the last poll.
    pub(super) fn poll_change(&mut self, now: Instant) -> Option<Change> {
        while let Some(event) = self.lite.poll_event() {
            match event {
                ice::Event::Nominated(_) => {
                    self.connecting.nominated.get_or_insert(now);
                    self.start(now);
                }
                ice::Event::ConsentLost => {
                    self.connecting.consent_lost = Some(now);
                    self.connect_by = None;
                    return Some(Change::Gone(Gone::ConsentLost));
                }
            }
        }
        while let Some(outcome) = self.association.poll_outcome() {
            match outcome {
                Outcome::Connected(keys) => {
                    let (sender, receiver) = *keys;
                    self.keys = Some(Keys { sender, receiver });
                    self.connect_by = None;
                    self.connecting.dtls_done.get_or_insert(now);
                    return Some(Change::Connected);
                }
                Outcome::Closed => return Some(Change::Gone(Gone::DtlsClosed)),
                Outcome::Failed { failures, why } => {
                    self.connecting.dtls_failed = Some((now, why));
                    if failures >= MAX_FAILURES {
                        return Some(Change::Gone(Gone::DtlsFailed));
                    }
                }
            }
        }
        None
    }

    pub(super) fn poll_transmit(&mut self, out: &mut Packet) -> Option<Destination> {
        let (len, pair) = self.association.poll_transmit(self.lite.nominated(), out.space())?;
        out.set_len(len);
        Some(shared(pair))
    }

    pub(super) fn close(&mut self) {
        self.association.close();
    }

    fn start(&mut self, now: Instant) {
        if let Some(pair) = self.lite.nominated() {
            self.association.start(now, pair);
        }
    }

    /// Whether a check came in the last 30 s: the agent waits for the next one then, and for nothing else.
    pub(super) fn has_consent(&self) -> bool {
        self.lite.poll_timeout().is_some()
    }

    /// The keys, for media that comes over a validated pair.
    #[inline]
    fn keys_for(&mut self, pair: Pair) -> Result<&mut Keys, Reason> {
        if self.lite.nominated() != Some(pair) && !self.lite.is_validated(pair) {
            return Err(Reason::UnknownAddress);
        }
        self.keys.as_mut().ok_or(Reason::NoKeys)
    }
}

fn shared(pair: Pair) -> Destination {
    Destination { socket: Socket::Shared, local: pair.local, remote: pair.remote }
}

/// How long checks and handshake may take after an answer or an ICE restart.
pub(super) const CONNECT: Duration = Duration::from_secs(30);

/// Handshakes that may fail before the leg is given up: one may be another's, or of a page that is just reloading.
pub(super) const MAX_FAILURES: u32 = 3;

/// Addresses that lead to one leg: as many as the ICE agent remembers pairs.
const MAX_ADDRESSES: usize = 32;
