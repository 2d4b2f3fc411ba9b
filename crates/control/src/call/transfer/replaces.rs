//! An INVITE with Replaces ([RFC 3891 §3]): its sender takes the place of a leg, in a call that is talking or ringing.
//!
//! Who sends it must be the user of that leg, on another phone. A pickup by a code is [`Exchange::take_place`] with a leg
//! that its own policy has chosen (`pickup`).
//!
//! [RFC 3891 §3]: https://www.rfc-editor.org/rfc/rfc3891#section-3

use std::time::Instant;

use ringback_media::negotiation::{Profile, Refusal};
use ringback_media::session::LegKey;
use ringback_sip::dialog::Dialog;
use ringback_sip::header::{HeaderError, Replaces};
use ringback_sip::message::{Builder, Message, Name};

use super::super::body::session_description;
use super::super::prack::Held;
use super::super::refused::CallRefused;
use super::super::service::Service;
use super::super::setup::{OPEN_WITHIN, profile_of};
use super::super::{Call, CallNumber, Leg, LegMedia, Phase, Renegotiation, Signalling};
use super::{AskedBy, MOST_LEGS, Stage, Transfer};
use crate::ask::User;
use crate::exchange::{Exchange, Incoming, Timer, warning};

/// Why an INVITE with Replaces is refused; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplacesRefused {
    #[error("an INVITE has one Replaces, and no Join beside it")]
    Several,
    #[error("{0}")]
    Malformed(HeaderError),
    #[error("the call that is to be taken over is not there")]
    NoDialog,
    #[error("the call that is to be taken over has ended")]
    Ended,
    #[error("the call that is to be taken over is somebody else's")]
    Foreign,
    #[error("the call that is to be taken over has been answered")]
    Answered,
    #[error("the call that is to be taken over is being transferred")]
    UnderWay,
    #[error("the call that is to be taken over was transferred too often")]
    TooOften,
    #[error("there is nobody in the call that is to be taken over")]
    Nobody,
    #[error("{0}")]
    NoDialogOfOurs(ringback_sip::dialog::NoDialog),
    #[error("{0}")]
    Call(CallRefused),
}

impl ReplacesRefused {
    fn status(&self) -> u16 {
        match self {
            ReplacesRefused::Several | ReplacesRefused::Malformed(_) | ReplacesRefused::NoDialogOfOurs(_) => {
                400
            }
            ReplacesRefused::NoDialog => 481,
            ReplacesRefused::Ended => 603,
            ReplacesRefused::Foreign => 403,
            ReplacesRefused::Answered => 486,
            ReplacesRefused::UnderWay => 491,
            ReplacesRefused::Nobody => 480,
            ReplacesRefused::TooOften => 503,
            ReplacesRefused::Call(refused) => refused.status(),
        }
    }
}

impl Exchange {
    /// Serves an authenticated INVITE that has a Replaces.
    pub(crate) fn take_over(&mut self, now: Instant, incoming: Incoming, user: &User) {
        let read = self.read_replaces(&incoming.message, user);
        let admitted = read.and_then(|leg| {
            self.admit_call(&incoming.message, user).map_err(ReplacesRefused::Call)?;
            Ok(leg)
        });
        match admitted {
            Ok(replaced) => {
                self.take_place(now, incoming, user, replaced, AskedBy::Replaces);
            }
            Err(refused) => self.refuse_take_over(now, &incoming, &refused),
        }
    }

    fn refuse_take_over(&mut self, now: Instant, incoming: &Incoming, refused: &ReplacesRefused) {
        self.stats.takeovers_refused += 1;
        let call = if let ReplacesRefused::Call(refused) = refused { Some(refused) } else { None };
        self.refuse_entry(now, incoming, call, refused.status(), &refused.to_string());
    }

    /// Refuses the INVITE of one who would come into a call: as one that begins a `call` is, or with a sentence of its own.
    pub(super) fn refuse_entry(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        call: Option<&CallRefused>,
        status: u16,
        sentence: &str,
    ) {
        self.fingerprints.remove(&self.fingerprint(&incoming.message));
        match call {
            Some(refused) => {
                let reply = self.refusal(&incoming.message, refused);
                self.respond(now, incoming.server, reply);
            }
            None => self.refuse(now, incoming.server, &incoming.message, status, sentence),
        }
    }

