//! Allocations that follow their clients: RFC 8016.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use ringback_nat::turn::Reason;
use ringback_sansio::{Flow, Transport};
use turn_world::*;

const ELSEWHERE: &str = "198.51.100.7:7777";

/// An allocation of alice that follows her, with a channel to the peer, and its ticket.
fn mobile() -> (World, Client, Vec<u8>) {
    let mut world = World::new();
    let (alice, ticket) = allocated(&mut world, Client::alice());
    (world, alice, ticket)
}

fn allocated(world: &mut World, client: Client) -> (Client, Vec<u8>) {
    let mut client = client.challenged(world);
    let answer = client.ask(world, ALLOCATE, &[transport(17), (MOBILITY_TICKET, vec![])]);
    assert!(client.bind(world, 0x4001, PEER).is_success());
    (client, answer.value(MOBILITY_TICKET).unwrap())
}

/// The same client at another address, whose nonce the server has not given for it.
fn moved(client: &Client, to: &str) -> Client {
    Client { flow: Flow::datagram(at(SERVER), at(to)), ..client.clone() }
}

/// Shows a ticket, and is given a nonce first where it needs one.
fn show(world: &mut World, client: &mut Client, ticket: &[u8]) -> Answer {
    let attributes = [(MOBILITY_TICKET, ticket.to_vec())];
    let answer = client.ask(world, REFRESH, &attributes);
    if answer.error() != Some(438) {
        return answer;
    }
    client.nonce = answer.value(NONCE).unwrap();
    client.ask(world, REFRESH, &attributes)
}

#[test]
fn rfc8016_an_allocation_follows_its_client() {
    let (mut world, alice, ticket) = mobile();
    let relay = world.relay();
    assert!(ticket.is_ascii() && !ticket.contains(&0), "coturn's client takes it for text");
    let mut there = moved(&alice, ELSEWHERE);
    let answer = show(&mut world, &mut there, &ticket);
    assert_eq!((answer.error(), answer.lifetime()), (None, Some(600)));
    assert_ne!(answer.value(MOBILITY_TICKET).unwrap(), ticket, "another one for the next time");

    let packet = channel_data(0x4001, b"hello");
    let passed = Ok((relay, at(PEER), b"hello".to_vec()));
    let to_there = Ok((there.flow, packet.clone()));
    assert_eq!(world.sent_by_peer(relay, at(PEER), b"hello"), to_there, "at once");
    assert_eq!(world.sent_to_peer(&alice, &packet), passed, "what was on its way");
    assert_eq!(world.sent_to_peer(&there, &packet), passed);
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoAllocation), "it is gone");
    assert!(world.server.has_allocation(&there.flow) && !world.server.has_allocation(&alice.flow));
    assert_eq!((world.server.len(), world.server.stats().moved), (1, 1));
    // Whoever has its former address now is nobody in particular.
    assert_eq!(alice.clone().refresh(&mut world, 600).error(), Some(437));
    assert!(alice.clone().challenged(&mut world).allocate(&mut world).is_success());
}

#[test]
fn rfc8016_a_ticket_is_shown_again_when_the_answer_was_lost() {
    let (mut world, alice, ticket) = mobile();
    let mut there = moved(&alice, ELSEWHERE);
    let second = show(&mut world, &mut there, &ticket).value(MOBILITY_TICKET);
    assert_eq!(show(&mut world, &mut there, &ticket).value(MOBILITY_TICKET), second);
    // Also from yet another address, since nothing tells which answer came.
    let mut beyond = moved(&alice, "198.51.100.8:8888");
    assert_eq!(show(&mut world, &mut beyond, &ticket).value(MOBILITY_TICKET), second);
    let third = show(&mut world, &mut beyond, &second.unwrap());
    assert!(third.is_success() && world.server.has_allocation(&beyond.flow));
    assert_eq!(show(&mut world, &mut beyond, &ticket).error(), Some(400), "the next one has been used");
    // And back to where it was first.
    let mut home = moved(&alice, "192.0.2.10:4000");
    assert!(show(&mut world, &mut home, &third.value(MOBILITY_TICKET).unwrap()).is_success());
    let packet = channel_data(0x4001, b"home");
    let relay = world.relay();
    assert_eq!(world.sent_by_peer(relay, at(PEER), b"home"), Ok((alice.flow, packet.clone())));
    assert_eq!(world.sent_to_peer(&alice, &packet), Ok((relay, at(PEER), b"home".to_vec())));
    assert_eq!(world.sent_to_peer(&beyond, &packet), Err(Reason::NoAllocation));
}

