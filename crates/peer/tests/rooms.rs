//! Members of a room talk with each other over real sockets; the server between them is the few lines of the protocol that
//! they need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ringback_peer::rooms::{FileEvent, Room, RoomEvent, RoomSettings};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A server for two members, and what each has seen.
struct World {
    rooms: [Room; 2],
    events: [Vec<RoomEvent>; 2],
    names: [String; 2],
    there: usize,
    file: Vec<u8>,
    got: Vec<u8>,
}

impl World {
    fn new() -> World {
        let room = |name: &str| {
            Room::new(RoomSettings {
                room: Some("team".into()),
                name: name.into(),
                creates: name == "Ada",
                addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
                most_file: 10 << 20,
                ..RoomSettings::default()
            })
        };
        let file = (0..2_000_000_u32).map(|at| (at / 9) as u8).collect();
        World {
            rooms: [room("Ada"), room("Grace")],
            events: Default::default(),
            names: Default::default(),
            there: 0,
            file,
            got: Vec::new(),
        }
    }

    /// What the server does with a message of a member.
    async fn serve(&mut self, from: usize, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        match message["type"].as_str().unwrap() {
            "create" | "join" => {
                self.names[from] = message["name"].as_str().unwrap().to_owned();
                self.there = self.there.max(from + 1);
                let named =
                    |at: usize| json!({"id": at + 1, "name": self.names[at], "host": at == 0, "away": false});
                let members: Vec<Value> = (0..self.there).map(named).collect();
                let joined = json!({"type": "joined", "room": "team", "you": from + 1, "members": members,
                    "resume": "token", "resumed": message["resume"].is_string(), "ice_servers": []});
                let news = json!({"type": "member_joined", "member": members[from]});
                self.tell(from, &joined).await;
                if from > 0 && !message["resume"].is_string() {
                    self.tell(0, &news).await;
                }
            }
            "signal" => {
                let mut passed = message.clone();
                passed["from"] = json!(from + 1);
                let to = message["to"].as_u64().unwrap() as usize - 1;
                self.tell(to, &passed).await;
            }
            other => assert_eq!(other, "leave"),
        }
    }

    async fn tell(&mut self, to: usize, message: &Value) {
        self.rooms[to].handle_message(message.to_string().as_bytes()).await;
    }

    /// Lets both go on until something holds.
    async fn until(&mut self, what: &str, mut holds: impl FnMut(&World) -> bool) {
        let done = async {
            loop {
                for own in [0, 1] {
                    while let Some(text) = self.rooms[own].poll_send() {
                        Box::pin(self.serve(own, &text)).await;
                    }
                }
                while let Some((member, id, at, len)) = self.rooms[1].wanted() {
                    let piece = self.file[at as usize..][..len].to_vec();
                    self.rooms[1].files(member).unwrap().supply(id, &piece);
                    self.rooms[1].flush(member);
                }
                if holds(self) {
                    return;
                }
                let [first, second] = &mut self.rooms;
                let (own, event) = tokio::select! {
                    event = first.next() => (0, event),
                    event = second.next() => (1, event),
                    () = tokio::time::sleep(Duration::from_millis(5)) => continue,
                };
                self.handle(own, &event);
                self.events[own].push(event);
            }
        };
        let is_done = timeout(Duration::from_secs(20), done).await.is_ok();
        assert!(is_done, "{what}: {:?}", self.events);
    }

    /// Takes what is offered, and puts it away.
    fn handle(&mut self, own: usize, event: &RoomEvent) {
        let RoomEvent::File(member, event) = event else { return };
        let files = self.rooms[own].files(*member).unwrap();
        match event {
            FileEvent::Offered { id, .. } => files.accept(*id),
            FileEvent::Bytes { id, data } => {
                self.got.extend(data);
                files.taken(*id, data.len() as u64);
            }
            _ => return,
        }
        self.rooms[own].flush(*member);
    }
}

fn is_connected(world: &World) -> bool {
    let events = &world.events;
    events[0].contains(&RoomEvent::Connected(2)) && events[1].contains(&RoomEvent::Connected(1))
}

