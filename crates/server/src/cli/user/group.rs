//! `ringback user group`: whose calls a user may pick up.

use std::process::ExitCode;

use clap::Args;

use super::{ConfigArguments, Failure, OFF, set};
use crate::user_socket::Setting;

/// What `user group` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Who
    name: String,
    /// The group, or `off` for none
    group: String,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { name, group, config } = arguments;
    set(&config, name, vec![Setting::Group((group != OFF).then_some(group))])
}
