//! `ringback chat`, and what it shares with `ringback room`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::live_sound::Wanted;
use crate::room::{Options, Place, RoomError};
use crate::upstream::Target;

/// What `--help` says at its end.
const EXAMPLES: &str = r#"A line is said to everybody. /send FILE, /peers, /accept [N], /refuse [N], /help and /quit are commands; a line that
begins with // is said with one slash. The connection with the server is made again when it is lost, and the members stay
connected meanwhile. When standard input ends, the member stays; Ctrl-C leaves.

The PIN of a room is read from the variable RINGBACK_PIN, the account that makes one from the first line NAME:PASSWORD of
--password-file.

Exit codes: 0 the room was left, or has ended; 1 it could not be joined; 2 the command line is wrong.

Examples:
  ringback chat https://example.com:8443/r/team --name Ada
  ringback chat team --via ws://127.0.0.1:8080 --create
  ringback chat --via wss://example.com --create --password-file alice"#;

/// What `chat` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    room: RoomArguments,
    /// Take every file that is offered
    #[arg(long)]
    take_files: bool,
    /// Where they go
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// Which room, and as whom.
#[derive(Debug, Args)]
pub(super) struct RoomArguments {
    /// The link to the room, or its name with --via; none with --create is a new name
    #[arg(value_name = "ROOM", required_unless_present = "create")]
    room: Option<String>,
    /// The server, when ROOM is a name: ws://HOST:PORT or wss://HOST:PORT
    #[arg(long, value_name = "URL")]
    via: Option<Target>,
    /// The name that others see [default: the name of the user on this machine]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Make the room
    #[arg(long)]
    create: bool,
    /// The account that makes it, where the server wants one
    #[arg(long, value_name = "FILE", requires = "create")]
    password_file: Option<PathBuf>,
    /// Leave after so long
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
    /// Trust this authority too when the server is verified
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

impl RoomArguments {
    /// What the command line asks for, without chat and without sound.
    pub(super) fn options(self) -> Result<Options, RoomError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Options {
            place: Place::read(self.room.as_deref(), self.via)?,
            name: self.name.or_else(|| variable("USER")).unwrap_or_else(|| NOBODY.to_owned()),
            pin: variable("RINGBACK_PIN"),
            creates: self.create,
            password_file: self.password_file,
            folder: PathBuf::from("."),
            takes_files: false,
            has_chat: false,
            play: None,
            record: None,
            sound: Wanted::default(),
            seconds: self.seconds,
            authorities: self.ca,
            is_insecure: self.insecure,
        })
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let options = arguments.room.options().map_err(failure)?;
    let options =
        Options { folder: arguments.folder, takes_files: arguments.take_files, has_chat: true, ..options };
    crate::room::run(&options).map_err(failure)
}

pub(super) fn failure(error: RoomError) -> Failure {
    match error.is_usage() {
        true => Failure::Usage(error.to_string()),
        false => Failure::running(error.into()),
    }
}

/// Who has no name.
const NOBODY: &str = "somebody";
