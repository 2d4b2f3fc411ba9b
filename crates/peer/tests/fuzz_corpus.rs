//! Replays the corpus of the fuzz target `peer`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use ringback_sansio::sim::Clock;

#[test]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/peer");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        ringback_peer::fuzz::peer(&std::fs::read(entry.unwrap().path()).unwrap(), Clock::new().now());
        count += 1;
    }
    assert!(count >= 10, "only {count} files: is this the corpus?");
}
