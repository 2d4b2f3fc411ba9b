//! One DTLS association.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, Error, Output, ProtocolVersion, SrtpProfile, UnexpectedMessageError};

use super::hello::Hello;
use super::record::{Kind, Record, records};
use super::{Drop, Event, Failure, Fingerprint, Identity, Keys, Role, Stats, Version};
use crate::srtp::Suite;

/// One DTLS association, from the first flight to close_notify.
///
/// It ends by an authenticated close_notify or alert, a wrong fingerprint, its deadline, or [`Endpoint::close`], and by
/// nothing that somebody without its keys can send: an error in the handshake starts the handshake over, and what went
/// wrong is told when the time is over. Once connected, an error makes it deaf, and SRTP goes on.
pub struct Endpoint {
    identity: Arc<Identity>,
    role: Role,
    phase: Phase,
    /// `None` when it ended, went deaf, or waits to start over.
    engine: Option<Dtls>,
    now: Instant,
    /// When the handshake has to be complete; armed by the first ClientHello, theirs or ours.
    deadline: Option<Instant>,
    /// The ClientHello that a server is at.
    hello: Option<Hello>,
    /// What came before its turn: pieces of a ClientHello before the first, a ChangeCipherSpec before its Finished.
    held: Vec<Vec<u8>>,
    /// When a client starts over after an error.
    again: Option<Instant>,
    /// When `engine` wants to be called.
    engine_timeout: Option<Instant>,
    /// Not before this: with a gap in a flight of DTLS 1.3 the engine wants to be called at once, for ever, and sends an
    /// ACK each time.
    engine_paced: Option<Instant>,
    /// What went wrong last, for the day the deadline passes.
    failure: Option<Failure>,
    expected: Option<Vec<Fingerprint>>,
    peer: Peer,
    export: Option<(Suite, Keys)>,
    transmits: VecDeque<Vec<u8>>,
    event: Option<Event>,
    /// Bytes that the engine was given: no certificate that it shows is longer.
    fed: usize,
    stats: Stats,
}

impl Endpoint {
    /// An association in the given role.
    ///
    /// A client's first flight is ready at once and its time starts to run: make it when there is a pair to send over.
    pub fn new(identity: &Arc<Identity>, role: Role, now: Instant) -> Self {
        let mut endpoint = Endpoint {
            identity: Arc::clone(identity),
            role,
            phase: Phase::Handshake,
            engine: None,
            now,
            deadline: None,
            hello: None,
            held: Vec::new(),
            again: None,
            engine_timeout: None,
            engine_paced: None,
            failure: None,
            expected: None,
            peer: Peer::Unknown,
            export: None,
            transmits: VecDeque::new(),
            event: None,
            fed: 0,
            stats: Stats::default(),
        };
        if role == Role::Client {
            endpoint.deadline = Some(now + HANDSHAKE_TIMEOUT);
            endpoint.start(now);
        }
        endpoint
    }

    /// Tells which certificates the far end may have; of an empty list, none.
    ///
    /// It may come at any time, and the answer of the far end often comes late: until then [`Event::Connected`] is held
    /// back. After that it changes nothing: another certificate needs another association ([RFC 8842 §4]).
    ///
    /// [RFC 8842 §4]: https://www.rfc-editor.org/rfc/rfc8842#section-4
    pub fn expect(&mut self, fingerprints: Vec<Fingerprint>) {
        self.expected = Some(fingerprints);
        self.conclude();
    }

