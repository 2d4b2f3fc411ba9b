//! Locating servers by the rules and examples of RFC 3263.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod resolve_world;

use std::time::Duration;

use ringback_sansio::Transport;
use ringback_sansio::sim::Clock;
use ringback_sip::header::Via;
use ringback_sip::resolve::{
    Answer, Destination, FailedTargets, Failover, Failure, Families, NotFound, Resolution, Unresolvable,
};
use ringback_sip::uri::Uri;

use resolve_world::{ALL, abilities, locate, locate_with, run};

/// The zone of RFC 3263 §4.1 and §4.2.
const EXAMPLE: &str = "
    example.com 3600 NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com 3600 NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
    example.com 3600 NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sip._tcp.example.com 600 SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com 600 SRV 1 2 5060 server2.example.com.
    _sips._tcp.example.com 600 SRV 0 1 5061 server1.example.com.
    _sip._udp.example.com 600 SRV 0 1 5060 server2.example.com.
    server1.example.com 300 A 192.0.2.1
    server2.example.com 300 A 192.0.2.2
    server2.example.com 300 AAAA 2001:db8::2
    example.com 60 A 192.0.2.80
";

#[test]
fn the_example_of_section_4_goes_by_naptr_and_srv_to_addresses() {
    let located = locate_with(
        EXAMPLE,
        "sip:user@example.com",
        &abilities(&[Transport::Udp, Transport::Tcp], Families::V4Only),
        1,
    );
    assert_eq!(located.targets(), ["TCP 192.0.2.1:5060 example.com", "TCP 192.0.2.2:5060 example.com"]);
    assert_eq!(
        located.asked,
        ["NAPTR example.com", "SRV _sip._tcp.example.com", "A server1.example.com", "A server2.example.com"]
    );
    assert_eq!(located.seconds(), 300, "the shortest time to live counts");
}

#[test]
fn a_client_with_tls_goes_by_the_most_preferred_record_and_verifies_the_domain_of_the_uri() {
    let located = locate(EXAMPLE, "sip:user@example.com");
    assert_eq!(located.targets(), ["TLS 192.0.2.1:5061 example.com"]);
    assert_eq!(locate(EXAMPLE, "sips:user@example.com").targets(), ["TLS 192.0.2.1:5061 example.com"]);
}

/// What the URI says already, is not asked (§4.1, §4.2): a row for each way through the rules.
#[test]
fn what_a_uri_says_is_not_asked() {
    for (uri, asked, targets) in [
        ("sip:a@192.0.2.9", &[][..], &["UDP 192.0.2.9:5060 192.0.2.9"][..]),
        ("sip:a@192.0.2.9:5070", &[], &["UDP 192.0.2.9:5070 192.0.2.9"]),
        ("sips:a@192.0.2.9", &[], &["TLS 192.0.2.9:5061 192.0.2.9"]),
        ("sip:a@[2001:db8::9];transport=tcp", &[], &["TCP [2001:db8::9]:5060 2001:db8::9"]),
        ("sip:a@[::ffff:192.0.2.9]", &[], &["UDP 192.0.2.9:5060 192.0.2.9"]),
        ("sip:a@192.0.2.9;transport=ws", &[], &["WS 192.0.2.9:80 192.0.2.9"]),
        ("sips:a@192.0.2.9;transport=ws", &[], &["WSS 192.0.2.9:443 192.0.2.9"]),
        ("sip:a@elsewhere.example;maddr=192.0.2.9", &[], &["UDP 192.0.2.9:5060 elsewhere.example"]),
        (
            "sip:a@server2.example.com:5080",
            &["A server2.example.com", "AAAA server2.example.com"],
            &["UDP 192.0.2.2:5080 server2.example.com", "UDP [2001:db8::2]:5080 server2.example.com"],
        ),
        (
            "sips:a@server1.example.com:5081",
            &["A server1.example.com", "AAAA server1.example.com"],
            &["TLS 192.0.2.1:5081 server1.example.com"],
        ),
        (
            "sip:a@example.com;transport=udp",
            &["SRV _sip._udp.example.com", "A server2.example.com", "AAAA server2.example.com"],
            &["UDP 192.0.2.2:5060 example.com", "UDP [2001:db8::2]:5060 example.com"],
        ),
        (
            "sips:a@example.com;transport=tcp",
            &["SRV _sips._tcp.example.com", "A server1.example.com", "AAAA server1.example.com"],
            &["TLS 192.0.2.1:5061 example.com"],
        ),
        (
            "sip:a@example.com;transport=wss",
            &["A example.com", "AAAA example.com"],
            &["WSS 192.0.2.80:443 example.com"],
        ),
    ] {
        let located = locate(EXAMPLE, uri);
        assert_eq!(
            (&located.asked[..], &located.targets()[..]),
            (&asked.map_str()[..], &targets.map_str()[..]),
            "{uri}"
        );
    }
}

