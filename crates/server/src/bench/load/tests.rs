use ringback_sansio::{ConnectionId, FiveTuple};

use super::*;
use crate::secret::Secret;

/// A load whose messages a test answers in place of a server.
struct World {
    load: Load,
    now: Instant,
    flow: Flow,
}

impl World {
    fn new(transport: Transport, users: &[&str]) -> Self {
        let accounts = users.iter().map(|name| Account {
            name: (*name).to_owned(),
            password: Secret::new(format!("{name}-secret")),
        });
        let settings = Settings {
            domain: "example.com".to_owned(),
            within: Duration::from_secs(10),
            talk: Duration::from_millis(200),
            seed: 7,
        };
        let (local, remote) = ("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:5060".parse().unwrap());
        let connection = if transport.is_reliable() { ConnectionId(1) } else { ConnectionId::NONE };
        let flow = Flow { tuple: FiveTuple::new(transport, local, remote), connection };
        let mut load = Load::new(settings, accounts.collect(), transport);
        for phone in 0..users.len() {
            load.attach(phone, flow);
        }
        World { load, now: Instant::now(), flow }
    }

    /// What the load sends.
    fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.load.poll_transmit())
            .map(|transmit| Message::parse(transmit.payload).unwrap())
            .collect()
    }

    /// The one message that the load sends.
    fn one(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn tell(&mut self, message: Message) {
        self.load.handle_message(self.now, self.flow, message.bytes().clone());
    }

    fn reply(&mut self, request: &Message, status: u16) {
        self.tell(Builder::reply(request, status).to_tag(b"server").finish());
    }

    fn challenge(&mut self, request: &Message, status: u16, more: &str) {
        let name = if status == 407 { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let value = format!("Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"{more}");
        self.tell(Builder::reply(request, status).header(name, value).to_tag(b"server").finish());
    }

    fn after(&mut self, time: Duration) {
        self.now += time;
        self.load.handle_timeout(self.now);
    }

    /// The 200 of a callee behind a proxy.
    fn lift_off(&mut self, invite: &Message) {
        let reply = Builder::reply(invite, 200)
            .to_tag(b"callee")
            .header(Name::RecordRoute, "<sip:proxy.example.com;lr>")
            .header(Name::Contact, "<sip:bob@192.0.2.7>");
        self.tell(reply.finish());
    }

    /// Goes from an INVITE to a call that stands; the INVITE that was taken.
    fn stand(&mut self) -> Message {
        assert!(self.load.begin_call(self.now));
        let invite = self.one();
        self.challenge(&invite, 407, "");
        let sent = self.sent();
        let [ack, invite] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!((ack.method(), invite.method()), (Method::Ack, Method::Invite));
        self.lift_off(invite);
        let ack = self.one();
        assert_eq!(ack.request_uri(), b"sip:bob@192.0.2.7");
        assert_eq!(ack.header(Name::Route), Some(&b"<sip:proxy.example.com;lr>"[..]));
        invite.clone()
    }
}

fn failures(tally: &Tally) -> Vec<(Failure, u64)> {
    tally.failures.iter().map(|(failure, count)| (*failure, *count)).collect()
}

#[test]
fn a_registration_answers_its_challenge_and_succeeds_with_the_200() {
    let mut world = World::new(Transport::Tcp, &["alice"]);
    assert!(world.load.begin_registration(world.now));
    assert!(!world.load.begin_registration(world.now), "one at a time for each phone");
    let first = world.one();
    assert!(!first.has(Name::Authorization));
    world.now += Duration::from_millis(3);
    world.challenge(&first, 401, "");
    let second = world.one();
    let credentials = String::from_utf8(second.header(Name::Authorization).unwrap().to_vec()).unwrap();
    assert!(credentials.contains("username=\"alice\", realm=\"r\", nonce=\"n\""), "{credentials}");
    assert_eq!(second.call_id(), first.call_id());
    assert_eq!((first.cseq().unwrap().number, second.cseq().unwrap().number), (1, 2));
    world.now += Duration::from_millis(3);
    world.reply(&second, 200);
    let tally = &world.load.registrations;
    assert_eq!((tally.begun, tally.succeeded, tally.failed()), (1, 1, 0));
    assert_eq!(tally.answered.most(), Duration::from_millis(6));
    assert!(world.load.begin_registration(world.now), "it has its turn again");
}

#[test]
fn credentials_that_are_refused_are_a_failure_with_its_code() {
    let mut world = World::new(Transport::Tcp, &["alice"]);
    assert!(world.load.begin_registration(world.now));
    let first = world.one();
    world.challenge(&first, 401, "");
    let second = world.one();
    world.challenge(&second, 401, "");
    assert!(world.sent().is_empty(), "they are not sent again");
    assert_eq!(failures(&world.load.registrations), [(Failure::Status(401), 1)]);
    assert_eq!(world.load.in_progress(), 0);
}

#[test]
fn a_stale_nonce_is_answered_once_more() {
    let mut world = World::new(Transport::Tcp, &["alice"]);
    assert!(world.load.begin_registration(world.now));
    let first = world.one();
    world.challenge(&first, 401, "");
    for _ in 0..2 {
        let next = world.one();
        world.challenge(&next, 401, ", stale=true");
    }
    assert!(world.sent().is_empty());
    assert_eq!(failures(&world.load.registrations), [(Failure::Status(401), 1)]);
}

#[test]
fn a_challenge_without_a_known_algorithm_says_so() {
    let mut world = World::new(Transport::Tcp, &["alice"]);
    assert!(world.load.begin_registration(world.now));
    let first = world.one();
    let value = "Digest realm=\"r\", nonce=\"n\", algorithm=ROT13";
    world.tell(Builder::reply(&first, 401).header(Name::WwwAuthenticate, value).finish());
    let failure = failures(&world.load.registrations)[0].0;
    assert_eq!(failure.to_string(), "a challenge that cannot be answered (no known algorithm)");
}

#[test]
fn what_is_not_answered_over_udp_is_sent_again_and_then_fails() {
    let mut world = World::new(Transport::Udp, &["alice"]);
    assert!(world.load.begin_registration(world.now));
    let first = world.one();
    world.after(Duration::from_millis(500));
    assert_eq!(world.one(), first);
    assert_eq!(world.load.sent_again(), 1);
    world.after(Duration::from_millis(9_500));
    assert_eq!(failures(&world.load.registrations), [(Failure::NoAnswer, 1)]);
    assert!(world.load.begin_registration(world.now), "it has its turn again");
}

#[test]
fn a_call_is_set_up_stands_and_is_hung_up_by_its_caller() {
    let mut world = World::new(Transport::Udp, &["alice", "bob"]);
    let invite = world.stand();
    assert_eq!(invite.request_uri(), b"sip:bob@example.com");
    assert!(invite.has(Name::ProxyAuthorization) && invite.body().starts_with(b"v=0"));
    world.after(Duration::from_millis(199));
    assert!(world.sent().is_empty(), "it stands");
    world.after(Duration::from_millis(1));
    let bye = world.one();
    assert_eq!((bye.method(), bye.request_uri()), (Method::Bye, &b"sip:bob@192.0.2.7"[..]));
    assert_eq!(world.load.calls.succeeded, 0, "not before the BYE is answered");
    world.reply(&bye, 200);
    let tally = &world.load.calls;
    assert_eq!((tally.begun, tally.succeeded, tally.failed()), (1, 1, 0));
    assert_eq!(world.load.in_progress(), 0);
}

#[test]
fn a_call_that_is_refused_or_loses_its_bye_has_failed() {
    let mut world = World::new(Transport::Udp, &["alice", "bob"]);
    assert!(world.load.begin_call(world.now));
    let invite = world.one();
    world.reply(&invite, 486);
    assert_eq!(failures(&world.load.calls), [(Failure::Status(486), 1)]);
    world.one();
    world.stand();
    world.after(Duration::from_millis(200));
    let bye = world.one();
    world.reply(&bye, 481);
    assert_eq!(failures(&world.load.calls), [(Failure::Status(481), 1), (Failure::Status(486), 1)]);
}

#[test]
fn a_call_that_the_server_ends_has_failed() {
    let mut world = World::new(Transport::Tcp, &["alice", "bob"]);
    let invite = world.stand();
    let bye = |from: &str, to: &[u8]| {
        Builder::request(Method::Bye, b"sip:alice@127.0.0.1:40000;transport=tcp")
            .header(Name::Via, format!("SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{from}"))
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<sip:bob@example.com>;tag={from}"))
            .header(Name::To, [b"<sip:alice@example.com>;tag=", to].concat())
            .header(Name::CallId, invite.call_id().unwrap())
            .header(Name::CSeq, "1 BYE")
            .finish()
    };
    let tag = invite.from().unwrap().tag().unwrap().to_vec();
    world.tell(bye("stranger", b"another"));
    assert_eq!(world.one().status(), Some(200));
    assert_eq!(world.load.calls.failed(), 0, "the leg of its callee");
    world.tell(bye("callee", &tag));
    assert_eq!(world.one().status(), Some(200));
    assert_eq!(failures(&world.load.calls), [(Failure::Ended, 1)]);
    world.after(Duration::from_millis(200));
    assert!(world.sent().is_empty(), "nothing is left to hang up");
}

#[test]
fn a_phone_lifts_off_at_once_where_it_was_asked() {
    let mut world = World::new(Transport::Wss, &["alice", "bob"]);
    let invite = Builder::request(Method::Invite, b"sip:bob@bob.invalid;transport=ws")
        .header(Name::Via, "SIP/2.0/WSS 127.0.0.1:8443;branch=z9hG4bK1")
        .header(Name::RecordRoute, "<sip:one;lr>, <sip:two;lr>")
        .header(Name::From, "<sip:alice@example.com>;tag=1")
        .header(Name::To, "<sip:bob@example.com>")
        .header(Name::CallId, "c")
        .header(Name::CSeq, "1 INVITE")
        .body(b"application/sdp", description::offer(Transport::Wss).as_bytes())
        .finish();
    world.tell(invite.clone());
    let answer = world.one();
    assert_eq!(answer.status(), Some(200));
    assert!(answer.to().unwrap().tag().is_some());
    assert_eq!(answer.header(Name::Contact), Some(&b"<sip:bob@bob.invalid;transport=ws>"[..]));
    assert_eq!(answer.header(Name::RecordRoute), Some(&b"<sip:one;lr>, <sip:two;lr>"[..]));
    assert!(String::from_utf8_lossy(answer.body()).contains("a=setup:active"));
    world.after(Duration::from_millis(500));
    assert_eq!(world.one(), answer, "until its ACK comes");
}

#[test]
fn a_phone_without_its_connection_fails_and_has_no_turn() {
    let mut world = World::new(Transport::Tls, &["alice", "bob"]);
    assert!(world.load.begin_registration(world.now));
    world.one();
    world.load.detach(world.now, world.flow);
    assert_eq!(failures(&world.load.registrations), [(Failure::NoConnection, 1)]);
    assert_eq!((world.load.attached(), world.load.begin_registration(world.now)), (0, false));
    assert!(world.load.begin_call(world.now));
    assert_eq!(failures(&world.load.calls), [(Failure::NoConnection, 1)]);
}

#[test]
fn the_caller_s_transport_is_in_its_contact() {
    for (transport, contact) in [
        (Transport::Udp, "<sip:alice@127.0.0.1:40000>"),
        (Transport::Tcp, "<sip:alice@127.0.0.1:40000;transport=tcp>"),
        (Transport::Tls, "<sip:alice@127.0.0.1:40000;transport=tls>"),
        (Transport::Ws, "<sip:alice@alice.invalid;transport=ws>"),
        (Transport::Wss, "<sip:alice@alice.invalid;transport=ws>"),
    ] {
        let mut world = World::new(transport, &["alice"]);
        assert!(world.load.begin_registration(world.now));
        let register = world.one();
        assert_eq!(register.header(Name::Contact), Some(contact.as_bytes()));
        assert_eq!(register.via().unwrap().transport, transport.token().as_bytes());
    }
}
