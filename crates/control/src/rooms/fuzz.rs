//! What holds whatever clients say; a fuzz target, a test of its corpus and a test with random scripts call it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_media::negotiation::{Credentials, Local, LocalVideo, Profile, Srtp};
use ringback_media::rtcp::Cname;
use ringback_media::sdp::Sources;
use ringback_media::session::{Gone, LegKey};
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use serde_json::Value;

use super::{
    Bearer, Event, IceServers, Part, Place, Post, Provider, RESUME_WITHIN, Reply, RequestId, RoomName,
    RoomRecord, Rooms, Settings, Stats, Token, Visit,
};
use crate::media::{MediaCommand, MediaEvent};
use crate::settings::Epoch;

/// The input is what ten clients do, an entry each with a NUL behind it: a byte says who does it and what it is, and what
/// follows is a message, or an offer over HTTP whose first byte says what for. `$R` in it stands for the room that was made last, `$T` for the token that was given last.
///
/// No room has more members than it may; a member is where its connection says; ids are given once; only who is connected
/// is sent anything, and what is sent can be read; and when nobody is there any more, every room ends.
pub fn rooms(data: &[u8], start: Instant) -> Stats {
    let mut world = World::new(start);
    for entry in data.split(|byte| *byte == 0).take(MAX_ENTRIES) {
        let Some((&what, text)) = entry.split_first() else { continue };
        let client = u16::from(what >> 4) % CLIENTS;
        match what & 15 {
            0..=7 => world.say(client, text),
            8 => world.end_session(),
            9 => world.post(client, text),
            10 => world.connect(client, true),
            11 => world.connect(client, false),
            12 => world.disconnect(client),
            13 => world.pass(Duration::from_secs(1)),
            14 => world.pass(Duration::from_secs(61)),
            _ => world.restart(),
        }
        world.check();
    }
    let stats = *world.rooms.stats();
    world.finish();
    stats
}

struct Known;

impl Provider for Known {
    fn is_user(&self, user: &str, password: &str) -> bool {
        user == "alice" && password == "secret"
    }

    fn ice_servers(&self, _: Instant, _: &str, _: &RoomName, _: u32) -> IceServers {
        IceServers::default()
    }
}

struct World {
    rooms: Rooms<Known>,
    now: Instant,
    epoch: Epoch,
    flows: HashMap<u16, Flow>,
    connections: u64,
    processes: u8,
    /// What the store holds.
    kept: BTreeMap<RoomName, RoomRecord>,
    room: String,
    token: String,
    /// The session over HTTP that was made last.
    session: Option<Token>,
    requests: u64,
    /// Requests that wait for an answer.
    waiting: BTreeSet<RequestId>,
    /// Legs that the media workers have.
    legs: BTreeSet<LegKey>,
    /// The ids that were given, by room and its owner: a room may be made again under the same name.
    given: BTreeSet<(String, String, u64)>,
}

