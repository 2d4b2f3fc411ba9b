//! How much a source is answered before it is known who asks, and what that makes of a forged request.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use ringback_nat::turn::{Rate, Reason};
use ringback_sansio::Transport;
use turn_world::*;

/// Strangers at one address, over UDP: how many of a hundred requests are answered.
fn answered(world: &mut World, from: &str) -> usize {
    let mut stranger = Client::new("mallory", "", from);
    let packets: Vec<_> = (0..100).map(|_| stranger.plain(ALLOCATE, &[transport(17)])).collect();
    packets.iter().filter(|packet| world.ask(stranger.flow, packet).is_some()).count()
}

#[test]
fn a_source_is_told_so_often_that_it_is_unknown() {
    let mut world = World::with(|settings| settings.limits.unproven = Rate::per_second(2, 10));
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    assert_eq!(
        answered(&mut world, "192.0.2.10:666"),
        9,
        "one went to alice, who is behind the same address"
    );
    world.pass(secs(1));
    assert_eq!(answered(&mut world, "192.0.2.10:667"), 2);
    assert_eq!(world.server.stats().drops.of(Reason::ChallengeBudget), 189);
    assert_eq!(answered(&mut world, "192.0.2.11:666"), 10, "another source is another one");
}

#[test]
fn nobody_is_locked_out_in_its_name_who_has_shown_that_it_receives() {
    let mut world = World::with(|settings| settings.limits.unproven = Rate::per_second(1, 10));
    let mut alice = Client::alice().challenged(&mut world);
    let mut other = Client::new("bob", "builder", "192.0.2.10:4001").challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success());
    for _ in 0..3 {
        answered(&mut world, "192.0.2.10:666");
        assert_eq!(answered(&mut world, "192.0.2.10:666"), 0);
        // With a nonce, also one that is over: of who has an allocation and of who has none.
        world.pass(secs(599));
        alice.refresh(&mut world, 3600);
        world.pass(secs(1));
        answered(&mut world, "192.0.2.10:666");
        for client in [&mut alice, &mut other] {
            let answer = client.refresh(&mut world, 3600);
            assert_eq!(answer.error(), Some(438));
            client.nonce = answer.value(NONCE).unwrap();
        }
        assert!(alice.refresh(&mut world, 3600).is_success());
        assert_eq!(other.refresh(&mut world, 3600).error(), Some(437));
        // Over a connection.
        for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
            let mut stream = Client::alice().over(transport).challenged(&mut world);
            let packet = stream.plain(1, &[]);
            assert!(world.ask(stream.flow, &packet).unwrap().is_success());
        }
    }
}

#[test]
fn a_stream_has_a_budget_too() {
    let mut world = World::with(|settings| settings.limits.proven = Rate::per_second(1, 10));
    let mut stream = Client::alice().over(Transport::Tcp);
    let packets: Vec<_> = (0..100).map(|_| stream.plain(ALLOCATE, &[transport(17)])).collect();
    let answered = packets.iter().filter(|packet| world.ask(stream.flow, packet).is_some()).count();
    assert_eq!((answered, world.server.stats().drops.of(Reason::ChallengeBudget)), (10, 90));
    Client::alice().challenged(&mut world);
}

#[test]
fn a_password_is_guessed_so_often_and_then_not_looked_at() {
    let mut world = World::with(|settings| settings.limits.guesses = Rate::per_minute(6, 3));
    let mut bob = Client::new("bob", "builder", "192.0.2.10:5000").challenged(&mut world);
    assert!(bob.allocate(&mut world).is_success());
    let lookups = world.lookups();
    let guess = |world: &mut World, n: usize| {
        let over = if n.is_multiple_of(2) { Transport::Udp } else { Transport::Tcp };
        let client = Client::new("alice", &format!("guess {n}"), "192.0.2.10:4000").over(over);
        let mut client = client.challenged(world);
        let packet = client.request(ALLOCATE, &[transport(17)]);
        world.ask(client.flow, &packet).map(|answer| answer.error())
    };
    let told: Vec<_> = (0..10).map(|n| guess(&mut world, n)).collect();
    assert_eq!(told[..3], [Some(Some(401)); 3]);
    assert_eq!(told[3..], [None; 7], "whichever way it comes");
    let stats = world.server.stats();
    assert_eq!((stats.wrong_credentials, stats.drops.of(Reason::GuessBudget)), (3, 7));
    assert_eq!(world.lookups() - lookups, 3, "no key is looked up for the others");
    // A guess that is right is none that is heard of, and what is allocated goes on.
    let mut alice = Client::alice().challenged(&mut world);
    let packet = alice.request(ALLOCATE, &[transport(17)]);
    assert_eq!(world.ask(alice.flow, &packet), None);
    assert!(bob.refresh(&mut world, 600).is_success() && bob.permit(&mut world, &[PEER]).is_success());
    Client::bob().challenged(&mut world).allocate(&mut world);
    world.pass(secs(10));
    assert!(alice.allocate(&mut world).is_success());
    assert_eq!(guess(&mut world, 10), Some(Some(401)), "what was right took nothing");
    assert_eq!(guess(&mut world, 11), None);
}

