//! What is known about the packets of one source, for receiver reports ([RFC 3550 appendix A]).
//!
//! [RFC 3550 appendix A]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A

use std::time::{Duration, Instant};

use super::Header;
use super::continuity::ticks;

/// Counts what one leg receives. When its source changes, the losses of the one before are kept in the total.
#[derive(Debug, Default)]
pub struct Reception {
    source: Option<Source>,
    lost_before: u64,
    tally: Tally,
}

/// What was counted since the start, of all sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that arrived for the first time.
    pub received: u64,
    /// Numbers that were skipped when a higher one came. Those that came late are counted here too.
    pub skipped: u64,
    /// How often numbers were skipped: the bursts of loss.
    pub gaps: u64,
    /// Packets that came after one with a higher number.
    pub late: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// How much audio the skipped numbers stood for, less what came late.
    pub missing: Duration,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The first number, and the highest with its cycles.
    base: u32,
    highest: u32,
    received: u32,
    /// The number after a jump that was not believed yet.
    bad: Option<u16>,
    /// Where arrival times are counted from.
    epoch: Instant,
    clock_rate: u32,
    transit: u32,
    timestamp: u32,
    /// In units of the media clock, times 16.
    jitter: u32,
    expected_prior: u32,
    received_prior: u32,
    /// A bit for each of the last 64 numbers that came, the highest in bit 0.
    recent: u64,
    /// The time that one packet stands for, in units of the media clock; 0 until two came in a row.
    step: u32,
}

/// What a report block says about a source ([RFC 3550 §6.4.1]), except for the times of its sender reports.
///
/// [RFC 3550 §6.4.1]: https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// The source.
    pub ssrc: u32,
    /// The share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; negative when duplicates outnumber losses.
    pub lost: i32,
    /// The highest sequence number, with its cycles.
    pub highest: u32,
    /// The interarrival jitter in units of the media clock.
    pub jitter: u32,
}

impl Reception {
    /// Nothing received.
    pub const fn new() -> Self {
        Reception { source: None, lost_before: 0, tally: Tally::NONE }
    }

    /// Notes a packet that has arrived, whose payload type has `clock_rate`.
    #[inline]
    pub fn receive(&mut self, now: Instant, header: &Header, clock_rate: u32) {
        match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => {
                source.tally(&mut self.tally, header);
                if source.update_sequence(header.sequence) {
                    source.update_jitter(now, header.timestamp, clock_rate);
                }
            }
            _ => {
                self.lost_before = self.lost();
                self.tally.received += 1;
                self.source = Some(Source::new(now, header, clock_rate));
            }
        }
    }

    /// What was counted since the start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The SSRC of the latest packet.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Packets lost, of all sources.
    pub fn lost(&self) -> u64 {
        let current = self.source.as_ref().map_or(0, |source| source.lost().max(0));
        self.lost_before + u64::try_from(current).unwrap_or_default()
    }

    /// The interarrival jitter of the current source.
    pub fn jitter(&self) -> Duration {
        let Some(source) = &self.source else { return Duration::ZERO };
        let nanos = u64::from(source.jitter >> 4) * 1_000_000_000;
        Duration::from_nanos(nanos / u64::from(source.clock_rate.max(1)))
    }

    /// What a report block says; the interval of the fraction lost ends here.
    pub fn report(&mut self) -> Option<Quality> {
        self.source.as_mut().map(Source::report)
    }
}

impl Tally {
    const NONE: Tally =
        Tally { received: 0, skipped: 0, gaps: 0, late: 0, duplicates: 0, missing: Duration::ZERO };
}

impl Source {
    fn new(now: Instant, header: &Header, clock_rate: u32) -> Self {
        let base = u32::from(header.sequence);
        Source {
            ssrc: header.ssrc,
            base,
            highest: base,
            received: 1,
            bad: None,
            epoch: now,
            clock_rate,
            transit: 0u32.wrapping_sub(header.timestamp),
            timestamp: header.timestamp,
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
            recent: 1,
            step: 0,
        }
    }

