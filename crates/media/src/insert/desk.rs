//! The desk: who hears whom.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::conference::{Conference, Width};
use super::ear::{Ear, Workspace};
use super::follow::Sound;
use super::made::{Made, Outbox};
use super::player::{PlayEnd, Player};
use super::record::{Pieces, Recorder, RecordingEnd, RecordingKey};
use super::voice::{Voice, preferred};
use super::{MAX_MEMBERS, TICK};
use crate::dtmf::{Press, Refusal};
use crate::negotiation::{Keys, Patch};
use crate::rtp::{Header, ticks};
use crate::session::LegKey;

/// The inserts of one media worker: a machine without threads or a clock of its own.
///
/// Packets come in by [`Desk::handle_packet`], what is made goes out by [`Desk::poll_made`], commands are plain verbs.
pub struct Desk {
    ears: BTreeMap<LegKey, Box<Ear>>,
    pub(super) voices: BTreeMap<LegKey, Voice>,
    /// Where what an ear hears goes, and what ear and voice were made from.
    feeds: BTreeMap<LegKey, (Feed, Patch)>,
    conferences: BTreeMap<ConferenceKey, Conference>,
    /// What is played to legs.
    pub(super) players: BTreeMap<LegKey, Player>,
    /// What is played no more.
    pub(super) ended: VecDeque<(LegKey, PlayEnd)>,
    pub(super) recorders: BTreeMap<RecordingKey, Recorder>,
    /// In which recording a leg is heard.
    pub(super) recorded: BTreeMap<LegKey, RecordingKey>,
    pub(super) pieces: Pieces,
    /// Keys that far ends are to be told of.
    told: VecDeque<(LegKey, Press)>,
    outbox: Outbox,
    /// The next tick of the clock, while anybody needs one.
    tick_at: Option<Instant>,
    /// What the numbers of voices follow from.
    pub(super) seed: u64,
    frame: Vec<i16>,
    workspace: Workspace,
    pub(super) stats: DeskStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Leg(LegKey),
    Conference(ConferenceKey),
}

/// The name of a conference, chosen by control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceKey(pub u64);

/// Why an insert is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// One side has no codec of ours.
    #[error("there is no audio codec that can be made here: offer opus, G722, PCMA or PCMU")]
    Codec,
    /// The conference has as many members as it may have.
    #[error("the conference is full: it has {MAX_MEMBERS} members")]
    Full,
}

/// What a desk has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeskStats {
    /// Packets that came.
    pub packets: u64,
    /// Packets for a leg that has no insert.
    pub no_insert: u64,
    /// Packets that came after later ones.
    pub late: u64,
    /// Payloads that their codec does not understand.
    pub unreadable: u64,
    /// Payload types that were not agreed.
    pub unknown: u64,
    /// Packets with more audio than can have been spoken.
    pub too_much: u64,
    /// Milliseconds that were made up for lost packets.
    pub concealed_ms: u64,
    /// Packets that were made.
    pub made: u64,
    /// Packets that were made and found no place to wait.
    pub overflowed: u64,
    /// Ticks that were left out because the desk came too late to them.
    pub ticks_missed: u64,
    /// Keys that were found while more waited, or had just been told, than anybody presses.
    pub keys_beyond: u64,
    /// Packets of legs that are recorded.
    pub recorded: u64,
    /// Samples of recordings, and packets to be kept, that found no place to wait or in their piece.
    pub recording_overflowed: u64,
}

