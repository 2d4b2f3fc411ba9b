//! What must not connect, what must not end, and how an association ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod dtls_peer;

use std::time::Duration;

use dimpl::DtlsCertificate;
use dtls_peer::{Dice, Far, Fate, LONG, Sender, Speaks, World, made, their_fingerprint, theirs};
use ringback_media::dtls::{Drop, Endpoint, Event, Failure, Fingerprint, HashAlgorithm, MAX_TRANSMIT, Role};
use ringback_sansio::sim::Clock;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn arrives(_: usize, _: Sender, _: &[u8]) -> Fate {
    Fate::Arrives
}

#[test]
fn a_wrong_fingerprint_fails_and_gives_no_keys() {
    for role in ROLES {
        for speaks in Speaks::ALL {
            let mut world = World::new(role, speaks, arrives);
            world.near.expect(vec![Fingerprint::of(b"somebody else", HashAlgorithm::Sha256)]);
            world.run(LONG);
            assert_eq!(world.event, Some(Event::Failed(Failure::Fingerprint)), "{role:?} {speaks:?}");
            assert_eq!(world.near.handle_datagram(world.clock.now(), &[22; 20]), Err(Drop::Malformed));
            let late = [20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
            assert_eq!(world.near.handle_datagram(world.clock.now(), &late), Err(Drop::Ended));
            assert_eq!((world.near.poll_event(), world.near.poll_timeout()), (None, None));
        }
    }
}

#[test]
fn no_fingerprint_at_all_matches_nothing() {
    let mut world = World::new(Role::Server, Speaks::Both, arrives);
    world.near.expect(Vec::new());
    world.run(LONG);
    assert_eq!(world.event, Some(Event::Failed(Failure::Fingerprint)));
}

#[test]
fn the_keys_wait_for_the_fingerprint() {
    for role in ROLES {
        for speaks in Speaks::ALL {
            let mut world = World::new(role, speaks, arrives);
            world.run(Duration::from_secs(120));
            assert!(world.far.connected, "the handshake goes on");
            assert_eq!(world.event, None, "and nothing is told");
            world.near.expect(vec![their_fingerprint()]);
            world.run(LONG);
            world.assert_connected(speaks.agreed());

            let mut world = World::new(role, speaks, arrives);
            world.run(Duration::from_secs(120));
            world.near.expect(vec![Fingerprint::of(b"somebody else", HashAlgorithm::Sha512)]);
            world.run(LONG);
            assert_eq!(world.event, Some(Event::Failed(Failure::Fingerprint)));
            assert!(world.far.closed, "told politely");
        }
    }
}

#[test]
fn any_hash_of_the_certificate_will_do() {
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        let mut world = World::new(Role::Server, Speaks::Both, arrives);
        world.near.expect(vec![
            Fingerprint::of(b"another certificate of theirs", hash),
            Fingerprint::of(&theirs().certificate, hash),
        ]);
        world.run(LONG);
        world.assert_connected(Speaks::Both.agreed());
    }
}

#[test]
fn close_notify_is_told_and_said() {
    for role in ROLES {
        for speaks in Speaks::ALL {
            let mut world = World::new(role, speaks, arrives);
            world.near.expect(vec![their_fingerprint()]);
            world.run(LONG);
            world.assert_connected(speaks.agreed());
            world.far.engine.close().unwrap();
            world.run(LONG);
            assert_eq!(world.event, Some(Event::Closed), "{role:?} {speaks:?}");

            let mut world = World::new(role, speaks, arrives);
            world.near.expect(vec![their_fingerprint()]);
            world.run(LONG);
            world.near.close();
            world.run(LONG);
            assert!(world.far.closed, "{role:?} {speaks:?}");
            assert_eq!(world.near.poll_event(), None, "who closes knows it");
            world.near.close();
        }
    }
}

#[test]
fn nobody_answers_a_client() {
    let mut world = World::new(Role::Client, Speaks::Both, |_, from, _| match from {
        Sender::Us => Fate::Lost,
        Sender::Them => Fate::Arrives,
    });
    world.run(LONG);
    assert_eq!(world.event, Some(Event::Failed(Failure::Timeout)));
    assert_eq!(world.clock.elapsed(), Duration::from_secs(20));
    assert!(world.sent >= 6, "{} tries", world.sent);
}

#[test]
fn a_server_waits_for_its_client_without_a_deadline() {
    let clock = Clock::new();
    let server = Endpoint::new(dtls_peer::ours(), Role::Server, clock.now());
    assert_eq!(server.poll_timeout(), None);
}

