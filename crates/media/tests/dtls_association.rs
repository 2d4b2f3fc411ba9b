//! DTLS with application data: a client that knows nothing of us, the cookie exchange before, and the link between them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod dtls_peer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dtls_peer::{Dice, Far, Fate, LATENCY, LONG, Sender, Speaks, made, split_handshake};
use ringback_media::dtls::{
    Association, Change, Cookies, Drop, Failure, Greeting, NotGreeted, Role, ServerIdentity, is_client_hello,
};
use ringback_sansio::sim::Clock;

/// How long a handshake may take.
const WITHIN: Duration = Duration::from_secs(20);

/// Our identity, one for the whole run.
fn ours() -> &'static ServerIdentity {
    static OURS: OnceLock<ServerIdentity> = OnceLock::new();
    OURS.get_or_init(|| {
        let (certificate, key) = made();
        ServerIdentity::from_der(certificate, key).unwrap()
    })
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dtls_association");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        ringback_media::dtls::fuzz::association(&data, ours(), Clock::new().now());
        count += 1;
    }
    assert!(count >= 6, "only {count} files: is this the corpus?");
}

/// A server as its driver makes one: cookies first, then one association.
struct World<F> {
    clock: Clock,
    cookies: Cookies,
    near: Option<Association>,
    random: Option<[u8; 32]>,
    far: Far,
    change: Option<Change>,
    data: Vec<Vec<u8>>,
    dropped: Vec<Drop>,
    /// What came from each, in order.
    arrived: Vec<(Sender, Vec<u8>)>,
    sent: usize,
    fate: F,
    flying: BTreeMap<(Instant, usize), (Sender, Vec<u8>)>,
}

impl<F: FnMut(usize, Sender, &[u8]) -> Fate> World<F> {
    fn new(fate: F) -> Self {
        let clock = Clock::new();
        let far = Far::new(Speaks::Only12, Role::Client, clock.now());
        World {
            cookies: Cookies::new(&[7; 32], clock.now()),
            clock,
            near: None,
            random: None,
            far,
            change: None,
            data: Vec::new(),
            dropped: Vec::new(),
            arrived: Vec::new(),
            sent: 0,
            fate,
            flying: BTreeMap::new(),
        }
    }

    fn connected(fate: F) -> Self {
        let mut world = World::new(fate);
        world.run(LONG);
        world.assert_connected();
        world
    }

    fn near(&mut self) -> &mut Association {
        self.near.as_mut().expect("an association")
    }

    fn assert_connected(&self) {
        assert_eq!(self.change, Some(Change::Connected));
        assert!(self.near.as_ref().unwrap().is_connected() && self.far.connected);
    }

    fn launch(&mut self, from: Sender, bytes: Vec<u8>) {
        let index = self.sent;
        self.sent += 1;
        let mut fly =
            |delay| self.flying.insert((self.clock.now() + delay, self.sent), (from, bytes.clone()));
        match (self.fate)(index, from, &bytes) {
            Fate::Arrives => drop(fly(LATENCY)),
            Fate::Late(delay) => drop(fly(LATENCY + delay)),
            Fate::Twice => {
                fly(LATENCY);
                fly(LATENCY * 2);
            }
            Fate::Lost => {}
        }
        self.sent += 1;
    }

    fn collect(&mut self) {
        while let Some(bytes) = self.near.as_mut().and_then(Association::poll_transmit) {
            self.launch(Sender::Us, bytes);
        }
        for bytes in self.far.drain() {
            self.launch(Sender::Them, bytes);
        }
        if let Some(near) = &mut self.near {
            self.data.extend(std::iter::from_fn(|| near.poll_data()).map(|data| data.to_vec()));
            self.change = near.poll_change().or(self.change);
        }
    }

