//! Where a configuration comes from: a file, `--set`, `--data-dir`, in this order, over the defaults.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;
use toml::{Table, Value};

use super::error::{ConfigError, Place, Problem};
use super::tls::READABLE_BY_OTHERS;
use super::{Config, checks, keys};

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `-c FILE`.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in order; the last one of a key wins.
    pub set: Vec<String>,
    /// `--data-dir DIR`.
    pub data_dir: Option<PathBuf>,
}

impl Source {
    /// Reads, merges and checks everything. Nothing is bound and nothing is written.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let known = keys::known();
        let mut merged = Layer::default();
        if let Some(file) = &self.file {
            merged = read_file(file, &known)?;
        }
        for argument in &self.set {
            merged.overlay(read_set(argument, &known)?);
        }
        if let Some(data_dir) = &self.data_dir {
            let value = Value::String(data_dir.to_string_lossy().into_owned());
            merged.values.insert("data_dir".to_owned(), value);
            merged.places.insert("data_dir".to_owned(), Place::DataDir);
        }
        let config = Config::deserialize(merged.values).map_err(|error| Problem::Value {
            key: "the configuration".into(),
            message: error.message().to_owned(),
        })?;
        checks::check(&config, &merged.places)?;
        Ok(config)
    }
}

/// The values of one source, and where each of them stands.
#[derive(Default)]
struct Layer {
    values: Table,
    places: BTreeMap<String, Place>,
}

impl Layer {
    fn overlay(&mut self, above: Layer) {
        merge(&mut self.values, above.values);
        self.places.extend(above.places);
    }

    /// Whether there is a secret other than a password in it.
    fn has_secret(&self) -> bool {
        self.values.get("turn").is_some_and(|turn| turn.get("secret").is_some())
    }
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn read_file(file: &Path, known: &Table) -> Result<Layer, ConfigError> {
    let unreadable = |source| Problem::Unreadable { file: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    let layer = read_text(&text, known, |offset| Place::Line {
        file: file.to_owned(),
        line: line_of(&text, offset),
    })?;
    let mode = fs::metadata(file).map_err(unreadable)?.permissions().mode();
    if (layer.values.contains_key("user") || layer.has_secret()) && mode & READABLE_BY_OTHERS != 0 {
        return Err(Problem::ReadableByOthers { file: file.to_owned(), mode: mode & 0o777 }.into());
    }
    Ok(layer)
}

/// Reads `key=value`. The value is TOML if it can be and a bare string otherwise, so that neither
/// `limits.calls=5` nor `listen.http=127.0.0.1:0` needs quotes inside quotes of the shell.
fn read_set(argument: &str, known: &Table) -> Result<Layer, ConfigError> {
    let Some((key, value)) = argument.split_once('=') else {
        return Err(Problem::SetWithoutValue { argument: argument.to_owned() }.into());
    };
    let (key, value) = (key.trim(), value.trim());
    if key.split('.').next() == Some("user") {
        return Err(Problem::SetUser.into());
    }
    let place = |_| Place::Set(key.to_owned());
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        let nearest = keys::nearest(key, &keys::dotted(known));
        return Err(ConfigError::at(place(0), Problem::UnknownKey { key: key.to_owned(), nearest }));
    }
    let text = format!("{key} = {}", Value::String(value.to_owned()));
    let as_string = read_text(&text, known, place);
    if value.contains('\n') {
        return as_string;
    }
    let layer = match (read_text(&format!("{key} = {value}"), known, place), as_string) {
        (Ok(layer), _) => Ok(layer),
        (Err(ConfigError { problem: Problem::Syntax { .. }, .. }), as_string) => as_string,
        (Err(_), Ok(layer)) => Ok(layer),
        (Err(error), Err(_)) => Err(error),
    }?;
    if layer.has_secret() { Err(Problem::SetSecret.into()) } else { Ok(layer) }
}

/// Reads one document and checks it by itself, while the place of every byte is known.
fn read_text(text: &str, known: &Table, place: impl Fn(usize) -> Place) -> Result<Layer, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        ConfigError::at(place(at.start), syntax_problem(text, &error, &at, known))
    })?;
    let spans = keys::check(document.get_ref(), known)
        .map_err(|(at, problem)| ConfigError::at(place(at.start), problem))?;
    Config::deserialize(toml::Deserializer::from(document)).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        let key = spans.iter().find(|(_, span)| span.contains(&at.start)).map_or("user", |(key, _)| key);
        let message = error.message().trim().replace('\n', " ");
        ConfigError::at(place(at.start), Problem::Value { key: key.to_owned(), message })
    })?;
    let values = text.parse::<Table>().map_err(|error| {
        ConfigError::at(place(0), Problem::Syntax { message: error.message().trim().to_owned() })
    })?;
    let places = spans.into_iter().map(|(key, span)| (key, place(span.start))).collect();
    Ok(Layer { values, places })
}

fn syntax_problem(text: &str, error: &toml::de::Error, at: &Range<usize>, known: &Table) -> Problem {
    if error.message().contains("duplicate key") {
        let written = text.get(at.clone()).unwrap_or_default().trim_matches(['[', ']', ' ']);
        // A section may have the name of a key in another one.
        let is_section = known.get(written).is_some_and(Value::is_table);
        let key = keys::nearest(written, &keys::dotted(known));
        let key = if key.ends_with(written) && !is_section { key } else { written.to_owned() };
        return Problem::DuplicateKey { key };
    }
    Problem::Syntax { message: error.message().trim().replace('\n', ", ") }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}
