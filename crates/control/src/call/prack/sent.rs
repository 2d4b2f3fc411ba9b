//! Towards the caller: provisional responses that are repeated until their PRACK comes ([RFC 3262 §3]).
//!
//! [RFC 3262 §3]: https://www.rfc-editor.org/rfc/rfc3262#section-3

use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use ringback_media::session::LegKey;
use ringback_sip::header::Rack;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::reliable::{Due, OPTION, Sender};
use ringback_sip::transaction::{ServerId, Timers};

use super::super::body::{SDP, session_description};
use super::super::setup::{OPEN_WITHIN, refused};
use super::super::{ALLOW, Call, Phase, Renegotiation, Signalling};
use super::{Ability, Held, Reliable};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer};

impl Exchange {
    /// Sends a provisional response to the caller, reliably or not; `session` is the session description of the branch
    /// that is heard.
    pub(crate) fn send_provisional(
        &mut self,
        now: Instant,
        call: &mut Call,
        server: ServerId,
        reply: Builder,
        session: Option<Bytes>,
    ) {
        // What the caller was given once it is not given again.
        let mut session = session.filter(|_| !call.is_bound());
        let is_reliable = match call.ability() {
            Ability::None => false,
            Ability::Supported => session.is_some(),
            Ability::Required => true,
        };
        if !is_reliable {
            let reply = match session {
                Some(session) => reply.body(SDP, &session),
                None => reply,
            };
            return self.respond(now, server, reply.finish());
        }
        if call.is_late && !call.is_bound() && session.is_none() {
            // The first reliable message has the offer (RFC 3261 §13.2.1), and nobody has described anything.
            session = call.caller.party_mut().map(|party| party.offer_alone());
        }
        let reply = reply.header(Name::Require, OPTION);
        let message = match &session {
            Some(session) => reply.body(SDP, session).finish(),
            None => reply.finish(),
        };
        let reliable = call.reliable.get_or_insert_default();
        if reliable.sender.as_ref().is_some_and(Sender::is_awaiting) {
            // The latest is what counts, but no session description is lost for it.
            let keeps = reliable.next.as_ref().is_some_and(|next| !next.body().is_empty());
            if session.is_some() || !keeps {
                reliable.next = Some(Box::new(message));
            }
            return;
        }
        self.send_reliably(now, call, server, &message);
    }

    fn send_reliably(&mut self, now: Instant, call: &mut Call, server: ServerId, message: &Message) {
        let cseq = message.cseq().map_or(1, |cseq| cseq.number);
        let random = self.random.next_u32();
        let sender = call
            .reliable
            .get_or_insert_default()
            .sender
            .get_or_insert_with(|| Sender::new(cseq, random, Timers::default().t1));
        let sent = sender.send(now, !message.body().is_empty(), |rseq| {
            let mut edit = message.edit();
            edit.push_back(Name::RSeq, rseq.to_string().as_bytes());
            edit.finish()
        });
        if let Some(sent) = sent.cloned() {
            call.reliable.get_or_insert_default().is_bound |= !message.body().is_empty();
            self.stats.provisionals_reliable += 1;
            self.respond(now, server, sent);
        }
        self.arm_provisional(call);
    }

    fn arm_provisional(&mut self, call: &Call) {
        let sender = call.reliable.as_deref().and_then(|reliable| reliable.sender.as_ref());
        match sender.and_then(Sender::poll_timeout) {
            Some(at) => self.deadlines.set(Timer::Provisional(call.number), at),
            None => {
                self.deadlines.cancel(&Timer::Provisional(call.number));
            }
        }
    }

    /// A reliable provisional response is repeated, or was never acknowledged.
    pub(crate) fn provisional_due(&mut self, now: Instant, call: &mut Call) {
        let Signalling::Invited { server, .. } = call.caller.signalling else { return };
        let Some(sender) = call.reliable.as_deref_mut().and_then(|reliable| reliable.sender.as_mut()) else {
            return;
        };
        match sender.handle_timeout(now) {
            Some(Due::Again(response)) => {
                let response = response.clone();
                self.respond(now, server, response);
            }
            Some(Due::Unacknowledged) => {
                self.stats.provisionals_unacknowledged += 1;
                return self.fail(now, call, 504, "the provisional response was never acknowledged");
            }
            None => {}
        }
        self.arm_provisional(call);
    }

    /// The caller gets its final response: nothing before it is repeated.
    pub(crate) fn provisionals_over(&mut self, call: &mut Call) {
        let Some(reliable) = call.reliable.as_deref_mut() else { return };
        if let Some(sender) = &mut reliable.sender {
            sender.finish();
        }
        reliable.next = None;
        reliable.held = None;
        self.deadlines.cancel(&Timer::Provisional(call.number));
    }

