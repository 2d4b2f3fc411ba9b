//! What holds for any bytes that come as payloads; a fuzz target and a test of its corpus call it.

use ringback_sansio::fuzz::Input;

use super::{Decoder, EncodeError, Encoder, Format, MAX_PAYLOAD, MAX_SAMPLES, comfort_noise};
use crate::audio::{RATES, Resampler};

/// Takes the payloads in `data`, each behind two bytes of length, as one stream of one codec: decoded, lost, repaired,
/// resampled, encoded anew. What was encoded is decoded again to as many samples.
pub fn codecs(data: &[u8]) {
    let mut input = Input(data);
    let format = input.one_of(&FORMATS, Format::Pcmu);
    let wanted = input.one_of(&RATES, 8000);
    let codec = format.describe(96);
    let (Ok(mut decoder), Ok(mut encoder), Ok(mut second)) =
        (Decoder::new(&codec, wanted), Encoder::new(&codec, wanted), Decoder::new(&codec, wanted))
    else {
        return;
    };
    let rate = decoder.sample_rate();
    assert_eq!(encoder.sample_rate(), rate);
    let Some(mut resampler) = Resampler::new(rate, wanted) else { return };
    let mut noise = comfort_noise::Generator::new(1);
    let mut pcm = vec![0; MAX_SAMPLES];
    let mut converted = vec![0; resampler.most(MAX_SAMPLES)];
    let mut payload = [0; MAX_PAYLOAD];
    let mut steps = 0;
    while let Some(bytes) = input.framed() {
        steps += 1;
        if steps > MOST_STEPS {
            return;
        }
        let step = input.byte().unwrap_or_default();
        let ms = format.frame_ms(u32::from(step >> 2));
        let frame = rate as usize / 1000 * ms as usize;
        let Some(one) = pcm.get_mut(..frame) else { return };
        let len = match step & 3 {
            0 => match decoder.decode(bytes, &mut pcm) {
                Ok(len) => {
                    let ticks = format.duration(bytes);
                    assert_eq!(ticks, Some(format.ticks(len, rate)), "as long as it said");
                    len
                }
                Err(_) => 0,
            },
            1 => {
                decoder.conceal(one);
                frame
            }
            2 => {
                decoder.decode_fec(bytes, one);
                frame
            }
            _ => {
                noise.describe(bytes);
                noise.fill(one);
                frame
            }
        };
        let Some(heard) = pcm.get(..len) else { return };
        let count = resampler.convert(heard, &mut converted);
        assert!(count <= resampler.most(len));
        encoder.expect_loss(step);
        for chunk in heard.chunks_exact(frame) {
            match encoder.encode(chunk, &mut payload) {
                Ok(0) => {}
                Ok(len) => {
                    let mut back = vec![0; frame];
                    let sent = payload.get(..len).unwrap_or_default();
                    assert_eq!(second.decode(sent, &mut back), Ok(frame), "{format:?}");
                }
                Err(error) => assert_eq!(error, EncodeError::Failed),
            }
        }
    }
}

const FORMATS: [Format; 7] = [
    Format::Pcmu,
    Format::Pcma,
    Format::G722,
    Format::Opus,
    Format::L16 { rate: 8000, channels: 1 },
    Format::L16 { rate: 32000, channels: 2 },
    Format::Opus,
];

/// Enough to go through all states, and not so many that one input takes long.
const MOST_STEPS: usize = 40;
