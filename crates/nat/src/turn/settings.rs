//! What a server is made with.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::allocation::Family;
use super::budget::Rate;
use super::credentials::PasswordAlgorithm;
use super::peer_policy::PeerPolicy;
use super::quotas::Quotas;
use super::requests::DEFAULT_LIFETIME;

/// What a server is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The realm that users are asked for; at most 127 bytes. It is in every challenge: the shorter it is, the less a
    /// forged request makes of us.
    pub realm: String,
    /// What is offered to clients, the best first; keys of other algorithms are never asked for.
    pub password_algorithms: Vec<PasswordAlgorithm>,
    /// Of it are nonces made, and the transactions of our indications.
    pub secret: Secret,
    /// The families that relayed transport addresses can have.
    pub families: Vec<Family>,
    /// How much there may be of everything that is of one server.
    pub limits: Limits,
    /// How many allocations there may be: a clone for each server that counts together.
    pub quotas: Quotas,
    /// Who may be a peer.
    pub policy: PeerPolicy,
    /// Servers to which clients over UDP and TCP are sent that cannot be had here.
    pub alternates: Vec<SocketAddr>,
    /// The time in seconds since 1970.
    pub unix_time: u64,
}

impl Settings {
    /// Whether a server can work by them. [`Server::new`](super::Server::new) asks it too; who wants to know before a port
    /// is opened asks here.
    pub fn check(&self) -> Result<(), UnsoundSettings> {
        let Settings { realm, password_algorithms, secret, families, limits, quotas, .. } = self;
        if realm.is_empty() {
            return Err(UnsoundSettings::NoRealm);
        }
        if realm.len() > LONGEST_REALM {
            return Err(UnsoundSettings::LongRealm);
        }
        if realm.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
            return Err(UnsoundSettings::UnwritableRealm);
        }
        let is_choice = match password_algorithms[..] {
            [_] => true,
            [first, second] => first != second,
            _ => false,
        };
        if !is_choice {
            return Err(UnsoundSettings::PasswordAlgorithms);
        }
        if families.is_empty() {
            return Err(UnsoundSettings::NoFamily);
        }
        if secret.0 == [0; 32] {
            return Err(UnsoundSettings::NoSecret);
        }
        let (allocations, per_account) = quotas.most();
        let counts = [
            ("allocations", allocations),
            ("allocations of an account", per_account),
            ("permissions", limits.permissions),
            ("channels", limits.channels),
        ];
        if let Some(&(name, _)) = counts.iter().find(|(_, most)| *most == 0) {
            return Err(UnsoundSettings::ZeroLimit(name));
        }
        let rates = [
            ("bandwidth", limits.bandwidth),
            ("unproven", Some(limits.unproven)),
            ("proven", Some(limits.proven)),
            ("guesses", Some(limits.guesses)),
        ];
        if let Some(&(name, _)) = rates.iter().find(|(_, rate)| rate.is_some_and(|rate| !rate.is_sound())) {
            return Err(UnsoundSettings::ZeroRate(name));
        }
        if limits.lifetime < DEFAULT_LIFETIME {
            return Err(UnsoundSettings::ShortLifetime);
        }
        Ok(())
    }
}

/// Random bytes, new for each start of the process: a nonce says when it was issued by a clock that starts with it. `Debug`
/// shows nothing of them.
#[derive(Clone)]
pub struct Secret(pub(super) [u8; 32]);

impl Secret {
    /// Of random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Secret(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How much there may be of everything that is of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Permissions of one allocation, and peers that one request may name.
    pub permissions: usize,
    /// Channels of one allocation.
    pub channels: usize,
    /// Bytes of application data that one allocation may carry, both ways together; `None` for as many as come. A packet
    /// that is larger than the burst never passes.
    pub bandwidth: Option<Rate>,
    /// Answers to whoever a datagram says that it is from, without credentials and without a nonce of ours: challenges and
    /// Binding responses, for each source.
    pub unproven: Rate,
    /// Answers without credentials to whoever receives what we send: over a stream, or with a nonce of ours. For each
    /// source.
    pub proven: Rate,
    /// Requests with wrong credentials, for each source. Whoever has had so many is not listened to for a while, except for
    /// its allocations.
    pub guesses: Rate,
    /// The longest lifetime that an allocation may ask for.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            permissions: 100,
            channels: 100,
            bandwidth: None,
            // An office behind one address has its phones start in the same minute; a reflector wants thousands.
            unproven: Rate::per_second(50, 50),
            proven: Rate::per_second(50, 200),
            // A page with credentials that are over tries each of its addresses once.
            guesses: Rate::per_minute(12, 40),
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// Why no server can work by the settings, and what to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsoundSettings {
    /// There is no realm.
    #[error(
        "the realm of TURN is empty, so no client knows which password it is asked for; set the domain of the users"
    )]
    NoRealm,
    /// The realm is longer than a challenge may have it ([RFC 8489 §14.9] says fewer than 128 characters).
    ///
    /// [RFC 8489 §14.9]: https://www.rfc-editor.org/rfc/rfc8489#section-14.9
    #[error("the realm of TURN has more than 127 bytes, which clients need not read; set a shorter one")]
    LongRealm,
    /// The realm cannot stand between quotation marks.
    #[error(
        "the realm of TURN has a quotation mark, a backslash or a control character, which clients read differently; set \
         one without"
    )]
    UnwritableRealm,
    /// There is no password algorithm, or one of them twice.
    #[error(
        "TURN has no password algorithm or one twice, so clients cannot choose; set SHA-256, MD5 or each once"
    )]
    PasswordAlgorithms,
    /// There is no family.
    #[error("TURN has no address family, so there is nothing to allocate; set IPv4, IPv6 or both")]
    NoFamily,
    /// The secret was forgotten.
    #[error(
        "the secret of TURN is all zeros, so anybody can make its nonces; set 32 random bytes at each start"
    )]
    NoSecret,
    /// There may be none of something.
    #[error("the limit of TURN for {0} is 0, so nothing can be relayed; set 1 or more")]
    ZeroLimit(&'static str),
    /// A rate lets nothing through, or everything.
    #[error("the rate `{0}` of TURN has an amount, a time or a burst of 0; set all three to more")]
    ZeroRate(&'static str),
    /// The longest lifetime is shorter than the shortest.
    #[error(
        "the longest lifetime of an allocation is below 600 s, which each has at least (RFC 8656 §7.2); set 600 s or more"
    )]
    ShortLifetime,
}

/// [RFC 8489 §14.9](https://www.rfc-editor.org/rfc/rfc8489#section-14.9)
const LONGEST_REALM: usize = 127;
