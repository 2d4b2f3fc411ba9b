//! PUBLISH: a device says how its user is.

use crate::kit::{Client, World, secs};
use ringback_sip::message::Name;

fn document(basic: &str, activity: &str) -> String {
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:bob@192.0.2.1\">\
         <dm:person id=\"p1\"><rpid:activities><rpid:{activity}/></rpid:activities></dm:person>\
         <tuple id=\"t1\"><status><basic>{basic}</basic></status></tuple></presence>"
    )
}

#[test]
fn a_publication_is_made_refreshed_changed_and_removed() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(10));
    world.phone(bob).publish(None, 600, Some(&document("open", "away")));
    world.run(secs(10));
    let first = world.phone(bob).etag();
    let told = |world: &mut World| world.phone(alice).notifications().pop().unwrap().1;
    assert!(told(&mut world).contains("<rpid:away/>"));
    world.phone(bob).publish(Some(&first), 600, None);
    world.run(secs(10));
    let second = world.phone(bob).etag();
    assert_ne!(first, second, "each answer has an entity-tag of its own");
    assert_eq!(world.phone(alice).notifications().len(), 2, "a refresh is no news");
    world.phone(bob).publish(Some(&second), 600, Some(&document("closed", "busy")));
    world.run(secs(10));
    let third = world.phone(bob).etag();
    let body = told(&mut world);
    assert!(body.contains("<rpid:busy/>") && !body.contains("away"), "{body}");
    assert!(body.contains("<tuple id=\"ringback\"><status><basic>closed</basic>"), "{body}");
    world.phone(bob).publish(Some(&second), 600, None);
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("PUBLISH"), Some(412), "an old entity-tag");
    world.phone(bob).publish(Some(&third), 0, None);
    world.run(secs(10));
    assert!(!told(&mut world).contains("busy"));
    assert_eq!(world.exchange.publications(), 0);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_publication_that_is_not_refreshed_is_forgotten() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).publish(None, 60, Some(&document("closed", "busy")));
    world.run(secs(1));
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(70));
    let bodies: Vec<String> = world.phone(alice).notifications().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies[0].contains("busy") && !bodies[1].contains("busy"));
    assert!(bodies[1].contains("<basic>open</basic>"), "who is registered and says nothing is open");
    assert_eq!(world.exchange.publications(), 0);
}

/// A device that was switched off may have said "open" a minute ago.
#[test]
fn who_is_signed_out_is_closed_whatever_was_published() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).publish(None, 600, Some(&document("open", "vacation")));
    world.phone(bob).register_for(0);
    world.run(secs(1));
    world.phone(alice).subscribe("presence", "bob", 0);
    world.run(secs(1));
    let body = world.phone(alice).notifications().pop().unwrap().1;
    assert!(!body.contains("open") && body.contains("<rpid:vacation/>"), "{body}");
}

#[test]
fn what_cannot_be_published_is_refused_and_says_what_would_do() {
    let (mut world, _alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let good = document("open", "away");
    let request = |world: &mut World, user: &str, event: &str, content_type: &str, body: &str| {
        let request = world.phone(bob).request_outside(ringback_sip::message::Method::Publish, user);
        let request = request.header(Name::Event, event).header(Name::Expires, "600");
        let request = request.body(content_type.as_bytes(), body.as_bytes()).finish();
        world.phone(bob).send(request);
        world.run(secs(1));
        world.phone(bob).heard.last().unwrap().clone()
    };
    let pidf = "application/pidf+xml";
    for (user, event, content_type, body, status, header) in [
        ("bob", "dialog", pidf, good.as_str(), 489, Some((Name::AllowEvents, "presence, vq-rtcpxr"))),
        ("bob", "presence", "text/plain", "hello", 415, Some((Name::Accept, pidf))),
        ("bob", "presence", pidf, "<presence", 400, None),
        ("bob", "presence", pidf, "", 400, None),
        ("alice", "presence", pidf, good.as_str(), 403, None),
    ] {
        let answer = request(&mut world, user, event, content_type, body);
        assert_eq!(answer.status(), Some(status), "{user} {event} {content_type} {body}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value.as_bytes()));
        }
    }
    let large = good.replace("</presence>", &format!("<note>{}</note></presence>", "x".repeat(20_000)));
    assert_eq!(request(&mut world, "bob", "presence", pidf, &large).status(), Some(413));
    world.phone(bob).publish(None, 9, Some(&good));
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("PUBLISH"), Some(423));
    for _ in 0..9 {
        world.phone(bob).publish(None, 600, Some(&good));
        world.run(secs(1));
    }
    assert_eq!(world.phone(bob).last_status("PUBLISH"), Some(503), "eight of one user");
    assert_eq!(world.exchange.publications(), 8);
}
