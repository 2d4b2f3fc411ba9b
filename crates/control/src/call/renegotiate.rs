//! A new offer in the middle of a call: hold, resume, another address.
//!
//! The offer of one leg becomes an offer to the other; its answer comes back. An UPDATE with an offer goes on as a
//! re-INVITE, because not every client takes an UPDATE. A re-INVITE that says nothing new is a refresh, a matter between
//! its leg and the exchange, and so is one without an offer: it is answered with an offer that holds nobody, and what the
//! ACK says about that is then told to the other leg. While one offer is on its way another one gets 491, or 500 from
//! the same leg (RFC 3261 §14.2).
//!
//! An offer that was passed on and meets one of the other leg gets a 491 there, and that one a 491 of ours. Were both
//! told, both would try again, and clients whose times are the same meet once more and end the call. So a re-INVITE
//! that met another one waits here, and is passed on again after the interval of RFC 3261 §14.1; when the other leg is
//! quicker, its offer is taken and the one that waits has lost.
//!
//! A fax that takes the place of the audio ([`negotiation`](ringback_media::negotiation)) is such an offer. Who refuses
//! it, as a browser and whatever talks to the exchange itself does, gets and sends audio as before, or what there is of
//! it beside the fax.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_media::negotiation::{Party, Refusal};
use ringback_media::session::LegKey;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::{ClientId, ServerId};

use super::body::{SDP, session_description};
use super::headers::pass_response;
use super::reoffer::MOST_ATTEMPTS;
use super::service::Service;
use super::setup::{OPEN_WITHIN, refused};
use super::{ALLOW, Call, Leg, Phase, Renegotiation, VideoPlace};
use crate::exchange::{Exchange, Silence, Timer, Use};

/// How long a far end may look into an offer before it answers: a person may have to be asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long an offer waits for an ACK, in any case longer than the call does (64·T1, RFC 3261 §13.3.1.4).
const ACK_WITHIN: Duration = Duration::from_secs(40);

/// What asks for an answer: a re-INVITE, or an UPDATE with a body.
#[derive(Debug)]
struct Asking {
    /// The leg that it came from.
    from: LegKey,
    server: ServerId,
    request: Box<Message>,
    /// How often it has met another offer.
    attempts: u8,
}

