//! Rooms: browsers find each other by a link and talk directly; only their signalling passes here. The messages are those
//! of `docs/reference/rooms.md`.
//!
//! [`Rooms`] is one machine for all rooms. Its driver opens connections, hands in messages, and after every call drains
//! [`Rooms::poll_transmit`] and [`Rooms::poll_event`]. What it asks of its surroundings is a [`Provider`]: who users are,
//! and which ICE servers a member may use.
//!
//! ```text
//! Outside ──create──────────────────────────▶ Inside     and away, for a minute, while its connection is lost
//!    │  └───join, resume───────────────────────▶ │
//!    └──────join of a room with knocking ─▶ Waiting ──admit──▶ Inside
//! ```
//!
//! Rules:
//! - A member has an id for as long as its peer connections may last: through a lost connection, and through a restart of
//!   the server, but not when it says that it begins anew (`fresh`).
//! - Nothing is kept for one who is away: what is signalled to it is dropped and counted, and its peers see to it when it
//!   comes back.
//! - Whoever is host when the host is gone for good has been there longest. Who made the room is host again on coming
//!   back.
//! - Everything a stranger can do has a bound: messages and bytes of a connection, guesses of a source and at a room, those
//!   who wait, members, rooms.
//!
//! - A stream that is published into a room (`streams/`) is the exception: it is a leg of our media workers, and so is each
//!   who watches it.
//!
//! Left out: history (chat goes between the browsers), more than one host, lists of rooms.

mod entering;
#[doc(hidden)]
pub mod fuzz;
mod hosting;
mod keeping;
mod leaving;
mod names;
mod notice;
mod passing;
mod record;
mod refusal;
mod request;
mod room;
mod streams;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_media::session::LegKey;
use ringback_sansio::{Deadlines, Flow, Transmit, source_prefix};
use serde::Serialize;

pub use names::{InvalidWord, MemberName, Pin, RoomName, Token};
pub use record::{MemberRecord, RoomRecord};
pub use refusal::{Code, Refused};
pub use streams::{Bearer, Created, Denied, Part, Patch, Post, Reply, RequestId};

pub use crate::owner::is_of_rooms;

use crate::budget::Budgets;
use crate::guesses::Guesses;
use crate::settings::Epoch;
use refusal::Refusal;
use request::{Request, Unreadable};
use room::{Allowance, Room, RoomNumber};
use streams::Streams;

/// What rooms ask of who drives them. The answers are at hand: nothing waits for them.
pub trait Provider {
    /// Whether there is such a user with that password.
    fn is_user(&self, user: &str, password: &str) -> bool;

    /// The ICE servers for a member; `host` is the name by which its client has reached us.
    fn ice_servers(&self, now: Instant, host: &str, room: &RoomName, member: u32) -> IceServers;
}

/// An `RTCIceServer` ([WebRTC §4.2.4]).
///
/// [WebRTC §4.2.4]: https://www.w3.org/TR/webrtc/#rtciceserver-dictionary
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// Where it is: `stun:` and `turn:` URIs.
    pub urls: Vec<String>,
    /// The user name; STUN has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// ICE servers, and how long their credentials are good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IceServers {
    /// The servers.
    pub servers: Vec<IceServer>,
    /// How long; `None` without credentials.
    pub expires_in: Option<Duration>,
}

/// How rooms are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rooms at the same time.
    pub rooms: usize,
    /// Members of a room, those who are away among them; 2 to 6.
    pub members: usize,
    /// How long a room lasts.
    pub lifetime: Duration,
    /// How long a room lasts with nobody in it.
    pub empty: Duration,
    /// Streams at the same time, in all rooms.
    pub streams: usize,
    /// Those who watch the stream of a room from outside.
    pub viewers: usize,
    /// Whether streams have video.
    pub video: bool,
    /// The media workers that there are.
    pub workers: u16,
    /// What time it is.
    pub epoch: Epoch,
    /// What names and tokens are drawn from.
    pub seed: [u8; 32],
}

/// How a client has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The name that it calls us by: the `Host` of its request.
    pub host: String,
    /// Whether nobody on the way can read what it sends: TLS, or our own machine.
    pub private: bool,
    /// Whether it may make a room without an account.
    pub may_create: bool,
}

