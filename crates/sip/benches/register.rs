//! What a REGISTER costs above the transport: parse, challenge, verify, register and answer, in time and allocations.
//!
//! `cargo bench -p ringback-sip --bench register`. Each line is one message; a registration is a `challenge` and a
//! `refresh`. There are 10 000 other bindings, and the one that is refreshed is a different one each time.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use divan::{AllocProfiler, Bencher, black_box};
use ringback_sansio::sim::Clock;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::digest::{self, Algorithm, Authenticator, Ha1, Login, Purpose, Realm, Staleness};
use ringback_sip::location::Location;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::registrar::{self, Settings};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const REALM: &str = "ringback";
const USERS: u32 = 10_000;

struct Exchange {
    authenticator: Authenticator,
    location: Location,
    settings: Settings,
    now: Instant,
    secret: Ha1,
    user: u32,
    cseq: u32,
}

impl Exchange {
    fn new() -> Self {
        let now = Clock::new().now();
        let realm = Realm::new(REALM).expect("a realm");
        let mut exchange = Exchange {
            authenticator: Authenticator::new(realm, [7; 32], now, &digest::Settings::default()),
            location: Location::new(now, Duration::from_secs(15)),
            settings: Settings::default(),
            now,
            secret: Ha1::of_password(Algorithm::Md5, b"alice", REALM.as_bytes(), b"secret"),
            user: 0,
            cseq: 1,
        };
        for user in 0..USERS {
            exchange.user = user;
            let request = exchange.request("");
            exchange.register(&Message::parse(request).expect("a message"));
        }
        exchange
    }

    fn aor(&self) -> [u8; 14] {
        let mut aor = *b"0000@ringback_";
        aor[..4].copy_from_slice(&(self.user % USERS).to_be_bytes());
        aor
    }

    fn flow(&self) -> Flow {
        let tuple =
            FiveTuple::new(Transport::Wss, ([192, 0, 2, 1], 8443).into(), ([198, 51, 100, 7], 40_000).into());
        Flow { tuple, connection: ConnectionId(u64::from(self.user % USERS) + 1) }
    }

    fn request(&self, authorization: &str) -> Bytes {
        let (user, cseq) = (self.user % USERS, self.cseq);
        Bytes::from(format!(
            "REGISTER sip:ringback SIP/2.0\r\n\
             Via: SIP/2.0/WSS q8h1c2v3b4n5.invalid;branch=z9hG4bK{cseq}\r\n\
             Max-Forwards: 69\r\n\
             To: <sip:alice@ringback>\r\n\
             From: <sip:alice@ringback>;tag=h2o9k1l3m4\r\n\
             Call-ID: 5n2k8f7d1s0a9p3o{user}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             {authorization}\
             Contact: <sip:8hj2k4l6@q8h1c2v3b4n5.invalid;transport=ws>;+sip.ice;reg-id=1;\
             +sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-2a6f5e8c9d01>\";expires=600\r\n\
             Expires: 600\r\n\
             Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n\
             Supported: path,gruu,outbound\r\n\
             User-Agent: JsSIP 3.13.8\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }

    /// The next request of the next user, with credentials for a nonce of its own.
    fn authorized(&mut self) -> Bytes {
        self.user += 1;
        self.cseq += 1;
        let values = self.authenticator.challenge(
            self.now,
            self.flow().remote().ip(),
            Transport::Wss,
            Staleness::Unsaid,
        );
        let login = Login { realm: None, user: b"alice", password: b"secret" };
        let purpose = Purpose { method: b"REGISTER", uri: b"sip:ringback", cnonce: "gk2l3h", nc: 1 };
        let value = digest::answer(values.iter().map(AsRef::as_ref), &login, &purpose).expect("an answer");
        self.request(&format!("Authorization: {}\r\n", String::from_utf8_lossy(&value)))
    }

    fn challenge(&mut self, request: &Message) -> Message {
        let source = self.flow().remote().ip();
        self.authenticator.select(request.headers(Name::Authorization)).expect_err("no credentials");
        let values = self.authenticator.challenge(self.now, source, Transport::Wss, Staleness::Unsaid);
        let reply = Builder::reply(request, 401).to_tag(b"7f3a9c");
        values.iter().fold(reply, |reply, value| reply.header(Name::WwwAuthenticate, value)).finish()
    }

    fn verify(&mut self, request: &Message) {
        let source = self.flow().remote().ip();
        let credentials =
            self.authenticator.select(request.headers(Name::Authorization)).expect("credentials");
        let claim = self.authenticator.examine(self.now, source, b"REGISTER", &credentials).expect("a claim");
        self.authenticator.verify(&claim, Some(&self.secret)).expect("right credentials");
    }

    fn register(&mut self, request: &Message) -> Message {
        let (aor, flow) = (self.aor(), self.flow());
        let outcome = registrar::process(&mut self.location, &self.settings, self.now, request, &aor, flow);
        let outcome = outcome.expect("registered");
        if let Some(ticket) = outcome.ticket {
            self.location.commit(ticket);
        }
        black_box(outcome.changes);
        outcome.response.to_tag(b"7f3a9c").finish()
    }
}

/// The first REGISTER of a client: parsed and answered 401.
#[divan::bench]
fn challenge(bencher: Bencher<'_, '_>) {
    let mut exchange = Exchange::new();
    let request = exchange.request("");
    bencher.bench_local(|| {
        let request = Message::parse(request.clone()).expect("a message");
        exchange.challenge(&request)
    });
}

/// A REGISTER with credentials: parsed, verified, registered and answered 200.
#[divan::bench]
fn refresh(bencher: Bencher<'_, '_>) {
    let exchange = RefCell::new(Exchange::new());
    bencher.with_inputs(|| exchange.borrow_mut().authorized()).bench_local_values(|request| {
        let mut exchange = exchange.borrow_mut();
        let request = Message::parse(request).expect("a message");
        exchange.verify(&request);
        exchange.register(&request)
    });
}

/// Reading and verifying the credentials, of what `refresh` is.
#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let exchange = RefCell::new(Exchange::new());
    bencher
        .with_inputs(|| Message::parse(exchange.borrow_mut().authorized()).expect("a message"))
        .bench_local_values(|request| exchange.borrow_mut().verify(&request));
}

/// Registering and writing the 200, of what `refresh` is.
#[divan::bench]
fn process(bencher: Bencher<'_, '_>) {
    let exchange = RefCell::new(Exchange::new());
    bencher
        .with_inputs(|| Message::parse(exchange.borrow_mut().authorized()).expect("a message"))
        .bench_local_values(|request| exchange.borrow_mut().register(&request));
}
