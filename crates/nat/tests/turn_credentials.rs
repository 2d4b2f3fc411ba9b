//! Who may ask what: RFC 8489 §9.2, and credentials for a time.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use ringback_nat::turn::{PasswordAlgorithm, Reason, Verdict};
use turn_world::*;

#[test]
fn a_stranger_is_challenged() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    let mut stranger = Client::new("mallory", "", "192.0.2.66:666");
    let with_allocation = [REFRESH, CREATE_PERMISSION, CHANNEL_BIND].map(|method| (method, alice.clone()));
    for (method, mut client) in with_allocation.into_iter().chain([(ALLOCATE, stranger.clone())]) {
        let packet = client.plain(method, &[transport(17)]);
        let alice = &client;
        let answer = world.ask(alice.flow, &packet).unwrap();
        assert_eq!(answer.error(), Some(401));
        assert_eq!(answer.value(REALM_ATTRIBUTE).unwrap(), REALM.as_bytes());
        assert!(answer.value(NONCE).unwrap().starts_with(b"obMatJos2gAAA"));
        assert_eq!(answer.value(PASSWORD_ALGORITHMS).unwrap(), [0, 2, 0, 0, 0, 1, 0, 0]);
        for absent in [SOFTWARE, USERNAME, USERHASH, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256] {
            assert_eq!(answer.value(absent), None);
        }
    }
    assert_eq!((world.server.len(), world.server.stats().challenged), (1, 5));
    // What credentials would not help is told at once, and shortly.
    for (method, code) in [(ALLOCATE, 400), (REFRESH, 437), (CREATE_PERMISSION, 437), (CHANNEL_BIND, 437)] {
        let packet = stranger.plain(method, &[]);
        let answer = world.ask(stranger.flow, &packet).unwrap();
        assert_eq!((answer.error(), answer.bytes.len()), (Some(code), 28));
    }
}

#[test]
fn md5_and_sha256_named_by_name_and_by_hash() {
    for by_hash in [false, true] {
        for algorithm in [None, Some(PasswordAlgorithm::Md5), Some(PasswordAlgorithm::Sha256)] {
            let mut world = World::new();
            let alice = Client { algorithm, by_hash, ..Client::alice() };
            let mut alice = alice.challenged(&mut world);
            assert!(alice.allocate(&mut world).is_success(), "{algorithm:?} {by_hash}");
            assert!(alice.refresh(&mut world, 600).is_success(), "{algorithm:?} {by_hash}");
        }
    }
}

#[test]
fn wrong_password_and_unknown_user_are_told_the_same() {
    let mut world = World::new();
    let refused = |world: &mut World, name: &str, password: &str| {
        let mut client = Client::new(name, password, "192.0.2.10:4000").challenged(world);
        let answer = client.ask(world, ALLOCATE, &[transport(17)]);
        assert_eq!(answer.error(), Some(401), "{name}");
        answer.bytes.len()
    };
    let wrong = refused(&mut world, "alice", "simsim");
    for name in ["carol", "1800000060:carol"] {
        assert_eq!(refused(&mut world, name, "sesame"), wrong, "{name}");
    }
    let long = "x".repeat(509);
    assert_eq!(refused(&mut world, &long, "sesame"), wrong);
    assert!(world.server.is_empty());
    let stats = world.server.stats();
    assert_eq!((stats.errors.of(401), stats.challenged, stats.wrong_credentials), (8, 4, 4));
}

#[test]
fn a_protected_request_without_name_realm_or_nonce_is_a_bad_one() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    let all = [
        transport(17),
        (USERNAME, b"alice".to_vec()),
        (REALM_ATTRIBUTE, REALM.into()),
        (NONCE, alice.nonce.clone()),
    ];
    for missing in 1..4 {
        let mut attributes = all.to_vec();
        attributes.remove(missing);
        let packet = alice.protected(ALLOCATE, &attributes);
        let answer = world.ask(alice.flow, &packet).unwrap();
        assert_eq!(answer.error(), Some(400));
        assert_eq!((answer.value(REALM_ATTRIBUTE), answer.value(NONCE)), (None, None));
    }
}

