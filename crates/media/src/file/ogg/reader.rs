//! Opus packets out of an Ogg file.

use super::MAX_PACKET;
use super::packet::duration;
use super::page::{CONTINUED, FIRST, HEADER_LEN, LAST, MAX_PAGE, PageHeader, is_intact};

/// Reads the Opus packets of an Ogg file piece by piece.
#[derive(Debug)]
pub struct OpusReader {
    /// The page that is gathered, and when it is whole, read.
    page: Vec<u8>,
    reading: Option<Reading>,
    stream: Option<Stream>,
    /// A packet that goes on over several pages, or the one that was handed out.
    packet: Vec<u8>,
    /// Whether `packet` waits for its end.
    continues: bool,
    passed_over: u64,
}

/// Where in a page the reader is.
#[derive(Debug, Clone, Copy)]
struct Reading {
    header: PageHeader,
    segment: usize,
    at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    serial: u32,
    channels: u8,
    headers: Headers,
    /// Samples at 48 kHz that are still to be skipped.
    skip: u32,
    /// Where the next packet begins on the scale of the granules; known from the first page of audio on.
    position: Option<u64>,
    over: bool,
}

/// Which of the two headers have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Headers {
    None,
    Head,
    Both,
}

/// A packet of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusPacket<'r> {
    /// What to give to the decoder.
    pub payload: &'r [u8],
    /// How many samples at 48 kHz it makes.
    pub duration: u32,
    /// How many of those at the beginning are not to be heard: the delay of the encoder.
    pub skip: u32,
    /// How many after those are: fewer than the rest at the end of the file.
    pub heard: u32,
    /// The channels of the stream; they may change where files are chained.
    pub channels: u8,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpusFileError {
    /// There is no page where one has to begin.
    #[error("this is not an Ogg file, or a damaged one: a page does not begin with OggS; convert it anew")]
    NotOgg,
    /// The checksum of a page is not that of its bytes.
    #[error("the Ogg file is damaged: the checksum of page {0} is wrong; copy or convert it anew")]
    Damaged(u32),
    /// Its first packet is not the header of Opus.
    #[error("the Ogg file holds no Opus audio: convert it, with opusenc for instance")]
    NotOpus,
    /// Its version is not known.
    #[error("the Opus file has version {0}: convert it to version 1")]
    Version(u8),
    /// It has more channels than two, or a mapping for them.
    #[error("the Opus file has {channels} channels in mapping family {family}: convert it to mono or stereo")]
    Channels {
        /// How many.
        channels: u8,
        /// The channel mapping family.
        family: u8,
    },
    /// A packet is too long or malformed.
    #[error("page {0} of the Opus file has a packet that is no Opus packet: convert the file anew")]
    Packet(u32),
}

