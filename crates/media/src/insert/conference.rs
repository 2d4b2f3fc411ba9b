//! A conference: each member hears the others.

use std::collections::BTreeMap;
use std::time::Instant;

use super::TICK;
use super::ear::{Ear, Workspace};
use super::made::Outbox;
use super::voice::Voice;
use crate::audio::{Mixer, MixerSettings, Place, Resampler};
use crate::session::LegKey;

/// The members of one conference and what they hear.
pub(super) struct Conference {
    mixer: Mixer,
    members: BTreeMap<LegKey, Member>,
    frame: Vec<i16>,
    converted: Vec<i16>,
}

struct Member {
    place: Place,
    /// From the mixer's rate to that of the member's voice.
    resampler: Option<Resampler>,
}

impl Conference {
    pub(super) fn new() -> Self {
        let frame = (RATE / 1000) as usize * TICK.as_millis() as usize;
        Conference {
            mixer: Mixer::new(MixerSettings { frame, legs: MAX_MEMBERS, loudest: Some(LOUDEST) }),
            members: BTreeMap::new(),
            frame: vec![0; frame],
            converted: vec![0; frame * 6],
        }
    }

    /// Lets a leg in whose voice takes samples at `voice_rate`; `false` when the conference is full.
    pub(super) fn join(&mut self, leg: LegKey, voice_rate: u32) -> bool {
        let place = match self.members.get(&leg) {
            Some(member) => Some(member.place),
            None => self.mixer.join(),
        };
        let Some(place) = place else { return false };
        let resampler = if voice_rate == RATE { None } else { Resampler::new(RATE, voice_rate) };
        self.members.insert(leg, Member { place, resampler });
        true
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

/// The rate at which voices are added up, samples in a second: that of wide-band telephony.
pub(super) const RATE: u32 = 16_000;

/// Legs in one conference.
pub const MAX_MEMBERS: usize = 128;

/// How many of them are heard at once: more voices are noise.
const LOUDEST: usize = 4;
