//! The rules, as a function over a workspace that gives one sentence for each breach.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Every crate with those it may depend on. Another one needs a decision record.
pub const CRATES: &[(&str, &[&str])] = &[
    ("sansio", &[]),
    ("nat", &["sansio"]),
    ("sip", &["sansio"]),
    ("media", &["nat", "sansio"]),
    ("control", &["media", "sip", "sansio"]),
    ("peer", &["media", "nat", "sip", "sansio"]),
    ("server", &["control", "peer", "media", "nat", "sip", "sansio"]),
];

/// The crates that touch the world (docs/decisions/0030).
const WORLDLY: &[&str] = &["peer", "server"];

/// Checks the workspace in `root`; an empty answer is a sound one.
pub fn check(root: &Path) -> Vec<String> {
    let mut violations = Vec::new();
    for folder in entries(&root.join("crates")).into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&folder);
        let Some((_, below)) = CRATES.iter().find(|(known, _)| *known == name) else {
            violations.push(format!(
                "crates/{name}: a crate that is not in the plan; record the decision, then add it to CRATES in \
                 crates/server/tests/architecture/rules.rs"
            ));
            continue;
        };
        check_manifest(&folder, &name, below, &mut violations);
        for file in files(&folder) {
            let shown = format!("crates/{name}/{}", file.strip_prefix(&folder).unwrap().display());
            check_file(&name, &shown, &fs::read_to_string(&file).unwrap(), &mut violations);
        }
    }
    for (name, _) in CRATES {
        if !root.join("crates").join(name).join("Cargo.toml").exists() {
            violations.push(format!("crates/{name}: the crate is missing"));
        }
    }
    violations
}

fn check_manifest(folder: &Path, name: &str, below: &[&str], violations: &mut Vec<String>) {
    let shown = format!("crates/{name}/Cargo.toml");
    let manifest: Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    if package != Some(format!("ringback-{name}").as_str()) {
        violations.push(format!("{shown}: the package is not called ringback-{name}"));
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if lints != Some(true) {
        violations.push(format!("{shown}: [lints] workspace = true is missing"));
    }
    for dependency in dependencies(&manifest) {
        if let Some(other) = dependency.strip_prefix("ringback-") {
            if other != name && !below.contains(&other) {
                let arrows = if below.is_empty() { "nothing".to_owned() } else { below.join(", ") };
                violations.push(format!(
                    "{shown}: {name} may not depend on {other}; arrows only point down ({name} -> {arrows})"
                ));
            }
        } else if !WORLDLY.contains(&name) && IO_CRATES.contains(&dependency.as_str()) {
            violations
                .push(format!("{shown}: only peer and server may depend on {dependency}, which does I/O"));
        }
    }
}

/// Every package that a manifest names, in any of its tables and under any name, each once.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(targets.filter_map(Value::as_table)) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
                let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
                found.push(package.to_owned());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn check_file(crate_name: &str, shown: &str, text: &str, violations: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > MOST_LINES {
        violations.push(format!(
            "{shown}: {lines} lines, {MOST_LINES} are the most; which part wants a file of its own?"
        ));
    }
    for part in Path::new(shown).with_extension("").iter().filter_map(|part| part.to_str()) {
        if NO_SUBJECT.contains(&part) {
            violations.push(format!("{shown}: nothing is named `{part}`; name it after what it is about"));
        }
    }
    let inside = shown.strip_prefix(&format!("crates/{crate_name}/")).unwrap_or(shown);
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let mut breach = |what: String| violations.push(format!("{shown}:{number}: {what}"));
        // Tests count allocations and read vectors: what follows is about the code that ships.
        if !inside.starts_with("src/") {
            continue;
        }
        if has_unsafe(code)
            && !(crate_name == "server" && UNSAFE.iter().any(|place| inside.starts_with(place)))
        {
            breach(
                "unsafe code stands only in the files listed in crates/server/tests/architecture/rules.rs"
                    .into(),
            );
        }
        if !WORLDLY.contains(&crate_name) && shown != CLOCK {
            for (token, what) in WORLD {
                if contains_word(code, token) {
                    breach(format!("`{token}`: {what} belong into crates/server or crates/peer"));
                    break;
                }
            }
        }
        if crate_name == "server" {
            for (package, places) in ONLY_IN {
                if contains_word(code, package) && !places.iter().any(|place| inside.starts_with(place)) {
                    breach(format!("{package} is used only in {}", places.join(", ")));
                }
            }
            let used = code.split("crate::").skip(1);
            let parts =
                used.filter_map(|path| path.split(|it: char| !it.is_alphanumeric() && it != '_').next());
            for part in parts.filter(|part| inside.starts_with("src/config/") && !CONFIG_USES.contains(part))
            {
                breach(format!("config is read before anything runs and knows nothing of `{part}`"));
            }
        }
    }
}

/// Whether the code opens an unsafe block or declares something unsafe; `unsafe_code` of an attribute does neither.
fn has_unsafe(code: &str) -> bool {
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"]
        .iter()
        .any(|form| code.contains(form))
}

/// Whether `token` stands in `code` by itself and not as a part of a longer name.
fn contains_word(code: &str, token: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(token).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + token.len()..].chars().next();
        !(before.is_some_and(is_name) || token.ends_with(is_name) && after.is_some_and(is_name))
    })
}

/// Every Rust file of a crate, without what cargo writes.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            if file_name(&path) != "target" {
                found.extend(files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

const MOST_LINES: usize = 700;
const NO_SUBJECT: &[&str] = &["utils", "util", "common", "helpers", "helper", "core", "types", "misc"];

/// The one clock outside of those two: the base of simulated time.
const CLOCK: &str = "crates/sansio/src/sim/clock.rs";

/// The files of the server with unsafe code: system calls that have no safe form.
const UNSAFE: &[&str] = &["src/interfaces.rs", "src/net/datagram.rs", "src/net/ring.rs"];

/// What is used in some places of the server only.
const ONLY_IN: &[(&str, &[&str])] =
    &[("rusqlite", &["src/store/"]), ("anyhow", &["src/main.rs", "src/cli/", "src/serve.rs", "src/serve/"])];

/// What of the server the configuration may use.
const CONFIG_USES: &[&str] = &["config", "interfaces", "secret"];

/// What touches the world.
const WORLD: &[(&str, &str)] = &[
    ("async fn", "async functions"),
    ("async move", "async blocks"),
    (".await", "async functions"),
    ("UdpSocket", "sockets"),
    ("TcpStream", "sockets"),
    ("TcpListener", "sockets"),
    ("Instant::now", "clock readings"),
    ("SystemTime::now", "clock readings"),
    ("thread::spawn", "threads"),
    ("thread::sleep", "threads"),
    ("std::fs", "files"),
    ("std::process", "processes"),
    ("rand::rng", "random numbers of the process, and other sources without a seed,"),
];

/// Packages that do I/O, run tasks or read the machine's state.
const IO_CRATES: &[&str] = &[
    "async-std",
    "axum",
    "clap",
    "getrandom",
    "hickory-resolver",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "prometheus-client",
    "reqwest",
    "rusqlite",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-rustls",
    "tokio-tungstenite",
    "tracing-subscriber",
];
