//! Scenes of streams: who publishes, who watches, and how it ends.

use bytes::Bytes;
use ringback_media::session::{Gone, LegKey};
use ringback_sansio::Flow;
use serde_json::{Value, json};

use super::{Bearer, Created, Part, Patch, Post, Reply, RequestId};
use crate::media::{MediaCommand, MediaEvent, Route};
use crate::rooms::fuzz::{OFFER, local};
use crate::rooms::tests::{Scene, flow, types};
use crate::rooms::{Code, Token};

/// A scene with media workers that do what they are told.
struct Stage {
    scene: Scene,
    requests: u64,
    /// What the workers were told, in order.
    told: Vec<(u16, LegKey, MediaCommand)>,
    refuses: bool,
}

impl Stage {
    /// Ada has made a room, and Grace is in it.
    fn new() -> (Stage, Flow, Flow) {
        let mut scene = Scene::new();
        let (ada, grace) = (scene.connect(1), scene.connect(2));
        scene.ask(ada, json!({"type": "create", "room": "team", "name": "Ada"}));
        scene.ask(grace, json!({"type": "join", "room": "team", "name": "Grace"}));
        scene.heard(ada);
        (Stage { scene, requests: 0, told: Vec::new(), refuses: false }, ada, grace)
    }

    /// The keys that Ada is told.
    fn keys(&mut self, host: Flow) -> [Bearer; 2] {
        let told = self.scene.ask(host, json!({"type": "stream_key"}));
        assert_eq!(told["whip"], "/api/v1/rooms/team/whip");
        assert_eq!(told["whep"], "/api/v1/rooms/team/whep");
        ["publish", "view"]
            .map(|name| Bearer::Key(Token::try_from(told[name].as_str().unwrap().to_owned()).unwrap()))
    }

    fn post(&mut self, part: Part, bearer: &Bearer) -> Reply {
        self.post_to("team", part, bearer, OFFER)
    }

    fn post_to(&mut self, room: &str, part: Part, bearer: &Bearer, offer: &[u8]) -> Reply {
        let offer = String::from_utf8(offer.to_vec()).unwrap();
        let direction = if part == Part::Publish { "a=sendonly" } else { "a=recvonly" };
        let post = Post {
            room: room.to_owned(),
            part,
            bearer: bearer.clone(),
            name: Some("Main stage".to_owned()),
            offer: Bytes::from(offer.replace("a=sendrecv", direction)),
            flow: flow(40),
            host: "example.org".to_owned(),
        };
        self.asked(|rooms, now, id| rooms.handle_post(now, id, post))
    }

    fn delete(&mut self, session: &Token) -> Reply {
        self.asked(|rooms, _, id| rooms.handle_delete(id, session))
    }

    fn asked(
        &mut self,
        ask: impl FnOnce(&mut crate::rooms::Rooms<crate::rooms::tests::House>, std::time::Instant, RequestId),
    ) -> Reply {
        self.requests += 1;
        let id = RequestId(self.requests);
        ask(&mut self.scene.rooms, self.scene.now, id);
        self.work();
        let (answered, reply) = self.scene.rooms.poll_reply().expect("an answer");
        assert_eq!(answered, id);
        assert_eq!(self.scene.rooms.poll_reply(), None);
        reply
    }

    /// Lets the workers work.
    fn work(&mut self) {
        while let Some((worker, leg, command)) = self.scene.rooms.poll_media() {
            if let MediaCommand::Open { .. } = command {
                let opened = if self.refuses { Err("no address".to_owned()) } else { Ok(Box::new(local())) };
                self.scene.rooms.handle_media(self.scene.now, MediaEvent::Opened(leg, opened));
            }
            self.told.push((worker, leg, command));
        }
        self.scene.drain();
    }

    fn happens(&mut self, event: MediaEvent) {
        self.scene.rooms.handle_media(self.scene.now, event);
        self.work();
    }

    /// Somebody publishes, and media flows; the publisher's leg is given too.
    fn live(&mut self, host: Flow) -> (Box<Created>, LegKey) {
        let [publish, _] = self.keys(host);
        let Reply::Created(created) = self.post(Part::Publish, &publish) else { panic!("not published") };
        let leg = self.configured().pop().unwrap();
        self.happens(MediaEvent::Connected(leg));
        (created, leg)
    }

    /// The legs that were configured since the last look, in order.
    fn configured(&mut self) -> Vec<LegKey> {
        self.take(|command| matches!(command, MediaCommand::Configure(..)))
    }

    fn closed(&mut self) -> Vec<LegKey> {
        self.take(|command| matches!(command, MediaCommand::Close))
    }

