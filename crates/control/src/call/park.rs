//! Parking: a party transfers the other one to a code, where it hears music, if there is any, until somebody picks the
//! call up.
//!
//! A call is parked for a user: who parks it, or one that is named behind the code. It is picked up as one that rings is
//! ([`super::pickup`]), by that user, by its group, and by who has parked it. When it has waited for
//! `limits.ring_seconds`, who has parked it is called back; when that comes to nothing, the call is over.
//!
//! Left out: places with numbers.

use std::time::Instant;

use ringback_media::session::LegKey;

use super::service::Service;
use super::transfer::AskedBy;
use super::{Call, Phase};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};
use crate::routing::Destination;

impl Call {
    /// The leg that has parked the call, while it waits to be picked up.
    pub fn parked_by(&self) -> Option<LegKey> {
        match (self.phase, self.service) {
            (Phase::Answered(_), Service::Parked { by }) => Some(by),
            _ => None,
        }
    }
}

impl Exchange {
    /// The transferee is silent: the call is parked.
    pub(crate) fn parked(&mut self, now: Instant, call: &mut Call, by: LegKey) {
        call.service = Service::Parked { by };
        self.stats.calls_parked += 1;
        self.arm_recall(now, call);
    }

    /// Begins the time after which who has parked a call is called back.
    pub(crate) fn arm_recall(&mut self, now: Instant, call: &Call) {
        if call.parked_by().is_some() {
            self.deadlines.set(Timer::Ring(call.number), now + self.settings.limits.ring);
        }
    }

    /// Nobody has picked a parked call up.
    pub(crate) fn recall(&mut self, now: Instant, call: &mut Call, by: LegKey) {
        self.stats.parked_calls_recalled += 1;
        let waits = call.first;
        let (Some(parker), Some(leg)) = (call.leg(by).map(|leg| leg.aor.clone()), call.leg(waits)) else {
            return;
        };
        match self.destination_of(&parker, &leg.aor, leg.flow, &[]) {
            Ok(destination @ Destination::Targets { .. }) => {
                self.call_target(now, call, [by, waits], destination, &parker, AskedBy::Refer);
                let at = self.settings.epoch.unix_ms(now);
                if let Some(transfer) = call.transfer.as_deref_mut() {
                    transfer.left = Some(at);
                }
            }
            _ => self.end(now, call, EndedBy::Exchange, "nobody picked the parked call up"),
        }
    }
}
