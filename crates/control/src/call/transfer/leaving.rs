//! A leg leaves a call that goes on without it.

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::message::reason_phrase;

use super::super::{Call, Renegotiation};
use super::notify::TRANSFERRED;
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};

impl Exchange {
    /// A leg is lost without a BYE of its own. The call is over, unless it goes on without that leg.
    pub(crate) fn party_lost(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        ended_by: EndedBy,
        words: &str,
    ) {
        if call.goes_on_without(key) {
            self.hang_up(now, call, key, &TRANSFERRED);
            self.leave_alone(now, call, key);
        } else {
            self.end(now, call, ended_by, words);
        }
    }

    /// A leg has left and the call goes on: the transferor before its transfer is done, or after it, or the target before
    /// the transferee knows of it.
    pub(crate) fn leave_alone(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        self.leg_left(now, call, key);
        self.cancel_timers(call.number, key);
        self.command_close(call, key);
        call.subscriptions.retain(|subscription| subscription.leg != key);
        self.give_up_offers(now, call, key);
        let at = self.settings.epoch.unix_ms(now);
        let Some(transfer) = call.transfer.as_deref_mut() else { return };
        if transfer.transferor == key {
            transfer.left.get_or_insert(at);
            let transferee = transfer.transferee;
            self.play_music(call, transferee, true);
        } else if transfer.target() == Some(key) {
            return self.transfer_failed(now, call, 480, reason_phrase(480));
        }
        self.renegotiation_over(now, call);
    }

    /// Whoever leaves takes its offers back, and owes no answer any more.
    pub(super) fn give_up_offers(&mut self, now: Instant, call: &mut Call, leaver: LegKey) {
        // One that waits for who leaves is asked again later, of the one that has come instead.
        if let Renegotiation::Postponed { from, .. } = call.renegotiation {
            self.give_up_postponed(now, call, if from == leaver { 487 } else { 491 });
        }
        match std::mem::replace(&mut call.renegotiation, Renegotiation::Idle) {
            // The other party is looking into its offer. What it answers is taken and goes no further.
            Renegotiation::Relaying { from, server, request, to, client, .. } if from == leaver => {
                self.invited.remove(&server);
                self.respond(now, server, self.reply(&request, 487).finish());
                call.renegotiation = Renegotiation::Asking { to, client };
            }
            Renegotiation::Relaying { from, server, request, to, client, .. } if to == leaver => {
                self.invited.remove(&server);
                self.deadlines.cancel(&Timer::Offer(call.number));
                self.transactions.cancel(now, client);
                self.roll_back(call, [from]);
                // It asks again later, and then asks the one that has come instead.
                self.respond(now, server, self.reply(&request, 491).finish());
            }
            Renegotiation::Asking { to, client } if to == leaver => {
                self.deadlines.cancel(&Timer::Offer(call.number));
                self.transactions.cancel(now, client);
            }
            Renegotiation::Offered { from } if from == leaver => {}
            other => call.renegotiation = other,
        }
    }

    /// Places the further calls of a leg's user on the media worker of this one, so that they can be joined with it.
    pub(crate) fn place(&mut self, call: &mut Call, key: LegKey) {
        if self.settings.workers < 2 {
            return;
        }
        let Some(user) = call.leg(key).map(|leg| leg.aor.clone()) else { return };
        if !call.placed.contains(&user) {
            self.placed.entry(user.clone()).or_insert((call.worker, 0)).1 += 1;
            call.placed.push(user);
        }
    }

    /// A call that is forgotten draws no others to its media worker.
    pub(crate) fn unplace(&mut self, call: &Call) {
        for user in &call.placed {
            if let Some((_, calls)) = self.placed.get_mut(user) {
                *calls = calls.saturating_sub(1);
                if *calls == 0 {
                    self.placed.remove(user);
                }
            }
        }
    }
}
