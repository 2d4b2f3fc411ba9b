//! Pages of Ogg ([RFC 3533 §6]).
//!
//! [RFC 3533 §6]: https://www.rfc-editor.org/rfc/rfc3533#section-6

/// The fixed part of a page's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// [`CONTINUED`], [`FIRST`], [`LAST`].
    pub(super) flags: u8,
    /// Where the stream is at the end of the last packet that ends here.
    pub(super) granule: u64,
    pub(super) serial: u32,
    pub(super) sequence: u32,
    pub(super) segments: u8,
}

impl PageHeader {
    /// Reads a header; `None` when it is none of Ogg's version 0.
    pub(super) fn read(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let [o, g1, g2, s, version, flags, g @ .., s0, s1, s2, s3, q0, q1, q2, q3, _, _, _, _, segments] =
            *bytes;
        let is_page = [o, g1, g2, s, version] == *b"OggS\0";
        is_page.then_some(PageHeader {
            flags,
            granule: u64::from_le_bytes(g),
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            sequence: u32::from_le_bytes([q0, q1, q2, q3]),
            segments,
        })
    }

    /// Appends a whole page.
    pub(super) fn write(&self, lacing: &[u8], body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(self.flags);
        out.extend_from_slice(&self.granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.segments);
        out.extend_from_slice(lacing);
        out.extend_from_slice(body);
        let sum = checksum(out.get(start..).unwrap_or_default());
        if let Some(field) = out.get_mut(start + CHECKSUM..start + CHECKSUM + 4) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// Whether the checksum in a page is that of its bytes.
pub(super) fn is_intact(page: &[u8]) -> bool {
    let stored = page.get(CHECKSUM..).and_then(|rest| rest.first_chunk());
    stored.is_some_and(|&stored| u32::from_le_bytes(stored) == checksum(page))
}

/// The checksum of a page, in which its own field counts as zero.
fn checksum(page: &[u8]) -> u32 {
    let mut sum = 0u32;
    for (n, &byte) in page.iter().enumerate() {
        let byte = if (CHECKSUM..CHECKSUM + 4).contains(&n) { 0 } else { byte };
        let place = (sum >> 24) as u8 ^ byte;
        sum = sum << 8 ^ TABLE.get(usize::from(place)).copied().unwrap_or_default();
    }
    sum
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut sum = (n as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ POLYNOMIAL } else { sum << 1 };
            bit += 1;
        }
        table[n] = sum;
        n += 1;
    }
    table
}

const TABLE: [u32; 256] = table();
const POLYNOMIAL: u32 = 0x04c1_1db7;
const CHECKSUM: usize = 22;
pub(super) const HEADER_LEN: usize = 27;
/// A header, as many segments as it can have, each as long as it can be.
pub(super) const MAX_PAGE: usize = HEADER_LEN + 255 + 255 * 255;
/// The page goes on with a packet of the page before.
pub(super) const CONTINUED: u8 = 1;
/// The first page of a stream.
pub(super) const FIRST: u8 = 2;
/// The last one.
pub(super) const LAST: u8 = 4;
