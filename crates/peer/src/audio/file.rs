//! Files of audio: read into a [`Clip`], written by a [`Recorder`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ringback_media::codec::{MAX_PAYLOAD, RecordingEncoder};
use ringback_media::file::ogg::{OpusWriter, OpusWriterSettings};
use ringback_media::file::{ClipError, ClipReader, wav};
use ringback_media::insert::Clip;

use super::{Heard, RATE};

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system does not give it.
    #[error("`{path}` cannot be read: {1}", path = .0.display())]
    Read(PathBuf, io::Error),
    /// It is no audio that we understand.
    #[error("`{path}` cannot be played: {1}", path = .0.display())]
    Clip(PathBuf, ClipError),
    /// Its name says neither WAV nor Ogg.
    #[error("`{path}` is no name for a recording: let it end with .wav, .ogg or .opus", path = .0.display())]
    Name(PathBuf),
    /// The system does not take it.
    #[error("`{path}` cannot be written: {1}", path = .0.display())]
    Write(PathBuf, io::Error),
}

/// Reads a WAV file or Opus in Ogg, of at most ten minutes.
pub fn read_clip(path: &Path) -> Result<Clip, FileError> {
    let unreadable = |error| FileError::Read(path.to_owned(), error);
    let unplayable = |error| FileError::Clip(path.to_owned(), error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut reader = ClipReader::new();
    let mut buffer = vec![0; READ];
    loop {
        let len = file.read(&mut buffer).map_err(unreadable)?;
        if len == 0 {
            return reader.finish().map_err(unplayable);
        }
        reader.read(buffer.get(..len).unwrap_or_default()).map_err(unplayable)?;
    }
}

/// Writes what is heard into a file: WAV, or Opus in Ogg if its name ends with `.ogg` or `.opus`.
///
/// What is there can be played at any moment. A file that was there is written over.
pub struct Recorder {
    path: PathBuf,
    file: File,
    coding: Coding,
    /// Samples that are in the file, and those that wait for a whole frame.
    written: u64,
    waiting: Vec<i16>,
    /// Samples of gaps that were left out.
    cut: u64,
    bytes: Vec<u8>,
}

enum Coding {
    Wav,
    Ogg { encoder: Box<RecordingEncoder>, writer: Box<OpusWriter> },
}

impl Recorder {
    /// Looks whether the name of a file says what it is to be: it ends with `.wav`, `.ogg` or `.opus`.
    pub fn check_name(path: &Path) -> Result<(), FileError> {
        is_wav(path).map(drop)
    }

    /// Makes the file.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let is_wav = is_wav(path)?;
        let failed = |error| FileError::Write(path.to_owned(), error);
        let mut bytes = Vec::new();
        let coding = if is_wav {
            bytes.extend_from_slice(&wav::header(1, RATE, wav::UNKNOWN));
            Coding::Wav
        } else {
            let encoder = RecordingEncoder::new(RATE, 1).map_err(|error| failed(io::Error::other(error)))?;
            let settings = OpusWriterSettings {
                serial: rand::random(),
                channels: 1,
                input_rate: RATE,
                pre_skip: encoder.pre_skip(),
            };
            Coding::Ogg {
                writer: Box::new(OpusWriter::new(settings, &mut bytes)),
                encoder: Box::new(encoder),
            }
        };
        // What somebody has said is for nobody else on this machine.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.map_err(failed)?;
        let mut recorder =
            Recorder { path: path.to_owned(), file, coding, written: 0, waiting: Vec::new(), cut: 0, bytes };
        recorder.flush()?;
        Ok(recorder)
    }

    /// Writes samples; what is missing before them becomes silence.
    pub fn write(&mut self, heard: &Heard) -> Result<(), FileError> {
        let gap = heard.at.saturating_sub(self.cut + self.written + self.waiting.len() as u64);
        // A gap is as long as a machine was too busy, and no more than a minute of it is worth keeping.
        let missing = usize::try_from(gap).unwrap_or(usize::MAX).min(LONGEST_GAP);
        self.cut += gap - missing as u64;
        self.waiting.resize(self.waiting.len() + missing, 0);
        self.waiting.extend_from_slice(&heard.samples);
        self.encode()?;
        self.flush()
    }

    /// How many seconds there are.
    pub fn seconds(&self) -> f64 {
        self.written as f64 / f64::from(RATE)
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(), FileError> {
        match &mut self.coding {
            Coding::Wav => {
                let header = wav::header(1, RATE, self.written * 2);
                let rewritten = self.file.rewind().and_then(|()| self.file.write_all(&header));
                rewritten.map_err(|error| FileError::Write(self.path.clone(), error))
            }
            Coding::Ogg { encoder, .. } => {
                let rest = self.waiting.len() % encoder.frame();
                if rest > 0 {
                    self.waiting.resize(self.waiting.len() + encoder.frame() - rest, 0);
                }
                self.encode()?;
                if let Coding::Ogg { writer, .. } = &mut self.coding {
                    writer.finish(&mut self.bytes);
                }
                self.flush()
            }
        }
    }

    fn encode(&mut self) -> Result<(), FileError> {
        let failed = |error: io::Error| FileError::Write(self.path.clone(), error);
        let whole = match &mut self.coding {
            Coding::Wav => {
                wav::write(&self.waiting, &mut self.bytes);
                self.waiting.len()
            }
            Coding::Ogg { encoder, writer } => {
                let mut payload = [0; MAX_PAYLOAD];
                let frames = self.waiting.chunks_exact(encoder.frame());
                let whole = self.waiting.len() - frames.remainder().len();
                for frame in frames {
                    let len = encoder
                        .encode(frame, &mut payload)
                        .map_err(|error| failed(io::Error::other(error)))?;
                    let packet = payload.get(..len).unwrap_or_default();
                    writer.write(packet, &mut self.bytes).map_err(|error| failed(io::Error::other(error)))?;
                }
                whole
            }
        };
        self.waiting.drain(..whole);
        self.written += whole as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let written = self.file.write_all(&self.bytes);
        self.bytes.clear();
        written.map_err(|error| FileError::Write(self.path.clone(), error))
    }
}

fn is_wav(path: &Path) -> Result<bool, FileError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "wav" => Ok(true),
        "ogg" | "opus" => Ok(false),
        _ => Err(FileError::Name(path.to_owned())),
    }
}

/// The bytes read at once.
const READ: usize = 64 << 10;
/// The longest silence that is filled in: a minute.
const LONGEST_GAP: usize = 60 * RATE as usize;
