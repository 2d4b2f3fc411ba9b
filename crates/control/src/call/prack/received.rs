//! Towards a callee: its reliable provisional responses are acknowledged ([RFC 3262 §4]).
//!
//! [RFC 3262 §4]: https://www.rfc-editor.org/rfc/rfc3262#section-4

use std::time::Instant;

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::reliable::{Receiver, Verdict, is_listed};

use super::super::body::session_description;
use super::super::{Call, Leg, Signalling};
use crate::exchange::{Exchange, Use};

/// The early dialogs of one branch whose provisional responses are acknowledged. More than one of them means that there
/// is a proxy behind the contact, which forks.
const MOST_EARLY_DIALOGS: usize = 8;

/// An early dialog of a branch that sends reliable provisional responses.
#[derive(Debug)]
pub(crate) struct EarlyDialog {
    /// Its To tag.
    tag: Bytes,
    receiver: Receiver,
    /// Itself, when it is another one than that of [`Signalling::Inviting`].
    dialog: Option<Dialog>,
    /// The answer in the first that had one: the 2xx may be without.
    answer: Option<Bytes>,
}

impl Leg {
    fn early_of(&self, response: &Message) -> Option<&EarlyDialog> {
        let tag = response.to().ok()?.tag()?;
        self.early_dialogs.iter().find(|early| early.tag == tag)
    }

    /// The early dialog that a 2xx confirms, when it is one of a fork behind the contact.
    pub fn early_dialog_of(&self, response: &Message) -> Option<&Dialog> {
        self.early_of(response)?.dialog.as_ref()
    }

    /// The answer that came reliably in the dialog of a response, unless it is what the leg has agreed on, or was before
    /// an UPDATE.
    pub fn early_answer_of(&self, response: &Message) -> Option<Bytes> {
        let is_agreed = self.party().is_some_and(|party| party.agreed().is_some());
        self.early_of(response).filter(|_| !is_agreed || self.early_dialogs.len() > 1)?.answer.clone()
    }

    /// Another dialog than the leg's first one was confirmed: the first one goes on counting its requests.
    pub fn keep_early_dialog(&mut self) {
        let Signalling::Inviting { early: Some(own), .. } = &self.signalling else { return };
        if let Some(early) = self.early_dialogs.iter_mut().find(|early| early.tag == own.id.remote_tag) {
            early.dialog = Some(own.clone());
        }
    }

    /// Whether our offer was answered reliably in the leg's early dialog.
    pub(super) fn has_answered_early(&self) -> bool {
        matches!(self.signalling, Signalling::Inviting { cancelled: false, .. })
            && self.early_dialogs.iter().any(|early| early.dialog.is_none() && early.answer.is_some())
    }
}

impl Exchange {
    /// A provisional response of branch `key`: acknowledges it when it is a reliable one. Says whether it is one that has
    /// something new to say.
    pub(crate) fn take_reliable(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        response: &Message,
    ) -> bool {
        if !is_listed(response, Name::Require) {
            return true;
        }
        let number = call.number;
        let Some(leg) = call.leg_mut(key) else { return false };
        let Some(at) = leg.note_early(response) else {
            self.stats.provisionals_unreadable += 1;
            return true;
        };
        let Some(early) = leg.early_dialogs.get_mut(at) else {
            self.stats.provisionals_out_of_order += 1;
            return false;
        };
        let rack = match early.receiver.handle_provisional(response) {
            Verdict::Next(rack) => rack,
            Verdict::Unreliable => return true,
            Verdict::Unreadable => {
                self.stats.provisionals_unreadable += 1;
                return true;
            }
            Verdict::Repeated => {
                self.stats.provisionals_repeated += 1;
                return false;
            }
            Verdict::OutOfOrder => {
                self.stats.provisionals_out_of_order += 1;
                return false;
            }
        };
        if early.answer.is_none() {
            early.answer = session_description(response).ok().flatten();
        }
        let flow = leg.flow;
        let dialog = match (&mut early.dialog, &mut leg.signalling) {
            (Some(dialog), _) => dialog,
            (None, Signalling::Inviting { early: Some(dialog), .. }) => dialog,
            _ => return true,
        };
        self.stats.pracks_sent += 1;
        let prack = self.dialog_request(dialog, Method::Prack).header(Name::Rack, rack.to_string()).finish();
        self.send_request(now, flow, prack, Use::Prack(number, key));
        true
    }

    /// The answer that came reliably from a branch whose media is not to be heard: its 2xx may be without one.
    pub(crate) fn note_answer(&mut self, call: &mut Call, key: LegKey, response: &Message) {
        let Some(leg) = call.leg_mut(key) else { return };
        let Some(answer) = leg.early_answer_of(response) else { return };
        let Some(party) = leg.party_mut() else { return };
        if party.handle_answer(&answer).is_err() {
            self.stats.early_answers_refused += 1;
        } else if call.is_late && call.is_bound() && call.hunt.heard.is_none() {
            // The caller has its offer, and answers it or has answered.
            call.hunt.heard = Some(key);
            self.configure(call, call.caller.key, key);
        }
    }

    /// A branch has refused our PRACK, or never answered it: it is not one to talk to.
    pub(crate) fn prack_failed(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        self.stats.pracks_failed += 1;
        let Some(leg) = call.leg_mut(key) else { return };
        let Signalling::Inviting { client, cancelled, .. } = &mut leg.signalling else { return };
        if std::mem::replace(cancelled, true) {
            return;
        }
        let client = *client;
        self.transactions.cancel(now, client);
        self.command_close(call, key);
        if call.is_alerting() {
            self.fail_over(call, key, None);
            self.branches_failed(now, call);
        }
    }
}

impl Leg {
    /// The place of the early dialog of a reliable response among those of the leg, beyond its end when there are too
    /// many; `None` when the response makes no dialog, and nothing in it can be acknowledged.
    fn note_early(&mut self, response: &Message) -> Option<usize> {
        let tag = response.to().ok()?.tag()?;
        if let Some(at) = self.early_dialogs.iter().position(|early| early.tag == tag) {
            return Some(at);
        }
        let is_own = matches!(&self.signalling, Signalling::Inviting { early: Some(own), .. } if own.matches(response));
        let dialog = if is_own { None } else { Some(self.dialog_of(response)?) };
        if self.early_dialogs.len() < MOST_EARLY_DIALOGS {
            let tag = Bytes::copy_from_slice(tag);
            self.early_dialogs.push(EarlyDialog { tag, receiver: Receiver::default(), dialog, answer: None });
            return Some(self.early_dialogs.len() - 1);
        }
        Some(MOST_EARLY_DIALOGS)
    }
}
