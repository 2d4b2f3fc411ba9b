//! What a far end tells.

use std::time::{Duration, Instant};

use rtcp_types::{Compound, Packet, ReportBlock};

use super::ntp::{NtpClock, from_short};

/// What we use of a compound packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Incoming {
    /// The sender report, when there is one.
    pub sender: Option<SenderReport>,
    /// The block about the stream that we send.
    pub report: Option<Report>,
    /// Whether the far end said BYE.
    pub bye: bool,
}

/// The part of a sender report that our next report block refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// Whose report it is.
    pub ssrc: u32,
    /// The middle 32 bits of its NTP timestamp.
    pub middle: u32,
}

/// What the far end tells about the stream that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The share lost since its last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all; negative when duplicates outnumber losses.
    pub lost: i32,
    /// The jitter it sees, in units of the media clock.
    pub jitter: u32,
    /// LSR: the middle of the timestamp of our last sender report that it knows; 0 for none.
    last_sender_report: u32,
    /// DLSR: how long ago that reached it.
    delay: u32,
}

/// The packet is not a sound compound RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sound compound RTCP packet")]
pub struct Malformed;

/// Reads a compound packet; blocks about other streams than `ours` are passed over.
///
/// The lengths of all packets in it have to add up, and the first has to say who sends it. What a packet of another kind
/// holds is not looked at, so that an odd SDES or an unknown feedback message does not cost the report before it.
pub fn read(compound: &[u8], ours: u32) -> Result<Incoming, Malformed> {
    sender_ssrc(compound).ok_or(Malformed)?;
    let mut incoming = Incoming::default();
    for packet in Compound::parse(compound).map_err(|_| Malformed)? {
        match packet {
            Ok(Packet::Sr(report)) => {
                let middle = (report.ntp_timestamp() >> 16) as u32;
                incoming.sender = Some(SenderReport { ssrc: report.ssrc(), middle });
                incoming.report = about(ours, report.report_blocks()).or(incoming.report);
            }
            Ok(Packet::Rr(report)) => {
                incoming.report = about(ours, report.report_blocks()).or(incoming.report);
            }
            Ok(Packet::Bye(_)) => incoming.bye = true,
            Ok(_) => {}
            Err(_) if incoming == Incoming::default() => return Err(Malformed),
            Err(_) => {}
        }
    }
    Ok(incoming)
}

/// The SSRC of the sender of a compound packet, which every kind of packet has in its second word.
pub fn sender_ssrc(compound: &[u8]) -> Option<u32> {
    let ssrc = compound.get(4..)?.first_chunk()?;
    Some(u32::from_be_bytes(*ssrc))
}

impl Report {
    /// The round trip time, of a report that arrived at `now`; `None` when it knows no sender report of ours, or the
    /// times contradict each other.
    pub fn round_trip(&self, clock: &NtpClock, now: Instant) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let trip = clock.ntp(now).middle().wrapping_sub(self.last_sender_report).wrapping_sub(self.delay);
        // A minute and more is a clock that was set or a report that was made up.
        (trip < MAX_TRIP).then(|| from_short(trip))
    }
}

fn about<'a>(ours: u32, mut blocks: impl Iterator<Item = ReportBlock<'a>>) -> Option<Report> {
    let block = blocks.find(|block| block.ssrc() == ours)?;
    Some(Report {
        fraction_lost: block.fraction_lost(),
        // The field is a signed number of 24 bits.
        lost: (block.cumulative_lost() << 8) as i32 >> 8,
        jitter: block.interarrival_jitter(),
        last_sender_report: block.last_sender_report_timestamp(),
        delay: block.delay_since_last_sender_report_timestamp(),
    })
}

/// In units of 1/65536 s.
const MAX_TRIP: u32 = 60 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringback_sansio::sim::Clock;

    use super::super::{Cname, MAX_LEN, Ntp, Outgoing, Sent};
    use super::*;
    use crate::rtp::Quality;

    fn written(received: Option<Quality>, last: Option<(u32, Duration)>, sent: bool) -> Vec<u8> {
        let cname = Cname::from_random([3; 12]);
        let sent =
            sent.then_some(Sent { ntp: Ntp(0x0001_0002_0003_0004), timestamp: 0, packets: 0, octets: 0 });
        let mut buffer = vec![0; MAX_LEN];
        let outgoing =
            Outgoing { ssrc: 5, cname: &cname, sent, received, last_sender_report: last, bye: false };
        let len = outgoing.write(&mut buffer).unwrap();
        buffer.truncate(len);
        buffer
    }

    #[test]
    fn the_block_about_our_stream_is_found_and_others_are_not_ours() {
        let quality = Quality { ssrc: 9, fraction_lost: 64, lost: -2, highest: 5, jitter: 12 };
        let packet = written(Some(quality), None, true);
        let incoming = read(&packet, 9).unwrap();
        assert_eq!(incoming.sender, Some(SenderReport { ssrc: 5, middle: 0x0002_0003 }));
        let report = incoming.report.unwrap();
        assert_eq!((report.fraction_lost, report.lost, report.jitter), (64, -2, 12));
        assert_eq!(read(&packet, 8).unwrap().report, None);
    }

    #[test]
    fn the_round_trip_is_what_neither_side_waited() {
        let mut world = Clock::new();
        let clock = NtpClock::new(world.now(), Duration::from_secs(1_700_000_000));
        let sent = clock.ntp(world.now()).middle();
        world.advance(Duration::from_millis(1080));
        let quality = Quality { ssrc: 9, fraction_lost: 0, lost: 0, highest: 5, jitter: 0 };
        let packet = written(Some(quality), Some((sent, Duration::from_secs(1))), false);
        let report = read(&packet, 9).unwrap().report.unwrap();
        let trip = report.round_trip(&clock, world.now()).unwrap().as_micros();
        assert!((79_900..=80_100).contains(&trip), "{trip} µs");
        world.advance(Duration::from_secs(100));
        assert_eq!(report.round_trip(&clock, world.now()), None, "a stale report tells no time");
        let none = written(Some(quality), None, false);
        assert_eq!(read(&none, 9).unwrap().report.unwrap().round_trip(&clock, world.now()), None);
    }

    #[test]
    fn an_odd_packet_behind_the_report_does_not_cost_the_report() {
        let quality = Quality { ssrc: 9, fraction_lost: 1, lost: 1, highest: 5, jitter: 0 };
        let mut packet = written(Some(quality), None, true);
        // An SDES whose item runs over its end.
        packet.extend([0x81, 202, 0, 2, 0, 0, 0, 5, 1, 200, b'x', b'y']);
        assert!(read(&packet, 9).unwrap().report.is_some());
        packet.truncate(packet.len() - 4);
        assert_eq!(read(&packet, 9), Err(Malformed), "lengths have to add up");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 192u8..224) {
            let _ = read(&bytes, 1);
            if let [first, second, ..] = &mut bytes[..] {
                *first = *first & 0x3f | 0x80;
                *second = kind;
            }
            let _ = read(&bytes, 1);
        }
    }
}
