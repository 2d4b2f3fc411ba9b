//! An exchange among scripted phones, a store and a media worker that are made of nothing, in virtual time.
//!
//! ```text
//! let mut world = World::new(1);
//! let alice = world.jssip("alice");
//! let bob = world.baresip("bob");
//! world.register_all();
//! world.phone(alice).dial("bob");
//! world.run(ms(500));
//! world.phone(bob).answer();
//! world.settle();
//! insta::assert_snapshot!(world.ladder());
//! ```
#![allow(dead_code, reason = "each test uses its part of the kit")]
#![allow(unused_imports, reason = "each test uses its part of the kit")]
#![allow(unreachable_pub, reason = "the kit is compiled into the unit tests too")]
#![allow(missing_docs, reason = "a test reads like its names")]

mod connecting;
mod drawing;
mod hearing;
mod phone;
mod seeing;
mod surroundings;
mod texts;
mod transferring;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_control::{
    AskId, Bypass, Cdr, Epoch, Event, Exchange, HeaderTables, Limits, MediaEvent, Recording, Settings,
};
use ringback_media::dtmf::{Digit, Press};
use ringback_media::negotiation::Transcoding;
use ringback_sansio::sim::{Clock, Fate, Head, Link, Network};
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transmit, Transport};
use ringback_sip::digest::Algorithm;
use ringback_sip::gruu::Gruus;
use ringback_sip::location::Change;
use ringback_sip::message::{Builder, Message, Method, Name};

pub use connecting::Outside;
use drawing::Drawing;
pub use phone::{Client, Manners, OnReinvite, Phone, Stage};
pub use surroundings::{Media, Store};
pub use transferring::escaped;

/// How long every message is on its way.
pub const DELAY: Duration = Duration::from_millis(10);
/// What the exchange listens on.
pub const UDP: &str = "192.0.2.1:5060";
pub const WSS: &str = "192.0.2.1:8443";

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The CANCEL of an INVITE.
pub fn as_cancel(invite: &Message) -> Message {
    let number = invite.cseq().unwrap().number;
    Builder::request(Method::Cancel, invite.request_uri())
        .copy(invite, Name::Via)
        .header(Name::MaxForwards, "70")
        .copy(invite, Name::From)
        .copy(invite, Name::To)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, format!("{number} CANCEL"))
        .finish()
}

/// Which phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhoneId(usize);

pub struct World {
    pub settings: Settings,
    pub exchange: Exchange,
    pub store: Store,
    pub media: Media,
    pub network: Network,
    pub outside: Outside,
    /// What the exchange told, but for the records.
    pub events: Vec<Event>,
    pub cdrs: Vec<Cdr>,
    clock: Clock,
    phones: Vec<Phone>,
    /// The exchange's side of every flow, by the far end's address.
    flows: BTreeMap<SocketAddr, Flow>,
    connections: u64,
    drawing: Drawing,
}

impl World {
    pub fn new(seed: u8) -> Self {
        World::with(seed, |_| {})
    }

