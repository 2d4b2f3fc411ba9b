//! The server of one worker.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Deadlines, Flow, Transmit};
use stun_types::attribute::ErrorCode;
use stun_types::message::{MessageClass, TransactionId};

use super::allocation::{Allocation, Family, RelayKey};
use super::authentication::{Authenticator, Refused};
use super::budget::{Sources, since};
use super::credentials::Users;
use super::drops::{Reason, Stats};
use super::nonce::derive;
use super::peer_policy::PeerPolicy;
use super::relaying::Route;
use super::reply::{self, LONGEST_REALM, Reply};
use super::requests::NotAllocated;
use super::settings::{Limits, RealmTooLong, Settings};
use super::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};
use crate::demux::{Class, classify};
use crate::stun::{self, Message, REPLY_ROOM};

/// A TURN server without sockets.
///
/// - `handle_datagram` takes what a client sent, `handle_relayed` what a peer did. Both answer by value what to do with the
///   data in it; what else is to be sent waits in `poll_transmit`.
/// - An allocation needs sockets: `poll_command` asks for them, `handle_opened` tells what became of it.
/// - `handle_timeout` is due at `poll_timeout`. A deadline that has passed counts even when the driver has not come round
///   to it.
#[derive(Debug)]
pub struct Server<U> {
    pub(super) authenticator: Authenticator<U>,
    pub(super) families: Vec<Family>,
    pub(super) limits: Limits,
    pub(super) policy: PeerPolicy,
    start: Instant,
    /// A time in seconds since 1970, and when it was that.
    unix_time: (Instant, u64),
    challenges: Sources,
    pub(super) allocations: HashMap<Flow, Allocation>,
    pub(super) flows_by_relay: HashMap<RelayKey, Flow>,
    pub(super) relays_by_address: HashMap<SocketAddr, RelayKey>,
    /// The addresses that relay sockets have had.
    pub(super) hosts: Vec<IpAddr>,
    pub(super) allocations_by_account: HashMap<Box<[u8]>, usize>,
    pub(super) deadlines: Deadlines<Flow>,
    pub(super) next_relay: u64,
    next_transaction: u128,
    transmits: VecDeque<Transmit>,
    pub(super) commands: VecDeque<Command>,
    pub(super) stats: Stats,
}

/// What the driver has to do with sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a UDP socket for peers of a family, and tell by [`Server::handle_opened`] what became of it.
    Open(RelayKey, Family),
    /// Close it.
    Close(RelayKey),
}

/// The driver could not open a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no socket for a relayed transport address")]
pub struct NotOpened;

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// Nothing more: what answers it, if anything does, is given by [`Server::poll_transmit`].
    Consumed,
    /// Send the data to a peer.
    ToPeer {
        /// From this socket.
        relay: RelayKey,
        /// To this address.
        peer: SocketAddr,
        /// The data.
        data: &'p [u8],
    },
    /// Send the message to a client.
    ToClient {
        /// Over its flow.
        flow: Flow,
        /// The message.
        message: &'p [u8],
    },
    /// Give the data to [`Server::handle_relayed`] of the server that has the socket: the peer is an allocation of ours.
    ToRelay {
        /// The socket that it would have come to.
        relay: RelayKey,
        /// The address that it would have come from.
        from: SocketAddr,
        /// The data.
        data: &'p [u8],
    },
    /// Give the data to our own media: the peer is one of [`PeerPolicy::media`].
    ToMedia {
        /// The address of ours that it would have come to.
        to: SocketAddr,
        /// The address that it would have come from.
        from: SocketAddr,
        /// The data.
        data: &'p [u8],
    },
    /// Nothing: it is counted.
    Drop(Reason),
}

impl<U: Users> Server<U> {
    /// A server with no allocations.
    pub fn new(now: Instant, users: U, settings: Settings) -> Result<Self, RealmTooLong> {
        let Settings { realm, password_algorithms, secret, families, limits, policy, unix_time } = settings;
        if realm.len() > LONGEST_REALM {
            return Err(RealmTooLong);
        }
        Ok(Server {
            authenticator: Authenticator::new(users, realm, password_algorithms, &secret, now),
            families,
            challenges: Sources::new(&derive(&secret, "sources"), limits.challenges),
            limits,
            policy: policy.canonical(),
            start: now,
            unix_time: (now, unix_time),
            allocations: HashMap::new(),
            flows_by_relay: HashMap::new(),
            relays_by_address: HashMap::new(),
            hosts: Vec::new(),
            allocations_by_account: HashMap::new(),
            deadlines: Deadlines::new(),
            next_relay: 0,
            next_transaction: u128::from_be_bytes(first_half(derive(&secret, "transactions"))),
            transmits: VecDeque::new(),
            commands: VecDeque::new(),
            stats: Stats::default(),
        })
    }

