//! Whether there is anything to hear in a packet.

use super::History;
use crate::sdp::Kind;

/// Listens to the packets of a leg until it has heard a voice; after that a packet costs one comparison.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Listener {
    audible: u8,
}

impl Listener {
    /// How many packets were audible, up to [`History::HEARD`].
    pub(crate) const fn audible(self) -> u8 {
        self.audible
    }

    /// Listens to a packet.
    #[inline]
    pub(crate) fn listen(&mut self, payload_type: u8, kind: Kind, payload: &[u8]) {
        if self.audible < History::HEARD && is_audible(payload_type, kind, payload) {
            self.audible += 1;
        }
    }
}

/// Whether a payload is more than silence: comfort noise and keys are not, G.711 whose every sample is zero is not, and
/// neither is a frame so short that the codec only says that it has nothing to say (discontinuous transmission of Opus,
/// [RFC 6716 §2.1.9]; SID frames of G.729).
///
/// [RFC 6716 §2.1.9]: https://www.rfc-editor.org/rfc/rfc6716#section-2.1.9
pub(crate) fn is_audible(payload_type: u8, kind: Kind, payload: &[u8]) -> bool {
    if matches!(kind, Kind::ComfortNoise | Kind::TelephoneEvent) || payload.len() <= SHORTEST {
        return false;
    }
    match payload_type {
        // The codes of the least amplitudes, of both signs.
        PCMU => payload.iter().any(|code| !matches!(code, 0xff | 0x7f | 0xfe | 0x7e)),
        PCMA => payload.iter().any(|code| !matches!(code, 0xd5 | 0x55)),
        _ => true,
    }
}

/// The static payload types of G.711 (RFC 3551 §6), which nobody gives another meaning.
const PCMU: u8 = 0;
const PCMA: u8 = 8;

/// The longest frame that holds no audio.
const SHORTEST: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_known_in_every_form_it_takes() {
        for (payload_type, kind, payload, audible) in [
            (0, Kind::Audio, &[0xff; 160][..], false),
            (0, Kind::Audio, &[0x7f; 160], false),
            (8, Kind::Audio, &[0xd5; 160], false),
            (8, Kind::Audio, &[0xff; 160], true),
            (0, Kind::Audio, &[0x55; 160], true),
            (13, Kind::ComfortNoise, &[0x40; 11], false),
            (101, Kind::TelephoneEvent, &[1, 10, 0, 160], false),
            (111, Kind::Audio, &[0xf8, 0xff, 0xfe], false),
            (111, Kind::Audio, &[0xf8; 40], true),
            (18, Kind::Audio, &[0, 0], false),
            (18, Kind::Audio, &[], false),
        ] {
            assert_eq!(is_audible(payload_type, kind, payload), audible, "{payload_type} {payload:?}");
        }
    }

    #[test]
    fn counting_ends_where_a_voice_begins() {
        let mut listener = Listener::default();
        for _ in 0..1000 {
            listener.listen(111, Kind::Audio, &[1; 40]);
        }
        assert_eq!(listener.audible(), History::HEARD);
    }
}
