//! The corpus of the fuzz target, replayed, and what comes of changing it.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_control::ng::fuzz;
use ringback_sansio::sim::Clock;

#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ng");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_holds_what_must_hold() {
    for input in corpus() {
        fuzz::ng(&input, Clock::new().now());
    }
}

#[test]
fn so_does_what_comes_of_changing_it() {
    let mut random = StdRng::seed_from_u64(3);
    let start = Clock::new().now();
    for input in corpus() {
        for _ in 0..300 {
            let mut input = input.clone();
            for _ in 0..=random.next_u32() % 4 {
                let at = random.next_u32() as usize % input.len().max(1);
                match random.next_u32() % 4 {
                    0 => input.truncate(at),
                    1 => input.insert(at, b"del0123456789:i{}[]\"\\ -=\0a"[random.next_u32() as usize % 26]),
                    2 if !input.is_empty() => input[at] = random.next_u32() as u8,
                    _ if !input.is_empty() => drop(input.remove(at)),
                    _ => {}
                }
                if input.is_empty() {
                    break;
                }
            }
            fuzz::ng(&input, start);
        }
    }
}
