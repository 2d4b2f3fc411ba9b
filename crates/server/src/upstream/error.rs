//! Why a server cannot be connected to, whatever it does.

use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with what was said of a server, or of whom to trust.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The certificates to trust.
    #[error("`{}` holds no certificate in PEM that can be trusted; give another file with --ca", .0.display())]
    Authorities(PathBuf),
    /// No certificate to trust.
    #[error(
        "this system has no certificates of authorities, so no server can be verified; install ca-certificates, or \
         give a file with --ca"
    )]
    NoAuthorities,
    /// What is trusted cannot be used.
    #[error("no server can be verified by TLS: {0}; give other certificates with --ca")]
    Tls(rustls::Error),
    /// The name of the server cannot stand in a certificate.
    #[error(
        "`{0}` is no name that a certificate can be verified for; give the server by a host name or an address"
    )]
    Name(String),
    /// A Host or Origin that cannot stand in a header.
    #[error(
        "`{0}` cannot stand in a header; write it without spaces at its ends and without control characters"
    )]
    Header(String),
}

impl UpstreamError {
    /// Whether what was typed is wrong, and not the machine.
    pub fn is_usage(&self) -> bool {
        matches!(self, UpstreamError::Authorities(_) | UpstreamError::Name(_) | UpstreamError::Header(_))
    }
}
