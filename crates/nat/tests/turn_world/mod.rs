//! A world for one TURN server in virtual time: the server, the sockets that it asks for, and clients whose messages are
//! written and read by the crate `stun-types` and by hand, not by our own writer and reader.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringback_nat::turn::*;
use ringback_sansio::sim::Clock;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use smallvec::SmallVec;
use stun_types::attribute::RawAttribute;
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageIntegrityCredentials,
    MessageType, MessageWrite, MessageWriteExt, MessageWriteVec, Method,
};

pub const REALM: &str = "example.org";
/// Where clients reach the server.
pub const SERVER: &str = "203.0.113.1:3478";
/// A peer that may be one.
pub const PEER: &str = "9.9.9.9:5000";
pub const PEER_V6: &str = "[2620:fe::fe]:5000";
/// The time at which the world begins, in seconds since 1970.
pub const UNIX_TIME: u64 = 1_800_000_000;
pub const SECRET: &str = "north";

pub const ALLOCATE: u16 = 3;
pub const REFRESH: u16 = 4;
pub const SEND: u16 = 6;
pub const DATA_METHOD: u16 = 7;
pub const CREATE_PERMISSION: u16 = 8;
pub const CHANNEL_BIND: u16 = 9;

pub const USERNAME: u16 = 0x0006;
pub const ERROR_CODE: u16 = 0x0009;
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub const CHANNEL_NUMBER: u16 = 0x000c;
pub const LIFETIME: u16 = 0x000d;
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
pub const DATA: u16 = 0x0013;
pub const REALM_ATTRIBUTE: u16 = 0x0014;
pub const NONCE: u16 = 0x0015;
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
pub const EVEN_PORT: u16 = 0x0018;
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
pub const DONT_FRAGMENT: u16 = 0x001a;
pub const PASSWORD_ALGORITHM: u16 = 0x001d;
pub const USERHASH: u16 = 0x001e;
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub const RESERVATION_TOKEN: u16 = 0x0022;
pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
pub const SOFTWARE: u16 = 0x8022;
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;

pub fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Users with a password, who may name themselves by a hash.
#[derive(Debug)]
pub struct Passwords(pub Vec<(&'static str, &'static str)>);

impl Users for Passwords {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        let is_named = |name: &str| match lookup.name {
            UserName::Name(asked) => asked == name.as_bytes(),
            UserName::Hash(asked) => asked == userhash(name.as_bytes(), lookup.realm),
        };
        let found = self.0.iter().filter(|(name, _)| is_named(name)).map(|(name, password)| User {
            key: lookup.algorithm.key(name.as_bytes(), lookup.realm, password.as_bytes()),
            account: name.as_bytes().into(),
        });
        found.collect()
    }
}

pub type TestServer = Server<(Passwords, TimeLimited)>;

