//! The desk: what one leg says is what another hears, in the codec that it understands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod insert_kit;

use std::time::Duration;

use insert_kit::loudness;
use insert_kit::phones::{A, B, C, EVENTS, EVENTS_48, G722, OPUS, PCMA, PCMU, Phone, World, patch};
use ringback_media::audio::{Region, Signal};
use ringback_media::dtmf::{Digit, EventPacket, EventSender, EventSettings, Press, TelephoneEvent};
use ringback_media::insert::{ConferenceKey, Desk, DeskError, Manner, Play, Sound, TICK};
use ringback_media::negotiation::{Keys, Patch};
use ringback_sansio::sim::Clock;

/// A call between two codecs: each hears the other's tone and none of its own, in packets of its own clock without a gap.
#[track_caller]
fn assert_talk(a: &str, b: &str) {
    let mut world = World::new(vec![Phone::new(A, a, 440.0), Phone::new(B, b, 1000.0)]);
    world.desk.patch(A, B, &patch(&[a], &[b])).unwrap();
    world.desk.patch(B, A, &patch(&[b], &[a])).unwrap();
    for _ in 0..50 {
        world.step(&[0, 1]);
    }
    for (phone, own, others) in [(0, 440.0, 1000.0), (1, 1000.0, 440.0)] {
        let phone = &world.phones[phone];
        assert!(phone.share(others) > 0.9, "{a} {b}: {} of the other's tone", phone.share(others));
        assert!(phone.share(own) < 0.01, "{a} {b}: {} of its own tone", phone.share(own));
        let step = phone.clock_rate() / 50;
        assert!(phone.stamps.len() >= 48, "{a} {b}: {} packets", phone.stamps.len());
        for pair in phone.stamps.windows(2) {
            assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "{a} {b}");
            assert_eq!(pair[1].1, pair[0].1.wrapping_add(step), "{a} {b}");
        }
    }
    assert_eq!(world.desk.stats().unreadable, 0);
}

#[test]
fn every_codec_talks_to_every_other() {
    for a in [OPUS, G722, PCMA, PCMU] {
        for b in [OPUS, G722, PCMA, PCMU] {
            assert_talk(a, b);
        }
    }
}

#[test]
fn packets_are_as_long_as_the_far_end_wants() {
    let mut world = World::new(vec![Phone::new(A, OPUS, 440.0), Phone::new(B, PCMA, 1000.0)]);
    world.desk.patch(A, B, &Patch { ptime: 40, ..patch(&[OPUS], &[PCMA]) }).unwrap();
    for _ in 0..20 {
        world.step(&[0]);
    }
    let stamps = &world.phones[1].stamps;
    assert_eq!(stamps.len(), 10);
    assert!(stamps.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(320)));
}

