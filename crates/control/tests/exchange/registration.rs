//! REGISTER: the challenge, the identity, the store, and devices that move.

use ringback_control::{Event, Exchange};
use ringback_sip::message::Name;

use crate::kit::{Client, World, ms, secs};

fn world(client: Client) -> World {
    let mut world = World::new(1);
    world.add("alice", "alice", client);
    world
}

#[test]
fn a_browser_signs_in_refreshes_and_signs_out() {
    let mut world = world(Client::JsSip);
    let alice = world.only();
    world.phone(alice).register();
    world.run(secs(300));
    world.phone(alice).register();
    world.run(secs(1));
    assert_eq!(world.exchange.bindings(), 1);
    world.phone(alice).register_for(0);
    world.run(secs(1));
    assert_eq!(world.exchange.bindings(), 0);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
    assert!(
        matches!(
            &world.events[..],
            [
                Event::Authenticated { .. },
                Event::Registered { contacts: 1, .. },
                Event::Authenticated { .. },
                Event::Registered { contacts: 1, .. },
                Event::Authenticated { .. },
                Event::Unregistered { .. },
            ]
        ),
        "{:?}",
        world.events
    );
}

#[test]
fn the_200_has_a_tag_a_date_and_the_contact_as_it_was_sent() {
    let mut world = world(Client::JsSip);
    let alice = world.only();
    world.phone(alice).register();
    world.run(secs(1));
    let phone = world.phone(alice);
    let sent = phone.client.registered_contact("alice", &phone.host(), 600);
    let told = phone.last_header("REGISTER", Name::Contact).unwrap();
    let (contact, gruus) = told.split_at(sent.len());
    assert_eq!(contact, sent);
    assert!(gruus.starts_with(";pub-gruu=\"sip:alice@192.0.2.1;gr=urn:uuid:"), "{gruus}");
    let response = phone.responses("REGISTER").pop().unwrap();
    assert!(response.to().unwrap().tag().is_some());
    assert_eq!(phone.last_header("REGISTER", Name::Date).as_deref(), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
}

#[test]
fn a_browser_gets_one_challenge_and_a_telephone_the_stronger_one_first() {
    for (client, algorithms) in [
        (Client::JsSip, &["algorithm=MD5"][..]),
        (Client::SipJs, &["algorithm=MD5"]),
        (Client::Baresip, &["algorithm=SHA-256", "algorithm=MD5"]),
    ] {
        let mut world = world(client);
        let alice = world.only();
        world.phone(alice).register();
        world.run(secs(1));
        let challenge = world.phone(alice).responses("REGISTER")[0];
        assert_eq!(challenge.status(), Some(401));
        let values: Vec<String> = challenge
            .headers(Name::WwwAuthenticate)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect();
        assert_eq!(values.len(), algorithms.len());
        for (value, algorithm) in values.iter().zip(algorithms) {
            assert!(value.contains(algorithm) && value.contains("qop=\"auth\""), "{value}");
        }
    }
}

/// SIP.js sends the credentials of its first REGISTER with every refresh.
#[test]
fn credentials_that_come_again_get_a_new_challenge_and_no_ban() {
    let mut world = world(Client::SipJs);
    let alice = world.only();
    world.phone(alice).register();
    world.run(secs(1));
    world.begin();
    for _ in 0..30 {
        let phone = world.phone(alice);
        phone.refresh_with_old_credentials();
        world.run(secs(1));
        assert_eq!(world.phone(alice).statuses("REGISTER").split_off(1), [200]);
        assert!(
            world.phone(alice).responses("REGISTER")[0]
                .header(Name::WwwAuthenticate)
                .is_some_and(|value| String::from_utf8_lossy(value).contains("stale=true"))
        );
        world.begin();
    }
    assert_eq!(world.exchange.stats().credentials_refused, 0);
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let answer = |user: &str, password: &str| {
        let mut world = world(Client::Baresip);
        let alice = world.only();
        world.phone(alice).user = user.to_owned();
        world.phone(alice).password = password.to_owned();
        world.phone(alice).register();
        world.run(secs(1));
        let refused = world.exchange.stats().credentials_refused;
        let phone = world.phone(alice);
        assert_eq!(phone.statuses("REGISTER"), [401, 401]);
        let text = String::from_utf8_lossy(phone.responses("REGISTER")[1].bytes()).into_owned();
        // What the request said is not the answer's.
        let text = text.replace("reg-alice", "CALL-ID").replace(user, "USER");
        let lines: Vec<String> = text.lines().map(hide_nonce).collect();
        (refused, lines.join("\n"))
    };
    let (wrong, unknown) = (answer("alice", "guess"), answer("aline", "guess"));
    assert_eq!(wrong.0, 1);
    assert_eq!(wrong, unknown);
}

fn hide_nonce(line: &str) -> String {
    let Some((before, rest)) = line.split_once("nonce=\"") else {
        return line.split_once("branch=").map_or(line, |(before, _)| before).to_owned();
    };
    let (nonce, after) = rest.split_once('"').unwrap();
    format!("{before}nonce=\"{}\"{after}", "N".repeat(nonce.len()))
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut world = world(Client::Baresip);
    let alice = world.only();
    world.store.add("bob");
    let contact = world.phone(alice).contact();
    let request = world.phone(alice).register_request(&contact).finish();
    for name in [Name::From, Name::To] {
        let mut edit = request.edit();
        let value = String::from_utf8_lossy(request.header(name).unwrap()).replace("alice@", "bob@");
        edit.replace(name, value.as_bytes());
        let via = world.phone(alice).new_via();
        edit.replace(Name::Via, via.as_bytes());
        let request = edit.finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("REGISTER"), Some(403));
    }
    assert_eq!(world.exchange.stats().identities_refused, 2);
    assert_eq!(world.exchange.bindings(), 0);
}

