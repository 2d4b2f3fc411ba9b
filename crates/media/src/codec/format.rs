//! What a codec is called in a session description, and how its payloads and the RTP clock count.

use crate::sdp;

use super::opus::packet;

/// A codec that we can decode and encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Linear samples.
    L16 {
        /// Samples in a second.
        rate: u32,
        /// One, or two of which both are sent alike and the mean is heard.
        channels: u8,
    },
    /// Opus.
    Opus,
}

impl Format {
    /// The format of a line of a session description; `None` for what we cannot decode.
    pub fn of(codec: &sdp::Codec) -> Option<Self> {
        let is = |name: &str| codec.name.eq_ignore_ascii_case(name);
        let (rate, channels) = (codec.clock_rate, codec.channels);
        match () {
            () if is("PCMU") && (rate, channels) == (8000, 1) => Some(Format::Pcmu),
            () if is("PCMA") && (rate, channels) == (8000, 1) => Some(Format::Pcma),
            () if is("G722") && (rate, channels) == (8000, 1) => Some(Format::G722),
            // RFC 7587 §4.1 and §7: always 48000 and 2, whatever is sent. Some write it without the 2.
            () if is("opus") && rate == 48000 => Some(Format::Opus),
            () if is("L16") && L16_RATES.contains(&rate) && matches!(channels, 1 | 2) => {
                let format = Format::L16 { rate, channels };
                (format.payload_len(FRAMES_MS[0]) <= MAX_PAYLOAD).then_some(format)
            }
            () => None,
        }
    }

    /// The byte that silence is made of; `None` where it is not the same byte all the time.
    pub fn silence(self) -> Option<u8> {
        match self {
            Format::Pcmu => Some(0xff),
            Format::Pcma => Some(0xd5),
            Format::G722 => Some(0xfd),
            Format::L16 { .. } => Some(0),
            Format::Opus => None,
        }
    }

    /// The encoding name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Pcmu => "PCMU",
            Format::Pcma => "PCMA",
            Format::G722 => "G722",
            Format::L16 { .. } => "L16",
            Format::Opus => "opus",
        }
    }

    /// The RTP clock rate: that of `a=rtpmap` and of the timestamps, which is not always the rate of the samples.
    pub fn clock_rate(self) -> u32 {
        match self {
            // RFC 3551 §4.5.2: 8000 for what is sampled at 16000.
            Format::Pcmu | Format::Pcma | Format::G722 => 8000,
            Format::L16 { rate, .. } => rate,
            Format::Opus => 48000,
        }
    }

    /// The channels that `a=rtpmap` has. Samples on our side of a codec have one.
    pub fn channels(self) -> u8 {
        match self {
            Format::Pcmu | Format::Pcma | Format::G722 => 1,
            Format::L16 { channels, .. } => channels,
            Format::Opus => 2,
        }
    }

    /// The payload type that needs no `a=rtpmap` ([RFC 3551 §6]).
    ///
    /// [RFC 3551 §6]: https://www.rfc-editor.org/rfc/rfc3551#section-6
    pub fn payload_type(self) -> Option<u8> {
        match self {
            Format::Pcmu => Some(0),
            Format::Pcma => Some(8),
            Format::G722 => Some(9),
            Format::L16 { .. } | Format::Opus => None,
        }
    }

    /// The rate of the samples that a codec of this format takes and gives.
    ///
    /// Opus runs at any of its rates whatever the far end does ([RFC 7587 §3.1.1]), so it takes `wanted`, the rate of
    /// what is on the other side, or the next higher one that it has. The others have one rate only.
    ///
    /// [RFC 7587 §3.1.1]: https://www.rfc-editor.org/rfc/rfc7587#section-3.1.1
    pub fn sample_rate(self, wanted: u32) -> u32 {
        match self {
            Format::Pcmu | Format::Pcma => 8000,
            Format::G722 => 16000,
            Format::L16 { rate, .. } => rate,
            Format::Opus => OPUS_RATES.into_iter().find(|rate| *rate >= wanted).unwrap_or(48000),
        }
    }

    /// How long a frame that we send is, in milliseconds: the longest that we make and that is not longer than asked
    /// for (`a=ptime`, `a=maxptime`), that the codec has, and that fits into a datagram.
    pub fn frame_ms(self, asked: u32) -> u32 {
        FRAMES_MS
            .into_iter()
            .rev()
            .filter(|&ms| ms <= asked && self.payload_len(ms) <= MAX_PAYLOAD)
            // RFC 6716 §2.1.4 has no frame of 30 ms.
            .find(|&ms| self != Format::Opus || ms != 30)
            .unwrap_or(FRAMES_MS[0])
    }

    /// The step of the RTP timestamp for a number of samples at `sample_rate`.
    pub fn ticks(self, samples: usize, sample_rate: u32) -> u32 {
        let ticks = samples as u64 * u64::from(self.clock_rate()) / u64::from(sample_rate.max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// How much time a payload holds, in ticks of the RTP clock, without decoding it; `None` for one that is malformed.
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        let len = u32::try_from(payload.len()).ok().filter(|len| *len > 0)?;
        match self {
            Format::Pcmu | Format::Pcma | Format::G722 => Some(len),
            Format::L16 { channels, .. } => {
                let frame = 2 * u32::from(channels);
                len.is_multiple_of(frame).then_some(len / frame)
            }
            Format::Opus => packet::duration(payload),
        }
    }

    /// The line of a session description, without parameters.
    pub fn describe(self, payload_type: u8) -> sdp::Codec {
        sdp::Codec::new(payload_type, self.name(), self.clock_rate(), self.channels())
    }

    /// The bytes of a frame of so many milliseconds; for Opus what it needs at most at a rate that we choose.
    fn payload_len(self, ms: u32) -> usize {
        let bytes = match self {
            Format::Pcmu | Format::Pcma | Format::G722 => 8 * ms,
            Format::L16 { rate, channels } => rate / 1000 * ms * 2 * u32::from(channels),
            Format::Opus => ms * super::opus::MAX_BITRATE / 8000,
        };
        bytes as usize
    }
}

