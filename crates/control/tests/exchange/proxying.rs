//! Requests that are no call, on their way to contacts.

use ringback_sip::message::{Builder, Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

fn ask(world: &mut World, id: PhoneId, method: &Method, user: &str, add: impl FnOnce(Builder) -> Builder) {
    let request = add(world.phone(id).request_outside(method.clone(), user)).finish();
    world.phone(id).send(request);
    world.run(secs(1));
}

fn dance() -> Method {
    Method::parse(b"DANCE").unwrap()
}

#[test]
fn options_info_and_unknown_methods_reach_a_user_and_its_answer_comes_back() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    for method in [Method::Options, Method::Info, dance()] {
        ask(&mut world, alice, &method, "bob", |request| {
            request.header_named(b"X-Ticket", b"7").body(b"text/plain", b"hello")
        });
        let name = method.as_str();
        assert_eq!(world.phone(alice).statuses(name), [407, 200], "{name}");
        let request = world.phone(bob).requests(name).pop().expect(name).clone();
        assert_eq!(request.request_uri(), b"sip:bob-0x55d0c1a2@198.51.100.11:5060");
        assert_eq!(request.header(Name::MaxForwards), Some(&b"69"[..]));
        assert_eq!(request.values(Name::Via).count(), 2);
        assert_eq!(request.body(), b"hello");
        assert!(!request.has(Name::ProxyAuthorization), "credentials end here");
        assert!(!request.has(Name::RecordRoute), "it makes no dialog");
        assert!(request.lines().any(|line| line.raw_name() == b"X-Ticket"));
    }
    assert_eq!(world.exchange.stats().requests_proxied, 3);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn every_device_is_asked_and_the_best_answer_comes_back() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let page = world.add("bob", "page", Client::SipJs);
    world.phone(page).register();
    world.run(secs(1));
    world.phone(bob).manners.on_info = Some(415);
    world.phone(page).manners.on_info = Some(503);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).last_status("INFO"), Some(415));
    world.phone(page).manners.on_info = Some(200);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_contact_that_never_answers_is_answered_for_by_nobody() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_info = None;
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    world.settle();
    assert_eq!(world.phone(alice).statuses("INFO"), [407]);
    assert_eq!(world.exchange.stats().proxied_unanswered, 1);
    world.assert_nothing_is_left();
}

#[test]
fn the_challenge_of_a_contact_is_answered_by_nobody() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_info = Some(407);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).statuses("INFO"), [407, 403]);
}

#[test]
fn what_speaks_of_identities_and_a_foreign_route_do_not_pass() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    ask(&mut world, alice, &Method::Info, "bob", |request| {
        request
            .header(Name::PAssertedIdentity, "<sip:boss@192.0.2.1>")
            .header(Name::Route, "<sip:192.0.2.1;lr>, <sip:victim.example;lr>")
            .header_named(b"X-Ringback-Trunk", b"1")
            .header_named(b"Answer-Mode", b"Auto")
    });
    let request = world.phone(bob).requests("INFO").pop().unwrap().clone();
    assert!(!request.has(Name::PAssertedIdentity) && !request.has(Name::Route));
    let names: Vec<_> = request.lines().map(|line| line.raw_name().to_ascii_lowercase()).collect();
    assert!(!names.iter().any(|name| name == b"x-ringback-trunk" || name == b"answer-mode"), "{names:?}");
}

#[test]
fn what_may_go_no_further_is_answered_here() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let hops = |request: Message, hops: &str| {
        let mut edit = request.edit();
        edit.replace(Name::MaxForwards, hops.as_bytes());
        edit.finish()
    };
    for (method, status) in [(Method::Options, 200), (Method::Info, 483), (dance(), 483)] {
        let request = world.phone(alice).request_outside(method.clone(), "bob").finish();
        world.phone(alice).send(hops(request, "0"));
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status(method.as_str()), Some(status), "{method}");
    }
    ask(&mut world, alice, &Method::Info, "bob", |request| request.header(Name::MaxBreadth, "0"));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(440));
    ask(&mut world, alice, &Method::Info, "bob", |request| request.header(Name::ProxyRequire, "teleport"));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(420));
    assert!(world.phone(bob).requests("INFO").is_empty() && world.phone(bob).requests("OPTIONS").is_empty());
}

#[test]
fn nobody_is_told_who_exists_without_credentials() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.store.add("carol");
    for (user, status) in [("carol", 480), ("nobody", 404)] {
        ask(&mut world, alice, &Method::Options, user, |request| request);
        assert_eq!(world.phone(alice).last_status("OPTIONS"), Some(status), "{user}");
    }
    let stranger = world.baresip("mallory");
    world.phone(stranger).password = "guess".to_owned();
    for user in ["bob", "carol", "nobody"] {
        ask(&mut world, stranger, &Method::Options, user, |request| request);
        assert_eq!(world.phone(stranger).last_status("OPTIONS"), Some(407), "{user}");
    }
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn one_user_has_so_many_on_their_way() {
    let mut world = World::with(1, |settings| settings.limits.proxied_per_user = 1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.baresip(name));
    world.register_all();
    world.phone(bob).manners.on_info = None;
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).last_status("INFO"), Some(503));
    world.settle();
    world.phone(bob).manners.on_info = Some(200);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
}

#[test]
fn a_device_with_two_flows_is_asked_once_and_the_other_flow_is_tried_when_one_fails() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let [first, second] = ["first", "second"].map(|label| world.add("bob", label, Client::JsSip));
    world.phone(alice).register();
    world.phone(first).register();
    world.run(secs(1));
    let contact = world.phone(second).client.registered_contact("bob", &world.phone(second).host(), 600);
    world.phone(second).send_register(&contact.replace("reg-id=1", "reg-id=2"));
    world.run(secs(1));
    world.phone(second).manners.on_info = Some(430);
    ask(&mut world, alice, &Method::Info, "bob", |request| request);
    assert_eq!(world.phone(alice).statuses("INFO"), [407, 200]);
    assert_eq!(world.phone(second).requests("INFO").len(), 1);
    assert_eq!(world.phone(first).requests("INFO").len(), 1);
    // A connection that is lost while it is asked.
    world.phone(second).manners.on_info = None;
    let request = world.phone(alice).request_outside(Method::Info, "bob").finish();
    world.phone(alice).send(request);
    world.run(ms(200));
    world.disconnect(second);
    world.run(ms(200));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    world.settle();
    world.assert_nothing_is_left();
}
