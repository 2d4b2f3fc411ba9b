//! INVITEs with Replaces (RFC 3891): a user goes on with its call on another phone, or answers there.

use ringback_sip::message::{Builder, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// Alice talks with Bob, who has a second phone; the ladder begins here.
fn two_of_bob(alice: Client, desk: Client, cell: Client) -> (World, [PhoneId; 3]) {
    let mut world = World::new(1);
    let phones = world.two_of_bob([alice, desk, cell]);
    (world, phones)
}

/// One phone asks for the call of another.
fn take(world: &mut World, newcomer: PhoneId, of: PhoneId) {
    let replaces = world.phone(of).replaces();
    world.phone(newcomer).dial_with("alice", |invite| replacing(invite, &replaces));
}

fn replacing(invite: Builder, replaces: &str) -> Builder {
    invite.header(Name::Replaces, replaces).header(Name::Require, "replaces")
}

fn finish(world: &mut World, who: PhoneId) {
    world.phone(who).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_user_goes_on_at_another_phone() {
    for (alice, desk, cell) in [
        (Client::JsSip, Client::Baresip, Client::JsSip),
        (Client::Baresip, Client::JsSip, Client::SipJs),
        (Client::SipJs, Client::SipJs, Client::Baresip),
    ] {
        let (mut world, [caller, old, new]) = two_of_bob(alice, desk, cell);
        take(&mut world, new, old);
        world.run(secs(1));
        assert!(world.phone(new).is_up(), "{}", world.ladder());
        let supported = world.phone(new).last_header("INVITE", Name::Supported).unwrap();
        assert!(supported.contains("replaces"), "{supported}");
        assert!(world.phone(old).is_idle() && world.phone(caller).is_up());
        assert_eq!(world.media.hears("alice"), ["cell"]);
        for label in ["alice", "cell"] {
            let settings = world.media.settings_of(label);
            assert!(settings.sends && settings.receives, "{label}");
        }
        assert_eq!(world.phone(caller).requests("INVITE").len(), 1, "she is told once");
        finish(&mut world, new);
        assert_eq!(world.cdrs.len(), 2);
        if cell == Client::JsSip {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// Without an offer in its INVITE.
#[test]
fn a_newcomer_with_a_late_offer() {
    let (mut world, [alice, desk, cell]) = two_of_bob(Client::JsSip, Client::Baresip, Client::Baresip);
    let replaces = world.phone(desk).replaces();
    let invite = world.phone(cell).invite_request("alice");
    let invite = replacing(invite, &replaces).finish();
    world.phone(cell).place(invite);
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["cell"], "{}", world.ladder());
    assert!(world.phone(desk).is_idle());
    finish(&mut world, alice);
}

/// A phone that rings, and another one of the same user on which the call is taken.
#[test]
fn a_ringing_call_is_taken_at_another_phone() {
    for is_late in [false, true] {
        let mut world = World::new(1);
        let (alice, desk) = (world.baresip("alice"), world.baresip("bob"));
        let cell = world.add("bob", "cell", Client::Baresip);
        for id in [alice, desk] {
            world.phone(id).register();
        }
        world.run(secs(1));
        world.begin();
        if is_late {
            world.phone(alice).dial_late("bob");
        } else {
            world.phone(alice).dial("bob");
        }
        world.run(ms(500));
        let replaces = format!("{};early-only", world.phone(desk).replaces());
        world.phone(cell).dial_with("alice", |invite| replacing(invite, &replaces));
        world.run(secs(1));
        assert!(world.phone(cell).is_up() && world.phone(alice).is_up(), "{}", world.ladder());
        let cancel = world.phone(desk).requests("CANCEL").pop().expect("it rings no more");
        assert!(String::from_utf8_lossy(cancel.header(Name::Reason).unwrap()).contains("cause=200"));
        assert_eq!(world.media.hears("alice"), ["cell"]);
        finish(&mut world, cell);
        assert!(world.record().contains("by bob"), "{}", world.record());
        if !is_late {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn what_cannot_be_taken_is_refused_as_the_rfc_says() {
    let (mut world, [alice, desk, cell]) = two_of_bob(Client::JsSip, Client::Baresip, Client::Baresip);
    let mallory = world.baresip("mallory");
    world.phone(mallory).register();
    world.run(secs(1));
    let right = world.phone(desk).replaces();
    let of_alice = world.phone(alice).replaces();
    let cases = [
        (cell, "abc;to-tag=1;from-tag=2".to_owned(), 481),
        (cell, "abc".to_owned(), 400),
        (cell, format!("{right};early-only"), 486),
        (cell, of_alice, 403),
        (mallory, right.clone(), 403),
    ];
    let count = cases.len() as u64;
    for (who, replaces, status) in cases {
        world.phone(who).dial_with("alice", |invite| replacing(invite, &replaces));
        world.run(secs(1));
        assert_eq!(world.phone(who).last_failure(), Some(status), "{replaces}");
    }
    world.phone(cell).dial_with("alice", |invite| replacing(invite, &right).header(Name::Join, &right));
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(400));
    // What is wrong with the INVITE itself is said as of any other.
    world
        .phone(cell)
        .dial_with("alice", |invite| replacing(invite, &right).header(Name::Require, "levitation"));
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(420));
    assert_eq!(world.phone(cell).last_header("INVITE", Name::Unsupported).as_deref(), Some("levitation"));
    assert!(world.phone(cell).last_header("INVITE", Name::Warning).is_some());
    assert_eq!(world.exchange.stats().takeovers_refused, count + 2);
    assert_eq!(world.media.hears("alice"), ["desk"]);
    assert!(world.phone(alice).heard.is_empty());
    // A call that has just ended.
    world.phone(desk).manners.is_deaf = true;
    world.phone(alice).hang_up();
    world.run(ms(15));
    world.phone(cell).dial_with("alice", |invite| replacing(invite, &right));
    world.run(secs(1));
    assert!(matches!(world.phone(cell).last_failure(), Some(481 | 603)));
}

/// The far end does not take the newcomer's codecs, or the newcomer changes its mind: the call is as it was.
#[test]
fn a_newcomer_that_does_not_come_in() {
    let (mut world, [alice, desk, cell]) = two_of_bob(Client::JsSip, Client::Baresip, Client::Baresip);
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(488);
    take(&mut world, cell, desk);
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(488));
    assert_eq!(world.media.hears("alice"), ["desk"]);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    take(&mut world, cell, desk);
    world.run(ms(100));
    world.phone(cell).cancel();
    world.run(secs(1));
    assert_eq!(world.phone(cell).last_failure(), Some(487));
    assert!(world.phone(cell).is_idle());
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.phone(alice).accept_ignored();
    world.run(secs(5));
    assert_eq!(world.media.hears("alice"), ["desk"]);
    assert!(world.phone(alice).is_up() && world.phone(desk).is_up());
    finish(&mut world, desk);
}

/// The replaced phone hangs up by itself while the other one comes in.
#[test]
fn a_replaced_phone_that_hangs_up_first() {
    let (mut world, [alice, desk, cell]) = two_of_bob(Client::Baresip, Client::Baresip, Client::Baresip);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    take(&mut world, cell, desk);
    world.run(ms(100));
    world.phone(desk).hang_up();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    world.phone(alice).accept_ignored();
    world.run(secs(1));
    assert!(world.phone(cell).is_up());
    assert_eq!(world.media.hears("alice"), ["cell"], "{}", world.ladder());
    finish(&mut world, alice);
}
