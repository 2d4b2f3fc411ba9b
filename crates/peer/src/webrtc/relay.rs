//! Being reached by way of TURN servers ([RFC 8445 §5.1.1.2]): an allocation for each of our sockets at each server.
//!
//! Assumptions: a server is reached over UDP. A peer is reached by a channel, which is asked for when the first packet for it
//! is to be sent; until it stands, packets are lost, and ICE sends its checks again.
//!
//! [RFC 8445 §5.1.1.2]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1.2

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_nat::turn::client::{Client, Event as ClientEvent, Refused};

use super::TurnServer;
use super::gather::is_reachable;

/// The allocations of a connection.
#[derive(Debug, Default)]
pub(super) struct Relays {
    relays: Vec<Relay>,
    events: VecDeque<RelayEvent>,
    /// Packets for a peer whose channel does not stand.
    unbound: u64,
}

#[derive(Debug)]
struct Relay {
    base: SocketAddr,
    server: SocketAddr,
    client: Client,
    relayed: Option<SocketAddr>,
    /// Whether the server has an allocation of ours, or may make one yet.
    is_held: bool,
    /// Peers that a channel was asked for, and until when one that was refused is not asked for again.
    peers: Vec<(SocketAddr, Option<Instant>)>,
}

/// What has become of an allocation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RelayEvent {
    /// A socket is reached at an address of a server.
    Relayed {
        /// The socket.
        base: SocketAddr,
        /// The address.
        relayed: SocketAddr,
        /// What the socket looks like to the server.
        mapped: Option<SocketAddr>,
    },
    /// A server gives no address, or no longer.
    Refused(SocketAddr, Refused),
}

/// What a datagram was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived<'p> {
    /// Nothing of a TURN server.
    Other,
    /// A message of a TURN server.
    Taken,
    /// Data that a peer has sent to an address of ours.
    Data { peer: SocketAddr, relayed: SocketAddr, data: &'p [u8] },
}

impl Relays {
    /// Asks each server for an address for each socket. The numbers of the questions follow from `seed`, which nobody else
    /// may know.
    pub(super) fn new(now: Instant, bases: &[SocketAddr], servers: &[TurnServer], seed: u64) -> Self {
        let pairs = bases.iter().flat_map(|base| servers.iter().map(move |server| (*base, server)));
        let relays =
            pairs.filter(|(base, server)| is_reachable(*base, server.address)).take(MOST).zip(1u128..);
        let relays = relays.map(|((base, server), number)| {
            let first = (u128::from(seed) << 32) | (number << 24);
            let mut client = Client::new(&server.name, &server.password, first);
            client.allocate(now);
            let server = server.address;
            Relay { base, server, client, relayed: None, is_held: true, peers: Vec::new() }
        });
        Relays { relays: relays.collect(), ..Relays::default() }
    }

    /// Takes a datagram that came at the socket `base`.
    pub(super) fn handle_datagram<'p>(
        &mut self,
        now: Instant,
        base: SocketAddr,
        from: SocketAddr,
        datagram: &'p [u8],
    ) -> Arrived<'p> {
        let is_it = |relay: &&mut Relay| relay.base == base && relay.server == from;
        let Some(relay) = self.relays.iter_mut().find(is_it) else { return Arrived::Other };
        let data = relay.client.handle_datagram(now, datagram);
        self.events.extend(relay.take_events(now));
        match (data, relay.relayed) {
            (Some((peer, data)), Some(relayed)) => Arrived::Data { peer, relayed, data },
            _ => Arrived::Taken,
        }
    }

    /// Wraps a datagram that goes from an address of a server to a peer: gives the socket, the server and what it is sent.
    /// `None` where `from` is no such address, or the channel to the peer does not stand.
    pub(super) fn wrap(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let relay = self.relays.iter_mut().find(|relay| relay.relayed == Some(from))?;
        let header = u16::try_from(datagram.len()).ok().and_then(|len| relay.client.header(to, len));
        let Some(header) = header else {
            self.unbound += 1;
            relay.peers.retain(|(_, again_at)| again_at.is_none_or(|at| at > now));
            if relay.peers.iter().all(|(peer, _)| *peer != to) && relay.peers.len() < MOST_PEERS {
                relay.peers.push((to, None));
                relay.client.bind(now, to);
            }
            return None;
        };
        Some((relay.base, relay.server, [header.as_slice(), datagram].concat()))
    }

    /// Gives every allocation back, those that are under way as soon as they are there.
    pub(super) fn close(&mut self, now: Instant) {
        for relay in &mut self.relays {
            relay.relayed = None;
            if relay.is_held {
                relay.client.close(now);
            }
        }
    }

    /// Whether no server has an allocation of ours, or may make one yet.
    pub(super) fn is_at_rest(&self) -> bool {
        self.relays.iter().all(|relay| !relay.is_held)
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for relay in &mut self.relays {
            relay.client.handle_timeout(now);
            self.events.extend(relay.take_events(now));
        }
    }

    /// The next message for a server: from which socket, to whom, and it.
    pub(super) fn poll_transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Bytes)> {
        self.relays
            .iter_mut()
            .find_map(|relay| Some((relay.base, relay.server, relay.client.poll_transmit()?)))
    }

    /// The next of what has become of allocations.
    pub(super) fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.relays.iter().filter_map(|relay| relay.client.poll_timeout()).min()
    }

    /// How many packets were lost since no channel stood yet.
    pub(super) fn unbound(&self) -> u64 {
        self.unbound
    }
}

