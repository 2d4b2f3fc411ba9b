use ringback_media::audio::{Oscillator, level};
use ringback_media::codec::Format;
use ringback_sansio::sim::Clock;

use super::*;

fn codecs(format: Format) -> Vec<Codec> {
    let payload_type = format.payload_type().unwrap_or(111);
    vec![format.describe(payload_type), codec(101, "telephone-event", format.clock_rate())]
}

/// Two ends without a network between them.
struct Pair {
    clock: Clock,
    ends: [Audio; 2],
    heard: [Vec<i16>; 2],
    pressed: Vec<Digit>,
}

impl Pair {
    fn new(format: Format) -> Pair {
        let clock = Clock::new();
        let end = |seed| Audio::new(clock.now(), &codecs(format), None, seed).unwrap();
        let ends = [end(1), end(2)];
        Pair { clock, ends, heard: Default::default(), pressed: Vec::new() }
    }

    fn run(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(Duration::from_millis(10));
            let now = self.clock.now();
            for own in [0, 1] {
                self.ends[own].handle_timeout(now);
                while let Some(made) = self.ends[own].poll_packet() {
                    self.ends[1 - own].handle_packet(now, made.bytes());
                    self.ends[own].recycle(made);
                }
                while let Some(heard) = self.ends[own].poll_heard() {
                    self.heard[own].extend(heard.samples);
                }
                self.pressed.extend(self.ends[own].poll_pressed());
            }
        }
    }
}

fn tone(frequency: f32, seconds: usize) -> Vec<i16> {
    let mut oscillator = Oscillator::new(frequency, RATE);
    (0..seconds * RATE as usize).map(|_| (oscillator.next_sample() * 8000.0) as i16).collect()
}

#[test]
fn what_is_played_is_heard_at_the_other_end_and_not_at_ones_own() {
    for format in [Format::Pcmu, Format::Opus] {
        let mut pair = Pair::new(format);
        let clip = Arc::new(Clip { rate: RATE, samples: tone(440.0, 1).into() });
        let now = pair.clock.now();
        pair.ends[0].play(now, clip, Some(2));
        pair.run(Duration::from_millis(1500));
        assert!(pair.ends[0].is_playing() && !pair.ends[0].poll_ended());
        pair.run(Duration::from_millis(1000));
        assert!(!pair.ends[0].is_playing() && pair.ends[0].poll_ended());
        let [own, other] = &pair.heard;
        let middle = RATE as usize / 2..RATE as usize * 3 / 2;
        assert!(level(&other[middle.clone()]) < 20, "{format:?}: {}", level(&other[middle.clone()]));
        assert!(level(&own[middle]) > 60, "{format:?}: silence is what the other says");
    }
}

#[test]
fn samples_that_are_said_are_heard() {
    let mut pair = Pair::new(Format::Pcmu);
    for piece in tone(600.0, 1).chunks(RATE as usize / 50) {
        let now = pair.clock.now();
        pair.ends[0].say(now, piece);
        pair.run(Duration::from_millis(20));
    }
    let heard = &pair.heard[1];
    assert!(level(&heard[heard.len() / 2..]) < 20);
}

#[test]
fn what_is_said_is_due_at_once_and_what_is_heard_comes_by_20_ms() {
    let mut pair = Pair::new(Format::Pcmu);
    pair.run(Duration::from_millis(100));
    for piece in tone(600.0, 1).chunks(RATE as usize / 50).take(5) {
        let now = pair.clock.now();
        pair.ends[0].say(now, piece);
        assert_eq!(pair.ends[0].poll_timeout(), Some(now));
        pair.ends[0].handle_timeout(now);
        assert!(pair.ends[0].poll_timeout().is_some_and(|at| at > now));
        let made = pair.ends[0].poll_packet().unwrap();
        pair.ends[0].recycle(made);
        pair.clock.advance(Duration::from_millis(20));
        let now = pair.clock.now();
        pair.ends[1].handle_timeout(now);
        assert_eq!(pair.ends[1].poll_heard().map(|heard| heard.samples.len()), Some(RATE as usize / 50));
        assert!(pair.ends[1].poll_heard().is_none());
    }
}

#[test]
fn a_key_that_is_pressed_arrives_once() {
    let mut pair = Pair::new(Format::Pcmu);
    let now = pair.clock.now();
    for key in ['1', '#'] {
        pair.ends[0].press(now, Digit::from_char(key).unwrap()).unwrap();
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.pressed.iter().map(|digit| digit.key()).collect::<String>(), "1#");
}

#[test]
fn a_recording_is_read_again_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.wav", "a.ogg"] {
        let path = folder.path().join(name);
        let mut recorder = Recorder::create(&path).unwrap();
        let samples = tone(440.0, 1);
        for (at, piece) in samples.chunks(3200).enumerate() {
            // The second piece is lost and becomes silence.
            if at != 1 {
                recorder.write(&Heard { at: at as u64 * 3200, samples: piece.to_vec() }).unwrap();
            }
        }
        recorder.finish().unwrap();
        let clip = read_clip(&path).unwrap();
        assert_eq!(clip.rate, RATE);
        assert!((15_000..=17_000).contains(&clip.samples.len()), "{name}: {}", clip.samples.len());
        assert!(level(&clip.samples[8000..14_000]) < 20, "{name}");
        assert!(level(&clip.samples[4000..6000]) > 40, "{name}");
    }
}

#[test]
fn a_long_gap_is_filled_once_and_the_recording_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let mut recorder = Recorder::create(&path).unwrap();
    let hour = 3600 * u64::from(RATE);
    for piece in 0..3 {
        recorder.write(&Heard { at: hour + piece * 320, samples: vec![1; 320] }).unwrap();
    }
    assert!((recorder.seconds() - 60.06).abs() < 0.001, "{}", recorder.seconds());
    recorder.finish().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_no_file_of_audio_is_told_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp3");
    std::fs::write(&path, b"ID3").unwrap();
    let error = read_clip(&path).err().unwrap().to_string();
    assert!(error.contains("a.mp3") && error.contains("convert it"), "{error}");
    let error = Recorder::create(&path).err().unwrap().to_string();
    assert!(error.contains(".wav"), "{error}");
    assert!(read_clip(&folder.path().join("none.wav")).is_err());
}

#[test]
fn a_far_end_without_a_codec_of_ours_has_no_audio() {
    let now = Clock::new().now();
    assert!(Audio::new(now, &[codec(18, "G729", 8000)], None, 1).is_err());
}
