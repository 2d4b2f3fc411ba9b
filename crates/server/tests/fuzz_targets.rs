//! Every fuzz target has a binary, a corpus, and a test that replays the corpus with a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a folder holds, by name without extension.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn binaries_and_corpora_are_those_of_the_targets() {
    let fuzz = workspace().join("fuzz");
    let targets = names(&fuzz.join("fuzz_targets"));
    let manifest: toml::Table = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let binaries = manifest["bin"].as_array().unwrap().iter();
    let binaries: BTreeSet<String> =
        binaries.map(|binary| binary["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(binaries, targets);
    assert_eq!(names(&fuzz.join("corpus")), targets);
    for target in &targets {
        assert!(!names(&fuzz.join("corpus").join(target)).is_empty(), "{target} has no corpus");
    }
}

#[test]
fn every_corpus_is_replayed() {
    let root = workspace();
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut sources = String::new();
    for folder in crates {
        add(&folder.join("tests"), &mut sources);
        add(&folder.join("src"), &mut sources);
    }
    for target in names(&root.join("fuzz/fuzz_targets")) {
        // By the path of its folder, or by its name in a list of targets.
        let is_read = sources.contains(&format!("fuzz/corpus/{target}\""))
            || sources.contains(&format!("(\"{target}\","));
        assert!(is_read, "no test replays fuzz/corpus/{target}");
    }
}

/// Adds the text of every Rust file.
fn add(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
