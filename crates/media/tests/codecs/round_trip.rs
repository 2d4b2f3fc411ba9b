//! What goes in comes out.

use ringback_media::codec::{Decoder, Encoder, FRAMES_MS, Format, MAX_PAYLOAD, MAX_SAMPLES, OPUS_RATES};
use ringback_media::sdp;

use crate::signals::{above_the_rest, energy, tone};

/// Every codec at every rate that it has.
pub fn cases() -> Vec<(Format, u32)> {
    let waveform = [(Format::Pcmu, 8000), (Format::Pcma, 8000), (Format::G722, 16000)];
    let linear =
        [(8000, 1), (12000, 1), (16000, 1), (24000, 1), (32000, 1), (48000, 1), (8000, 2), (16000, 2)];
    let linear = linear.map(|(rate, channels)| (Format::L16 { rate, channels }, rate));
    let opus = OPUS_RATES.map(|rate| (Format::Opus, rate));
    waveform.into_iter().chain(linear).chain(opus).collect()
}

/// Encodes and decodes frame by frame; what was not sent is concealed.
pub fn through(codec: &sdp::Codec, pcm: &[i16], wanted: u32, ms: u32) -> Vec<i16> {
    let (mut encoder, mut decoder) =
        (Encoder::new(codec, wanted).unwrap(), Decoder::new(codec, wanted).unwrap());
    let frame = (encoder.sample_rate() / 1000 * ms) as usize;
    let (mut payload, mut decoded) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
    let mut heard = Vec::new();
    for chunk in pcm.chunks_exact(frame) {
        match encoder.encode(chunk, &mut payload).unwrap() {
            0 => decoder.conceal(&mut decoded[..frame]),
            len => assert_eq!(decoder.decode(&payload[..len], &mut decoded), Ok(frame)),
        }
        heard.extend_from_slice(&decoded[..frame]);
    }
    heard
}

#[test]
fn a_tone_comes_back_through_every_codec() {
    for (format, rate) in cases() {
        for ms in FRAMES_MS.into_iter().filter(|ms| format.frame_ms(*ms) == *ms) {
            let pcm = tone(440.0, rate, rate as usize * 6 / 5);
            let heard = through(&format.describe(96), &pcm, rate, ms);
            // The last half second, in which there is a whole number of periods.
            let heard = &heard[heard.len() - rate as usize / 2..];
            let above = above_the_rest(heard, 440.0, rate);
            assert!(above > 20.0, "{format:?} at {rate}, {ms} ms: the tone is {above} dB above the rest");
            let change = 10.0 * (energy(heard) / energy(&pcm)).log10();
            assert!(change.abs() < 1.5, "{format:?} at {rate}, {ms} ms: {change} dB louder");
        }
    }
}

#[test]
fn a_codec_says_how_long_its_payloads_are() {
    for (format, rate) in cases() {
        let mut encoder = Encoder::new(&format.describe(96), rate).unwrap();
        let mut payload = [0; MAX_PAYLOAD];
        for ms in FRAMES_MS.into_iter().filter(|ms| format.frame_ms(*ms) == *ms) {
            let frame = tone(440.0, rate, (rate / 1000 * ms) as usize);
            let len = encoder.encode(&frame, &mut payload).unwrap();
            let expected = format.clock_rate() / 1000 * ms;
            assert_eq!(format.duration(&payload[..len]), Some(expected), "{format:?} at {rate}, {ms} ms");
            assert_eq!(format.ticks(frame.len(), rate), expected);
        }
    }
}

/// Both ends of an Opus stream choose their rates by themselves.
#[test]
fn opus_is_decoded_at_another_rate_than_it_was_encoded() {
    let codec = Format::Opus.describe(111);
    for from in OPUS_RATES {
        for to in OPUS_RATES {
            let mut encoder = Encoder::new(&codec, from).unwrap();
            let mut decoder = Decoder::new(&codec, to).unwrap();
            let (mut payload, mut decoded) = ([0; MAX_PAYLOAD], [0; MAX_SAMPLES]);
            let mut heard = Vec::new();
            for chunk in tone(440.0, from, from as usize).chunks_exact(from as usize / 50) {
                let len = encoder.encode(chunk, &mut payload).unwrap();
                assert_eq!(decoder.decode(&payload[..len], &mut decoded), Ok(to as usize / 50));
                heard.extend_from_slice(&decoded[..to as usize / 50]);
            }
            let above = above_the_rest(&heard[to as usize / 2..], 440.0, to);
            assert!(above > 20.0, "from {from} to {to}: {above} dB");
        }
    }
}

