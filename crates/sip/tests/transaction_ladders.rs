//! What the four transactions put on the wire, as ladders.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod transaction_pair;

use std::time::Duration;

use ringback_sip::message::Method;
use ringback_sip::transaction::{Cancellation, Event};

use transaction_pair::{Alice, Bob, Outcome, Pair, Plan, play};

fn finals(expected: &[(Method, u16)], acknowledged: bool) -> Outcome {
    Outcome { finals: expected.to_vec(), acknowledged, failures: Vec::new() }
}

#[test]
fn a_call_without_loss() {
    let mut pair = Pair::udp();
    let outcome = play(&mut pair, Plan::Accept);
    assert_eq!(outcome, finals(&[(Method::Invite, 200), (Method::Bye, 200)], true));
    pair.assert_ladder("ladder_call");
    pair.assert_at_rest();
}

#[test]
fn a_refused_call_without_loss() {
    let mut pair = Pair::udp();
    assert_eq!(play(&mut pair, Plan::Refuse(486)), finals(&[(Method::Invite, 486)], false));
    pair.assert_ladder("ladder_refused");
    pair.assert_at_rest();
}

#[test]
fn a_cancelled_call_without_loss() {
    let mut pair = Pair::udp();
    assert_eq!(play(&mut pair, Plan::Cancelled), finals(&[(Method::Invite, 487)], false));
    pair.assert_ladder("ladder_cancelled");
    pair.assert_at_rest();
}

/// The INVITE, the 200 (twice) and the first ACK are lost.
#[test]
fn a_call_that_loses_its_invite_its_200_and_its_ack() {
    let mut pair = Pair::udp().lose([0, 3, 4, 6]);
    let outcome = play(&mut pair, Plan::Accept);
    assert_eq!(outcome, finals(&[(Method::Invite, 200), (Method::Bye, 200)], true));
    pair.assert_ladder("ladder_call_with_losses");
    pair.assert_at_rest();
}

/// The 486 is repeated by Timer G, and the ACK that is lost is sent again for the 486 that comes again.
#[test]
fn a_refused_call_that_loses_its_486_and_its_ack() {
    let mut pair = Pair::udp().lose([2, 4]);
    assert_eq!(play(&mut pair, Plan::Refuse(486)), finals(&[(Method::Invite, 486)], false));
    // INVITE and ACK are sent once, the ACK again for the 486 that came again.
    assert_eq!((pair.stats(Alice).requests_sent, pair.stats(Alice).requests_retransmitted), (2, 1));
    pair.assert_ladder("ladder_refused_with_losses");
    pair.assert_at_rest();
}

/// Timers A and B: seven INVITEs in 32 seconds, the interval doubled without limit.
#[test]
fn an_invite_that_nobody_answers() {
    let mut pair = Pair::udp();
    pair.network.cut(Bob.address());
    let outcome = play(&mut pair, Plan::Accept);
    assert_eq!(outcome.failures.len(), 1, "{outcome:?}");
    assert!(outcome.failures[0].contains("TimedOut"));
    assert_eq!(pair.stats(Alice).requests_retransmitted, 6);
    pair.assert_ladder("ladder_invite_unanswered");
    pair.assert_at_rest();
}

/// Timers E and F: eleven requests in 32 seconds, the interval doubled up to T2.
#[test]
fn a_request_that_nobody_answers() {
    let mut pair = Pair::udp();
    pair.network.cut(Bob.address());
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let request = pair.new_request(Alice, Method::Options);
    let id = pair.layer(Alice).request(now, flow, request);
    assert_eq!(pair.next_event(), Some((Alice, Event::TimedOut { id })));
    pair.assert_ladder("ladder_request_unanswered");
    pair.assert_at_rest();
}

/// After a provisional response Timer E is T2 (§17.1.2.2), and the server repeats what it said last.
#[test]
fn a_request_that_is_answered_slowly() {
    let mut pair = Pair::udp();
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let request = pair.new_request(Alice, Method::Options);
    let id = pair.layer(Alice).request(now, flow, request);
    let Some((Bob, Event::Request { id: server, message, .. })) = pair.next_event() else { panic!() };
    pair.run_for(Duration::from_millis(700));
    pair.respond(Bob, server, &message, 100);
    pair.run_for(Duration::from_secs(10));
    pair.respond(Bob, server, &message, 200);
    let mut statuses = Vec::new();
    while let Some((Alice, Event::Response { id: got, message })) = pair.next_event() {
        assert_eq!(got, id);
        statuses.push(message.status().unwrap());
    }
    assert_eq!(statuses, [100, 100, 100, 100, 200]);
    pair.assert_ladder("ladder_request_answered_slowly");
    pair.assert_at_rest();
}

