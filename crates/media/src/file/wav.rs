//! WAV files: linear samples of 16 bits written, those and G.711 read; one or two channels.
//!
//! A header has the length of what follows, which nobody knows before the end of a recording: [`header`] makes it for any
//! length, to be written over the first one when the end is known. With the length [`UNKNOWN`] a file is one that was cut
//! off, and is read to its end.

use crate::codec::Law;

/// What the samples of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavFormat {
    /// How a sample is coded.
    pub coding: WavCoding,
    /// Channels, whose samples take turns: 1 or 2.
    pub channels: u8,
    /// Samples in a second of each channel.
    pub rate: u32,
}

/// How a sample of a WAV file is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WavCoding {
    /// 16 bits, linear.
    Linear,
    /// 8 bits, A-law.
    ALaw,
    /// 8 bits, µ-law.
    MuLaw,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin with RIFF and WAVE.
    #[error("this is not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// Its format chunk is too short or too long.
    #[error("the WAV file has a format chunk of {0} bytes: save it anew with 16, 18 or 40")]
    Format(u32),
    /// Its coding is one that is not read.
    #[error("the WAV file has coding {tag} with {bits} bits: save it as 16 bits linear, A-law or µ-law")]
    Coding {
        /// The format tag.
        tag: u16,
        /// The bits of a sample.
        bits: u16,
    },
    /// It has no channel or more than two.
    #[error("the WAV file has {0} channels: save it with one or two")]
    Channels(u16),
    /// Its rate is none of a telephone's or a microphone's.
    #[error("the WAV file has {0} samples a second: save it with 4000 to 192000")]
    Rate(u32),
    /// Samples come before their format.
    #[error("the WAV file has samples before it says what they are: save it anew")]
    NoFormat,
    /// There is too much in front of the samples.
    #[error(
        "the WAV file has more than {MOST_CHUNKS} chunks or {MOST_SKIPPED} bytes before its samples: save it without them"
    )]
    TooMuchBefore,
}

/// The bytes of a header.
pub const HEADER_LEN: usize = 44;
/// The length of samples that is not known yet.
pub const UNKNOWN: u64 = u64::MAX;

/// The header of a file of linear samples with so many bytes of them; a length that does not fit its 32 bits is written
/// as unknown.
pub fn header(channels: u8, rate: u32, bytes: u64) -> [u8; HEADER_LEN] {
    let frame = u16::from(channels) * 2;
    let (riff, data) = match u32::try_from(bytes) {
        Ok(bytes) if bytes <= u32::MAX - 36 => (bytes + 36, bytes),
        _ => (u32::MAX, u32::MAX),
    };
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &riff.to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &LINEAR.to_le_bytes(),
        &u16::from(channels).to_le_bytes(),
        &rate.to_le_bytes(),
        &rate.saturating_mul(frame.into()).to_le_bytes(),
        &frame.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    let mut header = [0; HEADER_LEN];
    for (to, &from) in header.iter_mut().zip(fields.iter().flat_map(|field| field.iter())) {
        *to = from;
    }
    header
}

