//! One interval of a leg: small, because there are many, and mergeable.

use std::num::NonZeroU32;
use std::time::Duration;

use super::emodel::{Codec, Conditions, Mos};
use crate::rtp::Tally;

/// What the far end says in a report about the stream that we send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Far {
    /// The share lost since its last report, 0 to 1.
    pub loss: f64,
    /// The jitter it sees.
    pub jitter: Duration,
}

/// What a leg has counted when a sample is taken.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// What came.
    pub tally: Tally,
    /// With which jitter.
    pub jitter: Duration,
    /// The round trip time to the far end, when it is known.
    pub round_trip: Option<Duration>,
    /// What it is encoded with.
    pub codec: Codec,
}

/// One interval of a leg, or several merged into one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Milliseconds from the leg's answer to the beginning of the interval.
    at: u32,
    /// How long it is, in milliseconds.
    span: u32,
    round_trip: Option<NonZeroU32>,
    /// What the far end sent, as it came to us.
    pub incoming: Incoming,
    /// What we sent, as the far end says it came to it. Losses on the way to us from the other leg are among those that
    /// it sees.
    pub outgoing: Option<Outgoing>,
}

impl Sample {
    /// From the leg's answer to the beginning of the interval.
    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at.into())
    }

    /// How long the interval is.
    pub fn span(&self) -> Duration {
        Duration::from_millis(self.span.into())
    }

    /// The round trip time to the far end.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|trip| Duration::from_micros(trip.get().into()))
    }

    /// What an interval came to, from one reading to the next; `None` when nothing came and nothing was said in it:
    /// silence on hold is not bad quality.
    pub(super) fn taken(
        at: Duration,
        span: Duration,
        before: &Tally,
        reading: &Reading,
        far: Option<Far>,
    ) -> Option<Sample> {
        let incoming = Incoming::between(before, reading);
        let outgoing = far.map(|far| Outgoing::said(&far, reading));
        (incoming.mos.is_some() || outgoing.is_some()).then(|| Sample {
            at: milliseconds(at),
            span: milliseconds(span).max(1),
            round_trip: reading.round_trip.map(micros),
            incoming,
            outgoing,
        })
    }

    /// How long the interval is, in milliseconds: its weight in a mean.
    pub(super) fn weight(&self) -> f64 {
        f64::from(self.span)
    }

    pub(super) fn merged(&self, next: &Sample) -> Sample {
        let weights = (u64::from(self.span), u64::from(next.span));
        Sample {
            at: self.at,
            span: self.span.saturating_add(next.span),
            round_trip: merge(self.round_trip, next.round_trip, |a, b| {
                let micros = mean(a.get().into(), b.get().into(), weights);
                NonZeroU32::new(u32::try_from(micros).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
            }),
            incoming: self.incoming.merged(&next.incoming, weights),
            outgoing: merge(self.outgoing, next.outgoing, |a, b| a.merged(&b, weights)),
        }
    }
}

/// One interval of what came to us.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incoming {
    /// Packets that came.
    pub received: u32,
    /// Packets that did not.
    pub lost: u32,
    /// Packets that came after one with a higher number.
    pub late: u32,
    /// Packets that had come before.
    pub duplicates: u32,
    /// How much audio was missing, in milliseconds: who plays it has to conceal as much.
    pub concealed: u32,
    jitter: Tenths,
    /// The score; `None` when nothing was to come.
    pub mos: Option<Mos>,
}

impl Incoming {
    /// What came between two readings.
    fn between(before: &Tally, reading: &Reading) -> Incoming {
        let Reading { tally, jitter, round_trip, codec } = reading;
        let since = |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        let received = since(tally.received, before.received);
        let late = since(tally.late, before.late);
        let skipped = since(tally.skipped, before.skipped);
        let gaps = since(tally.gaps, before.gaps);
        // What was skipped in the interval before may come late in this one.
        let lost = skipped.saturating_sub(late);
        let loss = share(lost, received);
        // The bursts of random loss are 1 / (1 − loss) long (G.107 §7.6).
        let burst_ratio = if gaps == 0 { 1.0 } else { f64::from(skipped) / f64::from(gaps) * (1.0 - loss) };
        let conditions =
            Conditions { delay: one_way(*round_trip, *jitter), loss, burst_ratio, codec: *codec };
        let missing = tally.missing.saturating_sub(before.missing);
        Incoming {
            received,
            lost,
            late,
            duplicates: since(tally.duplicates, before.duplicates),
            concealed: milliseconds(missing),
            jitter: Tenths::new(*jitter),
            mos: (received > 0 || lost > 0).then(|| conditions.mos()),
        }
    }

