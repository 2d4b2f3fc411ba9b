//! A registrar in a world of its own: a clock that the test moves, flows by number, and requests as text.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::sim::Clock;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::location::{Change, Location, Removal, Upsert};
use ringback_sip::message::{Message, Name};
use ringback_sip::registrar::{self, Outcome, Rejection, Settings};

pub const AOR: &[u8] = b"alice";

pub struct World {
    pub location: Location,
    pub settings: Settings,
    pub now: Instant,
}

/// A REGISTER that was answered 200.
#[derive(Debug)]
pub struct Registered {
    pub changes: Vec<Change>,
    pub response: Message,
}

impl World {
    pub fn new() -> Self {
        let now = Clock::new().now();
        World { location: Location::new(now, Duration::from_secs(15)), settings: Settings::default(), now }
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Registers, and has the store take it.
    pub fn register(&mut self, flow: Flow, text: &str) -> Result<Registered, Rejection> {
        let outcome = self.process(flow, text)?;
        if let Some(ticket) = outcome.ticket {
            self.location.commit(ticket);
        }
        Ok(Registered { changes: outcome.changes, response: outcome.response.finish() })
    }

    /// Registers; whether the store takes it is the test's to say.
    pub fn process(&mut self, flow: Flow, text: &str) -> Result<Outcome, Rejection> {
        registrar::process(&mut self.location, &self.settings, self.now, &message(text), AOR, flow)
    }

    /// The Contact URIs that a request to the address of record goes to, in order.
    pub fn targets(&self) -> Vec<String> {
        self.location.targets(AOR).map(|binding| text(binding.uri())).collect()
    }

    /// The number of bindings, detached ones included.
    pub fn bindings(&self) -> usize {
        self.location.bindings(AOR).len()
    }
}

impl Registered {
    /// The Contact lines of the 200.
    pub fn contacts(&self) -> Vec<String> {
        self.response.headers(Name::Contact).map(text).collect()
    }

    /// What was done, in words.
    pub fn done(&self) -> Vec<&'static str> {
        self.changes.iter().map(word).collect()
    }
}

pub fn word(change: &Change) -> &'static str {
    match change {
        Change::Upsert { how: Upsert::Added, .. } => "added",
        Change::Upsert { how: Upsert::Refreshed, .. } => "refreshed",
        Change::Upsert { how: Upsert::Moved { .. }, .. } => "moved",
        Change::Remove { cause: Removal::Unregistered, .. } => "unregistered",
        Change::Remove { cause: Removal::Expired, .. } => "expired",
        Change::Remove { cause: Removal::Displaced, .. } => "displaced",
        Change::Remove { cause: Removal::Superseded, .. } => "superseded",
    }
}

/// A message from lines; the last empty line is added.
pub fn message(text: &str) -> Message {
    let head = text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n");
    Message::parse(Bytes::from(format!("{head}\r\n\r\n"))).unwrap()
}

/// A REGISTER of a phone: the lines that every one has, and the test's own.
pub fn register(call_id: &str, cseq: u32, own: &str) -> String {
    format!(
        "REGISTER sip:ringback SIP/2.0
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{call_id}{cseq}
         From: <sip:alice@ringback>;tag=f
         To: <sip:alice@ringback>
         Call-ID: {call_id}
         CSeq: {cseq} REGISTER
         Max-Forwards: 70
         Content-Length: 0
         {own}"
    )
}

/// A WebSocket connection.
pub fn wss(number: u64) -> Flow {
    let port = 40_000 + u16::try_from(number).unwrap();
    let tuple = FiveTuple::new(
        Transport::Wss,
        "192.0.2.1:8443".parse().unwrap(),
        format!("198.51.100.7:{port}").parse().unwrap(),
    );
    Flow { tuple, connection: ConnectionId(number) }
}

/// Datagrams of a phone.
pub fn udp(number: u8) -> Flow {
    Flow::datagram("192.0.2.1:5060".parse().unwrap(), format!("192.0.2.{number}:5060").parse().unwrap())
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
