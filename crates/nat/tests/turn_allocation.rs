//! How allocations begin, are refreshed and end: RFC 8656 §7 and §8.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use ringback_nat::turn::{Command, Family, NotOpened, Reason, RelayKey};
use ringback_sansio::Transport;
use turn_world::*;

const V6: (u16, [u8; 4]) = (REQUESTED_ADDRESS_FAMILY, [2, 0, 0, 0]);
const BOTH: (u16, [u8; 4]) = (ADDITIONAL_ADDRESS_FAMILY, [2, 0, 0, 0]);

fn attribute((kind, value): (u16, [u8; 4])) -> (u16, Vec<u8>) {
    (kind, value.to_vec())
}

#[test]
fn rfc8656_7_an_allocation_has_the_families_that_were_asked_for() {
    for (asked, expected) in [
        (None, &["203.0.113.1:50001"][..]),
        (Some((REQUESTED_ADDRESS_FAMILY, [1, 0, 0, 0])), &["203.0.113.1:50001"]),
        (Some(V6), &["[2001:db8::1]:50001"]),
        (Some(BOTH), &["203.0.113.1:50001", "[2001:db8::1]:50002"]),
    ] {
        let mut world = World::new();
        let mut alice = Client::alice().challenged(&mut world);
        let mut attributes = vec![transport(17)];
        attributes.extend(asked.map(attribute));
        let answer = alice.ask(&mut world, ALLOCATE, &attributes);
        let expected: Vec<_> = expected.iter().map(|address| at(address)).collect();
        assert_eq!(answer.addresses(XOR_RELAYED_ADDRESS), expected, "{asked:?}");
        assert_eq!(answer.addresses(XOR_MAPPED_ADDRESS), [alice.flow.remote()]);
        assert_eq!(answer.lifetime(), Some(600));
        assert_eq!(answer.value(ADDRESS_ERROR_CODE), None);
        assert!(world.server.has_allocation(&alice.flow));
    }
}

#[test]
fn rfc8656_7_2_a_port_is_even_where_that_is_asked_for() {
    let mut world = World::new();
    let asks =
        [(Client::alice(), vec![transport(17), (EVEN_PORT, vec![0])]), (Client::bob(), vec![transport(17)])];
    let ports = asks.map(|(client, attributes)| {
        let answer = client.challenged(&mut world).ask(&mut world, ALLOCATE, &attributes);
        answer.addresses(XOR_RELAYED_ADDRESS).first().map(|address| address.port())
    });
    assert_eq!(ports, [Some(50_002), Some(50_003)], "the first free one is 50001");
}

#[test]
fn rfc8656_7_2_what_is_refused_and_how() {
    let mut world = World::with(|settings| settings.families = vec![Family::Ipv4]);
    let mut alice = Client::alice().challenged(&mut world);
    let token = || (RESERVATION_TOKEN, vec![1; 8]);
    for (attributes, code) in [
        (vec![], 400),
        (vec![(REQUESTED_TRANSPORT, vec![17])], 400),
        (vec![transport(6)], 442),
        (vec![transport(17), (DONT_FRAGMENT, vec![])], 420),
        (vec![transport(17), (0x7fff, vec![])], 420),
        (vec![transport(17), token()], 508),
        (vec![transport(17), token(), (EVEN_PORT, vec![0])], 400),
        (vec![transport(17), token(), attribute(V6)], 400),
        (vec![transport(17), (EVEN_PORT, vec![0x80])], 508),
        (vec![transport(17), (EVEN_PORT, vec![])], 400),
        (vec![transport(17), (EVEN_PORT, vec![0x80]), attribute(BOTH)], 400),
        (vec![transport(17), attribute(V6), attribute(BOTH)], 400),
        (vec![transport(17), (ADDITIONAL_ADDRESS_FAMILY, vec![1, 0, 0, 0])], 400),
        (vec![transport(17), attribute(V6)], 440),
        (vec![transport(17), (REQUESTED_ADDRESS_FAMILY, vec![3, 0, 0, 0])], 440),
        (vec![transport(17), (REQUESTED_ADDRESS_FAMILY, vec![1])], 400),
        (vec![transport(17), (LIFETIME, vec![1])], 400),
    ] {
        let answer = alice.ask(&mut world, ALLOCATE, &attributes);
        assert_eq!(answer.error(), Some(code), "{attributes:?}");
        assert_eq!(answer.value(UNKNOWN_ATTRIBUTES).is_some(), code == 420);
    }
    let answer = alice.ask(&mut world, ALLOCATE, &[transport(17), (DONT_FRAGMENT, vec![])]);
    assert_eq!(answer.value(UNKNOWN_ATTRIBUTES).unwrap(), [0, 0x1a]);
    assert!(world.server.is_empty() && world.sockets.is_empty());
}

