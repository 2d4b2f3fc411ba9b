//! The jitter buffer: packets of one stream in, as they come; frames out, as they are played.
//!
//! Whoever plays calls [`JitterBuffer::pull`] each time that it has played what it had. A frame is as long as the
//! timestamps say; its samples are not looked at. The delay follows how late packets come: all but a hundredth of the
//! last ten seconds' are to be in time. It changes in silence where there is some; else the buffer asks for a frame to
//! be played a little shorter or longer ([`Pace`]), which also makes up for clocks that drift.
//!
//! A frame that is missing while a later one is there is lost. While nothing is there the time stands still: what comes
//! late is played late, and the delay has grown by itself.
//!
//! Left out: packets with several frames of redundancy (RFC 2198) and streams whose packets overlap.

mod delay;
mod settings;
mod stats;
mod store;

use std::time::{Duration, Instant};

use delay::Delays;
pub use settings::JitterSettings;
pub use stats::JitterStats;
use store::{Slot, Store};

/// The packets of one stream that wait to be played.
#[derive(Debug)]
pub struct JitterBuffer {
    settings: JitterSettings,
    rate: i64,
    least: i64,
    most: i64,
    store: Store,
    delays: Delays,
    epoch: Option<Instant>,
    /// `None` until the first packet.
    playout: Option<Playout>,
    /// How long a frame is, from two packets in a row; the step before the latest, which must say the same.
    frame: i64,
    step: i64,
    /// The sequence number and timestamp of the latest packet.
    latest: (u16, i64),
    /// A packet that does not belong here; if the next one follows it, the stream has jumped.
    suspect: Option<(u16, i64)>,
    /// The delay that is played with, smoothed.
    delay: i64,
    /// How much was played since the pace was changed.
    since_change: i64,
    payload: Box<[u8; MAX_PAYLOAD]>,
    stats: JitterStats,
}

/// Where playing has come to.
#[derive(Debug, Clone, Copy)]
struct Playout {
    sequence: u16,
    timestamp: i64,
    /// What has been filled in since the last frame without going on: time for packets that come late or not at all.
    owed: i64,
    /// How many frames of that the listener heard made up.
    made_up: u64,
    /// Whether the delay is still to be waited for, after the start and after a silence.
    filling: bool,
    /// Whether nothing has been played.
    fresh: bool,
    /// Of the 64 numbers before `sequence`, which have come.
    came: u64,
}

/// A packet that has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'p> {
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// Its marker: the first of a talk-spurt.
    pub marker: bool,
    /// Its payload type, which comes out with the frame.
    pub payload_type: u8,
    /// Its payload.
    pub payload: &'p [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It waits.
    Kept,
    /// Its time is over.
    Late,
    /// It is there already, or was.
    Duplicate,
    /// It has no payload, or more than [`MAX_PAYLOAD`] bytes.
    Unusable,
    /// It is far from the others in number or time; if the next one is there too, that one begins anew.
    Astray,
}

/// What is to be played for a frame's time.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'b> {
    /// A frame.
    Frame {
        /// Its payload type.
        payload_type: u8,
        /// Its payload.
        payload: &'b [u8],
        /// How fast to play it.
        pace: Pace,
    },
    /// A frame was lost: conceal it.
    Lost {
        /// The payload of the next frame if that is there, for a codec that can mend the lost one from it.
        next: Option<&'b [u8]>,
    },
    /// Nothing is there: conceal.
    Empty,
    /// Nobody speaks, nothing is sent or the delay is waited for: silence, or the noise of the line.
    Silence,
}

