//! Pickup: somebody else than the one who was called takes a call that rings, or that is parked.
//!
//! The picking phone dials a code and takes the place of a leg that rings, as the sender of an INVITE with Replaces does
//! ([`Exchange::take_place`]); here is who may. A user picks up the calls of its own group, and its own; and
//! what it has parked itself. Left out: pickup of a call that is held.

use std::time::Instant;

use ringback_media::session::LegKey;

use super::refused::{CallRefused, Caller};
use super::transfer::{AskedBy, MOST_LEGS};
use super::{Call, CallNumber, Leg, Phase};
use crate::ask::User;
use crate::exchange::{Exchange, Incoming};

impl Exchange {
    /// An INVITE to the number that picks up: of `whose`, or of anybody in the group.
    pub(crate) fn pick_up(&mut self, now: Instant, incoming: Incoming, picker: &User, whose: Option<&str>) {
        match self.ringing_for(picker, whose).or_else(|| self.parked_for(picker, whose)) {
            Some(leg) => self.take_place(now, incoming, picker, leg, AskedBy::Pickup),
            None => {
                let caller = Caller(picker.name.clone());
                self.refuse_call(now, incoming, caller, CallRefused::NothingToPickUp);
            }
        }
    }

    /// The call that has rung for longest among those that a user may pick up, and the leg that it rings at.
    fn ringing_for(&self, picker: &User, whose: Option<&str>) -> Option<(CallNumber, LegKey)> {
        let is_wanted = |leg: &&Leg| {
            // Without a name it is the group's calls: one's own phone is there already.
            leg.is_pending()
                && whose.map_or(leg.aor != picker.name, |whose| leg.aor == whose)
                && self.may_pick_up(picker, &leg.aor)
        };
        let may_join = |call: &Call| {
            call.phase == Phase::Ringing && call.caller.aor != picker.name && call.transfer.is_none()
        };
        self.calls
            .values()
            .filter(|call| may_join(call))
            .find_map(|call| Some((call.number, call.callees.iter().find(is_wanted)?.key)))
    }

    /// The call that was parked first among those that a user may pick up, and the leg that has parked it.
    fn parked_for(&self, picker: &User, whose: Option<&str>) -> Option<(CallNumber, LegKey)> {
        self.calls.values().filter(|call| call.transfer.is_none()).find_map(|call| {
            let by = call.parked_by()?;
            let user = &call.hunt.user;
            let is_wanted = whose.is_none_or(|whose| whose == user)
                && call.callees.len() < MOST_LEGS
                && (self.may_pick_up(picker, user) || call.leg(by)?.aor == picker.name)
                && call.leg(call.first)?.aor != picker.name;
            is_wanted.then_some((call.number, by))
        })
    }

    /// Somebody else has answered: who is just picking the call up does not get it.
    pub(crate) fn refuse_late_pickup(&mut self, now: Instant, call: &mut Call) {
        if call.transfer.as_deref().is_some_and(|transfer| transfer.asked_by == AskedBy::Pickup) {
            self.transfer_failed(now, call, 480, &CallRefused::NothingToPickUp.to_string());
        }
    }
}
