//! INFO, MESSAGE, OPTIONS and what else comes within a dialog.

use ringback_sip::message::{Method, Name};

use crate::kit::{Client, World, ms, secs};

#[test]
fn keys_by_info_are_pressed_for_a_telephone_as_events() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    for (content_type, body) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=100"),
        ("application/dtmf-relay", "Signal= 6\r\nDuration= 100"),
        ("application/dtmf-relay", "Duration=250\r\nSignal=#\r\n"),
        ("application/dtmf", "7"),
    ] {
        world.phone(alice).send_in_dialog(Method::Info, content_type, body);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    }
    assert!(world.phone(bob).requests("INFO").is_empty());
    let pressed: Vec<&str> =
        world.media.log.iter().filter(|line| line.contains("key")).map(String::as_str).collect();
    assert_eq!(pressed, ["5", "6", "#", "7"].map(|key| format!("bob hears the key {key} as 126")));
    // A page is told by INFO.
    world.phone(bob).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=D\r\n");
    world.run(ms(100));
    assert_eq!(world.keys_pressed(), [(true, '5'), (true, '6'), (true, '#'), (true, '7'), (false, 'D')]);
    assert_eq!(world.phone(alice).requests("INFO").pop().unwrap().body(), b"Signal=D\r\n");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn keys_by_info_are_passed_on_to_who_has_no_events() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    let body = "Signal= 6\r\nDuration= 100";
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", body);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    let passed = world.phone(bob).requests("INFO").pop().unwrap();
    assert_eq!(passed.header(Name::ContentType), Some(&b"application/dtmf-relay"[..]));
    assert_eq!(passed.body(), body.as_bytes());
}

/// A telephone that does not want to receive would not hear it.
#[test]
fn keys_by_info_are_passed_on_to_a_telephone_that_holds() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).hold();
    world.run(secs(1));
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=1");
    world.run(ms(100));
    assert_eq!(world.phone(bob).requests("INFO").len(), 1);
    assert!(world.media.log.iter().all(|line| !line.contains("key")));
}

#[test]
fn what_the_other_side_says_of_an_info_comes_back() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    world.phone(bob).manners.on_info = Some(415);
    world.phone(alice).send_in_dialog(Method::Info, "application/media_control+xml", "<xml/>");
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(415));
    assert!(world.phone(alice).is_up());
}

/// INTEROP rule 15: a client may never answer a MESSAGE; the call goes on.
#[test]
fn a_message_that_is_never_answered_does_not_end_the_call() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    world.phone(bob).manners.on_info = None;
    world.phone(alice).send_in_dialog(Method::Message, "text/plain;charset=utf-8", "hällo");
    world.run(secs(40));
    let passed = world.phone(bob).requests("MESSAGE").pop().unwrap();
    assert_eq!(passed.body(), "hällo".as_bytes());
    assert_eq!(passed.header(Name::ContentLength), Some(&b"6"[..]), "bytes, not letters");
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
}

#[test]
fn an_info_to_the_echo_is_answered_here() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    world.phone(alice).dial("echo");
    world.run(secs(1));
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\n");
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(200));
    assert_eq!(world.exchange.stats().dtmf_by_info, 1);
}

#[test]
fn headers_that_name_a_hop_or_an_identity_do_not_pass() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let info = world
        .phone(alice)
        .in_dialog(Method::Info)
        .header(Name::PAssertedIdentity, "<sip:boss@example.org>")
        .header(Name::RemotePartyId, "<sip:boss@example.org>")
        .header(Name::Diversion, "<sip:boss@example.org>")
        .header_named(b"Info-Package", "trace")
        .header_named(b"X-Ticket", "42")
        .header_named(b"x-ringback-node", "evil")
        .body(b"text/plain", b"x")
        .finish();
    world.phone(alice).send(info);
    world.run(ms(100));
    let passed = world.phone(bob).requests("INFO").pop().unwrap();
    let text = String::from_utf8_lossy(passed.bytes()).into_owned();
    assert!(!text.contains("boss") && !text.contains("evil"), "{text}");
    assert!(text.contains("X-Ticket: 42\r\n") && text.contains("Info-Package: trace\r\n"), "{text}");
}

