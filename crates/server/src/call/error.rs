//! Why a call cannot be made.

use std::io;
use std::path::PathBuf;

use ringback_peer::audio::FileError;
use ringback_peer::phone::Failure;
use ringback_peer::rtp::RtpError;
use ringback_peer::sound::DeviceError;
use ringback_peer::webrtc::{DescriptionError, OpenError};
use thiserror::Error;

use crate::bench::AccountsError;
use crate::upstream::{ConnectError, Target, UpstreamError};

/// Why a call cannot be made.
#[derive(Debug, Error)]
pub enum CallError {
    /// The file of the password.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// It has no such user.
    #[error("`{path}` has no line {1}:PASSWORD; add one, or give another name with --user", path = .0.display())]
    NoAccount(PathBuf, String),
    /// Nobody can sign in without one.
    #[error(
        "signing in needs a name and a password; give --user NAME, and --password-file FILE or the variable RINGBACK_PASSWORD"
    )]
    NoPassword,
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
    #[error("the call has no threads: {0}")]
    Threads(io::Error),
    /// No connection.
    #[error("{0}; is the server there, and is --via right?")]
    Connect(String),
    /// The server has closed it.
    #[error("the connection with {0} has ended; is the server still there?")]
    ConnectionLost(Target),
    /// No socket for the media.
    #[error("no socket can be had for the media: {0}")]
    Socket(io::Error),
    /// No address for the media.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The registration.
    #[error("{0} is not signed in: {why}", why = mend(.1))]
    NotRegistered(String, Failure),
    /// The call could not be made, for a reason that the other side has no part in.
    #[error("the call cannot be made: {why}", why = mend(.0))]
    Failed(Failure),
    /// The media of a telephone.
    #[error("there is no media with the other side: {0}")]
    Rtp(#[from] RtpError),
    /// The media of a browser.
    #[error("there is no media with the other side: {0}; ask for other media with --media")]
    Description(#[from] DescriptionError),
    /// The answer came without one.
    #[error(
        "the call was answered without a session description, so there is no media; the other side, or a server on the way, errs"
    )]
    NoAnswer,
    /// Standard output.
    #[error("what happens cannot be told: {0}")]
    Print(io::Error),
}

impl CallError {
    /// Whether what was typed is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            CallError::Accounts(_)
                | CallError::NoAccount(..)
                | CallError::NoPassword
                | CallError::Device(DeviceError::Unknown(..))
                | CallError::File(FileError::Read(..) | FileError::Clip(..) | FileError::Name(_))
                | CallError::Trust(_)
        )
    }
}

impl From<ConnectError> for CallError {
    fn from(error: ConnectError) -> Self {
        CallError::Connect(error.to_string())
    }
}

/// A failure with what can be done about it.
fn mend(failure: &Failure) -> String {
    let mend = match failure {
        Failure::WrongPassword => "look at --user and at the line of --password-file",
        Failure::PasswordNeeded => {
            "give --user NAME, and --password-file FILE or the variable RINGBACK_PASSWORD"
        }
        Failure::Unanswerable(_) => "the server asks in a way that is not known here",
        Failure::NoAnswer => "is the server there, and is --via right?",
        Failure::NoConnection => "is the server still there?",
        Failure::Refused(..) | Failure::NoDialog => return failure.to_string(),
    };
    format!("{failure}; {mend}")
}
