//! A transfer to somebody whom the transferor is in a call with ([RFC 5589 §7]): the far end of that call moves into this
//! one, and the transferor is let go of both.
//!
//! The Replaces names the transferor's own dialog with the exchange, which is the far end of both its calls; nobody is
//! called. Phones write the two tags in either order: it is their own dialog, and some take the view of the far end.
//!
//! [RFC 5589 §7]: https://www.rfc-editor.org/rfc/rfc5589#section-7

use std::time::Instant;

use ringback_media::insert::ConferenceKey;
use ringback_media::negotiation::Party;
use ringback_media::session::LegKey;
use ringback_sip::header::{NamedDialog, Replaces};

use super::super::service::Service;
use super::super::{Call, CallNumber, Leg, LegMedia, LegVideo, Phase, Renegotiation, Signalling};
use super::notify::TRANSFERRED;
use super::refer::ReferRefused;
use super::{AskedBy, Stage, Transfer};
use crate::exchange::{Exchange, Timer};
use crate::owner::{self, LocalTag};

/// The call of the transferor that its Replaces names.
pub(super) enum Consult {
    /// The transferor's leg in a call whose far end can move.
    Joinable(LegKey),
    /// A conference that the transferor is in, and goes on to be in.
    Conference(ConferenceKey),
    /// A call that nobody has answered, or that the exchange has: it is given up, and the number is called afresh.
    Unjoinable { number: CallNumber, dialled: String },
}

impl Exchange {
    /// The leg whose dialog a Replaces or a Join names, whichever way round its tags are.
    pub(super) fn named(&self, dialog: &NamedDialog<'_>) -> Option<(CallNumber, LegKey)> {
        let NamedDialog { call_id, to_tag, from_tag } = *dialog;
        [(to_tag, from_tag), (from_tag, to_tag)].into_iter().find_map(|(ours, theirs)| {
            let key = LocalTag::parse(ours)?.leg;
            let number = self.call_of(key);
            let dialog = self.calls.get(&number)?.leg(key)?.dialog()?;
            let id = &dialog.id;
            let is_it = owner::worker_of(key) == self.settings.worker
                && id.call_id == call_id
                && id.local_tag == ours
                && id.remote_tag == theirs;
            is_it.then_some((number, key))
        })
    }

    /// The call that a REFER of leg `key` names by its Replaces.
    pub(super) fn consult(
        &self,
        call: &Call,
        key: LegKey,
        replaces: &Replaces<'_>,
    ) -> Result<Consult, ReferRefused> {
        let (number, consult) = self.named(&replaces.dialog).ok_or(ReferRefused::NoConsult)?;
        // The call of the REFER is in our hands and not among the others, so that it is not found.
        let other = self.calls.get(&number).ok_or(ReferRefused::NoConsult)?;
        let own = call.leg(key).map(|leg| leg.aor.as_str());
        if own != other.leg(consult).map(|leg| leg.aor.as_str()) {
            return Err(ReferRefused::Foreign);
        }
        let is_caller = other.caller.key == consult;
        match other.phase {
            Phase::Opening | Phase::Ringing if is_caller => {
                Ok(Consult::Unjoinable { number, dialled: other.record.dialled.clone() })
            }
            Phase::Answered(_) if other.is_party(consult) => match other.other(consult) {
                None if let Service::Conference(key) = other.service => {
                    let admitted = self.admit_to_conference(key, Some(call.worker));
                    admitted.map_err(ReferRefused::Call)?;
                    Ok(Consult::Conference(key))
                }
                None => Ok(Consult::Unjoinable { number, dialled: other.record.dialled.clone() }),
                Some(_) if other.transfer.is_some() => Err(ReferRefused::ConsultBusy),
                Some(target) if !other.can_spare(target) => Err(ReferRefused::ConsultBusy),
                Some(_) if other.worker != call.worker => Err(ReferRefused::Apart),
                Some(_) => Ok(Consult::Joinable(consult)),
            },
            _ => Err(ReferRefused::NoConsult),
        }
    }

