//! Permissions, channels and data: RFC 8656 §9 to §12, and who may be a peer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod turn_world;

use ringback_nat::turn::{HEADROOM, PeerPolicy, Rate, Reason, RelayKey, TAILROOM, Verdict, first_message};
use ringback_sansio::Transport;
use turn_world::*;

/// A world with an allocation of alice.
fn allocated() -> (World, Client) {
    allocated_with(World::new())
}

fn allocated_with(mut world: World) -> (World, Client) {
    let mut alice = Client::alice().challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success());
    (world, alice)
}

#[test]
fn rfc8656_11_send_and_data_indications() {
    let (mut world, mut alice) = allocated();
    let relay = world.relay();
    let packet = alice.send(PEER, b"hello");
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission));
    assert_eq!(world.sent_by_peer(relay, at(PEER), b"hello"), Err(Reason::NoPermission));
    assert!(alice.permit(&mut world, &[PEER]).is_success());
    assert_eq!(world.sent_to_peer(&alice, &packet), Ok((relay, at(PEER), b"hello".to_vec())));
    // A permission is of an address: any port of it will do, and no other address.
    let packet = alice.send("9.9.9.9:1", b"");
    assert_eq!(world.sent_to_peer(&alice, &packet), Ok((relay, at("9.9.9.9:1"), vec![])));
    let packet = alice.send("9.9.9.8:5000", b"hello");
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission));

    for length in 0..9 {
        let data = vec![0xab; length];
        let (flow, message) = world.sent_by_peer(relay, at("9.9.9.9:77"), &data).unwrap();
        assert_eq!(flow, alice.flow);
        let indication = Answer::read(&message);
        assert_eq!(indication.kind(), 0x0017);
        assert_eq!(indication.addresses(XOR_PEER_ADDRESS), [at("9.9.9.9:77")]);
        assert_eq!(indication.value(DATA).unwrap(), data);
        assert!(stun_types::message::Message::from_bytes(&message).is_ok());
    }
    let ids: Vec<_> =
        (0..2).map(|_| world.sent_by_peer(relay, at(PEER), b"").unwrap().1[8..20].to_vec()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn rfc8656_12_channels_both_ways() {
    let (mut world, mut alice) = allocated();
    let relay = world.relay();
    let packet = channel_data(0x4001, b"hello");
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoChannel));
    assert!(alice.bind(&mut world, 0x4001, PEER).is_success());
    assert_eq!(world.sent_to_peer(&alice, &packet), Ok((relay, at(PEER), b"hello".to_vec())));
    assert_eq!(
        world.sent_by_peer(relay, at(PEER), b"echo!"),
        Ok((alice.flow, channel_data(0x4001, b"echo!")))
    );
    // Another port of the same peer has the permission and not the channel.
    let (_, message) = world.sent_by_peer(relay, at("9.9.9.9:77"), b"echo").unwrap();
    assert_eq!(Answer::read(&message).kind(), 0x0017);
    let stats = world.server.stats();
    assert_eq!((stats.to_peers, stats.bytes_to_peers), (1, 5));
    assert_eq!((stats.to_clients, stats.bytes_to_clients), (2, 9));
}

/// An allocation of alice over a connection, with a channel to the peer.
fn bound_over(transport: Transport) -> (World, Client) {
    let mut world = World::new();
    let mut alice = Client::alice().over(transport).challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success() && alice.bind(&mut world, 0x4001, PEER).is_success());
    (world, alice)
}

#[test]
fn rfc8656_12_5_channel_data_over_a_stream_is_padded() {
    let (mut world, alice) = bound_over(Transport::Tcp);
    let relay = world.relay();
    for length in 0..9 {
        let data = vec![0xab; length];
        let (_, message) = world.sent_by_peer(relay, at(PEER), &data).unwrap();
        assert_eq!(message.len(), 4 + length.next_multiple_of(4));
        assert_eq!(first_message(&message), Ok(Some(message.len())));
        assert!(message[4 + length..].iter().all(|&byte| byte == 0), "nothing of ours leaks out");
        let (_, _, sent) = world.sent_to_peer(&alice, &message).unwrap();
        assert_eq!(sent, data);
    }
}

