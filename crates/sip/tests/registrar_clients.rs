//! The REGISTERs of the clients that our users bring, and what each needs of the answers: INTEROP rules 3, 5, 6 and 7.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod registrar_world;

use std::time::Duration;

use ringback_sansio::Flow;
use ringback_sip::digest::{self, Authenticator, Ha1, Login, Purpose, Realm, Reply};
use ringback_sip::location::{Change, Upsert};
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::registrar;

use registrar_world::*;

const REALM: &str = "ringback";
const JSSIP: &str = "Via: SIP/2.0/WSS q8h1c2v3b4n5.invalid;branch=z9hG4bK7391842
    Max-Forwards: 69
    To: <sip:alice@ringback>
    From: <sip:alice@ringback>;tag=h2o9k1l3m4
    Call-ID: 5n2k8f7d1s0a9p3o6i4u2y
    CSeq: 1 REGISTER
    Contact: <sip:8hj2k4l6@q8h1c2v3b4n5.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-2a6f5e8c9d01>\";expires=600
    Expires: 600
    Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY
    Supported: path,gruu,outbound
    User-Agent: JsSIP 3.13.8
    Content-Length: 0";
const SIP_JS_0_21: &str = "Via: SIP/2.0/WSS m3n4b5v6c7x8.invalid;branch=z9hG4bK4417209
    To: <sip:alice@ringback>
    From: <sip:alice@ringback>;tag=6d0p2c8v1r
    CSeq: 1 REGISTER
    Call-ID: a1b2c3d4e5f6g7h8i9j0kl
    Max-Forwards: 70
    Contact: <sip:h5t7y9u1@m3n4b5v6c7x8.invalid;transport=ws>;expires=600
    Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER
    Supported: outbound, path, gruu
    User-Agent: SIP.js/0.21.2
    Content-Length: 0";
const CTXSIP: &str = "Via: SIP/2.0/WSS 4kq9w8e7r6t5.invalid;branch=z9hG4bK9023311
    Max-Forwards: 70
    To: <sip:alice@ringback>
    From: \"Alice\" <sip:alice@ringback>;tag=oie4sljq2v
    Call-ID: 9f8e7d6c5b4a3210fedcba
    CSeq: 1 REGISTER
    Contact: <sip:p0o9i8u7@4kq9w8e7r6t5.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:0b6d9f0e-2b53-4c9e-8a61-d2f10a3c7e55>\";expires=30
    Allow: ACK,CANCEL,BYE,OPTIONS,INFO,NOTIFY,INVITE
    Supported: path, gruu, outbound
    User-Agent: SIP.js/0.7.8
    Content-Length: 0";
const BROWSER_PHONE: &str = "Via: SIP/2.0/WSS 192.0.2.144;branch=z9hG4bK1830274
    To: <sip:alice@ringback>
    From: \"Alice\" <sip:alice@ringback>;tag=j3k5l7q9w1
    CSeq: 1 REGISTER
    Call-ID: q1w2e3r4t5y6u7i8o9p0as
    Max-Forwards: 70
    Contact: <sip:z6x5c4v3@192.0.2.144;transport=wss>;expires=300
    Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER
    Supported: outbound, path, gruu
    User-Agent: Browser Phone 0.3.29 (SIPJS - 0.20.0) Mozilla/5.0 (X11; Linux x86_64)
    Content-Length: 0";
const BARESIP: &str = "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK3f0b1c7e;rport
    Contact: <sip:alice-0x55d0c1a2@192.0.2.9:5060>;expires=3600;+sip.instance=\"<urn:uuid:5a8f2c3e-91d4-47c0-b1aa-0f6e2d7c8b90>\"
    Max-Forwards: 70
    To: <sip:alice@ringback>
    From: <sip:alice@ringback>;tag=1b5c7d9e3f
    Call-ID: 2c4e6a8b0d1f3957
    CSeq: 4711 REGISTER
    User-Agent: baresip v1.0.0 (x86_64/linux)
    Supported: gruu,replaces,norefersub
    Content-Length: 0";

