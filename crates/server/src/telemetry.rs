//! What is counted, handed from the threads that count to `/metrics`.
//!
//! Machines count in plain fields of their own; once a second each thread leaves a copy here. Names are given here and
//! nowhere else.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use ringback_control::Exchange;
use ringback_media::session::{self, Reason};
use ringback_sip::digest;

use crate::net::accept::Doorkeeper;
use crate::store::Writer;
use crate::{control_thread, media_thread};

/// The last copies.
#[derive(Debug)]
pub struct Telemetry {
    control: Mutex<Control>,
    workers: Mutex<BTreeMap<u16, (session::Stats, media_thread::Counters)>>,
    doorkeeper: Arc<Doorkeeper>,
    writer: Writer,
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
}

impl Telemetry {
    /// Nothing is counted yet.
    pub fn new(doorkeeper: Arc<Doorkeeper>, writer: Writer) -> Self {
        Telemetry { control: Mutex::default(), workers: Mutex::default(), doorkeeper, writer }
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
        };
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = control;
    }

    /// Takes what a media worker has counted.
    pub fn set_worker(&self, number: u16, stats: session::Stats, thread: media_thread::Counters) {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (stats, thread));
    }

    fn encode_control(&self, out: &mut Families<'_, '_>) -> fmt::Result {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Control { exchange, transactions, authentication, thread, calls, bindings } = control;
        out.gauge("ringback_calls", "Calls in progress", calls as u64)?;
        out.gauge("ringback_bindings", "Registered contacts", bindings as u64)?;
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
        ];
        out.counters(
            "ringback_media_packets",
            "Packets of media workers, by what became of them",
            "verdict",
            &packets,
        )?;
        let drops: Vec<(&str, u64)> = Reason::ALL
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
        let mut threads: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, counters) in workers.values() {
            for (name, count) in names::media_thread(counters) {
                *threads.entry(name).or_default() += count;
            }
        }
        let threads: Vec<(&str, u64)> = threads.into_iter().collect();
        out.counters(
            "ringback_media_threads",
            "What media threads could not do, by reason",
            "event",
            &threads,
        )
    }
}

impl Collector for Telemetry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Families(&mut encoder);
        self.encode_control(&mut out)?;
        self.encode_media(&mut out)?;
        out.gauge(
            "ringback_connections",
            "TCP, TLS and WebSocket connections",
            self.doorkeeper.open().into(),
        )?;
        let refused = [("too_many", u64::from(self.doorkeeper.refused()))];
        out.counters(
            "ringback_connections_refused",
            "Connections turned away, by reason",
            "reason",
            &refused,
        )?;
        let stats = self.writer.stats();
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

    /// One counter for each value of a label.
    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            ConstCounter::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
        }
        Ok(())
    }
}
