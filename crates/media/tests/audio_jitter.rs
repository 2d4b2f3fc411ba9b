//! The jitter buffer at the end of a simulated network: what a listener hears of a stream that is delayed, lost, doubled
//! and reordered, and whose clock is not the listener's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_media::audio::{Arrival, JitterBuffer, JitterSettings, JitterStats, Outcome, Pace, Pull};
use ringback_sansio::sim::{Clock, Link, Network};

const FRAME: u32 = 160;
const TWENTY: Duration = Duration::from_millis(20);

/// A speaker, a network and a listener.
struct Line {
    clock: Clock,
    network: Network,
    buffer: JitterBuffer,
    /// When the speaker's next packet leaves, how many have left, and how long a frame takes on its clock.
    leaves: Instant,
    sent: u32,
    period: Duration,
    /// When the listener has played what it had.
    pulls: Instant,
    heard: Heard,
}

#[derive(Debug, Default, Clone)]
struct Heard {
    frames: Vec<u32>,
    lost: u64,
    mendable: u64,
    empty: u64,
    silence: u64,
    most_delay_ms: u32,
    most_waiting: usize,
}

impl Line {
    fn new(link: Link) -> Self {
        Self::drifting(link, 0)
    }

    /// The speaker's clock runs so many millionths faster than the listener's.
    fn drifting(link: Link, ppm: i64) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        Line {
            clock,
            network: Network::new(11, link),
            buffer: JitterBuffer::new(JitterSettings::new(8000)),
            leaves: now,
            sent: 0,
            period: Duration::from_nanos((20_000_000 - 20 * ppm) as u64),
            pulls: now + Duration::from_millis(7),
            heard: Heard::default(),
        }
    }

    fn set_link(&mut self, link: Link) {
        self.network.set_link(SPEAKER(), LISTENER(), link);
    }

    /// Lets the line run; the speaker speaks all the while.
    fn run(&mut self, time: Duration) {
        self.run_with(time, |_| true);
    }

    /// Lets the line run; the speaker sends the frames that `speaks` says, with a marker on the first after a pause.
    fn run_with(&mut self, time: Duration, speaks: impl Fn(u32) -> bool) {
        let end = self.clock.now() + time;
        let (mut sequence, mut paused) = (self.sent as u16, false);
        loop {
            let arrives = self.network.poll_timeout().unwrap_or(end);
            let next = self.leaves.min(self.pulls).min(arrives);
            if next >= end {
                break;
            }
            let now = self.clock.advance_to(next);
            while let Some(datagram) = self.network.receive(now) {
                let [s0, s1, t0, t1, t2, t3, marker, ..] = datagram.payload[..] else { panic!() };
                let arrival = Arrival {
                    sequence: u16::from_be_bytes([s0, s1]),
                    timestamp: u32::from_be_bytes([t0, t1, t2, t3]).wrapping_add(u32::MAX - 8000),
                    marker: marker == 1,
                    payload_type: 0,
                    payload: &datagram.payload,
                };
                self.buffer.push(now, &arrival);
            }
            if self.leaves <= now {
                if speaks(self.sent) {
                    let mut payload = vec![0; 160];
                    payload[..2].copy_from_slice(&sequence.to_be_bytes());
                    payload[2..6].copy_from_slice(&(self.sent * FRAME).to_be_bytes());
                    payload[6] = paused.into();
                    self.network.send(now, SPEAKER(), LISTENER(), Bytes::from(payload));
                    sequence = sequence.wrapping_add(1);
                    paused = false;
                } else {
                    paused = true;
                }
                self.sent += 1;
                self.leaves += self.period;
            }
            if self.pulls <= now {
                self.pull(now);
            }
        }
        self.clock.advance_to(end);
    }

    fn pull(&mut self, now: Instant) {
        // A voice of 100 Hz: a period is 10 ms.
        let lasts = match self.buffer.pull(now) {
            Pull::Frame { payload, pace, .. } => {
                self.heard.frames.push(u32::from_be_bytes(payload[2..6].try_into().unwrap()) / FRAME);
                match pace {
                    Pace::Even => TWENTY,
                    Pace::Faster => TWENTY / 2,
                    Pace::Slower => TWENTY * 3 / 2,
                }
            }
            Pull::Lost { next } => {
                self.heard.lost += 1;
                self.heard.mendable += u64::from(next.is_some());
                TWENTY
            }
            Pull::Empty => {
                self.heard.empty += 1;
                TWENTY
            }
            Pull::Silence => {
                self.heard.silence += 1;
                TWENTY
            }
        };
        self.pulls += lasts;
        let stats = self.buffer.stats();
        self.heard.most_delay_ms = self.heard.most_delay_ms.max(stats.delay_ms);
        self.heard.most_waiting = self.heard.most_waiting.max(self.buffer.waiting());
    }

    fn stats(&self) -> JitterStats {
        self.buffer.stats()
    }

    /// What was heard since the last time this was asked.
    fn take(&mut self) -> Heard {
        assert!(
            self.heard.frames.is_sorted_by(|one, other| one < other),
            "frames are heard once and in order"
        );
        std::mem::take(&mut self.heard)
    }
}

