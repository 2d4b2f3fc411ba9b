//! What is heard, on its way to a speaker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringback_media::audio::Resampler;

use super::regulator::{LOW, Regulator};
use super::ring::{Reader, Writer, ring};
use super::{FRAME, MOST_WAITING, SoundCounts};
use crate::audio::RATE;

/// Gives a speaker what streams of audio say, all of them at once.
///
/// At most 200 ms wait; what comes while there is no room is dropped, and counted.
pub struct Playout {
    /// What waits of each stream for the others.
    streams: BTreeMap<u32, VecDeque<i16>>,
    frame: Vec<i16>,
    regulator: Regulator,
    rate: u32,
    resampler: Resampler,
    converted: Vec<i16>,
    writer: Writer,
    gaps: Arc<AtomicU64>,
    counts: SoundCounts,
}

/// The end of a [`Playout`] that is on the thread of the speaker. It never waits and never allocates.
pub struct Outlet {
    reader: Reader,
    rate: u32,
    /// Whether samples flow; else so many are waited for that they go on to.
    flows: bool,
    gaps: Arc<AtomicU64>,
}

impl Playout {
    /// For a speaker that takes so many samples in a second: 8000 to 192000. `None` for rates that cannot be made.
    pub fn new(rate: u32) -> Option<(Playout, Outlet)> {
        let resampler = Resampler::between(RATE, rate)?;
        let (writer, reader) = ring(at_rate(MOST_WAITING, rate));
        let gaps = Arc::new(AtomicU64::new(0));
        let playout = Playout {
            streams: BTreeMap::new(),
            frame: Vec::with_capacity(2 * FRAME),
            regulator: Regulator::new(),
            rate,
            resampler,
            converted: Vec::new(),
            writer,
            gaps: gaps.clone(),
            counts: SoundCounts::default(),
        };
        Some((playout, Outlet { reader, rate, flows: false, gaps }))
    }

    /// Takes what a stream says, [`RATE`] samples in a second, as it comes. Streams are told apart by numbers of the
    /// caller's choice.
    pub fn hear(&mut self, stream: u32, samples: &[i16]) {
        let waiting = self.streams.entry(stream).or_default();
        waiting.extend(samples);
        let beyond = waiting.len().saturating_sub(MOST_WAITING);
        waiting.drain(..beyond);
        self.counts.dropped += beyond as u64;
        while self.mix() {
            self.play();
        }
    }

    /// Waits for a stream no more: it has ended, or says nothing.
    pub fn forget(&mut self, stream: u32) {
        self.streams.remove(&stream);
        while self.mix() {
            self.play();
        }
    }

    /// What has become of it so far.
    pub fn counts(&self) -> SoundCounts {
        SoundCounts { gaps: self.gaps.load(Ordering::Relaxed), ..self.counts }
    }

    /// Samples, at the rate of the speaker, that wait for it.
    pub fn waiting(&self) -> usize {
        self.writer.waiting()
    }

    /// Adds up a frame of all streams, once each has one; who is far behind the others is not waited for.
    fn mix(&mut self) -> bool {
        let is_whole = |waiting: &VecDeque<i16>| waiting.len() >= FRAME;
        let is_ready = self.streams.values().all(is_whole) && !self.streams.is_empty()
            || self.streams.values().any(|waiting| waiting.len() > MOST_APART);
        if !is_ready {
            return false;
        }
        self.frame.clear();
        self.frame.resize(FRAME, 0);
        for waiting in self.streams.values_mut().filter(|waiting| is_whole(waiting)) {
            for (sum, sample) in self.frame.iter_mut().zip(waiting.drain(..FRAME)) {
                *sum = sum.saturating_add(sample);
            }
        }
        true
    }

    /// Puts the frame into the ring.
    fn play(&mut self) {
        let waiting = at_own_rate(self.writer.waiting(), self.rate);
        self.regulator.regulate(waiting, &mut self.frame, &mut self.counts);
        self.converted.resize(self.resampler.most(self.frame.len()), 0);
        let len = self.resampler.convert(&self.frame, &mut self.converted);
        let written = self.writer.write(self.converted.iter().take(len).copied());
        self.counts.dropped += at_own_rate(len - written, self.rate) as u64;
    }
}