    fn take(&mut self, is_it: impl Fn(&MediaCommand) -> bool) -> Vec<LegKey> {
        let (taken, rest) = std::mem::take(&mut self.told).into_iter().partition(|(.., it)| is_it(it));
        self.told = rest;
        let taken: Vec<(u16, LegKey, MediaCommand)> = taken;
        taken.into_iter().map(|(_, leg, _)| leg).collect()
    }

    /// A member who watches, as far as our offer.
    fn offered(&mut self, member: Flow, stream: &Value) -> Value {
        self.scene.heard(member);
        self.scene.say(member, json!({"type": "watch", "stream": stream}));
        self.work();
        let mut heard = self.scene.heard(member);
        assert_eq!(types(&heard), ["stream_description"]);
        heard.remove(0)
    }

    fn answer(&mut self, member: Flow, stream: &Value) {
        let answer = include_str!("../../../../../fuzz/corpus/sdp/chromium-answer-all.sdp");
        let sdp = answer.replace("a=sendrecv", "a=recvonly");
        let description = json!({"type": "answer", "sdp": sdp});
        self.scene
            .say(member, json!({"type": "stream_description", "stream": stream, "description": description}));
        self.work();
    }
}

fn denied(reply: Reply) -> Code {
    let Reply::Denied(denied) = reply else { panic!("{reply:?}") };
    assert!(denied.says.ends_with('.') && denied.code.status() >= 400, "{denied:?}");
    denied.code
}

#[test]
fn who_has_the_key_publishes_and_the_room_is_told() {
    let (mut stage, ada, grace) = Stage::new();
    assert_eq!(stage.scene.refused(grace, json!({"type": "stream_key"})), "not_host");
    let [publish, view] = stage.keys(ada);
    assert_eq!(denied(stage.post_to("other", Part::Publish, &publish, OFFER)), Code::NoSuchRoom);
    assert_eq!(denied(stage.post(Part::Publish, &Bearer::Missing)), Code::KeyNeeded);
    assert_eq!(denied(stage.post(Part::Publish, &view)), Code::KeyWrong);
    let Reply::Created(created) = stage.post(Part::Publish, &publish) else { panic!("not published") };
    assert_eq!(created.path(), "/api/v1/rooms/team/whip");
    let answer = String::from_utf8(created.answer.to_vec()).unwrap();
    assert!(answer.contains("a=ice-lite") && answer.contains("a=recvonly"), "{answer}");
    assert_eq!(created.ice_servers.len(), 1);
    assert!(stage.told.iter().any(|(_, _, it)| matches!(it, MediaCommand::Configure(_, Route::Audience))));
    // Until media flows there is nothing to watch, and no place for another.
    assert_eq!(stage.scene.heard(grace), [] as [Value; 0]);
    assert_eq!(denied(stage.post(Part::View, &view)), Code::NoStream);
    assert_eq!(denied(stage.post(Part::Publish, &publish)), Code::StreamExists);
    let leg = stage.configured().pop().unwrap();
    stage.happens(MediaEvent::Connected(leg));
    let told = stage.scene.heard(grace);
    assert_eq!(told, [json!({"type": "stream", "stream": {"id": 1, "name": "Main stage"}})]);
    // Who comes later is told as well.
    let eve = stage.scene.connect(3);
    let joined = stage.scene.ask(eve, json!({"type": "join", "room": "team", "name": "Eve"}));
    assert_eq!(joined["stream"], json!({"id": 1, "name": "Main stage"}));
}

#[test]
fn wrong_keys_are_few() {
    let (mut stage, ada, _) = Stage::new();
    let [publish, view] = stage.keys(ada);
    for wrong in [&view, &Bearer::Unreadable, &view, &view, &view] {
        assert_eq!(denied(stage.post(Part::Publish, wrong)), Code::KeyWrong);
    }
    assert_eq!(denied(stage.post(Part::Publish, &publish)), Code::KeyBlocked, "whatever it knows");
    stage.scene.pass(61);
    assert!(matches!(stage.post(Part::Publish, &publish), Reply::Created(_)));
}

#[test]
fn a_room_that_is_not_open_is_watched_with_a_key() {
    let (mut stage, ada, _) = Stage::new();
    let [_, view] = stage.keys(ada);
    stage.live(ada);
    assert!(matches!(stage.post(Part::View, &Bearer::Missing), Reply::Created(_)));
    for closed in [
        json!({"locked": true}),
        json!({"locked": false, "pin": "271828"}),
        json!({"pin": "", "knock": true}),
    ] {
        let mut set = closed.clone();
        set["type"] = json!("set");
        stage.scene.say(ada, set);
        assert_eq!(denied(stage.post(Part::View, &Bearer::Missing)), Code::KeyNeeded, "{closed}");
    }
    assert!(matches!(stage.post(Part::View, &view), Reply::Created(_)));
    assert_eq!(denied(stage.post(Part::View, &view)), Code::TooManyViewers, "two are enough");
}

