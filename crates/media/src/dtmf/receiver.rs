//! Presses out of the packets of telephone events.

use std::time::{Duration, Instant};

use super::{Digit, Found, Press, TelephoneEvent};

/// Turns the packets of a stream's telephone events into one press each ([RFC 4733 §2.5.2]).
///
/// Packets of one event have its timestamp: updates in which the duration grows, and three that say that it is over, of
/// which one is enough. When all three are lost the next event ends it, or the time. A long event comes in segments, each
/// of which begins where the one before has ended (§2.5.1.3).
///
/// [RFC 4733 §2.5.2]: https://www.rfc-editor.org/rfc/rfc4733#section-2.5.2
#[derive(Debug)]
pub struct EventReceiver {
    rate: u64,
    current: Option<Current>,
    /// The timestamp of the latest event, whose packets may come again and late.
    latest: Option<u32>,
    stats: EventStats,
}

/// The key that is down.
#[derive(Debug, Clone, Copy)]
struct Current {
    digit: Digit,
    /// The timestamp of this segment, how long it has lasted, and those before it.
    timestamp: u32,
    duration: u16,
    before: u64,
    /// When to believe that all ends were lost.
    until: Instant,
}

/// What an event receiver has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventStats {
    /// Presses.
    pub presses: u64,
    /// Packets that repeat what is known.
    pub repeats: u64,
    /// Packets of an event before the latest one.
    pub late: u64,
    /// Presses whose ends were all lost.
    pub ends_lost: u64,
    /// Payloads that are too short.
    pub unreadable: u64,
    /// Events that are no key.
    pub other_events: u64,
}

impl EventReceiver {
    /// A receiver for events whose timestamps have this clock.
    pub fn new(clock_rate: u32) -> Self {
        EventReceiver {
            rate: u64::from(clock_rate.max(1)),
            current: None,
            latest: None,
            stats: EventStats::default(),
        }
    }

    /// Takes the payload of a packet.
    pub fn handle_packet(&mut self, now: Instant, timestamp: u32, marker: bool, payload: &[u8]) -> Found {
        let Some(event) = TelephoneEvent::read(payload) else {
            self.stats.unreadable += 1;
            return Found::default();
        };
        let Some(digit) = Digit::from_event(event.event) else {
            self.stats.other_events += 1;
            return Found::default();
        };
        if let Some(current) = &mut self.current {
            if current.timestamp == timestamp {
                return self.update(now, event);
            }
            let ahead = timestamp.wrapping_sub(current.timestamp);
            let continues = digit == current.digit
                && !marker
                && (ahead == u32::from(current.duration) || ahead == u32::from(u16::MAX))
                && ahead >= LEAST_SEGMENT;
            if continues {
                current.before = current.before.saturating_add(u64::from(ahead));
                current.timestamp = timestamp;
                current.duration = 0;
                self.latest = Some(timestamp);
                return self.update(now, event);
            }
        }
        if let Some(latest) = self.latest {
            let behind = latest.wrapping_sub(timestamp);
            if behind == 0 {
                self.stats.repeats += 1;
                return Found::default();
            }
            if u64::from(behind) < self.rate * MISORDER_SECONDS {
                self.stats.late += 1;
                return Found::default();
            }
        }
        let ended = self.give_up();
        self.latest = Some(timestamp);
        self.current = Some(Current { digit, timestamp, duration: 0, before: 0, until: now + PATIENCE });
        // Two presses cannot end by one packet: the next end of this one, or the time that is over, tells of it.
        let event = TelephoneEvent { end: event.end && ended.is_none(), ..event };
        let ended = ended.or(self.update(now, event).ended);
        Found { ended, started: Some(digit) }
    }

    /// Ends the key whose packets have ceased to come.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Press> {
        self.current.filter(|current| now >= current.until)?;
        self.give_up()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.current.map(|current| current.until)
    }

    /// What was counted.
    pub fn stats(&self) -> &EventStats {
        &self.stats
    }

    fn update(&mut self, now: Instant, event: TelephoneEvent) -> Found {
        let Some(current) = &mut self.current else { return Found::default() };
        // Updates can overtake each other: a duration never shrinks.
        current.duration = current.duration.max(event.duration);
        current.until = now + PATIENCE;
        Found { ended: if event.end { self.finish() } else { None }, started: None }
    }

    fn give_up(&mut self) -> Option<Press> {
        let press = self.finish()?;
        self.stats.ends_lost += 1;
        Some(press)
    }

    fn finish(&mut self) -> Option<Press> {
        let current = self.current.take()?;
        self.stats.presses += 1;
        let lasted = current.before.saturating_add(u64::from(current.duration));
        let milliseconds = u32::try_from(lasted.saturating_mul(1000) / self.rate).unwrap_or(u32::MAX);
        Some(Press::new(current.digit, milliseconds))
    }
}

