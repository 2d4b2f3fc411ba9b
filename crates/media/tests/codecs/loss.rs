//! What is lost is concealed.

use ringback_media::codec::{Decoder, Encoder, Format, MAX_PAYLOAD, MAX_SAMPLES};
use ringback_media::sdp;

use crate::round_trip::cases;
use crate::signals::{energy, tone, voice};

/// The samples of a frame of 20 ms, or what comes next to it.
fn frame_len(codec: &sdp::Codec, rate: u32) -> usize {
    (rate / 1000 * Format::of(codec).unwrap().frame_ms(20)) as usize
}

/// The payloads for a sound.
fn encoded(codec: &sdp::Codec, pcm: &[i16], rate: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, rate).unwrap();
    encoder.expect_loss(20);
    let mut payload = [0; MAX_PAYLOAD];
    pcm.chunks_exact(frame_len(codec, rate))
        .map(|frame| {
            let len = encoder.encode(frame, &mut payload).unwrap();
            payload[..len].to_vec()
        })
        .collect()
}

enum Repair {
    Silence,
    Concealment,
    Copy,
}

/// Decodes, every seventh payload being lost; `None` loses none.
fn decoded(codec: &sdp::Codec, payloads: &[Vec<u8>], rate: u32, repair: Option<Repair>) -> Vec<i16> {
    let mut decoder = Decoder::new(codec, rate).unwrap();
    let frame = frame_len(codec, rate);
    let mut pcm = [0; MAX_SAMPLES];
    let mut heard = Vec::new();
    for (n, payload) in payloads.iter().enumerate() {
        match repair {
            Some(ref repair) if n % 7 == 6 && n + 1 < payloads.len() => match repair {
                Repair::Silence => pcm[..frame].fill(0),
                Repair::Concealment => decoder.conceal(&mut pcm[..frame]),
                Repair::Copy => decoder.decode_fec(&payloads[n + 1], &mut pcm[..frame]),
            },
            _ => assert_eq!(decoder.decode(payload, &mut pcm), Ok(frame)),
        }
        heard.extend_from_slice(&pcm[..frame]);
    }
    heard
}

/// The energy of the difference.
fn error(a: &[i16], b: &[i16]) -> f64 {
    let difference: Vec<i16> = a.iter().zip(b).map(|(a, b)| a.saturating_sub(*b)).collect();
    energy(&difference)
}

#[test]
fn every_codec_conceals_better_than_silence() {
    for (format, rate) in cases() {
        let codec = format.describe(96);
        let payloads = encoded(&codec, &voice(rate, rate as usize * 2), rate);
        let whole = decoded(&codec, &payloads, rate, None);
        let silent = error(&whole, &decoded(&codec, &payloads, rate, Some(Repair::Silence)));
        let concealed = error(&whole, &decoded(&codec, &payloads, rate, Some(Repair::Concealment)));
        assert!(concealed < silent * 0.7, "{format:?} at {rate}: {concealed} after {silent}");
    }
}

#[test]
fn the_copy_in_the_next_packet_is_better_than_concealment() {
    for rate in [8000, 16000, 48000] {
        let codec = sdp::Codec { fmtp: Some("useinbandfec=1".to_owned()), ..Format::Opus.describe(111) };
        let payloads = encoded(&codec, &voice(rate, rate as usize * 2), rate);
        let whole = decoded(&codec, &payloads, rate, None);
        let concealed = error(&whole, &decoded(&codec, &payloads, rate, Some(Repair::Concealment)));
        let repaired = error(&whole, &decoded(&codec, &payloads, rate, Some(Repair::Copy)));
        assert!(repaired < concealed * 0.6, "{rate}: {repaired} after {concealed}");
    }
}

#[test]
fn a_long_loss_ends_in_silence_and_the_stream_comes_back() {
    for (format, rate) in cases() {
        let codec = format.describe(96);
        let frame = frame_len(&codec, rate);
        let payloads = encoded(&codec, &tone(440.0, rate, rate as usize), rate);
        let mut decoder = Decoder::new(&codec, rate).unwrap();
        let mut pcm = [0; MAX_SAMPLES];
        for payload in &payloads[..20] {
            decoder.decode(payload, &mut pcm).unwrap();
        }
        let loud = energy(&pcm[..frame]);
        for _ in 0..rate as usize / frame {
            decoder.conceal(&mut pcm[..frame]);
        }
        let left = energy(&pcm[..frame]);
        assert!(left < loud / 300.0, "{format:?} at {rate}: {left} of {loud} is left after a second");
        for payload in &payloads[20..] {
            decoder.decode(payload, &mut pcm).unwrap();
        }
        let back = energy(&pcm[..frame]);
        assert!(back > loud * 0.6, "{format:?} at {rate}: {back} after {loud}");
    }
}

#[test]
fn any_length_is_concealed() {
    for (format, rate) in cases() {
        let codec = format.describe(96);
        let payloads = encoded(&codec, &voice(rate, rate as usize / 5), rate);
        let mut decoder = Decoder::new(&codec, rate).unwrap();
        let mut pcm = vec![0; 20_000];
        for len in [0, 1, 19, 80, 161, 960, 5760, 5761, 20_000] {
            decoder.decode(&payloads[3], &mut pcm).unwrap();
            decoder.conceal(&mut pcm[..len]);
            decoder.decode_fec(&payloads[4], &mut pcm[..len]);
            decoder.decode_fec(&[], &mut pcm[..len]);
        }
    }
}
