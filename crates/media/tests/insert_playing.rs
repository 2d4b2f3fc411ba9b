//! Playing to a leg: over what it would hear, and under it as music on hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod insert_kit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use insert_kit::{Speaker, codec, loudness, share};
use ringback_media::codec::{Decoder, MAX_SAMPLES};
use ringback_media::dtmf::{Digit, Press, Refusal};
use ringback_media::insert::{
    Clip, Desk, DeskError, HOLD_TONES, Manner, Play, PlayEnd, PressError, Sound, TICK,
};
use ringback_media::negotiation::{Keys, Patch};
use ringback_media::rtp::Header;
use ringback_media::sdp::Codec;
use ringback_media::session::LegKey;
use ringback_sansio::sim::Clock;

const A: LegKey = LegKey(1);
const B: LegKey = LegKey(2);

fn pcma() -> Codec {
    codec("8 PCMA/8000")
}

fn opus() -> Codec {
    codec("111 opus/48000/2")
}

fn patch(from: Codec, to: Codec) -> Patch {
    Patch { from: vec![from], to: vec![to], ptime: 20, keys: Keys::Heard }
}

/// Half a second of a tone, at another rate than any voice has.
fn clip(hertz: f32) -> Sound {
    let samples =
        (0..12_000).map(|n| ((n as f32 * hertz / 24_000.0 * std::f32::consts::TAU).sin() * 8000.0) as i16);
    Sound::Clip(Arc::new(Clip { rate: 24_000, samples: samples.collect() }))
}

struct World {
    desk: Desk,
    now: Instant,
    decoder: Decoder,
    heard: Vec<i16>,
    stamps: Vec<(u16, u32)>,
}

impl World {
    /// A world in which leg B hears with this codec.
    fn new(codec: &Codec) -> Self {
        let decoder = Decoder::new(codec, 16_000).unwrap();
        World { desk: Desk::new(7), now: Clock::new().now(), decoder, heard: Vec::new(), stamps: Vec::new() }
    }

    fn pass(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.now += TICK;
            self.desk.handle_timeout(self.now);
            self.hear();
        }
    }

    fn hear(&mut self) {
        while let Some(made) = self.desk.poll_made() {
            assert_eq!(made.leg, B);
            let header = Header::parse(made.bytes()).unwrap();
            self.stamps.push((header.sequence, header.timestamp));
            let mut samples = [0; MAX_SAMPLES];
            let len = self.decoder.decode(&made.bytes()[header.payload..], &mut samples).unwrap();
            self.heard.extend(&samples[..len]);
            self.desk.recycle(made);
        }
    }

    /// What was heard in the last half second.
    fn last(&self) -> &[i16] {
        &self.heard[self.heard.len() - self.decoder.sample_rate() as usize / 2..]
    }

    fn share(&self, hertz: f32) -> f32 {
        share(self.last(), hertz, self.decoder.sample_rate())
    }
}

#[test]
fn a_leg_whose_packets_are_passed_on_hears_a_file_as_often_as_asked() {
    for codec in [pcma(), opus()] {
        let mut world = World::new(&codec);
        let play = Play { sound: clip(600.0), times: Some(3), from: Duration::ZERO, manner: Manner::Over };
        world.desk.play(world.now, B, play, &patch(codec.clone(), codec.clone())).unwrap();
        world.pass(60);
        assert!(world.share(600.0) > 0.9, "{}", world.share(600.0));
        world.pass(40);
        assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Finished)), "{}", codec.name);
        let frames = world.stamps.len();
        assert!((74..=78).contains(&frames), "{frames} frames of 20 ms for 1.5 s of {}", codec.name);
        let step = codec.clock_rate / 50;
        assert!(world.stamps.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(step)));
        // Nothing needs the clock any more.
        assert_eq!((world.desk.poll_timeout(), world.desk.legs()), (None, Vec::new()));
    }
}

/// The first time is shorter; the others are whole.
#[test]
fn a_file_begins_where_it_is_to_begin() {
    for (from, times, expected) in [(300, 1, 10), (300, 3, 60), (480, 1, 1), (500, 2, 25), (9_000, 1, 0)] {
        let mut world = World::new(&pcma());
        let (times, from) = (Some(times), Duration::from_millis(from));
        let play = Play { sound: clip(600.0), times, from, manner: Manner::Over };
        world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
        world.pass(80);
        assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Finished)));
        let frames = world.stamps.len();
        assert!((expected..=expected + 2).contains(&frames), "{frames} frames from {from:?} on");
    }
}

#[test]
fn what_has_no_end_is_played_until_it_is_stopped() {
    let mut world = World::new(&pcma());
    let play = Play { sound: clip(600.0), times: None, from: Duration::ZERO, manner: Manner::Under };
    world.desk.play(world.now, B, play.clone(), &patch(pcma(), pcma())).unwrap();
    world.pass(200);
    assert!(world.share(600.0) > 0.9);
    // The same again goes on where it is.
    let count = world.stamps.len();
    world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
    world.pass(1);
    assert_eq!(world.stamps[count].0, world.stamps[count - 1].0.wrapping_add(1));
    world.desk.stop(B);
    world.pass(10);
    assert_eq!(world.stamps.len(), count + 1);
    assert_eq!(world.desk.poll_ended(), None);
}

