//! Requests that nothing is begun for, each with the status that says why.

use ringback_control::{Event, Settings};
use ringback_sansio::Flow;
use ringback_sip::message::{Builder, Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

fn refused(world: &mut World, alice: PhoneId, dial: impl FnOnce(&mut crate::kit::Phone)) -> Message {
    dial(world.phone(alice));
    world.settle();
    world.assert_nothing_is_left();
    world.phone(alice).responses("INVITE").pop().expect("an answer").clone()
}

fn warning(response: &Message) -> String {
    String::from_utf8_lossy(response.header(Name::Warning).unwrap_or_default()).into_owned()
}

#[test]
fn who_is_not_there_and_who_is_not_signed_in() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.store.add("carol");
    let unknown = refused(&mut world, alice, |phone| phone.dial("nobody"));
    assert_eq!(unknown.status(), Some(404));
    assert_eq!(warning(&unknown), "399 ringback \"there is nobody of that name\"");
    let absent = refused(&mut world, alice, |phone| phone.dial("carol"));
    assert_eq!(absent.status(), Some(480));
    // Both were calls that somebody missed, so both are recorded.
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_call_to_oneself_with_no_other_phone() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let response = refused(&mut world, alice, |phone| phone.dial("alice"));
    assert_eq!(response.status(), Some(480));
}

#[test]
fn no_codec_in_common_is_a_488_that_names_the_codecs() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let body = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\nm=audio 9000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n";
    let response = refused(&mut world, alice, |phone| phone.dial_with_body("echo", "application/sdp", body));
    assert_eq!(response.status(), Some(488));
    let warning = warning(&response);
    assert!(
        warning.starts_with("305 ringback ") && warning.contains("G729/8000") && warning.contains("opus"),
        "{warning}"
    );
    assert_eq!(world.cdrs[0].status, 488);
}

#[test]
fn an_offer_that_the_leg_cannot_take_is_a_488_with_its_reason() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let keyed = "v=0\r\no=- 1 1 IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\nm=audio 9000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let response = refused(&mut world, alice, |phone| phone.dial_with_body("bob", "application/sdp", keyed));
    assert_eq!(response.status(), Some(488));
    assert!(warning(&response).starts_with("302 ringback "), "{}", warning(&response));
    let nonsense =
        refused(&mut world, alice, |phone| phone.dial_with_body("bob", "application/sdp", "nonsense"));
    assert_eq!(nonsense.status(), Some(488));
}

#[test]
fn a_body_that_is_no_offer_is_a_415() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let response = refused(&mut world, alice, |phone| phone.dial_with_body("bob", "text/plain", "hello"));
    assert_eq!(response.status(), Some(415));
    assert_eq!(response.header(Name::Accept), Some(&b"application/sdp"[..]));
}

#[test]
fn an_option_that_is_not_ours_is_a_420() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let response = refused(&mut world, alice, |phone| {
        phone.dial_with("bob", |invite| invite.header(Name::Require, "precondition"))
    });
    assert_eq!(response.status(), Some(420));
    assert_eq!(response.header(Name::Unsupported), Some(&b"precondition"[..]));
    // A timer is ours.
    world.phone(alice).dial_with("bob", |invite| invite.header(Name::Require, "timer"));
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(180));
}

#[test]
fn too_many_hops_is_a_483() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let with_hops = |world: &mut World, hops: &str| {
        let phone = world.phone(alice);
        let offer = phone.client.offer(&phone.says.clone());
        let invite = phone.invite_request("bob").body(b"application/sdp", offer.as_bytes()).finish();
        let mut edit = invite.edit();
        edit.replace(Name::MaxForwards, hops.as_bytes());
        let invite = edit.finish();
        phone.send(invite);
        world.run(secs(1));
        world.phone(alice).last_status("INVITE")
    };
    assert_eq!(with_hops(&mut world, "0"), Some(483));
    assert_eq!(with_hops(&mut world, "1"), Some(180));
    let passed = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(passed.max_forwards().unwrap(), Some(0), "the exchange is a hop");
}

