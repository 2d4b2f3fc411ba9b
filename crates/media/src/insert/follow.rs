//! Hearing packets as they come, without waiting: what transcoding does.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::ear::{Ear, Meaning, Place, Workspace};
use crate::codec::Format;
use crate::dtmf::{Press, TelephoneEvent};
use crate::rtp::Header;

/// What an ear hears, in its order.
pub(super) enum Sound<'a> {
    /// Samples at the rate that was asked for.
    Samples(&'a [i16]),
    /// Nothing, for a number of milliseconds.
    Pause(Duration),
    /// A report of a telephone event.
    Event(EventReport),
    /// A key that was found in the audio and let go.
    Key(Press),
}

/// A packet of a telephone event.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventReport {
    pub(super) event: TelephoneEvent,
    pub(super) marker: bool,
    /// The same in all packets of one event.
    pub(super) timestamp: u32,
    /// How many ticks of `clock_rate` it began after (or before) what is said next.
    pub(super) since: i32,
    pub(super) clock_rate: u32,
    /// The key, when this is the first that says that it was let go.
    pub(super) ended: Option<Press>,
}

impl Ear {
    /// Takes a packet and gives what can be heard then, without waiting.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        workspace: &mut Workspace,
        mut heard: impl FnMut(Sound<'_>),
    ) {
        let Some((_, meaning)) = self.meanings.iter().find(|(number, _)| *number == header.payload_type)
        else {
            self.counts.unknown += 1;
            return;
        };
        match meaning {
            Meaning::Events(clock_rate) => {
                let clock_rate = *clock_rate;
                self.follow_event(now, header, payload, clock_rate, heard);
            }
            // Nobody speaks; the timestamp of what comes next says for how long.
            Meaning::Noise => self.pass(header),
            Meaning::Audio(_, format) => {
                let format = *format;
                let Some(duration) = format.duration(payload) else {
                    self.counts.unreadable += 1;
                    return;
                };
                if !self.has_time_for(now, duration, format.clock_rate()) {
                    self.counts.too_much += 1;
                    return;
                }
                let Some(lost) = self.advance(now, header, format, duration, &mut heard) else { return };
                if !self.open(header.payload_type) {
                    self.counts.unknown += 1;
                    return;
                }
                if lost > 0 {
                    self.mend(lost, format, payload, duration, workspace, &mut heard);
                }
                self.decode(payload, format, duration, workspace, &mut heard);
            }
        }
    }

    /// Whether so much audio can have been spoken by now; what was lost is not counted.
    fn has_time_for(&mut self, now: Instant, ticks: u32, clock_rate: u32) -> bool {
        let micros = u64::from(ticks) * 1_000_000 / u64::from(clock_rate.max(1));
        let until = self.spoken_until.map_or(now, |until| until.max(now)) + Duration::from_micros(micros);
        if until > now + MOST_AHEAD {
            return false;
        }
        self.spoken_until = Some(until);
        true
    }

    /// Whether a key is down whose end has not come; for ears that follow.
    pub(super) fn key_is_down(&self) -> bool {
        self.keys.poll_timeout().is_some()
    }

    /// The key whose ends were all lost, when it is time to believe that.
    pub(super) fn key_is_due(&mut self, now: Instant) -> Option<Press> {
        self.keys.poll_timeout().filter(|at| *at <= now)?;
        self.keys.handle_timeout(now)
    }

