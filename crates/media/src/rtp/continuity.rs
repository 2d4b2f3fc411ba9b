//! One unbroken stream out of several sources.

use std::time::{Duration, Instant};

use super::{Header, Rewrite};

/// The numbering of what we send to one leg: one SSRC, a sequence without gaps of our making and a timestamp that
/// runs with the clock, whichever sources feed it.
///
/// While a source goes on, its own gaps and reorderings stay visible to the far end, so that it can count losses and
/// conceal them. Where a source changes, restarts or was not let through for a while, the sequence goes on by one:
/// a jump of half the sequence space would make an SRTP receiver lose its roll-over counter.
#[derive(Debug)]
pub struct Continuity {
    ssrc: u32,
    source: Option<Source>,
    /// The source before this one, and until when its late packets are expected.
    former: Option<(u32, Instant)>,
    /// The highest sequence number sent, or the one before the first.
    sequence: u16,
    /// The timestamp of the latest packet, and when it was sent.
    timestamp: u32,
    at: Option<Instant>,
    /// How far a number may be from the highest one and still belong to its source.
    reach: u16,
}

/// What maps the numbers of the current source to ours.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    highest: u16,
    /// How far `highest` is from the first number under these offsets; what is older belongs to others of our numbers.
    span: u16,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// The number after a packet that came from far behind: if it comes next, the source has restarted.
    restart: Option<u16>,
    /// Whether the latest number is one of ours, and not that of `highest`.
    is_interposed: bool,
}

/// Why a packet has no place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Jump {
    /// It comes from before the source's first packet or from long ago.
    Late,
    /// It belongs to the source before the current one.
    FormerSource,
}

