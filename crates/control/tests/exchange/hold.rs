//! New offers in the middle of a call: hold, resume, glare, refusals, ICE restarts.

use ringback_sip::message::{Method, Name};

use crate::kit::{Client, OnReinvite, PhoneId, World, ms, secs};

/// What each leg may do, as the media worker was told last.
fn flow(world: &World) -> [(bool, bool); 2] {
    ["alice", "bob"].map(|label| {
        let settings = world.media.settings_of(label);
        (settings.sends, settings.receives)
    })
}

const TALK: (bool, bool) = (true, true);
const SENDS: (bool, bool) = (true, false);
const HEARS: (bool, bool) = (false, true);
const SILENT: (bool, bool) = (false, false);

fn finish(mut world: World, alice: PhoneId) -> World {
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    world
}

#[test]
fn hold_and_resume() {
    for (from, to) in [
        (Client::JsSip, Client::Baresip),
        (Client::Baresip, Client::JsSip),
        (Client::SipJs, Client::JsSip),
        (Client::Baresip, Client::Baresip),
    ] {
        let (mut world, alice, _bob) = World::talking(from, to);
        world.phone(alice).hold();
        world.run(secs(1));
        assert_eq!(flow(&world), [SENDS, HEARS]);
        world.phone(alice).resume();
        world.run(secs(1));
        assert_eq!(flow(&world), [TALK, TALK]);
        let world = finish(world, alice);
        if (from, to) == (Client::JsSip, Client::Baresip) {
            insta::assert_snapshot!(world.ladder());
        }
    }
}

/// Both hold; whoever resumes first, in the end both hear each other again.
#[test]
fn mutual_hold_recovers_in_both_orders() {
    for is_first_to_resume in [true, false] {
        let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
        world.phone(alice).hold();
        world.run(secs(1));
        // A browser that is held and holds says inactive.
        world.phone(bob).reinvite("inactive");
        world.phone(bob).says.direction = "sendonly";
        world.run(secs(1));
        assert_eq!(flow(&world), [SILENT, SILENT]);
        let (first, second) = if is_first_to_resume { (alice, bob) } else { (bob, alice) };
        world.phone(first).resume();
        world.run(secs(1));
        let held = [(SENDS, HEARS), (HEARS, SENDS)][usize::from(is_first_to_resume)];
        assert_eq!(flow(&world), [held.0, held.1], "the other still holds");
        world.phone(second).resume();
        world.run(secs(1));
        assert_eq!(flow(&world), [TALK, TALK], "{}", world.ladder());
        let world = finish(world, alice);
        if is_first_to_resume {
            insta::assert_snapshot!(world.ladder());
        }
    }
}

#[test]
fn a_telephone_that_holds_by_an_address_of_zeros() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).says.address = "0.0.0.0".to_owned();
    world.phone(bob).reinvite("sendrecv");
    world.run(secs(1));
    assert_eq!(flow(&world), [HEARS, SENDS]);
    assert!(world.media.settings_of("bob").remote.is_none());
    world.phone(bob).says.address = "198.51.100.11".to_owned();
    world.phone(bob).reinvite("sendrecv");
    world.run(secs(1));
    assert_eq!(flow(&world), [TALK, TALK]);
    finish(world, alice);
}

#[test]
fn holding_the_echo() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    world.register_all();
    world.phone(alice).dial("echo");
    world.run(secs(1));
    world.phone(alice).hold();
    world.run(secs(1));
    assert!(!world.media.settings_of("alice").receives);
    world.phone(alice).resume();
    world.run(secs(1));
    assert!(world.media.settings_of("alice").receives);
    finish(world, alice);
}