    /// Finds the place of an audio packet: how many ticks before it were lost and can be made up, or `None` when it comes
    /// too late.
    fn advance(
        &mut self,
        now: Instant,
        header: &Header,
        format: Format,
        duration: u32,
        heard: &mut impl FnMut(Sound<'_>),
    ) -> Option<u32> {
        let clock_rate = format.clock_rate();
        let next = Place {
            ssrc: header.ssrc,
            sequence: header.sequence,
            due: header.timestamp.wrapping_add(duration),
            clock_rate,
            at: now,
        };
        let Some(place) = self.place.replace(next) else { return Some(0) };
        let ahead = header.sequence.wrapping_sub(place.sequence);
        let behind = place.sequence.wrapping_sub(header.sequence);
        let gap = header.timestamp.wrapping_sub(place.due).cast_signed();
        let is_same = place.ssrc == header.ssrc && place.clock_rate == clock_rate;
        if is_same && behind <= MAX_MISORDER {
            self.place = Some(place);
            self.counts.late += 1;
            return None;
        }
        if !is_same || ahead > MAX_GAP || gap.unsigned_abs() > MAX_JUMP_SECONDS * clock_rate {
            // Another source, or the same begun anew: only our clock knows how much time has passed.
            let spent = Duration::from_secs_f64(f64::from(duration) / f64::from(clock_rate));
            let passed = now.saturating_duration_since(place.at).saturating_sub(spent);
            if passed > SHORT {
                heard(Sound::Pause(passed));
            }
            return Some(0);
        }
        let gap = u32::try_from(gap).unwrap_or_default();
        if ahead > 1 && gap <= clock_rate / 1000 * MAX_CONCEAL_MS {
            return Some(gap);
        }
        if gap > 0 {
            heard(Sound::Pause(Duration::from_secs_f64(f64::from(gap) / f64::from(clock_rate))));
        }
        Some(0)
    }

    /// Counts a packet that has no samples.
    fn pass(&mut self, header: &Header) {
        if let Some(place) = self.place.as_mut().filter(|place| place.ssrc == header.ssrc)
            && header.sequence.wrapping_sub(place.sequence) < MAX_GAP
        {
            place.sequence = header.sequence;
        }
    }

    fn follow_event(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        clock_rate: u32,
        mut heard: impl FnMut(Sound<'_>),
    ) {
        let Some(event) = TelephoneEvent::read(payload) else {
            self.counts.unreadable += 1;
            return;
        };
        self.pass(header);
        let place = self.place.filter(|place| place.clock_rate == clock_rate);
        heard(Sound::Event(EventReport {
            event,
            marker: header.marker,
            timestamp: header.timestamp,
            since: place.map_or(0, |place| header.timestamp.wrapping_sub(place.due).cast_signed()),
            clock_rate,
            ended: self.keys.handle_packet(now, header.timestamp, header.marker, payload).ended,
        }));
    }

    /// Makes up for lost packets before this one.
    fn mend(
        &mut self,
        lost: u32,
        format: Format,
        payload: &[u8],
        duration: u32,
        workspace: &mut Workspace,
        heard: &mut impl FnMut(Sound<'_>),
    ) {
        self.counts.concealed_ms += u64::from(lost) * 1000 / u64::from(format.clock_rate().max(1));
        // What the next packet carries is of the one before it, which was probably as long.
        let mended = lost.min(duration);
        for (ticks, is_mended) in [(lost - mended, false), (mended, true)] {
            let Some(open) = &mut self.decoder else { return };
            let rate = u64::from(open.decoder.sample_rate());
            let wanted = u64::from(ticks) * rate / u64::from(format.clock_rate().max(1));
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let samples = workspace.samples.get_mut(..wanted).filter(|samples| !samples.is_empty());
            let Some(samples) = samples else { continue };
            match is_mended {
                true => open.decoder.decode_fec(payload, samples),
                false => open.decoder.conceal(samples),
            }
            self.give(wanted, workspace, heard);
        }
    }

    fn decode(
        &mut self,
        payload: &[u8],
        format: Format,
        duration: u32,
        workspace: &mut Workspace,
        heard: &mut impl FnMut(Sound<'_>),
    ) {
        let Some(open) = &mut self.decoder else { return };
        let len = match open.decoder.decode(payload, &mut workspace.samples) {
            Ok(len) => len,
            Err(_) => {
                self.counts.unreadable += 1;
                let rate = u64::from(open.decoder.sample_rate());
                let wanted = u64::from(duration) * rate / u64::from(format.clock_rate().max(1));
                let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(workspace.samples.len());
                let Some(samples) = workspace.samples.get_mut(..wanted) else { return };
                open.decoder.conceal(samples);
                wanted
            }
        };
        self.give(len, workspace, heard);
    }

    /// Hands on the first samples, at the rate that was asked for.
    fn give(&mut self, len: usize, workspace: &mut Workspace, heard: &mut impl FnMut(Sound<'_>)) {
        let mut pressed: SmallVec<[Press; 2]> = SmallVec::new();
        if let Some(samples) = self.decoder.as_mut().and_then(|open| open.converted(workspace, len)) {
            if let Some(mask) = &mut self.mask {
                mask.handle_frame(samples, |found| pressed.extend(found.ended));
            }
            heard(Sound::Samples(samples));
        }
        for press in pressed {
            heard(Sound::Key(press));
        }
    }
}

/// The largest step forward that stands for lost packets; more is a restart.
const MAX_GAP: u16 = 100;
/// How far behind a packet may come and still be taken for late.
const MAX_MISORDER: u16 = 100;
/// A larger jump of the timestamp is a restart.
const MAX_JUMP_SECONDS: u32 = 10;
/// What is made up at most; a longer gap stays one.
const MAX_CONCEAL_MS: u32 = 100;
/// How much audio may come at once: what a network holds back, and more.
const MOST_AHEAD: Duration = Duration::from_secs(2);
/// A shorter pause than this is none.
const SHORT: Duration = Duration::from_millis(10);
