//! Random scripts for the transaction layer, its user and its far ends: every transaction has one end.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use ringback_sansio::sim::{Clock, Rng};
use ringback_sip::transaction::{Stats, fuzz};

fn play(script: &[u8]) -> Stats {
    fuzz::transaction(script, Clock::new().now())
}

/// The scripts are random and the same each time; the counters tell that they are worth something.
#[test]
fn nothing_that_comes_breaks_the_layer() {
    let mut rng = Rng::new(2026);
    let mut sums = [0; 12];
    for _ in 0..3000 {
        let mut script = vec![0; 40 + rng.below(500) as usize];
        rng.fill(&mut script);
        let stats = play(&script);
        let counts = [
            stats.requests_answered_again,
            stats.requests_absorbed,
            stats.acks_matched,
            stats.acks_absorbed,
            stats.requests_refused,
            stats.responses_to_cancel,
            stats.timed_out,
            stats.acks_timed_out,
            stats.successes_unacknowledged,
            stats.transport_failed,
            stats.undeliverable,
            stats.cancels_from_elsewhere,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    assert!(sums.iter().all(|sum| *sum > 5), "{sums:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sip_transaction");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        play(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 10, "only {count} files: is this the corpus?");
}