/// Not every client takes an UPDATE, so one with an offer goes on as a re-INVITE.
#[test]
fn an_update_with_an_offer_goes_on_as_a_reinvite() {
    let (mut world, alice, _bob) = World::talking(Client::JsSip, Client::SipJs);
    world.phone(alice).says.direction = "sendonly";
    world.phone(alice).says.version += 1;
    let offer = world.phone(alice).client.offer(&world.phone(alice).says.clone());
    let contact = world.phone(alice).contact();
    let update = world.phone(alice).in_dialog(Method::Update).header(Name::Contact, contact);
    let update = update.body(b"application/sdp", offer.as_bytes()).finish();
    world.phone(alice).send(update);
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("UPDATE"), Some(200));
    assert_eq!(flow(&world), [SENDS, HEARS]);
    let world = finish(world, alice);
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(488);
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(488));
    assert_eq!(flow(&world), [TALK, TALK]);
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.phone(alice).hold();
    world.run(secs(1));
    assert_eq!(flow(&world), [SENDS, HEARS], "the next one is passed on");
    // Of a refused offer nothing stays that could be in the way of the other side's.
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(488);
    world.phone(alice).resume();
    world.run(secs(1));
    world.phone(bob).reinvite("inactive");
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(200));
    let world = finish(world, alice);
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn an_offer_that_cannot_be_used_leaves_the_call_as_it_was() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    let contact = world.phone(alice).contact();
    for (content_type, body, status) in [
        ("application/sdp", "nonsense", 488),
        (
            "application/sdp",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n",
            488,
        ),
        ("text/plain", "hold the line", 415),
    ] {
        let request = world.phone(alice).in_dialog(Method::Invite).header(Name::Contact, &contact);
        let request = request.body(content_type.as_bytes(), body.as_bytes()).finish();
        world.phone(alice).send(request);
        world.run(secs(1));
        assert_eq!(world.phone(alice).last_failure(), Some(status), "{body}");
    }
    assert!(world.phone(bob).requests("INVITE").is_empty());
    assert_eq!(flow(&world), [TALK, TALK]);
    finish(world, alice);
}

/// What the other side answers with is its own fault and not that of who asks.
#[test]
fn an_unusable_answer_to_a_reinvite() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).answer_reinvite("application/sdp", "nonsense");
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(488));
    assert_eq!(world.exchange.stats().offers_of_ours_refused, 1);
    assert_eq!(flow(&world), [TALK, TALK]);
    finish(world, alice);
}

/// Both hold at once: Alice's offer is passed on and meets Bob's, who is refused as well.
fn glare() -> (World, PhoneId, PhoneId) {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(alice).hold();
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(491);
    world.run(ms(5));
    world.phone(bob).hold();
    world.run(ms(200));
    assert_eq!(world.phone(bob).last_failure(), Some(491));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(100), "she waits");
    assert_eq!(flow(&world), [TALK, TALK]);
    world.phone(bob).manners.on_reinvite = OnReinvite::Accept;
    world.phone(bob).says.direction = "sendrecv";
    (world, alice, bob)
}

/// RFC 3261 §14.1. Were she told, she would try again when Bob does.
#[test]
fn an_offer_that_met_another_one_is_made_again_by_us() {
    let (mut world, alice, _bob) = glare();
    world.run(secs(5));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
    assert!(!world.phone(alice).statuses("INVITE").contains(&491), "{}", world.ladder());
    assert_eq!(flow(&world), [SENDS, HEARS]);
    let world = finish(world, alice);
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn who_offers_first_after_a_glare_goes_first() {
    let (mut world, alice, bob) = glare();
    world.phone(alice).says.direction = "sendrecv";
    world.phone(bob).hold();
    world.run(ms(500));
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(200), "{}", world.ladder());
    assert_eq!(world.phone(alice).last_failure(), Some(491));
    assert_eq!(flow(&world), [HEARS, SENDS]);
    // The time of the offer that has lost comes to nothing.
    world.run(secs(5));
    assert_eq!(flow(&world), [HEARS, SENDS]);
    finish(world, alice);
}

#[test]
fn an_offer_that_meets_others_for_ever_is_refused() {
    let (mut world, alice, bob) = glare();
    world.phone(bob).manners.on_reinvite = OnReinvite::Refuse(491);
    world.run(secs(40));
    assert_eq!(world.phone(alice).last_failure(), Some(491));
    assert_eq!(world.phone(bob).requests("INVITE").len(), 7, "once, and six times again");
    assert_eq!(flow(&world), [TALK, TALK]);
    finish(world, alice);
}