impl Desk {
    /// A desk without inserts; the numbers of its streams follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Desk {
            ears: BTreeMap::new(),
            voices: BTreeMap::new(),
            feeds: BTreeMap::new(),
            conferences: BTreeMap::new(),
            players: BTreeMap::new(),
            ended: VecDeque::new(),
            recorders: BTreeMap::new(),
            recorded: BTreeMap::new(),
            pieces: Pieces::default(),
            told: VecDeque::new(),
            outbox: Outbox::default(),
            tick_at: None,
            seed,
            frame: vec![0; crate::codec::MAX_SAMPLES],
            workspace: Workspace::default(),
            stats: DeskStats::default(),
        }
    }

    /// Lets leg `to` hear what leg `from` says, in the codecs of the patch. The same patch again changes nothing.
    pub fn patch(&mut self, from: LegKey, to: LegKey, patch: &Patch) -> Result<(), DeskError> {
        if self.feeds.get(&from).is_some_and(|(feed, known)| *feed == Feed::Leg(to) && known == patch) {
            return Ok(());
        }
        let loss = self.voices.get(&to).map_or(0, |former| former.loss);
        // Whatever comes of it, nothing goes where it went before, and a leg hears one other.
        self.unplug(from);
        if let Some(speaker) = self.voices.get(&to).map(|voice| voice.speaker) {
            self.unplug(speaker);
        }
        let (_, source) = preferred(&patch.from).ok_or(DeskError::Codec)?;
        self.seed = next(self.seed);
        // The narrower of the two decides: nothing is gained by samples that the other cannot carry.
        let mut voice =
            Voice::new(to, from, patch, source.sample_rate(MOST), self.seed).map_err(|_| DeskError::Codec)?;
        voice.expect_loss(loss);
        let mut ear = Ear::new(&patch.from, voice.sample_rate()).map_err(|_| DeskError::Codec)?;
        if !ear.has_events() && (voice.takes_events() || patch.keys == Keys::Told) {
            ear.find_tones();
        }
        self.ears.insert(from, Box::new(ear));
        self.voices.insert(to, voice);
        self.feeds.insert(from, (Feed::Leg(to), patch.clone()));
        Ok(())
    }

    /// Lets a leg into a conference, which begins with its first member and ends with its last.
    pub fn join(
        &mut self,
        now: Instant,
        leg: LegKey,
        key: ConferenceKey,
        patch: &Patch,
    ) -> Result<(), DeskError> {
        let loss = self.voices.get(&leg).map_or(0, |former| former.loss);
        match self.feeds.get(&leg) {
            Some((Feed::Conference(held), known)) if *held == key && known == patch => return Ok(()),
            // It keeps its place.
            Some((Feed::Conference(held), _)) if *held == key => {}
            _ => {
                self.unplug(leg);
                // Who spoke to it alone does so no more, or would take its voice away when it goes.
                if let Some(speaker) = self.voices.get(&leg).map(|voice| voice.speaker) {
                    self.unplug(speaker);
                }
            }
        }
        self.seed = next(self.seed);
        let width = Width::of(patch).ok_or(DeskError::Codec)?;
        let rate = Conference::rate_with(self.conferences.get(&key), leg, width);
        let mut voice = Voice::new(leg, leg, patch, rate, self.seed).map_err(|_| DeskError::Codec)?;
        voice.expect_loss(loss);
        let mut ear = Ear::new(&patch.from, rate).map_err(|_| DeskError::Codec)?;
        ear.wait_for_clock();
        let conference = self.conferences.entry(key).or_insert_with(|| Conference::new(rate));
        if !conference.join(leg, width) {
            return Err(DeskError::Full);
        }
        if let Some(former) = self.ears.insert(leg, Box::new(ear)) {
            add(&mut self.stats, &former);
        }
        self.voices.insert(leg, voice);
        self.feeds.insert(leg, (Feed::Conference(key), patch.clone()));
        self.tune(key, rate);
        self.start_clock(now);
        Ok(())
    }

    /// Has all in a conference hear and speak at its rate.
    fn tune(&mut self, key: ConferenceKey, rate: u32) {
        let Some(conference) = self.conferences.get_mut(&key) else { return };
        conference.change_rate(rate);
        for leg in conference.members().collect::<Vec<_>>() {
            if let Some(ear) = self.ears.get_mut(&leg) {
                ear.change_rate(rate);
            }
            if let (Some(voice), Some((_, patch))) = (self.voices.get_mut(&leg), self.feeds.get(&leg)) {
                voice.change_rate(patch, rate);
                conference.speak_at(leg, voice.sample_rate());
            }
        }
    }

    /// Sends a key to a leg that has a voice, as its far end understands it.
    pub fn press(&mut self, now: Instant, leg: LegKey, press: Press) -> Result<(), Refusal> {
        if let Some(voice) = self.voices.get_mut(&leg) {
            voice.press(press)?;
            self.start_clock(now);
        }
        Ok(())
    }

    /// Tells what part of our packets the far end of a leg loses, in percent: its voice protects itself accordingly.
    pub fn expect_loss(&mut self, leg: LegKey, percent: u8) {
        if let Some(voice) = self.voices.get_mut(&leg) {
            voice.expect_loss(percent);
        }
    }

    /// Parts a leg from whoever hears it. What it hears itself is not changed, but for a conference, which it leaves.
    pub fn unplug(&mut self, leg: LegKey) {
        if let Some(ear) = self.ears.remove(&leg) {
            add(&mut self.stats, &ear);
        }
        match self.feeds.remove(&leg) {
            Some((Feed::Conference(key), _)) => {
                self.take_voice(leg);
                if let Some(conference) = self.conferences.get_mut(&key) {
                    conference.leave(leg);
                    if conference.is_empty() {
                        self.conferences.remove(&key);
                    }
                }
            }
            Some((Feed::Leg(to), _)) => self.take_voice(to),
            None => {}
        }
    }

    /// A leg has no voice any more; what is played to it goes on by one of its own.
    fn take_voice(&mut self, leg: LegKey) {
        self.voices.remove(&leg);
        if let Some(player) = self.players.get_mut(&leg) {
            self.seed = next(self.seed);
            player.speak_alone(leg, self.seed);
        }
    }

    /// Forgets a leg.
    pub fn close(&mut self, leg: LegKey) {
        self.unplug(leg);
        if let Some(speaker) = self.voices.get(&leg).map(|voice| voice.speaker) {
            self.unplug(speaker);
        }
        self.players.remove(&leg);
        self.unrecord(leg);
    }

    /// The legs that have inserts.
    pub fn legs(&self) -> Vec<LegKey> {
        let mut legs: Vec<LegKey> =
            [self.ears.keys().copied().collect::<Vec<_>>(), self.voices.keys().copied().collect()].concat();
        legs.extend(self.players.keys().chain(self.recorded.keys()));
        legs.sort_unstable();
        legs.dedup();
        legs
    }

    /// Takes an opened RTP packet of a leg.
    pub fn handle_packet(&mut self, now: Instant, leg: LegKey, packet: &[u8]) {
        self.stats.packets += 1;
        self.hear_for_recording(now, leg, packet);
        let header = Header::parse(packet);
        let (Some(header), Some(ear), Some(feed)) = (header, self.ears.get_mut(&leg), self.feeds.get(&leg))
        else {
            self.stats.no_insert += 1;
            return;
        };
        let Some(payload) = header.content(packet).and_then(|content| packet.get(content)) else {
            self.stats.unreadable += 1;
            return;
        };
        match feed {
            (Feed::Conference(_), _) => ear.push(now, &header, payload),
            (Feed::Leg(to), patch) => {
                let Some(voice) = self.voices.get_mut(to) else {
                    self.stats.no_insert += 1;
                    return;
                };
                // What a clock plays goes before what packets say.
                let mut player = self.players.get_mut(to);
                let is_spoken_over = player.is_some();
                let mut is_interrupted = false;
                let outbox = &mut self.outbox;
                let mut pressed = false;
                let mut keys: SmallVec<[Press; 2]> = SmallVec::new();
                ear.follow(now, &header, payload, &mut self.workspace, |sound| match sound {
                    Sound::Samples(samples) if is_spoken_over => {
                        is_interrupted |=
                            player.as_deref_mut().is_some_and(|player| player.is_interrupted(samples));
                    }
                    _ if is_spoken_over => {}
                    Sound::Samples(samples) => voice.say(now, samples, outbox),
                    Sound::Pause(time) => voice.pause(ticks(time, voice.format().clock_rate())),
                    Sound::Event(report) if voice.takes_events() => voice.pass_event(&report, outbox),
                    Sound::Event(report) => keys.extend(report.ended),
                    Sound::Key(press) => keys.push(press),
                });
                for press in keys.into_iter().map(Press::playable) {
                    match patch.keys {
                        Keys::Told if !voice.takes_events() => match voice.may_tell(now) {
                            true => tell(&mut self.told, &mut self.stats, *to, press),
                            false => self.stats.keys_beyond += 1,
                        },
                        _ => match voice.press(press) {
                            Ok(()) => pressed = true,
                            // More wait than anybody presses.
                            Err(_) => self.stats.keys_beyond += 1,
                        },
                    }
                }
                if is_interrupted {
                    self.players.remove(to);
                    self.ended.push_back((*to, PlayEnd::Interrupted));
                }
                if pressed || ear.key_is_down() && !voice.takes_events() {
                    self.start_clock(now);
                }
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(at) = self.tick_at.filter(|at| *at <= now) {
            if now.saturating_duration_since(at) > BEHIND {
                let missed = now.saturating_duration_since(at).as_millis() / TICK.as_millis();
                self.stats.ticks_missed += u64::try_from(missed).unwrap_or(u64::MAX);
                self.tick_at = Some(now);
                continue;
            }
            self.tick(at);
            let needs_clock = !self.conferences.is_empty()
                || !self.players.is_empty()
                || !self.recorders.is_empty()
                || self.followed().any(|(ear, _)| ear.key_is_down())
                || self.voices.values().any(Voice::is_pressing);
            self.tick_at = needs_clock.then(|| at + TICK);
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tick_at
    }

    /// The next packet that was made. Give it back by [`Desk::recycle`] when it was sent.
    pub fn poll_made(&mut self) -> Option<Made> {
        let made = self.outbox.pop()?;
        self.stats.made += 1;
        Some(made)
    }

    /// A key that was pressed for a far end that is to be told of it, and hears nothing of it: whose leg, and which.
    pub fn poll_told(&mut self) -> Option<(LegKey, Press)> {
        self.told.pop_front()
    }

    /// Takes back a packet that was sent, so that nothing is allocated for the next.
    pub fn recycle(&mut self, made: Made) {
        self.outbox.give_back(made);
    }

    /// What was counted so far.
    pub fn stats(&self) -> DeskStats {
        let mut stats = DeskStats {
            overflowed: self.outbox.overflowed,
            recording_overflowed: self.pieces.overflowed,
            ..self.stats
        };
        for ear in self.ears.values() {
            add(&mut stats, ear);
        }
        stats
    }

    fn tick(&mut self, now: Instant) {
        for conference in self.conferences.values_mut() {
            conference.tick(now, &mut self.ears, &mut self.voices, &mut self.workspace, &mut self.outbox);
        }
        let (voices, ended) = (&mut self.voices, &mut self.ended);
        self.players.retain(|leg, player| {
            let is_over = player.tick(now, voices.get_mut(leg), &mut self.frame, &mut self.outbox);
            if is_over {
                ended.push_back((*leg, PlayEnd::Finished));
            }
            !is_over
        });
        let mut too_long: SmallVec<[RecordingKey; 4]> = SmallVec::new();
        for (key, recorder) in &mut self.recorders {
            if recorder.tick(now, &mut self.pieces, &mut self.workspace) {
                too_long.push(*key);
            }
        }
        for key in too_long {
            self.end_recording(key, RecordingEnd::TooLong);
        }
        for (leg, (feed, patch)) in &self.feeds {
            if let Feed::Leg(to) = feed
                && let Some(press) = self.ears.get_mut(leg).and_then(|ear| ear.key_is_due(now))
                && let Some(voice) = self.voices.get_mut(to).filter(|voice| !voice.takes_events())
            {
                let press = press.playable();
                match patch.keys {
                    Keys::Told => tell(&mut self.told, &mut self.stats, *to, press),
                    Keys::Heard => self.stats.keys_beyond += u64::from(voice.press(press).is_err()),
                }
            }
        }
        for voice in self.voices.values_mut().filter(|voice| voice.is_pressing()) {
            voice.press_on(now, &mut self.frame, &mut self.outbox);
        }
    }

    /// The ears that others follow, for whom keys are made into tones.
    fn followed(&self) -> impl Iterator<Item = (&Ear, &Voice)> {
        self.feeds.iter().filter_map(|(leg, (feed, _))| match feed {
            Feed::Leg(to) => Some((
                self.ears.get(leg)?.as_ref(),
                self.voices.get(to).filter(|voice| !voice.takes_events())?,
            )),
            Feed::Conference(_) => None,
        })
    }

    pub(super) fn start_clock(&mut self, now: Instant) {
        self.tick_at.get_or_insert(now + TICK);
    }
}

fn add(stats: &mut DeskStats, ear: &Ear) {
    stats.late += ear.counts.late;
    stats.unreadable += ear.counts.unreadable;
    stats.unknown += ear.counts.unknown;
    stats.concealed_ms += ear.counts.concealed_ms;
    stats.too_much += ear.counts.too_much;
    for jitter in ear.jitters() {
        stats.late += jitter.late;
        stats.unreadable += jitter.unusable + jitter.astray;
    }
}

fn tell(told: &mut VecDeque<(LegKey, Press)>, stats: &mut DeskStats, to: LegKey, press: Press) {
    match told.len() < MOST_TOLD {
        true => told.push_back((to, press)),
        false => stats.keys_beyond += 1,
    }
}

/// The next of a series of numbers that look random ([SplitMix64]).
///
/// [SplitMix64]: https://doi.org/10.1145/2714064.2660195
pub(super) fn next(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Keys that wait to be told, of all legs.
const MOST_TOLD: usize = 1024;
/// The highest rate of samples.
pub(super) const MOST: u32 = 48_000;
/// What the clock may be late before ticks are left out.
const BEHIND: Duration = Duration::from_millis(200);
