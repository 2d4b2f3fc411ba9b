use std::time::Instant;

use ringback_sansio::sim::Clock;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::message::{Builder, Message, Method, Name};

use super::*;

fn flow(own: &str, other: &str, transport: Transport) -> Flow {
    let tuple = FiveTuple::new(transport, own.parse().unwrap(), other.parse().unwrap());
    let connection = if transport == Transport::Udp { ConnectionId::NONE } else { ConnectionId(1) };
    Flow { tuple, connection }
}

fn phone(user: &str, flow: Flow, password: Option<&str>) -> Phone {
    let login = password.map(|password| Login {
        user: user.into(),
        password: password.into(),
        realm: Some("example.com".into()),
    });
    let settings = Settings {
        user: user.into(),
        domain: "example.com".into(),
        login,
        expires: Duration::from_secs(600),
        product: "test".into(),
    };
    Phone::new(settings, flow, user.len() as u64)
}

/// Two phones that call each other with nothing in between.
struct Pair {
    clock: Clock,
    phones: [Phone; 2],
    events: [Vec<Event>; 2],
}

impl Pair {
    fn new() -> Pair {
        let (alice, bob) = ("10.0.0.1:5060", "10.0.0.2:5060");
        let phones = [
            phone("alice", flow(alice, bob, Transport::Udp), None),
            phone("bob", flow(bob, alice, Transport::Udp), None),
        ];
        Pair { clock: Clock::new(), phones, events: Default::default() }
    }

    fn carry(&mut self) {
        let now = self.clock.now();
        for _ in 0..20 {
            for own in [0, 1] {
                while let Some(transmit) = self.phones[own].poll_transmit() {
                    self.phones[1 - own].handle_message(now, transmit.payload);
                }
                while let Some(event) = self.phones[own].poll_event() {
                    self.events[own].push(event);
                }
            }
        }
    }

    /// Lets the first call the second.
    fn call(&mut self) -> Instant {
        let now = self.clock.now();
        assert!(self.phones[0].call(now, "sip:bob@10.0.0.2", "offer".into()));
        self.carry();
        now
    }

    fn last(&self, which: usize) -> &Event {
        self.events[which].last().unwrap()
    }
}

#[test]
fn a_call_is_made_answered_and_ended_by_either() {
    for who in [0, 1] {
        let mut pair = Pair::new();
        let now = pair.call();
        let incoming = Event::Incoming {
            from: "sip:alice@example.com".into(),
            display: String::new(),
            offer: Some("offer".into()),
        };
        assert_eq!(pair.last(1), &incoming);
        pair.phones[1].ring(now);
        pair.carry();
        let ringing = Event::Progress { status: 180, reason: "Ringing".into(), answer: None };
        assert_eq!(pair.last(0), &ringing);
        pair.phones[1].answer(now, "answer".into());
        pair.carry();
        assert_eq!(pair.last(0), &Event::Answered(Some("answer".into())));
        assert_eq!(pair.last(1), &Event::Confirmed(None));
        pair.phones[who].hang_up(now);
        pair.carry();
        assert_eq!(pair.last(who), &Event::Ended(End::Ours));
        assert_eq!(pair.last(1 - who), &Event::Ended(End::Theirs));
        assert!(pair.phones.iter().all(Phone::is_idle), "{who}");
        let counts = pair.phones.each_ref().map(|phone| (phone.counts().stray, phone.counts().refused));
        assert_eq!(counts, [(0, 0), (0, 0)]);
    }
}

#[test]
fn a_call_that_is_given_up_is_cancelled_and_one_that_is_not_wanted_refused() {
    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].ring(now);
    pair.carry();
    pair.phones[0].hang_up(now);
    pair.carry();
    assert_eq!(pair.last(0), &Event::Ended(End::Ours));
    assert_eq!(pair.last(1), &Event::Ended(End::Cancelled));

    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].refuse(now, 603);
    pair.carry();
    assert_eq!(pair.last(0), &Event::Ended(End::Failed(Failure::Refused(603, "Decline".into()))));
}