#[test]
fn without_naptr_the_srv_of_each_transport_is_asked_in_our_order() {
    let zone = "
        _sip._udp.example.com 60 SRV 0 0 5060 u.example.com
        _sip._tcp.example.com 60 SRV 0 0 5060 t.example.com
        u.example.com 60 A 192.0.2.1
        t.example.com 60 A 192.0.2.2
    ";
    let ours = abilities(&[Transport::Tcp, Transport::Udp, Transport::Wss], Families::V4Only);
    let located = locate_with(zone, "sip:example.com", &ours, 1);
    assert_eq!(located.targets(), ["TCP 192.0.2.2:5060 example.com", "UDP 192.0.2.1:5060 example.com"]);
    assert_eq!(
        located.asked[..3],
        ["NAPTR example.com", "SRV _sip._tcp.example.com", "SRV _sip._udp.example.com"]
    );
}

#[test]
fn without_any_service_record_the_addresses_of_the_domain_are_taken() {
    let zone = "plain.example 60 A 192.0.2.1";
    assert_eq!(locate(zone, "sip:plain.example").targets(), ["UDP 192.0.2.1:5060 plain.example"]);
    assert_eq!(locate(zone, "sips:plain.example").targets(), ["TLS 192.0.2.1:5061 plain.example"]);
    assert_eq!(
        locate(zone, "sip:plain.example;transport=tcp").targets(),
        ["TCP 192.0.2.1:5060 plain.example"]
    );
}

#[test]
fn a_sips_uri_never_leaves_tls() {
    let zone = "
        x.example 60 NAPTR 1 1 s SIP+D2U _sip._udp.x.example
        _sip._udp.x.example 60 SRV 0 0 5060 h.x.example
        _sip._tcp.x.example 60 SRV 0 0 5060 h.x.example
        h.x.example 60 A 192.0.2.1
        x.example 60 A 192.0.2.2
    ";
    assert_eq!(locate(zone, "sips:x.example").targets(), ["TLS 192.0.2.2:5061 x.example"]);
    let plain = abilities(&[Transport::Udp, Transport::Tcp], Families::V4Only);
    let uri = Uri::parse(b"sips:x.example").unwrap();
    let destination = Destination::of_uri(&uri).unwrap();
    let refused = Resolution::new(Clock::new().now(), &destination, &plain, 1);
    assert_eq!(refused.map(|_| ()), Err(Unresolvable::NotOurs));
}

#[test]
fn families_come_in_the_order_that_is_set() {
    let zone = "h.example 60 A 192.0.2.1
                h.example 60 AAAA 2001:db8::1";
    let located = |families| locate_with(zone, "sip:h.example:5060", &abilities(&ALL, families), 1);
    let (v4, v6) = ("UDP 192.0.2.1:5060 h.example", "UDP [2001:db8::1]:5060 h.example");
    assert_eq!(located(Families::V4First).targets(), [v4, v6]);
    assert_eq!(located(Families::V6First).targets(), [v6, v4]);
    assert_eq!(located(Families::V6Only).targets(), [v6]);
    assert_eq!(located(Families::V6Only).asked, ["AAAA h.example"]);
}

#[test]
fn aliases_are_followed_and_a_ring_of_them_ends() {
    let zone = "
        a.example 60 CNAME b.example
        b.example 20 CNAME c.example
        c.example 60 A 192.0.2.1
        ring.example 60 CNAME gnir.example
        gnir.example 60 CNAME ring.example
    ";
    let located = locate(zone, "sip:a.example:5060");
    assert_eq!(located.targets(), ["UDP 192.0.2.1:5060 a.example"]);
    assert_eq!(located.seconds(), 20);
    let located = locate(zone, "sip:ring.example:5060");
    assert_eq!(located.outcome, Err(NotFound::NoAddress));
    assert_eq!((located.asked.len(), located.resolution.dropped().aliases), (18, 2));
}

#[test]
fn naptr_records_without_a_flag_lead_on_and_a_ring_of_them_ends() {
    let zone = "
        a.example 60 NAPTR 1 1 - SIP+D2U b.example
        b.example 60 NAPTR 1 1 s SIP+D2U _sip._udp.b.example
        _sip._udp.b.example 60 SRV 0 0 5070 h.example
        h.example 60 A 192.0.2.1
        ring.example 60 NAPTR 1 1 - SIP+D2U ring.example
        ring.example 60 A 192.0.2.9
    ";
    assert_eq!(locate(zone, "sip:a.example").targets(), ["UDP 192.0.2.1:5070 a.example"]);
    assert_eq!(locate(zone, "sip:ring.example").targets(), ["UDP 192.0.2.9:5060 ring.example"]);
}

