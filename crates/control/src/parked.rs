//! What waits for the answer to a question.

use std::time::Instant;

use ringback_sip::digest::Claim;
use ringback_sip::message::Message;
use ringback_sip::resolve;
use ringback_sip::transaction::ServerId;

use crate::ask::{Answer, AskId};
use crate::call::refused::{CallRefused, Caller};
use crate::call::service::PendingSetting;
use crate::exchange::{Exchange, Incoming};
use crate::messages::PendingMessage;
use crate::reach::Place;
use crate::registration::PendingRegistration;

/// What waits for the answer to a question.
#[derive(Debug)]
pub(crate) enum Parked {
    /// A request whose user is being looked up, and what its credentials claim.
    Credentials(Box<Incoming>, Box<Claim>),
    /// An INVITE for a user who is not signed in: does the user exist?
    Callee(Box<Incoming>, Caller),
    /// A request for the contacts of a user who is not signed in: does the user exist?
    Proxied(Box<Incoming>),
    /// A REGISTER whose bindings are being written.
    Persist(Box<PendingRegistration>),
    /// An INVITE that changes what a user has set, while that is being written.
    Setting(Box<PendingSetting>),
    /// A request that was cancelled before the answer.
    Cancelled,
    /// The 200 to the BYE that ended a call, whose record is being written.
    Farewell(ServerId, Box<Message>),
    /// A MESSAGE for a user who is not signed in: does the user exist?
    Addressee(Box<PendingMessage>),
    /// A message that is being written.
    StoreMessage(Box<PendingMessage>),
    /// The messages of a user that are being read.
    StoredMessages(String),
    /// A place that is being looked for waits for the DNS.
    Dns(Place, resolve::AskId),
    /// Places that are being looked for wait for a connection.
    Connect(resolve::Target),
    /// What nobody waits for: bindings that have expired, records of calls that nobody hung up, and what is added to them.
    Unanswered,
}

impl Exchange {
    /// The answer to a question has come.
    pub(crate) fn answered(&mut self, now: Instant, parked: Parked, answer: Answer) {
        match (parked, answer) {
            (Parked::Credentials(incoming, claim), Answer::Credentials(user)) => {
                self.credentials_known(now, *incoming, &claim, user);
            }
            (Parked::Callee(incoming, caller), Answer::Credentials(user)) => {
                let refused = if user.is_some() { CallRefused::Absent } else { CallRefused::Unknown };
                self.refuse_call(now, *incoming, caller, refused);
            }
            (Parked::Proxied(incoming), answer) => {
                let exists = matches!(answer, Answer::Credentials(Some(_)));
                let refused = if exists { CallRefused::Absent } else { CallRefused::Unknown };
                self.proxied_absent(now, &incoming, refused);
            }
            (Parked::Persist(pending), Answer::Persisted(durable)) => {
                self.registration_persisted(now, *pending, durable);
            }
            (Parked::Unanswered, Answer::Persisted(durable)) => {
                self.stats.persists_failed += u64::from(!durable);
            }
            (Parked::Farewell(server, reply), answer) => {
                self.stats.persists_failed += u64::from(!matches!(answer, Answer::Persisted(true)));
                self.respond(now, server, *reply);
            }
            (Parked::Addressee(pending), Answer::Credentials(user)) => {
                self.addressee_known(now, *pending, user.is_some());
            }
            (Parked::StoreMessage(pending), Answer::Persisted(durable)) => {
                self.message_stored(now, *pending, durable);
            }
            (Parked::StoredMessages(user), Answer::Messages(messages)) => {
                self.stored_messages(now, &user, messages);
            }
            (Parked::Setting(pending), answer) => {
                self.setting_kept(now, *pending, matches!(answer, Answer::Persisted(true)));
            }
            (Parked::Dns(place, id), answer) => self.dns_answered(now, &place, id, answer),
            (Parked::Connect(target), answer) => self.connect_answered(now, &target, answer),
            (Parked::Cancelled, _) => {}
            // The driver answered another question. Nobody is left waiting for it.
            (Parked::Credentials(incoming, _) | Parked::Callee(incoming, _), _) => {
                self.stats.answers_unasked += 1;
                self.fingerprints.remove(&self.fingerprint(&incoming.message));
                let response = self.reply(&incoming.message, 500).finish();
                self.respond(now, incoming.server, response);
            }
            (Parked::Persist(pending), _) => {
                self.stats.answers_unasked += 1;
                self.registration_persisted(now, *pending, false);
            }
            (Parked::Unanswered, _) => self.stats.answers_unasked += 1,
            (parked, _) => self.message_misanswered(now, parked),
        }
    }

    /// The store is slow: who hung up is told so all the same.
    pub(crate) fn farewell_due(&mut self, now: Instant, id: AskId) {
        if let Some(parked) = self.parked.get_mut(&id)
            && let Parked::Farewell(server, reply) = std::mem::replace(parked, Parked::Unanswered)
        {
            self.respond(now, server, *reply);
        }
    }

    /// A request was cancelled while it waited; says whether there was one.
    pub(crate) fn cancel_parked(&mut self, now: Instant, invite: ServerId) {
        let waiting = self.parked.iter().find_map(|(id, parked)| match parked {
            Parked::Credentials(incoming, _) | Parked::Callee(incoming, _) if incoming.server == invite => {
                Some(*id)
            }
            _ => None,
        });
        let Some(id) = waiting else { return self.cancel_held(now, invite) };
        // The answer is still to come, and finds nobody.
        if let Some(Parked::Credentials(incoming, _) | Parked::Callee(incoming, _)) =
            self.parked.insert(id, Parked::Cancelled)
        {
            self.fingerprints.remove(&self.fingerprint(&incoming.message));
            let response = self.reply(&incoming.message, 487).finish();
            self.respond(now, incoming.server, response);
        }
    }
}
