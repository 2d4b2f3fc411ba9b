//! What holds for any bytes that come as RTCP; a fuzz target and a test of its corpus call it.

use std::time::{Duration, Instant};

use super::{
    Cname, Feedback, MAX_LEN, NtpClock, Outgoing, Sent, feedback, missing, read, request_for, sender_ssrc,
};
use crate::rtp::Quality;

/// Reads a compound packet, and answers it with reports made of what it says, which are read back.
pub fn rtcp(data: &[u8], now: Instant) {
    let clock = NtpClock::new(now, Duration::from_secs(1_700_000_000));
    let Ok(incoming) = read(data, OURS) else { return };
    let sender = sender_ssrc(data);
    for said in feedback(data) {
        match said {
            // A packet has less than 64 kB, so the pairs in it are bounded, and so is what they name.
            Feedback::Nack { pairs, .. } => assert!(missing(pairs).count() <= 17 * data.len() / 4),
            Feedback::FullIntra { entries } => {
                assert!(request_for(OURS, entries).is_none_or(|_| entries.len() >= 8))
            }
            Feedback::PictureLoss { .. } | Feedback::Bitrate(_) => {}
        }
    }
    assert!(sender.is_some(), "a sound packet has a sender");
    if let Some(report) = incoming.report {
        let trip = report.round_trip(&clock, now);
        assert!(trip.is_none_or(|trip| trip < Duration::from_secs(65_536)));
    }

    let received = incoming.report.map(|report| Quality {
        ssrc: sender.unwrap_or_default(),
        fraction_lost: report.fraction_lost,
        lost: report.lost,
        highest: report.jitter,
        jitter: report.jitter,
    });
    let sent = incoming.sender.map(|report| Sent {
        ntp: clock.ntp(now),
        timestamp: report.middle,
        packets: report.ssrc,
        octets: report.middle,
    });
    let cname = Cname::from_random([7; 12]);
    let last = incoming.sender.map(|report| (report.middle, Duration::from_millis(report.ssrc.into())));
    let ours =
        Outgoing { ssrc: OURS, cname: &cname, sent, received, last_sender_report: last, bye: incoming.bye };
    let mut buffer = [0; MAX_LEN];
    let written = ours.write(&mut buffer).and_then(|len| buffer.get(..len)).unwrap_or_default();
    let Ok(again) = read(written, sender.unwrap_or_default()) else {
        unreachable!("our own report is refused")
    };
    assert_eq!(again.sender.map(|report| report.ssrc), sent.map(|_| OURS));
    assert_eq!(again.bye, incoming.bye);
    let told = again.report.map(|report| (report.fraction_lost, report.lost, report.jitter));
    assert_eq!(told, received.map(|quality| (quality.fraction_lost, quality.lost, quality.jitter)));
}

/// The SSRC of the stream that reports are about: that of the reports in the corpus.
const OURS: u32 = 0x0a0b_0c0d;
