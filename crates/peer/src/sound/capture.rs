//! What is said, on its way from a microphone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringback_media::audio::Resampler;

use super::playout::{at_own_rate, at_rate};
use super::regulator::{LOW, Regulator};
use super::ring::{Reader, Writer, ring};
use super::{FRAME, MOST_WAITING, SoundCounts};
use crate::audio::RATE;

/// Makes frames of 20 ms, by our clock, out of what a microphone gives by its own.
///
/// At most 200 ms wait; what comes while there is no room is dropped, and counted. A microphone that gives nothing is
/// silence.
pub struct Capture {
    reader: Reader,
    rate: u32,
    resampler: Resampler,
    raw: Vec<i16>,
    /// What was converted and is no whole frame yet.
    fresh: Vec<i16>,
    frame: Vec<i16>,
    regulator: Regulator,
    waiting: VecDeque<i16>,
    /// Whether frames flow; else some are waited for first.
    flows: bool,
    /// Whether they ever have.
    has_flowed: bool,
    due: Option<Instant>,
    dropped: Arc<AtomicU64>,
    counts: SoundCounts,
}

/// The end of a [`Capture`] that is on the thread of the microphone. It never waits and never allocates.
pub struct Inlet {
    writer: Writer,
    dropped: Arc<AtomicU64>,
}

impl Inlet {
    /// Takes what the microphone gives.
    pub fn take(&mut self, samples: impl ExactSizeIterator<Item = i16>) {
        let len = samples.len();
        let beyond = len - self.writer.write(samples);
        if beyond > 0 {
            self.dropped.fetch_add(beyond as u64, Ordering::Relaxed);
        }
    }
}

impl Capture {
    /// For a microphone that gives so many samples in a second: 8000 to 192000. `None` for rates that cannot be converted.
    pub fn new(rate: u32) -> Option<(Capture, Inlet)> {
        let resampler = Resampler::between(rate, RATE)?;
        let (writer, reader) = ring(at_rate(MOST_WAITING, rate));
        let dropped = Arc::new(AtomicU64::new(0));
        let capture = Capture {
            reader,
            rate,
            resampler,
            raw: vec![0; at_rate(FRAME, rate)],
            fresh: Vec::with_capacity(2 * FRAME),
            frame: Vec::with_capacity(2 * FRAME),
            regulator: Regulator::new(),
            waiting: VecDeque::with_capacity(MOST_WAITING),
            flows: false,
            has_flowed: false,
            due: None,
            dropped: dropped.clone(),
            counts: SoundCounts::default(),
        };
        Some((capture, Inlet { writer, dropped }))
    }

    /// Begins, or begins anew: what was captured before is forgotten, and the first frame is due.
    pub fn start(&mut self, now: Instant) {
        while self.reader.read(&mut self.raw) > 0 {}
        self.fresh.clear();
        self.waiting.clear();
        self.regulator.reset();
        (self.flows, self.has_flowed) = (false, false);
        self.due = Some(now);
    }

    /// The next frame, [`FRAME`] samples, if one is due.
    pub fn poll_frame(&mut self, now: Instant) -> Option<&[i16]> {
        self.collect();
        let due = self.due.filter(|due| *due <= now)?;
        // Whoever has not asked for so long has said nothing meanwhile.
        let is_behind = now.saturating_duration_since(due) > BEHIND;
        self.due = Some(if is_behind { now } else { due } + TICK);
        self.frame.clear();
        self.flows = match self.flows {
            true => self.waiting.len() >= FRAME,
            false => self.waiting.len() >= FRAME + LOW,
        };
        self.has_flowed |= self.flows;
        match self.flows {
            true => self.frame.extend(self.waiting.drain(..FRAME)),
            false => {
                self.counts.gaps += u64::from(self.has_flowed);
                self.frame.resize(FRAME, 0);
            }
        }
        Some(&self.frame)
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What has become of it so far. A gap is a frame here.
    pub fn counts(&self) -> SoundCounts {
        let lost =
            usize::try_from(self.dropped.load(Ordering::Relaxed)).unwrap_or(usize::MAX / RATE as usize);
        SoundCounts { dropped: self.counts.dropped + at_own_rate(lost, self.rate) as u64, ..self.counts }
    }

    /// Takes what the microphone has given, frame by frame.
    fn collect(&mut self) {
        loop {
            let len = self.reader.read(&mut self.raw);
            if len == 0 {
                return;
            }
            let start = self.fresh.len();
            self.fresh.resize(start + self.resampler.most(len), 0);
            let space = self.fresh.get_mut(start..).unwrap_or_default();
            let converted = self.resampler.convert(self.raw.get(..len).unwrap_or_default(), space);
            self.fresh.truncate(start + converted);
            while self.fresh.len() >= FRAME {
                self.frame.clear();
                self.frame.extend(self.fresh.drain(..FRAME));
                self.regulator.regulate(self.waiting.len(), &mut self.frame, &mut self.counts);
                self.waiting.extend(&self.frame);
            }
            let beyond = self.waiting.len().saturating_sub(MOST_WAITING);
            self.waiting.drain(..beyond);
            self.counts.dropped += beyond as u64;
        }
    }
}

/// The time of a frame.
const TICK: Duration = Duration::from_millis(20);

/// How late frames may be asked for before some are left out.
const BEHIND: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use ringback_media::audio::{Oscillator, level};
    use ringback_sansio::sim::Clock;

