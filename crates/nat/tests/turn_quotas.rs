//! How many allocations there may be, and that a place comes back however an allocation ends.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use std::collections::BTreeSet;

use ringback_nat::turn::{Family, Quotas};
use ringback_sansio::Transport;
use turn_world::*;

#[test]
fn quotas_are_of_an_account_and_of_all() {
    let mut world = World::with(|settings| {
        settings.quotas = Quotas::new(3, 2);
    });
    let mut codes = |account: &str, port: u16| {
        let from = format!("192.0.2.10:{port}");
        let client = Client::limited(account, UNIX_TIME + u64::from(port), &from);
        client.challenged(&mut world).ask(&mut world, ALLOCATE, &[transport(17)]).error()
    };
    // Every name is another one, and the account is the same.
    assert_eq!([codes("a", 1), codes("a", 2), codes("a", 3)], [None, None, Some(486)]);
    assert_eq!([codes("b", 4), codes("b", 5), codes("a", 6)], [None, Some(508), Some(486)]);
    world.pass(secs(600));
    assert!(world.server.is_empty());
    let mut again = Client::limited("a", UNIX_TIME + 1200, "192.0.2.10:9").challenged(&mut world);
    assert!(again.allocate(&mut world).is_success());
    let stats = world.server.stats();
    assert_eq!((stats.errors.of(486), stats.errors.of(508), stats.allocations), (2, 1, 4));
}

#[test]
fn rfc8489_10_who_finds_no_room_is_sent_to_another_server_of_its_family() {
    let others = ["192.0.2.1:3478", "[2001:db8::1]:3478", "192.0.2.2:3478"].map(at);
    let mut world = World::with(|settings| {
        settings.quotas = Quotas::new(1, 1);
        settings.alternates = others.to_vec();
    });
    let mut alice = Client::alice().challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success());
    let mut seen = BTreeSet::new();
    for port in [1, 2] {
        let from = format!("192.0.2.10:{port}");
        let answer = Client::new("bob", "builder", &from).challenged(&mut world).allocate(&mut world);
        assert_eq!(answer.error(), Some(300));
        seen.insert(answer.value(ALTERNATE_SERVER).unwrap());
    }
    let plain = |last| vec![0, 1, 0x0d, 0x96, 192, 0, 2, last];
    assert_eq!(seen, [plain(1), plain(2)].into(), "as they are, and in turn");
    let mut six = Client::new("bob", "builder", "[2001:db8::9]:1").challenged(&mut world);
    let answer = six.allocate(&mut world).value(ALTERNATE_SERVER).unwrap();
    assert_eq!((answer[1], &answer[4..8]), (2, &[0x20, 0x01, 0x0d, 0xb8][..]));
    for secure in [Transport::Tls, Transport::Dtls] {
        let mut secured = Client::bob().over(secure).challenged(&mut world);
        assert_eq!(
            secured.allocate(&mut world).error(),
            Some(508),
            "the other one has another port for that"
        );
    }
}

#[test]
fn a_server_that_drains_sends_new_clients_away_where_it_can() {
    for (alternates, code) in [(vec![at("192.0.2.1:3478")], Some(300)), (vec![], None)] {
        let mut world = World::with(|settings| settings.alternates = alternates);
        let mut alice = Client::alice().challenged(&mut world);
        assert!(alice.allocate(&mut world).is_success());
        world.server.drain();
        let answer = Client::bob().challenged(&mut world).allocate(&mut world);
        assert_eq!(answer.error(), code);
        assert!(alice.refresh(&mut world, 600).is_success(), "who is here stays");
    }
}

/// A world with one place, which alice has over TCP.
fn taken() -> (World, Client) {
    let mut world = World::with(|settings| settings.quotas = Quotas::new(1, 1));
    let mut alice = Client::alice().over(Transport::Tcp).challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success());
    let mut second = Client::alice().challenged(&mut world);
    assert_eq!(second.allocate(&mut world).error(), Some(486));
    (world, alice)
}

#[test]
fn a_place_comes_back_however_its_allocation_ends() {
    let ends: [fn(&mut World, &mut Client); 5] = [
        |world, alice| assert_eq!(alice.refresh(world, 0).lifetime(), Some(0)),
        |world, _| world.pass(secs(600)),
        |world, alice| world.server.close(&alice.flow),
        |world, _| world.server.close_account(b"alice"),
        |world, _| {
            let other = World::with(|settings| settings.quotas = Quotas::new(1, 1)).server;
            world.server = other;
        },
    ];
    for (n, end) in ends.iter().enumerate() {
        let (mut world, mut alice) = taken();
        assert_eq!(world.quotas.taken(), 1);
        end(&mut world, &mut alice);
        assert_eq!(world.quotas.taken(), 0, "way {n}");
        if n < 4 {
            world.drive();
            let mut again = Client::alice().challenged(&mut world);
            assert!(again.allocate(&mut world).is_success(), "way {n}");
        }
    }
}

#[test]
fn a_place_comes_back_when_no_socket_opens() {
    let mut world = World::with(|settings| settings.quotas = Quotas::new(1, 1));
    world.broken = vec![Family::Ipv4];
    let mut alice = Client::alice().challenged(&mut world);
    assert_eq!(alice.allocate(&mut world).error(), Some(508));
    assert_eq!(world.quotas.taken(), 0);
    world.is_slow = true;
    let packet = alice.request(ALLOCATE, &[transport(17)]);
    world.ask(alice.flow, &packet);
    assert_eq!(world.quotas.taken(), 1, "also while it is being opened");
    world.pass(secs(5));
    assert_eq!(world.quotas.taken(), 0);
}

/// Workers share them.
#[test]
fn servers_with_the_same_quotas_count_together() {
    let quotas = Quotas::new(3, 2);
    let mut worlds = [0, 1].map(|_| World::with(|settings| settings.quotas = quotas.clone()));
    let mut allocate = |world: usize, name: &str, password: &str, port: u16| {
        let world = &mut worlds[world];
        let client = Client::new(name, password, &format!("192.0.2.10:{port}"));
        client.challenged(world).allocate(world).error()
    };
    assert_eq!([allocate(0, "alice", "sesame", 1), allocate(1, "alice", "sesame", 2)], [None, None]);
    assert_eq!(allocate(0, "alice", "sesame", 3), Some(486), "two of an account");
    assert_eq!([allocate(1, "bob", "builder", 4), allocate(0, "bob", "builder", 5)], [None, Some(508)]);
    worlds[1].server.close_account(b"bob");
    assert_eq!(quotas.taken(), 2);
}