#[test]
fn what_was_offered_has_to_come_back_as_it_was() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    let [md5, sha256, both] = [vec![0, 1, 0, 0], vec![0, 2, 0, 0], vec![0, 2, 0, 0, 0, 1, 0, 0]];
    let without = [
        transport(17),
        (USERNAME, b"alice".to_vec()),
        (REALM_ATTRIBUTE, REALM.into()),
        (NONCE, alice.nonce.clone()),
    ];
    for (chosen, offered) in [
        (Some(md5.clone()), None),
        (None, Some(both.clone())),
        (Some(md5.clone()), Some(md5.clone())),
        (Some(sha256.clone()), Some(vec![0, 1, 0, 0, 0, 2, 0, 0])),
        (Some(vec![0, 3, 0, 0]), Some(both.clone())),
    ] {
        let mut attributes = without.to_vec();
        attributes.extend(chosen.map(|value| (PASSWORD_ALGORITHM, value)));
        attributes.extend(offered.map(|value| (PASSWORD_ALGORITHMS, value)));
        let packet = alice.protected(ALLOCATE, &attributes);
        assert_eq!(world.ask(alice.flow, &packet).unwrap().error(), Some(400), "{attributes:?}");
    }
}

#[test]
fn an_algorithm_that_was_not_offered_is_no_way_in() {
    let mut world = World::with(|settings| settings.password_algorithms = vec![PasswordAlgorithm::Sha256]);
    let mut alice = Client::alice().challenged(&mut world);
    assert_eq!(alice.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(401), "MD5 by saying nothing");
}

#[test]
fn a_stale_nonce_is_replaced() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success());
    world.pass(secs(599));
    assert!(alice.refresh(&mut world, 3600).is_success());
    world.pass(secs(1));
    let stale = alice.refresh(&mut world, 3600);
    assert_eq!(stale.error(), Some(438));
    assert_eq!(stale.value(REALM_ATTRIBUTE).unwrap(), REALM.as_bytes());
    assert!(stale.value(PASSWORD_ALGORITHMS).is_some());
    alice.nonce = stale.value(NONCE).unwrap();
    assert!(alice.refresh(&mut world, 3600).is_success());
}

#[test]
fn a_nonce_of_another_client_is_none() {
    let mut world = World::new();
    let bob = Client::bob().challenged(&mut world);
    let mut alice = Client { nonce: bob.nonce, ..Client::alice() };
    assert_eq!(alice.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(438));
    alice.nonce = b"f//499k954d6OL34oL9FSTvy64sA".to_vec();
    assert_eq!(alice.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(438));
    alice.password = "simsim".into();
    assert_eq!(
        alice.ask(&mut world, ALLOCATE, &[transport(17)]).error(),
        Some(438),
        "no word of the password"
    );
    assert_eq!(world.lookups(), 0);
}

/// RFC 8489 §9.2.4: the code of the answer is not that of the request, but SHA-256 for whoever names an algorithm.
#[test]
fn rfc8489_9_2_4_the_integrity_of_an_answer() {
    use IntegrityAlgorithm::{Sha1, Sha256};
    for (algorithm, answered) in
        [(None, Sha1), (Some(PasswordAlgorithm::Md5), Sha256), (Some(PasswordAlgorithm::Sha256), Sha256)]
    {
        for asked in [Sha1, Sha256] {
            let mut world = World::new();
            let mut alice = Client { algorithm, ..Client::alice() }.challenged(&mut world);
            for (method, code) in [(REFRESH, Some(437)), (ALLOCATE, None)] {
                let attributes = alice.with_credentials(&[transport(17)]);
                let packet = alice.protected_by(asked, method, &attributes);
                let answer = world.ask(alice.flow, &packet).unwrap();
                assert_eq!(answer.error(), code, "{algorithm:?} {asked:?}");
                assert_eq!(alice.integrity_of(&answer), answered, "{algorithm:?} {asked:?}");
            }
        }
    }
}

#[test]
fn credentials_for_a_time_begin_nothing_after_it() {
    for algorithm in [None, Some(PasswordAlgorithm::Sha256)] {
        let mut world = World::new();
        let limited = |from| Client { algorithm, ..Client::limited("alice", UNIX_TIME + 60, from) };
        let mut first = limited("192.0.2.10:4000").challenged(&mut world);
        assert!(first.allocate(&mut world).is_success());
        world.pass(secs(60));
        let mut second = limited("192.0.2.10:4001").challenged(&mut world);
        assert_eq!(second.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(401));
        // The call that has begun goes on: docs/decisions/0027.
        assert!(first.refresh(&mut world, 600).is_success());
        assert!(first.permit(&mut world, &[PEER]).is_success());
        // Newer credentials of the same account do as well, those of another not.
        let newer = Client::limited("alice", UNIX_TIME + 600, "192.0.2.10:4000");
        let mut newer = Client { algorithm, ..newer }.challenged(&mut world);
        assert!(newer.refresh(&mut world, 600).is_success());
        let other = Client::limited("carol", UNIX_TIME + 600, "192.0.2.10:4000");
        let mut other = Client { algorithm, ..other }.challenged(&mut world);
        assert_eq!(other.refresh(&mut world, 600).error(), Some(441));
    }
}