/// Timers G and H: a failure is repeated for 32 seconds, the interval doubled up to T2.
#[test]
fn a_failure_that_nobody_acknowledges() {
    let mut pair = Pair::udp();
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    pair.layer(Alice).request(now, flow, invite);
    let Some((Bob, Event::Request { id, message, .. })) = pair.next_event() else { panic!() };
    pair.network.cut(Alice.address());
    pair.respond(Bob, id, &message, 486);
    let timed_out = std::iter::from_fn(|| pair.next_event()).find(|(who, _)| *who == Bob);
    assert_eq!(timed_out, Some((Bob, Event::AckTimedOut { id })));
    assert_eq!(pair.stats(Bob).acks_timed_out, 1);
    pair.assert_ladder("ladder_failure_unacknowledged");
}

/// §13.3.1.4: a 2xx is repeated for 32 seconds, and then the user is told.
#[test]
fn a_success_that_nobody_acknowledges() {
    let mut pair = Pair::udp();
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    pair.layer(Alice).request(now, flow, invite);
    let Some((Bob, Event::Request { id, message, .. })) = pair.next_event() else { panic!() };
    pair.network.cut(Alice.address());
    pair.respond(Bob, id, &message, 200);
    let given_up = std::iter::from_fn(|| pair.next_event()).find(|(who, _)| *who == Bob);
    assert_eq!(given_up, Some((Bob, Event::Ok2xxUnacknowledged { id })));
    assert_eq!(pair.stats(Bob).successes_unacknowledged, 1);
    pair.assert_ladder("ladder_success_unacknowledged");
}

/// §9.1: asked for before any response, the CANCEL waits for the first provisional one.
#[test]
fn a_cancel_that_waits_for_a_provisional_response() {
    let mut pair = Pair::udp().lose([0]);
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    let id = pair.layer(Alice).request(now, flow, invite);
    pair.run_for(Duration::from_millis(50));
    let now = pair.now();
    assert_eq!(pair.layer(Alice).cancel(now, id), Cancellation::Waiting);
    let Some((Bob, Event::Request { id: server, message, .. })) = pair.next_event() else { panic!() };
    let Some((Alice, Event::Response { message: trying, .. })) = pair.next_event() else { panic!() };
    assert_eq!(trying.status(), Some(100));
    let Some((Bob, Event::Cancel { id: cancel, invite, message: request, .. })) = pair.next_event() else {
        panic!()
    };
    assert_eq!(invite, Some(server));
    pair.respond(Bob, cancel, &request, 200);
    pair.respond(Bob, server, &message, 487);
    let Some((Alice, Event::Response { message: last, .. })) = pair.next_event() else { panic!() };
    assert_eq!(last.status(), Some(487));
    let now = pair.now();
    assert_eq!(pair.layer(Alice).cancel(now, id), Cancellation::TooLate);
    pair.assert_ladder("ladder_cancel_waits");
    pair.assert_at_rest();
}

/// §9.1: 64 T1 after a CANCEL without a final response the INVITE is given up.
#[test]
fn a_cancel_that_changes_nothing() {
    let mut pair = Pair::udp();
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    let id = pair.layer(Alice).request(now, flow, invite);
    let Some((Bob, Event::Request { id: server, message, .. })) = pair.next_event() else { panic!() };
    pair.respond(Bob, server, &message, 180);
    let Some((Alice, Event::Response { .. })) = pair.next_event() else { panic!() };
    let now = pair.now();
    assert_eq!(pair.layer(Alice).cancel(now, id), Cancellation::Sent);
    let Some((Bob, Event::Cancel { id: cancel, message: request, .. })) = pair.next_event() else { panic!() };
    pair.respond(Bob, cancel, &request, 200);
    assert_eq!(pair.next_event(), Some((Alice, Event::TimedOut { id })));
    pair.assert_ladder("ladder_cancel_ignored");
}

/// Over a reliable transport everything is sent once, however late it comes; only the 2xx of an INVITE is
/// repeated end to end (§13.3.1.4).
#[test]
fn a_slow_call_over_tcp() {
    let mut pair = Pair::tcp();
    pair.network.set_links(
        Alice.address(),
        Bob.address(),
        ringback_sansio::sim::Link::stream(Duration::from_millis(900), Duration::ZERO),
    );
    let outcome = play(&mut pair, Plan::Accept);
    assert_eq!(outcome, finals(&[(Method::Invite, 200), (Method::Bye, 200)], true));
    pair.assert_ladder("ladder_call_over_tcp");
    pair.assert_at_rest();
}
