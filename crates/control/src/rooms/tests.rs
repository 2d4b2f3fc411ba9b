//! Scenes between a few clients.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use ringback_sansio::sim::{Clock, Rng};
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use serde_json::{Value, json};

use super::*;

pub(super) struct House;

impl Provider for House {
    fn is_user(&self, user: &str, password: &str) -> bool {
        user == "alice" && password == "secret"
    }

    fn ice_servers(&self, _: Instant, host: &str, _: &RoomName, member: u32) -> IceServers {
        let urls = vec![format!("turn:{host}")];
        let server = IceServer { urls, username: Some(member.to_string()), credential: Some("c".to_owned()) };
        IceServers { servers: vec![server], expires_in: Some(Duration::from_secs(600)) }
    }
}

pub(super) struct Scene {
    pub(super) rooms: Rooms<House>,
    pub(super) now: Instant,
    epoch: Epoch,
    pub(super) kept: Vec<RoomRecord>,
    closed: Vec<Flow>,
    heard: Vec<(Flow, Value)>,
}

impl Scene {
    pub(super) fn new() -> Scene {
        let now = Clock::new().now();
        let epoch = Epoch { instant: now, time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) };
        let rooms = Rooms::new(now, House, settings(epoch));
        Scene { rooms, now, epoch, kept: Vec::new(), closed: Vec::new(), heard: Vec::new() }
    }

    /// Connects a client that may make rooms.
    pub(super) fn connect(&mut self, number: u8) -> Flow {
        self.connect_as(number, true, true)
    }

    fn connect_as(&mut self, number: u8, private: bool, may_create: bool) -> Flow {
        let flow = flow(number);
        self.rooms.handle_opened(flow, Visit { host: "example.org".to_owned(), private, may_create });
        flow
    }

    pub(super) fn say(&mut self, flow: Flow, message: Value) {
        self.rooms.handle_message(self.now, flow, message.to_string().as_bytes());
        self.drain();
    }

    pub(super) fn lose(&mut self, flow: Flow) {
        self.rooms.handle_closed(self.now, flow);
        self.drain();
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.rooms.poll_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.rooms.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    pub(super) fn drain(&mut self) {
        while let Some(transmit) = self.rooms.poll_transmit() {
            self.heard.push((transmit.flow, serde_json::from_slice(&transmit.payload).unwrap()));
        }
        while let Some(event) = self.rooms.poll_event() {
            match event {
                Event::Settled(_) => {}
                Event::Close(flow) => self.closed.push(flow),
                Event::Keep(record) => {
                    self.kept.retain(|kept| kept.name != record.name);
                    self.kept.push(*record);
                }
                Event::Forget(name) => self.kept.retain(|kept| kept.name != name),
            }
        }
    }

    /// What a client has heard since it was asked last.
    pub(super) fn heard(&mut self, flow: Flow) -> Vec<Value> {
        let (of_it, others) = std::mem::take(&mut self.heard).into_iter().partition(|(to, _)| *to == flow);
        self.heard = others;
        let of_it: Vec<(Flow, Value)> = of_it;
        of_it.into_iter().map(|(_, message)| message).collect()
    }

    /// The only thing that a client has heard.
    fn answer(&mut self, flow: Flow) -> Value {
        let heard = self.heard(flow);
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.into_iter().next().unwrap()
    }

    /// A client that says this, and what it hears.
    pub(super) fn ask(&mut self, flow: Flow, message: Value) -> Value {
        self.heard(flow);
        self.say(flow, message);
        self.answer(flow)
    }

    pub(super) fn refused(&mut self, flow: Flow, message: Value) -> String {
        let answer = self.ask(flow, message);
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(
            answer["says"].as_str().unwrap().ends_with('.')
                || answer["code"].as_str().unwrap().starts_with("bad")
        );
        answer["code"].as_str().unwrap().to_owned()
    }

    /// Ada makes a room, and Grace and Eve come in.
    pub(super) fn three(&mut self) -> ([Flow; 3], [Value; 3]) {
        let [ada, grace, eve] = [1, 2, 3].map(|number| self.connect(number));
        let first = self.ask(ada, json!({"type": "create", "room": "team", "name": "Ada"}));
        let second = self.ask(grace, json!({"type": "join", "room": "team", "name": "Grace"}));
        let third = self.ask(eve, json!({"type": "join", "room": "team", "name": "Eve"}));
        self.heard.clear();
        ([ada, grace, eve], [first, second, third])
    }
}

