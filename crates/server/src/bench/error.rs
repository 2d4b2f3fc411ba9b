//! Why a load cannot run.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::AccountsError;
use crate::upstream::{ConnectError, Target, UpstreamError};

/// Why a load cannot run.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The users.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// Nobody to call.
    #[error("a call needs two users; add lines to the file, or ask for more with --users")]
    OneUser,
    /// The certificates, or the name of the server.
    #[error("{0}")]
    Trust(UpstreamError),
    /// The name has no address.
    #[error("`{0}` has no address: {1}; give another host with --to")]
    Resolve(String, io::Error),
    /// It is on the internet.
    #[error(
        "{0} is at {1}, which is neither of this machine nor of a private network; a load on the server of somebody else \
         is an attack. If it is yours, say so with --i-operate-this-server"
    )]
    Stranger(Target, IpAddr),
    /// It is on the internet.
    #[error(
        "{0} is at {1}, which is neither of this machine nor of a private network; a load on the engine of somebody else \
         is an attack. If it is yours, say so with --i-operate-this-server"
    )]
    StrangeEngine(SocketAddr, IpAddr),
    /// It is on the internet.
    #[error(
        "{0} is at {1}, which is neither of this machine nor of a private network; a load on the server of somebody else \
         is an attack. If it is yours, say so with --i-operate-this-server"
    )]
    StrangeServer(SocketAddr, IpAddr),
    /// The ends of calls have no socket.
    #[error(
        "no socket can be had at {0}: {1}; give an address of this machine with --from, or ask for fewer"
    )]
    Bind(IpAddr, io::Error),
    /// Clients have no address.
    #[error("there is no address in --from; name one of this machine")]
    NoAddress,
    /// The browsers have no certificate.
    #[error("the browsers' certificate cannot be made: {0}")]
    Identity(String),
    /// The runtime.
    #[error("the load has no threads: {0}")]
    Threads(io::Error),
    /// No connection at all.
    #[error("{0}")]
    Connect(String),
    /// A process that is not there.
    #[error(
        "not every process of --pid {0} can be looked at; give ids of processes that run, as their user or as root"
    )]
    Process(String),
    /// Standard output.
    #[error("the report cannot be written: {0}")]
    Print(io::Error),
}

impl BenchError {
    /// Whether what was typed is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            BenchError::Accounts(_)
                | BenchError::OneUser
                | BenchError::Trust(_)
                | BenchError::Stranger(..)
                | BenchError::StrangeEngine(..)
                | BenchError::StrangeServer(..)
        )
    }
}

impl From<ConnectError> for BenchError {
    fn from(error: ConnectError) -> Self {
        BenchError::Connect(error.to_string())
    }
}