#[test]
fn a_lost_packet_is_made_up_and_a_pause_stays_a_pause() {
    let mut world = World::new(vec![Phone::new(A, OPUS, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &patch(&[OPUS], &[PCMU])).unwrap();
    for _ in 0..10 {
        world.step(&[0]);
    }
    world.phones[0].lose();
    world.step(&[0]);
    assert_eq!(world.phones[1].stamps.len(), 12, "one for the packet that was lost");
    assert_eq!(world.desk.stats().concealed_ms, 20);
    // Two seconds in which the far end sends nothing: its sequence numbers go on without a gap.
    world.phones[0].mouth.timestamp += 2 * 48_000;
    world.step(&[0]);
    let stamps = &world.phones[1].stamps;
    let [.., before, after] = stamps.as_slice() else { panic!("{stamps:?}") };
    assert_eq!(after.0, before.0.wrapping_add(1));
    assert_eq!(after.1, before.1.wrapping_add(160 + 2 * 8000));
}

#[test]
fn late_packets_and_copies_are_counted_and_not_heard() {
    let mut world = World::new(vec![Phone::new(A, PCMA, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &patch(&[PCMA], &[PCMU])).unwrap();
    let first = world.phones[0].say();
    let second = world.phones[0].say();
    world.hand(A, &second);
    world.hand(A, &second);
    world.hand(A, &first);
    assert_eq!(world.phones[1].stamps.len(), 1);
    assert_eq!(world.desk.stats().late, 2);
}

#[test]
fn keys_pass_as_events_in_the_clock_of_the_other_side() {
    let mut world = World::new(vec![Phone::new(A, OPUS, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &patch(&[OPUS, EVENTS_48], &[PCMU, EVENTS])).unwrap();
    for _ in 0..5 {
        world.step(&[0]);
    }
    let mut sender = EventSender::new(EventSettings::new(48_000));
    sender.press(Press::new(Digit::from_char('5').unwrap(), 100)).unwrap();
    let start = world.phones[0].mouth.timestamp;
    while let Some(EventPacket { timestamp, marker, event }) =
        sender.poll_packet(world.phones[0].mouth.timestamp)
    {
        let packet = world.phones[0].mouth.packet(110, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].mouth.timestamp += 960;
        world.pass();
    }
    let last_heard = world.phones[1].stamps.last().unwrap().1;
    let events = &world.phones[1].events;
    assert!(events.iter().all(|(timestamp, ..)| *timestamp == last_heard.wrapping_add(160)), "{events:?}");
    assert_eq!(events.iter().filter(|(_, marker, _)| *marker).count(), 1);
    let ends: Vec<&TelephoneEvent> =
        events.iter().map(|(.., event)| event).filter(|event| event.end).collect();
    assert_eq!(ends.len(), 3);
    assert!(ends.iter().all(|event| (event.event, event.duration) == (5, 800)), "{ends:?}");
    // The audio goes on where it would have been.
    let passed = (world.phones[0].mouth.timestamp - start) / 6;
    world.step(&[0]);
    let stamp = world.phones[1].stamps.last().unwrap().1;
    assert_eq!(stamp, last_heard.wrapping_add(160 + passed));
}

#[test]
fn a_far_end_without_events_hears_tones() {
    let mut world = World::new(vec![Phone::new(A, OPUS, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &patch(&[OPUS, EVENTS_48], &[PCMU])).unwrap();
    let mut sender = EventSender::new(EventSettings::new(48_000));
    sender.press(Press::new(Digit::from_char('5').unwrap(), 400)).unwrap();
    while let Some(EventPacket { timestamp, marker, event }) =
        sender.poll_packet(world.phones[0].mouth.timestamp)
    {
        let packet = world.phones[0].mouth.packet(110, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].mouth.timestamp += 960;
        world.pass();
    }
    for _ in 0..25 {
        world.pass();
    }
    let phone = &world.phones[1];
    assert!(phone.events.is_empty());
    let loudest = phone
        .heard
        .chunks(800)
        .map(|chunk| chunk.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>());
    assert!(loudest.fold(0.0, f64::max) > 1e9, "the tone of the key");
    assert!(phone.heard.len() >= 8000 * 4 / 10, "{} samples", phone.heard.len());
    for pair in phone.stamps.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(160), "the tone has no gaps");
    }
}

/// Keys as events and as tones, for a far end that is told of them.
#[test]
fn a_key_that_is_told_is_not_heard() {
    let told = |from: &[&str]| Patch { keys: Keys::Told, ..patch(from, &[PCMU]) };
    let key = |key, milliseconds| (B, Press::new(Digit::from_char(key).unwrap(), milliseconds));

    let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &told(&[PCMU, EVENTS])).unwrap();
    let mut sender = EventSender::new(EventSettings::new(8000));
    sender.press(key('5', 200).1).unwrap();
    while let Some(EventPacket { timestamp, marker, event }) =
        sender.poll_packet(world.phones[0].mouth.timestamp)
    {
        let packet = world.phones[0].mouth.packet(101, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].mouth.timestamp += 160;
        world.pass();
    }
    assert_eq!(world.desk.poll_told(), Some(key('5', 200)));
    assert_eq!(world.desk.poll_told(), None);
    assert!(world.phones[1].heard.is_empty(), "no tone is made");

    let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &told(&[PCMU])).unwrap();
    // The desk's own keys make the tones that the far end sends.
    let mut desk = Desk::new(1);
    desk.patch(B, A, &patch(&[PCMU], &[PCMU])).unwrap();
    desk.press(world.now, A, key('#', 120).1).unwrap();
    for _ in 0..30 {
        world.now += TICK;
        desk.handle_timeout(world.now);
        while let Some(made) = desk.poll_made() {
            world.desk.handle_packet(world.now, A, made.bytes());
        }
        world.desk.handle_timeout(world.now);
        world.deliver();
    }
    let (to, press) = world.desk.poll_told().unwrap();
    assert_eq!((to, press.digit), (B, key('#', 120).1.digit));
    assert!((100..=140).contains(&press.milliseconds), "{press:?}");
    assert_eq!(world.desk.poll_told(), None);
    let loud = world.phones[1].heard.chunks(160).filter(|chunk| {
        chunk.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() > 160.0 * 1000.0 * 1000.0
    });
    assert!(loud.count() <= 1, "the tone is taken out of what is heard");
}

#[test]
fn a_far_end_that_sends_tones_is_heard_as_events() {
    let mut world = World::new(vec![Phone::new(A, PCMA, 440.0), Phone::new(B, OPUS, 1000.0)]);
    world.desk.patch(A, B, &patch(&[PCMA], &[OPUS, EVENTS_48])).unwrap();
    let mut desk = Desk::new(1);
    // The desk's own keys make the tones that the far end sends.
    desk.patch(B, A, &patch(&[PCMA], &[PCMA])).unwrap();
    desk.press(world.now, A, Press::new(Digit::from_char('#').unwrap(), 120)).unwrap();
    for _ in 0..30 {
        world.now += TICK;
        desk.handle_timeout(world.now);
        while let Some(made) = desk.poll_made() {
            world.desk.handle_packet(world.now, A, made.bytes());
        }
        world.desk.handle_timeout(world.now);
        world.deliver();
    }
    let events = &world.phones[1].events;
    let ends: Vec<&TelephoneEvent> =
        events.iter().map(|(.., event)| event).filter(|event| event.end).collect();
    assert_eq!(ends.len(), 3, "{events:?}");
    let millis = ends[0].duration / 48;
    assert!(ends[0].event == 11 && (100..=140).contains(&millis), "{ends:?}");
}

/// A browser's hiss is above what a telephone can carry, and does not become a whistle in what it can.
#[test]
fn what_a_narrow_codec_cannot_carry_is_not_heard() {
    for (narrow, hertz) in
        [(PCMU, 5_000.0), (PCMU, 9_000.0), (PCMU, 13_000.0), (G722, 9_000.0), (G722, 13_000.0)]
    {
        let mut world = World::new(vec![Phone::at(48_000, A, OPUS, hertz), Phone::new(B, narrow, 440.0)]);
        world.desk.patch(A, B, &patch(&[OPUS], &[narrow])).unwrap();
        for _ in 0..50 {
            world.step(&[0]);
        }
        let heard = &world.phones[1].heard;
        let loudness = loudness(&heard[heard.len() / 2..]);
        assert!(loudness < 100.0, "{hertz} Hz of 5700 are heard in {narrow} as {loudness}");
    }
}

#[test]
fn a_tone_goes_before_what_others_say() {
    let mut world = World::new(vec![Phone::new(A, PCMU, 700.0), Phone::new(B, PCMA, 1000.0)]);
    world.desk.patch(A, B, &patch(&[PCMU], &[PCMA])).unwrap();
    for _ in 0..5 {
        world.step(&[0]);
    }
    let sound = Sound::Tone(Signal::RingBack, Region::Europe);
    let play = Play { sound, times: None, from: Duration::ZERO, manner: Manner::Over };
    world.desk.play(world.now, B, play, &patch(&[PCMA], &[PCMA])).unwrap();
    for _ in 0..40 {
        world.step(&[0]);
    }
    assert!(world.phones[1].share(425.0) > 0.9 && world.phones[1].share(700.0) < 0.01);
    world.desk.stop(B);
    for _ in 0..25 {
        world.step(&[0]);
    }
    assert!(world.phones[1].share(700.0) > 0.9);
}

#[test]
fn what_cannot_be_made_is_said() {
    let mut desk = Desk::new(1);
    assert_eq!(desk.patch(A, B, &patch(&["18 G729/8000"], &[PCMU])), Err(DeskError::Codec));
    assert_eq!(desk.patch(A, B, &patch(&[PCMU], &["18 G729/8000"])), Err(DeskError::Codec));
    assert!(desk.legs().is_empty());
    desk.handle_packet(Clock::new().now(), A, &[0x80; 40]);
    assert_eq!(desk.stats().no_insert, 1);
}

#[test]
fn who_says_more_than_there_is_time_for_is_not_heard() {
    let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, PCMA, 1000.0)]);
    world.desk.patch(A, B, &patch(&[PCMU], &[PCMA])).unwrap();
    for _ in 0..500 {
        let packet = world.phones[0].say();
        world.hand(A, &packet);
    }
    assert_eq!(world.phones[1].stamps.len(), 100, "two seconds");
    assert_eq!(world.desk.stats().too_much, 400);
    world.now += Duration::from_secs(1);
    world.step(&[0]);
    assert_eq!(world.phones[1].stamps.len(), 101);
}

#[test]
fn padding_is_no_audio() {
    let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, PCMA, 1000.0)]);
    world.desk.patch(A, B, &patch(&[PCMU], &[PCMA])).unwrap();
    let mut packet = world.phones[0].say();
    packet[0] |= 0x20;
    packet.extend([0, 0, 0, 4]);
    world.hand(A, &packet);
    assert_eq!(world.phones[1].heard.len(), 160);
    *packet.last_mut().unwrap() = 255;
    packet[3] += 1;
    world.hand(A, &packet);
    assert_eq!((world.phones[1].heard.len(), world.desk.stats().unreadable), (160, 1));
}

