//! A client and a server of ours: what each asks the other understands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod turn_world;

use ringback_nat::turn::client::{Client, Event, Refused};
use ringback_nat::turn::{HEADROOM, TAILROOM, Verdict};
use ringback_sansio::Flow;
use turn_world::*;

/// A client of ours at its address, and the world with the server.
struct Pair {
    world: World,
    client: Client,
    flow: Flow,
}

impl Pair {
    fn new(password: &str) -> Self {
        let flow = Flow::datagram(at("203.0.113.1:3478"), at("192.0.2.7:50000"));
        Pair { world: World::new(), client: Client::new("alice", password, 1 << 64), flow }
    }

    /// Passes on what each has for the other, until neither has any.
    fn drive(&mut self) {
        while let Some(request) = self.client.poll_transmit() {
            let now = self.world.clock.now();
            assert_eq!(self.world.server.handle_datagram(now, self.flow, &request), Verdict::Consumed);
            self.world.drive();
            while let Some(answer) = self.world.server.poll_transmit() {
                assert_eq!(answer.flow, self.flow);
                assert_eq!(self.client.handle_datagram(now, &answer.payload), None);
            }
        }
    }

    /// Lets time pass, with what is due in it.
    fn pass(&mut self, seconds: u64) {
        let end = self.world.clock.now() + secs(seconds);
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            let now = self.world.clock.now();
            self.world.pass(due.saturating_duration_since(now));
            self.client.handle_timeout(due);
            self.drive();
        }
        let now = self.world.clock.now();
        self.world.pass(end.saturating_duration_since(now));
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }
}

fn allocated() -> (Pair, std::net::SocketAddr) {
    let mut pair = Pair::new("sesame");
    pair.client.allocate(pair.world.clock.now());
    pair.drive();
    let events = pair.events();
    let [Event::Allocated { relayed, mapped }] = events[..] else { panic!("{events:?}") };
    assert_eq!(mapped, Some(pair.flow.remote()));
    (pair, relayed)
}

#[test]
fn data_goes_to_a_peer_and_comes_back() {
    let (mut pair, _) = allocated();
    let peer = at(PEER);
    assert_eq!(pair.client.header(peer, 5), None, "nothing is bound");
    pair.client.bind(pair.world.clock.now(), peer);
    pair.drive();
    assert_eq!(pair.events(), [Event::Bound(peer)]);
    let header = pair.client.header(peer, 5).unwrap();
    let packet = [&header[..], b"there"].concat();
    let now = pair.world.clock.now();
    let verdict = pair.world.server.handle_datagram(now, pair.flow, &packet);
    let relay = pair.world.relay();
    assert_eq!(verdict, Verdict::ToPeer { relay, peer, data: b"there" });
    let mut buffer = [0; HEADROOM + 4 + TAILROOM];
    buffer[HEADROOM..HEADROOM + 4].copy_from_slice(b"back");
    let verdict = pair.world.server.handle_relayed(now, relay, peer, &mut buffer, 4);
    let Verdict::ToClient { message, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(pair.client.handle_datagram(now, message), Some((peer, &b"back"[..])));
}

#[test]
fn an_allocation_and_its_channels_stand_as_long_as_they_are_wanted() {
    let (mut pair, _) = allocated();
    let peer = at(PEER);
    pair.client.bind(pair.world.clock.now(), peer);
    pair.drive();
    assert_eq!(pair.events(), [Event::Bound(peer)]);
    // Many lifetimes, permissions and nonces.
    pair.pass(3 * 3600);
    assert_eq!(pair.events(), []);
    let header = pair.client.header(peer, 0).unwrap();
    let now = pair.world.clock.now();
    assert!(matches!(pair.world.server.handle_datagram(now, pair.flow, &header), Verdict::ToPeer { .. }));
    pair.client.close(now);
    pair.drive();
    assert_eq!(pair.events(), [Event::Closed]);
    assert!(pair.world.server.is_empty());
}

#[test]
fn a_wrong_password_is_said_once() {
    let mut pair = Pair::new("guess");
    pair.client.allocate(pair.world.clock.now());
    pair.drive();
    assert_eq!(pair.events(), [Event::Ended(Refused::WrongCredentials)]);
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_peer_that_is_none_is_refused_with_its_code() {
    let (mut pair, _) = allocated();
    let loopback = at("127.0.0.1:9");
    pair.client.bind(pair.world.clock.now(), loopback);
    pair.drive();
    let refused = [Event::NotBound(loopback, Refused::Code(403))];
    assert_eq!(pair.events(), refused);
    assert_eq!(pair.client.header(loopback, 1), None);
    // It may be asked for again, and another peer gets another number.
    pair.client.bind(pair.world.clock.now(), loopback);
    pair.client.bind(pair.world.clock.now(), at(PEER));
    pair.drive();
    assert_eq!(pair.events(), [refused[0].clone(), Event::Bound(at(PEER))]);
    assert_eq!(pair.client.header(at(PEER), 0).unwrap()[..2], [0x40, 0x01]);
}

#[test]
fn an_allocation_that_is_under_way_when_it_is_closed_is_given_back() {
    let mut pair = Pair::new("sesame");
    let now = pair.world.clock.now();
    pair.client.allocate(now);
    pair.client.close(now);
    pair.drive();
    assert_eq!(pair.events(), [Event::Closed]);
    assert!(pair.world.server.is_empty());
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_server_that_is_silent_is_asked_seven_times_in_half_a_minute() {
    let mut pair = Pair::new("sesame");
    let begun = pair.world.clock.now();
    pair.client.allocate(begun);
    let mut sent = 0;
    loop {
        sent += std::iter::from_fn(|| pair.client.poll_transmit()).count();
        let Some(due) = pair.client.poll_timeout() else { break };
        pair.client.handle_timeout(due);
        if !pair.client.poll_event().is_some_and(|event| event == Event::Ended(Refused::Silent)) {
            continue;
        }
        assert!((due - begun) > secs(31) && (due - begun) < secs(64), "{:?}", due - begun);
        break;
    }
    assert_eq!(sent, 7);
}

#[test]
fn what_another_sends_in_the_name_of_the_server_is_not_believed() {
    let mut pair = Pair::new("sesame");
    let now = pair.world.clock.now();
    pair.client.allocate(now);
    let request = pair.client.poll_transmit().unwrap();
    // A success for the same transaction, without a code that proves anything.
    let mut forged = request.to_vec();
    forged.truncate(20);
    forged[0] = 1;
    forged[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(pair.client.handle_datagram(now, &forged), None);
    assert_eq!(pair.events(), []);
}