    /// What comes to us.
    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        let (local, remote) = (address("192.0.2.1:5349"), address("198.51.100.7:4000"));
        if !is_client_hello(bytes) {
            if let Some(Err(reason)) = self.near.as_mut().map(|near| near.handle_datagram(now, bytes)) {
                self.dropped.push(reason);
            }
            return;
        }
        match self.cookies.greet(now, local, remote, bytes) {
            Ok(Greeting::Asked(answer)) => self.launch(Sender::Us, answer.to_vec()),
            Ok(Greeting::Verified(hello)) if self.random == Some(hello.random()) => {
                let _ = self.near().handle_datagram(now, bytes);
            }
            Ok(Greeting::Verified(hello)) => {
                self.random = Some(hello.random());
                self.near = Some(Association::accept(ours(), &hello, now, WITHIN));
            }
            Err(_) => {}
        }
    }

    fn step(&mut self) -> bool {
        self.collect();
        let arrival = self.flying.keys().next().map(|&(at, _)| at);
        let far = self.far.timeout.filter(|_| !self.far.failed);
        let near = self.near.as_ref().and_then(Association::poll_timeout);
        let idle = self.clock.now() + Duration::from_secs(3600);
        let next = [arrival, far, near].into_iter().flatten().min().filter(|&at| at < idle);
        let Some(next) = next else { return false };
        let now = self.clock.advance_to(next);
        if arrival.is_some_and(|at| at <= now) {
            let (_, (from, bytes)) = self.flying.pop_first().unwrap();
            match from {
                Sender::Us => self.far.handle(now, &bytes),
                Sender::Them => self.receive(now, &bytes),
            }
            self.arrived.push((from, bytes));
        } else {
            if let Some(near) =
                self.near.as_mut().filter(|near| near.poll_timeout().is_some_and(|at| at <= now))
            {
                near.handle_timeout(now);
            }
            if far.is_some_and(|at| at <= now) {
                self.far.failed |= self.far.engine.handle_timeout(now).is_err();
            }
        }
        self.collect();
        true
    }

    fn run(&mut self, limit: Duration) {
        let end = self.clock.now() + limit;
        for _ in 0..10_000 {
            if self.clock.now() > end || !self.step() {
                return;
            }
        }
        panic!("10 000 steps: the two run in circles");
    }

    /// Says something both ways and gives what arrived of it: at us, at the far end.
    fn say(&mut self, data: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        self.near().send(data).unwrap();
        self.far.engine.send_application_data(data).unwrap();
        self.run(Duration::from_secs(1));
        (std::mem::take(&mut self.data), std::mem::take(&mut self.far.data))
    }
}

fn arrives(_: usize, _: Sender, _: &[u8]) -> Fate {
    Fate::Arrives
}

#[test]
fn data_passes_both_ways_a_record_each() {
    let mut world = World::connected(arrives);
    for length in [1, 20, 100, 1200, 1400, 2048] {
        let data = vec![length as u8; length];
        assert_eq!(world.say(&data), (vec![data.clone()], vec![data]));
    }
    for n in 0..3 {
        world.near().send(&[n]).unwrap();
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.far.data, [[0], [1], [2]]);
    assert_eq!(world.dropped, []);
}

#[test]
fn the_first_answer_has_the_number_of_the_hello() {
    // The first two hellos are lost: the third has the record number 2, and the one with the cookie 3.
    let mut world = World::new(|index, from, _: &[u8]| match (index, from) {
        (0..4, Sender::Them) => Fate::Lost,
        _ => Fate::Arrives,
    });
    world.run(LONG);
    world.assert_connected();
    let number = |bytes: &[u8]| bytes[5..11].to_vec();
    let ours: Vec<_> = world.arrived.iter().filter(|(from, _)| *from == Sender::Us).collect();
    let hellos: Vec<_> = world.arrived.iter().filter(|(_, bytes)| is_client_hello(bytes)).collect();
    let [(_, first), (_, second)] = hellos[..] else { panic!("{} hellos", hellos.len()) };
    assert_eq!((ours[0].1[13], number(&ours[0].1)), (3, number(first)), "HelloVerifyRequest");
    assert_eq!((ours[1].1[13], number(&ours[1].1)), (2, number(second)), "ServerHello");
}