/// How a client refreshes.
#[derive(Clone, Copy, PartialEq)]
enum Refresh {
    /// Without credentials: it waits for a new challenge.
    Afresh,
    /// With the same credentials as before, byte for byte.
    SameCredentials,
}

struct Client {
    name: &'static str,
    lines: &'static str,
    flow: Flow,
    seconds: u64,
    refresh: Refresh,
    /// What the 200 says of its contact.
    contact: &'static str,
    outbound: bool,
}

fn clients() -> [Client; 5] {
    [
        Client {
            name: "JsSIP 3.13.8",
            lines: JSSIP,
            flow: wss(1),
            seconds: 600,
            refresh: Refresh::Afresh,
            contact: "<sip:8hj2k4l6@q8h1c2v3b4n5.invalid;transport=ws>;+sip.ice;reg-id=1;\
                      +sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-2a6f5e8c9d01>\";expires=600",
            outbound: true,
        },
        Client {
            name: "SIP.js 0.21.2",
            lines: SIP_JS_0_21,
            flow: wss(2),
            seconds: 600,
            refresh: Refresh::SameCredentials,
            contact: "<sip:h5t7y9u1@m3n4b5v6c7x8.invalid;transport=ws>;expires=600",
            outbound: false,
        },
        Client {
            name: "SIP.js 0.7.8 (ctxSip)",
            lines: CTXSIP,
            flow: wss(3),
            seconds: 30,
            refresh: Refresh::SameCredentials,
            contact: "<sip:p0o9i8u7@4kq9w8e7r6t5.invalid;transport=ws>;reg-id=1;\
                      +sip.instance=\"<urn:uuid:0b6d9f0e-2b53-4c9e-8a61-d2f10a3c7e55>\";expires=30",
            outbound: true,
        },
        Client {
            name: "SIP.js 0.20.0 (Browser-Phone)",
            lines: BROWSER_PHONE,
            flow: wss(4),
            seconds: 300,
            refresh: Refresh::SameCredentials,
            contact: "<sip:z6x5c4v3@192.0.2.144;transport=wss>;expires=300",
            outbound: false,
        },
        Client {
            name: "baresip 1.0.0",
            lines: BARESIP,
            flow: udp(9),
            seconds: 3600,
            refresh: Refresh::Afresh,
            contact: "<sip:alice-0x55d0c1a2@192.0.2.9:5060>;\
                      +sip.instance=\"<urn:uuid:5a8f2c3e-91d4-47c0-b1aa-0f6e2d7c8b90>\";expires=3600",
            outbound: false,
        },
    ]
}

/// The part of the exchange that a REGISTER meets: authenticate, then register.
struct Exchange {
    world: World,
    authenticator: Authenticator,
}

impl Exchange {
    fn new() -> Self {
        let world = World::new();
        let realm = Realm::new(REALM).unwrap();
        let authenticator = Authenticator::new(realm, [9; 32], world.now, &digest::Settings::default());
        Exchange { world, authenticator }
    }

    fn handle(&mut self, flow: Flow, request: &Message) -> (Message, Vec<Change>) {
        let (now, source) = (self.world.now, flow.remote().ip());
        let verified =
            self.authenticator.select(request.headers(Name::Authorization)).and_then(|credentials| {
                let method = request.method_ref().as_bytes();
                let claim = self.authenticator.examine(now, source, method, &credentials)?;
                let algorithm = credentials.algorithm().unwrap();
                let secret = (credentials.username() == b"alice")
                    .then(|| Ha1::of_password(algorithm, b"alice", REALM.as_bytes(), b"secret"));
                self.authenticator.verify(&claim, secret.as_ref())
            });
        if let Err(refusal) = verified {
            let Reply::Challenge(staleness) = refusal.reply() else {
                return (Builder::reply(request, 400).finish(), Vec::new());
            };
            let challenges = self.authenticator.challenge(now, source, flow.transport(), staleness);
            let answer = challenges.iter().fold(Builder::reply(request, 401), |answer, value| {
                answer.header(Name::WwwAuthenticate, value)
            });
            return (answer.to_tag(b"t").finish(), Vec::new());
        }
        let settings = self.world.settings.clone();
        let outcome =
            registrar::process(&mut self.world.location, &settings, now, request, AOR, flow).unwrap();
        if let Some(ticket) = outcome.ticket {
            self.world.location.commit(ticket);
        }
        (outcome.response.to_tag(b"t").finish(), outcome.changes)
    }
}