/// The same INVITE by two ways: one of them is a call (RFC 3261 §8.2.2.2).
#[test]
fn a_merged_request_is_a_482() {
    for slow in [0, 300] {
        let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
        world.phone(alice).dial("bob");
        world.run(ms(25));
        world.store.slow = ms(slow);
        world.run(ms(25));
        let invite = world.phone(alice).call.as_ref().unwrap().invite.clone();
        assert!(invite.has(Name::ProxyAuthorization));
        let mut edit = invite.edit();
        let via = world.phone(alice).new_via();
        edit.replace(Name::Via, via.as_bytes());
        let copy = edit.finish();
        world.send_past(alice, &copy);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_failure(), Some(482));
        assert_eq!(world.phone(bob).requests("INVITE").len(), 1);
        assert_eq!(world.exchange.stats().requests_merged, 1);
        world.phone(alice).cancel();
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_method_that_is_not_ours_is_a_405() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let dance = Method::parse(b"DANCE").unwrap();
    for (method, uri) in [(Method::Refer, "sip:bob@192.0.2.1"), (dance, "sip:192.0.2.1")] {
        let request = outside(&mut world, alice, method.clone(), uri).finish();
        world.phone(alice).send(request);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status(method.as_str()), Some(405), "{method}");
        let allow = world.phone(alice).last_header(method.as_str(), Name::Allow).unwrap();
        assert_eq!(allow, "INVITE, ACK, CANCEL, OPTIONS, REGISTER, MESSAGE, SUBSCRIBE, PUBLISH");
    }
    assert_eq!(world.exchange.stats().methods_not_allowed, 2);
}

#[test]
fn a_request_that_needs_a_dialog_is_a_481() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let to_bob = [Method::Bye, Method::Update, Method::Prack, Method::Notify];
    let to_bob = to_bob.map(|method| (method, "sip:bob@192.0.2.1"));
    for (method, uri) in to_bob.into_iter().chain([(Method::Info, "sip:192.0.2.1")]) {
        let request = outside(&mut world, alice, method.clone(), uri).finish();
        world.phone(alice).send(request);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status(method.as_str()), Some(481), "{method}");
    }
}

fn outside(world: &mut World, id: PhoneId, method: Method, uri: &str) -> Builder {
    let phone = world.phone(id);
    let via = phone.new_via();
    Builder::request(method.clone(), uri.as_bytes())
        .header(Name::Via, via)
        .header(Name::MaxForwards, "70")
        .header(Name::From, "<sip:alice@192.0.2.1>;tag=o1")
        .header(Name::To, format!("<{uri}>"))
        .header(Name::CallId, format!("outside-{method}"))
        .header(Name::CSeq, format!("1 {method}"))
}

#[test]
fn options_is_answered_without_credentials() {
    let mut world = World::with(1, |settings| {
        settings.domains = vec!["example.org".to_owned()];
        settings.own_addresses = vec!["10.1.2.3".parse().unwrap()];
    });
    let alice = world.baresip("alice");
    for (uri, require, status) in [
        ("sip:example.org", "", 200),
        ("sip:10.1.2.3", "", 200),
        ("sip:10.1.2.4", "", 404),
        ("sip:192.0.2.1:5060", "", 200),
        ("sip:ringback@example.org", "", 200),
        ("sip:echo@example.org", "", 200),
        ("sip:example.com", "", 404),
        ("soap:example.org", "", 416),
        ("sip:example.org", "teleport", 420),
    ] {
        let mut request = outside(&mut world, alice, Method::Options, uri);
        if !require.is_empty() {
            request = request.header(Name::Require, require);
        }
        let request = request.finish();
        world.phone(alice).send(request);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("OPTIONS"), Some(status), "{uri}");
        let response = world.phone(alice).responses("OPTIONS").pop().unwrap();
        assert!(response.to().unwrap().tag().is_some());
        assert_eq!(response.has(Name::Allow), status == 200);
    }
    assert_eq!(world.exchange.under_way(), 0, "stateless");
}