    /// Counts a packet by its number, before [`update_sequence`](Self::update_sequence) takes it.
    fn tally(&mut self, tally: &mut Tally, header: &Header) {
        let ahead = header.sequence.wrapping_sub(self.highest as u16);
        let behind = (self.highest as u16).wrapping_sub(header.sequence);
        let packet = || {
            let clock_rate = u64::from(self.clock_rate.max(1));
            Duration::from_nanos(u64::from(self.step) * 1_000_000_000 / clock_rate)
        };
        match (ahead, behind) {
            (1, _) => {
                tally.received += 1;
                let step = header.timestamp.wrapping_sub(self.timestamp);
                // Events of one digit share a timestamp, and after a pause it jumps.
                if (1..=self.clock_rate).contains(&step) {
                    self.step = step;
                }
                self.recent = self.recent << 1 | 1;
            }
            (2..MAX_DROPOUT, _) => {
                tally.received += 1;
                tally.skipped += u64::from(ahead - 1);
                tally.gaps += 1;
                tally.missing += packet() * u32::from(ahead - 1);
                self.recent = self.recent.checked_shl(ahead.into()).unwrap_or_default() | 1;
            }
            (_, 0..64) => {
                let bit = 1 << behind;
                if self.recent & bit != 0 {
                    tally.duplicates += 1;
                } else {
                    tally.received += 1;
                    tally.late += 1;
                    tally.missing = tally.missing.saturating_sub(packet());
                    self.recent |= bit;
                }
            }
            // So late that nobody can play it.
            (_, 64..=MAX_MISORDER) => tally.late += 1,
            // Two in a row: a restart.
            _ if self.bad == Some(header.sequence) => {
                tally.received += 1;
                self.recent = 1;
            }
            _ => {}
        }
    }

    /// Appendix A.1, without its probation: a leg's source was checked before. Says whether the packet counts.
    fn update_sequence(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.wrapping_add(ahead.into());
        } else if ahead <= u16::MAX - MAX_MISORDER {
            if self.bad == Some(sequence) {
                // Two in a row: the source has restarted without telling.
                let base = u32::from(sequence);
                (self.base, self.highest) = (base, base);
                (self.received, self.expected_prior, self.received_prior) = (0, 0, 0);
            } else {
                self.bad = Some(sequence.wrapping_add(1));
                return false;
            }
        }
        self.bad = None;
        self.received = self.received.wrapping_add(1);
        true
    }

    /// Appendix A.8. Packets of one sampling instant, as those of one telephone event, say nothing about jitter.
    fn update_jitter(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if clock_rate != self.clock_rate {
            *self =
                Source { epoch: now, clock_rate, transit: 0u32.wrapping_sub(timestamp), timestamp, ..*self };
            return;
        }
        if timestamp == self.timestamp {
            return;
        }
        let arrival = ticks(now.saturating_duration_since(self.epoch), clock_rate);
        let transit = arrival.wrapping_sub(timestamp);
        let step = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        self.transit = transit;
        self.timestamp = timestamp;
        // A jump of the timestamp is no jitter.
        if step < clock_rate {
            self.jitter = self.jitter + step - ((self.jitter + 8) >> 4);
        }
    }

    fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.base).wrapping_add(1)
    }

    fn lost(&self) -> i64 {
        i64::from(self.expected()) - i64::from(self.received)
    }

    /// Appendix A.3.
    fn report(&mut self) -> Quality {
        let expected = self.expected().wrapping_sub(self.expected_prior);
        let received = self.received.wrapping_sub(self.received_prior);
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = i64::from(expected) - i64::from(received);
        let fraction_lost =
            if expected == 0 || lost <= 0 { 0 } else { ((lost << 8) / i64::from(expected)).min(255) };
        Quality {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest,
            jitter: self.jitter >> 4,
        }
    }
}

