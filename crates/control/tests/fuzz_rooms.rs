//! Replays the corpus of the fuzz target `rooms`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use ringback_control::rooms::fuzz::rooms;
use ringback_sansio::sim::Clock;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/rooms");
    let start = Clock::new().now();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for length in (0..=bytes.len()).rev().step_by(7) {
            rooms(&bytes[..length], start);
        }
        count += 1;
    }
    assert!(count >= 5, "only {count} files: is this the corpus?");
}
