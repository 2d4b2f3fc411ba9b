//! The fuzz target of the server: a script of what clients, peers, sockets and time do.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use smallvec::SmallVec;

use super::*;
use crate::stun::attribute as kind;
use crate::stun::{Algorithm, Key, Message, MessageClass, Writer};

/// Plays the script and gives what was counted; `now` is any instant.
///
/// Whatever is in it, nothing goes to a peer that the policy refuses, what goes to a client is a message, each socket that
/// was opened is closed once, and in the end nothing is left.
pub fn turn(data: &[u8], now: Instant) -> Stats {
    let _ = first_message(data);
    let settings = settings();
    let quotas = settings.quotas.clone();
    let Ok(server) = Server::new(now, Known, settings) else { return Stats::default() };
    let mut world = World {
        server,
        now,
        open: BTreeSet::new(),
        asked: Vec::new(),
        nonces: [None; 3],
        ticket: Vec::new(),
    };
    let mut script = Input(data);
    while let Some(step) = script.byte() {
        match step % 8 {
            0 => world.now += Duration::from_secs(u64::from(script.byte().unwrap_or_default()) * 4),
            1 => {
                let flow = flow(script.number(3));
                world.sent(flow, script.framed().unwrap_or_default());
            }
            2 | 3 => world.request(&mut script),
            4 => world.indication(&mut script),
            5 => world.arrived(&mut script),
            6 => world.socket(&mut script),
            _ => world.server.close(&flow(script.number(3))),
        }
        world.drive();
    }
    // Sockets that are not open yet are given up first, and an allocation may do with those that are.
    for _ in 0..2 {
        world.now += Duration::from_secs(4000);
        world.server.handle_timeout(world.now);
        world.drive();
    }
    for relay in std::mem::take(&mut world.asked) {
        world.opened(relay, Ok(at(Ipv4Addr::new(203, 0, 113, 1).into(), 1)));
    }
    world.drive();
    assert!(world.server.is_empty() && world.open.is_empty(), "everything ends");
    assert_eq!((world.server.poll_timeout(), quotas.taken()), (None, 0));
    assert!(world.server.tickets.is_empty(), "no ticket outlives its allocation");
    *world.server.stats()
}

struct World {
    server: Server<Known>,
    now: Instant,
    /// Sockets that are open.
    open: BTreeSet<RelayKey>,
    /// Sockets that were asked for.
    asked: Vec<RelayKey>,
    /// The last nonce of each client.
    nonces: [Option<[u8; nonce::LENGTH]>; 3],
    /// The last ticket of any of them.
    ticket: Vec<u8>,
}

impl World {
    fn sent(&mut self, flow: Flow, packet: &[u8]) {
        let verdict = self.server.handle_datagram(self.now, flow, packet);
        match verdict {
            Verdict::ToPeer { relay, peer, data } => {
                assert!(self.open.contains(&relay) && data.len() <= packet.len());
                assert!(PeerPolicy::default().lets_reach(peer.ip(), &[]) && peer.port() != 0);
            }
            Verdict::ToRelay { relay, .. } => assert!(self.open.contains(&relay)),
            Verdict::ToMedia { relay, to, .. } => {
                assert!(self.open.contains(&relay) && to == media());
            }
            Verdict::ToClient { .. } => unreachable!("a client sends to no client"),
            Verdict::Consumed | Verdict::Drop(_) => {}
        }
    }

    fn arrived(&mut self, script: &mut Input<'_>) {
        let relay = RelayKey(script.number(8) as u64);
        let from = peer(script);
        let data = script.framed().unwrap_or_default();
        let mut buffer = vec![0; HEADROOM];
        buffer.extend_from_slice(data);
        buffer.extend_from_slice(&[0; TAILROOM]);
        let verdict = self.server.handle_relayed(self.now, relay, from, &mut buffer, data.len());
        if let Verdict::ToClient { message, .. } = verdict {
            assert!(self.open.contains(&relay));
            let read = channel_data::parse(message).map(|(_, read)| read);
            let read = read.or_else(|| Message::parse(message).ok()?.attribute(kind::DATA));
            assert_eq!(read, Some(data));
        }
    }

