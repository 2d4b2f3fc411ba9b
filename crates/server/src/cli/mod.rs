//! The command line: a file for each command.
//!
//! Every failure is one sentence on standard error. The exit code is 2 when what was typed or configured is wrong, 1
//! when something failed while running, 0 otherwise; `call` has 3 besides, for a call that the other side did not take.

mod bench;
mod call;
mod chat;
mod check;
mod failure;
mod ng;
mod room;
mod serve;
mod sound;
mod tap;
mod user;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use self::failure::Failure;
use crate::config::Source;

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to tell if standard error is closed; the exit code says it too.
            let _ = writeln!(io::stderr(), "ringback: {}", failure.sentence());
            failure.exit_code()
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            print(&error.render().to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(Failure::usage(&error)),
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Tap(arguments) => tap::run(*arguments),
        Command::Bench(arguments) => bench::run(*arguments),
        Command::Ng(arguments) => ng::run(&arguments),
        Command::Call(arguments) => call::run(*arguments),
        Command::Chat(arguments) => chat::run(*arguments),
        Command::Room(arguments) => room::run(*arguments),
    }
}

/// Makes a browser a telephone and a telephone a browser.
#[derive(Debug, Parser)]
#[command(name = "ringback", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the exchange (the default)
    Serve(serve::Arguments),
    /// Read a configuration, explain it, and start nothing
    Check(check::Arguments),
    /// Add, change, remove and list users
    User(user::Arguments),
    /// Stand between a browser phone and its SIP server, to see and alter what they say
    Tap(Box<tap::Arguments>),
    /// Load a SIP server of your own with phones that sign in and call each other
    Bench(Box<bench::Arguments>),
    /// Carry the media of a SIP proxy (Kamailio, OpenSIPS) in place of rtpengine
    Ng(ng::Arguments),
    /// Call somebody, or wait to be called: a telephone on the command line
    Call(Box<call::Arguments>),
    /// Chat in a room and send files, directly with every member
    Chat(Box<chat::Arguments>),
    /// Be in a room with a file to play or to record
    Room(Box<room::Arguments>),
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
struct ConfigArguments {
    /// Read this TOML file
    #[arg(short = 'c', long = "config", value_name = "FILE", help_heading = "Configuration")]
    file: Option<PathBuf>,
    /// Override one key, as in --set listen.http=127.0.0.1:8000
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Configuration")]
    set: Vec<String>,
    /// Keep state here instead of in ./ringback-data
    #[arg(long, value_name = "DIR", help_heading = "Configuration")]
    data_dir: Option<PathBuf>,
}

impl ConfigArguments {
    fn source(&self) -> Source {
        Source { file: self.file.clone(), set: self.set.clone(), data_dir: self.data_dir.clone() }
    }
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::running(error.into()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_options_are_those_of_serve() {
        let arguments = ["ringback", "-c", "a.toml", "--set", "realm=x", "--data-dir", "d", "--recover"];
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert!(cli.command.is_none());
        let same =
            Cli::try_parse_from(arguments.iter().take(1).chain(["serve"].iter()).chain(&arguments[1..]))
                .unwrap();
        assert!(matches!(same.command, Some(Command::Serve(_))));
    }

    #[test]
    fn a_usage_error_is_one_sentence_with_code_2() {
        for wrong in [&["ringback", "--colour"][..], &["ringback", "user", "add"], &["ringback", "dial"]] {
            let failure = run(wrong.iter().map(OsString::from)).unwrap_err();
            let sentence = failure.sentence();
            assert!(!sentence.contains('\n') && sentence.contains("ringback --help"), "{sentence}");
            assert_eq!(format!("{:?}", failure.exit_code()), format!("{:?}", ExitCode::from(2)));
        }
    }
}
