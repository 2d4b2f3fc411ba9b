//! The message layer beside another reader of the same grammar, `sipx-sip`: start line, header names and values, what
//! Content-Length says, the parts of a URI, and that what is not edited leaves as it came. The seeds are fixed, so that
//! a run finds what the one before found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod generated;
mod intended;
mod reading;

use std::collections::BTreeSet;

use ringback_sansio::sim::Rng;

use intended::INTENDED;
use reading::differences;

#[test]
fn what_the_grammar_allows_is_read_the_same() {
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let bytes = generated::by_the_grammar(&mut rng);
        assert_eq!(differences(&bytes), BTreeSet::new(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_is_damaged_differs_only_as_intended() {
    let mut rng = Rng::new(2);
    for whole in generated::corpus() {
        check(&whole);
        for _ in 0..400 {
            check(&generated::damaged(&mut rng, &whole));
        }
    }
    for _ in 0..20_000 {
        let whole = generated::by_the_grammar(&mut rng);
        check(&generated::damaged(&mut rng, &whole));
    }
}

#[test]
fn content_length_has_one_meaning() {
    let numbers =
        ["0", "4", "004", "5", "9", "65537", "4294967300", "99999999999999999999", "-1", "+4", "4 4", ""];
    for one in numbers {
        check(with_lengths(&[one]).as_bytes());
        for two in numbers {
            check(with_lengths(&[one, two]).as_bytes());
        }
    }
}

fn with_lengths(lengths: &[&str]) -> String {
    let lines: String = lengths.iter().map(|length| format!("Content-Length: {length}\r\n")).collect();
    format!("OPTIONS sip:b@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n{lines}\r\nbody!")
}

/// A row that nothing shows is one that is no longer true.
#[test]
fn every_intended_difference_is_there_and_has_its_reason() {
    for (name, example, reason) in INTENDED {
        assert_eq!(differences(example.as_bytes()), BTreeSet::from([(*name).to_owned()]), "{reason}");
        assert!(reason.starts_with("RFC "), "{name}");
    }
}

fn check(bytes: &[u8]) {
    for difference in differences(bytes) {
        let is_intended = INTENDED.iter().any(|(name, ..)| *name == difference);
        assert!(is_intended, "{difference}: {}", bytes.escape_ascii());
    }
}