/// How long to wait for a packet of a key that is down: updates come at least every 50 ms, and two may be lost.
const PATIENCE: Duration = Duration::from_millis(160);
/// What is so much older than the latest event belongs to one before it; what is older still to another clock.
const MISORDER_SECONDS: u64 = 5;
/// A segment ends when its duration is full. That of a sender with a smaller field is still no repeat.
const LEAST_SEGMENT: u32 = 0x7fff;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
        TelephoneEvent { event, end, volume: 10, duration }.write()
    }

    fn press(key: char, milliseconds: u32) -> Press {
        Press::new(Digit::from_char(key).unwrap(), milliseconds)
    }

    /// Feeds packets 20 ms apart: timestamp, marker, event, end, duration. What was found, in order.
    fn receive(packets: &[(u32, bool, u8, bool, u16)]) -> (Vec<Press>, EventStats) {
        let mut clock = Clock::new();
        let mut receiver = EventReceiver::new(8000);
        let mut found = Vec::new();
        for &(timestamp, marker, event, end, duration) in packets {
            found.extend(receiver.handle_timeout(clock.now()));
            found.extend(
                receiver.handle_packet(clock.now(), timestamp, marker, &payload(event, end, duration)).ended,
            );
            clock.advance(Duration::from_millis(20));
        }
        clock.advance(PATIENCE);
        found.extend(receiver.handle_timeout(clock.now()));
        assert_eq!(receiver.poll_timeout(), None);
        (found, *receiver.stats())
    }

    #[test]
    fn three_ends_are_one_press_and_one_end_is_enough() {
        let whole = [
            (100, true, 5, false, 160),
            (100, false, 5, false, 320),
            (100, false, 5, true, 480),
            (100, false, 5, true, 480),
            (100, false, 5, true, 480),
        ];
        assert_eq!(receive(&whole).0, [press('5', 60)]);
        assert_eq!(receive(&whole).1.repeats, 2);
        assert_eq!(receive(&whole[4..]).0, [press('5', 60)]);
    }

    #[test]
    fn when_all_ends_are_lost_time_or_the_next_key_ends_it() {
        // The second packet overtook the third.
        let alone = [(100, true, 5, false, 160), (100, false, 5, false, 320), (100, false, 5, false, 200)];
        let (found, stats) = receive(&alone);
        assert_eq!((found, stats.ends_lost), (vec![press('5', 40)], 1));
        let followed = [alone[0], alone[1], (900, true, 5, false, 160), (900, false, 5, true, 320)];
        assert_eq!(receive(&followed).0, [press('5', 40), press('5', 40)]);
    }

    #[test]
    fn overtaken_and_late_packets_change_nothing() {
        let packets = [
            (100, true, 1, false, 320),
            (100, false, 1, false, 160),
            (100, false, 1, true, 480),
            (900, true, 2, false, 160),
            (100, false, 1, true, 480),
            (900, false, 2, true, 320),
            (900, false, 2, false, 160),
        ];
        let (found, stats) = receive(&packets);
        assert_eq!(found, [press('1', 60), press('2', 40)]);
        assert_eq!((stats.late, stats.repeats), (1, 1));
    }

    #[test]
    fn the_segments_of_a_long_press_are_one_whether_their_last_packet_came_or_not() {
        for last in [0xffffu16, 65_440] {
            let packets = [
                (100, true, 0, false, 160),
                (100, false, 0, false, last),
                (100 + 0xffff, false, 0, false, 160),
                (100 + 0xffff, false, 0, true, 800),
            ];
            assert_eq!(receive(&packets).0, [press('0', (65_535 + 800) / 8)]);
        }
    }

    #[test]
    fn what_is_no_key_is_counted() {
        let (found, stats) = receive(&[(1, true, 16, true, 80), (2, true, 255, true, 80)]);
        assert_eq!((found, stats.other_events), (vec![], 2));
        let mut receiver = EventReceiver::new(0);
        assert_eq!(receiver.handle_packet(Clock::new().now(), 0, true, &[1, 2, 3]), Found::default());
        assert_eq!(receiver.stats().unreadable, 1);
    }
}
