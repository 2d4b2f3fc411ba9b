//! `[log]`: what is written about what happens.

use serde::{Deserialize, Deserializer, Serialize, de};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The log on standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level, or directives such as `info,ringback_sip=debug`.
    #[serde(deserialize_with = "level")]
    pub level: String,
    /// How a line looks.
    pub format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), format: Format::Text }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let level = String::deserialize(deserializer)?;
    // A bare word that is no level would be taken for the name of a module, and the log would be silent.
    let is_clear = |directive: &str| {
        directive.contains(['=', '[']) || !directive.is_empty() && directive.parse::<LevelFilter>().is_ok()
    };
    if !level.split(',').all(is_clear) || EnvFilter::builder().parse(&level).is_err() {
        return Err(de::Error::custom(format!(
            "`{level}` is not a log level; write `error`, `warn`, `info`, `debug` or `trace`, or directives such as \
             `info,ringback_sip=debug`"
        )));
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_level_or_names_what_it_is_for() {
        let read = |level: &str| toml::from_str::<Log>(&format!("level = '{level}'"));
        for sound in ["info", "WARN", "off", "info,ringback_sip=debug"] {
            assert!(read(sound).is_ok(), "{sound}");
        }
        for wrong in ["", "loud", "info,loud", "ringback_sip=loud", "info,"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
