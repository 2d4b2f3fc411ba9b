//! `ringback serve`.

use std::process::ExitCode;

use clap::Args;

use super::ConfigArguments;
use super::failure::Failure;
use crate::store::Recovery;

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Save what can be read of a damaged database, and keep the damaged one beside it
    #[arg(long)]
    recover: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = arguments.config.source().load()?;
    let recovery = if arguments.recover { Recovery::Salvage } else { Recovery::Refuse };
    crate::serve::run(config, recovery).map_err(Failure::running)
}