#[test]
fn an_offer_that_waits_can_be_taken_back_and_ends_with_the_call() {
    let (mut world, alice, _bob) = glare();
    world.phone(alice).cancel_reinvite();
    world.run(secs(5));
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert_eq!(flow(&world), [TALK, TALK]);
    finish(world, alice);

    let (mut world, alice, bob) = glare();
    world.phone(bob).hang_up();
    world.run(secs(5));
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    world.settle();
    world.assert_nothing_is_left();
}

/// RFC 3261 §14.2: a second offer from the same side before the first is answered.
#[test]
fn one_side_offers_twice() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(alice).resume();
    world.run(ms(100));
    let refusal = world.phone(alice).responses("INVITE").pop().unwrap();
    assert_eq!(refusal.status(), Some(500));
    assert!(refusal.has(Name::RetryAfter));
    assert_eq!(world.exchange.stats().offers_in_glare, 1);
    world.phone(bob).accept_ignored();
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
    finish(world, alice);
}

#[test]
fn a_side_that_does_not_answer_a_reinvite_is_gone() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.is_deaf = true;
    world.phone(alice).hold();
    world.run(secs(40));
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    assert!(world.phone(alice).is_idle());
    world.phone(bob).call = None;
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// A browser that is just reconnecting keeps its call.
#[test]
fn a_reinvite_to_a_lost_connection_leaves_the_call_as_it_was() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::JsSip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.disconnect(bob);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    assert!(world.phone(alice).is_up());
    assert_eq!(flow(&world), [TALK, TALK]);
}

#[test]
fn a_reinvite_is_cancelled() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).ring_reinvite();
    world.phone(alice).cancel_reinvite();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert_eq!(flow(&world), [TALK, TALK]);
    let world = finish(world, alice);
    insta::assert_snapshot!(world.ladder());
}

/// RFC 3261 has no timer for an INVITE that was answered 180 and then nothing.
#[test]
fn an_offer_that_is_looked_into_for_ever() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).ring_reinvite();
    world.run(secs(70));
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    assert_eq!(flow(&world), [TALK, TALK]);
    // Such an offer does not keep a call that ends either.
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).ring_reinvite();
    world.run(ms(100));
    world.phone(bob).manners.is_deaf = true;
    world.phone(alice).hang_up();
    world.run(secs(120));
    world.phone(bob).call = None;
    world.phone(bob).ignored = None;
    assert_eq!(world.exchange.calls(), 0);
    assert_eq!(world.exchange.under_way(), 0);
}

