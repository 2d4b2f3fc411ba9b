//! Sixteen arrows that an attacker, or a confused far end, may shoot at a browser's leg: each changes nothing but a
//! counter.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod session_world;

use ringback_media::dtls::{Endpoint, Role};
use ringback_media::negotiation::PayloadMap;
use ringback_media::session::{Event, LegReport, Reason, Socket, Verdict};
use ringback_media::srtp::Suite;
use ringback_nat::stun::{self, Algorithm, BindingRequest, Key, Message, MessageClass};
use session_world::*;

const STRANGER_AT: &str = "198.51.100.66:6666";

/// A leg that is offered and answered, and that nobody has checked yet.
fn fresh() -> (World, Browser) {
    let mut world = World::new();
    let browser = Browser::open(&mut world, A, Role::Server);
    browser.configure(&mut world, Role::Server);
    (world, browser)
}

/// The same with a nominated pair and no handshake.
fn nominated() -> (World, Browser) {
    let (mut world, mut browser) = fresh();
    assert!(matches!(browser.check(&mut world, true), Verdict::Reply(_)));
    (world, browser)
}

/// A call of the browser with a phone, in which both have spoken.
fn talking() -> (World, Browser) {
    let (mut world, mut browser) = nominated();
    browser.shake(&mut world);
    world.phone(B, PHONE_B);
    let map: PayloadMap = [(0, 0), (101, 126)].into_iter().collect();
    world.worker.configure(world.clock.now(), B, phone_settings(Some(PHONE_B)), map);
    world.worker.join(A, B);
    assert_talks(&mut world, &mut browser, 0);
    world.take_events();
    (world, browser)
}

/// Lets the browser come from wherever it is to a call, which shows that nothing was broken.
fn assert_connects(world: &mut World, browser: &mut Browser) {
    assert!(matches!(browser.check(world, true), Verdict::Reply(_)));
    browser.shake(world);
    assert_eq!(world.take_events(), [Event::Connected { leg: A }]);
}

/// Lets both speak, from the n-th packet on.
fn assert_talks(world: &mut World, browser: &mut Browser, n: u32) {
    assert!(matches!(browser.send(world, &Rtp::nth(7, n)).0, Verdict::Forward(_)));
    let (verdict, bytes) = world.rtp(B, PHONE_B, &Rtp::nth(9, n));
    assert!(matches!(verdict, Verdict::Forward(to) if to.remote == at(BROWSER_AT)), "{verdict:?}");
    assert_eq!(browser.unprotect(&bytes).payload, Rtp::nth(9, n).payload);
}

/// What an arrow must not change: the report of the leg, but for its counters of what was refused.
fn untouched(world: &World) -> LegReport {
    let mut report = world.worker.report(A).unwrap();
    report.drops = Default::default();
    report.history.connecting.unauthenticated = 0;
    report
}

/// Shoots and asserts that the reason was counted, once, and nothing else has happened.
#[track_caller]
fn assert_dropped(world: &mut World, reason: Reason, shoot: impl FnOnce(&mut World) -> Verdict) {
    let before = (untouched(world), world.worker.stats().drops, world.worker.checks(A));
    assert_eq!(shoot(world), Verdict::Drop(reason));
    world.drain();
    assert_eq!(world.take_events(), []);
    assert!(world.sent.is_empty(), "something was sent");
    let after = world.worker.stats().drops;
    assert_eq!(after.of(reason), before.1.of(reason) + 1);
    assert_eq!(after.total(), before.1.total() + 1, "and nothing else");
    assert_eq!(untouched(world), before.0);
    let checks = world.worker.checks(A).unwrap();
    assert_eq!(checks.success, before.2.unwrap().success);
}

/// Shoots a check and asserts that it is refused with this code, and nothing else has happened.
#[track_caller]
fn assert_refused(world: &mut World, code: u16, from: &str, check: &[u8]) {
    let before = (untouched(world), world.worker.checks(A).unwrap().success);
    let (verdict, answer) = world.deliver(Socket::Shared, SHARED, from, check);
    assert!(matches!(verdict, Verdict::Reply(to) if to.remote == at(from)), "{verdict:?}");
    let answer = Message::parse(&answer).unwrap();
    assert_eq!((answer.class(), answer.error_code()), (MessageClass::Error, Some(code)));
    assert_eq!(world.take_events(), []);
    assert!(world.sent.is_empty(), "something was sent");
    assert_eq!(untouched(world), before.0);
    assert_eq!(world.worker.checks(A).unwrap().success, before.1);
}

/// The first flight of a DTLS client.
fn hello(world: &World, whose: usize) -> Vec<u8> {
    let mut endpoint = Endpoint::new(&identity(whose), Role::Client, world.clock.now());
    let mut hello = vec![0; 1500];
    let len = endpoint.poll_transmit(&mut hello).unwrap();
    hello.truncate(len);
    hello
}

fn shared(world: &mut World, from: &str, bytes: &[u8]) -> Verdict {
    world.deliver(Socket::Shared, SHARED, from, bytes).0
}

