//! A conference: each member hears the others.
//!
//! Voices are added up at the rate that two of the members can make something of, one speaking and one hearing. Who comes
//! may raise it; it sinks again when many are there, or when only one was.

use std::collections::BTreeMap;
use std::time::Instant;

use super::TICK;
use super::desk::MOST;
use super::ear::{Ear, Workspace};
use super::made::Outbox;
use super::voice::{Voice, preferred};
use crate::audio::{Mixer, MixerSettings, Place, Resampler};
use crate::codec::opus;
use crate::negotiation::Patch;
use crate::session::LegKey;

/// The members of one conference and what they hear.
pub(super) struct Conference {
    /// Samples in a second of those that are added up.
    rate: u32,
    mixer: Mixer,
    members: BTreeMap<LegKey, Member>,
    frame: Vec<i16>,
    converted: Vec<i16>,
}

struct Member {
    width: Width,
    place: Place,
    /// The mixer's and that of the member's voice.
    rates: (u32, u32),
    /// From the one to the other.
    resampler: Option<Resampler>,
}

/// The highest rates, samples in a second, of what a leg says and of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    spoken: u32,
    heard: u32,
}

impl Width {
    /// That of a leg with these codecs; `None` if there is none of ours in one direction.
    pub(super) fn of(patch: &Patch) -> Option<Self> {
        let (_, spoken) = preferred(&patch.from)?;
        let (codec, heard) = preferred(&patch.to)?;
        // Of Opus a far end may say what it can make heard; of the others there is one rate.
        let heard = heard.sample_rate(opus::Settings::of(codec).max_playback_rate);
        Some(Width { spoken: spoken.sample_rate(MOST), heard })
    }
}

impl Conference {
    pub(super) fn new(rate: u32) -> Self {
        let frame = frame(rate);
        Conference {
            rate,
            mixer: mixer(rate),
            members: BTreeMap::new(),
            frame: vec![0; frame],
            converted: vec![0; self::frame(MOST)],
        }
    }

    /// The rate that a conference, or a new one, is to have when `leg` comes, or comes again, with this width.
    pub(super) fn rate_with(conference: Option<&Self>, leg: LegKey, width: Width) -> u32 {
        let members = conference.iter().flat_map(|conference| &conference.members);
        let others = members.filter(|(other, _)| **other != leg).map(|(_, member)| member.width);
        let widths: Vec<Width> = others.chain([width]).collect();
        let best = widest(&widths);
        match (conference, widths.len()) {
            (_, len) if len > MOST_WIDE => best.min(WIDE_BAND),
            // A change is heard by all who are there: there is none for what nobody needs any more.
            (Some(conference), 3..) => best.max(conference.rate),
            _ => best,
        }
    }

    /// Adds voices up at this rate; ears and voices are to follow.
    pub(super) fn change_rate(&mut self, rate: u32) {
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        self.mixer = mixer(rate);
        self.frame.resize(frame(rate), 0);
        for member in self.members.values_mut() {
            // There are as many places as before.
            if let Some(place) = self.mixer.join() {
                member.place = place;
            }
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = LegKey> {
        self.members.keys().copied()
    }

    /// Lets a leg in; `false` when the conference is full.
    pub(super) fn join(&mut self, leg: LegKey, width: Width) -> bool {
        let place = match self.members.get(&leg) {
            Some(member) => Some(member.place),
            None => self.mixer.join(),
        };
        let Some(place) = place else { return false };
        self.members.insert(leg, Member { width, place, rates: (self.rate, self.rate), resampler: None });
        true
    }

    /// Gives a member what it hears at the rate of samples that its voice takes.
    pub(super) fn speak_at(&mut self, leg: LegKey, voice_rate: u32) {
        let rates = (self.rate, voice_rate);
        if let Some(member) = self.members.get_mut(&leg).filter(|member| member.rates != rates) {
            member.rates = rates;
            member.resampler = if rates.0 == rates.1 { None } else { Resampler::new(rates.0, rates.1) };
        }
    }

    pub(super) fn leave(&mut self, leg: LegKey) {
        if let Some(member) = self.members.remove(&leg) {
            self.mixer.leave(member.place);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Lets 20 ms pass.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        ears: &mut BTreeMap<LegKey, Box<Ear>>,
        voices: &mut BTreeMap<LegKey, Voice>,
        workspace: &mut Workspace,
        outbox: &mut Outbox,
    ) {
        for (leg, member) in &self.members {
            if let Some(ear) = ears.get_mut(leg)
                && ear.pull(now, &mut self.frame, workspace)
            {
                self.mixer.handle_frame(member.place, &self.frame);
            }
        }
        self.mixer.mix();
        for (leg, member) in &mut self.members {
            let Some(voice) = voices.get_mut(leg) else { continue };
            self.mixer.read(member.place, &mut self.frame);
            voice.catch_up(now);
            match &mut member.resampler {
                Some(resampler) => {
                    let len = resampler.convert(&self.frame, &mut self.converted);
                    voice.say(now, self.converted.get(..len).unwrap_or_default(), outbox);
                }
                None => voice.say(now, &self.frame, outbox),
            }
        }
    }
}

/// The highest rate at which one of them speaks and another hears; of one alone, that of its narrower direction.
fn widest(widths: &[Width]) -> u32 {
    let alone = |one: &Width| one.spoken.min(one.heard);
    let heard_by_others = |(place, one): (usize, &Width)| {
        let others = widths.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, other)| other.heard.min(one.spoken)).max().unwrap_or_else(|| alone(one))
    };
    widths.iter().enumerate().map(heard_by_others).max().unwrap_or(WIDE_BAND)
}

fn mixer(rate: u32) -> Mixer {
    Mixer::new(MixerSettings { frame: frame(rate), legs: MAX_MEMBERS, loudest: Some(LOUDEST) })
}

/// Samples in a tick of the clock.
const fn frame(rate: u32) -> usize {
    (rate / 1000) as usize * TICK.as_millis() as usize
}

/// Samples in a second of wide-band telephony.
const WIDE_BAND: u32 = 16_000;

/// Members beyond whom no more than wide-band is heard: each of them costs an encoder.
const MOST_WIDE: usize = 16;

/// Legs in one conference.
pub const MAX_MEMBERS: usize = 128;

/// How many of them are heard at once: more voices are noise.
const LOUDEST: usize = 4;