#[test]
fn a_refresh_with_newer_credentials_keeps_the_allocation_by_them() {
    let mut world = World::new();
    let mut first = Client::limited("alice", UNIX_TIME + 60, "192.0.2.10:4000").challenged(&mut world);
    assert!(first.allocate(&mut world).is_success());
    world.pass(secs(50));
    let newer = Client::limited("alice", UNIX_TIME + 300, "192.0.2.10:4000");
    let mut newer = Client { nonce: first.nonce.clone(), ..newer };
    assert!(newer.permit(&mut world, &[PEER]).is_success());
    assert!(newer.refresh(&mut world, 3600).is_success());
    // All are over now, and the allocation is theirs who have refreshed it last.
    world.pass(secs(350));
    assert!(newer.refresh(&mut world, 3600).is_success());
    assert_eq!(first.refresh(&mut world, 3600).error(), Some(401));
}

#[test]
fn credentials_for_longer_than_the_longest_time_are_none() {
    let mut world = World::new();
    for (lifetime, code) in [(3600, None), (3660, None), (3661, Some(401)), (1_000_000, Some(401))] {
        let client =
            Client::limited("alice", UNIX_TIME + lifetime, &format!("192.0.2.10:{}", lifetime % 9999));
        let mut client = client.challenged(&mut world);
        assert_eq!(client.allocate(&mut world).error(), code, "{lifetime}");
    }
}

#[test]
fn credentials_for_a_time_end_with_their_account() {
    let mut world = World::new();
    let mut before = Client::limited("carol", UNIX_TIME + 600, "192.0.2.10:4000").challenged(&mut world);
    assert!(before.allocate(&mut world).is_success());
    world.accounts.lock().unwrap().remove("carol");
    let mut after = Client::limited("carol", UNIX_TIME + 600, "192.0.2.10:4001").challenged(&mut world);
    assert_eq!(after.allocate(&mut world).error(), Some(401));
    // What was allocated is ended by who closes the account.
    assert!(before.refresh(&mut world, 600).is_success());
    world.server.close_account(b"carol");
    world.drive();
    assert!(world.server.is_empty());
    assert_eq!(before.allocate(&mut world).error(), Some(401));
}

#[test]
fn the_clock_of_credentials_can_be_set() {
    let mut world = World::new();
    let mut client = Client::limited("alice", UNIX_TIME + 60, "192.0.2.10:4000").challenged(&mut world);
    let now = world.clock.now();
    world.server.set_unix_time(now, UNIX_TIME + 60);
    assert_eq!(client.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(401));
    world.server.set_unix_time(now, UNIX_TIME);
    assert!(client.allocate(&mut world).is_success());
}

#[test]
fn another_users_credentials_are_wrong_for_an_allocation() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    let mut bob = Client { name: "bob".into(), password: "builder".into(), ..alice.clone() };
    assert_eq!(bob.refresh(&mut world, 0).error(), Some(441));
    assert_eq!(bob.permit(&mut world, &[PEER]).error(), Some(441));
    assert_eq!(bob.bind(&mut world, 0x4000, PEER).error(), Some(441));
    assert_eq!(world.server.len(), 1);
}

#[test]
fn what_no_client_sends_is_dropped_by_name() {
    let mut world = World::new();
    let mut alice = Client::alice();
    let now = world.clock.now();
    let mut response = alice.plain(ALLOCATE, &[]);
    response[0] |= 1;
    for (packet, reason) in [
        (response, Reason::Unexpected),
        (alice.plain(2, &[]), Reason::UnknownMethod),
        (alice.plain(SEND, &[]), Reason::UnknownMethod),
        (alice.indication(DATA_METHOD, &[]), Reason::Unexpected),
        (alice.indication(ALLOCATE, &[]), Reason::Unexpected),
        (b"\x80\x00RTP".to_vec(), Reason::NotTurn),
        // Its first bytes are those of a channel, and then a length.
        (b"REGISTER sip:example.org SIP/2.0".to_vec(), Reason::Malformed),
        (vec![0, 3, 0, 0], Reason::Malformed),
        (vec![], Reason::NotTurn),
        (vec![0x40, 0, 0, 9], Reason::Malformed),
        (channel_data(0x4000, b"hello"), Reason::NoAllocation),
    ] {
        let verdict = world.server.handle_datagram(now, alice.flow, &packet);
        assert_eq!(verdict, Verdict::Drop(reason), "{packet:?}");
    }
    assert_eq!(world.server.stats().drops.total(), 11);
}