/// The lengths of frames that we send.
pub const FRAMES_MS: [u32; 5] = [10, 20, 30, 40, 60];

/// The longest payload that we make: with all headers it fits into an Ethernet frame.
pub const MAX_PAYLOAD: usize = 1400;

/// The most samples that a payload gives: the 120 ms of Opus at 48 kHz, and more than any other payload of a datagram
/// that we receive (2048 bytes).
pub const MAX_SAMPLES: usize = 5760;

/// The rates at which Opus encodes and decodes.
pub const OPUS_RATES: [u32; 5] = [8000, 12000, 16000, 24000, 48000];

/// Rates of L16: those that can be converted into each other. 44100 is not among them.
const L16_RATES: [u32; 6] = [8000, 12000, 16000, 24000, 32000, 48000];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, rate: u32, channels: u8) -> Option<Format> {
        Format::of(&sdp::Codec::new(96, name, rate, channels))
    }

    #[test]
    fn a_format_is_found_by_its_name_in_any_case() {
        assert_eq!(of("pcmu", 8000, 1), Some(Format::Pcmu));
        assert_eq!(of("PCMA", 8000, 1), Some(Format::Pcma));
        assert_eq!(of("g722", 8000, 1), Some(Format::G722));
        assert_eq!(of("OPUS", 48000, 2), Some(Format::Opus));
        assert_eq!(of("opus", 48000, 1), Some(Format::Opus));
        assert_eq!(of("L16", 16000, 1), Some(Format::L16 { rate: 16000, channels: 1 }));
        for (name, rate, channels) in [
            ("PCMU", 16000, 1),
            ("PCMA", 8000, 2),
            ("G722", 16000, 1),
            ("opus", 16000, 1),
            ("L16", 44100, 1),
            ("L16", 48000, 2),
            ("L16", 8000, 3),
            ("G729", 8000, 1),
            ("telephone-event", 8000, 1),
        ] {
            assert_eq!(of(name, rate, channels), None, "{name}/{rate}/{channels}");
        }
    }

    #[test]
    fn what_describes_itself_is_found_again() {
        let l16 = Format::L16 { rate: 8000, channels: 2 };
        for format in [Format::Pcmu, Format::Pcma, Format::G722, l16, Format::Opus] {
            let described = format.describe(format.payload_type().unwrap_or(96));
            assert_eq!(Format::of(&described), Some(format));
        }
        assert_eq!(Format::Opus.describe(111).to_string(), "opus/48000/2");
    }

    #[test]
    fn frames_are_as_long_as_asked_where_the_codec_has_them() {
        for (asked, ms) in [(0, 10), (9, 10), (10, 10), (25, 20), (30, 30), (50, 40), (60, 60), (120, 60)] {
            assert_eq!(Format::Pcma.frame_ms(asked), ms, "{asked}");
        }
        assert_eq!(Format::Opus.frame_ms(30), 20);
        assert_eq!(Format::Opus.frame_ms(120), 60);
        assert_eq!(Format::L16 { rate: 16000, channels: 1 }.frame_ms(60), 40);
        assert_eq!(Format::L16 { rate: 48000, channels: 1 }.frame_ms(20), 10);
    }

    #[test]
    fn timestamps_count_the_clock_and_not_the_samples() {
        assert_eq!(Format::G722.ticks(320, 16000), 160);
        assert_eq!(Format::Opus.ticks(160, 8000), 960);
        assert_eq!(Format::Pcmu.ticks(160, 8000), 160);
        assert_eq!(Format::G722.duration(&[0; 160]), Some(160));
        assert_eq!(Format::L16 { rate: 8000, channels: 2 }.duration(&[0; 640]), Some(160));
        assert_eq!(Format::L16 { rate: 8000, channels: 2 }.duration(&[0; 642]), None);
        assert_eq!(Format::Pcma.duration(&[]), None);
    }

    #[test]
    fn opus_runs_at_the_rate_of_the_other_side() {
        for (wanted, rate) in [(8000, 8000), (12000, 12000), (16000, 16000), (32000, 48000), (48000, 48000)] {
            assert_eq!(Format::Opus.sample_rate(wanted), rate);
        }
        assert_eq!(Format::G722.sample_rate(48000), 16000);
    }
}
