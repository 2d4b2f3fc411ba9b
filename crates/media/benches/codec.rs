//! What a frame of 20 ms costs: each codec, concealment, and the conversion of rates.
//!
//! `cargo bench -p ringback-media --bench codec`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use divan::{AllocProfiler, Bencher, black_box};
use ringback_media::audio::Resampler;
use ringback_media::codec::{Decoder, Encoder, Format, MAX_PAYLOAD, MAX_SAMPLES};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A format and the rate wanted of it.
const CASES: [(Format, u32); 7] = [
    (Format::Pcmu, 8000),
    (Format::Pcma, 8000),
    (Format::G722, 16000),
    (Format::L16 { rate: 16000, channels: 1 }, 16000),
    (Format::Opus, 8000),
    (Format::Opus, 16000),
    (Format::Opus, 48000),
];

#[divan::bench(args = CASES)]
fn encode(bencher: Bencher<'_, '_>, (format, rate): (Format, u32)) {
    let mut encoder = Encoder::new(&format.describe(96), rate).unwrap();
    let mut frames = frames(rate).into_iter().cycle();
    let mut payload = [0; MAX_PAYLOAD];
    bencher.bench_local(|| black_box(encoder.encode(&frames.next().unwrap(), &mut payload).unwrap()));
}

#[divan::bench(args = CASES)]
fn decode(bencher: Bencher<'_, '_>, (format, rate): (Format, u32)) {
    let mut encoder = Encoder::new(&format.describe(96), rate).unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    let payloads: Vec<Vec<u8>> = frames(rate)
        .iter()
        .map(|frame| {
            let len = encoder.encode(frame, &mut payload).unwrap();
            payload[..len].to_vec()
        })
        .collect();
    let mut payloads = payloads.iter().cycle();
    let mut decoder = Decoder::new(&format.describe(96), rate).unwrap();
    let mut pcm = [0; MAX_SAMPLES];
    bencher.bench_local(|| black_box(decoder.decode(payloads.next().unwrap(), &mut pcm).unwrap()));
}

/// The first lost frame after one that came: the dearest, as the pitch is looked for.
#[divan::bench(args = CASES)]
fn conceal_one(bencher: Bencher<'_, '_>, (format, rate): (Format, u32)) {
    let mut encoder = Encoder::new(&format.describe(96), rate).unwrap();
    let mut payload = [0; MAX_PAYLOAD];
    let frames = frames(rate);
    let len = encoder.encode(&frames[3], &mut payload).unwrap();
    let mut decoder = Decoder::new(&format.describe(96), rate).unwrap();
    let mut pcm = [0; MAX_SAMPLES];
    bencher.bench_local(|| {
        decoder.decode(&payload[..len], &mut pcm).unwrap();
        decoder.conceal(&mut pcm[..rate as usize / 50]);
        black_box(pcm[0])
    });
}

#[divan::bench(args = [(8000, 16000), (8000, 48000), (16000, 8000), (48000, 8000), (48000, 16000), (32000, 48000)])]
fn resample(bencher: Bencher<'_, '_>, (from, to): (u32, u32)) {
    let mut resampler = Resampler::new(from, to).unwrap();
    let mut frames = frames(from).into_iter().cycle();
    let mut output = [0; MAX_SAMPLES];
    bencher.bench_local(|| black_box(resampler.convert(&frames.next().unwrap(), &mut output)));
}

/// Half a second of a voice-like sound: pulses of a wandering pitch through two resonances.
fn frames(rate: u32) -> Vec<Vec<i16>> {
    let step = std::f64::consts::TAU / f64::from(rate);
    let len = rate as usize / 50;
    let mut phase = 0.0;
    let mut sample = |n: usize| {
        let t = n as f64 / f64::from(rate);
        phase += step * (120.0 + 40.0 * (t * 7.0).sin());
        let voice: f64 = (1..=20).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
        (voice * 4000.0 * (0.6 + 0.4 * (t * 15.0).sin())) as i16
    };
    (0..25).map(|frame| (0..len).map(|n| sample(frame * len + n)).collect()).collect()
}
