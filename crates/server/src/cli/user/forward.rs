//! `ringback user forward`: where the calls of a user go.

use std::process::ExitCode;

use clap::Args;

use super::{ConfigArguments, Failure, OFF, set};
use crate::user_socket::Setting;

/// What `user forward` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whose calls
    name: String,
    /// Where every call goes, or `off`
    #[arg(long, value_name = "USER")]
    always: Option<String>,
    /// Where a call goes when the user is busy, or `off`
    #[arg(long, value_name = "USER")]
    busy: Option<String>,
    /// Where a call goes when nobody answers or nobody is signed in, or `off`
    #[arg(long, value_name = "USER")]
    no_answer: Option<String>,
    /// For how many seconds the user's phones ring, or `off` for the default
    #[arg(long, value_name = "SECONDS")]
    ring: Option<String>,
    /// Forward no calls
    #[arg(long, conflicts_with_all = ["always", "busy", "no_answer"])]
    off: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { name, always, busy, no_answer, ring, off, config } = arguments;
    let to = |text: String| (text != OFF).then_some(text);
    let mut settings = Vec::new();
    settings.extend(always.map(|text| Setting::Always(to(text))));
    settings.extend(busy.map(|text| Setting::Busy(to(text))));
    settings.extend(no_answer.map(|text| Setting::NoAnswer(to(text))));
    if let Some(text) = ring {
        settings.push(Setting::RingSeconds(super::number(&text, "--ring")?));
    }
    if off {
        settings.extend([Setting::Always(None), Setting::Busy(None), Setting::NoAnswer(None)]);
    }
    if settings.is_empty() {
        let words = "say where calls go with --always, --busy or --no-answer, or --off";
        return Err(Failure::Usage(words.to_owned()));
    }
    set(&config, name, settings)
}