#[tokio::test]
async fn two_members_chat_send_a_file_and_leave() {
    let mut world = World::new();
    world.rooms[0].handle_opened();
    world.until("the first is in", |world| world.there == 1).await;
    world.rooms[1].handle_opened();
    world.until("both are connected", is_connected).await;

    assert_eq!(world.rooms[0].say("Hello, <b>Grace</b>").unwrap(), 1);
    let said = RoomEvent::Said(1, "Hello, <b>Grace</b>".into());
    world.until("the line arrives", |world| world.events[1].contains(&said)).await;
    assert!(world.rooms[0].say("").is_err() && world.rooms[0].say(&"x".repeat(4001)).is_err());

    let size = world.file.len() as u64;
    let id = world.rooms[1].offer_file(1, "plan.pdf", size).unwrap();
    let whole = RoomEvent::File(2, FileEvent::Whole(id));
    world.until("the file arrives", |world| world.events[0].contains(&whole)).await;
    assert!(world.got == world.file);
    let arrived = RoomEvent::File(1, FileEvent::Arrived { id, bytes: size });
    world.until("its sender hears of it", |world| world.events[1].contains(&arrived)).await;

    let left = json!({"type": "member_left", "member": 2, "reason": "left"});
    world.rooms[1].leave();
    world.tell(0, &left).await;
    let gone = RoomEvent::Left(2, "Grace".into());
    world.until("she has left", |world| world.events[0].contains(&gone)).await;
    assert!(world.rooms[0].members().is_empty());
}

#[tokio::test]
async fn who_comes_back_keeps_its_connections() {
    let mut world = World::new();
    world.rooms[0].handle_opened();
    world.until("the first is in", |world| world.there == 1).await;
    world.rooms[1].handle_opened();
    world.until("both are connected", is_connected).await;
    world.rooms[1].handle_opened();
    let back = RoomEvent::Joined { room: "team".into(), is_resumed: true };
    world.until("she is back", |world| world.events[1].contains(&back)).await;
    world.rooms[1].say("still here").unwrap();
    let said = RoomEvent::Said(2, "still here".into());
    world.until("the line arrives", |world| world.events[0].contains(&said)).await;
    let connected = |event: &&RoomEvent| **event == RoomEvent::Connected(2);
    assert_eq!(world.events[0].iter().filter(connected).count(), 1, "nothing was made anew");
}

#[tokio::test]
async fn what_the_server_refuses_is_told() {
    let mut world = World::new();
    world.rooms[1].handle_opened();
    assert!(world.rooms[1].poll_send().unwrap().contains("\"join\""));
    let error = json!({"type": "error", "code": "no_such_room", "says": "there is no such room"});
    world.tell(1, &error).await;
    let refused = RoomEvent::Refused("no_such_room".into(), "there is no such room".into());
    assert_eq!(world.rooms[1].next().await, refused);
    world.tell(1, &json!({"type": "ended", "reason": "host", "says": "over"})).await;
    assert_eq!(world.rooms[1].next().await, RoomEvent::Ended("over".into()));
    world.rooms[1].handle_message(b"no JSON").await;
    let error = json!({"type": "error", "code": "bad_message", "says": "too long", "about": "signal"});
    world.tell(1, &error).await;
    assert_eq!(world.rooms[1].next().await, RoomEvent::Objected("bad_message".into(), "too long".into()));
}

#[tokio::test]
async fn who_is_no_longer_known_comes_as_somebody_new_and_the_others_are_gone() {
    let mut world = World::new();
    world.rooms[0].handle_opened();
    world.until("the first is in", |world| world.there == 1).await;
    world.rooms[1].handle_opened();
    world.until("both are connected", is_connected).await;
    world.tell(1, &json!({"type": "error", "code": "resume_unknown", "about": "join"})).await;
    assert!(world.rooms[1].members().is_empty());
    let join = world.rooms[1].poll_send().unwrap();
    assert!(join.contains("join") && !join.contains("resume"), "{join}");
    let gone = RoomEvent::Left(1, "Ada".into());
    world.until("the other is gone", |world| world.events[1].contains(&gone)).await;
}

#[tokio::test]
async fn a_member_for_whom_no_socket_opens_is_told_and_the_next_one_is_reached() {
    let mut world = World::new();
    world.rooms[0].move_to(vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))]);
    world.rooms[0].handle_opened();
    world.until("the first is in", |world| world.there == 1).await;
    let eve = json!({"type": "member_joined", "member": {"id": 7, "name": "Eve"}});
    world.tell(0, &eve).await;
    let is_told = |event: &RoomEvent| matches!(event, RoomEvent::NotOpened(name, _) if name == "Eve");
    world.until("it is told", |world| world.events[0].iter().any(is_told)).await;
    world.rooms[0].move_to(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    world.rooms[1].handle_opened();
    world.until("both are connected", is_connected).await;
}
