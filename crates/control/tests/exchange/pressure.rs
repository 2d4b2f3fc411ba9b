//! More comes than can be served: what is refused, and what never is.

use ringback_control::{Pressure, Standing};
use ringback_sansio::Flow;
use ringback_sip::message::{Builder, Message, Method, Name};

use crate::kit::{Client, PhoneId, World, secs};

/// The last answer to a request of the phone.
fn answered(world: &mut World, phone: PhoneId, method: &str) -> Message {
    world.run(secs(1));
    world.phone(phone).responses(method).pop().expect("an answer").clone()
}

/// An OPTIONS to the exchange itself.
fn ask(world: &mut World, phone: PhoneId) -> u16 {
    let phone_of = world.phone(phone);
    let options = Builder::request(Method::Options, b"sip:example.com")
        .header(Name::Via, phone_of.new_via())
        .header(Name::From, "<sip:alice@example.com>;tag=1")
        .header(Name::To, "<sip:example.com>")
        .header(Name::CallId, format!("options-{}", phone_of.new_via()))
        .header(Name::CSeq, "1 OPTIONS")
        .header(Name::MaxForwards, "70")
        .finish();
    phone_of.send(options);
    answered(world, phone, "OPTIONS").status().unwrap()
}

/// The exchange's side of the phone's flow.
fn flow_of(world: &mut World, phone: PhoneId) -> Flow {
    let tuple = world.phone(phone).flow.tuple;
    Flow::datagram(tuple.remote, tuple.local)
}

#[test]
fn a_call_goes_on_while_new_ones_are_refused() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let carol = world.jssip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.exchange.set_pressure(Pressure::Extreme);

    world.phone(carol).dial("bob");
    let refused = answered(&mut world, carol, "INVITE");
    assert_eq!(refused.status(), Some(503));
    let seconds: u32 =
        std::str::from_utf8(refused.header(Name::RetryAfter).unwrap()).unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert!(refused.has(Name::Warning), "a person is told why");

    // Everything of the call that stands is served, and so is who stays signed in.
    world.phone(alice).hold();
    assert_eq!(answered(&mut world, alice, "INVITE").status(), Some(200));
    world.phone(carol).register();
    assert_eq!(answered(&mut world, carol, "REGISTER").status(), Some(200));
    world.phone(bob).hang_up();
    assert_eq!(answered(&mut world, bob, "BYE").status(), Some(200));
    assert_eq!(world.cdrs.len(), 1, "a call that was shed never began");

    world.exchange.set_pressure(Pressure::None);
    world.phone(carol).dial("bob");
    assert_eq!(answered(&mut world, carol, "INVITE").status(), Some(180), "calls are taken again");
}

/// Those who are known: first what can wait, then calls.
#[test]
fn what_can_wait_is_refused_before_calls_are() {
    let expected = [
        (Pressure::None, [200, 200, 180]),
        (Pressure::High, [503, 503, 180]),
        (Pressure::Extreme, [503, 503, 503]),
    ];
    for (pressure, statuses) in expected {
        let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
        world.exchange.set_pressure(pressure);
        let options = ask(&mut world, alice);
        world.phone(alice).subscribe("presence", "bob", 600);
        let subscribe = answered(&mut world, alice, "SUBSCRIBE").status().unwrap();
        world.phone(alice).dial("bob");
        let invite = answered(&mut world, alice, "INVITE").status().unwrap();
        assert_eq!([options, subscribe, invite], statuses, "{pressure:?}");
        let shed = statuses.iter().filter(|status| **status == 503).count();
        assert_eq!(world.exchange.stats().requests_shed, shed as u64);
    }
}

/// A subscription is a dialog: what refreshes it is served.
#[test]
fn a_subscription_goes_on() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    world.exchange.set_pressure(Pressure::Extreme);
    world.phone(alice).resubscribe("presence", 300);
    assert_eq!(answered(&mut world, alice, "SUBSCRIBE").status(), Some(200));
}

#[test]
fn strangers_come_last() {
    let mut world = World::new(1);
    let (alice, mallory) = (world.baresip("alice"), world.baresip("mallory"));
    world.phone(alice).register();
    world.run(secs(1));
    world.exchange.set_pressure(Pressure::High);
    let contact = world.phone(mallory).contact();
    let request = world.phone(mallory).register_request(&contact).finish();
    world.phone(mallory).send(request.clone());
    let refused = answered(&mut world, mallory, "REGISTER");
    assert_eq!(refused.status(), Some(503), "not even a challenge");
    assert!(refused.bytes().len() <= request.bytes().len() * 3 / 2, "an answer is no weapon");
    world.phone(alice).register();
    assert_eq!(answered(&mut world, alice, "REGISTER").status(), Some(200));
}

/// After a restart everybody is a stranger, and a page that is refused once may not try again.
#[test]
fn a_browser_that_comes_back_is_registered_whatever_the_pressure() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.exchange.set_pressure(Pressure::Extreme);
    world.phone(alice).register();
    assert_eq!(answered(&mut world, alice, "REGISTER").status(), Some(200));
}

/// Who has a user behind its address, or forges that address, presses nobody else.
#[test]
fn one_known_address_has_its_share_and_the_others_theirs() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let (flooding, other) = (flow_of(&mut world, alice), flow_of(&mut world, bob));
    let now = world.now();
    assert!(
        (0..1000).all(|_| world.exchange.standing(now, flooding) == Standing::Known),
        "who keeps up counts nothing"
    );
    world.exchange.set_pressure(Pressure::Shared);
    let within = (0..1000).filter(|_| world.exchange.standing(now, flooding) == Standing::Known).count();
    assert_eq!(within, 200);
    assert_eq!(world.exchange.standing(now, flooding), Standing::BeyondShare);
    assert_eq!(world.exchange.standing(now, other), Standing::Known);
    world.phone(bob).dial("alice");
    assert_eq!(answered(&mut world, bob, "INVITE").status(), Some(180), "for that nobody is refused");
}

/// What may not be lost of a source that has had its share.
#[test]
fn what_is_begun_goes_on_beyond_the_share() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(alice).subscribe("presence", "bob", 600);
    world.run(secs(1));
    let flow = flow_of(&mut world, alice);
    let phone = world.phone(alice);
    let of_the_call = phone.in_dialog(Method::Info).finish();
    let of_a_new_one = phone.register_request(&phone.contact()).finish();
    let stolen = flow_of(&mut world, bob);
    assert!(world.exchange.goes_on(flow, of_the_call.bytes()));
    assert!(!world.exchange.goes_on(stolen, of_the_call.bytes()), "it is another's");
    assert!(!world.exchange.goes_on(flow, of_a_new_one.bytes()));
    assert!(!world.exchange.goes_on(flow, &"INVITE".into()));
}

/// A flood that claims to come from where a user is.
pub fn a_flood_from_a_known_address() -> World {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    let (now, flow) = (world.now(), flow_of(&mut world, alice));
    world.exchange.set_pressure(Pressure::Extreme);
    while world.exchange.standing(now, flow) != Standing::BeyondShare {}
    world
}

/// A call that was refused because of the pressure.
pub fn a_refused_call() -> World {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.exchange.set_pressure(Pressure::Extreme);
    world.phone(alice).dial("bob");
    world.run(secs(1));
    world
}