#[test]
fn who_is_in_a_call_is_busy() {
    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].answer(now, "answer".into());
    pair.carry();
    let mut third = phone("carol", flow("10.0.0.3:5060", "10.0.0.2:5060", Transport::Udp), None);
    assert!(third.call(now, "sip:bob@10.0.0.2", "offer".into()));
    let invite = third.poll_transmit().unwrap();
    pair.phones[1].handle_message(now, invite.payload);
    while let Some(transmit) = pair.phones[1].poll_transmit() {
        third.handle_message(now, transmit.payload);
    }
    let busy = Event::Ended(End::Failed(Failure::Refused(486, "Busy Here".into())));
    assert_eq!(third.poll_event(), Some(busy));
    assert!(!third.is_busy() && pair.phones[1].is_busy());
}

#[test]
fn other_media_within_a_call_is_answered_or_refused_and_the_call_goes_on() {
    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].answer(now, "answer".into());
    pair.carry();
    let machine::Stage::Up(dialog) = &mut pair.phones[0].call.as_mut().unwrap().stage else { panic!() };
    let update = dialog.request(Method::Update, b"z9hG4bK-update", b"10.0.0.1:5060").finish();
    let reinvite = dialog.request(Method::Invite, b"z9hG4bK-again", b"10.0.0.1:5060");
    let reinvite = reinvite.body(b"application/sdp", b"held").finish();
    pair.phones[1].handle_message(now, update.bytes().clone());
    let reply = Message::parse(pair.phones[1].poll_transmit().unwrap().payload).unwrap();
    assert_eq!(reply.status(), Some(200), "a session timer is refreshed");
    pair.phones[1].handle_message(now, reinvite.bytes().clone());
    assert_eq!(pair.phones[1].poll_event(), Some(Event::Reoffered(Some("held".into()))));
    pair.phones[1].answer(now, "on hold".into());
    let reply = Message::parse(pair.phones[1].poll_transmit().unwrap().payload).unwrap();
    assert_eq!((reply.status(), reply.body()), (Some(200), &b"on hold"[..]));
    assert!(pair.phones[1].is_busy());
}

#[test]
fn an_answer_that_nobody_acknowledges_ends_the_call() {
    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].answer(now, "answer".into());
    while let Some(at) = pair.phones[1].poll_timeout().filter(|_| pair.phones[1].is_busy()) {
        pair.clock.advance_to(at);
        pair.phones[1].handle_timeout(pair.clock.now());
    }
    assert_eq!(pair.phones[1].poll_event(), Some(Event::Ended(End::Failed(Failure::NoAnswer))));
}

#[test]
fn who_hangs_up_before_the_ack_says_bye_after_it() {
    let mut pair = Pair::new();
    let now = pair.call();
    pair.phones[1].answer(now, "answer".into());
    pair.phones[1].hang_up(now);
    let ok = Message::parse(pair.phones[1].poll_transmit().unwrap().payload).unwrap();
    assert_eq!((ok.status(), pair.phones[1].poll_transmit()), (Some(200), None));
    pair.phones[0].handle_message(now, ok.bytes().clone());
    pair.carry();
    assert_eq!(pair.last(1), &Event::Ended(End::Ours));
    assert_eq!(
        pair.events[0].last_chunk(),
        Some(&[Event::Answered(Some("answer".into())), Event::Ended(End::Theirs)])
    );

    // Where no ACK comes, it is said when that is certain, or when somebody cannot wait.
    for is_patient in [true, false] {
        let mut pair = Pair::new();
        let now = pair.call();
        pair.phones[1].answer(now, "answer".into());
        pair.phones[1].hang_up(now);
        if !is_patient {
            pair.phones[1].hang_up(now);
        }
        while let Some(at) = pair.phones[1].poll_timeout().filter(|_| pair.phones[1].is_busy()) {
            pair.clock.advance_to(at);
            pair.phones[1].handle_timeout(pair.clock.now());
        }
        assert_eq!(pair.phones[1].poll_event(), Some(Event::Ended(End::Ours)));
        let last = std::iter::from_fn(|| pair.phones[1].poll_transmit()).last().unwrap();
        assert_eq!(*Message::parse(last.payload).unwrap().method_ref(), Method::Bye);
    }
}

/// A server that is written down: what the phone sends, and what it is answered.
struct Server {
    now: Instant,
    phone: Phone,
}

impl Server {
    fn new(password: Option<&str>) -> Server {
        let flow = flow("10.0.0.1:40000", "192.0.2.1:5060", Transport::Tcp);
        Server { now: Clock::new().now(), phone: phone("alice", flow, password) }
    }

    fn next(&mut self) -> Message {
        Message::parse(self.phone.poll_transmit().unwrap().payload).unwrap()
    }

