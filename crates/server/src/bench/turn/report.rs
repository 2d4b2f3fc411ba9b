//! What came of a load on a TURN server, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::traffic::{Part, Traffic};

/// What came of a load.
pub(super) struct Report {
    pub(super) to: String,
    pub(super) size: u16,
    /// Allocations that were asked for.
    pub(super) allocations: u64,
    /// Those that stood to the end, with a channel.
    pub(super) up: u64,
    /// Why the others failed, and how many.
    pub(super) faults: BTreeMap<String, u64>,
    pub(super) allocating: Part,
    pub(super) relaying: Part,
    pub(super) traffic: Traffic,
    pub(super) own_cpu: Option<Duration>,
    /// Bytes that the server's processes have grown by while it allocated.
    pub(super) memory: Option<u64>,
}

impl Report {
    /// Whether every allocation was made, and packets came through where some were sent.
    pub(super) fn is_success(&self) -> bool {
        self.up == self.allocations && (self.traffic.heard > 0 || self.traffic.sent == 0)
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

    /// Packets that the server relays in a second of CPU.
    fn packets_per_cpu_second(&self) -> Option<f64> {
        let cpu = self.relaying.server?.as_secs_f64();
        (cpu > 0.0).then(|| self.traffic.heard as f64 / cpu)
    }

    /// CPU of the server for 1000 allocations with their channels, in seconds.
    fn cpu_per_1000(&self) -> Option<f64> {
        let cpu = self.allocating.server?;
        (self.up > 0).then(|| cpu.as_secs_f64() * 1000.0 / self.up as f64)
    }

    fn memory_of_each(&self) -> Option<u64> {
        self.memory?.checked_div(self.up)
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "to": self.to,
            "data_bytes": self.size,
            "allocations": self.allocations,
            "up": self.up,
            "failures": self.faults,
            "allocated_seconds": self.allocating.lasted.as_secs_f64(),
            "server_cpu_seconds_per_1000_allocations": self.cpu_per_1000(),
            "server_memory_bytes_per_allocation": self.memory_of_each(),
            "relayed_seconds": self.relaying.lasted.as_secs_f64(),
            "server_cpu_seconds": self.relaying.server.map(|cpu| cpu.as_secs_f64()),
            "server_packets_per_cpu_second": self.packets_per_cpu_second(),
            "own_cpu_seconds": self.own_cpu.map(|cpu| cpu.as_secs_f64()),
        });
        self.traffic.write(&mut json);
        json
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: String| writeln!(f, "{name:<15} {text}");
        line("server", format!("{}, channels over UDP", self.to))?;
        let allocated = self.allocating.lasted.as_secs_f64();
        line("allocations", format!("{} of {} in {allocated:.2} s", self.up, self.allocations))?;
        for (why, count) in &self.faults {
            line("failed", format!("{count} × {why}"))?;
        }
        if let Some(cpu) = self.cpu_per_1000() {
            line("CPU, server", format!("{cpu:.3} s for 1000 allocations"))?;
        }
        if let Some(bytes) = self.memory_of_each() {
            line("memory, server", format!("{:.1} kB for each allocation", bytes as f64 / 1024.0))?;
        }
        if self.traffic.sent == 0 {
            return Ok(());
        }
        line("packets", format!("{}; {} bytes each", self.traffic.words(self.relaying.lasted), self.size))?;
        for (count, what) in self.traffic.own_faults().into_iter().filter(|(count, _)| *count > 0) {
            line("", format!("{count} {what}"))?;
        }
        if let Some(delays) = self.traffic.delay_words() {
            line("on the way", delays)?;
        }
        if let Some(cpu) = self.own_cpu {
            line("CPU of the load", format!("{:.2} s", cpu.as_secs_f64()))?;
        }
        if let Some((packets, cpu)) = self.packets_per_cpu_second().zip(self.relaying.server) {
            line("CPU, server", format!("{:.2} s; {packets:.0} packets a second of CPU", cpu.as_secs_f64()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut traffic = Traffic { sent: 100_000, heard: 99_900, late: 3, ..Traffic::new() };
        traffic.delays.note(Duration::from_micros(250));
        Report {
            to: "10.0.0.1:3478".to_owned(),
            size: 200,
            allocations: 100,
            up: 98,
            faults: BTreeMap::from([("an allocation: the TURN server refused with 486".to_owned(), 2)]),
            allocating: Part { server: Some(Duration::from_millis(98)), lasted: Duration::from_secs(1) },
            relaying: Part { server: Some(Duration::from_secs(1)), lasted: Duration::from_secs(10) },
            traffic,
            own_cpu: Some(Duration::from_secs(2)),
            memory: Some(98 * 4096),
        }
    }

    #[test]
    fn the_text_says_what_came_of_it() {
        insta::assert_snapshot!(report().to_string(), @r"
        server          10.0.0.1:3478, channels over UDP
        allocations     98 of 100 in 1.00 s
        failed          2 × an allocation: the TURN server refused with 486
        CPU, server     1.000 s for 1000 allocations
        memory, server  4.0 kB for each allocation
        packets         100000 sent, 10000 a second; 99900 came through, 0.100 % lost; 200 bytes each
                        3 were not begun in time: the load needs more of a processor
        on the way      p50 0.25, p99 0.25, p999 0.25, most 0.25 ms
        CPU of the load 2.00 s
        CPU, server     1.00 s; 99900 packets a second of CPU
        ");
    }

    #[test]
    fn json_has_the_same_figures() {
        let json = report().json();
        assert_eq!(json["loss"], json!(0.001));
        assert_eq!(json["server_packets_per_cpu_second"], json!(99_900.0));
        assert_eq!(json["server_cpu_seconds_per_1000_allocations"], json!(1.0));
        assert_eq!(json["server_memory_bytes_per_allocation"], json!(4096));
        assert_eq!(json["delay_ms"]["p99"], json!(0.25));
    }

    #[test]
    fn a_load_succeeds_when_every_allocation_was_made_and_packets_came_through() {
        assert!(!report().is_success());
        assert!(Report { up: 100, ..report() }.is_success());
        let nothing = |sent| Report { up: 100, traffic: Traffic { sent, ..Traffic::new() }, ..report() };
        assert!(nothing(0).is_success(), "none were asked for");
        assert!(!nothing(100).is_success());
    }
}