#[test]
fn options_within_a_dialog_is_answered_here() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(alice).send_in_dialog(Method::Options, "", "");
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("OPTIONS"), Some(200));
    assert!(world.phone(bob).requests("OPTIONS").is_empty());
}

#[test]
fn a_481_from_the_other_side_ends_the_call() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    // The page was reloaded: it knows of no call.
    world.phone(bob).call = None;
    world.phone(alice).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\n");
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_method_that_is_not_ours_is_refused() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(alice).send_in_dialog(Method::Publish, "", "");
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("PUBLISH"), Some(405));
    let allow = world.phone(alice).last_header("PUBLISH", Name::Allow).unwrap();
    assert!(allow.contains("UPDATE") && !allow.contains("PUBLISH"), "{allow}");
    assert!(world.phone(bob).requests("PUBLISH").is_empty());
}

#[test]
fn an_option_that_is_not_ours_is_refused() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let info = world
        .phone(alice)
        .in_dialog(Method::Info)
        .header(Name::Require, "timer, teleport, precondition")
        .finish();
    world.phone(alice).send(info);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INFO"), Some(420));
    assert_eq!(
        world.phone(alice).last_header("INFO", Name::Unsupported).as_deref(),
        Some("teleport, precondition")
    );
    assert!(world.phone(bob).requests("INFO").is_empty());
}

#[test]
fn a_request_that_was_overtaken_is_refused() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    let first = world.phone(alice).in_dialog(Method::Info).body(b"text/plain", b"1").finish();
    let second = world.phone(alice).in_dialog(Method::Info).body(b"text/plain", b"2").finish();
    for message in [second, first] {
        world.phone(alice).send(message);
        world.run(ms(100));
    }
    assert_eq!(world.phone(alice).statuses("INFO"), [200, 500]);
    assert!(world.phone(alice).last_header("INFO", Name::RetryAfter).is_some());
    assert_eq!(world.phone(bob).requests("INFO").len(), 1);
}

#[test]
fn a_request_in_no_dialog_of_ours_leaves_nothing_behind() {
    let (mut world, alice, _bob) = World::talking(Client::Baresip, Client::Baresip);
    world.run(secs(60));
    let before = world.exchange.under_way();
    let bye = world.phone(alice).in_dialog(Method::Bye).finish();
    for tag in ["made-up", "400.1", "0.0", "ffffffffffffffff.ffffffffffffffff"] {
        let mut edit = bye.edit();
        let to = format!("<sip:bob@192.0.2.1>;tag={tag}");
        edit.replace(Name::To, to.as_bytes());
        let via = world.phone(alice).new_via();
        edit.replace(Name::Via, via.as_bytes());
        let bye = edit.finish();
        world.send_past(alice, &bye);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("BYE"), Some(481), "{tag}");
    }
    assert_eq!(world.exchange.under_way(), before, "stateless");
    assert_eq!(world.exchange.stats().requests_outside_dialog, 4);
    assert!(world.phone(alice).is_up());
}

#[test]
fn an_update_in_the_early_dialog_is_answered_here() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::JsSip);
    world.phone(alice).dial("bob");
    world.run(ms(200));
    for (id, crossed) in [(alice, 500), (bob, 491)] {
        let update = world.phone(id).in_dialog(Method::Update).header(Name::SessionExpires, "90").finish();
        world.phone(id).send(update);
        world.run(ms(100));
        assert_eq!(world.phone(id).last_status("UPDATE"), Some(200));
        // An offer before the first is answered is out of place (RFC 3311 §5.2): his own, or ours.
        world.phone(id).send_in_dialog(Method::Update, "application/sdp", "v=0\r\n");
        world.run(ms(100));
        assert_eq!(world.phone(id).last_status("UPDATE"), Some(crossed));
        world.phone(id).send_in_dialog(Method::Info, "application/dtmf-relay", "Signal=5\r\n");
        world.run(ms(100));
        assert_eq!(world.phone(id).last_status("INFO"), Some(480));
    }
    world.phone(bob).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// RFC 3261 §15: a callee must not; the call goes on ringing.
#[test]
fn a_callee_that_says_bye_before_it_answers_is_refused() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(200));
    let bye = world.phone(bob).in_dialog(Method::Bye).finish();
    world.send_past(bob, &bye);
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_status("BYE"), Some(481));
    world.phone(bob).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
}
