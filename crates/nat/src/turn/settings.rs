//! What a server is made with.

use std::time::Duration;

use super::allocation::Family;
use super::budget::Rate;
use super::credentials::PasswordAlgorithm;
use super::peer_policy::PeerPolicy;

/// What a server is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The realm that users are asked for; at most 127 bytes.
    pub realm: String,
    /// What is offered to clients, the best first; keys of other algorithms are never asked for.
    pub password_algorithms: Vec<PasswordAlgorithm>,
    /// Random bytes: of them are nonces made, and the transactions of our indications.
    pub secret: [u8; 32],
    /// The families that relayed transport addresses can have.
    pub families: Vec<Family>,
    /// How much there may be of everything.
    pub limits: Limits,
    /// Who may be a peer.
    pub policy: PeerPolicy,
    /// The time in seconds since 1970.
    pub unix_time: u64,
}

/// How much there may be of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Allocations in all.
    pub allocations: usize,
    /// Allocations of one account.
    pub allocations_per_account: usize,
    /// Permissions of one allocation.
    pub permissions: usize,
    /// Channels of one allocation.
    pub channels: usize,
    /// Bytes of application data that one allocation may carry, both ways together; `None` for as many as come.
    pub bandwidth: Option<Rate>,
    /// Requests without valid credentials that are answered, for each source.
    pub challenges: Rate,
    /// The longest lifetime that an allocation may ask for.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            allocations: 10_000,
            allocations_per_account: 20,
            permissions: 100,
            channels: 100,
            bandwidth: None,
            // An office behind one address has its phones start in the same minute; a reflector wants thousands.
            challenges: Rate { per_second: 20, burst: 200 },
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// The realm is longer than a challenge may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a realm has at most 127 bytes")]
pub struct RealmTooLong;