/// Who sends another INVITE has had our 200 to the last one, though its ACK was lost.
#[test]
fn a_reinvite_in_place_of_an_ack() {
    let (mut world, alice, bob) = World::unacknowledged(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.acknowledges = true;
    world.phone(alice).hold();
    world.run(ms(100));
    world.begin();
    world.run(secs(60));
    assert!(world.phone(alice).heard.is_empty(), "nothing is repeated: {}", world.ladder());
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    finish(world, alice);
}

/// A side hangs up while its own offer is under way, or the other's.
#[test]
fn a_call_ends_while_an_offer_is_under_way() {
    for is_own in [true, false] {
        let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
        world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
        world.phone(alice).hold();
        world.run(ms(100));
        if is_own {
            world.phone(alice).hang_up();
        } else {
            world.phone(bob).hang_up();
            world.phone(bob).forget_ignored(487);
        }
        world.run(secs(1));
        if is_own {
            world.phone(bob).forget_ignored(487);
        }
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(487));
        world.assert_nothing_is_left();
        if is_own {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// The other side takes an offer at the moment the call ends: its 200 still gets an ACK.
#[test]
fn a_200_to_a_reinvite_of_a_call_that_has_ended_is_acknowledged() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(alice).hang_up();
    world.phone(bob).accept_ignored();
    world.begin();
    world.settle();
    assert_eq!(world.phone(bob).requests("ACK").len(), 1, "{}", world.ladder());
    world.assert_nothing_is_left();
}

/// INTEROP rule 8: a refresh is a matter of one leg.
#[test]
fn a_reinvite_that_says_nothing_new_is_answered_here() {
    let (mut world, alice, bob) = World::talking(Client::Baresip, Client::SipJs);
    world.phone(alice).refresh_by_reinvite();
    world.run(secs(1));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
    assert!(world.phone(bob).requests("INVITE").is_empty());
    finish(world, alice);
}

#[test]
fn a_reinvite_without_an_offer_lets_a_telephone_resume() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::Baresip);
    world.phone(bob).hold();
    world.run(secs(1));
    assert_eq!(flow(&world), [HEARS, SENDS]);
    world.begin();
    world.phone(bob).reinvite_late("sendrecv");
    world.run(secs(1));
    assert_eq!(flow(&world), [TALK, TALK], "{}", world.ladder());
    let world = finish(world, alice);
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_reinvite_without_an_offer_can_also_hold() {
    let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
    world.phone(bob).reinvite_late("sendonly");
    world.run(secs(1));
    assert_eq!(flow(&world), [HEARS, SENDS], "{}", world.ladder());
    finish(world, alice);
}

#[test]
fn a_reinvite_without_an_offer_to_the_echo() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    world.register_all();
    world.phone(alice).dial("echo");
    world.run(secs(1));
    world.phone(alice).hold();
    world.run(secs(1));
    world.phone(alice).reinvite_late("sendrecv");
    world.run(secs(1));
    let offer = world.phone(alice).responses("INVITE").pop().unwrap();
    assert!(String::from_utf8_lossy(offer.body()).contains("a=sendrecv"), "it may resume");
    assert!(world.media.settings_of("alice").receives);
    finish(world, alice);
}

#[test]
fn a_browser_restarts_ice() {
    for is_caller in [true, false] {
        let (mut world, alice, bob) = World::talking(Client::JsSip, Client::SipJs);
        let (label, id) = if is_caller { ("alice", alice) } else { ("bob", bob) };
        let before = world.media.legs[&world.media.leg_of(label)].ice.clone().unwrap();
        world.phone(id).restart_ice();
        world.run(secs(1));
        let leg = &world.media.legs[&world.media.leg_of(label)];
        let after = leg.ice.clone().unwrap();
        assert_ne!(before.ufrag, after.ufrag);
        assert_eq!(leg.settings.as_ref().unwrap().ice.as_ref().unwrap().ufrag, "pQ02");
        let answer = world.phone(id).responses("INVITE").pop().unwrap();
        let answer = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(
            answer.contains(&format!("a=ice-ufrag:{}\r\na=ice-pwd:{}", after.ufrag, after.pwd)),
            "{answer}"
        );
        let restarted = world.media.log.iter().position(|line| line.ends_with("restarts ICE")).unwrap();
        assert!(
            world.media.log[restarted + 1..].iter().any(|line| line.starts_with(label)),
            "then configured"
        );
        assert_eq!(world.exchange.stats().ice_restarts, 1);
        // The next description of the leg has the new credentials too.
        world.phone(id).hold();
        world.run(secs(1));
        let answer = world.phone(id).responses("INVITE").pop().unwrap();
        assert!(String::from_utf8_lossy(answer.body()).contains(&after.ufrag));
        assert_eq!(world.exchange.stats().ice_restarts, 1);
        finish(world, alice);
    }
}

/// RFC 3261 §14.1: until its ACK has come, nobody knows whether the caller has our 200.
#[test]
fn an_offer_of_the_callee_waits_for_the_ack_of_the_caller() {
    let (mut world, alice, bob) = World::unacknowledged(Client::Baresip, Client::Baresip);
    world.phone(bob).hold();
    world.run(ms(150));
    assert!(world.phone(alice).requests("INVITE").is_empty());
    // It acknowledges the 200 that comes again.
    world.phone(alice).manners.acknowledges = true;
    world.run(ms(1000));
    assert_eq!(world.phone(alice).requests("INVITE").len(), 1);
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(200));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}