/// How fast to play a frame; how much of it to take out or put in is for the pitch of the voice to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pace {
    /// As it is.
    Even,
    /// Shortened.
    Faster,
    /// Stretched.
    Slower,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(settings: JitterSettings) -> Self {
        let rate = i64::from(settings.clock_rate.clamp(LEAST_RATE, MOST_RATE));
        let settings = JitterSettings { clock_rate: rate as u32, ..settings };
        let least = ticks(settings.least.min(LONGEST), rate);
        JitterBuffer {
            rate,
            least,
            most: ticks(settings.most.min(LONGEST), rate).max(least),
            store: Store::new(settings.packets),
            delays: Delays::new(settings.clock_rate),
            epoch: None,
            playout: None,
            frame: ticks(settings.frame.min(LONGEST), rate).max(1),
            step: 0,
            latest: (0, 0),
            suspect: None,
            delay: 0,
            since_change: 0,
            payload: Box::new([0; MAX_PAYLOAD]),
            stats: JitterStats::default(),
            settings,
        }
    }

    /// Forgets the stream, as when its source changes; what was counted stays.
    pub fn reset(&mut self) {
        self.store.clear();
        self.delays.reset();
        self.playout = None;
        self.suspect = None;
        self.step = 0;
        self.since_change = 0;
    }

    /// Takes a packet.
    pub fn push(&mut self, now: Instant, packet: &Arrival<'_>) -> Outcome {
        if packet.payload.is_empty() || packet.payload.len() > MAX_PAYLOAD {
            self.stats.unusable += 1;
            return Outcome::Unusable;
        }
        let at = self.at(now);
        let mut timestamp = self.unwrap_timestamp(packet.timestamp);
        if let Some(playout) = self.playout {
            if let Some(outcome) = self.seen(&playout, packet.sequence) {
                return outcome;
            }
            let ahead = packet.sequence.wrapping_sub(playout.sequence) as i16;
            let far = self.delays.base(at).is_some_and(|base| {
                (at.saturating_sub(timestamp)).saturating_sub(base).abs() >= JUMP_SECONDS * self.rate
            });
            if far || i32::from(ahead) >= self.store.slots() as i32 || ahead < -MAX_MISORDER {
                let follows = self.suspect.is_some_and(|(sequence, before)| {
                    packet.sequence.wrapping_sub(sequence).wrapping_sub(1) < MAX_STEP
                        && (timestamp - before).abs() < JUMP_SECONDS * self.rate
                });
                if !follows {
                    self.suspect = Some((packet.sequence, timestamp));
                    self.stats.astray += 1;
                    return Outcome::Astray;
                }
                self.reset();
                self.stats.restarts += 1;
            }
        }
        self.suspect = None;
        if self.playout.is_none() {
            timestamp = i64::from(packet.timestamp);
            self.playout = Some(Playout {
                sequence: packet.sequence,
                timestamp,
                owed: 0,
                made_up: 0,
                filling: true,
                fresh: true,
                came: 0,
            });
            self.latest = (packet.sequence.wrapping_sub(1), timestamp);
        }
        self.delays.receive(at, at - timestamp);
        self.keep(packet, timestamp)
    }

    /// What is to be played next, for as long as a frame is.
    pub fn pull(&mut self, now: Instant) -> Pull<'_> {
        let at = self.at(now);
        let Some(mut playout) = self.playout else { return Pull::Silence };
        let Some(mut head) = self.store.first_from(playout.sequence) else {
            return self.starve(playout);
        };
        let base = self.delays.base(at).unwrap_or_default();
        let target = self.target();
        let waited = |head: &Slot| (at - head.timestamp).saturating_sub(base);
        if waited(&head) > target + self.millis(TOO_LATE_MS) {
            // So much has come at once that playing faster would take seconds.
            while waited(&head) > target
                && self.store.packets() > 1
                && let Some(next) = self.store.first_from(head.sequence.wrapping_add(1))
            {
                self.store.remove(head.sequence);
                self.stats.discarded += 1;
                playout.pass_to(next.sequence, next.timestamp);
                head = next;
            }
        }
        let delay = waited(&head);
        let missing = i64::from(head.sequence.wrapping_sub(playout.sequence));
        let gap = head.timestamp - playout.timestamp - playout.owed;
        // More time than the missing packets would fill, or a talk-spurt that begins: nobody spoke in between. After the
        // start and after a silence the delay can be had for nothing.
        let silent =
            playout.filling || gap >= (missing + 1) * self.frame || (head.marker && gap >= self.frame / 2);
        if silent && delay + self.frame / 2 < target {
            playout.owed = (playout.owed + self.frame).min(LONGEST_SECONDS * self.rate);
            self.playout = Some(playout);
            return Pull::Silence;
        }
        if !silent && missing > 0 && gap >= self.frame / 2 {
            return self.lose(playout, &head);
        }
        self.stats.lost += if playout.fresh { 0 } else { missing as u64 };
        self.play(playout, &head, delay, target, silent)
    }

    /// What was counted so far.
    pub fn stats(&self) -> JitterStats {
        let millis = |ticks: i64| (ticks.max(0) * 1000 / self.rate).min(i64::from(u32::MAX)) as u32;
        JitterStats {
            delay_ms: millis(self.delay),
            target_ms: millis(self.target()),
            jitter_ms: millis(self.delays.jitter()),
            ..self.stats
        }
    }

    /// How long a frame is: as the packets say, or as the settings do.
    pub fn frame(&self) -> Duration {
        Duration::from_nanos((self.frame * 1_000_000_000 / self.rate) as u64)
    }

    /// Packets that wait.
    pub fn waiting(&self) -> usize {
        self.store.packets()
    }

    fn target(&self) -> i64 {
        let needed = self.delays.needed();
        needed.max(self.start_target()).clamp(self.least, self.most)
    }

    /// The delay to start with counts until the packets of the first second have told more.
    fn start_target(&self) -> i64 {
        if self.stats.kept < FIRST_PACKETS { ticks(self.settings.start.min(LONGEST), self.rate) } else { 0 }
    }

    /// A packet that is not new: a copy, or one whose time is over.
    fn seen(&mut self, playout: &Playout, sequence: u16) -> Option<Outcome> {
        if self.store.get(sequence).is_some() {
            self.stats.duplicates += 1;
            return Some(Outcome::Duplicate);
        }
        let behind = playout.sequence.wrapping_sub(sequence);
        let bit = 1u64.checked_shl(u32::from(behind).wrapping_sub(1)).filter(|_| behind >= 1)?;
        if playout.came & bit != 0 {
            self.stats.duplicates += 1;
            return Some(Outcome::Duplicate);
        }
        None
    }

    fn keep(&mut self, packet: &Arrival<'_>, timestamp: i64) -> Outcome {
        let Some(mut playout) = self.playout else { return Outcome::Late };
        let ahead = packet.sequence.wrapping_sub(playout.sequence) as i16;
        if ahead < 0 {
            if !playout.fresh || !self.reaches_back(ahead) {
                // Noted, so that a copy of it is one; and the way it took counts for the delay.
                if let Some(bit) = 1u64.checked_shl(u32::from(ahead.unsigned_abs()) - 1) {
                    playout.came |= bit;
                }
                self.playout = Some(playout);
                self.stats.late += 1;
                return Outcome::Late;
            }
            // Nothing has been played: the stream begins with this one.
            (playout.sequence, playout.timestamp) = (packet.sequence, timestamp);
        }
        while !self.store.has_room(packet.payload.len()) {
            let Some(oldest) = self.store.first_from(playout.sequence) else { break };
            self.store.remove(oldest.sequence);
            self.stats.discarded += 1;
            playout.pass_to(oldest.sequence.wrapping_add(1), oldest.timestamp + self.frame);
        }
        self.playout = Some(playout);
        if (packet.sequence.wrapping_sub(playout.sequence) as i16) < 0 {
            self.stats.late += 1;
            return Outcome::Late;
        }
        self.learn(packet, timestamp);
        let slot = Slot {
            sequence: packet.sequence,
            timestamp,
            marker: packet.marker,
            payload_type: packet.payload_type,
            ..Slot::default()
        };
        if !self.store.put(slot, packet.payload) {
            self.stats.discarded += 1;
            return Outcome::Late;
        }
        self.stats.kept += 1;
        Outcome::Kept
    }

    /// Whether the ring can begin so far before the first packet without reaching its last one.
    fn reaches_back(&self, ahead: i16) -> bool {
        let back = usize::from(ahead.unsigned_abs());
        let span = self.playout.map_or(0, |playout| self.latest.0.wrapping_sub(playout.sequence));
        back + usize::from(span) < self.store.slots()
    }

    /// Learns how long a frame is from packets that follow each other.
    fn learn(&mut self, packet: &Arrival<'_>, timestamp: i64) {
        let (sequence, before) = self.latest;
        if (packet.sequence.wrapping_sub(sequence) as i16) <= 0 {
            return;
        }
        let step = timestamp - before;
        let follows = packet.sequence.wrapping_sub(sequence) == 1 && !packet.marker;
        if follows && (self.rate / 400..=self.rate * 120 / 1000).contains(&step) {
            if step == self.step {
                self.frame = step;
            }
            self.step = step;
        }
        self.latest = (packet.sequence, timestamp);
    }

    fn starve(&mut self, mut playout: Playout) -> Pull<'_> {
        if playout.filling {
            playout.owed = (playout.owed + self.frame).min(LONGEST_SECONDS * self.rate);
            self.playout = Some(playout);
            return Pull::Silence;
        }
        playout.owed += self.frame;
        let silent = playout.owed > self.millis(SILENT_AFTER_MS);
        playout.filling = silent;
        playout.made_up += u64::from(!silent);
        self.playout = Some(playout);
        if silent { Pull::Silence } else { Pull::Empty }
    }

    fn lose(&mut self, mut playout: Playout, head: &Slot) -> Pull<'_> {
        self.settle(&mut playout);
        playout.came <<= 1;
        playout.sequence = playout.sequence.wrapping_add(1);
        playout.timestamp += self.frame;
        self.playout = Some(playout);
        self.stats.lost += 1;
        self.stats.concealed_ms += self.frame_ms();
        let next = (head.sequence == playout.sequence).then(|| self.store.copy(head, &mut self.payload[..]));
        Pull::Lost { next: next.and_then(|len| self.payload.get(..len)) }
    }

    fn play(&mut self, mut playout: Playout, head: &Slot, delay: i64, target: i64, anew: bool) -> Pull<'_> {
        let len = self.store.copy(head, &mut self.payload[..]);
        self.store.remove(head.sequence);
        if head.sequence == playout.sequence && head.timestamp - playout.timestamp >= self.frame {
            // What the speaker left out was a pause, and nothing of it was missing.
            playout.made_up = 0;
        }
        self.settle(&mut playout);
        playout.pass_to(head.sequence, head.timestamp);
        playout.came = (playout.came << 1) | 1;
        playout.sequence = head.sequence.wrapping_add(1);
        playout.timestamp = head.timestamp + self.frame;
        (playout.filling, playout.fresh) = (false, false);
        self.playout = Some(playout);
        self.delay = if anew { delay } else { self.delay + (delay - self.delay) / 4 };
        let pace = self.pace(target);
        Pull::Frame {
            payload_type: head.payload_type,
            payload: self.payload.get(..len).unwrap_or_default(),
            pace,
        }
    }

    /// Counts what was made up since the last frame, which is known to have been missing.
    fn settle(&mut self, playout: &mut Playout) {
        self.stats.underruns += u64::from(playout.made_up > 0);
        self.stats.concealed_ms += playout.made_up * self.frame_ms();
        playout.made_up = 0;
    }

    /// Whether the delay is so far from its target that a frame is to be played faster or slower.
    fn pace(&mut self, target: i64) -> Pace {
        self.since_change += self.frame;
        if self.since_change < self.millis(BETWEEN_CHANGES_MS) {
            return Pace::Even;
        }
        let pace = if self.delay > target + self.frame.max(self.millis(20)) {
            self.stats.faster += 1;
            Pace::Faster
        } else if self.delay < target - self.millis(5) {
            self.stats.slower += 1;
            Pace::Slower
        } else {
            return Pace::Even;
        };
        self.since_change = 0;
        pace
    }

    /// The time in units of the media clock since the first packet.
    fn at(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        ticks(now.saturating_duration_since(epoch), self.rate)
    }

    /// The timestamp counted on from the latest one over its wraps.
    fn unwrap_timestamp(&self, timestamp: u32) -> i64 {
        let latest = self.latest.1;
        latest + i64::from(timestamp.wrapping_sub(latest as u32) as i32)
    }

    fn frame_ms(&self) -> u64 {
        (self.frame * 1000 / self.rate) as u64
    }

    fn millis(&self, milliseconds: i64) -> i64 {
        milliseconds * self.rate / 1000
    }
}

