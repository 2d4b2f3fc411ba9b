//! Media and DTMF that do not pass for a while, and keys that are pressed here.
//!
//! What is blocked is not in the map of payload types that the media worker translates by: nothing else changes, and
//! nobody is told.

use std::time::Instant;

use bytes::Bytes;
use ringback_media::dtmf::Press;
use ringback_media::sdp::Kind;
use ringback_media::session::LegKey;

use super::calls::{Blocked, Call, Side};
use super::command::{MediaAction, Whose};
use super::engine::{Engine, ok};
use super::refusal::Reason;
use super::value::Dict;
use crate::media::MediaCommand;

impl Engine {
    /// Does something to the media of a call, or of one side of it.
    pub(super) fn act(&mut self, now: Instant, action: MediaAction, whose: &Whose) -> Result<Dict, Reason> {
        let change: fn(&mut Blocked) = match action {
            MediaAction::BlockMedia => |blocked| blocked.media = true,
            MediaAction::UnblockMedia => |blocked| blocked.media = false,
            MediaAction::BlockDtmf => |blocked| blocked.dtmf = true,
            MediaAction::UnblockDtmf => |blocked| blocked.dtmf = false,
            // Nothing is heard either way; that packets stop coming is all the difference.
            MediaAction::SilenceMedia => |blocked| blocked.silenced = true,
            MediaAction::UnsilenceMedia => |blocked| blocked.silenced = false,
            action => {
                self.number_of(&whose.call)?;
                return Err(Reason::NotInThisVersion(action.word()));
            }
        };
        let number = self.number_of(&whose.call)?;
        let Some(mut call) = self.take(number) else { return Err(Reason::NoCall) };
        let done = block(&mut call, whose, change);
        call.signalled = now;
        if done.is_ok() {
            let legs: Vec<LegKey> = call.sides.iter().map(|side| side.leg).collect();
            for leg in legs {
                self.configure(&call, leg);
            }
        }
        self.calls.insert(number, call);
        done.map(|()| ok())
    }
}

impl Engine {
    /// Presses a key for whom the side that is meant talks to, in its events.
    pub(super) fn press(&mut self, now: Instant, whose: &Whose, press: Press) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let call = self.calls.get_mut(&number).ok_or(Reason::NoCall)?;
        call.signalled = now;
        let side = call.named(whose).flatten().and_then(|leg| call.side(leg)).ok_or(Reason::NoTag)?;
        let (to, party) =
            side.peer.and_then(|peer| Some((peer, call.side(peer)?.party()?))).ok_or(Reason::NoOffer)?;
        let events = Some(party.events().ok_or(Reason::NoEvents)?);
        self.command(to, MediaCommand::Press { press, events });
        Ok(ok())
    }
}

fn block(call: &mut Call, whose: &Whose, change: fn(&mut Blocked)) -> Result<(), Reason> {
    match call.named(whose) {
        Some(leg) => {
            let side = leg.and_then(|leg| call.side_mut(leg)).ok_or(Reason::NoTag)?;
            change(&mut side.blocked);
        }
        None => {
            change(&mut call.blocked);
            if whose.all {
                call.sides.iter_mut().for_each(|side| change(&mut side.blocked));
            }
        }
    }
    Ok(())
}

impl Side {
    /// Whether what this side sends of this kind passes to the other.
    pub(super) fn lets_pass(&self, call: &Call, kind: Kind) -> bool {
        match kind {
            Kind::TelephoneEvent => !(self.blocked.dtmf || call.blocked.dtmf),
            _ => [self.blocked, call.blocked].iter().all(|blocked| !blocked.media && !blocked.silenced),
        }
    }

    /// The tag that it is known by; empty as long as it has none.
    pub(super) fn tag(&self) -> Bytes {
        self.tags.last().cloned().unwrap_or_default()
    }
}
