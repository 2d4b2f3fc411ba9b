//! The call is answered: offer and answer are closed and the legs are joined.

use std::time::Instant;

use bytes::Bytes;
use ringback_media::negotiation::{
    Credentials, Party, Refusal, Signalled, patch, patch_alone, payload_map, video_map,
};
use ringback_media::session::LegKey;
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::transaction::ServerId;

use super::body::{SDP, session_description};
use super::headers::pass_response;
use super::prack::Held;
use super::service::Service;
use super::setup::refused;
use super::{ALLOW, Call, Leg, Phase, Renegotiation, SUPPORTED, Signalling};
use crate::cdr::EndedBy;
use crate::event::Event;
use crate::exchange::{Exchange, Timer};
use crate::media::{MediaCommand, Route};

impl Exchange {
    /// Branch `key` took the call.
    pub(crate) fn branch_won(&mut self, now: Instant, call: &mut Call, key: LegKey, response: &Message) {
        if call.hold(Held::Branch(key, Box::new(response.clone()))) {
            return;
        }
        let taken = take_answer(call, key, response);
        if taken.is_ok() && !self.joins(call, call.caller.key, key) {
            return self.await_media(now, call, Held::Branch(key, Box::new(response.clone())));
        }
        match taken.and_then(|()| final_answer(call, key)) {
            Ok(answer) => {
                self.start_session_timer(now, call, key, response);
                self.answer_caller(now, call, key, &answer, Some(response));
            }
            Err(refusal) => {
                self.stats.answers_refused += 1;
                // That the callee wrote nonsense is no fault of the caller's.
                let status = match refusal.status() {
                    488 if !matches!(refusal, Refusal::Unreadable(_)) => 488,
                    _ => 502,
                };
                let words = refusal.to_string();
                self.fail_with(now, call, status, EndedBy::Exchange, &words, |reply| {
                    refused(reply, &refusal)
                });
            }
        }
    }

    /// A number that the exchange answers by itself: the echo, a conference, a feature code.
    pub(crate) fn answer_alone(&mut self, now: Instant, call: &mut Call) {
        if call.hold(Held::Alone) {
            return;
        }
        if !self.is_by_us(call, [call.caller.key]) {
            return self.await_media(now, call, Held::Alone);
        }
        let is_bound = call.is_bound();
        let (key, is_late) = (call.caller.key, call.is_late);
        let Some(party) = call.caller.party_mut() else { return };
        let answer = match party.current().filter(|_| is_bound) {
            Some(current) => Ok(current),
            None if is_late => Ok(party.offer_alone()),
            None => party.answer_alone(),
        };
        match answer {
            Ok(answer) => {
                if let Service::Joining(joined) = call.service
                    && let Err(refused) = self.join(now, call, joined)
                {
                    self.stats.joins_refused += 1;
                    return self.fail(now, call, refused.status(), &refused.to_string());
                }
                self.answer_caller(now, call, key, &answer, None);
            }
            Err(refusal) => self.refuse_media(now, call, &refusal),
        }
    }

    /// The answer of a provisional response, for the caller; `None` when there is none that can be used, and the call
    /// rings on.
    pub(crate) fn early_answer(&mut self, call: &mut Call, key: LegKey, response: &Message) -> Option<Bytes> {
        if response.body().is_empty() {
            return None;
        }
        let taken = take_answer(call, key, response);
        if taken.is_ok() && !self.joins(call, call.caller.key, key) {
            // The media workers open what it needs, for the answer that follows.
            return None;
        }
        match taken.and_then(|()| final_answer(call, key)) {
            Ok(answer) => {
                self.configure(call, call.caller.key, key);
                Some(answer)
            }
            Err(_) => {
                self.stats.early_answers_refused += 1;
                None
            }
        }
    }

    /// Sends the 200 to the caller.
    pub(super) fn answer_caller(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        body: &[u8],
        response: Option<&Message>,
    ) {
        // Once the caller has answered our offer in a PRACK there is nothing more to offer.
        let has_session = !(call.is_late && call.is_bound());
        let connected = self.connected(call, key, response);
        let caller = &mut call.caller;
        if self.accept(now, caller, has_session.then_some(body), response, connected).is_none() {
            return;
        }
        self.provisionals_over(call);
        call.awaiting = None;
        if call.is_late && has_session {
            call.renegotiation = Renegotiation::Offered { from: call.caller.key };
        }
        call.phase = Phase::Answered(key);
        call.answered = Some(key);
        call.record.status = 200;
        call.record.answered = Some(self.settings.epoch.unix_ms(now));
        call.record.answered_by = call.leg(key).map(|leg| leg.aor.clone()).filter(|_| key != call.caller.key);
        self.deadlines.cancel(&Timer::Ring(call.number));
        self.arm_session_timer(call, call.caller.key);
        self.arm_probe(now, call);
        self.arm_service(now, call);
        self.place(call, key);
        self.configure_leg(call, call.caller.key);
        self.stats.calls_answered += 1;
        self.events.push_back(Event::CallAnswered { id: call.record.id.clone() });
    }