#[test]
fn rfc8656_7_3_a_family_that_is_not_there_is_told_beside_the_other() {
    let mut world = World::with(|settings| settings.families = vec![Family::Ipv4]);
    let mut alice = Client::alice().challenged(&mut world);
    let answer = alice.allocate_both(&mut world);
    assert_eq!(answer.addresses(XOR_RELAYED_ADDRESS).len(), 1);
    assert_eq!(answer.value(ADDRESS_ERROR_CODE).unwrap(), [2, 0, 4, 40]);

    let mut world = World::new();
    world.broken = vec![Family::Ipv4];
    let mut alice = Client::alice().challenged(&mut world);
    let answer = alice.allocate_both(&mut world);
    assert!(answer.addresses(XOR_RELAYED_ADDRESS)[0].is_ipv6());
    assert_eq!(answer.value(ADDRESS_ERROR_CODE).unwrap(), [1, 0, 5, 8]);
    assert_eq!(alice.permit(&mut world, &[PEER]).error(), Some(443));

    let mut world = World::new();
    world.broken = vec![Family::Ipv4, Family::Ipv6];
    let mut alice = Client::alice().challenged(&mut world);
    assert_eq!(alice.allocate_both(&mut world).error(), Some(508));
    assert!(world.server.is_empty() && world.server.poll_timeout().is_none());
}

#[test]
fn rfc8656_7_2_an_allocate_request_that_comes_again_is_answered_alike() {
    let mut world = World::new();
    world.is_slow = true;
    let mut alice = Client::alice().challenged(&mut world);
    let packet = alice.request(ALLOCATE, &[transport(17), (LIFETIME, 1000u32.to_be_bytes().to_vec())]);
    assert_eq!(world.ask(alice.flow, &packet), None);
    assert_eq!(world.ask(alice.flow, &packet), None, "its socket is still being opened");
    assert_eq!(world.server.stats().drops.of(Reason::Opening), 1);
    assert!(!world.server.has_allocation(&alice.flow));
    assert_eq!(alice.refresh(&mut world, 600).error(), Some(437), "not yet");
    let (relay, family) = world.asked.remove(0);
    world.open(relay, family);
    let answer = world.answer(alice.flow).unwrap();
    assert_eq!(answer.lifetime(), Some(1000));
    let answer_id = answer.bytes[8..20].to_vec();
    assert_eq!(world.ask(alice.flow, &packet), Some(answer));
    assert_eq!(alice.allocate(&mut world).error(), Some(437), "another request");
    assert_eq!((world.server.len(), world.sockets.len()), (1, 1));
    // Somebody else behind the same 5-tuple is not told of it, whatever number its request has.
    let mut bob = Client { name: "bob".into(), password: "builder".into(), ..alice.clone() };
    bob.transaction = 1;
    let packet = bob.request(ALLOCATE, &[transport(17)]);
    assert_eq!(packet[8..20], answer_id);
    assert_eq!(world.ask(bob.flow, &packet).unwrap().error(), Some(437));
}

