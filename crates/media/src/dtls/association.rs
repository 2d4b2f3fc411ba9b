//! One DTLS association that carries application data, in the role of the server.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dimpl::{Config, Dtls, DtlsCertificate, Error, Output};

use super::endpoint::IDLE;
use super::identity::credential;
use super::record::{Kind, RECORD_HEADER, Record, records};
use super::{Drop, Failure, IdentityError, Role, Verified, vouching};

/// A certificate with its private key, and what every association under it shares.
pub struct ServerIdentity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
}

impl ServerIdentity {
    /// Takes a certificate and its private key, an ECDSA key on P-256 or P-384 in PKCS#8 or SEC1, both in DER, and makes
    /// sure that the one belongs to the other.
    pub fn from_der(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Self, IdentityError> {
        let (certificate, config) = credential(vouching::provider(), certificate, private_key, |config| {
            config
                .use_server_cookie(true)
                .require_client_certificate(false)
                .flight_start_rto(FLIGHT_RTO)
                .flight_retries(FLIGHT_RETRIES)
        })?;
        Ok(ServerIdentity { certificate, config })
    }

    /// The certificate that is shown, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate.certificate
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerIdentity")
    }
}

/// One association, from a verified ClientHello to close_notify.
///
/// - `handle_datagram` takes what came from the client, `handle_timeout` is due at `poll_timeout`.
/// - `send` and `close` are commands.
/// - `poll_transmit` gives the datagrams to send, `poll_data` the application data that came, a record each, and
///   `poll_change` what became of the association.
///
/// Once the handshake is complete, it ends by an authenticated close_notify or alert and by [`Association::close`], and by
/// nothing that somebody without its keys can send. Before, somebody who knows both addresses and ports and writes the
/// client's can make the handshake fail.
pub struct Association {
    phase: Phase,
    /// `None` when it has ended.
    engine: Option<Dtls>,
    now: Instant,
    /// When the handshake has to be complete.
    deadline: Instant,
    /// When `engine` wants to be called.
    engine_timeout: Option<Instant>,
    /// The number of the next record in the clear, and what is added to the engine's number of each.
    next: u64,
    offset: u64,
    /// A ChangeCipherSpec that came before its Finished.
    held: Option<Vec<u8>>,
    transmits: VecDeque<Vec<u8>>,
    data: VecDeque<Bytes>,
    /// Records of application data that were opened.
    opened: u64,
    change: Option<Change>,
}

/// What became of an association. After `Closed` or `Failed` there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The handshake is complete.
    Connected,
    /// The client has closed the association (close_notify).
    Closed,
    /// The association cannot be used.
    Failed(Failure),
}

/// Application data was not sent, since the handshake is not complete, or the association has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the association is not connected")]
pub struct NotConnected;

impl Association {
    /// Accepts a client, whose handshake has to be complete `within` a time. The first flight is ready at once, or an alert
    /// when the hello asks for nothing that we can.
    pub fn accept(identity: &ServerIdentity, hello: &Verified, now: Instant, within: Duration) -> Self {
        let engine = Dtls::new_12(Arc::clone(&identity.config), identity.certificate.clone(), now);
        let mut association = Association {
            phase: Phase::Handshake,
            engine: Some(engine),
            now,
            deadline: now + within,
            engine_timeout: None,
            next: hello.sequence,
            offset: 0,
            held: None,
            transmits: VecDeque::new(),
            data: VecDeque::new(),
            opened: 0,
            change: None,
        };
        // The engine has not seen the first hello, nor the answer to it.
        association.feed(&hello.first);
        if association.phase == Phase::Ended {
            return association;
        }
        association.transmits.clear();
        // RFC 6347 §4.2.1: the ServerHello has the number of the record of the ClientHello. The engine gives it the next
        // after that of its own HelloVerifyRequest.
        (association.next, association.offset) = (hello.sequence, hello.sequence.wrapping_sub(1));
        vouching::while_vouched(hello.cookie, || association.feed(&hello.record));
        if association.transmits.is_empty() {
            // The engine passes over a hello whose cipher suites it knows none of.
            association.fail(Failure::Incompatible);
        }
        association
    }

