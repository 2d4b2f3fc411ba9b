//! Opus ([RFC 6716], [RFC 7587]) by the crate `opus-pure`, one channel, encoded at the rate of what is on the other side and
//! decoded at 48 kHz ([`Decoder::new`](super::Decoder::new) says why).
//!
//! A stereo stream is mixed down as it is decoded. What is sent has one channel, also where `stereo=1` asks for two:
//! the parameter is a preference.
//!
//! [RFC 6716]: https://www.rfc-editor.org/rfc/rfc6716
//! [RFC 7587]: https://www.rfc-editor.org/rfc/rfc7587

pub(super) mod packet;
mod settings;

use opus_pure::{Application, Bandwidth, Error, OpusDecoder, OpusEncoder, RateControl};

use super::{DecodeError, EncodeError, Unsupported};

pub use settings::Settings;

/// Decodes one stream.
pub(super) struct Decoder {
    inner: OpusDecoder,
    rate: usize,
}

impl Decoder {
    pub(super) fn new(rate: u32) -> Result<Self, Unsupported> {
        let inner = signed(rate).and_then(|rate| OpusDecoder::new(rate, 1).ok()).ok_or(Unsupported)?;
        Ok(Decoder { inner, rate: rate as usize })
    }

    pub(super) fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        let ticks = packet::duration(payload).ok_or(DecodeError::Malformed)?;
        let samples = ticks as usize * self.rate / 48000;
        let pcm = pcm.get_mut(..samples).ok_or(DecodeError::TooLong)?;
        match self.inner.decode_s16(payload, samples, pcm) {
            Ok(decoded) if decoded == samples => Ok(samples),
            Ok(_) | Err(_) => Err(DecodeError::Malformed),
        }
    }

    pub(super) fn conceal(&mut self, pcm: &mut [i16]) {
        self.fill(pcm, |decoder, samples, pcm| decoder.decode_s16(&[], samples, pcm));
    }

    pub(super) fn decode_fec(&mut self, next: &[u8], pcm: &mut [i16]) {
        // The copy is of the last frames before `next`: what is longer than a packet can be is concealed first.
        let most = self.rate * 120 / 1000;
        let (early, late) = pcm.split_at_mut(pcm.len().saturating_sub(most));
        self.conceal(early);
        if packet::duration(next).is_none() {
            return self.conceal(late);
        }
        self.fill(late, |decoder, samples, pcm| decoder.decode_fec_s16(next, samples, pcm));
    }

    /// Fills all of `pcm` by calls of a length that Opus has: steps of 2.5 ms, 120 ms at most.
    fn fill(
        &mut self,
        pcm: &mut [i16],
        mut call: impl FnMut(&mut OpusDecoder, usize, &mut [i16]) -> Result<usize, Error>,
    ) {
        let step = self.rate / 400;
        for chunk in pcm.chunks_mut(step * 48) {
            let whole = chunk.len() / step * step;
            let (frame, rest) = chunk.split_at_mut(whole);
            let filled = if whole == 0 { 0 } else { call(&mut self.inner, whole, frame).unwrap_or(0) };
            frame.iter_mut().skip(filled).for_each(|sample| *sample = 0);
            rest.fill(0);
        }
    }
}

/// Encodes one stream.
pub(super) struct Encoder {
    inner: OpusEncoder,
    uses_dtx: bool,
}

impl Encoder {
    pub(super) fn new(rate: u32, settings: &Settings) -> Result<Self, Unsupported> {
        let mut inner = signed(rate)
            .and_then(|rate| OpusEncoder::new(rate, 1, Application::Voip).ok())
            .ok_or(Unsupported)?;
        inner.bitrate_bps = signed(settings.bitrate(rate)).ok_or(Unsupported)?;
        inner.complexity = COMPLEXITY;
        inner.rate_control =
            if settings.constant_bitrate { RateControl::Cbr } else { RateControl::ConstrainedVbr };
        inner.use_inband_fec = settings.in_band_fec;
        inner.use_dtx = settings.dtx;
        inner.max_bandwidth = match settings.max_playback_rate.min(rate) {
            ..=8000 => Bandwidth::Narrowband,
            8001..=12000 => Bandwidth::Mediumband,
            12001..=16000 => Bandwidth::Wideband,
            16001..=24000 => Bandwidth::Superwideband,
            24001.. => Bandwidth::Fullband,
        };
        Ok(Encoder { inner, uses_dtx: settings.dtx })
    }

    /// `payload` is the room that the frame may take.
    pub(super) fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, EncodeError> {
        if payload.len() < 2 {
            return Err(EncodeError::TooSmall);
        }
        let len = self.inner.encode_s16(pcm, pcm.len(), payload).map_err(|error| match error {
            Error::BufferTooSmall { .. } => EncodeError::TooSmall,
            _ => EncodeError::Failed,
        })?;
        // A packet without a frame, or with an empty one, says only that there is nothing to hear.
        Ok(if self.uses_dtx && len <= 2 { 0 } else { len })
    }

    pub(super) fn expect_loss(&mut self, percent: u8) {
        self.inner.packet_loss_perc = percent.min(100).into();
    }
}

fn signed(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

/// The highest bit rate that we send: 60 ms of it fit into a datagram.
pub const MAX_BITRATE: u32 = 128_000;

/// How much work the encoder puts into a frame, of 0 to 10: 5 costs half as much again at 8 kHz, and twice as much at 16
/// kHz, for a quarter of a decibel.
const COMPLEXITY: i32 = 3;
