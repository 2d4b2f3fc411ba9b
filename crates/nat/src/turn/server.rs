//! The server of one worker.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Deadlines, Flow, Seeded, Table, Transmit, canonical};
use stun_types::message::TransactionId;

use super::allocation::{Allocation, Family, RelayKey};
use super::authentication::Authenticator;
use super::budget::since;
use super::channel_data::{Kind, kind};
use super::credentials::Users;
use super::drops::{Reason, Stats};
use super::mobility::Tickets;
use super::nonce::derive;
use super::peer_policy::PeerPolicy;
use super::quotas::Quotas;
use super::relaying::Route;
use super::settings::{Limits, Secret, Settings, UnsoundSettings};
use super::sources::Budgets;

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
    alternates: Vec<SocketAddr>,
    is_draining: bool,
    start: Instant,
    /// A time in seconds since 1970, and when it was that.
    unix_time: (Instant, u64),
    pub(super) budgets: Budgets,
    pub(super) quotas: Quotas,
    pub(super) allocations: Table<Flow, Allocation>,
    pub(super) flows_by_relay: Table<RelayKey, Flow>,
    pub(super) relays_by_address: Table<SocketAddr, RelayKey>,
    /// The addresses that relay sockets have had.
    pub(super) hosts: Vec<IpAddr>,
    pub(super) tickets: Tickets,
    pub(super) deadlines: Deadlines<Flow>,
    pub(super) next_relay: u64,
    next_transaction: u128,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) commands: VecDeque<Command>,
    pub(super) stats: Stats,
}

/// What the driver has to do with sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a UDP socket for peers of a family, and tell by [`Server::handle_opened`] what became of it.
    Open(RelayKey, Family, Port),
    /// Close it.
    Close(RelayKey),
}

/// Which port a socket has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Any.
    Any,
    /// An even one, as RTP has by custom.
    Even,
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
    /// Give the data to [`Server::handle_relayed`] of this server: the peer is another allocation of it.
    ToRelay {
        /// The socket that it would have come to.
        relay: RelayKey,
        /// The address that it would have come from.
        from: SocketAddr,
        /// The data.
        data: &'p [u8],
    },
    /// Give the data to our own media: the peer is one of [`PeerPolicy::media`]. What media answers goes to
    /// [`Server::handle_relayed`] with this `relay`, from `to`.
    ToMedia {
        /// The socket that it would have come from.
        relay: RelayKey,
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
    pub fn new(now: Instant, users: U, settings: Settings) -> Result<Self, UnsoundSettings> {
        settings.check()?;
        let Settings { realm, password_algorithms, secret, families, limits, quotas, policy, .. } = settings;
        let Secret(secret) = secret;
        let seeded = Seeded::new(first_half(derive(&secret, "tables")));
        Ok(Server {
            authenticator: Authenticator::new(users, realm, password_algorithms, &secret, now),
            families,
            budgets: Budgets::new(now, &derive(&secret, "sources"), &limits),
            quotas,
            limits,
            policy: policy.canonical(),
            alternates: settings.alternates,
            is_draining: false,
            start: now,
            unix_time: (now, settings.unix_time),
            allocations: Table::with_hasher(seeded),
            flows_by_relay: Table::with_hasher(seeded),
            relays_by_address: Table::with_hasher(seeded),
            hosts: Vec::new(),
            tickets: Tickets::new(&derive(&secret, "tickets"), seeded),
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
        let done = match kind(packet) {
            Some(Kind::ChannelData) => self.channel_data(now, &flow, packet),
            Some(Kind::Stun) => self.message(now, flow, packet),
            None => Err(Reason::NotTurn),
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

    /// Ends the allocation of a flow that has gone: a connection that was closed. One that follows its client waits for it.
    pub fn close(&mut self, flow: &Flow) {
        if self.allocations.get(flow).is_some_and(|allocation| !allocation.is_mobile()) {
            self.remove(flow);
        }
    }

    /// Ends the allocations of an account that may not have any more.
    pub fn close_account(&mut self, account: &[u8]) {
        self.close_accounts(|owner| owner == account);
    }

    /// Ends the allocations of all accounts that are meant.
    pub fn close_accounts(&mut self, is_meant: impl Fn(&[u8]) -> bool) {
        let theirs = self.allocations.iter().filter(|(_, allocation)| is_meant(&allocation.owner.account));
        let mut flows: Vec<Flow> = theirs.map(|(flow, _)| *flow).collect();
        // In an order that repeats.
        flows.sort_unstable();
        for flow in flows {
            self.remove(&flow);
        }
    }

    /// Who may allocate, to be changed. What has been allocated stays: see [`Server::close_account`].
    pub fn users_mut(&mut self) -> &mut U {
        self.authenticator.users_mut()
    }

    /// Judges peers by another policy from here on, those of live allocations too.
    pub fn set_policy(&mut self, policy: PeerPolicy) {
        self.policy = policy.canonical();
    }

    /// Sends whoever is new to another server, where there is one; without another one it goes on.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Whether a client is sent to another server before anything of it is looked at.
    pub(super) fn sends_away(&self, flow: &Flow) -> bool {
        self.is_draining && self.alternate(flow).is_some()
    }

    /// The server for a client that cannot be had here ([RFC 8489 §10]): one of its family. Over TLS and DTLS there is none,
    /// since the other one has another port for that.
    ///
    /// [RFC 8489 §10]: https://www.rfc-editor.org/rfc/rfc8489#section-10
    pub(super) fn alternate(&self, flow: &Flow) -> Option<SocketAddr> {
        let (client, is_plain) = (canonical(flow.remote()), !flow.transport().is_secure());
        let theirs = |other: &&SocketAddr| is_plain && other.is_ipv4() == client.is_ipv4();
        let count = self.alternates.iter().filter(theirs).count();
        // Each of a crowd has another port.
        let turn = usize::from(client.port()).checked_rem(count)?;
        self.alternates.iter().filter(theirs).nth(turn).copied()
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
        let is_outside = peer.port() != 0 && self.policy.lets_reach(peer.ip(), &self.hosts);
        is_outside.then_some(Route::Outside)
    }

    /// Whether there can be a peer with this address.
    pub(super) fn may_be_peer(&self, address: IpAddr) -> bool {
        let is_exception =
            self.hosts.contains(&address) || self.policy.media.iter().any(|media| media.ip() == address);
        is_exception || self.policy.lets_reach(address, &self.hosts)
    }

    /// The number of our next indication, which nobody answers: it has to differ from the last.
    pub(super) fn next_transaction(&mut self) -> TransactionId {
        self.next_transaction = self.next_transaction.wrapping_add(ODD);
        self.next_transaction.into()
    }

    pub(super) fn elapsed(&self, now: Instant) -> u64 {
        since(self.start, now)
    }

    pub(super) fn unix_time(&self, now: Instant) -> u64 {
        let (at, unix_time) = self.unix_time;
        unix_time.saturating_add(now.saturating_duration_since(at).as_secs())
    }
}

fn first_half(bytes: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default())
}

/// What transactions of ours differ by: any odd number comes to each of them once.
const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
