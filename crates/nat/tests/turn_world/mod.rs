//! A world for one TURN server in virtual time: the server, the sockets that it asks for, and clients whose messages are
//! written and read by the crate `stun-types` and by hand, not by our own writer and reader.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "each test takes what it needs"
)]

mod client;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringback_nat::turn::*;
use ringback_sansio::Flow;
use ringback_sansio::sim::Clock;
use smallvec::SmallVec;

pub use client::Client;
pub use message::{Answer, channel, channel_data, mix, transport};
pub use stun_types::message::IntegrityAlgorithm;

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
pub const ALTERNATE_SERVER: u16 = 0x8023;
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
pub const MOBILITY_TICKET: u16 = 0x8030;
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

/// Users with a password, who may name themselves by a hash, and the accounts that there are.
#[derive(Debug)]
pub struct Passwords {
    users: Vec<(&'static str, &'static str)>,
    accounts: Accounts,
    /// How much each account may carry.
    bandwidth: Arc<Mutex<Option<Rate>>>,
    /// How often somebody has asked for a key.
    lookups: Arc<Mutex<usize>>,
}

pub type Accounts = Arc<Mutex<BTreeSet<&'static str>>>;

impl Users for Passwords {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        *self.lookups.lock().unwrap() += 1;
        let is_named = |name: &str| match lookup.name {
            UserName::Name(asked) => asked == name.as_bytes(),
            UserName::Hash(asked) => asked == userhash(name.as_bytes(), lookup.realm),
        };
        let found = self.users.iter().filter(|(name, _)| is_named(name)).map(|(name, password)| User {
            key: lookup.algorithm.key(name.as_bytes(), lookup.realm, password.as_bytes()),
            account: name.as_bytes().into(),
        });
        found.collect()
    }

    fn has_account(&self, account: &[u8]) -> bool {
        self.accounts.lock().unwrap().iter().any(|known| known.as_bytes() == account)
    }

    fn bandwidth(&self, _account: &[u8]) -> Option<Rate> {
        *self.bandwidth.lock().unwrap()
    }
}

/// What gives credentials for at most an hour.
pub fn limited() -> TimeLimited {
    TimeLimited::new([SECRET.as_bytes().into()], secs(3600))
}

pub fn settings() -> Settings {
    Settings {
        realm: REALM.to_owned(),
        password_algorithms: vec![PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5],
        secret: Secret::new([7; 32]),
        families: vec![Family::Ipv4, Family::Ipv6],
        limits: Limits::default(),
        quotas: Quotas::default(),
        policy: PeerPolicy::default(),
        alternates: Vec::new(),
        unix_time: UNIX_TIME,
    }
}

pub type TestServer = Server<(Passwords, TimeLimited)>;

pub struct World {
    pub clock: Clock,
    pub server: TestServer,
    pub quotas: Quotas,
    pub accounts: Accounts,
    /// How much each account may carry.
    pub bandwidth: Arc<Mutex<Option<Rate>>>,
    lookups: Arc<Mutex<usize>>,
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
        let mut settings = settings();
        change(&mut settings);
        let (clock, quotas) = (Clock::new(), settings.quotas.clone());
        let accounts = Accounts::new(Mutex::new(["alice", "bob", "carol", "a", "b"].into()));
        let (lookups, bandwidth) = (Arc::default(), Arc::default());
        let users = Passwords {
            users: vec![("alice", "sesame"), ("bob", "builder")],
            accounts: Arc::clone(&accounts),
            bandwidth: Arc::clone(&bandwidth),
            lookups: Arc::clone(&lookups),
        };
        World {
            server: Server::new(clock.now(), (users, limited()), settings).unwrap(),
            clock,
            quotas,
            accounts,
            bandwidth,
            lookups,
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
                Command::Open(relay, family, _) if self.is_slow => self.asked.push((relay, family)),
                Command::Open(relay, family, port) => {
                    // The next one that will do.
                    self.next_port += u16::from(port == Port::Even && self.next_port.is_multiple_of(2));
                    self.open(relay, family);
                }
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

    /// How often somebody has asked for a key.
    pub fn lookups(&self) -> usize {
        *self.lookups.lock().unwrap()
    }

    /// The first socket that is open.
    pub fn relay(&self) -> RelayKey {
        *self.sockets.keys().next().unwrap()
    }
}
