//! Reliable provisional responses (RFC 3262), on either side of a call.

use ringback_sansio::sim::Link;
use ringback_sip::message::{Builder, Message, Method, Name};

use crate::kit::{Client, DELAY, PhoneId, UDP, World, ms, secs};

/// Alice lists 100rel in that header field and has dialled Bob, who has said nothing.
fn dialling(name: Option<Name>, alice: Client, bob: Client) -> (World, PhoneId, PhoneId) {
    let (mut world, alice, bob) = World::pair(alice, bob);
    world.phone(bob).manners.rings = false;
    world.phone(alice).manners.reliability = name;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    (world, alice, bob)
}

/// The RAck that acknowledges a response.
fn rack_of(response: &Message) -> String {
    let rseq = String::from_utf8_lossy(response.header(Name::RSeq).expect("a reliable one")).into_owned();
    format!("{rseq} {} INVITE", response.cseq().unwrap().number)
}

fn last_response(world: &mut World, id: PhoneId) -> Message {
    world.phone(id).responses("INVITE").pop().expect("a response").clone()
}

fn reliable_ones(world: &mut World, id: PhoneId) -> Vec<u16> {
    let phone = world.phone(id);
    let responses = phone.responses("INVITE");
    let reliable = responses.iter().filter(|response| response.has(Name::RSeq));
    reliable.filter_map(|response| response.status()).collect()
}

fn hang_up(world: &mut World, id: PhoneId) {
    world.phone(id).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

/// A 183 of a phone behind Bob's contact with that To tag and number.
fn provisional(world: &mut World, bob: PhoneId, tag: &str, rseq: u32, with_media: bool) -> Message {
    let phone = world.phone(bob);
    let invite = phone.requests("INVITE").pop().expect("it is called").clone();
    let answer = phone.client.answer(invite.body(), &phone.says.clone());
    let reply = Builder::reply(&invite, 183)
        .to_tag(tag.as_bytes())
        .header(Name::Contact, format!("<sip:{tag}@198.51.100.11:5060>"))
        .header(Name::Require, "100rel")
        .header(Name::RSeq, rseq.to_string());
    let reply = if with_media { reply.body(b"application/sdp", answer.as_bytes()) } else { reply };
    reply.finish()
}

// Towards the caller.

#[test]
fn a_caller_that_requires_it_gets_everything_reliably() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(bob).ring();
    world.run(ms(300));
    world.phone(bob).ring_with_media();
    world.run(ms(300));
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    assert_eq!(reliable_ones(&mut world, alice), [180, 183]);
    assert_eq!(world.phone(alice).statuses("PRACK"), [200, 200]);
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

/// Only what has a session description is worth two messages.
#[test]
fn a_caller_that_supports_it_gets_early_media_reliably() {
    let (mut world, alice, bob) = dialling(Some(Name::Supported), Client::SipJs, Client::Baresip);
    world.phone(bob).ring();
    world.run(ms(300));
    world.phone(bob).ring_with_media();
    world.run(ms(300));
    assert_eq!(world.media.log.last().unwrap(), "alice and bob hear each other");
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    assert_eq!(reliable_ones(&mut world, alice), [183]);
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_caller_that_says_nothing_of_it_gets_nothing_of_it() {
    let (mut world, alice, bob) = dialling(None, Client::JsSip, Client::Baresip);
    world.phone(bob).ring_reliably(183, true);
    world.run(ms(300));
    let early = last_response(&mut world, alice);
    assert_eq!((early.status(), early.has(Name::RSeq), early.has(Name::Require)), (Some(183), false, false));
    assert!(!early.body().is_empty());
    world.phone(bob).answer();
    world.run(ms(300));
    assert_eq!(world.phone(alice).statuses("PRACK"), [0; 0]);
    hang_up(&mut world, alice);
}

#[test]
fn a_2xx_waits_for_the_prack_of_a_session_description() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring_with_media();
    world.run(ms(100));
    let early = last_response(&mut world, alice);
    world.phone(bob).answer();
    world.run(secs(1));
    assert!(world.phone(bob).is_up() && !world.phone(alice).is_up(), "Bob has his ACK");
    world.phone(alice).prack(&rack_of(&early));
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    let answer = last_response(&mut world, alice);
    assert_eq!((answer.status(), answer.body()), (Some(200), early.body()));
    hang_up(&mut world, bob);
    insta::assert_snapshot!(world.story());
}

#[test]
fn without_a_session_description_a_2xx_does_not_wait() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring();
    world.run(ms(100));
    let ringing = last_response(&mut world, alice);
    world.phone(bob).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    // What is on its way is still taken (RFC 3262 §3), and nothing is repeated.
    let count = world.phone(alice).heard.len();
    world.run(secs(3));
    assert_eq!(world.phone(alice).heard.len(), count);
    world.phone(alice).prack(&rack_of(&ringing));
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("PRACK"), Some(200));
    hang_up(&mut world, alice);
}

