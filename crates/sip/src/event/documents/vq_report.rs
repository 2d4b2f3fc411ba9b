//! What a phone says of how a call sounded: application/vq-rtcpxr ([RFC 6035 §4.6]).
//!
//! Phones differ in what they write: lines stand in any order, names in any case, the line that begins a report has a
//! value or not, and a metric that was not measured is missing, 0, or 127. So everything that is not understood is
//! passed over; only what is no report at all, names no call, or is larger than any phone writes is refused.
//!
//! Assumptions and what is left out:
//! - A report is about what its sender heard: `LocalMetrics`. `RemoteMetrics` repeats what the far end told it by RTCP.
//! - Addresses, the session's description, jitter buffer settings, bursts and signal levels are not read.
//! - An alert (`VQAlertReport`) carries the metrics of an interval and is one.
//!
//! [RFC 6035 §4.6]: https://www.rfc-editor.org/rfc/rfc6035#section-4.6

use std::time::Duration;

use thiserror::Error;

/// The media type of a report.
pub const CONTENT_TYPE: &str = "application/vq-rtcpxr";

/// The event package by which a report is published ([RFC 6035 §4.1]).
///
/// [RFC 6035 §4.1]: https://www.rfc-editor.org/rfc/rfc6035#section-4.1
pub const EVENT: &str = "vq-rtcpxr";

/// A report of a phone about one of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'b> {
    /// What it covers.
    pub kind: Kind,
    /// The Call-ID of the dialog.
    pub call_id: &'b [u8],
    /// The tags of the dialog, as far as they are given. Phones do not agree on which of them is whose.
    pub tags: [Option<&'b [u8]>; 2],
    /// What its sender heard.
    pub local: Metrics,
}

/// What a report covers. The greater one tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A part of the call.
    Interval,
    /// The call as a whole, or until a change of its session.
    Session,
}

/// What a phone has measured of the stream that came to it; `None` where it has not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Packets lost on the way (`NLR`), in hundredths of a percent, up to 10 000.
    pub loss: Option<u16>,
    /// Packets that came too late or too early for its jitter buffer (`JDR`), in hundredths of a percent, up to 10 000.
    pub discarded: Option<u16>,
    /// The interarrival jitter (`IAJ`), or the mean absolute jitter (`MAJ`) where there is no other; up to 65.535 s.
    pub jitter: Option<Duration>,
    /// The round trip delay between the two ends of the media (`RTD`), up to 65.535 s.
    pub round_trip: Option<Duration>,
    /// The mean opinion score of how it sounded (`MOSLQ`), in hundredths, from 100 to 500.
    pub mos_lq: Option<u16>,
    /// The score that takes the delay into account (`MOSCQ`), in hundredths, from 100 to 500.
    pub mos_cq: Option<u16>,
}

/// Why a report is not taken; `Display` is a sentence for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadReport {
    /// More bytes or lines than any phone writes.
    #[error("the report is too large: at most {MAX_BYTES} bytes and {MAX_LINES} lines are read")]
    TooLarge,
    /// It does not begin as a report does.
    #[error("a report begins with VQSessionReport, VQIntervalReport or VQAlertReport")]
    NoReport,
    /// It has no `CallID`.
    #[error("the report names no call: it needs a line CallID")]
    NoCall,
}