fn request(lines: &str, cseq: u32, authorization: Option<&str>) -> Message {
    let first = lines.lines().find_map(|line| line.trim().strip_prefix("CSeq: ")).unwrap();
    let lines = lines.replace(&format!("CSeq: {first}"), &format!("CSeq: {cseq} REGISTER"));
    let authorization = authorization.map(|value| format!("\nAuthorization: {value}")).unwrap_or_default();
    message(&format!("REGISTER sip:ringback SIP/2.0\n{lines}{authorization}"))
}

/// Answers as these clients do: the first challenge, MD5 only, and nothing when it is another one.
fn answer_first(response: &Message) -> String {
    let first = response.header(Name::WwwAuthenticate).unwrap();
    let md5 = text(first).replace("SHA-256", "MD5-would-have-been-needed");
    let login = Login { realm: None, user: b"alice", password: b"secret" };
    let purpose = Purpose { method: b"REGISTER", uri: b"sip:ringback", cnonce: "gk2l3h", nc: 1 };
    text(&digest::answer([md5.as_bytes()], &login, &purpose).unwrap())
}

fn answer_strongest(response: &Message) -> String {
    let login = Login { realm: Some(REALM.as_bytes()), user: b"alice", password: b"secret" };
    let purpose = Purpose { method: b"REGISTER", uri: b"sip:ringback", cnonce: "gk2l3h", nc: 1 };
    text(&digest::answer(response.headers(Name::WwwAuthenticate), &login, &purpose).unwrap())
}

fn is_stale(response: &Message) -> bool {
    text(response.header(Name::WwwAuthenticate).unwrap()).contains("stale=true")
}

/// Rules 6 and 7: every client registers, and refreshes in its own way for a long time.
#[test]
fn every_client_registers_and_refreshes() {
    for client in clients() {
        let mut exchange = Exchange::new();
        let browser = client.flow.transport().is_websocket();
        let answer = if browser { answer_first } else { answer_strongest };
        let mut cseq = 4711;
        let mut credentials: Option<String> = None;
        for round in 0..20 {
            let sent = if client.refresh == Refresh::Afresh { None } else { credentials.as_deref() };
            let (challenge, _) = exchange.handle(client.flow, &request(client.lines, cseq, sent));
            assert_eq!(challenge.status(), Some(401), "{} round {round}", client.name);
            assert_eq!(is_stale(&challenge), sent.is_some(), "{} round {round}", client.name);
            cseq += 1;
            credentials = Some(answer(&challenge));
            let registration = request(client.lines, cseq, credentials.as_deref());
            let (ok, changes) = exchange.handle(client.flow, &registration);
            assert_eq!(ok.status(), Some(200), "{} round {round}", client.name);
            assert_eq!(
                changes.iter().map(word).collect::<Vec<_>>(),
                [if round == 0 { "added" } else { "refreshed" }]
            );

            let contacts: Vec<_> = ok.headers(Name::Contact).map(text).collect();
            assert_eq!(contacts, [client.contact], "{}", client.name);
            let options = |name| ok.header(name).map(text);
            assert_eq!(options(Name::Supported), client.outbound.then(|| "outbound, path".to_owned()));
            assert_eq!(options(Name::Require), client.outbound.then(|| "outbound".to_owned()));
            // Rule 5: one Via, as it was sent.
            assert_eq!(
                ok.headers(Name::Via).collect::<Vec<_>>(),
                registration.headers(Name::Via).collect::<Vec<_>>()
            );

            exchange.world.pass(client.seconds * 3 / 4);
            assert!(exchange.world.location.handle_timeout(exchange.world.now).is_empty(), "{}", client.name);
            assert_eq!(exchange.world.targets().len(), 1);
            cseq += 1;
        }
    }
}