#[test]
fn a_link_that_loses_repeats_and_reorders() {
    let (mut connected, seeds) = (0, 60);
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let mut world = World::new(move |_, _, _: &[u8]| match dice.below(10) {
            0 => Fate::Lost,
            1 => Fate::Twice,
            2..4 => Fate::Late(Duration::from_millis(dice.below(60))),
            _ => Fate::Arrives,
        });
        world.run(LONG);
        match world.change {
            Some(Change::Connected) if world.far.connected => connected += 1,
            Some(Change::Connected | Change::Failed(Failure::Timeout)) | None => continue,
            other => panic!("seed {seed}: {other:?}"),
        }
        let (here, there) = world.say(b"over and over");
        for data in here.iter().chain(&there) {
            assert_eq!(data, b"over and over");
        }
        assert!(here.len() <= 1 && there.len() <= 1, "nothing is given out twice");
    }
    assert!(connected >= seeds - 6, "{connected} of {seeds}");
}

#[test]
fn what_is_not_authentic_is_told_and_ends_nothing() {
    let mut world = World::connected(arrives);
    world.say(b"before");
    let sent =
        |world: &World<_>| world.arrived.iter().rfind(|(from, _)| *from == Sender::Them).unwrap().1.clone();
    let record = sent(&world);
    let now = world.clock.now();
    assert_eq!(world.near().handle_datagram(now, &record), Err(Drop::Unauthentic), "it comes again");
    for at in [12, 15, 30, record.len() - 1] {
        let mut forged = record.clone();
        forged[10] = forged[10].wrapping_add(9);
        forged[at] ^= 1;
        let reason = world.near().handle_datagram(now, &forged).unwrap_err();
        assert!(matches!(reason, Drop::Unauthentic | Drop::Malformed), "{at}: {reason:?}");
    }
    let plain = |kind: u8, fragment: &[u8]| {
        let mut bytes = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, fragment.len() as u8];
        bytes.extend_from_slice(fragment);
        bytes
    };
    for (datagram, reason) in [
        (plain(21, &[2, 40]), Drop::Unauthenticated),
        (plain(21, &[1, 0]), Drop::Unauthenticated),
        (plain(23, b"in the clear"), Drop::OutOfPlace),
        (plain(20, &[1]), Drop::OutOfPlace),
        (vec![0x2c, 0, 1, 0, 3, 7, 7, 7], Drop::OutOfPlace),
        (b"\x00\x01\x00\x00".to_vec(), Drop::Malformed),
        (Vec::new(), Drop::Malformed),
    ] {
        assert_eq!(world.near().handle_datagram(now, &datagram), Err(reason), "{datagram:?}");
    }
    // What is good in a datagram is taken, whatever else is in it.
    world.far.engine.send_application_data(b"beside").unwrap();
    let mut datagram = plain(21, &[2, 40]);
    datagram.extend(world.far.drain().concat());
    assert_eq!(world.near().handle_datagram(now, &datagram), Ok(()));
    assert_eq!(world.near().poll_data().as_deref(), Some(&b"beside"[..]));
    assert_eq!(world.say(b"after"), (vec![b"after".to_vec()], vec![b"after".to_vec()]));
}

#[test]
fn forged_copies_of_every_datagram_make_nothing_of_nothing() {
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let mut world = World::new(arrives);
        let mut seen = 0;
        let end = world.clock.now() + LONG;
        while world.clock.now() < end && world.step() {
            let now = world.clock.now();
            let copies: Vec<_> = world.flying.values().skip(seen).cloned().collect();
            seen = world.flying.len();
            for (_, mut copy) in copies.into_iter().filter(|(from, _)| *from == Sender::Them) {
                for _ in 0..=dice.below(3) {
                    let at = dice.below(copy.len() as u64) as usize;
                    copy[at] ^= 1 << dice.below(8);
                }
                world.receive(now, &copy);
            }
        }
        if world.change == Some(Change::Connected) && world.far.connected {
            world.say(b"all the same");
        }
    }
}

