//! REGISTER: the registrar's outcome is made durable, then answered.

use std::time::{Duration, Instant};

use ringback_sansio::Flow;
use ringback_sip::header::Date;
use ringback_sip::location::{BindingRecord, Change, InvalidBinding, Location, Ticket, Upsert};
use ringback_sip::message::{Builder, Message, Name};
use ringback_sip::registrar::{self, Outcome};
use ringback_sip::transaction::ServerId;

use crate::ask::{Ask, User};
use crate::event::Event;
use crate::exchange::{Exchange, Incoming};
use crate::parked::Parked;
use crate::settings::{InvalidSettings, Settings};

/// How long a binding is kept past its end: a client's refresh may be on its way.
const GRACE: Duration = Duration::from_secs(5);

/// A REGISTER whose changes are being written.
#[derive(Debug)]
pub(crate) struct PendingRegistration {
    server: ServerId,
    request: Message,
    /// The 200.
    response: Builder,
    ticket: Ticket,
    aor: String,
    /// Whether a contact is new, or has come back over another flow.
    is_new: bool,
}

/// An empty location service.
pub(crate) fn location(settings: &Settings) -> Location {
    Location::new(settings.epoch.instant, GRACE)
}

/// What the registrar grants and tells.
///
/// It sets no Service-Route (RFC 3608): the exchange is the first hop of its clients and their home proxy in one, so
/// their requests have no hop to be led by.
pub(crate) fn bounds(settings: &Settings) -> Result<registrar::Settings, InvalidSettings> {
    let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let (min, max) = settings.limits.expires;
    let default = settings.limits.default_expires.clamp(min, max);
    let registrar = registrar::Settings::new(seconds(min), seconds(default), seconds(max))?;
    Ok(registrar.with_gruus(settings.gruus.clone()).with_flow_timer(seconds(settings.limits.flow_timer)))
}

impl Exchange {
    /// Takes a binding from the store, before the first message.
    pub fn restore(&mut self, row: &BindingRecord<'_>) -> Result<(), InvalidBinding> {
        let expires = self.settings.epoch.instant_of(row.expires_unix_ms);
        // Who was signed in before the start is no stranger after it.
        self.admission.succeeded(self.settings.epoch.instant, row.flow.remote.ip());
        if let Some(change) = self.location.restore(row, expires)? {
            self.ask(Parked::Unanswered, Ask::Persist(vec![change]));
        }
        let restored = self.location.bindings(row.aor).iter().find(|binding| binding.id() == row.id).cloned();
        if let Some(binding) = restored {
            self.keep_alive(self.settings.epoch.instant, &binding);
        }
        Ok(())
    }

