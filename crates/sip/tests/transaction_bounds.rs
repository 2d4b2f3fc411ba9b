//! Flows that fail, limits that are reached, and messages in any order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod transaction_pair;

use std::time::Duration;

use proptest::prelude::*;
use ringback_sansio::sim::Link;
use ringback_sansio::{ConnectionId, Flow, Transport};
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::{ClientId, Event, ServerId, Timers, Transactions};

use transaction_pair::{Alice, Bob, Pair, reply};

/// A pair in which Alice has sent a request that Bob answered with `status`, if at all.
fn answered(transport: Transport, method: Method, status: Option<u16>) -> (Pair, ClientId, ServerId) {
    let mut pair = Pair::new(transport, Link::perfect(Duration::ZERO), 1);
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let request = pair.new_request(Alice, method);
    let client = pair.layer(Alice).request(now, flow, request);
    let Some((Bob, Event::Request { id, message, .. })) = pair.next_event() else { panic!() };
    if let Some(status) = status {
        pair.respond(Bob, id, &message, status);
        assert!(matches!(pair.next_event(), Some((Alice, Event::Response { .. }))));
    }
    (pair, client, id)
}

fn fail(pair: &mut Pair, flow: Flow) -> Option<Event> {
    let now = pair.now();
    pair.layer(Alice).handle_flow_failed(now, flow);
    pair.layer(Alice).poll_event()
}

#[test]
fn a_failed_flow_fails_what_waits_for_an_answer_over_it() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for method in [Method::Invite, Method::Options] {
            let (mut pair, id, _) = answered(transport, method, None);
            let flow = pair.flow(Alice);
            assert_eq!(fail(&mut pair, flow), Some(Event::TransportFailed { id }));
            assert_eq!(pair.layer(Alice).client_count(), 0);
            assert_eq!(pair.layer(Alice).poll_timeout(), None);
        }
    }
}

/// An ICMP error is no reason to give up a phone that is ringing; a closed connection is.
#[test]
fn a_ringing_call_outlives_a_datagram_error_but_not_its_connection() {
    let (mut pair, _, _) = answered(Transport::Udp, Method::Invite, Some(180));
    let flow = pair.flow(Alice);
    assert_eq!(fail(&mut pair, flow), None);
    let (mut pair, id, _) = answered(Transport::Wss, Method::Invite, Some(180));
    let flow = pair.flow(Alice);
    assert_eq!(fail(&mut pair, flow), Some(Event::TransportFailed { id }));
}

#[test]
fn another_connection_between_the_same_addresses_is_not_concerned() {
    let (mut pair, _, _) = answered(Transport::Wss, Method::Options, None);
    let other = Flow { connection: ConnectionId(2), ..pair.flow(Alice) };
    assert_eq!(fail(&mut pair, other), None);
    assert_eq!(pair.layer(Alice).client_count(), 1);
}

/// RFC 6026 §8.8: the user is told and the transaction stays. An error of a datagram flow is no news.
#[test]
fn a_server_transaction_stays_when_its_flow_fails() {
    for (transport, told) in [(Transport::Wss, 1), (Transport::Udp, 0)] {
        let (mut pair, _, id) = answered(transport, Method::Invite, Some(180));
        let (now, flow) = (pair.now(), pair.flow(Bob));
        pair.layer(Bob).handle_flow_failed(now, flow);
        let expected = (told > 0).then_some(Event::Undeliverable { id });
        assert_eq!(pair.layer(Bob).poll_event(), expected);
        assert_eq!((pair.layer(Bob).server_count(), pair.stats(Bob).undeliverable), (1, told));
    }
}

fn options(pair: &mut Pair) -> Message {
    pair.new_request(Alice, Method::Options)
}