/// Datagrams before, between and after those of the handshake that anybody could have sent: it must come through.
#[test]
fn garbage_never_ends_an_association() {
    for role in ROLES {
        for speaks in Speaks::ALL {
            for seed in 0..20 {
                let mut world = World::new(role, speaks, arrives);
                world.near.expect(vec![their_fingerprint()]);
                let mut dice = Dice::new(seed);
                for _ in 0..60 {
                    let bytes = garbage(&mut dice);
                    let now = world.clock.now();
                    let _ = world.near.handle_datagram(now, &bytes);
                    if dice.below(3) == 0 {
                        world.step();
                    }
                }
                world.run(LONG);
                if world.event.is_none() || matches!(world.event, Some(Event::Failed(_))) {
                    panic!("{role:?} {speaks:?} seed {seed}: {:?} {:?}", world.event, world.near);
                }
                world.assert_connected(speaks.agreed());
                for _ in 0..200 {
                    let bytes = garbage(&mut dice);
                    let _ = world.near.handle_datagram(world.clock.now(), &bytes);
                }
                assert_eq!(world.near.poll_event(), None);
                world.far.engine.close().unwrap();
                world.run(LONG);
                assert_eq!(world.event, Some(Event::Closed), "it still hears: {:?}", world.near);
            }
        }
    }
}

/// Noise, alerts in the clear, cut and empty records, records that look protected, and other people's application data.
fn garbage(dice: &mut Dice) -> Vec<u8> {
    let mut noise = |len: u64| -> Vec<u8> { (0..len).map(|_| dice.below(256) as u8).collect() };
    let record = |content_type: u8, epoch: u8, fragment: Vec<u8>| {
        let mut bytes = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 1, fragment[0]];
        bytes.extend_from_slice(&u16::try_from(fragment.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&fragment);
        bytes
    };
    let choice = noise(2);
    let len = 1 + u64::from(choice[1]);
    match choice[0] % 10 {
        0 => noise(len),
        1 => record(21, 0, vec![2, choice[1]]),
        2 => record(21, 1, noise(len.max(30))),
        3 => record(23, 1, noise(len.max(30))),
        4 => record(20, 0, vec![1]),
        5 => [vec![0x2f, choice[1], 0], len.to_be_bytes()[6..].to_vec(), noise(len)].concat(),
        6 => record(26, 0, noise(len)),
        7 => record(22, 0, noise(len)),
        // Not of the length of a Finished: forged at the right moment of a 1.2 handshake, that one does end it.
        8 => record(22, 1, noise(49 + len)),
        _ => record(23, 0, noise(len)),
    }
}

/// RFC 8827 and the advisories on the ClientHello race: somebody's hello comes first, and the far end still connects.
#[test]
fn a_client_hello_of_somebody_else_keeps_nobody_out() {
    for stranger in Speaks::ALL {
        for speaks in Speaks::ALL {
            let mut world = World::new(Role::Server, speaks, arrives);
            world.near.expect(vec![their_fingerprint()]);
            let now = world.clock.now();
            let (certificate, private_key) = made();
            let certificate = DtlsCertificate { certificate, private_key };
            let mut intruder = Far::with(stranger, Role::Client, now, certificate, |builder| builder);
            let mut out = [0; MAX_TRANSMIT];
            for hello in intruder.drain() {
                world.near.handle_datagram(now, &hello).unwrap();
            }
            // The answer to the intruder goes to the far end, who asked for nothing.
            while world.near.poll_transmit(&mut out).is_some() {}
            world.run(LONG);
            world.assert_connected(speaks.agreed());
        }
    }
}

/// To the engine an error is fatal, also one that needs no key: here a hello without extended master secret.
#[test]
fn an_error_in_the_handshake_starts_it_over() {
    for speaks in [Speaks::Only12, Speaks::Both] {
        let mut world = World::new(Role::Server, Speaks::Only12, arrives);
        world.near.expect(vec![their_fingerprint()]);
        let now = world.clock.now();
        let mut stranger = Far::new(Speaks::Only12, Role::Client, now);
        let unfit = without_extended_master_secret(&stranger.drain()[0]);
        for _ in 0..5 {
            world.near.handle_datagram(now, &unfit).unwrap();
        }
        assert_eq!(world.near.stats().errors, 5);
        assert_eq!(world.near.poll_event(), None);
        world.far = Far::new(speaks, Role::Client, now);
        world.run(LONG);
        world.assert_connected(speaks.agreed());
    }
}

