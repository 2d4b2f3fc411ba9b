//! Random messages in random order: nothing panics, and nothing is left of what has ended.

use ringback_control::fuzz;
use ringback_sansio::sim::{Clock, Rng};

/// The sequences are random and the same each time; the counters tell that they are worth something.
#[test]
fn nothing_that_comes_breaks_the_exchange() {
    let start = Clock::new().now();
    let mut rng = Rng::new(2026);
    let mut calls = [0; 6];
    for _ in 0..3000 {
        let mut bytes = vec![0; 40 + rng.below(500) as usize];
        rng.fill(&mut bytes);
        let stats = fuzz::exchange(start, &bytes);
        let counted = [
            stats.calls_answered,
            stats.offers_in_glare,
            stats.dialogs_moved,
            stats.acks_missing,
            stats.legs_gone,
            stats.branches_unanswered,
        ];
        for (sum, count) in calls.iter_mut().zip(counted) {
            *sum += count;
        }
    }
    assert!(calls.iter().all(|sum| *sum > 20), "{calls:?}");
}

/// What each prologue comes to.
#[test]
fn the_prologues_come_to_what_they_say() {
    let start = Clock::new().now();
    let counts: Vec<[u64; 3]> = (0..5)
        .map(|prologue| {
            let stats = fuzz::exchange(start, &[prologue]);
            [stats.registrations, stats.calls_started, stats.calls_answered]
        })
        .collect();
    assert_eq!(counts, [[0, 0, 0], [4, 0, 0], [2, 1, 1], [2, 1, 1], [2, 1, 0]]);
}

/// Sequences that once broke something: a re-INVITE that is looked into for ever, in a call that goes on and in one that
/// ends.
#[test]
fn what_once_broke_it_holds() {
    let start = Clock::new().now();
    for text in [
        "2 9 1 0 2 3 5 0 1 1 1 1 0 14 7 9 1 0 2 3 14 7",
        "2 9 1 0 2 3 5 0 1 1 1 1 0 9 1 1 2 1 14 7",
        "3 9 1 0 2 4 5 0 0 1 1 1 0 15 0 0 14 4 15 63 14 7",
    ] {
        let bytes: Vec<u8> = text.split(' ').map(|byte| byte.parse().unwrap()).collect();
        for length in 0..=bytes.len() {
            fuzz::exchange(start, &bytes[..length]);
        }
    }
}
