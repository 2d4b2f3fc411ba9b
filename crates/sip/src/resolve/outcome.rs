//! What a resolution may use, why it finds nothing, and what it passes over.

use ringback_sansio::Transport;

/// What we can speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Our transports, the preferred one first.
    pub transports: Vec<Transport>,
    /// Our address families.
    pub families: Families,
}

/// Address families, and which of two is tried first ([RFC 7984 §3]).
///
/// [RFC 7984 §3]: https://www.rfc-editor.org/rfc/rfc7984#section-3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Families {
    V4Only,
    V6Only,
    V4First,
    V6First,
}

/// Why there is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotFound {
    /// The DNS has no address for the name.
    #[error("the DNS has no address for the host that we could use")]
    NoAddress,
    /// The domain says that it has no such service (a target of `.` in RFC 2782).
    #[error("the domain says that it has no SIP service")]
    NoService,
    /// There are addresses, and none that a request may go to.
    #[error("the host has only addresses that no request may go to, such as multicast ones")]
    Unusable,
    /// The DNS did not answer: another time it may.
    #[error("the DNS does not answer; see that the name servers are reachable")]
    DnsFailed,
}

/// What a resolution passed over, counted by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Addresses that no request may go to, and port 0.
    pub unusable: u64,
    /// Records, hosts and addresses above the limits.
    pub too_many: u64,
    /// Records with a name that the DNS cannot have.
    pub malformed: u64,
    /// Questions that were not asked because there had been too many.
    pub questions: u64,
    /// Aliases that were not followed because there had been too many in a row.
    pub aliases: u64,
    /// Answers to no open question.
    pub strays: u64,
}
