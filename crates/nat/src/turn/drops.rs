//! The reasons for which packets are dropped, and what a server has counted.

use ringback_sansio::reasons;

reasons! {
    /// Neither STUN nor ChannelData.
    NotTurn = "not_turn",
    /// No sound message, or an indication without what it has to have.
    Malformed = "malformed",
    /// A response, or an indication that only a server sends.
    Unexpected = "unexpected",
    /// A method that is none of ours.
    UnknownMethod = "unknown_method",
    /// An indication with an attribute that would have to be understood and is not.
    UnknownAttribute = "unknown_attribute",
    /// A request without valid credentials from a source that has been told so often enough.
    ChallengeBudget = "challenge_budget",
    /// A Binding request from a source that has been answered often enough.
    BindingBudget = "binding_budget",
    /// A request with credentials from a source that has shown wrong ones so often that none are looked at.
    GuessBudget = "guess_budget",
    /// An Allocate request that came again while its sockets are being opened.
    Opening = "opening",
    /// Data from a client that has no allocation.
    NoAllocation = "no_allocation",
    /// Data that came to a relay socket of no allocation.
    NoRelay = "no_relay",
    /// The channel is not bound.
    NoChannel = "no_channel",
    /// No permission for the peer.
    NoPermission = "no_permission",
    /// The policy refuses the peer.
    PeerRefused = "peer_refused",
    /// The allocation has no relayed transport address of the peer's family.
    WrongFamily = "wrong_family",
    /// The allocation, or those of its account together, have carried as much as they may for the time being.
    Bandwidth = "bandwidth",
    /// The buffer has no room around the data for a message to the client, or no message can be so long.
    NoRoom = "no_room",
}

/// What a server has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Allocations that were made.
    pub allocations: u64,
    /// Allocations that ended because nobody refreshed them.
    pub expired: u64,
    /// Times that an allocation has followed its client to another 5-tuple.
    pub moved: u64,
    /// Binding requests that were answered.
    pub bindings: u64,
    /// Requests that were done.
    pub successes: u64,
    /// Requests without credentials that were answered: such is the first of every client.
    pub challenged: u64,
    /// Requests with wrong credentials, answered or not. Those that are not looked at any more are counted as
    /// [`Reason::GuessBudget`].
    pub wrong_credentials: u64,
    /// Requests that were refused, by error code: 401 are those without credentials and with wrong ones.
    pub errors: Errors,
    /// Packets to peers.
    pub to_peers: u64,
    /// Application data in them.
    pub bytes_to_peers: u64,
    /// Packets to clients.
    pub to_clients: u64,
    /// Application data in them.
    pub bytes_to_clients: u64,
    /// Packets that were dropped.
    pub drops: Drops,
}

/// How often a request was refused with each error code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors([u64; CODES.len()]);

impl Errors {
    /// Every code that there is, and how often it was.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        CODES.iter().copied().zip(self.0)
    }

    /// How often it was.
    pub fn of(&self, code: u16) -> u64 {
        self.iter().find(|&(known, _)| known == code).map_or(0, |(_, count)| count)
    }

    pub(super) fn count(&mut self, code: u16) {
        if let Some((_, count)) = CODES.iter().zip(&mut self.0).find(|&(&known, _)| known == code) {
            *count += 1;
        }
    }
}

/// The error codes of RFC 8489 §14.8 and §10 and of RFC 8656 §19 that a server of ours gives.
const CODES: [u16; 13] = [300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_their_code() {
        let mut errors = Errors::default();
        for code in [401, 401, 508, 599] {
            errors.count(code);
        }
        assert_eq!((errors.of(401), errors.of(508), errors.of(400), errors.of(599)), (2, 1, 0, 0));
        assert_eq!(errors.iter().map(|(_, count)| count).sum::<u64>(), 3);
    }
}
