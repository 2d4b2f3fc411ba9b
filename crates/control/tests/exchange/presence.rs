//! Presence: who can be reached, who is on the phone, who has a message.

use crate::kit::{Client, World, ms, secs};

/// The last word about somebody, with what they do.
fn said(world: &mut World, phone: crate::kit::PhoneId) -> (String, bool) {
    let (_, body) = world.phone(phone).notifications().pop().expect("a NOTIFY");
    let basic = body.split("<basic>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    (basic, body.contains("<rpid:on-the-phone/>"))
}

#[test]
fn a_user_comes_goes_and_talks() {
    let mut world = World::new(1);
    let (alice, bob, carol) = (world.jssip("alice"), world.baresip("bob"), world.baresip("carol"));
    for phone in [alice, carol] {
        world.phone(phone).register();
    }
    world.run(secs(1));
    world.begin();
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(10));
    assert_eq!(said(&mut world, alice), ("closed".to_owned(), false));
    world.phone(bob).register();
    world.run(secs(10));
    assert_eq!(said(&mut world, alice), ("open".to_owned(), false));
    world.phone(carol).dial("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(secs(10));
    assert_eq!(said(&mut world, alice), ("open".to_owned(), true));
    world.phone(bob).hang_up();
    world.run(secs(10));
    assert_eq!(said(&mut world, alice), ("open".to_owned(), false));
    world.phone(bob).register_for(0);
    world.run(secs(10));
    assert_eq!(said(&mut world, alice), ("closed".to_owned(), false));
    assert_eq!(world.phone(alice).notifications().len(), 5, "each change once");
}

/// A scanner with an account learns nothing about who has one.
#[test]
fn a_user_that_there_is_not_looks_like_one_who_is_away() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    world.store.add("bob");
    world.register_all();
    let mut bodies = Vec::new();
    for user in ["bob", "eve"] {
        world.phone(alice).subscribe("presence", user, 0);
        world.run(secs(1));
        bodies.push(world.phone(alice).notifications().pop().unwrap().1.replace("eve", "bob"));
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(200));
}

/// RFC 3856 §6.10: not more than one in five seconds, and the last one is the newest.
#[test]
fn changes_that_come_too_fast_are_told_as_one() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 3600);
    world.run(secs(1));
    for seconds in [0, 600, 0, 600, 0] {
        world.phone(bob).register_for(seconds);
        world.run(ms(300));
    }
    assert_eq!(world.phone(alice).notifications().len(), 1);
    world.run(secs(5));
    assert_eq!(world.phone(alice).notifications().len(), 2);
    assert_eq!(said(&mut world, alice).0, "closed");
    // What has changed back is not worth a word.
    world.run(secs(10));
    for seconds in [600, 0, 600] {
        world.phone(bob).register_for(seconds);
        world.run(ms(300));
    }
    world.run(secs(10));
    assert_eq!(world.phone(alice).notifications().len(), 3, "the first change is told at once");
    assert_eq!(said(&mut world, alice).0, "open");
}

#[test]
fn a_mailbox_tells_of_messages_that_wait() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(bob).manners.on_info = None;
    world.phone(bob).subscribe("message-summary", "bob", 3600);
    world.run(secs(2));
    world.phone(alice).write("bob", "are you there?");
    world.run(secs(15));
    let bodies: Vec<String> = world.phone(bob).notifications().into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        bodies,
        [
            "Messages-Waiting: no\r\nMessage-Account: sip:bob@192.0.2.1\r\nVoice-Message: 0/0\r\n",
            "Messages-Waiting: yes\r\nMessage-Account: sip:bob@192.0.2.1\r\nVoice-Message: 0/0\r\nPager-Message: 1/0\r\n",
        ]
    );
}

#[test]
fn a_user_sees_its_own_contacts() {
    let mut world = World::new(1);
    let (browser, phone) = (world.jssip("bob"), world.add("bob", "desk", Client::Baresip));
    world.phone(browser).register();
    world.run(secs(1));
    world.phone(browser).subscribe("reg", "bob", 3600);
    world.run(secs(10));
    world.phone(phone).register();
    world.run(secs(10));
    world.phone(phone).register_for(0);
    world.run(secs(10));
    let bodies: Vec<String> =
        world.phone(browser).notifications().into_iter().map(|(_, body)| body).collect();
    insta::assert_snapshot!(bodies.join("\n"));
}
