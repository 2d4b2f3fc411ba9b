//! Requests within the dialogs of a call.
//!
//! INFO and MESSAGE pass to the other leg with their body and come back with its answer, unless an INFO is for us: a key, a
//! quality report. BYE ends the call. OPTIONS and an UPDATE without a body are answered here. re-INVITE and UPDATE with an
//! offer are in [`super::renegotiate`].

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::ServerId;

use super::headers::{pass_in_dialog, pass_response};
use super::{ALLOW, Call, Phase, Renegotiation, Signalling, dtmf, video};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::{Exchange, Incoming, Silence, Use, unsupported};

impl Exchange {
    /// A request came in the dialog of leg `key`.
    pub(crate) fn request_in_dialog(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        incoming: Incoming,
    ) {
        let Incoming { server, flow, message: request } = incoming;
        let Some(leg) = call.leg_mut(key) else { return };
        let is_elsewhere = leg.flow != flow;
        let Some(dialog) = leg.dialog_mut() else {
            return self.refuse(now, server, &request, 481, "the call is over");
        };
        if let Err(reject) = dialog.handle_request(&request) {
            self.stats.requests_out_of_order += 1;
            let mut reply = self.reply(&request, reject.status());
            if reject.status() == 500 {
                reply = reply.header(Name::RetryAfter, self.retry_after());
            }
            return self.respond(now, server, reply.finish());
        }
        // The far end may have come back over a new connection: its dialog moves there.
        if is_elsewhere {
            self.stats.dialogs_moved += 1;
            // Who knows our tag and comes from the address of the leg's user is that user.
            self.events.push_back(Event::Authenticated { flow });
        }
        dialog.flow = flow;
        leg.flow = flow;
        if let Some(options) = unsupported(&request) {
            self.stats.extensions_refused += 1;
            let reply = self.reply(&request, 420).header(Name::Unsupported, options);
            return self.respond(now, server, reply.finish());
        }
        match request.method_ref() {
            Method::Bye => self.bye_received(now, call, key, server, &request),
            Method::Invite => self.offer_received(now, call, key, server, request),
            Method::Update if request.body().is_empty() => {
                self.refresh_received(now, call, key, server, &request)
            }
            Method::Update => self.offer_received(now, call, key, server, request),
            Method::Prack => self.prack_received(now, call, key, server, &request),
            Method::Info => self.info_received(now, call, key, server, request),
            Method::Message => self.pass_on(now, call, key, server, request),
            Method::Refer => self.refer_received(now, call, key, server, &request),
            Method::Options => {
                let reply = self.reply(&request, 200).header(Name::Allow, ALLOW);
                self.respond(now, server, reply.header(Name::Accept, "application/sdp").finish());
            }
            _ => {
                self.stats.methods_not_allowed += 1;
                let reply = self.reply(&request, 405).header(Name::Allow, ALLOW);
                self.respond(now, server, reply.finish());
            }
        }
    }