    /// Answers the INVITE of a leg with 200, which passes on what a `response` to us says and asserts who is
    /// `connected`; the INVITE, if one waited.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        leg: &mut Leg,
        body: Option<&[u8]>,
        response: Option<&Message>,
        connected: Option<String>,
    ) -> Option<Message> {
        let (server, invite, mut dialog) = match std::mem::replace(&mut leg.signalling, Signalling::Over) {
            Signalling::Invited { server, invite, dialog } => (server, invite, dialog),
            other => {
                leg.signalling = other;
                return None;
            }
        };
        let mut reply = Builder::reply(&invite, 200)
            .to_tag(&dialog.id.local_tag)
            .header(Name::Contact, self.contact(&leg.flow))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        // Whoever is not named hides.
        let hides = connected.is_none();
        if let Some(connected) = connected {
            reply = reply.header(Name::PAssertedIdentity, connected);
        }
        if let Some(response) = response {
            reply = pass_response(response, reply, hides, &self.settings.headers.users);
        }
        reply = self.grant_session_timer(now, leg, &invite, reply);
        if let Some(body) = body {
            reply = reply.body(SDP, body);
        }
        dialog.confirm();
        leg.signalling = Signalling::Confirmed { dialog, unacknowledged: Some(server) };
        self.invited.remove(&server);
        self.unacknowledged.insert(server, leg.key);
        self.respond(now, server, reply.finish());
        Some(*invite)
    }

    /// The ACK of leg `key` to our 2xx to `invite`.
    pub(crate) fn acknowledged(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        invite: ServerId,
        ack: &Message,
    ) {
        let Some(leg) = call.leg_mut(key) else { return };
        match &mut leg.signalling {
            Signalling::Confirmed { unacknowledged, .. } if *unacknowledged == Some(invite) => {
                *unacknowledged = None;
            }
            Signalling::Leaving { unacknowledged, .. } if *unacknowledged == invite => {
                return self.bye_due(now, call, key);
            }
            _ => return,
        }
        if self.newcomer_acknowledged(now, call, key, ack) {
            return;
        }
        // After an INVITE without an offer the ACK has the answer to ours.
        if matches!(call.renegotiation, Renegotiation::Offered { from } if from == key) {
            call.renegotiation = Renegotiation::Idle;
            self.late_answer(now, call, key, ack);
            self.renegotiation_over(now, call);
        }
        self.awaited(now, call, key);
        self.level(now, call, key);
    }

    fn late_answer(&mut self, now: Instant, call: &mut Call, key: LegKey, ack: &Message) {
        let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) else { return };
        let was_agreed = party.agreed().is_some();
        let answer = session_description(ack).ok().flatten();
        if party.handle_answer(answer.as_deref().unwrap_or_default()).is_err() {
            self.stats.late_answers_refused += 1;
            party.rollback();
            if !was_agreed {
                self.end(now, call, EndedBy::Exchange, "the ACK had no usable answer");
            }
            return;
        }
        self.configure_leg(call, key);
        // In mid-call the other side does not know yet what was agreed here; and at the beginning it may send what this
        // one has not taken.
        let codec = |key| call.leg(key)?.party()?.agreed().map(|agreed| agreed.codec);
        if let Some(other) = call.other(key).filter(|other| was_agreed || codec(key) != codec(*other)) {
            self.follow(now, call, key, other);
        }
    }

    /// The ACK to a 2xx of ours never came.
    pub(crate) fn ack_timed_out(&mut self, now: Instant, call: &mut Call, key: LegKey, invite: ServerId) {
        self.stats.acks_missing += 1;
        match call.leg_mut(key).map(|leg| &mut leg.signalling) {
            Some(Signalling::Confirmed { unacknowledged, .. }) if *unacknowledged == Some(invite) => {
                *unacknowledged = None;
            }
            Some(Signalling::Leaving { unacknowledged, .. }) if *unacknowledged == invite => {
                return self.bye_due(now, call, key);
            }
            _ => return,
        }
        self.party_lost(now, call, key, EndedBy::Exchange, "the answer was never acknowledged");
    }

    /// Tells the media worker what leg `key`, which answered last, and the one that it talks to have agreed on.
    pub(crate) fn configure_leg(&mut self, call: &mut Call, key: LegKey) {
        match call.other(key) {
            Some(other) => self.configure(call, key, other),
            None if key == call.first => self.configure_alone(call),
            None => {}
        }
    }

    /// The same for two legs, once both have agreed.
    pub(super) fn configure(&mut self, call: &mut Call, a: LegKey, b: LegKey) {
        let worker = call.worker;
        if call.is_past_us(a) || call.is_past_us(b) {
            return self.note_bypass(call, a, b);
        }
        let (signalled_a, signalled_b) = (call.signalled(a, b), call.signalled(b, a));
        let Some((party_a, party_b)) = call.parties_mut(a, b) else { return };
        let (Some(agreed_a), Some(agreed_b)) = (party_a.agreed(), party_b.agreed()) else { return };
        let from_a = route(party_a, party_b, b, signalled_a);
        let from_b = route(party_b, party_a, a, signalled_b);
        let is_patched = matches!(from_a, Route::Patched { .. }) || matches!(from_b, Route::Patched { .. });
        // Who answered last had the last word.
        let codec = match is_patched {
            true if agreed_a.codec != agreed_b.codec => format!("{}/{}", agreed_a.codec, agreed_b.codec),
            _ => agreed_a.codec.clone(),
        };
        let video_a = (party_a.agreed_video(), video_map(party_a, party_b));
        let video_b = (party_b.agreed_video(), video_map(party_b, party_a));
        self.command(worker, a, MediaCommand::Configure(Box::new(agreed_a), from_a));
        self.command(worker, b, MediaCommand::Configure(Box::new(agreed_b), from_b));
        self.configure_video(call, a, video_a);
        self.configure_video(call, b, video_b);
        self.command(worker, a, MediaCommand::Join(b));
        call.record.note_codec(codec);
        self.record_legs(call, a, b);
        self.record_if_due(call);
        self.play_while_held(call, a, b);
        self.play_while_held(call, b, a);
    }

    /// The same for a leg that hears itself, a conference, or nothing.
    fn configure_alone(&mut self, call: &mut Call) {
        let key = call.first;
        let Some(party) = call.leg(key).and_then(Leg::party).filter(|party| !party.is_past_us()) else {
            return;
        };
        let Some(agreed) = party.agreed() else { return };
        let route = match (call.service, patch_alone(party)) {
            (Service::Conference(key), Some(patch)) => Route::Conference { key, patch: Box::new(patch) },
            _ => Route::Direct(Box::new(payload_map(party, party))),
        };
        call.record.note_codec(agreed.codec.clone());
        self.command(call.worker, key, MediaCommand::Configure(Box::new(agreed), route));
        self.configure_video(call, key, Default::default());
        if call.service == Service::Echo {
            self.command(call.worker, key, MediaCommand::Echo);
        }
        self.play_music(call, key, call.parked_by().is_some());
        if let Service::Play(number) = call.service {
            self.play_number(call, number);
        }
    }

    /// Gives a leg other ICE credentials when the offer that waits restarts ICE; the answer and the worker have them.
    pub(crate) fn follow_ice_restart(&mut self, call: &mut Call, key: LegKey) {
        let worker = call.worker;
        let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) else { return };
        if !party.restarts_ice() {
            return;
        }
        let mut random = [0; Credentials::RANDOM_LEN];
        rand::Rng::fill_bytes(&mut self.random, &mut random);
        let credentials = Credentials::from_random(&random);
        party.set_ice(credentials.clone());
        self.stats.ice_restarts += 1;
        self.command(worker, key, MediaCommand::Restart(Box::new(credentials)));
    }
}