/// News for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Whoever is there is in a room, or waits for one: no stranger any more.
    Settled(Flow),
    /// Close the connection, after what was sent over it. It needs no [`Rooms::handle_closed`].
    Close(Flow),
    /// Keep the room as it is, in place of what was kept under its name.
    Keep(Box<RoomRecord>),
    /// The room of that name is over.
    Forget(RoomName),
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Connections that were opened.
    pub connections: u64,
    /// Messages that came.
    pub messages: u64,
    /// Messages over connections that are closed here already.
    pub messages_stray: u64,
    /// Signals that were passed on.
    pub signals: u64,
    /// Signals for members who are away or have left; they are dropped.
    pub signals_undeliverable: u64,
    /// Rooms that were made.
    pub rooms_created: u64,
    /// Rooms of the process before this one.
    pub rooms_restored: u64,
    /// Rooms that their host has ended.
    pub rooms_ended: u64,
    /// Rooms whose time was over.
    pub rooms_expired: u64,
    /// Rooms that nobody was in for too long.
    pub rooms_deserted: u64,
    /// Members that came in.
    pub members_joined: u64,
    /// Members that came back.
    pub members_back: u64,
    /// Members that did not come back in time.
    pub members_lost: u64,
    /// Members that the host has put out.
    pub members_removed: u64,
    /// Those who waited to be let in.
    pub knocks: u64,
    /// Those whose knock nobody has answered.
    pub knocks_unanswered: u64,
    /// Streams whose publisher was answered.
    pub streams_created: u64,
    /// Streams that came up.
    pub streams_live: u64,
    /// Streams that were ended by their publisher, or with their room.
    pub streams_ended: u64,
    /// Streams whose publisher was lost, or never came up.
    pub streams_lost: u64,
    /// Those who watch from outside that were answered.
    pub viewers_created: u64,
    /// Those of them who were lost, or never came up.
    pub viewers_lost: u64,
    /// Members that were offered a stream.
    pub streams_offered: u64,
    /// Members that did not answer the offer of a stream in time.
    pub streams_unanswered: u64,
    /// What was refused, by code.
    pub refused: Refused,
}

/// All rooms.
#[derive(Debug)]
pub struct Rooms<P> {
    provider: P,
    settings: Settings,
    random: StdRng,
    connections: HashMap<Flow, Connection>,
    rooms: BTreeMap<RoomNumber, Room>,
    numbers: HashMap<RoomName, RoomNumber>,
    last_room: u64,
    pins: Guesses,
    passwords: Guesses,
    creations: Budgets,
    viewings: Budgets,
    deadlines: Deadlines<Timer>,
    streams: Streams,
    /// Rooms that are not as they were kept.
    changed: BTreeSet<RoomNumber>,
    kept_at: Option<Instant>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: Stats,
}

/// A client.
#[derive(Debug)]
struct Connection {
    visit: Visit,
    source: IpAddr,
    place: Place,
    messages: Allowance,
    bytes: Allowance,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Waiting { room: RoomNumber, knock: u32 },
    Inside { room: RoomNumber, member: u32 },
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    /// The room's time is over, or nobody was in it for too long.
    Room(RoomNumber),
    /// A member that is away does not come back.
    Away(RoomNumber, u32),
    /// Nobody has answered a knock.
    Knock(RoomNumber, u32),
    /// A member has not answered the offer of a stream.
    Answer(LegKey),
    /// What has changed is kept.
    Keep,
}