#[test]
fn an_answer_without_targets_says_who_is_wrong() {
    let zone = "
        none.example 60 ABSENT
        _sip._udp.closed.example 60 SRV 0 0 0 .
        closed.example 60 A 192.0.2.1
        many.example 60 A 224.0.1.75
        many.example 60 A 255.255.255.255
        many.example 60 AAAA ::
        broken.example 0 FAILS
        half.example 60 A 224.0.1.75
        half.example 60 A 192.0.2.1
    ";
    for (uri, error) in [
        ("sip:none.example", NotFound::NoAddress),
        ("sip:closed.example;transport=udp", NotFound::NoService),
        ("sip:many.example", NotFound::Unusable),
        ("sip:a@224.0.1.75", NotFound::Unusable),
        ("sip:a@x.example;maddr=239.255.255.1", NotFound::Unusable),
        ("sip:a@192.0.2.1:0", NotFound::Unusable),
        ("sip:broken.example", NotFound::DnsFailed),
    ] {
        assert_eq!(locate(zone, uri).outcome, Err(error), "{uri}");
    }
    let located = locate(zone, "sip:half.example:5060");
    assert_eq!(located.targets(), ["UDP 192.0.2.1:5060 half.example"]);
    assert_eq!(located.resolution.dropped().unusable, 1);
    assert_eq!(locate(zone, "sip:none.example").resolution.negative_ttl(), Duration::from_secs(30));
}

#[test]
fn a_time_to_live_is_believed_within_bounds() {
    for (ttl, seconds) in [("0", 5), ("7", 7), ("4294967295", 3600)] {
        let zone = format!("h.example {ttl} A 192.0.2.1");
        let ours = abilities(&ALL, Families::V4Only);
        assert_eq!(locate_with(&zone, "sip:h.example:5060", &ours, 1).seconds(), seconds, "{ttl}");
    }
}

#[test]
fn servers_of_one_priority_take_turns_by_weight_and_the_same_seed_gives_the_same_turn() {
    let zone = "
        _sip._udp.x.example 60 SRV 0 75 5060 big.x.example
        _sip._udp.x.example 60 SRV 0 25 5060 small.x.example
        big.x.example 60 A 192.0.2.1
        small.x.example 60 A 192.0.2.2
    ";
    let ours = abilities(&[Transport::Udp], Families::V4Only);
    let first = |seed| locate_with(zone, "sip:x.example;transport=udp", &ours, seed).targets().remove(0);
    let big = (0..1000).filter(|&seed| first(seed).contains("192.0.2.1:")).count();
    assert!((700..800).contains(&big), "{big}");
    assert_eq!(first(7), first(7));
}

/// RFC 3261 §18.2.2 and RFC 3263 §5, a row for each rule.
#[test]
fn a_response_whose_flow_is_gone_goes_by_its_via() {
    let zone = "
        _sip._tcp.phone.example 60 SRV 0 0 5070 h.example
        h.example 60 A 192.0.2.70
        phone.example 60 A 192.0.2.71
    ";
    for (via, targets) in [
        ("SIP/2.0/UDP 10.0.0.1:5062;received=192.0.2.1;rport=40000", &["UDP 192.0.2.1:40000 10.0.0.1"][..]),
        ("SIP/2.0/UDP 10.0.0.1:5062;received=192.0.2.1", &["UDP 192.0.2.1:5062 10.0.0.1"]),
        ("SIP/2.0/UDP 192.0.2.1", &["UDP 192.0.2.1:5060 192.0.2.1"]),
        ("SIP/2.0/UDP phone.example:5090", &["UDP 192.0.2.71:5090 phone.example"]),
        ("SIP/2.0/UDP x.example;maddr=192.0.2.5;received=192.0.2.1", &["UDP 192.0.2.5:5060 x.example"]),
        (
            "SIP/2.0/TCP phone.example;received=192.0.2.1",
            &["TCP 192.0.2.1:5060 phone.example", "TCP 192.0.2.70:5070 phone.example"],
        ),
        ("SIP/2.0/TLS 192.0.2.3", &["TLS 192.0.2.3:5061 192.0.2.3"]),
    ] {
        let destination = Destination::of_response(&Via::parse(via.as_bytes()).unwrap()).unwrap();
        let located = run(zone, &destination, &abilities(&ALL, Families::V4Only), 1);
        assert_eq!(located.targets(), targets.map_str(), "{via}");
    }
    let via = Via::parse(b"SIP/2.0/WSS x.invalid;received=192.0.2.1").unwrap();
    assert_eq!(Destination::of_response(&via), Err(Unresolvable::NotConnectable));
    let via = Via::parse(b"SIP/2.0/UDP x.example;maddr=224.2.0.1").unwrap();
    let located = run(zone, &Destination::of_response(&via).unwrap(), &abilities(&ALL, Families::V4Only), 1);
    assert_eq!(located.outcome, Err(NotFound::Unusable));
}

