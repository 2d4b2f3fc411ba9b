//! What a leg says: packets made into samples.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::audio::{Arrival, JitterBuffer, JitterSettings, JitterStats, Pace, Pull, Resampler, Stretch};
use crate::codec::{Decoder, Format, MAX_SAMPLES, Unsupported};
use crate::dtmf::{EventReceiver, Press, TelephoneEvent, ToneMask};
use crate::rtp::Header;
use crate::sdp::{Codec, Kind};

/// Understands the packets of one leg.
pub(super) struct Ear {
    meanings: SmallVec<[(u8, Meaning); 8]>,
    /// The rate of the samples that it gives.
    rate: u32,
    /// What understands the payload type that is in use.
    decoder: Option<Open>,
    place: Option<Place>,
    /// Until when there is audio for what has come: nobody speaks faster than time passes.
    spoken_until: Option<Instant>,
    samples: Box<[i16]>,
    converted: Box<[i16]>,
    keys: EventReceiver,
    /// Finds keys in the audio, where the far end has no other way to send them, and takes them out of it.
    mask: Option<ToneMask>,
    /// The way to a clock.
    buffer: Option<Box<Buffered>>,
    pub(super) counts: Counts,
}

/// What a payload type means.
enum Meaning {
    Audio(Codec, Format),
    Events(u32),
    Noise,
}

/// A decoder with what stands behind it.
struct Open {
    payload_type: u8,
    decoder: Decoder,
    resampler: Option<Resampler>,
}

/// How far the stream is.
#[derive(Clone, Copy)]
struct Place {
    ssrc: u32,
    sequence: u16,
    /// The timestamp of what comes next, and its clock.
    due: u32,
    clock_rate: u32,
    at: Instant,
}

/// Packets that wait for a clock, and samples that were decoded for more than one of its ticks.
struct Buffered {
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
}