impl<P: Provider> Rooms<P> {
    /// No rooms yet.
    pub fn new(now: Instant, provider: P, settings: Settings) -> Self {
        let mut random = StdRng::from_seed(settings.seed);
        let mut guesses = || Guesses::new(now, random.next_u64());
        let (pins, passwords) = (guesses(), guesses());
        let (creations, viewings) =
            (Budgets::new(now, random.next_u64()), Budgets::new(now, random.next_u64()));
        Rooms {
            provider,
            settings,
            random,
            connections: HashMap::new(),
            rooms: BTreeMap::new(),
            numbers: HashMap::new(),
            last_room: 0,
            pins,
            passwords,
            creations,
            viewings,
            deadlines: Deadlines::new(),
            streams: Streams::default(),
            changed: BTreeSet::new(),
            kept_at: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// A client has connected.
    pub fn handle_opened(&mut self, flow: Flow, visit: Visit) {
        self.stats.connections += 1;
        let source = source_prefix(flow.remote().ip());
        let (messages, bytes) = (Allowance::default(), Allowance::default());
        self.connections.insert(flow, Connection { visit, source, place: Place::Outside, messages, bytes });
    }

    /// A client has said something.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: &[u8]) {
        self.stats.messages += 1;
        let Some(connection) = self.connections.get_mut(&flow) else {
            self.stats.messages_stray += 1;
            return;
        };
        let price = BYTE.saturating_mul(u32::try_from(message.len()).unwrap_or(u32::MAX));
        if !connection.messages.spend(now, MESSAGE, MESSAGE * MESSAGES_AT_ONCE)
            || !connection.bytes.spend(now, price, BYTE * BYTES_AT_ONCE)
        {
            self.refuse(flow, None, &Code::TooFast.into());
            self.close(flow);
            self.lose(now, flow);
            return;
        }
        let (about, request) = Request::read(message);
        let done = match request {
            Ok(request) => self.carry_out(now, flow, request),
            Err(Unreadable::UnknownType) => Err(Code::UnknownType.into()),
            Err(Unreadable::Bad(words)) => Err(Refusal::bad(words)),
        };
        if let Err(refusal) = done {
            self.refuse(flow, about, &refusal);
        }
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, now: Instant, flow: Flow) {
        self.lose(now, flow);
    }

    /// The deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Room(room) => self.end_of_time(now, room),
                Timer::Away(room, member) => self.give_up_member(now, room, member),
                Timer::Knock(room, knock) => self.give_up_knock(room, knock),
                Timer::Answer(leg) => self.give_up_answer(leg),
                Timer::Keep => self.keep_changed(now),
            }
        }
    }

    /// The next message for a client.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next news, once there is nothing to transmit.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Rooms::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// How many rooms there are.
    pub fn count(&self) -> usize {
        self.rooms.len()
    }

    /// How many are in rooms, those who are away among them.
    pub fn members(&self) -> usize {
        self.rooms.values().map(|room| room.members.len()).sum()
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn carry_out(&mut self, now: Instant, flow: Flow, request: Request) -> Result<(), Refusal> {
        let Some(place) = self.connections.get(&flow).map(|connection| connection.place) else {
            return Ok(());
        };
        match (request, place) {
            (Request::Ping, _) => self.pong(flow),
            (Request::Leave, _) => self.leave(now, flow, place),
            (Request::Create(create), Place::Outside) => return self.create(now, flow, create),
            (Request::Join(join), Place::Outside) => return self.join(now, flow, join),
            (Request::Create(_) | Request::Join(_), _) => return Err(Code::AlreadyJoined.into()),
            (_, Place::Outside | Place::Waiting { .. }) => return Err(Code::NotJoined.into()),
            (Request::Signal(signal), Place::Inside { room, member }) => {
                return self.signal(room, member, signal);
            }
            (Request::Rename { name }, Place::Inside { room, member }) => {
                return self.rename(now, room, member, name);
            }
            (Request::IceServers, Place::Inside { room, member }) => {
                self.tell_ice_servers(now, flow, room, member)
            }
            (Request::Watch { stream }, Place::Inside { room, member }) => {
                return self.watch(now, flow, room, member, stream);
            }
            (Request::StreamDescription(answer), Place::Inside { room, member }) => {
                return self.answer_stream(room, member, answer);
            }
            (request, Place::Inside { room, member }) => return self.host_wants(now, room, member, request),
        }
        Ok(())
    }
}

/// How long one who is away keeps the id.
pub(super) const RESUME_WITHIN: Duration = Duration::from_secs(60);
/// How long a knock waits for the host.
const KNOCK_WAITS: Duration = Duration::from_secs(120);
/// Those who wait to be let into one room.
const MAX_KNOCKS: usize = 8;
/// In what time a message is earned, and how many may come at once.
const MESSAGE: Duration = Duration::from_millis(20);
const MESSAGES_AT_ONCE: u32 = 300;
/// In what time a byte is earned, and how many may come at once: 128 KiB a second, 1 MiB.
const BYTE: Duration = Duration::from_nanos(7629);
const BYTES_AT_ONCE: u32 = 1 << 20;
