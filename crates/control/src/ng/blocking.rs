//! Media and DTMF that do not pass for a while.
//!
//! What is blocked is not in the map of payload types that the media worker translates by: nothing else changes, and
//! nobody is told. What is silenced becomes silence where that can be put into the packets, and is blocked
//! otherwise, as Opus and comfort noise are.

use std::time::Instant;

use bytes::Bytes;
use ringback_media::sdp::Kind;
use ringback_media::session::LegKey;

use super::calls::{Blocked, Call, Side};
use super::command::{MediaAction, Whose};
use super::engine::{Engine, ok};
use super::refusal::Reason;
use super::value::Dict;

impl Engine {
    /// Does something to the media of a call, or of one side of it.
    pub(super) fn act(&mut self, now: Instant, action: MediaAction, whose: &Whose) -> Result<Dict, Reason> {
        let change: fn(&mut Blocked) = match action {
            MediaAction::BlockMedia => |blocked| blocked.media = true,
            MediaAction::UnblockMedia => |blocked| blocked.media = false,
            MediaAction::BlockDtmf => |blocked| blocked.dtmf = true,
            MediaAction::UnblockDtmf => |blocked| blocked.dtmf = false,
            MediaAction::SilenceMedia => |blocked| blocked.silenced = true,
            MediaAction::UnsilenceMedia => |blocked| blocked.silenced = false,
        };
        let number = self.number_of(&whose.call)?;
        let Some(mut call) = self.take(number) else { return Err(Reason::NoCall) };
        let done = block(&mut call, whose, change);
        call.signalled = now;
        if done.is_ok() {
            let legs: Vec<LegKey> = call.sides.iter().map(|side| side.leg).collect();
            for leg in legs {
                self.configure(&mut call, leg);
            }
        }
        self.calls.insert(number, call);
        done.map(|()| ok())
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
    /// Whether what this side sends of this kind passes to the other; of what is silenced only what the media workers
    /// can make silence does.
    pub(super) fn lets_pass(&self, call: &Call, kind: Kind, can_be_silence: bool) -> bool {
        match kind {
            Kind::TelephoneEvent => !(self.blocked.dtmf || call.blocked.dtmf),
            _ if self.blocked.media || call.blocked.media => false,
            _ => can_be_silence || !self.is_silenced(call),
        }
    }

    /// Whether nobody is to hear what this side says.
    pub(super) fn is_silenced(&self, call: &Call) -> bool {
        self.blocked.silenced || call.blocked.silenced
    }

    /// The tag that it is known by; empty as long as it has none.
    pub(super) fn tag(&self) -> Bytes {
        self.tags.last().cloned().unwrap_or_default()
    }
}
