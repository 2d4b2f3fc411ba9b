//! Audio files that others write are read, and what is written is read by others: `hound` and `ogg` are the others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::Cursor;

use ogg::writing::PacketWriteEndInfo;
use ogg::{PacketReader, PacketWriter};
use proptest::prelude::*;
use ringback_media::file::ogg::{OpusFileError, OpusReader, OpusWriter, OpusWriterSettings, duration};
use ringback_media::file::wav::{self, WavReader};

const SETTINGS: OpusWriterSettings =
    OpusWriterSettings { serial: 7, channels: 1, input_rate: 16_000, pre_skip: 312 };
/// A frame of 20 ms of SILK at 16 kHz.
const SILK_20: u8 = 9 << 3;

/// Packets of 20 ms of any size.
fn packets(sizes: &[usize]) -> Vec<Vec<u8>> {
    let packet = |(n, &size): (usize, &usize)| {
        let mut packet = vec![n as u8; size.max(1)];
        packet[0] = SILK_20;
        packet
    };
    sizes.iter().enumerate().map(packet).collect()
}

fn write(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = OpusWriter::new(SETTINGS, &mut file);
    for packet in packets {
        writer.write(packet, &mut file).unwrap();
    }
    writer.finish(&mut file);
    file
}

/// The packets with what is skipped and heard of each.
type Read = Vec<(Vec<u8>, u32, u32)>;

fn read(file: &[u8], piece: usize) -> (Read, Option<OpusFileError>) {
    let mut reader = OpusReader::new();
    let mut all = Vec::new();
    for mut piece in file.chunks(piece) {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(packet)) => all.push((packet.payload.to_vec(), packet.skip, packet.heard)),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    (all, None)
}

fn payloads(read: &Read) -> Vec<Vec<u8>> {
    read.iter().map(|(payload, ..)| payload.clone()).collect()
}

#[test]
fn what_is_written_is_read_by_another_reader_and_by_ours() {
    let packets = packets(&[1, 254, 255, 256, 1275, 61_440, 61_440, 3, 510].repeat(40));
    let file = write(&packets);
    let mut other = PacketReader::new(Cursor::new(&file));
    let head = other.read_packet_expected().unwrap();
    assert!(head.first_in_stream() && head.data.starts_with(b"OpusHead\x01\x01\x38\x01\x80\x3e\0\0\0\0\0"));
    assert_eq!(head.data.len(), 19);
    assert!(other.read_packet_expected().unwrap().data.starts_with(b"OpusTags\x08\0\0\0Ringback\0\0\0\0"));
    let (mut granule, mut count) = (0, 0);
    while let Some(packet) = other.read_packet().unwrap() {
        assert_eq!(packet.data, packets[count], "packet {count}");
        count += 1;
        if packet.last_in_page() {
            assert_eq!(packet.absgp_page(), count as u64 * 960);
            assert!(packet.absgp_page() - granule <= 48_000, "a page has a second at most");
            granule = packet.absgp_page();
        }
        assert_eq!(packet.last_in_stream(), count == packets.len());
    }
    assert_eq!(count, packets.len());
    for piece in [61, 4096, usize::MAX] {
        let (read, error) = read(&file, piece);
        assert_eq!((payloads(&read) == packets, error), (true, None));
        assert_eq!((read[0].1, read[0].2), (312, 648), "the delay of the encoder is not heard");
        assert_eq!((read[1].1, read[1].2), (0, 960));
    }
}

/// A file by the other writer; `end` is the granule of its last page.
fn other_file(packets: &[Vec<u8>], start: u64, end: u64, per_page: usize) -> Vec<u8> {
    let mut writer = PacketWriter::new(Vec::new());
    let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    writer.write_packet(head.as_slice(), 9, PacketWriteEndInfo::EndPage, 0).unwrap();
    // Comments of many pages, as those with pictures are.
    let mut tags = b"OpusTags".to_vec();
    tags.resize(300_000, b'x');
    writer.write_packet(tags, 9, PacketWriteEndInfo::EndPage, 0).unwrap();
    for (n, packet) in packets.iter().enumerate() {
        let last = n + 1 == packets.len();
        let info = match (last, (n + 1) % per_page == 0) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (false, true) => PacketWriteEndInfo::EndPage,
            (false, false) => PacketWriteEndInfo::NormalPacket,
        };
        let granule = if last { end } else { start + (n as u64 + 1) * 960 };
        writer.write_packet(packet.clone(), 9, info, granule).unwrap();
    }
    writer.into_inner()
}

#[test]
fn what_another_writer_wrote_is_read_to_the_sample() {
    // Packets that go on over several pages are among them.
    let packets = packets(&[40, 1275, 61_440, 61_440, 7].repeat(20));
    let all = 100 * 960;
    for (start, cut) in [(0, 0), (0, 500), (123_456, 0), (123_456, 959)] {
        let file = other_file(&packets, start, start + all - cut, 3);
        for piece in [61, 4096, usize::MAX] {
            let (read, error) = read(&file, piece);
            assert_eq!((payloads(&read) == packets, error), (true, None));
            let heard: u64 = read.iter().map(|&(_, _, heard)| u64::from(heard)).sum();
            assert_eq!(heard, all - cut - 312, "from {start}, {cut} cut off");
        }
    }
}

