//! Which protocol a packet belongs to, told by its first byte ([RFC 7983 §7]).
//!
//! RTP and RTCP share a range of first bytes and are told apart by the second ([RFC 5761 §4]).
//!
//! [RFC 7983 §7]: https://www.rfc-editor.org/rfc/rfc7983#section-7
//! [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4

/// The protocol of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// STUN: first byte 0 to 3.
    Stun,
    /// TURN ChannelData: 64 to 79.
    TurnChannel,
    /// DTLS: 20 to 63.
    Dtls,
    /// RTP: 128 to 191, and a second byte that is no RTCP packet type.
    Rtp,
    /// RTCP: 128 to 191, and a packet type from 192 to 223.
    Rtcp,
    /// None of them: ZRTP, QUIC, an empty packet, noise.
    Unknown,
}

/// The protocol that `packet` belongs to, by its first two bytes.
///
/// It says where a packet goes, not that it is sound: what follows checks the rest.
pub fn classify(packet: &[u8]) -> Class {
    match packet {
        [0..=3, ..] => Class::Stun,
        [20..=63, ..] => Class::Dtls,
        [64..=79, ..] => Class::TurnChannel,
        // RFC 5761 §4: without its marker bit an RTCP packet type reads as a payload type from 64 to 95.
        [128..=191, second, ..] if (64..=95).contains(&(second & 0x7f)) => Class::Rtcp,
        [128..=191, ..] => Class::Rtp,
        _ => Class::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rfc_7983_section_7_holds_for_every_first_byte() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Class::Stun,
                4..=15 => Class::Unknown,
                16..=19 => Class::Unknown, // ZRTP
                20..=63 => Class::Dtls,
                64..=79 => Class::TurnChannel,
                80..=127 => Class::Unknown,
                128..=191 => Class::Rtp,
                192..=255 => Class::Unknown, // QUIC, RFC 9443
            };
            assert_eq!(classify(&[first, 0, 0, 0]), expected, "first byte {first}");
        }
        assert_eq!(classify(&[]), Class::Unknown);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_the_packet_type() {
        for second in 0..=255u8 {
            let rtcp = matches!(second, 192..=223 | 64..=95);
            let expected = if rtcp { Class::Rtcp } else { Class::Rtp };
            assert_eq!(classify(&[0x80, second]), expected, "second byte {second}");
        }
        // Sender report, receiver report, SDES, BYE, APP, RTPFB, PSFB, XR.
        for packet_type in 200..=207u8 {
            assert_eq!(classify(&[0x81, packet_type, 0, 6]), Class::Rtcp);
        }
        // PCMU, PCMA and a dynamic payload type with the marker bit.
        for second in [0, 8, 96 | 0x80, 111, 111 | 0x80, 127] {
            assert_eq!(classify(&[0x80, second]), Class::Rtp);
        }
        assert_eq!(classify(&[0x80]), Class::Rtp, "too short for either; the RTP parser says so");
    }
}