pub(super) fn flow(number: u8) -> Flow {
    let remote = SocketAddr::from(([192, 0, 2, number % 50], 4000));
    let tuple = FiveTuple::new(Transport::Wss, SocketAddr::from(([192, 0, 2, 200], 8443)), remote);
    Flow { tuple, connection: ConnectionId(number.into()) }
}

fn settings(epoch: Epoch) -> Settings {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    Settings {
        rooms: 10,
        members: 3,
        streams: 2,
        viewers: 2,
        video: true,
        workers: 3,
        lifetime: hours(24),
        empty: hours(1),
        epoch,
        seed: [5; 32],
    }
}

pub(super) fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[test]
fn a_room_is_made_and_joined_and_signals_pass() {
    let mut scene = Scene::new();
    let (ada, grace) = (scene.connect(1), scene.connect(2));
    let made = scene.ask(ada, json!({"type": "create", "name": " Ada ", "pin": "271828"}));
    let room = made["room"].as_str().unwrap().to_owned();
    assert_eq!(room.len(), 23);
    let expected = json!({"type": "joined", "room": room, "you": 1,
        "members": [{"id": 1, "name": "Ada", "host": true, "away": false}],
        "locked": false, "knock": false, "pin": true, "resumed": false, "resume": made["resume"], "resume_within": 60,
        "expires_in": 86_400, "ice_expires_in": 600, "knocks": [],
        "ice_servers": [{"urls": ["turn:example.org"], "username": "1", "credential": "c"}]});
    assert_eq!(made, expected);

    let joined = scene.ask(grace, json!({"type": "join", "room": room, "name": "<b>", "pin": "271828"}));
    assert_eq!((&joined["you"], joined["members"].as_array().unwrap().len()), (&json!(2), 2));
    let told = scene.answer(ada);
    let member = json!({"id": 2, "name": "<b>", "host": false, "away": false});
    assert_eq!(told, json!({"type": "member_joined", "member": member}));

    scene.say(grace, json!({"type": "signal", "to": 1, "description": {"type": "offer", "sdp": "v=0\r\n"}}));
    let offer = json!({"type": "signal", "from": 2, "description": {"type": "offer", "sdp": "v=0\r\n"}});
    assert_eq!(scene.answer(ada), offer);
    scene.say(ada, json!({"type": "signal", "to": 2, "candidate": {"candidate": "", "sdpMid": "0"}}));
    let candidate = json!({"type": "signal", "from": 1, "candidate": {"candidate": "", "sdpMid": "0"}});
    assert_eq!(scene.answer(grace), candidate);
    assert_eq!(scene.rooms.stats().signals, 2);
    for to in [0, 2, 3, u32::MAX] {
        let signal = json!({"type": "signal", "to": to, "candidate": {"candidate": ""}});
        assert_eq!(scene.refused(grace, signal), "no_such_member", "{to}");
    }
}

#[test]
fn a_member_renames_itself_and_leaves() {
    let mut scene = Scene::new();
    let ([ada, grace, eve], _) = scene.three();
    scene.say(eve, json!({"type": "rename", "name": "Eve B."}));
    for flow in [ada, grace, eve] {
        assert_eq!(scene.answer(flow), json!({"type": "member_renamed", "member": 3, "name": "Eve B."}));
    }
    assert_eq!(scene.refused(eve, json!({"type": "rename", "name": "\u{202e}"})), "bad_name");
    scene.say(eve, json!({"type": "leave"}));
    assert_eq!(scene.answer(ada), json!({"type": "member_left", "member": 3, "reason": "left"}));
    assert_eq!(scene.closed, [eve]);
    scene.say(eve, json!({"type": "ping"}));
    assert_eq!((scene.heard(eve).len(), scene.rooms.stats().messages_stray), (0, 1));
}

