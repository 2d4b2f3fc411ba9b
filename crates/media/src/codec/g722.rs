//! G.722 at 64 kbit/s, by the crate `audio-codec`.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

/// Two samples out of each byte.
#[derive(Default)]
pub(super) struct Decoder(G722Decoder);

impl Decoder {
    /// Fills `pcm`, which has two samples for each byte.
    pub(super) fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) {
        let len = self.0.decode_into(payload, pcm).unwrap_or(0);
        pcm.iter_mut().skip(len).for_each(|sample| *sample = 0);
    }
}

/// A byte out of two samples.
#[derive(Default)]
pub(super) struct Encoder(G722Encoder);

impl Encoder {
    /// Fills `payload`, which has a byte for two samples.
    pub(super) fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) {
        let len = self.0.encode_into(pcm, payload).unwrap_or(0);
        payload.iter_mut().skip(len).for_each(|byte| *byte = SILENCE);
    }
}

/// The smallest differences of both bands.
const SILENCE: u8 = 0xfa;