    fn request(&mut self, script: &mut Input<'_>) {
        let client = script.number(3);
        let method = script.one_of(&[ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND], ALLOCATE);
        let (is_protected, is_right) = (!script.one_in(4), !script.one_in(8));
        let nonce = self.nonces.get(client).copied().flatten();
        let id = u128::from(script.byte().unwrap_or_default());
        let mut out = [0; 2048];
        let mut message = Writer::new(MessageClass::Request, method, id.into(), &mut out);
        if method == ALLOCATE && !script.one_in(8) {
            message.attribute(kind::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        }
        attributes(script, &self.ticket, &mut message);
        if is_protected {
            message.attribute(kind::USERNAME, &[b'a' + script.number(3) as u8]);
            message.attribute(kind::REALM, b"r");
            message.attribute(kind::NONCE, nonce.as_ref().map_or(&[][..], |nonce| nonce));
            let key = Key::long_term(if is_right { KEY } else { b"wrong" });
            message.integrity(&key, script.one_of(&[Algorithm::Sha1, Algorithm::Sha256], Algorithm::Sha1));
        }
        let length = message.finish().unwrap_or_default();
        self.sent(flow(client), out.get(..length).unwrap_or_default());
    }

    fn indication(&mut self, script: &mut Input<'_>) {
        let client = script.number(3);
        let mut out = [0; 2048];
        let mut message = Writer::new(MessageClass::Indication, SEND, 1.into(), &mut out);
        message.xor_address(kind::XOR_PEER_ADDRESS, peer(script));
        attributes(script, &self.ticket, &mut message);
        let length = message.finish().unwrap_or_default();
        self.sent(flow(client), out.get(..length).unwrap_or_default());
    }

    fn socket(&mut self, script: &mut Input<'_>) {
        if self.asked.is_empty() {
            return;
        }
        let relay = self.asked.remove(script.number(self.asked.len()));
        let port = 50_000 + relay.0 as u16;
        let opened = match script.number(4) {
            0 => Err(NotOpened),
            1 => Ok(at(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(), port)),
            _ => Ok(at(Ipv4Addr::new(203, 0, 113, 1).into(), port)),
        };
        self.opened(relay, opened);
    }

    fn opened(&mut self, relay: RelayKey, opened: Result<SocketAddr, NotOpened>) {
        if opened.is_ok() {
            self.open.insert(relay);
        }
        self.server.handle_opened(self.now, relay, opened);
    }

    fn drive(&mut self) {
        while let Some(command) = self.server.poll_command() {
            match command {
                Command::Open(relay, ..) => self.asked.push(relay),
                Command::Close(relay) => assert!(self.open.remove(&relay), "open, and closed once"),
            }
        }
        while let Some(transmit) = self.server.poll_transmit() {
            let Ok(answer) = Message::parse(&transmit.payload) else {
                unreachable!("an answer is a message")
            };
            let nonce = answer.attribute(kind::NONCE).and_then(|nonce| nonce.try_into().ok());
            let client = (0..3).find(|&client| flow(client) == transmit.flow).unwrap_or_default();
            if let (Some(held), Some(_)) = (self.nonces.get_mut(client), nonce) {
                *held = nonce;
            }
            if let Some(ticket) = answer.attribute(kind::MOBILITY_TICKET) {
                self.ticket = ticket.to_vec();
            }
        }
        assert_eq!(self.server.poll_timeout().is_some(), !self.server.is_empty());
    }
}

/// Any attributes, of which peers are the most.
fn attributes(script: &mut Input<'_>, ticket: &[u8], message: &mut Writer<'_>) {
    for _ in 0..script.number(5) {
        match script.number(8) {
            0..=2 => message.xor_address(kind::XOR_PEER_ADDRESS, peer(script)),
            3 => message.attribute(kind::CHANNEL_NUMBER, &[0x40, script.number(4) as u8, 0, 0]),
            4 => message.attribute(kind::LIFETIME, &[0, 0, script.byte().unwrap_or_default(), 0]),
            5 => message.attribute(kind::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
            6 => message.attribute(kind::DATA, script.bytes(16)),
            _ => match script.byte().unwrap_or_default() {
                0xff => message.attribute(kind::MOBILITY_TICKET, ticket),
                0xfe => message.attribute(kind::MOBILITY_TICKET, &[]),
                number => {
                    let number = u16::from(number);
                    message.attribute(number << 8 & 0x8000 | number & 0x7f, script.bytes(8));
                }
            },
        }
    }
}

/// Peers that may be reached and such that may not.
fn peer(script: &mut Input<'_>) -> SocketAddr {
    let relays = Ipv4Addr::new(203, 0, 113, 1);
    let peers = [
        at(Ipv4Addr::new(9, 9, 9, 9).into(), 5000),
        at(Ipv4Addr::new(9, 9, 9, 9).into(), 0),
        at(Ipv4Addr::LOCALHOST.into(), 80),
        at(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), 80),
        at(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe).into(), 5000),
        at(relays.into(), 50_000),
        at(relays.into(), 50_001),
        media(),
    ];
    script.one_of(&peers, media())
}

fn at(address: std::net::IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn media() -> SocketAddr {
    at(Ipv4Addr::new(203, 0, 113, 1).into(), 8443)
}

fn flow(client: usize) -> Flow {
    let local = at(Ipv4Addr::new(203, 0, 113, 1).into(), 3478);
    let remote = at(Ipv4Addr::new(192, 0, 2, 9).into(), 4000 + client as u16);
    let transport = if client == 2 { Transport::Tcp } else { Transport::Udp };
    let connection = if client == 2 { ConnectionId(1) } else { ConnectionId::NONE };
    Flow { tuple: FiveTuple::new(transport, local, remote), connection }
}

fn settings() -> Settings {
    let limits = Limits {
        permissions: 3,
        channels: 2,
        bandwidth: Some(Rate::per_second(100, 1000)),
        ..Limits::default()
    };
    Settings {
        realm: "r".to_owned(),
        password_algorithms: vec![PasswordAlgorithm::Md5],
        secret: Secret::new([7; 32]),
        families: vec![Family::Ipv4, Family::Ipv6],
        limits,
        quotas: Quotas::new(3, 2),
        policy: PeerPolicy { media: vec![media()], ..PeerPolicy::default() },
        alternates: Vec::new(),
        unix_time: 0,
    }
}

/// Everybody, with one key.
#[derive(Debug)]
struct Known;

impl Users for Known {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        let UserName::Name(name) = lookup.name else { return SmallVec::new() };
        SmallVec::from_iter([User { key: Key::long_term(KEY), account: name.into() }])
    }

    fn has_account(&self, _account: &[u8]) -> bool {
        true
    }
}

const KEY: &[u8] = b"a key of sixteen";
