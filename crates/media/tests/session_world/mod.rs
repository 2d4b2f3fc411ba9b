//! A world for one media worker in virtual time: the worker, and far ends that play a phone and a browser.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test")]

pub mod encrypted;
pub mod video;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringback_media::dtls::{self, Endpoint, Fingerprint, Identity, Role};
use ringback_media::negotiation::{Candidates, Dtls, LegSettings, Payload, PayloadMap, Payloads, Remote};
use ringback_media::rtcp::NtpClock;
use ringback_media::sdp::Kind;
use ringback_media::session::{
    Destination, Drops, Event, Gone, LegKey, Medium, Packet, Reason, Settings, Socket, Verdict, Worker,
};
use ringback_media::srtp::{Receiver, Sender};
use ringback_nat::ice::Credentials;
use ringback_nat::stun::{self, Algorithm, BindingRequest, Key, Message, MessageClass};
use ringback_sansio::sim::Clock;

/// Our address for the shared socket.
pub const SHARED: &str = "192.0.2.1:8443";
/// Our RTP address for phones; RTCP is one above.
pub const OURS: &str = "192.0.2.1:20000";

pub fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A certificate for each name, made once: the self-test of an identity costs more than a handshake.
pub fn identity(of: usize) -> Arc<Identity> {
    static MADE: OnceLock<Vec<Arc<Identity>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        (0..3)
            .map(|_| {
                let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
                let made = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
                let certificate = made.self_signed(&key).unwrap();
                Arc::new(Identity::from_der(certificate.der().to_vec(), key.serialize_der()).unwrap())
            })
            .collect()
    });
    Arc::clone(&made[of])
}

/// Whose certificate it is.
pub const WORKER: usize = 0;
pub const BROWSER: usize = 1;
pub const STRANGER: usize = 2;

pub struct World {
    pub clock: Clock,
    pub worker: Worker,
    packet: Packet,
    /// What the worker sent unasked, the oldest first.
    pub sent: Vec<(Destination, Vec<u8>)>,
    pub events: Vec<Event>,
}

impl World {
    pub fn new() -> Self {
        Self::seeded([7; 32])
    }

    pub fn seeded(seed: [u8; 32]) -> Self {
        let clock = Clock::new();
        let settings = Settings {
            identity: identity(WORKER),
            seed,
            clock: NtpClock::new(clock.now(), secs(1_700_000_000)),
        };
        let worker = Worker::new(settings);
        World { clock, worker, packet: Packet::new(), sent: Vec::new(), events: Vec::new() }
    }

    /// Hands a datagram to the worker; gives the verdict and the bytes that it left to send.
    pub fn deliver(&mut self, socket: Socket, to: &str, from: &str, bytes: &[u8]) -> (Verdict, Vec<u8>) {
        assert!(self.packet.fill(bytes));
        let now = self.clock.now();
        let verdict = self.worker.handle_packet(now, socket, at(to), at(from), &mut self.packet);
        let bytes = match verdict {
            Verdict::Forward(_) | Verdict::Reply(_) => self.packet.bytes().to_vec(),
            Verdict::Insert(_) | Verdict::Shown | Verdict::Consumed | Verdict::Drop(_) => Vec::new(),
        };
        self.drain();
        (verdict, bytes)
    }

    /// RTP to a phone's port.
    pub fn rtp(&mut self, leg: LegKey, from: &str, rtp: &Rtp) -> (Verdict, Vec<u8>) {
        self.deliver(Socket::Rtp(leg), OURS, from, &rtp.bytes())
    }

    /// RTP that has to be dropped.
    pub fn dropped(&mut self, leg: LegKey, from: &str, rtp: &Rtp) -> Reason {
        match self.rtp(leg, from, rtp).0 {
            Verdict::Drop(reason) => reason,
            verdict => panic!("{verdict:?}"),
        }
    }

    /// RTP that has to be sent on: where to, and what.
    pub fn forwarded(&mut self, leg: LegKey, from: &str, rtp: &Rtp) -> (Destination, Rtp) {
        match self.rtp(leg, from, rtp) {
            (Verdict::Forward(destination), bytes) => (destination, Rtp::parse(&bytes)),
            (verdict, _) => panic!("{verdict:?}"),
        }
    }

    /// Lets time pass, and the worker do what is due in it.
    pub fn pass(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(next) = self.worker.poll_timeout().filter(|&next| next <= end) {
            let now = self.clock.advance_to(next);
            self.worker.handle_timeout(now);
            self.drain();
        }
        self.clock.advance_to(end);
    }