/// How what one party sends gets to another, whose leg is `to`.
fn route(from: &Party, other: &Party, to: LegKey, signalled: Signalled) -> Route {
    match patch(from, other, signalled) {
        Some(patch) => Route::Patched { to, patch: Box::new(patch) },
        None => Route::Direct(Box::new(payload_map(from, other))),
    }
}

/// Reads what branch `key` answered.
fn take_answer(call: &mut Call, key: LegKey, response: &Message) -> Result<(), Refusal> {
    // After an UPDATE in the early dialog the first answer is history.
    let answer = session_description(response).ok().flatten().filter(|_| !call.has_changed_early(key));
    let answer = answer.or_else(|| call.leg(key)?.early_answer_of(response));
    let (_, callee) = call.parties_mut(call.caller.key, key).ok_or(Refusal::NoOffer)?;
    // An answer that came in a provisional response may be missing in the 2xx.
    if answer.is_some() || callee.agreed().is_none() {
        callee.handle_answer(answer.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// Writes the answer of branch `key` (or, after an INVITE without one, the offer) for the caller.
///
/// Asked again with the same input it gives the same bytes, so that the 183 and the 200 say the same; another answer
/// (of a fork behind the callee) gives another.
fn final_answer(call: &mut Call, key: LegKey) -> Result<Bytes, Refusal> {
    let (caller, is_late, is_bound) = (call.caller.key, call.is_late, call.is_bound());
    let (caller, callee): (&mut Party, &mut Party) = call.parties_mut(caller, key).ok_or(Refusal::NoOffer)?;
    match caller.current().filter(|_| is_bound) {
        Some(current) => Ok(current),
        None if is_late => caller.offer_from_answer(callee),
        None => caller.answer(callee),
    }
}