/// What became of the packets of one leg.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) late: u64,
    pub(super) unreadable: u64,
    pub(super) unknown: u64,
    /// Packets with more audio than there was time for.
    pub(super) too_much: u64,
    /// Milliseconds that were made up for what was lost.
    pub(super) concealed_ms: u64,
}

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
    /// An ear for what a far end sends as `codecs`, giving samples at `rate`.
    pub(super) fn new(codecs: &[Codec], rate: u32) -> Result<Self, Unsupported> {
        let meanings: SmallVec<[(u8, Meaning); 8]> = codecs
            .iter()
            .filter_map(|codec| {
                let meaning = match codec.kind() {
                    Kind::TelephoneEvent => Meaning::Events(codec.clock_rate),
                    Kind::ComfortNoise => Meaning::Noise,
                    Kind::Audio | Kind::Wrapper => Meaning::Audio(codec.clone(), Format::of(codec)?),
                };
                Some((codec.payload_type, meaning))
            })
            .collect();
        let is_audio = |(_, meaning): &(u8, Meaning)| matches!(meaning, Meaning::Audio(..));
        if !meanings.iter().any(is_audio) {
            return Err(Unsupported);
        }
        let clock_rate = meanings.iter().find_map(|(_, meaning)| match meaning {
            Meaning::Events(clock_rate) => Some(*clock_rate),
            _ => None,
        });
        Ok(Ear {
            meanings,
            rate,
            decoder: None,
            place: None,
            spoken_until: None,
            samples: vec![0; MAX_SAMPLES].into(),
            converted: vec![0; MAX_SAMPLES].into(),
            keys: EventReceiver::new(clock_rate.unwrap_or(8000)),
            mask: None,
            buffer: None,
            counts: Counts::default(),
        })
    }

    /// Whether the far end can send telephone events.
    pub(super) fn has_events(&self) -> bool {
        self.meanings.iter().any(|(_, meaning)| matches!(meaning, Meaning::Events(_)))
    }

    /// Has keys found in the audio and taken out of it; what is heard is 38 ms later then.
    pub(super) fn find_tones(&mut self) {
        self.mask.get_or_insert_with(|| ToneMask::new(self.rate));
    }

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
            ready: Vec::with_capacity(4 * MAX_SAMPLES),
        }));
    }

    /// Takes a packet and gives what can be heard then, without waiting.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
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
                    self.mend(lost, format, payload, duration, &mut heard);
                }
                self.decode(payload, format, duration, &mut heard);
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

    /// Takes a packet for [`Self::pull`]; gives a key that was let go.
    pub(super) fn push(&mut self, now: Instant, header: &Header, payload: &[u8]) -> Option<Press> {
        let meaning = self.meanings.iter().find(|(number, _)| *number == header.payload_type);
        match meaning {
            None => self.counts.unknown += 1,
            Some((_, Meaning::Events(_))) => {
                return self.keys.handle_packet(now, header.timestamp, header.marker, payload).ended;
            }
            Some((_, Meaning::Noise)) => {}
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
        None
    }

    /// What the ways to a clock have counted.
    pub(super) fn jitters(&self) -> impl Iterator<Item = JitterStats> {
        self.buffer.iter().flat_map(|buffer| buffer.jitters.iter().map(|(_, jitter)| jitter.stats()))
    }

    /// Fills a frame for a tick of the clock; says whether anybody is heard.
    pub(super) fn pull(&mut self, now: Instant, frame: &mut [i16]) -> bool {
        let Some(mut buffer) = self.buffer.take() else { return false };
        // A stream's frames are at least 2.5 ms long.
        for _ in 0..MAX_PULLS {
            if buffer.ready.len() >= frame.len() {
                break;
            }
            if !self.pull_one(now, &mut buffer) {
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
    fn pull_one(&mut self, now: Instant, buffer: &mut Buffered) -> bool {
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
                let next: Option<SmallVec<[u8; 256]>> = next.map(SmallVec::from_slice);
                let wanted = self.samples_of(frame_time);
                if let (Some(open), Some(samples)) = (&mut self.decoder, self.samples.get_mut(..wanted)) {
                    match next {
                        Some(next) => open.decoder.decode_fec(&next, samples),
                        None => open.decoder.conceal(samples),
                    }
                }
                Some(wanted)
            }
            Pull::Frame { payload_type, payload, pace: asked } => {
                pace = asked;
                let payload: SmallVec<[u8; 256]> = SmallVec::from_slice(payload);
                if !self.open(payload_type) {
                    return false;
                }
                self.decoder.as_mut().and_then(|open| open.decoder.decode(&payload, &mut self.samples).ok())
            }
        };
        let len = match decoded {
            Some(len) => len,
            None => {
                let wanted = self.samples_of(frame_time);
                let Some((open, samples)) = self.decoder.as_mut().zip(self.samples.get_mut(..wanted)) else {
                    return false;
                };
                open.decoder.conceal(samples);
                wanted
            }
        };
        let Some(converted) = self.converted(len) else { return false };
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
            let Some(samples) = self.samples.get_mut(..wanted).filter(|samples| !samples.is_empty()) else {
                continue;
            };
            match is_mended {
                true => open.decoder.decode_fec(payload, samples),
                false => open.decoder.conceal(samples),
            }
            self.give(wanted, heard);
        }
    }

    fn decode(&mut self, payload: &[u8], format: Format, duration: u32, heard: &mut impl FnMut(Sound<'_>)) {
        let Some(open) = &mut self.decoder else { return };
        let len = match open.decoder.decode(payload, &mut self.samples) {
            Ok(len) => len,
            Err(_) => {
                self.counts.unreadable += 1;
                let rate = u64::from(open.decoder.sample_rate());
                let wanted = u64::from(duration) * rate / u64::from(format.clock_rate().max(1));
                let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.samples.len());
                let Some(samples) = self.samples.get_mut(..wanted) else { return };
                open.decoder.conceal(samples);
                wanted
            }
        };
        self.give(len, heard);
    }

    /// Hands on the first samples, at the rate that was asked for.
    fn give(&mut self, len: usize, heard: &mut impl FnMut(Sound<'_>)) {
        let mut pressed: SmallVec<[Press; 2]> = SmallVec::new();
        if let Some(len) = self.converted(len).map(<[i16]>::len)
            && let Some(samples) = self.converted.get_mut(..len)
        {
            if let Some(mask) = &mut self.mask {
                mask.handle_frame(samples, |found| pressed.extend(found.ended));
            }
            heard(Sound::Samples(samples));
        }
        for press in pressed {
            heard(Sound::Key(press));
        }
    }

    /// The first samples at the rate that was asked for.
    fn converted(&mut self, len: usize) -> Option<&[i16]> {
        let open = self.decoder.as_mut()?;
        let samples = self.samples.get(..len)?;
        let len = match &mut open.resampler {
            Some(resampler) => resampler.convert(samples, &mut self.converted),
            None => {
                self.converted.get_mut(..len)?.copy_from_slice(samples);
                len
            }
        };
        self.converted.get(..len)
    }

    fn samples_of(&self, time: Duration) -> usize {
        let rate = self.decoder.as_ref().map_or(self.rate, |open| open.decoder.sample_rate());
        let samples = time.as_micros() * u128::from(rate) / 1_000_000;
        usize::try_from(samples).unwrap_or(usize::MAX).min(MAX_SAMPLES)
    }

    /// Makes ready for a payload type; says whether it can be understood.
    fn open(&mut self, payload_type: u8) -> bool {
        if self.decoder.as_ref().is_some_and(|open| open.payload_type == payload_type) {
            return true;
        }
        let codec = self.meanings.iter().find_map(|(number, meaning)| match meaning {
            Meaning::Audio(codec, _) if *number == payload_type => Some(codec),
            _ => None,
        });
        let Some(Ok(decoder)) = codec.map(|codec| Decoder::new(codec, self.rate)) else { return false };
        let resampler = match decoder.sample_rate() == self.rate {
            true => None,
            false => match Resampler::new(decoder.sample_rate(), self.rate) {
                Some(resampler) => Some(resampler),
                None => return false,
            },
        };
        self.decoder = Some(Open { payload_type, decoder, resampler });
        true
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
/// Frames of a stream in a frame of the clock at most.
const MAX_PULLS: usize = 8;
