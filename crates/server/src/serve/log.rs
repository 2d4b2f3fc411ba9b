//! The log on standard error.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Format, Log};
use crate::telemetry::{LimitOthers, LogLimit};

/// Starts the log of this process.
pub fn start(config: &Log, limit: Arc<LogLimit>) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(config.directives())?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let others = LimitOthers(limit);
    let started = match config.format {
        Format::Text => builder.finish().with(others).try_init(),
        Format::Json => builder.json().finish().with(others).try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot start: {error}"))
}
