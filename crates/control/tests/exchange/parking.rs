//! A call that waits in silence for somebody to pick it up.

use ringback_control::Features;
use ringback_sip::message::Name;

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice has called Bob and they talk; Carol is of Bob's group, Dave is not.
fn world(alice: Client, carol: Client) -> (World, [PhoneId; 4]) {
    let mut world = World::new(1);
    let ids = [("alice", alice), ("bob", Client::Baresip), ("carol", carol), ("dave", Client::Baresip)]
        .map(|(name, client)| world.add(name, name, client));
    world.register_all();
    for user in ["bob", "carol"] {
        let group = Some("sales".to_owned());
        world.exchange.set_features(user, Features { group, ..Features::default() });
    }
    world.connect(ids[0], ids[1]);
    (world, ids)
}

fn park(world: &mut World, who: PhoneId, code: &str) {
    world.phone(who).refer(code);
    world.run(secs(1));
    assert_eq!(world.phone(who).told().last().unwrap(), "SIP/2.0 200 OK", "{}", world.ladder());
    assert!(world.phone(who).is_idle());
}

fn finish(world: &mut World, who: PhoneId) {
    world.phone(who).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_call_is_parked_and_picked_up_by_somebody_of_the_group() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    park(&mut world, bob, "*68");
    assert!(world.phone(alice).is_up());
    assert!(world.media.hears("alice").is_empty(), "nobody, and not itself");
    world.run(secs(60));
    world.phone(carol).dial("*8bob");
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["carol"], "{}", world.ladder());
    assert_eq!(world.media.hears("carol"), ["alice"]);
    world.run(secs(200));
    assert!(world.phone(alice).is_up() && !world.phone(bob).is_ringing(), "nobody is called back");
    finish(&mut world, carol);
    insta::assert_snapshot!(world.story());
}

#[test]
fn every_pairing_of_phones_can_and_either_party_parks() {
    for (alice, carol) in [(Client::JsSip, Client::SipJs), (Client::Baresip, Client::JsSip)] {
        for parks in [0, 1] {
            for is_late in [false, true] {
                let (mut world, ids) = world(alice, carol);
                let waits = ids[1 - parks];
                park(&mut world, ids[parks], "*68carol");
                match is_late {
                    true => world.phone(ids[2]).dial_late("*8carol"),
                    false => world.phone(ids[2]).dial("*8carol"),
                }
                world.run(secs(1));
                assert_eq!(world.media.hears("carol"), [["alice", "bob"][1 - parks]], "{}", world.ladder());
                finish(&mut world, waits);
            }
        }
    }
}

/// SIP.js: BYE right after the 202.
#[test]
fn who_parks_a_call_may_hang_up_at_once() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.phone(bob).refer("*68");
    assert!(world.run_until(secs(1), |world| world.phone(bob).last_status("REFER") == Some(202)));
    world.phone(bob).hang_up();
    world.run(secs(2));
    assert!(world.phone(alice).is_up() && world.media.hears("alice").is_empty());
    world.phone(carol).dial("*8");
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["carol"], "{}", world.ladder());
    finish(&mut world, alice);
}

#[test]
fn who_has_parked_a_call_takes_it_back_and_nobody_outside_the_group_does() {
    let (mut world, [alice, bob, _, dave]) = world(Client::JsSip, Client::Baresip);
    park(&mut world, bob, "*68nobody");
    for code in ["*8", "*8bob", "*8nobody"] {
        world.phone(dave).dial(code);
        world.run(secs(1));
        assert_eq!(world.phone(dave).last_failure(), Some(404), "{code}");
    }
    world.phone(bob).dial("*8nobody");
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["bob"], "{}", world.ladder());
    finish(&mut world, alice);
}

#[test]
fn a_parked_call_is_parked_again_by_who_has_picked_it_up() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    park(&mut world, bob, "*68");
    world.phone(carol).dial("*8");
    world.run(secs(1));
    park(&mut world, carol, "*68");
    world.phone(bob).dial("*8carol");
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["bob"], "{}", world.ladder());
    finish(&mut world, alice);
}

#[test]
fn who_has_parked_a_call_that_nobody_picks_up_is_called_back() {
    let (mut world, [_, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    park(&mut world, bob, "*68carol");
    world.run(secs(181));
    assert!(world.phone(bob).is_ringing() && !world.phone(carol).is_ringing());
    world.phone(bob).answer();
    world.run(secs(1));
    assert_eq!(world.media.hears("alice"), ["bob"], "{}", world.ladder());
    finish(&mut world, bob);
}

#[test]
fn a_call_that_nobody_takes_back_is_over() {
    for is_there in [true, false] {
        let (mut world, [alice, bob, _, _]) = world(Client::Baresip, Client::Baresip);
        park(&mut world, bob, "*68");
        if !is_there {
            let contact = format!("{};expires=0", world.phone(bob).contact());
            world.phone(bob).send_register(&contact);
        }
        world.run(secs(181));
        if is_there {
            assert!(world.phone(alice).is_up());
            world.phone(bob).refuse(486);
            world.run(ms(500));
        }
        assert!(world.phone(alice).is_idle(), "{}", world.ladder());
        let bye = world.phone(alice).requests("BYE").pop().unwrap();
        assert!(bye.has(Name::Reason));
        world.settle();
        world.assert_nothing_is_left();
    }
}

#[test]
fn who_waits_may_hang_up_also_while_it_is_picked_up() {
    for is_picked_up in [false, true] {
        let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
        park(&mut world, bob, "*68");
        if is_picked_up {
            world.media.slow = ms(500);
            world.phone(carol).dial("*8");
            world.run(ms(100));
        }
        world.phone(alice).hang_up();
        world.run(secs(2));
        if is_picked_up {
            assert_eq!(world.phone(carol).last_failure(), Some(480));
        }
        world.settle();
        world.assert_nothing_is_left();
    }
}

/// The call waits on, and who has parked it is still called back.
#[test]
fn a_pickup_that_is_given_up_leaves_the_call_parked() {
    let (mut world, [alice, bob, carol, _]) = world(Client::JsSip, Client::Baresip);
    park(&mut world, bob, "*68");
    world.media.slow = ms(500);
    world.phone(carol).dial("*8");
    world.run(ms(100));
    world.phone(carol).cancel();
    world.run(secs(2));
    assert_eq!(world.phone(carol).last_failure(), Some(487));
    assert!(world.phone(alice).is_up() && world.media.hears("alice").is_empty());
    world.run(secs(181));
    assert!(world.phone(bob).is_ringing());
    world.phone(bob).answer();
    world.run(secs(2));
    assert_eq!(world.media.hears("alice"), ["bob"]);
    finish(&mut world, alice);
}

#[test]
fn the_code_that_parks_is_not_for_dialling() {
    let (mut world, [alice, _, carol, _]) = world(Client::JsSip, Client::Baresip);
    world.phone(carol).dial("*68");
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_failure(), Some(403));
    finish(&mut world, alice);
}