fn opus(fmtp: &str) -> sdp::Codec {
    sdp::Codec { fmtp: Some(fmtp.to_owned()), ..Format::Opus.describe(111) }
}

/// The lengths of the packets for a sound.
fn lengths(codec: &sdp::Codec, pcm: &[i16], rate: u32) -> Vec<usize> {
    let mut encoder = Encoder::new(codec, rate).unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    pcm.chunks_exact(rate as usize / 50).map(|frame| encoder.encode(frame, &mut payload).unwrap()).collect()
}

#[test]
fn silence_is_not_sent_to_who_does_not_want_it() {
    let mut pcm = tone(440.0, 16000, 16000);
    pcm.extend([0; 32000]);
    pcm.extend(tone(440.0, 16000, 16000));
    let sent = lengths(&opus("usedtx=1"), &pcm, 16000);
    assert!(sent[..50].iter().all(|len| *len > 2), "speech is sent: {sent:?}");
    let silent = sent[75..150].iter().filter(|len| **len == 0).count();
    assert!(silent > 65, "{silent} of 75 frames of silence are not sent: {sent:?}");
    assert!(sent[155..].iter().all(|len| *len > 2), "and speech again: {sent:?}");
    assert!(lengths(&opus("useinbandfec=1"), &pcm, 16000).iter().all(|len| *len > 0));
    let heard = through(&opus("usedtx=1"), &pcm, 16000, 20);
    assert!(energy(&heard[24000..44000]).sqrt() < 30.0, "what was not sent is silent");
}

#[test]
fn the_bit_rate_is_below_what_the_far_end_allows() {
    let pcm = crate::signals::voice(16000, 48000);
    let kilobits = |fmtp: &str| lengths(&opus(fmtp), &pcm, 16000).iter().sum::<usize>() as f64 * 8.0 / 3000.0;
    let (usual, low) = (kilobits("minptime=10"), kilobits("maxaveragebitrate=10000"));
    assert!((11.0..27.0).contains(&usual), "{usual} kbit/s");
    assert!((6.0..11.0).contains(&low), "{low} kbit/s");
    let constant = lengths(&opus("cbr=1"), &pcm, 16000);
    assert!(constant.iter().all(|len| *len == constant[0]), "{constant:?}");
}

#[test]
fn the_byte_of_silence_is_silent() {
    assert_eq!(Format::Opus.silence(), None);
    for (format, rate) in [(Format::Pcmu, 8000), (Format::Pcma, 8000), (Format::G722, 16_000)] {
        let byte = format.silence().unwrap();
        let codec = format.describe(96);
        let (mut encoder, mut decoder) =
            (Encoder::new(&codec, rate).unwrap(), Decoder::new(&codec, rate).unwrap());
        let payload = [byte; 160];
        let mut decoded = [0; MAX_SAMPLES];
        // Somebody spoke before.
        let mut spoken = [0; MAX_PAYLOAD];
        let frame = (rate / 50) as usize;
        for chunk in tone(440.0, rate, rate as usize / 4).chunks_exact(frame) {
            let len = encoder.encode(chunk, &mut spoken).unwrap();
            decoder.decode(&spoken[..len], &mut decoded).unwrap();
        }
        for n in 0..50 {
            let len = decoder.decode(&payload, &mut decoded).unwrap();
            let loudest = decoded[..len].iter().map(|sample| sample.unsigned_abs()).max();
            // 50 dB below full scale: G.722 comes to rest only slowly.
            assert!(n < 10 || loudest.is_some_and(|loudest| loudest <= 100), "{format:?} {n}: {loudest:?}");
        }
    }
}
