//! GRUUs: what a client is given, and that a request to one reaches that device and no other.

use std::net::SocketAddr;

use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice at a telephone, Bob in two browsers.
fn world() -> (World, PhoneId, [PhoneId; 2]) {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let page = world.add("bob", "page", Client::JsSip);
    let other = world.add("bob", "other", Client::JsSip);
    world.register_all();
    let contact = world.phone(other).client.registered_contact("bob", &world.phone(other).host(), 600);
    world.phone(other).send_register(&contact.replace("00000bob", "0000bob2"));
    world.run(secs(1));
    // Both have the same Contact URI and instance in their first REGISTER, and the page comes back.
    world.phone(page).register();
    world.run(secs(1));
    (world, alice, [page, other])
}

/// The value of a parameter in the Contact of the phone's own device in its last 200 to a REGISTER.
fn given(world: &mut World, id: PhoneId, param: &str, instance: &str) -> String {
    let response = world.phone(id).responses("REGISTER").pop().unwrap().clone();
    let line = response
        .headers(Name::Contact)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .find(|value| value.contains(instance))
        .expect("its own contact");
    let (_, rest) = line.split_once(&format!(";{param}=\"")).expect("the parameter");
    rest.split_once('"').unwrap().0.to_owned()
}

const PAGE: &str = "urn:uuid:00000000-0000-0000-0000-000000000bob";
const OTHER: &str = "urn:uuid:00000000-0000-0000-0000-00000000bob2";

#[test]
fn a_client_that_asks_is_given_both_and_one_that_does_not_is_given_none() {
    let (mut world, alice, [page, _]) = world();
    assert_eq!(given(&mut world, page, "pub-gruu", PAGE), format!("sip:bob@192.0.2.1;gr={PAGE}"));
    let temporary = given(&mut world, page, "temp-gruu", PAGE);
    assert!(temporary.starts_with("sip:tgruu.") && temporary.ends_with("@192.0.2.1;gr"), "{temporary}");
    assert!(!temporary.contains("bob"));
    world.phone(page).register();
    world.run(secs(1));
    assert_ne!(given(&mut world, page, "temp-gruu", PAGE), temporary, "another one with each REGISTER");
    // Without an instance there is nothing to make one of.
    world.phone(alice).register();
    world.run(secs(1));
    let contact = world.phone(alice).last_header("REGISTER", Name::Contact).unwrap();
    assert!(!contact.contains("gruu"), "{contact}");
}