    pub fn drain(&mut self) {
        while let Some(destination) = self.worker.poll_transmit(&mut self.packet) {
            self.sent.push((destination, self.packet.bytes().to_vec()));
        }
        while let Some(event) = self.worker.poll_event() {
            self.events.push(event);
        }
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What was sent unasked to an address.
    pub fn take_sent(&mut self, to: &str) -> Vec<Vec<u8>> {
        let to = at(to);
        self.sent
            .extract_if(.., |(destination, _)| destination.remote == to)
            .map(|(_, bytes)| bytes)
            .collect()
    }

    pub fn drops(&self, leg: LegKey) -> Drops {
        self.worker.report(leg).unwrap().drops
    }

    /// A phone at its SDP address, signalling from there, configured for PCMU (0), PCMA (8) and events (101).
    pub fn phone(&mut self, leg: LegKey, address: &str) {
        let signalling = at(address).ip();
        self.worker.open(self.clock.now(), leg, Medium::Rtp { signalling }).unwrap();
        self.worker.configure(self.clock.now(), leg, phone_settings(Some(address)), phone_map());
    }

    /// Two phones that are joined.
    pub fn phones() -> Self {
        let mut world = World::new();
        world.phone(A, PHONE_A);
        world.phone(B, PHONE_B);
        world.worker.join(A, B);
        world
    }
}

pub const A: LegKey = LegKey(1);
pub const B: LegKey = LegKey(2);
pub const PHONE_A: &str = "198.51.100.10:4000";
pub const PHONE_B: &str = "203.0.113.20:5000";

pub fn phone_settings(address: Option<&str>) -> LegSettings {
    LegSettings {
        remote: address.map(|address| {
            let rtp = at(address);
            Remote { rtp, rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1), mux: false }
        }),
        ice: None,
        candidates: Candidates::None,
        dtls: None,
        sdes: None,
        sends: true,
        receives: true,
        payloads: payloads(&[0, 8], 101, 8000),
        is_silenced: false,
        is_fax: false,
        codec: "PCMU".into(),
    }
}

pub fn payloads(audio: &[u8], events: u8, clock_rate: u32) -> Payloads {
    audio
        .iter()
        .map(|&number| (number, Payload { kind: Kind::Audio, clock_rate, silence: None }))
        .chain([(events, Payload { kind: Kind::TelephoneEvent, clock_rate, silence: None })])
        .collect()
}

/// From phone to phone: PCMU and PCMA as they are.
pub fn phone_map() -> PayloadMap {
    [(0, 0), (8, 8), (101, 101)].into_iter().collect()
}

/// One RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rtp {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
    /// Bytes of a one-byte header extension, in whole words.
    pub extension: Vec<u8>,
}

