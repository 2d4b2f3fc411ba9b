//! The run of a load: connections, clock and rate.

use std::time::{Duration, Instant};

use ringback_sansio::{Flow, Transport};
use tokio::net::lookup_host;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::accounts::Account;
use super::connections::{Connections, News};
use super::load::{Load, Settings, Tally};
use super::progress::Progress;
use super::report::{Costs, Memory, Report};
use super::{BenchError, Options, Work, consent, gauge};
use crate::net::client::web_socket;
use crate::upstream::{Connector, Server};

/// How often the load is looked at when nothing comes in.
const TICK: Duration = Duration::from_millis(1);

/// News taken at once.
const BATCH: usize = 256;

/// Connections that are made at the same time, and first registrations.
const AT_ONCE: usize = 64;

/// The part of the idle phones that is there before the first look at the server's memory, so that its own buffers and
/// tables are too.
const FIRST: usize = 10;

/// Runs a load.
pub(super) async fn run(options: &Options, accounts: Vec<Account>) -> Result<Report, BenchError> {
    may_be_loaded(options).await?;
    let connector = Connector::new(&Server {
        target: &options.to,
        host: None,
        origin: None,
        authorities: options.authorities.as_deref(),
        is_insecure: options.is_insecure,
        protocol: web_socket::SIP,
    });
    let (connections, news) = Connections::new(connector.map_err(BenchError::Trust)?, options.to.transport);
    let settings = Settings {
        domain: options.domain.clone().unwrap_or_else(|| host(options)),
        within: options.within,
        talk: options.talk,
        seed: rand::random(),
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let driver = Driver {
        options,
        load: Load::new(settings, accounts, options.to.transport),
        connections,
        news,
        tick,
        connecting: 0,
        signing_in: None,
        refused: 0,
        closed: 0,
        pings: 0,
        progress: Progress::new(Instant::now()),
    };
    match options.work {
        Work::Register | Work::Call => driver.at_rate().await,
        Work::Idle => driver.idle().await,
    }
}

/// Refuses a server of the internet, unless somebody has said that it is theirs.
async fn may_be_loaded(options: &Options) -> Result<(), BenchError> {
    let target = &options.to;
    let found = lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<_> = found.map_err(|error| BenchError::Resolve(target.host.clone(), error))?.collect();
    match consent::stranger(&addresses) {
        Some(address) if !options.is_consented => Err(BenchError::Stranger(target.clone(), address)),
        _ => Ok(()),
    }
}

/// The host of the server as it stands in a URI.
fn host(options: &Options) -> String {
    let host = &options.to.host;
    if host.contains(':') { format!("[{host}]") } else { host.clone() }
}

struct Driver<'a> {
    options: &'a Options,
    load: Load,
    connections: Connections,
    news: Receiver<News>,
    tick: Interval,
    connecting: usize,
    /// What came of the registrations before the load.
    signing_in: Option<Tally>,
    /// Connections that could not be made.
    refused: u64,
    /// Connections that ended.
    closed: u64,
    pings: u64,
    progress: Progress,
}

