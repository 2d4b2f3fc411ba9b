//! The target of a transfer is called: an INVITE for each of its contacts, and what they answer.

use std::sync::Arc;
use std::time::Instant;

use ringback_media::negotiation::Refusal;
use ringback_media::session::LegKey;
use ringback_sip::message::{Message, Method, Name, reason_phrase};

use super::super::body::{SDP, session_description};
use super::super::divert::{Cause, tell_history};
use super::super::fork::told;
use super::super::headers::set_headers;
use super::super::hunt::{Groups, Hunt};
use super::super::identity::Identity;
use super::super::service::Service;
use super::super::setup::{OPEN_WITHIN, sip_uri};
use super::super::{ALLOW, Call, LegMedia, SUPPORTED, Signalling};
use super::{AskedBy, Stage, Transfer};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer, Use};
use crate::features::Code;
use crate::owner;
use crate::routing::Destination;

impl Exchange {
    /// Begins the transfer to a number: the legs of the target are opened.
    pub(crate) fn call_target(
        &mut self,
        now: Instant,
        call: &mut Call,
        [transferor, transferee]: [LegKey; 2],
        destination: Destination,
        dialled: &str,
        asked_by: AskedBy,
    ) {
        let stays = call.leg(transferee).map(|leg| leg.aor.clone()).unwrap_or_default();
        let payer = call.leg(transferor).map(|leg| leg.aor.clone()).unwrap_or_default();
        let record = self.record_of_transfer(now, &stays, dialled);
        *self.calls_by_user.entry(payer.clone()).or_default() += 1;
        let alone = match destination {
            Destination::Conference(key) => Service::Conference(key),
            Destination::Hear(number) => Service::Play(number),
            _ => Service::Echo,
        };
        let stage = match destination {
            Destination::Targets { user, groups, steps } => {
                *call.hunt = Hunt::new(user, groups, steps);
                Stage::Opening
            }
            Destination::Code(Code::Park(user)) => {
                let user = user.unwrap_or_else(|| payer.clone());
                *call.hunt = Hunt::new(user, Groups::new(), Arc::default());
                Stage::Offering { target: None, client: None }
            }
            Destination::Echo
            | Destination::Conference(_)
            | Destination::Hear(_)
            | Destination::Absent { .. }
            | Destination::Code(_) => Stage::Offering { target: None, client: None },
        };
        call.transfer = Some(Box::new(Transfer {
            asked_by,
            transferor,
            transferee,
            stage,
            record: Some(record),
            left: None,
            payer: Some(payer),
            alone,
            attempts: 0,
            not_before: None,
        }));
        call.best_refusal = None;
        if stage == Stage::Opening {
            self.add_next_group(call);
            self.deadlines.set(Timer::Ring(call.number), now + OPEN_WITHIN);
        } else {
            self.renegotiation_over(now, call);
        }
    }

    /// The key of one more leg of a call.
    pub(crate) fn next_leg(&self, call: &Call) -> LegKey {
        let index = u16::try_from(call.callees.len() + 1).unwrap_or(u16::MAX);
        owner::leg_key(self.settings.worker, call.number, index)
    }

    /// A leg of the target is open, or could not be opened; with the last one of the first group the target is rung, and
    /// one of a later group at once.
    pub(crate) fn transfer_opened(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(transfer) = call.transfer.as_deref_mut() else { return };
        match transfer.stage {
            Stage::Opening if transfer.asked_by.is_newcomer() => return self.newcomer_opened(now, call),
            Stage::Opening if call.callees.iter().any(|leg| matches!(leg.media, LegMedia::Opening)) => return,
            Stage::Opening => transfer.stage = Stage::Ringing,
            Stage::Ringing => {
                if let Some(index) = call.callees.iter().position(|leg| leg.key == key) {
                    self.invite_target(now, call, index);
                    self.branches_failed(now, call);
                }
                return;
            }
            Stage::Awaiting { .. } | Stage::Offering { .. } => return,
        }
        let ring = self.features_of(&call.hunt.user).ring(&self.settings.limits);
        self.deadlines.set(Timer::Ring(call.number), now + ring);
        self.arm_fork_timer(now, call);
        for index in 0..call.callees.len() {
            self.invite_target(now, call, index);
        }
        if call.is_hunting() {
            self.branches_failed(now, call);
        } else {
            self.transfer_failed(now, call, 503, "no media worker opens a leg");
        }
    }

