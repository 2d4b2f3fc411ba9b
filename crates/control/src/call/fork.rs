//! The branches of a call: what the callees answer, who wins, and what the caller hears of it (RFC 3261 §16.7).
//!
//! The caller sees one dialog with one To tag, whichever branch speaks. Early media is passed on when there is one
//! branch only: with several, an answer in a 183 would bind the caller to one of them before anyone has picked up, and
//! without transcoding nothing of ours could make another one fit. Branches of groups that are over do not count, unless
//! one of them was heard: the caller has its answer then, and the next is that in the 200. A caller that takes reliable
//! provisional responses ([`super::prack`]) hears the first branch that speaks, also of several: what its answer has
//! bound it to is mended by a re-INVITE when another one picks up.

use std::time::Instant;

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Message, Name};
use ringback_sip::transaction::ClientId;

use super::divert::Cause;
use super::end::farewell;
use super::headers::pass_response;
use super::keys;
use super::service::Service;
use super::setup::OPEN_WITHIN;
use super::{Call, Leg, LegMedia, Phase, Signalling};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};

/// The Reason for those who rang when somebody else picked up: their phones show no missed call.
pub(super) const ELSEWHERE: Bytes = Bytes::from_static(b"SIP;cause=200;text=\"Call completed elsewhere\"");

impl Exchange {
    /// A response to the INVITE of branch `key`.
    pub(crate) fn branch_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        client: ClientId,
        response: &Message,
    ) {
        match response.status().unwrap_or_default() {
            // 199 tells of one early dialog behind the callee, and the caller knows one only (RFC 6228).
            ..=100 | 199 => {}
            101..=198 => self.branch_progress(now, call, key, response),
            200..=299 => self.branch_accepted(now, call, key, client, response),
            _ => self.branch_refused(now, call, key, Some(response)),
        }
    }

    /// A provisional response: the callee is being alerted.
    fn branch_progress(&mut self, now: Instant, call: &mut Call, key: LegKey, response: &Message) {
        let may_be_heard = call.may_be_heard(key);
        let Some(leg) = call.leg_mut(key) else { return };
        leg.note_privacy(response);
        let of_response = leg.dialog_of(response);
        let Signalling::Inviting { early, cancelled: false, .. } = &mut leg.signalling else { return };
        if early.is_none() {
            // A provisional response without a To tag makes no dialog and still rings.
            *early = of_response;
        }
        if !self.take_reliable(now, call, key, response) {
            return;
        }
        if call.phase != Phase::Ringing {
            return self.transfer_progress(now, call, key, response);
        }
        let answer = if may_be_heard {
            self.early_answer(call, key, response)
        } else {
            self.note_answer(call, key, response);
            None
        };
        let is_heard = answer.is_some() || call.is_bound() && call.hunt.heard == Some(key);
        let status = match (is_heard, response.status()) {
            // Without its SDP a 183 says nothing that a phone can show; it is ringing.
            (false, Some(183)) | (_, None) => 180,
            (_, Some(status)) => status,
        };
        let Some((server, reply)) = Exchange::reply_to_caller(call, status) else { return };
        let mut reply = reply.header(Name::Contact, self.contact(&call.caller.flow));
        if let Some(connected) = self.connected(call, key, Some(response)) {
            reply = reply.header(Name::PAssertedIdentity, connected);
        }
        let hides = call.leg(key).is_some_and(|leg| leg.is_hidden);
        let reply = pass_response(response, reply, hides, &self.settings.headers.users);
        if answer.is_some() {
            call.hunt.heard = Some(key);
        }
        self.send_provisional(now, call, server, reply, answer);
    }

    /// A 2xx: the first one wins, the other branches are cancelled.
    fn branch_accepted(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        client: ClientId,
        response: &Message,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        leg.note_privacy(response);
        leg.signals_keys |= keys::takes_keys(response);
        leg.refuses_info = keys::refuses_info(response);
        let Some(dialog) = leg.confirmed_by(response) else {
            // A 2xx that cannot be read makes no dialog: there is nobody to talk to.
            self.stats.answers_without_dialog += 1;
            return self.branch_refused(now, call, key, None);
        };
        self.acknowledge(client, &dialog, response);
        let Signalling::Inviting { cancelled, .. } = leg.signalling else {
            // The transactions absorb a repeated 2xx, so this is another dialog: a fork behind the callee.
            self.stats.forks_behind_callee += 1;
            return self.bye(now, dialog, &ELSEWHERE);
        };
        leg.keep_early_dialog();
        leg.signalling = Signalling::Confirmed { dialog, unacknowledged: None };
        if call.phase == Phase::Ringing && !cancelled {
            self.refuse_late_pickup(now, call);
            self.cancel_branches(now, call, Some(key), &ELSEWHERE);
            self.branch_won(now, call, key, response);
            if call.transfer.is_some() {
                // Whoever takes the place of who has answered is given no more time than before.
                self.deadlines.set(Timer::Ring(call.number), now + OPEN_WITHIN);
            }
        } else if !cancelled && call.is_ringing_transfer() {
            self.cancel_branches(now, call, Some(key), &ELSEWHERE);
            self.target_accepted(now, call, key, response);
        } else {
            // It crossed with our CANCEL, or with the answer of another branch.
            let reason = if call.phase == Phase::Ending { farewell(call) } else { ELSEWHERE };
            self.hang_up(now, call, key, &reason);
        }
    }

    /// The branch failed: with a final response, or without one (`None`) by a time-out or a lost flow.
    pub(crate) fn branch_refused(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        response: Option<&Message>,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        let Signalling::Inviting { cancelled, .. } = leg.signalling else { return };
        leg.signalling = Signalling::Over;
        if let Some(response) = response {
            leg.note_privacy(response);
        }
        self.command_close(call, key);
        if cancelled || !call.is_alerting() {
            return;
        }
        self.fail_over(call, key, response);
        if let Some(response) = response {
            if matches!(response.status(), Some(300..=399)) && self.redirected(now, call, response) {
                return;
            }
            if rank(response) < call.best_refusal.as_deref().map_or(u16::MAX, rank) {
                call.best_refusal = Some(Box::new(response.clone()));
            }
            if response.status().is_some_and(|status| status >= 600) {
                // A 6xx speaks for the callee everywhere (RFC 3261 §16.7 step 5).
                self.stop_hunting(now, call);
            }
        }
        self.branches_failed(now, call);
    }

    /// Every branch has failed: the caller gets the best of their answers.
    pub(crate) fn pass_refusal(&mut self, now: Instant, call: &mut Call) {
        let Some(best) = call.best_refusal.take() else {
            let unopened = call.callees.iter().find_map(|leg| match &leg.media {
                LegMedia::Refused(sentence) => Some(sentence.clone()),
                _ => None,
            });
            return match unopened {
                Some(sentence) => self.fail(now, call, 503, &sentence),
                None => self.fail(now, call, 480, "the callee did not respond"),
            };
        };
        let given = best.status().unwrap_or(480);
        let status = told(given);
        let table = self.settings.headers.users.clone();
        let hides = call.callees.iter().any(|leg| leg.is_hidden);
        let words = String::from_utf8_lossy(best.reason()).into_owned();
        self.fail_with(now, call, status, EndedBy::Callee, &words, |reply| {
            if status == given { pass_response(&best, reply, hides, &table) } else { reply }
        });
    }

    /// Cancels every branch that still rings, except `winner`; `reason` is the value of a Reason header field, or empty.
    pub(crate) fn cancel_branches(
        &mut self,
        now: Instant,
        call: &mut Call,
        winner: Option<LegKey>,
        reason: &[u8],
    ) {
        let mut closed = Vec::new();
        for leg in call.callees.iter_mut().filter(|leg| Some(leg.key) != winner) {
            match &mut leg.signalling {
                Signalling::Inviting { client, cancelled, .. } if !*cancelled => {
                    *cancelled = true;
                    self.transactions.cancel_because(now, *client, reason);
                }
                Signalling::Idle { .. } => leg.signalling = Signalling::Over,
                _ => continue,
            }
            closed.push(leg.key);
        }
        for key in closed {
            self.command_close(call, key);
        }
        call.hunt.stop();
        self.deadlines.cancel(&Timer::Ring(call.number));
        self.deadlines.cancel(&Timer::Fork(call.number));
    }

    /// The media workers did not open the legs in time, or the callee did not pick up.
    pub(crate) fn ring_timed_out(&mut self, now: Instant, call: &mut Call) {
        match call.phase {
            Phase::Opening => {
                self.stats.legs_unopened += 1;
                self.fail(now, call, 503, "no media worker answers");
            }
            Phase::Ringing if call.awaiting.is_some() => {
                self.stats.legs_unopened += 1;
                self.fail(now, call, 503, "no media worker answers");
            }
            Phase::Ringing if call.is_held() => {}
            Phase::Ringing => {
                if !self.forward(now, call, Cause::NoAnswer) {
                    self.fail(now, call, 408, "nobody answered");
                }
            }
            Phase::Answered(_) if call.service == Service::Confirmation => self.service_over(now, call),
            Phase::Answered(_) => match call.parked_by().filter(|_| call.transfer.is_none()) {
                Some(by) => self.recall(now, call, by),
                None => self.transfer_timed_out(now, call),
            },
            Phase::Ending => {}
        }
    }
}