#[test]
fn rfc8656_12_5_channel_data_in_a_record_of_dtls_is_not_padded() {
    let (mut world, alice) = bound_over(Transport::Dtls);
    let relay = world.relay();
    for length in 0..9 {
        let data = vec![0xab; length];
        let (flow, message) = world.sent_by_peer(relay, at(PEER), &data).unwrap();
        assert_eq!((flow, message.len()), (alice.flow, 4 + length));
        let (_, _, sent) = world.sent_to_peer(&alice, &message).unwrap();
        assert_eq!(sent, data);
    }
}

#[test]
fn rfc8656_12_2_what_is_no_binding() {
    let (mut world, mut alice) = allocated();
    assert!(alice.bind(&mut world, 0x4001, PEER).is_success());
    assert!(alice.bind(&mut world, 0x4001, PEER).is_success(), "a refresh");
    assert_eq!(alice.bind(&mut world, 0x4001, "9.9.9.9:1").error(), Some(400), "of another peer");
    assert_eq!(alice.bind(&mut world, 0x4002, PEER).error(), Some(400), "the peer has another");
    for number in [0, 0x3fff, 0x7fff, 0x8000, 0xffff] {
        assert_eq!(alice.bind(&mut world, number, "9.9.9.8:1").error(), Some(400), "{number:#x}");
    }
    let peer = alice.next_peer(PEER);
    assert_eq!(alice.ask(&mut world, CHANNEL_BIND, &[peer]).error(), Some(400));
    assert_eq!(alice.ask(&mut world, CHANNEL_BIND, &[channel(0x4003)]).error(), Some(400));
    assert_eq!(
        alice.ask(&mut world, CHANNEL_BIND, &[channel(0x4003), (XOR_PEER_ADDRESS, vec![0])]).error(),
        Some(400)
    );
    assert_eq!(alice.bind(&mut world, 0x4003, PEER_V6).error(), Some(443));
    assert_eq!(alice.ask(&mut world, CREATE_PERMISSION, &[]).error(), Some(400));
    assert_eq!(alice.permit(&mut world, &[PEER_V6]).error(), Some(443));
    let mut bob = Client::bob().challenged(&mut world);
    assert_eq!(bob.bind(&mut world, 0x4001, PEER).error(), Some(437));
    assert_eq!(bob.permit(&mut world, &[PEER]).error(), Some(437));
}

#[test]
fn rfc8656_9_permissions_last_300_s_and_channels_600_s() {
    let (mut world, mut alice) = allocated();
    alice.refresh(&mut world, 3600);
    alice.bind(&mut world, 0x4001, PEER);
    let (relay, packet) = (world.relay(), channel_data(0x4001, b"hello"));
    world.pass(secs(299));
    assert!(world.sent_to_peer(&alice, &packet).is_ok());
    world.pass(secs(1));
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission));
    assert_eq!(world.sent_by_peer(relay, at(PEER), b"hello"), Err(Reason::NoPermission));
    alice.permit(&mut world, &[PEER]);
    assert_eq!(
        world.sent_to_peer(&alice, &packet),
        Ok((relay, at(PEER), b"hello".to_vec())),
        "the channel is there"
    );
    world.pass(secs(299));
    alice.permit(&mut world, &[PEER]);
    world.pass(secs(1));
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoChannel));
    let (_, message) = world.sent_by_peer(relay, at(PEER), b"hello").unwrap();
    assert_eq!(Answer::read(&message).kind(), 0x0017, "a Data indication");
}

#[test]
fn permissions_and_channels_are_counted() {
    let (mut world, mut alice) = allocated_with(World::with(|settings| {
        settings.limits.permissions = 3;
        settings.limits.channels = 2;
    }));
    assert!(alice.permit(&mut world, &["9.9.9.1:1", "9.9.9.2:1"]).is_success());
    assert_eq!(alice.permit(&mut world, &["9.9.9.3:1", "9.9.9.4:1"]).error(), Some(508));
    let packet = alice.send("9.9.9.3:1", b"");
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission), "all or none");
    assert!(alice.bind(&mut world, 0x4001, "9.9.9.1:1").is_success());
    assert!(alice.bind(&mut world, 0x4002, "9.9.9.1:2").is_success());
    assert_eq!(alice.bind(&mut world, 0x4003, "9.9.9.3:1").error(), Some(508));
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission), "no channel, no permission");
    assert!(alice.bind(&mut world, 0x4002, "9.9.9.1:2").is_success());
    assert!(alice.permit(&mut world, &["9.9.9.3:1"]).is_success());
}