/// Appends samples as the bytes of a file.
pub fn write(samples: &[i16], bytes: &mut Vec<u8>) {
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// Reads a WAV file piece by piece.
#[derive(Debug)]
pub struct WavReader {
    state: State,
    format: Option<WavFormat>,
    /// The beginning of what is read as a whole: a header, a format, a sample.
    held: [u8; FORMAT_MOST],
    len: usize,
    chunks: u32,
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Riff,
    Chunk,
    /// A format of so many bytes, and a byte to make its length even.
    Format(u32),
    /// So many bytes of another chunk.
    Skip(u64),
    /// So many bytes of samples.
    Data(u64),
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The bytes that were taken.
    pub bytes: usize,
    /// The samples that were written.
    pub samples: usize,
}

impl WavReader {
    /// A reader at the beginning of a file.
    pub const fn new() -> Self {
        let held = [0; FORMAT_MOST];
        WavReader { state: State::Riff, format: None, held, len: 0, chunks: 0, skipped: 0 }
    }

    /// What the samples are, once that was read.
    pub const fn format(&self) -> Option<WavFormat> {
        self.format
    }

    /// Whether all samples have been read.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Data(0))
    }

    /// Reads `input` until it is at its end, the samples are, or `samples` is full. What follows the samples is not read.
    pub fn read(&mut self, input: &[u8], samples: &mut [i16]) -> Result<Progress, WavError> {
        let mut rest = input;
        let mut written = 0;
        loop {
            match self.state {
                State::Riff => {
                    let Some([r, i, f, f2, _, _, _, _, w, a, v, e, ..]) = self.hold(&mut rest, 12) else {
                        break;
                    };
                    if [r, i, f, f2, w, a, v, e] != *b"RIFFWAVE" {
                        return Err(WavError::NotWav);
                    }
                    self.state = State::Chunk;
                }
                State::Chunk => {
                    let Some([n, a, m, e, l0, l1, l2, l3, ..]) = self.hold(&mut rest, 8) else { break };
                    self.state = self.enter([n, a, m, e], u32::from_le_bytes([l0, l1, l2, l3]))?;
                }
                State::Format(len) => {
                    let padded = len + len % 2;
                    let Some(held) = self.hold(&mut rest, padded as usize) else { break };
                    self.format = Some(read_format(&held, len)?);
                    self.state = State::Chunk;
                }
                State::Skip(left) => {
                    let taken = left.min(rest.len() as u64);
                    rest = rest.get(taken as usize..).unwrap_or_default();
                    self.state = if taken == left { State::Chunk } else { State::Skip(left - taken) };
                    if rest.is_empty() {
                        break;
                    }
                }
                State::Data(left) => {
                    let to = samples.get_mut(written..).unwrap_or_default();
                    let progress = self.read_samples(rest, left, to);
                    rest = rest.get(progress.bytes..).unwrap_or_default();
                    written += progress.samples;
                    let left = if left == UNKNOWN { UNKNOWN } else { left - progress.bytes as u64 };
                    self.state = State::Data(left);
                    break;
                }
            }
        }
        Ok(Progress { bytes: input.len() - rest.len(), samples: written })
    }

    /// Gathers so many bytes; all of them once they are there.
    fn hold(&mut self, rest: &mut &[u8], wanted: usize) -> Option<[u8; FORMAT_MOST]> {
        let taken = wanted.saturating_sub(self.len).min(rest.len());
        let (now, later) = rest.split_at(taken);
        for (held, &byte) in self.held.iter_mut().skip(self.len).zip(now) {
            *held = byte;
        }
        *rest = later;
        self.len += taken;
        if self.len < wanted {
            return None;
        }
        self.len = 0;
        Some(self.held)
    }

    fn enter(&mut self, name: [u8; 4], len: u32) -> Result<State, WavError> {
        self.chunks += 1;
        match &name {
            b"fmt " if (16..FORMAT_MOST as u32).contains(&len) => Ok(State::Format(len)),
            b"fmt " => Err(WavError::Format(len)),
            b"data" if self.format.is_none() => Err(WavError::NoFormat),
            b"data" => Ok(State::Data(if len == u32::MAX { UNKNOWN } else { len.into() })),
            _ => {
                let len = u64::from(len) + u64::from(len % 2);
                self.skipped += len;
                if self.chunks > MOST_CHUNKS || self.skipped > MOST_SKIPPED {
                    return Err(WavError::TooMuchBefore);
                }
                Ok(State::Skip(len))
            }
        }
    }

    fn read_samples(&mut self, input: &[u8], left: u64, samples: &mut [i16]) -> Progress {
        let input = input.get(..left.min(input.len() as u64) as usize).unwrap_or_default();
        let law = match self.format.map(|format| format.coding) {
            Some(WavCoding::ALaw) => Law::A,
            Some(WavCoding::MuLaw) => Law::Mu,
            _ => return self.read_linear(input, samples),
        };
        let count = input.len().min(samples.len());
        for (sample, &byte) in samples.iter_mut().zip(input) {
            *sample = law.expand(byte);
        }
        Progress { bytes: count, samples: count }
    }

    /// Samples of two bytes, of which the first may have come before.
    fn read_linear(&mut self, input: &[u8], samples: &mut [i16]) -> Progress {
        let mut bytes = input.iter();
        let mut written = 0;
        for sample in samples {
            let low = if self.len == 1 {
                self.held[0]
            } else {
                let Some(&low) = bytes.next() else { break };
                low
            };
            let Some(&high) = bytes.next() else {
                (self.held[0], self.len) = (low, 1);
                break;
            };
            self.len = 0;
            *sample = i16::from_le_bytes([low, high]);
            written += 1;
        }
        Progress { bytes: input.len() - bytes.len(), samples: written }
    }
}

