//! SUBSCRIBE and NOTIFY: how a subscription begins, is refreshed and ends.

use ringback_sip::message::{Builder, Method, Name};

use crate::kit::{Client, World, ms, secs};

/// INTEROP rule 15: a NOTIFY at once.
#[test]
fn a_subscription_is_told_at_once_refreshed_and_given_up() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    world.phone(alice).resubscribe("presence", 300);
    world.run(secs(1));
    world.phone(alice).resubscribe("presence", 0);
    world.run(secs(1));
    assert_eq!(world.phone(alice).statuses("SUBSCRIBE"), [407, 200, 200, 200]);
    let states: Vec<String> =
        world.phone(alice).notifications().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, ["active;expires=600", "active;expires=300", "terminated;reason=timeout"]);
    assert_eq!(world.exchange.subscriptions(), 0);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn the_answer_has_what_a_watcher_needs() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    let request = world.phone(alice).subscribe_request("presence;id=7", "bob", None).finish();
    world.phone(alice).send(request);
    world.run(secs(1));
    let phone = world.phone(alice);
    let ok = phone.heard.iter().rfind(|message| message.status() == Some(200)).unwrap().clone();
    assert_eq!(ok.expires(), Some(3600));
    assert_eq!(ok.contacts().count(), 1);
    let notify = phone.requests("NOTIFY").pop().unwrap();
    assert_eq!(notify.header(Name::Event), Some(&b"presence;id=7"[..]));
    assert_eq!(notify.header(Name::ContentType), Some(&b"application/pidf+xml"[..]));
    assert_eq!(notify.from().unwrap().tag(), ok.to().unwrap().tag());
    assert_eq!(notify.call_id(), ok.call_id());
}

#[test]
fn a_fetch_is_told_once() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 0);
    world.run(secs(1));
    let [(state, body)] = &world.phone(alice).notifications()[..] else { panic!("one NOTIFY") };
    assert_eq!(state, "terminated;reason=timeout");
    assert!(body.contains("<basic>open</basic>"));
    assert_eq!(world.exchange.subscriptions(), 0);
}

#[test]
fn a_subscription_that_is_not_refreshed_ends() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 60);
    world.run(secs(61));
    assert_eq!(world.phone(alice).notifications().last().unwrap().0, "terminated;reason=timeout");
    assert_eq!(world.exchange.subscriptions(), 0);
    // What happens later is nobody's business.
    world.phone(bob).register_for(0);
    world.phone(alice).resubscribe("presence", 60);
    world.run(secs(10));
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(481));
    assert_eq!(world.phone(alice).notifications().len(), 2);
}

#[test]
fn what_cannot_be_watched_is_refused_and_says_what_would_do() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    type Change = fn(Builder) -> Builder;
    type Case = (&'static str, &'static str, Option<u32>, Change, u16, Option<(Name, &'static str)>);
    let cases: [Case; 9] = [
        (
            "conference",
            "bob",
            None,
            |r| r,
            489,
            Some((Name::AllowEvents, "presence, dialog, message-summary, reg, presence.winfo")),
        ),
        ("presence", "bob", Some(9), |r| r, 423, Some((Name::MinExpires, "10"))),
        ("presence", "bob", None, |r| r.header(Name::Accept, "application/cpim-pidf+xml"), 406, None),
        (
            "presence",
            "bob",
            None,
            |r| r.header(Name::Require, "teleport"),
            420,
            Some((Name::Unsupported, "teleport")),
        ),
        (
            "presence",
            "bob",
            None,
            |r| r.body(b"text/plain", b"x"),
            415,
            Some((Name::Accept, "application/resource-lists+xml")),
        ),
        ("message-summary", "bob", None, |r| r, 403, None),
        ("reg", "bob", None, |r| r, 403, None),
        ("presence", "bob", None, |r| r.header(Name::Accept, "application/*"), 200, None),
        ("dialog", "bob", Some(u32::MAX), |r| r, 200, Some((Name::Expires, "3600"))),
    ];
    for (event, user, expires, change, status, header) in cases {
        let request = change(world.phone(alice).subscribe_request(event, user, expires)).finish();
        world.phone(alice).send(request);
        world.run(ms(200));
        let phone = world.phone(alice);
        assert_eq!(phone.last_status("SUBSCRIBE"), Some(status), "{event} {user}");
        let answer = phone.heard.iter().rfind(|message| message.status() == Some(status)).unwrap();
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value.as_bytes()), "{event}");
        }
    }
}

#[test]
fn a_watcher_that_no_longer_knows_the_subscription_ends_it() {
    for (answer, wait) in [(Some(481), 1), (Some(489), 1), (None, 40)] {
        let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
        world.phone(alice).subscribe("presence", "bob", 600);
        world.run(secs(10));
        world.phone(alice).manners.on_notify = answer;
        world.phone(bob).register_for(0);
        world.run(secs(wait));
        assert_eq!(world.exchange.subscriptions(), 0, "{answer:?}");
    }
    // One that is busy is told all of it the next time.
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(10));
    world.phone(alice).manners.on_notify = Some(500);
    world.phone(bob).register_for(0);
    world.run(secs(1));
    assert_eq!(world.exchange.subscriptions(), 1);
}