    /// An authenticated REGISTER.
    pub(crate) fn register(&mut self, now: Instant, incoming: Incoming, user: &User) {
        let Incoming { server, flow, message } = incoming;
        if let Err(refused) = self.uri_of_ours(&message, flow) {
            let response = self.refuse_uri(&message, &refused).finish();
            return self.respond(now, server, response);
        }
        let aor = user.name.as_bytes();
        let outcome = registrar::process(&mut self.location, &self.registrar, now, &message, aor, flow);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(rejection) => {
                self.stats.registrations_refused += 1;
                return self.answer_registration(now, server, &message, rejection.answer(&message));
            }
        };
        let Some(ticket) = outcome.ticket else {
            // A query changes nothing and waits for nothing.
            return self.answer_registration(now, server, &message, outcome.response);
        };
        for change in &outcome.changes {
            if let Change::Upsert { binding, .. } = change {
                self.keep_alive(now, binding);
            }
            if let Change::Upsert { binding, how: Upsert::Moved { from } } = change {
                self.move_dialogs(&user.name, from, binding.flow());
                self.move_subscriptions(now, &user.name, from, binding.flow());
            }
        }
        let Outcome { response, changes, .. } = outcome;
        let is_new = changes
            .iter()
            .any(|change| matches!(change, Change::Upsert { how: Upsert::Added | Upsert::Moved { .. }, .. }));
        let pending = PendingRegistration {
            server,
            request: message,
            response,
            ticket,
            aor: user.name.clone(),
            is_new,
        };
        self.ask(Parked::Persist(Box::new(pending)), Ask::Persist(changes));
    }

    /// The store has the changes of a REGISTER, or does not.
    pub(crate) fn registration_persisted(
        &mut self,
        now: Instant,
        pending: PendingRegistration,
        durable: bool,
    ) {
        let PendingRegistration { server, request, response, ticket, aor, is_new } = pending;
        if durable {
            self.location.commit(ticket);
            self.stats.registrations += 1;
            let contacts = self.location.bindings(aor.as_bytes()).len();
            self.contacts_changed(&aor);
            self.answer_registration(now, server, &request, response);
            self.deliver_stored(now, &aor, is_new);
            self.events.push_back(match contacts {
                0 => Event::Unregistered { aor },
                contacts => Event::Registered { aor, contacts },
            });
            return;
        }
        self.stats.persists_failed += 1;
        let left = self.location.roll_back(ticket);
        self.contacts_changed(&aor);
        if !left.is_empty() {
            self.ask(Parked::Unanswered, Ask::Persist(left));
        }
        let retry_after = self.retry_after();
        let response = registrar::not_stored(&request).header(Name::RetryAfter, retry_after);
        self.answer_registration(now, server, &request, response);
    }

    /// Sends what the registrar says; a client sets its clock by the Date (RFC 3261 §10.3 step 8).
    fn answer_registration(&mut self, now: Instant, server: ServerId, request: &Message, response: Builder) {
        let unix = (self.settings.epoch.unix_ms(now) / 1000).cast_signed();
        let response = response
            .to_tag(self.stateless_tag(request).as_bytes())
            .header(Name::Date, Date { unix }.to_string())
            .finish();
        self.respond(now, server, response);
    }

    /// A connection is gone: what was registered over it waits to come back or to expire.
    pub(crate) fn flow_unregistered(&mut self, now: Instant, flow: Flow) {
        self.event_state.notifier.flow_lost(&flow);
        for binding in self.location.remove_flow(&flow) {
            self.fall_back(now, &binding);
            let aor = String::from_utf8_lossy(binding.aor().as_bytes()).into_owned();
            self.contacts_changed(&aor);
            if self.reachable(&aor).next().is_none() {
                self.events.push_back(Event::Unregistered { aor });
            }
        }
    }

    /// A user is no more: nothing of it can be called from here on. Calls that it has go on.
    pub fn remove_user(&mut self, now: Instant, name: &str) {
        self.features.remove(name);
        self.forget_messages(name);
        self.forget_watcher(now, name);
        let changes = self.location.remove_aor(name.as_bytes());
        if !changes.is_empty() {
            self.events.push_back(Event::Unregistered { aor: name.to_owned() });
            self.ask(Parked::Unanswered, Ask::Persist(changes));
        }
        self.settle(now);
    }

    /// Removes the bindings whose time is over.
    pub(crate) fn bindings_due(&mut self, now: Instant) {
        if self.location.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        let changes = self.location.handle_timeout(now);
        for change in &changes {
            let aor = String::from_utf8_lossy(change.binding().aor().as_bytes()).into_owned();
            self.contacts_changed(&aor);
            if self.location.bindings(aor.as_bytes()).is_empty() {
                self.events.push_back(Event::Unregistered { aor });
            }
        }
        if !changes.is_empty() {
            self.ask(Parked::Unanswered, Ask::Persist(changes));
        }
    }

    /// The subscriptions that a client had follow it as its calls do.
    pub(crate) fn move_subscriptions(&mut self, now: Instant, watcher: &str, from: &Flow, to: Flow) {
        self.stats.dialogs_moved += self.event_state.notifier.moved(now, watcher, from, to) as u64;
    }

    /// A client came back over another connection: the dialogs it had move there (three of four browser clients keep
    /// their call across a dropped socket).
    pub(crate) fn move_dialogs(&mut self, aor: &str, from: &Flow, to: Flow) {
        for call in self.calls.values_mut() {
            for leg in call.legs_mut().filter(|leg| leg.flow == *from && leg.aor == aor) {
                leg.flow = to;
                if let Some(dialog) = leg.dialog_mut() {
                    dialog.flow = to;
                }
                self.stats.dialogs_moved += 1;
            }
        }
    }
}
