//! The desk: what one leg says is what another hears, in the codec that it understands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod insert_kit;

use std::f32::consts::TAU;
use std::time::{Duration, Instant};

use insert_kit::{loudness, share};
use ringback_media::audio::{Region, Signal};
use ringback_media::codec::{Decoder, Encoder, MAX_PAYLOAD, MAX_SAMPLES};
use ringback_media::dtmf::{Digit, EventPacket, EventSender, EventSettings, Press, TelephoneEvent};
use ringback_media::insert::{ConferenceKey, Desk, DeskError, Manner, Play, Sound, TICK};
use ringback_media::negotiation::{Keys, Patch};
use ringback_media::rtp::Header;
use ringback_media::sdp::{Codec, Description};
use ringback_media::session::LegKey;
use ringback_sansio::sim::Clock;

const A: LegKey = LegKey(1);
const B: LegKey = LegKey(2);
const C: LegKey = LegKey(3);

const OPUS: &str = "111 opus/48000/2";
const PCMU: &str = "0 PCMU/8000";
const PCMA: &str = "8 PCMA/8000";
const G722: &str = "9 G722/8000";
const EVENTS: &str = "101 telephone-event/8000";
const EVENTS_48: &str = "110 telephone-event/48000";

/// Codecs as a session description has them.
fn codecs(formats: &[&str]) -> Vec<Codec> {
    let numbers: Vec<&str> = formats.iter().filter_map(|format| format.split(' ').next()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP {}\r\n",
        numbers.join(" ")
    );
    sdp.push_str("c=IN IP4 127.0.0.1\r\n");
    for format in formats {
        sdp.push_str(&format!("a=rtpmap:{format}\r\n"));
    }
    Description::parse(sdp.as_bytes()).unwrap().sections.remove(0).codecs
}

fn patch(from: &[&str], to: &[&str]) -> Patch {
    Patch { from: codecs(from), to: codecs(to), ptime: 20, keys: Keys::Heard }
}

/// A far end: it says a tone in 20 ms packets, and decodes what it gets.
struct Phone {
    leg: LegKey,
    payload_type: u8,
    encoder: Encoder,
    decoder: Decoder,
    hertz: f32,
    said: usize,
    sequence: u16,
    timestamp: u32,
    /// What it got: samples at the rate of its decoder, timestamps, and events.
    heard: Vec<i16>,
    stamps: Vec<(u16, u32)>,
    events: Vec<(u32, bool, TelephoneEvent)>,
}

impl Phone {
    fn new(leg: LegKey, codec: &str, hertz: f32) -> Self {
        Self::at(16_000, leg, codec, hertz)
    }

    /// A phone whose own side of its codec has so many samples a second, if the codec can choose.
    fn at(rate: u32, leg: LegKey, codec: &str, hertz: f32) -> Self {
        let codec = codecs(&[codec]).remove(0);
        let encoder = Encoder::new(&codec, rate).unwrap();
        let decoder = Decoder::new(&codec, rate).unwrap();
        Phone {
            leg,
            payload_type: codec.payload_type,
            encoder,
            decoder,
            hertz,
            said: 0,
            sequence: 100 * leg.0 as u16,
            timestamp: 90_000,
            heard: Vec::new(),
            stamps: Vec::new(),
            events: Vec::new(),
        }
    }

    fn clock_rate(&self) -> u32 {
        self.encoder.format().clock_rate()
    }

    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let marker = if marker { 0x80 } else { 0 };
        let mut packet = vec![0x80, payload_type | marker];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, self.leg.0 as u8]);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    /// The next packet of its tone.
    fn say(&mut self) -> Vec<u8> {
        let rate = self.encoder.sample_rate();
        let samples: Vec<i16> = (0..rate as usize / 50)
            .map(|n| ((self.said + n) as f32 * self.hertz / rate as f32 * TAU).sin() * 8000.0)
            .map(|sample| sample as i16)
            .collect();
        self.said += samples.len();
        let mut payload = [0; MAX_PAYLOAD];
        let len = self.encoder.encode(&samples, &mut payload).unwrap();
        let timestamp = self.timestamp;
        self.timestamp += self.clock_rate() / 50;
        self.packet(self.payload_type, false, timestamp, &payload[..len])
    }

    /// A packet that is lost on its way, or a frame in which nothing is said.
    fn lose(&mut self) {
        self.say();
    }

    fn hear(&mut self, packet: &[u8]) {
        let header = Header::parse(packet).unwrap();
        let payload = &packet[header.payload..];
        if header.payload_type != self.payload_type {
            let event = TelephoneEvent::read(payload).unwrap();
            self.events.push((header.timestamp, header.marker, event));
            return;
        }
        self.stamps.push((header.sequence, header.timestamp));
        let mut samples = [0; MAX_SAMPLES];
        let len = self.decoder.decode(payload, &mut samples).unwrap();
        self.heard.extend(&samples[..len]);
    }

    /// The share of the power of what it heard last that a tone has.
    fn share(&self, hertz: f32) -> f32 {
        let rate = self.decoder.sample_rate();
        let last = &self.heard[self.heard.len() - rate as usize / 4..];
        share(last, hertz, rate)
    }
}

