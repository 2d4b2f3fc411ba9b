//! WebRTC legs: who may speak for them, the handshake, keys, consent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod session_world;

use ringback_media::dtls::{Endpoint, Role};
use ringback_media::negotiation::PayloadMap;
use ringback_media::session::{Event, Gone, LegKey, Medium, OpenError, Reason, Socket, Verdict};
use session_world::*;

/// A browser (A) and a phone (B), joined and connected.
fn call() -> (World, Browser) {
    let mut world = World::new();
    let browser = Browser::connect(&mut world, A);
    world.phone(B, PHONE_B);
    let map: PayloadMap = [(0, 0), (101, 126)].into_iter().collect();
    world.worker.configure(world.clock.now(), B, phone_settings(Some(PHONE_B)), map);
    world.worker.join(A, B);
    (world, browser)
}

fn is_forward(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Forward(_))
}

#[test]
fn a_browser_and_a_phone_hear_each_other() {
    let (mut world, mut browser) = call();
    for n in 0..50 {
        let (verdict, bytes) = browser.send(&mut world, &Rtp::nth(7, n));
        let Verdict::Forward(to) = verdict else { panic!("{verdict:?}") };
        assert_eq!((to.socket, to.remote), (Socket::Rtp(B), at(PHONE_B)));
        assert_eq!(Rtp::parse(&bytes).payload, Rtp::nth(7, n).payload);

        let (verdict, bytes) = world.rtp(B, PHONE_B, &Rtp::nth(9, n));
        let Verdict::Forward(to) = verdict else { panic!("{verdict:?}") };
        assert_eq!((to.socket, to.local, to.remote), (Socket::Shared, at(SHARED), at(BROWSER_AT)));
        assert_eq!(browser.unprotect(&bytes).payload, Rtp::nth(9, n).payload);
    }
    let dtmf = Rtp { payload_type: 126, marker: true, payload: vec![1, 10, 0, 80], ..Rtp::nth(7, 50) };
    let (_, bytes) = browser.send(&mut world, &dtmf);
    assert_eq!(Rtp::parse(&bytes).payload_type, 101);
    let back = Rtp { payload_type: 101, ..Rtp::nth(9, 50) };
    let (_, bytes) = world.rtp(B, PHONE_B, &back);
    assert_eq!(browser.unprotect(&bytes).payload_type, 126);
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }, Event::FirstPacket { leg: B }]);
    assert!(world.worker.report(A).unwrap().suite.is_some());
    assert_eq!(world.worker.stats().drops.total(), 0);
}

#[test]
fn two_browsers_hear_each_other_over_one_socket() {
    let mut world = World::new();
    let mut alice = Browser::connect(&mut world, A);
    let mut bob = Browser::open(&mut world, B, Role::Server);
    bob.address = "203.0.113.99:61000";
    bob.configure(&mut world, Role::Server);
    bob.check(&mut world, true);
    bob.shake(&mut world);
    let same: PayloadMap = [(0, 0), (111, 111), (126, 126)].into_iter().collect();
    let settings = bob.settings(Role::Server, vec![identity(BROWSER).fingerprint()]);
    world.worker.configure(world.clock.now(), B, settings, same);
    world.worker.join(A, B);
    let (verdict, bytes) = alice.send(&mut world, &Rtp::nth(7, 0));
    assert!(matches!(verdict, Verdict::Forward(to) if to.remote == at("203.0.113.99:61000")), "{verdict:?}");
    assert_eq!(bob.unprotect(&bytes).payload, Rtp::nth(7, 0).payload);
    let opus = Rtp { payload_type: 111, ..Rtp::nth(9, 0) };
    let (_, bytes) = bob.send(&mut world, &opus);
    assert_eq!(alice.unprotect(&bytes).payload_type, 111);
}

#[test]
fn we_shake_hands_as_client_when_the_far_end_is_passive() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Client);
    browser.configure(&mut world, Role::Client);
    assert!(world.take_sent(BROWSER_AT).is_empty(), "no ClientHello without a nominated pair");
    browser.check(&mut world, false);
    assert!(world.take_sent(BROWSER_AT).is_empty());
    browser.check(&mut world, true);
    browser.shake(&mut world);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    assert!(browser.keys.is_some());
}

#[test]
fn the_handshake_may_come_before_the_answer_but_no_media_does() {
    let mut world = World::new();
    let mut early = Browser::open(&mut world, A, Role::Server);
    early.check(&mut world, true);
    early.shake(&mut world);
    assert!(early.keys.is_some(), "the browser is done");
    assert_eq!(world.take_events(), [], "we are not: its certificate is not known to be right");
    let (verdict, _) = early.send(&mut world, &Rtp::nth(7, 0));
    assert_eq!(verdict, Verdict::Drop(Reason::NoKeys));
    early.configure(&mut world, Role::Server);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    world.worker.echo(A);
    assert!(is_forward(&early.send(&mut world, &Rtp::nth(7, 1)).0));
}

