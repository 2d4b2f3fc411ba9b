//! Who has answered, as the caller sees it (RFC 3325), and callees who do not want to be known (RFC 3323).

use ringback_control::Features;
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice in a browser and Bob at a telephone that does not ring by itself.
fn pair() -> (World, PhoneId, PhoneId) {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.rings = false;
    (world, alice, bob)
}

/// The last response of that status to an INVITE of the phone.
fn told(world: &mut World, id: PhoneId, status: u16) -> Message {
    let responses = world.phone(id).responses("INVITE").into_iter();
    let mut responses = responses.filter(|response| response.status() == Some(status));
    responses.next_back().unwrap_or_else(|| panic!("a {status}")).clone()
}

fn asserted(message: &Message) -> Option<String> {
    message.header(Name::PAssertedIdentity).map(|value| String::from_utf8_lossy(value).into_owned())
}

#[test]
fn a_caller_is_told_who_rings_and_who_has_answered() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).ring();
    world.run(ms(100));
    assert_eq!(asserted(&told(&mut world, alice, 180)).as_deref(), Some("<sip:bob@192.0.2.1>"));
    world
        .phone(bob)
        .answer_with(|reply| reply.header(Name::PPreferredIdentity, "\"Bob Builder\" <sip:bob@192.0.2.1>"));
    world.run(ms(100));
    let answer = told(&mut world, alice, 200);
    assert_eq!(asserted(&answer).as_deref(), Some("\"Bob Builder\" <sip:bob@192.0.2.1>"));
    assert!(!answer.has(Name::PPreferredIdentity), "that is between Bob and us");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// What a phone says of itself counts when it is its own user.
#[test]
fn nobody_answers_in_the_name_of_somebody_else() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).answer_with(|reply| {
        reply
            .header(Name::PAssertedIdentity, "\"The Boss\" <sip:boss@192.0.2.1>")
            .header(Name::PPreferredIdentity, "\"The Boss\" <sip:boss@192.0.2.1>")
            .header(Name::RemotePartyId, "<sip:boss@192.0.2.1>")
    });
    world.run(ms(100));
    let answer = told(&mut world, alice, 200);
    assert_eq!(asserted(&answer).as_deref(), Some("<sip:bob@192.0.2.1>"));
    let text = String::from_utf8_lossy(answer.bytes()).into_owned();
    assert!(!text.contains("boss"), "{text}");
}

#[test]
fn the_caller_is_told_to_whom_its_call_was_forwarded() {
    let mut world = World::new(1);
    let (alice, _, carol) = (world.jssip("alice"), world.baresip("bob"), world.baresip("carol"));
    world.register_all();
    let features = Features { always: Some("carol".to_owned()), ..Features::default() };
    world.exchange.set_features("bob", features);
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.phone(carol).answer();
    world.run(ms(100));
    for status in [180, 200] {
        assert_eq!(asserted(&told(&mut world, alice, status)).as_deref(), Some("<sip:carol@192.0.2.1>"));
    }
    // The echo is nobody.
    world.phone(alice).hang_up();
    world.settle();
    world.begin();
    world.phone(alice).dial("echo");
    world.run(secs(1));
    assert_eq!(asserted(&told(&mut world, alice, 200)), None);
}

/// From the response on in which it asks, and in what it sends within the call.
#[test]
fn a_callee_who_asks_for_privacy_is_not_told() {
    for privacy in ["id", "user;critical", "header", "ID ; none-of-ours"] {
        let (mut world, alice, bob) = pair();
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).ring_with(|reply| {
            reply
                .header(Name::Privacy, privacy)
                .header(Name::PPreferredIdentity, "\"Bob\" <sip:bob@192.0.2.1>")
                .header(Name::Warning, "399 bobs-desk \"busy\"")
                .header_named(b"Geolocation", "<sip:bob@at.home>")
                .header_named(b"X-Ticket", "42")
        });
        world.run(ms(100));
        let ringing = told(&mut world, alice, 180);
        let text = String::from_utf8_lossy(ringing.bytes()).replace("To: <sip:bob@192.0.2.1>", "To:");
        assert!(!text.contains("bob") && text.contains("X-Ticket"), "{privacy}: {text}");
        world.phone(bob).answer();
        world.run(ms(100));
        assert_eq!(asserted(&told(&mut world, alice, 200)), None, "{privacy}");
        let info = world.phone(bob).in_dialog(Method::Info).header(Name::Organization, "bob and sons");
        world.phone(bob).send(info.body(b"text/plain", b"x").finish());
        world.run(ms(100));
        let info = world.phone(alice).requests("INFO").pop().unwrap();
        assert!(!info.has(Name::Organization), "{privacy}");
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs[0].answered_by.as_deref(), Some("bob"), "the record knows");
    }
}

