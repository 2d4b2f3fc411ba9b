//! The file of one recording: WAV, Opus in Ogg, or the packets as a pcap.
//!
//! What is there can be played at any moment, also after a crash. An Ogg file is pages that stand by themselves. The
//! header of a WAV file says how much follows: it is written anew every second, after the samples that it counts.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ringback_media::codec::{MAX_PAYLOAD, RecordingEncoder};
use ringback_media::file::ogg::{OpusWriter, OpusWriterSettings};
use ringback_media::file::wav;
use ringback_media::insert::{KeptPacket, RECORDING_RATE};

use crate::config::FileFormat;
use crate::trace::pcap;

/// A file that is being written.
pub struct RecordingFile {
    /// Whether text of ours lies beside it.
    pub has_note: bool,
    path: PathBuf,
    file: File,
    channels: u8,
    coding: Coding,
    /// Samples of each channel that are in the file.
    written: u64,
    /// Bytes that are in the file.
    bytes: u64,
    buffer: Vec<u8>,
}

enum Coding {
    Wav {
        /// Samples of each channel that the header counts.
        counted: u64,
    },
    Ogg {
        encoder: Box<RecordingEncoder>,
        writer: Box<OpusWriter>,
    },
    Pcap {
        begun: SystemTime,
    },
}

