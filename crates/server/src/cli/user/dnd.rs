//! `ringback user dnd`: whether the phones of a user ring at all.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{ConfigArguments, Failure, set};
use crate::user_socket::Setting;

/// What `user dnd` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Who is not to be disturbed
    name: String,
    /// Whether it is so
    switch: Switch,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { name, switch, config } = arguments;
    set(&config, name, vec![Setting::DoNotDisturb(switch == Switch::On)])
}
