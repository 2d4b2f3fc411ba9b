//! SUBSCRIBE ([RFC 6665 §4.2.1]).
//!
//! [RFC 6665 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6665#section-4.2.1

use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use ringback_sansio::Flow;
use ringback_sip::dialog::Dialog;
use ringback_sip::event::documents::resource_lists;
use ringback_sip::event::{Authorization, Package, Subscribe, SubscriptionId};
use ringback_sip::header::Event;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::uri::Uri;

use super::refused::EventRefused;
use super::{EVENT_LIST, Told, Watched};
use crate::ask::User;
use crate::call::identity::asks_to_hide;
use crate::exchange::{Exchange, Incoming};
use crate::owner::SubscriptionTag;

/// The options of a `Require` that are done in a SUBSCRIBE (RFC 4662, RFC 5367).
const OPTIONS: [&[u8]; 2] = [EVENT_LIST, b"recipient-list-subscribe"];

impl Exchange {
    /// An authenticated SUBSCRIBE outside of dialogs.
    pub(crate) fn subscribe(&mut self, now: Instant, incoming: Incoming, watcher: &User) {
        let Incoming { server, flow, message: request } = incoming;
        let admitted = self.admit_subscription(&request, flow, &watcher.name);
        let (package, event_id, mut told, seconds) = match admitted {
            Ok(admitted) => admitted,
            Err(refused) => return self.refuse_event(now, server, &request, &refused),
        };
        let id = self.event_state.notifier.next_id();
        let tag = SubscriptionTag {
            worker: self.settings.worker,
            subscription: id.0,
            random: self.random.next_u64(),
        };
        let mut dialog = match Dialog::uas(&request, tag.to_string().as_bytes(), flow) {
            Ok(dialog) => dialog,
            Err(error) => return self.refuse_event(now, server, &request, &error.into()),
        };
        dialog.confirm();
        let reply = self
            .reply_in(&request, &dialog)
            .copy(&request, Name::RecordRoute)
            .header(Name::Contact, self.contact(&flow))
            .header(Name::Expires, seconds.to_string());
        let reply = if told.list.is_some() { reply.header(Name::Require, EVENT_LIST) } else { reply };
        self.respond(now, server, reply.finish());
        self.stats.subscriptions += 1;
        told.is_hidden = asks_to_hide(&request).unwrap_or(false);
        let resources = told.watched.iter().filter_map(|watched| watched.user.clone()).collect();
        let subscribe =
            Subscribe { dialog, package, event_id, watcher: watcher.name.clone(), resources, memory: told };
        self.event_state.notifier.subscribe(now, seconds, subscribe, Authorization::Allowed);
    }

    /// Whether the request belongs to a subscription: by our tag, then by the whole dialog.
    pub(crate) fn subscription_of(&self, request: &Message) -> Option<SubscriptionId> {
        let to = request.to().ok()?;
        let tag = SubscriptionTag::parse(to.tag()?).filter(|tag| tag.worker == self.settings.worker)?;
        let id = SubscriptionId(tag.subscription);
        self.event_state
            .notifier
            .get(id)
            .filter(|subscription| subscription.dialog.matches(request))
            .map(|_| id)
    }

    /// Whether a request within a subscription comes from where its far end is.
    pub(crate) fn is_from_watcher(&self, id: SubscriptionId, flow: Flow) -> bool {
        let subscription = self.event_state.notifier.get(id);
        subscription.is_some_and(|subscription| subscription.dialog.flow.remote().ip() == flow.remote().ip())
    }

    /// A request within a subscription.
    pub(crate) fn request_in_subscription(&mut self, now: Instant, id: SubscriptionId, incoming: Incoming) {
        let Incoming { server, flow, message: request } = incoming;
        let Some(subscription) = self.event_state.notifier.get_mut(id) else {
            self.stats.requests_outside_dialog += 1;
            return self.respond(now, server, self.reply(&request, 481).finish());
        };
        if let Err(reject) = subscription.dialog.handle_request(&request) {
            self.stats.requests_out_of_order += 1;
            let mut reply = self.reply(&request, reject.status());
            if reject.status() == 500 {
                reply = reply.header(Name::RetryAfter, self.retry_after());
            }
            return self.respond(now, server, reply.finish());
        }
        let is_same = Event::parse(request.header(Name::Event).unwrap_or_default()).is_ok_and(|event| {
            event.package == subscription.package.name().as_bytes()
                && event.id().unwrap_or_default() == subscription.event_id
        });
        self.stats.dialogs_moved += u64::from(subscription.dialog.flow != flow);
        let is_list = subscription.memory.list.is_some();
        self.event_state.notifier.set_flow(now, id, flow);
        if *request.method_ref() != Method::Subscribe {
            self.stats.methods_not_allowed += 1;
            let reply = self.reply(&request, 405).header(Name::Allow, "SUBSCRIBE");
            return self.respond(now, server, reply.finish());
        }
        if !is_same {
            return self.refuse_event(now, server, &request, &EventRefused::OtherEvent);
        }
        match self.event_state.notifier.refresh(now, id, request.expires()) {
            Ok(seconds) => {
                self.note_privacy_of_watcher(id, &request);
                let reply = self
                    .reply(&request, 200)
                    .header(Name::Contact, self.contact(&flow))
                    .header(Name::Expires, seconds.to_string());
                let reply = if is_list { reply.header(Name::Require, EVENT_LIST) } else { reply };
                self.respond(now, server, reply.finish());
            }
            Err(brief) => self.refuse_event(now, server, &request, &brief.into()),
        }
    }