#[test]
fn beyond_the_limit_new_requests_get_503_and_calls_that_stand_do_not() {
    let mut pair = Pair::udp();
    let mut bob = Transactions::new(Timers::default(), 3).with_limit(8);
    let (now, flow) = (pair.now(), pair.flow(Bob));
    for _ in 0..8 {
        assert!(bob.handle_message(now, flow, options(&mut pair)).is_some());
    }
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        assert_eq!(bob.handle_message(now, flow, options(&mut pair)), None);
        let refusal = Message::parse(bob.poll_transmit().unwrap().payload).unwrap();
        assert_eq!(refusal.status(), Some(503));
        assert!(refusal.to().unwrap().tag().is_some());
        let after = std::str::from_utf8(refusal.header(Name::RetryAfter).unwrap()).unwrap();
        waits.insert(after.parse::<u32>().unwrap());
    }
    assert!(waits.len() > 5 && waits.iter().all(|after| (5..=20).contains(after)), "{waits:?}");
    assert_eq!((bob.server_count(), bob.stats().requests_refused), (8, 20));
    let in_dialog = |pair: &mut Pair| {
        let request = options(pair);
        let mut edit = request.edit();
        edit.replace(Name::To, b"<sip:bob@example.com>;tag=bob-1");
        edit.finish()
    };
    for _ in 0..2 {
        let event = bob.handle_message(now, flow, in_dialog(&mut pair));
        assert!(matches!(event, Some(Event::Request { .. })), "{event:?}");
    }
    assert_eq!(bob.handle_message(now, flow, in_dialog(&mut pair)), None, "and that has an end, too");
    assert_eq!(bob.server_count(), 10);
}

#[test]
fn beyond_the_limit_own_requests_fail_at_once() {
    let mut pair = Pair::udp();
    let mut alice = Transactions::new(Timers::default(), 3).with_limit(1);
    let (now, flow) = (pair.now(), pair.flow(Alice));
    alice.request(now, flow, options(&mut pair));
    let id = alice.request(now, flow, options(&mut pair));
    assert_eq!(alice.poll_event(), Some(Event::TransportFailed { id }));
    assert_eq!((alice.client_count(), alice.stats().own_requests_refused), (1, 1));
}