/// Else who forges addresses could use up the guesses of others, or guess from everywhere.
#[test]
fn credentials_without_a_nonce_of_ours_are_neither_looked_at_nor_counted() {
    let mut world = World::with(|settings| settings.limits.guesses = Rate::per_minute(6, 3));
    let forged = Client { nonce: b"obMatJos2gAAAAAAAAAAAAAAAAAAA".to_vec(), ..Client::alice() };
    for password in ["sesame", "simsim", "1", "2", "3", "4"] {
        let mut forged = Client { password: password.to_owned(), ..forged.clone() };
        assert_eq!(forged.ask(&mut world, ALLOCATE, &[transport(17)]).error(), Some(438));
    }
    assert_eq!((world.lookups(), world.server.stats().wrong_credentials), (0, 0));
    assert!(Client::alice().challenged(&mut world).allocate(&mut world).is_success());
}

#[test]
fn a_binding_request_is_answered_without_credentials_small_and_so_often() {
    let mut world = World::with(|settings| settings.limits.unproven = Rate::per_second(2, 10));
    let mut alice = Client::alice();
    let packet = alice.plain(1, &[]);
    let answer = world.ask(alice.flow, &packet).unwrap();
    assert!(answer.is_success());
    assert_eq!(answer.addresses(XOR_MAPPED_ADDRESS), [alice.flow.remote()]);
    assert!((answer.bytes.len() + 28) * 2 <= (packet.len() + 28) * 3);
    let keep_alive = alice.indication(1, &[]);
    assert_eq!(world.ask(alice.flow, &keep_alive), None);
    let refused = alice.plain(1, &[(0x7fff, vec![])]);
    assert_eq!(world.ask(alice.flow, &refused).unwrap().error(), Some(420));
    assert_eq!(world.server.stats().drops.total(), 0);

    let answers = (0..100).filter(|_| world.ask(alice.flow, &packet).is_some()).count();
    assert_eq!(
        (answers, answered(&mut world, "192.0.2.10:666")),
        (8, 0),
        "one bound for all that is not asked for"
    );
    let stats = world.server.stats();
    assert_eq!((stats.bindings, stats.drops.of(Reason::BindingBudget)), (10, 92));
}

/// What is written in `turn/mod.rs`.
#[test]
fn a_forged_request_makes_so_little_of_us() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    let mut stranger = Client::new("mallory", "", "192.0.2.66:666");
    // Bytes of UDP, and with the headers of IPv4 and UDP, in and out.
    let mut sizes = |client: &mut Client, method: u16, attributes: &[(u16, Vec<u8>)]| {
        let packet = client.plain(method, attributes);
        (packet.len(), world.ask(client.flow, &packet).unwrap().bytes.len())
    };
    let smallest = sizes(&mut stranger, ALLOCATE, &[transport(17)]);
    assert_eq!(smallest, (28, 88));
    let with_headers = (smallest.0 + 28, smallest.1 + 28);
    assert!(with_headers.1 * 10 <= with_headers.0 * 21, "2.1 times what it costs");
    for bare in [ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND] {
        assert_eq!(sizes(&mut stranger, bare, &[]), (20, 28));
    }
    assert_eq!(sizes(&mut stranger, 1, &[]), (20, 32));
    // Who knows the 5-tuple of an allocation gets more of it.
    assert_eq!(sizes(&mut alice, REFRESH, &[]), (20, 88));
    // One with credentials, of which nothing has any length.
    let empty = [(USERNAME, vec![]), (REALM_ATTRIBUTE, vec![]), (NONCE, vec![])];
    let packet = stranger.protected(REFRESH, &empty);
    assert_eq!((packet.len(), world.ask(stranger.flow, &packet).unwrap().bytes.len()), (56, 88));
    // And so much in all goes to one source.
    let bytes: usize = (0..1000)
        .filter_map(|_| {
            let packet = stranger.plain(ALLOCATE, &[transport(17)]);
            world.ask(stranger.flow, &packet).map(|answer| answer.bytes.len())
        })
        .sum();
    assert!(bytes <= 50 * 88, "{bytes}");
}
