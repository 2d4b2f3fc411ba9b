//! What holds for any bytes as a file; a fuzz target and a test of its corpus call it.

use super::ClipReader;
use super::ogg::{OpusFileError, OpusReader, OpusWriter, OpusWriterSettings};
use super::wav::{self, WavReader};
use crate::insert::Clip;

/// Reads the bytes as a WAV file and as an Ogg file, whole and in pieces, which is the same. What was read is written and
/// read as it was.
pub fn audio_files(data: &[u8]) {
    let whole = read_wav(data, data.len().max(1));
    let (samples, complete) = &whole;
    let pieces = read_wav(data, 7);
    assert_eq!(pieces.1, *complete);
    assert!(pieces.0.starts_with(samples) || samples.starts_with(&pieces.0));
    let mut file = wav::header(1, 8000, samples.len() as u64 * 2).to_vec();
    wav::write(samples, &mut file);
    assert_eq!(read_wav(&file, 100), (samples.clone(), true));

    let clip = read_clip(data, data.len().max(1));
    assert_eq!(read_clip(data, 13), clip);

    let (packets, result) = read_ogg(data, data.len().max(1));
    assert_eq!(read_ogg(data, 11), (packets.clone(), result));
    let mut file = Vec::new();
    let settings = OpusWriterSettings { serial: 1, channels: 1, input_rate: 8000, pre_skip: 312 };
    let mut writer = OpusWriter::new(settings, &mut file);
    for packet in &packets {
        assert_eq!(writer.write(packet, &mut file), Ok(()));
    }
    writer.finish(&mut file);
    assert_eq!(read_ogg(&file, 100), (packets, Ok(())));
}

/// What is played of it: in pieces the same, unless it ends in an error, which may come earlier or later.
fn read_clip(data: &[u8], piece: usize) -> Option<Clip> {
    let mut reader = ClipReader::new();
    for piece in data.chunks(piece) {
        reader.read(piece).ok()?;
    }
    reader.finish().ok()
}

/// The samples, and whether there was no error.
fn read_wav(data: &[u8], piece: usize) -> (Vec<i16>, bool) {
    let mut reader = WavReader::new();
    let mut all = Vec::new();
    let mut samples = [0; 64];
    for piece in data.chunks(piece) {
        let mut rest = piece;
        loop {
            let Ok(progress) = reader.read(rest, &mut samples) else { return (all, false) };
            all.extend_from_slice(samples.get(..progress.samples).unwrap_or_default());
            rest = rest.get(progress.bytes..).unwrap_or_default();
            if progress.bytes == 0 && progress.samples == 0 {
                break;
            }
        }
    }
    (all, true)
}

fn read_ogg(data: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<(), OpusFileError>) {
    let mut reader = OpusReader::new();
    let mut packets = Vec::new();
    for mut piece in data.chunks(piece) {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(packet)) => {
                    assert!(packet.skip + packet.heard <= packet.duration);
                    packets.push(packet.payload.to_vec());
                }
                Ok(None) => break,
                Err(error) => return (packets, Err(error)),
            }
        }
        assert!(piece.is_empty(), "what is given is taken");
    }
    (packets, Ok(()))
}
