//! What the media workers say of the legs of a call.

use std::time::Instant;

use ringback_media::session::{Gone, LegKey};

use super::{Call, Phase};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::Exchange;

impl Exchange {
    /// The far end of a leg has gone without a BYE. The record ends with the last packet, not with the time-out.
    ///
    /// While the call rings, nothing of the callee's is there to be missed, and the caller's is not yet needed.
    pub(crate) fn leg_gone(&mut self, now: Instant, call: &mut Call, key: LegKey, gone: Gone) {
        if !matches!(call.phase, Phase::Answered(_)) {
            return;
        }
        call.silent = Some(key);
        let why = match gone {
            Gone::ConsentLost => "its network path is lost",
            Gone::DtlsClosed => "it closed its media connection",
            Gone::DtlsFailed => "its media could not be encrypted",
            Gone::NoMedia => "nothing was heard of it for 65 s",
        };
        let side = call.side(key).word();
        self.stats.legs_gone += 1;
        self.end(now, call, EndedBy::Exchange, &format!("the {side} has gone: {why}"));
    }

    /// Media flows: from a leg, for the first time.
    pub(crate) fn leg_heard(&mut self, call: &Call, key: LegKey) {
        let caller = key == call.caller.key;
        self.events.push_back(Event::FirstPacket { id: call.record.id.clone(), caller });
    }
}