impl Driver<'_> {
    /// Registrations or calls at a rate.
    async fn at_rate(mut self) -> Result<Report, BenchError> {
        self.connect(0, self.load.phones()).await?;
        // Each once: callers and callees are there, and the tables of the server have their size.
        self.register("signing in", self.load.phones()).await;
        self.signing_in = Some(self.load.registrations.clone());
        self.begin_at_rate("warming up", self.options.warm_up).await;
        self.load.forget_results();
        let (cpu, own, began) = (self.cpu()?, gauge::own_cpu(), Instant::now());
        let (received, sent, again) = (self.load.received, self.load.sent, self.load.sent_again());
        let for_long = self.begin_at_rate(self.options.work.word(), self.options.seconds).await;
        let costs = Costs {
            lasted: began.elapsed(),
            begun_within: for_long,
            messages: self.load.received - received + self.load.sent - sent,
            sent_again: self.load.sent_again() - again,
            own_cpu: gauge::difference(gauge::own_cpu(), own),
            server_cpu: gauge::difference(self.cpu()?, cpu),
        };
        let memory = self.memory()?;
        Ok(self.report(Some(costs), memory.map(Memory::InAll)))
    }

    /// Phones that only stand there.
    async fn idle(mut self) -> Result<Report, BenchError> {
        let phones = self.load.phones();
        let first = (phones / FIRST).max(1);
        self.connect(0, first).await?;
        // As many registrations as will follow: what a server keeps of each for a while (Timer J) has then been there
        // before.
        self.settle("the first stand", first.max(phones - first)).await;
        let before = self.memory()?;
        self.connect(first, phones).await?;
        self.settle("all stand", phones - first).await;
        let after = self.memory()?;
        let memory = before.zip(after).map(|(before, after)| Memory::Idle {
            before,
            after,
            phones: (phones - first) as u64,
        });
        Ok(self.report(None, memory))
    }

    fn report(self, costs: Option<Costs>, memory: Option<Memory>) -> Report {
        self.progress.clear();
        let options = self.options;
        let is_calls = options.work == Work::Call;
        Report {
            work: options.work.word(),
            to: options.to.to_string(),
            transport: options.to.transport.token().to_ascii_lowercase(),
            users: self.load.phones() as u64,
            rate: options.rate,
            seconds: options.seconds,
            refused: self.refused,
            closed: self.closed,
            pings: self.pings,
            lost: self.connections.lost,
            is_registered: !options.is_anonymous,
            signing_in: self.signing_in,
            tally: if is_calls { self.load.calls.clone() } else { self.load.registrations.clone() },
            costs,
            memory,
        }
    }

    /// Registers as often, what has just connected first, and waits.
    async fn settle(&mut self, what: &str, registrations: usize) {
        if !self.options.is_anonymous {
            self.register("signing in", registrations).await;
        }
        let until = Instant::now() + Duration::from_secs(self.options.seconds.into());
        while Instant::now() < until {
            self.step(what).await;
        }
    }

    /// Connects the phones from one number up to another. All of them must not fail.
    async fn connect(&mut self, from: usize, to: usize) -> Result<(), BenchError> {
        if self.options.to.transport == Transport::Udp && from > 0 {
            // All of them share the socket of the first.
            self.share(from, to);
            return Ok(());
        }
        let mut next = from;
        let last = if self.options.to.transport == Transport::Udp { from + 1 } else { to };
        let mut last_error = None;
        while next < last || self.connecting > 0 {
            while next < last && self.connecting < AT_ONCE {
                self.connections.open(next);
                self.connecting += 1;
                next += 1;
            }
            if let Some(error) = self.step("connecting").await {
                last_error = Some(error);
            }
            if self.load.attached() == 0 && self.refused >= AT_ONCE as u64 {
                break;
            }
        }
        if self.load.attached() == 0 {
            return Err(
                last_error.unwrap_or_else(|| BenchError::Connect("every connection was closed".into()))
            );
        }
        if self.options.to.transport == Transport::Udp {
            self.share(from + 1, to);
        }
        Ok(())
    }

    fn share(&mut self, from: usize, to: usize) {
        if let Some(flow) = self.load.flow_of(0) {
            for phone in from..to {
                self.load.attach(phone, flow);
            }
        }
    }

    /// Lets phones register in turn, some at a time, until there have been so many registrations.
    async fn register(&mut self, what: &str, count: usize) {
        let mut left = count;
        while left > 0 || self.load.in_progress() > 0 {
            let now = Instant::now();
            while left > 0 && self.load.in_progress() < AT_ONCE {
                if !self.load.begin_registration(now) {
                    break;
                }
                left -= 1;
            }
            self.flush(now);
            if self.load.attached() == 0 {
                return;
            }
            let tally = &self.load.registrations;
            if tally.succeeded == 0 && tally.failed() >= AT_ONCE as u64 {
                // It would go on like this, up to `within` for each.
                left = 0;
            }
            self.step(what).await;
        }
    }

    /// Begins what is asked for at its rate for so long, and waits for its end; says how long it was begun.
    async fn begin_at_rate(&mut self, what: &str, seconds: u32) -> Duration {
        let started = Instant::now();
        let lasting = Duration::from_secs(seconds.into());
        let rate = f64::from(self.options.rate);
        let total = u64::from(self.options.rate) * u64::from(seconds);
        let mut begun = 0;
        while started.elapsed() < lasting && begun < total {
            let now = Instant::now();
            let due = (now.duration_since(started).as_secs_f64() * rate) as u64 + 1;
            while begun < due.min(total) && self.begin_one(now) {
                begun += 1;
            }
            self.flush(now);
            self.step(what).await;
        }
        let for_long = started.elapsed();
        while self.load.in_progress() > 0 {
            self.step(what).await;
        }
        for_long
    }

    fn begin_one(&mut self, now: Instant) -> bool {
        match self.options.work {
            Work::Call => self.load.begin_call(now),
            Work::Register | Work::Idle => self.load.begin_registration(now),
        }
    }

    /// Waits for news or the next tick and does what they ask for. The last connection that failed is returned.
    async fn step(&mut self, what: &str) -> Option<BenchError> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            _ = self.news.recv_many(&mut batch, BATCH) => {}
            _ = self.tick.tick() => {}
        }
        let now = Instant::now();
        let mut failed = None;
        for news in batch {
            match news {
                News::Message(flow, bytes) => self.load.handle_message(now, flow, bytes),
                News::Ping => self.pings += 1,
                News::Opened(phone, flow, outbox) => {
                    self.connecting = self.connecting.saturating_sub(1);
                    self.connections.opened(flow, outbox);
                    self.load.attach(phone, flow);
                }
                News::Refused(error) => {
                    self.connecting = self.connecting.saturating_sub(1);
                    self.refused += 1;
                    failed = Some(error.into());
                }
                News::Closed(flow) => {
                    self.closed += 1;
                    self.gone(now, flow);
                }
            }
        }
        self.load.handle_timeout(now);
        self.flush(now);
        self.show_progress(now, what);
        failed
    }

    fn gone(&mut self, now: Instant, flow: Flow) {
        self.connections.closed(flow);
        self.load.detach(now, flow);
    }

    fn flush(&mut self, now: Instant) {
        while let Some(transmit) = self.load.poll_transmit() {
            let flow = transmit.flow;
            if !self.connections.send(transmit) {
                self.gone(now, flow);
            }
        }
    }

    fn cpu(&self) -> Result<Option<Duration>, BenchError> {
        gauge::read(&self.options.pids, gauge::cpu)
    }

    fn memory(&self) -> Result<Option<u64>, BenchError> {
        gauge::read(&self.options.pids, gauge::memory)
    }

    fn show_progress(&mut self, now: Instant, what: &str) {
        if !self.progress.is_due(now) {
            return;
        }
        let tally = match self.options.work {
            Work::Call => &self.load.calls,
            Work::Register | Work::Idle => &self.load.registrations,
        };
        self.progress.show(format_args!(
            "{what}: {} connected, {} begun, {} succeeded, {} failed, {} in progress",
            self.load.attached(),
            tally.begun,
            tally.succeeded,
            tally.failed(),
            self.load.in_progress()
        ));
    }
}