#[test]
fn before_the_handshake_nothing_passes_either_way() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    world.phone(B, PHONE_B);
    world.worker.join(A, B);
    let plain = Rtp::nth(7, 0).bytes();
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &plain);
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress));
    browser.check(&mut world, true);
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &plain);
    assert_eq!(verdict, Verdict::Drop(Reason::NoKeys));
    assert_eq!(world.drops(A).of(Reason::NoKeys), 1);
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 0)), Reason::PeerNotReady);
    browser.shake(&mut world);
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &plain);
    assert_eq!(verdict, Verdict::Drop(Reason::Unauthentic), "and unprotected RTP never");
}

#[test]
fn dtls_is_taken_from_validated_pairs_only() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    let mut hello = [0; 1500];
    let len = browser.endpoint.poll_transmit(&mut hello).unwrap();
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &hello[..len]);
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress), "no check came from there");
    browser.check(&mut world, false);
    let (verdict, _) = world.deliver(Socket::Shared, "192.0.2.2:8443", BROWSER_AT, &hello[..len]);
    assert_eq!(verdict, Verdict::Drop(Reason::DtlsNotValidated), "none came to that address of ours");
    assert!(world.take_sent(BROWSER_AT).is_empty());
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &hello[..len]);
    assert_eq!(verdict, Verdict::Consumed);
    assert!(!world.take_sent(BROWSER_AT).is_empty());
}

#[test]
fn a_strangers_handshake_fails_and_leaves_the_leg_usable() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    browser.check(&mut world, true);
    // It has the credentials, a validated pair and another certificate.
    let mut stranger = Endpoint::new(&identity(STRANGER), Role::Client, world.clock.now());
    stranger.expect(vec![identity(WORKER).fingerprint()]);
    std::mem::swap(&mut browser.endpoint, &mut stranger);
    let elsewhere = std::mem::replace(&mut browser.address, "198.51.100.66:6666");
    browser.check(&mut world, false);
    let mut out = [0; 1500];
    for _ in 0..20 {
        while let Some(len) = browser.endpoint.poll_transmit(&mut out) {
            world.deliver(Socket::Shared, SHARED, browser.address, &out[..len]);
        }
        for bytes in world.take_sent(elsewhere).into_iter().chain(world.take_sent("198.51.100.66:6666")) {
            let _ = browser.endpoint.handle_datagram(world.clock.now(), &bytes);
        }
    }
    assert_eq!(world.take_events(), [], "nothing has failed yet for control");
    std::mem::swap(&mut browser.endpoint, &mut stranger);
    browser.address = elsewhere;
    browser.shake(&mut world);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    world.worker.echo(A);
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0));
}

#[test]
fn nobody_begins_a_handshake_in_place_of_the_one_over_the_nominated_pair() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    let home = std::mem::replace(&mut browser.address, "198.51.100.66:6666");
    browser.check(&mut world, false);
    browser.address = home;
    browser.check(&mut world, true);
    let mut hello = [0; 1500];
    while let Some(len) = browser.endpoint.poll_transmit(&mut hello) {
        world.deliver(Socket::Shared, SHARED, home, &hello[..len]);
    }
    let mut stranger = Endpoint::new(&identity(STRANGER), Role::Client, world.clock.now());
    let len = stranger.poll_transmit(&mut hello).unwrap();
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, "198.51.100.66:6666", &hello[..len]);
    assert_eq!(verdict, Verdict::Drop(Reason::DtlsRefused));
    browser.shake(&mut world);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
}

#[test]
fn a_certificate_that_is_never_right_ends_in_dtls_failed() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    let settings = browser.settings(Role::Server, vec![identity(STRANGER).fingerprint()]);
    world.worker.configure(world.clock.now(), A, settings, Browser::map());
    for attempt in 1..=3 {
        browser.endpoint = Endpoint::new(&identity(BROWSER), Role::Client, world.clock.now());
        browser.endpoint.expect(vec![identity(WORKER).fingerprint()]);
        browser.check(&mut world, true);
        browser.shake(&mut world);
        let expected = if attempt == 3 { vec![gone(A, Gone::DtlsFailed)] } else { vec![] };
        assert_eq!(world.take_events(), expected, "attempt {attempt}");
    }
}

#[test]
fn a_handshake_that_never_comes_ends_in_dtls_failed() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    for _ in 0..10 {
        browser.check(&mut world, true);
        world.pass(ms(2_999));
    }
    assert_eq!(world.take_events(), []);
    browser.check(&mut world, true);
    world.pass(ms(20));
    assert_eq!(world.take_events(), [gone(A, Gone::DtlsFailed)]);
}

