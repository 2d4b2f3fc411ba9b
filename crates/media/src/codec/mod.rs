//! Audio codecs: payloads of RTP to samples and back.
//!
//! A [`Decoder`] stands at each leg that sends audio which somebody must hear as samples, an [`Encoder`] at each leg
//! that gets audio made out of samples. Samples are 16 bits, one channel, at the codec's own rate; between two rates
//! stands a resampler ([`crate::audio::Resampler`]). A [`Format`] says how a codec is called in a session description
//! and how its RTP clock counts; formats and their parameters are those of [`crate::sdp::Codec`].
//!
//! Everything that a codec needs is made with it, and a frame allocates nothing; but to encode Opus and to conceal a
//! lost frame of it the library makes a few short-lived buffers (docs/decisions/0020). What the network sends can be
//! refused ([`DecodeError`]); the caller counts it and conceals the frame.
//!
//! A lost frame is concealed: Opus does so itself and may have a copy in the next packet ([`Decoder::decode_fec`]),
//! the others repeat the last pitch period and fade out ([`Concealment`]). Silence is either not sent (Opus, `usedtx`)
//! or described by [`comfort_noise`].
//!
//! Left out: G.729, GSM, iLBC and Speex (docs/decisions/0020 says why); stereo, which is mixed down; the concealment of
//! G.722 by its own state (Appendix III and IV of the recommendation); L16 at 44100 Hz.

pub mod comfort_noise;
mod conceal;
mod error;
mod format;
#[doc(hidden)]
pub mod fuzz;
mod g711;
mod g722;
mod l16;
pub mod opus;
mod recording;

pub use conceal::Concealment;
pub use error::{DecodeError, EncodeError, Unsupported};
pub use format::{FRAMES_MS, Format, MAX_PAYLOAD, MAX_SAMPLES, OPUS_RATES};
pub use g711::Law;
pub use recording::RecordingEncoder;

use crate::sdp;

/// Makes samples out of the payloads of one stream.
pub struct Decoder {
    format: Format,
    sample_rate: u32,
    decoding: Decoding,
}

enum Decoding {
    G711(Law, Concealment),
    G722(Box<g722::Decoder>, Concealment),
    L16(u8, Concealment),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// A decoder of what the far end sends as `codec`, with samples at `wanted` hertz if the codec can choose
    /// ([`Format::sample_rate`]).
    ///
    /// Of Opus, ask for 48000 and convert: at a lower rate the library folds down what is above half of it, and a far
    /// end that speaks at 48000 sends that.
    pub fn new(codec: &sdp::Codec, wanted: u32) -> Result<Self, Unsupported> {
        let format = Format::of(codec).ok_or(Unsupported)?;
        let sample_rate = format.sample_rate(wanted);
        let decoding = match format {
            Format::Pcmu => Decoding::G711(Law::Mu, Concealment::new(sample_rate)),
            Format::Pcma => Decoding::G711(Law::A, Concealment::new(sample_rate)),
            Format::G722 => Decoding::G722(Box::default(), Concealment::new(sample_rate)),
            Format::L16 { channels, .. } => Decoding::L16(channels, Concealment::new(sample_rate)),
            Format::Opus => Decoding::Opus(Box::new(opus::Decoder::new(sample_rate)?)),
        };
        Ok(Decoder { format, sample_rate, decoding })
    }

    /// The codec.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Samples in a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Decodes a payload and says how many samples it had: never more than [`MAX_SAMPLES`] for a payload of 2048 bytes.
    ///
    /// After an error the frame is to be concealed.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, DecodeError> {
        if let Decoding::Opus(decoder) = &mut self.decoding {
            return decoder.decode(payload, pcm);
        }
        let ticks = self.format.duration(payload).ok_or(match payload {
            [] => DecodeError::Empty,
            _ => DecodeError::Malformed,
        })?;
        let samples = u64::from(ticks) * u64::from(self.sample_rate) / u64::from(self.format.clock_rate());
        let samples = usize::try_from(samples).unwrap_or(usize::MAX);
        let pcm = pcm.get_mut(..samples).ok_or(DecodeError::TooLong)?;
        let concealment = match &mut self.decoding {
            Decoding::G711(law, concealment) => {
                law.expand_all(payload, pcm);
                concealment
            }
            Decoding::G722(decoder, concealment) => {
                decoder.decode(payload, pcm);
                concealment
            }
            Decoding::L16(channels, concealment) => {
                l16::read(payload, *channels, pcm);
                concealment
            }
            Decoding::Opus(_) => return Err(DecodeError::Malformed),
        };
        concealment.received(pcm);
        Ok(samples)
    }

    /// Fills `pcm` with what probably stood in a payload that did not come.
    pub fn conceal(&mut self, pcm: &mut [i16]) {
        match &mut self.decoding {
            Decoding::G711(_, concealment)
            | Decoding::G722(_, concealment)
            | Decoding::L16(_, concealment) => concealment.conceal(pcm),
            Decoding::Opus(decoder) => decoder.conceal(pcm),
        }
    }

    /// Fills `pcm` with what stood in the payload before `next`, which did not come, out of the copy that `next` has
    /// of it ([RFC 6716 §2.1.7]); conceals where there is none. Decoding `next` comes after.
    ///
    /// [RFC 6716 §2.1.7]: https://www.rfc-editor.org/rfc/rfc6716#section-2.1.7
    pub fn decode_fec(&mut self, next: &[u8], pcm: &mut [i16]) {
        match &mut self.decoding {
            Decoding::Opus(decoder) => decoder.decode_fec(next, pcm),
            _ => self.conceal(pcm),
        }
    }
}