#[allow(non_snake_case, reason = "a constant that cannot be one")]
fn SPEAKER() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

#[allow(non_snake_case, reason = "a constant that cannot be one")]
fn LISTENER() -> SocketAddr {
    "192.0.2.2:4000".parse().unwrap()
}

fn jittery(jitter: u64) -> Link {
    Link { jitter: Duration::from_millis(jitter), ..Link::perfect(Duration::from_millis(30)) }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_perfect_line_is_heard_whole_with_the_least_delay() {
    let mut line = Line::new(Link::perfect(Duration::from_millis(30)));
    line.run(MINUTE);
    let (stats, heard) = (line.stats(), line.take());
    assert!(heard.frames.len() >= 2990 && heard.frames.first() == Some(&0), "{}", heard.frames.len());
    assert_eq!((heard.lost, heard.empty, stats.late, stats.concealed_ms), (0, 0, 0, 0));
    assert!(stats.delay_ms <= 45 && stats.target_ms == 20 && stats.jitter_ms == 0, "{stats:?}");
}

#[test]
fn clocks_that_drift_never_empty_the_buffer_nor_fill_it() {
    for ppm in [-200, 200] {
        let mut line = Line::drifting(Link::perfect(Duration::from_millis(30)), ppm);
        line.run(10 * MINUTE);
        let (stats, heard) = (line.stats(), line.take());
        assert_eq!((heard.empty, heard.lost, stats.discarded), (0, 0, 0), "{ppm} ppm: {stats:?}");
        assert!(heard.most_delay_ms <= 70, "{ppm} ppm: {} ms", heard.most_delay_ms);
        assert!(heard.frames.len() >= 29_980, "{ppm} ppm: {}", heard.frames.len());
        // 0.2 ms each second are 120 ms: about twelve periods.
        let changes = if ppm > 0 { stats.faster } else { stats.slower };
        assert!((8..=20).contains(&changes), "{ppm} ppm: {stats:?}");
    }
}

#[test]
fn clocks_that_drift_over_a_jittery_line_are_followed_too() {
    for ppm in [-200, 200] {
        let mut line = Line::drifting(jittery(40), ppm);
        line.run(10 * MINUTE);
        let (stats, heard) = (line.stats(), line.take());
        assert!(heard.empty + heard.lost <= 30_000 * 2 / 100, "{ppm} ppm: {stats:?}");
        assert!(heard.most_delay_ms <= 130, "{ppm} ppm: {} ms", heard.most_delay_ms);
        assert_eq!(stats.discarded, 0);
    }
}

#[test]
fn a_lossy_line_loses_what_the_network_lost_and_nothing_else() {
    let mut line = Line::new(Link { loss: 5, ..jittery(10) });
    line.run(5 * MINUTE);
    let (stats, heard) = (line.stats(), line.take());
    let lost = line.network.traffic().lost;
    assert!(lost > 500, "{lost}");
    assert!(stats.lost.abs_diff(lost) <= 20 && stats.late <= 20, "{lost} lost by the network, {stats:?}");
    let made_up = heard.lost + heard.empty;
    assert!(made_up.abs_diff(lost) <= lost / 5, "{lost} lost by the network, {made_up} made up");
    assert!(stats.concealed_ms.abs_diff(made_up * 20) <= 100, "{made_up} made up, {stats:?}");
    assert!(
        heard.mendable * 10 >= heard.lost * 8,
        "the next frame is there for {} of {}",
        heard.mendable,
        heard.lost
    );
    assert!(heard.most_delay_ms <= 90, "{}", heard.most_delay_ms);
}

#[test]
fn bursts_of_jitter_are_adapted_to_and_forgotten() {
    let mut line = Line::new(jittery(2));
    line.run(MINUTE);
    let before = line.stats();
    assert!(before.delay_ms <= 60, "{before:?}");
    // Every second or so packets are held back for 120 ms.
    line.take();
    line.set_link(jittery(120));
    line.run(Duration::from_secs(5));
    line.take();
    line.run(MINUTE);
    let (during, heard) = (line.stats(), line.take());
    assert!((100..=140).contains(&during.target_ms), "{during:?}");
    let made_up = heard.lost + heard.empty;
    assert!(made_up <= 3000 * 3 / 100, "{made_up} frames of 3000 were made up: {during:?}");
    line.set_link(jittery(2));
    line.run(Duration::from_secs(25));
    let after = line.stats();
    assert!(after.delay_ms <= 60 && after.target_ms <= 25, "{after:?}");
    line.take();
    line.run(MINUTE);
    assert_eq!((line.heard.lost, line.heard.empty), (0, 0));
}

#[test]
fn reordered_and_doubled_packets_are_heard_once_and_in_order() {
    let link = Link {
        reordering: 10,
        held_back: Duration::from_millis(30),
        duplication: 20,
        ..Link::perfect(Duration::from_millis(30))
    };
    let mut line = Line::new(link);
    line.run(MINUTE);
    let (stats, heard) = (line.stats(), line.take());
    assert!(stats.duplicates > 400, "{stats:?}");
    assert!(heard.frames.len() >= 2980 && stats.late <= 10, "{} {stats:?}", heard.frames.len());
}

#[test]
fn pauses_are_silence_and_cost_no_concealment() {
    let mut line = Line::new(jittery(10));
    // Speaks for a second, pauses for one.
    line.run_with(MINUTE, |n| n / 50 % 2 == 0);
    let (stats, heard) = (line.stats(), line.take());
    assert_eq!((stats.lost, stats.concealed_ms, stats.underruns), (0, 0, 0), "{stats:?}");
    assert!(heard.frames.len() >= 1490, "{}", heard.frames.len());
    // The end of a talk-spurt cannot be told from a loss: ten frames of each pause are concealed, the rest is silence.
    assert!(heard.empty <= 310 && heard.silence >= 1100, "{heard:?}");
}

#[test]
fn a_stall_of_a_second_is_caught_up_by_throwing_away() {
    let mut line = Line::new(Link::perfect(Duration::from_millis(30)));
    line.run(Duration::from_secs(10));
    // A stream's link delivers what was held up all at once.
    line.set_link(Link::stream(Duration::from_millis(1030), Duration::ZERO));
    line.run(Duration::from_millis(20));
    line.set_link(Link::stream(Duration::from_millis(30), Duration::ZERO));
    line.run(Duration::from_secs(5));
    let stats = line.stats();
    assert!(stats.discarded > 0 && stats.delay_ms <= 300, "{stats:?}");
    line.run(Duration::from_secs(20));
    assert!(line.stats().delay_ms <= 60, "{:?}", line.stats());
}

fn arrival(sequence: u16, timestamp: u32) -> Arrival<'static> {
    Arrival { sequence, timestamp, marker: false, payload_type: 0, payload: &[7; 160] }
}

