//! Every message of RFC 4475 and RFC 5118 has a row that names what must happen and which layer objects.
//!
//! The layers are those of [`ringback_sip::message::Layer`], in the order in which they see the bytes, and after them
//! the user of this crate, who finds a readable and valid message and still cannot do what it asks.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod details;
mod outcome;
mod rfc4475;
mod rfc5118;

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use outcome::Row;

#[test]
fn rfc4475() {
    check("rfc4475", rfc4475::ROWS);
}

#[test]
fn rfc5118() {
    check("rfc5118", rfc5118::ROWS);
}

/// Runs every row, and fails when a vector has no row or a row has no vector.
fn check(folder: &str, rows: &[Row]) {
    let files: BTreeSet<String> = std::fs::read_dir(vectors(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".dat").map(str::to_owned))
        .collect();
    let named: BTreeSet<String> = rows.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a message has two rows");
    assert_eq!(files, named, "messages and rows differ");
    for row in rows {
        row.check(&vector(folder, row.name));
    }
}

/// One message as published.
fn vector(folder: &str, name: &str) -> Bytes {
    let path = vectors(folder).join(format!("{name}.dat"));
    #[expect(clippy::disallowed_methods, reason = "a test reads its vectors")]
    Bytes::from(std::fs::read(path).unwrap())
}

fn vectors(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(folder)
}
