//! Files as audio in memory, to be played.

use super::ogg::{OpusFileError, OpusReader};
use super::wav::{WavError, WavReader};
use crate::audio::{RATES, Resampler};
use crate::codec::{Decoder, Format, MAX_SAMPLES};
use crate::insert::Clip;

/// Reads a WAV or an Ogg Opus file piece by piece into a [`Clip`] of one channel.
pub struct ClipReader {
    state: State,
    samples: Vec<i16>,
}

/// What the first byte says that a file is.
enum State {
    Begin,
    Wav { reader: WavReader, decoded: Box<[i16]>, half: Option<i16> },
    Ogg { reader: OpusReader, decoder: Box<Decoder>, decoded: Box<[i16]> },
}

/// Why a file cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    /// It is neither of the two kinds.
    #[error("this is neither a WAV nor an Ogg file: convert it to one of them")]
    Unknown,
    /// It is a WAV file that cannot be read.
    #[error("{0}")]
    Wav(#[from] WavError),
    /// It is an Ogg file that cannot be read.
    #[error("{0}")]
    Ogg(#[from] OpusFileError),
    /// Its rate is none that can be played.
    #[error("the WAV file has {0} samples a second: save it with 8000, 12000, 16000, 24000, 32000 or 48000")]
    Rate(u32),
    /// It is too long.
    #[error("the file is longer than {} minutes: cut it", MOST_SECONDS / 60)]
    TooLong,
    /// There is no audio in it.
    #[error("the file has no audio: save it anew")]
    Empty,
}

impl ClipReader {
    /// A reader at the beginning of a file.
    pub const fn new() -> Self {
        ClipReader { state: State::Begin, samples: Vec::new() }
    }

    /// Takes the next piece of the file.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), ClipError> {
        let ClipReader { state, samples } = self;
        if let State::Begin = state {
            *state = match piece.first() {
                None => return Ok(()),
                Some(b'R') => {
                    State::Wav { reader: WavReader::new(), decoded: vec![0; MAX_SAMPLES].into(), half: None }
                }
                Some(b'O') => State::Ogg {
                    reader: OpusReader::new(),
                    decoder: Box::new(
                        Decoder::new(&Format::Opus.describe(111), OPUS_RATE)
                            .map_err(|_| ClipError::Unknown)?,
                    ),
                    decoded: vec![0; MAX_SAMPLES].into(),
                },
                Some(_) => return Err(ClipError::Unknown),
            };
        }
        match state {
            State::Begin => Ok(()),
            State::Wav { reader, decoded, half } => read_wav(reader, decoded, half, piece, samples),
            State::Ogg { reader, decoder, decoded } => read_ogg(reader, decoder, decoded, piece, samples),
        }
    }

    /// The audio, when the whole file was read.
    pub fn finish(self) -> Result<Clip, ClipError> {
        if self.samples.is_empty() {
            return Err(ClipError::Empty);
        }
        let rate = match &self.state {
            State::Wav { reader, .. } => reader.format().map_or(OPUS_RATE, |format| format.rate),
            State::Begin | State::Ogg { .. } => OPUS_RATE,
        };
        if rate <= KEPT_RATE {
            return Ok(Clip { rate, samples: self.samples.into_boxed_slice() });
        }
        // No telephone has more, and it takes three times the memory.
        let mut resampler = Resampler::new(rate, KEPT_RATE).ok_or(ClipError::Rate(rate))?;
        let mut samples = Vec::with_capacity(resampler.most(self.samples.len()));
        for piece in self.samples.chunks(MAX_SAMPLES) {
            let start = samples.len();
            samples.resize(start + resampler.most(piece.len()), 0);
            let len = samples.get_mut(start..).map_or(0, |space| resampler.convert(piece, space));
            samples.truncate(start + len);
        }
        Ok(Clip { rate: KEPT_RATE, samples: samples.into_boxed_slice() })
    }
}

impl Default for ClipReader {
    fn default() -> Self {
        Self::new()
    }
}

