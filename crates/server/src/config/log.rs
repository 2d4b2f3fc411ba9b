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

impl Log {
    /// What [`EnvFilter`] is told. A bare level is that of our own crates; the libraries below them, whose DEBUG is of
    /// use to who works on them, write no more than INFO, unless a directive names them.
    pub fn directives(&self) -> String {
        let spelt_out = |directive: &str| match directive.parse::<LevelFilter>() {
            Ok(level) => format!("{},{OURS}={level}", level.min(LevelFilter::INFO)),
            Err(_) => directive.to_owned(),
        };
        self.level.split(',').map(spelt_out).collect::<Vec<_>>().join(",")
    }
}

/// How the names of our crates begin.
const OURS: &str = "ringback";

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

    /// The targets that write at a level.
    fn heard(level: &str, at: tracing::Level) -> Vec<&'static str> {
        let log = Log { level: level.to_owned(), ..Log::default() };
        let filter = EnvFilter::try_new(log.directives()).unwrap();
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(subscriber, || {
            // The level of a call site is a constant.
            macro_rules! heard {
                ($level:expr) => {
                    [
                        ("ringback_server::http", tracing::enabled!(target: "ringback_server::http", $level)),
                        ("ringback_sip", tracing::enabled!(target: "ringback_sip", $level)),
                        ("stun_types", tracing::enabled!(target: "stun_types", $level)),
                        ("dimpl", tracing::enabled!(target: "dimpl", $level)),
                    ]
                };
            }
            let found = match at {
                tracing::Level::WARN => heard!(tracing::Level::WARN),
                tracing::Level::INFO => heard!(tracing::Level::INFO),
                tracing::Level::DEBUG => heard!(tracing::Level::DEBUG),
                _ => heard!(tracing::Level::TRACE),
            };
            found.into_iter().filter(|(_, enabled)| *enabled).map(|(target, _)| target).collect()
        })
    }

    #[test]
    fn a_level_is_ours_and_libraries_write_no_more_than_info_unless_they_are_named() {
        use tracing::Level;

        let (ours, all) = (
            ["ringback_server::http", "ringback_sip"],
            ["ringback_server::http", "ringback_sip", "stun_types", "dimpl"],
        );
        assert_eq!(heard("debug", Level::DEBUG), ours);
        assert_eq!(heard("TRACE", Level::TRACE), ours);
        assert_eq!(heard("debug", Level::INFO), all);
        assert_eq!(heard("info", Level::INFO), all);
        assert_eq!(heard("info", Level::DEBUG), [""; 0]);
        assert_eq!(heard("warn", Level::INFO), [""; 0]);
        assert_eq!(heard("warn", Level::WARN), all);
        assert_eq!(heard("off", Level::WARN), [""; 0]);
        assert_eq!(heard("info,ringback_sip=debug", Level::DEBUG), ["ringback_sip"]);
        assert_eq!(
            heard("debug,dimpl=debug", Level::DEBUG),
            ["ringback_server::http", "ringback_sip", "dimpl"]
        );
    }

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
