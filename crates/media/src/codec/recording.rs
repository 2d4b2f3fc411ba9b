//! Opus for files: one or two channels, at the rate of recordings.

use opus_pure::{Application, OpusEncoder, RateControl};

use super::{EncodeError, Unsupported};

/// Encodes a recording, frame by frame of 20 ms.
pub struct RecordingEncoder {
    inner: OpusEncoder,
    /// Samples of each channel in a frame.
    frame: usize,
    rate: u32,
}

impl RecordingEncoder {
    /// An encoder of one or two channels at one of [`OPUS_RATES`](super::OPUS_RATES).
    pub fn new(rate: u32, channels: u8) -> Result<Self, Unsupported> {
        let signed = i32::try_from(rate).map_err(|_| Unsupported)?;
        let application = Application::Audio;
        let mut inner = OpusEncoder::new(signed, channels.into(), application).map_err(|_| Unsupported)?;
        inner.bitrate_bps = BITRATE * i32::from(channels);
        inner.complexity = COMPLEXITY;
        inner.rate_control = RateControl::Vbr;
        Ok(RecordingEncoder { inner, frame: (rate / 50) as usize, rate })
    }

    /// The samples of a frame, those of two channels in turns.
    pub fn frame(&self) -> usize {
        self.frame * self.inner.channels()
    }

    /// How many samples at 48 kHz a listener leaves out at the beginning of the file.
    pub fn pre_skip(&self) -> u16 {
        let samples = self.inner.lookahead() as u64 * 48_000 / u64::from(self.rate.max(1));
        u16::try_from(samples).unwrap_or(u16::MAX)
    }

    /// Encodes one frame; says how many bytes it has.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, EncodeError> {
        if pcm.len() != self.frame() {
            return Err(EncodeError::FrameLength);
        }
        self.inner.encode_s16(pcm, self.frame, payload).map_err(|_| EncodeError::Failed)
    }
}

/// Bits in a second of each channel: speech at 16 kHz that nobody tells from the original.
const BITRATE: i32 = 24_000;

/// How much work goes into a frame, of 0 to 10: recordings are made beside everything else.
const COMPLEXITY: i32 = 2;
