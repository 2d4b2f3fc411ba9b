//! Recording: what two legs say, side by side on one clock.
//!
//! A recorder has ears of its own, so that it hears legs whose packets are passed on as they are, from copies, as well as
//! those whose audio is made anew. Every 20 ms it takes a frame of either out of its jitter buffer, which is what puts
//! the two sides of a talk in step. What it has made goes out in pieces (of 200 ms for a file) that say where they belong: a piece
//! that is lost on its way, a pause and ticks that were missed leave a gap of their length and nothing else out of place.
//!
//! One that keeps packets needs no ears, and so no codec that is known here: it goes out in the same pieces.

use std::collections::VecDeque;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_nat::demux::{Class, classify};

use super::TICK;
use super::desk::{Desk, DeskError};
use super::ear::{Ear, Workspace};
use super::kept::{KeptPacket, KeptPackets, PacketWay};
use super::voice::preferred;
use crate::codec::Unsupported;
use crate::dtmf::ToneMask;
use crate::rtp::Header;
use crate::sdp::Codec;
use crate::session::LegKey;

/// The name of a recording, chosen by control and unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingKey(pub u64);

/// Which of the two who talk a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's, on the left.
    First,
    /// The other one, on the right.
    Second,
}

/// What a recording is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSettings {
    /// Whether each side has a channel of its own; else both are in one.
    pub is_separate: bool,
    /// Whether the tones of keys are silenced.
    pub masks_keys: bool,
    /// Whether the packets are kept as they came, in the place of samples; nothing is masked then.
    pub keeps_packets: bool,
    /// How long its pieces are, in whole ticks of 20 ms and at least one: as long as whoever writes them down may wait, and at
    /// most [`RECORDING_PIECE`](super::RECORDING_PIECE).
    pub piece: Duration,
    /// How long it may be.
    pub most: Duration,
}

/// A leg that is to be heard in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Which recording.
    pub recording: RecordingKey,
    /// What the recording is called; the first track of a recording names it.
    pub name: Arc<str>,
    /// Text that is kept beside the recording; that of its first track is.
    pub note: Option<Arc<str>>,
    /// Which side the leg is.
    pub side: Side,
    /// What the leg may send, in the numbers that it sends with.
    pub codecs: Vec<Codec>,
}

/// News of recordings, for whoever writes them down, in their order.
#[derive(Debug)]
pub enum Recorded {
    /// A recording begins.
    Begun {
        /// Which one.
        recording: RecordingKey,
        /// What it is called.
        name: Arc<str>,
        /// Text that is kept beside it.
        note: Option<Arc<str>>,
        /// Its channels: 1 or 2.
        channels: u8,
    },
    /// The next piece of one. Give it back by [`Desk::recycle_piece`](super::Desk::recycle_piece) when it is written.
    Piece(Piece),
    /// It has ended.
    Ended {
        /// Which one.
        recording: RecordingKey,
        /// How long it is, in samples of each channel.
        length: u64,
        /// Why.
        why: RecordingEnd,
    },
}

/// Why a recording has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordingEnd {
    /// It was told to.
    Stopped,
    /// It was told to, and nothing of it is to be kept.
    Discarded,
    /// Nobody is left who could be heard in it.
    Over,
    /// It is as long as it may be.
    TooLong,
}

/// Samples of a recording.
#[derive(Debug)]
pub struct Piece {
    /// Which recording.
    pub recording: RecordingKey,
    /// How many samples of each channel go before it; what is missing there is silence.
    pub at: u64,
    samples: Vec<i16>,
    packets: KeptPackets,
}

impl Piece {
    /// The samples, those of two channels in turns.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// The packets, of a recording that keeps them in the place of samples.
    pub fn packets(&self) -> impl Iterator<Item = KeptPacket<'_>> {
        self.packets.iter()
    }
}

impl Desk {
    /// Hears a leg in a recording, which begins with its first track, and in no other one from here on.
    pub fn record(
        &mut self,
        now: Instant,
        leg: LegKey,
        track: &Track,
        settings: RecordingSettings,
    ) -> Result<(), DeskError> {
        if self.recorded.get(&leg).is_some_and(|held| *held != track.recording) {
            self.unrecord(leg);
        }
        let pieces = &mut self.pieces;
        let recorder = match self.recorders.entry(track.recording) {
            Entry::Occupied(known) => known.into_mut(),
            // A recording of what nobody understands is none.
            Entry::Vacant(_) if !settings.keeps_packets && preferred(&track.codecs).is_none() => {
                return Err(DeskError::Codec);
            }
            Entry::Vacant(new) => new.insert(Recorder::new(now, track, settings, pieces)),
        };
        let former = recorder.hear(leg, track).map_err(|_| DeskError::Codec)?;
        if let Some(former) = former.filter(|former| !recorder.legs().any(|leg| leg == *former)) {
            self.recorded.remove(&former);
        }
        self.recorded.insert(leg, track.recording);
        self.start_clock(now);
        Ok(())
    }