#[test]
fn the_callee_hangs_up_while_its_answer_waits() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring_with_media();
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(ms(100));
    world.phone(bob).hang_up();
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    world.assert_nothing_is_left();
    assert!(world.record().contains("by callee (the callee hung up)"), "{}", world.record());
}

#[test]
fn without_a_prack_the_call_is_refused_after_32_seconds() {
    for is_answered in [false, true] {
        let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
        world.phone(alice).manners.pracks = false;
        world.phone(bob).ring_with_media();
        world.run(ms(100));
        if is_answered {
            world.phone(bob).answer();
        }
        world.settle();
        assert_eq!(reliable_ones(&mut world, alice), [183; 7], "one and six more");
        assert_eq!(world.phone(alice).last_failure(), Some(504));
        assert!(world.phone(bob).is_idle(), "cancelled, or told by a BYE");
        world.assert_nothing_is_left();
        assert_eq!(world.exchange.stats().provisionals_unacknowledged, 1);
        if is_answered {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn a_cancel_while_a_prack_is_awaited() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring_reliably(183, true);
    world.run(ms(100));
    world.phone(alice).cancel_because("SIP;cause=487");
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(487));
    assert_eq!(reliable_ones(&mut world, alice), [183], "it is not repeated");
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_prack_of_something_else_is_a_481() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring();
    world.run(ms(100));
    let rack = rack_of(&last_response(&mut world, alice));
    let [rseq, cseq, _] = rack.split(' ').collect::<Vec<_>>()[..] else { panic!("{rack}") };
    let above = rseq.parse::<u32>().unwrap() + 1;
    for wrong in [
        format!("{above} {cseq} INVITE"),
        format!("{rseq} 77 INVITE"),
        format!("{rseq} {cseq} BYE"),
        "x".into(),
    ] {
        world.phone(alice).prack(&wrong);
        world.run(ms(50));
        assert_eq!(world.phone(alice).last_status("PRACK"), Some(481), "{wrong}");
    }
    assert_eq!(world.exchange.stats().pracks_unmatched, 4);
    // The call goes on, and the right one is taken; once.
    for status in [200, 481] {
        world.phone(alice).prack(&rack);
        world.run(ms(50));
        assert_eq!(world.phone(alice).last_status("PRACK"), Some(status));
    }
    world.phone(bob).answer();
    world.run(ms(100));
    hang_up(&mut world, alice);
}

#[test]
fn one_waits_for_the_other_and_the_session_description_is_not_lost() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring();
    world.run(ms(50));
    let first = last_response(&mut world, alice);
    world.phone(bob).ring_with_media();
    world.phone(bob).ring();
    world.run(ms(100));
    assert_eq!(reliable_ones(&mut world, alice), [180], "the second waits");
    world.phone(alice).prack(&rack_of(&first));
    world.run(ms(100));
    let second = last_response(&mut world, alice);
    assert_eq!((second.status(), second.body().is_empty()), (Some(183), false));
    let number = |message: &Message| -> u32 {
        String::from_utf8_lossy(message.header(Name::RSeq).unwrap()).parse().unwrap()
    };
    assert_eq!(number(&second), number(&first) + 1);
    assert!(number(&first) < 1 << 31);
    world.phone(alice).prack(&rack_of(&second));
    world.phone(bob).answer();
    world.run(ms(100));
    hang_up(&mut world, alice);
}