    /// A world whose exchange has other settings.
    pub fn with(seed: u8, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::new();
        let epoch =
            Epoch { instant: clock.now(), time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) };
        let mut settings = Settings {
            domains: Vec::new(),
            realm: "ringback".to_owned(),
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            public_addresses: Vec::new(),
            own_addresses: Vec::new(),
            listeners: Vec::new(),
            workers: 2,
            bypass: Bypass::Never,
            transcoding: Transcoding::default(),
            video: true,
            srtp: None,
            recording: Recording::default(),
            hold_music: false,
            sounds: Vec::new(),
            worker: 0,
            headers: HeaderTables::default(),
            limits: Limits::default(),
            epoch,
            gruus: Gruus::new([7; 32]),
            seed: [seed; 32],
        };
        change(&mut settings);
        World {
            exchange: Exchange::new(settings.clone()).expect("the settings are sound"),
            settings,
            store: Store::default(),
            media: Media::default(),
            outside: Outside::default(),
            network: Network::new(u64::from(seed), Link::perfect(DELAY)),
            events: Vec::new(),
            cdrs: Vec::new(),
            clock,
            phones: Vec::new(),
            flows: BTreeMap::new(),
            connections: 0,
            drawing: Drawing::default(),
        }
    }

    /// A browser with JsSIP, over WSS.
    pub fn jssip(&mut self, user: &str) -> PhoneId {
        self.add(user, user, Client::JsSip)
    }

    /// A browser with SIP.js, over WSS.
    pub fn sipjs(&mut self, user: &str) -> PhoneId {
        self.add(user, user, Client::SipJs)
    }

    /// A baresip, over UDP.
    pub fn baresip(&mut self, user: &str) -> PhoneId {
        self.add(user, user, Client::Baresip)
    }

    /// A baresip, over TCP.
    pub fn baresip_over_tcp(&mut self, user: &str) -> PhoneId {
        self.add_over(Transport::Tcp, user, user, Client::Baresip)
    }

    /// A baresip, over TLS.
    pub fn baresip_over_tls(&mut self, user: &str) -> PhoneId {
        self.add_over(Transport::Tls, user, user, Client::Baresip)
    }

    /// A phone of a user who may have others; the label stands in the ladder.
    pub fn add(&mut self, user: &str, label: &str, client: Client) -> PhoneId {
        let transport = if client.is_browser() { Transport::Wss } else { Transport::Udp };
        self.add_over(transport, user, label, client)
    }

    fn add_over(&mut self, transport: Transport, user: &str, label: &str, client: Client) -> PhoneId {
        self.store.add(user);
        let number = self.phones.len();
        let id = PhoneId(number);
        let address = match client {
            Client::Baresip | Client::OldPhone | Client::Foreign => {
                format!("198.51.100.{}:5060", 10 + number)
            }
            Client::JsSip | Client::SipJs => format!("203.0.113.{}:40000", 10 + number),
        };
        let flow = self.open_flow(address.parse().unwrap(), transport);
        self.phones.push(Phone::new(user, label, client, flow, number as u64 + 1, self.clock.now()));
        id
    }

    /// The phone's side of a new flow.
    fn open_flow(&mut self, address: SocketAddr, transport: Transport) -> Flow {
        let server: SocketAddr = if transport.is_websocket() { WSS } else { UDP }.parse().unwrap();
        let connection = if transport == Transport::Udp {
            ConnectionId::NONE
        } else {
            self.connections += 1;
            self.network.set_links(address, server, Link::stream(DELAY, Duration::ZERO));
            ConnectionId(self.connections)
        };
        let ours = Flow { tuple: FiveTuple::new(transport, server, address), connection };
        self.flows.insert(address, ours);
        Flow { tuple: FiveTuple::new(transport, address, server), connection }
    }

    /// The phone, to look at it or to use it.
    pub fn phone(&mut self, id: PhoneId) -> &mut Phone {
        let phone = &mut self.phones[id.0];
        phone.now = self.clock.now();
        phone
    }

    /// The only phone there is.
    pub fn only(&self) -> PhoneId {
        assert_eq!(self.phones.len(), 1);
        PhoneId(0)
    }

    /// Sends a message of the test's own from a phone's address, past its transactions.
    pub fn send_past(&mut self, id: PhoneId, message: &Message) {
        let flow = self.phones[id.0].flow;
        let label = self.phones[id.0].label.clone();
        self.carry(label, "ringback".to_owned(), flow.local(), flow.remote(), message.bytes().clone());
    }

    /// The flow of a phone as the exchange sees it.
    pub fn flow(&self, id: PhoneId) -> Flow {
        self.flows[&self.phones[id.0].flow.local()]
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Signs every phone in; the ladder begins after it.
    pub fn register_all(&mut self) {
        for number in 0..self.phones.len() {
            self.phone(PhoneId(number)).register();
        }
        self.run(secs(1));
        for phone in &self.phones {
            assert_eq!(phone.last_status("REGISTER"), Some(200), "{} is signed in", phone.label);
        }
        self.begin();
    }

    /// Alice and Bob, signed in, and nothing else.
    pub fn pair(alice: Client, bob: Client) -> (Self, PhoneId, PhoneId) {
        let mut world = World::new(1);
        let (alice, bob) = world.add_pair(alice, bob);
        (world, alice, bob)
    }

    /// The same in this world.
    pub fn add_pair(&mut self, alice: Client, bob: Client) -> (PhoneId, PhoneId) {
        let alice = self.add("alice", "alice", alice);
        let bob = self.add("bob", "bob", bob);
        self.register_all();
        (alice, bob)
    }

    /// Alice has called Bob and they talk; the ladder begins here.
    pub fn talking(alice: Client, bob: Client) -> (Self, PhoneId, PhoneId) {
        let (mut world, alice, bob) = World::pair(alice, bob);
        world.connect(alice, bob);
        (world, alice, bob)
    }

    /// Alice has called Bob, who talks at his desk and has a second phone; the ladder begins here.
    pub fn two_of_bob(&mut self, [alice, desk, cell]: [Client; 3]) -> [PhoneId; 3] {
        let alice = self.add("alice", "alice", alice);
        let desk = self.add("bob", "desk", desk);
        let cell = self.add("bob", "cell", cell);
        self.register_all();
        self.phone(alice).dial("bob");
        self.run(ms(100));
        self.phone(desk).answer();
        self.run(secs(1));
        assert!(self.phone(cell).is_idle());
        self.begin();
        [alice, desk, cell]
    }

    /// Alice has called Bob, who has answered, and she does not acknowledge it.
    pub fn unacknowledged(alice: Client, bob: Client) -> (Self, PhoneId, PhoneId) {
        let (mut world, alice, bob) = World::pair(alice, bob);
        world.phone(alice).manners.acknowledges = false;
        world.phone(alice).dial("bob");
        world.run(ms(200));
        world.phone(bob).answer();
        world.run(ms(100));
        (world, alice, bob)
    }

    /// Has one phone call the user of another, who answers; the ladder begins here.
    pub fn connect(&mut self, caller: PhoneId, callee: PhoneId) {
        let user = self.phones[callee.0].user.clone();
        self.phone(caller).dial(&user);
        self.run(ms(100));
        self.phone(callee).answer();
        self.run(ms(100));
        assert!(self.phone(caller).is_up() && self.phone(callee).is_up(), "{}", self.ladder());
        self.begin();
    }

    /// Forgets what was drawn and heard: the ladder begins here.
    pub fn begin(&mut self) {
        self.drawing = Drawing::from(self.clock.elapsed());
        for phone in &mut self.phones {
            phone.heard.clear();
        }
        self.events.clear();
        self.media.log.clear();
    }

    /// The page of a browser loses its connection; the exchange is told.
    pub fn disconnect(&mut self, id: PhoneId) {
        let address = self.phones[id.0].flow.local();
        self.network.cut(address);
        if let Some(flow) = self.flows.remove(&address) {
            let label = self.phones[id.0].label.clone();
            self.drawing.note(self.clock.elapsed(), format!("{label} loses its connection"));
            self.exchange.handle_flow_lost(self.clock.now(), flow);
        }
    }

    /// The connection to a telephone is lost that was made beside its datagrams; these go on.
    pub fn lose_stream(&mut self, id: PhoneId) {
        let address = self.phones[id.0].flow.local();
        let flow = self.flows.insert(address, Flow::datagram(UDP.parse().unwrap(), address));
        let flow = flow.filter(|flow| flow.transport() == Transport::Tcp).expect("a connection");
        // What is on its way is lost with it.
        self.network.cut(address);
        while self.network.receive(self.clock.now() + secs(1)).is_some() {}
        self.network.mend(address);
        let label = self.phones[id.0].label.clone();
        self.drawing.note(self.clock.elapsed(), format!("the connection to {label} is lost"));
        self.exchange.handle_flow_lost(self.clock.now(), flow);
    }

    /// The browser connects again, from another port of the same address.
    pub fn reconnect(&mut self, id: PhoneId) {
        let address = self.phones[id.0].flow.local();
        self.reconnect_from(id, SocketAddr::new(address.ip(), address.port() + 1));
    }

    /// The phone comes back from another address.
    pub fn reconnect_from(&mut self, id: PhoneId, address: SocketAddr) {
        let transport = self.phones[id.0].flow.transport();
        let flow = self.open_flow(address, transport);
        self.phone(id).moved(flow);
        let label = self.phones[id.0].label.clone();
        self.drawing.note(self.clock.elapsed(), format!("{label} is back"));
    }

    /// The exchange is started anew, with what the store has of its bindings.
    pub fn restart(&mut self) {
        let now = self.clock.now();
        let mut rows = BTreeMap::new();
        for change in &self.store.written {
            match change {
                Change::Upsert { binding, .. } => rows.insert(binding.id(), binding.clone()),
                Change::Remove { binding, .. } => rows.remove(&binding.id()),
            };
        }
        let unix_ms = self.settings.epoch.unix_ms(now);
        self.settings.epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH + ms(unix_ms) };
        self.settings.seed[0] ^= 0xff;
        self.exchange = Exchange::new(self.settings.clone()).expect("the settings are sound");
        for binding in rows.values() {
            let expires = self.settings.epoch.unix_ms(binding.expires());
            self.exchange.restore(&binding.record(expires)).expect("a row that was written");
        }
    }

    /// Sends a text of the test's own from a phone's address.
    pub fn send_raw(&mut self, id: PhoneId, text: &str) {
        let flow = self.phones[id.0].flow;
        let label = self.phones[id.0].label.clone();
        let payload = Bytes::from(text.replace('\n', "\r\n"));
        self.carry(label, "ringback".to_owned(), flow.local(), flow.remote(), payload);
    }

    /// Runs for so long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.clock.now() + duration;
        self.flush();
        while let Some(at) = self.next().filter(|&at| at <= end) {
            self.clock.advance_to(at);
            self.step();
        }
        self.clock.advance_to(end);
    }

    /// Runs until it is so, for `most` at the longest; says whether it came to be so.
    pub fn run_until(&mut self, most: Duration, mut is_so: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.clock.now() + most;
        self.flush();
        loop {
            if is_so(self) {
                return true;
            }
            let Some(at) = self.next().filter(|&at| at <= end) else {
                self.clock.advance_to(end);
                return false;
            };
            self.clock.advance_to(at);
            self.step();
        }
    }

    /// Runs until nothing but registrations is left, or for five minutes.
    pub fn settle(&mut self) {
        self.run_until(secs(300), |world| {
            world.exchange.under_way() == 0
                && world.network.poll_timeout().is_none()
                && world.phones.iter().all(Phone::is_done)
        });
    }

    /// Whatever was begun has ended, everywhere.
    pub fn assert_nothing_is_left(&mut self) {
        assert_eq!(self.exchange.under_way(), 0, "the exchange keeps something\n{}", self.ladder());
        assert!(self.media.legs.is_empty(), "legs are open: {:?}", self.media.legs.keys());
        for phone in &self.phones {
            assert!(phone.is_idle(), "{} is in a call\n{}", phone.label, self.ladder());
        }
    }

    /// What passed, drawn.
    pub fn ladder(&self) -> String {
        let mut names: Vec<&str> = self.phones.iter().map(|phone| phone.label.as_str()).collect();
        names.insert(names.len().min(1), "ringback");
        self.drawing.draw(&names)
    }

    /// The one record, as a line.
    pub fn record(&self) -> String {
        let [cdr] = &self.cdrs[..] else { panic!("{} records: {:#?}", self.cdrs.len(), self.cdrs) };
        drawing::record(cdr)
    }

    /// The ladder and the records below it.
    pub fn story(&self) -> String {
        let records: Vec<String> = self.cdrs.iter().map(drawing::record).collect();
        format!("{}\n{}", self.ladder(), records.join("\n"))
    }

    fn next(&self) -> Option<Instant> {
        let phones = self.phones.iter().filter_map(Phone::poll_timeout);
        phones
            .chain(self.network.poll_timeout())
            .chain(self.exchange.poll_timeout())
            .chain(self.store.poll_timeout())
            .chain(self.outside.poll_timeout())
            .chain(self.media.poll_timeout())
            .min()
    }

    fn step(&mut self) {
        let now = self.clock.now();
        while let Some(datagram) = self.network.receive(now) {
            if let Some(&flow) = self.flows.get(&datagram.from)
                && flow.local() == datagram.to
            {
                self.exchange.handle_message(now, flow, datagram.payload);
            } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.flow.local() == datagram.to)
            {
                phone.now = now;
                phone.hear(&datagram.payload);
            }
            self.flush();
        }
        if self.exchange.poll_timeout().is_some_and(|at| at <= now) {
            self.exchange.handle_timeout(now);
        }
        for phone in &mut self.phones {
            phone.now = now;
            phone.handle_timeout();
        }
        while let Some((id, answer)) = self.store.poll_answer(now) {
            self.exchange.handle_answer(now, id, answer);
        }
        while let Some(event) = self.media.poll_event(now) {
            self.exchange.handle_media(now, event);
        }
        self.answer_from_outside(now);
        self.flush();
    }

    /// The keys that were told of, and whether the caller pressed them.
    pub fn keys_pressed(&self) -> Vec<(bool, char)> {
        let key = |event: &Event| match event {
            Event::KeyPressed { caller, key, .. } => Some((*caller, *key)),
            _ => None,
        };
        self.events.iter().filter_map(key).collect()
    }

    /// The media worker has found that a key was pressed for the leg of this label.
    pub fn key_found(&mut self, label: &str, key: char, milliseconds: u32) {
        let digit = Digit::from_char(key).expect("a key");
        let leg = *self.media.legs.iter().find(|(_, leg)| leg.label == label).expect("a leg").0;
        let press = Press::new(digit, milliseconds);
        self.exchange.handle_media(self.clock.now(), MediaEvent::Key(leg, press));
        self.flush();
    }

    /// Every recording has become as long as it may be.
    pub fn recording_ends(&mut self) {
        let legs: Vec<_> = self.media.legs.iter_mut().collect();
        let ended: Vec<MediaEvent> = legs
            .into_iter()
            .filter_map(|(key, leg)| Some(MediaEvent::RecordingEnded(*key, leg.track.take()?.recording)))
            .collect();
        for event in ended {
            self.exchange.handle_media(self.clock.now(), event);
        }
        self.flush();
    }

    /// Carries everything to where it belongs.
    fn flush(&mut self) {
        let now = self.clock.now();
        loop {
            let mut is_quiet = true;
            for number in 0..self.phones.len() {
                while let Some(transmit) = self.phones[number].poll_transmit() {
                    let Transmit { flow, payload } = transmit;
                    let label = self.phones[number].label.clone();
                    self.carry(label, "ringback".to_owned(), flow.local(), flow.remote(), payload);
                }
            }
            while let Some(transmit) = self.exchange.poll_transmit() {
                is_quiet = false;
                self.deliver(&transmit);
            }
            while let Some((id, ask)) = self.exchange.poll_ask() {
                is_quiet = false;
                self.ask(now, id, ask);
            }
            while let Some((worker, key, command)) = self.exchange.poll_media() {
                is_quiet = false;
                let phones = &self.phones;
                self.media.take(now, worker, key, command, |address| {
                    let phone = phones.iter().find(|phone| phone.flow.local() == address);
                    phone.map_or_else(|| address.to_string(), |phone| phone.label.clone())
                });
            }
            while let Some(event) = self.media.poll_event(now) {
                is_quiet = false;
                self.exchange.handle_media(now, event);
            }
            while let Some(event) = self.exchange.poll_event() {
                self.events.push(event);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn ask(&mut self, now: Instant, id: AskId, ask: ringback_control::Ask) {
        let Some(ask) = self.outside.ask(now, id, ask) else { return };
        self.store.ask(now, id, ask);
        self.cdrs.append(&mut self.store.cdrs);
        while let Some((id, answer)) = self.store.poll_answer(now) {
            self.exchange.handle_answer(now, id, answer);
        }
    }

    /// Sends what the exchange has for a phone. Over a connection that is gone it goes nowhere.
    fn deliver(&mut self, transmit: &Transmit) {
        let Transmit { flow, payload } = transmit;
        let phone = self.phones.iter().find(|phone| phone.flow.local() == flow.remote());
        let label = phone.map(|phone| phone.label.clone());
        if self.flows.get(&flow.remote()) == Some(flow) {
            let to = label.unwrap_or_else(|| "nobody".to_owned());
            self.carry("ringback".to_owned(), to, flow.local(), flow.remote(), payload.clone());
        } else if let Some(label) = label {
            self.drawing.arrow(self.clock.elapsed(), "ringback", &label, payload, Head::Lost);
        }
    }

    fn carry(&mut self, from: String, to: String, source: SocketAddr, target: SocketAddr, payload: Bytes) {
        let fate = self.network.send(self.clock.now(), source, target, payload.clone());
        let head = if fate == Fate::Lost { Head::Lost } else { Head::Arrives };
        self.drawing.arrow(self.clock.elapsed(), &from, &to, &payload, head);
    }
}
