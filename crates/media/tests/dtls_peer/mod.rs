//! A world for one association: our end, a far end, and the link between them, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, dead_code, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use ringback_media::dtls::{
    Endpoint, Event, Fingerprint, HashAlgorithm, Identity, MAX_TRANSMIT, Role, Version,
};
use ringback_media::srtp::Suite;
use ringback_sansio::sim::Clock;

/// A certificate and its key, as the server makes them.
pub fn made() -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key).unwrap();
    (certificate.der().to_vec(), key.serialize_der())
}

/// Our identity, one for the whole run: its self-test costs more than a handshake.
pub fn ours() -> &'static Arc<Identity> {
    static OURS: OnceLock<Arc<Identity>> = OnceLock::new();
    OURS.get_or_init(|| {
        let (certificate, key) = made();
        Arc::new(Identity::from_der(certificate, key).unwrap())
    })
}

/// The far end's certificate.
pub fn theirs() -> &'static DtlsCertificate {
    static THEIRS: OnceLock<DtlsCertificate> = OnceLock::new();
    THEIRS.get_or_init(|| {
        let (certificate, private_key) = made();
        DtlsCertificate { certificate, private_key }
    })
}

pub fn their_fingerprint() -> Fingerprint {
    Fingerprint::of(&theirs().certificate, HashAlgorithm::Sha256)
}

/// Which versions the far end speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Only12,
    Only13,
    Both,
}

impl Speaks {
    pub const ALL: [Speaks; 3] = [Speaks::Only12, Speaks::Only13, Speaks::Both];

    /// What it agrees on with us, who speak both.
    pub fn agreed(self) -> Version {
        match self {
            Speaks::Only12 => Version::Dtls12,
            Speaks::Only13 | Speaks::Both => Version::Dtls13,
        }
    }
}

/// The far end: the engine bare, as somebody else would use it.
pub struct Far {
    pub engine: Dtls,
    pub role: Role,
    pub certificate: Option<Vec<u8>>,
    pub connected: bool,
    pub keys: Option<(Vec<u8>, SrtpProfile)>,
    pub closed: bool,
    /// Application data that came, a record each.
    pub data: Vec<Vec<u8>>,
    pub failed: bool,
    pub timeout: Option<Instant>,
    /// The engine wants its time-outs without a pause when a flight of 1.3 has a gap.
    pub paced: Instant,
}

impl Far {
    pub fn new(speaks: Speaks, role: Role, now: Instant) -> Self {
        Self::with(speaks, role, now, theirs().clone(), |builder| builder)
    }

    pub fn with(
        speaks: Speaks,
        role: Role,
        now: Instant,
        certificate: DtlsCertificate,
        set: impl FnOnce(dimpl::ConfigBuilder) -> dimpl::ConfigBuilder,
    ) -> Self {
        let builder = Config::builder()
            .use_server_cookie(true)
            .flight_start_rto(Duration::from_millis(300))
            .flight_retries(8);
        let config = Arc::new(set(builder).build().unwrap());
        let mut engine = match speaks {
            Speaks::Only12 => Dtls::new_12(config, certificate, now),
            Speaks::Only13 => Dtls::new_13(config, certificate, now),
            Speaks::Both => Dtls::new_auto(config, certificate, now),
        };
        engine.set_active(role == Role::Client);
        engine.handle_timeout(now).unwrap();
        Far {
            engine,
            role,
            certificate: None,
            connected: false,
            keys: None,
            closed: false,
            data: Vec::new(),
            failed: false,
            timeout: None,
            paced: now,
        }
    }

    pub fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let result = self.engine.handle_timeout(now).and_then(|()| self.engine.handle_packet(datagram));
        self.failed |= result.is_err();
    }

    pub fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            match self.engine.poll_output(&mut buffer) {
                Output::Packet(bytes) => out.push(bytes.to_vec()),
                Output::PeerCert(certificate) => self.certificate = Some(certificate.to_vec()),
                Output::Connected => self.connected = true,
                Output::KeyingMaterial(material, profile) => self.keys = Some((material.to_vec(), profile)),
                Output::CloseNotify => self.closed = true,
                Output::ApplicationData(data) => self.data.push(data.to_vec()),
                Output::Timeout(at) => {
                    self.timeout = Some(at.max(self.paced)).filter(|_| !self.failed);
                    return out;
                }
                _ => {}
            }
        }
    }
}

/// What happens to a datagram on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
    Late(Duration),
    Twice,
}

/// Who sent a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    Us,
    Them,
}

pub struct World<F> {
    pub clock: Clock,
    pub near: Endpoint,
    pub far: Far,
    pub event: Option<Event>,
    /// Datagrams sent so far, in both directions.
    pub sent: usize,
    fate: F,
    flying: BTreeMap<(Instant, usize), (Sender, Vec<u8>)>,
}

