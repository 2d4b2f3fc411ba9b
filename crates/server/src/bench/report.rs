//! What came of a load, as text and as JSON.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::load::{Failure, Tally};
use super::times::{Times, millis};

/// What came of a load.
pub(super) struct Report {
    pub(super) work: &'static str,
    pub(super) to: String,
    pub(super) transport: String,
    pub(super) users: u64,
    pub(super) rate: u32,
    pub(super) seconds: u32,
    /// Connections that could not be made.
    pub(super) refused: u64,
    /// Connections that ended.
    pub(super) closed: u64,
    /// Pings of the server that were answered.
    pub(super) pings: u64,
    /// Messages that could not be sent, because the server did not take those before.
    pub(super) lost: u64,
    /// Whether idle phones had signed in.
    pub(super) is_registered: bool,
    /// What came of the registrations before the load.
    pub(super) signing_in: Option<Tally>,
    pub(super) tally: Tally,
    /// Of registrations and calls.
    pub(super) costs: Option<Costs>,
    pub(super) memory: Option<Memory>,
}

/// What registrations or calls took.
pub(super) struct Costs {
    /// From the first to the end of the last.
    pub(super) lasted: Duration,
    /// From the first to the last.
    pub(super) begun_within: Duration,
    /// Messages in both directions.
    pub(super) messages: u64,
    /// Messages that were sent again.
    pub(super) sent_again: u64,
    pub(super) own_cpu: Option<Duration>,
    pub(super) server_cpu: Option<Duration>,
}

/// What the server's processes keep.
pub(super) enum Memory {
    /// Bytes after the load.
    InAll(u64),
    /// Bytes before and after so many phones came.
    Idle { before: u64, after: u64, phones: u64 },
}

impl Memory {
    /// Of idle phones, bytes of each.
    fn of_each(&self) -> Option<f64> {
        match *self {
            Memory::Idle { before, after, phones } if phones > 0 => {
                Some((after as f64 - before as f64) / phones as f64)
            }
            _ => None,
        }
    }
}

/// The shares of the times that are reported.
const SHARES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

impl Report {
    /// Whether there was something to do and all of it succeeded.
    pub(super) fn is_success(&self) -> bool {
        let has_worked = self.tally.succeeded > 0 || !self.is_registered;
        has_worked && self.tally.failed() + self.not_signed_in() + self.refused + self.closed == 0
    }

    /// How many phones could not sign in before the load.
    fn not_signed_in(&self) -> u64 {
        self.signing_in.as_ref().map_or(0, Tally::failed)
    }

    /// Writes it to standard output.
    pub(super) fn print(&self, is_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match is_json {
            true => writeln!(out, "{:#}", self.json())?,
            false => write!(out, "{self}")?,
        }
        out.flush()
    }

    fn json(&self) -> Value {
        let times = |times: &Times| {
            let mut shares: Map<String, Value> = SHARES
                .iter()
                .map(|(name, share)| ((*name).to_owned(), millis(times.quantile(*share)).into()))
                .collect();
            shares.insert("most".to_owned(), millis(times.most()).into());
            shares
        };
        let failures: Map<String, Value> = self
            .tally
            .failures
            .iter()
            .map(|(failure, count)| match failure {
                Failure::Status(status) => (status.to_string(), (*count).into()),
                failure => (failure.to_string(), (*count).into()),
            })
            .collect();
        let costs = self.costs.as_ref();
        let server_cpu = costs.and_then(|costs| costs.server_cpu);
        json!({
            "work": self.work,
            "to": self.to,
            "transport": self.transport,
            "users": self.users,
            "rate": self.rate,
            "seconds": self.seconds,
            "begun": self.tally.begun,
            "succeeded": self.tally.succeeded,
            "failed": self.tally.failed(),
            "failures": failures,
            "not_signed_in": self.not_signed_in(),
            "connections_refused": self.refused,
            "connections_closed": self.closed,
            "pings": self.pings,
            "messages_lost": self.lost,
            "answered_ms": times(&self.tally.answered),
            "ended_ms": times(&self.tally.ended),
            "begun_per_second": self.begun_per_second(),
            "lasted_seconds": costs.map(|costs| costs.lasted.as_secs_f64()),
            "messages": costs.map(|costs| costs.messages),
            "sent_again": costs.map(|costs| costs.sent_again),
            "own_cpu_seconds": costs.and_then(|costs| costs.own_cpu).map(|cpu| cpu.as_secs_f64()),
            "server_cpu_seconds": server_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_seconds_per_1000": self.cpu_per_1000(),
            "server_memory_bytes": self.memory.as_ref().map(|memory| match memory {
                Memory::InAll(bytes) | Memory::Idle { after: bytes, .. } => *bytes,
            }),
            "server_memory_bytes_each": self.memory.as_ref().and_then(Memory::of_each),
        })
    }

    fn begun_per_second(&self) -> Option<f64> {
        let costs = self.costs.as_ref()?;
        Some(self.tally.begun as f64 / costs.begun_within.as_secs_f64().max(0.001))
    }