    fn reply(&mut self, request: &Message, status: u16, header: Option<(Name, &str)>) {
        let mut reply = Builder::reply(request, status).to_tag(b"server");
        if let Some((name, value)) = header {
            reply = reply.header(name, value);
        }
        self.phone.handle_message(self.now, reply.finish().bytes().clone());
    }
}

const CHALLENGE: &str = "Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

#[test]
fn a_registration_answers_a_challenge_and_comes_again() {
    let mut server = Server::new(Some("secret"));
    server.phone.register(server.now);
    let first = server.next();
    assert_eq!(first.request_uri(), b"sip:example.com");
    assert!(!first.has(Name::Authorization));
    server.reply(&first, 401, Some((Name::WwwAuthenticate, CHALLENGE)));
    let second = server.next();
    let credentials = String::from_utf8_lossy(second.header(Name::Authorization).unwrap()).into_owned();
    assert!(credentials.contains("algorithm=SHA-256") && !credentials.contains("secret"), "{credentials}");
    assert!(second.cseq().unwrap().number > first.cseq().unwrap().number);
    server.reply(&second, 200, Some((Name::Expires, "120")));
    assert_eq!(server.phone.poll_event(), Some(Event::Registered(Duration::from_secs(120))));
    server.phone.handle_timeout(server.now + Duration::from_secs(90));
    let refresh = server.next();
    assert_eq!(*refresh.method_ref(), Method::Register);
    server.reply(&refresh, 200, None);
    assert_eq!(server.phone.poll_event(), None, "it goes on");
    server.phone.unregister(server.now);
    assert_eq!(server.next().header(Name::Expires), Some(&b"0"[..]));
}

#[test]
fn a_refresh_that_fails_is_tried_again_while_the_binding_stands() {
    let mut server = Server::new(None);
    server.phone.register(server.now);
    let first = server.next();
    server.reply(&first, 200, Some((Name::Expires, "120")));
    assert!(matches!(server.phone.poll_event(), Some(Event::Registered(_))));
    // It is due after 90 s, again when the server says so, and once more before the binding has gone.
    for (after, retry_after) in [(90, "15"), (15, "1")] {
        server.now += Duration::from_secs(after);
        server.phone.handle_timeout(server.now);
        let refresh = server.next();
        server.reply(&refresh, 503, Some((Name::RetryAfter, retry_after)));
        assert_eq!(server.phone.poll_event(), None);
        assert!(server.phone.is_registered());
    }
    server.now += Duration::from_secs(10);
    server.phone.handle_timeout(server.now);
    let refresh = server.next();
    server.reply(&refresh, 503, None);
    let failure = Failure::Refused(503, "Service Unavailable".into());
    assert_eq!(server.phone.poll_event(), Some(Event::NotRegistered(failure)));
    assert!(!server.phone.is_registered());
}

#[test]
fn nothing_that_is_sent_tells_the_seed() {
    let mut server = Server::new(Some("secret"));
    server.phone.register(server.now);
    let first = server.next();
    server.reply(&first, 401, Some((Name::WwwAuthenticate, CHALLENGE)));
    let second = server.next();
    let credentials = String::from_utf8_lossy(second.header(Name::Authorization).unwrap()).into_owned();
    let (_, cnonce) = credentials.split_once("cnonce=\"").unwrap();
    let cnonce = cnonce.split('"').next().unwrap();
    let call_id = String::from_utf8_lossy(second.call_id().unwrap()).into_owned();
    // Of a seed with so few bits a word that is made of its bits is nearly empty.
    for word in [cnonce, &call_id] {
        assert!(word.len() == 16 && !word.contains("0000"), "{word}");
    }
    assert_ne!(cnonce, call_id);
}

#[test]
fn a_wrong_password_is_told_and_tried_once() {
    let mut server = Server::new(Some("wrong"));
    server.phone.register(server.now);
    for _ in 0..2 {
        let request = server.next();
        server.reply(&request, 401, Some((Name::WwwAuthenticate, CHALLENGE)));
    }
    assert_eq!(server.phone.poll_event(), Some(Event::NotRegistered(Failure::WrongPassword)));
    assert_eq!(server.phone.poll_transmit(), None);
    assert!(server.phone.is_idle());
}

