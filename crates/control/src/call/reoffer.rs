//! An offer of ours that met another one is made again ([RFC 3261 §14.1]), as is what a transfer left to be said.
//!
//! [RFC 3261 §14.1]: https://www.rfc-editor.org/rfc/rfc3261#section-14.1

use std::time::{Duration, Instant};

use rand::Rng;
use ringback_media::session::LegKey;

use super::{Call, Phase, Renegotiation, Reoffer};
use crate::exchange::{Exchange, Timer};

/// How often an offer of ours is made again when it meets another one.
pub(crate) const MOST_ATTEMPTS: u8 = 6;
/// After how long somebody whose connection is gone is asked again: browsers come back within seconds.
pub(crate) const RECONNECT: Duration = Duration::from_secs(2);

impl Exchange {
    /// An offer of ours met another one: it is made again.
    pub(crate) fn offer_again(&mut self, now: Instant, call: &mut Call, to: LegKey) {
        let attempts = call.reoffer.filter(|reoffer| reoffer.to == to).map_or(0, |reoffer| reoffer.attempts);
        if attempts >= MOST_ATTEMPTS {
            call.reoffer = None;
            return;
        }
        call.reoffer = Some(Reoffer { to, attempts: attempts + 1 });
        let interval = self.glare_interval(call, to);
        self.deadlines.set(Timer::Reoffer(call.number), now + interval);
    }

    /// When to offer again after a 491 (RFC 3261 §14.1): who made the Call-ID waits the longer.
    pub(crate) fn glare_interval(&mut self, call: &Call, to: LegKey) -> Duration {
        self.stats.offers_repeated += 1;
        let (least, spread) = match call.leg(to).is_some_and(|leg| leg.is_called) {
            true => (210, 191),
            false => (0, 201),
        };
        Duration::from_millis(10 * (least + self.random.next_u64() % spread))
    }

    /// The time to make an offer again has come.
    pub(crate) fn reoffer_due(&mut self, now: Instant, call: &mut Call) {
        if !matches!(call.phase, Phase::Answered(_)) {
            return;
        }
        if self.postponed_due(now, call) {
            if call.reoffer.is_some() {
                self.deadlines.set(Timer::Reoffer(call.number), now + RECONNECT);
            }
            return;
        }
        if call.transfer.is_some() {
            return self.renegotiation_over(now, call);
        }
        let Some(Reoffer { to, attempts }) = call.reoffer else { return };
        if !matches!(call.renegotiation, Renegotiation::Idle) {
            // What is under way says more than what is left to be said.
            self.deadlines.set(Timer::Reoffer(call.number), now + RECONNECT);
            return;
        }
        if let Some(other) = call.other(to) {
            self.follow(now, call, other, to);
        }
        if attempts == 0 {
            call.reoffer = None;
            return;
        }
        // What is said already was a refresh.
        let current = call.leg(to).and_then(|leg| leg.party()).and_then(|party| party.current());
        if let (Renegotiation::Idle, Some(current)) = (&call.renegotiation, current)
            && let Some(client) = self.reinvite(now, call, to, &current)
        {
            call.renegotiation = Renegotiation::Asking { to, client };
        }
    }
}