    /// Handles a datagram that came over a validated pair. `Err` says why nothing of it was looked at.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Drop> {
        self.now = self.now.max(now);
        if datagram.len() > MAX_DATAGRAM {
            return Err(Drop::TooLong);
        }
        let mut dropped = Some(Drop::Malformed);
        for record in records(datagram) {
            // One record at a time: what is out of place goes, and what shares its datagram stays.
            match record.and_then(|record| self.admit(record.kind).map(|()| record)) {
                Ok(record) => {
                    self.take(record);
                    dropped = None;
                }
                Err(reason) => dropped = dropped.and(Some(reason)),
            }
        }
        dropped.map_or(Ok(()), Err)
    }

    /// Retransmits what is due, starts over, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.phase == Phase::Handshake && self.deadline.is_some_and(|deadline| now >= deadline) {
            return self.fail(self.failure.unwrap_or(Failure::Timeout));
        }
        if self.again.is_some_and(|again| now >= again) {
            self.again = None;
            return self.start(now);
        }
        if self.engine_timeout.is_some_and(|timeout| now >= timeout) {
            self.engine_paced = Some(now + PACE);
            self.drive(|engine| engine.handle_timeout(now));
        }
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline.filter(|_| self.phase == Phase::Handshake);
        [deadline, self.again, self.engine_timeout].into_iter().flatten().min()
    }

    /// Writes the next datagram to send into `out`, of [`MAX_TRANSMIT`] bytes at least, and gives its length.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        while let Some(datagram) = self.transmits.pop_front() {
            if let Some(room) = out.get_mut(..datagram.len()) {
                room.copy_from_slice(&datagram);
                return Some(datagram.len());
            }
            self.stats.unsent += 1;
        }
        None
    }

    /// What happened since the last poll.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    /// Closes the association: a close_notify is ready to be sent if the handshake is complete.
    pub fn close(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.phase == Phase::Handshake {
            // Whatever a half-done handshake had still to say is of no use to anybody.
            self.transmits.clear();
        }
        self.drive(Dtls::close);
        self.event = None;
        self.end();
    }

    /// Our role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether a record has a place in this state.
    fn admit(&mut self, kind: Kind) -> Result<(), Drop> {
        match (self.phase, kind) {
            (Phase::Ended, _) => Err(Drop::Ended),
            (_, Kind::Alert(description)) => {
                if self.phase == Phase::Handshake {
                    self.failure = description.filter(|&it| it != 0).map(Failure::Alert).or(self.failure);
                }
                Err(Drop::Unauthenticated)
            }
            (_, Kind::Other) => Err(Drop::OutOfPlace),
            (Phase::Connected(_), _) if self.engine.is_none() => Err(Drop::Deaf),
            (Phase::Handshake, _) if self.engine.is_none() && !kind.is_client_hello() => {
                Err(Drop::OutOfPlace)
            }
            (Phase::Handshake, Kind::Handshake(fragment)) if !fragment.is_from(self.role.other()) => {
                Err(Drop::OutOfPlace)
            }
            // To the engine a record that does not open is fatal until the handshake of 1.2 is complete, and only a
            // Finished can come there.
            (Phase::Handshake, Kind::Protected12 { is_finished: false }) => Err(Drop::OutOfPlace),
            (Phase::Handshake, _) => Ok(()),
            (Phase::Connected(Version::Dtls12), Kind::Protected12 { .. }) => Ok(()),
            // The far end that has lost our last flight repeats its own, which begins in the clear.
            (Phase::Connected(Version::Dtls12), Kind::Handshake(_)) => Ok(()),
            (Phase::Connected(Version::Dtls13), Kind::Protected13) => Ok(()),
            (Phase::Connected(_), _) => Err(Drop::OutOfPlace),
        }
    }

    /// Gives an admitted record to the engine, or keeps it until its turn.
    fn take(&mut self, record: Record<'_>) {
        if self.phase != Phase::Handshake {
            return self.feed(record.bytes);
        }
        match (self.role, record.kind) {
            (Role::Server, Kind::Handshake(fragment)) if fragment.is_client_hello() => {
                match Hello::begun_by(&record, fragment) {
                    // The latest ClientHello counts, so that one from somebody else does not keep out the far end's.
                    Some(hello) if self.engine.is_none() || self.hello != Some(hello) => {
                        self.begin(hello, record.bytes);
                    }
                    None if self.engine.is_none() => self.hold(record.bytes),
                    _ => self.feed(record.bytes),
                }
            }
            // By itself it would make the engine expect protected records, and anybody can send it.
            (_, Kind::ChangeCipherSpec) => self.hold(record.bytes),
            (_, Kind::Protected12 { .. }) => {
                for held in std::mem::take(&mut self.held) {
                    self.feed(&held);
                }
                self.feed(record.bytes);
            }
            _ => self.feed(record.bytes),
        }
    }

    /// Begins a handshake with the first piece of a ClientHello; the others may have overtaken it.
    fn begin(&mut self, hello: Hello, first: &[u8]) {
        self.hello = Some(hello);
        self.deadline.get_or_insert(self.now + HANDSHAKE_TIMEOUT);
        self.start(self.now);
        self.feed(first);
        for held in std::mem::take(&mut self.held) {
            let belongs = records(&held).flatten().any(|record| match record.kind {
                Kind::Handshake(fragment) => fragment.is_client_hello() && fragment.total == hello.total,
                _ => false,
            });
            if belongs {
                self.feed(&held);
            }
        }
    }

    fn hold(&mut self, record: &[u8]) {
        if self.held.len() >= MAX_HELD {
            self.held.remove(0);
        }
        self.held.push(record.to_vec());
    }

    fn feed(&mut self, record: &[u8]) {
        let now = self.now;
        self.fed = self.fed.saturating_add(record.len());
        self.drive(|engine| {
            // The engine has no other way to learn the time.
            engine.handle_timeout(now)?;
            engine.handle_packet(record)
        });
    }

    /// Begins a handshake, the first or another.
    fn start(&mut self, now: Instant) {
        let identity = &self.identity;
        let mut engine = Dtls::new_auto(Arc::clone(&identity.config), identity.certificate.clone(), now);
        engine.set_active(self.role == Role::Client);
        self.engine = Some(engine);
        (self.peer, self.export) = (Peer::Unknown, None);
        self.transmits.clear();
        self.fed = 0;
        self.drive(|engine| engine.handle_timeout(now));
    }

    /// Lets the engine do something and takes from it what came of it.
    fn drive(&mut self, action: impl FnOnce(&mut Dtls) -> Result<(), Error>) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        let result = action(engine);
        let closed = self.drain();
        if let Err(error) = result {
            self.on_error(&error);
        }
        self.conclude();
        if closed && self.phase != Phase::Ended {
            self.event = Some(Event::Closed);
            self.end();
        }
    }

    /// Takes all that the engine has; says whether the far end has closed.
    fn drain(&mut self) -> bool {
        let Some(engine) = &mut self.engine else {
            return false;
        };
        // Made for the occasion: what is kept with every association is worth more than what a handshake allocates. The
        // engine takes room for a certificate for granted; once its time is over, none can come.
        let certificate = if matches!(self.phase, Phase::Connected(_)) { 0 } else { self.fed };
        let mut scratch = vec![0; certificate.clamp(MAX_TRANSMIT, LONGEST_CERTIFICATE)];
        let mut closed = false;
        loop {
            match engine.poll_output(&mut scratch) {
                Output::Packet(datagram) => {
                    if self.transmits.len() >= MAX_QUEUED {
                        // Nobody fetches them; the older is the one that has been repeated.
                        self.transmits.pop_front();
                        self.stats.unsent += 1;
                    }
                    self.transmits.push_back(datagram.to_vec());
                }
                Output::PeerCert(certificate) => self.peer = Peer::Shown(certificate.to_vec()),
                Output::Connected => {
                    let version = match engine.protocol_version() {
                        Some(ProtocolVersion::DTLS1_3) => Version::Dtls13,
                        _ => Version::Dtls12,
                    };
                    self.phase = Phase::Connected(version);
                }
                Output::KeyingMaterial(material, profile) => {
                    let suite = match profile {
                        SrtpProfile::AES128_CM_SHA1_80 => Some(Suite::AesCm128HmacSha1_80),
                        SrtpProfile::AEAD_AES_128_GCM => Some(Suite::AeadAes128Gcm),
                        SrtpProfile::AEAD_AES_256_GCM => Some(Suite::AeadAes256Gcm),
                        _ => None,
                    };
                    self.export =
                        suite.and_then(|suite| Some((suite, Keys::split(&material, suite, self.role)?)));
                }
                Output::ApplicationData(_) => self.stats.application_data += 1,
                Output::CloseNotify => closed = true,
                Output::BufferTooSmall { needed } => scratch.resize(needed, 0),
                Output::Timeout(at) => {
                    // The engine says "years from now" when it wants nothing.
                    let paced = self.engine_paced.map_or(at, |paced| at.max(paced));
                    self.engine_timeout = Some(paced).filter(|&at| at < self.now + IDLE);
                    return closed;
                }
                _ => {}
            }
        }
    }

    /// To the engine every error is final. Here only those are that nobody but the far end can cause.
    fn on_error(&mut self, error: &Error) {
        self.stats.errors += 1;
        let failure = Failure::from(error);
        match (self.phase, failure) {
            (Phase::Ended, _) => {}
            // Alerts in the clear do not come here.
            (_, Failure::Alert(_)) => self.fail(failure),
            (Phase::Connected(_), _) => {
                self.engine = None;
                self.engine_timeout = None;
            }
            (Phase::Handshake, _) if leaves_engine_usable(error) => {}
            (Phase::Handshake, _) => {
                self.failure = Some(failure);
                self.engine = None;
                self.engine_timeout = None;
                self.hello = None;
                // A server starts over with the next ClientHello. A client that did so at once would run in circles
                // with a server that it does not agree with.
                self.again = (self.role == Role::Client).then(|| self.now + START_OVER);
            }
        }
    }

    /// Compares the certificate once it and its fingerprint are known, and gives out the keys once all is well.
    fn conclude(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        if let (Peer::Shown(certificate), Some(expected)) = (&self.peer, &self.expected) {
            if !Fingerprint::is_among(certificate, expected) {
                self.reject();
                return;
            }
            self.peer = Peer::Verified;
        }
        let Phase::Connected(version) = self.phase else {
            return;
        };
        self.held = Vec::new();
        match (&self.peer, self.export.take()) {
            (Peer::Verified, Some((suite, keys))) => {
                self.peer = Peer::Told;
                self.event = Some(Event::Connected { suite, keys, version });
            }
            (Peer::Shown(_), Some(export)) => self.export = Some(export),
            (Peer::Told, _) => {}
            // To have got here the engine has seen a certificate and checked its signature.
            (Peer::Unknown, _) => self.fail(Failure::Certificate),
            (Peer::Verified | Peer::Shown(_), None) => self.fail(Failure::NoSrtpProfile),
        }
    }

    /// Ends an association with somebody else than the one that was expected.
    fn reject(&mut self) {
        self.export = None;
        self.transmits.clear();
        if matches!(self.phase, Phase::Connected(_)) {
            // Polite, and without effect where it was an attacker.
            if let Some(engine) = &mut self.engine
                && engine.close().is_ok()
            {
                self.drain();
            }
        }
        self.fail(Failure::Fingerprint);
    }

    fn fail(&mut self, failure: Failure) {
        self.event = Some(Event::Failed(failure));
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.engine = None;
        self.engine_timeout = None;
        self.again = None;
        self.deadline = None;
        self.export = None;
        self.peer = Peer::Unknown;
        self.held = Vec::new();
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("role", &self.role)
            .field("phase", &self.phase)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Connected(Version),
    Ended,
}

