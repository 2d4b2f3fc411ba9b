//! How calls end.

use ringback_control::MediaEvent;
use ringback_media::session::Gone;
use ringback_sip::message::Name;

use crate::kit::{Client, World, ms, secs};

#[test]
fn each_side_can_hang_up() {
    for is_caller in [true, false] {
        let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
        world.run(secs(5));
        world.phone(if is_caller { alice } else { bob }).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        let record = world.record();
        let by = if is_caller { "by caller (the caller hung up)" } else { "by callee (the callee hung up)" };
        assert!(record.contains(by), "{record}");
        assert!(
            world.cdrs[0]
                .legs
                .iter()
                .all(|leg| leg.media.as_ref().is_some_and(|media| media.packets_in == 100))
        );
    }
}

#[test]
fn both_hang_up_at_once() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(alice).hang_up();
    world.phone(bob).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn the_reason_that_a_party_gives_is_passed_on() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world
        .phone(alice)
        .hang_up_with(|bye| bye.header(Name::Reason, "SIP;cause=580;text=\"Precondition Failure\""));
    world.settle();
    let bye = world.phone(bob).requests("BYE").pop().unwrap();
    assert_eq!(bye.header(Name::Reason), Some(&b"SIP;cause=580;text=\"Precondition Failure\""[..]));
}

/// RFC 3261 §15: our BYE to the caller waits for its ACK.
#[test]
fn a_bye_waits_for_the_ack() {
    let (mut world, alice, bob) = World::unacknowledged(Client::Baresip, Client::Baresip);
    world.phone(bob).hang_up();
    world.run(ms(100));
    assert!(world.phone(alice).requests("BYE").is_empty());
    world.phone(alice).manners.acknowledges = true;
    world.settle();
    assert_eq!(world.phone(alice).requests("BYE").len(), 1);
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// The caller itself may hang up before its ACK has come: our 200 is then not repeated any more.
#[test]
fn a_caller_hangs_up_before_its_ack_comes() {
    let (mut world, alice, _) = World::unacknowledged(Client::Baresip, Client::Baresip);
    world.phone(alice).hang_up();
    world.run(secs(1));
    world.begin();
    world.settle();
    assert!(world.phone(alice).heard.is_empty(), "{}", world.ladder());
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().acks_missing, 0);
}

#[test]
fn an_ack_that_never_comes_ends_the_call() {
    let (mut world, _, _) = World::unacknowledged(Client::Baresip, Client::Baresip);
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().acks_missing, 1);
    insta::assert_snapshot!(world.story());
}

/// The record ends when the far end was heard last, not when that was noticed.
#[test]
fn a_far_end_that_vanishes_ends_the_call_at_its_last_media() {
    for gone in [Gone::ConsentLost, Gone::DtlsClosed, Gone::DtlsFailed, Gone::NoMedia] {
        let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
        world.run(secs(30));
        world.media.last_heard = Some(world.now());
        world.phone(alice).manners.is_deaf = true;
        world.run(secs(30));
        let leg = world.media.leg_of("alice");
        world.media.tell(world.now(), MediaEvent::Gone(leg, gone));
        world.run(secs(40));
        world.phone(alice).call = None;
        world.settle();
        world.assert_nothing_is_left();
        let cdr = &world.cdrs[0];
        assert_eq!(cdr.ended - cdr.answered.unwrap(), 30_090, "{gone:?}");
        assert_eq!(world.exchange.stats().legs_gone, 1);
        if gone == Gone::ConsentLost {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// Who was told that the call is over finds it in the records, whatever happens to the server next.
#[test]
fn a_bye_is_answered_when_the_record_is_on_the_disk() {
    for (slow, answered_after) in [(ms(300), ms(300)), (secs(20), secs(1))] {
        let (mut world, alice, _bob) = World::talking(Client::Baresip, Client::Baresip);
        world.store.slow = slow;
        world.phone(alice).hang_up();
        world.run(answered_after);
        assert_eq!(world.phone(alice).last_status("BYE"), None, "not before");
        world.run(ms(50));
        assert_eq!(world.phone(alice).last_status("BYE"), Some(200));
        world.settle();
        world.assert_nothing_is_left();
    }
}

/// A browser closes its media and sends BYE at once, and the BYE may come last.
#[test]
fn a_far_end_that_closes_its_media_and_says_bye_has_hung_up() {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::Baresip);
    let leg = world.media.leg_of("alice");
    world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::DtlsClosed));
    world.run(ms(500));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.cdrs[0].reason, "the caller hung up");
    assert_eq!(world.exchange.stats().legs_gone, 0);
}