fn read_wav(
    reader: &mut WavReader,
    decoded: &mut [i16],
    half: &mut Option<i16>,
    mut piece: &[u8],
    samples: &mut Vec<i16>,
) -> Result<(), ClipError> {
    loop {
        let progress = reader.read(piece, decoded)?;
        piece = piece.get(progress.bytes..).unwrap_or_default();
        if let Some(format) = reader.format() {
            if !RATES.contains(&format.rate) {
                return Err(ClipError::Rate(format.rate));
            }
            let new = decoded.get(..progress.samples).unwrap_or_default();
            match format.channels {
                1 => samples.extend_from_slice(new),
                _ => {
                    for &sample in new {
                        match half.take() {
                            Some(left) => samples.push(middle(left, sample)),
                            None => *half = Some(sample),
                        }
                    }
                }
            }
            if samples.len() as u64 > u64::from(format.rate) * MOST_SECONDS {
                return Err(ClipError::TooLong);
            }
        }
        if progress.bytes == 0 && progress.samples == 0 {
            return Ok(());
        }
    }
}

fn read_ogg(
    reader: &mut OpusReader,
    decoder: &mut Decoder,
    decoded: &mut [i16],
    mut piece: &[u8],
    samples: &mut Vec<i16>,
) -> Result<(), ClipError> {
    while let Some(packet) = reader.read(&mut piece)? {
        let scaled = |ticks: u32| (ticks / (48_000 / OPUS_RATE)) as usize;
        let (skip, heard) = (scaled(packet.skip), scaled(packet.heard));
        let len = match decoder.decode(packet.payload, decoded) {
            Ok(len) => len,
            // A frame with nothing in it is one of silence, and so is one that cannot be decoded.
            Err(_) => {
                let len = scaled(packet.duration).min(decoded.len());
                if let Some(frame) = decoded.get_mut(..len) {
                    decoder.conceal(frame);
                }
                len
            }
        };
        let end = len.min(skip + heard);
        samples.extend_from_slice(decoded.get(skip.min(end)..end).unwrap_or_default());
        if samples.len() as u64 > u64::from(OPUS_RATE) * MOST_SECONDS {
            return Err(ClipError::TooLong);
        }
    }
    Ok(())
}

/// Both channels in one.
fn middle(left: i16, right: i16) -> i16 {
    // The sum of two halves fits.
    left / 2 + right / 2
}

/// The rate at which Opus is decoded.
const OPUS_RATE: u32 = 16_000;

/// The highest rate that is kept.
const KEPT_RATE: u32 = 16_000;

/// How long a file may be, in seconds: 19 MB of memory.
pub const MOST_SECONDS: u64 = 600;

#[cfg(test)]
mod tests {
    use super::super::wav;
    use super::*;

    fn read(file: &[u8], piece: usize) -> Result<Clip, ClipError> {
        let mut reader = ClipReader::new();
        for piece in file.chunks(piece) {
            reader.read(piece)?;
        }
        reader.finish()
    }

    fn wav(channels: u8, rate: u32, samples: &[i16]) -> Vec<u8> {
        let mut file = wav::header(channels, rate, samples.len() as u64 * 2).to_vec();
        wav::write(samples, &mut file);
        file
    }

    #[test]
    fn a_wav_file_becomes_one_channel_whatever_pieces_it_comes_in() {
        let mono: Vec<i16> = (0..1000).collect();
        for piece in [1, 7, 44, 100_000] {
            let clip = read(&wav(1, 8000, &mono), piece).unwrap();
            assert_eq!((clip.rate, &*clip.samples), (8000, &*mono), "{piece}");
            let clip = read(&wav(2, 16_000, &[100, 300, -4, -8]), piece).unwrap();
            assert_eq!((clip.rate, &*clip.samples), (16_000, &[200, -6][..]), "{piece}");
        }
        let clip = read(&wav(1, 48_000, &[1000; 48_000]), 4096).unwrap();
        assert_eq!(clip.rate, 16_000);
        assert!((15_900..=16_000).contains(&clip.samples.len()), "{}", clip.samples.len());
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        assert_eq!(read(b"ID3", 3), Err(ClipError::Unknown));
        assert_eq!(read(b"", 1), Err(ClipError::Empty));
        assert_eq!(read(&wav(1, 8000, &[]), 50), Err(ClipError::Empty));
        assert_eq!(read(&wav(1, 44_100, &[1; 10]), 50), Err(ClipError::Rate(44_100)));
        assert!(matches!(read(b"Oops, this is no Ogg file, whatever it is", 50), Err(ClipError::Ogg(_))));
        assert!(matches!(read(b"RIFX....WAVE", 50), Err(ClipError::Wav(_))));
        let long = wav(1, 8000, &vec![0; 8000 * 601]);
        assert_eq!(read(&long, 65_536), Err(ClipError::TooLong));
    }
}