/// RFC 3261 §13.2.1: the first reliable message to who has made no offer has ours.
#[test]
fn a_late_caller_that_requires_it_gets_the_offer_in_its_180() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::JsSip);
    world.phone(alice).manners.reliability = Some(Name::Require);
    world.phone(alice).dial_late("bob");
    world.run(ms(300));
    let ringing = last_response(&mut world, alice);
    assert!(String::from_utf8_lossy(ringing.body()).contains("opus"), "an offer of our own");
    assert_eq!(world.phone(alice).statuses("PRACK"), [200]);
    world.phone(bob).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    let answer = last_response(&mut world, alice);
    assert_eq!((answer.status(), answer.body().len()), (Some(200), 0), "nothing is left to offer");
    assert_eq!(world.media.settings_of("alice").codec, world.media.settings_of("bob").codec);
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_late_caller_that_supports_it_hears_early_media() {
    for (from, to) in [(Client::Baresip, Client::Baresip), (Client::JsSip, Client::Baresip)] {
        let (mut world, alice, bob) = World::pair(from, to);
        world.phone(alice).manners.reliability = Some(Name::Supported);
        world.phone(bob).manners.rings = false;
        world.phone(alice).dial_late("bob");
        world.run(ms(100));
        world.phone(bob).ring();
        world.run(ms(100));
        assert_eq!(reliable_ones(&mut world, alice), [0; 0]);
        world.phone(bob).ring_reliably(183, true);
        world.run(ms(100));
        assert_eq!(world.media.log.last().unwrap(), "alice and bob hear each other", "{}", world.ladder());
        world.phone(bob).answer_without_session();
        world.run(ms(100));
        assert!(world.phone(alice).is_up());
        hang_up(&mut world, alice);
        if from == Client::Baresip {
            insta::assert_snapshot!(world.story());
        }
    }
}

/// RFC 3311 §5.2: our offer in the 180 waits for its answer in the PRACK.
#[test]
fn an_update_of_a_late_caller_meets_the_offer_in_its_180() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.reliability = Some(Name::Require);
    world.phone(alice).manners.pracks = false;
    world.phone(alice).dial_late("bob");
    world.run(ms(300));
    let phone = world.phone(alice);
    let offer = phone.client.offer(&phone.says.clone());
    phone.send_in_dialog(Method::Update, "application/sdp", &offer);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("UPDATE"), Some(491), "{}", world.ladder());
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_late_caller_whose_prack_has_no_usable_answer() {
    let (mut world, alice, _bob) = World::pair(Client::Baresip, Client::Baresip);
    world.phone(alice).manners.reliability = Some(Name::Require);
    world.phone(alice).manners.pracks = false;
    world.phone(alice).dial_late("bob");
    world.run(ms(300));
    let rack = rack_of(&last_response(&mut world, alice));
    let prack = world.phone(alice).in_dialog(Method::Prack).header(Name::Rack, rack);
    world.phone(alice).send(prack.body(b"application/sdp", b"nonsense").finish());
    world.settle();
    assert_eq!(
        (world.phone(alice).last_status("PRACK"), world.phone(alice).last_failure()),
        (Some(488), Some(488))
    );
    assert_eq!(world.exchange.stats().late_answers_refused, 1);
    world.assert_nothing_is_left();
}

