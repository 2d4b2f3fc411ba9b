//! A packet on its way through a TURN allocation allocates nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "../../sansio/tests/counting/mod.rs"]
mod counting;
mod turn_world;

use counting::allocations;
use ringback_nat::turn::{HEADROOM, Rate, TAILROOM, Verdict};
use ringback_sansio::Transport;
use turn_world::*;

#[test]
fn channel_data_and_indications_both_ways() {
    for over in [Transport::Udp, Transport::Tcp] {
        let rate = Rate::per_second(100_000_000, 100_000_000);
        let mut world = World::with(|settings| settings.limits.bandwidth = Some(rate));
        let mut alice = Client::alice().over(over).challenged(&mut world);
        alice.allocate_both(&mut world);
        for (number, peer) in (0x4000..).zip([PEER, PEER_V6]) {
            assert!(alice.bind(&mut world, number, peer).is_success());
        }
        let relays: Vec<_> = world.sockets.keys().copied().collect();
        let unbound = ["9.9.9.9:1", "[2620:fe::fe]:1"];
        let packets = [
            channel_data(0x4000, &[7; 200]),
            channel_data(0x4001, &[7; 201]),
            alice.send(unbound[0], &[7; 202]),
            alice.send(unbound[1], &[7; 203]),
        ];
        let fingerprinted = [alice.next_peer(unbound[0]), (DATA, vec![7; 100])];
        let fingerprinted = alice.fingerprinted(SEND, &fingerprinted);
        let froms = [PEER, PEER_V6, unbound[0], unbound[1]].map(at);
        let mut buffer = [0; HEADROOM + 1500 + TAILROOM];
        let count = allocations(|| {
            for n in 0..1000 {
                let now = world.clock.advance(std::time::Duration::from_millis(1));
                let verdict = world.server.handle_datagram(now, alice.flow, &packets[n % 4]);
                assert!(matches!(verdict, Verdict::ToPeer { .. }));
                let verdict = world.server.handle_datagram(now, alice.flow, &fingerprinted);
                assert!(matches!(verdict, Verdict::ToPeer { .. }));
                let (relay, from) = (relays[n % 2], froms[n % 4]);
                let verdict = world.server.handle_relayed(now, relay, from, &mut buffer, 200 + n % 4);
                assert!(matches!(verdict, Verdict::ToClient { .. }));
                let verdict = world.server.handle_relayed(now, relay, at("9.9.9.8:1"), &mut buffer, 200);
                assert!(matches!(verdict, Verdict::Drop(_)));
                assert!(world.server.poll_transmit().is_none() && world.server.poll_timeout().is_some());
            }
        });
        assert_eq!(count, 0, "{over}");
        let stats = world.server.stats();
        assert_eq!((stats.to_peers, stats.to_clients), (2000, 1000));
    }
}

#[test]
fn to_an_allocation_and_to_media_of_ours() {
    let media = at("203.0.113.1:8443");
    let mut world = World::with(|settings| settings.policy.media = vec![media]);
    let mut alice = Client::alice().challenged(&mut world);
    let mut bob = Client::bob().over(Transport::Tls).challenged(&mut world);
    let of_alice = alice.allocate(&mut world).addresses(XOR_RELAYED_ADDRESS)[0];
    let of_bob = bob.allocate(&mut world).addresses(XOR_RELAYED_ADDRESS)[0];
    assert!(alice.bind(&mut world, 0x4000, &of_bob.to_string()).is_success());
    assert!(alice.bind(&mut world, 0x4001, &media.to_string()).is_success());
    assert!(bob.permit(&mut world, &[&of_alice.to_string()]).is_success());
    let (to_bob, to_media) = (channel_data(0x4000, &[7; 200]), channel_data(0x4001, &[7; 200]));
    let mut buffer = [0; HEADROOM + 200 + TAILROOM];
    let count = allocations(|| {
        for _ in 0..1000 {
            let now = world.clock.advance(std::time::Duration::from_millis(1));
            let Verdict::ToRelay { relay, from, data } =
                world.server.handle_datagram(now, alice.flow, &to_bob)
            else {
                panic!("to bob")
            };
            buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
            let verdict = world.server.handle_relayed(now, relay, from, &mut buffer, data.len());
            assert!(matches!(verdict, Verdict::ToClient { flow, .. } if flow == bob.flow));
            let Verdict::ToMedia { relay, to, data, .. } =
                world.server.handle_datagram(now, alice.flow, &to_media)
            else {
                panic!("to media")
            };
            buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
            let verdict = world.server.handle_relayed(now, relay, to, &mut buffer, data.len());
            assert!(matches!(verdict, Verdict::ToClient { flow, .. } if flow == alice.flow));
        }
    });
    assert_eq!(count, 0);
}
