//! `ringback check`: reads a configuration and explains it. Binds nothing and writes nothing.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::failure::Failure;
use super::{ConfigArguments, print};
use crate::config::Surroundings;

/// What `check` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = arguments.config.source().load()?;
    let surroundings = Surroundings::read(&config.data_dir)
        .context("cannot list the network interfaces")
        .map_err(Failure::Running)?;
    let explained =
        config.explain().context("cannot write the configuration as TOML").map_err(Failure::Running)?;
    let warnings: String =
        config.warnings(&surroundings).iter().map(|warning| format!("# warning: {warning}\n")).collect();
    print(&format!("# The configuration is sound.\n{warnings}{explained}"))?;
    Ok(ExitCode::SUCCESS)
}
