//! How messages find their transaction, and what becomes of those that find none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod transaction_pair;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ringback_sansio::sim::{Clock, Link, NatBox, Network};
use ringback_sansio::{Flow, Transport};
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::{Cancellation, Event, ServerId, Timers, Transactions};

use transaction_pair::{Alice, Bob, Pair, reply};

/// Bob's layer alone, fed by hand.
struct Bench {
    clock: Clock,
    layer: Transactions,
}

impl Bench {
    fn new() -> Self {
        Bench { clock: Clock::new(), layer: Transactions::new(Timers::default(), 7) }
    }

    fn receive(&mut self, text: &str) -> Option<Event> {
        self.receive_from(text, "192.0.2.1:5060")
    }

    fn receive_from(&mut self, text: &str, source: &str) -> Option<Event> {
        let message = Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap();
        self.layer.handle_message(self.clock.now(), flow(source), message)
    }

    /// A request that must be new; returns its id and itself.
    fn receive_new(&mut self, text: &str) -> (ServerId, Message) {
        match self.receive(text) {
            Some(Event::Request { id, message, .. }) => (id, message),
            other => panic!("{other:?}"),
        }
    }

    fn respond(&mut self, id: ServerId, request: &Message, status: u16) {
        self.layer.respond(self.clock.now(), id, reply(Bob, request, status));
    }

    /// What the layer wants sent: status or method of each.
    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.layer.poll_transmit())
            .map(|transmit| transaction_pair::label(&transmit.payload))
            .collect()
    }
}

fn flow(remote: &str) -> Flow {
    let remote: SocketAddr = remote.parse().unwrap();
    Flow::datagram("192.0.2.2:5060".parse().unwrap(), remote)
}

/// A request of Alice with this topmost Via and To.
fn request(method: &str, via: &str, to: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {via}\nMax-Forwards: 70\n\
         From: <sip:a@x>;tag=a1\nTo: {to}\nCall-ID: c1\nCSeq: 7 {method}\nContact: <sip:a@192.0.2.1>\nContent-Length: 0\n\n"
    )
}

const TO: &str = "<sip:b@x>";
const TO_TAGGED: &str = "<sip:b@x>;tag=bob-1";
const VIA: &str = "192.0.2.1;branch=z9hG4bKone";

#[test]
fn a_request_that_comes_again_is_absorbed_and_then_answered_with_the_same_bytes() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("OPTIONS", VIA, TO));
    assert_eq!(bench.receive(&request("OPTIONS", VIA, TO)), None);
    assert_eq!(bench.layer.poll_transmit(), None, "nothing to say yet");
    bench.respond(id, &message, 200);
    let first = bench.layer.poll_transmit().unwrap();
    assert_eq!(bench.receive(&request("OPTIONS", VIA, TO)), None);
    let second = bench.layer.poll_transmit().unwrap();
    assert_eq!(first, second);
    assert_eq!(first.payload.as_ptr(), second.payload.as_ptr(), "the bytes are kept, not made again");
    let stats = *bench.layer.stats();
    assert_eq!((stats.requests_new, stats.requests_absorbed, stats.requests_answered_again), (1, 1, 1));
    assert_eq!((stats.responses_sent, stats.responses_retransmitted), (1, 1));
}

#[test]
fn branch_and_sent_by_compare_without_regard_to_case() {
    let mut bench = Bench::new();
    bench.receive_new(&request("OPTIONS", "Phone.Example:5060;branch=z9hG4bKAbC", TO));
    assert_eq!(bench.receive(&request("OPTIONS", "pHONE.eXAMPLE:5060;branch=z9hG4bKaBc", TO)), None);
}

#[test]
fn another_branch_sent_by_or_method_is_another_transaction() {
    let mut bench = Bench::new();
    for (method, via) in [
        ("OPTIONS", "192.0.2.1;branch=z9hG4bKone"),
        ("OPTIONS", "192.0.2.1;branch=z9hG4bKtwo"),
        ("OPTIONS", "192.0.2.9;branch=z9hG4bKone"),
        ("OPTIONS", "192.0.2.1:5070;branch=z9hG4bKone"),
        ("MESSAGE", "192.0.2.1;branch=z9hG4bKone"),
    ] {
        bench.receive_new(&request(method, via, TO));
    }
    assert_eq!(bench.layer.server_count(), 5);
}