impl<'b> Report<'b> {
    /// Reads a body.
    pub fn parse(body: &'b [u8]) -> Result<Report<'b>, BadReport> {
        if body.len() > MAX_BYTES {
            return Err(BadReport::TooLarge);
        }
        let mut lines =
            body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let (begin, _) = cut(lines.next().unwrap_or_default());
        let kind = match begin {
            _ if begin.eq_ignore_ascii_case(b"VQSessionReport") => Kind::Session,
            _ if begin.eq_ignore_ascii_case(b"VQIntervalReport") => Kind::Interval,
            _ if begin.eq_ignore_ascii_case(b"VQAlertReport") => Kind::Interval,
            _ => return Err(BadReport::NoReport),
        };
        let mut report = Report { kind, call_id: b"", tags: [None; 2], local: Metrics::default() };
        let mut is_remote = false;
        for (count, line) in lines.enumerate() {
            if count == MAX_LINES {
                return Err(BadReport::TooLarge);
            }
            let (name, value) = cut(line);
            let is = |expected: &[u8]| name.eq_ignore_ascii_case(expected);
            if is(b"LocalMetrics") {
                is_remote = false;
            } else if is(b"RemoteMetrics") {
                is_remote = true;
            } else if is(b"CallID") {
                report.call_id = value;
            } else if is(b"DialogID") {
                report.tags = tags(value);
            } else if !is_remote {
                report.local.take(name, value);
            }
        }
        if report.call_id.is_empty() {
            return Err(BadReport::NoCall);
        }
        Ok(report)
    }
}

impl Metrics {
    /// Takes what a line says. A value that cannot be read leaves the metric as it was.
    fn take(&mut self, name: &[u8], value: &[u8]) {
        let is = |expected: &[u8]| name.eq_ignore_ascii_case(expected);
        let said = |wanted: &[u8]| {
            parameters(value)
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| hundredths(value))
        };
        let share = |wanted: &[u8]| {
            said(wanted).and_then(|hundredths| u16::try_from(hundredths.min(MOST_SHARE)).ok())
        };
        let time = |wanted: &[u8]| {
            said(wanted).map(|hundredths| Duration::from_micros(u64::from(hundredths) * 10).min(LONGEST))
        };
        // 127 says that there is none (RFC 3611 §4.7.5), 0 that the phone does not estimate it.
        let score = |wanted: &[u8]| {
            said(wanted)
                .and_then(|hundredths| u16::try_from(hundredths).ok())
                .filter(|score| (100..=500).contains(score))
        };
        if is(b"PacketLoss") {
            self.loss = share(b"NLR").or(self.loss);
            self.discarded = share(b"JDR").or(self.discarded);
        } else if is(b"Delay") {
            self.jitter = time(b"IAJ").or_else(|| time(b"MAJ")).or(self.jitter);
            self.round_trip = time(b"RTD").or(self.round_trip);
        } else if is(b"QualityEst") {
            self.mos_lq = score(b"MOSLQ").or(self.mos_lq);
            self.mos_cq = score(b"MOSCQ").or(self.mos_cq);
        }
    }
}

/// A line as its name and its value; a line without a colon is all name.
fn cut(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b':') {
        Some(colon) => {
            let (name, value) = line.split_at(colon);
            (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
        }
        None => (line, b""),
    }
}

/// The parameters of a line, `NAME=VALUE` with spaces between them.
fn parameters(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|byte| byte.is_ascii_whitespace() || *byte == b';').filter_map(|parameter| {
        let equals = parameter.iter().position(|&byte| byte == b'=')?;
        Some((parameter.get(..equals)?, parameter.get(equals + 1..)?))
    })
}

/// The tags of a `DialogID`: `CALL-ID;to-tag=TAG;from-tag=TAG`.
fn tags(value: &[u8]) -> [Option<&[u8]>; 2] {
    let named = |wanted: &[u8]| {
        let mut found = parameters(value).filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
    };
    [named(b"from-tag"), named(b"to-tag")]
}

/// A number in hundredths, as many as fit; what stands behind the second decimal is cut off. `None` for anything else,
/// a negative number too.
fn hundredths(text: &[u8]) -> Option<u32> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, decimals) = (text.get(..point)?, text.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || !whole.iter().chain(decimals).all(u8::is_ascii_digit) {
        return None;
    }
    let padded = decimals.iter().chain(b"00").take(2);
    let digits = whole.iter().chain(padded).map(|digit| u32::from(digit.wrapping_sub(b'0')));
    Some(digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(digit)))
}

/// The most bytes of a report: some ten times what a phone writes.
const MAX_BYTES: usize = 16 * 1024;

/// The most lines after the first; the RFC knows some thirty.
const MAX_LINES: usize = 128;

/// All packets, in hundredths of a percent.
const MOST_SHARE: u32 = 10_000;

/// The longest time that RTCP XR can tell (RFC 3611 §4.7.3).
const LONGEST: Duration = Duration::from_millis(65_535);

#[cfg(test)]
mod tests {
    use super::*;

    /// A report as the RFC describes one, with both ends.
    const WHOLE: &str = "VQSessionReport: CallTerm\r\nCallID: 3c26700c1adb\r\nLocalID: Desk <sip:bob@example.org>\r\n\
        RemoteID: <sip:alice@example.org>\r\nOrigID: <sip:alice@example.org>\r\n\
        LocalAddr: IP=192.0.2.7 PORT=5000 SSRC=1a3b5c7d\r\nRemoteAddr: IP=198.51.100.4 PORT=5002 SSRC=0x2468abcd\r\n\
        LocalMetrics:\r\nTimestamps: START=2026-03-10T18:23:43Z STOP=2026-03-10T18:26:02Z\r\n\
        SessionDesc: PT=8 PD=PCMA SR=8000 FD=20 FPP=1 PPS=50 FMTP=\"a NLR=9\" PLC=3 SSUP=off\r\n\
        JitterBuffer: JBA=3 JBR=2 JBN=40 JBM=80 JBX=120\r\nPacketLoss: NLR=5.25 JDR=2.0\r\n\
        BurstGapLoss: BLD=0 BD=0 GLD=2.0 GD=500 GMIN=16\r\nDelay: RTD=200 ESD=140 SOWD=100 IAJ=12.5 MAJ=10\r\n\
        Signal: SL=-18 NL=-50 RERL=55\r\nQualityEst: RLQ=90 RCQ=85 EXTRI=90 MOSLQ=4.1 MOSCQ=4.02 QoEEstAlg=P.564\r\n\
        RemoteMetrics:\r\nPacketLoss: NLR=99 JDR=99\r\nDelay: RTD=999 IAJ=99\r\nQualityEst: MOSLQ=1.5 MOSCQ=1.5\r\n\
        DialogID: 3c26700c1adb;to-tag=4a1.c0ffee;from-tag=9123dh311\r\n";

