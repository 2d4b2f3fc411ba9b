//! The RTP that an end sends, and what is read of what it receives.

use std::f32::consts::TAU;
use std::rc::Rc;

use ringback_media::codec::{Encoder, Format, MAX_PAYLOAD};
use ringback_media::rtp::{FIXED_LEN, Header, Rewrite};

use super::Kind;
use super::description::payload_type;

/// Payloads of 20 ms each, sent again and again.
pub(super) type Sound = Rc<[Box<[u8]>]>;

/// What tells a packet apart from those of other seconds, and when it was sent. It stands in the place of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since the load began.
    pub(super) at: u64,
    /// Which window of counting it belongs to.
    pub(super) window: u32,
}

/// The stream that an end sends.
pub(super) struct Stream {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    ticks: u32,
    sound: Sound,
    next: usize,
}

impl Stream {
    /// A stream of what an end of this kind sends.
    pub(super) fn new(kind: Kind, sound: Sound, ssrc: u32) -> Self {
        let ticks = if kind == Kind::Opus { 960 } else { 160 };
        let next = ssrc as usize % sound.len().max(1);
        Stream { payload_type: payload_type(kind), sequence: 0, timestamp: ssrc, ssrc, ticks, sound, next }
    }

    /// Writes the next packet; `None` when the buffer is too small.
    pub(super) fn write(&mut self, stamp: Option<Stamp>, buffer: &mut [u8]) -> Option<usize> {
        let payload = self.sound.get(self.next)?;
        let header: &mut [u8; FIXED_LEN] = buffer.first_chunk_mut()?;
        let Stream { payload_type, sequence, timestamp, ssrc, .. } = *self;
        Rewrite { payload_type, sequence, timestamp, ssrc }.write(false, header);
        let len = FIXED_LEN + payload.len();
        let body = buffer.get_mut(FIXED_LEN..len)?;
        body.copy_from_slice(payload);
        if let Some((stamp, place)) = stamp.zip(body.first_chunk_mut()) {
            *place = stamp.bytes();
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.ticks);
        self.next = (self.next + 1) % self.sound.len();
        Some(len)
    }
}

impl Stamp {
    fn bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        let (at, window) = bytes.split_at_mut(8);
        at.copy_from_slice(&self.at.to_be_bytes());
        window.copy_from_slice(&self.window.to_be_bytes());
        bytes
    }

    /// The stamp of a packet.
    pub(super) fn read(packet: &[u8]) -> Option<Stamp> {
        let header = Header::parse(packet)?;
        let stamp: &[u8; STAMP_LEN] = packet.get(header.payload..)?.first_chunk()?;
        let (at, window) = stamp.split_first_chunk()?;
        Some(Stamp { at: u64::from_be_bytes(*at), window: u32::from_be_bytes(*window.first_chunk()?) })
    }
}

/// A second of something like speech, as an end of this kind sends it.
pub(super) fn sound(kind: Kind) -> Sound {
    let format = if kind == Kind::Opus { Format::Opus } else { Format::Pcmu };
    let codec = format.describe(payload_type(kind));
    let Ok(mut encoder) = Encoder::new(&codec, RATE) else { return Rc::new([]) };
    let rate = encoder.sample_rate();
    let mut payload = [0; MAX_PAYLOAD];
    (0..50)
        .filter_map(|frame| {
            let samples = rate / 50;
            let pcm: Vec<i16> =
                (0..samples).map(|n| voice((frame * samples + n) as f32 / rate as f32)).collect();
            let len = encoder.encode(&pcm, &mut payload).ok()?;
            payload.get(..len).map(Box::from)
        })
        .collect()
}

/// A vowel of 140 Hz in four syllables a second.
fn voice(at: f32) -> i16 {
    let syllable = (TAU * 2.0 * at).sin().abs();
    let vowel = [(1.0, 0.5), (2.0, 0.3), (5.0, 0.25), (8.0, 0.1), (17.0, 0.05)];
    let sum: f32 = vowel.iter().map(|(harmonic, level)| level * (TAU * 140.0 * harmonic * at).sin()).sum();
    (sum * syllable * 9000.0) as i16
}

/// The rate of samples where the codec can choose.
const RATE: u32 = 48_000;
const STAMP_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_carries_its_stamp() {
        let mut stream = Stream::new(Kind::Plain, sound(Kind::Plain), 7);
        let mut buffer = [0; 400];
        let stamp = Stamp { at: 123_456_789_012, window: 3 };
        let len = stream.write(Some(stamp), &mut buffer).unwrap();
        assert_eq!(len, FIXED_LEN + 160);
        assert_eq!(Stamp::read(&buffer[..len]), Some(stamp));
        let (first, second) = (Header::parse(&buffer[..len]).unwrap(), {
            let len = stream.write(None, &mut buffer).unwrap();
            Header::parse(&buffer[..len]).unwrap()
        });
        assert_eq!((second.sequence, second.timestamp), (first.sequence + 1, first.timestamp + 160));
        assert_eq!((first.payload_type, first.ssrc), (0, 7));
    }

    #[test]
    fn opus_is_a_second_of_frames_with_sound_in_them() {
        let sound = sound(Kind::Opus);
        assert_eq!(sound.len(), 50);
        assert!(sound.iter().all(|frame| frame.len() > 10), "digital silence has less");
        let mut stream = Stream::new(Kind::Opus, sound, 1);
        let len = stream.write(None, &mut [0; 1500]).unwrap();
        assert!(len > FIXED_LEN + 10);
    }

    #[test]
    fn a_buffer_that_is_too_small_gets_nothing() {
        let mut stream = Stream::new(Kind::Plain, sound(Kind::Plain), 7);
        assert_eq!(stream.write(None, &mut [0; 100]), None);
        assert_eq!(stream.write(None, &mut [0; 4]), None);
    }
}
