//! MESSAGE outside of calls: to every contact, or kept until the user is back.

use ringback_sip::message::{Builder, Name};

use crate::kit::{Client, World, ms, secs};

#[test]
fn a_message_reaches_every_contact_and_the_first_answers() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let browser = world.add("bob", "browser", Client::SipJs);
    world.phone(browser).register();
    world.run(secs(1));
    world.begin();
    world.phone(alice).write("bob", "hällo");
    world.run(secs(1));
    for phone in [bob, browser] {
        assert_eq!(world.phone(phone).messages(), ["hällo"]);
        let message = world.phone(phone).requests("MESSAGE").pop().unwrap();
        assert_eq!(message.header(Name::ContentType), Some(&b"text/plain;charset=utf-8"[..]));
        assert_eq!(message.header(Name::ContentLength), Some(&b"6"[..]), "bytes, not letters");
        assert!(!message.has(Name::Contact) && message.has(Name::Date));
    }
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 200]);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_message_for_a_user_who_is_away_is_kept_and_delivered_in_order_once() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    world.begin();
    for text in ["one", "two", "three", "four", "five"] {
        world.phone(alice).write("bob", text);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(202));
    }
    world.phone(bob).register();
    world.run(secs(5));
    assert_eq!(world.phone(bob).messages(), ["one", "two", "three", "four", "five"]);
    assert!(world.store.messages.is_empty(), "what was delivered is forgotten");
    world.phone(bob).register();
    world.run(secs(5));
    assert_eq!(world.phone(bob).messages().len(), 5);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

/// It says when it was written.
#[test]
fn a_kept_message_has_its_own_date_and_sender() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    let request = world.phone(alice).request_outside(ringback_sip::message::Method::Message, "bob");
    let request = request
        .header(Name::Subject, "lunch")
        .header_named(b"X-Ticket", "42")
        .header_named(b"X-Ringback-Trunk", "boss")
        .header(Name::PAssertedIdentity, "<sip:boss@example.org>")
        .body(b"text/html", b"<b>soup</b>")
        .finish();
    world.phone(alice).send(request);
    world.run(secs(3600));
    world.phone(bob).register();
    world.run(secs(1));
    let message = world.phone(bob).requests("MESSAGE").pop().unwrap();
    assert_eq!(message.from().unwrap().uri, b"sip:alice@192.0.2.1");
    // The world begins at 22:13:20; the message was written a second later.
    assert_eq!(message.header(Name::Date), Some(&b"Tue, 14 Nov 2023 22:13:21 GMT"[..]));
    assert_eq!(message.header(Name::ContentType), Some(&b"text/html"[..]));
    assert_eq!(message.header(Name::Subject), Some(&b"lunch"[..]));
    assert_eq!(message.header_named(b"X-Ticket"), Some(&b"42"[..]));
    assert!(!String::from_utf8_lossy(message.bytes()).contains("boss"));
}

/// INTEROP rule 15: a client may never answer; the sender is told before it gives up.
#[test]
fn a_message_that_is_never_answered_is_kept_and_not_sent_again_at_every_refresh() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::SipJs);
    world.phone(bob).manners.on_info = None;
    world.phone(alice).write("bob", "hello?");
    world.run(secs(11));
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(202));
    for _ in 0..5 {
        world.phone(bob).register();
        world.run(secs(60));
    }
    assert_eq!(world.phone(bob).messages().len(), 2, "once at first, once at its next REGISTER");
    world.run(secs(400));
    // Another device of the user is another chance.
    let desk = world.add("bob", "desk", Client::Baresip);
    world.phone(desk).register();
    world.run(secs(1));
    assert_eq!(world.phone(desk).messages(), ["hello?"]);
    assert!(world.store.messages.is_empty());
}

#[test]
fn what_every_contact_refuses_is_told_to_the_sender_and_not_kept() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::JsSip);
    for (answer, told) in [(415, 415), (405, 405), (603, 603), (407, 403)] {
        world.phone(bob).manners.on_info = Some(answer);
        world.phone(alice).write("bob", "x");
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(told));
    }
    world.phone(bob).manners.on_info = Some(480);
    world.phone(alice).write("bob", "x");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(202), "another time perhaps");
    assert_eq!(world.store.messages.len(), 1);
}

#[test]
fn a_message_whose_time_is_over_is_not_delivered() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    for (text, expires) in [("short", "60"), ("none", "0"), ("long", "3000")] {
        let request = world.phone(alice).message_request("bob", text).header(Name::Expires, expires).finish();
        world.phone(alice).send(request);
        world.run(secs(1));
    }
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 202, 407, 480, 407, 202]);
    world.run(secs(100));
    world.phone(bob).register();
    world.run(secs(1));
    assert_eq!(world.phone(bob).messages(), ["long"]);
    assert!(world.store.messages.is_empty());
    assert_eq!(world.exchange.stats().instant_messages_expired, 1);
    // Nobody waits longer than a week.
    world.phone(bob).register_for(0);
    world.phone(alice).register_for(7200);
    world.run(secs(1));
    world.phone(alice).write("bob", "week");
    world.run(secs(1));
    let kept = &world.store.messages[0];
    assert_eq!(kept.expires - kept.sent, 7 * 24 * 3_600_000);
}

