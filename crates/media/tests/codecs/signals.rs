//! Sounds to encode, and how to find them again.

use std::f64::consts::TAU;

/// A sine of half scale.
pub fn tone(hertz: f64, rate: u32, len: usize) -> Vec<i16> {
    (0..len).map(|n| (16000.0 * (TAU * hertz * n as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// A voice-like sound: harmonics of a pitch that wanders, louder and softer.
pub fn voice(rate: u32, len: usize) -> Vec<i16> {
    let mut phase = 0.0;
    let mut sample = |n: usize| {
        let t = n as f64 / f64::from(rate);
        phase += TAU * (120.0 + 30.0 * (t * 5.0).sin()) / f64::from(rate);
        let voice: f64 = (1..=20).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
        (voice * 5000.0 * (0.6 + 0.4 * (t * 13.0).sin())) as i16
    };
    (0..len).map(&mut sample).collect()
}

/// The mean of the squares.
pub fn energy(pcm: &[i16]) -> f64 {
    pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / pcm.len().max(1) as f64
}

/// How many dB a tone is above all the rest, by Goertzel: `pcm` has a whole number of its periods.
pub fn above_the_rest(pcm: &[i16], hertz: f64, rate: u32) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in pcm {
        (last, before) = (f64::from(*sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    let len = pcm.len() as f64;
    let tone = 2.0 * power / (len * len);
    10.0 * (tone / (energy(pcm) - tone).max(1e-3)).log10()
}

#[test]
fn a_tone_in_noise_is_measured() {
    let mut pcm = tone(440.0, 8000, 8000);
    assert!(above_the_rest(&pcm, 440.0, 8000) > 60.0);
    assert!(above_the_rest(&pcm, 1000.0, 8000) < -60.0);
    for (sample, other) in pcm.iter_mut().zip(tone(1300.0, 8000, 8000)) {
        *sample += other / 10;
    }
    assert!((above_the_rest(&pcm, 440.0, 8000) - 20.0).abs() < 0.1);
}