#[test]
fn music_ends_where_somebody_is_heard_to_speak_and_not_for_silence() {
    let mut world = World::new(&pcma());
    let mut speaker = Speaker::new(A, opus(), 1000.0);
    world.desk.patch(A, B, &patch(opus(), pcma())).unwrap();
    let play =
        Play { sound: Sound::Cadence(HOLD_TONES), times: None, from: Duration::ZERO, manner: Manner::Under };
    world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
    for n in 0..45 {
        // What a telephone has said last before it holds comes a moment later.
        let packet = if n < 7 { speaker.say() } else { speaker.say_samples(&[0; 320]) };
        world.desk.handle_packet(world.now, A, &packet);
        world.pass(1);
    }
    assert!(loudness(world.last()) > 50.0, "the tones of a hold, softly: {}", loudness(world.last()));
    assert_eq!(world.desk.poll_ended(), None);
    let frames = world.stamps.len();
    for _ in 0..40 {
        let packet = speaker.say();
        world.desk.handle_packet(world.now, A, &packet);
        world.hear();
        world.pass(1);
    }
    assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Interrupted)));
    assert!(world.share(1000.0) > 0.9);
    // One packet for each 20 ms, whoever made it.
    assert!((39..=41).contains(&(world.stamps.len() - frames)), "{}", world.stamps.len() - frames);
}

#[test]
fn nothing_is_played_to_who_understands_nothing() {
    let mut desk = Desk::new(1);
    let play = Play { sound: clip(600.0), times: None, from: Duration::ZERO, manner: Manner::Over };
    let unknown = codec("18 G729/8000");
    let now = Clock::new().now();
    assert_eq!(desk.play(now, B, play, &patch(unknown.clone(), unknown)), Err(DeskError::Codec));
    assert!(desk.legs().is_empty() && desk.poll_timeout().is_none());
}

/// Who holds, transfers and leaves, takes the voice away by which the music was played.
#[test]
fn music_goes_on_when_the_one_who_spoke_has_left() {
    let mut world = World::new(&pcma());
    world.desk.patch(A, B, &patch(opus(), pcma())).unwrap();
    let play = Play { sound: clip(600.0), times: None, from: Duration::ZERO, manner: Manner::Under };
    world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
    world.pass(50);
    assert!(world.share(600.0) > 0.9);
    world.desk.close(A);
    world.heard.clear();
    world.pass(50);
    assert!(world.share(600.0) > 0.9);
    assert_eq!(world.desk.poll_ended(), None);
}

/// The share of the two tones of `#`.
fn key_of(samples: &[i16]) -> f32 {
    share(samples, 941.0, 8_000) + share(samples, 1_477.0, 8_000)
}

#[test]
fn a_leg_without_a_voice_gets_one_for_its_keys() {
    let mut loudest = Vec::new();
    for volume in [10, 30] {
        let mut world = World::new(&pcma());
        let press = Press { volume, ..Press::new(Digit::from_char('#').unwrap(), 500) };
        for _ in 0..2 {
            world.desk.press_alone(world.now, B, press, &patch(pcma(), pcma())).unwrap();
        }
        world.pass(25);
        assert!(key_of(&world.heard) > 0.9, "{}", key_of(&world.heard));
        loudest.push(loudness(&world.heard));
        assert_eq!(world.desk.poll_ended(), None);
        // The other one and both pauses, 60 ms each, and that is all.
        world.pass(60);
        assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Finished)));
        assert!((56..=58).contains(&world.stamps.len()), "{}", world.stamps.len());
        assert_eq!((world.desk.poll_timeout(), world.desk.legs()), (None, Vec::new()));
    }
    let ratio = loudest[0] / loudest[1];
    assert!((9.0..11.0).contains(&ratio), "20 dB are ten times as much: {ratio}");
}

#[test]
fn a_key_is_heard_in_the_place_of_what_is_played() {
    let mut world = World::new(&pcma());
    let play = Play { sound: clip(600.0), times: Some(4), from: Duration::ZERO, manner: Manner::Over };
    world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
    world.pass(20);
    let press = Press::new(Digit::from_char('#').unwrap(), 500);
    world.desk.press_alone(world.now, B, press, &patch(pcma(), pcma())).unwrap();
    world.pass(26);
    assert!(key_of(world.last()) > 0.85, "{}", key_of(world.last()));
    world.pass(30);
    assert!(world.share(600.0) > 0.85, "{}", world.share(600.0));
    world.pass(40);
    assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Finished)));
}

#[test]
fn a_key_that_is_pressed_at_the_end_of_a_file_is_heard_to_its_end() {
    let mut world = World::new(&pcma());
    let play = Play { sound: clip(600.0), times: Some(1), from: Duration::ZERO, manner: Manner::Over };
    world.desk.play(world.now, B, play, &patch(pcma(), pcma())).unwrap();
    world.pass(23);
    let press = Press::new(Digit::from_char('#').unwrap(), 500);
    world.desk.press_alone(world.now, B, press, &patch(pcma(), pcma())).unwrap();
    world.pass(25);
    assert_eq!(world.desk.poll_ended(), None, "the file is over and the key is not");
    assert!(key_of(world.last()) > 0.85, "{}", key_of(world.last()));
    world.pass(10);
    assert_eq!(world.desk.poll_ended(), Some((B, PlayEnd::Finished)));
}

#[test]
fn keys_that_cannot_be_heard_are_refused() {
    let mut desk = Desk::new(1);
    let now = Clock::new().now();
    let press = |milliseconds| Press::new(Digit::from_char('5').unwrap(), milliseconds);
    let unknown = codec("18 G729/8000");
    let refused = desk.press_alone(now, B, press(100), &patch(unknown.clone(), unknown));
    assert_eq!(refused, Err(PressError::Voice(DeskError::Codec)));
    assert!(desk.legs().is_empty() && desk.poll_timeout().is_none());
    let too_short = desk.press_alone(now, B, press(1), &patch(pcma(), pcma()));
    assert_eq!(too_short, Err(PressError::Key(Refusal::Duration)));
}
