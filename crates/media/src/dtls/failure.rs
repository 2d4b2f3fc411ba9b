//! Why an association failed.

use dimpl::{Error, SecurityError};

/// Why an association cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The certificate is not the one that the signalling told: somebody is in between, or the description is wrong.
    #[error("the certificate is not the one of the session description")]
    Fingerprint,
    /// The handshake was completed without an SRTP protection profile.
    #[error("no common SRTP protection profile")]
    NoSrtpProfile,
    /// No common cipher suite, group or version, or no extended master secret.
    #[error("nothing in common to encrypt with")]
    Incompatible,
    /// The certificate is missing or of a kind that is not supported, such as RSA.
    #[error("the certificate cannot be used")]
    Certificate,
    /// A signature or a Finished message is wrong.
    #[error("the handshake is not authentic")]
    NotAuthentic,
    /// Messages that do not fit together.
    #[error("the handshake breaks the protocol")]
    Protocol,
    /// The far end gave up, with this alert ([RFC 8446 §6]).
    ///
    /// [RFC 8446 §6]: https://www.rfc-editor.org/rfc/rfc8446#section-6
    #[error("the far end sent alert {0}")]
    Alert(u8),
    /// The handshake was not completed in time.
    #[error("the handshake was not completed in time")]
    Timeout,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::SecurityError(SecurityError::FatalAlert { description }) => Failure::Alert(*description),
            Error::SecurityError(
                SecurityError::ServerFinishedVerificationFailed
                | SecurityError::ClientFinishedVerificationFailed
                | SecurityError::SignatureAlgorithmMismatch { .. }
                | SecurityError::SignatureTooLarge,
            )
            | Error::CryptoError(_) => Failure::NotAuthentic,
            Error::SecurityError(_) => Failure::Incompatible,
            Error::CertificateError(_) => Failure::Certificate,
            Error::Timeout(_) => Failure::Timeout,
            _ => Failure::Protocol,
        }
    }
}