#[test]
fn a_stream_that_jumps_begins_anew_with_the_second_packet() {
    let mut clock = Clock::new();
    let mut buffer = JitterBuffer::new(JitterSettings::new(8000));
    let mut play = |buffer: &mut JitterBuffer, sequence: u16, timestamp: u32| {
        let outcome = buffer.push(clock.now(), &arrival(sequence, timestamp));
        clock.advance(TWENTY);
        (outcome, matches!(buffer.pull(clock.now()), Pull::Frame { .. }))
    };
    for n in 0..100 {
        play(&mut buffer, n, u32::from(n) * 160);
    }
    // In number, in time, backwards in time.
    for (sequence, timestamp) in [(40_000, 16_000), (40_020, 900_000), (40_040, 4_000_000_000)] {
        assert_eq!(play(&mut buffer, sequence, timestamp).0, Outcome::Astray);
        let heard = (1..20)
            .filter(|&n| play(&mut buffer, sequence + n, timestamp.wrapping_add(u32::from(n) * 160)).1);
        assert!(heard.count() >= 15);
    }
    assert_eq!(buffer.stats().restarts, 3);
    // One forged packet moves nothing.
    assert_eq!(play(&mut buffer, 9, 9).0, Outcome::Astray);
    assert_eq!(play(&mut buffer, 40_060, 4_000_000_000 + 20 * 160).0, Outcome::Kept);
    assert_eq!(buffer.stats().restarts, 3);
}

