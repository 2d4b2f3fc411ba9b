//! What came of a load of media, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::traffic::{Part, Traffic};

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
    pub(super) traffic: Traffic,
    /// Packets that came and could not be opened.
    pub(super) unusable: u64,
    /// RTCP packets that came.
    pub(super) reports: u64,
    pub(super) setting_up: Part,
    pub(super) talking: Part,
    pub(super) own_cpu: Option<Duration>,
    /// Bytes that the engine's processes have grown by.
    pub(super) memory: Option<u64>,
}

impl Report {
    /// Whether every call was set up and packets came through.
    pub(super) fn is_success(&self) -> bool {
        self.up == self.calls && self.traffic.heard > 0
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

    /// CPU of the engine for a packet that came through, in microseconds.
    fn cpu_per_packet(&self) -> Option<f64> {
        let cpu = self.talking.server?;
        (self.traffic.heard > 0).then(|| cpu.as_secs_f64() * 1e6 / self.traffic.heard as f64)
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
        let mut json = json!({
            "work": self.kind,
            "to": self.to,
            "calls": self.calls,
            "up": self.up,
            "failures": self.faults,
            "seconds": self.seconds,
            "packets_unusable": self.unusable,
            "rtcp_packets": self.reports,
            "set_up_seconds": self.setting_up.lasted.as_secs_f64(),
            "talked_seconds": self.talking.lasted.as_secs_f64(),
            "own_cpu_seconds": self.own_cpu.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_seconds": self.talking.server.map(|cpu| cpu.as_secs_f64()),
            "server_cpu_us_per_packet": self.cpu_per_packet(),
            "server_cpu_seconds_per_1000_calls": self.cpu_per_1000_calls(),
            "server_memory_bytes_per_call": self.memory_per_call(),
        });
        self.traffic.write(&mut json);
        json
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
        line("packets", self.traffic.words(self.talking.lasted))?;
        let own = self.traffic.own_faults().into_iter();
        for (count, words) in own.chain([(self.unusable, "came and could not be opened")]) {
            if count > 0 {
                line("", format!("{count} {words}"))?;
            }
        }
        if let Some(delays) = self.traffic.delay_words() {
            line("on the way", delays)?;
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
        let mut traffic = Traffic { sent: 98_000, heard: 97_900, dropped_here: 2, ..Traffic::new() };
        traffic.delays.note(Duration::from_micros(250));
        Report {
            kind: "webrtc",
            to: "127.0.0.1:22222".to_owned(),
            calls: 100,
            up: 98,
            faults: [("the DTLS handshake failed".to_owned(), 2)].into(),
            seconds: 10,
            traffic,
            unusable: 0,
            reports: 40,
            setting_up: Part { server: Some(Duration::from_millis(490)), lasted: Duration::from_secs(1) },
            talking: Part { server: Some(Duration::from_millis(979)), lasted: Duration::from_secs(10) },
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
        let untimed = Report { traffic: Traffic { heard: 9, ..Traffic::new() }, ..report() };
        assert_eq!(untimed.json()["delay_ms"], Value::Null, "what is made anew is not timed");
    }

    #[test]
    fn a_load_succeeds_when_every_call_was_up_and_sound_came() {
        assert!(!report().is_success());
        assert!(Report { up: 100, ..report() }.is_success());
        assert!(!Report { up: 100, traffic: Traffic::new(), ..report() }.is_success());
    }
}
