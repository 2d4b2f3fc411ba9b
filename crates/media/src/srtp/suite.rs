//! The protection profiles and the sizes that follow from them.

/// An SRTP protection profile of DTLS-SRTP ([RFC 5764 §4.1.2], [RFC 7714 §14.2]) or crypto suite of SDES ([RFC 4568
/// §6.2],
/// [RFC 6188 §4], [RFC 7714 §14.3]).
///
/// [RFC 4568 §6.2]: https://www.rfc-editor.org/rfc/rfc4568#section-6.2
/// [RFC 5764 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2
/// [RFC 6188 §4]: https://www.rfc-editor.org/rfc/rfc6188#section-4
/// [RFC 7714 §14.2]: https://www.rfc-editor.org/rfc/rfc7714#section-14.2
/// [RFC 7714 §14.3]: https://www.rfc-editor.org/rfc/rfc7714#section-14.3
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the name of the profile is SRTP_AES128_CM_HMAC_SHA1_80")]
pub enum Suite {
    /// AES in counter mode with a 128-bit key, HMAC-SHA1 truncated to 80 bits.
    AesCm128HmacSha1_80,
    /// The same, with the tag of RTP truncated to 32 bits; that of RTCP keeps 80.
    AesCm128HmacSha1_32,
    /// AES in counter mode with a 256-bit key, HMAC-SHA1 truncated to 80 bits.
    AesCm256HmacSha1_80,
    /// The same, with the tag of RTP truncated to 32 bits; that of RTCP keeps 80.
    AesCm256HmacSha1_32,
    /// AES-GCM with a 128-bit key and a 128-bit tag.
    AeadAes128Gcm,
    /// AES-GCM with a 256-bit key and a 128-bit tag.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Suite; 6] = [
        Suite::AesCm128HmacSha1_80,
        Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm,
        Suite::AesCm128HmacSha1_32,
        Suite::AesCm256HmacSha1_80,
        Suite::AesCm256HmacSha1_32,
    ];

    /// The name in an `a=crypto` line.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key, and of the encryption keys derived from it.
    pub const fn key_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 | Suite::AeadAes128Gcm => 16,
            Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 | Suite::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt, and of the salts derived from it.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes that protection adds to an RTP packet: the authentication tag.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm256HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 | Suite::AesCm256HmacSha1_32 => 4,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
        }
    }

    /// Bytes that protection adds to an RTCP packet: the tag, and the word of the E bit and the SRTCP index.
    pub const fn rtcp_overhead(self) -> usize {
        let tag = if self.is_aead() { 16 } else { 10 };
        tag + RTCP_INDEX_LEN
    }

    /// Whether one transform encrypts and authenticates.
    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }
}

/// Bytes of the word that holds the E bit and the SRTCP index.
pub(super) const RTCP_INDEX_LEN: usize = 4;

/// Bytes that must be free behind a packet when it is protected, whatever the profile.
pub const TAIL_ROOM: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::Mki;
    use super::*;

    #[test]
    fn the_tail_room_holds_every_overhead() {
        for suite in Suite::ALL {
            let field = usize::from(Mki::MAX_SENT);
            assert!(suite.rtp_overhead() + field <= TAIL_ROOM, "{suite:?}");
            assert!(suite.rtcp_overhead() + field <= TAIL_ROOM, "{suite:?}");
        }
    }
}