#[test]
fn that_somebody_is_writing_is_passed_on_and_never_kept() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let composing = |world: &mut World| {
        let request = world.phone(alice).request_outside(ringback_sip::message::Method::Message, "bob");
        let request = request.body(b"application/im-iscomposing+xml", b"<isComposing/>").finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        world.phone(alice).last_status("MESSAGE")
    };
    assert_eq!(composing(&mut world), Some(200));
    world.phone(bob).register_for(0);
    world.run(secs(1));
    assert_eq!(composing(&mut world), Some(480));
    assert!(world.store.messages.is_empty());
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut world = World::with(1, |settings| {
        settings.limits.messages.bytes = 100;
        settings.limits.messages.stored_per_user = 2;
    });
    let alice = world.jssip("alice");
    world.store.add("bob");
    world.register_all();
    type Change = fn(Builder) -> Builder;
    let cases: [(&str, usize, Change, u16); 6] = [
        ("nobody", 1, |r| r, 404),
        ("bob", 101, |r| r, 413),
        ("bob", 1, |r| r.header(Name::Require, "teleport"), 420),
        ("bob", 1, |r| r, 202),
        ("bob", 1, |r| r, 202),
        ("bob", 1, |r| r, 480),
    ];
    for (user, length, change, status) in cases {
        let request = change(world.phone(alice).message_request(user, &"x".repeat(length))).finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(status), "{user} {length}");
    }
    let request = world.phone(alice).message_request("bob", "x").finish();
    let mut edit = request.edit();
    edit.replace(Name::MaxForwards, b"0");
    let request = edit.finish();
    world.phone(alice).send(request);
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(483));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn nobody_writes_in_the_name_of_somebody_else_or_without_a_name() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let request = world.phone(alice).message_request("bob", "pay me").finish();
    let mut edit = request.edit();
    edit.replace(Name::From, b"<sip:boss@192.0.2.1>;tag=x");
    let forged = edit.finish();
    world.phone(alice).send(forged);
    world.run(secs(1));
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 403]);
    world.phone(alice).password = "guess".to_owned();
    world.phone(alice).write("bob", "pay me");
    world.run(secs(1));
    assert!(world.phone(bob).messages().is_empty());
}

#[test]
fn a_message_that_the_store_does_not_take_is_refused() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.store.add("bob");
    world.register_all();
    world.store.broken = true;
    world.phone(alice).write("bob", "x");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(503));
    world.settle();
    world.assert_nothing_is_left();
}

/// The 202 says that it is on the disk.
#[test]
fn the_202_waits_for_the_store() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.store.add("bob");
    world.register_all();
    world.store.slow = ms(500);
    world.phone(alice).write("bob", "x");
    // The challenge, who it is, who it is for, and the write.
    world.run(ms(1400));
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407]);
    world.run(ms(300));
    assert_eq!(world.phone(alice).statuses("MESSAGE"), [407, 202]);
}

/// The user signs in while the message is on its way to the disk.
#[test]
fn a_user_who_comes_back_while_a_message_is_stored_is_sent_it() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    world.store.slow = ms(400);
    world.phone(alice).write("bob", "quick");
    world.run(ms(900));
    world.store.slow = ms(0);
    world.phone(bob).register();
    world.run(secs(2));
    assert_eq!(world.phone(bob).messages(), ["quick"]);
    assert!(world.store.messages.is_empty());
}

/// What was written while the older ones are being delivered comes after them.
#[test]
fn a_new_message_does_not_overtake_those_that_were_kept() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    for text in ["one", "two", "three"] {
        world.phone(alice).write("bob", text);
        world.run(secs(1));
    }
    world.phone(bob).register();
    world.run(ms(65));
    world.phone(alice).write("bob", "four");
    world.run(secs(2));
    assert_eq!(world.phone(bob).messages(), ["one", "two", "three", "four"]);
    assert!(world.store.messages.is_empty());
}

/// After a restart the store says how many wait.
#[test]
fn what_was_kept_by_an_earlier_process_is_delivered() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).register();
    world.run(secs(1));
    world.phone(alice).write("bob", "old");
    world.run(secs(1));
    let kept = std::mem::take(&mut world.store.messages);
    let mut later = World::new(2);
    let bob_later = later.baresip("bob");
    later.store.messages = kept;
    later.exchange.restore_waiting("bob", 1);
    later.phone(bob_later).register();
    later.run(secs(1));
    assert_eq!(later.phone(bob_later).messages(), ["old"]);
    let _ = bob;
}

/// Messages that are delivered, kept, refused and lost, each in every way.
pub fn every_fate() -> World {
    let mut world = World::with(1, |settings| {
        settings.limits.messages.stored_per_user = 3;
        settings.limits.messages.under_way_per_user = 1;
    });
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    let send = |world: &mut World, user: &str, hops: u8, expires: u32| {
        let request =
            world.phone(alice).message_request(user, "x").header(Name::Expires, expires.to_string());
        let request = request.finish();
        let mut edit = request.edit();
        edit.replace(Name::MaxForwards, hops.to_string().as_bytes());
        let request = edit.finish();
        world.phone(alice).send(request);
        world.run(ms(200));
    };
    send(&mut world, "bob", 70, 600);
    send(&mut world, "bob", 0, 600);
    send(&mut world, "nobody", 70, 600);
    world.phone(bob).manners.on_info = Some(415);
    send(&mut world, "bob", 70, 600);
    world.phone(bob).manners.on_info = None;
    send(&mut world, "bob", 70, 600);
    send(&mut world, "bob", 70, 600);
    world.run(secs(60));
    world.phone(bob).manners.on_info = Some(200);
    world.phone(bob).register_for(0);
    world.run(secs(1));
    for expires in [0, 1, 600, 600] {
        send(&mut world, "bob", 70, expires);
    }
    world.run(secs(10));
    world.phone(bob).register();
    world.run(secs(10));
    world
}
