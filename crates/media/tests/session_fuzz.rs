//! Random scripts for a media worker and its far ends: whatever comes in whatever order, media goes to whom it is for.

#![allow(clippy::unwrap_used, reason = "a test")]

mod session_world;

use std::path::Path;

use ringback_media::session::{Reason, Stats, fuzz, video};
use ringback_sansio::sim::{Clock, Rng};
use session_world::{WORKER, identity};

fn play(script: &[u8]) -> Stats {
    fuzz::session(script, &identity(WORKER), Clock::new().now())
}

/// The scripts are random and the same each time; the counters tell that they are worth something.
#[test]
fn nothing_that_comes_breaks_the_worker() {
    let mut rng = Rng::new(2026);
    let mut sums = [0; 9];
    for _ in 0..3000 {
        let mut script = vec![0; 40 + rng.below(500) as usize];
        rng.fill(&mut script);
        let stats = play(&script);
        let counts = [
            stats.forwarded,
            stats.replied,
            stats.consumed,
            stats.drops.of(Reason::WrongSource),
            stats.drops.of(Reason::FormerPeer),
            stats.drops.of(Reason::NoKeys),
            stats.drops.of(Reason::Replayed),
            stats.drops.of(Reason::UnknownAddress),
            stats.drops.of(Reason::AddressTaken),
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    assert!(sums.iter().all(|sum| *sum > 5), "{sums:?}");
}

/// What each prologue comes to when everybody says something after it.
#[test]
fn the_prologues_come_to_what_they_say() {
    let words = [7, 0, 0, 0, 0, 0, 1, 7, 1, 0, 0, 0, 0, 1, 13, 0, 0, 0, 0, 0, 1, 13, 1, 0, 0, 0, 0, 1];
    let faxes = [0x86, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 0x86, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7];
    let says = |prologue: u8, words: &[u8]| play(&[&[prologue], words].concat()).forwarded;
    assert_eq!([0, 1, 2, 3].map(|prologue| says(prologue, &words)), [0, 2, 2, 2]);
    assert_eq!(says(4, &faxes), 2);
}

/// Random wishes and pictures between two telephones; the counters tell that they are worth something.
#[test]
fn nothing_that_is_asked_for_breaks_video() {
    let mut rng = Rng::new(2027);
    let mut sums = [0; 4];
    for _ in 0..2000 {
        let mut script = vec![0; 40 + rng.below(800) as usize];
        rng.fill(&mut script);
        let stats = video::fuzz::video(&script, &identity(WORKER), Clock::new().now());
        let drops = |reason| stats.drops.of(reason);
        let counts =
            [stats.forwarded, stats.consumed, drops(Reason::NothingRepeated), drops(Reason::PeerNotReady)];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    assert!(sums.iter().all(|sum| *sum > 5), "{sums:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_of_video_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/video");
    let mut forwarded = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let script = std::fs::read(entry.unwrap().path()).unwrap();
        forwarded += video::fuzz::video(&script, &identity(WORKER), Clock::new().now()).forwarded;
    }
    assert!(forwarded > 20, "{forwarded}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/session");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        play(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 10, "only {count} files: is this the corpus?");
}
