//! Contacts of different preference, and devices with several flows.

use ringback_sip::message::Name;

use crate::kit::{Client, PhoneId, World, ms, secs};

/// Alice, and Bob at a desk phone (q 1), in a browser (q 1) and at a mobile phone (q 0.5).
fn world() -> (World, PhoneId, [PhoneId; 3]) {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::SipJs);
    let mobile = world.add("bob", "mobile", Client::Baresip);
    world.register_all();
    let contact = format!("{};q=0.5;expires=600", world.phone(mobile).contact());
    world.phone(mobile).send_register(&contact);
    world.run(secs(1));
    world.begin();
    (world, alice, [desk, page, mobile])
}

#[test]
fn a_lower_preference_rings_when_the_higher_has_rung_for_its_time() {
    let (mut world, alice, [desk, page, mobile]) = world();
    world.phone(alice).dial("bob");
    world.run(secs(19));
    assert!(world.phone(desk).is_ringing() && world.phone(page).is_ringing());
    assert!(world.phone(mobile).requests("INVITE").is_empty());
    world.run(secs(2));
    assert!(world.phone(mobile).is_ringing());
    for id in [desk, page] {
        let cancel = world.phone(id).requests("CANCEL").pop().expect("its time is over");
        assert_eq!(cancel.header(Name::Reason), None, "nobody has the call: it was missed here");
    }
    world.phone(mobile).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_lower_preference_rings_at_once_when_the_higher_has_failed() {
    let (mut world, alice, [desk, page, mobile]) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(desk).refuse(486);
    world.run(ms(500));
    assert!(world.phone(mobile).requests("INVITE").is_empty());
    world.phone(page).refuse(480);
    world.run(ms(100));
    assert!(world.phone(mobile).is_ringing());
    world.phone(mobile).refuse(404);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(486), "the best of all groups");
    world.assert_nothing_is_left();
}

#[test]
fn a_6xx_leaves_the_lower_preference_alone() {
    let (mut world, alice, [desk, page, mobile]) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(desk).refuse(603);
    world.settle();
    assert!(world.phone(mobile).requests("INVITE").is_empty());
    assert!(!world.phone(page).is_ringing());
    assert_eq!(world.phone(alice).last_failure(), Some(603));
    world.assert_nothing_is_left();
}

#[test]
fn a_cancel_reaches_the_group_that_rings_and_no_other() {
    let (mut world, alice, [desk, _, mobile]) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(alice).cancel();
    world.run(secs(30));
    assert_eq!(world.phone(desk).requests("CANCEL").len(), 1);
    assert!(world.phone(mobile).requests("INVITE").is_empty());
    world.settle();
    world.assert_nothing_is_left();
}

/// The last group has the time that is left, and then it is a call that nobody answered.
#[test]
fn all_groups_together_ring_no_longer_than_a_call_may() {
    let (mut world, alice, [_, _, mobile]) = world();
    world.phone(alice).dial("bob");
    world.run(secs(170));
    assert!(world.phone(mobile).is_ringing());
    world.run(secs(11));
    assert_eq!(world.phone(alice).last_failure(), Some(408));
    world.settle();
    world.assert_nothing_is_left();
}

/// A phone picks up while its CANCEL is on the way: the call is for the next group.
#[test]
fn an_answer_that_crosses_with_the_end_of_its_time_is_acknowledged_and_ended() {
    let (mut world, alice, [desk, _, mobile]) = world();
    world.phone(alice).dial("bob");
    // The CANCEL leaves at 20.030 and is there at 20.040.
    world.run(ms(20_035));
    world.phone(desk).answer();
    world.run(secs(1));
    assert!(!world.phone(desk).is_up() && world.phone(mobile).is_ringing());
    world.phone(mobile).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up() && world.phone(mobile).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// Media of the first group was heard; when nobody takes it, what the second says binds nobody before the 200.
#[test]
fn early_media_comes_from_one_branch_only() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let mobile = world.add("bob", "mobile", Client::Baresip);
    world.register_all();
    let contact = format!("{};q=0.5;expires=600", world.phone(mobile).contact());
    world.phone(mobile).send_register(&contact);
    world.run(secs(1));
    world.begin();
    for id in [desk, mobile] {
        world.phone(id).manners.rings = false;
    }
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(desk).ring_with_media();
    world.run(secs(21));
    world.phone(mobile).ring_with_media();
    world.run(secs(1));
    world.phone(mobile).answer();
    world.run(secs(1));
    let bodies: Vec<(u16, Vec<u8>)> = world
        .phone(alice)
        .responses("INVITE")
        .iter()
        .map(|response| (response.status().unwrap(), response.body().to_vec()))
        .filter(|(status, _)| *status > 100 && *status < 300)
        .collect();
    assert_eq!(bodies.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [183, 180, 200]);
    assert!(bodies[1].1.is_empty());
    assert_eq!(bodies[0].1, bodies[2].1, "the same answer in the 183 and in the 200");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// Bob's browser with two connections: the same instance, two reg-ids.
fn two_flows() -> (World, PhoneId, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let first = world.add("bob", "first", Client::JsSip);
    let second = world.add("bob", "second", Client::JsSip);
    world.phone(alice).register();
    world.phone(first).register();
    world.run(secs(1));
    let contact = world.phone(second).client.registered_contact("bob", &world.phone(second).host(), 600);
    world.phone(second).send_register(&contact.replace("reg-id=1", "reg-id=2"));
    world.run(secs(1));
    assert_eq!(world.exchange.bindings(), 3);
    world.begin();
    (world, alice, first, second)
}

#[test]
fn a_device_with_two_flows_is_rung_once_and_the_other_flow_is_tried_when_one_fails() {
    let (mut world, alice, first, second) = two_flows();
    world.phone(second).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(300));
    assert_eq!(world.phone(second).requests("INVITE").len(), 1, "the newest flow");
    assert!(world.phone(first).requests("INVITE").is_empty());
    world.phone(second).refuse(430);
    world.run(ms(300));
    assert_eq!(world.phone(first).requests("INVITE").len(), 1);
    assert_eq!(world.exchange.stats().flows_failed_over, 1);
    world.phone(first).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_flow_that_is_lost_while_it_rings_gives_way_to_the_other() {
    let (mut world, alice, first, second) = two_flows();
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.disconnect(second);
    world.run(ms(300));
    assert!(world.phone(first).is_ringing(), "{}", world.ladder());
    world.phone(alice).cancel();
    world.settle();
    assert_eq!(world.exchange.under_way(), 0);
}

/// A refusal of the person at the device is one of all its flows.
#[test]
fn a_refusal_of_the_callee_is_not_tried_again_over_the_other_flow() {
    let (mut world, alice, first, second) = two_flows();
    world.phone(alice).dial("bob");
    world.run(ms(300));
    world.phone(second).refuse(486);
    world.settle();
    assert!(world.phone(first).requests("INVITE").is_empty());
    assert_eq!(world.phone(alice).last_failure(), Some(486));
    world.assert_nothing_is_left();
}