    #[test]
    fn a_report_says_what_its_sender_heard() {
        let report = Report::parse(WHOLE.as_bytes()).unwrap();
        assert_eq!((report.kind, report.call_id), (Kind::Session, &b"3c26700c1adb"[..]));
        assert_eq!(report.tags, [Some(&b"9123dh311"[..]), Some(&b"4a1.c0ffee"[..])]);
        let heard = Metrics {
            loss: Some(525),
            discarded: Some(200),
            jitter: Some(Duration::from_micros(12_500)),
            round_trip: Some(Duration::from_millis(200)),
            mos_lq: Some(410),
            mos_cq: Some(402),
        };
        assert_eq!(report.local, heard);
    }

    #[test]
    fn what_phones_write_otherwise_is_understood() {
        fn heard(text: &str) -> Report<'_> {
            Report::parse(text.as_bytes()).unwrap()
        }
        let report = heard(
            "VQSessionReport\nlocalmetrics:\nPacketLoss : NLR=0.0 JDR=0.0\nDelay:RTD=0 MAJ=3\nCALLID:a@b\n",
        );
        assert_eq!((report.kind, report.call_id), (Kind::Session, &b"a@b"[..]), "the call is named last");
        assert_eq!((report.local.loss, report.local.jitter), (Some(0), Some(Duration::from_millis(3))));
        let report =
            heard("VQIntervalReport\r\nCallID: a\r\nPacketLoss: NLR=1\r\nPacketLoss: NLR=x JDR=\r\n");
        assert_eq!(
            (report.kind, report.local.loss),
            (Kind::Interval, Some(100)),
            "what cannot be read says nothing"
        );
        let alert = heard("\r\nVQAlertReport: Type=RLQ Severity=Critical Dir=local\r\nCallID: a");
        assert_eq!((alert.kind, alert.local), (Kind::Interval, Metrics::default()));
        let latin = Report::parse(b"VQSessionReport\nLocalID: \xfcber\nCallID: a\n\xff\xfe").unwrap();
        assert_eq!(latin.call_id, b"a", "names need not be UTF-8");
    }

    #[test]
    fn numbers_stay_within_their_ranges() {
        let heard = |line: &str| {
            Report::parse(format!("VQSessionReport\nCallID: a\n{line}").as_bytes()).unwrap().local
        };
        assert_eq!(heard("PacketLoss: NLR=100.01 JDR=99999999999").loss, Some(10_000));
        assert_eq!(heard("PacketLoss: NLR=-1 JDR=99999999999").discarded, Some(10_000));
        assert_eq!(heard("PacketLoss: NLR=-1").loss, None);
        assert_eq!(heard("PacketLoss: NLR=0.999").loss, Some(99));
        assert_eq!(heard("Delay: RTD=4294967296 IAJ=65536").round_trip, Some(LONGEST));
        assert_eq!(heard("Delay: RTD=1e3 IAJ=65536").jitter, Some(LONGEST));
        for (said, score) in [
            ("127", None),
            ("12.7", None),
            ("0.0", None),
            ("0.99", None),
            ("1", Some(100)),
            ("5.0", Some(500)),
            ("5.01", None),
            ("", None),
        ] {
            assert_eq!(heard(&format!("QualityEst: MOSLQ={said}")).mos_lq, score, "{said}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let refused = |text: &str| Report::parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused(""), BadReport::NoReport);
        assert_eq!(refused("CallID: a\r\nVQSessionReport"), BadReport::NoReport);
        assert_eq!(refused("VQSessionReports: a\r\nCallID: a"), BadReport::NoReport);
        assert_eq!(refused("VQSessionReport: CallTerm\r\nCallID:\r\nPacketLoss: NLR=1"), BadReport::NoCall);
        let lines = |count: usize| format!("VQSessionReport\nCallID: a\n{}", "X: y\n".repeat(count));
        assert!(Report::parse(lines(MAX_LINES - 1).as_bytes()).is_ok());
        assert_eq!(refused(&lines(MAX_LINES)), BadReport::TooLarge);
        assert_eq!(
            refused(&format!("VQSessionReport\nCallID: {}", "a".repeat(MAX_BYTES))),
            BadReport::TooLarge
        );
    }
}