#[test]
fn a_callee_who_asks_for_none_after_all_is_told() {
    let (mut world, alice, bob) = pair();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).ring_with(|reply| reply.header(Name::Privacy, "id"));
    world.run(ms(100));
    assert_eq!(asserted(&told(&mut world, alice, 180)), None);
    world.phone(bob).answer_with(|reply| reply.header(Name::Privacy, "none"));
    world.run(ms(100));
    assert_eq!(asserted(&told(&mut world, alice, 200)).as_deref(), Some("<sip:bob@192.0.2.1>"));
}

/// A temporary GRUU tells nothing of its user, nor does who answers it.
#[test]
fn who_is_reached_by_a_temporary_gruu_is_not_told() {
    for (param, expected) in [("pub-gruu", Some("<sip:bob@192.0.2.1>")), ("temp-gruu", None)] {
        let mut world = World::new(1);
        let (alice, bob) = (world.baresip("alice"), world.jssip("bob"));
        world.register_all();
        world.phone(bob).register();
        world.run(secs(1));
        let contact = world.phone(bob).last_header("REGISTER", Name::Contact).unwrap();
        let (_, rest) = contact.split_once(&format!(";{param}=\"")).expect("a GRUU");
        let gruu = rest.split_once('"').unwrap().0.to_owned();
        world.phone(alice).dial(&gruu);
        world.run(ms(300));
        world.phone(bob).answer();
        world.run(ms(100));
        for status in [180, 200] {
            assert_eq!(asserted(&told(&mut world, alice, status)).as_deref(), expected, "{param}");
        }
        // Nor do those to whom its caller sends it on.
        let carol = world.baresip("carol");
        world.phone(carol).register();
        world.run(secs(1));
        world.phone(alice).refer("carol");
        world.run(secs(1));
        let invite = world.phone(carol).requests("INVITE").pop().expect("it is called");
        let text = String::from_utf8_lossy(invite.bytes()).into_owned();
        assert_eq!(text.contains("bob"), expected.is_some(), "{text}");
    }
}

/// A callee who is anonymous and is then transferred, or transfers, stays so.
#[test]
fn an_anonymous_callee_is_so_to_those_it_is_sent_to() {
    for transferor_is_callee in [false, true] {
        let mut world = World::new(1);
        let (alice, bob, carol) = (world.jssip("alice"), world.baresip("bob"), world.baresip("carol"));
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).answer_with(|reply| reply.header(Name::Privacy, "id"));
        world.run(ms(100));
        let transferor = if transferor_is_callee { bob } else { alice };
        world.phone(transferor).refer("carol");
        world.run(secs(1));
        let invite = world.phone(carol).requests("INVITE").pop().expect("it is called");
        let text = String::from_utf8_lossy(invite.bytes()).into_owned();
        assert!(!text.contains("bob"), "{text}");
        assert!(text.contains("alice"), "{text}");
    }
}

/// Carol does not know whom she picks up.
#[test]
fn who_picks_a_call_up_is_told_who_calls_unless_that_is_anonymous() {
    for (privacy, expected) in [("none", Some("\"alice\" <sip:alice@192.0.2.1>")), ("id", None)] {
        let mut world = World::new(1);
        let (alice, _, carol) = (world.jssip("alice"), world.baresip("bob"), world.baresip("carol"));
        world.register_all();
        for user in ["bob", "carol"] {
            let features = Features { group: Some("sales".to_owned()), ..Features::default() };
            world.exchange.set_features(user, features);
        }
        world.phone(alice).dial_with("bob", |invite| invite.header(Name::Privacy, privacy));
        world.run(ms(300));
        world.phone(carol).dial("*8");
        world.run(secs(1));
        assert!(world.phone(alice).is_up() && world.phone(carol).is_up());
        assert_eq!(asserted(&told(&mut world, carol, 200)).as_deref(), expected);
        assert_eq!(asserted(&told(&mut world, alice, 200)).as_deref(), Some("<sip:carol@192.0.2.1>"));
    }
}
