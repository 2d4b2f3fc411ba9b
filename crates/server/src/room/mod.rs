//! `ringback chat` and `ringback room join`: a member of a room on the command line.
//!
//! The member is [`ringback_peer::rooms`]; [`drive`] gives it a connection with its server, which is made again when it is lost,
//! and a clock. [`console`] reads what is typed and writes what happens; [`transfers`] has the files that are sent and taken;
//! [`sound`] plays and records, by files or by a microphone and a speaker.
//!
//! Assumptions and what is left out: one room; no knocks are answered and nothing of the room is set (a browser does that);
//! TURN over UDP alone, so a member behind what lets no UDP through is not reached.

mod console;
mod drive;
mod error;
mod link;
mod place;
mod sound;
mod transfers;

pub use error::RoomError;
pub use place::{Place, PlaceError};

use std::path::PathBuf;
use std::process::ExitCode;

use ringback_peer::audio::read_clip;

use crate::bench::accounts;
use crate::live_sound::{LiveSound, Wanted};
use crate::terminal;
use crate::upstream::{Connector, Server};
use sound::Sound;

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// Which room.
    pub place: Place,
    /// The name that others see.
    pub name: String,
    /// The PIN.
    pub pin: Option<String>,
    /// Whether the room is to be made.
    pub creates: bool,
    /// The file with the account that makes it.
    pub password_file: Option<PathBuf>,
    /// Where files of others go.
    pub folder: PathBuf,
    /// Whether they are taken without a question.
    pub takes_files: bool,
    /// Whether lines are read and files are offered; else only audio is there.
    pub has_chat: bool,
    /// What is played to others.
    pub play: Option<PathBuf>,
    /// Where what they say goes.
    pub record: Option<PathBuf>,
    /// The microphone and the speaker.
    pub sound: Wanted,
    /// For how long, in seconds.
    pub seconds: Option<u32>,
    /// Certificates of authorities to trust, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Whether the server's certificate is not looked at.
    pub is_insecure: bool,
}

/// Is a member of a room until it is over.
pub fn run(options: &Options) -> Result<ExitCode, RoomError> {
    let account = match &options.password_file {
        None => None,
        Some(path) => {
            let account = accounts::read(path, None)?.into_iter().next();
            let account = account.ok_or_else(|| RoomError::NoAccount(path.clone()))?;
            Some((account.name, account.password.expose().to_owned()))
        }
    };
    let clip = options.play.as_deref().map(read_clip).transpose()?;
    let live = LiveSound::new(options.sound.clone())?;
    let sound = Sound::new(clip, options.record.clone(), live)?;
    let connector = Connector::new(&Server {
        target: &options.place.target,
        host: None,
        origin: None,
        authorities: options.authorities.as_deref(),
        is_insecure: options.is_insecure,
        protocol: PROTOCOL,
    });
    let connector = connector.map_err(RoomError::Trust)?;
    if options.is_insecure {
        terminal::warn(
            "--insecure: the certificate of the server is NOT verified; whoever is on the way can take part",
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(RoomError::Threads)?.block_on(drive::run(options, connector, account, sound));
    ended.map(|()| ExitCode::SUCCESS)
}

/// The sub-protocol of rooms.
const PROTOCOL: &str = "ringback.rooms.1";