impl Outlet {
    /// Fills a slice with what is to be played next, with silence where nothing has come.
    ///
    /// After silence so much is gathered first that the next request can be met too.
    pub fn fill(&mut self, samples: &mut [i16]) {
        let wanted = samples.len() + at_rate(LOW, self.rate);
        if !self.flows && self.reader.waiting() < wanted.min(at_rate(MOST_WAITING, self.rate) * 3 / 4) {
            samples.fill(0);
            return;
        }
        let len = self.reader.read(samples);
        self.flows = len == samples.len();
        if !self.flows {
            self.gaps.fetch_add(1, Ordering::Relaxed);
            samples.iter_mut().skip(len).for_each(|sample| *sample = 0);
        }
    }
}

/// How many samples of a device take as long as these of ours.
pub(super) fn at_rate(samples: usize, rate: u32) -> usize {
    samples * rate as usize / RATE as usize
}

/// How many samples of ours take as long as these of a device.
pub(super) fn at_own_rate(samples: usize, rate: u32) -> usize {
    samples * RATE as usize / rate as usize
}

/// How far a stream may be ahead of others before they are not waited for: 60 ms.
const MOST_APART: usize = 3 * FRAME;

#[cfg(test)]
mod tests {
    use ringback_media::audio::Oscillator;

    use super::*;

    /// A speaker that takes `period` samples at once, by a clock that is `drift` parts in a million faster than ours, while a
    /// tone is heard for some seconds; what it played, and the most that waited.
    fn played(
        playout: (Playout, Outlet),
        period: usize,
        drift: f64,
        seconds: usize,
    ) -> (Playout, Vec<i16>, usize) {
        let (mut playout, mut outlet) = playout;
        let mut tone = Oscillator::new(400.0, RATE);
        let (mut out, mut most) = (Vec::new(), 0);
        let per_frame = f64::from(playout.rate) / 50.0 * (1.0 + drift / 1e6);
        let mut owed = 0.0;
        for _ in 0..seconds * 50 {
            let frame: Vec<i16> = (0..FRAME).map(|_| (tone.next_sample() * 8000.0) as i16).collect();
            playout.hear(1, &frame);
            most = most.max(playout.waiting());
            owed += per_frame;
            while owed >= period as f64 {
                owed -= period as f64;
                let start = out.len();
                out.resize(start + period, 0);
                outlet.fill(&mut out[start..]);
            }
        }
        (playout, out, most)
    }

    /// The part of a second's energy that is the tone.
    fn purity(samples: &[i16], rate: u32) -> f64 {
        let step = std::f64::consts::TAU * 400.0 / f64::from(rate);
        // A period that was left out or put in changes the phase little, so pieces of 50 ms are looked at.
        let pieces = samples.chunks_exact(rate as usize / 20).map(|piece| {
            let (mut a, mut b, mut all) = (0.0, 0.0, 0.0);
            for (n, sample) in piece.iter().enumerate() {
                let (sin, cos) = (step * n as f64).sin_cos();
                let sample = f64::from(*sample);
                (a, b, all) = (a + sin * sample, b + cos * sample, all + sample * sample);
            }
            2.0 * (a * a + b * b) / piece.len() as f64 / f64::max(all, 1.0)
        });
        let pieces: Vec<f64> = pieces.collect();
        pieces.iter().sum::<f64>() / pieces.len() as f64
    }

