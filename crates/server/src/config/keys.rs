//! The keys that exist: what is known, what comes later, and what a typing error was meant to be.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::Table;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::error::Problem;

/// Every key of this version with its default. It is the default configuration itself, so that a key cannot be known
/// and have no default, or the other way round.
#[allow(clippy::expect_used, reason = "the defaults are constants of this crate, and a test reads them")]
pub(super) fn known() -> Table {
    Table::try_from(Config::with_example_user()).expect("the defaults can be written as TOML")
}

/// The keys of `known` in dotted form, sections left out.
pub(super) fn dotted(known: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect("", known, &mut keys);
    keys
}

/// Finds the first key of a document that is unknown, of a later version, or of the wrong form.
///
/// On success says where each key stands, as a range of bytes.
pub(super) fn check(
    document: &DeTable<'_>,
    known: &Table,
) -> Result<BTreeMap<String, Range<usize>>, (Range<usize>, Problem)> {
    let mut walk = Walk { names: dotted(known), problems: Vec::new(), spans: BTreeMap::new() };
    walk.table("", document, known);
    match walk.problems.into_iter().min_by_key(|(span, _)| span.start) {
        Some(problem) => Err(problem),
        None => Ok(walk.spans),
    }
}

/// The known key that is most like `key`. One of the same last part in another section comes first: a key in the
/// wrong section is the commonest mistake after a wrong letter.
pub(super) fn nearest(key: &str, names: &[String]) -> String {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |name: &String| {
        let whole = strsim::jaro_winkler(key, name);
        let leaf = strsim::normalized_damerau_levenshtein(&last(key), &last(name));
        whole.max(leaf)
    };
    names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).cloned().unwrap_or_default()
}

/// Whether a later version has the key or the section it stands in.
fn is_later(key: &str) -> bool {
    LATER
        .iter()
        .any(|later| key == *later || key.strip_prefix(later).is_some_and(|rest| rest.starts_with('.')))
}

struct Walk {
    names: Vec<String>,
    problems: Vec<(Range<usize>, Problem)>,
    spans: BTreeMap<String, Range<usize>>,
}

impl Walk {
    fn table(&mut self, prefix: &str, document: &DeTable<'_>, known: &Table) {
        for (name, value) in document {
            let key = join(prefix, name.get_ref());
            if is_later(&key) {
                self.problems.push((name.span(), Problem::NotInThisVersion { key }));
                continue;
            }
            match known.get(name.get_ref().as_ref()) {
                Some(Value::Table(section)) => self.section(key, name.span(), value, section),
                Some(Value::Array(examples)) if examples.iter().any(Value::is_table) => {
                    self.entries(key, name.span(), value, examples);
                }
                Some(_) => {
                    self.spans.insert(key, name.span().start..value.span().end);
                }
                None => {
                    let nearest = nearest(&key, &self.names);
                    self.problems.push((name.span(), Problem::UnknownKey { key, nearest }));
                }
            }
        }
    }

    fn section(&mut self, key: String, at: Range<usize>, value: &Spanned<DeValue<'_>>, known: &Table) {
        match value.get_ref() {
            DeValue::Table(document) => self.table(&key, document, known),
            _ => {
                let example = format!("[{key}]");
                self.problems.push((at, Problem::WrongForm { key, expected: "a section", example }));
            }
        }
    }

    fn entries(&mut self, key: String, at: Range<usize>, value: &Spanned<DeValue<'_>>, examples: &[Value]) {
        let Some(example) = examples.iter().find_map(Value::as_table) else { return };
        let tables: Option<Vec<_>> = value
            .get_ref()
            .as_array()
            .map(|list| list.iter().filter_map(|entry| entry.get_ref().as_table()).collect());
        let length = value.get_ref().as_array().map_or(0, |list| list.len());
        match tables {
            Some(tables) if tables.len() == length => {
                for document in tables {
                    self.table(&key, document, example);
                }
                self.spans.insert(key, at);
            }
            _ => {
                let example = format!("[[{key}]]");
                self.problems.push((at, Problem::WrongForm { key, expected: "a list of sections", example }));
            }
        }
    }
}

fn collect(prefix: &str, known: &Table, keys: &mut Vec<String>) {
    for (name, value) in known {
        let key = join(prefix, name);
        match value {
            Value::Table(section) => collect(&key, section, keys),
            Value::Array(entries) if entries.iter().any(Value::is_table) => {
                if let Some(entry) = entries.iter().find_map(Value::as_table) {
                    collect(&key, entry, keys);
                }
            }
            _ => keys.push(key),
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// Keys and sections that the plan has and this version does not.
const LATER: &[&str] = &["admin", "cluster", "edge", "media.stun", "route", "store.url", "trunk"];

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        let document = DeTable::parse(text).unwrap();
        check(document.get_ref(), &known()).unwrap_err().1
    }

    #[test]
    fn a_typing_error_is_told_the_key_it_was_meant_to_be() {
        for (text, meant) in [
            ("domian = 'x'", "domain"),
            ("[listen]\nsip_upd = ''", "listen.sip_udp"),
            ("sip_tls = ''", "listen.sip_tls"),
            ("[media]\nrtp_port = ''", "media.rtp_ports"),
            ("[[user]]\nname = 'a'\npasword = 'b'", "user.password"),
        ] {
            match problem(text) {
                Problem::UnknownKey { nearest, .. } => assert_eq!(nearest, meant, "{text}"),
                other => panic!("{text}: {other}"),
            }
        }
    }

    #[test]
    fn a_key_of_a_later_version_is_not_called_unknown() {
        for text in ["[[trunk]]\nname = 'x'", "[media]\nstun = ''"] {
            assert!(matches!(problem(text), Problem::NotInThisVersion { .. }), "{text}");
        }
    }

    #[test]
    fn the_first_problem_of_the_text_is_the_one_reported() {
        match problem("zzz = 1\naaa = 2\n") {
            Problem::UnknownKey { key, .. } => assert_eq!(key, "zzz"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_section_written_as_a_value_and_an_entry_written_as_a_section_say_how_to_write_them() {
        assert_eq!(problem("listen = 5060").to_string(), "`listen` is a section; write it as `[listen]`");
        assert_eq!(
            problem("[user]\nname = 'a'").to_string(),
            "`user` is a list of sections; write it as `[[user]]`"
        );
    }

    #[test]
    fn no_later_key_is_already_known() {
        let names = dotted(&known());
        for later in LATER {
            assert!(!names.iter().any(|name| name == later), "{later}");
        }
    }
}
