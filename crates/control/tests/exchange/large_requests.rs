//! Requests that are too large for a datagram, to telephones that registered over UDP.

use ringback_sansio::Transport;
use ringback_sip::message::{Message, Method, Name};

use crate::kit::{PhoneId, World, ms, secs};

/// A large request and a small one, to who takes connections and who does not.
pub fn sizes() -> World {
    let (mut world, alice, bob) = world();
    let (small, large) = ("x".repeat(100), "x".repeat(1500));
    world.phone(alice).write("bob", &large);
    world.run(secs(1));
    world.listen(bob, Transport::Tcp);
    world.run(secs(31 * 60));
    world.phone(bob).register();
    world.run(secs(1));
    world.phone(alice).write("bob", &large);
    world.phone(alice).write("bob", &small);
    world.settle();
    world
}

/// Alice at a browser and Bob at a telephone over UDP.
fn world() -> (World, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let bob = world.baresip("bob");
    world.register_all();
    (world, alice, bob)
}

fn last(world: &mut World, bob: PhoneId, method: &str) -> Message {
    world.phone(bob).requests(method).pop().unwrap_or_else(|| panic!("no {method}")).clone()
}

fn transport_of(message: &Message) -> String {
    let via = String::from_utf8_lossy(message.header(Name::Via).unwrap()).into_owned();
    via.trim_start_matches("SIP/2.0/").split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_large_message_goes_over_tcp_to_the_port_of_the_telephone_and_a_small_one_does_not() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    world.phone(alice).write("bob", "hello");
    world.run(ms(100));
    assert_eq!(transport_of(&last(&mut world, bob, "MESSAGE")), "UDP");
    assert_eq!(world.outside.log, Vec::<String>::new());
    world.phone(alice).write("bob", &"x".repeat(1500));
    world.run(ms(100));
    let message = last(&mut world, bob, "MESSAGE");
    assert_eq!(transport_of(&message), "TCP");
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(200));
    assert_eq!(world.outside.log, ["connect TCP 198.51.100.11:5060 as 198.51.100.11"]);
    assert_eq!(world.exchange.stats().requests_moved_to_tcp, 1);
    assert_eq!(world.exchange.stats().requests_large_by_udp, 0);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_telephone_that_refuses_connections_gets_datagrams_and_is_not_tried_again_for_half_an_hour() {
    let (mut world, alice, bob) = world();
    for _ in 0..3 {
        world.phone(alice).write("bob", &"x".repeat(1500));
        world.run(ms(100));
    }
    assert_eq!(world.phone(bob).requests("MESSAGE").len(), 3);
    assert_eq!(transport_of(&last(&mut world, bob, "MESSAGE")), "UDP");
    assert_eq!(world.outside.log.len(), 1);
    assert_eq!(world.exchange.stats().requests_large_by_udp, 3);
    world.listen(bob, Transport::Tcp);
    world.run(secs(29 * 60));
    world.phone(bob).register();
    world.run(ms(500));
    world.phone(alice).write("bob", &"x".repeat(1500));
    world.run(ms(100));
    assert_eq!(world.outside.log.len(), 1);
    world.run(secs(2 * 60));
    world.phone(bob).register();
    world.run(ms(500));
    world.phone(alice).write("bob", &"x".repeat(1500));
    world.run(ms(100));
    assert_eq!(transport_of(&last(&mut world, bob, "MESSAGE")), "TCP");
}