/// The early answer was reliable, so the 200 cannot have another one: the caller hears of the other codec afterwards.
#[test]
fn somebody_else_picks_up_with_another_codec() {
    let (mut world, alice, bob) = dialling(Some(Name::Supported), Client::JsSip, Client::Baresip);
    let offer = world.phone(bob).call.as_ref().unwrap().invite.clone();
    let early = Builder::reply(&offer, 183)
        .to_tag(b"first")
        .header(Name::Contact, "<sip:other@198.51.100.11:5060>")
        .body(
            b"application/sdp",
            b"v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nc=IN IP4 198.51.100.11\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8\r\n",
        )
        .finish();
    world.send_past(bob, &early);
    world.run(ms(100));
    let early = last_response(&mut world, alice);
    assert!(early.has(Name::RSeq) && String::from_utf8_lossy(early.body()).contains("PCMA"));
    world.phone(bob).answer();
    world.run(ms(300));
    let answer = world.phone(alice).responses("INVITE").pop().unwrap().clone();
    assert_eq!((answer.status(), answer.body()), (Some(200), early.body()), "the caller has its answer");
    let offers = world.phone(alice).requests("INVITE");
    assert_eq!(offers.len(), 1, "and hears of the other codec");
    assert!(String::from_utf8_lossy(offers[0].body()).contains("PCMU"));
    assert_eq!(world.media.settings_of("alice").codec, "PCMU");
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn an_offer_in_a_prack_is_answered_and_passed_on_after_the_answer() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring_with_media();
    world.run(ms(100));
    let rack = rack_of(&last_response(&mut world, alice));
    // Alice puts Bob on hold before he has answered.
    let phone = world.phone(alice);
    phone.says.direction = "sendonly";
    phone.says.version += 1;
    let offer = phone.client.offer(&phone.says.clone());
    let prack = phone.in_dialog(Method::Prack).header(Name::Rack, rack);
    phone.send(prack.body(b"application/sdp", offer.as_bytes()).finish());
    world.run(ms(100));
    let answer = world.phone(alice).responses("PRACK").pop().unwrap().clone();
    assert_eq!(answer.status(), Some(200));
    assert!(String::from_utf8_lossy(answer.body()).contains("a=recvonly"));
    world.phone(bob).answer();
    world.run(ms(300));
    let [_, hold] = &world.phone(bob).requests("INVITE")[..] else { panic!("{}", world.ladder()) };
    assert!(String::from_utf8_lossy(hold.body()).contains("a=sendonly"), "{}", world.ladder());
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn an_offer_in_a_prack_that_cannot_be_taken_is_refused_and_the_call_goes_on() {
    let (mut world, alice, bob) = dialling(Some(Name::Require), Client::Baresip, Client::Baresip);
    world.phone(alice).manners.pracks = false;
    world.phone(bob).ring_with_media();
    world.run(ms(100));
    let rack = rack_of(&last_response(&mut world, alice));
    let prack = world.phone(alice).in_dialog(Method::Prack).header(Name::Rack, rack);
    world.phone(alice).send(prack.body(b"application/sdp", b"nonsense").finish());
    world.run(ms(700));
    assert_eq!(world.phone(alice).last_status("PRACK"), Some(488));
    assert_eq!(reliable_ones(&mut world, alice), [183], "it was acknowledged all the same");
    world.phone(bob).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    hang_up(&mut world, alice);
}

/// RFC 3311 §5.1: once the first offer has its answer, another one may come before the call is answered.
#[test]
fn an_update_with_an_offer_in_the_early_dialog() {
    for who in [0, 1] {
        let (mut world, alice, bob) = dialling(Some(Name::Supported), Client::Baresip, Client::Baresip);
        let id = [alice, bob][who];
        let update = |world: &mut World| {
            let phone = world.phone(id);
            phone.says.direction = "sendonly";
            phone.says.version += 1;
            let offer = phone.client.offer(&phone.says.clone());
            phone.send_in_dialog(Method::Update, "application/sdp", &offer);
            world.run(ms(100));
            world.phone(id).last_status("UPDATE")
        };
        world.phone(bob).ring();
        world.run(ms(100));
        // Alice's own offer is not answered, and Bob has not answered ours.
        assert_eq!(update(&mut world), Some([500, 491][who]), "{}", world.ladder());
        let phone = world.phone(bob);
        phone.says.direction = "sendrecv";
        let offer = phone.requests("INVITE")[0].body().to_vec();
        let first = phone.client.answer(&offer, &phone.says.clone());
        phone.ring_reliably(183, true);
        world.run(ms(100));
        assert_eq!(update(&mut world), Some(200), "{}", world.ladder());
        // What a 200 repeats of the first answer is history.
        world.phone(bob).answer_with_body("application/sdp", &first);
        world.run(ms(300));
        let other = [bob, alice][who];
        let told = world.phone(other).requests("INVITE").pop().expect("a re-INVITE").clone();
        assert!(String::from_utf8_lossy(told.body()).contains("a=sendonly"), "{}", world.ladder());
        assert_eq!(world.exchange.stats().offers_early, 1);
        hang_up(&mut world, alice);
    }
}

#[test]
fn a_pickup_waits_for_the_prack_too() {
    let mut world = World::new(1);
    let alice = world.baresip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::JsSip);
    world.phone(desk).manners.rings = false;
    world.phone(page).manners.rings = false;
    world.register_all();
    world.phone(alice).manners.reliability = Some(Name::Require);
    world.phone(alice).manners.pracks = false;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(page).refuse(480);
    world.run(ms(100));
    world.phone(desk).ring_with_media();
    world.run(ms(100));
    let rack = rack_of(&last_response(&mut world, alice));
    world.phone(page).dial("*8bob");
    world.run(ms(500));
    assert!(!world.phone(page).is_up() && !world.phone(alice).is_up(), "{}", world.ladder());
    world.phone(alice).prack(&rack);
    world.run(ms(500));
    assert!(world.phone(page).is_up() && world.phone(alice).is_up(), "{}", world.ladder());
    assert!(world.phone(desk).is_idle());
    hang_up(&mut world, alice);
}

// Towards a callee.