    /// Handles a datagram of the client. `Err` says why nothing of it was looked at.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Drop> {
        self.now = self.now.max(now);
        let mut dropped = Some(Drop::Malformed);
        for record in records(datagram) {
            // One record at a time: what is out of place goes, and what shares its datagram stays.
            match record.and_then(|record| self.admit(record.kind).map(|()| record)) {
                Ok(record) => match self.take(record) {
                    Ok(()) => dropped = None,
                    Err(reason) => dropped = dropped.and(Some(reason)),
                },
                Err(reason) => dropped = dropped.and(Some(reason)),
            }
        }
        dropped.map_or(Ok(()), Err)
    }

    /// Retransmits what is due, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.phase == Phase::Handshake && now >= self.deadline {
            return self.fail(Failure::Timeout);
        }
        if self.engine_timeout.is_some_and(|timeout| now >= timeout) {
            self.drive(|engine| engine.handle_timeout(now));
        }
    }

    /// When [`Association::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = Some(self.deadline).filter(|_| self.phase == Phase::Handshake);
        [deadline, self.engine_timeout].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// The next application data that came.
    pub fn poll_data(&mut self) -> Option<Bytes> {
        self.data.pop_front()
    }

    /// What became of the association since the last poll.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// Whether the handshake is complete and the association has not ended.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Sends application data in a record, and a datagram, of its own.
    pub fn send(&mut self, data: &[u8]) -> Result<(), NotConnected> {
        if self.phase != Phase::Connected {
            return Err(NotConnected);
        }
        self.drive(|engine| engine.send_application_data(data).map(drop));
        Ok(())
    }

    /// Closes the association: a close_notify is ready to be sent if the handshake is complete.
    pub fn close(&mut self) {
        if self.phase == Phase::Handshake {
            // Whatever a half-done handshake had still to say is of no use to anybody.
            self.transmits.clear();
        }
        self.drive(Dtls::close);
        self.end();
        self.change = None;
    }

    /// Whether a record has a place in this state.
    fn admit(&self, kind: Kind) -> Result<(), Drop> {
        match (self.phase, kind) {
            (Phase::Ended, _) => Err(Drop::Ended),
            (_, Kind::Alert(_)) => Err(Drop::Unauthenticated),
            (_, Kind::Other | Kind::Protected13) => Err(Drop::OutOfPlace),
            // A client that has lost our last flight repeats its own, which begins in the clear.
            (_, Kind::Handshake(fragment)) if fragment.is_from(Role::Client) => Ok(()),
            (_, Kind::Handshake(_)) => Err(Drop::OutOfPlace),
            // To the engine a record that does not open is fatal until the handshake is complete, and only a Finished can
            // come there.
            (Phase::Handshake, Kind::Protected12 { is_finished: false }) => Err(Drop::OutOfPlace),
            (_, Kind::Protected12 { .. }) | (Phase::Handshake, Kind::ChangeCipherSpec) => Ok(()),
            (Phase::Connected, Kind::ChangeCipherSpec) => Err(Drop::OutOfPlace),
        }
    }

    /// Gives an admitted record to the engine, or keeps it until its turn.
    fn take(&mut self, record: Record<'_>) -> Result<(), Drop> {
        match (self.phase, record.kind) {
            // By itself it would make the engine expect protected records, and anybody can send it.
            (Phase::Handshake, Kind::ChangeCipherSpec) => self.held = Some(record.bytes.to_vec()),
            (Phase::Handshake, Kind::Protected12 { .. }) => {
                if let Some(held) = self.held.take() {
                    self.feed(&held);
                }
                self.feed(record.bytes);
            }
            _ => {
                let before = self.opened;
                self.feed(record.bytes);
                let is_data = record.bytes.first() == Some(&APPLICATION_DATA);
                if is_data && self.opened == before {
                    return Err(Drop::Unauthentic);
                }
            }
        }
        Ok(())
    }

    fn feed(&mut self, record: &[u8]) {
        let now = self.now;
        self.drive(|engine| {
            // The engine has no other way to learn the time.
            engine.handle_timeout(now)?;
            engine.handle_packet(record)
        });
    }

    /// Lets the engine do something and takes from it what came of it.
    fn drive(&mut self, action: impl FnOnce(&mut Dtls) -> Result<(), Error>) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        let result = action(engine);
        let closed = self.drain();
        if let Err(error) = result {
            return self.fail(Failure::from(&error));
        }
        if closed {
            self.change = Some(Change::Closed);
            self.end();
        }
    }

    /// Takes all that the engine has; says whether the client has closed.
    fn drain(&mut self) -> bool {
        // Made for the occasion: what is kept with every association is worth more than an allocation.
        let mut scratch = vec![0; SCRATCH];
        let mut closed = false;
        loop {
            let Some(engine) = &mut self.engine else {
                return closed;
            };
            match engine.poll_output(&mut scratch) {
                Output::Packet(datagram) => {
                    let mut datagram = datagram.to_vec();
                    self.renumber(&mut datagram);
                    if self.transmits.len() >= MAX_QUEUED {
                        // Nobody fetches them; the older is the one that has been repeated.
                        self.transmits.pop_front();
                    }
                    self.transmits.push_back(datagram);
                }
                Output::Connected => {
                    self.phase = Phase::Connected;
                    self.held = None;
                    self.change = Some(Change::Connected);
                }
                Output::ApplicationData(data) => {
                    self.opened += 1;
                    if !data.is_empty() && self.data.len() < MAX_QUEUED {
                        self.data.push_back(Bytes::copy_from_slice(data));
                    }
                }
                Output::CloseNotify => closed = true,
                Output::BufferTooSmall { needed } => scratch.resize(needed, 0),
                Output::Timeout(at) => {
                    // The engine says "years from now" when it wants nothing.
                    self.engine_timeout = Some(at).filter(|&at| at < self.now + IDLE);
                    return closed;
                }
                // Nobody has asked for keys of SRTP, nor for a certificate.
                _ => {}
            }
        }
    }

    /// Gives records in the clear the numbers that follow the client's. They are not part of what is hashed.
    fn renumber(&mut self, datagram: &mut [u8]) {
        let mut rest = datagram;
        while let Some((header, behind)) = rest.split_first_chunk_mut::<RECORD_HEADER>() {
            let [_, _, _, epoch1, epoch2, number @ .., len1, len2] = header;
            if (*epoch1, *epoch2) == (0, 0) {
                let [n1, n2, n3, n4, n5, n6] = *number;
                let renumbered = u64::from_be_bytes([0, 0, n1, n2, n3, n4, n5, n6]).wrapping_add(self.offset);
                self.next = renumbered.wrapping_add(1);
                let [_, _, renumbered @ ..] = renumbered.to_be_bytes();
                *number = renumbered;
            }
            let len = usize::from(u16::from_be_bytes([*len1, *len2]));
            rest = behind.get_mut(len..).unwrap_or_default();
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.phase == Phase::Ended {
            return;
        }
        if self.phase == Phase::Handshake && failure == Failure::Incompatible {
            self.transmits.clear();
            let [_, _, number @ ..] = self.next.to_be_bytes();
            let mut alert = vec![ALERT, 0xfe, 0xfd, 0, 0];
            alert.extend_from_slice(&number);
            alert.extend_from_slice(&[0, 2, FATAL, HANDSHAKE_FAILURE]);
            self.transmits.push_back(alert);
        }
        self.change = Some(Change::Failed(failure));
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.engine = None;
        self.engine_timeout = None;
        self.held = None;
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association").field("phase", &self.phase).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Connected,
    Ended,
}

/// The first retransmission of a flight ([RFC 6347 §4.2.4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4.1)).
const FLIGHT_RTO: Duration = Duration::from_secs(1);
/// With doubling from 1 s, two minutes: whoever has not answered by then is not there, however long it might take.
const FLIGHT_RETRIES: usize = 6;
/// Datagrams, or records of data, that wait to be fetched.
const MAX_QUEUED: usize = 32;
/// Room for most of what the engine gives; it asks for more.
const SCRATCH: usize = 2048;
const ALERT: u8 = 21;
const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const APPLICATION_DATA: u8 = 23;
