//! NOTIFY ([RFC 6665 §4.2.2]): what has changed, to whom it is due.
//!
//! [RFC 6665 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2

use std::time::Instant;

use ringback_sip::event::documents::message_summary::{self, Summary};
use ringback_sip::event::documents::{dialog_info, reginfo, watcherinfo};
use ringback_sip::event::{Outcome, Package, Reason, SubscriptionId};
use ringback_sip::message::{Builder, Message, Method, Name};

use super::{ALLOW_EVENTS, EVENT_LIST, Known, Told, Watched, contacts};
use crate::exchange::{Exchange, Silence, Use};

/// The body of a NOTIFY.
pub(super) struct Body {
    pub text: String,
    pub content_type: String,
}

impl Exchange {
    /// Sends every NOTIFY that is due; says whether one was. A mistake of ours in one ends that subscription.
    pub(crate) fn notify_due(&mut self, now: Instant) -> bool {
        let mut was_due = false;
        while let Some(id) = self.event_state.notifier.poll_due(now) {
            was_due = true;
            let panics = self.stats.panics;
            self.contain("a notification", |exchange| exchange.notify(now, id));
            if self.stats.panics > panics {
                self.event_state.notifier.forget(id);
            }
        }
        was_due
    }

    /// Ends every subscription: the watchers come back later.
    pub(crate) fn end_subscriptions(&mut self, now: Instant) {
        let ids: Vec<SubscriptionId> = self.event_state.notifier.iter().map(|(id, _)| id).collect();
        for id in ids {
            self.event_state.notifier.end(now, id, Reason::Probation);
        }
    }

    /// A user is no more: what was published is forgotten, and nothing is watched in that name.
    pub(crate) fn forget_watcher(&mut self, now: Instant, user: &str) {
        self.event_state.publications.remove_resource(user);
        let subscriptions = self.event_state.notifier.iter();
        let own = subscriptions.filter(|(_, subscription)| subscription.watcher == user);
        for id in own.map(|(id, _)| id).collect::<Vec<_>>() {
            self.event_state.notifier.end(now, id, Reason::Rejected);
        }
        self.contacts_changed(user);
    }

    fn notify(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.event_state.notifier.get_mut(id) else { return };
        let (package, watcher) = (subscription.package, subscription.watcher.clone());
        let is_urgent = subscription.is_urgent();
        // Taken out while it is compared with what there is.
        let empty = Told { watched: Vec::new(), list: None, version: 0, is_lost: false, is_hidden: false };
        let mut told = std::mem::replace(&mut subscription.memory, empty);
        let is_full = is_urgent || std::mem::take(&mut told.is_lost);
        let body = self.body(now, package, &mut told, &watcher, is_full);
        let is_list = told.list.is_some();
        let Some(subscription) = self.event_state.notifier.get_mut(id) else { return };
        subscription.memory = told;
        let Some((body, is_more)) = body else { return self.event_state.notifier.nothing_new(id) };
        let event = match subscription.event_id.as_ref() {
            b"" => package.name().to_owned(),
            event_id => format!("{};id={}", package.name(), String::from_utf8_lossy(event_id)),
        };
        let mut dialog = subscription.dialog.clone();
        let retry_after = self.retry_after().parse().unwrap_or(1);
        let request = self.dialog_request(&mut dialog, Method::Notify);
        let Some(subscription) = self.event_state.notifier.get_mut(id) else { return };
        subscription.dialog.local_cseq = dialog.local_cseq;
        let state = subscription.header(now, retry_after);
        let request = request
            .header(Name::Contact, self.contact(&dialog.flow))
            .header(Name::Event, event)
            .header(Name::SubscriptionState, state)
            .header(Name::AllowEvents, ALLOW_EVENTS);
        let request = if is_list { request.header(Name::Require, EVENT_LIST) } else { request };
        let request = request.body(body.content_type.as_bytes(), body.text.as_bytes()).finish();
        self.stats.notifications += 1;
        self.send_request(now, dialog.flow, request, Use::Notification(id));
        self.event_state.notifier.sent(now, id);
        if is_more {
            self.event_state.notifier.more(now, id);
        }
    }