impl Continuity {
    /// A stream with this SSRC that starts after `sequence`, which should be in the lower half of the sequence space
    /// ([RFC 3711 §3.3.1]), and at `timestamp`.
    ///
    /// [RFC 3711 §3.3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Continuity { ssrc, source: None, former: None, sequence, timestamp, at: None, reach: REACH }
    }

    /// The same for video, which has ten times as many packets in a second.
    #[must_use]
    pub const fn of_video(self) -> Self {
        Continuity { reach: REACH_OF_VIDEO, ..self }
    }

    /// The source that was replaced by another one may come back at once: that was played to the leg, and is over.
    pub const fn expect_former(&mut self) {
        self.former = None;
    }

    /// Goes on under another SSRC, after `sequence`, for a far end whose key has changed.
    pub const fn renew(&mut self, ssrc: u32, sequence: u16) {
        (self.ssrc, self.sequence) = (ssrc, sequence);
        self.source = None;
        self.former = None;
    }

    /// The SSRC that we send with.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp that a packet sampled at `now` would have; `None` before the first packet.
    pub fn timestamp_at(&self, now: Instant, clock_rate: u32) -> Option<u32> {
        let since = now.saturating_duration_since(self.at?);
        Some(self.timestamp.wrapping_add(ticks(since, clock_rate)))
    }

    /// The numbers for a packet that came with `header`, to go out as `payload_type`, whose clock has `clock_rate`.
    #[inline]
    pub fn rewrite(
        &mut self,
        now: Instant,
        header: &Header,
        payload_type: u8,
        clock_rate: u32,
    ) -> Result<Rewrite, Jump> {
        let offsets = match self.source {
            Some(mut source) if source.ssrc == header.ssrc => {
                let ahead = header.sequence.wrapping_sub(source.highest);
                let behind = source.highest.wrapping_sub(header.sequence);
                if ahead == 0 && source.is_interposed {
                    return Err(Jump::Late);
                }
                if ahead <= self.reach {
                    source.is_interposed = false;
                    source.highest = header.sequence;
                    source.span = source.span.saturating_add(ahead);
                    source.restart = None;
                    source
                } else if behind <= self.reach.min(source.span) {
                    source
                } else if ahead < HALF || source.restart == Some(header.sequence) {
                    self.anchor(now, header, clock_rate)
                } else {
                    source.restart = Some(header.sequence.wrapping_add(1));
                    self.source = Some(source);
                    return Err(Jump::Late);
                }
            }
            _ if self.former.is_some_and(|(ssrc, until)| ssrc == header.ssrc && now < until) => {
                return Err(Jump::FormerSource);
            }
            current => {
                self.former = current.map(|source| (source.ssrc, now + FORMER_SOURCE));
                self.anchor(now, header, clock_rate)
            }
        };
        self.source = Some(offsets);
        let sequence = header.sequence.wrapping_add(offsets.sequence_offset);
        let timestamp = header.timestamp.wrapping_add(offsets.timestamp_offset);
        if offsets.highest == header.sequence {
            self.sequence = sequence;
            self.timestamp = timestamp;
            self.at = Some(now);
        }
        Ok(Rewrite { payload_type, sequence, timestamp, ssrc: self.ssrc })
    }

    /// The number that the current source gave to what was sent as `sequence`, or would have been; `None` when that is
    /// from before the source, or has not been yet.
    pub fn source_sequence(&self, sequence: u16) -> Option<u16> {
        let source = self.source.as_ref()?;
        let number = sequence.wrapping_sub(source.sequence_offset);
        let behind = source.highest.wrapping_sub(number);
        (behind <= source.span).then_some(number)
    }

    /// The numbers for a packet of our own between those of the source, whose later ones move up by one.
    pub fn interpose(&mut self, now: Instant, timestamp: u32, payload_type: u8) -> Rewrite {
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(source) = &mut self.source {
            source.sequence_offset = source.sequence_offset.wrapping_add(1);
            // A packet from before has its number taken from it, and is late.
            source.span = 0;
            source.is_interposed = true;
        }
        if self.at.is_none() {
            (self.timestamp, self.at) = (timestamp, Some(now));
        }
        Rewrite { payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    /// Offsets that make this packet the next of our stream.
    fn anchor(&self, now: Instant, header: &Header, clock_rate: u32) -> Source {
        let timestamp = match self.at {
            None => self.timestamp,
            Some(at) => {
                let since = now.saturating_duration_since(at).max(LEAST_STEP);
                self.timestamp.wrapping_add(ticks(since, clock_rate))
            }
        };
        Source {
            ssrc: header.ssrc,
            highest: header.sequence,
            span: 0,
            sequence_offset: self.sequence.wrapping_add(1).wrapping_sub(header.sequence),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            restart: None,
            is_interposed: false,
        }
    }
}

/// A duration in units of the media clock, modulo 2^32.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    // The masked seconds keep the product in range for ever, and 2^32 seconds are a whole number of wraps.
    let seconds = (duration.as_secs() & u64::from(u32::MAX)) * u64::from(clock_rate);
    let rest = u64::from(duration.subsec_nanos()) * u64::from(clock_rate) / 1_000_000_000;
    (seconds.wrapping_add(rest) & u64::from(u32::MAX)) as u32
}

/// The largest step forward that stands for lost packets, two seconds of them; more is a pause or a restart. And how far
/// behind a packet may come and still be taken for reordered (MAX_MISORDER of [RFC 3550 appendix A.1]).
///
/// [RFC 3550 appendix A.1]: https://www.rfc-editor.org/rfc/rfc3550#appendix-A.1
const REACH: u16 = 100;

/// The same of video: a whole picture may be a hundred packets, and what is sent again comes late.
const REACH_OF_VIDEO: u16 = 1000;

const HALF: u16 = 0x8000;

/// How long packets of the source before may come late without being taken for a change back.
const FORMER_SOURCE: Duration = Duration::from_secs(1);