impl RecordingFile {
    /// Makes the file, for its owner only; one that is there is not touched.
    pub fn create(path: &Path, format: FileFormat, channels: u8) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut buffer = Vec::new();
        let coding = match format {
            FileFormat::Pcap => {
                pcap::write_header(&mut buffer)?;
                Coding::Pcap { begun: SystemTime::now() }
            }
            FileFormat::Wav => {
                // Read to its end, should we not come to write a length.
                buffer.extend(wav::header(channels, RECORDING_RATE, wav::UNKNOWN));
                Coding::Wav { counted: 0 }
            }
            FileFormat::Ogg => {
                let encoder = RecordingEncoder::new(RECORDING_RATE, channels).map_err(io::Error::other)?;
                let settings = OpusWriterSettings {
                    serial: rand::random(),
                    channels,
                    input_rate: RECORDING_RATE,
                    pre_skip: encoder.pre_skip(),
                };
                let writer = OpusWriter::new(settings, &mut buffer);
                Coding::Ogg { encoder: Box::new(encoder), writer: Box::new(writer) }
            }
        };
        let (has_note, path) = (false, path.to_owned());
        let mut made = RecordingFile { has_note, path, file, channels, coding, written: 0, bytes: 0, buffer };
        made.append()?;
        Ok(made)
    }

    /// A file on a disk that takes nothing.
    #[cfg(test)]
    pub(super) fn on_a_full_disk() -> Self {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let coding = Coding::Wav { counted: 0 };
        let (has_note, channels, buffer) = (false, 1, Vec::new());
        RecordingFile { has_note, path, file, channels, coding, written: 0, bytes: 0, buffer }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub fn seconds(&self) -> u64 {
        self.written / u64::from(RECORDING_RATE)
    }

    /// Writes samples that belong behind `at` of each channel; what is missing before them becomes silence.
    pub fn write(&mut self, at: u64, samples: &[i16]) -> io::Result<()> {
        self.fill_gap(at)?;
        let count = samples.len() / usize::from(self.channels);
        match &mut self.coding {
            Coding::Wav { .. } => wav::write(samples, &mut self.buffer),
            Coding::Ogg { encoder, writer } => {
                let mut payload = [0; MAX_PAYLOAD];
                // Pieces are whole frames.
                for frame in samples.chunks_exact(encoder.frame()) {
                    let len = encoder.encode(frame, &mut payload).map_err(io::Error::other)?;
                    let packet = payload.get(..len).unwrap_or_default();
                    writer.write(packet, &mut self.buffer).map_err(io::Error::other)?;
                }
            }
            // It has no samples.
            Coding::Pcap { .. } => return Ok(()),
        }
        self.append()?;
        self.written += count as u64;
        self.count(u64::from(RECORDING_RATE))
    }

    /// Writes packets.
    pub fn keep<'p>(&mut self, packets: impl Iterator<Item = KeptPacket<'p>>) -> io::Result<()> {
        let Coding::Pcap { begun } = self.coding else { return Ok(()) };
        for KeptPacket { at, way, bytes } in packets {
            pcap::write_message(&mut self.buffer, begun + at, way.from, way.to, bytes)?;
        }
        self.append()
    }

    /// Ends the file, which is to have so many samples of each channel.
    pub fn finish(&mut self, length: u64) -> io::Result<()> {
        self.fill_gap(length)?;
        if let Coding::Ogg { writer, .. } = &mut self.coding {
            writer.finish(&mut self.buffer);
        }
        self.append()?;
        self.count(0)
    }

    fn fill_gap(&mut self, until: u64) -> io::Result<()> {
        let missing = until.saturating_sub(self.written);
        match &mut self.coding {
            _ if missing == 0 => {}
            Coding::Pcap { .. } => self.written = until,
            Coding::Wav { .. } => {
                // A file that is longer than what was written into it has zeros there, which are silence and take no
                // room.
                self.bytes += missing * 2 * u64::from(self.channels);
                self.file.set_len(self.bytes)?;
                self.written = until;
            }
            Coding::Ogg { writer, .. } => {
                let mut left = missing * 1000 / u64::from(RECORDING_RATE);
                loop {
                    let part = u32::try_from(left).unwrap_or(u32::MAX);
                    let filled = writer.write_gap(part, &mut self.buffer);
                    if filled == 0 {
                        break;
                    }
                    left -= u64::from(filled);
                    self.written += u64::from(filled) * u64::from(RECORDING_RATE) / 1000;
                }
            }
        }
        Ok(())
    }

    /// Writes the header anew when it leaves out more than so many samples of each channel.
    fn count(&mut self, most: u64) -> io::Result<()> {
        let Coding::Wav { counted } = &mut self.coding else { return Ok(()) };
        if self.written - *counted < most {
            return Ok(());
        }
        let samples = self.bytes.saturating_sub(wav::HEADER_LEN as u64);
        self.file.write_all_at(&wav::header(self.channels, RECORDING_RATE, samples), 0)?;
        *counted = self.written;
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.bytes)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use ringback_media::file::ClipReader;
    use ringback_media::insert::{Clip, PacketWay};

    use super::*;

    const SECOND: usize = RECORDING_RATE as usize;

    fn read(path: &Path) -> Clip {
        let mut reader = ClipReader::new();
        reader.read(&fs::read(path).unwrap()).unwrap();
        reader.finish().unwrap()
    }

    fn loudest(samples: &[i16]) -> u16 {
        samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default()
    }

    fn tone(seconds: f32) -> Vec<i16> {
        let samples = 0..(seconds * SECOND as f32) as usize;
        samples
            .map(|n| ((n as f32 * 440.0 / SECOND as f32 * std::f32::consts::TAU).sin() * 8000.0) as i16)
            .collect()
    }

    #[test]
    fn what_was_recorded_is_in_the_file_and_a_gap_is_silence() {
        let directory = tempfile::tempdir().unwrap();
        for format in [FileFormat::Wav, FileFormat::Ogg] {
            let path = directory.path().join(format.extension());
            let mut file = RecordingFile::create(&path, format, 1).unwrap();
            file.write(0, &tone(1.0)).unwrap();
            file.write(3 * SECOND as u64, &tone(1.0)).unwrap();
            file.finish(5 * SECOND as u64).unwrap();
            assert_eq!(file.seconds(), 5);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let clip = read(&path);
            let heard = &clip.samples;
            let slack = SECOND / 10;
            assert!(heard.len().abs_diff(5 * SECOND) < slack, "{format:?}: {}", heard.len());
            assert!(loudest(&heard[..SECOND]) > 6000, "{format:?}");
            // A decoder lets the last frame before a gap fade.
            assert!(loudest(&heard[SECOND + SECOND / 4..3 * SECOND - slack]) < 100, "{format:?}");
            assert!(loudest(&heard[3 * SECOND + slack..4 * SECOND - slack]) > 6000, "{format:?}");
            assert!(loudest(&heard[4 * SECOND + SECOND / 4..]) < 100, "{format:?}");
            assert!(RecordingFile::create(&path, format, 1).is_err(), "what is there is not touched");
        }
    }

    #[test]
    fn each_side_has_its_channel() {
        let directory = tempfile::tempdir().unwrap();
        let both: Vec<i16> = tone(1.0).into_iter().flat_map(|sample| [sample, 0]).collect();
        let path = directory.path().join("two.wav");
        let mut file = RecordingFile::create(&path, FileFormat::Wav, 2).unwrap();
        file.write(0, &both).unwrap();
        file.finish(SECOND as u64).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), wav::HEADER_LEN + 4 * SECOND);
        assert_eq!(&bytes[wav::HEADER_LEN + 4..][..4], [both[2].to_le_bytes(), [0, 0]].concat());
        let path = directory.path().join("two.ogg");
        let mut file = RecordingFile::create(&path, FileFormat::Ogg, 2).unwrap();
        file.write(0, &both).unwrap();
        file.finish(SECOND as u64).unwrap();
        // Read as one channel, it is both of them: half as loud.
        assert!((2000..6000).contains(&loudest(&read(&path).samples[SECOND / 4..])));
    }

    #[test]
    fn packets_are_written_as_one_datagram_each() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.pcap");
        let way = PacketWay { from: ([192, 0, 2, 7], 4000).into(), to: ([192, 0, 2, 1], 10_000).into() };
        let packet = |at, bytes| KeptPacket { at: Duration::from_millis(at), way, bytes };
        let mut file = RecordingFile::create(&path, FileFormat::Pcap, 1).unwrap();
        file.keep([packet(0, &b"first"[..]), packet(1_250, b"second")].into_iter()).unwrap();
        file.finish(2 * SECOND as u64).unwrap();
        assert_eq!(file.seconds(), 2);
        let bytes = fs::read(&path).unwrap();
        // The header of the file, and of each packet one of its own, of IP and of UDP.
        assert_eq!(bytes.len(), 24 + 2 * (16 + 20 + 8) + b"first".len() + b"second".len());
        assert!(bytes.ends_with(b"second"));
        let time = |at: usize| {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4))
        };
        assert_eq!(time(24 + 16 + 28 + b"first".len()) - time(24), 1_250_000);
    }

    /// A process that is killed finishes nothing.
    #[test]
    fn a_file_that_nobody_has_finished_can_be_played_as_far_as_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        for format in [FileFormat::Wav, FileFormat::Ogg] {
            let path = directory.path().join(format.extension());
            let mut file = RecordingFile::create(&path, format, 1).unwrap();
            for piece in 0..17 {
                file.write(piece * SECOND as u64 / 5, &tone(0.2)).unwrap();
                // An Ogg page is a second, and a header may be as old.
                let (most, least) =
                    ((piece + 1) * SECOND as u64 / 5, piece.saturating_sub(5) * SECOND as u64 / 5);
                if piece >= 5 {
                    let heard = read(&path).samples.len() as u64;
                    assert!((least..=most).contains(&heard), "{format:?} {piece}: {heard}");
                }
            }
            drop(file);
            let before = read(&path).samples.len();
            assert!(before >= 2 * SECOND, "{format:?}: {before}");
        }
    }
}
