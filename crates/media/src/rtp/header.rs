//! The fixed header, its fields in place, and the removal of extensions.

use std::ops::Range;

/// The header of an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The payload type, without the marker bit.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// Whether there is a header extension.
    pub has_extension: bool,
    /// Where the payload starts, behind the CSRC list and the extension.
    pub payload: usize,
}

impl Header {
    /// Reads the header; `None` when the packet is not RTP version 2 or ends before its payload starts.
    #[inline]
    pub fn parse(packet: &[u8]) -> Option<Header> {
        let fixed = packet.first_chunk::<FIXED_LEN>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != VERSION {
            return None;
        }
        let has_extension = first & EXTENSION_BIT != 0;
        let mut payload = csrc_end(first);
        if has_extension {
            payload += extension_len(packet, payload)?;
        }
        if payload > packet.len() {
            return None;
        }
        Some(Header {
            payload_type: second & !MARKER_BIT,
            marker: second & MARKER_BIT != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            has_extension,
            payload,
        })
    }

    /// Where the payload stands in its packet, without its padding ([RFC 3550 §5.1]); `None` when that is said to be longer
    /// than the payload.
    ///
    /// [RFC 3550 §5.1]: https://www.rfc-editor.org/rfc/rfc3550#section-5.1
    pub fn content(&self, packet: &[u8]) -> Option<Range<usize>> {
        let is_padded = packet.first()? & PADDING_BIT != 0;
        let padding = packet.last().filter(|_| is_padded).map_or(0, |len| usize::from(*len));
        let end = packet.len().checked_sub(padding)?;
        (self.payload <= end).then_some(self.payload..end)
    }

    /// Puts one byte again and again in the place of the payload of its packet, and of the padding, whose length is only
    /// said by who sent it.
    pub fn fill(&self, packet: &mut [u8], byte: u8) {
        if let Some(payload) = packet.get_mut(self.payload..) {
            payload.fill(byte);
        }
        if let Some(first) = packet.first_mut() {
            *first &= !PADDING_BIT;
        }
    }
}

/// The fields that a packet gets on its way from one leg to another; the marker bit stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite {
    /// The payload type, as the leg it goes to knows it.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
}

impl Rewrite {
    /// Makes a fixed header out of the fields.
    #[inline]
    pub fn write(self, marker: bool, header: &mut [u8; FIXED_LEN]) {
        *header = [0; FIXED_LEN];
        header[0] = VERSION << 6;
        header[1] = if marker { MARKER_BIT } else { 0 };
        self.apply(header);
    }

    /// Writes the fields into a packet; one that is too short to have them is left alone.
    #[inline]
    pub fn apply(self, packet: &mut [u8]) {
        let Some([_, second, rest @ ..]) = packet.first_chunk_mut::<FIXED_LEN>() else { return };
        *second = *second & MARKER_BIT | self.payload_type & !MARKER_BIT;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        *rest = [s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
    }
}

/// Removes the header extension in place and returns how many bytes the packet starts later: the part before the
/// extension moves up to the payload, so that the payload stays where it is.
#[inline]
pub fn strip_extension(packet: &mut [u8]) -> usize {
    let Some(&first) = packet.first() else { return 0 };
    let end = csrc_end(first);
    if first & EXTENSION_BIT == 0 {
        return 0;
    }
    let Some(len) = extension_len(packet, end) else { return 0 };
    if end + len > packet.len() {
        return 0;
    }
    packet.copy_within(..end, len);
    if let Some(first) = packet.get_mut(len) {
        *first &= !EXTENSION_BIT;
    }
    len
}

/// Where the list of contributing sources ends.
fn csrc_end(first: u8) -> usize {
    FIXED_LEN + 4 * usize::from(first & 0x0f)
}

/// The length of the header extension that starts at `at`, with its own header.
fn extension_len(packet: &[u8], at: usize) -> Option<usize> {
    let [_, _, high, low] = *packet.get(at..)?.first_chunk()?;
    Some(4 + 4 * usize::from(u16::from_be_bytes([high, low])))
}

const VERSION: u8 = 2;
/// The length of the fixed header.
pub const FIXED_LEN: usize = 12;
const EXTENSION_BIT: u8 = 0x10;
const PADDING_BIT: u8 = 0x20;
const MARKER_BIT: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: [u8; 16] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4];

    #[test]
    fn the_fields_are_those_of_rfc_3550_section_5_1() {
        let header = Header::parse(&PLAIN).unwrap();
        assert_eq!(
            header,
            Header {
                payload_type: 8,
                marker: true,
                sequence: 0x1234,
                timestamp: 160,
                ssrc: 0xdead_beef,
                has_extension: false,
                payload: 12,
            }
        );
    }

    #[test]
    fn a_packet_that_ends_in_its_header_or_is_of_another_version_is_refused() {
        assert_eq!(Header::parse(&PLAIN[..11]), None);
        assert_eq!(Header::parse(&[0x40; 12]), None);
        let mut csrc = PLAIN;
        csrc[0] = 0x82;
        assert_eq!(Header::parse(&csrc), None, "two CSRCs do not fit");
        let mut extension = PLAIN;
        extension[0] = 0x90;
        assert_eq!(Header::parse(&extension), None, "0x0304 words of extension do not fit");
        assert_eq!(Header::parse(&extension[..14]), None);
    }

    #[test]
    fn a_rewrite_keeps_the_marker_bit_and_the_payload() {
        let mut packet = PLAIN;
        Rewrite { payload_type: 96, sequence: 1, timestamp: 2, ssrc: 3 }.apply(&mut packet);
        assert_eq!(packet, [0x80, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4]);
    }

    #[test]
    fn the_extension_goes_and_csrcs_stay() {
        let mut packet =
            vec![0x91, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 5, 5, 5, 5, 7, 8];
        let moved = strip_extension(&mut packet);
        assert_eq!(packet[moved..], [0x81, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 7, 8]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_stripped_without_panic(mut packet in prop::collection::vec(any::<u8>(), 0..80)) {
            let before = Header::parse(&packet);
            let Some(before) = before else { return Ok(()) };
            let payload = packet[before.payload..].to_vec();
            let moved = strip_extension(&mut packet);
            let after = Header::parse(&packet[moved..]).unwrap();
            prop_assert!(!after.has_extension);
            prop_assert_eq!(&packet[moved + after.payload..], &payload[..]);
            prop_assert_eq!(after, Header { has_extension: false, payload: after.payload, ..before });
        }
    }
}
