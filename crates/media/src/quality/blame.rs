//! Which hop of a call is to blame for its sound.

use std::time::Duration;

use super::Summary;
use super::emodel::{Codec, Conditions, Mos};

/// One way over one of the two networks that a call goes over, named by the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// From the first party to us.
    FirstToUs,
    /// From us to the first party.
    UsToFirst,
    /// From the second party to us.
    SecondToUs,
    /// From us to the second party.
    UsToSecond,
}

/// What is wrong with a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Packets get lost.
    Loss,
    /// Packets come unevenly.
    Jitter,
    /// Packets take long.
    Delay,
}

/// The worst hop of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blame {
    /// Which it is.
    pub hop: Hop,
    /// What costs the most there.
    pub why: Why,
    /// The score of that hop alone, as if the rest of the way were perfect.
    pub mos: Mos,
}

/// Says which hop is the worst of a call between two legs; `None` when all are good, or nobody has measured them.
///
/// We pass the gaps of a stream on as they are, so what a far end reports as lost was lost on the way to us or on the way
/// from us: the first is known and taken off.
pub fn blame(first: &Summary, second: &Summary) -> Option<Blame> {
    let from_us = |to: &Summary, other: &Summary| {
        let lost_before = other.incoming.loss().unwrap_or_default();
        let arrived = 1.0 - lost_before;
        let loss = to.outgoing.loss().filter(|_| arrived > 0.0)?;
        Some((((loss - lost_before) / arrived).max(0.0), to.outgoing.jitter()?))
    };
    let to_us = |from: &Summary| Some((from.incoming.loss()?, from.incoming.jitter()?));
    [
        (Hop::FirstToUs, to_us(first), first),
        (Hop::UsToFirst, from_us(first, second), first),
        (Hop::SecondToUs, to_us(second), second),
        (Hop::UsToSecond, from_us(second, first), second),
    ]
    .into_iter()
    .filter_map(|(hop, measured, leg)| {
        let (loss, jitter) = measured?;
        Some(judged(hop, loss, jitter, leg.round_trip().unwrap_or_default() / 2))
    })
    .min_by_key(|blame| blame.mos)
    .filter(|blame| blame.mos < Mos::SATISFIED)
}

/// The score of a hop, and which of its three faults takes the most.
fn judged(hop: Hop, loss: f64, jitter: Duration, delay: Duration) -> Blame {
    let rating = |loss: f64, delay: Duration| {
        Conditions { delay, loss, burst_ratio: 1.0, codec: Codec::G711 }.rating()
    };
    // What evens the packets out costs time.
    let waited = jitter.saturating_mul(4);
    let best = rating(0.0, Duration::ZERO);
    let costs = [
        (Why::Loss, best - rating(loss, Duration::ZERO)),
        (Why::Jitter, best - rating(0.0, waited)),
        (Why::Delay, best - rating(0.0, delay)),
    ];
    let worst = costs.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let mos = Mos::from_rating(rating(loss, delay.saturating_add(waited)));
    Blame { hop, why: worst.map_or(Why::Loss, |(why, _)| why), mos }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ringback_sansio::sim::Clock;

    use super::super::{Far, Meter, Reading};
    use super::*;
    use crate::rtp::Tally;

    /// What a leg measures: loss in and out in percent, jitter in and out and round trip in milliseconds.
    fn leg(start: Instant, loss: [u64; 2], jitter: [u64; 2], round_trip: u64) -> Summary {
        let mut meter = Meter::default();
        meter.begin(start, Tally::default());
        meter.hear(Far { loss: loss[1] as f64 / 100.0, jitter: Duration::from_millis(jitter[1]) });
        let tally = Tally { received: 100 - loss[0], skipped: loss[0], gaps: loss[0], ..Tally::default() };
        let reading = Reading {
            tally,
            jitter: Duration::from_millis(jitter[0]),
            round_trip: Some(Duration::from_millis(round_trip)),
            codec: Codec::G711,
        };
        meter.sample(start + Duration::from_secs(5), &reading);
        *meter.summary()
    }

    #[test]
    fn the_hop_that_loses_is_found() {
        let start = Clock::new().now();
        let good = leg(start, [0, 0], [2, 2], 20);
        assert_eq!(blame(&good, &good), None);
        assert_eq!(blame(&Summary::default(), &Summary::default()), None);
        let found =
            |first: &Summary, second: &Summary| blame(first, second).map(|blame| (blame.hop, blame.why));
        // What the first loses on its way to us, the second sees missing too.
        let (sends_badly, hears_it) = (leg(start, [10, 0], [2, 2], 20), leg(start, [0, 10], [2, 2], 20));
        assert_eq!(found(&sends_badly, &hears_it), Some((Hop::FirstToUs, Why::Loss)));
        assert_eq!(found(&hears_it, &sends_badly), Some((Hop::SecondToUs, Why::Loss)));
        assert_eq!(found(&good, &hears_it), Some((Hop::UsToSecond, Why::Loss)));
        assert_eq!(found(&hears_it, &good), Some((Hop::UsToFirst, Why::Loss)));
        assert_eq!(found(&good, &leg(start, [0, 0], [80, 2], 20)), Some((Hop::SecondToUs, Why::Jitter)));
        let far_away = found(&leg(start, [0, 0], [2, 2], 900), &good);
        assert_eq!(far_away.map(|(_, why)| why), Some(Why::Delay));
    }
}