#[test]
fn without_the_magic_cookie_the_whole_request_identifies_it() {
    for via in ["192.0.2.1", "192.0.2.1;branch=1", "192.0.2.1;branch=z9hG4bK"] {
        let mut bench = Bench::new();
        let (id, message) = bench.receive_new(&request("INVITE", via, TO));
        assert_eq!(bench.receive(&request("INVITE", via, TO)), None, "{via}");
        bench.respond(id, &message, 486);
        assert_eq!(bench.receive(&request("ACK", via, TO_TAGGED)), None, "{via}: the ACK has our To tag");
        assert_eq!(bench.layer.stats().acks_matched, 1);
        let other_call = request("INVITE", via, TO).replace("Call-ID: c1", "Call-ID: c2");
        bench.receive_new(&other_call);
        let next = request("INVITE", via, TO).replace("CSeq: 7", "CSeq: 8");
        bench.receive_new(&next);
    }
}

#[test]
fn a_cancel_finds_its_invite_from_the_same_host_only() {
    let mut bench = Bench::new();
    let (invite, message) = bench.receive_new(&request("INVITE", VIA, TO));
    let Some(Event::Cancel { invite: None, .. }) =
        bench.receive_from(&request("CANCEL", VIA, TO), "192.0.2.66:5060")
    else {
        panic!("a stranger cancelled the call");
    };
    assert_eq!(bench.layer.stats().cancels_from_elsewhere, 1);

    let mut bench = Bench::new();
    let (invite_again, _) = bench.receive_new(&request("INVITE", VIA, TO));
    assert_eq!(invite, invite_again, "same calls, same ids");
    let event = bench.receive_from(&request("CANCEL", VIA, TO), "192.0.2.1:61000");
    let Some(Event::Cancel { id, invite: Some(found), message: cancel, .. }) = event else {
        panic!("{event:?}")
    };
    assert_eq!(found, invite);
    assert_eq!(bench.receive(&request("CANCEL", VIA, TO)), None, "a CANCEL has retransmissions of its own");
    bench.respond(id, &cancel, 200);
    bench.respond(found, &message, 487);
    assert_eq!(bench.sent(), ["200 OK (CANCEL)", "487 Request Terminated (INVITE)"]);
    let other = bench.receive(&request("CANCEL", "192.0.2.1;branch=z9hG4bKtwo", TO));
    assert!(matches!(other, Some(Event::Cancel { invite: None, .. })), "{other:?}");
}

#[test]
fn an_ack_of_a_2xx_goes_to_the_user_once() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.respond(id, &message, 200);
    let ack = request("ACK", "192.0.2.1;branch=z9hG4bKack", TO_TAGGED);
    let other = ack.replace("CSeq: 7", "CSeq: 8");
    assert!(matches!(bench.receive(&other), Some(Event::Ack { invite: None, .. })), "another INVITE's");
    let Some(Event::Ack { invite, .. }) = bench.receive(&ack) else { panic!() };
    assert_eq!(invite, Some(id));
    assert_eq!(bench.receive(&ack), None);
    let stats = *bench.layer.stats();
    assert_eq!((stats.acks_to_user, stats.acks_absorbed), (2, 1));
    bench.sent();
    let now = bench.clock.advance(Duration::from_secs(20));
    bench.layer.handle_timeout(now);
    assert_eq!(bench.sent(), [""; 0], "an acknowledged 2xx is not repeated");
    assert_eq!(bench.receive(&request("INVITE", VIA, TO)), None, "RFC 6026: the INVITE is still known");
}

/// Some old clients acknowledge a 2xx with the branch of the INVITE.
#[test]
fn an_ack_of_a_2xx_with_the_branch_of_the_invite_is_taken_as_well() {
    for to in [TO_TAGGED, TO] {
        let mut bench = Bench::new();
        let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
        bench.respond(id, &message, 200);
        let Some(Event::Ack { invite, .. }) = bench.receive(&request("ACK", VIA, to)) else { panic!() };
        assert_eq!(invite, Some(id));
        assert_eq!(bench.receive(&request("ACK", VIA, to)), None);
    }
}