#[test]
fn a_lost_connection_keeps_the_id_for_a_minute() {
    let mut scene = Scene::new();
    let ([ada, grace, _], [_, second, _]) = scene.three();
    scene.lose(grace);
    assert_eq!(scene.answer(ada), json!({"type": "member_away", "member": 2}));
    scene.say(ada, json!({"type": "signal", "to": 2, "candidate": {"candidate": "x"}}));
    assert_eq!(scene.rooms.stats().signals_undeliverable, 1);
    scene.pass(59);
    let again = scene.connect(4);
    let resume = json!({"type": "join", "room": "team", "name": "Grace H.", "resume": second["resume"]});
    let joined = scene.ask(again, resume.clone());
    assert_eq!(
        (&joined["you"], &joined["resumed"], &joined["resume"]),
        (&json!(2), &json!(true), &second["resume"])
    );
    let told = scene.heard(ada);
    assert_eq!(types(&told), ["member_back", "member_renamed"]);
    scene.pass(600);
    assert_eq!(scene.rooms.members(), 3, "who is back is not given up");

    scene.lose(again);
    scene.heard(ada);
    scene.pass(61);
    assert_eq!(scene.answer(ada), json!({"type": "member_left", "member": 2, "reason": "lost"}));
    let late = scene.connect(5);
    assert_eq!(scene.refused(late, resume), "resume_unknown");
}

#[test]
fn who_comes_from_elsewhere_replaces_the_connection_before() {
    let mut scene = Scene::new();
    let ([ada, grace, _], [_, second, _]) = scene.three();
    let again = scene.connect(4);
    let joined = scene
        .ask(again, json!({"type": "join", "room": "team", "name": "Grace", "resume": second["resume"]}));
    assert_eq!(joined["you"], 2);
    assert_eq!(scene.answer(grace)["reason"], "replaced");
    assert_eq!(scene.closed, [grace]);
    assert_eq!(types(&scene.heard(ada)), ["member_back"]);
    scene.lose(grace);
    assert!(scene.heard(ada).is_empty(), "the end of the connection before says nothing of the member");
}

#[test]
fn who_begins_anew_has_a_new_id_and_stays_host() {
    let mut scene = Scene::new();
    let ([ada, grace, _], [first, ..]) = scene.three();
    scene.lose(ada);
    scene.heard(grace);
    let again = scene.connect(4);
    let resume =
        json!({"type": "join", "room": "team", "name": "Ada", "resume": first["resume"], "fresh": true});
    let joined = scene.ask(again, resume);
    assert_eq!((&joined["you"], &joined["resumed"]), (&json!(4), &json!(false)));
    assert_eq!(joined["members"].as_array().unwrap().last().unwrap()["host"], true);
    let told = scene.heard(grace);
    assert_eq!(types(&told), ["member_left", "member_joined"]);
    assert_eq!((&told[0]["reason"], &told[1]["member"]["host"]), (&json!("fresh"), &json!(true)));
}

#[test]
fn the_host_passes_on_and_comes_back() {
    let mut scene = Scene::new();
    let ([ada, grace, eve], [first, ..]) = scene.three();
    scene.lose(ada);
    scene.pass(61);
    assert_eq!(types(&scene.heard(grace)), ["member_away", "member_left", "host"]);
    assert_eq!(scene.heard(eve).last().unwrap()["member"], 2);
    scene.say(grace, json!({"type": "set", "locked": true}));
    let again = scene.connect(4);
    scene.heard(grace);
    // The token of who made the room opens it, locked or not.
    let resume = json!({"type": "join", "room": "team", "name": "Ada", "resume": first["resume"]});
    scene.say(again, resume);
    let heard = scene.heard(again);
    assert_eq!(types(&heard), ["joined", "host"]);
    assert_eq!((&heard[0]["you"], &heard[1]["member"]), (&json!(4), &json!(4)));
    assert_eq!(scene.refused(grace, json!({"type": "end"})), "not_host");
}

