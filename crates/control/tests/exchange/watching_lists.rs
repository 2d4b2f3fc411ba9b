//! Lists: many watched by one subscription (RFC 4662, RFC 5367).

use ringback_sip::message::{Message, Name};

use crate::kit::{PhoneId, World, secs};

fn list(uris: &[&str]) -> String {
    let entries: String = uris.iter().map(|uri| format!("<entry uri=\"{uri}\"/>")).collect();
    format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list></resource-lists>"
    )
}

fn watch(world: &mut World, phone: PhoneId, event: &str, uris: &[&str], supported: &str) {
    let request = world.phone(phone).subscribe_request(event, "friends", Some(600));
    let request = request
        .header(Name::Supported, supported)
        .header(Name::Require, "recipient-list-subscribe")
        .header(Name::ContentDisposition, "recipient-list")
        .body(b"application/resource-lists+xml", list(uris).as_bytes())
        .finish();
    world.phone(phone).send(request);
    world.run(secs(2));
}

/// The RLMI and the documents of a NOTIFY.
fn parts(notify: &Message) -> (String, Vec<String>) {
    let mut parts = notify
        .parts()
        .map(|part| String::from_utf8_lossy(part.unwrap().body).into_owned())
        .collect::<Vec<_>>();
    (parts.remove(0), parts)
}

#[test]
fn a_list_is_told_whole_and_then_by_what_changes() {
    let mut world = World::new(1);
    let (alice, bob, _carol) = (world.jssip("alice"), world.baresip("bob"), world.baresip("carol"));
    world.register_all();
    let uris = ["sip:bob@192.0.2.1", "sip:carol@192.0.2.1", "tel:+49"];
    watch(&mut world, alice, "presence", &uris, "eventlist");
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(200));
    let notify = world.phone(alice).requests("NOTIFY").pop().unwrap();
    assert_eq!(notify.header(Name::Require), Some(&b"eventlist"[..]));
    let (rlmi, documents) = parts(notify);
    assert!(rlmi.contains("version=\"0\" fullState=\"true\""), "{rlmi}");
    assert!(rlmi.contains("<resource uri=\"tel:+49\"><instance id=\"1\" state=\"terminated\""), "{rlmi}");
    assert_eq!(documents.len(), 2);
    world.run(secs(10));
    world.phone(bob).register_for(0);
    world.run(secs(10));
    let (rlmi, documents) = parts(world.phone(alice).requests("NOTIFY").pop().unwrap());
    assert!(rlmi.contains("version=\"1\" fullState=\"false\"") && !rlmi.contains("carol"), "{rlmi}");
    assert_eq!(documents.len(), 1);
    assert!(documents[0].contains("<basic>closed</basic>"));
    world.phone(alice).resubscribe("presence", 0);
    world.run(secs(1));
    let (rlmi, _) = parts(world.phone(alice).requests("NOTIFY").pop().unwrap());
    assert!(rlmi.contains("fullState=\"true\""), "{rlmi}");
    assert_eq!(world.exchange.subscriptions(), 0);
    world.settle();
    world.assert_nothing_is_left();
}

/// One message holds 64 KiB; what does not fit comes after it.
#[test]
fn a_list_that_does_not_fit_into_one_notify_comes_in_several() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let names: Vec<String> = (0..6).map(|number| format!("user{number}")).collect();
    let phones: Vec<PhoneId> = names.iter().map(|name| world.baresip(name)).collect();
    world.register_all();
    for phone in phones {
        let note = "x".repeat(14_000);
        let document =
            format!("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"><note>{note}</note></presence>");
        world.phone(phone).publish(None, 600, Some(&document));
    }
    world.run(secs(1));
    let uris: Vec<String> = names.iter().map(|name| format!("sip:{name}@192.0.2.1")).collect();
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    watch(&mut world, alice, "presence", &uris, "eventlist");
    world.run(secs(30));
    let notifies = world.phone(alice).requests("NOTIFY");
    let counts: Vec<usize> = notifies.iter().map(|notify| parts(notify).1.len()).collect();
    assert_eq!(counts, [3, 3]);
    assert!(notifies.iter().all(|notify| notify.bytes().len() < 65_536));
    assert_eq!(parts(notifies[0]).0.matches("<resource ").count(), 6, "all are named at first");
}

#[test]
fn a_list_of_lamps() {
    let mut world = World::new(1);
    let (panel, alice, bob) = (world.baresip("panel"), world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    watch(&mut world, panel, "dialog", &["sip:alice@192.0.2.1", "sip:bob@192.0.2.1"], "eventlist");
    world.phone(alice).dial("bob");
    world.run(secs(2));
    let _ = bob;
    let (rlmi, documents) = parts(world.phone(panel).requests("NOTIFY").pop().unwrap());
    assert!(rlmi.contains("alice") && rlmi.contains("bob"), "{rlmi}");
    assert!(documents.iter().all(|document| document.contains("<state>early</state>")), "{documents:?}");
}

#[test]
fn lists_that_cannot_be_served_are_refused() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    watch(&mut world, alice, "presence", &["sip:bob@192.0.2.1"], "path");
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(421));
    watch(&mut world, alice, "reg", &["sip:alice@192.0.2.1"], "eventlist");
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(403));
    let many: Vec<String> = (0..65).map(|number| format!("sip:{number}@192.0.2.1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    watch(&mut world, alice, "presence", &many, "eventlist");
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(400));
    assert_eq!(world.exchange.subscriptions(), 0);
}

#[test]
fn a_list_of_nobody_is_told_as_that_and_ends_like_any_other() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    watch(&mut world, alice, "presence", &[], "eventlist");
    let (rlmi, documents) = parts(world.phone(alice).requests("NOTIFY").pop().unwrap());
    assert!(rlmi.contains("fullState=\"true\"") && documents.is_empty(), "{rlmi}");
    world.run(secs(601));
    assert_eq!(world.phone(alice).notifications().pop().unwrap().0, "terminated;reason=timeout");
    assert_eq!(world.exchange.subscriptions(), 0);
}
