//! How a command fails.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::first_start::StartError;

/// A failure with its exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was typed or configured is wrong.
    Usage(String),
    /// Something failed while running.
    Running(anyhow::Error),
}

impl Failure {
    /// A failure while running.
    pub(super) fn running(error: anyhow::Error) -> Self {
        // A configuration that only the data directory shows to be wrong is wrong all the same.
        match error.downcast_ref::<StartError>() {
            Some(start) if start.is_configuration() => Failure::Usage(start.to_string()),
            _ => Failure::Running(error),
        }
    }

    /// What the command line parser objects to: the first paragraph of its page.
    pub(super) fn usage(error: &clap::Error) -> Self {
        let page = error.render().to_string();
        let paragraph = page.split("\n\n").next().unwrap_or_default();
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        Failure::Usage(format!("{}; see `ringback --help`", words.trim_start_matches("error: ")))
    }

    /// One sentence.
    pub(super) fn sentence(&self) -> String {
        match self {
            Failure::Usage(sentence) => sentence.clone(),
            Failure::Running(error) => format!("{error:#}").replace('\n', " "),
        }
    }

    /// 2 for what was typed or configured, 1 for what happened.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Running(_) => ExitCode::FAILURE,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Failure::running(error.into())
    }
}