impl<F: FnMut(usize, Sender, &[u8]) -> Fate> World<F> {
    /// Our end takes `role`, the far end the other.
    pub fn new(role: Role, speaks: Speaks, fate: F) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        let near = Endpoint::new(ours(), role, now);
        let far = Far::new(speaks, other, now);
        World { clock, near, far, event: None, sent: 0, fate, flying: BTreeMap::new() }
    }

    /// Puts a datagram on the link by hand.
    pub fn send(&mut self, from: Sender, bytes: Vec<u8>, delay: Duration) {
        let key = (self.clock.now() + delay, self.sent);
        self.sent += 1;
        self.flying.insert(key, (from, bytes));
    }

    fn collect(&mut self) {
        let mut out = [0; MAX_TRANSMIT];
        while let Some(len) = self.near.poll_transmit(&mut out) {
            self.launch(Sender::Us, out[..len].to_vec());
        }
        for bytes in self.far.drain() {
            if !self.far.failed {
                self.launch(Sender::Them, bytes);
            }
        }
        if let Some(event) = self.near.poll_event() {
            assert!(self.event.is_none() || matches!(event, Event::Closed | Event::Failed(_)), "{event:?}");
            self.event = Some(event);
        }
    }

    fn launch(&mut self, from: Sender, bytes: Vec<u8>) {
        let index = self.sent;
        match (self.fate)(index, from, &bytes) {
            Fate::Arrives => self.send(from, bytes, LATENCY),
            Fate::Late(delay) => self.send(from, bytes, LATENCY + delay),
            Fate::Twice => {
                self.send(from, bytes.clone(), LATENCY);
                self.send(from, bytes, LATENCY * 2);
            }
            Fate::Lost => self.sent += 1,
        }
    }

    /// One step: the next datagram or the next timer, whichever is first. `false` when nothing is to come.
    pub fn step(&mut self) -> bool {
        self.collect();
        let now = self.clock.now();
        let idle = now + Duration::from_secs(3600);
        let arrival = self.flying.keys().next().map(|&(at, _)| at);
        let timers = [self.near.poll_timeout(), self.far.timeout].into_iter().flatten().min();
        let Some(next) = [arrival, timers].into_iter().flatten().min().filter(|&at| at < idle) else {
            return false;
        };
        let now = self.clock.advance_to(next);
        if arrival.is_some_and(|at| at <= now) {
            let ((_, _), (from, bytes)) = self.flying.pop_first().unwrap();
            match from {
                Sender::Us => self.far.handle(now, &bytes),
                Sender::Them => {
                    let _ = self.near.handle_datagram(now, &bytes);
                }
            }
        } else {
            if self.near.poll_timeout().is_some_and(|at| at <= now) {
                self.near.handle_timeout(now);
            }
            if self.far.timeout.is_some_and(|at| at <= now) && !self.far.failed {
                self.far.paced = now + Duration::from_millis(50);
                self.far.failed |= self.far.engine.handle_timeout(now).is_err();
            }
        }
        self.collect();
        true
    }

    /// Runs until nothing is left to happen, or for as long as said.
    pub fn run(&mut self, limit: Duration) {
        let end = self.clock.now() + limit;
        for _ in 0..10_000 {
            if self.clock.now() > end || !self.step() {
                return;
            }
        }
        panic!("10 000 steps: the two run in circles");
    }

    /// Both ends are connected, in the version they should have, and their keys are each other's.
    pub fn assert_connected(&self, version: Version) {
        let Some(Event::Connected { suite, keys, version: agreed }) = &self.event else {
            panic!("our end: {:?}", self.event);
        };
        assert_eq!(*agreed, version);
        assert!(self.far.connected, "the far end is not connected");
        let (material, profile) = self.far.keys.as_ref().expect("the far end has no keys");
        let (key, salt) = (suite.key_len(), suite.salt_len());
        assert_eq!(material.len(), 2 * (key + salt));
        let client = (&material[..key], &material[2 * key..2 * key + salt]);
        let server = (&material[key..2 * key], &material[2 * key + salt..]);
        let (local, remote) =
            if self.near.role() == Role::Client { (client, server) } else { (server, client) };
        assert_eq!((&*keys.local_key, &*keys.local_salt), local);
        assert_eq!((&*keys.remote_key, &*keys.remote_salt), remote);
        let expected = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
            other => panic!("{other:?}"),
        };
        assert_eq!(*suite, expected);
    }
}

pub const LATENCY: Duration = Duration::from_millis(5);
/// Longer than any handshake may take.
pub const LONG: Duration = Duration::from_secs(60);

/// Small seeded random numbers (xorshift64*), so that a failing seed can be run again.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// Cuts the handshake message of a one-record datagram into records of `at` bytes and the rest.
pub fn split_handshake(datagram: &[u8], at: usize) -> [Vec<u8>; 2] {
    let (header, message) = datagram.split_at(13);
    let (handshake, body) = message.split_at(12);
    assert_eq!(header[0], 22);
    assert_eq!(u16::from_be_bytes([header[11], header[12]]) as usize, message.len(), "one record");
    let piece = |sequence: u8, offset: usize, body: &[u8]| {
        let mut bytes = header[..10].to_vec();
        bytes.push(sequence);
        bytes.extend_from_slice(&u16::try_from(12 + body.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&handshake[..6]);
        bytes.extend_from_slice(&u32::try_from(offset).unwrap().to_be_bytes()[1..]);
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
        bytes.extend_from_slice(body);
        bytes
    };
    [piece(0, 0, &body[..at]), piece(1, at, &body[at..])]
}