    /// Says which way the RTP of a leg that is recorded comes from here on, for recordings that keep packets.
    pub fn set_way(&mut self, leg: LegKey, way: PacketWay) {
        if let Some(recorder) = self.recorded.get(&leg).and_then(|key| self.recorders.get_mut(key)) {
            recorder.set_way(leg, way);
        }
    }

    /// Leaves a gap in a recording from here on, or goes on with it.
    pub fn pause_recording(&mut self, recording: RecordingKey, is_paused: bool) {
        if let Some(recorder) = self.recorders.get_mut(&recording) {
            recorder.pause(is_paused, &mut self.pieces);
        }
    }

    /// Ends a recording.
    pub fn stop_recording(&mut self, recording: RecordingKey) {
        self.end_recording(recording, RecordingEnd::Stopped);
    }

    /// Ends a recording that is to be thrown away.
    pub fn discard_recording(&mut self, recording: RecordingKey) {
        self.end_recording(recording, RecordingEnd::Discarded);
    }

    /// Whether a leg is heard in a recording.
    pub fn is_recorded(&self, leg: LegKey) -> bool {
        self.recorded.contains_key(&leg)
    }

    /// What is to be written of recordings next.
    pub fn poll_recorded(&mut self) -> Option<Recorded> {
        self.pieces.pop()
    }

    /// Takes back a piece that was written, so that nothing is allocated for the next.
    pub fn recycle_piece(&mut self, piece: Piece) {
        self.pieces.give_back(piece);
    }

    pub(super) fn end_recording(&mut self, recording: RecordingKey, why: RecordingEnd) {
        if let Some(recorder) = self.recorders.remove(&recording) {
            for leg in recorder.legs() {
                self.recorded.remove(&leg);
            }
            recorder.end(why, &mut self.pieces);
        }
    }

    pub(super) fn unrecord(&mut self, leg: LegKey) {
        let Some(key) = self.recorded.remove(&leg) else { return };
        if self.recorders.get_mut(&key).is_some_and(|recorder| recorder.forget(leg)) {
            self.end_recording(key, RecordingEnd::Over);
        }
    }

    /// Takes a copy of an opened RTP packet that is passed on without the desk, or of RTCP: for a recording.
    pub fn handle_copy(&mut self, now: Instant, leg: LegKey, packet: &[u8]) {
        match self.recorded.contains_key(&leg) {
            true => self.hear_for_recording(now, leg, packet),
            false => self.stats.no_insert += 1,
        }
    }

    pub(super) fn hear_for_recording(&mut self, now: Instant, leg: LegKey, packet: &[u8]) {
        let Some(recorder) = self.recorded.get(&leg).and_then(|key| self.recorders.get_mut(key)) else {
            return;
        };
        let is_rtcp = classify(packet) == Class::Rtcp;
        if recorder.settings.keeps_packets {
            self.stats.recorded += u64::from(!is_rtcp);
            return recorder.keep(now, leg, packet, is_rtcp, &mut self.pieces);
        }
        // It has no sound.
        if is_rtcp {
            return;
        }
        let header = Header::parse(packet);
        match header.and_then(|header| Some((header, packet.get(header.content(packet)?)?))) {
            Some((header, payload)) => {
                self.stats.recorded += 1;
                recorder.take(now, leg, &header, payload);
            }
            None => self.stats.unreadable += 1,
        }
    }
}

/// What was recorded and waits to be taken, and the buffers of what was.
#[derive(Default)]
pub(super) struct Pieces {
    waiting: VecDeque<Recorded>,
    spare: Vec<(Vec<i16>, KeptPackets)>,
    /// Samples of each channel, and packets to be kept, that found no place to wait or in their piece.
    pub(super) overflowed: u64,
}

impl Pieces {
    pub(super) fn pop(&mut self) -> Option<Recorded> {
        self.waiting.pop_front()
    }

    pub(super) fn give_back(&mut self, piece: Piece) {
        if self.spare.len() < MAX_WAITING {
            self.spare.push((piece.samples, piece.packets));
        }
    }

    /// News that is not to be lost; there are as few as commands.
    fn tell(&mut self, news: Recorded) {
        self.waiting.push_back(news);
    }