    /// A PRACK came in the dialog of leg `key`.
    pub(crate) fn prack_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        prack: &Message,
    ) {
        let rack = prack.header(Name::Rack).and_then(|value| Rack::parse(value).ok());
        let reliable = call.reliable.as_deref_mut().filter(|_| key == call.caller.key);
        let sender = reliable.and_then(|reliable| reliable.sender.as_mut());
        let matched = sender.zip(rack).map(|(sender, rack)| sender.handle_prack(&rack));
        let Some(Ok(had_session)) = matched else {
            self.stats.pracks_unmatched += 1;
            let sentence = "there is no provisional response to acknowledge";
            return self.refuse(now, server, prack, 481, sentence);
        };
        self.arm_provisional(call);
        let is_answer = call.is_late && had_session && call.phase == Phase::Ringing;
        match session_description(prack) {
            answer if is_answer => {
                let answer = answer.ok().flatten().unwrap_or_default();
                if !self.answered_in_prack(now, call, server, prack, &answer) {
                    return;
                }
            }
            Ok(None) => self.respond(now, server, self.reply(prack, 200).finish()),
            Ok(Some(offer)) => self.offered_in_prack(now, call, server, prack, &offer),
            Err(_) => {
                self.stats.offers_refused += 1;
                let reply = self.reply(prack, 415).header(Name::Accept, SDP);
                self.respond(now, server, reply.finish());
            }
        }
        self.goes_on_after_prack(now, call);
    }

    /// The answer to the offer that a provisional response had; says whether it can be used.
    fn answered_in_prack(
        &mut self,
        now: Instant,
        call: &mut Call,
        server: ServerId,
        prack: &Message,
        answer: &[u8],
    ) -> bool {
        let taken = call.caller.party_mut().map(|party| party.handle_answer(answer));
        if let Some(Err(refusal)) = taken {
            self.stats.late_answers_refused += 1;
            let reply = refused(self.reply(prack, refusal.status()), &refusal).finish();
            self.respond(now, server, reply);
            let words = "the PRACK had no usable answer";
            self.fail_with(now, call, 488, EndedBy::Exchange, words, |reply| refused(reply, &refusal));
            return false;
        }
        self.respond(now, server, self.reply(prack, 200).finish());
        if let Some(heard) = call.hunt.heard {
            self.configure(call, call.caller.key, heard);
        }
        true
    }

    fn offered_in_prack(
        &mut self,
        now: Instant,
        call: &mut Call,
        server: ServerId,
        prack: &Message,
        offer: &[u8],
    ) {
        let key = call.caller.key;
        let reply = if !call.takes_early_offer(key) {
            self.stats.offers_refused += 1;
            self.reply(prack, 488)
        } else {
            match self.answer_early(call, key, offer) {
                Ok(answer) => self.reply(prack, 200).header(Name::Allow, ALLOW).body(SDP, &answer),
                Err(refusal) => {
                    // The PRACK is taken all the same: what it acknowledges has arrived.
                    self.stats.offers_refused += 1;
                    refused(self.reply(prack, refusal.status()), &refusal)
                }
            }
        };
        self.respond(now, server, reply.finish());
    }

    /// What waited for the PRACK: the answer, or else the next provisional response.
    fn goes_on_after_prack(&mut self, now: Instant, call: &mut Call) {
        let Some(reliable) = call.reliable.as_deref_mut() else { return };
        let next = reliable.next.take();
        match reliable.held.take() {
            Some(held) => self.goes_on_with(now, call, held),
            None => {
                if let (Some(next), Signalling::Invited { server, .. }) = (next, &call.caller.signalling) {
                    let server = *server;
                    self.send_reliably(now, call, server, &next);
                }
            }
        }
    }

    /// What an answer waited for is there.
    pub(crate) fn goes_on_with(&mut self, now: Instant, call: &mut Call, held: Held) {
        match held {
            Held::Branch(key, response) => {
                self.branch_won(now, call, key, &response);
                if call.transfer.is_some() {
                    self.deadlines.set(Timer::Ring(call.number), now + OPEN_WITHIN);
                }
            }
            Held::Newcomer(key, has_offered) => self.newcomer_after_prack(now, call, key, has_offered),
            Held::Alone => self.answer_alone(now, call),
        }
    }

    /// The first ACK of the caller: what was agreed on before the answer may not be what the other side has described.
    pub(crate) fn level(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        if key != call.caller.key || !matches!(call.renegotiation, Renegotiation::Idle) {
            return;
        }
        let Some(Reliable { is_bound, changed, .. }) = call.reliable.as_deref_mut() else { return };
        let (was_bound, changed) = (std::mem::take(is_bound), changed.take());
        let Some(other) = call.other(key) else { return };
        if let Some((from, to)) = changed.and_then(|from| Some((from, call.other(from)?))) {
            return self.follow(now, call, from, to);
        }
        let codec = |key| call.leg(key)?.party()?.agreed().map(|agreed| agreed.codec);
        if was_bound && codec(key) != codec(other) {
            // The side that has answered our offer has less to choose from than the one that has offered.
            let (from, to) = if call.is_late { (key, other) } else { (other, key) };
            self.follow(now, call, from, to);
        }
    }

    /// An UPDATE with an offer before the answer; says whether it was one to be answered here.
    pub(crate) fn early_update(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        update: &Message,
    ) -> bool {
        if !call.takes_early_offer(key) {
            return false;
        }
        let Ok(Some(offer)) = session_description(update) else { return false };
        let contact = call.leg(key).map(|leg| self.contact(&leg.flow)).unwrap_or_default();
        let reply = match self.answer_early(call, key, &offer) {
            Ok(answer) => self
                .reply(update, 200)
                .header(Name::Contact, contact)
                .header(Name::Allow, ALLOW)
                .body(SDP, &answer),
            Err(refusal) => {
                self.stats.offers_refused += 1;
                refused(self.reply(update, refusal.status()), &refusal)
            }
        };
        self.respond(now, server, reply.finish());
        true
    }
}
