//! What is played to a side: files by their names, and keys that are pressed here.
//!
//! A path is said as rtpengine takes it, and only its last part counts: what can be played is what the configuration
//! names ([`Engine::handle_sounds`]), and nothing else of the machine's files can be heard by whoever reaches the port.
//! Who hears a file hears nothing else meanwhile, and the other side is not told.
//!
//! The side that is meant by `play media` is the one that hears it; the one that is meant by `play DTMF` is the one
//! that seems to press the key, so that whom it talks to hears it: as events, or as a tone where that takes none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_media::dtmf::Press;
use ringback_media::insert::Manner;
use ringback_media::negotiation::patch_alone;
use ringback_media::session::LegKey;

use super::calls::{Call, Side};
use super::command::{PlayMedia, Whose, shown};
use super::engine::{Engine, ok};
use super::refusal::Reason;
use super::value::{Dict, Value};
use crate::media::{MediaCommand, Play, PlayNumber, What};
use crate::owner;

impl Engine {
    /// What can be played has been read: the names, with how long each lasts.
    pub fn handle_sounds(&mut self, sounds: BTreeMap<Arc<str>, Duration>) {
        self.sounds = sounds;
    }

    /// Plays a file to the sides that are meant.
    pub(super) fn play(&mut self, now: Instant, whose: &Whose, media: &PlayMedia) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let (name, duration) = self.sound(&media.file)?;
        if !media.from.is_zero() && media.from >= duration {
            return Err(Reason::BehindSound(duration));
        }
        let times = media.times_of(duration);
        let mut call = self.take(number).ok_or(Reason::NoCall)?;
        call.signalled = now;
        let played = call.meant(whose).and_then(|legs| {
            let what = What::File(name);
            let results = legs.into_iter().map(|leg| self.play_to(&mut call, leg, &what, times, media.from));
            any(results)
        });
        self.calls.insert(number, call);
        played?;
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Ok(ok().with("duration", Value::Number(milliseconds)))
    }

    /// Plays nothing more to the sides that are meant. It is as it should be where nothing was.
    pub(super) fn stop_media(&mut self, now: Instant, whose: &Whose) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let call = self.calls.get_mut(&number).ok_or(Reason::NoCall)?;
        call.signalled = now;
        let mut stopped = Vec::new();
        for leg in call.meant(whose)? {
            let playing = call.side_mut(leg).and_then(|side| side.playing.take());
            stopped.extend(playing.map(|_| leg));
        }
        for leg in stopped {
            self.command(leg, MediaCommand::StopPlaying);
        }
        Ok(ok())
    }

    /// Presses a key for whom the sides that are meant talk to.
    pub(super) fn press(&mut self, now: Instant, whose: &Whose, press: Press) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let mut call = self.take(number).ok_or(Reason::NoCall)?;
        call.signalled = now;
        let pressed = call
            .meant(whose)
            .and_then(|legs| any(legs.into_iter().map(|leg| self.press_from(&call, leg, press))));
        self.calls.insert(number, call);
        pressed.map(|()| ok())
    }

    fn press_from(&mut self, call: &Call, leg: LegKey, press: Press) -> Result<(), Reason> {
        let peer = call.side(leg).and_then(|side| side.peer).and_then(|peer| call.side(peer));
        let (to, party) = peer.and_then(|peer| Some((peer.leg, peer.party()?))).ok_or(Reason::NotTalking)?;
        let events = party.events();
        // Where nothing is made for it already, a tone is made in what it understands.
        let alone = match events {
            Some(_) => None,
            None => Some(Box::new(patch_alone(party).ok_or(Reason::NoTones)?)),
        };
        self.command(to, MediaCommand::Press { press, events, alone });
        Ok(())
    }

    /// Plays something to a side in the place of what was played before, be it the same.
    pub(super) fn play_to(
        &mut self,
        call: &mut Call,
        leg: LegKey,
        what: &What,
        times: u32,
        from: Duration,
    ) -> Result<(), Reason> {
        let side = call.side_mut(leg).ok_or(Reason::NoTag)?;
        let party = side.party().filter(|party| party.agreed().is_some()).ok_or(Reason::NotTalking)?;
        let patch = patch_alone(party).ok_or(Reason::NoCodec)?;
        let number = self.last_play.advance();
        let (what, manner) = (what.clone(), Manner::Over);
        let play = Box::new(Play { number, what, times: Some(times), from, manner, patch });
        if side.playing.replace(play.clone()).is_some() {
            self.command(leg, MediaCommand::StopPlaying);
        }
        self.command(leg, MediaCommand::Play(play));
        Ok(())
    }

    /// A side was configured: what is played to it is made in what it understands from here on, from the beginning.
    pub(super) fn play_on(&mut self, side: &mut Side) {
        let patch = side.party().and_then(patch_alone);
        let Some((playing, patch)) = side.playing.as_mut().zip(patch) else { return };
        if playing.patch != patch {
            playing.number = self.last_play.advance();
            playing.patch = patch;
            let play = playing.clone();
            self.command(side.leg, MediaCommand::Play(play));
        }
    }

    /// What was played to a side is over. News of what was stopped meanwhile does not concern what came after it.
    pub(super) fn played(&mut self, leg: LegKey, number: PlayNumber) {
        let side = self.calls.get_mut(&owner::call_of(leg)).and_then(|call| call.side_mut(leg));
        if let Some(side) = side {
            side.playing.take_if(|playing| playing.number == number);
        }
    }

    /// The sound that a file is, by the last part of its path, with or without its extension.
    fn sound(&self, file: &[u8]) -> Result<(Arc<str>, Duration), Reason> {
        let name = file.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let stem = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(..dot));
        let known = |name: &[u8]| {
            let (name, duration) = self.sounds.get_key_value(std::str::from_utf8(name).ok()?)?;
            Some((name.clone(), *duration))
        };
        known(name).or_else(|| known(stem?)).ok_or_else(|| Reason::NoSound(shown(name)))
    }
}

/// Whether anything was done: where nothing was, why.
fn any(results: impl Iterator<Item = Result<(), Reason>>) -> Result<(), Reason> {
    let mut why = Reason::NotTalking;
    let mut is_done = false;
    for result in results {
        match result {
            Ok(()) => is_done = true,
            Err(reason) => why = reason,
        }
    }
    if is_done { Ok(()) } else { Err(why) }
}