#[test]
fn media_follows_the_nominated_pair_and_never_the_media() {
    let (mut world, mut browser) = call();
    let elsewhere = "198.51.100.78:50001";
    // Authentic media from an address that was never checked.
    let bytes = browser.protect(&Rtp::nth(7, 0));
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, elsewhere, &bytes);
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress));
    let (verdict, _) = world.deliver(Socket::Shared, "192.0.2.2:8443", BROWSER_AT, &bytes);
    assert_eq!(
        verdict,
        Verdict::Drop(Reason::UnknownAddress),
        "nor to an address of ours that was not checked"
    );
    browser.address = elsewhere;
    browser.check(&mut world, false);
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 1)).0), "validated: it may send from there");
    let to = world.rtp(B, PHONE_B, &Rtp::nth(9, 0)).0;
    assert!(matches!(to, Verdict::Forward(to) if to.remote == at(BROWSER_AT)), "not nominated: {to:?}");
    browser.check(&mut world, true);
    let to = world.rtp(B, PHONE_B, &Rtp::nth(9, 1)).0;
    assert!(matches!(to, Verdict::Forward(to) if to.remote == at(elsewhere)), "nominated: {to:?}");
}

#[test]
fn bad_srtp_is_counted_and_never_an_event() {
    let (mut world, mut browser) = call();
    let good = browser.protect(&Rtp::nth(7, 0));
    assert!(is_forward(&world.deliver(Socket::Shared, SHARED, BROWSER_AT, &good).0));
    world.take_events();
    for n in 0..1000u32 {
        let mut bad = browser.protect(&Rtp::nth(7, n + 1));
        let at = bad.len() - 1 - (n as usize % 100);
        bad[at] ^= 0x40;
        let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bad);
        assert_eq!(verdict, Verdict::Drop(Reason::Unauthentic));
    }
    assert_eq!(world.deliver(Socket::Shared, SHARED, BROWSER_AT, &good).0, Verdict::Drop(Reason::Replayed));
    assert_eq!(world.take_events(), []);
    let drops = world.drops(A);
    assert_eq!((drops.of(Reason::Unauthentic), drops.of(Reason::Replayed)), (1000, 1));
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 1001)).0));
}

#[test]
fn a_repeated_number_of_a_phone_is_never_encrypted_twice() {
    let (mut world, _browser) = call();
    assert!(is_forward(&world.rtp(B, PHONE_B, &Rtp::nth(9, 0)).0));
    let other = Rtp { payload: vec![0xff; 160], ..Rtp::nth(9, 0) };
    assert_eq!(world.dropped(B, PHONE_B, &other), Reason::Duplicate);
}

#[test]
fn consent_is_lost_30_seconds_after_the_last_check() {
    let (mut world, mut browser) = call();
    for _ in 0..20 {
        world.pass(secs(5));
        browser.check(&mut world, true);
    }
    world.take_events();
    world.pass(ms(29_900));
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0));
    world.take_events();
    world.pass(ms(200));
    assert!(world.take_events().contains(&gone(A, Gone::ConsentLost)), "media is no consent");
    assert_eq!(world.dropped(B, PHONE_B, &Rtp::nth(9, 0)), Reason::PeerNotReady, "sending stops (RFC 7675)");
    let (verdict, _) = browser.send(&mut world, &Rtp::nth(7, 1));
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress), "and so does receiving");
    assert_eq!(browser.check(&mut world, true), Verdict::Drop(Reason::CheckConsentLost));
    world.pass(secs(60));
    assert!(!world.take_events().contains(&gone(A, Gone::ConsentLost)), "told once");
}

#[test]
fn a_leg_that_no_check_ever_reaches_is_told_30_seconds_after_its_answer() {
    let mut world = World::new();
    let browser = Browser::open(&mut world, A, Role::Server);
    world.pass(secs(120));
    assert_eq!(world.take_events(), [], "ringing is no fault");
    browser.configure(&mut world, Role::Server);
    world.pass(ms(29_900));
    assert_eq!(world.take_events(), []);
    world.pass(ms(200));
    assert_eq!(world.take_events(), [gone(A, Gone::ConsentLost)]);
}

#[test]
fn an_ice_restart_keeps_media_and_takes_new_credentials() {
    let (mut world, mut browser) = call();
    let fresh = credentials(200);
    world.worker.restart(world.clock.now(), A, fresh.clone()).unwrap();
    assert_eq!(world.worker.restart(world.clock.now(), A, fresh.clone()), Err(OpenError::UfragTaken));
    browser.ours = credentials(201);
    browser.configure(&mut world, Role::Server);
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0), "the old path serves on");
    browser.theirs = fresh;
    browser.address = "198.51.100.79:50002";
    browser.check(&mut world, true);
    let verdict = world.rtp(B, PHONE_B, &Rtp::nth(9, 0)).0;
    assert!(matches!(verdict, Verdict::Forward(to) if to.remote == at(browser.address)), "{verdict:?}");
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 1)).0), "under the same keys");
    let report = world.worker.report(A).unwrap();
    assert_eq!(report.drops.total(), 0);
}

