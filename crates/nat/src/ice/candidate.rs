//! The priority of a candidate.

/// The type of a candidate ([RFC 8445 §5.1.1]).
///
/// [RFC 8445 §5.1.1]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// An address of the machine itself.
    Host,
    /// An address learnt from a connectivity check.
    PeerReflexive,
    /// An address learnt from a STUN server.
    ServerReflexive,
    /// An address of a TURN allocation.
    Relayed,
}

impl CandidateType {
    /// The token of an SDP candidate line ([RFC 8839 §5.1]).
    ///
    /// [RFC 8839 §5.1]: https://www.rfc-editor.org/rfc/rfc8839#section-5.1
    pub const fn token(self) -> &'static str {
        match self {
            CandidateType::Host => "host",
            CandidateType::PeerReflexive => "prflx",
            CandidateType::ServerReflexive => "srflx",
            CandidateType::Relayed => "relay",
        }
    }

    /// The type preference that [RFC 8445 §5.1.2.2] recommends.
    ///
    /// [RFC 8445 §5.1.2.2]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.2
    const fn preference(self) -> u32 {
        match self {
            CandidateType::Host => 126,
            CandidateType::PeerReflexive => 110,
            CandidateType::ServerReflexive => 100,
            CandidateType::Relayed => 0,
        }
    }
}

/// The priority of a candidate ([RFC 8445 §5.1.2.1]): by type, then by `local_preference` (65535 is the best), then by
/// component, of which RTP is 1 and RTCP 2.
///
/// [RFC 8445 §5.1.2.1]: https://www.rfc-editor.org/rfc/rfc8445#section-5.1.2.1
pub const fn priority(kind: CandidateType, local_preference: u16, component: u8) -> u32 {
    // Components start at 1; a 0 would run over into the local preference.
    let component = if component == 0 { 1 } else { component as u32 };
    (kind.preference() << 24) + ((local_preference as u32) << 8) + (256 - component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priorities_that_browsers_write() {
        // The best host candidate of a machine with one address, as every browser writes it.
        assert_eq!(priority(CandidateType::Host, 65_535, 1), 2_130_706_431);
        assert_eq!(priority(CandidateType::Host, 65_535, 2), 2_130_706_430);
        assert_eq!(priority(CandidateType::ServerReflexive, 65_535, 1), 1_694_498_815);
        assert_eq!(priority(CandidateType::Relayed, 65_535, 1), 16_777_215);
    }

    #[test]
    fn type_beats_local_preference_beats_component() {
        assert!(priority(CandidateType::Host, 0, 255) > priority(CandidateType::PeerReflexive, 65_535, 1));
        assert!(priority(CandidateType::Host, 2, 255) > priority(CandidateType::Host, 1, 1));
        assert!(priority(CandidateType::Host, 1, 1) > priority(CandidateType::Host, 1, 2));
        assert_eq!(priority(CandidateType::Host, 1, 0), priority(CandidateType::Host, 1, 1));
        // RFC 8445 §5.1.2: from 1 to 2**31 - 1.
        assert!(priority(CandidateType::Relayed, 0, 255) >= 1);
        assert!(priority(CandidateType::Host, 65_535, 1) < 1 << 31);
    }
}