    /// The leg whose place a user may take.
    fn read_replaces(&self, invite: &Message, user: &User) -> Result<(CallNumber, LegKey), ReplacesRefused> {
        let mut values = invite.headers(Name::Replaces);
        let value = match (values.next(), values.next(), invite.has(Name::Join)) {
            (Some(value), None, false) => value,
            _ => return Err(ReplacesRefused::Several),
        };
        let replaces = Replaces::parse(value).map_err(ReplacesRefused::Malformed)?;
        let (number, key) = self.named(&replaces.dialog).ok_or(ReplacesRefused::NoDialog)?;
        let call = self.calls.get(&number).ok_or(ReplacesRefused::NoDialog)?;
        let leg = call.leg(key).ok_or(ReplacesRefused::NoDialog)?;
        if leg.aor != user.name {
            return Err(ReplacesRefused::Foreign);
        }
        match (call.phase, &leg.signalling) {
            (Phase::Ending, _) => Err(ReplacesRefused::Ended),
            (Phase::Answered(_), Signalling::Confirmed { .. }) if replaces.early_only => {
                Err(ReplacesRefused::Answered)
            }
            (Phase::Answered(_), Signalling::Confirmed { .. }) if call.other(key).is_none() => {
                Err(ReplacesRefused::Nobody)
            }
            (Phase::Answered(_), Signalling::Confirmed { .. })
            | (Phase::Ringing, Signalling::Inviting { cancelled: false, .. }) => match call.transfer {
                Some(_) => Err(ReplacesRefused::UnderWay),
                None if call.callees.len() >= MOST_LEGS => Err(ReplacesRefused::TooOften),
                None => Ok((number, key)),
            },
            // An early dialog that was not begun by us, or one that is being ended.
            _ => Err(ReplacesRefused::NoDialog),
        }
    }

    /// Lets the sender of an INVITE take the place of a leg: of one that talks, whose far end is told, or of one that
    /// rings, for which it answers. Whether it may is for the caller to say.
    pub(crate) fn take_place(
        &mut self,
        now: Instant,
        incoming: Incoming,
        user: &User,
        (number, replaced): (CallNumber, LegKey),
        asked_by: AskedBy,
    ) {
        self.on_call(now, number, |exchange, call| {
            let key = exchange.next_leg(call);
            let tag = exchange.local_tag(key);
            let dialog = match Dialog::uas(&incoming.message, tag.as_bytes(), incoming.flow) {
                Ok(dialog) => dialog,
                Err(error) => {
                    let refused = ReplacesRefused::NoDialogOfOurs(error);
                    return exchange.refuse_take_over(now, &incoming, &refused);
                }
            };
            let (server, invite) = (incoming.server, &incoming.message);
            exchange.respond(now, server, exchange.reply(invite, 100).finish());
            exchange.invited.insert(server, number);
            exchange.fingerprints.insert(exchange.fingerprint(invite), server);
            let offer = session_description(invite).ok().flatten();
            let profile = offer.as_deref().and_then(Profile::of_offer);
            let profile = profile.unwrap_or_else(|| profile_of(incoming.flow));
            let leg = Leg::invited(key, &user.name, profile, incoming, dialog);
            exchange.newcomer(now, call, leg, replaced, asked_by);
        });
    }

    /// Opens the leg of a newcomer, who asks for the transfer to itself.
    fn newcomer(&mut self, now: Instant, call: &mut Call, leg: Leg, replaced: LegKey, asked_by: AskedBy) {
        let transferee = call.other(replaced).unwrap_or(call.first);
        if asked_by == AskedBy::Replaces {
            self.stats.takeovers_started += 1;
        }
        let stays = call.leg(transferee).map(|leg| leg.aor.clone()).unwrap_or_default();
        let record = self.record_of_transfer(now, &stays, &leg.aor);
        let has_video = call.has_video() || leg.offers_video();
        self.command_open(call.worker, &leg, has_video);
        call.callees.push(leg);
        call.transfer = Some(Box::new(Transfer {
            asked_by,
            transferor: replaced,
            transferee,
            stage: Stage::Opening,
            record: Some(record),
            left: None,
            payer: None,
            alone: Service::Echo,
            attempts: 0,
            not_before: None,
        }));
        if call.phase != Phase::Ringing {
            self.deadlines.set(Timer::Ring(call.number), now + OPEN_WITHIN);
        }
    }