    /// Handles one message of a client: a datagram, or [`first_message`](super::first_message) of a stream.
    pub fn handle_datagram<'p>(&mut self, now: Instant, flow: Flow, packet: &'p [u8]) -> Verdict<'p> {
        self.handle_timeout(now);
        let done = match classify(packet) {
            Class::TurnChannel => self.channel_data(now, &flow, packet),
            Class::Stun => self.message(now, flow, packet),
            _ => Err(Reason::NotTurn),
        };
        self.judge(done)
    }

    /// Handles a datagram that came from `from` to a relay socket. It lies in `buffer` behind
    /// [`HEADROOM`](super::HEADROOM) bytes, `length` bytes of it, and [`TAILROOM`](super::TAILROOM) bytes follow: so the
    /// message to the client is made where it lies.
    pub fn handle_relayed<'p>(
        &mut self,
        now: Instant,
        relay: RelayKey,
        from: SocketAddr,
        buffer: &'p mut [u8],
        length: usize,
    ) -> Verdict<'p> {
        self.handle_timeout(now);
        let done = self.relayed(now, relay, from, buffer, length);
        self.judge(done)
    }

    /// Tells what became of [`Command::Open`]: the relayed transport address, as peers see it.
    pub fn handle_opened(&mut self, now: Instant, relay: RelayKey, opened: Result<SocketAddr, NotOpened>) {
        self.handle_timeout(now);
        self.opened(now, relay, opened);
    }

    /// Ends what has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(flow) = self.deadlines.pop_due(now) {
            self.expire(now, flow);
        }
    }

    /// Ends the allocation of a flow that has gone: a connection that was closed.
    pub fn close(&mut self, flow: &Flow) {
        self.remove(flow);
    }

    /// Ends the allocations of an account that may not have any more.
    pub fn close_account(&mut self, account: &[u8]) {
        let theirs = self.allocations.iter().filter(|(_, allocation)| *allocation.owner.account == *account);
        let mut flows: Vec<Flow> = theirs.map(|(flow, _)| *flow).collect();
        // In an order that repeats.
        flows.sort_unstable();
        for flow in flows {
            self.remove(&flow);
        }
    }

    /// Judges peers by another policy from here on, those of live allocations too.
    pub fn set_policy(&mut self, policy: PeerPolicy) {
        self.policy = policy.canonical();
    }

    /// Tells the time in seconds since 1970, after the clock was set.
    pub fn set_unix_time(&mut self, now: Instant, unix_time: u64) {
        self.unix_time = (now, unix_time);
    }

    /// Whether the flow has an allocation: such a one is not closed to make room for others.
    pub fn has_allocation(&self, flow: &Flow) -> bool {
        self.allocations.get(flow).is_some_and(|allocation| !allocation.is_opening())
    }

    /// How many allocations there are, with those whose sockets are being opened.
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Whether there is no allocation.
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing to do with a socket.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to call [`Server::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// What was done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn judge<'p>(&mut self, done: Result<Verdict<'p>, Reason>) -> Verdict<'p> {
        match done {
            Ok(verdict) => verdict,
            Err(reason) => {
                self.stats.drops.count(reason);
                Verdict::Drop(reason)
            }
        }
    }

    fn message<'p>(&mut self, now: Instant, flow: Flow, packet: &'p [u8]) -> Result<Verdict<'p>, Reason> {
        let message = Message::parse(packet).map_err(|_| Reason::Malformed)?;
        match message.class() {
            MessageClass::Request if message.is_binding() => self.binding(flow, packet),
            MessageClass::Request => self.request(now, flow, &message).map(|()| Verdict::Consumed),
            MessageClass::Indication if message.method() == SEND => {
                if message.unknown_attributes().next().is_some() {
                    return Err(Reason::UnknownAttribute);
                }
                self.send(now, &flow, &message)
            }
            // A keep-alive ([RFC 8489 §6.1]): that it came is all that it does.
            MessageClass::Indication if message.is_binding() => Ok(Verdict::Consumed),
            _ => Err(Reason::Unexpected),
        }
    }

    fn binding<'p>(&mut self, flow: Flow, packet: &[u8]) -> Result<Verdict<'p>, Reason> {
        let mut reply = [0; REPLY_ROOM];
        let stun::server::Answer::Reply(length) = stun::server::respond(flow.remote(), packet, &mut reply)
        else {
            return Err(Reason::Malformed);
        };
        let payload = reply.get(..length).map(Bytes::copy_from_slice).ok_or(Reason::NoRoom)?;
        self.transmits.push_back(Transmit { flow, payload });
        Ok(Verdict::Consumed)
    }

    fn request(&mut self, now: Instant, flow: Flow, request: &Message<'_>) -> Result<(), Reason> {
        if ![ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&request.method()) {
            return Err(Reason::UnknownMethod);
        }
        let mut reply = Reply::to(request);
        let holder = self.allocations.get(&flow).map(|allocation| &allocation.owner);
        let unix_time = self.unix_time(now);
        let asked = self.authenticator.authenticate(now, unix_time, flow.remote(), request, holder);
        let asker = match asked {
            Ok(asker) => asker,
            Err(refused) => return self.challenge(now, flow, &reply, refused),
        };
        reply.key = Some((asker.owner.key.clone(), asker.integrity));
        if request.unknown_attributes().next().is_some() {
            let code = ErrorCode::UNKNOWN_ATTRIBUTE;
            self.refuse(flow, code, reply.error(code, |message| message.unknown_attributes(request)));
            return Ok(());
        }
        let done = match request.method() {
            ALLOCATE => match self.allocate(now, flow, request, asker.owner, &reply) {
                Ok(()) => return Ok(()),
                Err(NotAllocated::Refused(code)) => Err(code),
                Err(NotAllocated::Dropped(reason)) => return Err(reason),
            },
            REFRESH => self.refresh(now, flow, request, &asker.owner),
            CREATE_PERMISSION => self.create_permission(now, flow, request, &asker.owner),
            _ => self.channel_bind(now, flow, request, &asker.owner),
        };
        match done {
            Ok(lifetime) => {
                let payload = reply.success(|message| {
                    if let Some(lifetime) = lifetime {
                        reply::lifetime(message, lifetime.as_secs());
                    }
                });
                self.succeed(flow, payload);
            }
            Err(code) => self.refuse(flow, code, reply.error(code, |_| {})),
        }
        Ok(())
    }

    /// Answers who is not known: so often for each source that nobody is flooded in its name. A client that has an
    /// allocation here and right credentials is no such source.
    fn challenge(&mut self, now: Instant, flow: Flow, reply: &Reply, refused: Refused) -> Result<(), Reason> {
        let is_known = refused == Refused::StaleNonce && self.allocations.contains_key(&flow);
        if !is_known && !self.challenges.take(self.elapsed(now), flow.remote().ip()) {
            return Err(Reason::ChallengeBudget);
        }
        let payload = reply.error(refused.code(), |message| match refused {
            Refused::BadRequest => {}
            Refused::Unauthenticated | Refused::StaleNonce => {
                self.authenticator.challenge(now, flow.remote(), message);
            }
        });
        self.refuse(flow, refused.code(), payload);
        Ok(())
    }

    pub(super) fn succeed(&mut self, flow: Flow, payload: Bytes) {
        self.stats.successes += 1;
        self.transmits.push_back(Transmit { flow, payload });
    }

    pub(super) fn refuse(&mut self, flow: Flow, code: u16, payload: Bytes) {
        self.stats.errors.count(code);
        self.transmits.push_back(Transmit { flow, payload });
    }

    /// Where packets to a peer go; nowhere when the policy refuses it.
    pub(super) fn route(&self, peer: SocketAddr) -> Option<Route> {
        if let Some(&relay) = self.relays_by_address.get(&peer) {
            return Some(Route::Relay(relay));
        }
        if self.policy.media.contains(&peer) {
            return Some(Route::Media);
        }
        let is_outside = peer.port() != 0 && !self.is_own(peer.ip()) && self.policy.is_open(peer.ip());
        is_outside.then_some(Route::Outside)
    }

    /// Whether there can be a peer with this address.
    pub(super) fn may_be_peer(&self, address: IpAddr) -> bool {
        let is_exception =
            self.hosts.contains(&address) || self.policy.media.iter().any(|media| media.ip() == address);
        is_exception || !self.is_own(address) && self.policy.is_open(address)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.policy.is_own(address, &self.hosts)
    }

    /// The number of our next indication, which nobody answers: it has to differ from the last.
    pub(super) fn next_transaction(&mut self) -> TransactionId {
        self.next_transaction = self.next_transaction.wrapping_add(ODD);
        self.next_transaction.into()
    }

    pub(super) fn elapsed(&self, now: Instant) -> u64 {
        since(self.start, now)
    }

    fn unix_time(&self, now: Instant) -> u64 {
        let (at, unix_time) = self.unix_time;
        unix_time.saturating_add(now.saturating_duration_since(at).as_secs())
    }
}

fn first_half(bytes: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default())
}

/// What transactions of ours differ by: any odd number comes to each of them once.
const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
