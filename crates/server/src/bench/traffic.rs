//! Packets of a load: what was sent and what came out.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::times::{Times, millis};

/// Packets in a window of counting.
pub(super) struct Traffic {
    /// Packets that were begun, in both directions.
    pub(super) sent: u64,
    /// Packets that came out at the other end.
    pub(super) heard: u64,
    /// Packets that the kernel did not take.
    pub(super) unsent: u64,
    /// Packets that were due so long ago that they were left out.
    pub(super) late: u64,
    /// Datagrams that came and found the load's own sockets full.
    pub(super) dropped_here: u64,
    /// From the sending of a packet to its coming out, where that can be told.
    pub(super) delays: Times,
}

/// What a part of a run took.
pub(super) struct Part {
    /// CPU of the server's processes.
    pub(super) server: Option<Duration>,
    pub(super) lasted: Duration,
}

/// The shares of the delays that are reported.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

impl Traffic {
    /// None.
    pub(super) fn new() -> Self {
        Traffic { sent: 0, heard: 0, unsent: 0, late: 0, dropped_here: 0, delays: Times::new() }
    }

    /// The share of the packets that the server lost.
    pub(super) fn loss(&self) -> f64 {
        let lost = self.sent.saturating_sub(self.heard + self.dropped_here + self.unsent);
        if self.sent == 0 { 0.0 } else { lost as f64 / self.sent as f64 }
    }

    /// How many were sent and came through, while it `lasted`.
    pub(super) fn words(&self, lasted: Duration) -> String {
        let a_second = self.sent as f64 / lasted.as_secs_f64().max(0.001);
        let (sent, heard, lost) = (self.sent, self.heard, self.loss() * 100.0);
        format!("{sent} sent, {a_second:.0} a second; {heard} came through, {lost:.3} % lost")
    }

    /// What the load itself is to blame for.
    pub(super) fn own_faults(&self) -> [(u64, &'static str); 3] {
        [
            (self.late, "were not begun in time: the load needs more of a processor"),
            (self.dropped_here, "came and found the load too slow"),
            (self.unsent, "were not taken by the kernel"),
        ]
    }

    /// How long they were on the way, where that is known.
    pub(super) fn delay_words(&self) -> Option<String> {
        if self.delays.is_empty() {
            return None;
        }
        let shares = SHARES.map(|(name, share)| format!("{name} {:.2}", millis(self.delays.quantile(share))));
        Some(format!("{}, most {:.2} ms", shares.join(", "), millis(self.delays.most())))
    }

    /// Adds the same figures to a report, by their names.
    pub(super) fn write(&self, report: &mut Value) {
        let figures = json!({
            "packets_sent": self.sent,
            "packets_heard": self.heard,
            "packets_unsent": self.unsent,
            "packets_late": self.late,
            "packets_dropped_by_the_load": self.dropped_here,
            "loss": self.loss(),
            "delay_ms": self.delay_json(),
        });
        if let (Value::Object(report), Value::Object(figures)) = (report, figures) {
            report.extend(figures);
        }
    }

    /// The delays in ms, by the names of their shares.
    fn delay_json(&self) -> Value {
        if self.delays.is_empty() {
            return Value::Null;
        }
        let mut delays: Map<String, Value> = SHARES
            .iter()
            .map(|(name, share)| ((*name).to_owned(), millis(self.delays.quantile(*share)).into()))
            .collect();
        delays.insert("most".to_owned(), millis(self.delays.most()).into());
        delays.into()
    }
}
