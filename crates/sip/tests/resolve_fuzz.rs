//! Whatever the DNS answers, a resolution ends: random answers, and the corpus of the fuzz target.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;

use proptest::prelude::*;
use ringback_sansio::sim::{Clock, Rng};
use ringback_sip::resolve::fuzz;

const DESTINATIONS: [&str; 8] = [
    "sip:n0.example",
    "sips:n1.example",
    "sip:n2.example;transport=tcp",
    "sip:n3.example:5070",
    "sip:192.0.2.1",
    "sip:a@n4.example;maddr=224.2.0.1",
    "SIP/2.0/TCP n0.example;received=192.0.2.1",
    "SIP/2.0/UDP n1.example:5070",
];

/// The answers are random and the same each time; the number of targets tells that they are worth something.
#[test]
fn random_answers_come_to_an_end_and_some_to_targets() {
    let now = Clock::new().now();
    let mut rng = Rng::new(2026);
    let mut found = [0; DESTINATIONS.len()];
    for round in 0..4000 {
        let which = round % DESTINATIONS.len();
        let mut script = vec![0; 40 + rng.below(800) as usize];
        rng.fill(&mut script);
        let script = [DESTINATIONS[which].as_bytes(), b"\n", &script].concat();
        found[which] += fuzz::resolution(&script, now);
    }
    assert_eq!(found.map(|count| count > 20), [true, true, true, true, true, false, true, true], "{found:?}");
}

proptest! {
    #[test]
    fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::resolution(&bytes, Clock::new().now());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sip_resolution");
    let now = Clock::new().now();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for end in 0..=bytes.len() {
            fuzz::resolution(&bytes[..end], now);
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} files: is this the corpus?");
}