    /// CPU of the server for 1000 that succeeded, in seconds.
    fn cpu_per_1000(&self) -> Option<f64> {
        let cpu = self.costs.as_ref()?.server_cpu?;
        (self.tally.succeeded > 0).then(|| cpu.as_secs_f64() * 1000.0 / self.tally.succeeded as f64)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: String| writeln!(f, "{name:<15} {text}");
        let tally = &self.tally;
        line("server", format!("{}, {} users", self.to, self.users))?;
        line(
            match self.work {
                "call" => "calls",
                _ => "registrations",
            },
            match self.begun_per_second() {
                Some(rate) => format!(
                    "{} begun, {rate:.0} a second ({} were asked for), {} succeeded",
                    tally.begun, self.rate, tally.succeeded
                ),
                None => format!("{} begun, {} succeeded", tally.begun, tally.succeeded),
            },
        )?;
        line("failed", failed(tally))?;
        if let Some(signing_in) = self.signing_in.as_ref().filter(|tally| tally.failed() > 0) {
            line("not signed in", failed(signing_in))?;
        }
        if tally.succeeded > 0 {
            line("until the 200", spread(&tally.answered))?;
        }
        if self.work == "call" && tally.succeeded > 0 {
            line("BYE to its 200", spread(&tally.ended))?;
        }
        if let Some(costs) = &self.costs {
            let a_second = costs.messages as f64 / costs.lasted.as_secs_f64().max(0.001);
            let messages = costs.messages;
            line("messages", format!("{messages}, {a_second:.0} a second; {} sent again", costs.sent_again))?;
            if let Some(cpu) = costs.own_cpu {
                line("CPU of the load", format!("{:.2} s", cpu.as_secs_f64()))?;
            }
            if let Some(cpu) = costs.server_cpu {
                let each =
                    self.cpu_per_1000().map_or(String::new(), |each| format!("; {each:.3} s per 1000"));
                line("CPU, server", format!("{:.2} s{each}", cpu.as_secs_f64()))?;
            }
        }
        if let Some(memory) = &self.memory {
            let (Memory::InAll(bytes) | Memory::Idle { after: bytes, .. }) = memory;
            let mut text = format!("{:.1} MB", *bytes as f64 / f64::from(1 << 20));
            if let Some(each) = memory.of_each() {
                write!(text, "; {:.2} kB for each of the phones that came last", each / 1024.0)?;
            }
            line("memory, server", text)?;
        }
        let connections = [
            (self.refused, "could not be made"),
            (self.closed, "closed by the server"),
            (self.lost, "full, so that a message was lost"),
        ];
        for (count, words) in connections.iter().filter(|(count, _)| *count > 0) {
            line("connections", format!("{words}: {count}"))?;
        }
        Ok(())
    }
}

fn spread(times: &Times) -> String {
    let shares = SHARES.iter().map(|(name, share)| format!("{name} {:.2}", millis(times.quantile(*share))));
    format!("{}, most {:.2} ms", shares.collect::<Vec<_>>().join(", "), millis(times.most()))
}

/// How many failed, and why.
fn failed(tally: &Tally) -> String {
    let reasons = tally.failures.iter().map(|(failure, count)| format!("{count} × {failure}"));
    match tally.failed() {
        0 => "0".to_owned(),
        count => format!("{count}: {}", reasons.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut tally = Tally::new();
        (tally.begun, tally.succeeded) = (1003, 1000);
        tally.failures.extend([(Failure::Status(486), 2), (Failure::NoAnswer, 1)]);
        tally.answered.note(Duration::from_millis(2));
        tally.ended.note(Duration::from_millis(1));
        Report {
            work: "call",
            to: "udp://127.0.0.1:5060".to_owned(),
            transport: "udp".to_owned(),
            users: 100,
            rate: 100,
            seconds: 10,
            refused: 0,
            closed: 1,
            pings: 0,
            lost: 0,
            is_registered: true,
            signing_in: Some(Tally::new()),
            tally,
            costs: Some(Costs {
                lasted: Duration::from_secs(20),
                begun_within: Duration::from_secs(10),
                messages: 14_000,
                sent_again: 3,
                own_cpu: Some(Duration::from_millis(120)),
                server_cpu: Some(Duration::from_millis(440)),
            }),
            memory: Some(Memory::Idle { before: 1 << 20, after: 3 << 20, phones: 1024 }),
        }
    }

    #[test]
    fn the_text_says_what_came_of_it() {
        insta::assert_snapshot!(report().to_string(), @r"
        server          udp://127.0.0.1:5060, 100 users
        calls           1003 begun, 100 a second (100 were asked for), 1000 succeeded
        failed          3: 2 × 486 Busy Here, 1 × no answer in time
        until the 200   p50 2.00, p90 2.00, p95 2.00, p99 2.00, p999 2.00, most 2.00 ms
        BYE to its 200  p50 1.00, p90 1.00, p95 1.00, p99 1.00, p999 1.00, most 1.00 ms
        messages        14000, 700 a second; 3 sent again
        CPU of the load 0.12 s
        CPU, server     0.44 s; 0.440 s per 1000
        memory, server  3.0 MB; 2.00 kB for each of the phones that came last
        connections     closed by the server: 1
        ");
    }

    #[test]
    fn the_json_has_the_figures_by_name() {
        let json = report().json();
        assert_eq!(json["failures"], json!({"486": 2, "no answer in time": 1}));
        assert_eq!(json["server_cpu_seconds_per_1000"], 0.44);
        assert_eq!(json["server_memory_bytes_each"], 2048.0);
        assert_eq!(json["answered_ms"]["p99"], 2.0);
    }

    #[test]
    fn a_failure_or_a_lost_connection_is_no_success() {
        assert!(!report().is_success());
        let mut quiet = report();
        quiet.tally.failures.clear();
        assert!(!quiet.is_success(), "a connection was closed");
        quiet.closed = 0;
        assert!(quiet.is_success());
        quiet.signing_in.get_or_insert_with(Tally::new).failures.insert(Failure::Status(401), 1);
        assert!(!quiet.is_success(), "somebody could not sign in");
        assert!(quiet.to_string().contains("not signed in   1: 1 × 401 Unauthorized"), "{quiet}");
        quiet.signing_in = None;
        quiet.tally.succeeded = 0;
        assert!(!quiet.is_success(), "nothing was done");
    }
}