impl World {
    fn new(now: Instant) -> World {
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) };
        World {
            rooms: Rooms::new(now, Known, settings(epoch)),
            processes: 0,
            now,
            epoch,
            flows: HashMap::new(),
            connections: 0,
            kept: BTreeMap::new(),
            room: "abc".to_owned(),
            token: String::new(),
            session: None,
            requests: 0,
            waiting: BTreeSet::new(),
            legs: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    fn connect(&mut self, client: u16, may_create: bool) {
        if self.flows.contains_key(&client) {
            return;
        }
        self.connections += 1;
        let flow = flow(client, self.connections);
        self.flows.insert(client, flow);
        self.rooms.handle_opened(flow, Visit { host: "example.org".to_owned(), private: true, may_create });
    }

    fn say(&mut self, client: u16, text: &[u8]) {
        self.connect(client, true);
        let Some(&flow) = self.flows.get(&client) else { return };
        let text = String::from_utf8_lossy(text).replace("$R", &self.room).replace("$T", &self.token);
        self.rooms.handle_message(self.now, flow, text.as_bytes());
        self.drain();
    }

    /// Somebody publishes into the room that was made last, or watches.
    fn post(&mut self, client: u16, text: &[u8]) {
        let Some((&first, offer)) = text.split_first() else { return };
        let part = if first & 1 == 0 { Part::Publish } else { Part::View };
        let room = self.rooms.rooms.values().find(|room| room.name.as_str() == self.room);
        let key = room.and_then(|room| room.stream_key(part)).filter(|_| first & 2 == 0);
        let offer = if offer.is_empty() { OFFER } else { offer };
        self.requests += 1;
        let id = RequestId(self.requests);
        self.waiting.insert(id);
        let post = Post {
            room: self.room.clone(),
            part,
            bearer: key.map_or(Bearer::Missing, Bearer::Key),
            name: None,
            offer: Bytes::copy_from_slice(offer),
            flow: flow(client, u64::MAX - self.requests),
            host: "example.org".to_owned(),
        };
        self.rooms.handle_post(self.now, id, post);
        self.drain();
    }

    fn end_session(&mut self) {
        let Some(session) = self.session.take() else { return };
        self.requests += 1;
        self.waiting.insert(RequestId(self.requests));
        self.rooms.handle_delete(RequestId(self.requests), &session);
        self.drain();
    }

    /// Does what a media worker is told to; every third leg cannot be opened, and every fifth is gone at once.
    fn carry_out(&mut self, leg: LegKey, command: &MediaCommand) {
        match command {
            MediaCommand::Open { .. } if leg.0.is_multiple_of(3) => {
                self.rooms.handle_media(self.now, MediaEvent::Opened(leg, Err("no port".to_owned())));
                self.legs.insert(leg);
            }
            MediaCommand::Open { .. } => {
                assert!(self.legs.insert(leg), "a leg is opened twice");
                self.rooms.handle_media(self.now, MediaEvent::Opened(leg, Ok(Box::new(local()))));
            }
            MediaCommand::Close => assert!(self.legs.remove(&leg), "a leg is closed that is not open"),
            MediaCommand::Configure(..) if leg.0.is_multiple_of(5) => {
                self.rooms.handle_media(self.now, MediaEvent::Gone(leg, Gone::ConsentLost));
            }
            MediaCommand::Configure(..) => self.rooms.handle_media(self.now, MediaEvent::Connected(leg)),
            MediaCommand::Watch { source, .. } => {
                assert!(self.legs.contains(&leg) && self.legs.contains(source), "a closed leg watches");
            }
            _ => assert!(self.legs.contains(&leg), "a closed leg is changed"),
        }
    }

    fn disconnect(&mut self, client: u16) {
        if let Some(flow) = self.flows.remove(&client) {
            self.rooms.handle_closed(self.now, flow);
            self.drain();
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.rooms.poll_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.rooms.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// The process ends and another begins.
    fn restart(&mut self) {
        self.rooms.shut_down(self.now);
        self.drain();
        self.flows.clear();
        self.session = None;
        assert!(self.legs.is_empty(), "a leg outlives the process");
        // Each process draws its own random numbers.
        self.processes = self.processes.wrapping_add(1);
        let settings = Settings { seed: [self.processes; 32], ..settings(self.epoch) };
        self.rooms = Rooms::new(self.now, Known, settings);
        for record in self.kept.values().cloned().collect::<Vec<_>>() {
            self.rooms.restore(self.now, record);
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some((_, leg, command)) = self.rooms.poll_media() {
                self.carry_out(leg, &command);
            } else if let Some((id, reply)) = self.rooms.poll_reply() {
                assert!(self.waiting.remove(&id), "nobody has asked, or is answered twice");
                if let Reply::Created(created) = reply {
                    self.session = Some(created.session);
                }
            } else {
                break;
            }
        }
        assert!(self.waiting.is_empty(), "somebody is not answered");
        while let Some(transmit) = self.rooms.poll_transmit() {
            assert!(self.flows.values().any(|flow| *flow == transmit.flow), "sent to nobody");
            let message: Value = serde_json::from_slice(&transmit.payload).unwrap_or_default();
            assert!(message["type"].is_string(), "{:?} cannot be read", transmit.payload);
            if message["type"] == "joined" {
                self.joined(&message);
            }
        }
        while let Some(event) = self.rooms.poll_event() {
            match event {
                Event::Settled(_) => {}
                Event::Close(flow) => {
                    assert!(
                        !self.rooms.connections.contains_key(&flow),
                        "a closed connection is still known"
                    );
                    self.flows.retain(|_, known| *known != flow);
                }
                Event::Keep(record) => {
                    self.kept.insert(record.name.clone(), *record);
                }
                Event::Forget(name) => {
                    self.kept.remove(&name);
                }
            }
        }
    }

    fn joined(&mut self, message: &Value) {
        let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        (self.room, self.token) = (text("room"), text("resume"));
        let room = self.rooms.rooms.values().find(|room| room.name.as_str() == self.room);
        let owner = room.map(|room| room.owner.reveal().to_owned()).unwrap_or_default();
        let id = message["you"].as_u64().unwrap_or_default();
        let is_new = self.given.insert((self.room.clone(), owner, id));
        assert!(is_new || message["resumed"] == true, "an id is given twice");
    }

    fn check(&self) {
        assert_eq!(self.rooms.numbers.len(), self.rooms.rooms.len());
        assert!(self.rooms.rooms.len() <= ROOMS);
        for (&number, room) in &self.rooms.rooms {
            assert!(room.members.len() <= MEMBERS && room.knocks.len() <= super::MAX_KNOCKS);
            assert_eq!(room.members.is_empty(), room.empty_since.is_some());
            assert_eq!(room.members.is_empty(), room.host.is_none(), "a room with members has a host");
            assert!(room.host.is_none_or(|host| room.members.contains_key(&host)));
            for (&member, entry) in &room.members {
                let place = entry.flow.map(|flow| self.rooms.connections[&flow].place);
                assert!(place.is_none_or(|place| place == Place::Inside { room: number, member }));
            }
            for (&knock, entry) in &room.knocks {
                assert_eq!(self.rooms.connections[&entry.flow].place, Place::Waiting { room: number, knock });
            }
        }
        assert!(self.rooms.streams() <= 2 && self.legs.len() <= 2 * (1 + 2 + MEMBERS), "too many watch");
        assert_eq!(self.rooms.watching() + self.rooms.streams(), self.legs.len(), "a leg is nobody's");
        for (flow, connection) in &self.rooms.connections {
            assert!(self.flows.values().any(|known| known == flow));
            if let Place::Inside { room, member } = connection.place {
                assert_eq!(self.rooms.rooms[&room].members[&member].flow, Some(*flow));
            }
        }
    }

    /// Everybody goes, and time passes.
    fn finish(mut self) {
        (0..CLIENTS).for_each(|client| self.disconnect(client));
        self.pass(RESUME_WITHIN + settings(self.epoch).lifetime);
        self.check();
        assert_eq!((self.rooms.count(), self.kept.len()), (0, 0), "a room outlives its time");
        assert!(self.rooms.streams() == 0 && self.legs.is_empty(), "a stream outlives its room");
        assert!(self.rooms.poll_timeout().is_none() && self.rooms.connections.is_empty());
    }
}

fn flow(client: u16, connection: u64) -> Flow {
    let remote = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1 + client as u8).into(), 4000);
    let local = SocketAddr::new(IpAddr::from([192, 0, 2, 200]), 8443);
    Flow { tuple: FiveTuple::new(Transport::Wss, local, remote), connection: ConnectionId(connection) }
}

