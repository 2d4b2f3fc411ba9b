//! What other implementations have encoded is read: twenty frames of 20 ms of a tone of 440 Hz, one in a line, by
//! libopus 1.3.1 (of which the narrowband has in-band FEC) and by FFmpeg 5.1 (G.722).

use ringback_media::codec::{Decoder, Format, MAX_SAMPLES};

use crate::signals::{above_the_rest, energy};

const CASES: [(&str, Format, u32, &str); 4] = [
    ("opus, narrowband", Format::Opus, 8000, include_str!("vectors/opus_narrowband.hex")),
    ("opus, wideband", Format::Opus, 16000, include_str!("vectors/opus_wideband.hex")),
    ("opus, fullband", Format::Opus, 48000, include_str!("vectors/opus_fullband.hex")),
    ("G.722", Format::G722, 16000, include_str!("vectors/g722.hex")),
];

fn payloads(text: &str) -> Vec<Vec<u8>> {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    text.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

#[test]
fn the_tone_of_another_encoder_is_heard() {
    for (name, format, rate, text) in CASES {
        let mut decoder = Decoder::new(&format.describe(96), rate).unwrap();
        let (mut pcm, mut heard) = ([0; MAX_SAMPLES], Vec::new());
        let payloads = payloads(text);
        assert_eq!(payloads.len(), 20);
        for payload in &payloads {
            let len = decoder.decode(payload, &mut pcm).unwrap();
            heard.extend_from_slice(&pcm[..len]);
        }
        assert_eq!(heard.len(), rate as usize * 2 / 5);
        // The last quarter second: 110 periods.
        let heard = &heard[heard.len() - rate as usize / 4..];
        let above = above_the_rest(heard, 440.0, rate);
        // A tone is not what the speech coder of Opus was made for: libopus decodes it no better.
        assert!(above > 12.0, "{name}: {above} dB");
        let level = energy(heard).sqrt();
        assert!((5000.0..6200.0).contains(&level), "{name}: {level}, and the tone had 5657");
    }
}