    /// What the watcher is to be told, and whether there is more than fits; `None` when it knows it all.
    fn body(
        &mut self,
        now: Instant,
        package: Package,
        told: &mut Told,
        watcher: &str,
        is_full: bool,
    ) -> Option<(Body, bool)> {
        if told.list.is_some() {
            return self.list_body(now, package, told, watcher, is_full);
        }
        let watched = told.watched.first_mut()?;
        if is_full {
            watched.known = None;
        }
        let text = self.document(now, package, watched, watcher)?;
        Some((Body { text, content_type: package.content_type().to_owned() }, false))
    }

    /// The next document of somebody, whole when nothing of them is known; `None` when what is known is what there is.
    pub(super) fn document(
        &self,
        now: Instant,
        package: Package,
        watched: &mut Watched,
        watcher: &str,
    ) -> Option<String> {
        let Watched { uri, user, known, version } = watched;
        let user = user.as_deref()?;
        let text = match package {
            Package::Presence | Package::MessageSummary => {
                let text = match package {
                    Package::Presence => self.presence_of(user, uri),
                    _ => {
                        let pager = self.messages_waiting(user);
                        message_summary::write(uri, &Summary { voice: (0, 0), pager })
                    }
                };
                let hash = Some(Known::Document(self.hash_of(&text)));
                if *known == hash {
                    return None;
                }
                *known = hash;
                text
            }
            Package::Dialog => {
                let present = self.dialogs_of(user, uri, user == watcher);
                let text = match known {
                    Some(Known::Dialogs(told)) => {
                        let changes = dialog_info::changes(told, &present);
                        if changes.is_empty() {
                            return None;
                        }
                        dialog_info::write(uri, *version, false, &changes)
                    }
                    _ => dialog_info::write(uri, *version, true, &present),
                };
                *known = Some(Known::Dialogs(present));
                text
            }
            Package::Reg => {
                let present = self.contacts_of(now, user, uri);
                let contacts = match known {
                    Some(Known::Contacts(told)) => contacts::changes(told, &present)?,
                    _ => present.values().cloned().collect(),
                };
                *known = Some(Known::Contacts(present));
                reginfo::write(uri, *version, &contacts)
            }
            Package::PresenceWinfo => {
                let present = self.watchers_of(user, uri);
                let of = Package::Presence.name();
                let text = match known {
                    Some(Known::Watchers(told)) => {
                        let changes = watcherinfo::changes(told, &present);
                        if changes.is_empty() {
                            return None;
                        }
                        watcherinfo::write(uri, of, *version, false, &changes)
                    }
                    _ => watcherinfo::write(uri, of, *version, true, &present),
                };
                *known = Some(Known::Watchers(present));
                text
            }
        };
        *version = version.saturating_add(1);
        Some(text)
    }

    /// Whether there is something to tell of somebody.
    pub(super) fn would_tell(
        &self,
        now: Instant,
        package: Package,
        watched: &Watched,
        watcher: &str,
    ) -> bool {
        let Watched { uri, user, known, version } = watched;
        let mut copy =
            Watched { uri: uri.clone(), user: user.clone(), known: known.clone(), version: *version };
        self.document(now, package, &mut copy, watcher).is_some()
    }

    /// What became of a NOTIFY.
    pub(crate) fn notification_answered(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        answer: Result<&Message, Silence>,
    ) {
        let outcome = match answer {
            Ok(response) => Outcome::Answered(response.status().unwrap_or(500)),
            Err(Silence::TimedOut) => Outcome::TimedOut,
            Err(Silence::FlowLost) => Outcome::FlowLost,
        };
        if !matches!(outcome, Outcome::Answered(200..=299))
            && let Some(subscription) = self.event_state.notifier.get_mut(id)
        {
            self.stats.notifications_failed += 1;
            subscription.memory.is_lost = true;
        }
        self.event_state.notifier.answered(now, id, outcome);
    }

    /// A 200 with the tag of a dialog.
    pub(super) fn reply_in(&self, request: &Message, dialog: &ringback_sip::dialog::Dialog) -> Builder {
        Builder::reply(request, 200).to_tag(&dialog.id.local_tag)
    }
}