#[test]
fn a_pin_is_asked_for_and_guesses_are_few() {
    let mut scene = Scene::new();
    let (ada, eve) = (scene.connect(1), scene.connect(2));
    scene.ask(ada, json!({"type": "create", "room": "team", "name": "Ada", "pin": "271828"}));
    let join = |pin: &str| json!({"type": "join", "room": "team", "name": "Eve", "pin": pin});
    assert_eq!(scene.refused(eve, json!({"type": "join", "room": "team", "name": "Eve"})), "pin_needed");
    for _ in 0..5 {
        assert_eq!(scene.refused(eve, join("000000")), "pin_wrong");
    }
    assert_eq!(scene.refused(eve, join("271828")), "pin_blocked", "right or wrong");
    // Others guess for themselves, but not without end at one room.
    let others: Vec<String> = (3..12)
        .map(|number| {
            let other = scene.connect(number);
            scene.refused(other, join("111111"))
        })
        .collect();
    assert_eq!(others.iter().filter(|code| *code == "pin_wrong").count(), 5, "{others:?}");
    scene.pass(61);
    assert_eq!(scene.ask(eve, join("271828"))["type"], "joined");
}

#[test]
fn who_knocks_waits_for_the_host() {
    let mut scene = Scene::new();
    let (ada, eve, mallory) = (scene.connect(1), scene.connect(2), scene.connect(3));
    scene.ask(ada, json!({"type": "create", "room": "team", "name": "Ada", "knock": true}));
    let join = |name: &str| json!({"type": "join", "room": "team", "name": name});
    assert_eq!(scene.ask(eve, join("Eve")), json!({"type": "waiting", "room": "team"}));
    assert_eq!(scene.answer(ada), json!({"type": "knock", "knock": {"id": 1, "name": "Eve"}}));
    assert_eq!(scene.refused(eve, json!({"type": "rename", "name": "x"})), "not_joined");
    assert_eq!(scene.refused(eve, join("Eve")), "already_joined");
    scene.say(ada, json!({"type": "admit", "knock": 1}));
    assert_eq!(types(&scene.heard(ada)), ["knock_over", "member_joined"]);
    assert_eq!(scene.answer(eve)["you"], 2);
    assert_eq!(scene.refused(eve, json!({"type": "admit", "knock": 2})), "not_host");

    scene.ask(mallory, join("Mallory"));
    scene.say(ada, json!({"type": "refuse", "knock": 2}));
    assert_eq!(scene.answer(mallory)["code"], "refused");
    assert_eq!(scene.refused(ada, json!({"type": "refuse", "knock": 2})), "no_such_knock");
    scene.ask(mallory, join("Mallory"));
    scene.heard(ada);
    scene.pass(121);
    assert_eq!(scene.answer(mallory)["code"], "not_admitted");
    assert_eq!(types(&scene.heard(ada)), ["knock_over"]);
    scene.ask(mallory, join("Mallory"));
    scene.heard(ada);
    scene.lose(mallory);
    assert_eq!(scene.answer(ada), json!({"type": "knock_over", "knock": 4}));
}

#[test]
fn a_new_host_hears_who_waits() {
    let mut scene = Scene::new();
    let ([ada, grace, eve], _) = scene.three();
    scene.say(eve, json!({"type": "leave"}));
    scene.say(ada, json!({"type": "set", "knock": true}));
    let late = scene.connect(4);
    scene.ask(late, json!({"type": "join", "room": "team", "name": "Late"}));
    scene.heard(grace);
    scene.say(ada, json!({"type": "leave"}));
    assert_eq!(types(&scene.heard(grace)), ["member_left", "host", "knock"]);
    scene.say(grace, json!({"type": "admit", "knock": 1}));
    assert_eq!(scene.answer(late)["type"], "joined");
}