/// The status that who called is told when every branch has failed, the best of them with this one.
pub(super) fn told(given: u16) -> u16 {
    match given {
        // A redirection is not followed, and a challenge of a callee is never passed on nor answered.
        300..=399 | 401 | 407 => 480,
        // 408, 481, 487 and 503 speak of the branch, not of the call (RFC 3261 §16.7 step 6).
        408 | 481 | 487 | 503 => 480,
        // Session timers are between the exchange and each party: a 422 would end a browser's call for ever.
        422 => 480,
        status => status,
    }
}

/// How good a final response is for the caller: the lower, the better. 6xx first, then the lowest class, and within
/// 4xx that somebody is there and busy, then those that tell the caller what to mend.
fn rank(response: &Message) -> u16 {
    match response.status().unwrap_or(500) {
        status @ 600.. => status - 600,
        486 => 100,
        status @ (415 | 420 | 484 | 488) => 101 + status - 400,
        status => status,
    }
}

impl Leg {
    /// The dialog that a 2xx to our INVITE confirms, or makes.
    fn confirmed_by(&self, response: &Message) -> Option<Dialog> {
        match &self.signalling {
            Signalling::Inviting { early: Some(early), .. } if early.matches(response) => {
                let mut dialog = early.clone();
                dialog.handle_response(response).ok().map(|_| dialog)
            }
            _ => match self.early_dialog_of(response) {
                Some(early) => {
                    let mut dialog = early.clone();
                    dialog.handle_response(response).ok().map(|_| dialog)
                }
                None => self.dialog_of(response),
            },
        }
    }

    /// The dialog that a response to our INVITE makes.
    pub(super) fn dialog_of(&self, response: &Message) -> Option<Dialog> {
        let invite = Message::parse(self.invite.clone()).ok()?;
        Dialog::uac(&invite, response, self.flow).ok()
    }
}
