//! Why there is no room.

use std::io;
use std::path::PathBuf;

use ringback_peer::audio::FileError;
use ringback_peer::sound::DeviceError;
use thiserror::Error;

use super::PlaceError;
use crate::bench::AccountsError;
use crate::upstream::UpstreamError;

/// Why there is no room.
#[derive(Debug, Error)]
pub enum RoomError {
    /// Which room.
    #[error("{0}")]
    Place(#[from] PlaceError),
    /// The file of the password.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// It has no such user.
    #[error("`{path}` has no user; write NAME:PASSWORD on its first line", path = .0.display())]
    NoAccount(PathBuf),
    /// A file of audio.
    #[error("{0}")]
    File(#[from] FileError),
    /// A microphone or a speaker.
    #[error("{0}")]
    Device(#[from] DeviceError),
    /// The certificates, or the name of the server.
    #[error("{0}")]
    Trust(UpstreamError),
    /// The runtime.
    #[error("the room has no threads: {0}")]
    Threads(io::Error),
    /// No connection at the first try.
    #[error("{0}; is the server there, and does it have rooms?")]
    Connect(String),
    /// The server says no.
    #[error("the server refuses: {says} ({code})")]
    Refused {
        /// Its code.
        code: String,
        /// What it says.
        says: String,
    },
    /// Standard output.
    #[error("what happens cannot be told: {0}")]
    Print(io::Error),
}

impl RoomError {
    /// Whether what was typed is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            RoomError::Place(_)
                | RoomError::Accounts(_)
                | RoomError::NoAccount(_)
                | RoomError::Device(DeviceError::Unknown(..))
                | RoomError::File(FileError::Read(..) | FileError::Clip(..) | FileError::Name(_))
                | RoomError::Trust(_)
        )
    }
}
