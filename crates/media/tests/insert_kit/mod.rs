//! Far ends that speak to a desk, and an ear for what came of it.

#![allow(dead_code, reason = "each test uses its part of the kit")]

pub mod phones;

use std::f32::consts::TAU;

use ringback_media::codec::{Encoder, MAX_PAYLOAD};
use ringback_media::sdp::{Codec, Description};
use ringback_media::session::LegKey;

/// A codec as a session description has it, as in `0 PCMU/8000`.
pub fn codec(format: &str) -> Codec {
    let number = format.split(' ').next().unwrap();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {number}\r\na=rtpmap:{format}\r\n"
    );
    Description::parse(sdp.as_bytes()).unwrap().sections.remove(0).codecs.remove(0)
}

/// A far end that says a tone in packets of 20 ms.
pub struct Speaker {
    pub leg: LegKey,
    pub codec: Codec,
    encoder: Encoder,
    hertz: f32,
    said: usize,
    sequence: u16,
    timestamp: u32,
}

impl Speaker {
    pub fn new(leg: LegKey, codec: Codec, hertz: f32) -> Self {
        let encoder = Encoder::new(&codec, 16_000).unwrap();
        Speaker { leg, codec, encoder, hertz, said: 0, sequence: 7, timestamp: 90_000 }
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
        let mut packet = vec![0x80, self.codec.payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend([0, 0, 0, self.leg.0 as u8]);
        packet.extend(&payload[..len]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.encoder.format().clock_rate() / 50);
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