#[test]
fn rfc8016_what_is_refused_moves_nothing() {
    let (mut world, alice, ticket) = mobile();
    let mut there = moved(&alice, ELSEWHERE);
    assert_eq!(show(&mut world, &mut there, b"wrong").error(), Some(400));
    let ipv6 = (REQUESTED_ADDRESS_FAMILY, vec![2, 0, 0, 0]);
    let refused = there.ask(&mut world, REFRESH, &[(MOBILITY_TICKET, ticket.clone()), ipv6]);
    assert_eq!(refused.error(), Some(443), "there is no address of that family");
    assert!(world.server.has_allocation(&alice.flow) && !world.server.has_allocation(&there.flow));
    assert!(show(&mut world, &mut there, &ticket).is_success(), "the ticket is as good as before");
}

#[test]
fn rfc8016_who_may_not_have_it_does_not() {
    let (mut world, alice, ticket) = mobile();
    let mut thief = Client::new("bob", "builder", ELSEWHERE).challenged(&mut world);
    assert_eq!(show(&mut world, &mut thief, &ticket).error(), Some(441));
    let mut there = moved(&alice, ELSEWHERE);
    for wrong in [vec![], vec![b'7'; 22], [&ticket[..], &[0]].concat()] {
        assert_eq!(show(&mut world, &mut there, &wrong).error(), Some(400), "{wrong:?}");
    }
    // Where there is another allocation there is no place for it.
    let (mut there, _) = allocated(&mut world, there);
    assert_eq!(show(&mut world, &mut there, &ticket).error(), Some(437));
    assert!(world.server.has_allocation(&alice.flow) && world.server.stats().moved == 0);
    // Without credentials whoever knows a ticket is asked for them.
    let mut stranger = moved(&alice, "198.51.100.9:9999");
    let packet = stranger.plain(REFRESH, &[(MOBILITY_TICKET, ticket)]);
    assert_eq!(world.ask(stranger.flow, &packet).unwrap().error(), Some(401));
    // Nobody is given a ticket unasked, and none is asked for with one.
    let mut bob = Client::bob().challenged(&mut world);
    let wrong = bob.ask(&mut world, ALLOCATE, &[transport(17), (MOBILITY_TICKET, vec![7; 16])]);
    assert_eq!(wrong.error(), Some(400));
    assert_eq!(bob.allocate(&mut world).value(MOBILITY_TICKET), None);
    assert_eq!(bob.refresh(&mut world, 600).value(MOBILITY_TICKET), None);
}

#[test]
fn rfc8016_credentials_that_are_over_keep_it_on_its_way() {
    let mut world = World::new();
    let (alice, ticket) = allocated(&mut world, Client::limited("carol", UNIX_TIME + 100, "192.0.2.30:1"));
    world.pass(secs(200));
    let mut there = moved(&alice, ELSEWHERE);
    assert!(show(&mut world, &mut there, &ticket).is_success());
    assert!(world.server.has_allocation(&there.flow));
}

#[test]
fn rfc8016_it_outlives_its_connection_and_ends_with_its_lifetime() {
    let mut world = World::new();
    let (alice, ticket) = allocated(&mut world, Client::alice().over(Transport::Tcp));
    world.server.close(&alice.flow);
    assert!(world.server.has_allocation(&alice.flow));
    let mut there = moved(&alice, ELSEWHERE);
    assert!(show(&mut world, &mut there, &ticket).is_success());
    world.pass(secs(601));
    assert!(world.server.is_empty() && world.sockets.is_empty());
    assert_eq!((world.server.poll_timeout(), world.quotas.taken()), (None, 0));
    assert_eq!(show(&mut world, &mut there, &ticket).error(), Some(400), "nobody knows the ticket");
}

#[test]
fn rfc8016_one_that_is_given_up_elsewhere_ends() {
    let (mut world, alice, ticket) = mobile();
    let mut there = moved(&alice, ELSEWHERE).challenged(&mut world);
    let attributes = [(MOBILITY_TICKET, ticket), (LIFETIME, vec![0; 4])];
    let answer = there.ask(&mut world, REFRESH, &attributes);
    assert_eq!((answer.lifetime(), answer.value(MOBILITY_TICKET)), (Some(0), None));
    assert!(world.server.is_empty() && world.sockets.is_empty());
    let packet = channel_data(0x4001, b"late");
    assert_eq!(world.sent_to_peer(&alice, &packet), Err(Reason::NoAllocation));
}
