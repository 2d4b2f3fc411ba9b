//! Why a request is not let in.

/// Why a request is not authenticated.
///
/// Nobody outside can tell an unknown user from a wrong password: both are [`Refusal::BadCredentials`], after the same
/// work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// No credentials, or none of the Digest scheme.
    #[error("no credentials")]
    NoCredentials,
    /// Credentials, but none for our realm.
    #[error("credentials of another realm")]
    WrongRealm,
    /// Credentials that cannot be read.
    #[error("credentials malformed: {0}")]
    Malformed(Defect),
    /// An algorithm that was not offered.
    #[error("algorithm not offered")]
    UnsupportedAlgorithm,
    /// A protection that was not offered.
    #[error("qop not offered")]
    UnsupportedQop,
    /// A nonce that we did not issue to this address: of another process, of another address, or made up.
    #[error("nonce not ours")]
    ForeignNonce,
    /// A nonce that is too old.
    #[error("nonce expired")]
    Expired,
    /// A nonce count that has been used, or of which it is no longer known.
    #[error("nonce count used")]
    Replayed,
    /// An unknown user or a wrong password.
    #[error("bad credentials")]
    BadCredentials,
}

/// What is wrong with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Defect {
    /// They do not follow the grammar, or a parameter stands twice.
    #[error("syntax")]
    Syntax,
    /// A parameter that must be there is not.
    #[error("{0} missing")]
    Missing(&'static str),
    /// The nonce count is not eight hexadecimal digits.
    #[error("nonce count malformed")]
    NonceCount,
}

/// What a refused request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 401 or 407 with a new challenge.
    Challenge(Staleness),
    /// 400.
    BadRequest,
}

/// Whether a challenge says that the password was not what was wrong ([RFC 7616 §3.3], `stale`).
///
/// [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// Says nothing: the client asks its user, or gives up.
    Unsaid,
    /// `stale=true`: the client tries again with the new nonce by itself.
    Stale,
}

impl Refusal {
    /// What the request is answered with.
    ///
    /// A nonce that will not do is always `stale=true`, without a look at the password: clients that send the same
    /// credentials with every refresh (SIP.js does) or that kept them over our restart must come through, and a guess of
    /// a password is not told anything by it, for it is not compared.
    pub const fn reply(self) -> Reply {
        match self {
            Refusal::NoCredentials
            | Refusal::WrongRealm
            | Refusal::UnsupportedAlgorithm
            | Refusal::UnsupportedQop
            | Refusal::BadCredentials => Reply::Challenge(Staleness::Unsaid),
            Refusal::ForeignNonce | Refusal::Expired | Refusal::Replayed => {
                Reply::Challenge(Staleness::Stale)
            }
            Refusal::Malformed(_) => Reply::BadRequest,
        }
    }

    /// Whether this was a guess of a user or a password, which counts towards a ban.
    pub const fn is_failed_guess(self) -> bool {
        matches!(self, Refusal::BadCredentials)
    }
}