impl Default for WavReader {
    fn default() -> Self {
        Self::new()
    }
}

fn read_format(held: &[u8; FORMAT_MOST], len: u32) -> Result<WavFormat, WavError> {
    let [t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1, ..] = *held;
    let mut tag = u16::from_le_bytes([t0, t1]);
    if tag == EXTENSIBLE && len >= 40 {
        // The coding is the beginning of the sub-format.
        tag = u16::from_le_bytes([held[24], held[25]]);
    }
    let bits = u16::from_le_bytes([b0, b1]);
    let coding = match (tag, bits) {
        (LINEAR, 16) => WavCoding::Linear,
        (A_LAW, 8) => WavCoding::ALaw,
        (MU_LAW, 8) => WavCoding::MuLaw,
        _ => return Err(WavError::Coding { tag, bits }),
    };
    let channels = match u16::from_le_bytes([c0, c1]) {
        1 => 1,
        2 => 2,
        channels => return Err(WavError::Channels(channels)),
    };
    let rate = u32::from_le_bytes([r0, r1, r2, r3]);
    if !(4000..=192_000).contains(&rate) {
        return Err(WavError::Rate(rate));
    }
    Ok(WavFormat { coding, channels, rate })
}

const LINEAR: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;
/// One more than the longest format, for its padding.
const FORMAT_MOST: usize = 42;
/// What may stand before the samples: titles and pictures.
const MOST_CHUNKS: u32 = 64;
const MOST_SKIPPED: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file in pieces of so many bytes, into slices of so many samples.
    fn read(file: &[u8], piece: usize, room: usize) -> Result<(WavFormat, Vec<i16>), WavError> {
        let mut reader = WavReader::new();
        let mut all = Vec::new();
        for piece in file.chunks(piece) {
            let mut rest = piece;
            loop {
                let mut samples = vec![0; room];
                let progress = reader.read(rest, &mut samples)?;
                rest = &rest[progress.bytes..];
                all.extend(&samples[..progress.samples]);
                if rest.is_empty() || (progress.bytes == 0 && progress.samples == 0) {
                    break;
                }
            }
        }
        Ok((reader.format().unwrap(), all))
    }

    fn file(samples: &[i16], len: u64) -> Vec<u8> {
        let mut file = header(1, 8000, len).to_vec();
        write(samples, &mut file);
        file
    }

    #[test]
    fn a_file_is_read_in_any_pieces_as_it_was_written() {
        let samples: Vec<i16> = (0..1000).map(|n| (n * 37) as i16).collect();
        let format = WavFormat { coding: WavCoding::Linear, channels: 1, rate: 8000 };
        for (piece, room) in [(1, 1), (3, 7), (44, 500), (5000, 3), (5000, 5000)] {
            assert_eq!(read(&file(&samples, 2000), piece, room), Ok((format, samples.clone())));
            assert_eq!(read(&file(&samples, UNKNOWN), piece, room), Ok((format, samples.clone())));
        }
        // What follows the samples is not read, and a file that is cut off ends where it ends.
        assert_eq!(read(&file(&samples, 100), 64, 64).unwrap().1, samples[..50]);
        assert_eq!(read(&file(&samples, 1 << 31), 64, 64).unwrap().1, samples);
    }

    #[test]
    fn headers_hold_their_lengths() {
        let header = header(2, 48_000, 4000);
        assert_eq!(header[4..8], 4036u32.to_le_bytes());
        assert_eq!(header[28..32], 192_000u32.to_le_bytes());
        assert_eq!(header[40..44], 4000u32.to_le_bytes());
        for too_long in [u64::from(u32::MAX) - 35, 1 << 32, UNKNOWN] {
            assert_eq!(super::header(1, 8000, too_long)[40..44], [0xff; 4]);
        }
    }

    fn with_format(tag: u16, channels: u16, rate: u32, bits: u16, samples: &[u8]) -> Vec<u8> {
        let mut file = header(1, 8000, samples.len() as u64).to_vec();
        file[20..22].copy_from_slice(&tag.to_le_bytes());
        file[22..24].copy_from_slice(&channels.to_le_bytes());
        file[24..28].copy_from_slice(&rate.to_le_bytes());
        file[34..36].copy_from_slice(&bits.to_le_bytes());
        file.extend(samples);
        file
    }

    #[test]
    fn g711_is_read() {
        let (format, samples) = read(&with_format(6, 2, 16_000, 8, &[0xd5, 0x55, 0xaa, 0x2a]), 9, 9).unwrap();
        assert_eq!(format, WavFormat { coding: WavCoding::ALaw, channels: 2, rate: 16_000 });
        assert_eq!(samples, [8, -8, 32_256, -32_256]);
        let (_, samples) = read(&with_format(7, 1, 8000, 8, &[0xff, 0x7f, 0x80, 0x00]), 9, 9).unwrap();
        assert_eq!(samples, [0, 0, 32_124, -32_124]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let refused = |file: &[u8]| read(file, 7, 7).unwrap_err();
        assert_eq!(refused(b"OggS0000WAVE"), WavError::NotWav);
        assert_eq!(refused(&with_format(3, 1, 8000, 32, &[])), WavError::Coding { tag: 3, bits: 32 });
        assert_eq!(refused(&with_format(1, 6, 8000, 16, &[])), WavError::Channels(6));
        assert_eq!(refused(&with_format(1, 1, 11, 16, &[])), WavError::Rate(11));
        assert_eq!(refused(b"RIFF0000WAVEfmt \xff\0\0\0"), WavError::Format(255));
        assert_eq!(refused(b"RIFF0000WAVEdata\xff\0\0\0"), WavError::NoFormat);
        assert_eq!(refused(b"RIFF0000WAVELIST\xff\xff\xff\xff"), WavError::TooMuchBefore);
        assert_eq!(WavError::Channels(6).to_string(), "the WAV file has 6 channels: save it with one or two");
    }

    #[test]
    fn other_chunks_and_long_formats_are_passed_over() {
        let mut file = b"RIFF0000WAVELIST\x03\0\0\0abc\0fmt \x28\0\0\0".to_vec();
        file.extend([
            0xfe, 0xff, 1, 0, 0x80, 0x3e, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0, 22, 0, 16, 0, 0, 0, 0, 0, 1, 0,
        ]);
        file.extend([0; 14]);
        file.extend(b"fact\x04\0\0\0\0\0\0\0data\x04\0\0\0\x01\0\x02\0");
        for piece in [1, 5, 200] {
            let (format, samples) = read(&file, piece, 9).unwrap();
            assert_eq!((format.rate, samples), (16_000, vec![1, 2]));
        }
    }
}