    /// Takes the far end of the consult call into this one and ends that.
    pub(super) fn join_calls(
        &mut self,
        now: Instant,
        call: &mut Call,
        [transferor, transferee]: [LegKey; 2],
        consult: LegKey,
    ) {
        let aor = |leg: Option<&Leg>| leg.map(|leg| leg.aor.clone()).unwrap_or_default();
        let (stays, payer) = (aor(call.leg(transferee)), aor(call.leg(transferor)));
        let (mut taken, number) = (None, call.number);
        self.on_call(now, self.call_of(consult), |exchange, other| {
            taken = exchange.take_far_end(now, other, consult, (number, &stays));
        });
        let Some((target, timers)) = taken else {
            return self.tell(now, call, transferor, 480, "Temporarily Unavailable");
        };
        let record = self.record_of_transfer(now, &stays, &target.aor);
        let key = target.key;
        call.is_local |= target.party().is_some_and(Party::is_past_us);
        call.callees.push(target);
        if timers {
            self.arm_session_timer(call, key);
        }
        *self.calls_by_user.entry(payer.clone()).or_default() += 1;
        call.transfer = Some(Box::new(Transfer {
            asked_by: AskedBy::Attended,
            transferor,
            transferee,
            stage: Stage::Offering { target: Some(key), client: None },
            record: Some(record),
            left: None,
            payer: Some(payer),
            alone: Service::Echo,
            attempts: 0,
            not_before: None,
        }));
        self.renegotiation_over(now, call);
    }

    /// Takes the leg that talks with `consult` out of its call, which ends, for the call of number `to`.
    fn take_far_end(
        &mut self,
        now: Instant,
        other: &mut Call,
        consult: LegKey,
        (to, stays): (CallNumber, &str),
    ) -> Option<(Leg, bool)> {
        let key = other.other(consult)?;
        self.give_up_offers(now, other, consult);
        let side = other.side(consult);
        let taken = self.take_leg(other, key, to)?;
        // Who leaves is heard in no recording of a call that it is not in.
        self.end_recording_of(other);
        let words = format!("transferred to {stays}");
        // The record names who stays; the one that is left may not be allowed to know.
        other.given_reason = TRANSFERRED;
        self.end(now, other, side, &words);
        let has_timer = taken.session_timer.is_some();
        Some((taken, has_timer))
    }

    /// Takes a leg out of a call, for the one of number `to`. In its place stays one that is over, for the record and for
    /// a 2xx that may still come.
    pub(super) fn take_leg(&mut self, call: &mut Call, key: LegKey, to: CallNumber) -> Option<Leg> {
        self.deadlines.cancel(&Timer::Bye(call.number, key));
        self.deadlines.cancel(&Timer::Session(call.number, key));
        let leg = call.leg_mut(key)?;
        let shell = Leg {
            key,
            aor: leg.aor.clone(),
            flow: leg.flow,
            profile: leg.profile,
            signalling: Signalling::Over,
            media: LegMedia::Closed(None),
            session_timer: None,
            hears_music: None,
            is_missed: false,
            signals_keys: false,
            refuses_info: false,
            keys: None,
            call_id: leg.call_id.clone(),
            is_hidden: leg.is_hidden,
            hides_history: leg.hides_history,
            is_called: leg.is_called,
            invite: leg.invite.clone(),
            early_dialogs: std::mem::take(&mut leg.early_dialogs),
            video: LegVideo::default(),
            reported: leg.reported.clone(),
        };
        self.adopted.insert(key, to);
        Some(std::mem::replace(leg, shell))
    }
}

impl Call {
    /// Whether a leg can leave for another call: no offer to it or from it is under way that the other party does not
    /// take back by leaving.
    fn can_spare(&self, key: LegKey) -> bool {
        match &self.renegotiation {
            Renegotiation::Idle => true,
            Renegotiation::Relaying { .. }
            | Renegotiation::Postponed { .. }
            | Renegotiation::Asking { .. }
            | Renegotiation::Orphaned { .. } => false,
            Renegotiation::Offered { from } => *from != key,
        }
    }
}