    /// The newcomer's leg is open: its offer is read, and whose call it takes is asked or answered.
    pub(super) fn newcomer_opened(&mut self, now: Instant, call: &mut Call) {
        let Some(transfer) = call.transfer.as_deref() else { return };
        let Transfer { transferor, transferee, asked_by, .. } = *transfer;
        let is_newcomer = |leg: &&mut Leg| matches!(leg.signalling, Signalling::Invited { .. });
        let Some(leg) = call.callees.iter_mut().find(is_newcomer) else { return };
        let key = leg.key;
        if let LegMedia::Refused(sentence) = &leg.media {
            let sentence = sentence.clone();
            return self.newcomer_refused(now, call, 503, &sentence);
        }
        let Signalling::Invited { invite, .. } = &leg.signalling else { return };
        let offer = session_description(invite).ok().flatten();
        let read = match (&offer, leg.party_mut()) {
            (Some(offer), Some(party)) => party.handle_offer(offer),
            _ => Ok(()),
        };
        if let Err(refusal) = read {
            self.stats.offers_refused += 1;
            return self.newcomer_refused(now, call, refusal.status(), &refusal.to_string());
        }
        match call.phase {
            Phase::Ringing => return self.answer_in_place(now, call, key, offer.is_some()),
            Phase::Answered(_)
                if match asked_by {
                    AskedBy::Pickup => call.parked_by() == Some(transferor),
                    _ => call.is_party(transferor),
                } =>
            {
                self.deadlines.cancel(&Timer::Ring(call.number))
            }
            // Somebody else has answered, or the leg has left, while this one was being opened.
            _ => {
                return self.newcomer_refused(
                    now,
                    call,
                    481,
                    "the call that is to be taken over has changed",
                );
            }
        };
        let stage = match offer {
            Some(_) => Stage::Offering { target: Some(key), client: None },
            None => Stage::Awaiting { target: key },
        };
        if let Some(transfer) = call.transfer.as_deref_mut() {
            transfer.stage = stage;
        }
        if offer.is_none() {
            let offered = call.parties_mut(key, transferee).map(|(party, other)| party.offer_afresh(other));
            let Some(Ok(offer)) = offered else {
                return self.newcomer_refused(now, call, 488, "nothing to offer");
            };
            return self.accept_newcomer(now, call, key, transferee, &offer);
        }
        self.renegotiation_over(now, call);
    }

    /// A newcomer goes on to answer, now that the caller has acknowledged what it was told before.
    pub(crate) fn newcomer_after_prack(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        has_offered: bool,
    ) {
        if call.leg(key).is_some_and(|leg| matches!(leg.signalling, Signalling::Invited { .. })) {
            self.answer_in_place(now, call, key, has_offered);
        }
    }

    /// A newcomer answers in place of a leg that rings.
    fn answer_in_place(&mut self, now: Instant, call: &mut Call, key: LegKey, has_offered: bool) {
        let (caller, is_late) = (call.caller.key, call.is_late);
        if is_late && !has_offered {
            let words = "neither the caller nor who takes the call has made an offer";
            return self.newcomer_refused(now, call, 488, words);
        }
        if call.hold(Held::Newcomer(key, has_offered)) {
            return;
        }
        if !self.is_by_us(call, [caller]) {
            return self.await_media(now, call, Held::Newcomer(key, has_offered));
        }
        let is_bound = call.is_bound();
        let answers = call.parties_mut(caller, key).map(|(caller, newcomer)| match (is_late, has_offered) {
            // What the caller was given reliably stays.
            (_, true) if is_bound => Ok((caller.current().unwrap_or_default(), newcomer.answer(caller)?)),
            (_, false) if is_bound => Ok((caller.current().unwrap_or_default(), newcomer.offer(caller)?)),
            (false, true) => {
                let to_caller = caller.answer(newcomer)?;
                Ok::<_, Refusal>((to_caller, newcomer.answer(caller)?))
            }
            (true, _) => {
                let to_newcomer = newcomer.answer_alone()?;
                Ok((caller.offer(newcomer)?, to_newcomer))
            }
            (false, false) => {
                let to_caller = caller.answer_alone()?;
                Ok((to_caller, newcomer.offer(caller)?))
            }
        });
        match answers {
            Some(Ok((to_caller, to_newcomer))) => {
                let asked_by = call.transfer.take().map(|transfer| transfer.asked_by);
                self.accept_newcomer(now, call, key, caller, &to_newcomer);
                self.cancel_branches(now, call, Some(key), &super::super::fork::ELSEWHERE);
                self.answer_caller(now, call, key, &to_caller, None);
                if !has_offered {
                    call.renegotiation = Renegotiation::Offered { from: key };
                }
                match asked_by {
                    Some(AskedBy::Pickup) => self.stats.calls_picked_up += 1,
                    _ => self.stats.takeovers_completed += 1,
                }
            }
            Some(Err(refusal)) => self.newcomer_refused(now, call, refusal.status(), &refusal.to_string()),
            None => self.newcomer_refused(now, call, 480, "the caller has left"),
        }
    }

