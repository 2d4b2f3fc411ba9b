//! Recordings: what two legs say, in step, with gaps where they were paused, and without keys.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod insert_kit;

use std::time::{Duration, Instant};

use insert_kit::{Speaker, codec, loudness, share};
use ringback_media::dtmf::{Digit, Press, ToneLevels, TonePlayer};
use ringback_media::insert::{
    Desk, DeskError, PacketWay, RECORDING_PIECE, RECORDING_RATE, Recorded, RecordingEnd, RecordingKey,
    RecordingSettings, Side, TICK, Track,
};
use ringback_media::sdp::Codec;
use ringback_media::session::LegKey;
use ringback_sansio::sim::Clock;

const A: LegKey = LegKey(1);
const B: LegKey = LegKey(2);
const C: LegKey = LegKey(3);
const RECORDING: RecordingKey = RecordingKey(9);
const SECOND: usize = RECORDING_RATE as usize;

fn settings(is_separate: bool) -> RecordingSettings {
    RecordingSettings {
        is_separate,
        masks_keys: true,
        keeps_packets: false,
        piece: RECORDING_PIECE,
        most: Duration::from_secs(60),
    }
}

fn track(side: Side, codec: &Codec) -> Track {
    Track { recording: RECORDING, name: "one".into(), note: None, side, codecs: vec![codec.clone()] }
}

/// A desk that records, what it has told, and the file that a writer would have made of it.
struct World {
    desk: Desk,
    now: Instant,
    speakers: Vec<Speaker>,
    /// Samples of each channel.
    channels: Vec<Vec<i16>>,
    /// Packets that were kept: when they came, from which port, and their payload type.
    kept: Vec<(Duration, u16, u8)>,
    begun: Vec<(String, u8)>,
    ended: Option<(u64, RecordingEnd)>,
}

impl World {
    /// Two legs that are recorded: an Opus one that says 440 Hz, and a PCMU one that says 1000 Hz.
    fn new(settings: RecordingSettings) -> Self {
        let mut world = World {
            desk: Desk::new(7),
            now: Clock::new().now(),
            speakers: vec![
                Speaker::new(A, codec("111 opus/48000/2"), 440.0),
                Speaker::new(B, codec("0 PCMU/8000"), 1000.0),
            ],
            channels: vec![Vec::new(), Vec::new()],
            kept: Vec::new(),
            begun: Vec::new(),
            ended: None,
        };
        for (speaker, side) in world.speakers.iter().zip([Side::First, Side::Second]) {
            let track = track(side, &speaker.codec);
            world.desk.record(world.now, speaker.leg, &track, settings).unwrap();
        }
        world
    }

    fn write(&mut self) {
        while let Some(recorded) = self.desk.poll_recorded() {
            match recorded {
                Recorded::Begun { recording, name, channels, .. } => {
                    assert_eq!(recording, RECORDING);
                    self.begun.push((name.to_string(), channels));
                }
                Recorded::Piece(piece) => {
                    assert!(piece.samples().is_empty() || piece.packets().next().is_none(), "one of both");
                    let kept = piece.packets().map(|it| (it.at, it.way.from.port(), it.bytes[1] & 0x7f));
                    self.kept.extend(kept);
                    let count = usize::from(self.begun.last().unwrap().1);
                    for (channel, written) in self.channels.iter_mut().enumerate().take(count) {
                        assert!(written.len() <= piece.at as usize, "nothing is written twice");
                        written.resize(piece.at as usize, 0);
                        written.extend(piece.samples().iter().skip(channel).step_by(count));
                    }
                    self.desk.recycle_piece(piece);
                }
                Recorded::Ended { recording, length, why } => {
                    assert_eq!((recording, self.ended), (RECORDING, None));
                    self.ended = Some((length, why));
                }
            }
        }
    }

    fn pass(&mut self) {
        self.now += TICK;
        self.desk.handle_timeout(self.now);
        self.write();
    }

    /// So many ticks in which both speak.
    fn talk(&mut self, ticks: usize) {
        for _ in 0..ticks {
            for speaker in &mut self.speakers {
                let packet = speaker.say();
                self.desk.handle_copy(self.now, speaker.leg, &packet);
            }
            self.pass();
        }
    }

    fn stop(&mut self) {
        self.desk.stop_recording(RECORDING);
        self.write();
    }
}

#[test]
fn each_side_has_a_channel_of_its_own_and_its_own_sound_only() {
    let mut world = World::new(settings(true));
    world.talk(150);
    world.stop();
    assert_eq!(world.begun, [("one".to_owned(), 2)]);
    assert_eq!(world.ended, Some((150 * 320, RecordingEnd::Stopped)));
    for (channel, own, others) in [(0, 440.0, 1000.0), (1, 1000.0, 440.0)] {
        let heard = &world.channels[channel];
        assert_eq!(heard.len(), 150 * 320);
        let last = &heard[heard.len() - SECOND..];
        assert!(share(last, own, RECORDING_RATE) > 0.9, "{channel}");
        assert!(share(last, others, RECORDING_RATE) < 0.01, "{channel}");
    }
    // Nobody needs the clock any more, and nothing is kept of the legs.
    world.pass();
    assert_eq!((world.desk.poll_timeout(), world.desk.legs()), (None, Vec::new()));
    assert!(!world.desk.is_recorded(A));
}