    /// The share of packets that did not come, 0 to 1.
    pub fn loss(&self) -> f64 {
        share(self.lost, self.received)
    }

    /// The jitter with which they came.
    pub fn jitter(&self) -> Duration {
        self.jitter.duration()
    }

    fn merged(&self, next: &Incoming, weights: (u64, u64)) -> Incoming {
        Incoming {
            received: self.received.saturating_add(next.received),
            lost: self.lost.saturating_add(next.lost),
            late: self.late.saturating_add(next.late),
            duplicates: self.duplicates.saturating_add(next.duplicates),
            concealed: self.concealed.saturating_add(next.concealed),
            jitter: self.jitter.merged(next.jitter, weights),
            mos: merge(self.mos, next.mos, |a, b| merged_score(a, b, weights)),
        }
    }
}

/// One interval of what we sent, as the far end reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outgoing {
    loss: Share,
    jitter: Tenths,
    /// The score of what the far end hears.
    pub mos: Mos,
}

impl Outgoing {
    /// What the far end has said.
    fn said(far: &Far, reading: &Reading) -> Outgoing {
        let conditions = Conditions {
            delay: one_way(reading.round_trip, far.jitter),
            loss: far.loss,
            burst_ratio: 1.0,
            codec: reading.codec,
        };
        Outgoing { loss: Share::new(far.loss), jitter: Tenths::new(far.jitter), mos: conditions.mos() }
    }

    /// The share of packets that did not come, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.loss.get()
    }

    /// The jitter with which they came.
    pub fn jitter(&self) -> Duration {
        self.jitter.duration()
    }

    fn merged(&self, next: &Outgoing, weights: (u64, u64)) -> Outgoing {
        let loss = mean(self.loss.0.into(), next.loss.0.into(), weights);
        Outgoing {
            loss: Share(u16::try_from(loss).unwrap_or(u16::MAX)),
            jitter: self.jitter.merged(next.jitter, weights),
            mos: merged_score(self.mos, next.mos, weights),
        }
    }
}

/// A share in 65535ths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share(u16);

impl Share {
    fn new(share: f64) -> Share {
        Share((share.clamp(0.0, 1.0) * f64::from(u16::MAX)).round() as u16)
    }

    fn get(self) -> f64 {
        f64::from(self.0) / f64::from(u16::MAX)
    }
}

/// A short time in tenths of a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tenths(u16);

impl Tenths {
    fn new(time: Duration) -> Tenths {
        Tenths(u16::try_from(time.as_micros() / 100).unwrap_or(u16::MAX))
    }

    fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.0) * 100)
    }

    fn merged(self, next: Tenths, weights: (u64, u64)) -> Tenths {
        Tenths(u16::try_from(mean(self.0.into(), next.0.into(), weights)).unwrap_or(u16::MAX))
    }
}

/// From mouth to ear over this hop alone: half the round trip, the packet that has to be full before it leaves, and a
/// jitter buffer that holds two packets or four times the jitter, as adaptive ones settle at.
fn one_way(round_trip: Option<Duration>, jitter: Duration) -> Duration {
    round_trip.unwrap_or_default() / 2 + PACKET + (jitter.saturating_mul(4)).max(2 * PACKET)
}

fn share(lost: u32, received: u32) -> f64 {
    let all = f64::from(lost) + f64::from(received);
    if all > 0.0 { f64::from(lost) / all } else { 0.0 }
}

fn merge<T>(first: Option<T>, second: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (first, second) {
        (Some(first), Some(second)) => Some(both(first, second)),
        (first, second) => first.or(second),
    }
}

fn merged_score(first: Mos, second: Mos, weights: (u64, u64)) -> Mos {
    let score = mean(first.hundredths().into(), second.hundredths().into(), weights);
    Mos::from_hundredths(u16::try_from(score).unwrap_or(u16::MAX))
}

/// The mean of two numbers of 32 bits, weighted by times of 32 bits in milliseconds.
fn mean(first: u64, second: u64, weights: (u64, u64)) -> u64 {
    let whole = (weights.0 + weights.1).max(1);
    // The products need 64 bits, their sum one more.
    let sum = u128::from(first) * u128::from(weights.0) + u128::from(second) * u128::from(weights.1);
    u64::try_from((sum + u128::from(whole / 2)) / u128::from(whole)).unwrap_or(u64::MAX)
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn micros(time: Duration) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// The audio of one packet.
const PACKET: Duration = Duration::from_millis(20);
