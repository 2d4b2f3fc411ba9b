//! Somebody else takes a call that rings.

use ringback_control::Features;
use ringback_sip::message::Name;

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice calls Bob; Carol is of Bob's group, Dave is not.
fn world(alice: Client, carol: Client) -> (World, [PhoneId; 4]) {
    let mut world = World::new(1);
    let alice = world.add("alice", "alice", alice);
    let bob = world.baresip("bob");
    let carol = world.add("carol", "carol", carol);
    let dave = world.baresip("dave");
    world.register_all();
    for user in ["bob", "carol"] {
        world
            .exchange
            .set_features(user, Features { group: Some("sales".to_owned()), ..Features::default() });
    }
    world.phone(alice).dial("bob");
    world.run(ms(500));
    (world, [alice, bob, carol, dave])
}

#[test]
fn a_call_of_the_group_is_picked_up() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.phone(carol).dial("*8");
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up());
    let cancel = world.phone(bob).requests("CANCEL").pop().expect("it stops ringing");
    assert_eq!(cancel.header(Name::Reason), Some(&b"SIP;cause=200;text=\"Call completed elsewhere\""[..]));
    assert_eq!(world.media.legs[&world.media.leg_of("carol")].peer, Some(world.media.leg_of("alice")));
    world.phone(carol).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn every_pairing_of_phones_can() {
    for alice in [Client::JsSip, Client::Baresip] {
        for carol in [Client::SipJs, Client::Baresip] {
            let (mut world, [alice, _, carol, _]) = world(alice, carol);
            world.phone(carol).dial("*8bob");
            world.run(secs(1));
            assert!(world.phone(alice).is_up() && world.phone(carol).is_up(), "{}", world.ladder());
            for label in ["alice", "carol"] {
                assert!(world.media.settings_of(label).sends && world.media.settings_of(label).receives);
            }
            world.phone(alice).hang_up();
            world.settle();
            world.assert_nothing_is_left();
        }
    }
}

#[test]
fn hold_and_resume_after_a_pickup() {
    let (mut world, [alice, _, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.phone(carol).dial("*8");
    world.run(secs(1));
    world.phone(carol).hold();
    world.run(secs(1));
    assert!(!world.media.settings_of("alice").sends || !world.media.settings_of("carol").receives);
    world.phone(carol).resume();
    world.run(secs(1));
    assert!(world.media.settings_of("alice").receives && world.media.settings_of("carol").receives);
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn nobody_outside_the_group_picks_up() {
    let (mut world, [alice, bob, _, dave]) = world(Client::JsSip, Client::Baresip);
    for code in ["*8", "*8bob", "*8nobody"] {
        world.phone(dave).dial(code);
        world.run(secs(1));
        assert_eq!(world.phone(dave).last_failure(), Some(404), "{code}");
    }
    assert!(world.phone(bob).is_ringing());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

/// Bob at another phone of his own, without any group.
#[test]
fn ones_own_call_is_picked_up_at_another_phone() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::SipJs);
    world.register_all();
    world.phone(page).manners.is_deaf = true;
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(page).manners.is_deaf = false;
    world.phone(page).call = None;
    world.phone(page).dial("*8bob");
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(page).is_up() && !world.phone(desk).is_ringing());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_without_an_offer_is_picked_up_too() {
    let mut world = World::new(1);
    let (alice, bob, carol) = (world.baresip("alice"), world.baresip("bob"), world.jssip("carol"));
    world.register_all();
    for user in ["bob", "carol"] {
        world
            .exchange
            .set_features(user, Features { group: Some("sales".to_owned()), ..Features::default() });
    }
    world.phone(alice).dial_late("bob");
    world.run(ms(500));
    world.phone(carol).dial("*8");
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up(), "{}", world.ladder());
    assert!(!world.phone(bob).is_ringing());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_phone_that_offers_nothing_picks_up_too() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.phone(carol).dial_late("*8");
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up(), "{}", world.ladder());
    assert!(!world.phone(bob).is_ringing());
    for label in ["alice", "carol"] {
        assert!(world.media.settings_of(label).sends && world.media.settings_of(label).receives);
    }
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// There would be nothing that either could be answered with.
#[test]
fn a_caller_without_an_offer_is_not_picked_up_without_one() {
    let (mut world, [alice, bob, carol, _]) = world(Client::Baresip, Client::Baresip);
    world.phone(alice).cancel();
    world.run(secs(1));
    world.phone(alice).dial_late("bob");
    world.run(ms(500));
    world.phone(carol).dial_late("*8");
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(488));
    assert!(world.phone(bob).is_ringing());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

/// One of Bob's phones sends the caller to Dave while Carol's media opens; the leg for Dave opens after hers.
#[test]
fn a_branch_that_is_being_opened_does_not_hold_up_a_pickup() {
    let (mut world, [alice, bob, carol, dave]) = world(Client::JsSip, Client::Baresip);
    world.phone(alice).cancel();
    let page = world.add("bob", "page", Client::SipJs);
    world.phone(page).register();
    world.run(secs(1));
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.media.slow = ms(500);
    world.phone(carol).dial("*8bob");
    world.run(ms(200));
    world.phone(bob).redirect("<sip:dave@192.0.2.1>");
    world.run(ms(400));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up(), "{}", world.ladder());
    world.run(secs(1));
    assert!(!world.phone(page).is_ringing() && world.phone(dave).requests("INVITE").is_empty());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// While a pickup is under way there is nothing left to pick up.
#[test]
fn two_who_pick_up_at_once_are_served_one_by_one() {
    let (mut world, [alice, bob, carol, dave]) = world(Client::JsSip, Client::Baresip);
    world.exchange.set_features("dave", Features { group: Some("sales".to_owned()), ..Features::default() });
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(dave).dial("*8");
    world.run(secs(2));
    assert_eq!(world.phone(dave).last_failure(), Some(404));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up() && !world.phone(bob).is_ringing());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// The media worker is slow, and Bob picks up in the meantime.
#[test]
fn who_picks_up_too_late_is_told_so() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    assert_eq!(world.phone(carol).last_failure(), Some(480));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_that_gives_up_meanwhile_ends_the_pickup() {
    let (mut world, [alice, _, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(alice).cancel();
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(480));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_pickup_that_is_cancelled_leaves_the_call_ringing() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(carol).cancel();
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(487));
    assert!(world.phone(bob).is_ringing());
    world.phone(bob).answer();
    world.run(secs(2));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// Bob refuses while Carol's media opens: the call waits for Carol.
#[test]
fn a_refusal_meanwhile_does_not_take_the_call_away() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(bob).refuse(486);
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(carol).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_pickup_that_gets_no_media_leaves_the_call_ringing() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.refuses = Some("no port is free".to_owned());
    world.phone(carol).dial("*8");
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(503));
    assert!(world.phone(bob).is_ringing());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

/// Bob refuses while Carol's media opens, and it does not: there is nobody left for Alice to wait for.
#[test]
fn a_call_that_only_a_pickup_kept_ends_with_it() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.media.refuses = Some("no port is free".to_owned());
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(bob).refuse(486);
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(503));
    assert_eq!(world.phone(alice).last_failure(), Some(486));
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_that_only_a_cancelled_pickup_kept_ends_with_it() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(bob).refuse(486);
    world.run(ms(100));
    world.phone(carol).cancel();
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(487));
    assert_eq!(world.phone(alice).last_failure(), Some(486));
    world.settle();
    world.assert_nothing_is_left();
}
