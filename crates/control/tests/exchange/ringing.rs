//! Between the INVITE and its final response.

use ringback_sip::message::Name;

use crate::kit::{Client, World, ms, secs};

#[test]
fn early_media_is_passed_on_and_the_200_says_the_same() {
    for (from, to) in [(Client::JsSip, Client::Baresip), (Client::Baresip, Client::SipJs)] {
        let (mut world, alice, bob) = World::pair(from, to);
        world.phone(bob).manners.rings = false;
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).ring_with_media();
        world.run(ms(500));
        assert_eq!(world.media.log.last().unwrap(), "alice and bob hear each other");
        world.phone(bob).answer();
        world.run(ms(500));
        let responses = world.phone(alice).responses("INVITE");
        let with_body: Vec<_> = responses.iter().filter(|response| !response.body().is_empty()).collect();
        let [early, last] = &with_body[..] else { panic!("{}", world.ladder()) };
        assert_eq!((early.status(), last.status()), (Some(183), Some(200)));
        assert_eq!(early.body(), last.body());
        assert_eq!(early.to().unwrap().tag(), last.to().unwrap().tag());
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        if from == Client::JsSip {
            insta::assert_snapshot!(world.story());
        }
    }
}

#[test]
fn early_media_in_a_180_stays_a_180() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).respond_provisional(180, true);
    world.run(ms(100));
    let ringing = world.phone(alice).responses("INVITE").pop().unwrap();
    assert_eq!(ringing.status(), Some(180));
    assert!(!ringing.body().is_empty());
    // Without a description a 183 is ringing; a 199 says nothing to the caller.
    for (sent, heard) in [(183, 180), (181, 181), (199, 181)] {
        world.phone(bob).respond_provisional(sent, false);
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(heard));
    }
}

#[test]
fn early_media_that_cannot_be_used_rings_on() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.rings = false;
    world.phone(alice).dial("bob");
    world.run(ms(100));
    let body = "v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nt=0 0\r\nm=audio 9000 RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\n";
    world.phone(bob).respond_with_body(183, body);
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_status("INVITE"), Some(180));
    assert_eq!(world.exchange.stats().early_answers_refused, 1);
    world.phone(bob).answer();
    world.run(ms(100));
    assert!(world.phone(alice).is_up());
}

#[test]
fn busy() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse(486);
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn what_the_callee_says_of_its_refusal_is_passed_on() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::JsSip);
    world.phone(alice).dial("bob");
    world.run(ms(500));
    world.phone(bob).refuse_with(603, |reply| {
        reply
            .header(Name::Reason, "Q.850;cause=21;text=\"Call Rejected\"")
            .header(Name::RetryAfter, "60")
            .header_named(b"X-Mood", "bad")
            .header(Name::PAssertedIdentity, "<sip:boss@example.org>")
    });
    world.settle();
    let refusal = world.phone(alice).responses("INVITE").pop().unwrap();
    assert_eq!(refusal.status(), Some(603));
    assert_eq!(refusal.header(Name::Reason), Some(&b"Q.850;cause=21;text=\"Call Rejected\""[..]));
    assert_eq!(refusal.header(Name::RetryAfter), Some(&b"60"[..]));
    assert_eq!(refusal.header_named(b"x-mood"), Some(&b"bad"[..]));
    assert!(!refusal.has(Name::PAssertedIdentity));
}

/// What a callee says about itself or about the way to it is not for the caller.
#[test]
fn some_refusals_speak_of_the_branch_only() {
    for (said, heard) in
        [(302, 480), (401, 480), (407, 480), (408, 480), (481, 480), (487, 480), (503, 480), (404, 404)]
    {
        let (mut world, alice, bob) = World::pair(Client::Baresip, Client::Baresip);
        world.phone(alice).dial("bob");
        world.run(ms(500));
        world.phone(bob).refuse_with(said, |reply| {
            reply.header(Name::ProxyAuthenticate, "Digest realm=\"evil\", nonce=\"1\"")
        });
        world.settle();
        let refusal = world.phone(alice).responses("INVITE").pop().unwrap();
        assert_eq!(refusal.status(), Some(heard), "{said}");
        assert!(!refusal.has(Name::ProxyAuthenticate) && !refusal.has(Name::Contact));
        world.assert_nothing_is_left();
    }
}

#[test]
fn no_answer() {
    let mut world = World::with(1, |settings| settings.limits.ring = secs(30));
    let (alice, _bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).dial("bob");
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_telephone_that_is_off_does_not_respond() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(bob).manners.is_deaf = true;
    world.phone(alice).dial("bob");
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().branches_unanswered, 1);
    insta::assert_snapshot!(world.story());
}

#[test]
fn a_browser_that_vanishes_while_it_rings_does_not_respond() {
    let (mut world, alice, bob) = World::pair(Client::Baresip, Client::JsSip);
    world.phone(alice).dial("bob");
    world.run(secs(2));
    world.disconnect(bob);
    world.phone(bob).call = None;
    world.run(ms(100));
    assert_eq!(world.phone(alice).last_failure(), Some(480), "at once, not after a time-out");
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_caller_whose_connection_is_lost_stops_the_ringing() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    world.phone(alice).dial("bob");
    world.run(secs(2));
    world.disconnect(alice);
    world.phone(alice).call = None;
    world.settle();
    assert!(world.phone(bob).is_idle());
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.story());
}

#[test]
fn an_answer_that_cannot_be_used_ends_the_call_on_both_sides() {
    for (body, status) in [
        ("nonsense", 502),
        (
            "v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nc=IN IP4 198.51.100.11\r\nt=0 0\r\nm=audio 9000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n",
            488,
        ),
    ] {
        let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
        world.phone(alice).dial("bob");
        world.run(ms(500));
        world.phone(bob).answer_with_body("application/sdp", body);
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(status));
        assert_eq!(world.exchange.stats().answers_refused, 1);
        world.assert_nothing_is_left();
        if status == 488 {
            insta::assert_snapshot!(world.story());
        }
    }
}
