//! `ringback user show`: what a user has set about its calls.

use std::process::ExitCode;

use clap::Args;
use ringback_control::Features;

use super::{ConfigArguments, Failure, carry_out, print};
use crate::user_socket::{Reply, Request};

/// What `user show` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whose settings
    name: String,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match carry_out(&arguments.config, Request::Show { name: arguments.name })? {
        Reply::Features { features } => print(&lines(&features.into()))?,
        other => {
            let words = format!("the server answered {other:?} to a request for settings");
            return Err(Failure::Running(anyhow::anyhow!(words)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each thing that can be set.
pub(super) fn lines(features: &Features) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "off".to_owned());
    let number =
        |value: Option<u32>, without: &str| value.map_or(without.to_owned(), |value| value.to_string());
    format!(
        "forward always     {}\nforward busy       {}\nforward no answer  {}\nring seconds       {}\n\
         do not disturb     {}\ncalls at a time    {}\npickup group       {}\n",
        text(&features.always),
        text(&features.busy),
        text(&features.no_answer),
        number(features.ring_seconds, "default"),
        if features.do_not_disturb { "on" } else { "off" },
        number(features.waiting, "any"),
        features.group.as_deref().unwrap_or("none"),
    )
}
