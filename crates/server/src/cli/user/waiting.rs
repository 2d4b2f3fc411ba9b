//! `ringback user waiting`: how many calls a user takes at a time.

use std::process::ExitCode;

use clap::Args;

use super::{ConfigArguments, Failure, set};
use crate::user_socket::Setting;

/// What `user waiting` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whose calls
    name: String,
    /// How many at a time, 1 for no call waiting, or `off` for any number
    calls: String,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { name, calls, config } = arguments;
    let calls = super::number(&calls, "the number of calls")?;
    set(&config, name, vec![Setting::Waiting(calls)])
}
