//! Why a tap cannot run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::save::SaveError;

/// Why a tap cannot run.
#[derive(Debug, Error)]
pub enum TapError {
    /// The address to listen at.
    #[error("{0} cannot be listened at: {1}; give another address with --listen ADDRESS:PORT")]
    Listen(SocketAddr, io::Error),
    /// The runtime.
    #[error("the tap has no threads: {0}")]
    Threads(io::Error),
    /// The certificates to trust.
    #[error("`{}` holds no certificate in PEM that can be trusted; give another file with --ca", .0.display())]
    Authorities(PathBuf),
    /// No certificate to trust.
    #[error(
        "this system has no certificates of authorities, so no server can be verified; install ca-certificates, or \
         give a file with --ca"
    )]
    NoAuthorities,
    /// The certificate of the tap.
    #[error(
        "the certificate of the tap cannot be used for TLS: {0}; give another with --certificate and --key"
    )]
    Certificate(rustls::Error),
    /// The name of the server cannot stand in a certificate.
    #[error(
        "`{0}` is no name that a certificate can be verified for; give a host name or an address with --to"
    )]
    Name(String),
    /// A Host or Origin that cannot stand in a header.
    #[error(
        "`{0}` cannot stand in a header; write it without spaces at its ends and without control characters"
    )]
    Header(String),
    /// The terminal.
    #[error("the ladder cannot be shown: {0}; on a terminal that lacks something, write lines with --plain")]
    Terminal(io::Error),
    /// What was kept cannot be written.
    #[error("{0}")]
    Save(SaveError),
}