#[test]
fn a_client_that_closes_is_answered_and_so_are_we() {
    let mut world = World::connected(arrives);
    world.far.engine.close().unwrap();
    world.run(Duration::from_secs(1));
    assert_eq!(world.change, Some(Change::Closed));
    assert!(!world.near().is_connected() && world.near().poll_timeout().is_none());
    assert!(world.near().send(b"late").is_err());

    let mut world = World::connected(arrives);
    world.near().close();
    world.run(Duration::from_secs(1));
    assert!(world.far.closed, "close_notify");
    let now = world.clock.now();
    assert_eq!(
        world.near().handle_datagram(now, &[21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0]),
        Err(Drop::Ended)
    );
}

#[test]
fn a_handshake_that_comes_to_nothing_ends_after_twenty_seconds() {
    // Both hellos arrive, and nothing after them.
    let mut world = World::new(|_, from, bytes: &[u8]| match from {
        Sender::Them if !is_client_hello(bytes) => Fate::Lost,
        _ => Fate::Arrives,
    });
    let begun = world.clock.now();
    world.run(LONG);
    assert_eq!(world.change, Some(Change::Failed(Failure::Timeout)));
    assert!(world.near().poll_timeout().is_none());
    let flights = world.arrived.iter().filter(|(from, bytes)| *from == Sender::Us && bytes[13] == 2).count();
    assert!((3..=16).contains(&flights), "{flights} times is the flight sent");
    assert!(world.clock.now() >= begun + WITHIN);
}

/// A ClientHello with this version and suite, and no extension.
fn bare_hello(version: u8, suite: [u8; 2], cookie: &[u8]) -> Vec<u8> {
    let mut body = vec![0xfe, version];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, cookie.len() as u8]);
    body.extend_from_slice(cookie);
    body.extend_from_slice(&[0, 2, suite[0], suite[1], 1, 0]);
    let length = body.len() as u8;
    let number = u8::from(!cookie.is_empty());
    let mut bytes = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + length];
    bytes.extend_from_slice(&[1, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length]);
    bytes.extend_from_slice(&body);
    bytes
}

#[test]
fn a_hello_that_asks_for_nothing_we_can_gets_an_alert() {
    let now = Clock::new().now();
    let cookies = Cookies::new(&[7; 32], now);
    let (local, remote) = (address("192.0.2.1:5349"), address("198.51.100.7:4000"));
    // Without an extended master secret, RSA only, and DTLS 1.0.
    for (version, suite) in [(0xfd, [0xc0, 0x2b]), (0xfd, [0xc0, 0x2f]), (0xff, [0xc0, 0x2b])] {
        let first = bare_hello(version, suite, &[]);
        let Ok(Greeting::Asked(answer)) = cookies.greet(now, local, remote, &first) else { panic!("asked") };
        let second = bare_hello(version, suite, &answer[answer.len() - 32..]);
        let Ok(Greeting::Verified(hello)) = cookies.greet(now, local, remote, &second) else {
            panic!("verified")
        };
        let mut association = Association::accept(ours(), &hello, now, WITHIN);
        assert_eq!(
            association.poll_change(),
            Some(Change::Failed(Failure::Incompatible)),
            "{version:x} {suite:x?}"
        );
        let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40];
        assert_eq!(association.poll_transmit().as_deref(), Some(&alert[..]));
        assert_eq!(association.poll_transmit(), None);
    }
}

#[test]
fn a_hello_in_pieces_is_not_answered() {
    let mut world = World::new(arrives);
    let hello = world.far.drain().remove(0);
    let (local, remote) = (address("192.0.2.1:5349"), address("198.51.100.7:4000"));
    for piece in split_handshake(&hello, 40) {
        let greeted = world.cookies.greet(world.clock.now(), local, remote, &piece).map(|_| ());
        assert_eq!(greeted, Err(NotGreeted::InPieces));
    }
}