/// One that was never heard was never there.
#[test]
fn a_far_end_without_any_media_has_a_call_of_no_length() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.run(secs(65));
    let leg = world.media.leg_of("bob");
    world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::NoMedia));
    world.settle();
    assert!(world.phone(alice).is_idle() && world.phone(bob).is_idle());
    assert_eq!(Some(world.cdrs[0].ended), world.cdrs[0].answered);
    assert_eq!(world.cdrs[0].reason, "the callee has gone: nothing was heard of it for 65 s");
}

/// Telephones on hold send no media and perhaps no RTCP, so their silence is no sign.
#[test]
fn a_held_telephone_is_asked_whether_it_is_there() {
    for (is_deaf, forgets, reason) in [
        (false, false, None),
        (true, false, Some("the callee has gone: it no longer answers")),
        (false, true, Some("the callee no longer knows the call")),
    ] {
        let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
        world.run(secs(70));
        assert!(world.phone(bob).requests("OPTIONS").is_empty(), "its media is heard");
        world.phone(alice).reinvite("inactive");
        world.run(secs(1));
        world.phone(bob).manners.is_deaf = is_deaf;
        if forgets {
            world.phone(bob).call = None;
        }
        world.run(secs(100));
        match reason {
            None => {
                assert_eq!(world.phone(bob).requests("OPTIONS").len(), 1);
                assert_eq!(world.exchange.calls(), 1);
            }
            Some(reason) => {
                world.phone(bob).call = None;
                world.settle();
                world.assert_nothing_is_left();
                assert!(world.phone(alice).is_idle());
                assert_eq!(world.cdrs[0].reason, reason);
            }
        }
    }
}

/// Over a connection that is lost it may come back.
#[test]
fn a_held_telephone_without_a_connection_has_another_minute() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip_over_tcp("bob"));
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).reinvite("inactive");
    world.run(secs(1));
    world.disconnect(bob);
    world.run(secs(60));
    assert_eq!(world.exchange.calls(), 1);
    world.run(secs(60));
    world.phone(bob).call = None;
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.cdrs[0].reason, "the callee has gone: it no longer answers");
}

/// While it rings there is nothing yet to be missed.
#[test]
fn silence_before_the_answer_is_nothing() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(secs(1));
    for label in ["alice", "bob"] {
        let leg = world.media.leg_of(label);
        world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::ConsentLost));
    }
    world.run(secs(1));
    assert!(world.phone(bob).is_ringing());
    assert_eq!(world.phone(alice).last_failure(), None);
}

/// A leg that the media worker has given up ends its call, with a sentence that names the side and a line in the log.
#[test]
fn a_leg_that_failed_ends_its_call() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.run(secs(5));
    let leg = world.media.leg_of("bob");
    world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::Failed));
    world.settle();
    assert!(world.phone(alice).is_idle() && world.phone(bob).is_idle());
    let cdr = &world.cdrs[0];
    assert_eq!(cdr.reason, "the exchange made a mistake with the media of the callee");
    assert!(format!("{:?}", world.events).contains(&format!("CallPanicked {{ id: {:?} }}", cdr.id)));
    world.assert_nothing_is_left();
}

/// Also while it rings: 500 to the caller, CANCEL to the callee.
#[test]
fn a_leg_that_failed_before_the_answer_refuses_the_caller() {
    for label in ["alice", "bob"] {
        let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
        world.phone(alice).dial("bob");
        world.run(secs(1));
        assert!(world.phone(bob).is_ringing());
        let leg = world.media.leg_of(label);
        world.media.tell(world.now(), MediaEvent::Gone(leg, Gone::Failed));
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(500), "{label}");
        assert!(world.phone(bob).is_idle());
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_drain_refuses_new_calls_and_leaves_the_others() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let carol = world.jssip("carol");
    world.exchange.drain();
    world.phone(carol).register();
    world.run(secs(1));
    assert_eq!(world.phone(carol).last_status("REGISTER"), Some(200));
    for callee in ["bob", "echo"] {
        world.phone(carol).dial(callee);
        world.run(secs(1));
        assert_eq!(world.phone(carol).last_failure(), Some(503));
        assert!(world.phone(carol).last_header("INVITE", Name::RetryAfter).is_some());
    }
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200), "what belongs to a call is served");
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    world.phone(alice).hang_up();
    world.settle();
    assert_eq!(world.exchange.calls(), 0);
    world.assert_nothing_is_left();
}

#[test]
fn a_shutdown_ends_every_call() {
    let mut world = World::new(1);
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|user| world.baresip(user));
    world.register_all();
    world.connect(alice, bob);
    world.phone(carol).dial("dave");
    world.run(secs(1));
    assert!(world.phone(dave).is_ringing());
    let now = world.now();
    world.exchange.shut_down(now);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}