/// The least step of the timestamp between two sources: one packet time.
const LEAST_STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
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
    fn packets_of_our_own_come_between_those_of_the_source() {
        let now = Clock::new().now();
        let mut stream = Continuity::new(99, 999, 5000);
        assert_eq!(numbers(stream.rewrite(now, &header(1, 10, 160), 0, 8000)), (1000, 5000));
        assert_eq!(numbers(stream.rewrite(now, &header(1, 12, 480), 0, 8000)), (1002, 5320));
        let ours = stream.interpose(now, 5320, 101);
        assert_eq!((ours.sequence, ours.timestamp, ours.payload_type, ours.ssrc), (1003, 5320, 101, 99));
        assert_eq!(stream.rewrite(now, &header(1, 11, 320), 0, 8000), Err(Jump::Late));
        assert_eq!(stream.rewrite(now, &header(1, 12, 480), 0, 8000), Err(Jump::Late), "a copy");
        assert_eq!(numbers(stream.rewrite(now, &header(1, 13, 640), 0, 8000)), (1004, 5480));
        let mut silent = Continuity::new(99, 999, 5000);
        assert_eq!(silent.interpose(now, 7000, 101).sequence, 1000);
        assert_eq!(silent.timestamp_at(now, 8000), Some(7000));
    }

    fn numbers(rewrite: Result<Rewrite, Jump>) -> (u16, u32) {
        let rewrite = rewrite.unwrap();
        assert_eq!(rewrite.ssrc, 99);
        (rewrite.sequence, rewrite.timestamp)
    }

    #[test]
    fn what_is_missing_is_named_as_its_source_does() {
        let now = Clock::new().now();
        let mut stream = Continuity::new(99, 999, 5000);
        assert_eq!(stream.source_sequence(1000), None);
        stream.rewrite(now, &header(1, 65_535, 160), 0, 90_000).unwrap();
        stream.rewrite(now, &header(1, 2, 640), 0, 90_000).unwrap();
        assert_eq!(stream.source_sequence(1001), Some(0));
        assert_eq!(stream.source_sequence(1003), Some(2));
        assert_eq!(stream.source_sequence(999), None, "from before the source");
        assert_eq!(stream.source_sequence(1004), None, "not yet");
    }

    #[test]
    fn a_burst_of_video_that_is_lost_stays_visible_and_comes_again_in_its_place() {
        let now = Clock::new().now();
        let numbers = |mut stream: Continuity| {
            [1, 2, 302, 3, 303].map(|number| {
                stream.rewrite(now, &header(1, number, 0), 0, 90_000).map(|rewrite| rewrite.sequence)
            })
        };
        let stream = || Continuity::new(99, 999, 5000);
        assert_eq!(numbers(stream().of_video()), [Ok(1000), Ok(1001), Ok(1301), Ok(1002), Ok(1302)]);
        assert_eq!(numbers(stream()), [Ok(1000), Ok(1001), Ok(1002), Err(Jump::Late), Ok(1003)]);
    }

    #[test]
    fn whoever_was_played_over_is_heard_at_once_when_that_is_over() {
        let now = Clock::new().now();
        let mut stream = Continuity::new(99, 999, 5000);
        let heard = |stream: &mut Continuity, ssrc, number| {
            stream.rewrite(now, &header(ssrc, number, 0), 0, 8000).map(|rewrite| rewrite.sequence)
        };
        assert_eq!(heard(&mut stream, 1, 50), Ok(1000));
        assert_eq!(heard(&mut stream, 2, 7), Ok(1001));
        assert_eq!(heard(&mut stream, 1, 60), Err(Jump::FormerSource));
        stream.expect_former();
        assert_eq!(heard(&mut stream, 1, 61), Ok(1002));
    }

    #[test]
    fn losses_and_reordering_of_one_source_stay_visible() {
        let now = Clock::new().now();
        let mut stream = Continuity::new(99, 999, 5000);
        assert_eq!(numbers(stream.rewrite(now, &header(1, 65_535, 160), 0, 8000)), (1000, 5000));
        assert_eq!(numbers(stream.rewrite(now, &header(1, 2, 640), 0, 8000)), (1003, 5480));
        assert_eq!(numbers(stream.rewrite(now, &header(1, 1, 480), 0, 8000)), (1002, 5320));
        assert_eq!(numbers(stream.rewrite(now, &header(1, 3, 800), 0, 8000)), (1004, 5640));
    }

    #[test]
    fn a_new_source_goes_on_where_the_old_one_stopped() {
        let mut clock = Clock::new();
        let mut stream = Continuity::new(99, 999, 5000);
        stream.rewrite(clock.now(), &header(1, 10, 160), 0, 8000).unwrap();
        clock.advance(Duration::from_millis(500));
        assert_eq!(
            numbers(stream.rewrite(clock.now(), &header(2, 60_000, 7), 0, 8000)),
            (1001, 5000 + 4000),
            "the sequence by one, the timestamp by the time that has passed"
        );
        assert_eq!(
            stream.rewrite(clock.now(), &header(1, 11, 320), 0, 8000),
            Err(Jump::FormerSource),
            "a late packet of the old source is no change back"
        );
        clock.advance(Duration::from_secs(2));
        assert_eq!(numbers(stream.rewrite(clock.now(), &header(1, 100, 0), 0, 8000)).0, 1002);
    }

    #[test]
    fn a_pause_in_what_is_let_through_leaves_no_gap() {
        let mut clock = Clock::new();
        let mut stream = Continuity::new(99, 999, 5000);
        stream.rewrite(clock.now(), &header(1, 10, 0), 0, 8000).unwrap();
        // 15 minutes on hold while the source goes on: 45 000 packets, more than half the sequence space.
        clock.advance(Duration::from_secs(900));
        let resumed = header(1, 10u16.wrapping_add(45_000), 900 * 8000);
        // Seen from the receiver that is a step back, which one more packet has to confirm.
        assert_eq!(stream.rewrite(clock.now(), &resumed, 0, 8000), Err(Jump::Late));
        clock.advance(Duration::from_millis(20));
        let next = header(1, resumed.sequence + 1, resumed.timestamp + 160);
        let (sequence, timestamp) = numbers(stream.rewrite(clock.now(), &next, 0, 8000));
        assert_eq!((sequence, timestamp), (1001, 5000 + 900 * 8000 + 160));
        // A shorter one needs no confirmation.
        clock.advance(Duration::from_secs(60));
        let later = header(1, next.sequence.wrapping_add(3000), 0);
        assert_eq!(numbers(stream.rewrite(clock.now(), &later, 0, 8000)).0, 1002);
    }

    #[test]
    fn what_is_older_than_the_first_packet_of_a_source_is_late() {
        let now = Clock::new().now();
        let mut stream = Continuity::new(99, 999, 5000);
        stream.rewrite(now, &header(1, 10, 0), 0, 8000).unwrap();
        assert_eq!(stream.rewrite(now, &header(1, 9, 0), 0, 8000), Err(Jump::Late));
        assert_eq!(numbers(stream.rewrite(now, &header(1, 11, 0), 0, 8000)).0, 1001);
    }

    #[test]
    fn ticks_of_a_long_time_wrap() {
        assert_eq!(ticks(Duration::from_millis(20), 48_000), 960);
        assert_eq!(ticks(Duration::from_secs(1 << 32), 48_000), 0);
        assert_eq!(ticks(Duration::MAX, u32::MAX), ticks(Duration::MAX, u32::MAX));
    }

    proptest! {
        /// Whatever the sources do, no number is given to two packets that differ in source or place, and the far end
        /// never sees a step that an SRTP receiver could take for a roll-over.
        #[test]
        fn numbers_are_unique_and_steps_are_small(
            steps in prop::collection::vec((0u32..3, 0u16..40, 0u16..300, 0u64..1500), 1..300)
        ) {
            let mut clock = Clock::new();
            let mut stream = Continuity::new(99, 0, 0);
            let mut heads = [1000u16, 40_000, 65_500];
            let (mut used, mut highest) = (BTreeSet::new(), 0u64);
            let mut inputs = BTreeSet::new();
            for (source, back, jump, millis) in steps {
                clock.advance(Duration::from_millis(millis));
                let head = &mut heads[source as usize];
                let step = if jump > 290 { 20_000 } else { jump % 5 };
                *head = head.wrapping_add(step);
                let sequence = if back < 5 { head.wrapping_sub(back) } else { *head };
                // A source that sends one number twice is not what is tested here.
                prop_assume!(inputs.len() < 60_000);
                if !inputs.insert((source, sequence)) { continue }
                let Ok(rewrite) = stream.rewrite(clock.now(), &header(source, sequence, 0), 0, 8000) else { continue };
                let ahead = rewrite.sequence.wrapping_sub(highest as u16) as i16;
                prop_assert!((-100..=100).contains(&ahead), "a step of {}", ahead);
                let extended = highest.checked_add_signed(ahead.into()).unwrap();
                prop_assert!(used.insert(extended), "{} is given twice", extended);
                highest = highest.max(extended);
            }
        }
    }
}