    use super::*;

    /// What is captured of a tone in some seconds, from a microphone that gives `period` samples at once by a clock that is
    /// `drift` parts in a million faster than ours, and the most that waited.
    fn captured(rate: u32, period: usize, drift: f64, seconds: u64) -> (Capture, Vec<i16>, usize) {
        let (mut capture, mut inlet) = Capture::new(rate).unwrap();
        let mut clock = Clock::new();
        let mut tone = Oscillator::new(400.0, rate);
        let (mut out, mut most, mut owed) = (Vec::new(), 0, 0.0);
        capture.start(clock.now());
        for _ in 0..seconds * 100 {
            clock.advance(Duration::from_millis(10));
            owed += f64::from(rate) / 100.0 * (1.0 + drift / 1e6);
            while owed >= period as f64 {
                owed -= period as f64;
                let given: Vec<i16> = (0..period).map(|_| (tone.next_sample() * 8000.0) as i16).collect();
                inlet.take(given.into_iter());
            }
            while let Some(frame) = capture.poll_frame(clock.now()) {
                out.extend_from_slice(frame);
            }
            most = most.max(capture.waiting.len());
        }
        (capture, out, most)
    }

    #[test]
    fn a_tone_is_captured_whole_whatever_the_clock_and_the_period_of_the_microphone_are() {
        for (rate, period) in [(48_000, 960), (44_100, 1024), (16_000, 320), (8000, 171), (96_000, 4096)] {
            for drift in [-2000.0, 100.0, 2000.0] {
                let what = format!("{rate} Hz by {period}, {drift} ppm");
                let (capture, out, most) = captured(rate, period, drift, 60);
                let counts = capture.counts();
                // Nothing is known of the period at the beginning.
                assert!(
                    counts.gaps <= u64::from(at_own_rate(period, rate) > 2 * FRAME),
                    "{what}: {counts:?}"
                );
                assert_eq!(counts.dropped, 0, "{what}");
                let net = counts.left_out as f64 - counts.put_in as f64;
                let due = drift * 60.0 * f64::from(RATE) / 1e6;
                assert!((net - due).abs() < f64::from(RATE) * 0.08, "{what}: {net} samples, {due} due");
                assert!(most <= at_own_rate(period, rate) + 5 * FRAME, "{what}: {most} have waited");
                assert_eq!(out.len(), 60 * RATE as usize + FRAME, "{what}: our clock says how much is said");
                let pieces = out[RATE as usize..].chunks(FRAME);
                assert!(pieces.map(level).all(|level| level < 20), "{what}: the tone is there all the time");
            }
        }
    }

    #[test]
    fn a_microphone_that_stops_is_silence_by_our_clock() {
        let (mut capture, mut inlet) = Capture::new(RATE).unwrap();
        let mut clock = Clock::new();
        capture.start(clock.now());
        inlet.take([7; 2 * FRAME].into_iter());
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.push(capture.poll_frame(clock.now()).unwrap()[0]);
            assert!(capture.poll_frame(clock.now()).is_none(), "a frame in 20 ms");
            assert_eq!(capture.poll_timeout(), Some(clock.now() + TICK));
            clock.advance(TICK);
        }
        assert_eq!(heard, [7, 7, 0, 0, 0]);
        assert_eq!(capture.counts().gaps, 3);
    }

    #[test]
    fn what_nobody_asks_for_is_bounded_and_old_sound_is_not_said() {
        let (mut capture, mut inlet) = Capture::new(48_000).unwrap();
        for _ in 0..100 {
            inlet.take([9; 960].into_iter());
        }
        assert_eq!(capture.counts().dropped, 90 * FRAME as u64);
        let mut clock = Clock::new();
        capture.start(clock.now());
        assert_eq!(capture.poll_frame(clock.now()).unwrap(), [0; FRAME]);
        clock.advance(Duration::from_secs(3));
        let mut frames = 0;
        while capture.poll_frame(clock.now()).is_some() {
            frames += 1;
        }
        assert_eq!(frames, 1, "what was not asked for is not made up for");
    }
}