#[test]
fn a_member_may_speak_any_codec_that_it_has_agreed_to() {
    let mut world = World::new(vec![Phone::new(A, PCMA, 440.0), Phone::new(B, PCMA, 1000.0)]);
    let key = ConferenceKey(1);
    world.desk.join(world.now, A, key, &patch(&[OPUS, PCMA], &[PCMA])).unwrap();
    world.desk.join(world.now, B, key, &patch(&[PCMA], &[PCMA])).unwrap();
    for _ in 0..250 {
        world.step(&[0, 1]);
    }
    assert!(world.phones[1].share(440.0) > 0.9, "{}", world.phones[1].share(440.0));
    assert_eq!(world.desk.stats().unreadable, 0);
}

#[test]
fn a_key_whose_ends_are_all_lost_is_heard_all_the_same() {
    let mut world = World::new(vec![Phone::new(A, OPUS, 440.0), Phone::new(B, PCMU, 1000.0)]);
    world.desk.patch(A, B, &patch(&[OPUS, EVENTS_48], &[PCMU])).unwrap();
    let event = TelephoneEvent { event: 5, end: false, volume: 10, duration: 4800 };
    let packet = world.phones[0].mouth.packet(110, true, 90_000, &event.write());
    world.hand(A, &packet);
    for _ in 0..500 {
        world.pass();
    }
    assert!(world.phones[1].heard.iter().any(|sample| sample.unsigned_abs() > 2000), "the tone of the key");
    assert_eq!(world.desk.poll_timeout(), None, "and then the clock rests");
}