#[test]
fn what_went_wrong_is_told_when_the_time_is_over() {
    let clock = Clock::new();
    let now = clock.now();
    let mut server = Endpoint::new(dtls_peer::ours(), Role::Server, now);
    let mut far = Far::new(Speaks::Only12, Role::Client, now);
    let unfit = without_extended_master_secret(&far.drain()[0]);
    server.handle_datagram(now, &unfit).unwrap();
    let deadline = server.poll_timeout().expect("a deadline");
    assert_eq!(deadline, now + Duration::from_secs(20));
    server.handle_timeout(deadline);
    assert_eq!(server.poll_event(), Some(Event::Failed(Failure::Incompatible)));
    assert_eq!(server.poll_timeout(), None);
}

fn without_extended_master_secret(hello: &[u8]) -> Vec<u8> {
    let at = hello.windows(4).rposition(|window| window == [0, 23, 0, 0]).expect("the extension");
    let mut without = hello.to_vec();
    without[at..at + 2].copy_from_slice(&[0x77, 0x77]);
    without
}

/// A hello that the engine does not even take for one leaves it waiting; the deadline runs all the same.
#[test]
fn a_client_without_a_cipher_suite_of_ours_is_given_up_in_time() {
    let clock = Clock::new();
    let now = clock.now();
    let mut server = Endpoint::new(dtls_peer::ours(), Role::Server, now);
    let mut far = Far::new(Speaks::Only12, Role::Client, now);
    let mut hello = far.drain().remove(0);
    // Record and handshake header, version, random, empty session and cookie.
    let suites = 13 + 12 + 2 + 32 + 1 + 1;
    let len = usize::from(u16::from_be_bytes([hello[suites], hello[suites + 1]]));
    for suite in hello[suites + 2..suites + 2 + len].chunks_mut(2) {
        suite.copy_from_slice(&[0x00, 0x2f]);
    }
    server.handle_datagram(now, &hello).unwrap();
    let deadline = server.poll_timeout().expect("a deadline");
    server.handle_timeout(deadline);
    assert_eq!(server.poll_event(), Some(Event::Failed(Failure::Timeout)));
}

#[test]
fn an_alert_in_the_clear_is_told_when_the_time_is_over() {
    let clock = Clock::new();
    let now = clock.now();
    let mut client = Endpoint::new(dtls_peer::ours(), Role::Client, now);
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
    assert_eq!(client.handle_datagram(now, &alert), Err(Drop::Unauthenticated));
    let end = now + Duration::from_secs(20);
    client.handle_timeout(end);
    assert_eq!(client.poll_event(), Some(Event::Failed(Failure::Alert(40))));
}

/// Far longer than any browser's, about as long as the far end's engine can send.
#[test]
fn a_long_certificate_is_no_trouble() {
    for (speaks, names) in [(Speaks::Only12, 700), (Speaks::Only13, 250)] {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let names: Vec<String> = (0..names).map(|n| format!("a-rather-long-host-name-{n}.example")).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let long =
            DtlsCertificate { certificate: certificate.der().to_vec(), private_key: key.serialize_der() };
        assert!(long.certificate.len() > 8_000, "{}", long.certificate.len());
        let mut world = World::new(Role::Server, speaks, arrives);
        let now = world.clock.now();
        world.near.expect(vec![Fingerprint::of(&long.certificate, HashAlgorithm::Sha256)]);
        world.far = Far::with(speaks, Role::Client, now, long, |builder| builder.max_queue_tx(64));
        world.run(LONG);
        world.assert_connected(speaks.agreed());
    }
}

#[test]
fn datagrams_that_nobody_fetches_are_bounded() {
    let clock = Clock::new();
    let mut now = clock.now();
    let mut client = Endpoint::new(dtls_peer::ours(), Role::Client, now);
    for _ in 0..1000 {
        now += Duration::from_millis(19);
        client.handle_timeout(now);
    }
    let mut out = [0; MAX_TRANSMIT];
    let mut count = 0;
    while client.poll_transmit(&mut out).is_some() {
        count += 1;
    }
    assert!((1..=16).contains(&count), "{count}");
    assert!(client.poll_transmit(&mut [0; 4]).is_none());
}

#[test]
fn a_datagram_that_is_too_long_is_not_looked_at() {
    let clock = Clock::new();
    let mut server = Endpoint::new(dtls_peer::ours(), Role::Server, clock.now());
    assert_eq!(server.handle_datagram(clock.now(), &[22; 2049]), Err(Drop::TooLong));
}
