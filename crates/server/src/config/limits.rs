//! `[limits]`: what one user, one source and the whole server may take.

use std::time::Duration;

use ringback_control::{EventLimits, MessageLimits};
use ringback_sip::message::limits::MAX_STREAM_MESSAGE;
use serde::{Deserialize, Serialize};

/// The bounds that an operator may want to move. Bounds of the protocol itself are constants of the crate that parses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// TCP, TLS, WebSocket and HTTP connections of clients in all; those that we make are bounded by the exchange.
    pub connections: u32,
    /// Connections of one source address that no user has signed in on.
    pub unauthenticated_per_source: u32,
    /// Calls at the same time.
    pub calls: u32,
    /// Bytes of one SIP message over TCP, TLS or WebSocket, body included.
    pub message_bytes: u32,
    /// The shortest registration, in seconds; a shorter one is answered 423.
    pub min_expires: u32,
    /// The longest registration, in seconds; a longer one is shortened.
    pub max_expires: u32,
    /// Subscriptions to presence, calls and the like, in all; also publications.
    pub subscriptions: u32,
    /// Subscriptions of one user.
    pub subscriptions_per_user: u32,
    /// Bytes of an instant message.
    pub instant_message_bytes: u32,
    /// Instant messages that wait for one user who is away; 0 keeps none.
    pub stored_messages_per_user: u32,
    /// How long an instant message waits, in days.
    pub stored_message_days: u32,
    /// How long a call may ring, in seconds.
    pub ring_seconds: u32,
    /// How long contacts of one preference ring before those of a lower one do, in seconds.
    pub fork_seconds: u32,
    /// How long a new connection may take to its first request, in seconds.
    pub first_request_seconds: u32,
    /// How long a SIP connection may stay without a user who signs in, in seconds.
    pub sign_in_seconds: u32,
    /// How long a message may take from its first byte to its last, in seconds.
    pub message_seconds: u32,
    /// How long a handshake of TLS or DTLS may take, in seconds.
    pub tls_handshake_seconds: u32,
    /// How often a WebSocket client is pinged, in seconds; two pings without an answer end the connection.
    pub ping_seconds: u32,
    /// How often a telephone over UDP behind a NAT is asked whether it is there, in seconds; 0 asks none.
    pub nat_ping_seconds: u32,
    /// How long calls may go on after SIGTERM, in seconds.
    pub drain_seconds: u32,
}

impl Limits {
    /// Connections without a user from a loopback address or a trusted proxy: neither is one client.
    pub const UNAUTHENTICATED_PER_SHARED_SOURCE: u32 = 4096;

    /// The bounds of subscriptions and publications.
    pub fn events(&self) -> EventLimits {
        EventLimits {
            subscriptions: self.subscriptions as usize,
            subscriptions_per_user: self.subscriptions_per_user as usize,
            ..EventLimits::default()
        }
    }

    /// The bounds of instant messages.
    pub fn messages(&self) -> MessageLimits {
        MessageLimits {
            bytes: self.instant_message_bytes as usize,
            stored_per_user: self.stored_messages_per_user as usize,
            kept: Duration::from_secs(u64::from(self.stored_message_days) * 24 * 3600),
            ..MessageLimits::default()
        }
    }

    /// [`ring_seconds`](Self::ring_seconds) as a duration.
    pub fn ring(&self) -> Duration {
        Duration::from_secs(self.ring_seconds.into())
    }

    /// [`fork_seconds`](Self::fork_seconds) as a duration.
    pub fn fork(&self) -> Duration {
        Duration::from_secs(self.fork_seconds.into())
    }

    /// [`first_request_seconds`](Self::first_request_seconds) as a duration.
    pub fn first_request(&self) -> Duration {
        Duration::from_secs(self.first_request_seconds.into())
    }

    /// [`sign_in_seconds`](Self::sign_in_seconds) as a duration.
    pub fn sign_in(&self) -> Duration {
        Duration::from_secs(self.sign_in_seconds.into())
    }

    /// [`ping_seconds`](Self::ping_seconds) as a duration.
    pub fn ping(&self) -> Duration {
        Duration::from_secs(self.ping_seconds.into())
    }

    /// [`nat_ping_seconds`](Self::nat_ping_seconds) as a duration.
    pub fn nat_ping(&self) -> Duration {
        Duration::from_secs(self.nat_ping_seconds.into())
    }

    /// [`max_expires`](Self::max_expires), or an hour where that is less, as a duration.
    pub fn longest_registration(&self) -> Duration {
        Duration::from_secs(self.max_expires.max(3600).into())
    }

    /// [`message_seconds`](Self::message_seconds) as a duration.
    pub fn message(&self) -> Duration {
        Duration::from_secs(self.message_seconds.into())
    }

    /// [`tls_handshake_seconds`](Self::tls_handshake_seconds) as a duration.
    pub fn tls_handshake(&self) -> Duration {
        Duration::from_secs(self.tls_handshake_seconds.into())
    }

    /// [`drain_seconds`](Self::drain_seconds) as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 20] {
        [
            ("limits.connections", self.connections, 1, 10_000_000),
            ("limits.unauthenticated_per_source", self.unauthenticated_per_source, 1, 1_000_000),
            ("limits.calls", self.calls, 1, 1_000_000),
            ("limits.message_bytes", self.message_bytes, 4096, MAX_STREAM_MESSAGE as u32),
            ("limits.min_expires", self.min_expires, 1, 3600),
            ("limits.max_expires", self.max_expires, self.min_expires, 604_800),
            ("limits.subscriptions", self.subscriptions, 0, 1_000_000),
            ("limits.subscriptions_per_user", self.subscriptions_per_user, 0, 100_000),
            ("limits.instant_message_bytes", self.instant_message_bytes, 0, 32_768),
            ("limits.stored_messages_per_user", self.stored_messages_per_user, 0, 10_000),
            ("limits.stored_message_days", self.stored_message_days, 0, 365),
            ("limits.ring_seconds", self.ring_seconds, 1, 3600),
            ("limits.fork_seconds", self.fork_seconds, 1, 3600),
            ("limits.first_request_seconds", self.first_request_seconds, 1, 3600),
            ("limits.sign_in_seconds", self.sign_in_seconds, 1, 86_400),
            ("limits.message_seconds", self.message_seconds, 1, 3600),
            ("limits.tls_handshake_seconds", self.tls_handshake_seconds, 1, 3600),
            ("limits.ping_seconds", self.ping_seconds, 1, 25),
            ("limits.nat_ping_seconds", self.nat_ping_seconds, 0, 25),
            ("limits.drain_seconds", self.drain_seconds, 0, 86_400),
        ]
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 20_000,
            unauthenticated_per_source: 64,
            calls: 2000,
            message_bytes: 65_536,
            min_expires: 10,
            max_expires: 3600,
            subscriptions: 20_000,
            subscriptions_per_user: 500,
            instant_message_bytes: 16_384,
            stored_messages_per_user: 100,
            stored_message_days: 7,
            ring_seconds: 180,
            fork_seconds: 20,
            first_request_seconds: 10,
            sign_in_seconds: 60,
            message_seconds: 5,
            tls_handshake_seconds: 5,
            ping_seconds: 15,
            nat_ping_seconds: 25,
            drain_seconds: 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_websocket_is_given_up_within_fifty_seconds() {
        // At worst it dies after it has answered a ping: two more are not answered, and the third finds it out.
        assert!(Limits::default().ping() * 3 <= Duration::from_secs(50));
    }
}