    /// Sends the INVITE of one branch, in the name of the transferee.
    fn invite_target(&mut self, now: Instant, call: &mut Call, index: usize) {
        let Some(transfer) = call.transfer.as_deref() else { return };
        let (transferor, transferee) = (transfer.transferor, transfer.transferee);
        let Some(stays) = call.leg(transferee) else { return };
        let described = stays.party().cloned();
        let identity = Identity::of_party(call, stays);
        // Who is anonymous sends others on as nobody.
        let by = call.leg(transferor).filter(|leg| !leg.is_hidden).map(|leg| leg.aor.clone());
        let number = call.number;
        let Some(leg) = call.callees.get_mut(index) else { return };
        let Signalling::Idle { target, routes, steps } = &leg.signalling else { return };
        let (target, routes, steps) = (target.clone(), routes.clone(), steps.clone());
        let (LegMedia::Open(party), Some(described)) = (&mut leg.media, described) else {
            leg.signalling = Signalling::Over;
            return;
        };
        // Whoever was held is not held by the target. One that has described nothing yet is offered for by us.
        let offer = party.offer_afresh(&described).unwrap_or_else(|_| party.offer_alone());
        let (key, flow, callee) = (leg.key, leg.flow, leg.aor.clone());
        let tag = self.local_tag(key);
        let host = self.identity_host(&flow);
        let table = self.settings.headers.users.clone();
        let mut request = self
            .request_along(Method::Invite, &target, &routes, flow)
            .header(Name::MaxForwards, "70")
            .header(Name::From, identity.as_from(&host, &tag))
            .header(Name::To, format!("<{}>", sip_uri(&callee, &host)))
            .header(Name::CallId, &leg.call_id)
            .header(Name::CSeq, "1 INVITE")
            .header(Name::Contact, self.contact(&flow))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        if let Some(by) = by {
            request = request.header(Name::ReferredBy, format!("<{}>", sip_uri(&by, &host)));
        }
        let request = identity.assert(request, &host, &table);
        let request = tell_history(request, &callee, &host, &steps, &identity);
        let request = set_headers(request, &table).body(SDP, &offer).finish();
        leg.invite = request.bytes().clone();
        let client = self.send_request(now, flow, request, Use::Invite(number, key));
        leg.signalling = Signalling::Inviting { client, early: None, cancelled: false };
    }

    /// A provisional response of the target.
    pub(crate) fn transfer_progress(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        response: &Message,
    ) {
        if !call.is_ringing_transfer() {
            return;
        }
        // An answer in it may be missing in the 2xx.
        if let (Ok(Some(answer)), Some(party)) =
            (session_description(response), call.leg_mut(key).and_then(|leg| leg.party_mut()))
            && party.handle_answer(&answer).is_err()
        {
            self.stats.early_answers_refused += 1;
        }
        let Some(transferor) = call.transfer.as_deref().map(|transfer| transfer.transferor) else { return };
        let status = response.status().unwrap_or(180);
        self.tell(now, call, transferor, status, reason_phrase(status));
    }

    /// The target has picked up; the other branches are cancelled.
    pub(crate) fn target_accepted(&mut self, now: Instant, call: &mut Call, key: LegKey, response: &Message) {
        let answer = session_description(response).ok().flatten();
        let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) else { return };
        let taken = match answer {
            None if party.agreed().is_some() => Ok(()),
            answer => party.handle_answer(answer.as_deref().unwrap_or_default()),
        };
        if let Some(transfer) = call.transfer.as_deref_mut() {
            transfer.stage = Stage::Offering { target: Some(key), client: None };
        }
        if let Err(refusal) = taken {
            self.stats.answers_refused += 1;
            // That the target wrote nonsense is no fault of the transferor's.
            let status = match refusal.status() {
                488 if !matches!(refusal, Refusal::Unreadable(_)) => 488,
                _ => 502,
            };
            return self.transfer_failed(now, call, status, &refusal.to_string());
        }
        self.start_session_timer(now, call, key, response);
        self.renegotiation_over(now, call);
    }

    /// The target has its calls forwarded to the echo: the transferee hears itself.
    pub(crate) fn target_is_echo(&mut self, now: Instant, call: &mut Call) {
        if let Some(transfer) = call.transfer.as_deref_mut() {
            transfer.stage = Stage::Offering { target: None, client: None };
        }
        self.renegotiation_over(now, call);
    }

    /// Every branch of the target has failed.
    pub(crate) fn target_refused(&mut self, now: Instant, call: &mut Call) {
        let best = call.best_refusal.take();
        let status = best.as_deref().and_then(Message::status).map_or(480, told);
        if let Some(record) = call.transfer.as_deref_mut().and_then(|transfer| transfer.record.as_mut()) {
            record.ended_by = EndedBy::Callee;
        }
        self.transfer_failed(now, call, status, reason_phrase(status));
    }

    /// The media workers did not open the legs in time, or the target did not pick up.
    pub(crate) fn transfer_timed_out(&mut self, now: Instant, call: &mut Call) {
        match call.transfer.as_deref().map(|transfer| transfer.stage) {
            Some(Stage::Opening) => {
                self.stats.legs_unopened += 1;
                self.transfer_failed(now, call, 503, "no media worker answers");
            }
            Some(Stage::Ringing) => {
                if !self.forward(now, call, Cause::NoAnswer) {
                    self.transfer_failed(now, call, 408, "nobody answered");
                }
            }
            Some(Stage::Awaiting { .. } | Stage::Offering { .. }) | None => {}
        }
    }
}
