//! What holds for any telephone events and any audio; a fuzz target and a test of its corpus call it.

use std::time::{Duration, Instant};

use ringback_sansio::fuzz::Input;

use super::{
    Digit, EventReceiver, EventSender, EventSettings, Press, TelephoneEvent, ToneDetector, ToneMask,
};

/// Reads the bytes as packets of events at any time, as presses to send, and as audio. An event that is read is written
/// as it was; every press that starts ends once; what a sender sends is one press to a receiver.
pub fn dtmf(data: &[u8], now: Instant) {
    let mut input = Input(data);
    receive(&mut input, now);
    send(&mut input, now);
    listen(input.0);
}

fn receive(input: &mut Input<'_>, mut now: Instant) {
    let mut receiver = EventReceiver::new(input.one_of(&[8000, 48_000, 0, u32::MAX], 8000));
    let (mut timestamp, mut started, mut ended) = (0u32, 0u64, 0u64);
    for _ in 0..input.byte().unwrap_or_default() {
        let step = input.number(256) as u32;
        timestamp =
            timestamp.wrapping_add(if step & 128 == 0 { step & 15 } else { step.wrapping_mul(0x1fff) });
        now += Duration::from_millis(input.number(256) as u64);
        ended += u64::from(receiver.handle_timeout(now).is_some());
        let payload = input.bytes(4);
        if let Some(event) = TelephoneEvent::read(payload) {
            assert_eq!(TelephoneEvent::read(&event.write()), Some(event));
        }
        let found = receiver.handle_packet(now, timestamp, step & 64 != 0, payload);
        started += u64::from(found.started.is_some());
        ended += u64::from(found.ended.is_some());
        assert!(started - ended <= 1, "{started} keys went down and {ended} up");
    }
    let stats = receiver.stats();
    assert!(stats.presses <= started && stats.ends_lost <= stats.presses);
}

fn send(input: &mut Input<'_>, mut now: Instant) {
    let clock_rate = input.one_of(&[8000, 48_000, 16_000], 8000);
    let settings = EventSettings { frame_ms: 10 + input.number(51) as u32, ..EventSettings::new(clock_rate) };
    let mut sender = EventSender::new(settings);
    let mut receiver = EventReceiver::new(clock_rate);
    let mut timestamp = u32::MAX - 100;
    let digit = Digit::from_event(input.number(16) as u8).unwrap_or(Digit(0));
    let press = Press::new(digit, 40 + input.number(256) as u32 * 20);
    if sender.press(press).is_err() {
        return;
    }
    let mut heard = None;
    let mut packets = 0;
    while !sender.is_idle() {
        if let Some(packet) = sender.poll_packet(timestamp) {
            packets += 1;
            let found = receiver.handle_packet(now, packet.timestamp, packet.marker, &packet.event.write());
            assert!(heard.is_none() || found.ended.is_none(), "a press is heard once");
            heard = heard.or(found.ended);
        }
        timestamp = timestamp.wrapping_add(clock_rate / 1000 * settings.frame_ms);
        now += Duration::from_millis(settings.frame_ms.into());
        assert!(packets < 1000, "a press ends");
    }
    assert_eq!(heard, Some(press));
}

fn listen(data: &[u8]) {
    let samples: Vec<i16> = data.as_chunks().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
    let mut detector = ToneDetector::new(8000);
    let mut mask = ToneMask::new(8000);
    let (mut downs, mut ups) = (0, 0);
    for frame in samples.chunks(160) {
        detector.handle_frame(frame, |found| {
            ups += u32::from(found.ended.is_some());
            downs += u32::from(found.started.is_some());
            assert!(downs - ups <= 1, "one key at a time");
        });
        let mut frame = frame.to_vec();
        mask.handle_frame(&mut frame, |_| {});
    }
}