/// Rule 7: a browser is offered MD5 and nothing else; a phone SHA-256 and then MD5.
#[test]
fn each_transport_has_its_challenges() {
    for (flow, expected) in [(wss(1), &["MD5"][..]), (udp(9), &["SHA-256", "MD5"])] {
        let (challenge, _) = Exchange::new().handle(flow, &request(JSSIP, 1, None));
        let values: Vec<_> = challenge.headers(Name::WwwAuthenticate).map(text).collect();
        let algorithms: Vec<_> = values
            .iter()
            .map(|value| value.split("algorithm=").nth(1).unwrap().split(',').next().unwrap())
            .collect();
        assert_eq!(algorithms, expected);
        assert!(values.iter().all(|value| value.ends_with("qop=\"auth\"")), "{values:?}");
    }
    // SECURITY, reflection: an answer to who has not shown to be there is at most half as long again as the request.
    for client in clients() {
        let request = request(client.lines, 1, None);
        let (challenge, _) = Exchange::new().handle(client.flow, &request);
        let (asked, sent) = (challenge.bytes().len(), request.bytes().len());
        assert!(2 * asked <= 3 * sent, "{}: {asked} bytes for {sent}", client.name);
    }
}

/// The whole 200 to a JsSIP REGISTER, as an engineer would read it.
#[test]
fn the_ok_to_jssip() {
    let mut exchange = Exchange::new();
    let (challenge, _) = exchange.handle(wss(1), &request(JSSIP, 1, None));
    let (ok, _) = exchange.handle(wss(1), &request(JSSIP, 2, Some(&answer_first(&challenge))));
    let expected = "SIP/2.0 200 OK
        Via: SIP/2.0/WSS q8h1c2v3b4n5.invalid;branch=z9hG4bK7391842
        From: <sip:alice@ringback>;tag=h2o9k1l3m4
        To: <sip:alice@ringback>;tag=t
        Call-ID: 5n2k8f7d1s0a9p3o6i4u2y
        CSeq: 2 REGISTER
        Contact: <sip:8hj2k4l6@q8h1c2v3b4n5.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:7d3c1b52-4a1e-4f0c-9b1d-2a6f5e8c9d01>\";expires=600
        Supported: outbound, path
        Require: outbound
        Content-Length: 0";
    assert_eq!(text(ok.bytes()), text(message(expected).bytes()));
}