/// Makes the payloads of one stream out of samples.
pub struct Encoder {
    format: Format,
    sample_rate: u32,
    encoding: Encoding,
}

enum Encoding {
    G711(Law),
    G722(Box<g722::Encoder>),
    L16(u8),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// An encoder for a far end that has described `codec`, whose parameters are what it wants to get; of samples at
    /// `wanted` hertz if the codec can choose ([`Format::sample_rate`]).
    pub fn new(codec: &sdp::Codec, wanted: u32) -> Result<Self, Unsupported> {
        let format = Format::of(codec).ok_or(Unsupported)?;
        let sample_rate = format.sample_rate(wanted);
        let encoding = match format {
            Format::Pcmu => Encoding::G711(Law::Mu),
            Format::Pcma => Encoding::G711(Law::A),
            Format::G722 => Encoding::G722(Box::default()),
            Format::L16 { channels, .. } => Encoding::L16(channels),
            Format::Opus => {
                let settings = opus::Settings::of(codec);
                Encoding::Opus(Box::new(opus::Encoder::new(sample_rate, &settings)?))
            }
        };
        Ok(Encoder { format, sample_rate, encoding })
    }

    /// The codec.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Samples in a second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Encodes a frame of one of [`FRAMES_MS`] that [`Format::frame_ms`] allows, and says how many bytes it has: never
    /// more than [`MAX_PAYLOAD`], and 0 when the frame need not be sent (`usedtx`).
    pub fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, EncodeError> {
        let ms = pcm.len() as u64 * 1000;
        let ms = u32::try_from(ms / u64::from(self.sample_rate)).unwrap_or(u32::MAX);
        if pcm.len() as u64 * 1000 != u64::from(ms) * u64::from(self.sample_rate)
            || self.format.frame_ms(ms) != ms
        {
            return Err(EncodeError::FrameLength);
        }
        let len = match (&self.encoding, self.format) {
            (Encoding::Opus(_), _) => MAX_PAYLOAD.min(payload.len()),
            (Encoding::G722(_), _) => pcm.len() / 2,
            (Encoding::L16(channels), _) => pcm.len() * 2 * usize::from(*channels),
            (Encoding::G711(_), _) => pcm.len(),
        };
        let payload = payload.get_mut(..len).ok_or(EncodeError::TooSmall)?;
        match &mut self.encoding {
            Encoding::G711(law) => law.compress_all(pcm, payload),
            Encoding::G722(encoder) => encoder.encode(pcm, payload),
            Encoding::L16(channels) => l16::write(pcm, *channels, payload),
            Encoding::Opus(encoder) => return encoder.encode(pcm, payload),
        }
        Ok(len)
    }

    /// Tells what part of our packets the far end loses, in percent, by its reports: Opus protects itself accordingly
    /// if the far end wants it to (`useinbandfec`).
    pub fn expect_loss(&mut self, percent: u8) {
        if let Encoding::Opus(encoder) = &mut self.encoding {
            encoder.expect_loss(percent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_other_lengths_are_refused() {
        let codec = Format::Pcma.describe(8);
        let mut encoder = Encoder::new(&codec, 8000).unwrap();
        let mut payload = [0; MAX_PAYLOAD];
        for len in [0, 1, 79, 81, 159, 400, 960] {
            assert_eq!(encoder.encode(&vec![0; len], &mut payload), Err(EncodeError::FrameLength), "{len}");
        }
        assert_eq!(encoder.encode(&[0; 160], &mut payload[..159]), Err(EncodeError::TooSmall));
        assert_eq!(encoder.encode(&[0; 160], &mut payload), Ok(160));
        let mut encoder = Encoder::new(&Format::Opus.describe(111), 8000).unwrap();
        assert_eq!(encoder.encode(&[0; 240], &mut payload), Err(EncodeError::FrameLength));
        assert_eq!(encoder.encode(&[0; 160], &mut payload[..1]), Err(EncodeError::TooSmall));
    }

    #[test]
    fn payloads_that_cannot_be_read_are_named() {
        let mut pcm = [0; MAX_SAMPLES];
        let mut decoder = Decoder::new(&Format::Pcma.describe(8), 8000).unwrap();
        assert_eq!(decoder.decode(&[], &mut pcm), Err(DecodeError::Empty));
        assert_eq!(decoder.decode(&[0; 161], &mut pcm[..160]), Err(DecodeError::TooLong));
        let l16 = Format::L16 { rate: 8000, channels: 1 };
        let mut decoder = Decoder::new(&l16.describe(96), 8000).unwrap();
        assert_eq!(decoder.decode(&[0; 161], &mut pcm), Err(DecodeError::Malformed));
        let mut decoder = Decoder::new(&Format::Opus.describe(96), 8000).unwrap();
        assert_eq!(decoder.decode(&[], &mut pcm), Err(DecodeError::Empty));
        // Two frames of one size whose bytes are odd in number: RFC 6716 §3.2.3.
        assert_eq!(decoder.decode(&[0x01, 0, 0, 0], &mut pcm), Err(DecodeError::Malformed));
        let unknown = sdp::Codec::new(18, "G729", 8000, 1);
        assert!(Decoder::new(&unknown, 8000).is_err());
        assert!(Encoder::new(&unknown, 8000).is_err());
    }
}
