//! What is counted, handed from the threads that count to `/metrics`.
//!
//! Machines count in plain fields of their own; once a second each thread leaves a copy here, and `names.rs` gives them
//! their names. What the tasks of the network end and refuse is counted here at once, by reasons that have names.

mod log_limit;
mod names;
mod sound;
mod tally;

pub(crate) use log_limit::limited;
pub use log_limit::{LimitOthers, LogLimit, NOBODY, Shown};
pub use sound::Sound;
pub(crate) use tally::reasons;
pub use tally::{Reason, Tally};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use ringback_control::{Exchange, ng, rooms};
use ringback_media::insert::DeskStats;
use ringback_media::session;
use ringback_nat::turn;
use ringback_sansio::FiveTuple;
use ringback_sip::digest;

use crate::http::Refusal;
use crate::net::turn_dtls::Dropped;
use crate::net::{Doorkeeper, End};
use crate::recordings::Counts;
use crate::store::Writer;
use crate::{control_thread, media_thread, ng_thread, rooms_thread, turn_thread, voice_thread};

/// The last copies.
#[derive(Debug)]
pub struct Telemetry {
    control: Mutex<Control>,
    workers: Mutex<BTreeMap<u16, (session::Stats, media_thread::Counters)>>,
    voices: Mutex<BTreeMap<u16, (DeskStats, voice_thread::Counters)>>,
    /// What the thread of the ng protocol counts, where there is one, and its calls.
    ng: Mutex<Option<(ng::Stats, ng_thread::Counters, usize)>>,
    /// What the thread of TURN counts, and its allocations.
    turn: Mutex<Option<(turn::Stats, turn_thread::Counters, usize)>>,
    /// What the thread of rooms counts, and its rooms, their members, the streams and who watches them.
    rooms: Mutex<Option<(rooms::Stats, rooms_thread::Counters, [usize; 4])>>,
    doorkeeper: Arc<Doorkeeper>,
    writer: Option<Writer>,
    /// Requests over HTTP that were refused.
    pub http_refused: Tally<Refusal>,
    /// What keeps others from filling the log.
    pub log: Arc<LogLimit>,
    ended: Tally<End>,
    /// Datagrams of TURN over DTLS that were dropped.
    pub turn_dtls: Tally<Dropped>,
    /// How calls sounded.
    pub sound: Arc<Sound>,
    /// What became of recordings.
    pub recordings: Counts,
}

/// What the control thread counts.
#[derive(Debug, Clone, Default)]
struct Control {
    exchange: ringback_control::Stats,
    transactions: ringback_sip::transaction::Stats,
    authentication: digest::Stats,
    thread: control_thread::Counters,
    calls: usize,
    bindings: usize,
    subscriptions: usize,
}

impl Telemetry {
    /// Nothing is counted yet.
    /// A server without a store has no `writer`.
    pub fn new(doorkeeper: Arc<Doorkeeper>, writer: impl Into<Option<Writer>>, log: Arc<LogLimit>) -> Self {
        Telemetry {
            control: Mutex::default(),
            workers: Mutex::default(),
            voices: Mutex::default(),
            ng: Mutex::default(),
            turn: Mutex::default(),
            rooms: Mutex::default(),
            doorkeeper,
            writer: writer.into(),
            http_refused: Tally::default(),
            log,
            ended: Tally::default(),
            turn_dtls: Tally::default(),
            sound: Arc::default(),
            recordings: Counts::default(),
        }
    }

    /// Counts the end of a connection, and logs it.
    pub fn ended(&self, tuple: FiveTuple, end: End) {
        self.ended.count(end);
        let (source, words) = (tuple.remote.ip(), end.words());
        limited!(self.log, DEBUG, source, end.name(), connection = %tuple, end = words, "a connection ended");
    }

    /// Takes what the control thread has counted.
    pub fn set_control(&self, exchange: &Exchange, thread: control_thread::Counters) {
        let control = Control {
            exchange: *exchange.stats(),
            transactions: *exchange.transaction_stats(),
            authentication: *exchange.authentication_stats(),
            thread,
            calls: exchange.calls(),
            bindings: exchange.bindings(),
            subscriptions: exchange.subscriptions(),
        };
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = control;
    }