#[test]
fn a_restart_brings_consent_back_and_is_judged_too() {
    let (mut world, mut browser) = call();
    world.pass(secs(31));
    assert!(world.take_events().contains(&gone(A, Gone::ConsentLost)));
    browser.theirs = credentials(200);
    world.worker.restart(world.clock.now(), A, browser.theirs.clone()).unwrap();
    browser.configure(&mut world, Role::Server);
    world.pass(ms(29_900));
    assert!(!world.take_events().contains(&gone(A, Gone::ConsentLost)));
    world.pass(ms(200));
    assert!(world.take_events().contains(&gone(A, Gone::ConsentLost)), "nothing came of it");
    browser.check(&mut world, true);
    assert!(
        is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0),
        "and this time it did, under the same keys"
    );
    for _ in 0..10 {
        world.pass(secs(10));
        browser.check(&mut world, true);
    }
    assert!(!world.take_events().iter().any(|event| matches!(event, Event::Gone { leg: A, .. })));
}

#[test]
fn a_new_fingerprint_is_a_new_association_and_the_old_keys_are_void() {
    let (mut world, mut browser) = call();
    let old = browser.protect(&Rtp::nth(7, 0));
    let settings = browser.settings(Role::Server, vec![identity(STRANGER).fingerprint()]);
    world.worker.configure(world.clock.now(), A, settings, Browser::map());
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &old);
    assert_eq!(verdict, Verdict::Drop(Reason::NoKeys));
    browser.endpoint = Endpoint::new(&identity(STRANGER), Role::Client, world.clock.now());
    browser.endpoint.expect(vec![identity(WORKER).fingerprint()]);
    browser.keys = None;
    world.take_events();
    browser.shake(&mut world);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
    let (_, bytes) = world.rtp(B, PHONE_B, &Rtp::nth(9, 0));
    browser.unprotect(&bytes);
}

#[test]
fn an_unchanged_answer_keeps_the_association() {
    let (mut world, mut browser) = call();
    browser.configure(&mut world, Role::Server);
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0));
    assert_eq!(world.take_events(), [Event::FirstPacket { leg: A }]);
}

#[test]
fn close_notify_is_gone_and_closing_says_it() {
    let (mut world, mut browser) = call();
    browser.endpoint.close();
    browser.shake(&mut world);
    assert_eq!(world.take_events(), [gone(A, Gone::DtlsClosed)]);

    let (mut world, mut browser) = call();
    world.worker.close(world.clock.now(), A);
    world.drain();
    browser.shake(&mut world);
    assert!(browser.closed);
    let bytes = browser.protect(&Rtp::nth(7, 0));
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bytes);
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress));
    assert_eq!(browser.check(&mut world, true), Verdict::Drop(Reason::UnknownUsername));
}

#[test]
fn an_address_of_a_living_leg_is_not_given_to_another() {
    let (mut world, mut browser) = call();
    let mut thief = Browser::open(&mut world, LegKey(3), Role::Server);
    assert_eq!(thief.address, browser.address);
    assert_eq!(thief.check(&mut world, true), Verdict::Drop(Reason::AddressTaken));
    assert!(is_forward(&browser.send(&mut world, &Rtp::nth(7, 0)).0));
    world.worker.close(world.clock.now(), A);
    assert!(matches!(thief.check(&mut world, true), Verdict::Reply(_)), "a client may reuse its port");
    world.worker.close(world.clock.now(), LegKey(3));
}

#[test]
fn user_name_fragments_are_not_shared() {
    let mut world = World::new();
    let _browser = Browser::open(&mut world, A, Role::Server);
    let medium = Medium::WebRtc { ice: credentials(A.0 as u16) };
    assert_eq!(world.worker.open(world.clock.now(), B, medium), Err(OpenError::UfragTaken));
}

#[test]
fn checks_with_a_wrong_password_validate_nothing() {
    let mut world = World::new();
    let mut browser = Browser::open(&mut world, A, Role::Server);
    browser.theirs.pwd = "notThePasswordNotThePassword".into();
    let bytes = browser.check_bytes(true);
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &bytes);
    assert!(matches!(verdict, Verdict::Reply(_)), "401");
    assert_eq!(world.worker.checks(A).unwrap().unauthenticated, 1);
    let (verdict, _) = world.deliver(Socket::Shared, SHARED, BROWSER_AT, &[22, 254, 253, 0, 0]);
    assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress));
}