impl Relay {
    fn take_events(&mut self, now: Instant) -> Vec<RelayEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Allocated { relayed, mapped } => {
                    self.relayed = Some(relayed);
                    events.push(RelayEvent::Relayed { base: self.base, relayed, mapped });
                }
                ClientEvent::Ended(why) => {
                    (self.relayed, self.is_held) = (None, false);
                    events.push(RelayEvent::Refused(self.server, why));
                }
                ClientEvent::Closed => self.is_held = false,
                // That a peer is not reached this way is for ICE to find out; it may be later.
                ClientEvent::NotBound(peer, _) => {
                    let refused = self.peers.iter_mut().find(|(known, _)| *known == peer);
                    if let Some((_, again_at)) = refused {
                        *again_at = Some(now + PAUSE);
                    }
                }
                ClientEvent::Bound(_) => {}
            }
        }
        events
    }
}

/// Allocations at the most.
const MOST: usize = 8;
/// Peers of an allocation: as many candidates as another side has.
const MOST_PEERS: usize = 64;
/// How long a channel that was refused is not asked for again.
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_servers_that_a_socket_reaches_are_asked_and_a_silent_one_is_told() {
        let mut clock = ringback_sansio::sim::Clock::new();
        let bases = ["10.0.0.2:4000", "[2001:db8::2]:4000", "127.0.0.1:4000"].map(address);
        let server =
            TurnServer { address: address("192.0.2.1:3478"), name: "u".into(), password: "p".into() };
        let mut relays = Relays::new(clock.now(), &bases, std::slice::from_ref(&server), 7);
        let (base, to, request) = relays.poll_transmit().unwrap();
        assert_eq!((base, to), (bases[0], server.address));
        assert!(relays.poll_transmit().is_none());
        let now = clock.now();
        let strange = relays.handle_datagram(now, base, address("192.0.2.9:3478"), &request);
        assert_eq!(strange, Arrived::Other);
        assert_eq!(relays.handle_datagram(now, base, server.address, b"nonsense"), Arrived::Taken);
        assert_eq!(relays.wrap(now, address("192.0.2.1:50000"), address("192.0.2.7:9"), b"x"), None);
        while let Some(at) = relays.poll_timeout() {
            clock.advance_to(at);
            relays.handle_timeout(clock.now());
        }
        assert_eq!(relays.poll_event(), Some(RelayEvent::Refused(server.address, Refused::Silent)));
        assert!(relays.is_at_rest());

        // What was asked for when it is closed is waited for, and nobody misses it.
        let mut relays = Relays::new(clock.now(), &bases, std::slice::from_ref(&server), 7);
        for _ in 0..2 {
            relays.close(clock.now());
        }
        assert!(!relays.is_at_rest());
        while let Some(at) = relays.poll_timeout() {
            clock.advance_to(at);
            relays.handle_timeout(clock.now());
        }
        assert_eq!((relays.is_at_rest(), relays.poll_event()), (true, None));
    }
}
