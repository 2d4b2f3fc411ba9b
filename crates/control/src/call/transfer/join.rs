//! A call of two becomes a conference: by an INVITE with Join ([RFC 3911]), whose sender is the third, or by a REFER
//! whose Refer-To has a Join, with which a phone makes one conversation of two calls of its own; it stays in by the call
//! that the Join names, and is let go of in the other.
//!
//! Who asks must be the user of the leg that is named, on whatever phone. The call is parted: each of its parties goes on
//! in a call of its own, which is transferred into a conference without a name (`call::conference`) as if the other had
//! left. An INVITE is answered first, by the exchange, so that one that cannot be served changes nothing.
//!
//! Left out: joining an early dialog, in which there is nothing to be heard yet; a call with several legs in one dialog.
//!
//! [RFC 3911]: https://www.rfc-editor.org/rfc/rfc3911

use std::time::Instant;

use ringback_media::insert::ConferenceKey;
use ringback_media::session::LegKey;
use ringback_sip::header::{HeaderError, Join};
use ringback_sip::message::{Message, Name};

use super::super::identity::Identity;
use super::super::refused::CallRefused;
use super::super::service::Service;
use super::super::{Call, Leg, Phase, Renegotiation, Signalling};
use super::{AskedBy, Stage, Transfer};
use crate::ask::User;
use crate::exchange::{Exchange, Incoming, Timer};

/// Why a call is not joined; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinRefused {
    #[error("an INVITE has one Join, and no Replaces beside it")]
    Several,
    #[error("{0}")]
    Malformed(HeaderError),
    #[error("the call that is to be joined is not there, or not answered")]
    NoDialog,
    #[error("the call that is to be joined has ended")]
    Ended,
    #[error("the call that is to be joined is somebody else's")]
    Foreign,
    #[error("the call that is to be joined is answered by a machine that takes no third party")]
    NoConference,
    #[error("what is said in the call cannot be mixed: it is a fax, or in codecs that are only passed on")]
    NotMixed,
    #[error("the call that is to be joined is being changed; try again")]
    UnderWay,
    #[error("the two calls are on different media workers; media.workers = 1 has them on one")]
    Apart,
    #[error("{0}")]
    Call(CallRefused),
}

impl JoinRefused {
    pub fn status(&self) -> u16 {
        match self {
            JoinRefused::Several | JoinRefused::Malformed(_) => 400,
            JoinRefused::Foreign => 403,
            JoinRefused::NoDialog => 481,
            JoinRefused::NoConference | JoinRefused::NotMixed | JoinRefused::Apart => 488,
            JoinRefused::UnderWay => 491,
            JoinRefused::Ended => 603,
            JoinRefused::Call(refused) => refused.status(),
        }
    }
}

impl Exchange {
    /// Serves an authenticated INVITE that has a Join.
    pub(crate) fn join_by_invite(&mut self, now: Instant, incoming: Incoming, user: &User) {
        let read = self.read_join(&incoming.message, user).and_then(|service| {
            let offer = self.admit_call(&incoming.message, user).map_err(JoinRefused::Call)?;
            Ok((service, offer))
        });
        match read {
            Ok((service, offer)) => self.open_service(now, incoming, user, offer, service),
            Err(refused) => {
                self.stats.joins_refused += 1;
                let call = if let JoinRefused::Call(refused) = &refused { Some(refused) } else { None };
                self.refuse_entry(now, &incoming, call, refused.status(), &refused.to_string());
            }
        }
    }