#[test]
fn what_answers_no_open_question_is_counted() {
    let now = Clock::new().now();
    let destination = Destination::of_uri(&Uri::parse(b"sip:h.example:5060").unwrap()).unwrap();
    let mut resolution = Resolution::new(now, &destination, &abilities(&ALL, Families::V4First), 1).unwrap();
    let (id, _) = resolution.poll_ask().unwrap();
    resolution.handle_answer(now, id, Answer::Failed);
    resolution.handle_answer(now, id, Answer::Failed);
    assert_eq!(resolution.dropped().strays, 1);
    assert!(resolution.outcome().is_none());
}

/// RFC 3263 §4.3.
#[test]
fn the_next_target_is_tried_when_one_fails_and_later_requests_try_it_last() {
    let zone = "h.example 60 A 192.0.2.1
                h.example 60 A 192.0.2.2
                h.example 60 A 192.0.2.3";
    let located = locate(zone, "sip:h.example:5060");
    let (targets, now) = (located.outcome.as_ref().unwrap(), located.now);
    let mut failed = FailedTargets::new(8);
    let addresses = |failover: &mut Failover, failed: &mut FailedTargets, failure| {
        let mut order = vec![failover.current().address.to_string()];
        while let Some(next) = failover.handle_failure(now, failure, failed) {
            order.push(next.address.to_string());
        }
        order
    };
    let mut failover = Failover::new(now, targets, &failed).unwrap();
    assert_eq!(failover.current().address.to_string(), "192.0.2.1:5060");
    failover.handle_failure(
        now,
        Failure::Unavailable { retry_after: Some(Duration::from_secs(90)) },
        &mut failed,
    );
    assert_eq!(failover.current().address.to_string(), "192.0.2.2:5060");
    failover.handle_response(&mut failed);

    let mut failover = Failover::new(now, targets, &failed).unwrap();
    let order = addresses(&mut failover, &mut failed, Failure::Timeout);
    assert_eq!(order, ["192.0.2.2:5060", "192.0.2.3:5060", "192.0.2.1:5060"], "all are tried in the end");
    let later = now + Duration::from_secs(31);
    assert_eq!(failed.len(), 3);
    let first = |now, failed: &FailedTargets| {
        Failover::new(now, targets, failed).unwrap().current().address.to_string()
    };
    assert_eq!(first(later, &failed), "192.0.2.1:5060", "each is forgotten after a while");
}

#[test]
fn the_table_of_failures_is_bounded_and_forgets_what_ends_first() {
    let now = Clock::new().now();
    let mut failed = FailedTargets::new(2);
    let target = |last: u8| locate("", &format!("sip:192.0.2.{last}")).outcome.unwrap().as_slice()[0].clone();
    failed.insert(now, &target(1), Duration::from_secs(20));
    failed.insert(now, &target(2), Duration::from_secs(10));
    failed.insert(now, &target(3), Duration::from_secs(30));
    assert_eq!((failed.len(), failed.evicted()), (2, 1));
    assert!(failed.contains(now, &target(1)) && !failed.contains(now, &target(2)));
    failed.remove(&target(1));
    assert!(!failed.contains(now, &target(1)));
    failed.insert(now + Duration::from_secs(31), &target(4), Duration::from_secs(1));
    assert_eq!((failed.len(), failed.evicted()), (1, 1));
    let mut none = FailedTargets::new(0);
    none.insert(now, &target(1), Duration::from_secs(1));
    assert!(none.is_empty());
}

/// RFC 3261 §18.1.1.
#[test]
fn a_request_too_large_for_a_datagram_tries_tcp_first() {
    let located = locate(EXAMPLE, "sip:a@server1.example.com:5060");
    let targets = located.outcome.unwrap();
    let transports = |length, ours: &[Transport]| {
        let targets = targets.for_length(length, ours);
        targets.as_slice().iter().map(|target| target.transport.token()).collect::<Vec<_>>()
    };
    assert_eq!(transports(1300, &ALL), ["UDP"]);
    assert_eq!(transports(1301, &ALL), ["TCP", "UDP"]);
    assert_eq!(transports(1301, &[Transport::Udp]), ["UDP"]);
}

trait MapStr {
    fn map_str(&self) -> Vec<String>;
}

impl MapStr for [&str] {
    fn map_str(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}
