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

/// RFC 4028 §7.4: a far end that finds our interval too short is asked again with the one that it takes.
#[test]
fn a_422_to_a_refresh_makes_the_interval_longer() {
    let mut world = World::new(1);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.phone(alice).manners.timer = Some("90;refresher=uas");
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer();
    world.run(secs(1));
    world.phone(alice).manners.timer = None;
    world.phone(alice).manners.on_reinvite = OnReinvite::Ignore;
    world.begin();
    world.run(secs(45));
    world.phone(alice).refuse_ignored(422, |reply| reply.header(Name::MinSe, "600"));
    world.run(secs(1));
    let again = world.phone(alice).requests("INVITE").pop().unwrap().clone();
    assert_eq!(again.header(Name::SessionExpires), Some(&b"600;refresher=uac"[..]));
    assert_eq!(again.header(Name::MinSe), Some(&b"600"[..]));
    world.phone(alice).answer_ignored_with(|reply| reply.header(Name::SessionExpires, "600;refresher=uac"));
    world.run(secs(290));
    assert_eq!(world.phone(alice).requests("INVITE").len(), 2, "{}", world.ladder());
    world.run(secs(15));
    assert_eq!(world.phone(alice).requests("INVITE").len(), 3, "refreshed at half of the longer interval");
    world.phone(alice).answer_ignored_with(|reply| reply.header(Name::SessionExpires, "600;refresher=uac"));
    // One that wants less, or nothing, is not asked again.
    world.run(secs(301));
    for min in ["600", "", "4000000000"] {
        let count = world.phone(alice).requests("INVITE").len();
        world.phone(alice).refuse_ignored(422, |reply| reply.header(Name::MinSe, min));
        world.run(secs(1));
        assert_eq!(world.phone(alice).requests("INVITE").len(), count, "{min}");
        if min != "4000000000" {
            world.run(secs(301));
        }
    }
    assert!(world.phone(alice).is_up());
}

/// The offer of one party is passed on with the other's longer timer, and nobody hears of the 422.
#[test]
fn a_422_to_a_passed_on_offer_stays_with_its_leg() {
    let mut world = World::new(1);
    let (alice, bob) = (world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    world.phone(alice).dial("bob");
    world.run(ms(200));
    world.phone(bob).answer_with(|reply| reply.header(Name::SessionExpires, "90;refresher=uas"));
    world.run(secs(1));
    world.phone(bob).manners.on_reinvite = OnReinvite::Ignore;
    world.phone(alice).hold();
    world.run(ms(100));
    world.phone(bob).refuse_ignored(422, |reply| reply.header(Name::MinSe, "1800"));
    world.run(ms(100));
    let again = world.phone(bob).requests("INVITE").pop().unwrap().clone();
    assert_eq!(again.header(Name::SessionExpires), Some(&b"1800;refresher=uas"[..]));
    world.phone(bob).accept_ignored();
    world.run(ms(100));
    assert_eq!(world.phone(alice).statuses("INVITE").pop(), Some(200));
    assert!(!world.phone(alice).statuses("INVITE").contains(&422));
    assert!(world.media.settings_of("bob").receives && !world.media.settings_of("bob").sends);
}

/// RFC 3261 §14.1: a refresh that meets an offer of the far end is made again, later by who made the Call-ID.
#[test]
fn a_refresh_that_meets_an_offer_is_made_again() {
    for is_callee in [false, true] {
        let mut world = World::new(1);
        let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
        let who = if is_callee { bob } else { alice };
        if !is_callee {
            world.phone(alice).manners.timer = Some("90;refresher=uas");
        }
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(200));
        let timer = if is_callee { Some("90;refresher=uac") } else { None };
        world.phone(bob).answer_with(|reply| match timer {
            Some(timer) => reply.header(Name::SessionExpires, timer),
            None => reply,
        });
        world.run(secs(1));
        world.phone(alice).manners.timer = None;
        world.phone(who).manners.on_reinvite = OnReinvite::Refuse(491);
        world.begin();
        world.run_until(secs(60), |world| !world.phone(who).requests("INVITE").is_empty());
        world.run(ms(20));
        world.phone(who).manners.on_reinvite = OnReinvite::Accept;
        world.run(ms(if is_callee { 2_050 } else { 2_030 }));
        let count = world.phone(who).requests("INVITE").len();
        assert_eq!(count, if is_callee { 1 } else { 2 }, "{}", world.ladder());
        world.run(ms(2_000));
        assert_eq!(world.phone(who).requests("INVITE").len(), 2);
        assert_eq!(world.exchange.stats().offers_repeated, 1);
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }
}
