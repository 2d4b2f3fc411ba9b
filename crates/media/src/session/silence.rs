//! Silence in the place of what a far end says, packet by packet: whoever hears it hears that the line is alive, in the
//! same codec and at the same pace.

use crate::codec::Format;
use crate::rtp::Header;
use crate::sdp::Codec;

/// The payload types whose payload becomes silence, each with the byte that its silence is made of.
///
/// That can be done for codecs whose silence is one byte again and again: G.711, G.722 and linear samples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Silence(Box<[(u8, u8)]>);

impl Silence {
    /// Silence for those of these codecs that can be silenced.
    pub fn of<'a>(codecs: impl Iterator<Item = &'a Codec>) -> Self {
        let byte = |codec: &Codec| Some((codec.payload_type, Format::of(codec)?.silence()?));
        Silence(codecs.filter_map(byte).collect())
    }

    /// Whether a payload type is among them.
    pub fn holds(&self, payload_type: u8) -> bool {
        self.byte(payload_type).is_some()
    }

    /// Whether nothing is silenced.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the payload of an opened packet silence; what is padding stays.
    pub(super) fn fill(&self, header: &Header, packet: &mut [u8]) {
        let Some(byte) = self.byte(header.payload_type) else { return };
        let is_padded = packet.first().is_some_and(|first| first & PADDING != 0);
        let padding = packet.last().filter(|_| is_padded).map_or(0, |last| usize::from(*last));
        let end = packet.len().saturating_sub(padding);
        if let Some(payload) = packet.get_mut(header.payload..end) {
            payload.fill(byte);
        }
    }

    fn byte(&self, payload_type: u8) -> Option<u8> {
        self.0.iter().find(|(number, _)| *number == payload_type).map(|(_, byte)| *byte)
    }
}

/// The bit that says that there is padding ([RFC 3550 §5.1]).
///
/// [RFC 3550 §5.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.1
const PADDING: u8 = 0x20;
