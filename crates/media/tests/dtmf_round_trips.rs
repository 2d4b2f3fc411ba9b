//! Keys through each way that they can take: events and tones, at each rate, into each other; what is no key is none; and
//! nothing of them in a recording.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use proptest::prelude::*;
use ringback_media::audio::{Oscillator, Region, Signal, ToneGenerator, level, power};
use ringback_media::dtmf::{
    Digit, EventReceiver, EventSender, EventSettings, Press, ToneDetector, ToneLevels, ToneMask, TonePlayer,
};
use ringback_sansio::sim::{Clock, Rng};

const RATES: [u32; 3] = [8000, 16_000, 48_000];
const TOLERANCE_MS: u32 = 20;

fn press(key: char, milliseconds: u32) -> Press {
    Press::new(Digit::from_char(key).unwrap(), milliseconds)
}

fn assert_same(found: &[Press], expected: &[Press], what: &str) {
    let keys = |presses: &[Press]| presses.iter().map(|press| press.digit.key()).collect::<String>();
    assert_eq!(keys(found), keys(expected), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let off = found.milliseconds.abs_diff(expected.milliseconds);
        assert!(off <= TOLERANCE_MS, "{what}: {found:?} is not {expected:?}");
    }
}

/// The audio of keys, and half a second after it.
fn tones(rate: u32, presses: &[Press], levels: ToneLevels) -> Vec<i16> {
    let mut player = TonePlayer::new(rate, levels);
    let frame = rate as usize / 50;
    let mut samples = vec![0; frame * 5 + 7];
    for &press in presses {
        player.press(press).unwrap();
    }
    while !player.is_idle() {
        let start = samples.len();
        samples.resize(start + frame, 0);
        player.fill(&mut samples[start..]);
    }
    samples.resize(samples.len() + frame * 25, 0);
    samples
}

fn detect(rate: u32, samples: &[i16]) -> Vec<Press> {
    let mut detector = ToneDetector::new(rate);
    let mut found = Vec::new();
    for frame in samples.chunks(rate as usize / 50) {
        detector.handle_frame(frame, |news| found.extend(news.ended));
    }
    assert_eq!(detector.is_down(), None);
    found
}

/// Events over a network that loses so many of a hundred packets and doubles others.
fn events(clock_rate: u32, presses: &[Press], loss: u8, seed: u64) -> Vec<Press> {
    let mut clock = Clock::new();
    let mut rng = Rng::new(seed);
    let mut sender = EventSender::new(EventSettings::new(clock_rate));
    let mut receiver = EventReceiver::new(clock_rate);
    let (mut timestamp, mut found) = (u32::MAX - clock_rate, Vec::new());
    for &press in presses {
        sender.press(press).unwrap();
    }
    let mut rest = 20;
    while rest > 0 {
        found.extend(receiver.handle_timeout(clock.now()));
        let packet = sender.poll_packet(timestamp);
        if let Some(packet) = packet.filter(|_| !rng.chance(loss)) {
            let payload = packet.event.write();
            for _ in 0..=u8::from(rng.chance(loss)) {
                let news = receiver.handle_packet(clock.now(), packet.timestamp, packet.marker, &payload);
                found.extend(news.ended);
            }
        }
        timestamp = timestamp.wrapping_add(clock_rate / 50);
        clock.advance(Duration::from_millis(20));
        rest -= u32::from(sender.is_idle());
    }
    found
}

/// Every key, from as short as can be to several segments.
fn every_key() -> Vec<Press> {
    let durations = [40, 50, 65, 80, 100, 137, 160, 250, 400, 1000, 45, 70, 90, 1400, 333, 55];
    Digit::all().zip(durations).map(|(digit, milliseconds)| Press::new(digit, milliseconds)).collect()
}

#[test]
fn events_to_events() {
    for clock_rate in RATES {
        assert_eq!(events(clock_rate, &every_key(), 0, 1), every_key(), "{clock_rate}");
    }
    let long = [press('5', 9000), press('5', 60_000)];
    assert_eq!(events(8000, &long, 0, 1), long);
    assert_eq!(events(48_000, &long, 0, 1), long);
}

#[test]
fn events_over_a_lossy_line() {
    // All three ends of a press of three packets are lost once in a thousand times.
    let presses: Vec<_> =
        (0..60).map(|n| press("0123456789*#ABCD".chars().nth(n % 16).unwrap(), 100)).collect();
    for seed in 0..5 {
        assert_same(&events(8000, &presses, 10, seed), &presses, "10 % lost");
    }
}

#[test]
fn tones_to_tones() {
    for rate in RATES {
        let found = detect(rate, &tones(rate, &every_key(), ToneLevels::default()));
        assert_same(&found, &every_key(), &format!("{rate} Hz"));
    }
}