#[test]
fn an_ack_before_any_final_response_is_absorbed() {
    let mut bench = Bench::new();
    bench.receive_new(&request("INVITE", VIA, TO));
    assert_eq!(bench.receive(&request("ACK", VIA, TO)), None);
    assert_eq!(bench.layer.stats().acks_absorbed, 1);
}

#[test]
fn a_user_that_waits_no_more_stops_the_2xx() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.respond(id, &message, 200);
    assert_eq!(bench.sent().len(), 1);
    bench.layer.stop_2xx(bench.clock.now(), id);
    while let Some(at) = bench.layer.poll_timeout() {
        bench.layer.handle_timeout(at);
    }
    assert_eq!((bench.sent().len(), bench.layer.poll_event()), (0, None));
    assert_eq!(bench.layer.server_count(), 0);
}

#[test]
fn a_stateless_answer_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.layer.respond_statelessly(id, reply(Bob, &message, 401));
    assert_eq!(bench.sent(), ["401 Unauthorized (INVITE)"]);
    assert_eq!((bench.layer.server_count(), bench.layer.poll_timeout()), (0, None));
    let ack = bench.receive(&request("ACK", VIA, TO_TAGGED));
    assert!(matches!(ack, Some(Event::Ack { invite: None, .. })), "{ack:?}");
    bench.layer.respond_statelessly(id, reply(Bob, &message, 401));
    bench.layer.respond(bench.clock.now(), id, reply(Bob, &message, 200));
    assert_eq!((bench.sent().len(), bench.layer.stats().own_responses_unusable), (0, 2), "the id is spent");
    let (id, _) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.layer.abandon(id);
    assert_eq!((bench.layer.server_count(), bench.layer.poll_timeout()), (0, None));
    assert_eq!(bench.layer.stats().abandoned, 1);
}

/// The place of a transaction that is over is given to the next one; what is left of the first must not reach it.
#[test]
fn a_transaction_is_not_mistaken_for_the_one_whose_place_it_takes() {
    let mut bench = Bench::new();
    let first = request("OPTIONS", VIA, TO);
    let (old, message) = bench.receive_new(&first);
    bench.layer.respond_statelessly(old, reply(Bob, &message, 401));
    bench.receive_new(&request("OPTIONS", "192.0.2.1;branch=z9hG4bKtwo", TO));
    bench.sent();
    bench.respond(old, &message, 200);
    bench.layer.abandon(old);
    assert_eq!((bench.sent().len(), bench.layer.server_count()), (0, 1), "the old id is spent");
    bench.receive_new(&first);
    assert_eq!(bench.layer.server_count(), 2, "the old request is a new one");

    let mut pair = Pair::tcp();
    let (now, to) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    let old = pair.layer(Alice).request(now, to, invite.clone());
    pair.deliver(Alice, reply(Bob, &invite, 486));
    let invite = pair.new_request(Alice, Method::Invite);
    pair.layer(Alice).request(now, to, invite.clone());
    pair.deliver(Alice, reply(Bob, &invite, 180));
    assert_eq!(pair.layer(Alice).cancel(now, old), Cancellation::TooLate);
    assert_eq!(pair.layer(Alice).client_count(), 1, "nothing was cancelled");
}

/// Leaving a state stops its timers: after the ACK only Timer I runs, and over a connection none.
#[test]
fn an_ack_stops_the_timers_of_the_failure() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.respond(id, &message, 486);
    bench.receive(&request("ACK", VIA, TO_TAGGED));
    assert_eq!(bench.layer.poll_timeout(), Some(bench.clock.now() + Duration::from_secs(5)));

    let mut pair = Pair::tcp();
    let invite = pair.new_request(Alice, Method::Invite);
    let Some(Event::Request { id, message, .. }) = pair.deliver(Bob, invite) else { panic!() };
    pair.respond(Bob, id, &message, 486);
    let mut ack = Builder::request(Method::Ack, message.request_uri());
    for name in [Name::Via, Name::From, Name::To, Name::CallId] {
        ack = ack.copy(&message, name);
    }
    pair.deliver(Bob, ack.header(Name::CSeq, "1 ACK").finish());
    assert_eq!((pair.layer(Bob).poll_timeout(), pair.layer(Bob).server_count()), (None, 0));
}