/// How far we are with the certificate of the far end.
enum Peer {
    Unknown,
    /// Its certificate, not compared yet.
    Shown(Vec<u8>),
    /// It is the expected one.
    Verified,
    /// The keys have been given out.
    Told,
}

/// A client that does not know the version yet refuses what is no answer to it, and goes on as if nothing had come.
fn leaves_engine_usable(error: &Error) -> bool {
    matches!(error, Error::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse))
}

/// How long a handshake may take, from the first ClientHello.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client waits before it starts over.
const START_OVER: Duration = Duration::from_secs(1);
/// The engine's time-outs are at least this far apart.
const PACE: Duration = Duration::from_millis(50);
/// A time-out of the engine beyond this means that it wants none.
pub(super) const IDLE: Duration = Duration::from_secs(3600);
/// The longest datagram that is looked at.
const MAX_DATAGRAM: usize = 2048;
/// The longest datagram that is sent.
pub const MAX_TRANSMIT: usize = 1200;
/// Datagrams that wait to be fetched: more than two flights.
const MAX_QUEUED: usize = 16;
/// Records kept until their turn: a ClientHello comes in two or three.
const MAX_HELD: usize = 8;
/// As many datagrams as the engine queues, 30, of the longest that are looked at, are less than this.
const LONGEST_CERTIFICATE: usize = 64 * 1024;