#[test]
fn addresses_that_cannot_be_called() {
    let mut world =
        World::with(1, |settings: &mut Settings| settings.domains = vec!["example.org".to_owned()]);
    let (alice, _bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    for (uri, status) in [
        ("tel:+4930123", 416),
        ("sip:bob@example.com", 404),
        ("sip:example.org", 404),
        ("sip:bob@example.org", 180),
    ] {
        let phone = world.phone(alice);
        let offer = phone.client.offer(&phone.says.clone());
        let invite = phone.invite_request("bob").body(b"application/sdp", offer.as_bytes()).finish();
        let mut edit = invite.edit();
        edit.set_request_uri(uri.as_bytes());
        let invite = edit.finish();
        phone.send(invite);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(status), "{uri}");
    }
}

#[test]
fn limits_on_calls() {
    let mut world = World::with(1, |settings| {
        settings.limits.calls_per_user = 1;
        settings.limits.calls = 2;
    });
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|user| world.baresip(user));
    world.register_all();
    world.phone(alice).dial("echo");
    world.run(secs(1));
    let call = world.phone(alice).call.take();
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(503), "one call for each user");
    assert!(world.phone(alice).last_header("INVITE", Name::RetryAfter).is_some());
    world.phone(bob).dial("echo");
    world.phone(carol).dial("echo");
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(503), "two calls in all");
    world.phone(alice).call = call;
    world.phone(alice).hang_up();
    world.run(secs(1));
    world.phone(dave).dial("echo");
    world.run(secs(1));
    assert!(world.phone(dave).is_up(), "there is room again");
    assert_eq!(world.exchange.stats().calls_refused, 2);
}

#[test]
fn too_many_questions_is_a_503() {
    let mut world = World::with(1, |settings| settings.limits.questions = 1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.store.slow = secs(2);
    world.phone(alice).dial("echo");
    world.run(ms(100));
    world.phone(bob).dial("echo");
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_failure(), Some(503));
    assert_eq!(world.exchange.stats().requests_overloaded, 1);
    world.run(secs(5));
    assert!(world.phone(alice).is_up());
}

/// Text that is no SIP, or breaks its rules, is answered where the way back can be read.
#[test]
fn what_cannot_be_read_is_answered_or_counted() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let head = "Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK77;rport\nFrom: <sip:a@x>;tag=1\nCall-ID: 1\n";
    world.send_raw(
        alice,
        &format!("OPTIONS sip:x SIP/2.0\n{head}To: <sip:x>\nCSeq: 1 INVITE\nContent-Length: 0\n\n"),
    );
    world.send_raw(
        alice,
        &format!("OPTIONS sip:x SIP/2.0\n{head}To: <sip:x>\nCSeq: 1 OPTIONS\nContent-Length: 9\n\n"),
    );
    world.send_raw(alice, "hello\n\n");
    world.send_raw(alice, &format!("SIP/2.0 200 OK\n{head}To: <sip:x>\nCSeq: 1\n\n"));
    world.run(ms(100));
    let heard = &world.phone(alice).heard;
    assert_eq!(heard.len(), 2);
    for response in heard {
        assert_eq!(response.status(), Some(400));
        let via = response.via().unwrap();
        assert_eq!(via.received(), Some("198.51.100.10".parse().unwrap()));
        assert_eq!(via.params.get(b"rport"), Some(Some(&b"5060"[..])));
    }
    assert!(heard[0].to().unwrap().tag().is_some());
    let stats = world.exchange.stats();
    assert_eq!((stats.requests_invalid, stats.messages_unparsed_answered), (1, 1));
    assert_eq!((stats.messages_unparsed_dropped, stats.messages_invalid_dropped), (1, 1));
}