#[test]
fn sockets_that_do_not_open_in_time_are_done_without() {
    let mut world = World::new();
    world.is_slow = true;
    let mut alice = Client::alice().challenged(&mut world);
    let packet = alice.request(ALLOCATE, &[transport(17), attribute(BOTH)]);
    assert_eq!(world.ask(alice.flow, &packet), None);
    let late = world.asked.remove(0);
    let (relay, family) = world.asked.remove(0);
    world.open(relay, family);
    assert_eq!(world.answer(alice.flow), None, "one is missing");
    world.pass(secs(5));
    let answer = world.answer(alice.flow).unwrap();
    assert_eq!(answer.value(ADDRESS_ERROR_CODE).unwrap(), [1, 0, 5, 8]);
    world.open(late.0, late.1);
    assert_eq!(world.sockets.len(), 1, "closed at once");

    let mut bob = Client::bob().challenged(&mut world);
    let packet = bob.request(ALLOCATE, &[transport(17)]);
    world.ask(bob.flow, &packet);
    world.pass(secs(5));
    assert_eq!(world.answer(bob.flow).unwrap().error(), Some(508));
    let (relay, _) = world.asked.remove(0);
    world.server.handle_opened(world.clock.now(), relay, Err(NotOpened));
    assert_eq!(world.server.poll_command(), None);
    assert_eq!(world.server.len(), 1);
}

#[test]
fn a_socket_of_the_wrong_family_is_closed_and_one_that_nobody_asked_for_too() {
    let mut world = World::new();
    world.is_slow = true;
    let mut alice = Client::alice().challenged(&mut world);
    let packet = alice.request(ALLOCATE, &[transport(17)]);
    world.ask(alice.flow, &packet);
    let (relay, _) = world.asked.remove(0);
    let now = world.clock.now();
    for wrong in [relay, RelayKey(99)] {
        world.server.handle_opened(now, wrong, Ok(at("[2001:db8::1]:9")));
        assert_eq!(world.server.poll_command(), Some(Command::Close(wrong)));
    }
    assert_eq!(world.answer(alice.flow).unwrap().error(), Some(508));
}

#[test]
fn rfc8656_7_2_lifetimes_are_bounded() {
    for (asked, granted) in [(0, 600), (1, 600), (600, 600), (700, 700), (3600, 3600), (u32::MAX, 3600)] {
        let mut world = World::new();
        let mut alice = Client::alice().challenged(&mut world);
        let lifetime = (LIFETIME, asked.to_be_bytes().to_vec());
        let answer = alice.ask(&mut world, ALLOCATE, &[transport(17), lifetime]);
        assert_eq!(answer.lifetime(), Some(granted), "{asked}");
        world.pass(secs(u64::from(granted) - 1));
        assert_eq!(world.server.len(), 1);
        world.pass(secs(1));
        assert!(world.server.is_empty() && world.sockets.is_empty());
        assert_eq!(world.server.stats().expired, 1);
    }
}

#[test]
fn rfc8656_8_refresh() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    assert_eq!(alice.refresh(&mut world, 600).error(), Some(437));
    alice.allocate(&mut world);
    assert_eq!(alice.refresh(&mut world, 5).lifetime(), Some(600));
    assert_eq!(alice.refresh(&mut world, 7200).lifetime(), Some(3600));
    assert_eq!(alice.ask(&mut world, REFRESH, &[]).lifetime(), Some(600));
    assert_eq!(alice.ask(&mut world, REFRESH, &[(LIFETIME, vec![])]).error(), Some(400));
    for (family, code) in
        [(vec![2, 0, 0, 0], 443), (vec![3, 0, 0, 0], 443), (vec![0; 4], 443), (vec![1], 400)]
    {
        let answer = alice.ask(&mut world, REFRESH, &[(REQUESTED_ADDRESS_FAMILY, family)]);
        assert_eq!(answer.error(), Some(code));
    }
    world.pass(secs(599));
    let gone = alice.refresh(&mut world, 0);
    assert_eq!(gone.lifetime(), Some(0));
    assert!(world.server.is_empty() && world.sockets.is_empty() && world.server.poll_timeout().is_none());
    assert_eq!(alice.refresh(&mut world, 0).error(), Some(437), "which tells a client that it is gone");
    assert_eq!(world.server.stats().expired, 0);
    assert!(alice.allocate(&mut world).is_success(), "the same 5-tuple again");
}

