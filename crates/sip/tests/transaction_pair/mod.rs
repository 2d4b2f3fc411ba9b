//! Two transaction layers in a simulated network, in virtual time, drawn as a ladder.
#![allow(dead_code, unused_imports, reason = "each test file uses its part of the harness")]

mod play;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::sim::{Clock, Fate, Head, Ladder, Link, Network};
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::{Event, ServerId, Stats, Timers, Transactions};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Alice,
    Bob,
}
pub use Who::{Alice, Bob};
pub use play::{Outcome, Plan, play};

impl Who {
    pub fn other(self) -> Who {
        match self {
            Alice => Bob,
            Bob => Alice,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Alice => "alice",
            Bob => "bob",
        }
    }

    pub fn address(self) -> SocketAddr {
        match self {
            Alice => "192.0.2.1:5060".parse().unwrap(),
            Bob => "192.0.2.2:5060".parse().unwrap(),
        }
    }
}

/// Alice and Bob.
pub struct Pair {
    pub clock: Clock,
    pub network: Network,
    pub ladder: Ladder,
    transport: Transport,
    layers: [Transactions; 2],
    events: VecDeque<(Who, Event)>,
    /// How many messages were sent, and which of them the test wants lost.
    sent: usize,
    to_lose: BTreeSet<usize>,
}

impl Pair {
    pub fn new(transport: Transport, link: Link, seed: u64) -> Self {
        Self::with_timers(transport, link, seed, Timers::default())
    }

    pub fn with_timers(transport: Transport, link: Link, seed: u64, timers: Timers) -> Self {
        Pair {
            clock: Clock::new(),
            network: Network::new(seed, link),
            ladder: Ladder::new(["alice", "bob"], 44),
            transport,
            layers: [Transactions::new(timers, seed), Transactions::new(timers, seed ^ 0xb0b)],
            events: VecDeque::new(),
            sent: 0,
            to_lose: BTreeSet::new(),
        }
    }

    /// Over UDP, each packet a tenth of a second on its way and none lost but those that the test names.
    pub fn udp() -> Self {
        Pair::new(Transport::Udp, Link::perfect(DELAY), 1)
    }

    /// Over a connection that delivers everything, a tenth of a second late.
    pub fn tcp() -> Self {
        Pair::new(Transport::Tcp, Link::stream(DELAY, Duration::ZERO), 1)
    }

    /// Loses the messages with these numbers, counted from 0 in the order they are sent by either.
    pub fn lose(mut self, numbers: impl IntoIterator<Item = usize>) -> Self {
        self.to_lose.extend(numbers);
        self
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    pub fn layer(&mut self, who: Who) -> &mut Transactions {
        &mut self.layers[who as usize]
    }

    pub fn stats(&self, who: Who) -> Stats {
        *self.layers[who as usize].stats()
    }

    /// The flow to the other one.
    pub fn flow(&self, who: Who) -> Flow {
        let connection = if self.transport.is_reliable() { ConnectionId(1) } else { ConnectionId::NONE };
        let tuple = FiveTuple::new(self.transport, who.address(), who.other().address());
        Flow { tuple, connection }
    }

    /// A request of Alice to Bob or the other way round, outside of a dialog.
    pub fn new_request(&mut self, who: Who, method: Method) -> Message {
        let (from, to) = (who.name(), who.other().name());
        let branch = self.layer(who).new_branch();
        let via = format!("SIP/2.0/{} {};branch={branch}", self.transport, who.address());
        Builder::request(method.clone(), format!("sip:{to}@{}", who.other().address()).as_bytes())
            .header(Name::Via, via)
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<sip:{from}@example.com>;tag={from}-1"))
            .header(Name::To, format!("<sip:{to}@example.com>"))
            .header(Name::CallId, "call-1")
            .header(Name::CSeq, format!("1 {method}"))
            .header(Name::Contact, format!("<sip:{from}@{}>", who.address()))
            .finish()
    }

    pub fn respond(&mut self, who: Who, id: ServerId, request: &Message, status: u16) {
        let response = reply(who, request, status);
        let now = self.now();
        self.layer(who).respond(now, id, response);
    }

    /// Runs until there is news for a user; `None` when nothing will happen any more.
    pub fn next_event(&mut self) -> Option<(Who, Event)> {
        loop {
            self.flush();
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            self.step()?;
        }
    }

    /// Runs for so long; news stays for [`Pair::next_event`].
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now() + duration;
        loop {
            self.flush();
            match self.next_instant() {
                Some(at) if at <= end => drop(self.step()),
                _ => break,
            }
        }
        self.clock.advance_to(end);
    }