/// Rule 3: the socket breaks, the client opens another one and registers again; its binding is the same, and the
/// change says which flow its dialogs are on.
#[test]
fn a_client_that_comes_back_on_another_socket_is_recognised() {
    for (name, lines, again) in [
        ("JsSIP: same Contact", JSSIP, JSSIP.to_owned()),
        ("SIP.js 0.21: new Call-ID", SIP_JS_0_21, SIP_JS_0_21.replace("a1b2c3", "ffffff")),
        (
            "ctxSip: new Contact user",
            CTXSIP,
            CTXSIP.replace("p0o9i8u7", "m1n2b3v4").replace("9f8e7d", "ffffff"),
        ),
        ("Browser-Phone: same Contact", BROWSER_PHONE, BROWSER_PHONE.to_owned()),
    ] {
        for told in [true, false] {
            let mut exchange = Exchange::new();
            let (challenge, _) = exchange.handle(wss(1), &request(lines, 1, None));
            exchange.handle(wss(1), &request(lines, 2, Some(&answer_first(&challenge))));
            // We may have seen the socket close, or the network may just have gone away.
            if told {
                assert_eq!(exchange.world.location.remove_flow(&wss(1)).len(), 1);
                assert!(exchange.world.targets().is_empty(), "{name}: nobody is there to be called");
            }
            exchange.world.pass(3);
            let (challenge, _) = exchange.handle(wss(2), &request(&again, 3, None));
            let (ok, changes) = exchange.handle(wss(2), &request(&again, 4, Some(&answer_first(&challenge))));
            assert_eq!(ok.headers(Name::Contact).count(), 1, "{name}");
            let [Change::Upsert { binding, how: Upsert::Moved { from } }] = &changes[..] else {
                panic!("{name}: {changes:?}")
            };
            assert_eq!((*from, binding.flow()), (wss(1), wss(2)), "{name}");
            assert_eq!((exchange.world.targets().len(), exchange.world.bindings()), (1, 1), "{name}");
            assert!(
                exchange.world.location.remove_flow(&wss(1)).is_empty(),
                "{name}: the old socket is nobody's"
            );
        }
    }
}

/// Rule 7: a restart of ours changes the secret; credentials of before are asked for again and nobody is banned.
#[test]
fn credentials_of_before_a_restart_get_a_stale_challenge() {
    let mut before = Exchange::new();
    let (challenge, _) = before.handle(wss(1), &request(SIP_JS_0_21, 1, None));
    let credentials = answer_first(&challenge);
    let mut after = Exchange::new();
    let realm = Realm::new(REALM).unwrap();
    after.authenticator = Authenticator::new(realm, [10; 32], after.world.now, &digest::Settings::default());
    let (challenge, _) = after.handle(wss(1), &request(SIP_JS_0_21, 2, Some(&credentials)));
    assert!(challenge.status() == Some(401) && is_stale(&challenge));
    let stats = after.authenticator.stats();
    assert_eq!((stats.foreign_nonce, stats.bad_credentials), (1, 0));
    let (ok, _) = after.handle(wss(1), &request(SIP_JS_0_21, 3, Some(&answer_first(&challenge))));
    assert_eq!(ok.status(), Some(200));
}

/// Every client takes its contact back when its page closes in good order.
#[test]
fn every_client_unregisters() {
    for client in clients() {
        let mut exchange = Exchange::new();
        let answer = if client.flow.transport().is_websocket() { answer_first } else { answer_strongest };
        for (cseq, lines, left) in [
            (5000, client.lines.to_owned(), 1),
            (5002, client.lines.replace(&format!("expires={}", client.seconds), "expires=0"), 0),
        ] {
            let lines = lines.replace("Expires: 600", if left == 0 { "Expires: 0" } else { "Expires: 600" });
            let (challenge, _) = exchange.handle(client.flow, &request(&lines, cseq, None));
            let (ok, _) = exchange.handle(client.flow, &request(&lines, cseq + 1, Some(&answer(&challenge))));
            assert_eq!((ok.status(), exchange.world.bindings()), (Some(200), left), "{}", client.name);
        }
    }
}

/// Whatever the nonce's age is, the reply says so without a look at the password.
#[test]
fn an_old_nonce_is_stale_for_whoever_sends_it() {
    let mut exchange = Exchange::new();
    let (challenge, _) = exchange.handle(wss(1), &request(JSSIP, 1, None));
    let good = answer_first(&challenge);
    let bad = good.replace("username=\"alice\"", "username=\"nobody\"");
    exchange.world.now += Duration::from_secs(301);
    for credentials in [good, bad] {
        let (answer, _) = exchange.handle(wss(1), &request(JSSIP, 2, Some(&credentials)));
        assert!(answer.status() == Some(401) && is_stale(&answer));
    }
    assert_eq!(exchange.authenticator.stats().expired, 2);
}