/// A desk, its clock and the phones that speak to each other by it.
struct World {
    desk: Desk,
    now: Instant,
    phones: Vec<Phone>,
}

impl World {
    fn new(phones: Vec<Phone>) -> Self {
        World { desk: Desk::new(7), now: Clock::new().now(), phones }
    }

    fn deliver(&mut self) {
        while let Some(made) = self.desk.poll_made() {
            let phone = self.phones.iter_mut().find(|phone| phone.leg == made.leg).unwrap();
            assert_eq!(made.clock_rate, phone.clock_rate());
            phone.hear(made.bytes());
            self.desk.recycle(made);
        }
    }

    fn hand(&mut self, leg: LegKey, packet: &[u8]) {
        self.desk.handle_packet(self.now, leg, packet);
        self.deliver();
    }

    /// 20 ms in which these phones say what they say.
    fn step(&mut self, speakers: &[usize]) {
        for &speaker in speakers {
            let packet = self.phones[speaker].say();
            let leg = self.phones[speaker].leg;
            self.hand(leg, &packet);
        }
        self.pass();
    }

    fn pass(&mut self) {
        self.now += TICK;
        self.desk.handle_timeout(self.now);
        self.deliver();
    }
}

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
    world.phones[0].timestamp += 2 * 48_000;
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
    let start = world.phones[0].timestamp;
    while let Some(EventPacket { timestamp, marker, event }) = sender.poll_packet(world.phones[0].timestamp) {
        let packet = world.phones[0].packet(110, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].timestamp += 960;
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
    let passed = (world.phones[0].timestamp - start) / 6;
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
    while let Some(EventPacket { timestamp, marker, event }) = sender.poll_packet(world.phones[0].timestamp) {
        let packet = world.phones[0].packet(110, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].timestamp += 960;
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
    while let Some(EventPacket { timestamp, marker, event }) = sender.poll_packet(world.phones[0].timestamp) {
        let packet = world.phones[0].packet(101, marker, timestamp, &event.write());
        world.hand(A, &packet);
        world.phones[0].timestamp += 160;
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
fn each_in_a_conference_hears_the_others() {
    let tones = [440.0, 1000.0, 1620.0];
    let mut world = World::new(vec![
        Phone::new(A, OPUS, tones[0]),
        Phone::new(B, PCMU, tones[1]),
        Phone::new(C, G722, tones[2]),
    ]);
    let key = ConferenceKey(1);
    for (leg, codec) in [(A, OPUS), (B, PCMU), (C, G722)] {
        world.desk.join(world.now, leg, key, &patch(&[codec], &[codec])).unwrap();
    }
    for _ in 0..100 {
        world.step(&[0, 1, 2]);
    }
    for (own, phone) in world.phones.iter().enumerate() {
        for (other, &hertz) in tones.iter().enumerate() {
            let share = phone.share(hertz);
            match own == other {
                true => assert!(share < 0.02, "{own} hears itself: {share}"),
                false => assert!(share > 0.3, "{own} hears too little of {other}: {share}"),
            }
        }
    }
    // Who leaves is not heard, and the last one ends the clock.
    world.desk.close(C);
    world.phones.pop();
    for _ in 0..50 {
        world.step(&[0, 1]);
    }
    assert!(world.phones[0].share(1620.0) < 0.01 && world.phones[0].share(1000.0) > 0.9);
    world.desk.close(A);
    world.desk.close(B);
    world.desk.handle_timeout(world.now + Duration::from_secs(1));
    assert_eq!(world.desk.poll_timeout(), None);
}

/// Two browsers hear all of each other in a conference, whoever else is in it and whenever they came.
#[test]
fn a_conference_is_as_wide_as_two_of_its_members_are() {
    let tones = [9_000.0, 1_000.0, 11_000.0];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2]] {
        let mut world = World::new(vec![
            Phone::at(48_000, A, OPUS, tones[0]),
            Phone::new(B, PCMU, tones[1]),
            Phone::at(48_000, C, OPUS, tones[2]),
        ]);
        let mut present = Vec::new();
        for phone in order {
            let (leg, codec) = [(A, OPUS), (B, PCMU), (C, OPUS)][phone];
            world.desk.join(world.now, leg, ConferenceKey(1), &patch(&[codec], &[codec])).unwrap();
            present.push(phone);
            for _ in 0..50 {
                world.step(&present);
            }
        }
        for (own, other) in [(0, 2), (2, 0)] {
            let phone = &world.phones[own];
            let (narrow, wide) = (phone.share(tones[1]), phone.share(tones[other]));
            assert!(narrow > 0.3 && wide > 0.3, "{order:?}: {own} hears {narrow} and {wide}");
            assert!(phone.share(tones[own]) < 0.02, "{order:?}: {own} hears itself");
            assert_eq!(gaps(phone), 0, "{order:?}: {own}");
        }
        // Of what a narrow voice cannot carry nothing is heard, folded down or not; nor itself.
        let heard = &world.phones[1].heard;
        assert!(loudness(&heard[heard.len() / 2..]) < 100.0, "{order:?}");
    }
}

/// Where many have come, a frame for each of them is worth more than what only children hear.
#[test]
fn a_conference_of_many_is_no_wider_than_wide_band() {
    let mut world = World::new((1..=17).map(|leg| Phone::at(48_000, LegKey(leg), OPUS, 9_000.0)).collect());
    let key = ConferenceKey(1);
    for leg in 1..=16 {
        world.desk.join(world.now, LegKey(leg), key, &patch(&[OPUS], &[OPUS])).unwrap();
    }
    for _ in 0..50 {
        world.step(&[0]);
    }
    assert!(world.phones[5].share(9_000.0) > 0.9, "{}", world.phones[5].share(9_000.0));
    world.desk.join(world.now, LegKey(17), key, &patch(&[OPUS], &[OPUS])).unwrap();
    world.phones[0].hertz = 3_000.0;
    for _ in 0..50 {
        world.step(&[0, 1]);
    }
    assert!(world.phones[5].share(3_000.0) > 0.9, "{}", world.phones[5].share(3_000.0));
    assert!(world.phones[5].share(9_000.0) < 0.01, "{}", world.phones[5].share(9_000.0));
    assert_eq!(gaps(&world.phones[5]), 0);
}

/// How often the packets that a phone got did not follow each other in number and time.
fn gaps(phone: &Phone) -> usize {
    let step = phone.clock_rate() / 50;
    let follows = |pair: &&[(u16, u32)]| {
        pair[1].0 == pair[0].0.wrapping_add(1) && pair[1].1 == pair[0].1.wrapping_add(step)
    };
    phone.stamps.windows(2).filter(|pair| !follows(pair)).count()
}

/// Whose audio is made for each other come into a conference one after the other, in either order.
#[test]
fn two_who_were_patched_hear_all_in_a_conference() {
    let tones = [440.0, 1000.0, 1620.0];
    for order in [[(A, OPUS), (B, PCMU)], [(B, PCMU), (A, OPUS)]] {
        let mut world = World::new(vec![
            Phone::new(A, OPUS, tones[0]),
            Phone::new(B, PCMU, tones[1]),
            Phone::new(C, G722, tones[2]),
        ]);
        world.desk.patch(A, B, &patch(&[OPUS], &[PCMU])).unwrap();
        world.desk.patch(B, A, &patch(&[PCMU], &[OPUS])).unwrap();
        for _ in 0..10 {
            world.step(&[0, 1]);
        }
        let key = ConferenceKey(1);
        for (leg, codec) in [(C, G722)].into_iter().chain(order) {
            world.desk.join(world.now, leg, key, &patch(&[codec], &[codec])).unwrap();
            for _ in 0..10 {
                world.step(&[0, 1, 2]);
            }
        }
        for _ in 0..100 {
            world.step(&[0, 1, 2]);
        }
        for (own, phone) in world.phones.iter().enumerate() {
            for (other, &hertz) in tones.iter().enumerate().filter(|(other, _)| *other != own) {
                let share = phone.share(hertz);
                assert!(share > 0.3, "{own} hears too little of {other}: {share}");
            }
        }
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
    let play = Play { sound, times: None, manner: Manner::Over };
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
    let packet = world.phones[0].packet(110, true, 90_000, &event.write());
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
