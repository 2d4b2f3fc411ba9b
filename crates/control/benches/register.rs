//! What a REGISTER costs from the bytes received to the bytes to send, in time and allocations.
//!
//! `cargo bench -p ringback-control --bench register`. Each line is one message; a registration is a `challenge` and a
//! `refresh`. There are 10 000 other bindings, and the one that is refreshed is a different one each time. The questions
//! are answered at once: a database is not in it, nor is a socket.

#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on stops")]

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box};
use ringback_control::{Answer, Ask, Bypass, Epoch, Exchange, HeaderTables, Limits, Settings, User};
use ringback_sansio::{Flow, sim::Clock};
use ringback_sip::digest::{self, Algorithm, Ha1, Login, Purpose};
use ringback_sip::gruu::Gruus;
use ringback_sip::message::{Message, Name};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const REALM: &str = "ringback";
const USERS: u32 = 10_000;

/// An exchange, those who know its users, and a phone that is each of them in turn.
struct World {
    exchange: Exchange,
    now: Instant,
    count: u32,
}

impl World {
    fn new() -> Self {
        let now = Clock::new().now();
        let settings = Settings {
            domains: Vec::new(),
            realm: REALM.to_owned(),
            digest: vec![Algorithm::Md5],
            public_addresses: Vec::new(),
            own_addresses: Vec::new(),
            listeners: Vec::new(),
            workers: 1,
            transcoding: Default::default(),
            video: true,
            bypass: Bypass::Never,
            srtp: None,
            recording: ringback_control::Recording::default(),
            hold_music: false,
            sounds: Vec::new(),
            worker: 0,
            limits: Limits::default(),
            epoch: Epoch { instant: now, time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) },
            headers: HeaderTables::default(),
            gruus: Gruus::new([7; 32]),
            seed: [7; 32],
        };
        let mut world = World { exchange: Exchange::new(settings).expect("settings"), now, count: 0 };
        for _ in 0..USERS {
            let request = world.authorized();
            assert_eq!(world.send(request).status(), Some(200));
        }
        world
    }

    fn flow(&self) -> Flow {
        let port = 10_000 + (self.count % USERS) as u16;
        Flow::datagram(([192, 0, 2, 1], 5060).into(), ([198, 51, 100, 7], port).into())
    }

    /// The first request of the next user.
    fn unauthorized(&mut self) -> Bytes {
        self.count += 1;
        self.request("")
    }

    fn request(&self, authorization: &str) -> Bytes {
        let (user, count) = (self.count % USERS, self.count);
        let from = self.flow().remote();
        // A branch for each request: the second has credentials and one more letter.
        let (branch, cseq) =
            if authorization.is_empty() { (count.to_string(), 1) } else { (format!("{count}a"), 2) };
        Bytes::from(format!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\n\
             Contact: <sip:user{user}-0x7f51c8b@{from}>;expires=600;+sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-{user:012}>\"\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:user{user}@192.0.2.1>\r\n\
             From: <sip:user{user}@192.0.2.1>;tag=h2o9k1l3m4\r\n\
             Call-ID: 5n2k8f7d1s0a9p3o{user}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             User-Agent: baresip v1.0.0 (x86_64/linux)\r\n\
             Supported: gruu,outbound,path\r\n\
             {authorization}\
             Content-Length: 0\r\n\r\n"
        ))
    }

    /// The second request of the next user, with credentials for a nonce of its own.
    fn authorized(&mut self) -> Bytes {
        let request = self.unauthorized();
        let challenge = self.send(request);
        let user = format!("user{}", self.count % USERS);
        let login = Login { realm: None, user: user.as_bytes(), password: b"secret" };
        let purpose = Purpose { method: b"REGISTER", uri: b"sip:192.0.2.1", cnonce: "gk2l3h", nc: 1 };
        let value =
            digest::answer(challenge.headers(Name::WwwAuthenticate), &login, &purpose).expect("a challenge");
        self.request(&format!("Authorization: {}\r\n", String::from_utf8_lossy(&value)))
    }

    /// What comes back, once every question is answered.
    fn send(&mut self, request: Bytes) -> Message {
        // The transactions are over before the same user comes again.
        self.now += Duration::from_millis(50);
        if self.exchange.poll_timeout().is_some_and(|due| due <= self.now) {
            self.exchange.handle_timeout(self.now);
        }
        self.exchange.handle_message(self.now, self.flow(), request);
        while let Some((id, ask)) = self.exchange.poll_ask() {
            let answer = match ask {
                Ask::Credentials { user, realm } => {
                    let ha1 = Ha1::of_password(Algorithm::Md5, user.as_bytes(), realm.as_bytes(), b"secret");
                    Answer::Credentials(Some(User { name: user, display: None, ha1: vec![ha1] }))
                }
                Ask::Persist(changes) => {
                    black_box(changes);
                    Answer::Persisted(true)
                }
                Ask::StoredMessages { .. } => Answer::Messages(Vec::new()),
                other => panic!("a question that no REGISTER asks: {other:?}"),
            };
            self.exchange.handle_answer(self.now, id, answer);
        }
        while self.exchange.poll_event().is_some() {}
        let transmit = self.exchange.poll_transmit().expect("an answer");
        Message::parse(transmit.payload).expect("a response")
    }
}

/// The first REGISTER of a client, answered 401.
#[divan::bench]
fn challenge(bencher: Bencher<'_, '_>) {
    let world = RefCell::new(World::new());
    bencher
        .with_inputs(|| world.borrow_mut().unauthorized())
        .bench_local_values(|request| world.borrow_mut().send(request));
}

/// The second, with credentials, answered 200.
#[divan::bench]
fn refresh(bencher: Bencher<'_, '_>) {
    let world = RefCell::new(World::new());
    bencher
        .with_inputs(|| world.borrow_mut().authorized())
        .bench_local_values(|request| world.borrow_mut().send(request));
}
