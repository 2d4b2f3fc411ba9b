//! Several contacts of one address of record.

use std::collections::BTreeSet;

use ringback_sip::message::{Builder, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// Alice, and Bob at a desk phone and in a browser.
fn world() -> (World, PhoneId, PhoneId, PhoneId) {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::SipJs);
    world.register_all();
    (world, alice, desk, page)
}

#[test]
fn the_first_answer_wins() {
    let (mut world, alice, desk, page) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    assert!(world.phone(desk).is_ringing() && world.phone(page).is_ringing());
    world.phone(page).answer();
    world.run(secs(1));
    assert!(world.phone(alice).is_up() && world.phone(page).is_up());
    let cancel = world.phone(desk).requests("CANCEL").pop().expect("the other is cancelled");
    assert_eq!(cancel.header(Name::Reason), Some(&b"SIP;cause=200;text=\"Call completed elsewhere\""[..]));
    let tags: BTreeSet<_> = world
        .phone(alice)
        .responses("INVITE")
        .iter()
        .filter(|response| !matches!(response.status(), Some(100 | 407)))
        .map(|response| response.to().unwrap().tag().unwrap().to_vec())
        .collect();
    assert_eq!(tags.len(), 1, "one dialog towards the caller");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn every_contact_has_the_media_profile_of_its_transport() {
    let (mut world, alice, desk, page) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    let offer = |id: PhoneId, world: &mut World| {
        String::from_utf8_lossy(world.phone(id).requests("INVITE")[0].body()).into_owned()
    };
    assert!(offer(desk, &mut world).contains(" RTP/AVP "));
    assert!(offer(page, &mut world).contains(" UDP/TLS/RTP/SAVPF "));
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

/// Both pick up at the same moment: the second answer crosses with our CANCEL.
#[test]
fn an_answer_that_comes_second_is_acknowledged_and_ended() {
    let (mut world, alice, desk, page) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(page).answer();
    world.phone(desk).answer();
    world.run(secs(1));
    assert_eq!(
        [desk, page].map(|id| world.phone(id).is_up()).iter().filter(|is_up| **is_up).count(),
        1,
        "{}",
        world.ladder()
    );
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn one_refusal_leaves_the_others_ringing() {
    let (mut world, alice, desk, page) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(desk).refuse(486);
    world.run(ms(500));
    assert!(world.phone(page).is_ringing());
    assert_eq!(world.phone(alice).last_failure(), None);
    world.phone(page).refuse(480);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(486), "the better of the two");
    world.assert_nothing_is_left();
}

#[test]
fn a_6xx_speaks_for_the_callee_everywhere() {
    let (mut world, alice, desk, page) = world();
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(desk).refuse(603);
    world.settle();
    assert!(world.phone(page).is_idle());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Session timers are a matter of each leg: what one party finds too short never reaches the other.
#[test]
fn a_422_does_not_reach_the_caller() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(422);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(422);
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    assert!(world.phone(alice).is_up());
}

/// With several branches an answer in a 183 would bind the caller to one of them.
#[test]
fn early_media_of_one_of_several_is_ringing() {
    let (mut world, alice, desk, page) = world();
    world.phone(desk).manners.rings = false;
    world.phone(page).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(desk).ring_with_media();
    world.run(ms(100));
    let ringing = world.phone(alice).responses("INVITE").pop().unwrap();
    assert_eq!((ringing.status(), ringing.body().len()), (Some(180), 0));
    world.phone(page).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    world.phone(page).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// A PBX registered as one contact forks by itself and lets two 200s through.
#[test]
fn a_second_200_from_behind_one_contact_is_acknowledged_and_ended() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let invite = world.phone(bob).call.as_ref().unwrap().invite.clone();
    world.phone(bob).answer();
    world.run(ms(100));
    let answer = world.phone(bob).client.answer(invite.body(), &world.phone(bob).says.clone());
    let second = Builder::reply(&invite, 200)
        .to_tag(b"second")
        .header(Name::Contact, "<sip:other@198.51.100.11:5060>")
        .body(b"application/sdp", answer.as_bytes())
        .finish();
    world.begin();
    world.send_past(bob, &second);
    world.run(secs(1));
    assert_eq!(world.exchange.stats().forks_behind_callee, 1);
    let heard: Vec<String> =
        world.phone(bob).heard.iter().map(|message| message.method().to_string()).collect();
    assert_eq!(heard, ["ACK", "BYE"]);
    assert_eq!(world.phone(bob).heard[1].to().unwrap().tag(), Some(&b"second"[..]));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "the first goes on");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// The early answer was of one phone behind the contact, and another one picks up.
#[test]
fn another_early_answer_does_not_bind_the_caller() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let invite = world.phone(bob).call.as_ref().unwrap().invite.clone();
    let offer = String::from_utf8_lossy(invite.body()).into_owned();
    assert!(offer.contains("PCMA"));
    let early = Builder::reply(&invite, 183)
        .to_tag(b"first")
        .header(Name::Contact, "<sip:other@198.51.100.11:5060>")
        .body(
            b"application/sdp",
            b"v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nc=IN IP4 198.51.100.11\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8\r\n",
        )
        .finish();
    world.send_past(bob, &early);
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(ms(100));
    let bodies: Vec<String> = world
        .phone(alice)
        .responses("INVITE")
        .iter()
        .filter(|response| !response.body().is_empty())
        .map(|response| String::from_utf8_lossy(response.body()).into_owned())
        .collect();
    assert!(bodies[0].contains("PCMA/8000") && !bodies[0].contains("PCMU"), "{}", bodies[0]);
    assert!(bodies[1].contains("PCMU/8000") && !bodies[1].contains("PCMA"), "{}", bodies[1]);
    assert_eq!(world.media.settings_of("bob").remote.unwrap().rtp.port(), 19834, "who picked up");
}

#[test]
fn a_user_can_call_its_own_other_phone() {
    let (mut world, _alice, desk, page) = world();
    world.phone(desk).dial("bob");
    world.run(ms(500));
    assert!(world.phone(page).is_ringing());
    assert_eq!(world.phone(desk).requests("INVITE").len(), 0, "the phone it calls from is not called");
    world.phone(page).refuse(486);
    world.settle();
    world.assert_nothing_is_left();
}

/// Two users behind one address and port, such as two lines of one telephone, can call each other.
#[test]
fn a_user_can_call_another_one_on_the_same_flow() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    world.store.add("bob");
    world.register_all();
    world.phone(alice).register_as("bob");
    world.run(secs(1));
    world.phone(alice).dial("bob");
    world.run(secs(1));
    assert_eq!(world.phone(alice).requests("INVITE").len(), 1);
    assert_eq!(world.phone(alice).last_failure(), Some(486), "its other line is taken");
}