#[test]
fn a_leg_hears_who_was_patched_to_it_last() {
    let mut world =
        World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, PCMA, 700.0), Phone::new(C, G722, 1000.0)]);
    for speaker in [B, C, B] {
        let codec = if speaker == B { PCMA } else { G722 };
        world.desk.patch(speaker, A, &patch(&[codec], &[PCMU])).unwrap();
    }
    for _ in 0..50 {
        world.step(&[1, 2]);
    }
    assert!(world.phones[0].share(700.0) > 0.9 && world.phones[0].share(1000.0) < 0.01);
    // Whoever leaves takes the voice along, and nothing is left.
    world.desk.close(B);
    assert_eq!(world.desk.legs(), []);
}

/// What is lost on the way to a far end that asked for it is carried a second time, in the packet behind (RFC 6716
/// §2.1.7), once its reports say that much is.
#[test]
fn opus_protects_itself_against_the_loss_that_the_far_end_reports() {
    let lengths = |percent: u8| {
        let mut world = World::new(vec![Phone::new(A, PCMU, 440.0), Phone::new(B, OPUS, 1000.0)]);
        let mut patch = patch(&[PCMU], &[OPUS]);
        patch.to[0].fmtp = Some("useinbandfec=1".to_owned());
        world.desk.patch(A, B, &patch).unwrap();
        world.desk.expect_loss(B, percent);
        let mut bits = Vec::new();
        for _ in 0..50 {
            let packet = world.phones[0].say();
            world.desk.handle_packet(world.now, A, &packet);
            while let Some(made) = world.desk.poll_made() {
                bits.push(made.bytes()[13] & 0x40);
            }
            world.now += TICK;
        }
        // The flag for the copy of a mono SILK frame stands behind that for voice activity (RFC 6716 §4.2.3).
        bits.iter().filter(|bit| **bit != 0).count()
    };
    assert_eq!(lengths(0), 0);
    assert!(lengths(20) > 30, "{}", lengths(20));
}