/// What stands between two marks in the last document about Bob's contacts, for the device.
fn told(world: &mut World, id: PhoneId, mark: &str, instance: &str) -> String {
    let (_, document) = world.phone(id).notifications().pop().expect("a NOTIFY");
    let contact =
        document.split("<contact ").find(|contact| contact.contains(instance)).expect("its contact");
    let (_, rest) = contact.split_once(mark).unwrap_or_else(|| panic!("{mark} in {document}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// RFC 5628.
#[test]
fn a_user_is_told_the_gruus_of_its_devices_with_its_contacts() {
    let (mut world, alice, [page, _]) = world();
    world.phone(page).subscribe("reg", "bob", 3600);
    world.run(secs(10));
    for (param, mark) in [("pub-gruu", "<gr:pub-gruu uri=\""), ("temp-gruu", "<gr:temp-gruu uri=\"")] {
        assert_eq!(told(&mut world, page, mark, PAGE), given(&mut world, page, param, PAGE));
    }
    let cseq = told(&mut world, page, " cseq=\"", OTHER);
    assert_eq!(told(&mut world, page, "first-cseq=\"", OTHER), cseq, "its first REGISTER");
    assert_eq!(world.phone(page).notifications().len(), 1);
    // A refresh gives another one and voids none: it is not told.
    let first = told(&mut world, page, "first-cseq=\"", PAGE);
    world.phone(page).register();
    world.run(secs(10));
    assert_eq!(world.phone(page).notifications().len(), 1);
    world.phone(page).resubscribe("reg", 3600);
    world.run(secs(10));
    assert_eq!(told(&mut world, page, "first-cseq=\"", PAGE), first, "those from before are good");
    // Another Call-ID voids them.
    let void = told(&mut world, page, "<gr:temp-gruu uri=\"", PAGE);
    world.phone(page).forget_registration();
    world.phone(page).register();
    world.run(secs(10));
    assert_eq!(world.phone(page).notifications().len(), 3);
    assert_eq!(told(&mut world, page, "callid=\"", PAGE), "again-page");
    let cseq = told(&mut world, page, " cseq=\"", PAGE);
    assert_eq!(told(&mut world, page, "first-cseq=\"", PAGE), cseq);
    let new = told(&mut world, page, "<gr:temp-gruu uri=\"", PAGE);
    for (uri, status) in [(void, 404), (new, 486)] {
        world.phone(alice).dial(&uri);
        world.run(secs(1));
        if status == 486 {
            world.phone(page).refuse(486);
        }
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(status), "{uri}");
    }
}

#[test]
fn a_call_to_a_gruu_rings_that_device_alone() {
    for (param, instance) in [("pub-gruu", OTHER), ("temp-gruu", OTHER), ("pub-gruu", PAGE)] {
        let (mut world, alice, [page, other]) = world();
        let gruu = given(&mut world, page, param, instance);
        world.begin();
        let (rung, silent) = if instance == PAGE { (page, other) } else { (other, page) };
        world.phone(alice).dial(&gruu);
        world.run(ms(500));
        assert!(world.phone(rung).is_ringing(), "{param} {}", world.ladder());
        assert!(world.phone(silent).requests("INVITE").is_empty());
        let invite = world.phone(rung).requests("INVITE").pop().unwrap();
        assert_eq!(invite.request_uri(), b"sip:bob8r@df7jal23ls0d.invalid;transport=ws", "its own contact");
        world.phone(rung).answer();
        world.run(ms(500));
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        if param == "pub-gruu" && instance == OTHER {
            insta::assert_snapshot!(world.ladder());
        }
    }
}

/// Who dials a device does not mean another one: what Bob has set about forwarding is not for it.
#[test]
fn a_call_to_a_device_is_not_forwarded_and_do_not_disturb_holds() {
    let (mut world, alice, [page, other]) = world();
    let features = ringback_control::Features {
        always: Some("echo".to_owned()),
        no_answer: Some("echo".to_owned()),
        ..ringback_control::Features::default()
    };
    world.exchange.set_features("bob", features.clone());
    let gruu = given(&mut world, page, "pub-gruu", OTHER);
    world.phone(alice).dial(&gruu);
    world.run(ms(500));
    assert!(world.phone(other).is_ringing());
    world.phone(other).refuse(480);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    let features = ringback_control::Features { do_not_disturb: true, ..features };
    world.exchange.set_features("bob", features);
    world.phone(alice).dial(&gruu);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    assert_eq!(world.phone(other).requests("INVITE").len(), 1);
    world.assert_nothing_is_left();
}

#[test]
fn a_gruu_that_leads_nowhere_is_a_404_or_a_480_to_every_request() {
    let (mut world, alice, [page, other]) = world();
    let public = given(&mut world, page, "pub-gruu", OTHER);
    let temporary = given(&mut world, page, "temp-gruu", OTHER);
    world.disconnect(other);
    for (uri, status) in [
        (public.as_str(), 480),
        (temporary.as_str(), 480),
        ("sip:bob@192.0.2.1;gr=urn:uuid:never-seen", 480),
        ("sip:nobody@192.0.2.1;gr=urn:uuid:never-seen", 404),
        ("sip:tgruu.AAAA@192.0.2.1;gr", 404),
        ("sip:bob@192.0.2.1;gr", 404),
    ] {
        world.phone(alice).dial(uri);
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(status), "INVITE {uri}");
        world.phone(alice).write(uri, "hello");
        world.settle();
        assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(status), "MESSAGE {uri}");
        let request = world.phone(alice).request_outside(Method::Options, uri).finish();
        world.phone(alice).send(request);
        world.settle();
        assert_eq!(world.phone(alice).last_status("OPTIONS"), Some(status), "OPTIONS {uri}");
    }
    assert!(world.store.messages.is_empty(), "what is for one device is not kept for others");
    world.assert_nothing_is_left();
}

#[test]
fn a_temporary_gruu_ends_with_its_call_id() {
    let (mut world, alice, [page, _]) = world();
    let temporary = given(&mut world, page, "temp-gruu", PAGE);
    world.phone(alice).dial(&temporary);
    world.run(ms(500));
    assert!(world.phone(page).is_ringing());
    world.phone(page).refuse(486);
    world.settle();
    // The page is loaded anew.
    world.phone(page).forget_registration();
    world.phone(page).register();
    world.run(secs(1));
    world.phone(alice).dial(&temporary);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(404));
    assert_eq!(world.phone(page).requests("INVITE").len(), 1);
}

#[test]
fn gruus_outlive_a_restart() {
    let (mut world, alice, [page, _]) = world();
    let gruus = ["pub-gruu", "temp-gruu"].map(|param| given(&mut world, page, param, PAGE));
    world.restart();
    world.phone(alice).register();
    world.run(secs(1));
    // The device is known and not there, so this is no 404; then it comes back with the Call-ID that it had.
    world.phone(alice).dial(&gruus[1]);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    world.phone(page).register();
    world.run(secs(1));
    for (count, gruu) in gruus.iter().enumerate() {
        world.phone(alice).dial(gruu);
        world.run(ms(500));
        assert_eq!(world.phone(page).requests("INVITE").len(), count + 1, "{gruu}");
        world.phone(page).refuse(486);
        world.settle();
    }
}