#[test]
fn what_the_user_says_after_the_final_response_is_dropped_and_counted() {
    let mut bench = Bench::new();
    let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
    bench.respond(id, &message, 486);
    for late in [180, 200, 486, 500] {
        bench.respond(id, &message, late);
    }
    assert_eq!(bench.sent(), ["486 Busy Here (INVITE)"]);
    assert_eq!(bench.layer.stats().own_responses_unusable, 4);
}

#[test]
fn the_first_provisional_response_stops_the_100_and_a_quick_user_gets_none() {
    let trying = |trying, quick| {
        let mut bench = Bench::new();
        bench.layer = Transactions::new(Timers { trying, ..Timers::default() }, 7);
        let (id, message) = bench.receive_new(&request("INVITE", VIA, TO));
        if quick {
            bench.respond(id, &message, 180);
        }
        let now = bench.clock.advance(Duration::from_millis(200));
        bench.layer.handle_timeout(now);
        bench.sent()
    };
    let standard = Timers::default().trying;
    assert_eq!(trying(standard, true), ["180 Ringing (INVITE)"]);
    assert_eq!(trying(standard, false), ["100 Trying (INVITE)"]);
    assert_eq!(trying(Some(Duration::ZERO), true), ["100 Trying (INVITE)", "180 Ringing (INVITE)"]);
    assert_eq!(trying(None, false), [""; 0]);
}

