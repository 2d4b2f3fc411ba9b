//! Far ends that speak to a desk, and an ear for what came of it.

#![allow(dead_code, reason = "each test uses its part of the kit")]

pub mod phones;

use std::f32::consts::TAU;

use ringback_media::codec::{Encoder, MAX_PAYLOAD};
use ringback_media::sdp::{Codec, Description};
use ringback_media::session::LegKey;

/// Codecs as a session description has them, as in `0 PCMU/8000`.
pub fn codecs(formats: &[&str]) -> Vec<Codec> {
    let numbers: Vec<&str> = formats.iter().filter_map(|format| format.split(' ').next()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP {}\r\n",
        numbers.join(" ")
    );
    for format in formats {
        sdp.push_str(&format!("a=rtpmap:{format}\r\n"));
    }
    Description::parse(sdp.as_bytes()).unwrap().sections.remove(0).codecs
}

pub fn codec(format: &str) -> Codec {
    codecs(&[format]).remove(0)
}

/// A far end that says a tone in packets of 20 ms.
pub struct Speaker {
    pub leg: LegKey,
    pub codec: Codec,
    pub hertz: f32,
    /// Of the next packet.
    pub timestamp: u32,
    encoder: Encoder,
    said: usize,
    sequence: u16,
}

impl Speaker {
    pub fn new(leg: LegKey, codec: Codec, hertz: f32) -> Self {
        Self::at(16_000, leg, codec, hertz)
    }

    /// One whose own side of its codec has so many samples a second, if the codec can choose.
    pub fn at(rate: u32, leg: LegKey, codec: Codec, hertz: f32) -> Self {
        let encoder = Encoder::new(&codec, rate).unwrap();
        Speaker { leg, codec, hertz, timestamp: 90_000, encoder, said: 0, sequence: 100 * leg.0 as u16 }
    }

    pub fn clock_rate(&self) -> u32 {
        self.encoder.format().clock_rate()
    }

    /// The next packet of its tone.
    pub fn say(&mut self) -> Vec<u8> {
        let rate = self.encoder.sample_rate();
        let samples: Vec<i16> = (0..rate as usize / 50)
            .map(|n| ((self.said + n) as f32 * self.hertz / rate as f32 * TAU).sin() * 8000.0)
            .map(|sample| sample as i16)
            .collect();
        self.said += samples.len();
        self.say_samples(&samples)
    }

    /// A packet of these samples.
    pub fn say_samples(&mut self, samples: &[i16]) -> Vec<u8> {
        let mut payload = [0; MAX_PAYLOAD];
        let len = self.encoder.encode(samples, &mut payload).unwrap();
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.clock_rate() / 50);
        self.packet(self.codec.payload_type, false, timestamp, &payload[..len])
    }

    pub fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let marker = if marker { 0x80 } else { 0 };
        let mut packet = vec![0x80, payload_type | marker];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, self.leg.0 as u8]);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

/// The share of the power of these samples that a tone has.
pub fn share(samples: &[i16], hertz: f32, rate: u32) -> f32 {
    let (mut re, mut im, mut total) = (0.0f32, 0.0f32, 1.0f32);
    for (n, &sample) in samples.iter().enumerate() {
        let (sample, angle) = (f32::from(sample), n as f32 * hertz / rate as f32 * TAU);
        re += sample * angle.cos();
        im += sample * angle.sin();
        total += sample * sample;
    }
    2.0 * (re * re + im * im) / (samples.len() as f32 * total)
}

/// The effective value of samples.
pub fn loudness(samples: &[i16]) -> f32 {
    let power: f32 = samples.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    (power / samples.len().max(1) as f32).sqrt()
}
