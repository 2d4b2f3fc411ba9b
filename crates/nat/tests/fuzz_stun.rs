//! Replays the corpus of the fuzz target `stun`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use ringback_sansio::sim::Clock;

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/stun");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        ringback_nat::fuzz::stun(&std::fs::read(entry.unwrap().path()).unwrap(), Clock::new().now());
        count += 1;
    }
    assert!(count >= 10, "only {count} files: is this the corpus?");
}