    /// What the sender of the INVITE is to be served with.
    fn read_join(&self, invite: &Message, user: &User) -> Result<Service, JoinRefused> {
        let mut values = invite.headers(Name::Join);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(JoinRefused::Several) };
        let join = Join::parse(value).map_err(JoinRefused::Malformed)?;
        let joined = self.joined(&join, &user.name)?;
        Ok(self.conference_joined(joined)?.map_or(Service::Joining(joined), Service::Conference))
    }

    /// The leg of a user that a Join names.
    pub(super) fn joined(&self, join: &Join<'_>, user: &str) -> Result<LegKey, JoinRefused> {
        let (number, key) = self.named(&join.dialog).ok_or(JoinRefused::NoDialog)?;
        let leg = self.calls.get(&number).and_then(|call| call.leg(key)).ok_or(JoinRefused::NoDialog)?;
        if leg.aor == user { Ok(key) } else { Err(JoinRefused::Foreign) }
    }

    /// The conference that a leg is in already; none for one of a call that can become one.
    fn conference_joined(&self, joined: LegKey) -> Result<Option<ConferenceKey>, JoinRefused> {
        let call = self.calls.get(&self.call_of(joined)).ok_or(JoinRefused::NoDialog)?;
        match call.phase {
            Phase::Ending => return Err(JoinRefused::Ended),
            Phase::Answered(_) if call.is_party(joined) => {}
            _ => return Err(JoinRefused::NoDialog),
        }
        let is_settled =
            |leg: &Leg| matches!(leg.signalling, Signalling::Confirmed { unacknowledged: None, .. });
        let other = call.other(joined);
        let mut parties = call.legs().filter(|leg| leg.key == joined || Some(leg.key) == other);
        if call.transfer.is_some()
            || !matches!(call.renegotiation, Renegotiation::Idle)
            || !parties.all(is_settled)
        {
            return Err(JoinRefused::UnderWay);
        }
        match (other, call.service) {
            (Some(_), _) if self.draining => Err(JoinRefused::Call(CallRefused::Draining)),
            // One for who joins, and one more for the party that goes on in a call of its own.
            (Some(_), _) if self.calls.len() + 2 > self.settings.limits.calls => {
                Err(JoinRefused::Call(CallRefused::AllLinesBusy))
            }
            (Some(other), _) => {
                match [joined, other].iter().all(|key| call.leg(*key).is_some_and(can_be_mixed)) {
                    true => Ok(None),
                    false => Err(JoinRefused::NotMixed),
                }
            }
            (None, Service::Conference(key)) => {
                self.admit_to_conference(key, Some(call.worker)).map_err(JoinRefused::Call)?;
                Ok(Some(key))
            }
            (None, _) => Err(JoinRefused::NoConference),
        }
    }

    /// The same, for who is on a media worker already.
    pub(super) fn joinable(&self, joined: LegKey, worker: u16) -> Result<Option<ConferenceKey>, JoinRefused> {
        let key = self.conference_joined(joined)?;
        let is_there = self.calls.get(&self.call_of(joined)).is_some_and(|call| call.worker == worker);
        if is_there { Ok(key) } else { Err(JoinRefused::Apart) }
    }

    /// A call is about to be answered: the one that it joins becomes a conference with it.
    pub(crate) fn join(&mut self, now: Instant, call: &mut Call, joined: LegKey) -> Result<(), JoinRefused> {
        let key = self.confer(now, joined, call.worker)?;
        self.serve_alone(call, Service::Conference(key));
        Ok(())
    }

    /// The conference that a leg is in, which its call has become if it was none; its members are on the media worker of
    /// whom it is for.
    pub(super) fn confer(
        &mut self,
        now: Instant,
        joined: LegKey,
        worker: u16,
    ) -> Result<ConferenceKey, JoinRefused> {
        if let Some(key) = self.joinable(joined, worker)? {
            return Ok(key);
        }
        let key = self.conference_without_name();
        let mut parted = None;
        self.on_call(now, self.call_of(joined), |exchange, call| {
            parted = exchange.part(now, call, joined, key)
        });
        let other = parted.ok_or(JoinRefused::Ended)?;
        let number = other.number;
        self.calls.insert(number, other);
        self.on_call(now, number, |exchange, call| exchange.renegotiation_over(now, call));
        self.stats.joins_completed += 1;
        Ok(key)
    }

    /// Parts the two who talk: `stays` goes on in this call, the other in the one that this gives, and both are asked into
    /// the conference.
    fn part(
        &mut self,
        now: Instant,
        call: &mut Call,
        stays: LegKey,
        key: ConferenceKey,
    ) -> Option<Box<Call>> {
        let goes = call.other(stays)?;
        let identity = call.leg(goes).map(|leg| Identity::of_party(call, leg))?;
        call.reoffer = None;
        self.deadlines.cancel(&Timer::Reoffer(call.number));
        call.subscriptions.retain(|subscription| subscription.leg != goes);
        self.end_recording_of(call);
        let has_timer = call.leg(goes).is_some_and(|leg| leg.session_timer.is_some());
        let number = self.next_call_at(call.worker);
        let leg = self.take_leg(call, goes, number)?;
        let at = self.settings.epoch.unix_ms(now);
        let record = self.record_begun(now, leg.aor.clone(), NO_NAME.to_owned());
        let mut other = Call::new(number, call.worker, leg, identity, record);
        other.phase = Phase::Answered(goes);
        other.answered = Some(goes);
        other.is_local = call.is_local;
        other.payers = call.payers.extract_if(.., |(leg, _)| *leg == goes).collect();
        self.stats.calls_started += 1;
        self.stats.calls_answered += 1;
        if has_timer {
            self.arm_session_timer(&other, goes);
        }
        self.arm_probe(now, &other);
        self.place(&mut other, goes);
        let aor = call.leg(stays).map(|leg| leg.aor.clone()).unwrap_or_default();
        let record = self.record_of_transfer(now, &aor, NO_NAME);
        self.end_part(now, call, record, AskedBy::Join, at, goes);
        (call.first, call.answered, call.phase) = (stays, Some(stays), Phase::Answered(stays));
        for (call, who, from) in [(&mut *call, stays, goes), (&mut *other, goes, stays)] {
            self.serve_alone(call, Service::Conference(key));
            call.transfer = Some(Box::new(Transfer {
                asked_by: AskedBy::Join,
                transferor: from,
                transferee: who,
                stage: Stage::Offering { target: None, client: None },
                record: None,
                left: Some(at),
                payer: None,
                alone: Service::Conference(key),
                attempts: 0,
                not_before: None,
            }));
        }
        self.renegotiation_over(now, call);
        Some(other)
    }
}

/// Whether a leg can be asked for audio that we can make and understand.
pub(super) fn can_be_mixed(leg: &Leg) -> bool {
    leg.party().cloned().is_some_and(|mut party| party.offer_itself(true).is_ok())
}

/// What is recorded as dialled by those who were in a call that became a conference.
pub(super) const NO_NAME: &str = "conference";
