//! The fuzz function of the WebSocket frames of a command's connections, over its corpus.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use ringback_server::upstream::frames::fuzz;

#[test]
fn the_corpus_breaks_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/tap_frames");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 12, "the corpus is there");
    for file in files {
        let bytes = fs::read(file).unwrap();
        fuzz::frames(&bytes);
        // And every input that is cut off anywhere.
        (0..bytes.len().min(200)).for_each(|end| fuzz::frames(&bytes[..end]));
    }
}
