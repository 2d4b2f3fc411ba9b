//! The target of a transfer is there: the transferee is told by a re-INVITE, and then they hear each other. Or it came to
//! nothing.

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::header::Reason;
use ringback_sip::message::{Message, reason_phrase};

use super::super::body::session_description;
use super::super::fork::told;
use super::super::reoffer::{MOST_ATTEMPTS, RECONNECT};
use super::super::service::Service;
use super::super::{Call, Phase, Renegotiation, Reoffer};
use super::{AskedBy, Stage, Transfer};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::{Exchange, Silence, Timer};

impl Exchange {
    /// No offer is under way: the transferee of a target that is there is told.
    pub(crate) fn transfer_goes_on(&mut self, now: Instant, call: &mut Call) {
        let Some(transfer) = call.transfer.as_deref() else { return };
        let Stage::Offering { target, client: None } = transfer.stage else { return };
        if transfer.not_before.is_some_and(|at| at > now) {
            return;
        }
        let (transferee, is_attended) = (transfer.transferee, transfer.asked_by == AskedBy::Attended);
        let is_mixed = matches!(transfer.alone, Service::Conference(_));
        if !self.is_by_us(call, [transferee].into_iter().chain(target)) {
            return;
        }
        let offer = match target {
            // Who was held by the transferor is not held by the other party.
            Some(target) if is_attended => {
                call.parties_mut(target, transferee).map(|(target, party)| party.offer_afresh(target))
            }
            Some(target) => call.parties_mut(target, transferee).map(|(target, party)| party.offer(target)),
            None => call
                .leg_mut(transferee)
                .and_then(|leg| leg.party_mut())
                .map(|party| party.offer_itself(is_mixed)),
        };
        let Some(Ok(offer)) = offer else {
            return self.transfer_failed(now, call, 488, reason_phrase(488));
        };
        let sent = self.reinvite(now, call, transferee, &offer);
        let Some(client) = sent else {
            return self.transfer_failed(now, call, 480, reason_phrase(480));
        };
        call.renegotiation = Renegotiation::Asking { to: transferee, client };
        if let Some(transfer) = call.transfer.as_deref_mut() {
            transfer.stage = Stage::Offering { target, client: Some(client) };
        }
    }