#[test]
fn a_room_is_full_or_locked() {
    let mut scene = Scene::new();
    let ([ada, grace, _], _) = scene.three();
    let late = scene.connect(4);
    let join = json!({"type": "join", "room": "team", "name": "Late"});
    assert_eq!(scene.refused(late, join.clone()), "room_full");
    scene.say(grace, json!({"type": "leave"}));
    assert_eq!(scene.ask(ada, json!({"type": "set", "locked": true, "pin": "123456"}))["type"], "room");
    assert_eq!(scene.refused(late, join.clone()), "locked");
    scene.say(ada, json!({"type": "set", "locked": false, "pin": ""}));
    assert_eq!(scene.ask(late, join)["type"], "joined");
    assert_eq!(scene.refused(ada, json!({"type": "set", "pin": "12"})), "bad_pin");
}

#[test]
fn the_host_puts_out_and_ends() {
    let mut scene = Scene::new();
    let ([ada, grace, eve], [_, second, _]) = scene.three();
    assert_eq!(scene.refused(eve, json!({"type": "remove", "member": 2})), "not_host");
    assert_eq!(scene.refused(ada, json!({"type": "remove", "member": 1})), "no_such_member");
    scene.say(ada, json!({"type": "remove", "member": 2}));
    assert_eq!(scene.answer(grace)["reason"], "removed");
    let again = scene.connect(4);
    let resume = json!({"type": "join", "room": "team", "name": "Grace", "resume": second["resume"]});
    assert_eq!(scene.refused(again, resume), "resume_unknown");
    scene.heard(eve);
    scene.say(ada, json!({"type": "end"}));
    assert_eq!(scene.answer(eve)["reason"], "host");
    assert_eq!((scene.closed.len(), scene.rooms.count(), scene.kept.len()), (3, 0, 0));
    assert_eq!(scene.refused(again, json!({"type": "join", "room": "team", "name": "x"})), "no_such_room");
}

#[test]
fn who_makes_a_room_has_an_account_unless_anybody_may() {
    let mut scene = Scene::new();
    let stranger = scene.connect_as(1, true, false);
    let create = |user: &str, password: &str| json!({"type": "create", "name": "A", "user": user, "password": password});
    assert_eq!(scene.refused(stranger, json!({"type": "create", "name": "A"})), "sign_in_needed");
    for _ in 0..5 {
        assert_eq!(scene.refused(stranger, create("alice", "wrong")), "sign_in_wrong");
    }
    assert_eq!(scene.refused(stranger, create("alice", "secret")), "sign_in_blocked");
    let exposed = scene.connect_as(2, false, false);
    assert_eq!(scene.refused(exposed, create("alice", "secret")), "sign_in_unsafe");
    let known = scene.connect_as(3, true, false);
    assert_eq!(scene.ask(known, create("alice", "secret"))["type"], "joined");
}

#[test]
fn rooms_are_not_without_number_and_names_are_not_given_twice() {
    let mut scene = Scene::new();
    for number in 1..=10 {
        let flow = scene.connect(number);
        assert_eq!(scene.ask(flow, json!({"type": "create", "name": "A"}))["type"], "joined");
    }
    let last = scene.connect(11);
    assert_eq!(scene.refused(last, json!({"type": "create", "name": "A"})), "too_many_rooms");
    scene.say(flow(1), json!({"type": "end"}));
    let create = json!({"type": "create", "room": "team", "name": "A"});
    assert_eq!(scene.ask(last, create.clone())["type"], "joined");
    let other = scene.connect(12);
    assert_eq!(scene.refused(other, create), "room_exists");
}

#[test]
fn a_room_ends_when_its_time_is_over_or_nobody_comes() {
    let mut scene = Scene::new();
    let ([ada, grace, eve], _) = scene.three();
    scene.pass(24 * 3600 + 1);
    for flow in [ada, grace, eve] {
        assert_eq!(scene.answer(flow)["reason"], "expired");
    }
    let ada = scene.connect(5);
    scene.ask(ada, json!({"type": "create", "name": "Ada"}));
    scene.say(ada, json!({"type": "leave"}));
    scene.pass(3599);
    assert_eq!(scene.rooms.count(), 1);
    scene.pass(2);
    assert_eq!((scene.rooms.count(), scene.kept.len()), (0, 0));
    let stats = scene.rooms.stats();
    assert_eq!((stats.rooms_created, stats.rooms_expired, stats.rooms_deserted), (2, 1, 1));
}