#[test]
fn a_frame_is_as_long_as_the_timestamps_say() {
    let mut clock = Clock::new();
    let mut buffer = JitterBuffer::new(JitterSettings::new(8000));
    for n in 0..10u16 {
        buffer.push(clock.now(), &arrival(n, u32::from(n) * 240));
        clock.advance(Duration::from_millis(30));
        buffer.pull(clock.now());
    }
    assert_eq!(buffer.frame(), Duration::from_millis(30));
    assert_eq!(buffer.push(clock.now(), &Arrival { payload: &[], ..arrival(10, 2400) }), Outcome::Unusable);
    assert_eq!(
        buffer.push(clock.now(), &Arrival { payload: &[0; 1501], ..arrival(10, 2400) }),
        Outcome::Unusable
    );
}

#[test]
fn what_was_filled_in_while_nothing_came_is_not_filled_in_again() {
    let mut clock = Clock::new();
    let mut buffer = JitterBuffer::new(JitterSettings::new(8000));
    let (mut made_up, mut heard) = (0, 0);
    for n in 0..300u16 {
        // Five packets are lost: more than wait to be played.
        if !(200..205).contains(&n) {
            buffer.push(clock.now(), &arrival(n, u32::from(n) * 160));
        }
        clock.advance(TWENTY);
        match buffer.pull(clock.now()) {
            Pull::Frame { .. } => heard += 1,
            Pull::Lost { .. } | Pull::Empty => made_up += 1,
            Pull::Silence => assert!(n < 5, "silence at {n}"),
        }
    }
    let stats = buffer.stats();
    assert_eq!((made_up, stats.lost, stats.concealed_ms), (5, 5, 100), "{stats:?}");
    assert!(stats.underruns == 1 && heard >= 290, "{heard} {stats:?}");
}

#[test]
fn a_copy_is_told_from_a_packet_that_is_late() {
    let mut clock = Clock::new();
    let mut buffer = JitterBuffer::new(JitterSettings::new(8000));
    for n in (0..20u16).filter(|&n| n != 10) {
        assert_eq!(buffer.push(clock.now(), &arrival(n, u32::from(n) * 160)), Outcome::Kept);
        assert_eq!(buffer.push(clock.now(), &arrival(n, u32::from(n) * 160)), Outcome::Duplicate);
        clock.advance(TWENTY);
        buffer.pull(clock.now());
    }
    let mut push = |n: u16| buffer.push(clock.now(), &arrival(n, u32::from(n) * 160));
    assert_eq!([push(9), push(10), push(10)], [Outcome::Duplicate, Outcome::Late, Outcome::Duplicate]);
}
