//! What the media workers say of the legs of a call.

use std::time::{Duration, Instant};

use ringback_media::session::{Gone, LegKey};

use super::{Call, Phase, Signalling};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::{Exchange, Timer};

/// How long the BYE of a far end that closed its media is waited for. A browser that hangs up closes both at once, and
/// they come by different ways; a lost BYE is repeated after half a second.
const BYE_WITHIN: Duration = Duration::from_secs(2);

impl Exchange {
    /// The far end of a leg has gone without a BYE. The record ends with the last packet, not with the time-out.
    ///
    /// While the call rings, nothing of the callee's is there to be missed, and the caller's is not yet needed.
    pub(crate) fn leg_gone(&mut self, now: Instant, call: &mut Call, key: LegKey, gone: Gone) {
        if gone == Gone::Failed {
            return self.leg_failed(now, call, key);
        }
        let is_up = call.leg(key).is_some_and(|leg| matches!(leg.signalling, Signalling::Confirmed { .. }));
        if !matches!(call.phase, Phase::Answered(_)) || !is_up {
            return;
        }
        if gone == Gone::DtlsClosed {
            return self.deadlines.set(Timer::Bye(call.number, key), now + BYE_WITHIN);
        }
        self.end_without(now, call, key, gone);
    }

    /// The far end that closed its media has said no BYE.
    pub(crate) fn bye_missing(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        self.end_without(now, call, key, Gone::DtlsClosed);
    }

    fn end_without(&mut self, now: Instant, call: &mut Call, key: LegKey, gone: Gone) {
        let is_alone = call.goes_on_without(key);
        if !is_alone {
            call.silent = Some(key);
        }
        let why = match gone {
            Gone::ConsentLost => "its network path is lost",
            Gone::DtlsClosed => "it closed its media connection",
            Gone::DtlsFailed => "its media could not be encrypted",
            Gone::NoMedia => "nothing was heard of it for 65 s",
            Gone::Failed => "its media failed here",
        };
        let side = call.side(key).word();
        self.stats.legs_gone += 1;
        self.party_lost(now, call, key, EndedBy::Exchange, &format!("the {side} has gone: {why}"));
    }

    /// A media worker has given a leg up because of a mistake of ours: whatever the call was about, it ends here.
    fn leg_failed(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let side = call.side(key).word();
        self.stats.legs_gone += 1;
        self.events.push_back(Event::CallPanicked { id: call.record.id.clone() });
        self.give_up(now, call, &format!("the exchange made a mistake with the media of the {side}"));
    }

    /// Media flows: from a leg, for the first time.
    pub(crate) fn leg_heard(&mut self, call: &Call, key: LegKey) {
        let caller = key == call.first;
        self.events.push_back(Event::FirstPacket { id: call.record.id.clone(), caller });
    }
}