    fn bye_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: &Message,
    ) {
        let side = call.side(key);
        match call.leg(key).map(|leg| &leg.signalling) {
            // RFC 3261 §15: a callee that does not want the call refuses its INVITE.
            Some(Signalling::Inviting { .. }) => {
                return self.refuse(now, server, request, 481, "the call has not been answered");
            }
            Some(Signalling::Invited { .. }) => {
                self.respond(now, server, self.reply(request, 200).finish());
                if key != call.caller.key {
                    return self.newcomer_refused(now, call, 487, CANCELLED);
                }
                Exchange::take_reason(call, request);
                // A BYE in the early dialog is a CANCEL by another name (RFC 3261 §15.1.2).
                return self.end(now, call, side, CANCELLED);
            }
            _ => {}
        }
        let reply = self.reply(request, 200).finish();
        if call.goes_on_without(key) {
            self.respond(now, server, reply);
            return self.leave_alone(now, call, key);
        }
        // Where the far end sent an offer itself, that has no other answer any more (RFC 3261 §15.1.2).
        self.leg_left(now, call, key);
        if !matches!(call.phase, Phase::Answered(_)) {
            self.respond(now, server, reply);
            if call.holds_answer_of(key) {
                self.end(now, call, EndedBy::Callee, "the callee hung up");
            }
        } else {
            call.farewell = Some((server, Box::new(reply)));
            Exchange::take_reason(call, request);
            let words = if side == EndedBy::Caller { "the caller hung up" } else { "the callee hung up" };
            self.end(now, call, side, words);
        }
    }

    /// An INVITE was cancelled: the caller's, or one within a dialog that was passed on.
    pub(crate) fn cancelled(&mut self, now: Instant, call: &mut Call, invite: ServerId, cancel: &Message) {
        if matches!(&call.caller.signalling, Signalling::Invited { server, .. } if *server == invite) {
            Exchange::take_reason(call, cancel);
            return self.end(now, call, EndedBy::Caller, CANCELLED);
        }
        if call.newcomer().is_some_and(|server| server == invite) {
            return self.newcomer_refused(now, call, 487, CANCELLED);
        }
        // The INVITE gets what the other side makes of that.
        if let Renegotiation::Relaying { server, client, .. } = &call.renegotiation
            && *server == invite
        {
            self.transactions.cancel(now, *client);
        }
        if matches!(&call.renegotiation, Renegotiation::Postponed { server, .. } if *server == invite) {
            self.give_up_postponed(now, call, 487);
        }
    }

    /// The connection that the response to an INVITE has to go by is gone. A caller that was waiting for an answer has
    /// given up; one in mid-call may come back.
    pub(crate) fn caller_lost(&mut self, now: Instant, call: &mut Call, invite: ServerId) {
        if matches!(&call.caller.signalling, Signalling::Invited { server, .. } if *server == invite) {
            self.stats.callers_lost += 1;
            self.end(now, call, EndedBy::Caller, "the caller's connection was lost before the answer");
        } else if call.newcomer().is_some_and(|server| server == invite) {
            self.stats.callers_lost += 1;
            self.newcomer_refused(now, call, 480, "the connection was lost before the answer");
        }
    }

    fn info_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: Message,
    ) {
        if self.record_key(now, call, key, server, &request)
            || self.take_quality_report_in_dialog(now, call, key, server, &request)
        {
            return;
        }
        let content_type = request.header(Name::ContentType).unwrap_or_default();
        if let Some(press) = dtmf::parse_info(content_type, request.body()) {
            self.stats.dtmf_by_info += 1;
            let caller = key == call.first;
            self.events.push_back(Event::KeyPressed {
                id: call.record.id.clone(),
                caller,
                key: press.digit.key(),
            });
            if self.press(call, key, press) {
                return self.respond(now, server, self.reply(&request, 200).finish());
            }
        }
        if video::asks_for_picture(content_type, request.body()) && self.ask_picture(call, key) {
            return self.respond(now, server, self.reply(&request, 200).finish());
        }
        self.pass_on(now, call, key, server, request);
    }

    /// Sends the request to the other leg; its answer comes back by [`Exchange::passed_on_answered`].
    fn pass_on(&mut self, now: Instant, call: &mut Call, key: LegKey, server: ServerId, request: Message) {
        let Some(other) = call.other(key) else {
            // The exchange is the other side, or nobody has answered.
            let status = if matches!(call.phase, Phase::Answered(_)) { 200 } else { 480 };
            return self.respond(now, server, self.reply(&request, status).finish());
        };
        let hides = call.leg(key).is_some_and(|leg| leg.is_hidden);
        let leg = call.leg_mut(other).map(|leg| (leg.flow, leg.dialog_mut()));
        let Some((flow, Some(dialog))) = leg else {
            return self.refuse(now, server, &request, 481, "the call is over");
        };
        let onward = self.dialog_request(dialog, request.method());
        let mut onward = pass_in_dialog(&request, onward, hides, &self.settings.headers.users);
        if let Some(content_type) = request.header(Name::ContentType) {
            onward = onward.body(content_type, request.body());
        }
        let request = Box::new(request);
        let purpose = Use::PassedOn { leg: other, server, request };
        self.send_request(now, flow, onward.finish(), purpose);
    }

    /// The other leg answered what was passed on, or did not; `hides` says whether its party wants to be anonymous.
    pub(crate) fn passed_on_answered(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Message,
        answer: Result<&Message, Silence>,
        hides: bool,
    ) {
        let status = match answer {
            Ok(response) => response.status().unwrap_or(500),
            Err(Silence::TimedOut) => 408,
            Err(Silence::FlowLost) => 480,
        };
        let status = if matches!(status, 401 | 407) { 403 } else { status };
        let mut reply = self.reply(request, status);
        if let Ok(response) = answer {
            reply = pass_response(response, reply, hides, &self.settings.headers.users);
            if let Some(content_type) = response.header(Name::ContentType) {
                reply = reply.body(content_type, response.body());
            }
        }
        self.respond(now, server, reply.finish());
    }

    /// A request of ours within the dialog of `key` failed in a way that means that the far end has no such call.
    pub(crate) fn dialog_lost(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let words = format!("the {} no longer knows the call", call.side(key).word());
        self.leg_left(now, call, key);
        self.party_lost(now, call, key, EndedBy::Exchange, &words);
    }
}

pub(super) const CANCELLED: &str = "the caller hung up before the answer";
