//! Hearing packets as a clock asks for them, out of a jitter buffer: what mixing does.

use std::time::Instant;

use smallvec::SmallVec;

use super::desk::MOST;
use super::ear::{Ear, Meaning, Place, Workspace};
use crate::audio::{Arrival, JitterBuffer, JitterSettings, JitterStats, Pace, Pull, Stretch};
use crate::codec::MAX_SAMPLES;
use crate::rtp::Header;

/// Packets that wait for a clock, and samples that were decoded for more than one of its ticks.
pub(super) struct Buffered {
    /// One for each clock that its codecs have; the first is in use.
    jitters: SmallVec<[(u32, JitterBuffer); 1]>,
    stretch: Stretch,
    ready: Vec<i16>,
}

impl Buffered {
    /// The buffer of a clock, which is in use from here on.
    fn of_clock(&mut self, clock_rate: u32) -> Option<&mut JitterBuffer> {
        let index = self.jitters.iter().position(|(rate, _)| *rate == clock_rate)?;
        self.jitters.swap(0, index);
        self.jitters.first_mut().map(|(_, jitter)| jitter)
    }

    /// What waits stays; what was decoded is let go of.
    pub(super) fn change_rate(&mut self, rate: u32) {
        self.stretch = Stretch::new(rate);
        self.ready = Vec::with_capacity(ready_samples(rate));
    }
}

impl Ear {
    /// Has packets wait for a clock: [`Self::push`] and [`Self::pull`] take the place of [`Self::follow`].
    pub(super) fn wait_for_clock(&mut self) {
        if self.buffer.is_some() {
            return;
        }
        let mut jitters = SmallVec::new();
        for (_, meaning) in &self.meanings {
            if let Meaning::Audio(_, format) = meaning
                && jitters.iter().all(|(clock_rate, _)| *clock_rate != format.clock_rate())
            {
                let clock_rate = format.clock_rate();
                jitters.push((clock_rate, JitterBuffer::new(JitterSettings::new(clock_rate))));
            }
        }
        self.buffer = Some(Box::new(Buffered {
            jitters,
            stretch: Stretch::new(self.rate),
            ready: Vec::with_capacity(ready_samples(self.rate)),
        }));
    }

    /// Takes a packet for [`Self::pull`].
    pub(super) fn push(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        let meaning = self.meanings.iter().find(|(number, _)| *number == header.payload_type);
        match meaning {
            None => self.counts.unknown += 1,
            Some((_, Meaning::Events(_) | Meaning::Noise)) => {}
            Some((_, Meaning::Audio(_, format))) => {
                let clock_rate = format.clock_rate();
                let is_same = self
                    .place
                    .is_none_or(|place| place.ssrc == header.ssrc && place.clock_rate == clock_rate);
                let (ssrc, sequence) = (header.ssrc, header.sequence);
                self.place = Some(Place { ssrc, sequence, due: header.timestamp, clock_rate, at: now });
                if let Some(jitter) = self.buffer.as_mut().and_then(|buffer| buffer.of_clock(clock_rate)) {
                    if !is_same {
                        jitter.reset();
                    }
                    jitter.push(
                        now,
                        &Arrival {
                            sequence,
                            timestamp: header.timestamp,
                            marker: header.marker,
                            payload_type: header.payload_type,
                            payload,
                        },
                    );
                }
            }
        }
    }

    /// What the ways to a clock have counted.
    pub(super) fn jitters(&self) -> impl Iterator<Item = JitterStats> {
        self.buffer.iter().flat_map(|buffer| buffer.jitters.iter().map(|(_, jitter)| jitter.stats()))
    }

    /// Fills a frame for a tick of the clock; says whether anybody is heard.
    pub(super) fn pull(&mut self, now: Instant, frame: &mut [i16], workspace: &mut Workspace) -> bool {
        let Some(mut buffer) = self.buffer.take() else { return false };
        // A stream's frames are at least 2.5 ms long.
        for _ in 0..MAX_PULLS {
            if buffer.ready.len() >= frame.len() {
                break;
            }
            if !self.pull_one(now, &mut buffer, workspace) {
                break;
            }
        }
        let len = frame.len().min(buffer.ready.len());
        let (start, rest) = frame.split_at_mut(len);
        start.copy_from_slice(buffer.ready.get(..len).unwrap_or_default());
        rest.fill(0);
        buffer.ready.drain(..len);
        self.buffer = Some(buffer);
        len > 0
    }

    /// Plays the next frame of the stream; says whether there was one.
    fn pull_one(&mut self, now: Instant, buffer: &mut Buffered, workspace: &mut Workspace) -> bool {
        let Buffered { jitters, stretch, ready } = buffer;
        let Some((_, jitter)) = jitters.first_mut() else { return false };
        let frame_time = jitter.frame();
        let millis = u64::try_from(frame_time.as_millis()).unwrap_or(u64::MAX);
        let mut pace = Pace::Even;
        let decoded = match jitter.pull(now) {
            Pull::Silence => return false,
            Pull::Empty => {
                self.counts.concealed_ms += millis;
                None
            }
            Pull::Lost { next } => {
                self.counts.concealed_ms += millis;
                let wanted = self.samples_of(frame_time);
                if let (Some(open), Some(samples)) = (&mut self.decoder, workspace.samples.get_mut(..wanted))
                {
                    match next {
                        Some(next) => open.decoder.decode_fec(next, samples),
                        None => open.decoder.conceal(samples),
                    }
                }
                Some(wanted)
            }
            Pull::Frame { payload_type, payload, pace: asked } => {
                pace = asked;
                if !self.open(payload_type) {
                    return false;
                }
                let samples = &mut workspace.samples;
                self.decoder.as_mut().and_then(|open| open.decoder.decode(payload, samples).ok())
            }
        };
        let len = match decoded {
            Some(len) => len,
            None => {
                let wanted = self.samples_of(frame_time);
                let samples = workspace.samples.get_mut(..wanted);
                let Some((open, samples)) = self.decoder.as_mut().zip(samples) else { return false };
                open.decoder.conceal(samples);
                wanted
            }
        };
        let converted = self.decoder.as_mut().and_then(|open| open.converted(workspace, len));
        let Some(converted) = converted else { return false };
        let start = ready.len();
        if start + converted.len() + stretch.most() > ready.capacity() {
            return false;
        }
        ready.extend_from_slice(converted);
        match pace {
            Pace::Even => {}
            Pace::Faster => {
                let len = ready.get_mut(start..).map_or(0, |frame| stretch.faster(frame));
                ready.truncate(start + len);
            }
            Pace::Slower => {
                let len = ready.len() - start;
                ready.resize(start + len + stretch.most(), 0);
                let len = ready.get_mut(start..).map_or(0, |frame| stretch.slower(frame, len));
                ready.truncate(start + len);
            }
        }
        true
    }
}

/// Room for what was decoded.
const fn ready_samples(rate: u32) -> usize {
    4 * MAX_SAMPLES * rate as usize / MOST as usize
}

/// Frames of a stream in a frame of the clock at most.
const MAX_PULLS: usize = 8;
