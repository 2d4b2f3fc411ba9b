//! Session timers (RFC 4028), each a matter of one leg.

use ringback_sip::message::{Method, Name};

use crate::kit::{OnReinvite, World, ms, secs};

/// JsSIP asks for 90 s and refreshes by an UPDATE without a body, which SIP.js would refuse.
#[test]
fn a_bodiless_update_is_answered_here() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.sipjs("bob"));
    world.phone(alice).manners.timer = Some("90");
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer();
    for _ in 0..5 {
        world.run(secs(45));
        let update =
            world.phone(alice).in_dialog(Method::Update).header(Name::SessionExpires, "90;refresher=uac");
        let update = update.finish();
        world.phone(alice).send(update);
    }
    world.run(secs(10));
    assert!(world.phone(alice).is_up() && world.phone(bob).is_up());
    assert!(world.phone(bob).requests("UPDATE").is_empty());
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

#[test]
fn a_caller_that_stops_refreshing_loses_its_call() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.phone(alice).manners.timer = Some("90");
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer();
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().sessions_expired, 1);
    insta::assert_snapshot!(world.story());
}

/// JsSIP as the callee answers with a timer that nobody asked for.
#[test]
fn a_callee_may_bring_a_timer_of_its_own() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.jssip("bob"));
    world.phone(bob).manners.timer = Some("90;refresher=uas");
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer();
    world.run(secs(40));
    let update =
        world.phone(bob).in_dialog(Method::Update).header(Name::SessionExpires, "90;refresher=uac").finish();
    world.phone(bob).send(update);
    world.run(secs(40));
    assert!(world.phone(alice).is_up(), "it was refreshed");
    // A re-INVITE towards it carries the timer on.
    world.phone(alice).hold();
    world.run(secs(1));
    let reinvite = world.phone(bob).requests("INVITE").pop().unwrap();
    assert_eq!(reinvite.header(Name::SessionExpires), Some(&b"90;refresher=uas"[..]));
    assert!(
        !world.phone(alice).responses("INVITE").iter().any(|response| response.has(Name::SessionExpires))
    );
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.exchange.stats().sessions_expired, 1);
}

#[test]
fn a_party_that_wants_us_to_refresh_is_refreshed() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.phone(alice).manners.timer = Some("60;refresher=uas");
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer();
    world.run(ms(100));
    world.begin();
    world.run(secs(100));
    let refreshes = world.phone(alice).requests("INVITE").len();
    assert_eq!(refreshes, 1, "a client that answers without a timer wants none any more");
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
    insta::assert_snapshot!(world.ladder());
}

/// While our refresh is under way another offer has to wait.
#[test]
fn an_offer_that_crosses_with_our_refresh() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.phone(alice).manners.timer = Some("60;refresher=uas");
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    world.run(secs(30));
    assert_eq!(world.phone(alice).requests("INVITE").len(), 1);
    world.phone(bob).hold();
    world.run(ms(100));
    assert_eq!(world.phone(bob).last_failure(), Some(491));
    world.phone(alice).accept_ignored();
    world.run(ms(100));
    world.phone(bob).hold();
    world.run(ms(10));
    world.phone(alice).manners.on_reinvite = OnReinvite::Accept;
    world.run(secs(1));
    assert_eq!(world.phone(bob).last_status("INVITE"), Some(200));
    world.phone(alice).hang_up();
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_refresh_that_is_refused_does_not_end_the_call() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.phone(alice).manners.timer = Some("60;refresher=uas");
    world.register_all();
    world.connect(alice, bob);
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(488);
    world.run(secs(70));
    assert!(world.phone(alice).is_up());
    assert_eq!(world.exchange.stats().offers_of_ours_refused, 2);
    world.phone(alice).manners.on_reinvite = OnReinvite::Refuse(481);
    world.phone(alice).call = None;
    world.settle();
    world.assert_nothing_is_left();
    assert_eq!(world.cdrs[0].reason, "the caller no longer knows the call");
}

/// A 422 ends the call with every browser there is: a timer that is too short is not granted, and nothing is refused.
#[test]
fn a_timer_that_is_too_short_is_not_granted() {
    for (asked, granted) in [("10", None), ("0", None), ("nonsense", None), ("30", Some("30;refresher=uac"))]
    {
        let mut world = World::new(1);
        let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
        world.phone(alice).manners.timer = Some(asked);
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(200));
        world.phone(bob).answer();
        world.run(ms(100));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
        assert_eq!(
            world.phone(alice).last_header("INVITE", Name::SessionExpires).as_deref(),
            granted,
            "{asked}"
        );
        let require = world.phone(alice).last_header("INVITE", Name::Require);
        assert_eq!(require.is_some(), granted.is_some());
    }
}