#[test]
fn tones_to_events_and_back() {
    for (rate, clock_rate) in [(8000, 8000), (48_000, 48_000), (16_000, 8000)] {
        let heard = detect(rate, &tones(rate, &every_key(), ToneLevels::default()));
        // What was heard shorter than any receiver has to notice is made as long as that.
        let lengthened = |press: &Press| Press { milliseconds: press.milliseconds.max(40), ..*press };
        let heard: Vec<_> = heard.iter().map(lengthened).collect();
        assert_same(&events(clock_rate, &heard, 0, 1), &every_key(), "tones to events");
        let told = events(clock_rate, &every_key(), 0, 1);
        assert_same(
            &detect(rate, &tones(rate, &told, ToneLevels::default())),
            &every_key(),
            "events to tones",
        );
    }
}

#[test]
fn tones_wherever_they_begin_in_a_block() {
    for offset in 0..103 {
        let mut samples = vec![0; offset];
        samples.extend(tones(
            8000,
            &[press('1', 40), press('1', 45), press('D', 200)],
            ToneLevels::default(),
        ));
        let expected = [press('1', 40), press('1', 45), press('D', 200)];
        assert_same(&detect(8000, &samples), &expected, &format!("{offset} samples later"));
    }
}

#[test]
fn a_gap_of_one_block_is_bridged_and_a_pause_is_not() {
    let mut samples = tones(8000, &[press('3', 200)], ToneLevels::default());
    let start = samples.iter().position(|&sample| sample != 0).unwrap();
    samples[start + 800..start + 880].fill(0);
    assert_same(&detect(8000, &samples), &[press('3', 200)], "10 ms without a tone");
    samples[start + 640..start + 960].fill(0);
    assert_same(&detect(8000, &samples), &[press('3', 80), press('3', 80)], "40 ms without a tone");
}

#[test]
fn levels_and_twist_have_limits() {
    let found = |low, high| detect(8000, &tones(8000, &[press('6', 100)], ToneLevels { low, high })).len();
    for (low, high) in [(6, 6), (33, 33), (20, 16), (16, 24), (10, 14)] {
        assert_eq!(found(low, high), 1, "tones at -{low} and -{high} dBov are a key");
    }
    for (low, high) in [(40, 40), (10, 40), (40, 10), (20, 12), (12, 23)] {
        assert_eq!(found(low, high), 0, "tones at -{low} and -{high} dBov are none");
    }
}

#[test]
fn tones_in_noise_and_off_their_frequency() {
    let mut rng = Rng::new(5);
    for rate in RATES {
        let mut samples = tones(rate, &every_key(), ToneLevels::default());
        // About 15 dB below the tones.
        for sample in &mut samples {
            *sample = sample.saturating_add(rng.below(3600) as i16 - 1800);
        }
        assert_same(&detect(rate, &samples), &every_key(), "noise");
    }
    for digit in Digit::all() {
        for off in [0.985f32, 1.015] {
            let (low, high) = digit.frequencies();
            let mut pair = [Oscillator::new(low * off, 8000), Oscillator::new(high * off, 8000)];
            let mut samples: Vec<i16> =
                (0..800).map(|_| pair.iter_mut().map(|o| (o.next_sample() * 8000.0) as i16).sum()).collect();
            samples.extend([0; 400]);
            assert_same(&detect(8000, &samples), &[Press::new(digit, 100)], "1.5 % off");
        }
    }
}

#[test]
fn tones_of_the_network_are_no_keys() {
    for rate in RATES {
        for (region, signal) in Region::ALL.into_iter().flat_map(|r| Signal::ALL.map(|s| (r, s))) {
            let mut samples = vec![0; rate as usize * 10];
            ToneGenerator::new(signal, region, rate, 10).fill(&mut samples);
            assert_eq!(detect(rate, &samples), [], "{region:?} {signal:?}");
        }
    }
    // One tone alone, of each frequency and of those between.
    for hertz in (300..3400).step_by(7) {
        let mut oscillator = Oscillator::new(hertz as f32, 8000);
        let mut samples: Vec<i16> = (0..4000).map(|_| (oscillator.next_sample() * 12_000.0) as i16).collect();
        samples.extend([0; 400]);
        assert_eq!(detect(8000, &samples), [], "{hertz} Hz alone");
    }
}

