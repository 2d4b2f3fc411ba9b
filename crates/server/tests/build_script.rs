//! build.rs builds the web phone when it has to and says in one sentence when it cannot. Node and npm are stand-ins here
//! that write down how they were called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the entry point of the build script is not called here")]
#[path = "../build.rs"]
mod build_script;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use build_script::{Tools, build_web, inputs, write_pages};
use tempfile::TempDir;

struct Checkout {
    folder: TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Checkout { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(checkout.web().join("src")).unwrap();
        fs::write(checkout.web().join("src/main.ts"), "").unwrap();
        fs::write(checkout.web().join("package-lock.json"), "{}").unwrap();
        checkout.program("node", "echo v20.19.1");
        checkout.program(
            "npm",
            "echo \"$@\" >> \"$(dirname \"$0\")/calls\"\n\
             case $1 in ci) rm -rf node_modules && mkdir node_modules;;\n\
             run) mkdir -p \"$6/assets\" && echo page > \"$6/index.html\" && echo code > \"$6/assets/a-1.js\";; esac",
        );
        checkout
    }

    fn web(&self) -> PathBuf {
        self.folder.path().join("web")
    }

    fn dist(&self) -> PathBuf {
        self.folder.path().join("out/web")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    fn build(&self) -> Result<(), String> {
        let tools = Tools { node: self.folder.path().join("node"), npm: self.folder.path().join("npm") };
        build_web(&self.web(), &self.dist(), &tools)
    }

    /// The first word of each call of npm.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

#[test]
fn packages_are_installed_only_when_the_lock_file_changed() {
    let checkout = Checkout::new();
    checkout.build().unwrap();
    assert_eq!(checkout.calls(), ["ci", "run"]);
    checkout.build().unwrap();
    assert_eq!(checkout.calls(), ["ci", "run", "run"]);
    fs::write(checkout.web().join("package-lock.json"), "{ }").unwrap();
    checkout.build().unwrap();
    assert_eq!(checkout.calls(), ["ci", "run", "run", "ci", "run"]);
}

#[test]
fn an_installation_that_was_interrupted_is_done_again() {
    let checkout = Checkout::new();
    checkout.program("npm", "mkdir -p node_modules; echo no network >&2; exit 1");
    let refusal = checkout.build().unwrap_err();
    assert!(refusal.contains("failed") && refusal.contains("no network"), "{refusal}");
    let working = Checkout::new();
    fs::copy(working.folder.path().join("npm"), checkout.folder.path().join("npm")).unwrap();
    checkout.build().unwrap();
    assert_eq!(checkout.calls(), ["ci", "run"]);
}

#[test]
fn a_missing_or_old_node_is_one_sentence_with_both_ways_out() {
    for (script, expected) in [
        (Some("echo v18.20.4"), "Node here is v18.20.4, which is too old"),
        (Some("echo v20.18.9"), "Node here is v20.18.9, which is too old"),
        (None, "the web phone is built by Node, which does not run here"),
    ] {
        let checkout = Checkout::new();
        match script {
            Some(script) => checkout.program("node", script),
            None => fs::remove_file(checkout.folder.path().join("node")).unwrap(),
        }
        let refusal = checkout.build().unwrap_err();
        assert!(refusal.starts_with(expected), "{refusal}");
        assert!(refusal.contains("install Node 20.19") && refusal.contains("RINGBACK_WEB_DIST"), "{refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        assert!(checkout.calls().is_empty());
    }
    let newer = Checkout::new();
    newer.program("node", "echo v22.0.0");
    newer.build().unwrap();
}

#[test]
fn what_npm_writes_is_not_an_input() {
    let checkout = Checkout::new();
    checkout.build().unwrap();
    fs::create_dir(checkout.web().join("dist")).unwrap();
    let names: Vec<_> =
        inputs(&checkout.web()).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["package-lock.json", "src"]);
}

#[test]
fn the_table_of_pages_follows_from_the_files_alone() {
    let checkout = Checkout::new();
    checkout.build().unwrap();
    let (first, second) = (checkout.folder.path().join("first.rs"), checkout.folder.path().join("second.rs"));
    write_pages(&checkout.dist(), &first).unwrap();
    write_pages(&checkout.dist(), &second).unwrap();
    let table = fs::read_to_string(first).unwrap();
    assert_eq!(table, fs::read_to_string(&second).unwrap());
    let at = |text: &str| table.find(text).unwrap_or_else(|| panic!("{text} in {table}"));
    assert!(at("path: \"/assets/a-1.js\"") < at("path: \"/index.html\""), "sorted, for the binary search");
    assert!(table.contains("content_type: \"text/javascript; charset=utf-8\""));
    assert!(table.contains("immutable: true") && table.contains("immutable: false"));

    fs::write(checkout.dist().join("strange.xyz"), "").unwrap();
    let refusal = write_pages(&checkout.dist(), &second).unwrap_err();
    assert!(refusal.contains("no content type is known for .xyz"), "{refusal}");
    let refusal = write_pages(&checkout.web(), &second).unwrap_err();
    assert!(refusal.contains("holds no index.html"), "{refusal}");
}
