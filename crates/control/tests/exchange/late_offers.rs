//! INVITEs without an offer, and offers in unusual clothes.

use ringback_control::Medium;
use ringback_sip::message::{Method, Name};

use crate::kit::{Client, World, ms, secs};

#[test]
fn to_the_echo() {
    for client in [Client::Baresip, Client::JsSip] {
        let mut world = World::new(1);
        let alice = world.add("alice", "alice", client);
        world.register_all();
        world.phone(alice).dial_late("echo");
        world.run(secs(1));
        assert!(world.phone(alice).is_up());
        let leg = world.media.leg_of("alice");
        assert_eq!(world.media.legs[&leg].peer, Some(leg), "{}", world.ladder());
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        if client == Client::Baresip {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn to_a_user() {
    for (from, to) in [(Client::Baresip, Client::JsSip), (Client::JsSip, Client::Baresip)] {
        let (mut world, alice, bob) = World::pair(from, to);
        world.phone(alice).dial_late("bob");
        world.run(ms(300));
        // An answer in a 183 has nobody to go to yet.
        world.phone(bob).ring_with_media();
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(180));
        world.phone(bob).answer();
        world.run(secs(1));
        assert!(world.phone(alice).is_up());
        for label in ["alice", "bob"] {
            let settings = world.media.settings_of(label);
            assert!(settings.sends && settings.receives, "{label}");
        }
        // Who took fewer codecs than the other was offered has the last word.
        let codecs = ["alice", "bob"].map(|label| world.media.settings_of(label).codec.clone());
        assert_eq!(codecs[0], codecs[1], "{}", world.ladder());
        assert_eq!(world.phone(bob).requests("INVITE").len(), if to == Client::JsSip { 2 } else { 1 });
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        if from == Client::Baresip {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn an_ack_without_a_usable_answer_ends_the_call() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.acknowledges = false;
    world.phone(alice).dial_late("bob");
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(ms(100));
    let phone = world.phone(alice);
    let branch = phone.new_via();
    let number = phone.call.as_ref().unwrap().invite.cseq().unwrap().number;
    let dialog = phone.call.as_ref().unwrap().dialog.clone().unwrap();
    let ack = dialog.ack(number, b"z9hG4bKown", b"198.51.100.10:5060").finish();
    drop(branch);
    world.send_past(alice, &ack);
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().late_answers_refused, 1);
    assert_eq!(world.cdrs[0].reason, "the ACK had no usable answer");
}

#[test]
fn an_offer_in_a_multipart() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let says = world.phone(alice).says.clone();
    let offer = Client::Baresip.offer(&says);
    let body = format!(
        "--b\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{offer}\r\n--b--\r\n"
    );
    world.phone(alice).dial_with_body("bob", "multipart/mixed;boundary=b", &body);
    world.run(ms(300));
    let passed = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(passed.header(Name::ContentType), Some(&b"application/sdp"[..]));
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    assert_eq!(world.media.settings_of("alice").codec, "PCMA");
}

#[test]
fn a_body_that_may_be_passed_over() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let invite = world
        .phone(alice)
        .invite_request("bob")
        .header(Name::ContentDisposition, "render;handling=optional")
        .body(b"text/plain", b"hello")
        .finish();
    world.phone(alice).send(invite);
    world.run(ms(300));
    let passed = world.phone(bob).requests("INVITE").pop().expect("it is called");
    assert!(String::from_utf8_lossy(passed.body()).contains("opus"), "an offer of our own");
}

/// The offer tells what the caller speaks, whatever it is connected by.
#[test]
fn a_telephone_over_udp_that_speaks_webrtc() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
    let says = world.phone(alice).says.clone();
    let offer = Client::JsSip.offer(&says);
    world.phone(alice).dial_with_body("bob", "application/sdp", &offer);
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    assert_eq!(world.media.legs[&world.media.leg_of("alice")].medium, Medium::WebRtc);
    assert_eq!(world.media.legs[&world.media.leg_of("bob")].medium, Medium::Rtp);
    world.phone(alice).hang_up();
    world.settle();
    assert!(world.record().contains("alice (UDP WebRTC) and bob (UDP RTP)"), "{}", world.record());
}

/// An UPDATE whose body may be passed over is a refresh; it has no ACK that could bring an answer.
#[test]
fn an_update_with_nothing_to_say() {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    let update = world
        .phone(alice)
        .in_dialog(Method::Update)
        .header(Name::ContentDisposition, "render;handling=optional")
        .body(b"text/plain", b"hello")
        .finish();
    world.phone(alice).send(update);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("UPDATE"), Some(200));
    world.phone(alice).hold();
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200), "nothing is left under way");
}

/// Both ends are reliable, and the caller answers before the callee has said anything, or after it. Our INVITE to the
/// callee has an offer whatever the caller's had, so what the callee sends reliably is an answer, and our PRACK has
/// nothing to say (RFC 3262 §5).
#[test]
fn both_ends_are_reliable_and_the_caller_answers_before_or_after_the_callee() {
    for is_before in [true, false] {
        let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
        world.phone(alice).manners.reliability = Some(Name::Require);
        world.phone(alice).manners.pracks = false;
        world.phone(bob).manners.rings = false;
        world.phone(alice).dial_late("bob");
        world.run(ms(100));
        world.phone(bob).ring();
        world.run(ms(100));
        let ringing = world.phone(alice).responses("INVITE").pop().unwrap().clone();
        let rseq = String::from_utf8_lossy(ringing.header(Name::RSeq).unwrap()).into_owned();
        let number = ringing.cseq().unwrap().number;
        let acknowledge = |world: &mut World| {
            let phone = world.phone(alice);
            let answer = phone.client.answer(ringing.body(), &phone.says.clone());
            let prack = phone.in_dialog(Method::Prack).header(Name::Rack, format!("{rseq} {number} INVITE"));
            phone.send(prack.body(b"application/sdp", answer.as_bytes()).finish());
            world.run(ms(100));
        };
        if is_before {
            acknowledge(&mut world);
        }
        world.phone(bob).ring_reliably(183, true);
        world.run(ms(100));
        assert!(!world.phone(bob).awaits_prack(), "ours does not wait for the caller's");
        if !is_before {
            acknowledge(&mut world);
        }
        world.phone(alice).manners.pracks = true;
        assert_eq!(world.phone(alice).last_status("PRACK"), Some(200));
        let pracks: Vec<usize> =
            world.phone(bob).requests("PRACK").into_iter().map(|prack| prack.body().len()).collect();
        assert_eq!(pracks, [0], "it has nothing to say");
        world.phone(bob).answer_without_session();
        world.run(ms(500));
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
        let codecs = ["alice", "bob"].map(|label| world.media.settings_of(label).codec.clone());
        assert_eq!(codecs[0], codecs[1], "{}", world.ladder());
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        let name = if is_before { "reliable_both_ways_before" } else { "reliable_both_ways_after" };
        insta::assert_snapshot!(name, world.story());
    }
}
