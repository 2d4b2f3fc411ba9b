//! Who watches somebody, as that user is told.

use ringback_sip::message::Name;

use crate::kit::{PhoneId, World, secs};

/// Bob, who watches who watches him; Alice and Carol.
fn world() -> (World, [PhoneId; 3]) {
    let mut world = World::new(1);
    let phones = [world.baresip("bob"), world.jssip("alice"), world.baresip("carol")];
    world.register_all();
    (world, phones)
}

fn documents(world: &mut World, phone: PhoneId) -> Vec<String> {
    let notifies = world.phone(phone).requests("NOTIFY").into_iter();
    notifies.map(|notify| String::from_utf8_lossy(notify.body()).into_owned()).collect()
}

#[test]
fn a_user_is_told_who_watches_it_and_then_what_changes() {
    let (mut world, [bob, alice, carol]) = world();
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(1));
    world.begin();
    world.phone(bob).subscribe("presence.winfo", "bob", 3600);
    world.run(secs(10));
    world.phone(carol).subscribe("presence", "bob", 60);
    world.run(secs(10));
    // A refresh is no news, nor is who watches somebody else or something else.
    world.phone(alice).resubscribe("presence", 3600);
    world.phone(carol).subscribe("presence", "alice", 3600);
    world.phone(alice).subscribe("dialog", "bob", 3600);
    world.run(secs(60));
    world.phone(alice).resubscribe("presence", 0);
    world.run(secs(10));
    let documents = documents(&mut world, bob);
    assert_eq!(documents.len(), 4, "all, one more, one less, one less: {documents:#?}");
    insta::assert_snapshot!(documents.join("\n"));
}

/// What is told after a refresh is all of it again.
#[test]
fn a_refresh_is_told_everybody() {
    let (mut world, [bob, alice, carol]) = world();
    world.phone(bob).subscribe("presence.winfo", "bob", 3600);
    world.run(secs(10));
    for watcher in [alice, carol] {
        world.phone(watcher).subscribe("presence", "bob", 3600);
        world.run(secs(10));
    }
    world.phone(bob).resubscribe("presence.winfo", 3600);
    world.run(secs(1));
    let last = documents(&mut world, bob).pop().unwrap();
    assert!(last.contains("version=\"3\" state=\"full\""), "{last}");
    assert!(last.contains(">sip:alice@192.0.2.1<") && last.contains(">sip:carol@192.0.2.1<"), "{last}");
}

/// RFC 3323: whoever of them asks for it stays unknown, by whichever word, until it says otherwise.
#[test]
fn a_watcher_that_asks_for_privacy_is_not_named() {
    for word in ["id", "user", "header", "critical;ID"] {
        let (mut world, [bob, alice, carol]) = world();
        world.phone(bob).subscribe("presence.winfo", "bob", 3600);
        world.run(secs(10));
        let request = world.phone(alice).subscribe_request("presence", "bob", Some(3600));
        world.phone(alice).send(request.header(Name::Privacy, word).finish());
        world.phone(carol).subscribe("presence", "bob", 3600);
        world.run(secs(10));
        // What does not speak of privacy changes nothing of it.
        world.phone(alice).resubscribe("presence", 3600);
        world.phone(bob).resubscribe("presence.winfo", 3600);
        world.run(secs(10));
        let told = documents(&mut world, bob);
        let mentions = |text: &str| told.iter().filter(|document| document.contains(text)).count();
        assert_eq!(mentions("alice"), 0, "{word}: {told:#?}");
        assert_eq!(
            mentions(">sip:anonymous@anonymous.invalid<"),
            2,
            "{word}: told of, without a name: {told:#?}"
        );
        assert_eq!(mentions(">sip:carol@192.0.2.1<"), 2, "{word}: {told:#?}");
    }
}

#[test]
fn a_watcher_may_change_its_mind_about_privacy() {
    let (mut world, [bob, alice, _]) = world();
    world.phone(bob).subscribe("presence.winfo", "bob", 3600);
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(10));
    world.begin();
    for word in ["id", "id", "none"] {
        let request = world.phone(alice).in_subscription(ringback_sip::message::Method::Subscribe);
        let request = request.header(Name::Event, "presence").header(Name::Expires, "3600");
        world.phone(alice).send(request.header(Name::Privacy, word).finish());
        world.run(secs(10));
    }
    let told = documents(&mut world, bob);
    let last = &told[told.len() - 2..];
    assert!(last[0].contains(">sip:anonymous@anonymous.invalid<") && !last[0].contains("alice"), "{told:#?}");
    assert!(last[1].contains(">sip:alice@192.0.2.1<"), "{told:#?}");
}

/// RFC 3857 §4.10: changes that come fast are told as one, and what has changed back is not told.
#[test]
fn watchers_that_come_and_go_at_once_are_told_seldom() {
    let (mut world, [bob, alice, carol]) = world();
    world.phone(bob).subscribe("presence.winfo", "bob", 3600);
    world.run(secs(1));
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.phone(carol).subscribe("presence", "bob", 0);
    world.run(secs(2));
    assert_eq!(documents(&mut world, bob).len(), 1);
    world.run(secs(5));
    let documents = documents(&mut world, bob);
    assert_eq!(documents.len(), 2);
    assert!(!documents[1].contains("carol"), "who asked once watches nothing: {}", documents[1]);
}

#[test]
fn who_watches_a_user_is_told_to_nobody_else() {
    let (mut world, [_, alice, _]) = world();
    world.phone(alice).subscribe("presence.winfo", "bob", 3600);
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(403));
    // Nor by a list.
    let list = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:bob@192.0.2.1\"/></list></resource-lists>";
    let request = world.phone(alice).subscribe_request("presence.winfo", "alice", Some(3600));
    let request =
        request.header(Name::Supported, "eventlist").body(b"application/resource-lists+xml", list.as_bytes());
    world.phone(alice).send(request.finish());
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(403));
    assert_eq!(world.exchange.subscriptions(), 0);
    assert!(documents(&mut world, alice).is_empty());
}
