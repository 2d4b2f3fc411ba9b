//! The invariants of the workspace that a machine can check: the arrows between the crates, who may touch the world, and
//! how the tree looks. The rules are a function over a directory, so that they are tested on trees that break them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "architecture/rules.rs"]
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_workspace_keeps_its_shape() {
    let violations = rules::check(&workspace());
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// A copy of the manifests with nothing but an empty library in each crate.
fn small_workspace() -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in rules::CRATES.iter().map(|(name, _)| name) {
        let folder = copy.path().join("crates").join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::copy(workspace().join("crates").join(name).join("Cargo.toml"), folder.join("Cargo.toml"))
            .unwrap();
        fs::write(folder.join("src/lib.rs"), "//! Nothing.\n").unwrap();
    }
    assert_eq!(rules::check(copy.path()), Vec::<String>::new(), "the copy is sound before it is broken");
    copy
}

fn write(copy: &TempDir, file: &str, text: &str) {
    let path = copy.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Adds a line to a section of a manifest.
fn depend(copy: &TempDir, name: &str, section: &str, line: &str) {
    let path = copy.path().join(format!("crates/{name}/Cargo.toml"));
    let mut manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let added: toml::Table = line.parse().unwrap();
    let dependencies = manifest.entry(section).or_insert_with(|| toml::Table::new().into());
    dependencies.as_table_mut().unwrap().extend(added);
    fs::write(path, toml::to_string(&manifest).unwrap()).unwrap();
}

#[test]
fn a_broken_arrow_is_named() {
    let copy = small_workspace();
    depend(&copy, "sip", "dependencies", "ringback-media = { workspace = true }");
    assert_eq!(
        rules::check(copy.path()),
        ["crates/sip/Cargo.toml: sip may not depend on media; arrows only point down (sip -> sansio)"]
    );
}

#[test]
fn an_arrow_up_in_the_tests_of_a_crate_is_an_arrow() {
    let copy = small_workspace();
    depend(&copy, "nat", "dev-dependencies", "ringback-control = { workspace = true }");
    assert_eq!(
        rules::check(copy.path()),
        ["crates/nat/Cargo.toml: nat may not depend on control; arrows only point down (nat -> sansio)"]
    );
}

#[test]
fn an_arrow_by_another_name_is_an_arrow() {
    let copy = small_workspace();
    depend(&copy, "media", "dependencies", "sip = { package = 'ringback-sip', path = '../sip' }");
    let violations = rules::check(copy.path());
    assert!(violations[0].contains("media may not depend on sip"), "{violations:?}");
}

#[test]
fn only_peer_and_server_depend_on_what_does_io() {
    for (name, line) in
        [("control", "tokio = { workspace = true }"), ("media", "socket2 = { workspace = true }")]
    {
        let copy = small_workspace();
        depend(&copy, name, "dependencies", line);
        let violations = rules::check(copy.path());
        assert!(violations[0].contains("only peer and server may depend on"), "{violations:?}");
    }
}

#[test]
fn a_crate_that_nobody_decided_on_is_named() {
    let copy = small_workspace();
    write(
        &copy,
        "crates/extra/Cargo.toml",
        "[package]\nname = \"ringback-extra\"\n[lints]\nworkspace = true\n",
    );
    write(&copy, "crates/extra/src/lib.rs", "//! Nothing.\n");
    assert_eq!(
        rules::check(copy.path()),
        ["crates/extra: a crate that is not in the plan; record the decision, then add it to CRATES in \
          crates/server/tests/architecture/rules.rs"]
    );
}

#[test]
fn a_crate_without_the_lints_of_the_workspace_is_named() {
    let copy = small_workspace();
    let path = copy.path().join("crates/sip/Cargo.toml");
    let text = fs::read_to_string(&path).unwrap().replace("[lints]\nworkspace = true\n", "");
    fs::write(path, text).unwrap();
    assert_eq!(rules::check(copy.path()), ["crates/sip/Cargo.toml: [lints] workspace = true is missing"]);
}

#[test]
fn what_touches_the_world_below_the_server_is_named_with_its_line() {
    for (code, what) in [
        ("pub async fn wait() {}", "async"),
        ("fn wait() { later().await; }", "async"),
        ("use std::net::UdpSocket;", "sockets"),
        ("use std::net::{IpAddr, TcpStream};", "sockets"),
        ("fn now() { let _ = std::time::Instant::now(); }", "clock"),
        ("fn now() { let _ = SystemTime::now(); }", "clock"),
        ("fn f() { std::thread::spawn(run); }", "threads"),
        ("fn f() { std::fs::read(name); }", "files"),
        ("fn f() { let seed = rand::rng(); }", "random"),
    ] {
        let copy = small_workspace();
        write(
            &copy,
            "crates/sip/src/dialog/mod.rs",
            &format!("//! Words: async fn, Instant::now().\n{code}\n"),
        );
        let violations = rules::check(copy.path());
        assert_eq!(violations.len(), 1, "{code}: {violations:?}");
        assert!(violations[0].starts_with("crates/sip/src/dialog/mod.rs:2: "), "{violations:?}");
        assert!(violations[0].contains(what), "{code}: {violations:?}");
    }
    let copy = small_workspace();
    write(&copy, "crates/sansio/src/sim/clock.rs", "fn base() { Instant::now(); }\n");
    write(&copy, "crates/server/src/net/udp.rs", "fn base() { Instant::now(); UdpSocket::bind(a); }\n");
    write(&copy, "crates/peer/src/webrtc/sockets.rs", "async fn base() { UdpSocket::bind(a).await; }\n");
    assert!(rules::check(copy.path()).is_empty(), "the clock of the simulation, the peer and the server may");
}

#[test]
fn folders_and_files_without_a_subject_are_named() {
    for (file, name) in [
        ("crates/sip/src/utils/mod.rs", "utils"),
        ("crates/media/src/helpers.rs", "helpers"),
        ("crates/server/src/core/mod.rs", "core"),
        ("crates/control/src/call/types.rs", "types"),
    ] {
        let copy = small_workspace();
        write(&copy, file, "//! Nothing.\n");
        let violations = rules::check(copy.path());
        assert!(
            violations.len() == 1 && violations[0].contains(&format!("named `{name}`")),
            "{violations:?}"
        );
    }
}

#[test]
fn a_file_too_long_to_read_is_named() {
    let copy = small_workspace();
    write(&copy, "crates/sip/src/dialog/mod.rs", &"// line\n".repeat(701));
    let violations = rules::check(copy.path());
    assert_eq!(
        violations,
        ["crates/sip/src/dialog/mod.rs: 701 lines, 700 are the most; which part wants a file of its own?"]
    );
}

#[test]
fn unsafe_code_stands_only_where_it_is_expected() {
    let copy = small_workspace();
    write(&copy, "crates/server/src/net/datagram.rs", "fn f() { unsafe { call() } }\n");
    assert!(rules::check(copy.path()).is_empty());
    write(&copy, "crates/server/src/store/mod.rs", "fn f() { unsafe { call() } }\n");
    write(&copy, "crates/sip/src/message/mod.rs", "unsafe impl Send for X {}\n");
    write(&copy, "crates/peer/src/net/datagram.rs", "fn f() { unsafe { call() } }\n");
    let violations = rules::check(copy.path());
    assert_eq!(violations.len(), 3, "{violations:?}");
    assert!(violations.iter().all(|line| line.contains("unsafe code")), "{violations:?}");
}

#[test]
fn the_configuration_knows_nothing_of_what_it_configures() {
    let copy = small_workspace();
    write(&copy, "crates/server/src/config/tls.rs", "use crate::secret::Secret;\nuse crate::net::Trust;\n");
    let violations = rules::check(copy.path());
    let [violation] = &violations[..] else { panic!("one violation of {violations:?}") };
    assert!(violation.contains("config/tls.rs:2: ") && violation.contains("`net`"), "{violation}");
}

#[test]
fn sql_stays_in_the_store_and_anyhow_at_the_top() {
    let copy = small_workspace();
    write(&copy, "crates/server/src/http/calls.rs", "use rusqlite::Connection;\n");
    write(&copy, "crates/server/src/config/mod.rs", "fn f() -> anyhow::Result<()> { Ok(()) }\n");
    write(&copy, "crates/server/src/cli/check.rs", "use anyhow::Context;\n");
    write(&copy, "crates/server/src/store/mod.rs", "use rusqlite::Connection;\n");
    let violations = rules::check(copy.path());
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations.iter().any(|line| line.contains("http/calls.rs:1: rusqlite")), "{violations:?}");
    assert!(violations.iter().any(|line| line.contains("config/mod.rs:1: anyhow")), "{violations:?}");
}