    /// Takes what a media worker has counted.
    pub fn set_worker(&self, number: u16, stats: session::Stats, thread: media_thread::Counters) {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (stats, thread));
    }

    /// Takes what a voice thread has counted.
    pub fn set_voice(&self, number: u16, stats: DeskStats, thread: voice_thread::Counters) {
        self.voices.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (stats, thread));
    }

    /// Takes what the thread of the ng protocol has counted.
    pub fn set_ng(&self, engine: &ng::Engine, thread: ng_thread::Counters) {
        let counted = (engine.stats().clone(), thread, engine.calls());
        *self.ng.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
    }

    /// Takes what the thread of TURN has counted.
    pub fn set_turn(&self, stats: &turn::Stats, allocations: usize, thread: turn_thread::Counters) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some((*stats, thread, allocations));
    }

    /// Takes what the thread of rooms has counted.
    pub fn set_rooms<P: rooms::Provider>(&self, rooms: &rooms::Rooms<P>, thread: rooms_thread::Counters) {
        let sizes = [rooms.count(), rooms.members(), rooms.streams(), rooms.watching()];
        let counted = (*rooms.stats(), thread, sizes);
        *self.rooms.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
    }

    fn encode_rooms(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let counted = *self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((stats, thread, [rooms, members, streams, watching])) = counted else { return Ok(()) };
        out.gauge("ringback_rooms", "Rooms", rooms as u64)?;
        out.gauge("ringback_room_members", "Members of rooms", members as u64)?;
        out.gauge("ringback_room_streams", "Streams into rooms", streams as u64)?;
        out.gauge("ringback_room_viewers", "Those who watch streams into rooms", watching as u64)?;
        let mut events = names::rooms(&stats);
        events.extend(names::rooms_thread(&thread));
        out.counters("ringback_rooms_events", "What happened in rooms, by kind", "event", &events)?;
        let refused: Vec<(&str, u64)> = stats.refused.named().collect();
        out.counters("ringback_rooms_refused", "What was refused in rooms, by reason", "reason", &refused)
    }

    fn encode_turn(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let counted = *self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((stats, thread, allocations)) = counted else { return Ok(()) };
        out.gauge("ringback_turn_allocations", "Allocations of TURN", allocations as u64)?;
        let mut events = names::turn(&stats);
        events.extend(names::turn_thread(&thread));
        out.counters("ringback_turn", "What TURN did, by kind", "event", &events)?;
        let errors: Vec<(String, u64)> =
            stats.errors.iter().map(|(code, count)| (code.to_string(), count)).collect();
        let errors: Vec<(&str, u64)> = errors.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        out.counters(
            "ringback_turn_errors",
            "Requests of TURN that were refused, by error code",
            "code",
            &errors,
        )?;
        let drops: Vec<(&str, u64)> =
            stats.drops.iter().map(|(reason, count)| (reason.name(), count)).collect();
        out.counters("ringback_turn_drops", "What TURN dropped, by reason", "reason", &drops)?;
        out.counters(
            "ringback_turn_dtls_drops",
            "Datagrams of TURN over DTLS that were dropped, by reason",
            "reason",
            &self.turn_dtls.named(),
        )
    }

    fn encode_ng(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let counted = self.ng.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((stats, thread, calls)) = counted else { return Ok(()) };
        out.gauge("ringback_ng_calls", "Calls by the ng protocol", calls as u64)?;
        let mut events = names::ng(&stats);
        events.extend(names::ng_thread(&thread));
        out.counters("ringback_ng", "What the ng protocol had done, by kind", "event", &events)
    }

    fn encode_control(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Control { exchange, transactions, authentication, thread, calls, bindings, subscriptions } =
            control;
        out.gauge("ringback_calls", "Calls in progress", calls as u64)?;
        out.gauge("ringback_bindings", "Registered contacts", bindings as u64)?;
        out.gauge("ringback_subscriptions", "Subscriptions to events", subscriptions as u64)?;
        out.counters("ringback_sip", "What the exchange did, by kind", "event", &names::exchange(&exchange))?;
        out.counters(
            "ringback_transactions",
            "What the transaction layer did, by kind",
            "event",
            &names::transactions(&transactions),
        )?;
        out.counters(
            "ringback_authentication",
            "What credentials came to, by kind",
            "event",
            &names::authentication(&authentication),
        )?;
        out.counters(
            "ringback_control_thread",
            "What the control thread dropped, by reason",
            "event",
            &names::control_thread(&thread),
        )
    }

    fn encode_media(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sum =
            |field: fn(&session::Stats) -> u64| workers.values().map(|(stats, _)| field(stats)).sum::<u64>();
        out.gauge("ringback_media_legs", "Media legs that are open", sum(|stats| stats.legs))?;
        let packets = [
            ("forwarded", sum(|stats| stats.forwarded)),
            ("replied", sum(|stats| stats.replied)),
            ("consumed", sum(|stats| stats.consumed)),
            ("inserted", sum(|stats| stats.inserted)),
            ("made", sum(|stats| stats.made)),
            ("shown", sum(|stats| stats.shown)),
            ("copied", sum(|stats| stats.copied)),
        ];
        out.counters(
            "ringback_media_packets",
            "Packets of media workers, by what became of them",
            "verdict",
            &packets,
        )?;
        let drops: Vec<(&str, u64)> = session::Reason::ALL
            .iter()
            .map(|&reason| {
                let count = workers.values().map(|(stats, _)| stats.drops.of(reason)).sum();
                (reason.name(), count)
            })
            .collect();
        out.counters(
            "ringback_media_drops",
            "Packets dropped by media workers, by reason",
            "reason",
            &drops,
        )?;
        let mut desk: BTreeMap<&str, u64> = BTreeMap::new();
        let mut threads: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, counters) in workers.values() {
            for (name, count) in names::media_thread(counters) {
                *threads.entry(name).or_default() += count;
            }
        }
        let voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (stats, counters) in voices.values() {
            for (name, count) in names::voice_thread(counters) {
                *threads.entry(name).or_default() += count;
            }
            for (name, count) in names::desk(stats) {
                *desk.entry(name).or_default() += count;
            }
        }
        let desk: Vec<(&str, u64)> = desk.into_iter().collect();
        out.counters(
            "ringback_inserts",
            "What was made of audio that could not be passed on, by kind",
            "event",
            &desk,
        )?;
        let threads: Vec<(&str, u64)> = threads.into_iter().collect();
        out.counters(
            "ringback_media_threads",
            "What media threads could not do, by reason",
            "event",
            &threads,
        )
    }

    fn encode_sound(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        out.counters(
            "ringback_legs_silent",
            "Legs of answered calls that were not heard, by cause",
            "cause",
            &self.sound.silent.named(),
        )?;
        out.histograms(
            "ringback_mos",
            "Mean opinion scores (ITU-T G.107) of legs that ended, of what came from them and what was sent to them",
            "direction",
            &[("received", &self.sound.received), ("sent", &self.sound.sent)],
        )
    }

    fn encode_connections(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let open = self.doorkeeper.open().into();
        out.gauge("ringback_connections", "TCP, TLS and WebSocket connections and DTLS associations", open)?;
        let refused = [("too_many", self.doorkeeper.refused())];
        out.counters(
            "ringback_connections_refused",
            "Connections turned away, by reason",
            "reason",
            &refused,
        )?;
        out.counters(
            "ringback_connections_ended",
            "Connections that ended, by reason",
            "reason",
            &self.ended.named(),
        )?;
        out.counters(
            "ringback_http_refused",
            "Requests over HTTP that were refused, by reason",
            "reason",
            &self.http_refused.named(),
        )?;
        let suppressed = [("too_often", self.log.suppressed())];
        out.counters("ringback_log_suppressed", "Log lines left out, by reason", "reason", &suppressed)
    }
}

