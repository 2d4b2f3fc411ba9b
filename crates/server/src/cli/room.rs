//! `ringback room`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::chat::{RoomArguments, failure};
use super::failure::Failure;
use super::sound::SoundArguments;
use crate::room::Options;

/// What `--help` says at its end.
const EXAMPLES: &str = r#"Each member's sound goes into a file of its own: with --record heard.wav that of member 3 is heard-3.wav.

Examples:
  ringback room join https://example.com:8443/r/team --play music.ogg
  ringback room join team --via ws://127.0.0.1:8080 --record heard.wav --for 60"#;

/// What `room` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Be a member with sound: of files, or in builds that have it of a microphone and a speaker
    #[command(after_help = EXAMPLES)]
    Join(Join),
}

#[derive(Debug, Args)]
struct Join {
    #[command(flatten)]
    room: RoomArguments,
    /// Play this file (WAV, or Opus in Ogg; ten minutes at the most) to everybody, again and again
    #[arg(long, value_name = "FILE")]
    #[cfg_attr(not(feature = "sound"), arg(required_unless_present = "record"))]
    play: Option<PathBuf>,
    /// Record what the others say, as .wav, .ogg or .opus
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    sound: SoundArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let What::Join(join) = arguments.what;
    let options = join.room.options().map_err(failure)?;
    let sound = join.sound.wanted(join.play.is_some(), join.record.is_some());
    let options = Options { play: join.play, record: join.record, sound, ..options };
    crate::room::run(&options).map_err(failure)
}
