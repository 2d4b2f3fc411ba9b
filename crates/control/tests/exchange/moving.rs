//! Devices that come back over another connection, or from another address.

use ringback_control::Event;
use ringback_sip::message::{Method, Name};

use crate::kit::{Client, World, ms, secs};

/// Three of four browser clients keep their call across a dropped socket (INTEROP rule 3).
#[test]
fn a_browser_that_signs_in_again_keeps_its_call() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.disconnect(alice);
    world.run(secs(2));
    assert!(world.phone(bob).is_up());
    world.reconnect(alice);
    world.phone(alice).register();
    world.run(secs(1));
    assert_eq!(world.exchange.stats().dialogs_moved, 1);
    world.phone(bob).hold();
    world.run(secs(1));
    assert_eq!(
        world.phone(bob).last_status("INVITE"),
        Some(200),
        "requests reach it over the new connection"
    );
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// SIP.js as in ctxSip reconnects and sends its BYE at once.
#[test]
fn a_bye_over_a_new_connection_from_the_same_address() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::SipJs);
    world.disconnect(bob);
    world.run(secs(2));
    world.reconnect(bob);
    world.phone(bob).hang_up();
    world.settle();
    assert!(world.phone(alice).is_idle());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Who knows the dialog and comes from elsewhere is a phone that changed its network, or a thief: it is asked.
#[test]
fn a_request_from_another_address_is_challenged() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.reconnect_from(alice, "198.51.100.77:40000".parse().unwrap());
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
    assert_eq!(world.exchange.stats().dialogs_challenged, 2, "once without credentials and once with them");
    world.begin();
    world.phone(bob).hang_up();
    world.settle();
    assert!(world.phone(alice).is_idle(), "the BYE went where it is: {}", world.ladder());
    world.assert_nothing_is_left();
}

#[test]
fn the_credentials_of_somebody_else_are_of_no_use_there() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    let mallory = world.baresip("mallory");
    let dialog = world.phone(alice).call.as_ref().unwrap().dialog.clone().unwrap();
    let flow = world.phone(mallory).flow;
    let mut stolen = dialog.clone();
    stolen.flow = flow;
    let bye = stolen.request(Method::Bye, b"z9hG4bKstolen", b"198.51.100.12:5060").finish();
    world.phone(mallory).send(bye);
    world.run(secs(1));
    assert_eq!(world.phone(mallory).statuses("BYE"), [407, 403]);
    world.phone(mallory).password = "guess".to_owned();
    let bye = stolen.request(Method::Bye, b"z9hG4bKstolen2", b"198.51.100.12:5060").finish();
    world.phone(mallory).send(bye);
    world.run(secs(1));
    assert_eq!(world.phone(mallory).statuses("BYE")[2..], [407, 407]);
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
}

/// A telephone behind a NAT box whose port changes.
#[test]
fn a_telephone_whose_port_changes() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.reconnect_from(bob, "198.51.100.11:31000".parse().unwrap());
    world.phone(bob).hold();
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(200), "the same address needs no credentials");
    let address = world.phone(bob).flow.local();
    let counts_as_signed_in =
        |event: &Event| matches!(event, Event::Authenticated { flow } if flow.remote() == address);
    assert!(
        world.events.iter().any(counts_as_signed_in),
        "the connection must outlive limits.sign_in_seconds"
    );
    world.phone(bob).says.direction = "sendrecv";
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200), "and is reached there");
    world.phone(alice).hang_up();
    world.settle();
    assert!(world.phone(bob).is_idle());
    world.assert_nothing_is_left();
}

/// Two lines on one connection: one that moves does not take the other along.
#[test]
fn only_the_dialogs_of_the_device_move() {
    let mut world = World::new(1);
    let (alice, bob, carol) = (world.jssip("alice"), world.baresip("bob"), world.jssip("carol"));
    world.register_all();
    world.connect(bob, alice);
    // Carol's device is on Alice's connection, and then it is on its own again.
    world.phone(alice).register_as("carol");
    world.run(secs(1));
    world.phone(carol).register();
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_status("REGISTER"), Some(200));
    assert_eq!(world.exchange.stats().dialogs_moved, 0);
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn the_response_to_a_request_goes_where_it_came_from() {
    let (mut world, alice, _bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let response = world.phone(alice).responses("INVITE").pop().unwrap();
    let via = response.via().unwrap();
    assert_eq!(via.port, None, "INTEROP rule 5: nothing is added to sent-by");
    assert_eq!(via.received(), Some("203.0.113.10".parse().unwrap()));
    assert_eq!(
        response.header(Name::Via).unwrap().split(|b| *b == b';').next(),
        Some(&b"SIP/2.0/WSS df7jal23ls0d.invalid"[..])
    );
}
