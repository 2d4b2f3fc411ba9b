//! What holds for any packets at any times in a jitter buffer; a fuzz target and a test of its corpus call it.

use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;

use super::{Arrival, JitterBuffer, JitterSettings, Outcome, Pull, Stretch};

/// Reads the bytes as a script: packets in and out of order, jumps, waits, pulls and resets. What comes out was put in,
/// nothing comes out twice, and what waits is bounded.
pub fn jitter(data: &[u8], now: Instant) {
    let mut input = Input(data);
    let mut now = now;
    let clock_rate = input.one_of(&[8000, 48_000, 16_000, 0, u32::MAX], 8000);
    let frame = clock_rate.clamp(1000, 192_000) / 50;
    let mut buffer = JitterBuffer::new(JitterSettings::new(clock_rate));
    let (mut sequence, mut timestamp) = (u16::MAX - 3, u32::MAX - 1000);
    let (mut kept, mut played) = (0u64, 0u64);
    let mut samples = [0i16; 480];
    let mut stretch = Stretch::new(clock_rate);
    while let Some(byte) = input.byte() {
        match byte % 8 {
            0..=2 => {
                sequence = sequence.wrapping_add(1);
                timestamp = timestamp.wrapping_add(frame);
            }
            3 => sequence = sequence.wrapping_add(input.number(256) as u16).wrapping_sub(128),
            4 => timestamp = timestamp.wrapping_add((input.number(256) as u32).wrapping_mul(frame)),
            5 => {
                sequence = sequence.wrapping_mul(257).wrapping_add(input.number(256) as u16);
                timestamp = timestamp.rotate_left(9) ^ input.number(256) as u32;
            }
            6 => now += Duration::from_millis(input.number(256) as u64 * 2),
            _ if byte == u8::MAX => {
                buffer.reset();
                kept = played;
            }
            _ => {}
        }
        if byte & 8 == 0 {
            let payload = [sequence as u8; 600];
            let len = if byte & 16 == 0 { 160 } else { usize::from(byte) * 6 % 600 };
            let payload = payload.get(..len).unwrap_or_default();
            let arrival = Arrival {
                sequence,
                timestamp,
                marker: byte & 32 != 0,
                payload_type: sequence as u8,
                payload,
            };
            if buffer.push(now, &arrival) == Outcome::Kept {
                kept += 1;
            }
        }
        for _ in 0..=byte >> 6 {
            now += Duration::from_millis(u64::from(byte & 16));
            match buffer.pull(now) {
                Pull::Frame { payload_type, payload, .. } => {
                    assert!(!payload.is_empty() && payload.iter().all(|&byte| byte == payload_type));
                    played += 1;
                }
                Pull::Lost { next } => assert!(next.is_none_or(|next| !next.is_empty())),
                Pull::Empty | Pull::Silence => {}
            }
        }
        assert!(buffer.waiting() <= 64 && played <= kept, "{played} of {kept} frames came out");
        if let Some(sample) = samples.get_mut(usize::from(byte)) {
            *sample = i16::from(byte) << 7;
        }
        let len = stretch.faster(&mut samples);
        assert!(stretch.slower(&mut samples, len) <= samples.len());
    }
    let stats = buffer.stats();
    assert!(stats.delay_ms < 4_000_000 && stats.target_ms <= 300);
}