#[test]
fn a_response_is_matched_by_branch_and_method() {
    let mut pair = Pair::udp();
    let (now, to) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    let id = pair.layer(Alice).request(now, to, invite.clone());
    let ringing = reply(Bob, &invite, 180);
    let event = pair.deliver(Alice, ringing.clone());
    assert_eq!(event, Some(Event::Response { id, message: ringing.clone() }));
    for (header, value) in [
        (Name::CSeq, "1 BYE"),
        (Name::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKforeign"),
        (Name::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=1"),
    ] {
        let mut edit = ringing.edit();
        edit.replace(header, value.as_bytes());
        let other = edit.finish();
        let event = pair.deliver(Alice, other.clone());
        assert_eq!(event, Some(Event::StrayResponse { flow: to, message: other }), "{value}");
    }
    let mut edit = ringing.edit();
    edit.remove(Name::Via);
    assert_eq!(pair.deliver(Alice, edit.finish()), None);
    let stats = pair.stats(Alice);
    let counted = (stats.responses_to_user, stats.responses_stray, stats.responses_without_branch);
    assert_eq!(counted, (1, 3, 1));
}

/// RFC 3261 §13.2.2.4: two 200s with different To tags are a fork, and both dialogs are the user's.
#[test]
fn a_2xx_that_comes_again_is_acknowledged_and_one_of_another_branch_goes_to_the_user() {
    let mut pair = Pair::udp();
    let (now, to) = (pair.now(), pair.flow(Alice));
    let invite = pair.new_request(Alice, Method::Invite);
    let id = pair.layer(Alice).request(now, to, invite.clone());
    let ok = reply(Bob, &invite, 200);
    assert!(pair.deliver(Alice, ok.clone()).is_some());
    assert!(pair.deliver(Alice, ok.clone()).is_some(), "before the user has acknowledged it");
    let dialog = ringback_sip::dialog::Dialog::uac(&invite, &ok, to).unwrap();
    let branch = pair.layer(Alice).new_branch();
    pair.layer(Alice).ack_2xx(id, to, dialog.ack(1, &branch, b"192.0.2.1:5060").finish());
    assert_eq!(pair.deliver(Alice, ok), None);
    let fork =
        Builder::reply(&invite, 200).to_tag(b"other").header(Name::Contact, "<sip:c@192.0.2.3>").finish();
    assert_eq!(pair.deliver(Alice, fork.clone()), Some(Event::Response { id, message: fork }));
    let stats = pair.stats(Alice);
    assert_eq!((stats.requests_sent, stats.requests_retransmitted, stats.responses_absorbed), (2, 1, 1));
}

#[test]
fn a_request_that_cannot_be_sent_fails_at_once() {
    let mut pair = Pair::udp();
    let (now, to) = (pair.now(), pair.flow(Alice));
    let good = pair.new_request(Alice, Method::Options);
    pair.layer(Alice).request(now, to, good.clone());
    let mut no_cookie = good.edit();
    no_cookie.replace(Name::Via, b"SIP/2.0/UDP 192.0.2.1;branch=1");
    let no_cookie = no_cookie.finish();
    let ack = pair.new_request(Alice, Method::Ack);
    let cancel = pair.new_request(Alice, Method::Cancel);
    let layer = pair.layer(Alice);
    for bad in [good, no_cookie, ack, cancel] {
        let id = layer.request(now, to, bad);
        assert_eq!(layer.poll_event(), Some(Event::TransportFailed { id }));
    }
    assert_eq!((layer.stats().own_requests_unusable, layer.stats().requests_sent), (4, 1));
}

#[test]
fn a_request_without_a_via_is_dropped_and_counted() {
    let mut bench = Bench::new();
    let text = request("OPTIONS", VIA, TO);
    let without = text.replace("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKone\n", "");
    assert_eq!(bench.receive(&without), None);
    assert_eq!(bench.receive(&text.replace("SIP/2.0/UDP 192", "SIP/2.0 192")), None);
    assert_eq!((bench.layer.stats().requests_without_via, bench.layer.server_count()), (2, 0));
}

/// A phone behind a symmetric NAT says its inside address in the Via; the answer goes where the request came
/// from.
#[test]
fn an_answer_finds_a_phone_behind_a_symmetric_nat() {
    let now = Clock::new().now();
    let mut network = Network::new(1, Link::perfect(Duration::ZERO));
    let (phone, server): (SocketAddr, SocketAddr) =
        ("10.0.0.5:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    network.add_nat(NatBox::symmetric("203.0.113.1".parse().unwrap()), [phone.ip()]);
    let text = request("OPTIONS", "10.0.0.5:5060;rport;branch=z9hG4bKnat;received=10.9.9.9", TO);
    network.send(now, phone, server, Bytes::from(text.replace('\n', "\r\n")));
    let arrived = network.receive(now).unwrap();
    let mut layer = Transactions::new(Timers::default(), 1);
    let message = Message::parse(arrived.payload).unwrap();
    let event = layer.handle_message(now, Flow::datagram(arrived.to, arrived.from), message);
    let Some(Event::Request { id, message, .. }) = event else { panic!("{event:?}") };
    let via = message.via().unwrap();
    assert_eq!((via.received(), via.rport()), (Some(arrived.from.ip()), Some(Some(arrived.from.port()))));
    layer.respond(now, id, reply(Bob, &message, 200));
    let answer = layer.poll_transmit().unwrap();
    network.send(now, answer.flow.local(), answer.flow.remote(), answer.payload);
    assert_eq!(network.receive(now).unwrap().to, phone);
}

/// INTEROP rule 5: one Via, sent-by unchanged, no port added.
#[test]
fn the_answer_to_a_browser_has_its_via_with_received_added() {
    let mut pair = Pair::new(Transport::Wss, Link::perfect(Duration::ZERO), 1);
    let via = "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1\r\n";
    let text = format!(
        "OPTIONS sip:x SIP/2.0\r\n{via}From: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let event = pair.deliver(Bob, Message::parse(Bytes::from(text)).unwrap());
    let Some(Event::Request { message, .. }) = event else { panic!("{event:?}") };
    let answer = reply(Bob, &message, 200);
    let vias: Vec<&[u8]> = answer.values(Name::Via).collect();
    assert_eq!(vias, [&b"SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1;received=192.0.2.1"[..]]);
}
