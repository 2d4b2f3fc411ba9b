//! Why a tap cannot run.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::save::SaveError;
use crate::upstream::UpstreamError;

/// Why a tap cannot run.
#[derive(Debug, Error)]
pub enum TapError {
    /// The address to listen at.
    #[error("{0} cannot be listened at: {1}; give another address with --listen ADDRESS:PORT")]
    Listen(SocketAddr, io::Error),
    /// The runtime.
    #[error("the tap has no threads: {0}")]
    Threads(io::Error),
    /// The server that it leads to.
    #[error("{0}")]
    Server(#[from] UpstreamError),
    /// The certificate of the tap.
    #[error(
        "the certificate of the tap cannot be used for TLS: {0}; give another with --certificate and --key"
    )]
    Certificate(rustls::Error),
    /// The terminal.
    #[error("the ladder cannot be shown: {0}; on a terminal that lacks something, write lines with --plain")]
    Terminal(io::Error),
    /// What was kept cannot be written.
    #[error("{0}")]
    Save(SaveError),
}
