//! What the exchange plays to the legs of a call: music on hold, and numbers that are dialled to hear something.
//!
//! A leg hears music while the other one holds it, while it is parked, and while it waits for the one that it was
//! transferred to. The music lies under whatever the other leg sends: a telephone that plays music of its own is heard,
//! and ours ends.
//!
//! `play-NAME` plays the file of that name, once, and hangs up; `tone-busy` and its like a tone of the network, for as long as one
//! cares to listen. Left out: announcements before the answer.

use std::time::{Duration, Instant};

use ringback_media::audio::Signal;
use ringback_media::insert::{Manner, PlayEnd};
use ringback_media::negotiation::{Party, patch_alone};
use ringback_media::session::LegKey;

use super::service::Service;
use super::{Call, Leg, Phase};
use crate::cdr::EndedBy;
use crate::exchange::Exchange;
use crate::media::{MediaCommand, Play, What};

/// What can be dialled to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// The file with this place in the list of those that there are.
    File(usize),
    /// A tone of the network.
    Tone(Signal),
}

impl Exchange {
    /// What is played to who dials this number, if it is one for that.
    pub(crate) fn number_to_hear(&self, user: &str) -> Option<Number> {
        if let Some(name) = user.strip_prefix(FILE) {
            return self.settings.sounds.iter().position(|sound| &**sound == name).map(Number::File);
        }
        TONES.iter().find(|(name, _)| *name == user).map(|(_, signal)| Number::Tone(*signal))
    }

    /// Plays what was dialled to a leg that talks to nobody else.
    pub(super) fn play_number(&mut self, call: &mut Call, number: Number) {
        let what = match number {
            Number::Tone(signal) => What::Tone(signal),
            Number::File(place) => match self.settings.sounds.get(place) {
                Some(name) => What::File(name.clone()),
                None => return,
            },
        };
        self.play_once(call, call.first, what);
    }

    /// Begins or ends the music of a leg that was configured, by whether the other one holds it.
    pub(super) fn play_while_held(&mut self, call: &mut Call, key: LegKey, other: LegKey) {
        let is_held = matches!(call.phase, Phase::Answered(_))
            && call.leg(other).and_then(Leg::party).is_some_and(Party::is_on_hold);
        self.play_music(call, key, is_held);
    }

    /// Plays music to a leg, or no more. Music that was spoken over does not begin anew until the leg is held again.
    pub(super) fn play_music(&mut self, call: &mut Call, key: LegKey, is_wanted: bool) {
        let worker = call.worker;
        let Some(leg) = call.leg_mut(key) else { return };
        let party = leg.party().filter(|party| is_wanted && self.settings.hold_music && !party.is_past_us());
        let party = party.filter(|party| party.agreed().is_some_and(|agreed| agreed.receives));
        let patch = party.and_then(patch_alone).map(Box::new);
        if leg.hears_music == patch {
            return;
        }
        leg.hears_music = patch.clone();
        let command = match patch {
            Some(patch) => {
                let (number, what, manner) = (self.last_play.advance(), What::HoldMusic, Manner::Under);
                MediaCommand::Play(Box::new(Play {
                    number,
                    what,
                    times: None,
                    from: Duration::ZERO,
                    manner,
                    patch: *patch,
                }))
            }
            None => MediaCommand::StopPlaying,
        };
        self.command(worker, key, command);
    }

    /// Has something played to a leg once, if it speaks a codec that we can make.
    pub(super) fn play_once(&mut self, call: &Call, key: LegKey, what: What) {
        let Some(patch) = call.leg(key).and_then(|leg| patch_alone(leg.party()?)) else { return };
        let number = self.last_play.advance();
        let play = Play { number, what, times: Some(1), from: Duration::ZERO, manner: Manner::Over, patch };
        self.command(call.worker, key, MediaCommand::Play(Box::new(play)));
    }

    /// What was played to a leg has come to its end, or was spoken over.
    pub(crate) fn played(&mut self, now: Instant, call: &mut Call, key: LegKey, end: PlayEnd) {
        let is_all = matches!(call.service, Service::Play(_)) && matches!(call.phase, Phase::Answered(_));
        if is_all && key == call.first && end == PlayEnd::Finished {
            return self.end(now, call, EndedBy::Exchange, "what was dialled has been played");
        }
        // Music has no end: something else took its place.
        if end == PlayEnd::Finished && call.leg_mut(key).is_some_and(|leg| leg.hears_music.take().is_some()) {
            self.play_music(call, key, true);
        }
    }
}

/// What stands before the name of a file that is dialled.
const FILE: &str = "play-";

/// Tones that can be dialled.
const TONES: [(&str, Signal); 4] = [
    ("tone-ringback", Signal::RingBack),
    ("tone-busy", Signal::Busy),
    ("tone-congestion", Signal::Congestion),
    ("tone-error", Signal::SpecialInformation),
];