/// A check as the browser would send it, but for what is changed in the credentials, and the role.
fn check(browser: &Browser, username: &str, password: &str, role: stun::Role) -> Vec<u8> {
    let request = BindingRequest {
        transaction: 4711.into(),
        username: Some(username),
        priority: Some(1),
        role: Some((role, 9)),
        use_candidate: role == stun::Role::Controlling,
    };
    let mut bytes = vec![0; 200];
    let len = request.write(Some((&Key::new(password), Algorithm::Sha1)), &mut bytes).unwrap();
    bytes.truncate(len);
    assert_ne!(browser.ours.ufrag, browser.theirs.ufrag);
    bytes
}

fn username(browser: &Browser) -> String {
    format!("{}:{}", browser.theirs.ufrag, browser.ours.ufrag)
}

#[test]
fn a_client_hello_before_a_valid_pair() {
    let (mut world, mut browser) = fresh();
    let hello = hello(&world, BROWSER);
    assert_dropped(&mut world, Reason::UnknownAddress, |world| shared(world, BROWSER_AT, &hello));
    assert_connects(&mut world, &mut browser);
}

#[test]
fn a_client_hello_from_another_source() {
    let (mut world, mut browser) = nominated();
    let hello = hello(&world, STRANGER);
    assert_dropped(&mut world, Reason::UnknownAddress, |world| shared(world, STRANGER_AT, &hello));
    assert_connects(&mut world, &mut browser);
}

/// Whoever has stolen the credentials of ICE gets through to a handshake, and no further.
#[test]
fn a_wrong_fingerprint_and_none() {
    for expected in [vec![identity(STRANGER).fingerprint()], vec![]] {
        let mut world = World::new();
        let mut browser = Browser::open(&mut world, A, Role::Server);
        let settings = browser.settings(Role::Server, expected);
        world.worker.configure(world.clock.now(), A, settings, Browser::map());
        browser.check(&mut world, true);
        browser.shake(&mut world);
        assert_eq!(world.take_events(), [], "no keys, and no end either: the right one may still come");
        assert_eq!(world.worker.report(A).unwrap().suite, None);
        let packet = Rtp::nth(7, 0).bytes();
        assert_dropped(&mut world, Reason::NoKeys, |world| shared(world, BROWSER_AT, &packet));
    }
}

/// A hello that offers nothing but suites without encryption, and one whose only SRTP profile has none.
#[test]
fn a_null_cipher() {
    /// TLS_RSA_WITH_NULL_SHA256 ([RFC 5246]).
    ///
    /// [RFC 5246]: https://www.rfc-editor.org/rfc/rfc5246#appendix-A.5
    const NULL_SUITE: [u8; 2] = [0x00, 0x3b];
    /// SRTP_NULL_HMAC_SHA1_80 ([RFC 5764 §4.1.2]).
    ///
    /// [RFC 5764 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2
    const NULL_PROFILE: [u8; 2] = [0x00, 0x05];
    let (mut world, mut browser) = nominated();
    let sound = hello(&world, BROWSER);

    let mut suites = sound.clone();
    // Record and handshake header, version, random, empty session and cookie.
    let at = 13 + 12 + 2 + 32 + 1 + 1;
    let len = usize::from(u16::from_be_bytes([suites[at], suites[at + 1]]));
    suites[at + 2..at + 2 + len].chunks_mut(2).for_each(|suite| suite.copy_from_slice(&NULL_SUITE));

    let mut profiles = sound.clone();
    // use_srtp is extension 14: its length, the length of the list, the profiles, an MKI of no length.
    let is_extension = |window: &[u8]| {
        let [0, 14, 0, len, 0, list, ..] = window else { return false };
        usize::from(*len) == usize::from(*list) + 3
    };
    let at = profiles.windows(6).position(is_extension).unwrap();
    let len = usize::from(profiles[at + 5]);
    profiles[at + 6..at + 6 + len].chunks_mut(2).for_each(|profile| profile.copy_from_slice(&NULL_PROFILE));

    for hello in [suites, profiles] {
        assert_ne!(hello, sound);
        shared(&mut world, BROWSER_AT, &hello);
        assert_eq!(world.take_events(), []);
        assert_eq!(world.worker.report(A).unwrap().suite, None);
    }
    // What it is told of that handshake the browser has not asked for.
    world.take_sent(BROWSER_AT);
    assert_connects(&mut world, &mut browser);
    let suites = [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80];
    assert!(suites.contains(&world.worker.report(A).unwrap().suite.unwrap()));
}

#[test]
fn rtp_before_dtls() {
    let (mut world, mut browser) = nominated();
    let packet = Rtp::nth(7, 0).bytes();
    assert_dropped(&mut world, Reason::NoKeys, |world| shared(world, BROWSER_AT, &packet));
    assert_connects(&mut world, &mut browser);
}

#[test]
fn rtcp_before_dtls() {
    let (mut world, mut browser) = nominated();
    let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 7];
    assert_dropped(&mut world, Reason::NoKeys, |world| shared(world, BROWSER_AT, &goodbye));
    assert_connects(&mut world, &mut browser);
}