/// Each is compared with every other, and a message has room for five thousand.
#[test]
fn a_request_names_no_more_peers_than_there_may_be() {
    let (mut world, mut alice) = allocated_with(World::with(|settings| settings.limits.permissions = 3));
    assert!(alice.permit(&mut world, &[PEER; 3]).is_success());
    assert_eq!(alice.permit(&mut world, &[PEER; 4]).error(), Some(508));
    assert_eq!(
        alice.permit(&mut world, &["127.0.0.1:1"; 4000]).error(),
        Some(508),
        "before anything is looked at"
    );
}

#[test]
fn bandwidth_is_of_an_allocation_and_of_both_ways() {
    let rate = Rate::per_second(1000, 2000);
    let (mut world, mut alice) =
        allocated_with(World::with(|settings| settings.limits.bandwidth = Some(rate)));
    alice.bind(&mut world, 0x4001, PEER);
    let (relay, packet) = (world.relay(), channel_data(0x4001, &[0; 800]));
    assert!(world.sent_to_peer(&alice, &packet).is_ok());
    assert!(world.sent_by_peer(relay, at(PEER), &[0; 800]).is_ok());
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::Bandwidth));
    assert_eq!(world.sent_by_peer(relay, at(PEER), &[0; 800]), Err(Reason::Bandwidth));
    world.pass(secs(1));
    assert!(world.sent_to_peer(&alice, &packet).is_ok());
    assert_eq!(world.server.stats().drops.of(Reason::Bandwidth), 2);
    assert_eq!(world.server.stats().to_peers, 2);
}

#[test]
fn what_an_account_carries_is_of_all_its_allocations_and_of_each_way() {
    let mut world = World::new();
    *world.bandwidth.lock().unwrap() = Some(Rate::per_second(1000, 2000));
    let mut allocated = |client: Client| {
        let mut client = client.challenged(&mut world);
        assert!(client.allocate(&mut world).is_success());
        client.bind(&mut world, 0x4001, PEER);
        client
    };
    let [first, second] = ["192.0.2.7:50000", "192.0.2.7:50001"]
        .map(|from| Client::new("alice", "sesame", from))
        .map(&mut allocated);
    let relays: Vec<_> = world.sockets.keys().copied().collect();
    let packet = channel_data(0x4001, &[0; 800]);
    assert!(world.sent_to_peer(&first, &packet).is_ok());
    assert!(world.sent_to_peer(&second, &packet).is_ok());
    for client in [&first, &second] {
        assert_eq!(world.sent_to_peer(client, &packet), Err(Reason::Bandwidth));
    }
    assert!(world.sent_by_peer(relays[0], at(PEER), &[0; 1200]).is_ok(), "the other way has as much");
    assert!(world.sent_by_peer(relays[1], at(PEER), &[0; 800]).is_ok());
    assert_eq!(world.sent_by_peer(relays[0], at(PEER), &[0; 800]), Err(Reason::Bandwidth));
    world.pass(secs(1));
    assert!(world.sent_to_peer(&second, &packet).is_ok());
    assert_eq!(world.server.stats().drops.of(Reason::Bandwidth), 3);
}

#[test]
fn a_peer_that_the_policy_refuses_is_refused_everywhere() {
    for peer in ["127.0.0.1:80", "10.0.0.1:22", "169.254.169.254:80", "224.0.0.1:5", "203.0.113.1:5060"] {
        let (mut world, mut alice) = allocated_with(World::with(|settings| {
            settings.policy.own = vec![at(SERVER).ip()];
        }));
        let is_own = peer == "203.0.113.1:5060";
        // Relay sockets have this address too, so there can be a permission for it. It is no way to another port.
        assert_eq!(alice.permit(&mut world, &[peer]).is_success(), is_own);
        assert_eq!(alice.bind(&mut world, 0x4001, peer).error(), Some(403), "{peer}");
        let packet = alice.send(peer, b"GET /");
        let reason = if is_own { Reason::PeerRefused } else { Reason::NoPermission };
        assert_eq!(world.sent_to_peer(&alice, &packet), Err(reason));
        let relay = world.relay();
        assert_eq!(world.sent_by_peer(relay, at(peer), b"200"), Err(reason));
        assert_eq!(
            alice.permit(&mut world, &["9.9.9.1:1", "10.0.0.1:22"]).error(),
            Some(403),
            "none of both"
        );
        let packet = alice.send("9.9.9.1:1", b"");
        assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoPermission));
        assert!(world.server.stats().errors.of(403) >= 2);
    }
}