impl Exchange {
    /// Leg `key` sent a re-INVITE, or an UPDATE with a body.
    pub(crate) fn offer_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: Message,
    ) {
        let is_update = *request.method_ref() == Method::Update;
        if is_update && self.early_update(now, call, key, server, &request) {
            return;
        }
        if matches!(call.renegotiation, Renegotiation::Postponed { to, .. } if to == key) {
            self.give_up_postponed(now, call, 491);
        }
        let has_ours = call.leg(key).and_then(Leg::party).is_some_and(|party| party.offered().is_some());
        let glare = match call.renegotiation {
            // RFC 3311 §5.2: it meets an offer of ours, or comes on top of one that was not answered.
            _ if !matches!(call.phase, Phase::Answered(_)) => Some(if has_ours { 491 } else { 500 }),
            Renegotiation::Idle => None,
            Renegotiation::Relaying { from, .. }
            | Renegotiation::Postponed { from, .. }
            | Renegotiation::Offered { from }
                if from == key =>
            {
                Some(500)
            }
            _ => Some(491),
        };
        if let Some(status) = glare {
            self.stats.offers_in_glare += 1;
            let mut reply = self.reply(&request, status);
            if status == 500 {
                reply = reply.header(Name::RetryAfter, self.retry_after());
            }
            return self.respond(now, server, reply.finish());
        }
        if *request.method_ref() == Method::Invite {
            self.respond(now, server, self.reply(&request, 100).finish());
            self.two_hundred_arrived(now, call, key);
        }
        let asking = Asking { from: key, server, request: Box::new(request), attempts: 0 };
        match session_description(&asking.request) {
            Ok(Some(offer)) => self.take_offer(now, call, asking, &offer),
            Ok(None) if *asking.request.method_ref() == Method::Update => {
                self.refresh_received(now, call, key, server, &asking.request);
            }
            Ok(None) => self.offer_afresh(now, call, asking),
            Err(_) => {
                self.stats.offers_refused += 1;
                let reply = self.reply(&asking.request, 415).header(Name::Accept, SDP);
                self.respond(now, server, reply.finish());
            }
        }
    }

    /// Who sends another INVITE has had our 2xx to the last one, whatever became of its ACK.
    fn two_hundred_arrived(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let unacknowledged = call.leg_mut(key).and_then(|leg| leg.unacknowledged_mut());
        if let Some(server) = unacknowledged.and_then(Option::take) {
            self.unacknowledged.remove(&server);
            self.transactions.stop_2xx(now, server);
        }
    }

    fn take_offer(&mut self, now: Instant, call: &mut Call, asking: Asking, offer: &[u8]) {
        let key = asking.from;
        let other = call.other(key);
        let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) else {
            return self.refuse(now, asking.server, &asking.request, 481, "the call is over");
        };
        if let Err(refusal) = party.handle_offer(offer) {
            return self.refuse_offer(now, call, &asking, &refusal);
        }
        let is_refresh = party.repeats_itself();
        if let Some(other) = other.filter(|_| !is_refresh)
            && self.opens_video(call, key, other)
        {
            // Until the media workers have a place for it, or have said that there is none.
            return self.wait(now, call, asking, other, OPEN_WITHIN);
        }
        match other {
            Some(other) if !is_refresh => self.relay_offer(now, call, asking, other),
            _ => {
                let answer = self.answer_here(call, key, other);
                self.settle_offer(now, call, &asking, answer, None);
            }
        }
    }

    /// Passes an offer on to leg `to`, which must have had our 2xx to its INVITE (RFC 3261 §14.1): its ACK shows it.
    fn relay_offer(&mut self, now: Instant, call: &mut Call, asking: Asking, to: LegKey) {
        if call.leg(to).is_some_and(Leg::waits_for_ack) {
            return self.wait(now, call, asking, to, ACK_WITHIN);
        }
        let offer = match call.parties_mut(asking.from, to).map(|(from, to)| to.pass_on(from)) {
            Some(Ok(offer)) => offer,
            Some(Err(refusal)) => return self.refuse_offer(now, call, &asking, &refusal),
            None => return self.refuse(now, asking.server, &asking.request, 481, "the call is over"),
        };
        let Some(client) = self.reinvite(now, call, to, &offer) else {
            return self.refuse(now, asking.server, &asking.request, 481, "the call is over");
        };
        let Asking { from, server, request, attempts } = asking;
        if *request.method_ref() == Method::Invite {
            self.invited.insert(server, call.number);
        }
        call.renegotiation = Renegotiation::Relaying { from, server, request, to, client, attempts };
    }

    /// Sends a re-INVITE with this offer; `None` when the leg has no dialog any more.
    pub(crate) fn reinvite(
        &mut self,
        now: Instant,
        call: &mut Call,
        to: LegKey,
        offer: &[u8],
    ) -> Option<ClientId> {
        let number = call.number;
        let leg = call.leg_mut(to)?;
        let (flow, timer) = (leg.flow, leg.session_timer);
        let contact = self.contact(&flow);
        let mut request = self
            .dialog_request(leg.dialog_mut()?, Method::Invite)
            .header(Name::Contact, contact)
            .header(Name::Allow, ALLOW);
        if let Some(timer) = timer {
            // Without it the re-INVITE would end the timer (RFC 4028 §7.4).
            request = timer.ask(request);
        }
        self.deadlines.set(Timer::Offer(number), now + ANSWER_WITHIN);
        Some(self.send_request(now, flow, request.body(SDP, offer).finish(), Use::Reinvite(number, to)))
    }

    /// A far end said that it is looking into an offer of ours, and then nothing: the re-INVITE is cancelled, and ends by
    /// the 487 or by a time-out.
    pub(crate) fn offer_timed_out(&mut self, now: Instant, call: &mut Call) {
        if let Renegotiation::Relaying { client, .. } | Renegotiation::Asking { client, .. } =
            call.renegotiation
        {
            self.transactions.cancel(now, client);
        }
    }

    /// Leg `key` answered a re-INVITE of ours, or did not.
    pub(crate) fn reinvite_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        client: ClientId,
        answer: Result<&Message, Silence>,
    ) {
        let status = answer.map(|response| response.status().unwrap_or_default());
        if status.is_ok_and(|status| status < 200) {
            return;
        }
        let accepted = answer.ok().filter(|_| status.is_ok_and(|status| status < 300));
        if let Some(response) = accepted {
            self.acknowledge_reinvite(call, key, client, response);
            if call.phase != Phase::Ending {
                self.start_session_timer(now, call, key, response);
            }
        }
        self.deadlines.cancel(&Timer::Offer(call.number));
        if let Ok(response) = answer
            && status == Ok(422)
            && self.lengthen_session_timer(call, key, response)
            && self.reinvite_longer(now, call, key, client)
        {
            return;
        }
        match std::mem::replace(&mut call.renegotiation, Renegotiation::Idle) {
            Renegotiation::Relaying { from, server, request, client: sent, attempts, .. }
                if sent == client =>
            {
                let asking = Asking { from, server, request, attempts };
                if status == Ok(491) && asking.may_wait() {
                    return self.postpone(now, call, asking, key);
                }
                self.invited.remove(&server);
                match accepted {
                    Some(response) => self.relayed_accepted(now, call, &asking, key, response),
                    None if matches!(status, Ok(415 | 488 | 606)) && call.declines_fax(from) => {
                        self.relay_offer(now, call, asking, key);
                    }
                    None => self.relayed_refused(now, call, &asking, key, answer),
                }
            }
            Renegotiation::Asking { client: sent, .. } if sent == client => {
                match call.transfer_offered(client) {
                    true => self.transferee_answered(now, call, answer),
                    false => self.asked_answered(now, call, key, answer),
                }
            }
            Renegotiation::Orphaned { client: sent, .. } if sent == client => return,
            // The second 2xx of a fork, acknowledged above.
            other => call.renegotiation = other,
        }
        if matches!(status, Ok(408 | 481) | Err(Silence::TimedOut)) {
            self.dialog_lost(now, call, key);
        }
        self.renegotiation_over(now, call);
    }

    /// An offer has its answer: what waited for that goes on.
    pub(super) fn renegotiation_over(&mut self, now: Instant, call: &mut Call) {
        if matches!(call.renegotiation, Renegotiation::Idle) && matches!(call.phase, Phase::Answered(_)) {
            self.transfer_goes_on(now, call);
        }
    }

    /// Makes the same offer again, with the longer session timer; says whether it did.
    fn reinvite_longer(&mut self, now: Instant, call: &mut Call, key: LegKey, refused: ClientId) -> bool {
        let is_refused = match call.renegotiation {
            Renegotiation::Relaying { client, .. } | Renegotiation::Asking { client, .. } => {
                client == refused
            }
            Renegotiation::Idle
            | Renegotiation::Postponed { .. }
            | Renegotiation::Offered { .. }
            | Renegotiation::Orphaned { .. } => false,
        };
        let party = call.leg(key).filter(|_| is_refused).and_then(|leg| leg.party());
        let offer = party.and_then(|party| party.offered().or_else(|| party.current()));
        let Some(again) = offer.and_then(|offer| self.reinvite(now, call, key, &offer)) else { return false };
        if let Renegotiation::Relaying { client, .. } | Renegotiation::Asking { client, .. } =
            &mut call.renegotiation
        {
            *client = again;
        }
        call.transfer_offered_again(refused, again);
        true
    }

    fn acknowledge_reinvite(&mut self, call: &mut Call, key: LegKey, client: ClientId, response: &Message) {
        if let Some(dialog) = call.leg_mut(key).and_then(|leg| leg.dialog_mut()) {
            // A Contact that cannot be read moves no target; the dialog stands as it was.
            self.stats.targets_unreadable += u64::from(dialog.handle_response(response).is_err());
            let dialog = dialog.clone();
            self.acknowledge(client, &dialog, response);
        } else if let Renegotiation::Orphaned { dialog, .. } = &call.renegotiation {
            self.acknowledge(client, dialog, response);
        }
    }

    /// The other side took the offer that was passed on.
    fn relayed_accepted(
        &mut self,
        now: Instant,
        call: &mut Call,
        asking: &Asking,
        to: LegKey,
        response: &Message,
    ) {
        let answer = session_description(response).ok().flatten().unwrap_or_default();
        let taken = match call.leg_mut(to).and_then(|leg| leg.party_mut()) {
            Some(party) => party.handle_answer(&answer),
            None => Err(Refusal::NoOffer),
        };
        if let Err(refusal) = taken {
            // The other side wrote something that is of no use: no fault of who asks.
            self.stats.offers_of_ours_refused += 1;
            self.roll_back(call, [asking.from, to]);
            let reply = refused(self.reply(&asking.request, 488), &refusal).finish();
            self.respond(now, asking.server, reply);
            if refusal == Refusal::FaxRejected {
                self.offer_anew(now, call, to);
            }
            return;
        }
        let answer = self.answer_here(call, asking.from, Some(to));
        self.settle_offer(now, call, asking, answer, Some(response));
    }

    /// Leg `to` has answered an offer of a fax with 200 and port 0, so that it is without any media: it gets the audio
    /// back that was agreed before.
    fn offer_anew(&mut self, now: Instant, call: &mut Call, to: LegKey) {
        let offer = call.leg_mut(to).and_then(|leg| leg.party_mut()).and_then(Party::offer_anew);
        if let Some(client) = offer.and_then(|offer| self.reinvite(now, call, to, &offer)) {
            call.renegotiation = Renegotiation::Asking { to, client };
        }
    }

    /// What an offer to leg `to` may wait for has come: it is looked at again.
    pub(super) fn awaited(&mut self, now: Instant, call: &Call, to: LegKey) {
        let waits = matches!(call.renegotiation, Renegotiation::Postponed { to: other, .. } if other == to);
        if waits && !call.legs().any(|leg| leg.video.place == VideoPlace::Opening) {
            self.deadlines.set(Timer::Reoffer(call.number), now);
        }
    }

    /// The offer waits, and is looked at again after so long at the latest.
    fn wait(&mut self, now: Instant, call: &mut Call, asking: Asking, to: LegKey, time: Duration) {
        self.roll_back(call, [asking.from]);
        let Asking { from, server, request, attempts } = asking;
        if *request.method_ref() == Method::Invite {
            self.invited.insert(server, call.number);
        }
        self.deadlines.set(Timer::Reoffer(call.number), now + time);
        call.renegotiation = Renegotiation::Postponed { from, server, request, to, attempts };
    }

    /// The offer met one of leg `to`: it waits.
    fn postpone(&mut self, now: Instant, call: &mut Call, asking: Asking, to: LegKey) {
        self.roll_back(call, [asking.from, to]);
        let interval = self.glare_interval(call, to);
        self.deadlines.set(Timer::Reoffer(call.number), now + interval);
        let Asking { from, server, request, attempts } = asking;
        call.renegotiation = Renegotiation::Postponed { from, server, request, to, attempts: attempts + 1 };
    }

    /// The time of an offer that waits has come; says whether there was one.
    pub(super) fn postponed_due(&mut self, now: Instant, call: &mut Call) -> bool {
        let Some(asking) = call.take_postponed() else { return false };
        self.invited.remove(&asking.server);
        match session_description(&asking.request) {
            Ok(Some(offer)) => self.take_offer(now, call, asking, &offer),
            // It had one when it came.
            _ => self.refuse(now, asking.server, &asking.request, 491, "the offer met another one"),
        }
        self.renegotiation_over(now, call);
        true
    }

    /// The offer that waits, if there is one, is given up with this status.
    pub(super) fn give_up_postponed(&mut self, now: Instant, call: &mut Call, status: u16) {
        let Some(Asking { server, request, .. }) = call.take_postponed() else { return };
        self.invited.remove(&server);
        self.stats.offers_in_glare += u64::from(status == 491);
        self.respond(now, server, self.reply(&request, status).finish());
    }

    /// The other side refused it, or did not answer: the call goes on as it was agreed before.
    fn relayed_refused(
        &mut self,
        now: Instant,
        call: &mut Call,
        asking: &Asking,
        to: LegKey,
        answer: Result<&Message, Silence>,
    ) {
        self.roll_back(call, [asking.from, to]);
        self.stats.offers_refused += 1;
        let given = answer.ok().and_then(Message::status).unwrap_or(480);
        let status = match given {
            401 | 407 => 403,
            // These speak of the dialog between the exchange and the other side.
            408 | 422 | 481 => 480,
            status => status,
        };
        let mut reply = self.reply(&asking.request, status);
        let hides = call.leg(to).is_some_and(|leg| leg.is_hidden);
        if let Ok(response) = answer {
            reply = pass_response(response, reply, hides, &self.settings.headers.users);
        }
        self.respond(now, asking.server, reply.finish());
    }

    /// The answer to the offer of `from` that waits: of the other leg, or our own.
    pub(super) fn answer_here(
        &mut self,
        call: &mut Call,
        from: LegKey,
        to: Option<LegKey>,
    ) -> Result<Bytes, Refusal> {
        self.follow_ice_restart(call, from);
        let Some(to) = to else {
            let party = call.leg_mut(from).and_then(|leg| leg.party_mut()).ok_or(Refusal::NoOffer)?;
            return party.answer_alone();
        };
        let (from, to) = call.parties_mut(from, to).ok_or(Refusal::NoOffer)?;
        from.answer(to)
    }

    /// Answers a re-INVITE or UPDATE with what its offer came to.
    fn settle_offer(
        &mut self,
        now: Instant,
        call: &mut Call,
        asking: &Asking,
        answer: Result<Bytes, Refusal>,
        response: Option<&Message>,
    ) {
        match answer {
            Ok(answer) => {
                self.accept_offer(now, call, asking, &answer, response);
                self.configure_leg(call, asking.from);
            }
            Err(refusal) => self.refuse_offer(now, call, asking, &refusal),
        }
    }

    /// Answers a re-INVITE that has no offer with one of ours, of the codecs that the other leg described.
    fn offer_afresh(&mut self, now: Instant, call: &mut Call, asking: Asking) {
        let key = asking.from;
        let other = call.other(key);
        let offer = match other {
            Some(other) => call.parties_mut(key, other).map(|(party, other)| party.offer_afresh(other)),
            None => {
                let is_mixed = matches!(call.service, Service::Conference(_));
                call.leg_mut(key).and_then(|leg| leg.party_mut()).map(|party| party.offer_itself(is_mixed))
            }
        };
        match offer {
            Some(Ok(offer)) => {
                call.renegotiation = Renegotiation::Offered { from: key };
                self.accept_offer(now, call, &asking, &offer, None);
            }
            Some(Err(refusal)) => self.refuse_offer(now, call, &asking, &refusal),
            None => self.refuse(now, asking.server, &asking.request, 481, "the call is over"),
        }
    }

    /// Tells leg `to` what leg `from` has said last.
    pub(crate) fn follow(&mut self, now: Instant, call: &mut Call, from: LegKey, to: LegKey) {
        let offer = call.parties_mut(from, to).map(|(from, to)| {
            let last = to.current();
            to.offer(from).map(|offer| (Some(&offer) != last.as_ref()).then_some(offer))
        });
        match offer {
            Some(Ok(Some(offer))) => {
                if let Some(client) = self.reinvite(now, call, to, &offer) {
                    call.renegotiation = Renegotiation::Asking { to, client };
                }
            }
            // It knows already.
            Some(Ok(None)) => self.roll_back(call, [from, to]),
            Some(Err(_)) => self.stats.offers_of_ours_refused += 1,
            None => {}
        }
    }

    /// The answer to an offer of our own, or its refusal.
    fn asked_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        answer: Result<&Message, Silence>,
    ) {
        let is_glare = answer.is_ok_and(|response| response.status() == Some(491));
        let may_again = match answer {
            Ok(response) => response.status().is_some_and(|status| (500..600).contains(&status)),
            Err(silence) => silence == Silence::FlowLost,
        };
        let accepted = answer.ok().filter(|response| response.status().is_some_and(|status| status < 300));
        let answer = accepted.and_then(|response| session_description(response).ok().flatten());
        let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) else { return };
        let taken = answer.map(|answer| party.handle_answer(&answer));
        if matches!(taken, Some(Ok(()))) {
            call.reoffer = None;
            return self.configure_leg(call, key);
        }
        party.rollback();
        self.stats.offers_of_ours_refused += 1;
        if is_glare {
            self.offer_again(now, call, key);
        } else {
            self.readdressing_refused(now, call, key, may_again);
        }
    }

    /// Sends the 200 to a re-INVITE or an UPDATE.
    fn accept_offer(
        &mut self,
        now: Instant,
        call: &mut Call,
        asking: &Asking,
        body: &[u8],
        response: Option<&Message>,
    ) {
        let Asking { from, server, request, .. } = asking;
        let hides = call.other(*from).and_then(|other| call.leg(other)).is_some_and(|leg| leg.is_hidden);
        let Some(leg) = call.leg_mut(*from) else { return };
        let mut reply = self
            .reply(request, 200)
            .header(Name::Contact, self.contact(&leg.flow))
            .header(Name::Allow, ALLOW);
        if let Some(response) = response {
            reply = pass_response(response, reply, hides, &self.settings.headers.users);
        }
        reply = self.grant_session_timer(now, leg, request, reply);
        if *request.method_ref() == Method::Invite
            && let Some(unacknowledged) = leg.unacknowledged_mut()
        {
            *unacknowledged = Some(*server);
            self.unacknowledged.insert(*server, *from);
        }
        self.respond(now, *server, reply.body(SDP, body).finish());
        self.arm_session_timer(call, *from);
    }

    /// Refuses an offer; the call goes on as it was agreed before.
    fn refuse_offer(&mut self, now: Instant, call: &mut Call, asking: &Asking, refusal: &Refusal) {
        self.roll_back(call, [Some(asking.from), call.other(asking.from)].into_iter().flatten());
        self.stats.offers_refused += 1;
        let reply = self.reply(&asking.request, refusal.status());
        self.respond(now, asking.server, refused(reply, refusal).finish());
    }

    pub(super) fn roll_back(&mut self, call: &mut Call, legs: impl IntoIterator<Item = LegKey>) {
        for key in legs {
            if let Some(party) = call.leg_mut(key).and_then(|leg| leg.party_mut()) {
                party.rollback();
            }
        }
    }
}

impl Asking {
    /// Whether it may wait when it has met another offer. An UPDATE may not (RFC 3311 §5.2): it is answered at once.
    fn may_wait(&self) -> bool {
        self.attempts < MOST_ATTEMPTS && *self.request.method_ref() == Method::Invite
    }
}

impl Call {
    /// Whether the fax that leg `from` offers has audio beside it, which is passed on instead from here on.
    fn declines_fax(&mut self, from: LegKey) -> bool {
        self.leg_mut(from).and_then(|leg| leg.party_mut()).is_some_and(Party::decline_fax)
    }

    /// Takes out the offer that waits.
    fn take_postponed(&mut self) -> Option<Asking> {
        match std::mem::replace(&mut self.renegotiation, Renegotiation::Idle) {
            Renegotiation::Postponed { from, server, request, attempts, .. } => {
                Some(Asking { from, server, request, attempts })
            }
            other => {
                self.renegotiation = other;
                None
            }
        }
    }
}
