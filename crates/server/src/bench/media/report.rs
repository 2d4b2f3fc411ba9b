//! What came of a load of media, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::times::{Times, millis};

/// What came of a load.
pub(super) struct Report {
    pub(super) kind: &'static str,
    pub(super) to: String,
    /// Calls that were asked for.
    pub(super) calls: u64,
    /// Calls whose media could flow.
    pub(super) up: u64,
    /// Why the others failed, and how many.
    pub(super) faults: BTreeMap<String, u64>,
    pub(super) seconds: u32,
    /// Packets that were begun, in both directions.
    pub(super) sent: u64,
    /// Packets that came out at the other end.
    pub(super) heard: u64,
    /// Datagrams that came and found the load's own sockets full.
    pub(super) dropped_here: u64,
    /// Packets that the kernel did not take.
    pub(super) unsent: u64,
    /// Packets that the load had no time for.
    pub(super) late: u64,
    /// Packets that came and could not be opened.
    pub(super) unusable: u64,
    /// RTCP packets that came.
    pub(super) reports: u64,
    /// From the sending of a packet to its coming out, where that can be told.
    pub(super) delays: Option<Times>,
    pub(super) setting_up: Cpu,
    pub(super) talking: Cpu,
    pub(super) own_cpu: Option<Duration>,
    /// Bytes that the engine's processes have grown by.
    pub(super) memory: Option<u64>,
}

/// What a part of the run took.
pub(super) struct Cpu {
    pub(super) server: Option<Duration>,
    pub(super) lasted: Duration,
}

/// The shares of the delays that are reported.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