    fn push(&mut self, piece: Piece, channels: usize) {
        if self.waiting.len() < MAX_WAITING {
            return self.waiting.push_back(Recorded::Piece(piece));
        }
        self.overflowed += (piece.samples.len() / channels.max(1) + piece.packets.len()) as u64;
        self.give_back(piece);
    }

    /// An empty piece that belongs at a place.
    fn begin(&mut self, recording: RecordingKey, at: u64) -> Piece {
        let (mut samples, mut packets) = self.spare.pop().unwrap_or_default();
        samples.clear();
        packets.clear();
        Piece { recording, at, samples, packets }
    }
}

/// One recording.
pub(super) struct Recorder {
    key: RecordingKey,
    settings: RecordingSettings,
    first: Ears,
    second: Ears,
    begun: Instant,
    is_paused: bool,
    /// Samples of each channel so far, those of pauses included.
    position: u64,
    piece: Option<Piece>,
    frames: [Vec<i16>; 2],
}

/// One side of a recording.
struct Ears {
    /// Who is heard; by no ear where packets are kept.
    heard: Option<(LegKey, Vec<Codec>, Option<Ear>)>,
    mask: Option<ToneMask>,
    /// Which way the packets come, once it is known.
    way: Option<PacketWay>,
}

impl Recorder {
    pub(super) fn new(
        now: Instant,
        track: &Track,
        settings: RecordingSettings,
        pieces: &mut Pieces,
    ) -> Recorder {
        let mask = || settings.masks_keys.then(|| ToneMask::new(RATE));
        let side = || Ears { heard: None, mask: mask(), way: None };
        let channels = if settings.is_separate { 2 } else { 1 };
        let (name, note) = (track.name.clone(), track.note.clone());
        pieces.tell(Recorded::Begun { recording: track.recording, name, note, channels });
        Recorder {
            key: track.recording,
            settings,
            first: side(),
            second: side(),
            begun: now,
            is_paused: false,
            position: 0,
            piece: None,
            frames: [vec![0; FRAME], vec![0; FRAME]],
        }
    }

    /// Hears a leg on a side, in the place of whom it heard there. The same again changes nothing; gives the leg that
    /// is heard no more.
    pub(super) fn hear(&mut self, leg: LegKey, track: &Track) -> Result<Option<LegKey>, Unsupported> {
        let (side, other) = match track.side {
            Side::First => (&mut self.first, &mut self.second),
            Side::Second => (&mut self.second, &mut self.first),
        };
        // Who calls and who is called may change in a transfer.
        let moved = other.heard.take_if(|(heard, ..)| *heard == leg);
        if side.heard.as_ref().is_some_and(|(known, codecs, _)| *known == leg && *codecs == track.codecs) {
            return Ok(None);
        }
        let former = side.heard.take().map(|(former, ..)| former).filter(|former| *former != leg);
        let mut ear = None;
        if !self.settings.keeps_packets {
            ear.insert(Ear::new(&track.codecs, RATE)?).wait_for_clock();
        }
        if moved.is_some() {
            side.way = other.way.take();
        } else if former.is_some() {
            side.way = None;
        }
        side.heard = Some((leg, track.codecs.clone(), ear));
        Ok(former)
    }

