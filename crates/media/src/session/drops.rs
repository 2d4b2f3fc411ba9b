//! The reasons for which packets are dropped, and how often each was.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $reason,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$reason,)*];

            /// The name under which it is counted.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$reason => $name,)* }
            }
        }

        const COUNT: usize = [$(Reason::$reason,)*].len();
    };
}

reasons! {
    /// Neither STUN nor DTLS nor RTP nor RTCP.
    UnknownProtocol = "unknown_protocol",
    /// STUN on the socket of a plain leg that has no fax, or DTLS where no handshake was agreed.
    WrongSocket = "wrong_socket",
    /// The leg is not open.
    NoLeg = "no_leg",
    /// DTLS or media from an address that no leg has a validated pair with.
    UnknownAddress = "unknown_address",
    /// A check for a user name that is none of our legs'.
    UnknownUsername = "unknown_username",
    /// STUN that is no sound Binding request.
    CheckRefused = "check_refused",
    /// A check after consent was lost.
    CheckConsentLost = "check_consent_lost",
    /// A check from an address that is another leg's.
    AddressTaken = "address_taken",
    /// DTLS over a pair that no authenticated check came over.
    DtlsNotValidated = "dtls_not_validated",
    /// A datagram that the DTLS association has no use for.
    DtlsRefused = "dtls_refused",
    /// No answer was agreed with the far end yet.
    NotConfigured = "not_configured",
    /// SRTP before the handshake is complete.
    NoKeys = "no_keys",
    /// No sound RTP packet, or a datagram that is too short or too long for a fax.
    Malformed = "malformed",
    /// No sound compound RTCP packet.
    RtcpMalformed = "rtcp_malformed",
    /// From an address that does not speak for the plain leg.
    WrongSource = "wrong_source",
    /// From the far end that had the port before.
    FormerPeer = "former_peer",
    /// The SRTP tag does not fit.
    Unauthentic = "srtp_unauthentic",
    /// The SRTP index was seen before.
    Replayed = "srtp_replayed",
    /// The SRTP index is older than the replay window.
    TooOld = "srtp_too_old",
    /// SRTCP that is not encrypted.
    Unencrypted = "srtcp_unencrypted",
    /// Every index of the far end's key is used up.
    KeyExhausted = "srtp_key_exhausted",
    /// A payload type that was not agreed.
    PayloadType = "payload_type",
    /// Audio or RTCP from or for a leg that carries a fax.
    NotFax = "not_fax",
    /// The leg may not send: hold, or recvonly.
    MayNotSend = "may_not_send",
    /// The leg is joined with no other.
    NotJoined = "not_joined",
    /// The other leg has no payload type for it.
    NoPayloadType = "no_payload_type",
    /// The other leg may not receive: hold, or sendonly.
    MayNotReceive = "may_not_receive",
    /// The other leg is not ready: no answer yet, no address yet, or no keys yet.
    PeerNotReady = "peer_not_ready",
    /// Something is played to the other leg.
    PlayedOver = "played_over",
    /// Too late to have a place in the stream to the other leg.
    Late = "late",
    /// A late packet of the source before the current one.
    FormerSource = "former_source",
    /// A packet that is to repeat another, and repeats none: padding, or a source that is not known yet.
    NothingRepeated = "nothing_repeated",
    /// More packets are asked for again at once than anybody keeps.
    TooManyAsked = "too_many_asked",
    /// A number that was sent before: protecting it again would give the key stream away.
    Duplicate = "duplicate",
    /// Its handling failed by a mistake of ours, and its leg with it.
    Failed = "failed",
    /// It could not be protected: too long for its slot, or the key is used up.
    ProtectFailed = "protect_failed",
}

/// How many packets were dropped for each reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Drops([u64; COUNT]);

impl Drops {
    /// How many were dropped for `reason`.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many were dropped.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, zeros included, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.iter().map(|&reason| (reason, self.of(reason)))
    }

    pub(super) fn count(&mut self, reason: Reason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

impl Default for Drops {
    fn default() -> Self {
        Drops([0; COUNT])
    }
}

/// The reasons that were ever given.
impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(given.map(|(reason, count)| (reason.name(), count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_name_and_a_counter_of_its_own() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        let mut drops = Drops::default();
        for (times, &reason) in Reason::ALL.iter().enumerate() {
            (0..times).for_each(|_| drops.count(reason));
        }
        for (times, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(drops.of(reason), times as u64, "{reason:?}");
        }
    }
}