#[test]
fn what_the_store_does_not_take_is_not_registered() {
    let mut world = world(Client::Baresip);
    let alice = world.only();
    world.phone(alice).register();
    world.run(secs(1));
    world.begin();
    world.store.broken = true;
    let contact = world.phone(alice).contact().replace("0x55d0c1a2", "other");
    world.phone(alice).send_register(&contact);
    world.run(secs(1));
    assert_eq!(world.exchange.bindings(), 1, "as it was before");
    world.settle();
    insta::assert_snapshot!(world.ladder());
    assert_eq!(world.exchange.stats().persists_failed, 1);
    world.assert_nothing_is_left();
}

#[test]
fn the_200_waits_for_the_store() {
    let mut world = world(Client::JsSip);
    let alice = world.only();
    world.store.slow = ms(400);
    world.phone(alice).register();
    world.run(ms(800));
    assert_eq!(world.phone(alice).statuses("REGISTER"), [401]);
    world.run(ms(100));
    assert_eq!(world.phone(alice).statuses("REGISTER"), [401, 200]);
    assert_eq!(world.store.written.len(), 1);
}

#[test]
fn a_binding_lives_some_seconds_past_its_end() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(bob).register_for(60);
    world.run(secs(62));
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing(), "its refresh may be under way");
    world.phone(bob).refuse(486);
    world.run(secs(10));
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(480));
}

#[test]
fn a_register_for_another_domain_is_refused() {
    let mut world = World::with(1, |settings| settings.domains = vec!["example.org".to_owned()]);
    let alice = world.baresip("alice");
    let contact = world.phone(alice).contact();
    for (domain, status) in [("example.org", 200), ("192.0.2.1", 200), ("example.com", 404)] {
        let request = world.phone(alice).register_request(&contact).finish();
        let mut edit = request.edit();
        edit.set_request_uri(format!("sip:{domain}").as_bytes());
        let request = edit.finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("REGISTER"), Some(status), "{domain}");
    }
    assert_eq!(world.exchange.stats().domains_refused, 1);
}

/// What the store kept is there after a start; a browser's binding waits for it to come back.
#[test]
fn bindings_come_back_from_the_store() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.jssip("bob"));
    world.register_all();
    let kept: Vec<_> = world.store.written.iter().map(|change| change.binding().clone()).collect();
    world.exchange = Exchange::new(world.settings.clone()).unwrap();
    for binding in &kept {
        let expires = world.settings.epoch.unix_ms(binding.expires());
        world.exchange.restore(&binding.record(expires)).unwrap();
    }
    assert_eq!(world.exchange.bindings(), 2);
    world.begin();
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(480), "the browser is not connected");
    world.phone(bob).register();
    world.run(secs(1));
    assert_eq!(world.exchange.bindings(), 2, "the same device");
    world.phone(bob).dial("alice");
    world.run(secs(1));
    assert!(world.phone(alice).is_ringing(), "a telephone is where it was");
}
