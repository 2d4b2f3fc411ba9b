//! The protection profiles and the sizes that follow from them.

/// An SRTP protection profile of DTLS-SRTP ([RFC 5764 §4.1.2], [RFC 7714 §14.2]).
///
/// [RFC 5764 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2
/// [RFC 7714 §14.2]: https://www.rfc-editor.org/rfc/rfc7714#section-14.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the name of the profile is SRTP_AES128_CM_HMAC_SHA1_80")]
pub enum Suite {
    /// AES in counter mode with a 128-bit key, HMAC-SHA1 truncated to 80 bits.
    AesCm128HmacSha1_80,
    /// AES-GCM with a 128-bit key and a 128-bit tag.
    AeadAes128Gcm,
    /// AES-GCM with a 256-bit key and a 128-bit tag.
    AeadAes256Gcm,
}

impl Suite {
    /// Every profile.
    pub const ALL: [Suite; 3] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];

    /// Bytes of the master key, and of the encryption keys derived from it.
    pub const fn key_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AeadAes128Gcm => 16,
            Suite::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt, and of the salts derived from it.
    pub const fn salt_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 14,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 12,
        }
    }

    /// Bytes of the authentication tag.
    pub const fn tag_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        self.tag_len()
    }

    /// Bytes that protection adds to an RTCP packet: the tag, and the word of the E bit and the SRTCP index.
    pub const fn rtcp_overhead(self) -> usize {
        self.tag_len() + RTCP_INDEX_LEN
    }
}

/// Bytes of the word that holds the E bit and the SRTCP index.
pub(super) const RTCP_INDEX_LEN: usize = 4;

/// Bytes that must be free behind a packet when it is protected, whatever the profile.
pub const TAIL_ROOM: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_room_holds_every_overhead() {
        for suite in Suite::ALL {
            assert!(suite.rtp_overhead() <= TAIL_ROOM && suite.rtcp_overhead() <= TAIL_ROOM, "{suite:?}");
        }
    }
}
