//! What is wrong with a configuration, in one sentence with its mend.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::media::PortRange;
use super::tls::TlsProblem;

/// A problem and where it was found.
#[derive(Debug)]
pub struct ConfigError {
    /// Where, if one place is to blame.
    pub place: Option<Place>,
    /// What.
    pub problem: Problem,
}

impl ConfigError {
    pub(super) fn at(place: Place, problem: impl Into<Problem>) -> Self {
        ConfigError { place: Some(place), problem: problem.into() }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        ConfigError { place: None, problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Where a key was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a line of a file.
    Line {
        /// The file as it was named.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// By `--set` of this key. The value is left out: it may be long.
    Set(String),
    /// By `--data-dir`.
    DataDir,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Place::Set(key) => write!(f, "--set {key}"),
            Place::DataDir => f.write_str("--data-dir"),
        }
    }
}

/// Everything that makes a configuration unusable.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}; check the path after -c and its permissions", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("this is not TOML ({message}); write `key = value`, strings in quotes")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A key stands twice.
    #[error("the key `{key}` is given twice; remove one")]
    DuplicateKey {
        /// The key, or the nearest known one if the text does not show it.
        key: String,
    },
    /// A key that no version has.
    #[error("unknown key `{key}`; the nearest known key is `{nearest}`")]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// The known key that is most like it.
        nearest: String,
    },
    /// A key of a later version.
    #[error("`{key}` is not in this version; remove it")]
    NotInThisVersion {
        /// The key.
        key: String,
    },
    /// A section given as a value, or the other way round.
    #[error("`{key}` is {expected}; write it as `{example}`")]
    WrongForm {
        /// The key.
        key: String,
        /// What it is.
        expected: &'static str,
        /// How it is written.
        example: String,
    },
    /// A value of the wrong kind.
    #[error("`{key}`: {message}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong and what to write.
        message: String,
    },
    /// A number out of its range.
    #[error("`{key}` is {value}; choose {least} to {greatest}")]
    OutOfRange {
        /// The key.
        key: String,
        /// What was given.
        value: u32,
        /// The least value.
        least: u32,
        /// The greatest value.
        greatest: u32,
    },
    /// `--set` without `=`.
    #[error("`--set {argument}` has no value; write it as `--set listen.http=127.0.0.1:8080`")]
    SetWithoutValue {
        /// The argument.
        argument: String,
    },
    /// `--set user…`: arguments are seen by every user of the machine.
    #[error("users cannot be given by --set; write a [[user]] entry in a file, or run `ringback user add`")]
    SetUser,
    /// `--set` with a secret.
    #[error(
        "`turn.secret` cannot be given by --set, which every user of the machine can see; write it in a file"
    )]
    SetSecret,
    /// A configuration file with passwords that others can read.
    #[error(
        "others can read `{}` (mode {mode:o}) and it holds passwords; run `chmod 600 {}`",
        .file.display(), .file.display()
    )]
    ReadableByOthers {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Two users of one name.
    #[error("two [[user]] entries are named `{name}`; remove one")]
    DuplicateUser {
        /// The name.
        name: String,
    },
    /// Two listeners want the same port.
    #[error("`{second}` wants {address}, which `{first}` has; give one of them another port")]
    SameAddress {
        /// The key of the one that has it.
        first: &'static str,
        /// The key of the other.
        second: &'static str,
        /// The address of the other.
        address: SocketAddr,
    },
    /// A listener within the ports of allocations.
    #[error("the port of `{listener}` ({address}) lies in `turn.relay_ports`; move one of them")]
    ListenerInRelayPorts {
        /// The listener.
        listener: &'static str,
        /// Its address.
        address: SocketAddr,
    },

    /// Ports that are to be both.
    #[error(
        "`turn.relay_ports` ({relays}) and `media.rtp_ports` ({rtp}) have ports in common; move one of them"
    )]
    RelayPortsInRtpPorts {
        /// The ports of allocations.
        relays: PortRange,
        /// The ports of RTP.
        rtp: PortRange,
    },

    /// A UDP listener inside the range of RTP ports.
    #[error("the port of `{listener}` ({address}) lies in `media.rtp_ports`; move one of them")]
    ListenerInRtpPorts {
        /// The key of the listener.
        listener: &'static str,
        /// Its address.
        address: SocketAddr,
    },
    /// More media workers than ports above the first.
    #[error("`media.workers` is {workers} and the ports above {address} do not suffice; lower one of them")]
    WorkersBeyondPorts {
        /// The workers.
        workers: u16,
        /// The address of the first.
        address: SocketAddr,
    },
    /// More media workers than pairs of RTP ports to share out among them.
    #[error(
        "`media.workers` is {workers} and `media.rtp_ports` ({range}) has fewer pairs of an even and the next odd \
         port; widen the range"
    )]
    WorkersBeyondPairs {
        /// The workers.
        workers: u16,
        /// The range.
        range: PortRange,
    },
    /// Nothing to listen on.
    #[error("every listener is turned off; give at least one of the keys in [listen] an address")]
    NothingListens,
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsProblem),
}