#[test]
fn who_asks_and_never_comes_does_not_take_the_places() {
    let (mut stage, ada, _) = Stage::new();
    stage.live(ada);
    stage.scene.rooms.settings.viewers = 50;
    let coming = |stage: &mut Stage| {
        (0..20).filter(|_| matches!(stage.post(Part::View, &Bearer::Missing), Reply::Created(_))).count()
    };
    assert_eq!(coming(&mut stage), 8, "as many as may be on their way");
    assert_eq!(denied(stage.post(Part::View, &Bearer::Missing)), Code::WatchTooOften);
    for leg in stage.configured() {
        stage.happens(MediaEvent::Connected(leg));
    }
    assert_eq!(coming(&mut stage), 8, "those who have come stand in nobody's way");
}

#[test]
fn a_member_asks_is_offered_and_answers() {
    let (mut stage, ada, grace) = Stage::new();
    let (_, publisher) = stage.live(ada);
    let id = json!(1);
    assert_eq!(stage.scene.refused(grace, json!({"type": "watch", "stream": 7})), "no_stream");
    let offer = stage.offered(grace, &id);
    assert_eq!((&offer["stream"], &offer["description"]["type"]), (&id, &json!("offer")));
    assert!(offer["description"]["sdp"].as_str().unwrap().contains("a=sendonly"));
    assert!(stage.configured().is_empty(), "nothing is agreed yet");
    stage.answer(grace, &id);
    let leg = stage.configured().pop().unwrap();
    let watches = |(_, at, it): &(u16, LegKey, MediaCommand)| {
        *at == leg && matches!(it, MediaCommand::Watch { source, .. } if *source == publisher)
    };
    assert!(stage.told.iter().any(watches));
    assert_eq!(
        stage.told.iter().map(|(worker, ..)| *worker).collect::<std::collections::BTreeSet<_>>().len(),
        1
    );
    stage.scene.pass(60);
    stage.work();
    assert!(stage.closed().is_empty(), "who has answered is not given up");
    // Asked for anew, it is another connection.
    stage.offered(grace, &id);
    assert_eq!(stage.closed(), [leg]);
    // One who leaves for good watches no more.
    stage.scene.say(grace, json!({"type": "leave"}));
    stage.work();
    assert_eq!(stage.closed().len(), 1);
    assert_eq!((stage.scene.rooms.watching(), stage.scene.rooms.streams()), (0, 1));
}

#[test]
fn who_does_not_answer_or_asks_too_often_gets_nothing() {
    let (mut stage, ada, grace) = Stage::new();
    stage.live(ada);
    let id = json!(1);
    stage.offered(grace, &id);
    stage.scene.pass(31);
    stage.work();
    assert_eq!(stage.closed().len(), 1);
    assert_eq!(stage.scene.rooms.stats().streams_unanswered, 1);
    let refused = (0..9).map(|_| {
        stage.scene.heard(grace);
        stage.scene.say(grace, json!({"type": "watch", "stream": 1}));
        stage.work();
        stage.scene.heard(grace).remove(0)["code"].clone()
    });
    assert!(refused.collect::<Vec<_>>().contains(&json!("watch_too_often")));
    let code = stage.scene.refused(
        grace,
        json!({"type": "stream_description", "stream": 1, "description": {"type": "answer", "sdp": "v=0"}}),
    );
    assert_eq!(code, "bad_description");
    assert_eq!(stage.scene.rooms.watching(), 0);
}

#[test]
fn a_stream_ends_with_its_publisher_for_all() {
    let (mut stage, ada, grace) = Stage::new();
    let (created, _) = stage.live(ada);
    let Reply::Created(viewer) = stage.post(Part::View, &Bearer::Missing) else { panic!("not watched") };
    stage.offered(grace, &json!(1));
    assert_eq!(stage.delete(&created.session), Reply::Ended);
    assert_eq!(stage.closed().len(), 3);
    let told = stage.scene.heard(grace);
    assert_eq!(told, [json!({"type": "stream_over", "stream": 1, "reason": "ended"})]);
    for session in [&created.session, &viewer.session] {
        assert_eq!(denied(stage.delete(session)), Code::NoSuchSession);
    }
    // The next one has another number.
    stage.live(ada);
    assert_eq!(stage.scene.heard(grace)[0]["stream"]["id"], 2);
}