    /// Hands a message to one of the two as if it had come from the network.
    pub fn deliver(&mut self, to: Who, message: Message) -> Option<Event> {
        let (now, flow) = (self.now(), self.flow(to));
        let event = self.layer(to).handle_message(now, flow, message);
        self.flush();
        event
    }

    /// Checks that neither has a transaction, a timer or a message left.
    pub fn assert_at_rest(&mut self) {
        assert_eq!(self.next_event(), None);
        for who in [Alice, Bob] {
            let layer = self.layer(who);
            assert_eq!((layer.client_count(), layer.server_count()), (0, 0), "{who:?}");
            assert_eq!(layer.poll_timeout(), None, "{who:?}");
        }
    }

    /// Compares the ladder with the one that is kept.
    pub fn assert_ladder(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.ladder.to_string()));
    }

    fn next_instant(&self) -> Option<Instant> {
        let timers = self.layers.iter().filter_map(Transactions::poll_timeout);
        timers.chain(self.network.poll_timeout()).min()
    }

    /// Moves to the next instant at which something happens, and lets it happen.
    fn step(&mut self) -> Option<()> {
        let now = self.next_instant()?;
        self.clock.advance_to(now);
        let now = self.clock.now();
        while let Some(datagram) = self.network.receive(now) {
            let who = if datagram.to == Alice.address() { Alice } else { Bob };
            let flow = self.flow(who);
            let message = Message::parse(datagram.payload).unwrap();
            let event = self.layer(who).handle_message(now, flow, message);
            self.events.extend(event.map(|event| (who, event)));
            self.flush();
        }
        for who in [Alice, Bob] {
            self.layer(who).handle_timeout(now);
        }
        Some(())
    }

    /// Takes what the layers want sent and said.
    fn flush(&mut self) {
        let (now, at) = (self.clock.now(), self.clock.elapsed());
        for who in [Alice, Bob] {
            while let Some(transmit) = self.layers[who as usize].poll_transmit() {
                let (from, to) = (transmit.flow.local(), transmit.flow.remote());
                let lost = self.to_lose.contains(&self.sent);
                self.sent += 1;
                let label = label(&transmit.payload);
                let fate = match lost {
                    true => Fate::Lost,
                    false => self.network.send(now, from, to, transmit.payload),
                };
                let (head, remark) = match fate {
                    Fate::OnItsWay(_) => (Head::Arrives, ""),
                    Fate::Twice(..) => (Head::Arrives, "twice"),
                    Fate::Lost => (Head::Lost, ""),
                };
                self.ladder.arrow(at, who.name(), who.other().name(), &label, head, remark);
            }
            while let Some(event) = self.layers[who as usize].poll_event() {
                self.events.push_back((who, event));
            }
        }
    }
}

/// The answer of Bob or Alice, with a tag and a Contact where there should be one.
pub fn reply(who: Who, request: &Message, status: u16) -> Message {
    let mut reply = Builder::reply(request, status);
    if status > 100 {
        reply = reply.to_tag(format!("{}-1", who.name()).as_bytes());
    }
    if (101..300).contains(&status) && *request.method_ref() == Method::Invite {
        reply = reply.header(Name::Contact, format!("<sip:{}@{}>", who.name(), who.address()));
    }
    reply.finish()
}

/// What stands on an arrow: the method, or the status with the method it answers.
pub fn label(payload: &Bytes) -> String {
    let message = Message::parse(payload.clone()).unwrap();
    let method = message.method();
    match message.status() {
        None => format!("{method}"),
        Some(status) => format!("{status} {} ({method})", String::from_utf8_lossy(message.reason())),
    }
}

/// How long a packet takes in [`Pair::udp`] and [`Pair::tcp`].
pub const DELAY: Duration = Duration::from_millis(100);
