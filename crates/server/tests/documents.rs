//! The documents are true of the tree: every test that `docs/rfc.md` names is there, and every link leads somewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_of_the_rfc_table_exists() {
    let root = workspace();
    let table = fs::read_to_string(root.join("docs/rfc.md")).unwrap();
    let mut named = 0;
    let tests = quoted(&table).filter_map(|text| text.split_once("::"));
    for (file, name) in tests.filter(|(file, _)| file.ends_with(".rs")) {
        let source = fs::read_to_string(root.join("crates").join(file))
            .unwrap_or_else(|error| panic!("docs/rfc.md names crates/{file}: {error}"));
        // A test of a macro (`vectors!`, `tests!`) has its name in the source as well, without `fn`.
        let is_there = source.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        assert!(is_there, "docs/rfc.md names {file}::{name}, which is not there");
        named += 1;
    }
    assert!(named > 50, "the table names {named} tests: has its form changed?");
    for file in quoted(&table).filter(|text| text.ends_with(".mjs")) {
        assert!(root.join(file).exists(), "docs/rfc.md names {file}, which is not there");
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let root = workspace();
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let folders = ["docs", "docs/decisions", "docs/guide", "bench", "web"];
    let listed = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let listed = listed.map(|entry| entry.unwrap().path());
    let files = documents.iter().map(|name| root.join(name)).chain(listed);
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = file.parent().unwrap().join(path);
            assert!(target.exists(), "{} links to {link}, which is not there", file.display());
        }
    }
}