#[test]
fn rfc8656_8_one_family_of_two_is_refreshed_and_deleted_alone() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate_both(&mut world);
    alice.permit(&mut world, &[PEER, PEER_V6]);
    let v6 = |seconds: u32| [attribute(V6), (LIFETIME, seconds.to_be_bytes().to_vec())];
    assert_eq!(alice.ask(&mut world, REFRESH, &v6(0)).lifetime(), Some(0));
    assert!(world.sockets.values().all(|address| address.is_ipv4()));
    assert_eq!(alice.ask(&mut world, REFRESH, &v6(600)).error(), Some(443));
    let packet = alice.send(PEER_V6, b"gone");
    assert_eq!(world.sent_to_peer(&alice, &packet).unwrap_err(), Reason::WrongFamily);
    let packet = alice.send(PEER, b"there");
    assert!(world.sent_to_peer(&alice, &packet).is_ok());

    let mut bob = Client::bob().challenged(&mut world);
    bob.allocate_both(&mut world);
    bob.ask(&mut world, REFRESH, &v6(1200));
    world.pass(secs(600));
    assert_eq!((world.server.len(), world.sockets.len()), (1, 1), "alice has gone, and bob's IPv4");
    world.pass(secs(600));
    assert!(world.server.is_empty() && world.sockets.is_empty());
}

#[test]
fn a_flow_or_an_account_that_has_gone_takes_its_allocations_with_it() {
    let mut world = World::new();
    let tcp = Client::alice().over(Transport::Tcp);
    let mut tcp = tcp.challenged(&mut world);
    assert!(tcp.allocate(&mut world).is_success());
    let mut alice = Client::alice().challenged(&mut world);
    assert!(alice.allocate(&mut world).is_success(), "another 5-tuple");
    let mut bob = Client::bob().challenged(&mut world);
    bob.allocate(&mut world);
    assert_eq!(world.sockets.len(), 3);
    world.server.close(&tcp.flow);
    world.drive();
    assert_eq!(world.sockets.len(), 2);
    world.server.close_account(b"alice");
    world.drive();
    assert!(!world.server.has_allocation(&alice.flow) && world.server.has_allocation(&bob.flow));
    assert_eq!((world.server.len(), world.sockets.len()), (1, 1));

    // One that goes while its socket is being opened.
    world.is_slow = true;
    let packet = alice.request(ALLOCATE, &[transport(17)]);
    world.ask(alice.flow, &packet);
    world.server.close(&alice.flow);
    let (relay, family) = world.asked.remove(0);
    world.open(relay, family);
    assert_eq!((world.server.len(), world.sockets.len()), (1, 1));
    assert_eq!(world.answer(alice.flow), None);
}

#[test]
fn a_deadline_counts_when_the_driver_is_late() {
    let mut world = World::new();
    let mut alice = Client::alice().challenged(&mut world);
    alice.allocate(&mut world);
    world.clock.advance(secs(599));
    assert!(alice.refresh(&mut world, 600).is_success());
    world.clock.advance(secs(600));
    let answer = alice.ask(&mut world, REFRESH, &[]);
    assert_eq!(answer.error(), Some(438), "and the nonce has gone with it");
    alice.nonce = answer.value(NONCE).unwrap();
    assert_eq!(alice.ask(&mut world, REFRESH, &[]).error(), Some(437));
}
