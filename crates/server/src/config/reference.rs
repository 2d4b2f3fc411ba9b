//! The reference file is the manual, and stays true both ways.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Config, keys};

const REFERENCE: &str = include_str!("../../../../docs/reference/ringback.toml");

/// Whether the section stands in the file as an example that is commented out.
fn is_example(section: &str) -> bool {
    matches!(section, "user" | "headers" | "tls.sni")
}

/// The keys of the file in dotted form with their values, and whether a comment stands above each. Examples
/// of lists count as if they were not commented out.
fn keys_of_the_file() -> BTreeMap<String, (String, bool)> {
    let mut found = BTreeMap::new();
    let (mut section, mut commented) = (String::new(), false);
    for line in REFERENCE.lines() {
        let example = line.strip_prefix("# ").filter(|rest| {
            is_example(&section)
                || rest.strip_prefix("[[").is_some_and(|name| is_example(name.trim_end_matches(']')))
        });
        let text = example.unwrap_or(line);
        if let Some(name) = text.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = text.split_once(" = ").filter(|_| !text.starts_with('#')) {
            let key = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            assert!(found.insert(key.clone(), (value.to_owned(), commented)).is_none(), "{key} stands twice");
        }
        commented = line.starts_with('#');
    }
    found
}

fn flatten(prefix: &str, table: &Table, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(section) => flatten(&key, section, into),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                list.iter().filter_map(Value::as_table).for_each(|entry| flatten(&key, entry, into));
            }
            _ => {
                into.insert(key, value.clone());
            }
        }
    }
}

#[test]
fn the_file_parses_to_the_defaults() {
    assert_eq!(toml::from_str::<Config>(REFERENCE).unwrap(), Config::default());
}

#[test]
fn every_key_is_in_the_file_with_its_default_and_a_comment_and_no_other_key_is() {
    let file = keys_of_the_file();
    let mut known = BTreeMap::new();
    flatten("", &keys::known(), &mut known);
    assert_eq!(file.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
    for (key, (value, commented)) in &file {
        assert!(commented, "{key} has no comment above it");
        // Names and passwords of users have no default, nor has the peer of a table.
        if !matches!(key.as_str(), "user.name" | "user.password" | "headers.peer") {
            assert_eq!(*value, known[key].to_string(), "{key}");
        }
    }
}

#[test]
fn the_example_of_a_user_is_one() {
    let example: String = REFERENCE
        .lines()
        .skip_while(|line| *line != "# [[user]]")
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .map(|line| format!("{line}\n"))
        .collect();
    let config: Config = toml::from_str(&example).unwrap();
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.users[0].name.as_str(), "alice");
}