    /// A watcher that speaks of privacy in a refresh may have changed its mind; those whom it watches are told of that.
    fn note_privacy_of_watcher(&mut self, id: SubscriptionId, refresh: &Message) {
        let notifier = &mut self.event_state.notifier;
        let (Some(subscription), Some(hides)) = (notifier.get_mut(id), asks_to_hide(refresh)) else { return };
        if std::mem::replace(&mut subscription.memory.is_hidden, hides) == hides {
            return;
        }
        let Some(information) = subscription.package.watcher_information() else { return };
        for user in subscription.resources.clone() {
            notifier.touch(information, &user);
        }
    }

    /// What the watcher wants, if it may have it.
    fn admit_subscription(
        &self,
        request: &Message,
        flow: Flow,
        watcher: &str,
    ) -> Result<(Package, Bytes, Told, u32), EventRefused> {
        let uri = self.uri_of_ours(request, flow).map_err(EventRefused::Uri)?;
        if let Some(options) = unsupported(request) {
            return Err(EventRefused::Extension(options));
        }
        let event =
            Event::parse(request.header(Name::Event).unwrap_or_default()).map_err(|_| EventRefused::Event)?;
        let package = Package::parse(event.package).ok_or(EventRefused::Event)?;
        let told = if request.body().is_empty() {
            let user = self.user_watched(&uri).map_err(EventRefused::Uri)?;
            if package.is_private() && user != watcher {
                return Err(EventRefused::NotYours);
            }
            Told::of(vec![Watched::new(address(&uri), Some(user))], None)
        } else {
            self.listed(request, package, flow, address(&uri))?
        };
        if !accepts(request, package, told.list.is_some()) {
            return Err(EventRefused::NotAcceptable(package.content_type()));
        }
        if self.draining {
            return Err(EventRefused::Draining);
        }
        let seconds = self.event_state.notifier.admit(watcher, request.expires())?;
        Ok((package, Bytes::copy_from_slice(event.id().unwrap_or_default()), told, seconds))
    }

    /// Whom the list in the body names (RFC 5367).
    fn listed(
        &self,
        request: &Message,
        package: Package,
        flow: Flow,
        list: String,
    ) -> Result<Told, EventRefused> {
        let body = request.parts().find(resource_lists::CONTENT_TYPE).ok_or(EventRefused::NotAList)?;
        let supports = |name| request.values(name).any(|option| option.eq_ignore_ascii_case(EVENT_LIST));
        if !supports(Name::Supported) && !supports(Name::Require) {
            return Err(EventRefused::ListUnsupported);
        }
        if !matches!(package, Package::Presence | Package::Dialog) {
            return Err(EventRefused::NotForLists);
        }
        let entries = resource_lists::read(body.body).map_err(EventRefused::Document)?;
        let watched = entries.into_iter().map(|entry| {
            let user = Uri::parse(entry.as_bytes())
                .ok()
                .filter(|uri| uri.is_sip() && self.is_local(uri, flow))
                .and_then(|uri| Some(String::from_utf8_lossy(&uri.user_unescaped()?).into_owned()));
            Watched::new(entry, user)
        });
        Ok(Told::of(watched.collect(), Some(list)))
    }
}

impl Told {
    fn of(watched: Vec<Watched>, list: Option<String>) -> Self {
        Told { watched, list, version: 0, is_lost: false, is_hidden: false }
    }
}

impl Watched {
    fn new(uri: String, user: Option<String>) -> Self {
        Watched { uri, user, known: None, version: 0 }
    }
}

/// The URI without its parameters and headers: it names somebody and no way to them.
fn address(uri: &Uri<'_>) -> String {
    let raw = String::from_utf8_lossy(uri.raw);
    let (scheme, rest) = raw.split_once(':').unwrap_or(("sip", &raw));
    // A `;` may stand in a user part.
    let (user, host) = match rest.split_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), rest),
    };
    let host = host.split([';', '?']).next().unwrap_or_default();
    format!("{}:{user}{host}", scheme.to_ascii_lowercase())
}

/// The options that are required and not done here.
fn unsupported(request: &Message) -> Option<Vec<u8>> {
    let options: Vec<&[u8]> = request
        .values(Name::Require)
        .filter(|option| !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(option)))
        .collect();
    (!options.is_empty()).then(|| options.join(&b", "[..]))
}

/// Whether the watcher reads the documents of the package; without an Accept it does (RFC 6665 §3.1.3).
fn accepts(request: &Message, package: Package, is_list: bool) -> bool {
    if !request.has(Name::Accept) {
        return true;
    }
    let reads = |wanted: &str| {
        request.values(Name::Accept).any(|value| {
            let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
            let range = value.get(..end).unwrap_or_default().trim_ascii();
            let main = wanted.split('/').next().unwrap_or_default();
            range == b"*/*"
                || range.eq_ignore_ascii_case(wanted.as_bytes())
                || range.eq_ignore_ascii_case(format!("{main}/*").as_bytes())
        })
    };
    reads(package.content_type()) && (!is_list || reads("application/rlmi+xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_parameters() {
        for (uri, expected) in [
            ("sip:bob@example.org", "sip:bob@example.org"),
            ("SIP:bob;x=1@192.0.2.1:5070;transport=tcp?a=b", "sip:bob;x=1@192.0.2.1:5070"),
            ("sips:[2001:db8::1];lr", "sips:[2001:db8::1]"),
        ] {
            assert_eq!(address(&Uri::parse(uri.as_bytes()).unwrap()), expected);
        }
    }
}