impl Rtp {
    /// The n-th packet of a PCMU stream.
    pub fn nth(ssrc: u32, n: u32) -> Self {
        Rtp {
            payload_type: 0,
            marker: false,
            sequence: (1000 + n) as u16,
            timestamp: 160 * n,
            ssrc,
            payload: vec![n as u8; 160],
            extension: Vec::new(),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, u8::from(self.marker) << 7 | self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        if !self.extension.is_empty() {
            bytes[0] |= 0x10;
            bytes.extend([0xbe, 0xde, 0, (self.extension.len() / 4) as u8]);
            bytes.extend(&self.extension);
        }
        bytes.extend(&self.payload);
        bytes
    }

    pub fn parse(bytes: &[u8]) -> Self {
        assert_eq!(bytes[0], 0x80, "version 2, no padding, extension or CSRC");
        Rtp {
            payload_type: bytes[1] & 0x7f,
            marker: bytes[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
            ssrc: u32::from_be_bytes(bytes[8..12].try_into().unwrap()),
            payload: bytes[12..].to_vec(),
            extension: Vec::new(),
        }
    }
}

/// A browser: a full ICE agent that controls, a DTLS endpoint, and SRTP.
pub struct Browser {
    pub leg: LegKey,
    pub address: &'static str,
    pub ours: Credentials,
    pub theirs: Credentials,
    pub endpoint: Endpoint,
    pub keys: Option<(Sender, Receiver)>,
    pub closed: bool,
    transaction: u64,
}

pub const BROWSER_AT: &str = "198.51.100.77:50000";

impl Browser {
    /// A browser for a leg that is opened with it; `role` is the worker's in DTLS.
    pub fn open(world: &mut World, leg: LegKey, role: Role) -> Self {
        Self::open_at(world, leg, role, BROWSER_AT)
    }

    /// The same, with an address of its own.
    pub fn open_at(world: &mut World, leg: LegKey, role: Role, address: &'static str) -> Self {
        let now = world.clock.now();
        let theirs = credentials(leg.0 as u16);
        world.worker.open(now, leg, Medium::WebRtc { ice: theirs.clone() }).unwrap();
        let far = if role == Role::Server { Role::Client } else { Role::Server };
        let mut endpoint = Endpoint::new(&identity(BROWSER), far, now);
        endpoint.expect(vec![identity(WORKER).fingerprint()]);
        let ours = credentials(10_000 + leg.0 as u16);
        Browser { leg, address, ours, theirs, endpoint, keys: None, closed: false, transaction: 0 }
    }

    /// What its answer says.
    pub fn settings(&self, role: Role, fingerprints: Vec<Fingerprint>) -> LegSettings {
        LegSettings {
            remote: None,
            ice: Some(self.ours.clone()),
            candidates: Candidates::Private,
            dtls: Some(Dtls { role, fingerprints }),
            sdes: None,
            sends: true,
            receives: true,
            payloads: payloads(&[0, 111], 126, 8000),
            is_silenced: false,
            is_fax: false,
            codec: "PCMU".into(),
        }
    }

    /// From the browser to a phone.
    pub fn map() -> PayloadMap {
        [(0, 0), (126, 101)].into_iter().collect()
    }

    pub fn configure(&self, world: &mut World, role: Role) {
        let settings = self.settings(role, vec![identity(BROWSER).fingerprint()]);
        world.worker.configure(world.clock.now(), self.leg, settings, Browser::map());
        world.drain();
    }

    /// Sends a connectivity check and takes the answer.
    pub fn check(&mut self, world: &mut World, nominate: bool) -> Verdict {
        let (verdict, bytes) =
            world.deliver(Socket::Shared, SHARED, self.address, &self.check_bytes(nominate));
        if let Verdict::Reply(destination) = verdict {
            assert_eq!((destination.local, destination.remote), (at(SHARED), at(self.address)));
            let answer = Message::parse(&bytes).unwrap();
            assert_eq!(answer.class(), MessageClass::Success);
            assert_eq!(answer.mapped_address(), Some(at(self.address)));
            assert!(answer.verify(&Key::new(&self.theirs.pwd)).is_ok());
        }
        verdict
    }

    pub fn check_bytes(&mut self, nominate: bool) -> Vec<u8> {
        self.transaction += 1;
        let username = format!("{}:{}", self.theirs.ufrag, self.ours.ufrag);
        let request = BindingRequest {
            transaction: u128::from(self.transaction).into(),
            username: Some(&username),
            priority: Some(1),
            role: Some((stun::Role::Controlling, 9)),
            use_candidate: nominate,
        };
        let mut bytes = vec![0; 200];
        let key = Key::new(&self.theirs.pwd);
        let len = request.write(Some((&key, Algorithm::Sha1)), &mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    }

    /// Exchanges DTLS datagrams until neither has anything to say.
    pub fn shake(&mut self, world: &mut World) {
        loop {
            let mut is_quiet = true;
            let mut out = [0; 1500];
            while let Some(len) = self.endpoint.poll_transmit(&mut out) {
                world.deliver(Socket::Shared, SHARED, self.address, &out[..len]);
                is_quiet = false;
            }
            for bytes in world.take_sent(self.address) {
                is_quiet = false;
                // RTCP comes this way too.
                if (20..64).contains(&bytes[0]) {
                    let _ = self.endpoint.handle_datagram(world.clock.now(), &bytes);
                }
            }
            match self.endpoint.poll_event() {
                Some(dtls::Event::Connected { suite, keys, .. }) => {
                    let sender = Sender::new(suite, &keys.local_key, &keys.local_salt).unwrap();
                    let receiver = Receiver::new(suite, &keys.remote_key, &keys.remote_salt).unwrap();
                    self.keys = Some((sender, receiver));
                }
                Some(dtls::Event::Closed) => self.closed = true,
                _ => {}
            }
            if is_quiet {
                return;
            }
        }
    }

    /// Opens, answers, checks, shakes hands.
    pub fn connect(world: &mut World, leg: LegKey) -> Self {
        let mut browser = Browser::open(world, leg, Role::Server);
        browser.configure(world, Role::Server);
        assert!(matches!(browser.check(world, true), Verdict::Reply(_)));
        browser.shake(world);
        assert!(browser.keys.is_some());
        assert_eq!(world.take_events(), [Event::Connected { leg }]);
        browser
    }

    pub fn protect(&mut self, rtp: &Rtp) -> Vec<u8> {
        let mut bytes = rtp.bytes();
        let len = bytes.len();
        bytes.resize(len + 32, 0);
        let len = self.keys.as_mut().unwrap().0.protect_rtp(&mut bytes, len).unwrap();
        bytes.truncate(len);
        bytes
    }

    pub fn unprotect(&mut self, bytes: &[u8]) -> Rtp {
        let mut bytes = bytes.to_vec();
        let len = self.keys.as_mut().unwrap().1.unprotect_rtp(&mut bytes).unwrap();
        Rtp::parse(&bytes[..len])
    }

    pub fn send(&mut self, world: &mut World, rtp: &Rtp) -> (Verdict, Vec<u8>) {
        let bytes = self.protect(rtp);
        world.deliver(Socket::Shared, SHARED, self.address, &bytes)
    }
}

pub fn credentials(of: u16) -> Credentials {
    // Three characters for the number, the rest the same for all.
    let [high, low] = of.to_be_bytes();
    Credentials::from_random(&std::array::from_fn(|at| match at {
        0 => high,
        1 => low >> 4,
        2 => low & 0x0f,
        at => at as u8,
    }))
}

pub fn gone(leg: LegKey, why: Gone) -> Event {
    Event::Gone { leg, why }
}