#[test]
fn a_telephone_where_nobody_answers_the_connection_rings_half_a_second_later_and_once_only() {
    let (mut world, alice, bob) = world();
    world.outside.silent.insert("198.51.100.11:5060".parse().unwrap());
    let ticket = "t".repeat(1200);
    for (call, is_late) in [(1, true), (2, false), (3, false)] {
        world.phone(alice).dial_with("bob", |invite| invite.header_named(b"X-Ticket", &ticket));
        world.run(ms(400));
        assert_eq!(world.phone(bob).requests("INVITE").len() == call, !is_late, "call {call}");
        world.run(ms(200));
        assert_eq!(world.phone(bob).requests("INVITE").len(), call);
        world.phone(alice).cancel();
        world.run(secs(8));
    }
    assert_eq!(transport_of(&last(&mut world, bob, "INVITE")), "UDP");
    assert_eq!(world.outside.log.len(), 1);
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_that_began_over_tcp_for_its_size_goes_on_over_udp_when_the_connection_is_lost() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    world.begin();
    let ticket = "t".repeat(1200);
    world.phone(alice).dial_with("bob", |invite| invite.header_named(b"X-Ticket", &ticket));
    world.run(ms(300));
    let invite = last(&mut world, bob, "INVITE");
    assert_eq!(transport_of(&invite), "TCP");
    assert_eq!(invite.header(Name::Contact).unwrap(), b"<sip:ringback@192.0.2.1:5060;transport=tcp>");
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
    world.lose_stream(bob);
    world.run(secs(1));
    world.phone(alice).hang_up();
    world.settle();
    assert_eq!(transport_of(&last(&mut world, bob, "BYE")), "UDP");
    assert_eq!(world.exchange.stats().dialogs_reconnected, 1);
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Within a dialog a request has no next way to go: it leaves as a datagram, and is counted.
#[test]
fn a_large_request_within_a_dialog_stays_on_its_flow() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    world.connect(alice, bob);
    let before = world.exchange.stats().requests_large_by_udp;
    world.phone(alice).send_in_dialog(Method::Info, "text/plain", &"x".repeat(1400));
    world.run(ms(300));
    assert_eq!(transport_of(&last(&mut world, bob, "INFO")), "UDP", "{}", world.ladder());
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    assert_eq!(world.exchange.stats().requests_large_by_udp, before + 1);
    assert!(world.outside.log.is_empty(), "nobody is connected to: {:?}", world.outside.log);
}

#[test]
fn a_connection_that_is_closed_without_an_answer_costs_no_call_and_no_message() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    let text = "x".repeat(1500);
    world.phone(alice).write("bob", &text);
    // The connection is there and the message is on its way.
    world.run_until(secs(1), |world| world.exchange.stats().requests_moved_to_tcp == 1);
    world.lose_stream(bob);
    world.run(ms(200));
    assert_eq!(world.phone(bob).messages().pop(), Some(text.clone()));
    assert_eq!(transport_of(&last(&mut world, bob, "MESSAGE")), "UDP");
    assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(200));

    let ticket = "t".repeat(1200);
    world.phone(alice).dial_with("bob", |invite| invite.header_named(b"X-Ticket", &ticket));
    world.run(ms(300));
    assert_eq!(transport_of(&last(&mut world, bob, "INVITE")), "UDP", "it is remembered");
    assert_eq!(world.outside.log.len(), 1);
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_whose_connection_is_closed_before_an_answer_rings_over_udp() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    let ticket = "t".repeat(1200);
    world.phone(alice).dial_with("bob", |invite| invite.header_named(b"X-Ticket", &ticket));
    world.run_until(secs(1), |world| world.exchange.stats().requests_moved_to_tcp == 1);
    world.lose_stream(bob);
    world.run(ms(300));
    assert_eq!(transport_of(&last(&mut world, bob, "INVITE")), "UDP");
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_large_options_to_a_user_goes_over_tcp() {
    let (mut world, alice, bob) = world();
    world.listen(bob, Transport::Tcp);
    let request = world.phone(alice).request_outside(ringback_sip::message::Method::Options, "bob");
    let request = request.header_named(b"X-Ticket", "t".repeat(1200)).finish();
    world.phone(alice).send(request);
    world.run(ms(300));
    assert_eq!(transport_of(&last(&mut world, bob, "OPTIONS")), "TCP");
    assert_eq!(world.phone(alice).last_status("OPTIONS"), Some(200));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn nobody_is_connected_to_whose_contact_is_not_where_it_came_from() {
    for (contact, is_asked) in [
        ("<sip:bob@198.51.100.11:5060>;expires=600", true),
        ("<sip:bob@198.51.100.11>;expires=600", true),
        ("<sip:bob@198.51.100.11;transport=UDP>;expires=600", true),
        ("<sip:bob@10.0.0.7:5060>;expires=600", false),
        ("<sip:bob@198.51.100.11:5062>;expires=600", false),
        ("<sip:bob@bob.example>;expires=600", false),
        ("<sip:bob@198.51.100.11;maddr=198.51.100.99>;expires=600", false),
    ] {
        let mut world = World::new(1);
        let alice = world.jssip("alice");
        let bob = world.baresip("bob");
        world.phone(alice).register();
        world.phone(bob).send_register(contact);
        world.run(secs(1));
        world.phone(alice).write("bob", &"x".repeat(1500));
        world.run(secs(1));
        assert_eq!(world.phone(bob).requests("MESSAGE").len(), 1, "{contact}");
        assert_eq!(!world.outside.log.is_empty(), is_asked, "{contact}: {:?}", world.outside.log);
    }
}
