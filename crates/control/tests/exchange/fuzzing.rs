//! Random messages in random order: nothing panics, and nothing is left of what has ended.

use std::path::Path;

use ringback_control::fuzz;
use ringback_sansio::sim::{Clock, Rng};

/// The sequences are random and the same each time; the counters tell that they are worth something.
#[test]
fn nothing_that_comes_breaks_the_exchange() {
    let start = Clock::new().now();
    let mut rng = Rng::new(2026);
    let mut calls = [0; 19];
    for _ in 0..9000 {
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
            stats.transfers_started,
            stats.transfers_failed,
            stats.notifications,
            stats.notifications_failed,
            stats.publications,
            stats.instant_messages_delivered,
            stats.instant_messages_stored,
            stats.instant_messages_delivered_later,
            stats.settings_changed,
            stats.calls_forwarded,
            stats.pickups_refused,
            stats.calls_bypassed,
            stats.legs_brought_back,
        ];
        for (sum, count) in calls.iter_mut().zip(counted) {
            *sum += count;
        }
    }
    assert!(calls.iter().all(|sum| *sum > 20), "{calls:?}");
}

/// The same where many of the bytes are opcodes of a phone that uses reliable provisional responses.
#[test]
fn nothing_that_is_acknowledged_breaks_the_exchange() {
    let start = Clock::new().now();
    let mut rng = Rng::new(3262);
    let mut sums = [0; 10];
    for _ in 0..5000 {
        let mut bytes = vec![0; 40 + rng.below(300) as usize];
        rng.fill(&mut bytes);
        for byte in &mut bytes {
            if rng.below(2) == 0 {
                *byte |= 0xF0;
            }
        }
        bytes.insert(0, 1);
        let stats = fuzz::exchange(start, &bytes);
        let counted = [
            stats.provisionals_reliable,
            stats.provisionals_unacknowledged,
            stats.pracks_sent,
            stats.pracks_failed,
            stats.pracks_unmatched,
            stats.provisionals_repeated,
            stats.provisionals_out_of_order,
            stats.offers_early,
            stats.late_answers_refused,
            stats.calls_answered,
        ];
        for (sum, count) in sums.iter_mut().zip(counted) {
            *sum += count;
        }
    }
    assert!(sums.iter().all(|sum| *sum > 20), "{sums:?}");
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

/// The corpus of the fuzz target `exchange`, whole and cut off: short scenes, and sequences that once broke something.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let start = Clock::new().now();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/exchange");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for length in 0..=bytes.len() {
            fuzz::exchange(start, &bytes[..length]);
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} files: is this the corpus?");
}