#[test]
fn a_message_a_transfer_and_a_question_reach_that_device_alone() {
    let (mut world, alice, [page, other]) = world();
    let gruu = given(&mut world, page, "pub-gruu", OTHER);
    world.phone(alice).write(&gruu, "to one");
    world.run(secs(1));
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 200]);
    let request = world.phone(alice).request_outside(Method::Options, &gruu).finish();
    world.phone(alice).send(request);
    world.run(secs(1));
    assert_eq!(world.phone(alice).statuses("OPTIONS"), [407, 200]);
    assert_eq!(world.phone(other).messages(), ["to one"]);
    assert_eq!(world.phone(other).requests("OPTIONS").len(), 1);
    let carol = world.baresip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.connect(alice, carol);
    world.phone(alice).refer_with(&format!("<{gruu}>"), |refer| refer);
    world.run(secs(1));
    assert!(world.phone(other).is_ringing(), "{}", world.ladder());
    for method in ["MESSAGE", "OPTIONS", "INVITE"] {
        assert!(world.phone(page).requests(method).is_empty(), "{method}");
    }
}

/// A client that was given a GRUU has it in its Contact, and knows itself by what it registered.
#[test]
fn within_a_call_a_client_is_sent_to_by_the_contact_behind_its_gruu() {
    for param in ["pub-gruu", "temp-gruu"] {
        let (mut world, alice, [page, _]) = world();
        let gruu = given(&mut world, page, param, PAGE);
        let invite = with_contact(&mut world, page, &gruu);
        world.phone(page).place(invite);
        world.run(ms(500));
        world.phone(alice).answer();
        world.run(ms(500));
        assert!(world.phone(page).is_up(), "{}", world.ladder());
        world.phone(alice).send_in_dialog(Method::Info, "text/plain", "hello");
        world.run(ms(500));
        world.phone(alice).hang_up();
        world.run(ms(500));
        for method in ["INFO", "BYE"] {
            let request = world.phone(page).requests(method).pop().expect(method);
            assert_eq!(request.request_uri(), b"sip:bob8r@df7jal23ls0d.invalid;transport=ws", "{method}");
        }
        world.settle();
        world.assert_nothing_is_left();
    }
}

/// Nobody learns the contact of somebody else by naming its GRUU as its own Contact.
#[test]
fn the_gruu_of_another_device_in_a_contact_stays_as_it_is() {
    let (mut world, alice, [page, _]) = world();
    let foreign = given(&mut world, page, "pub-gruu", OTHER);
    let invite = with_contact(&mut world, page, &foreign);
    world.phone(page).place(invite);
    world.run(ms(500));
    world.phone(alice).answer();
    world.run(ms(500));
    world.phone(alice).hang_up();
    world.run(ms(500));
    let bye = world.phone(page).requests("BYE").pop().unwrap();
    assert_eq!(bye.request_uri(), foreign.as_bytes());
}

fn with_contact(world: &mut World, id: PhoneId, contact: &str) -> Message {
    let phone = world.phone(id);
    let offer = phone.client.offer(&phone.says);
    let invite = phone.invite_request("alice").body(b"application/sdp", offer.as_bytes()).finish();
    let mut edit = invite.edit();
    edit.replace(Name::Contact, format!("<{contact}>").as_bytes());
    edit.finish()
}

/// Who knows a temporary GRUU alone learns nothing about the user behind it.
#[test]
fn state_is_watched_by_the_address_of_the_user() {
    let (mut world, alice, [page, _]) = world();
    let [public, temporary] = ["pub-gruu", "temp-gruu"].map(|param| given(&mut world, page, param, PAGE));
    for (uri, status) in [(public, 200), (temporary, 404)] {
        let request = world.phone(alice).subscribe_request("presence", &uri, Some(600)).finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(status), "{uri}");
    }
}

/// Another device of Bob's is behind a proxy that says nothing: who dials this one does not wait for it.
#[test]
fn a_call_to_a_gruu_waits_for_no_other_device() {
    let (mut world, alice, [page, other]) = world();
    let edge = world.baresip_over_tcp("edge");
    world.phone(edge).user = "bob".to_owned();
    world.phone(edge).password = "bob".chars().rev().collect();
    let at = world.flow(edge).remote().ip();
    let register = world.phone(edge).register_request("<sip:bob@10.0.0.7:5060>;expires=600");
    let register = register.header(Name::Path, format!("<sip:{at};transport=tcp;lr>")).finish();
    world.phone(edge).send(register);
    world.run(secs(1));
    assert_eq!(world.phone(edge).last_status("REGISTER"), Some(200));
    world.disconnect(edge);
    world.outside.silent.insert(SocketAddr::new(at, 5060));
    let gruu = given(&mut world, page, "pub-gruu", OTHER);
    world.phone(alice).dial(&gruu);
    world.run(ms(200));
    assert!(world.phone(other).is_ringing(), "{}", world.ladder());
    assert_eq!(world.exchange.stats().requests_held, 0);
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}