#[test]
fn mixed_both_are_in_one_channel() {
    let mut world = World::new(settings(false));
    world.talk(150);
    world.stop();
    assert_eq!(world.begun, [("one".to_owned(), 1)]);
    let last = &world.channels[0][150 * 320 - SECOND..];
    assert!(share(last, 440.0, RECORDING_RATE) > 0.3 && share(last, 1000.0, RECORDING_RATE) > 0.3);
}

#[test]
fn a_pause_leaves_a_gap_of_its_length() {
    let mut world = World::new(settings(false));
    world.talk(100);
    world.desk.pause_recording(RECORDING, true);
    world.talk(100);
    world.desk.pause_recording(RECORDING, false);
    world.talk(100);
    world.stop();
    let heard = &world.channels[0];
    assert_eq!((heard.len(), world.ended), (300 * 320, Some((300 * 320, RecordingEnd::Stopped))));
    assert!(heard[100 * 320..200 * 320].iter().all(|sample| *sample == 0), "a gap");
    assert!(loudness(&heard[50 * 320..100 * 320]) > 1000.0 && loudness(&heard[200 * 320..]) > 1000.0);
}

/// The desk was kept from its clock for a second: what comes after is where it belongs.
#[test]
fn ticks_that_were_missed_leave_a_gap_and_nothing_out_of_place() {
    let mut world = World::new(settings(false));
    world.talk(50);
    world.now += Duration::from_secs(1);
    world.talk(50);
    world.stop();
    let (length, _) = world.ended.unwrap();
    assert!((149 * 320..=151 * 320).contains(&length), "{length}");
    assert!(world.desk.stats().ticks_missed >= 45);
}

#[test]
fn keys_are_not_in_it_when_they_are_masked() {
    for masks_keys in [true, false] {
        let mut world = World::new(RecordingSettings { masks_keys, ..settings(true) });
        world.talk(50);
        let speaker = &mut world.speakers[1];
        let mut keys = TonePlayer::new(8000, ToneLevels::default());
        let digit = Digit::from_char('5').unwrap();
        keys.press(Press::new(digit, 600)).unwrap();
        for _ in 0..40 {
            let mut frame = [0; 160];
            keys.fill(&mut frame);
            let packet = speaker.say_samples(&frame);
            world.desk.handle_copy(world.now, B, &packet);
            world.now += TICK;
            world.desk.handle_timeout(world.now);
        }
        world.stop();
        let (low, _) = digit.frequencies();
        let blocks = world.channels[1].chunks(RECORDING_RATE as usize / 20);
        let heard = blocks.filter(|block| share(block, low, RECORDING_RATE) > 0.2 && loudness(block) > 100.0);
        let heard = heard.count();
        assert_eq!(heard > 0, !masks_keys, "{heard} blocks");
    }
}

#[test]
fn a_leg_that_comes_takes_the_place_of_one_that_leaves() {
    let mut world = World::new(settings(true));
    world.talk(100);
    world.desk.close(B);
    world.speakers[1] = Speaker::new(C, codec("8 PCMA/8000"), 700.0);
    let track = track(Side::Second, &world.speakers[1].codec);
    world.desk.record(world.now, C, &track, settings(true)).unwrap();
    world.talk(100);
    assert_eq!(world.begun.len(), 1, "it is the same recording");
    world.desk.close(A);
    world.write();
    assert_eq!(world.ended, None);
    world.desk.close(C);
    world.write();
    assert_eq!(world.ended.map(|(_, why)| why), Some(RecordingEnd::Over));
    let last = &world.channels[1][200 * 320 - SECOND..];
    assert!(share(last, 700.0, RECORDING_RATE) > 0.9 && share(last, 1000.0, RECORDING_RATE) < 0.01);
}

#[test]
fn it_ends_when_it_is_as_long_as_it_may_be() {
    let mut world = World::new(RecordingSettings { most: Duration::from_secs(1), ..settings(false) });
    world.talk(60);
    assert_eq!(world.ended, Some((SECOND as u64, RecordingEnd::TooLong)));
    assert!(!world.desk.is_recorded(A) && !world.desk.is_recorded(B));
    world.talk(1);
    assert_eq!(world.desk.stats().no_insert, 22, "copies that come all the same are counted");
}

#[test]
fn nothing_is_recorded_of_what_nobody_understands() {
    let mut desk = Desk::new(1);
    let unknown = track(Side::First, &codec("18 G729/8000"));
    let now = Clock::new().now();
    assert_eq!(desk.record(now, A, &unknown, settings(false)), Err(DeskError::Codec));
    assert!(desk.poll_recorded().is_none() && desk.legs().is_empty());
}

