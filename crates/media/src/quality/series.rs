//! The quality of one leg over time.

use std::time::Instant;

use super::sample::{Far, Reading, Sample};
use super::summary::Summary;
use crate::rtp::Tally;

/// Takes a sample of a leg each time its reports are made, keeps the samples and what they come to.
#[derive(Debug, Default)]
pub struct Meter {
    series: Series,
    summary: Summary,
    /// When the last sample ended, and what had been counted by then.
    last: Option<(Instant, Tally)>,
    begun: Option<Instant>,
    /// What the far end has said since the last sample.
    far: Option<Far>,
}

impl Meter {
    /// Begins to measure.
    pub fn begin(&mut self, now: Instant, tally: Tally) {
        self.begun.get_or_insert(now);
        self.last.get_or_insert((now, tally));
    }

    /// Takes what the far end says.
    pub fn hear(&mut self, far: Far) {
        self.far = Some(far);
    }

    /// Ends an interval. One in which nothing came and nothing was said leaves no sample.
    pub fn sample(&mut self, now: Instant, reading: &Reading) {
        let (Some(begun), Some((since, before))) = (self.begun, self.last) else { return };
        self.last = Some((now, reading.tally));
        let (at, span) = (since.saturating_duration_since(begun), now.saturating_duration_since(since));
        let Some(sample) = Sample::taken(at, span, &before, reading, self.far.take()) else { return };
        self.summary.add(&sample);
        self.series.push(sample);
    }

    /// What the samples come to.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The samples.
    pub fn series(&self) -> &Series {
        &self.series
    }
}

/// Samples, the oldest first, of which there are never more than [`Series::CAPACITY`]: when it is full, the older half
/// is merged in pairs, so that the last minutes stay as they are and the hours before become coarser and coarser.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<Sample>);

impl Series {
    /// Ten minutes of samples as they are taken; 5 kB.
    pub const CAPACITY: usize = 120;

    /// The samples, the oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.0.iter()
    }

    fn push(&mut self, sample: Sample) {
        if self.0.len() >= Self::CAPACITY {
            let older: Vec<Sample> = self.0.drain(..Self::CAPACITY / 2).collect();
            let merged = older.chunks(2).filter_map(|pair| match pair {
                [first, second] => Some(first.merged(second)),
                [one] => Some(*one),
                _ => None,
            });
            self.0.splice(..0, merged);
        }
        // A call of a minute, which most are, takes a twelfth of the room.
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(GROWTH.min(Self::CAPACITY - self.0.len()));
        }
        self.0.push(sample);
    }
}

/// How many samples room is made for at a time.
const GROWTH: usize = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use ringback_sansio::sim::Clock;

    use super::super::emodel::Codec;
    use super::*;

    fn reading(received: u64, skipped: u64) -> Reading {
        let missing = Duration::from_millis(20 * skipped);
        Reading {
            tally: Tally { received, skipped, gaps: skipped.min(1), missing, ..Tally::default() },
            jitter: Duration::from_millis(3),
            round_trip: Some(Duration::from_millis(40)),
            codec: Codec::G711,
        }
    }

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn each_interval_is_a_sample_of_its_own() {
        let mut clock = Clock::new();
        let mut meter = Meter::default();
        meter.begin(clock.now(), Tally::default());
        meter.sample(clock.advance(INTERVAL), &reading(250, 0));
        meter.hear(Far { loss: 0.5, jitter: Duration::from_millis(30) });
        meter.sample(clock.advance(INTERVAL), &reading(450, 50));
        meter.sample(clock.advance(INTERVAL), &reading(450, 50));
        let samples: Vec<Sample> = meter.series().iter().copied().collect();
        let [good, bad] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!((good.at(), good.span(), good.incoming.lost), (Duration::ZERO, INTERVAL, 0));
        assert_eq!((bad.at(), bad.incoming.lost, bad.incoming.received), (INTERVAL, 50, 200));
        assert_eq!(bad.incoming.concealed, 1000);
        assert!(bad.incoming.mos < good.incoming.mos && good.outgoing.is_none());
        assert!((bad.outgoing.unwrap().loss() - 0.5).abs() < 0.001);
        assert_eq!(bad.round_trip(), Some(Duration::from_millis(40)));
        let summary = meter.summary();
        assert_eq!(summary.incoming.worst, bad.incoming.mos);
        assert!((summary.incoming.loss().unwrap() - 0.1).abs() < 0.001, "the mean of 0 and 20 %");
        assert!(summary.incoming.mos() > summary.incoming.worst);
        assert_eq!(summary.concealed, Duration::from_secs(1));
        assert_eq!(summary.round_trip().unwrap().as_millis(), 40);
    }

    #[test]
    fn a_packet_that_comes_late_in_the_next_interval_does_not_make_loss_negative() {
        let mut clock = Clock::new();
        let mut meter = Meter::default();
        meter.begin(clock.now(), Tally::default());
        let tally = Tally { received: 10, late: 10, ..Tally::default() };
        meter.sample(clock.advance(INTERVAL), &Reading { tally, ..reading(0, 0) });
        let sample = meter.series().iter().next().copied().unwrap();
        assert_eq!((sample.incoming.lost, sample.incoming.late), (0, 10));
    }

    proptest! {
        /// However long a call is, its samples cover it without a hole, in bounded room, and count every packet once.
        #[test]
        fn old_samples_are_merged_and_none_is_lost(count in 1usize..5000) {
            let mut clock = Clock::new();
            let mut meter = Meter::default();
            meter.begin(clock.now(), Tally::default());
            for n in 1..=count as u64 {
                meter.sample(clock.advance(INTERVAL), &reading(200 * n, 50 * n));
                prop_assert!(meter.series.0.capacity() <= Series::CAPACITY);
            }
            let samples: Vec<Sample> = meter.series().iter().copied().collect();
            let mut at = Duration::ZERO;
            for sample in &samples {
                prop_assert_eq!(sample.at(), at);
                prop_assert!((sample.incoming.loss() - 0.2).abs() < 0.001);
                at += sample.span();
            }
            prop_assert_eq!(at, INTERVAL * count as u32);
            let received: u64 = samples.iter().map(|sample| u64::from(sample.incoming.received)).sum();
            prop_assert_eq!(received, 200 * count as u64);
            let newest = samples.iter().rev().take(count.min(Series::CAPACITY / 2)).all(|s| s.span() == INTERVAL);
            prop_assert!(newest, "the last five minutes are as they were taken");
        }

        #[test]
        fn any_counters_make_a_sample(counts in prop::collection::vec(any::<[u64; 5]>(), 1..20), jitter in any::<u64>()) {
            let mut clock = Clock::new();
            let mut meter = Meter::default();
            meter.begin(clock.now(), Tally::default());
            for [received, skipped, gaps, late, trip] in counts {
                let tally = Tally { received, skipped, gaps, late, ..Tally::default() };
                let (jitter, round_trip) = (Duration::from_nanos(jitter), Some(Duration::from_nanos(trip)));
                meter.hear(Far { loss: f64::NAN, jitter });
                meter.sample(clock.advance(INTERVAL), &Reading { tally, jitter, round_trip, codec: Codec::Opus });
            }
        }
    }
}