impl Playout {
    /// Goes on to a packet; those between have not come.
    fn pass_to(&mut self, sequence: u16, timestamp: i64) {
        let passed = u32::from(sequence.wrapping_sub(self.sequence));
        self.came = self.came.checked_shl(passed).unwrap_or_default();
        (self.sequence, self.timestamp, self.owed) = (sequence, timestamp, 0);
    }
}

/// A duration in units of the media clock; one of centuries is cut off.
fn ticks(duration: Duration, rate: i64) -> i64 {
    let seconds = duration.as_secs().min(u64::from(u32::MAX)) as i64;
    seconds * rate + i64::from(duration.subsec_nanos()) * rate / 1_000_000_000
}

/// The longest payload.
pub const MAX_PAYLOAD: usize = 1500;
const LEAST_RATE: u32 = 1000;
const MOST_RATE: u32 = 192_000;
/// The longest delay or frame that settings may ask for.
const LONGEST: Duration = Duration::from_secs(2);
const LONGEST_SECONDS: i64 = 3600;
/// A packet so far from the others in time belongs to another stream.
const JUMP_SECONDS: i64 = 3;
/// A packet so far behind in number does too.
const MAX_MISORDER: i16 = 100;
/// How far behind a packet that went astray the next one may be to confirm the jump.
const MAX_STEP: u16 = 8;
/// After so long without a packet nobody speaks.
const SILENT_AFTER_MS: i64 = 200;
/// Beyond the target by so much, frames are thrown away.
const TOO_LATE_MS: i64 = 200;
const BETWEEN_CHANGES_MS: i64 = 100;
const FIRST_PACKETS: u64 = 50;