#[test]
fn use_candidate_with_a_wrong_password() {
    let (mut world, mut browser) = talking();
    let check = check(&browser, &username(&browser), "notThePasswordNotThePassword", stun::Role::Controlling);
    assert_refused(&mut world, 401, STRANGER_AT, &check);
    assert_eq!(world.worker.checks(A).unwrap().unauthenticated, 1);
    assert_talks(&mut world, &mut browser, 1);
}

#[test]
fn a_wrong_ufrag() {
    let (mut world, mut browser) = talking();
    let ours = check(&browser, "nobodys1:wrong", &browser.theirs.pwd, stun::Role::Controlling);
    assert_dropped(&mut world, Reason::UnknownUsername, |world| shared(world, STRANGER_AT, &ours));
    let theirs = format!("{}:wrong", browser.theirs.ufrag);
    let theirs = check(&browser, &theirs, &browser.theirs.pwd, stun::Role::Controlling);
    assert_refused(&mut world, 401, STRANGER_AT, &theirs);
    assert_talks(&mut world, &mut browser, 1);
}

#[test]
fn a_role_conflict() {
    let (mut world, mut browser) = talking();
    let check = check(&browser, &username(&browser), &browser.theirs.pwd, stun::Role::Controlled);
    assert_refused(&mut world, 487, STRANGER_AT, &check);
    assert_eq!(world.worker.checks(A).unwrap().role_conflict, 1);
    assert_talks(&mut world, &mut browser, 1);
}

/// After a restart, a check under the old user names has no say once one under the new ones has come.
#[test]
fn a_restart_with_the_old_ufrag() {
    let (mut world, mut browser) = talking();
    let old = check(&browser, &username(&browser), &browser.theirs.pwd, stun::Role::Controlling);
    let (ours, theirs) = (credentials(500), credentials(10_500));
    let now = world.clock.now();
    world.worker.restart(now, A, ours.clone()).unwrap();
    (browser.theirs, browser.ours) = (ours, theirs);
    browser.configure(&mut world, Role::Server);
    assert!(matches!(browser.check(&mut world, true), Verdict::Reply(_)));
    let before = untouched(&world);
    let (verdict, answer) = world.deliver(Socket::Shared, SHARED, STRANGER_AT, &old);
    match verdict {
        Verdict::Drop(reason) => assert_eq!(reason, Reason::UnknownUsername),
        _ => assert_eq!(Message::parse(&answer).unwrap().error_code(), Some(401)),
    }
    assert_eq!((world.take_events(), untouched(&world)), (vec![], before));
    assert_talks(&mut world, &mut browser, 1);
}

#[test]
fn a_replay() {
    let (mut world, mut browser) = talking();
    let packet = browser.protect(&Rtp::nth(7, 1));
    assert!(matches!(shared(&mut world, BROWSER_AT, &packet), Verdict::Forward(_)));
    assert_dropped(&mut world, Reason::Replayed, |world| shared(world, BROWSER_AT, &packet));
    assert_talks(&mut world, &mut browser, 2);
}

#[test]
fn a_forged_tag() {
    let (mut world, mut browser) = talking();
    let mut packet = browser.protect(&Rtp::nth(7, 1));
    *packet.last_mut().unwrap() ^= 1;
    assert_dropped(&mut world, Reason::Unauthentic, |world| shared(world, BROWSER_AT, &packet));
    assert_talks(&mut world, &mut browser, 2);
}

/// Sources that nobody has announced, without the key: none of them takes the place of the one that speaks.
#[test]
fn an_unknown_ssrc() {
    let (mut world, mut browser) = talking();
    let sound = browser.protect(&Rtp::nth(7, 1));
    for ssrc in 1000..1100u32 {
        let mut packet = sound.clone();
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        assert_dropped(&mut world, Reason::Unauthentic, |world| shared(world, BROWSER_AT, &packet));
    }
    assert_talks(&mut world, &mut browser, 2);
}

#[test]
fn a_wrong_payload_type() {
    let (mut world, mut browser) = talking();
    let packet = browser.protect(&Rtp { payload_type: 99, ..Rtp::nth(7, 1) });
    assert_dropped(&mut world, Reason::PayloadType, |world| shared(world, BROWSER_AT, &packet));
    assert_talks(&mut world, &mut browser, 2);
}

#[test]
fn rtp_from_an_unvalidated_pair() {
    let (mut world, mut browser) = talking();
    let packet = browser.protect(&Rtp::nth(7, 1));
    assert_dropped(&mut world, Reason::UnknownAddress, |world| shared(world, STRANGER_AT, &packet));
    assert_talks(&mut world, &mut browser, 2);
}

/// One who has the credentials of ICE validates a pair, and begins a handshake in place of the one that stands.
#[test]
fn a_second_handshake_from_another_source() {
    let (mut world, mut browser) = talking();
    browser.address = STRANGER_AT;
    assert!(matches!(browser.check(&mut world, false), Verdict::Reply(_)));
    browser.address = BROWSER_AT;
    let hello = hello(&world, STRANGER);
    assert_dropped(&mut world, Reason::DtlsRefused, |world| shared(world, STRANGER_AT, &hello));
    assert_talks(&mut world, &mut browser, 1);
}
