//! What all samples of a leg come to.

use std::time::Duration;

use super::emodel::Mos;
use super::sample::{Incoming, Sample};

/// What all samples of a leg come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// What came to us.
    pub incoming: Direction,
    /// What the far end says came to it.
    pub outgoing: Direction,
    /// Packets that came after one with a higher number.
    pub late: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// How much audio was missing in what came.
    pub concealed: Duration,
    round_trip: Mean,
    longest: Duration,
}

impl Summary {
    /// The mean round trip time to the far end.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.get().map(Duration::from_secs_f64)
    }

    /// The longest round trip time.
    pub fn longest_round_trip(&self) -> Option<Duration> {
        self.round_trip.get().map(|_| self.longest)
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        let weight = sample.weight();
        let Incoming { late, duplicates, concealed, mos, .. } = sample.incoming;
        self.late += u64::from(late);
        self.duplicates += u64::from(duplicates);
        self.concealed += Duration::from_millis(concealed.into());
        if let Some(mos) = mos {
            self.incoming.add(weight, mos, sample.incoming.loss(), sample.incoming.jitter());
        }
        if let Some(outgoing) = sample.outgoing {
            self.outgoing.add(weight, outgoing.mos, outgoing.loss(), outgoing.jitter());
        }
        if let Some(trip) = sample.round_trip() {
            self.round_trip.add(weight, trip.as_secs_f64());
            self.longest = self.longest.max(trip);
        }
    }
}

/// What the samples of one direction come to; nothing when there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Direction {
    /// The worst score of an interval.
    pub worst: Option<Mos>,
    /// The highest jitter of an interval.
    pub highest_jitter: Duration,
    score: Mean,
    loss: Mean,
    jitter: Mean,
}

impl Direction {
    /// The mean score.
    pub fn mos(&self) -> Option<Mos> {
        self.score.get().map(|score| Mos::from_hundredths((score * 100.0).round() as u16))
    }

    /// The share of packets lost, 0 to 1.
    pub fn loss(&self) -> Option<f64> {
        self.loss.get()
    }

    /// The mean jitter.
    pub fn jitter(&self) -> Option<Duration> {
        self.jitter.get().map(Duration::from_secs_f64)
    }

    fn add(&mut self, weight: f64, mos: Mos, loss: f64, jitter: Duration) {
        self.worst = Some(self.worst.map_or(mos, |worst| worst.min(mos)));
        self.highest_jitter = self.highest_jitter.max(jitter);
        self.score.add(weight, mos.score());
        self.loss.add(weight, loss);
        self.jitter.add(weight, jitter.as_secs_f64());
    }
}

/// A weighted mean that is being made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, weight: f64, value: f64) {
        self.sum += weight * value;
        self.weight += weight;
    }

    fn get(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}