#[test]
fn an_ipv4_peer_in_the_clothes_of_ipv6_is_the_ipv4_peer() {
    let (mut world, mut alice) = allocated();
    for peer in ["[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::ffff:169.254.169.254]:80"] {
        assert_eq!(alice.permit(&mut world, &[peer]).error(), Some(403), "{peer}");
        assert_eq!(alice.bind(&mut world, 0x4001, peer).error(), Some(403), "{peer}");
    }
    assert!(alice.permit(&mut world, &["[::ffff:9.9.9.9]:5000"]).is_success());
    let packet = alice.send("[::ffff:9.9.9.9]:5000", b"hello");
    assert_eq!(world.sent_to_peer(&alice, &packet).unwrap().1, at(PEER));
    let relay = world.relay();
    let (_, message) = world.sent_by_peer(relay, at("[::ffff:9.9.9.9]:5000"), b"hello").unwrap();
    assert_eq!(Answer::read(&message).addresses(XOR_PEER_ADDRESS), [at(PEER)]);

    let mut bob = Client::bob().challenged(&mut world);
    bob.allocate_both(&mut world);
    for peer in ["[2002:7f00:1::1]:80", "[64:ff9b::10.0.0.1]:80", "[::127.0.0.1]:80", "[2001:0:7f00:1::1]:80"]
    {
        assert_eq!(bob.permit(&mut world, &[peer]).error(), Some(403), "{peer}");
    }
}

#[test]
fn a_policy_holds_for_permissions_that_are_there_already() {
    let (mut world, mut alice) = allocated_with(World::with(|settings| {
        settings.policy.allowed = vec!["10.0.0.0/8".parse().unwrap()];
    }));
    assert!(alice.bind(&mut world, 0x4001, "10.0.0.1:5000").is_success());
    let (relay, packet) = (world.relay(), channel_data(0x4001, b"hello"));
    assert!(world.sent_to_peer(&alice, &packet).is_ok());
    world.server.set_policy(PeerPolicy::default());
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::PeerRefused));
    assert_eq!(world.sent_by_peer(relay, at("10.0.0.1:5000"), b"hello"), Err(Reason::PeerRefused));
}

#[test]
fn two_allocations_of_ours_meet_without_a_socket() {
    let (mut world, mut alice) = allocated();
    let mut bob = Client::bob().challenged(&mut world);
    let of_bob = bob.allocate(&mut world).addresses(XOR_RELAYED_ADDRESS)[0];
    let of_alice = *world.sockets.values().next().unwrap();
    assert!(alice.bind(&mut world, 0x4001, &of_bob.to_string()).is_success());
    assert!(bob.bind(&mut world, 0x4002, &of_alice.to_string()).is_success());
    let now = world.clock.now();
    let packet = channel_data(0x4001, b"hello");
    let Verdict::ToRelay { relay, from, data } = world.server.handle_datagram(now, alice.flow, &packet)
    else {
        panic!("in memory")
    };
    assert_eq!((from, world.sockets[&relay]), (of_alice, of_bob));
    let data = data.to_vec();
    assert_eq!(world.sent_by_peer(relay, from, &data), Ok((bob.flow, channel_data(0x4002, b"hello"))));
    // A permission is of both sides: bob has none for alice any more.
    world.pass(secs(299));
    assert!(alice.bind(&mut world, 0x4001, &of_bob.to_string()).is_success());
    world.pass(secs(1));
    let now = world.clock.now();
    assert!(matches!(world.server.handle_datagram(now, alice.flow, &packet), Verdict::ToRelay { .. }));
    assert_eq!(world.sent_by_peer(relay, from, &data), Err(Reason::NoPermission));
    // When bob has gone its address is one of ours, and no peer.
    bob.refresh(&mut world, 0);
    let verdict = world.server.handle_datagram(now, alice.flow, &packet);
    assert_eq!(verdict, Verdict::Drop(Reason::PeerRefused));
    assert_eq!(world.sent_by_peer(relay, from, &data), Err(Reason::NoRelay));
}

