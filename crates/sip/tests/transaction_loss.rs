//! Calls through a network that loses, delays, doubles and reorders, over many seeds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod transaction_pair;

use std::time::Duration;

use ringback_sansio::Transport;
use ringback_sansio::sim::Link;
use ringback_sip::message::Method;

use transaction_pair::{Alice, Bob, Pair, Plan, play};

const PLANS: [Plan; 3] = [Plan::Accept, Plan::Refuse(486), Plan::Cancelled];

fn expected(plan: Plan) -> Vec<(Method, u16)> {
    match plan {
        Plan::Accept => vec![(Method::Invite, 200), (Method::Bye, 200)],
        Plan::Refuse(status) => vec![(Method::Invite, status)],
        Plan::Cancelled => vec![(Method::Invite, 487)],
    }
}

/// Plays every plan once for each seed; returns how many ended as planned.
fn played_as_planned(link: Link, seeds: u64) -> (u64, u64) {
    let (mut good, mut all) = (0, 0);
    for seed in 0..seeds {
        for plan in PLANS {
            let mut pair = Pair::new(Transport::Udp, link, seed);
            let outcome = play(&mut pair, plan);
            // However it ends, it ends: no transaction, no timer and no message is left.
            pair.assert_at_rest();
            all += 1;
            if outcome.failures.is_empty() && outcome.finals == expected(plan) {
                assert_eq!(
                    outcome.acknowledged,
                    plan == Plan::Accept,
                    "seed {seed} {plan:?}\n{}",
                    pair.ladder
                );
                good += 1;
            } else {
                // A transaction that gave up says so; nothing is lost in silence.
                assert!(!outcome.failures.is_empty(), "seed {seed} {plan:?} {outcome:?}\n{}", pair.ladder);
            }
        }
    }
    (good, all)
}

#[test]
fn every_call_is_set_up_and_ended_at_ten_percent_loss_each_way() {
    let link = Link { jitter: Duration::from_millis(30), ..Link::lossy(Duration::from_millis(20), 10) };
    assert_eq!(played_as_planned(link, 400), (1200, 1200));
}

#[test]
fn calls_get_through_thirty_percent_loss_each_way() {
    let (good, all) = played_as_planned(Link::lossy(Duration::from_millis(20), 30), 400);
    // A BYE has eleven chances of one half each, so some end in a time-out.
    assert!(good * 1000 >= all * 990, "{good} of {all}");
}

#[test]
fn calls_survive_doubling_and_reordering() {
    let link = Link {
        duplication: 30,
        reordering: 30,
        held_back: Duration::from_millis(700),
        ..Link::lossy(Duration::from_millis(20), 5)
    };
    assert_eq!(played_as_planned(link, 400), (1200, 1200));
}

#[test]
fn the_same_seed_plays_the_same_call() {
    let link = Link::lossy(Duration::from_millis(20), 30);
    let ladder = |seed| {
        let mut pair = Pair::new(Transport::Udp, link, seed);
        play(&mut pair, Plan::Accept);
        pair.ladder.to_string()
    };
    assert_eq!(ladder(5), ladder(5));
    assert_ne!(ladder(5), ladder(6));
}

/// Over a reliable transport no timer sends anything again, whatever the delay.
#[test]
fn a_reliable_transport_never_retransmits() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        for plan in [Plan::Refuse(486), Plan::Cancelled] {
            let mut pair = Pair::new(transport, Link::stream(Duration::from_secs(3), Duration::ZERO), 1);
            let outcome = play(&mut pair, plan);
            assert_eq!((outcome.finals, outcome.failures), (expected(plan), vec![]), "{transport}");
            for who in [Alice, Bob] {
                let stats = pair.stats(who);
                let again = (stats.requests_retransmitted, stats.responses_retransmitted);
                assert_eq!(again, (0, 0), "{transport} {plan:?}\n{}", pair.ladder);
            }
        }
        // The 2xx of a call is repeated end to end unless its ACK is quick.
        let mut pair = Pair::new(transport, Link::stream(Duration::from_millis(100), Duration::ZERO), 1);
        assert_eq!(play(&mut pair, Plan::Accept).finals, expected(Plan::Accept));
        assert_eq!(pair.stats(Bob).responses_retransmitted, 0, "{}", pair.ladder);
    }
}