/// In a transfer whoever was called may come to stand for the caller.
#[test]
fn a_leg_that_changes_its_side_is_heard_on_and_leaves_nobody_behind() {
    let mut world = World::new(settings(true));
    world.talk(50);
    let of_b = track(Side::First, &world.speakers[1].codec);
    world.desk.record(world.now, B, &of_b, settings(true)).unwrap();
    let third = Speaker::new(C, codec("8 PCMA/8000"), 700.0);
    world.desk.record(world.now, C, &track(Side::Second, &third.codec), settings(true)).unwrap();
    world.speakers[0] = third;
    world.desk.close(A);
    world.talk(100);
    assert!(world.desk.is_recorded(B) && world.desk.is_recorded(C));
    world.desk.close(B);
    world.write();
    assert_eq!(world.ended, None);
    world.desk.close(C);
    world.write();
    assert_eq!(world.ended.map(|(_, why)| why), Some(RecordingEnd::Over));
    for (channel, hertz) in [(0, 1000.0), (1, 700.0)] {
        let last = &world.channels[channel][150 * 320 - SECOND..];
        assert!(share(last, hertz, RECORDING_RATE) > 0.9, "{channel}");
    }
}

fn way(port: u16) -> PacketWay {
    PacketWay { from: ([192, 0, 2, 7], port).into(), to: ([192, 0, 2, 1], 10_000).into() }
}

#[test]
fn packets_are_kept_as_they_came_and_a_pause_leaves_some_out() {
    let mut world = World::new(RecordingSettings { keeps_packets: true, ..settings(true) });
    // The way of B is not known yet.
    world.desk.set_way(A, way(4000));
    world.talk(10);
    world.desk.set_way(A, way(4002));
    world.desk.set_way(B, way(5000));
    world.talk(10);
    world.desk.pause_recording(RECORDING, true);
    world.talk(10);
    world.desk.pause_recording(RECORDING, false);
    world.talk(10);
    // Who was called comes to stand for the caller.
    let of_b = track(Side::First, &world.speakers[1].codec);
    world.desk.record(world.now, B, &of_b, settings(true)).unwrap();
    world.talk(1);
    world.stop();
    assert_eq!(world.ended, Some((41 * 320, RecordingEnd::Stopped)));
    let each = |tick: u64, a: Option<u16>, b: u16| {
        let at = TICK * tick as u32;
        a.map(|port| (at, port, 111)).into_iter().chain([(at, b, 0)])
    };
    let expected: Vec<_> = (0..10)
        .flat_map(|tick| each(tick, Some(4000), 0))
        .chain((10..20).flat_map(|tick| each(tick, Some(4002), 5000)))
        .chain((30..40).flat_map(|tick| each(tick, Some(4002), 5000)))
        .chain(each(40, None, 5000))
        .collect();
    assert_eq!(world.kept, expected);
}

/// RTCP stands beside the RTP of its leg, whichever port it came by; a file of sound has nothing of it.
#[test]
fn reports_are_kept_beside_what_they_are_about() {
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let mut world = World::new(RecordingSettings { keeps_packets: true, ..settings(false) });
    world.desk.set_way(A, way(4000));
    world.talk(1);
    world.desk.handle_copy(world.now, A, &report);
    world.desk.handle_copy(world.now, B, &report);
    world.talk(1);
    world.stop();
    let ports: Vec<_> = world.kept.iter().map(|(_, port, kind)| (*port, *kind)).collect();
    assert_eq!(ports, [(4000, 111), (0, 0), (4001, 73), (1, 73), (4000, 111), (0, 0)]);
    assert_eq!(world.desk.stats().recorded, 4, "packets of RTP");

    let mut world = World::new(settings(false));
    for _ in 0..50 {
        world.desk.handle_copy(world.now, A, &report);
        world.pass();
    }
    world.stop();
    assert!(world.channels[0].len() == SECOND && world.channels[0].iter().all(|sample| *sample == 0));
    assert_eq!((world.desk.stats().unreadable, world.desk.stats().recorded), (0, 0));
}

/// What cannot be decoded can be kept, but no more than anybody says.
#[test]
fn packets_of_any_codec_are_kept() {
    let mut desk = Desk::new(1);
    let settings = RecordingSettings { keeps_packets: true, ..settings(false) };
    let mut speaker = Speaker::new(A, codec("0 PCMU/8000"), 440.0);
    let now = Clock::new().now();
    desk.record(now, A, &track(Side::First, &codec("18 G729/8000")), settings).unwrap();
    for _ in 0..100 {
        desk.handle_copy(now, A, &speaker.say());
    }
    desk.stop_recording(RECORDING);
    let mut count = 0;
    while let Some(recorded) = desk.poll_recorded() {
        if let Recorded::Piece(piece) = recorded {
            count += piece.packets().count();
        }
    }
    assert_eq!((count, desk.stats().recording_overflowed), (80, 20), "a flood fills no disk");
}