#[test]
fn rooms_outlive_the_process() {
    let mut scene = Scene::new();
    let (_, [first, second, _]) = scene.three();
    scene.say(flow(1), json!({"type": "set", "pin": "123456", "knock": true}));
    scene.pass(100);
    let kept = scene.kept.clone();
    assert_eq!((kept.len(), kept[0].members.len()), (1, 3));

    scene.rooms = Rooms::new(scene.now, House, settings(scene.epoch));
    scene.rooms.restore(scene.now, kept[0].clone());
    let grace = scene.connect(21);
    let joined = scene
        .ask(grace, json!({"type": "join", "room": "team", "name": "Grace", "resume": second["resume"]}));
    assert_eq!((&joined["you"], &joined["resumed"], &joined["pin"]), (&json!(2), &json!(true), &json!(true)));
    assert_eq!((&joined["members"][0]["away"], &joined["members"][0]["host"]), (&json!(true), &json!(true)));
    assert_eq!(joined["expires_in"], 86_300);
    let ada = scene.connect(22);
    let joined =
        scene.ask(ada, json!({"type": "join", "room": "team", "name": "Ada", "resume": first["resume"]}));
    assert_eq!(joined["you"], 1);
    scene.heard(grace);
    scene.pass(61);
    assert_eq!(scene.answer(grace), json!({"type": "member_left", "member": 3, "reason": "lost"}));

    let over =
        RoomRecord { expires: 0, name: RoomName::try_from("over".to_owned()).unwrap(), ..kept[0].clone() };
    scene.rooms.restore(scene.now, over.clone());
    assert_eq!(scene.rooms.poll_event(), Some(Event::Forget(over.name)));
}