    #[test]
    fn a_tone_comes_out_whole_whatever_the_clock_and_the_period_of_the_speaker_are() {
        for (rate, period) in [(48_000, 960), (44_100, 1024), (16_000, 320), (8000, 171), (96_000, 4096)] {
            for drift in [-2000.0, 100.0, 2000.0] {
                let what = format!("{rate} Hz by {period}, {drift} ppm");
                let (playout, out, most) = played(Playout::new(rate).unwrap(), period, drift, 60);
                let counts = playout.counts();
                assert_eq!(counts.gaps, 0, "{what}: {counts:?}");
                assert_eq!(counts.dropped, 0, "{what}");
                // A minute of a clock that is 2000 ppm off is 120 ms.
                let net = counts.put_in as f64 - counts.left_out as f64;
                let due = drift * 60.0 * f64::from(RATE) / 1e6;
                // How much waits may differ by 80 ms from what it was at first.
                assert!((net - due).abs() < f64::from(RATE) * 0.08, "{what}: {net} samples, {due} due");
                assert!(most <= period + at_rate(5 * FRAME, rate), "{what}: {most} have waited");
                let purity = purity(&out[out.len() / 2..], rate);
                assert!(purity > 0.97, "{what}: {purity}");
            }
        }
    }

    #[test]
    fn what_is_late_is_silence_and_one_gap() {
        let (mut playout, mut outlet) = Playout::new(RATE).unwrap();
        let mut out = [1; FRAME];
        outlet.fill(&mut out);
        assert_eq!((out, playout.counts().gaps), ([0; FRAME], 0), "nothing has begun");
        playout.hear(1, &[5; 2 * FRAME]);
        outlet.fill(&mut out);
        outlet.fill(&mut out);
        assert_eq!(out, [5; FRAME]);
        for _ in 0..3 {
            outlet.fill(&mut out);
            assert_eq!((out, playout.counts().gaps), ([0; FRAME], 1));
        }
        playout.hear(1, &[6; FRAME]);
        outlet.fill(&mut out);
        assert_eq!(out, [0; FRAME], "it gathers until the next request is met too");
        playout.hear(1, &[6; FRAME]);
        outlet.fill(&mut out);
        assert_eq!(out, [6; FRAME]);
    }

    #[test]
    fn a_speaker_that_takes_nothing_keeps_no_more_than_200_ms() {
        let (mut playout, mut outlet) = Playout::new(44_100).unwrap();
        for _ in 0..500 {
            playout.hear(1, &[100; FRAME]);
        }
        assert!(playout.waiting() <= 44_100 / 5);
        let counts = playout.counts();
        assert!(counts.dropped + counts.left_out > 9 * u64::from(RATE), "{counts:?}");
        // A request for more than there can ever be is met with what there is.
        let mut out = vec![0; 44_100];
        outlet.fill(&mut out);
        assert!(out.iter().filter(|sample| **sample != 0).count() > 8000);
    }

    #[test]
    fn streams_are_added_up_and_who_is_silent_is_not_waited_for() {
        let (mut playout, mut outlet) = Playout::new(RATE).unwrap();
        let mut out = [0; FRAME];
        playout.hear(1, &[100; FRAME]);
        playout.hear(2, &[20; FRAME]);
        assert_eq!(playout.waiting(), FRAME, "the first was alone when it came");
        playout.hear(1, &[100; FRAME]);
        outlet.fill(&mut out);
        assert_eq!(out, [100; FRAME]);
        outlet.fill(&mut out);
        assert_eq!(out, [120; FRAME]);
        playout.hear(1, &[i16::MAX; FRAME]);
        playout.hear(2, &[20; FRAME]);
        playout.hear(1, &[0; FRAME]);
        playout.hear(2, &[0; FRAME]);
        outlet.fill(&mut out);
        assert_eq!(out, [i16::MAX; FRAME], "it does not wrap");
    }

    #[test]
    fn a_stream_far_ahead_goes_on_alone() {
        let (mut playout, _outlet) = Playout::new(RATE).unwrap();
        playout.hear(1, &[1; FRAME]);
        playout.hear(2, &[1; FRAME / 2]);
        let before = playout.waiting();
        playout.hear(1, &[1; 3 * FRAME]);
        assert_eq!(playout.waiting(), before);
        playout.hear(1, &[1; FRAME]);
        assert_eq!(playout.waiting(), before + FRAME);
        playout.forget(2);
        assert_eq!(playout.waiting(), before + 4 * FRAME);
    }
}