    /// The ACK of a newcomer that had no offer has the answer to ours; says whether it is one.
    pub(crate) fn newcomer_acknowledged(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        ack: &Message,
    ) -> bool {
        match call.transfer.as_deref_mut() {
            Some(transfer) if transfer.stage == Stage::Awaiting { target: key } => {
                transfer.stage = Stage::Offering { target: Some(key), client: None };
            }
            _ => return false,
        }
        let answer = session_description(ack).ok().flatten().unwrap_or_default();
        let taken =
            call.leg_mut(key).and_then(|leg| leg.party_mut()).map(|party| party.handle_answer(&answer));
        if matches!(taken, Some(Ok(()))) {
            self.renegotiation_over(now, call);
        } else {
            self.stats.late_answers_refused += 1;
            self.transfer_failed(now, call, 488, "the ACK had no usable answer");
        }
        true
    }

    /// Answers a newcomer for whom the transferee has agreed; says whether it could be. One that has been answered
    /// already is.
    pub(super) fn answer_newcomer(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        transferee: LegKey,
    ) -> bool {
        if !call.leg(key).is_some_and(|leg| matches!(leg.signalling, Signalling::Invited { .. })) {
            return true;
        }
        let answer = call.parties_mut(key, transferee).map(|(newcomer, other)| newcomer.answer(other));
        let Some(Ok(answer)) = answer else { return false };
        self.accept_newcomer(now, call, key, transferee, &answer);
        true
    }

    /// Sends the 200 to a newcomer, who talks to leg `other` from here on.
    fn accept_newcomer(&mut self, now: Instant, call: &mut Call, key: LegKey, other: LegKey, body: &[u8]) {
        let connected = self.connected_newcomer(call, key, other);
        let Some(leg) = call.leg_mut(key) else { return };
        let Some(invite) = self.accept(now, leg, Some(body), None, connected) else { return };
        self.fingerprints.remove(&self.fingerprint(&invite));
        self.arm_session_timer(call, key);
    }

    /// A newcomer cannot come in, or gives up.
    pub(crate) fn newcomer_refused(&mut self, now: Instant, call: &mut Call, status: u16, words: &str) {
        self.transfer_failed(now, call, status, words);
        // The branches may have failed in the meantime.
        self.branches_failed(now, call);
    }

    /// Sends the final response to a newcomer that waits for one.
    pub(super) fn refuse_newcomer(&mut self, now: Instant, call: &mut Call, status: u16, words: &str) {
        let is_newcomer = |leg: &&mut Leg| matches!(leg.signalling, Signalling::Invited { .. });
        let Some(leg) = call.callees.iter_mut().find(is_newcomer) else { return };
        let key = leg.key;
        if let Signalling::Invited { server, invite, dialog } =
            std::mem::replace(&mut leg.signalling, Signalling::Over)
        {
            self.invited.remove(&server);
            self.fingerprints.remove(&self.fingerprint(&invite));
            let mut reply = Builder::reply(&invite, status).to_tag(&dialog.id.local_tag);
            if status == 503 {
                reply = reply.header(Name::RetryAfter, self.retry_after());
            }
            self.respond(now, server, reply.header(Name::Warning, warning(words)).finish());
        }
        self.command_close(call, key);
    }
}