/// What a hand of chance does to the layer.
#[derive(Debug, Clone)]
enum Deed {
    Receive(usize),
    Respond(u16),
    RespondStatelessly,
    Abandon,
    Stop,
    Request(bool),
    Cancel,
    FailFlow(bool),
    Wait(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let status = prop_oneof![Just(100u16), Just(180), Just(200), Just(202), Just(302), Just(486), Just(503)];
    let deed = prop_oneof![
        8 => any::<prop::sample::Index>().prop_map(|index| Deed::Receive(index.index(MESSAGES))),
        4 => status.prop_map(Deed::Respond),
        1 => Just(Deed::RespondStatelessly),
        1 => Just(Deed::Abandon),
        1 => Just(Deed::Stop),
        2 => any::<bool>().prop_map(Deed::Request),
        2 => Just(Deed::Cancel),
        1 => any::<bool>().prop_map(Deed::FailFlow),
        4 => (0u64..40_000).prop_map(Deed::Wait),
    ];
    prop::collection::vec(deed, 1..80)
}

/// How many messages [`received`] makes.
const MESSAGES: usize = 24;

/// A request of some transaction, or a response to a request of ours.
fn received(number: usize, ours: &[Message]) -> Message {
    let method = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"][number % 5];
    let (branch, tag) = (number / 10, if number.is_multiple_of(2) { "" } else { ";tag=bob-1" });
    if let Some(request) = ours.get(number % 7) {
        let status = [100, 180, 200, 401, 486, 200, 487][number % 7];
        return reply(Bob, request, status);
    }
    let text = format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n\
         From: <sip:a@x>;tag=a1\r\nTo: <sip:b@x>{tag}\r\nCall-ID: c{branch}\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.into()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes in whatever order: every message is counted once, every id is heard of for the last
    /// time once, and once every request is answered everything comes to rest.
    #[test]
    fn any_order_of_messages_and_time_ends_at_rest(deeds in deeds(), reliable: bool) {
        let transport = if reliable { Transport::Tcp } else { Transport::Udp };
        let mut pair = Pair::new(transport, Link::perfect(Duration::ZERO), 9);
        let (mine, theirs) = (pair.flow(Bob), pair.flow(Alice));
        let mut layer = Transactions::new(Timers::default(), 5);
        let mut clock = pair.clock.clone();
        let (mut servers, mut clients, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        let (mut requests, mut responses) = (0, 0);
        let mut events = Vec::new();
        for deed in deeds {
            let now = clock.now();
            match deed {
                Deed::Receive(number) => {
                    let message = received(number, &ours);
                    if message.is_request() { requests += 1 } else { responses += 1 }
                    events.extend(layer.handle_message(now, mine, message));
                }
                Deed::Respond(status) => {
                    if let Some((id, message)) = servers.last() {
                        layer.respond(now, *id, reply(Bob, message, status));
                    }
                }
                Deed::RespondStatelessly => {
                    if let Some((id, message)) = servers.last() {
                        layer.respond_statelessly(*id, reply(Bob, message, 401));
                    }
                }
                Deed::Abandon => {
                    if let Some((id, _)) = servers.first() {
                        layer.abandon(*id);
                    }
                }
                Deed::Stop => {
                    if let Some((id, _)) = servers.last() {
                        layer.stop_2xx(now, *id);
                    }
                }
                Deed::Request(invite) => {
                    let method = if invite { Method::Invite } else { Method::Options };
                    let request = pair.new_request(Alice, method);
                    ours.push(request.clone());
                    clients.push(layer.request(now, mine, request));
                }
                Deed::Cancel => {
                    if let Some(&id) = clients.last() {
                        layer.cancel(now, id);
                    }
                }
                Deed::FailFlow(own) => layer.handle_flow_failed(now, if own { mine } else { theirs }),
                Deed::Wait(millis) => {
                    let end = now + Duration::from_millis(millis);
                    while let Some(at) = layer.poll_timeout().filter(|at| *at <= end) {
                        layer.handle_timeout(at);
                    }
                    clock.advance_to(end);
                }
            }
            events.extend(std::iter::from_fn(|| layer.poll_event()));
            for event in &events {
                if let Event::Request { id, message, .. } | Event::Cancel { id, message, .. } = event
                    && servers.iter().all(|(known, _)| known != id)
                {
                    servers.push((*id, message.clone()));
                }
            }
            while layer.poll_transmit().is_some() {}
        }
        // Whoever has had no final response gets one, and every ringing call of ours is given up.
        for (id, message) in &servers {
            layer.respond(clock.now(), *id, reply(Bob, message, 500));
        }
        let now = clock.now();
        layer.handle_flow_failed(now, mine);
        for &id in &clients {
            layer.cancel(now, id);
        }
        for request in &ours {
            responses += 1;
            events.extend(layer.handle_message(now, mine, reply(Bob, request, 500)));
        }
        while let Some(at) = layer.poll_timeout() {
            layer.handle_timeout(at);
        }
        events.extend(std::iter::from_fn(|| layer.poll_event()));
        prop_assert_eq!((layer.client_count(), layer.server_count()), (0, 0));

        let stats = layer.stats();
        let counted = stats.requests_new
            + stats.requests_answered_again
            + stats.requests_absorbed
            + stats.acks_matched
            + stats.acks_to_user
            + stats.acks_absorbed
            + stats.requests_refused
            + stats.requests_without_via;
        prop_assert_eq!(counted, requests);
        let counted = stats.responses_to_user
            + stats.responses_absorbed
            + stats.responses_to_cancel
            + stats.responses_stray
            + stats.responses_without_branch;
        prop_assert_eq!(counted, responses);
        for id in clients {
            let last = events.iter().filter(|event| is_last_of(event, id));
            prop_assert_eq!(last.count(), 1, "{:?}", id);
        }
    }
}

/// Whether it is the event by which the user hears of the client transaction for the last time.
fn is_last_of(event: &Event, client: ClientId) -> bool {
    match event {
        Event::TimedOut { id } | Event::TransportFailed { id } | Event::Terminated { id } => *id == client,
        Event::Response { id, message } => {
            let status = message.status().unwrap();
            *id == client && (status >= 300 || (status >= 200 && message.method() != Method::Invite))
        }
        _ => false,
    }
}