    /// The transferee answered what it was told of its target, or did not.
    pub(crate) fn transferee_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        answer: Result<&Message, Silence>,
    ) {
        let Some(transfer) = call.transfer.as_deref_mut() else { return };
        let Stage::Offering { target, .. } = transfer.stage else { return };
        transfer.stage = Stage::Offering { target, client: None };
        transfer.attempts += 1;
        let (transferee, may_again) = (transfer.transferee, transfer.attempts < MOST_ATTEMPTS);
        let status = answer.map(|response| response.status().unwrap_or(500));
        let taken = match (answer, status) {
            (Ok(response), Ok(..300)) => {
                let body = session_description(response).ok().flatten().unwrap_or_default();
                call.leg_mut(transferee)
                    .and_then(|leg| leg.party_mut())
                    .map(|party| party.handle_answer(&body))
            }
            _ => None,
        };
        if matches!(taken, Some(Ok(()))) {
            return self.transfer_done(now, call, target);
        }
        self.stats.offers_of_ours_refused += 1;
        self.roll_back(call, [transferee]);
        let again = match status {
            Ok(491) => Some(self.glare_interval(call, transferee)),
            Err(Silence::FlowLost) => Some(RECONNECT),
            _ => None,
        };
        match again.filter(|_| may_again) {
            Some(interval) => {
                self.deadlines.set(Timer::Reoffer(call.number), now + interval);
                if let Some(transfer) = call.transfer.as_deref_mut() {
                    transfer.not_before = Some(now + interval);
                }
            }
            None => {
                let status = match status {
                    Ok(..300) => 488,
                    Ok(status) => told(status),
                    Err(_) => 480,
                };
                self.transfer_failed(now, call, status, reason_phrase(status));
            }
        }
    }

    /// Transferee and target have agreed: they are the call from here on.
    fn transfer_done(&mut self, now: Instant, call: &mut Call, target: Option<LegKey>) {
        // Who was in a call that became a conference has its place there.
        let alone = call.transfer.as_deref().map(|transfer| transfer.alone);
        if let Some(Service::Conference(key)) = alone.filter(|alone| *alone != call.service) {
            if self.conferences.is_over(key) {
                return self.transfer_failed(now, call, 480, reason_phrase(480));
            }
            if self.admit_to_conference(key, Some(call.worker)).is_err() {
                // It was filled, or begun by others elsewhere, while the transferee was asked.
                return self.transfer_failed(now, call, 486, reason_phrase(486));
            }
        }
        let Some(transfer) = call.transfer.take() else { return };
        let Transfer { transferor, transferee, asked_by, record, left, payer, alone, .. } = *transfer;
        let at = self.settings.epoch.unix_ms(now);
        if let Some(target) = target
            && !self.answer_newcomer(now, call, target, transferee)
        {
            call.transfer = Some(Box::new(Transfer {
                asked_by,
                transferor,
                transferee,
                stage: Stage::Offering { target: Some(target), client: None },
                record,
                left,
                payer,
                alone,
                attempts: 0,
                not_before: None,
            }));
            return self.transfer_failed(now, call, 488, reason_phrase(488));
        }
        if let Some(record) = record {
            self.end_part(now, call, record, asked_by, left.unwrap_or(at), transferor);
        }
        call.record.status = 200;
        call.record.answered = Some(at);
        call.record.answered_by = target.and_then(|key| call.leg(key)).map(|leg| leg.aor.clone());
        let last = target.unwrap_or(transferee);
        call.first = transferee;
        call.answered = Some(last);
        call.phase = Phase::Answered(last);
        for (_, user) in call.payers.extract_if(.., |(leg, _)| *leg == transferor) {
            self.count_out(&user);
        }
        call.payers.extend(payer.map(|payer| (last, payer)));
        self.place(call, last);
        self.deadlines.cancel(&Timer::Ring(call.number));
        self.serve_alone(call, alone);
        match asked_by {
            AskedBy::Park => self.parked(now, call, transferor),
            AskedBy::Pickup => self.stats.calls_picked_up += 1,
            AskedBy::Refer | AskedBy::Attended | AskedBy::Replaces => self.stats.transfers_completed += 1,
            AskedBy::Join => {}
        }
        self.events.push_back(Event::CallAnswered { id: call.record.id.clone() });
        self.configure_leg(call, transferee);
        self.tell(now, call, transferor, 200, "OK");
        self.dismiss(now, call, transferor);
        if let Some(target) = target
            && (asked_by == AskedBy::Attended || !call.agree(transferee, target))
        {
            self.follow(now, call, transferee, target);
        }
    }

    /// A transfer has come to nothing. The call is as it was; when the transferor has left it is over.
    pub(crate) fn transfer_failed(&mut self, now: Instant, call: &mut Call, status: u16, words: &str) {
        let Some(transfer) = self.give_up_transfer(now, call, status, words) else { return };
        let (transferor, transferee) = (transfer.transferor, transfer.transferee);
        let dialled = &transfer.record.as_deref().unwrap_or(&call.record).dialled;
        let words = format!("the transfer to {dialled} failed: {words}");
        let has_left = transfer.left.is_some();
        if !transfer.asked_by.is_newcomer() {
            self.record_attempt(now, call, *transfer, status);
        }
        self.tell(now, call, transferor, status, reason_phrase(status));
        if has_left {
            call.given_reason = Reason::write("SIP", u32::from(status), reason_phrase(status)).into();
            return self.end(now, call, EndedBy::Exchange, &words);
        }
        self.arm_recall(now, call);
        // The transferee may just be taking what it was told of a target that is gone.
        if matches!(call.renegotiation, Renegotiation::Asking { to, .. } if to == transferee) {
            call.reoffer = Some(Reoffer { to: transferee, attempts: 0 });
            self.deadlines.set(Timer::Reoffer(call.number), now + RECONNECT);
        }
    }

    /// Lets go of the target.
    fn give_up_transfer(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: u16,
        words: &str,
    ) -> Option<Box<Transfer>> {
        let transfer = call.transfer.take()?;
        match transfer.asked_by {
            AskedBy::Pickup => self.stats.pickups_refused += 1,
            AskedBy::Join => self.stats.joins_failed += 1,
            _ => self.stats.transfers_failed += 1,
        }
        if let Some(payer) = &transfer.payer {
            self.count_out(payer);
        }
        self.deadlines.cancel(&Timer::Reoffer(call.number));
        if transfer.asked_by == AskedBy::Refer {
            self.cancel_branches(now, call, None, b"");
        }
        self.refuse_newcomer(now, call, status, words);
        if let Some(target) = transfer.target() {
            let reason = Reason::write("SIP", u32::from(status), reason_phrase(status)).into();
            self.hang_up(now, call, target, &reason);
        }
        Some(transfer)
    }

    /// The call ends while a transfer is under way: its transferor is told before the BYE.
    pub(crate) fn drop_transfer(&mut self, now: Instant, call: &mut Call) {
        let words = call.record.reason.clone();
        // Who picks up has cancelled nothing.
        let is_pickup = call.transfer.as_deref().is_some_and(|transfer| transfer.asked_by == AskedBy::Pickup);
        let status = if is_pickup { 480 } else { 487 };
        if let Some(transfer) = self.give_up_transfer(now, call, status, &words) {
            let transferor = transfer.transferor;
            if !transfer.asked_by.is_newcomer() {
                self.record_attempt(now, call, *transfer, 487);
            }
            self.tell(now, call, transferor, 487, reason_phrase(487));
        }
        call.subscriptions.clear();
    }
}

impl Call {
    /// Whether two legs have agreed on the same codec, and each lets the other do what it wants.
    fn agree(&self, a: LegKey, b: LegKey) -> bool {
        let party = |key| self.leg(key).and_then(|leg| leg.party());
        let (Some(a), Some(b)) = (party(a), party(b)) else { return true };
        let codec = |party: &ringback_media::negotiation::Party| party.agreed().map(|agreed| agreed.codec);
        codec(a) == codec(b) && a.direction() == b.direction()
    }
}