#[test]
fn a_callee_that_rings_reliably_gets_its_prack() {
    let (mut world, alice, bob) = dialling(None, Client::JsSip, Client::Baresip);
    let invite = world.phone(bob).requests("INVITE")[0].clone();
    let listed = |name| String::from_utf8_lossy(invite.header(name).unwrap_or_default()).into_owned();
    assert!(listed(Name::Supported).contains("100rel") && listed(Name::Allow).contains("PRACK"));
    assert_eq!(listed(Name::Require), "");
    world.phone(bob).ring_reliably(183, true);
    world.run(ms(300));
    assert!(!world.phone(bob).awaits_prack());
    world.phone(bob).answer_without_session();
    world.run(ms(300));
    assert!(world.phone(alice).is_up());
    assert_eq!(world.media.settings_of("bob").codec, "PCMU");
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn what_is_repeated_or_out_of_order_is_passed_over() {
    let (mut world, alice, bob) = dialling(None, Client::Baresip, Client::Baresip);
    world.phone(bob).manners.on_foreign_prack = 200;
    for (rseq, pracks) in [(10, 1), (10, 1), (12, 1), (11, 2), (12, 3), (10, 3), (13, 4)] {
        let response = provisional(&mut world, bob, "behind", rseq, false);
        world.send_past(bob, &response);
        world.run(ms(50));
        assert_eq!(world.phone(bob).requests("PRACK").len(), pracks, "{rseq}");
    }
    let stats = world.exchange.stats();
    assert_eq!((stats.pracks_sent, stats.provisionals_repeated, stats.provisionals_out_of_order), (4, 2, 1));
    let numbers: Vec<u32> =
        world.phone(bob).requests("PRACK").iter().map(|prack| prack.cseq().unwrap().number).collect();
    assert_eq!(numbers, [2, 3, 4, 5]);
    world.phone(alice).cancel();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn two_early_dialogs_behind_one_contact() {
    let (mut world, alice, bob) = dialling(None, Client::JsSip, Client::Baresip);
    world.phone(bob).manners.on_foreign_prack = 200;
    for (tag, rseq) in [("one", 5), ("two", 900), ("one", 6), ("two", 901)] {
        let response = provisional(&mut world, bob, tag, rseq, true);
        world.send_past(bob, &response);
        world.run(ms(50));
        let prack = world.phone(bob).requests("PRACK").pop().unwrap().clone();
        assert_eq!(prack.to().unwrap().tag(), Some(tag.as_bytes()));
        assert_eq!(prack.header(Name::Rack), Some(format!("{rseq} 1 INVITE").as_bytes()));
    }
    // The second one takes the call and says nothing more of its session; the first is late.
    let invite = world.phone(bob).requests("INVITE")[0].clone();
    for tag in ["two", "one"] {
        let answer = Builder::reply(&invite, 200)
            .to_tag(tag.as_bytes())
            .header(Name::Contact, format!("<sip:{tag}@198.51.100.11:5060>"))
            .finish();
        world.send_past(bob, &answer);
        world.run(ms(50));
    }
    assert!(world.phone(alice).is_up(), "{}", world.ladder());
    let bye = world.phone(bob).requests("BYE")[0].clone();
    assert_eq!((bye.to().unwrap().tag(), bye.cseq().unwrap().number), (Some(&b"one"[..]), 4));
    world.phone(bob).call = None;
    world.phone(alice).hang_up();
    world.run(ms(100));
    let bye = world.phone(bob).requests("BYE")[1].clone();
    assert_eq!((bye.to().unwrap().tag(), bye.cseq().unwrap().number), (Some(&b"two"[..]), 4));
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

/// Two contacts send early media: the first one is heard, in the caller's one dialog, and the other one picks up.
#[test]
fn the_first_of_two_contacts_is_heard_by_who_can_be_told_of_the_other() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let cell = world.add("bob", "cell", Client::JsSip);
    world.phone(desk).manners.rings = false;
    world.phone(cell).manners.rings = false;
    world.register_all();
    world.phone(alice).manners.reliability = Some(Name::Supported);
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(desk).ring_with_media();
    world.run(ms(100));
    assert_eq!(world.media.log.last().unwrap(), "alice and desk hear each other");
    world.phone(cell).ring_with_media();
    world.run(ms(100));
    assert_eq!(world.media.log.last().unwrap(), "alice and desk hear each other", "one at a time");
    world.phone(cell).answer();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(desk).is_idle(), "{}", world.ladder());
    let tags: Vec<Vec<u8>> = world.phone(alice).responses("INVITE")[2..]
        .iter()
        .map(|response| response.to().unwrap().tag().unwrap_or_default().to_vec())
        .collect();
    assert!(tags.iter().all(|tag| *tag == tags[0]), "one dialog");
    assert_eq!(world.media.settings_of("alice").codec, world.media.settings_of("cell").codec);
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

/// Two contacts send early media; neither is heard, and who picks up says nothing more of its session.
#[test]
fn two_contacts_with_reliable_early_dialogs() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let cell = world.add("bob", "cell", Client::Baresip);
    world.phone(desk).manners.rings = false;
    world.phone(cell).manners.rings = false;
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(desk).ring_reliably(183, true);
    world.phone(cell).ring_reliably(183, true);
    world.run(ms(300));
    assert!(!world.phone(desk).awaits_prack() && !world.phone(cell).awaits_prack());
    world.phone(cell).answer_without_session();
    world.run(ms(300));
    assert!(world.phone(alice).is_up() && world.phone(desk).is_idle(), "{}", world.ladder());
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_prack_that_fails_ends_its_branch_only() {
    let mut world = World::new(1);
    let alice = world.jssip("alice");
    let desk = world.add("bob", "desk", Client::Baresip);
    let page = world.add("bob", "page", Client::JsSip);
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(100));
    // It knows nothing of the dialog of its own 183, and says so.
    let response = provisional(&mut world, desk, "nobody", 1, false);
    world.send_past(desk, &response);
    world.run(ms(300));
    assert_eq!(world.exchange.stats().pracks_failed, 1);
    assert!(world.phone(desk).is_idle(), "its INVITE was cancelled");
    assert!(world.phone(page).is_ringing(), "the other one rings on");
    world.phone(page).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
    hang_up(&mut world, alice);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_prack_that_fails_for_the_only_branch_fails_the_call() {
    let (mut world, alice, bob) = dialling(None, Client::JsSip, Client::Baresip);
    let response = provisional(&mut world, bob, "nobody", 1, false);
    world.send_past(bob, &response);
    world.settle();
    assert_eq!(world.phone(alice).last_failure(), Some(480));
    world.assert_nothing_is_left();
}

/// The target of a transfer may ring reliably as well.
#[test]
fn the_target_of_a_transfer_gets_its_prack() {
    let (mut world, alice, _bob) = World::talking(Client::Baresip, Client::Baresip);
    let carol = world.baresip("carol");
    world.phone(carol).register();
    world.run(secs(1));
    world.phone(carol).manners.rings = false;
    let refer = world.phone(alice).in_dialog(Method::Refer).header(Name::ReferTo, "<sip:carol@192.0.2.1>");
    world.phone(alice).send(refer.finish());
    world.run(ms(300));
    world.phone(carol).ring_reliably(183, true);
    world.run(ms(300));
    assert!(!world.phone(carol).awaits_prack());
    world.phone(carol).answer_without_session();
    world.run(ms(500));
    assert!(world.phone(carol).is_up());
    assert_eq!(world.exchange.stats().transfers_completed, 1, "{}", world.ladder());
}

// Both, over networks that lose messages.

#[test]
fn at_10_percent_loss_every_call_is_set_up() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
        world.register_all();
        for id in [alice, bob] {
            let phone = world.phone(id).flow.local();
            world.network.set_links(phone, UDP.parse().unwrap(), Link::lossy(DELAY, 10));
        }
        world.phone(bob).manners.rings = false;
        let name = if seed.is_multiple_of(2) { Name::Require } else { Name::Supported };
        world.phone(alice).manners.reliability = Some(name);
        world.phone(alice).dial("bob");
        let is_called = |world: &mut World| world.phone(bob).is_ringing();
        assert!(world.run_until(secs(80), is_called), "seed {seed}\n{}", world.ladder());
        world.phone(bob).ring_reliably(183, true);
        let is_taken = |world: &mut World| !world.phone(bob).awaits_prack();
        assert!(world.run_until(secs(31), is_taken), "seed {seed}\n{}", world.ladder());
        world.phone(bob).answer_without_session();
        let is_up = |world: &mut World| world.phone(alice).is_up();
        assert!(world.run_until(secs(80), is_up), "seed {seed}\n{}", world.ladder());
        assert!(reliable_ones(&mut world, alice).contains(&183), "seed {seed}");
        world.run(secs(2));
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs.len(), 1, "seed {seed}");
    }
}
