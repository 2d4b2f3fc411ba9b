//! The RTCP of one leg: what its far end has reported, and when a report of ours is due.

use std::time::{Duration, Instant};

use super::FarReport;
use super::random::Random;
use crate::rtcp::{NtpClock, Report, SenderReport};

pub(super) struct Rtcp {
    /// Packets taken from the far end, and their bytes.
    pub(super) packets_in: u64,
    pub(super) octets_in: u64,
    pub(super) far: Option<FarReport>,
    pub(super) round_trip: Option<Duration>,
    /// The far end's last sender report and when it came.
    sender_report: Option<(SenderReport, Instant)>,
    /// The loss that the far end reported when it was last told, in percent.
    told_loss: u8,
    /// How far in the report interval this leg's reports are made.
    phase: Duration,
    report_at: Option<Instant>,
    /// When the report was due that is to be written.
    due: Option<Instant>,
    has_reported: bool,
    is_leaving: bool,
}

impl Rtcp {
    pub(super) fn new(random: &mut Random) -> Self {
        let millis = REPORT_INTERVAL.as_millis() as u32;
        Rtcp {
            packets_in: 0,
            octets_in: 0,
            far: None,
            round_trip: None,
            sender_report: None,
            told_loss: 0,
            phase: Duration::from_millis((random.word() % millis).into()),
            report_at: None,
            due: None,
            has_reported: false,
            is_leaving: false,
        }
    }

    /// Reports from now on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.report_at.get_or_insert(now + self.phase);
    }

    /// Reports no more until it begins again.
    pub(super) fn rest(&mut self) {
        (self.report_at, self.due) = (None, None);
    }

    /// Counts a compound packet of the far end.
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.packets_in += 1;
        self.octets_in += bytes.len() as u64;
    }

    /// The far end tells about what it sends.
    pub(super) fn take_sender_report(&mut self, now: Instant, report: SenderReport) {
        self.sender_report = Some((report, now));
    }

    /// The far end tells about what we send in this clock; the same in our units.
    pub(super) fn take_report(
        &mut self,
        now: Instant,
        report: Report,
        clock_rate: u32,
        clock: &NtpClock,
    ) -> FarReport {
        self.round_trip = report.round_trip(clock, now).or(self.round_trip);
        let nanos = u64::from(report.jitter) * 1_000_000_000 / u64::from(clock_rate.max(1));
        let jitter = Duration::from_nanos(nanos);
        *self.far.insert(FarReport { fraction_lost: report.fraction_lost, lost: report.lost, jitter })
    }

    /// The loss that the far end reports, in percent, when it is another than at the last look.
    pub(super) fn poll_loss(&mut self) -> Option<u8> {
        let percent = (u16::from(self.far?.fraction_lost) * 100).div_ceil(256) as u8;
        (std::mem::replace(&mut self.told_loss, percent) != percent).then_some(percent)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.report_at
    }

    /// Says whether a report has become due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_due = self.report_at.is_some_and(|at| at <= now);
        if is_due {
            self.due = Some(now);
            self.report_at = Some(now + REPORT_INTERVAL);
        }
        is_due
    }

    /// Makes a last report due, with BYE. Who never sent anything does not say BYE (RFC 3550 §6.3.7).
    pub(super) fn leave(&mut self, now: Instant, has_sent: bool) {
        self.is_leaving = self.has_reported || has_sent;
        self.due = self.is_leaving.then_some(now);
    }

    /// When the report was due that is to be written now.
    pub(super) fn take_due(&mut self) -> Option<Instant> {
        self.due.take()
    }

    /// Whether a stream that was last sent then is told of in a sender report (RFC 3550 §6.4).
    pub(super) fn is_sender(now: Instant, last_sent: Option<Instant>) -> bool {
        last_sent.is_some_and(|sent| now < sent + 2 * REPORT_INTERVAL)
    }

    /// The middle of the last sender report of `ssrc`, and how long ago it came.
    pub(super) fn last_sender_report(&self, now: Instant, ssrc: Option<u32>) -> Option<(u32, Duration)> {
        let (report, at) = self.sender_report.filter(|(report, _)| Some(report.ssrc) == ssrc)?;
        Some((report.middle, now.saturating_duration_since(at)))
    }

    /// Whether the report that is due ends with BYE.
    pub(super) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// A report was written.
    pub(super) fn sent(&mut self) {
        self.has_reported = true;
    }
}

/// How often a leg's reports are made.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