impl OpusReader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        OpusReader {
            page: Vec::with_capacity(MAX_PAGE),
            reading: None,
            stream: None,
            packet: Vec::new(),
            continues: false,
            passed_over: 0,
        }
    }

    /// The next packet. Takes bytes from the front of `input` as far as they are needed; `None` when there are no more,
    /// so that the next piece of the file is to be given. After an error nothing more can be read.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<OpusPacket<'_>>, OpusFileError> {
        loop {
            let Some(mut reading) = self.reading else {
                if !self.gather(input)? {
                    return Ok(None);
                }
                continue;
            };
            if !self.next_packet(&mut reading)? {
                self.page.clear();
                self.reading = None;
                continue;
            }
            self.reading = Some(reading);
            let Some(mut stream) = self.stream else { return Err(OpusFileError::NotOpus) };
            match stream.headers {
                Headers::None => {
                    self.stream = Some(read_head(&self.packet, stream.serial)?);
                }
                Headers::Head => {
                    self.stream = Some(Stream { headers: Headers::Both, ..stream });
                }
                Headers::Both => {
                    let number = reading.header.sequence;
                    let samples = duration(&self.packet).ok_or(OpusFileError::Packet(number))?;
                    let skip = stream.skip.min(samples);
                    stream.skip -= skip;
                    let position = stream.position.unwrap_or_default();
                    stream.position = Some(position.saturating_add(u64::from(samples)));
                    let mut heard = samples;
                    if reading.header.flags & LAST != 0 && reading.header.granule != NO_GRANULE {
                        // The end of the file may be within a packet (§4.5).
                        heard = u32::try_from(reading.header.granule.saturating_sub(position))
                            .map_or(samples, |left| left.min(samples));
                    }
                    self.stream = Some(stream);
                    return Ok(Some(OpusPacket {
                        payload: &self.packet,
                        duration: samples,
                        skip,
                        heard: heard.saturating_sub(skip),
                        channels: stream.channels,
                    }));
                }
            }
        }
    }

    /// Pages of other streams that were passed over.
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Gathers the bytes of a page; whether it is whole and of our stream.
    fn gather(&mut self, input: &mut &[u8]) -> Result<bool, OpusFileError> {
        loop {
            let header =
                self.page.first_chunk().map(|bytes| PageHeader::read(bytes).ok_or(OpusFileError::NotOgg));
            let header = header.transpose()?;
            let lacing = header.map(|header| HEADER_LEN + usize::from(header.segments));
            let body = lacing.and_then(|end| self.page.get(HEADER_LEN..end));
            let body: Option<usize> = body.map(|lengths| lengths.iter().copied().map(usize::from).sum());
            let wanted = match (lacing, body) {
                (None, _) => HEADER_LEN,
                (Some(lacing), None) => lacing,
                (Some(lacing), Some(body)) => lacing + body,
            };
            let missing = wanted.saturating_sub(self.page.len());
            if missing == 0
                && let (Some(header), Some(lacing), Some(_)) = (header, lacing, body)
            {
                return self.begin(header, lacing).map(|ours| {
                    if !ours {
                        self.page.clear();
                    }
                    true
                });
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.page.extend_from_slice(taken);
            *input = rest;
            if taken.len() < missing {
                return Ok(false);
            }
        }
    }

    /// Takes a whole page; whether it is of our stream.
    fn begin(&mut self, header: PageHeader, lacing: usize) -> Result<bool, OpusFileError> {
        if !is_intact(&self.page) {
            return Err(OpusFileError::Damaged(header.sequence));
        }
        let ours = self.stream.is_some_and(|stream| stream.serial == header.serial && !stream.over);
        if !ours {
            // A stream begins when there is none, or behind the one that is over.
            if header.flags & FIRST == 0 || self.stream.is_some_and(|stream| !stream.over) {
                self.passed_over += 1;
                return if self.stream.is_none() { Err(OpusFileError::NotOpus) } else { Ok(false) };
            }
            self.stream = Some(Stream {
                serial: header.serial,
                channels: 0,
                headers: Headers::None,
                skip: 0,
                position: None,
                over: false,
            });
            self.continues = false;
        }
        self.reading = Some(Reading { header, segment: 0, at: lacing });
        if let Some(mut stream) = self.stream {
            stream.over = header.flags & LAST != 0;
            if stream.headers == Headers::Both && stream.position.is_none() && header.granule != NO_GRANULE {
                stream.position = Some(self.origin(&header, lacing));
            }
            self.stream = Some(stream);
        }
        Ok(true)
    }

    /// Where the first page of audio begins: a stream that was recorded from its middle does not begin at zero (§4.3).
    fn origin(&self, header: &PageHeader, lacing: usize) -> u64 {
        if header.flags & LAST != 0 {
            return 0;
        }
        let (mut at, mut start, mut samples) = (lacing, lacing, 0u64);
        for &length in self.page.get(HEADER_LEN..lacing).unwrap_or_default() {
            at += usize::from(length);
            if length < 255 {
                let packet = self.page.get(start..at).unwrap_or_default();
                samples += u64::from(duration(packet).unwrap_or_default());
                start = at;
            }
        }
        header.granule.saturating_sub(samples)
    }

    /// Gathers the next packet of the page; `false` when the page is at its end.
    fn next_packet(&mut self, reading: &mut Reading) -> Result<bool, OpusFileError> {
        let lost_end = reading.segment == 0 && self.continues && reading.header.flags & CONTINUED == 0;
        // The rest of a packet whose beginning is missing.
        let mut torn = reading.segment == 0 && !self.continues && reading.header.flags & CONTINUED != 0;
        if !self.continues || lost_end {
            self.packet.clear();
        }
        self.continues = false;
        // The comments may be long, and nobody reads them.
        let kept = self.stream.is_none_or(|stream| stream.headers != Headers::Head);
        while reading.segment < usize::from(reading.header.segments) {
            let length = self.page.get(HEADER_LEN + reading.segment).copied().unwrap_or_default();
            let end = reading.at + usize::from(length);
            let part = self.page.get(reading.at..end).unwrap_or_default();
            (reading.segment, reading.at) = (reading.segment + 1, end);
            if kept && !torn {
                if self.packet.len() + part.len() > MAX_PACKET {
                    return Err(OpusFileError::Packet(reading.header.sequence));
                }
                self.packet.extend_from_slice(part);
            }
            if length < 255 {
                if !torn {
                    return Ok(true);
                }
                torn = false;
                self.packet.clear();
            } else if reading.segment == usize::from(reading.header.segments) {
                self.continues = !torn;
            }
        }
        Ok(false)
    }
}

impl Default for OpusReader {
    fn default() -> Self {
        Self::new()
    }
}

/// The identification header (§5.1).
fn read_head(packet: &[u8], serial: u32) -> Result<Stream, OpusFileError> {
    let Some(fields) = packet.strip_prefix(b"OpusHead") else { return Err(OpusFileError::NotOpus) };
    let &[version, channels, s0, s1, _, _, _, _, _, _, family] =
        fields.first_chunk().ok_or(OpusFileError::NotOpus)?;
    if version >> 4 != 0 {
        return Err(OpusFileError::Version(version));
    }
    if family != 0 || !(1..=2).contains(&channels) {
        return Err(OpusFileError::Channels { channels, family });
    }
    let skip = u16::from_le_bytes([s0, s1]).into();
    Ok(Stream { serial, channels, headers: Headers::Head, skip, position: None, over: false })
}

/// No packet ends on the page.
const NO_GRANULE: u64 = u64::MAX;