#[test]
fn files_behind_each_other_are_read_on() {
    let mut file = write(&packets(&[10, 20]));
    let other = other_file(&packets(&[30]), 0, 960, 1);
    file.extend(other);
    let (read, error) = read(&file, 64);
    assert_eq!((read.len(), error), (3, None));
    assert_eq!(read[2].1, 312, "each has its delay");
}

#[test]
fn damage_is_said_and_what_came_before_it_is_read() {
    let good = write(&packets(&[100; 120]));
    let (whole, _) = read(&good, usize::MAX);
    let mut damaged = good.clone();
    let last = damaged.len() - 50;
    damaged[last] ^= 1;
    let (read_of_it, error) = read(&damaged, 1000);
    assert_eq!(error, Some(OpusFileError::Damaged(4)));
    assert_eq!(read_of_it[..], whole[..100]);
    assert_eq!(read(&good[..good.len() - 1], 1000).1, None, "a file that is cut off ends where it ends");
    assert_eq!(read(b"RIFF and much that follows it in this file", 9).1, Some(OpusFileError::NotOgg));
    let mut vorbis = PacketWriter::new(Vec::new());
    vorbis.write_packet(b"\x01vorbis".as_slice(), 1, PacketWriteEndInfo::EndStream, 0).unwrap();
    assert_eq!(read(&vorbis.into_inner(), 9).1, Some(OpusFileError::NotOpus));
    let mut surround = PacketWriter::new(Vec::new());
    surround
        .write_packet(b"OpusHead\x01\x06\0\0\0\0\0\0\0\0\x01".as_slice(), 1, PacketWriteEndInfo::EndPage, 0)
        .unwrap();
    let error = read(&surround.into_inner(), 9).1.unwrap();
    assert_eq!(
        error.to_string(),
        "the Opus file has 6 channels in mapping family 1: convert it to mono or stereo"
    );
}

#[test]
fn a_gap_is_as_long_as_it_says() {
    let mut file = Vec::new();
    let mut writer = OpusWriter::new(SETTINGS, &mut file);
    writer.write(&packets(&[30])[0], &mut file).unwrap();
    assert_eq!(writer.write_gap(1010, &mut file), 1000);
    assert_eq!(writer.position(), 51 * 960);
    assert_eq!(writer.write_gap(u32::MAX, &mut file), 600_000);
    assert!(writer.write(&[], &mut file).is_err() && writer.write(&vec![0; 61_441], &mut file).is_err());
    writer.finish(&mut file);
    let (read, error) = read(&file, 4096);
    assert_eq!((read.len(), error), (1 + 50 + 30_000, None));
    assert!(read.iter().all(|(payload, ..)| payload[0] == SILK_20 && duration(payload) == Some(960)));
}

#[test]
fn a_recording_that_is_cut_off_lacks_a_second_at_most() {
    let mut file = Vec::new();
    let mut writer = OpusWriter::new(SETTINGS, &mut file);
    for packet in packets(&[40; 500]) {
        writer.write(&packet, &mut file).unwrap();
    }
    assert!(read(&file, 4096).0.len() >= 450);
}

/// Samples by `hound`, as a file.
fn hound_file(channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

fn read_wav(file: &[u8], piece: usize) -> (u8, u32, Vec<i16>) {
    let mut reader = WavReader::new();
    let mut all = Vec::new();
    for mut piece in file.chunks(piece) {
        loop {
            let mut samples = [0; 100];
            let progress = reader.read(piece, &mut samples).unwrap();
            piece = &piece[progress.bytes..];
            all.extend(&samples[..progress.samples]);
            if progress.bytes == 0 {
                break;
            }
        }
    }
    let format = reader.format().unwrap();
    (format.channels, format.rate, all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn wav_files_are_those_of_another_program(
        frames in prop::collection::vec(any::<(i16, i16)>(), 1..500), stereo in any::<bool>(), rate in 4000u32..192_000,
        piece in 1usize..300,
    ) {
        let samples: Vec<i16> = frames.into_iter().flat_map(|(left, right)| [left, right]).collect();
        let channels = if stereo { 2 } else { 1 };
        prop_assert_eq!(
            read_wav(&hound_file(channels.into(), rate, &samples), piece),
            (channels, rate, samples.clone())
        );
        let mut file = wav::header(channels, rate, samples.len() as u64 * 2).to_vec();
        wav::write(&samples, &mut file);
        let mut other = hound::WavReader::new(Cursor::new(file)).unwrap();
        prop_assert_eq!((other.spec().channels, other.spec().sample_rate), (channels.into(), rate));
        prop_assert_eq!(other.samples::<i16>().collect::<Result<Vec<_>, _>>().unwrap(), samples);
    }

    #[test]
    fn ogg_files_are_those_of_another_program(
        sizes in prop::collection::vec(1usize..3000, 1..200), piece in 1usize..5000, per_page in 1usize..60,
    ) {
        let packets = packets(&sizes);
        let end = packets.len() as u64 * 960;
        prop_assert_eq!(payloads(&read(&other_file(&packets, 0, end, per_page), piece).0), packets.clone());
        prop_assert_eq!(payloads(&read(&write(&packets), piece).0), packets);
    }
}
