//! Fuzzing of the desk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;

use super::{
    Clip, ConferenceKey, Desk, DeskStats, Manner, Play, RECORDING_RATE, Recorded, RecordingKey,
    RecordingSettings, Side, Sound, Track,
};
use crate::audio::{Region, Signal};
use crate::codec::MAX_PAYLOAD;
use crate::dtmf::{Digit, Press};
use crate::negotiation::{Keys, Patch};
use crate::rtp::Header;
use crate::sdp::Codec;
use crate::session::LegKey;

/// Lets a desk with four legs live through what the bytes say: patches, conferences, tones, keys, packets with any
/// numbers and payloads, time that passes. Nothing panics, what is made is sound RTP in the payload types of its leg,
/// and time that passes makes only as many packets as it has room for.
pub fn insert(data: &[u8], start: Instant) -> DeskStats {
    let mut input = Input(data);
    let mut desk = Desk::new(1);
    let mut now = start;
    for _ in 0..MAX_STEPS {
        let Some(step) = input.byte() else { break };
        let leg = LegKey(u64::from(step >> 4 & 3));
        let other = LegKey(u64::from(step >> 6 & 3));
        match step & 15 {
            0 => drop(desk.patch(leg, other, &patch(&mut input))),
            1 => drop(desk.join(now, leg, ConferenceKey(other.0 & 1), &patch(&mut input))),
            2 => {
                let manner = if step >> 6 & 1 == 1 { Manner::Under } else { Manner::Over };
                let clip = Clip { rate: 8000, samples: vec![1000; usize::from(step)].into() };
                let (sound, times) = match step >> 7 {
                    0 => (Sound::Tone(Signal::Busy, Region::Europe), None),
                    _ => (Sound::Clip(Arc::new(clip)), Some(3)),
                };
                let from = Duration::from_millis(u64::from(step) / 2);
                let _ = desk.play(now, leg, Play { sound, times, from, manner }, &patch(&mut input));
            }
            3 => desk.stop(leg),
            4 => {
                let digit = Digit::from_event(input.byte().unwrap_or_default() & 15);
                let milliseconds = u32::from(input.byte().unwrap_or_default()) * 4;
                if let Some(digit) = digit {
                    let _ = desk.press(now, leg, Press::new(digit, milliseconds));
                }
            }
            5 => desk.unplug(leg),
            6 => desk.close(leg),
            8 => {
                let settings = RecordingSettings {
                    is_separate: step >> 6 & 1 == 1,
                    masks_keys: step >> 7 == 1,
                    keeps_packets: step >> 6 == 0b11,
                    piece: Duration::from_millis(u64::from(step)),
                    most: Duration::from_secs(2),
                };
                let track = Track {
                    recording: RecordingKey(other.0 & 1),
                    name: "fuzz".into(),
                    note: None,
                    side: if leg.0 & 1 == 0 { Side::First } else { Side::Second },
                    codecs: patch(&mut input).from,
                };
                let _ = desk.record(now, leg, &track, settings);
            }
            9 => match step >> 6 {
                0 => desk.stop_recording(RecordingKey(other.0 & 1)),
                what => desk.pause_recording(RecordingKey(leg.0 & 1), what == 1),
            },
            7 => {
                now += Duration::from_millis(u64::from(input.byte().unwrap_or_default()) * 2);
                desk.handle_timeout(now);
            }
            _ => {
                let mut packet = vec![0x80, input.byte().unwrap_or_default()];
                // Numbers that go on, mostly.
                let jump = u16::from(input.byte().unwrap_or(1));
                packet.extend((step as u16).wrapping_mul(jump).to_be_bytes());
                packet.extend((u32::from(jump) * 160).to_be_bytes());
                packet.extend([0, 0, 0, step & 1]);
                let len = usize::from(input.byte().unwrap_or_default());
                packet.extend(input.bytes(len));
                desk.handle_packet(now, leg, &packet);
            }
        }
        while let Some(made) = desk.poll_made() {
            let header = Header::parse(made.bytes());
            assert!(header.is_some_and(|header| NUMBERS.contains(&header.payload_type)), "{header:?}");
            assert!(made.bytes().len() <= 12 + MAX_PAYLOAD && made.clock_rate >= 8000);
            desk.recycle(made);
        }
        while let Some(recorded) = desk.poll_recorded() {
            if let Recorded::Piece(piece) = recorded {
                let packets = piece.packets().count();
                assert!(piece.samples().is_empty() == (packets > 0), "it has one of both");
                assert!(piece.packets().map(|packet| packet.at).is_sorted());
                assert!(piece.at <= 3 * u64::from(RECORDING_RATE));
                desk.recycle_piece(piece);
            }
        }
        while desk.poll_ended().is_some() {}
        assert!(desk.poll_timeout().is_none_or(|at| at > now || step & 15 != 7), "a tick that never ends");
    }
    desk.stats()
}

fn patch(input: &mut Input<'_>) -> Patch {
    let codecs = |bits: u8| {
        let all = [
            Codec::new(111, "opus", 48000, 2),
            Codec::new(9, "G722", 8000, 1),
            Codec::new(8, "PCMA", 8000, 1),
            Codec::new(0, "PCMU", 8000, 1),
            Codec::new(101, "telephone-event", 8000, 1),
            Codec::new(110, "telephone-event", 48000, 1),
            Codec::new(13, "CN", 8000, 1),
            Codec::new(18, "G729", 8000, 1),
        ];
        all.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, codec)| codec).collect()
    };
    let (from, to) = (input.byte().unwrap_or(1), input.byte().unwrap_or(4));
    let keys = if input.byte().is_some_and(|byte| byte & 1 == 1) { Keys::Told } else { Keys::Heard };
    Patch { from: codecs(from), to: codecs(to), ptime: u16::from(input.byte().unwrap_or(20)), keys }
}

/// The payload types of [`patch`] that can be sent.
const NUMBERS: [u8; 6] = [111, 9, 8, 0, 101, 110];

/// Steps of one run.
const MAX_STEPS: usize = 400;