#[test]
fn one_who_is_lost_is_taken_off_and_a_lost_publisher_ends_it() {
    let (mut stage, ada, grace) = Stage::new();
    let (_, publisher) = stage.live(ada);
    let Reply::Created(viewer) = stage.post(Part::View, &Bearer::Missing) else { panic!("not watched") };
    let leg = stage.configured().pop().unwrap();
    stage.happens(MediaEvent::Gone(leg, Gone::ConsentLost));
    assert_eq!(stage.closed(), [leg]);
    assert_eq!(denied(stage.delete(&viewer.session)), Code::NoSuchSession);
    stage.scene.heard(grace);
    stage.happens(MediaEvent::Gone(publisher, Gone::ConsentLost));
    let told = stage.scene.heard(grace);
    assert_eq!(told, [json!({"type": "stream_over", "stream": 1, "reason": "lost"})]);
    assert_eq!((stage.scene.rooms.stats().viewers_lost, stage.scene.rooms.stats().streams_lost), (1, 1));
    assert_eq!(stage.scene.rooms.streams(), 0);
}

#[test]
fn a_stream_ends_with_its_room_and_by_the_word_of_the_host() {
    let (mut stage, ada, grace) = Stage::new();
    stage.live(ada);
    assert_eq!(stage.scene.refused(grace, json!({"type": "end_stream"})), "not_host");
    stage.scene.say(ada, json!({"type": "end_stream"}));
    stage.work();
    assert_eq!((stage.closed().len(), stage.scene.rooms.streams()), (1, 0));
    stage.live(ada);
    stage.scene.say(ada, json!({"type": "end"}));
    stage.work();
    assert_eq!((stage.closed().len(), stage.scene.rooms.streams()), (1, 0));
}

#[test]
fn what_does_not_fit_is_said_and_leaves_nothing() {
    let (mut stage, ada, _) = Stage::new();
    let [publish, _] = stage.keys(ada);
    assert_eq!(denied(stage.post_to("team", Part::Publish, &publish, b"v=0")), Code::BadDescription);
    let recvonly = String::from_utf8(OFFER.to_vec()).unwrap().replace("a=sendrecv", "a=recvonly");
    let reply = stage.post_to("team", Part::Publish, &publish, recvonly.as_bytes());
    assert_eq!(denied(reply), Code::BadDescription, "it sends nothing");
    stage.refuses = true;
    assert_eq!(denied(stage.post(Part::Publish, &publish)), Code::NoMedia);
    assert_eq!(stage.scene.rooms.streams(), 0);
    assert_eq!(stage.closed().len(), 3, "what was opened is closed");
    stage.refuses = false;
    let reply = stage.post(Part::Publish, &publish);
    assert!(matches!(reply, Reply::Created(_)));
    // Whoever has asked is gone.
    stage.scene.rooms.handle_unheard(&reply);
    assert_eq!(stage.scene.rooms.streams(), 0);
}

#[test]
fn candidates_are_taken_and_a_restart_of_ice_is_not() {
    let (mut stage, ada, _) = Stage::new();
    let (created, _) = stage.live(ada);
    let session = created.session.clone();
    let mut patch = |if_match: Option<&str>, fragment: &str| {
        let (session, if_match) = (session.clone(), if_match.map(str::to_owned));
        let patch = Patch { session, if_match, fragment: fragment.to_owned() };
        stage.asked(|rooms, _, id| rooms.handle_patch(id, &patch))
    };
    let tag = format!("\"{}\"", created.etag.reveal());
    let candidate = "a=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.9 61764 typ host\r\n";
    assert_eq!(patch(Some(&tag), candidate), Reply::Taken);
    assert_eq!(denied(patch(None, candidate)), Code::NoPrecondition);
    assert_eq!(denied(patch(Some("\"other\""), candidate)), Code::OtherSession);
    assert_eq!(denied(patch(Some("*"), candidate)), Code::NoIceRestart);
    assert_eq!(denied(patch(Some(&tag), "a=ice-ufrag:fresh\r\n")), Code::NoIceRestart);
}

#[test]
fn the_keys_of_a_room_are_its_own_and_outlive_the_process() {
    let (mut stage, ada, _) = Stage::new();
    let keys = stage.keys(ada);
    assert_ne!(keys[0], keys[1]);
    stage.live(ada);
    stage.scene.rooms.shut_down(stage.scene.now);
    stage.work();
    assert_eq!((stage.closed().len(), stage.scene.rooms.streams()), (1, 0), "no leg outlives the process");
    let record = stage.scene.kept.pop().unwrap();
    let mut after = Scene::new();
    after.rooms.restore(after.now, record.clone());
    let room = after.rooms.rooms.values().next().unwrap();
    let again = [Part::Publish, Part::View].map(|part| Bearer::Key(room.stream_key(part).unwrap()));
    assert_eq!(again, keys);
}