#[test]
fn nobody_watches_in_the_name_of_somebody_else_or_within_the_subscription_of_another() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let request = world.phone(alice).subscribe_request("presence", "bob", None).finish();
    let mut edit = request.edit();
    edit.replace(Name::From, b"<sip:boss@192.0.2.1>;tag=x");
    let forged = edit.finish();
    world.phone(alice).send(forged);
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("SUBSCRIBE"), Some(403));

    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    let stolen = world.phone(alice).in_subscription(Method::Subscribe);
    let stolen = stolen.header(Name::Event, "presence").header(Name::Expires, "0").finish();
    world.phone(bob).send(stolen);
    world.run(secs(1));
    assert_eq!(world.phone(bob).statuses("SUBSCRIBE"), [407, 403]);
    assert_eq!(world.exchange.subscriptions(), 1);
}

#[test]
fn a_watcher_on_another_network_shows_its_credentials_and_goes_on() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    world.reconnect_from(alice, "198.51.100.77:40000".parse().unwrap());
    world.phone(alice).resubscribe("presence", 600);
    world.run(secs(1));
    assert_eq!(world.phone(alice).statuses("SUBSCRIBE"), [407, 200, 407, 200]);
    assert_eq!(world.phone(alice).notifications().len(), 2);
}

/// INTEROP rule 3: what a client has follows it to its new connection.
#[test]
fn a_browser_that_comes_back_is_told_what_it_has_missed() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(10));
    world.disconnect(alice);
    world.phone(bob).register_for(0);
    world.run(secs(60));
    assert_eq!(world.exchange.subscriptions(), 1, "it waits for its watcher");
    world.begin();
    world.reconnect(alice);
    world.phone(alice).register();
    world.run(secs(1));
    let [(state, body)] = &world.phone(alice).notifications()[..] else { panic!("one NOTIFY") };
    assert!(state.starts_with("active") && body.contains("<basic>closed</basic>"), "{state} {body}");
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_browser_that_never_comes_back_is_forgotten_without_a_word() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 60);
    world.run(secs(1));
    world.disconnect(alice);
    world.begin();
    world.run(secs(100));
    assert_eq!(world.exchange.subscriptions(), 0);
    assert!(!world.ladder().contains("NOTIFY"), "{}", world.ladder());
}

#[test]
fn a_user_has_so_many_subscriptions_and_no_more() {
    let mut world = World::with(1, |settings| {
        settings.limits.events.subscriptions_per_user = 2;
        settings.limits.events.subscriptions = 3;
    });
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    let mut answers = Vec::new();
    for phone in [alice, alice, alice, bob, bob] {
        world.phone(phone).subscribe("presence", "carol", 600);
        world.run(secs(1));
        answers.push(world.phone(phone).last_status("SUBSCRIBE").unwrap());
    }
    assert_eq!(answers, [200, 200, 503, 200, 503]);
    assert_eq!(world.exchange.stats().events_overloaded, 2);
}

#[test]
fn a_shutdown_tells_the_watchers_to_come_back_later() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    let now = world.now();
    world.exchange.shut_down(now);
    world.run(secs(1));
    let (state, _) = world.phone(alice).notifications().pop().unwrap();
    assert!(state.starts_with("terminated;reason=probation;retry-after="), "{state}");
    assert_eq!(world.exchange.subscriptions(), 0);
}

#[test]
fn a_user_who_is_no_more_watches_nobody() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.phone(bob).subscribe("presence", "alice", 600);
    world.run(secs(10));
    let now = world.now();
    world.exchange.remove_user(now, "bob");
    world.run(secs(10));
    let last = |phone| world.phone(phone).notifications().pop().unwrap();
    let mut last = last;
    assert_eq!(last(bob).0, "terminated;reason=rejected");
    assert!(last(alice).1.contains("<basic>closed</basic>"));
}

/// A NOTIFY that nobody subscribed to, and requests that do not belong into a subscription.
#[test]
fn what_does_not_belong_into_a_subscription_is_refused() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let notify = world.phone(alice).request_outside(Method::Notify, "bob").header(Name::Event, "presence");
    let notify = notify.header(Name::SubscriptionState, "active").finish();
    world.phone(alice).send(notify);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    let message = world.phone(alice).in_subscription(Method::Message).finish();
    world.phone(alice).send(message);
    world.phone(alice).resubscribe("dialog", 600);
    world.run(secs(1));
    let phone = world.phone(alice);
    assert_eq!(phone.last_status("NOTIFY"), Some(481));
    assert_eq!(phone.last_status("MESSAGE"), Some(405));
    assert_eq!(phone.last_status("SUBSCRIBE"), Some(403));
    assert!(world.phone(bob).requests("MESSAGE").is_empty());
}