/// Our side of a leg.
pub(super) fn local() -> Local {
    let address = IpAddr::from([192, 0, 2, 200]);
    let cname = Cname::from_random([7; 12]);
    let sources = Some(Sources { media: 7, repair: Some(8), cname });
    Local {
        profile: Profile::WebRtc,
        address,
        rtp: 8443,
        rtcp: 8443,
        ice: Some(Credentials::from_random(&[3; Credentials::RANDOM_LEN])),
        candidates: vec![SocketAddr::new(address, 8443)],
        fingerprint: None,
        srtp: Srtp::Never,
        seed: None,
        video: Some(LocalVideo { rtp: 8443, rtcp: 8443, sources, seed: None }),
    }
}

fn settings(epoch: Epoch) -> Settings {
    Settings {
        rooms: ROOMS,
        members: MEMBERS,
        streams: 2,
        viewers: 2,
        video: true,
        workers: 2,
        lifetime: Duration::from_secs(3600),
        empty: Duration::from_secs(300),
        epoch,
        seed: [0; 32],
    }
}

/// What Chromium offers.
pub(super) const OFFER: &[u8] =
    include_bytes!("../../../../fuzz/corpus/sdp/chromium-offer-audio-video-data.sdp");
const MAX_ENTRIES: usize = 400;
const CLIENTS: u16 = 10;
const ROOMS: usize = 4;
const MEMBERS: usize = 4;