#[test]
fn our_own_media_is_a_peer_by_address_and_port() {
    let media = at("203.0.113.1:8443");
    let (mut world, mut alice) = allocated_with(World::with(|settings| {
        settings.policy.own = vec![media.ip()];
        settings.policy.media = vec![media];
    }));
    assert!(alice.bind(&mut world, 0x4001, &media.to_string()).is_success());
    let (relay, own) = (world.relay(), *world.sockets.values().next().unwrap());
    let (now, packet) = (world.clock.now(), channel_data(0x4001, b"hello"));
    let verdict = world.server.handle_datagram(now, alice.flow, &packet);
    assert_eq!(verdict, Verdict::ToMedia { relay, to: media, from: own, data: b"hello" });
    assert_eq!(world.sent_by_peer(relay, media, b"hello"), Ok((alice.flow, channel_data(0x4001, b"hello"))));
    assert_eq!(alice.bind(&mut world, 0x4002, "203.0.113.1:8444").error(), Some(403));
    assert_eq!(world.sent_by_peer(relay, at("203.0.113.1:8444"), b"hello"), Err(Reason::PeerRefused));
}

#[test]
fn no_allowed_range_opens_an_address_of_ours() {
    let (mut world, mut alice) = allocated_with(World::with(|settings| {
        settings.policy.allowed = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        settings.policy.own = vec!["10.0.0.1".parse().unwrap()];
    }));
    for own in ["127.0.0.1:80", "127.1.2.3:80", "10.0.0.1:22", "203.0.113.1:22"] {
        assert_eq!(alice.bind(&mut world, 0x4001, own).error(), Some(403), "{own}");
    }
    assert!(alice.bind(&mut world, 0x4001, "10.0.0.2:22").is_success());
    let policy = PeerPolicy { allowed_own: vec!["127.0.0.0/8".parse().unwrap()], ..PeerPolicy::default() };
    world.server.set_policy(policy);
    assert!(alice.bind(&mut world, 0x4002, "127.0.0.1:80").is_success());
    assert_eq!(alice.bind(&mut world, 0x4003, "203.0.113.1:22").error(), Some(403));
}

#[test]
fn what_is_no_sound_indication_is_dropped() {
    let (mut world, mut alice) = allocated();
    alice.permit(&mut world, &[PEER]);
    let (peer, data) = (alice.next_peer(PEER), (DATA, b"hello".to_vec()));
    for (attributes, reason) in [
        (vec![peer.clone()], Reason::Malformed),
        (vec![data.clone()], Reason::Malformed),
        (vec![(XOR_PEER_ADDRESS, vec![0; 7]), data.clone()], Reason::Malformed),
        (vec![(XOR_PEER_ADDRESS, vec![0, 3, 0, 0, 0, 0, 0, 0]), data.clone()], Reason::Malformed),
        (vec![peer.clone(), data.clone(), (DONT_FRAGMENT, vec![])], Reason::UnknownAttribute),
    ] {
        let packet = alice.indication(SEND, &attributes);
        assert_eq!(world.sent_to_peer(&alice, &packet), Err(reason), "{attributes:?}");
    }
    let mut bob = Client::bob();
    let packet = bob.send(PEER, b"hello");
    assert_eq!(world.sent_to_peer(&bob, &packet), Err(Reason::NoAllocation));
}

#[test]
fn what_does_not_fit_its_buffer_is_dropped() {
    let (mut world, mut alice) = allocated();
    alice.permit(&mut world, &[PEER]);
    let (relay, now) = (world.relay(), world.clock.now());
    let mut small = [0; HEADROOM + 5];
    let verdict = world.server.handle_relayed(now, relay, at(PEER), &mut small, 5);
    assert_eq!(verdict, Verdict::Drop(Reason::NoRoom), "no room for padding");
    for length in [HEADROOM + TAILROOM, 70_000, usize::MAX - 9] {
        let verdict = world.server.handle_relayed(now, relay, at(PEER), &mut small, length);
        assert_eq!(verdict, Verdict::Drop(Reason::NoRoom), "{length}");
    }
    let mut large = vec![0; 70_000];
    let verdict = world.server.handle_relayed(now, relay, at(PEER), &mut large, 65_535);
    assert_eq!(verdict, Verdict::Drop(Reason::NoRoom), "longer than a message may be");
    let verdict = world.server.handle_relayed(now, RelayKey(77), at(PEER), &mut large, 5);
    assert_eq!(verdict, Verdict::Drop(Reason::NoRelay));
}
