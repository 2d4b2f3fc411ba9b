//! A call from one kind of phone to another, in every combination, and the echo.

use ringback_control::Medium;

use crate::kit::{Client, World, ms, secs};

/// Alice calls Bob, who answers, talks for ten seconds and hangs up.
fn call(from: Client, to: Client) -> World {
    let (mut world, alice, bob) = World::pair(from, to);
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(secs(10));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    for (label, client) in [("alice", from), ("bob", to)] {
        let leg = &world.media.legs[&world.media.leg_of(label)];
        assert_eq!(leg.medium, if client.is_browser() { Medium::WebRtc } else { Medium::Rtp });
        let settings = leg.settings.as_ref().expect("it is configured");
        assert!(settings.sends && settings.receives);
        assert_eq!(settings.ice.is_some(), client.is_browser());
        assert_eq!(settings.remote.is_some(), !client.is_browser());
        let peer = leg.peer.expect("it is joined");
        assert_ne!(world.media.legs[&peer].label, label, "each hears the other");
    }
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    world
}

#[test]
fn a_browser_calls_a_telephone() {
    insta::assert_snapshot!(call(Client::JsSip, Client::Baresip).story());
}

#[test]
fn a_telephone_calls_a_browser() {
    insta::assert_snapshot!(call(Client::Baresip, Client::SipJs).story());
}

#[test]
fn a_browser_calls_a_browser() {
    insta::assert_snapshot!(call(Client::SipJs, Client::JsSip).story());
}

#[test]
fn a_telephone_calls_a_telephone() {
    insta::assert_snapshot!(call(Client::Baresip, Client::Baresip).story());
}

#[test]
fn each_leg_has_a_dialog_of_its_own() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let alices = world.phone(alice).call.as_ref().unwrap().dialog.clone().unwrap();
    let bobs = world.phone(bob).call.as_ref().unwrap().dialog.clone().unwrap();
    assert_ne!(alices.id.call_id, bobs.id.call_id);
    assert_ne!(alices.id.remote_tag, bobs.id.remote_tag);
    assert_eq!(bobs.remote_uri, "sip:alice@192.0.2.1", "the caller as the callee can dial it back");
}

#[test]
fn a_browser_calls_the_echo() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    world.phone(alice).dial("echo");
    world.run(secs(2));
    let leg = world.media.leg_of("alice");
    assert_eq!(world.media.legs[&leg].peer, Some(leg));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn the_echo_has_a_number_that_a_telephone_can_dial() {
    for number in ["*43", "%2A43"] {
        let mut world = World::new(1);
        let alice = world.baresip("alice");
        world.register_all();
        world.phone(alice).dial(number);
        world.run(secs(1));
        assert!(world.phone(alice).is_up(), "{number}");
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(
            world.record(),
            "alice -> *43: 200, answered 0.000 by the exchange, ended 0.980 by caller (the caller hung up), \
             codec PCMA, legs alice (UDP RTP)"
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_messages() {
    let (one, two) = (call(Client::JsSip, Client::Baresip), call(Client::JsSip, Client::Baresip));
    assert_eq!(one.story(), two.story());
    assert_eq!(one.cdrs[0].id, two.cdrs[0].id);
    assert_eq!(one.cdrs[0].legs[1].call_id, two.cdrs[0].legs[1].call_id);
}