impl Report {
    /// Whether every call was set up and packets came through.
    pub(super) fn is_success(&self) -> bool {
        self.up == self.calls && self.heard > 0
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

    /// The share of the packets that the engine lost.
    fn loss(&self) -> f64 {
        let lost = self.sent.saturating_sub(self.heard + self.dropped_here + self.unsent);
        if self.sent == 0 { 0.0 } else { lost as f64 / self.sent as f64 }
    }

    /// CPU of the engine for a packet that came through, in microseconds.
    fn cpu_per_packet(&self) -> Option<f64> {
        let cpu = self.talking.server?;
        (self.heard > 0).then(|| cpu.as_secs_f64() * 1e6 / self.heard as f64)
    }

    /// CPU of the engine for 1000 calls that were set up, in seconds.
    fn cpu_per_1000_calls(&self) -> Option<f64> {
        let cpu = self.setting_up.server?;
        (self.up > 0).then(|| cpu.as_secs_f64() * 1000.0 / self.up as f64)
    }

    fn memory_per_call(&self) -> Option<u64> {
        self.memory?.checked_div(self.up)
    }

    fn json(&self) -> Value {
        let delays = self.delays.as_ref().map(|delays| {
            let mut shares: serde_json::Map<String, Value> = SHARES
                .iter()
                .map(|(name, share)| ((*name).to_owned(), millis(delays.quantile(*share)).into()))
                .collect();
            shares.insert("most".to_owned(), millis(delays.most()).into());
            shares
        });
        json!({
            "work": self.kind,
            "to": self.to,
            "calls": self.calls,
            "up": self.up,
            "failures": self.faults,
            "seconds": self.seconds,
            "packets_sent": self.sent,
            "packets_heard": self.heard,
            "packets_unsent": self.unsent,
            "packets_late": self.late,
            "packets_dropped_by_the_load": self.dropped_here,
            "packets_unusable": self.unusable,
            "rtcp_packets": self.reports,
            "loss": self.loss(),
            "delay_ms": delays,
            "set_up_seconds": self.setting_up.lasted.as_secs_f64(),
            "talked_seconds": self.talking.lasted.as_secs_f64(),
            "own_cpu_seconds": self.own_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_seconds": self.talking.server.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_us_per_packet": self.cpu_per_packet(),
            "server_cpu_seconds_per_1000_calls": self.cpu_per_1000_calls(),
            "server_memory_bytes_per_call": self.memory_per_call(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: String| writeln!(f, "{name:<15} {text}");
        line("engine", format!("{}, {} with PCMU over RTP", self.to, self.kind))?;
        line(
            "calls",
            format!("{} of {} up in {:.2} s", self.up, self.calls, self.setting_up.lasted.as_secs_f64()),
        )?;
        for (why, count) in &self.faults {
            line("failed", format!("{count} × {why}"))?;
        }
        let a_second = self.sent as f64 / self.talking.lasted.as_secs_f64().max(0.001);
        line(
            "packets",
            format!(
                "{} sent, {a_second:.0} a second; {} came through, {:.3} % lost",
                self.sent,
                self.heard,
                self.loss() * 100.0
            ),
        )?;
        let own = [
            (self.late, "were not begun in time: the load needs more of a processor"),
            (self.dropped_here, "came and found the load too slow"),
            (self.unsent, "were not taken by the kernel"),
            (self.unusable, "came and could not be opened"),
        ];
        for (count, words) in own.iter().filter(|(count, _)| *count > 0) {
            line("", format!("{count} {words}"))?;
        }
        if let Some(delays) = self.delays.as_ref().filter(|_| self.heard > 0) {
            let shares =
                SHARES.iter().map(|(name, share)| format!("{name} {:.2}", millis(delays.quantile(*share))));
            let shares = shares.collect::<Vec<_>>().join(", ");
            line("on the way", format!("{shares}, most {:.2} ms", millis(delays.most())))?;
        }
        if let Some(cpu) = self.own_cpu {
            line("CPU of the load", format!("{:.2} s", cpu.as_secs_f64()))?;
        }
        if let Some(cpu) = self.talking.server {
            let each = self.cpu_per_packet().map_or(String::new(), |each| {
                format!("; {each:.2} µs a packet, {:.0} packets a second of CPU", 1e6 / each.max(0.001))
            });
            line("CPU, engine", format!("{:.2} s{each}", cpu.as_secs_f64()))?;
        }
        if let Some(each) = self.cpu_per_1000_calls() {
            line("", format!("{each:.3} s to set up 1000 calls"))?;
        }
        if let Some(bytes) = self.memory_per_call() {
            line("memory, engine", format!("{:.1} kB for each call", bytes as f64 / 1024.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut delays = Times::new();
        delays.note(Duration::from_micros(250));
        Report {
            kind: "webrtc",
            to: "127.0.0.1:22222".to_owned(),
            calls: 100,
            up: 98,
            faults: [("the DTLS handshake failed".to_owned(), 2)].into(),
            seconds: 10,
            sent: 98_000,
            heard: 97_900,
            dropped_here: 2,
            unsent: 0,
            late: 0,
            unusable: 0,
            reports: 40,
            delays: Some(delays),
            setting_up: Cpu { server: Some(Duration::from_millis(490)), lasted: Duration::from_secs(1) },
            talking: Cpu { server: Some(Duration::from_millis(979)), lasted: Duration::from_secs(10) },
            own_cpu: Some(Duration::from_secs(1)),
            memory: Some(98 * 40 * 1024),
        }
    }

    #[test]
    fn the_text_says_what_came_of_it() {
        insta::assert_snapshot!(report().to_string(), @r"
        engine          127.0.0.1:22222, webrtc with PCMU over RTP
        calls           98 of 100 up in 1.00 s
        failed          2 × the DTLS handshake failed
        packets         98000 sent, 9800 a second; 97900 came through, 0.100 % lost
                        2 came and found the load too slow
        on the way      p50 0.25, p99 0.25, p999 0.25, most 0.25 ms
        CPU of the load 1.00 s
        CPU, engine     0.98 s; 10.00 µs a packet, 100000 packets a second of CPU
                        5.000 s to set up 1000 calls
        memory, engine  40.0 kB for each call
        ");
    }

    #[test]
    fn json_has_the_same_figures() {
        let json = report().json();
        assert_eq!(json["loss"], json!(0.001));
        assert_eq!(json["server_cpu_us_per_packet"], json!(10.0));
        assert_eq!(json["server_cpu_seconds_per_1000_calls"], json!(5.0));
        assert_eq!(json["server_memory_bytes_per_call"], json!(40 * 1024));
        assert_eq!(json["delay_ms"]["p99"], json!(0.25));
        let transcoded = Report { delays: None, ..report() };
        assert_eq!(transcoded.json()["delay_ms"], Value::Null);
    }

    #[test]
    fn a_load_succeeds_when_every_call_was_up_and_sound_came() {
        assert!(!report().is_success());
        assert!(Report { up: 100, ..report() }.is_success());
        assert!(!Report { up: 100, heard: 0, ..report() }.is_success());
    }
}