/// A step forward that is still believed to be loss, and one back that is still reordering (appendix A.1).
const MAX_DROPOUT: u16 = 3000;
const MAX_MISORDER: u16 = 100;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header {
            payload_type: 0,
            marker: false,
            sequence,
            timestamp,
            ssrc,
            has_extension: false,
            payload: 12,
        }
    }

    #[test]
    fn losses_are_counted_over_the_wrap_and_over_a_change_of_source() {
        let now = Clock::new().now();
        let mut reception = Reception::new();
        for sequence in [65_530u16, 65_531, 65_534, 1, 0] {
            reception.receive(now, &header(1, sequence, 0), 8000);
        }
        // 65530..=1 are 8 packets, of which 65532, 65533 and 65535 are missing.
        assert_eq!(reception.lost(), 3);
        let report = reception.report().unwrap();
        assert_eq!((report.lost, report.highest, report.fraction_lost), (3, 0x1_0001, 96));
        reception.receive(now, &header(1, 2, 0), 8000);
        assert_eq!(reception.report().unwrap().fraction_lost, 0, "the fraction is that of the interval");
        reception.receive(now, &header(2, 10, 0), 8000);
        reception.receive(now, &header(2, 12, 0), 8000);
        assert_eq!(reception.lost(), 4);
        assert_eq!(reception.report().unwrap().lost, 1);
    }

    #[test]
    fn a_jump_is_believed_when_the_next_packet_confirms_it() {
        let now = Clock::new().now();
        let mut reception = Reception::new();
        reception.receive(now, &header(1, 10, 0), 8000);
        reception.receive(now, &header(1, 20_000, 0), 8000);
        assert_eq!(reception.lost(), 0);
        reception.receive(now, &header(1, 20_001, 0), 8000);
        assert_eq!(reception.report().unwrap().highest, 20_001);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn duplicates_make_the_loss_of_a_report_negative_and_the_total_zero() {
        let now = Clock::new().now();
        let mut reception = Reception::new();
        reception.receive(now, &header(1, 10, 0), 8000);
        reception.receive(now, &header(1, 10, 0), 8000);
        assert_eq!(reception.report().unwrap().lost, -1);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn gaps_late_packets_and_duplicates_are_told_apart() {
        let now = Clock::new().now();
        let mut reception = Reception::new();
        // 12 comes late, 14 twice, 16 and 17 never.
        for sequence in [10u16, 11, 13, 12, 14, 14, 15, 18] {
            reception.receive(now, &header(1, sequence, u32::from(sequence) * 160), 8000);
        }
        let tally = reception.tally();
        assert_eq!((tally.received, tally.late, tally.duplicates), (7, 1, 1));
        assert_eq!((tally.skipped, tally.gaps), (3, 2));
        assert_eq!(tally.missing, Duration::from_millis(40), "two packets of 20 ms");
        reception.receive(now, &header(2, 99, 0), 8000);
        assert_eq!(reception.tally().received, 8, "another source counts on");
    }

    #[test]
    fn a_restart_is_no_loss_to_the_tally() {
        let now = Clock::new().now();
        let mut reception = Reception::new();
        for sequence in [10u16, 11, 30_000, 30_001, 30_002] {
            reception.receive(now, &header(1, sequence, 0), 8000);
        }
        assert_eq!(reception.tally().skipped, 0);
    }

    #[test]
    fn jitter_settles_at_the_mean_deviation() {
        let mut clock = Clock::new();
        let mut reception = Reception::new();
        for n in 0..2000u32 {
            // Every other packet is 5 ms late: the transit times differ by 5 ms from packet to packet.
            let wait = if n % 2 == 0 { 15 } else { 25 };
            clock.advance(Duration::from_millis(wait));
            reception.receive(clock.now(), &header(1, n as u16, n * 160), 8000);
        }
        let jitter = reception.jitter().as_micros();
        assert!((4800..=5200).contains(&jitter), "{jitter} µs");
    }
}
