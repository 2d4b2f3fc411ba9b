//! What comes in from outside is what `deny.toml` allows: no crate that is banned, no source but crates.io, no license
//! that nobody has read. `cargo deny` says the same of every platform, but has to be installed; this looks at what is
//! built here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every crate that is built, below the one that it is built for: ` NAME vVERSION (SOURCE) | LICENSE` behind its depth.
fn tree(features: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--offline"])
        .args(features)
        .args(["--edges", "normal,build,dev", "--prefix", "depth", "--format", " {p} | {l}"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rules() -> Table {
    fs::read_to_string(workspace().join("deny.toml")).unwrap().parse().unwrap()
}

/// One sentence for each breach.
fn breaches(tree: &str, rules: &Table) -> Vec<String> {
    let licenses = strings(&rules["licenses"], "allow");
    let banned = rules["bans"]["deny"].as_array().unwrap();
    let root = format!("({}/", workspace().display());
    let mut breaches = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, rest) = line.split_once(' ').unwrap();
        let (package, license) = rest.split_once(" | ").unwrap();
        let (name, place) = package.split_once(' ').unwrap();
        above.truncate(depth.parse().unwrap());
        let parent = above.last().copied().unwrap_or_default();
        above.push(name);

        for rule in banned.iter().filter(|rule| rule["crate"].as_str() == Some(name)) {
            if !strings(rule, "wrappers").contains(&parent) {
                let reason = rule["reason"].as_str().unwrap();
                breaches.push(format!("{parent} depends on {name}: {reason}"));
            }
        }
        let source = place.split_once(' ').map_or("", |(_, source)| source).trim_end_matches(" (*)");
        if !matches!(source, "" | "(*)" | "(proc-macro)" | "(proc-macro) (*)") && !source.starts_with(&root) {
            breaches.push(format!("{name} comes from {source}, which is not crates.io"));
        }
        if !is_allowed(license.trim_end_matches(" (*)"), &licenses) {
            breaches.push(format!("{name} has the license `{license}`"));
        }
    }
    breaches.sort();
    breaches.dedup();
    breaches
}

fn strings<'t>(table: &'t Value, key: &str) -> Vec<&'t str> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter().flatten().map(|entry| entry.as_str().unwrap()).collect()
}

/// Whether an SPDX expression can be met by what is allowed; a slash stands for OR in old manifests.
fn is_allowed(license: &str, allowed: &[&str]) -> bool {
    let spaced = license.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let met = any(&mut rest, allowed);
    met && rest.is_empty()
}

/// Terms joined by OR.
fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

/// Factors joined by AND.
fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

/// A license, perhaps with an exception, or an expression in parentheses.
fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, allowed);
            let is_closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            met && is_closed
        }
        [license, "WITH", exception, rest @ ..] => {
            let met = allowed.contains(&format!("{license} WITH {exception}").as_str());
            *words = rest;
            met
        }
        [license, rest @ ..] => {
            let met = allowed.contains(license);
            *words = rest;
            met
        }
        [] => false,
    }
}

#[test]
fn what_comes_in_is_what_deny_toml_allows() {
    let tree = tree(&["--all-features"]);
    assert!(tree.lines().count() > 200, "the tree is short: has its form changed?\n{tree}");
    let breaches = breaches(&tree, &rules());
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn the_library_of_the_systems_sound_is_for_the_feature_alone() {
    let has_sound =
        |tree: &str| tree.lines().any(|line| line.contains(" cpal v") || line.contains(" alsa-sys v"));
    assert!(has_sound(&tree(&["--features", "ringback-server/sound"])), "it has another name");
    assert!(!has_sound(&tree(&[])), "a default build needs no library of the system");
}

#[test]
fn every_breach_is_named() {
    let root = workspace();
    for (line, expected) in [
        (
            "1 ring v0.17.14 | Apache-2.0 AND ISC",
            "ringback-sip depends on ring: aws-lc-rs is the one provider",
        ),
        ("1 cmake v0.1.58 | MIT", "ringback-sip depends on cmake: needs cmake"),
        ("1 quiet v1.0.0 | GPL-3.0-only", "quiet has the license `GPL-3.0-only`"),
        ("1 nothing v1.0.0 | ", "nothing has the license ``"),
        (
            "1 near v1.0.0 (https://example.com/near#0123abcd) | MIT",
            "near comes from (https://example.com/near#0123abcd), which is not crates.io",
        ),
        ("1 beside v1.0.0 (/somewhere/else) | MIT", "beside comes from (/somewhere/else)"),
        ("1 other v1.0.0 (registry `other`) | MIT (*)", "other comes from (registry `other`)"),
    ] {
        let tree = format!(
            "0 ringback-sip v0.1.0 ({}/crates/sip) | MIT OR Apache-2.0\n1 bytes v1.12.2 | MIT (*)\n\
             1 serde_derive v1.0.0 (proc-macro) | MIT OR Apache-2.0 (*)\n1 aws-lc-sys v0.47.0 | ISC\n\
             2 cmake v0.1.58 | MIT OR Apache-2.0\n{line}\n",
            root.display()
        );
        let breaches = breaches(&tree, &rules());
        assert!(
            matches!(&breaches[..], [one] if one.starts_with(expected)),
            "{breaches:?}\nexpected: {expected}"
        );
    }
}

#[test]
fn a_license_is_allowed_when_its_expression_can_be_met() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for (license, is_met) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("ISC AND (GPL-3.0-only OR MIT)", true),
        ("(MIT OR ISC) AND GPL-3.0-only", false),
        ("GPL-3.0-only OR ISC AND MIT", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT WITH another", false),
        ("(MIT", false),
        ("MIT ISC", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(license, &allowed), is_met, "{license}");
    }
}