/// Something like speech: a voice of changing pitch through three changing resonances, syllables, hiss.
fn speech(rng: &mut Rng, seconds: usize, rate: f32) -> Vec<i16> {
    let mut samples = Vec::new();
    let mut resonators = [[0f32; 2]; 3];
    let mut phase = 0f32;
    for _ in 0..seconds * 8 {
        let pitch = 80.0 + rng.below(180) as f32;
        let glide = (rng.below(200) as f32 - 100.0) / rate * 4.0;
        let formants = [250 + rng.below(650), 800 + rng.below(1400), 2000 + rng.below(1200)];
        let voiced = !rng.chance(25);
        let loud = 200.0 + rng.below(1500) as f32;
        let len = (rate / 8.0) as usize;
        for n in 0..len {
            let hertz = pitch + glide * n as f32;
            phase += hertz / rate;
            let pulse = if phase >= 1.0 { 6.0 } else { 0.0 };
            phase -= phase.floor();
            let hiss = rng.below(2000) as f32 / 1000.0 - 1.0;
            let shape = (n as f32 / len as f32 * std::f32::consts::PI).sin();
            let source = if voiced { pulse + hiss * 0.05 } else { hiss } * shape * loud;
            let mut sum = 0.0;
            for (state, hertz) in resonators.iter_mut().zip(formants) {
                let radius = 0.97;
                let turn = 2.0 * (std::f32::consts::TAU * hertz as f32 / rate).cos() * radius;
                let out = source + turn * state[0] - radius * radius * state[1];
                *state = [out, state[0]];
                sum += out;
            }
            samples.push(sum.clamp(-32_000.0, 32_000.0) as i16);
        }
    }
    samples
}

#[test]
fn half_an_hour_of_something_like_speech_has_next_to_no_keys() {
    let mut rng = Rng::new(42);
    for rate in [8000u32, 16_000] {
        let mut keys = Vec::new();
        for _ in 0..60 {
            let mut samples = speech(&mut rng, 30, rate as f32);
            assert!(level(&samples) < 40, "it is as loud as speech");
            samples.extend([0; 2000]);
            keys.extend(detect(rate, &samples));
        }
        assert!(keys.len() <= 2, "{rate} Hz: {keys:?}");
    }
}

#[test]
fn keys_are_heard_above_quiet_speech() {
    let mut rng = Rng::new(7);
    let mut samples = tones(8000, &every_key(), ToneLevels { low: 10, high: 10 });
    let voice = speech(&mut rng, samples.len() / 8000 + 1, 8000.0);
    // About 20 dB below the tones.
    let quieter = (power(&samples) / 100.0 / power(&voice)).sqrt();
    for (sample, voice) in samples.iter_mut().zip(voice) {
        *sample = sample.saturating_add((f32::from(voice) * quieter) as i16);
    }
    assert_same(&detect(8000, &samples), &every_key(), "over speech");
}

#[test]
fn nothing_of_a_key_is_left_in_a_recording_and_the_rest_is_as_it_was() {
    for rate in RATES {
        let mut mask = ToneMask::new(rate);
        let frame = rate as usize / 50;
        let presses = [press('1', 80), press('9', 300), press('#', 45)];
        // A hum of 300 Hz before, between and after: what a mask must not take.
        let mut hum = Oscillator::new(300.0, rate);
        let mut samples = tones(rate, &presses, ToneLevels::default());
        let sounding: Vec<bool> = samples.iter().map(|&sample| sample != 0).collect();
        for sample in &mut samples {
            *sample = sample.saturating_add((hum.next_sample() * 300.0) as i16);
        }
        let original = samples.clone();
        let mut found = Vec::new();
        for frame in samples.chunks_mut(frame) {
            mask.handle_frame(frame, |news| found.extend(news.ended));
        }
        assert_same(&found, &presses, "the mask tells of the keys");
        let delay = mask.delay();
        assert!(delay <= rate as usize / 25, "{delay} samples at {rate}");
        let mut kept = 0;
        for (n, (&came, &went)) in original.iter().zip(&samples[delay..]).enumerate() {
            assert!(went == 0 || went == came, "{n}: {went} is neither silence nor {came}");
            kept += usize::from(went == came);
            // A block that a tone touches by less than half may keep that much of it: 6 ms.
            let near = rate as usize * 13 / 1000;
            let inside = n >= near && sounding[n - near..].iter().take(2 * near).all(|&sounds| sounds);
            assert!(!inside || went == 0, "{n}: a tone is left at {rate}");
        }
        let silent = sounding.iter().filter(|&&sounds| !sounds).count();
        assert!(kept * 10 >= silent * 8, "{kept} of {silent} samples without tones were kept");
        assert_eq!(detect(rate, &samples), [], "no detector finds a key in it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_keys_pass_as_events(keys in prop::collection::vec((0u8..16, 40u32..3000), 1..20), fast in any::<bool>()) {
        let press = |(event, milliseconds)| Press::new(Digit::from_event(event).unwrap(), milliseconds);
        let presses: Vec<_> = keys.into_iter().map(press).collect();
        prop_assert_eq!(events(if fast { 48_000 } else { 8000 }, &presses, 0, 1), presses);
    }

    #[test]
    fn any_keys_pass_as_tones(keys in prop::collection::vec((0u8..16, 40u32..300), 1..6), offset in 0usize..200) {
        let press = |(event, milliseconds)| Press::new(Digit::from_event(event).unwrap(), milliseconds);
        let presses: Vec<_> = keys.into_iter().map(press).collect();
        let mut samples = vec![0; offset];
        samples.extend(tones(8000, &presses, ToneLevels::default()));
        assert_same(&detect(8000, &samples), &presses, "tones");
    }
}