#[test]
fn a_stale_nonce_is_answered_again_and_another_realm_never() {
    let mut server = Server::new(Some("secret"));
    server.phone.register(server.now);
    let request = server.next();
    server.reply(&request, 401, Some((Name::WwwAuthenticate, CHALLENGE)));
    let request = server.next();
    let stale = format!("{}, stale=true", CHALLENGE.replace("n1", "n2"));
    server.reply(&request, 401, Some((Name::WwwAuthenticate, &stale)));
    let request = server.next();
    server.reply(&request, 200, None);
    assert!(matches!(server.phone.poll_event(), Some(Event::Registered(_))));

    let mut server = Server::new(Some("secret"));
    assert!(server.phone.call(server.now, "sip:bob@example.com", "offer".into()));
    let invite = server.next();
    let other = CHALLENGE.replace("example.com", "elsewhere.example");
    server.reply(&invite, 407, Some((Name::ProxyAuthenticate, &other)));
    let end = server.phone.poll_event();
    assert!(matches!(end, Some(Event::Ended(End::Failed(Failure::Unanswerable(_))))), "{end:?}");
}

#[test]
fn a_call_without_a_password_says_that_one_is_asked_for() {
    let mut server = Server::new(None);
    assert!(server.phone.call(server.now, "sip:bob@example.com", "offer".into()));
    let invite = server.next();
    server.reply(&invite, 407, Some((Name::ProxyAuthenticate, CHALLENGE)));
    assert_eq!(server.phone.poll_event(), Some(Event::Ended(End::Failed(Failure::PasswordNeeded))));
    let ack = server.next();
    assert_eq!(*ack.method_ref(), Method::Ack);
}

#[test]
fn a_challenged_call_goes_on_with_its_offer_and_its_dialog() {
    let mut server = Server::new(Some("secret"));
    assert!(server.phone.call(server.now, "sip:bob@example.com", "offer".into()));
    let first = server.next();
    server.reply(&first, 407, Some((Name::ProxyAuthenticate, CHALLENGE)));
    assert_eq!(*server.next().method_ref(), Method::Ack);
    let second = server.next();
    assert!(second.has(Name::ProxyAuthorization) && second.body() == b"offer");
    assert_eq!((second.call_id(), second.cseq().unwrap().number), (first.call_id(), 2));
    server.reply(&second, 200, Some((Name::Contact, "<sip:bob@192.0.2.7:5060>")));
    assert_eq!(server.phone.poll_event(), Some(Event::Answered(None)));
    let ack = server.next();
    assert_eq!((ack.request_uri(), ack.cseq().unwrap().number), (&b"sip:bob@192.0.2.7:5060"[..], 2));
    server.phone.hang_up(server.now);
    let bye = server.next();
    server.reply(&bye, 401, Some((Name::WwwAuthenticate, CHALLENGE)));
    let again = server.next();
    assert!(again.has(Name::Authorization) && again.cseq().unwrap().number == 4, "{again:?}");
}

#[test]
fn a_lost_connection_ends_what_there_is() {
    let mut server = Server::new(Some("secret"));
    server.phone.register(server.now);
    let request = server.next();
    server.reply(&request, 200, None);
    assert!(server.phone.call(server.now, "sip:bob@example.com", "offer".into()));
    server.phone.poll_event();
    server.phone.handle_connection_lost(server.now);
    let events: Vec<Event> = std::iter::from_fn(|| server.phone.poll_event()).collect();
    assert_eq!(
        events,
        [Event::Ended(End::Failed(Failure::NoConnection)), Event::NotRegistered(Failure::NoConnection)]
    );
}

#[test]
fn what_is_no_use_to_a_phone_is_refused_and_counted() {
    let mut server = Server::new(None);
    for (method, status) in [(Method::Options, 200), (Method::Subscribe, 405), (Method::Bye, 481)] {
        let request = format!(
            "{method} sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{method}\r\n\
             From: <sip:b@x>;tag=1\r\nTo: <sip:alice@x>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        server.phone.handle_message(server.now, request.into());
        assert_eq!(server.next().status(), Some(status), "{method}");
    }
    server.phone.handle_message(server.now, "no SIP".into());
    let counts = server.phone.counts();
    assert_eq!((counts.refused, counts.unreadable, counts.received), (2, 1, 4));
}

#[test]
fn debug_shows_no_password() {
    let login = Login { user: "alice".into(), password: "secret".into(), realm: None };
    assert_eq!(format!("{login:?}"), "Login(alice)");
}