    /// Hears a leg no more; says whether nobody is left.
    pub(super) fn forget(&mut self, leg: LegKey) -> bool {
        for side in [&mut self.first, &mut self.second] {
            side.heard.take_if(|(heard, ..)| *heard == leg);
        }
        self.first.heard.is_none() && self.second.heard.is_none()
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = LegKey> {
        [&self.first, &self.second].into_iter().filter_map(|side| side.heard.as_ref().map(|(leg, ..)| *leg))
    }

    pub(super) fn take(&mut self, now: Instant, leg: LegKey, header: &Header, payload: &[u8]) {
        for side in [&mut self.first, &mut self.second] {
            if let Some((heard, _, Some(ear))) = &mut side.heard
                && *heard == leg
            {
                ear.push(now, header, payload);
            }
        }
    }

    /// Keeps a packet as it came.
    fn keep(&mut self, now: Instant, leg: LegKey, packet: &[u8], is_rtcp: bool, pieces: &mut Pieces) {
        if self.is_paused {
            return;
        }
        let is_it = |side: &&Ears| side.heard.as_ref().is_some_and(|(heard, ..)| *heard == leg);
        let Some(side) = [&self.first, &self.second].into_iter().find(is_it) else { return };
        let way = side.way.unwrap_or(NOWHERE);
        let way = if is_rtcp { way.of_rtcp() } else { way };
        let at = now.saturating_duration_since(self.begun);
        let piece = self.piece.get_or_insert_with(|| pieces.begin(self.key, self.position));
        if piece.packets.len() < MAX_KEPT && piece.packets.size() + packet.len() <= MAX_KEPT_BYTES {
            piece.packets.push(at, way, packet);
        } else {
            // Whoever floods a call fills no disk.
            pieces.overflowed += 1;
        }
    }

    fn set_way(&mut self, leg: LegKey, way: PacketWay) {
        for side in [&mut self.first, &mut self.second] {
            if side.heard.as_ref().is_some_and(|(heard, ..)| *heard == leg) {
                side.way = Some(way);
            }
        }
    }

    pub(super) fn pause(&mut self, is_paused: bool, pieces: &mut Pieces) {
        self.is_paused = is_paused;
        self.flush(pieces);
    }

    /// Lets 20 ms pass; says whether it is as long as it may be.
    pub(super) fn tick(&mut self, at: Instant, pieces: &mut Pieces, workspace: &mut Workspace) -> bool {
        let due = samples(at.saturating_duration_since(self.begun));
        if due > self.position + SLACK {
            self.flush(pieces);
            self.position = due.saturating_sub(FRAME as u64);
        }
        if self.settings.keeps_packets {
            self.position += FRAME as u64;
            if self.piece.as_ref().is_some_and(|piece| self.position >= piece.at + self.piece_samples()) {
                self.flush(pieces);
            }
            return self.position >= samples(self.settings.most);
        }
        let [left, right] = &mut self.frames;
        for (side, frame) in [(&mut self.first, &mut *left), (&mut self.second, &mut *right)] {
            // An ear fills its frame to the end, with silence where it hears nothing.
            match &mut side.heard {
                Some((.., Some(ear))) => drop(ear.pull(at, frame, workspace)),
                Some((.., None)) | None => frame.fill(0),
            }
            if let Some(mask) = &mut side.mask {
                mask.handle_frame(frame, |_| {});
            }
        }
        if !self.is_paused {
            let piece = self.piece.get_or_insert_with(|| {
                let mut piece = pieces.begin(self.key, self.position);
                piece.samples.reserve(2 * PIECE as usize);
                piece
            });
            let both = left.iter().zip(right.iter());
            match self.settings.is_separate {
                true => piece.samples.extend(both.flat_map(|(left, right)| [*left, *right])),
                false => piece.samples.extend(both.map(|(left, right)| left.saturating_add(*right))),
            }
        }
        self.position += FRAME as u64;
        let (len, channels) = (self.piece_samples(), self.channels());
        if self.piece.as_ref().is_some_and(|piece| (piece.samples.len() / channels) as u64 >= len) {
            self.flush(pieces);
        }
        self.position >= samples(self.settings.most)
    }

    /// Ends the recording.
    pub(super) fn end(mut self, why: RecordingEnd, pieces: &mut Pieces) {
        self.flush(pieces);
        pieces.tell(Recorded::Ended { recording: self.key, length: self.position, why });
    }

    /// Samples of a channel in a piece.
    fn piece_samples(&self) -> u64 {
        samples(self.settings.piece).clamp(FRAME as u64, PIECE)
    }

    fn channels(&self) -> usize {
        if self.settings.is_separate { 2 } else { 1 }
    }

    fn flush(&mut self, pieces: &mut Pieces) {
        if let Some(piece) = self.piece.take() {
            pieces.push(piece, self.channels());
        }
    }
}

fn samples(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / u64::from(RATE)) / 1000 * u64::from(RATE / 1000)
}

/// The samples in a second of a recording: wide-band speech, whatever its legs speak.
pub const RATE: u32 = 16_000;

/// Samples of a channel in a tick.
const FRAME: usize = (RATE / 1000) as usize * TICK.as_millis() as usize;

/// The longest pieces, and those of files.
pub const LONGEST_PIECE: Duration = Duration::from_millis(200);

/// Samples of a channel in the longest piece.
const PIECE: u64 = (RATE / 1000) as u64 * LONGEST_PIECE.as_millis() as u64;

/// Packets in a piece that keeps them: those of 200 ms, of legs that send every 10 ms, and as many again.
const MAX_KEPT: usize = 80;

/// Their bytes: twice those of two legs that send samples of 16 bits at 16 kHz.
const MAX_KEPT_BYTES: usize = 32 * 1024;

/// The way of packets before it is known.
const NOWHERE: PacketWay = {
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    PacketWay { from: nowhere, to: nowhere }
};

/// How far the clock may be ahead of what was recorded before there is a gap: a tick and its neighbours.
const SLACK: u64 = 4 * FRAME as u64;

/// Pieces that may wait: more than a second of hundreds of recordings.
const MAX_WAITING: usize = 2048;
