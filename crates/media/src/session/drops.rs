//! The reasons for which packets are dropped, and how often each was.

use ringback_sansio::reasons;

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
    /// The leg is joined with no other, and nobody watches it.
    NotJoined = "not_joined",
    /// More packets wait to be copied for audiences than there is room for.
    AudienceBehind = "audience_behind",
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