impl Collector for Telemetry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Families(&mut encoder);
        self.encode_control(&mut out)?;
        self.encode_media(&mut out)?;
        self.encode_ng(&mut out)?;
        self.encode_turn(&mut out)?;
        self.encode_rooms(&mut out)?;
        self.encode_connections(&mut out)?;
        self.encode_sound(&mut out)?;
        out.counters(
            "ringback_recordings",
            "What became of recordings, by kind",
            "event",
            &self.recordings.named(),
        )?;
        let Some(writer) = &self.writer else { return Ok(()) };
        let stats = writer.stats();
        let load =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let store = [
            ("writes", load(&stats.writes)),
            ("transactions", load(&stats.transactions)),
            ("failures", load(&stats.failures)),
            ("lost_cdrs", load(&stats.lost_cdrs)),
        ];
        out.counters("ringback_store", "What the store wrote, by kind", "event", &store)?;
        out.gauge(
            "ringback_store_waiting_cdrs",
            "Call records that wait for the disk",
            load(&stats.waiting_cdrs),
        )
    }
}

/// Writes metric families.
struct Families<'e, 'w>(&'e mut DescriptorEncoder<'w>);

impl Families<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    /// One histogram for each value of a label.
    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, &Histogram)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (value, histogram) in values {
            histogram.encode(family.encode_family(&[(label, *value)])?)?;
        }
        Ok(())
    }

    /// One counter for each value of a label.
    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            ConstCounter::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
        }
        Ok(())
    }
}
