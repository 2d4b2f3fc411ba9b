//! Opus packets as an Ogg file.

use super::MAX_PACKET;
use super::packet::{duration, empty_frame};
use super::page::{FIRST, LAST, PageHeader};

/// Writes Opus packets as the pages of an Ogg file. Each method appends what is to be written then.
#[derive(Debug)]
pub struct OpusWriter {
    serial: u32,
    sequence: u32,
    /// Samples at 48 kHz written so far, and of those the ones on pages that are out.
    position: u64,
    paged: u64,
    /// The page that is gathered.
    lacing: Vec<u8>,
    body: Vec<u8>,
    /// The first byte of the latest packet.
    toc: u8,
}

/// What a file says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusWriterSettings {
    /// A number for the stream, another one for each.
    pub serial: u32,
    /// Channels: 1 or 2.
    pub channels: u8,
    /// The sample rate of what was encoded, for information.
    pub input_rate: u32,
    /// Samples at 48 kHz at the beginning that the listener is not to hear: the delay of the encoder.
    pub pre_skip: u16,
}

/// Bytes that are no Opus packet, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "these bytes are no Opus packet of at most {MAX_PACKET} bytes and 120 ms: give what an Opus encoder has made"
)]
pub struct NotOpus;

impl OpusWriter {
    /// Begins a file: appends the pages of its two headers (RFC 7845 §5).
    pub fn new(settings: OpusWriterSettings, out: &mut Vec<u8>) -> Self {
        let mut made = OpusWriter {
            serial: settings.serial,
            sequence: 0,
            position: 0,
            paged: 0,
            lacing: Vec::with_capacity(255),
            body: Vec::with_capacity(255 * 255),
            toc: MONO_CELT,
        };
        let mut head = [0; 19];
        let fields: [&[u8]; 5] = [
            b"OpusHead\x01",
            &[settings.channels.clamp(1, 2)],
            &settings.pre_skip.to_le_bytes(),
            &settings.input_rate.to_le_bytes(),
            // No gain, and the channel mapping family of mono and stereo.
            &[0, 0, 0],
        ];
        for (to, &from) in head.iter_mut().zip(fields.iter().flat_map(|field| field.iter())) {
            *to = from;
        }
        made.add(&head);
        made.page(FIRST, out);
        let tags: Vec<u8> =
            [b"OpusTags".as_slice(), &(VENDOR.len() as u32).to_le_bytes(), VENDOR, &[0; 4]].concat();
        made.add(&tags);
        made.page(0, out);
        made
    }

    /// Appends a packet, to `out` when a page is full.
    pub fn write(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), NotOpus> {
        let samples = duration(packet).filter(|_| packet.len() <= MAX_PACKET).ok_or(NotOpus)?;
        if self.lacing.len() + packet.len() / 255 + 1 > 255 {
            self.page(0, out);
        }
        self.add(packet);
        self.position += u64::from(samples);
        self.toc = packet.first().copied().unwrap_or(self.toc);
        if self.position - self.paged >= PAGE {
            self.page(0, out);
        }
        Ok(())
    }

    /// Fills a gap of so many milliseconds, at most ten minutes, with frames that have nothing in them: of those that
    /// were lost or not sent. A rest of less than 20 ms is left out; says how many milliseconds were written.
    pub fn write_gap(&mut self, milliseconds: u32, out: &mut Vec<u8>) -> u32 {
        let frames = milliseconds.min(LONGEST_GAP) / 20;
        let packet = [empty_frame(self.toc)];
        for _ in 0..frames {
            // It is a packet: nothing can be wrong with it.
            let _ = self.write(&packet, out);
        }
        frames * 20
    }

    /// Ends the file: appends the last page. Nothing is to be written after it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.page(LAST, out);
    }

    /// How much has been written, samples at 48 kHz.
    pub const fn position(&self) -> u64 {
        self.position
    }

    fn add(&mut self, packet: &[u8]) {
        self.lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.lacing.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
    }

    fn page(&mut self, flags: u8, out: &mut Vec<u8>) {
        let header = PageHeader {
            flags,
            granule: self.position,
            serial: self.serial,
            sequence: self.sequence,
            segments: self.lacing.len() as u8,
        };
        header.write(&self.lacing, &self.body, out);
        self.sequence = self.sequence.wrapping_add(1);
        self.paged = self.position;
        self.lacing.clear();
        self.body.clear();
    }
}

const VENDOR: &[u8] = b"Ringback";
/// A page is written when it has a second.
const PAGE: u64 = 48_000;
const LONGEST_GAP: u32 = 600_000;
/// The mode of a gap before any packet.
const MONO_CELT: u8 = 31 << 3;
