//! `ringback call`: a telephone on the command line. It calls, or waits to be called, and talks by files or by the microphone
//! and the speaker of the machine (`live_sound.rs`).
//!
//! The telephone is [`ringback_peer::phone`]; its media is [`media`], by how it is reached or as it is told; [`drive`] gives both
//! a connection and a clock. The connection is that of `tap` and `bench`. What happens is told in lines ([`tell`]), one for
//! each thing.
//!
//! Assumptions and what is left out:
//! - The server is at the address of `--via` or of the URI, by name or number; SRV and NAPTR are not asked for.
//! - One call, then the end.
//! - A SIP server can read the keys of `sdes`, and sees no more of `webrtc` than that it takes place.

mod account;
mod drive;
mod error;
mod media;
mod tell;

pub use error::CallError;
pub use media::Kind;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ringback_peer::audio::{Clip, Digit, Recorder, read_clip};

use crate::live_sound::{LiveSound, Wanted};
use crate::net::client::web_socket;
use crate::terminal;
use crate::upstream::{Connector, Server, Target};

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// Whom to call; without anybody, a call is waited for.
    pub callee: Option<String>,
    /// The server.
    pub via: Target,
    /// The user and the host of our address of record.
    pub user: Option<(String, String)>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// Whether to sign in before a call is made.
    pub registers: bool,
    /// How the media travels; by how the server is reached unless it is said.
    pub kind: Option<Kind>,
    /// What is played.
    pub play: Option<PathBuf>,
    /// Whether it is played again and again.
    pub is_looped: bool,
    /// Where what is heard goes.
    pub record: Option<PathBuf>,
    /// The microphone and the speaker.
    pub sound: Wanted,
    /// The keys that are pressed.
    pub keys: Vec<Digit>,
    /// How long the call is to be.
    pub length: Option<Duration>,
    /// How long an answer, or a call, is waited for.
    pub within: Option<Duration>,
    /// Certificates of authorities to trust, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// Whether the server's certificate is not looked at.
    pub is_insecure: bool,
}

/// What is ready before anything is connected to.
struct Ready {
    login: Option<ringback_peer::phone::Login>,
    user: String,
    domain: String,
    clip: Option<Arc<Clip>>,
    recorder: Option<Recorder>,
    sound: LiveSound,
    connector: Connector,
}

/// How a call ended, as an exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both have talked.
    Talked,
    /// The other side did not take it.
    NotTaken,
}

/// Makes one call, or takes one.
pub fn run(options: &Options) -> Result<ExitCode, CallError> {
    let ready = prepare(options)?;
    if options.is_insecure && options.via.transport.is_secure() {
        terminal::warn(&format!(
            "--insecure: the certificate of {} is NOT verified; whoever is on the way can read and alter everything",
            options.via
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(CallError::Threads)?.block_on(drive::run(options, ready))?;
    Ok(match outcome {
        Outcome::Talked => ExitCode::SUCCESS,
        Outcome::NotTaken => ExitCode::from(NOT_TAKEN),
    })
}

/// Looks at everything that can be wrong with what was typed, before anybody rings.
fn prepare(options: &Options) -> Result<Ready, CallError> {
    let account = account::read(options)?;
    let connector = Connector::new(&Server {
        target: &options.via,
        host: None,
        origin: None,
        authorities: options.authorities.as_deref(),
        is_insecure: options.is_insecure,
        protocol: web_socket::SIP,
    });
    Ok(Ready {
        login: account.login,
        user: account.user,
        domain: account.domain,
        clip: options.play.as_deref().map(read_clip).transpose()?.map(Arc::new),
        sound: LiveSound::new(options.sound.clone())?,
        connector: connector.map_err(CallError::Trust)?,
        // Last, so that nothing that was typed wrong empties a file.
        recorder: options.record.as_deref().map(Recorder::create).transpose()?,
    })
}

/// The exit code of a call that the other side did not take.
const NOT_TAKEN: u8 = 3;