pub struct World {
    pub clock: Clock,
    pub server: TestServer,
    /// The sockets that are open.
    pub sockets: BTreeMap<RelayKey, SocketAddr>,
    /// Sockets that were asked for and are not open yet, while `is_slow`.
    pub asked: Vec<(RelayKey, Family)>,
    pub is_slow: bool,
    /// Families whose sockets cannot be opened.
    pub broken: Vec<Family>,
    next_port: u16,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            realm: REALM.to_owned(),
            password_algorithms: vec![PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5],
            secret: [7; 32],
            families: vec![Family::Ipv4, Family::Ipv6],
            limits: Limits::default(),
            policy: PeerPolicy::default(),
            unix_time: UNIX_TIME,
        };
        change(&mut settings);
        let clock = Clock::new();
        let users = Passwords(vec![("alice", "sesame"), ("bob", "builder")]);
        let limited = TimeLimited::new([SECRET.as_bytes().into()]);
        World {
            server: Server::new(clock.now(), (users, limited), settings).unwrap(),
            clock,
            sockets: BTreeMap::new(),
            asked: Vec::new(),
            is_slow: false,
            broken: Vec::new(),
            next_port: 50_000,
        }
    }

    /// Does with sockets what the server asks for.
    pub fn drive(&mut self) {
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Open(relay, family) if self.is_slow => self.asked.push((relay, family)),
                Command::Open(relay, family) => self.open(relay, family),
                Command::Close(relay) => {
                    assert!(self.sockets.remove(&relay).is_some(), "{relay:?} is not open")
                }
            }
        }
    }

    pub fn open(&mut self, relay: RelayKey, family: Family) {
        self.next_port += 1;
        let address = match family {
            Family::Ipv4 => SocketAddr::new(at(SERVER).ip(), self.next_port),
            Family::Ipv6 => SocketAddr::new("2001:db8::1".parse().unwrap(), self.next_port),
        };
        let opened = if self.broken.contains(&family) { Err(NotOpened) } else { Ok(address) };
        if opened.is_ok() {
            self.sockets.insert(relay, address);
        }
        self.server.handle_opened(self.clock.now(), relay, opened);
        self.drive();
    }

    /// Time passes, and the server is called when it wants to be.
    pub fn pass(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(due) = self.server.poll_timeout().filter(|&due| due <= end) {
            let now = self.clock.now();
            let now = self.clock.advance(due.saturating_duration_since(now));
            self.server.handle_timeout(now);
            self.drive();
        }
        let now = self.clock.now();
        self.clock.advance(end.saturating_duration_since(now));
    }

    /// Sends a packet that is answered by a message or by nothing.
    pub fn ask(&mut self, flow: Flow, packet: &[u8]) -> Option<Answer> {
        let verdict = self.server.handle_datagram(self.clock.now(), flow, packet);
        assert!(matches!(verdict, Verdict::Consumed | Verdict::Drop(_)), "{verdict:?}");
        self.drive();
        self.answer(flow)
    }

    /// The answer that waits, and no second one.
    pub fn answer(&mut self, flow: Flow) -> Option<Answer> {
        let transmit = self.server.poll_transmit()?;
        assert_eq!(transmit.flow, flow);
        assert_eq!(self.server.poll_transmit(), None);
        Some(Answer::read(&transmit.payload))
    }

    /// Sends a packet whose data goes to a peer: socket, peer, data.
    pub fn sent_to_peer(
        &mut self,
        client: &Client,
        packet: &[u8],
    ) -> Result<(RelayKey, SocketAddr, Vec<u8>), Reason> {
        match self.server.handle_datagram(self.clock.now(), client.flow, packet) {
            Verdict::ToPeer { relay, peer, data } => {
                assert!(self.sockets.contains_key(&relay));
                Ok((relay, peer, data.to_vec()))
            }
            Verdict::Drop(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// A peer sends data to a relay socket: what the client gets.
    pub fn sent_by_peer(
        &mut self,
        relay: RelayKey,
        from: SocketAddr,
        data: &[u8],
    ) -> Result<(Flow, Vec<u8>), Reason> {
        let mut buffer = vec![0xee; HEADROOM + data.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
        match self.server.handle_relayed(self.clock.now(), relay, from, &mut buffer, data.len()) {
            Verdict::ToClient { flow, message } => Ok((flow, message.to_vec())),
            Verdict::Drop(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// The first socket that is open.
    pub fn relay(&self) -> RelayKey {
        *self.sockets.keys().next().unwrap()
    }
}

/// A client over one flow.
#[derive(Debug, Clone)]
pub struct Client {
    pub flow: Flow,
    pub name: String,
    pub password: String,
    pub algorithm: Option<PasswordAlgorithm>,
    pub by_hash: bool,
    pub nonce: Vec<u8>,
    pub transaction: u128,
}

impl Client {
    /// Over UDP, from an address of its own.
    pub fn new(name: &str, password: &str, from: &str) -> Self {
        Client {
            flow: Flow::datagram(at(SERVER), at(from)),
            name: name.to_owned(),
            password: password.to_owned(),
            algorithm: None,
            by_hash: false,
            nonce: Vec::new(),
            transaction: 0,
        }
    }

    pub fn alice() -> Self {
        Client::new("alice", "sesame", "192.0.2.10:4000")
    }

    pub fn bob() -> Self {
        Client::new("bob", "builder", "192.0.2.20:4000")
    }

    /// With credentials for a time.
    pub fn limited(account: &str, expiry: u64, from: &str) -> Self {
        let limited = TimeLimited::new([SECRET.as_bytes().into()]);
        let (name, password) = limited.issue(account, expiry).unwrap();
        Client::new(&name, &password, from)
    }

    pub fn over(mut self, transport: Transport) -> Self {
        let tuple = FiveTuple::new(transport, self.flow.local(), self.flow.remote());
        self.flow = Flow { tuple, connection: ConnectionId(1) };
        self
    }

    /// A client that has its nonce already.
    pub fn challenged(mut self, world: &mut World) -> Self {
        let packet = self.plain(ALLOCATE, &[]);
        self.nonce = world.ask(self.flow, &packet).unwrap().value(NONCE).unwrap();
        self
    }

    fn credentials(&self) -> MessageIntegrityCredentials {
        LongTermKeyCredentials::new(self.name.clone(), self.password.clone(), REALM.to_owned()).into()
    }

    fn integrity(&self) -> IntegrityAlgorithm {
        match self.algorithm {
            Some(PasswordAlgorithm::Sha256) => IntegrityAlgorithm::Sha256,
            _ => IntegrityAlgorithm::Sha1,
        }
    }

    fn begin(&mut self, class: MessageClass, method: u16, attributes: &[(u16, Vec<u8>)]) -> MessageWriteVec {
        self.transaction += 1;
        let kind = MessageType::from_class_method(class, Method::new(method));
        let id = self.transaction << 16 | u128::from(self.flow.remote().port());
        let mut message = Message::builder(kind, id.into(), MessageWriteVec::new());
        for (kind, value) in attributes {
            message.add_attribute(&RawAttribute::new((*kind).into(), value)).unwrap();
        }
        message
    }

    /// A request without credentials.
    pub fn plain(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.begin(MessageClass::Request, method, attributes).finish()
    }

    /// A request with credentials.
    pub fn request(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut all = attributes.to_vec();
        if self.by_hash {
            all.push((USERHASH, userhash(self.name.as_bytes(), REALM).to_vec()));
        } else {
            all.push((USERNAME, self.name.clone().into_bytes()));
        }
        all.push((REALM_ATTRIBUTE, REALM.as_bytes().to_vec()));
        all.push((NONCE, self.nonce.clone()));
        if let Some(algorithm) = self.algorithm {
            let number = if algorithm == PasswordAlgorithm::Md5 { 1 } else { 2 };
            all.push((PASSWORD_ALGORITHM, vec![0, number, 0, 0]));
            all.push((PASSWORD_ALGORITHMS, vec![0, 2, 0, 0, 0, 1, 0, 0]));
        }
        self.protected(method, &all)
    }

    /// A request with just these attributes and a message integrity code.
    pub fn protected(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let (credentials, integrity) = (self.credentials(), self.integrity());
        let mut message = self.begin(MessageClass::Request, method, attributes);
        message.add_message_integrity(&credentials, integrity).unwrap();
        message.finish()
    }

    pub fn indication(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        self.begin(MessageClass::Indication, method, attributes).finish()
    }

    /// Asks with credentials; what answers is protected with the same ones.
    pub fn ask(&mut self, world: &mut World, method: u16, attributes: &[(u16, Vec<u8>)]) -> Answer {
        let packet = self.request(method, attributes);
        let answer = world.ask(self.flow, &packet).unwrap();
        self.check(&answer);
        answer
    }

    /// An answer to what was authenticated is authenticated too.
    pub fn check(&self, answer: &Answer) {
        if !matches!(answer.error(), Some(401 | 438)) {
            let read = Message::from_bytes(&answer.bytes).unwrap();
            assert_eq!(read.validate_integrity(&self.credentials()).unwrap(), self.integrity());
        }
        assert_eq!(answer.value(SOFTWARE), None);
    }

    pub fn allocate(&mut self, world: &mut World) -> Answer {
        self.ask(world, ALLOCATE, &[transport(17)])
    }

    /// Asks for both families.
    pub fn allocate_both(&mut self, world: &mut World) -> Answer {
        self.ask(world, ALLOCATE, &[transport(17), (ADDITIONAL_ADDRESS_FAMILY, vec![2, 0, 0, 0])])
    }

    pub fn permit(&mut self, world: &mut World, peers: &[&str]) -> Answer {
        let peers: Vec<_> = peers.iter().map(|peer| self.next_peer(peer)).collect();
        self.ask(world, CREATE_PERMISSION, &peers)
    }

    pub fn bind(&mut self, world: &mut World, number: u16, peer: &str) -> Answer {
        let peer = self.next_peer(peer);
        self.ask(world, CHANNEL_BIND, &[channel(number), peer])
    }

    pub fn refresh(&mut self, world: &mut World, lifetime: u32) -> Answer {
        self.ask(world, REFRESH, &[(LIFETIME, lifetime.to_be_bytes().to_vec())])
    }

    pub fn send(&mut self, peer: &str, data: &[u8]) -> Vec<u8> {
        let peer = self.next_peer(peer);
        self.indication(SEND, &[peer, (DATA, data.to_vec())])
    }

    /// XOR-PEER-ADDRESS in the next message.
    pub fn next_peer(&self, peer: &str) -> (u16, Vec<u8>) {
        let id = (self.transaction + 1) << 16 | u128::from(self.flow.remote().port());
        (XOR_PEER_ADDRESS, mix(id, at(peer)))
    }
}

pub fn transport(number: u8) -> (u16, Vec<u8>) {
    (REQUESTED_TRANSPORT, vec![number, 0, 0, 0])
}

pub fn channel(number: u16) -> (u16, Vec<u8>) {
    let [high, low] = number.to_be_bytes();
    (CHANNEL_NUMBER, vec![high, low, 0, 0])
}

pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    message.extend_from_slice(data);
    message
}

/// A message that was read by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub bytes: Vec<u8>,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 20, bytes.len());
        let mut attributes = Vec::new();
        let mut rest = &bytes[20..];
        while let [k1, k2, l1, l2, body @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*l1, *l2]));
            attributes.push((u16::from_be_bytes([*k1, *k2]), body[..length].to_vec()));
            rest = &body[length.next_multiple_of(4)..];
        }
        Answer { bytes: bytes.to_vec(), attributes }
    }

    pub fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub fn is_success(&self) -> bool {
        self.kind() & 0x0110 == 0x0100
    }

    pub fn value(&self, kind: u16) -> Option<Vec<u8>> {
        self.attributes.iter().find(|(known, _)| *known == kind).map(|(_, value)| value.clone())
    }

    pub fn error(&self) -> Option<u16> {
        assert!(self.is_success() || self.kind() & 0x0110 == 0x0110);
        self.value(ERROR_CODE).map(|value| u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub fn lifetime(&self) -> Option<u32> {
        self.value(LIFETIME).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
    }

    pub fn addresses(&self, kind: u16) -> Vec<SocketAddr> {
        let mut id = [0; 16];
        id[4..].copy_from_slice(&self.bytes[8..20]);
        let id = u128::from_be_bytes(id);
        let of_kind = self.attributes.iter().filter(|(known, _)| *known == kind);
        of_kind.map(|(_, value)| unmix(id, value)).collect()
    }
}

/// An address as XOR attributes have it.
pub fn mix(id: u128, address: SocketAddr) -> Vec<u8> {
    let mask = (0x2112_a442u128 << 96 | id).to_be_bytes();
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut value = vec![0, if octets.len() == 4 { 1 } else { 2 }];
    value.extend_from_slice(&(address.port() ^ 0x2112).to_be_bytes());
    value.extend(octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    value
}

fn unmix(id: u128, value: &[u8]) -> SocketAddr {
    let mask = (0x2112_a442u128 << 96 | id).to_be_bytes();
    let octets: Vec<u8> = value[4..].iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
    let port = u16::from_be_bytes([value[2], value[3]]) ^ 0x2112;
    match <[u8; 4]>::try_from(&octets[..]) {
        Ok(octets) => SocketAddr::new(octets.into(), port),
        Err(_) => SocketAddr::new(<[u8; 16]>::try_from(&octets[..]).unwrap().into(), port),
    }
}
