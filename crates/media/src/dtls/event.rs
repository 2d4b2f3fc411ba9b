//! What an association tells.

use super::{Failure, Keys};
use crate::srtp::Suite;

/// Our role in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// We send the ClientHello (`a=setup:active`).
    Client,
    /// We wait for it (`a=setup:passive`).
    Server,
}

impl Role {
    /// The role of the far end.
    pub const fn other(self) -> Self {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }
}

/// The protocol version that was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// DTLS 1.2 (RFC 6347).
    Dtls12,
    /// DTLS 1.3 (RFC 9147).
    Dtls13,
}

/// News from the association. After `Closed` or `Failed` there is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete and the far end is who it should be.
    Connected {
        /// The SRTP protection profile.
        suite: Suite,
        /// The master keys and salts.
        keys: Keys,
        /// The version of DTLS.
        version: Version,
    },
    /// The far end closed the association (close_notify).
    Closed,
    /// The association cannot be used.
    Failed(Failure),
}

/// What an association counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Errors of the engine, each of which started the handshake over or made the association deaf.
    pub errors: u64,
    /// Datagrams that were not fetched in time, or did not fit the buffer they were to be fetched into.
    pub unsent: u64,
    /// Application data, which has nobody to go to.
    pub application_data: u64,
}