#[test]
fn a_source_that_guesses_passwords_meets_silence() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let mallory = world.baresip("mallory");
    world.phone(mallory).password = "guess".to_owned();
    for _ in 0..20 {
        world.phone(mallory).register();
        world.run(secs(1));
    }
    assert!(world.events.iter().any(|event| matches!(event, Event::SourceBanned { seconds: 300, .. })));
    assert!(
        world
            .events
            .iter()
            .any(|event| matches!(event, Event::CredentialsRefused { user, .. } if user == "mallory"))
    );
    world.begin();
    world.phone(mallory).register();
    world.phone(mallory).dial("bob");
    let options = outside(&mut world, mallory, Method::Options, "sip:x").finish();
    world.phone(mallory).send(options);
    let bye = outside(&mut world, mallory, Method::Bye, "sip:x").finish();
    world.phone(mallory).send(bye);
    world.send_raw(
        mallory,
        "OPTIONS sip:x SIP/2.0\nVia: SIP/2.0/UDP x;branch=z9hG4bK77\nContent-Length: 9\n\n",
    );
    world.run(secs(40));
    assert!(world.phone(mallory).heard.is_empty(), "{}", world.ladder());
    assert!(world.exchange.stats().requests_banned > 5);
    // Everybody else is served.
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing());
}

/// Behind one address an office and a scanner can live; and a call that stands is never cut.
#[test]
fn a_ban_does_not_cover_those_who_have_signed_in() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(alice).password = "guess".to_owned();
    for _ in 0..25 {
        world.phone(alice).register();
        world.run(secs(1));
    }
    assert_eq!(world.phone(alice).last_status("REGISTER"), Some(401), "still answered");
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// The answer to somebody who may have forged its address is no more than half as long again as what it answers. Of a
/// request that is shorter than any phone's, only the challenge and what a 405 must say are longer.
#[test]
fn an_answer_to_a_forged_address_is_hardly_longer_than_the_request() {
    const METHODS: [&str; 10] = [
        "OPTIONS",
        "REGISTER",
        "INVITE",
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "BYE",
        "REFER",
        "CANCEL",
        "DANCE",
    ];
    const AS_A_PHONE_WRITES: &str = "User-Agent: a telephone\r\nContact: <sip:a@198.51.100.7:5060>\r\n\
                                     Max-Forwards: 70\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nExpires: 3600\r\n";
    let mut world = World::new(1);
    let now = world.now();
    let stranger = Flow::datagram("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
    let mut answered = 0;
    for method in METHODS {
        for (uri, more) in [
            ("sip:192.0.2.1", ""),
            ("sip:bob@192.0.2.1", "Require: teleportation\r\n"),
            ("soap:bob", ""),
            ("sip:192.0.2.1", "To: again\r\n"),
        ] {
            for rest in ["", AS_A_PHONE_WRITES] {
                answered += 1;
                let request = format!(
                    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK{answered}\r\n\
                     From: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: {answered}\r\n\
                     CSeq: 1 {method}\r\n{more}{rest}Content-Length: 0\r\n\r\n",
                );
                world.exchange.handle_message(now, stranger, request.clone().into());
                let answer = world.exchange.poll_transmit().expect("an answer").payload;
                assert_eq!(world.exchange.poll_transmit(), None, "one answer");
                let text = String::from_utf8_lossy(&answer);
                let must_be_long = rest.is_empty() && ["401", "405", "407"].contains(&&text[8..11]);
                if !must_be_long {
                    assert!(answer.len() <= request.len() * 3 / 2, "{request}\n{text}");
                }
            }
        }
    }
    assert_eq!(answered, 80);
}

#[test]
fn what_comes_from_nowhere_is_dropped() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let options = outside(&mut world, alice, Method::Options, "sip:x").finish();
    let now = world.now();
    let nobody =
        ["224.0.0.1:5060", "255.255.255.255:5060", "0.0.0.0:5060", "198.51.100.10:0", "192.0.2.1:5060"];
    for remote in nobody {
        let flow =
            ringback_sansio::Flow::datagram("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap());
        world.exchange.handle_message(now, flow, options.bytes().clone());
        assert_eq!(world.exchange.poll_transmit(), None, "{remote}");
    }
    assert_eq!(world.exchange.stats().messages_from_nowhere, 5);
}
