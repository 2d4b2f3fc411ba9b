//! Why a packet or a key is refused.

use super::Suite;

/// Why a packet was not protected or not opened. The contexts are as they were before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SrtpError {
    /// The packet has no whole RTP or RTCP header, or no room for the tag.
    #[error("the packet is shorter than its header and tag")]
    Malformed,
    /// The tag does not fit: another key, a changed packet, or no SRTP at all.
    #[error("the packet is not authentic")]
    Unauthentic,
    /// The index was seen before; on the sending side, it was used before.
    #[error("the packet index was used before")]
    Replayed,
    /// The index is older than the replay window.
    #[error("the packet index is older than the replay window")]
    TooOld,
    /// An SRTCP packet without the E bit.
    #[error("the SRTCP packet is not encrypted")]
    Unencrypted,
    /// Every index of the SSRC is used up; only a new key can help.
    #[error("the key is used up for this SSRC")]
    KeyExhausted,
    /// We send with more SSRCs than a sender keeps, and none can be forgotten without using its indices twice.
    #[error("too many SSRCs under one key")]
    TooManySources,
    /// The buffer has no room behind the packet for the tag.
    #[error("no room behind the packet for the tag")]
    NoTailRoom,
}

/// A key or salt that does not have the length of its suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{suite:?} takes a key of {} bytes and a salt of {}", suite.key_len(), suite.salt_len())]
pub struct KeyError {
    /// The suite that the key is for.
    pub suite: Suite,
}