#[test]
fn what_changes_often_is_kept_seldom() {
    let mut scene = Scene::new();
    let ([ada, ..], _) = scene.three();
    scene.pass(1);
    let mut written = 0;
    for _ in 0..100 {
        scene.rooms.handle_message(scene.now, ada, br#"{"type":"rename","name":"x"}"#);
        scene.now += Duration::from_millis(20);
        if scene.rooms.poll_timeout().is_some_and(|due| due <= scene.now) {
            scene.rooms.handle_timeout(scene.now);
        }
        while let Some(event) = scene.rooms.poll_event() {
            written += usize::from(matches!(event, Event::Keep(_)));
        }
    }
    assert!((9..=11).contains(&written), "{written} in two seconds");
}

#[test]
fn who_sends_too_fast_is_sent_away_and_may_come_back() {
    let mut scene = Scene::new();
    let ([ada, grace, _], [first, ..]) = scene.three();
    for _ in 0..301 {
        scene.say(ada, json!({"type": "ping"}));
    }
    let heard = scene.heard(ada);
    assert_eq!(
        heard.iter().filter(|message| message["type"] == "pong").count(),
        299,
        "one was spent on creating"
    );
    assert_eq!(heard.last().unwrap()["code"], "too_fast");
    assert_eq!(types(&scene.heard(grace)), ["member_away"]);
    let again = scene.connect(4);
    let resume = json!({"type": "join", "room": "team", "name": "Ada", "resume": first["resume"]});
    assert_eq!(scene.ask(again, resume)["you"], 1);
    // By bytes as well.
    let large = json!({"type": "ping", "x": "y".repeat(60_000)});
    let pongs = (0..30).take_while(|_| {
        scene.say(again, large.clone());
        scene.heard(again).last().unwrap()["type"] == "pong"
    });
    assert_eq!(pongs.count(), 17);
}

#[test]
fn what_cannot_be_read_is_said_to_be_so() {
    let mut scene = Scene::new();
    let ada = scene.connect(1);
    scene.rooms.handle_message(scene.now, ada, b"{");
    scene.drain();
    assert_eq!(scene.answer(ada)["code"], "bad_message");
    let error = scene.ask(ada, json!({"type": "join", "room": 7, "name": "x"}));
    assert_eq!((&error["code"], &error["about"]), (&json!("bad_message"), &json!("join")));
    assert_eq!(scene.refused(ada, json!({"type": "sing"})), "unknown_type");
    assert_eq!(scene.refused(ada, json!({"type": "end"})), "not_joined");
    assert_eq!(scene.refused(ada, json!({"type": "join", "room": "T", "name": "x"})), "bad_room");
    let stats = scene.rooms.stats();
    assert_eq!((stats.refused.of(Code::BadMessage), stats.refused.of(Code::UnknownType)), (2, 1));
}

/// What clients may say; random clients say it in random order.
const LINES: &[&str] = &[
    r#"{"type":"create","name":"A"}"#,
    r#"{"type":"create","name":"A","room":"abc","knock":true}"#,
    r#"{"type":"create","name":"A","room":"abc","pin":"123456"}"#,
    r#"{"type":"create","name":"A","user":"alice","password":"secret"}"#,
    r#"{"type":"create","name":"A","user":"alice","password":"guess"}"#,
    r#"{"type":"join","name":"B","room":"$R"}"#,
    r#"{"type":"join","name":"B","room":"$R"}"#,
    r#"{"type":"join","name":"B","room":"$R","pin":"123456"}"#,
    r#"{"type":"join","name":"B","room":"abc","pin":"654321"}"#,
    r#"{"type":"join","name":"C","room":"$R","resume":"$T"}"#,
    r#"{"type":"join","name":"C","room":"$R","resume":"$T"}"#,
    r#"{"type":"join","name":"C","room":"$R","resume":"$T","fresh":true}"#,
    r#"{"type":"signal","to":1,"candidate":{"candidate":"x"}}"#,
    r#"{"type":"signal","to":2,"description":{"type":"offer","sdp":"v=0"}}"#,
    r#"{"type":"rename","name":"<i>"}"#,
    r#"{"type":"ice_servers"}"#,
    r#"{"type":"leave"}"#,
    r#"{"type":"admit","knock":1}"#,
    r#"{"type":"admit","knock":2}"#,
    r#"{"type":"refuse","knock":1}"#,
    r#"{"type":"set","locked":false,"knock":true}"#,
    r#"{"type":"set","locked":true,"pin":""}"#,
    r#"{"type":"set","locked":false,"knock":false}"#,
    r#"{"type":"remove","member":2}"#,
    r#"{"type":"end"}"#,
    r#"{"type":"ping""#,
];

#[test]
fn whatever_clients_say_in_whatever_order_the_rooms_hold() {
    let start = Clock::new().now();
    let mut rng = Rng::new(2026);
    let mut sums = [0; 9];
    for _ in 0..1000 {
        let mut script = Vec::new();
        for _ in 0..rng.below(300) {
            // As few as make rooms crowded; and connections are lost, time passes and processes end now and then.
            let client = rng.below(6) as u8;
            let what = if rng.below(12) == 0 { 10 + rng.below(6) as u8 } else { rng.below(10) as u8 };
            script.push(client << 4 | what | u8::from(client == 0 && what == 0));
            script.extend_from_slice(LINES[rng.below(LINES.len() as u64) as usize].as_bytes());
            script.push(0);
        }
        let stats = fuzz::rooms(&script, start);
        let counted = [
            stats.members_joined,
            stats.members_back,
            stats.members_lost,
            stats.members_removed,
            stats.knocks,
            stats.signals,
            stats.signals_undeliverable,
            stats.rooms_ended,
            stats.rooms_restored,
        ];
        sums.iter_mut().zip(counted).for_each(|(sum, count)| *sum += count);
    }
    assert!(sums.iter().all(|sum| *sum > 20), "{sums:?}");
}
