//! Who a message is for: **parse**, **match**, **admit**.

use std::time::Instant;

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sansio::Flow;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::{self, ClientId, ServerId};

use super::{Exchange, Incoming, Silence, Use, warning};
use crate::events::ALLOW_EVENTS;
use crate::owner::{self, LocalTag};

/// What may be sent outside of a dialog.
const ALLOW_OUTSIDE: &str = "INVITE, ACK, CANCEL, OPTIONS, REGISTER, MESSAGE, SUBSCRIBE, PUBLISH";

/// The options of a `Require` that are done here; those of a REGISTER are the registrar's.
const OPTIONS: &[&[u8]] = &[b"timer", b"replaces", b"join", b"norefersub", b"100rel"];

/// What the To tag of a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It is the far end of the leg that asks.
    Member(LegKey),
    /// It knows the dialog and comes from elsewhere: a phone that changed its network, or a thief.
    Elsewhere(LegKey),
    /// There is no such dialog.
    None,
}

impl Exchange {
    pub(super) fn take_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let message = match Message::parse(bytes.clone()) {
            Ok(message) => message,
            Err(error) => return self.refuse_unparsed(now, flow, &bytes, error),
        };
        if let Err(invalid) = message.validate() {
            return self.refuse_invalid(now, flow, &message, &invalid);
        }
        if let Some(event) = self.transactions.handle_message(now, flow, message) {
            self.handle_transaction(now, event);
        }
    }

    /// Hands out what the transactions have to say.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.transactions.poll_event() {
                self.contain("a transaction", |exchange| exchange.handle_transaction(now, event));
            }
            if !self.notify_due(now) {
                return;
            }
        }
    }

    fn handle_transaction(&mut self, now: Instant, event: transaction::Event) {
        use transaction::Event as T;
        match event {
            T::Request { id, flow, message } => {
                self.handle_request(now, Incoming { server: id, flow, message });
            }
            T::Cancel { id, invite, flow, message } => self.handle_cancel(now, id, invite, flow, &message),
            T::Ack { message, invite, .. } => match invite {
                Some(invite) => self.handle_ack(now, invite, &message),
                None => self.stats.acks_stray += 1,
            },
            T::Response { id, message } => self.handle_response(now, id, &message),
            T::TimedOut { id } => self.handle_silence(now, id, Silence::TimedOut),
            T::TransportFailed { id } => self.handle_silence(now, id, Silence::FlowLost),
            T::Terminated { id } => {
                if let Some(Use::Invite(call, leg)) = self.clients.remove(&id)
                    && let Some(leg) = self.calls.get_mut(&call).and_then(|call| call.leg_mut(leg))
                {
                    // No further 2xx will make a dialog out of it.
                    leg.invite = Bytes::new();
                    leg.early_dialogs = Vec::new();
                }
            }
            T::Ok2xxUnacknowledged { id } => {
                if let Some(key) = self.unacknowledged.remove(&id) {
                    self.on_call(now, self.call_of(key), |exchange, call| {
                        exchange.ack_timed_out(now, call, key, id);
                    });
                }
            }
            T::AckTimedOut { .. } => self.stats.acks_missing += 1,
            T::Undeliverable { id } => self.response_undeliverable(now, id),
            T::StrayResponse { .. } => self.stats.responses_stray += 1,
        }
    }

    fn handle_ack(&mut self, now: Instant, invite: ServerId, ack: &Message) {
        match self.unacknowledged.remove(&invite) {
            Some(key) => self.on_call(now, self.call_of(key), |exchange, call| {
                exchange.acknowledged(now, call, key, invite, ack);
            }),
            None => self.stats.acks_stray += 1,
        }
    }

    /// A new request. One whose handling fails by a mistake of ours is still answered.
    fn handle_request(&mut self, now: Instant, incoming: Incoming) {
        let (server, bytes) = (incoming.server, incoming.message.bytes().clone());
        let panics = self.stats.panics;
        self.contain("a request", |exchange| exchange.admit(now, incoming));
        if self.stats.panics > panics
            && let Ok(request) = Message::parse(bytes)
        {
            let reply = self.reply(&request, 500).finish();
            self.respond(now, server, reply);
        }
    }

    fn admit(&mut self, now: Instant, incoming: Incoming) {
        if let Some(id) = self.subscription_of(&incoming.message)
            && self.is_from_watcher(id, incoming.flow)
        {
            return self.request_in_subscription(now, id, incoming);
        }
        match self.membership(&incoming.message, incoming.flow) {
            Some(Membership::Member(key)) => {
                self.on_call(now, self.call_of(key), |exchange, call| {
                    exchange.request_in_dialog(now, call, key, incoming);
                });
            }
            _ if !self.admission.admits(now, incoming.flow) => {
                self.stats.requests_banned += 1;
                self.transactions.abandon(incoming.server);
            }
            Some(Membership::Elsewhere(_)) => {
                self.stats.dialogs_challenged += 1;
                self.authenticate(now, incoming);
            }
            Some(Membership::None) if self.subscription_of(&incoming.message).is_some() => {
                self.stats.dialogs_challenged += 1;
                self.authenticate(now, incoming);
            }
            Some(Membership::None) => self.refuse_outside_dialog(incoming),
            None => {
                if let Some(incoming) = self.shed(now, incoming) {
                    self.admit_outside_dialog(now, incoming);
                }
            }
        }
    }

    fn admit_outside_dialog(&mut self, now: Instant, incoming: Incoming) {
        match incoming.message.method_ref() {
            Method::Invite if self.fingerprints.contains_key(&self.fingerprint(&incoming.message)) => {
                self.stats.requests_merged += 1;
                let reply = self.reply(&incoming.message, 482).finish();
                self.reply_stateless(incoming.server, reply);
            }
            Method::Register | Method::Invite => self.authenticate(now, incoming),
            Method::Message | Method::Subscribe | Method::Publish => self.authenticate(now, incoming),
            Method::Options | Method::Info | Method::Other(_)
                if self.is_for_contacts(&incoming.message, incoming.flow) =>
            {
                self.authenticate(now, incoming);
            }
            Method::Options => self.answer_options(now, incoming),
            Method::Bye | Method::Update | Method::Info | Method::Prack | Method::Notify => {
                self.refuse_outside_dialog(incoming);
            }
            Method::Refer => {
                self.stats.methods_not_allowed += 1;
                let reply = self.reply(&incoming.message, 405).header(Name::Allow, ALLOW_OUTSIDE);
                let words = warning("a transfer is asked for within the call that is to be transferred");
                let reply = reply.header(Name::Warning, words).finish();
                let reply = self.without_weight(now, &incoming.message, incoming.flow, reply);
                self.reply_stateless(incoming.server, reply);
            }
            _ => {
                self.stats.methods_not_allowed += 1;
                let reply = self.reply(&incoming.message, 405).header(Name::Allow, ALLOW_OUTSIDE);
                self.reply_stateless(incoming.server, reply.finish());
            }
        }
    }

    fn refuse_outside_dialog(&mut self, incoming: Incoming) {
        self.stats.requests_outside_dialog += 1;
        let reply = self.reply(&incoming.message, 481).finish();
        self.reply_stateless(incoming.server, reply);
    }

    /// OPTIONS to the exchange itself is answered without credentials: it is how phones and load balancers ping.
    fn answer_options(&mut self, now: Instant, incoming: Incoming) {
        let Incoming { server, flow, message } = incoming;
        let reply = if let Err(refused) = self.uri_of_ours(&message, flow) {
            self.refuse_uri(&message, &refused)
        } else if let Some(options) = unsupported(&message) {
            self.stats.extensions_refused += 1;
            self.reply(&message, 420).header(Name::Unsupported, options)
        } else {
            self.reply(&message, 200)
                .header(Name::Allow, ALLOW_OUTSIDE)
                .header(Name::AllowEvents, ALLOW_EVENTS)
                .header(Name::Accept, "application/sdp, application/pidf+xml, application/resource-lists+xml")
                .header(
                    Name::Supported,
                    "timer, path, outbound, gruu, replaces, join, norefersub, 100rel, eventlist",
                )
        };
        let reply = self.without_weight(now, &message, flow, reply.finish());
        self.reply_stateless(server, reply);
    }

    fn handle_cancel(
        &mut self,
        now: Instant,
        id: ServerId,
        invite: Option<ServerId>,
        flow: Flow,
        cancel: &Message,
    ) {
        let Some(invite) = invite else {
            // Of an INVITE that was challenged, most often: nothing is kept of it.
            if !self.admission.admits(now, flow) {
                self.stats.requests_banned += 1;
                return self.transactions.abandon(id);
            }
            self.stats.requests_outside_dialog += 1;
            let reply = self.reply(cancel, 481).finish();
            return self.reply_stateless(id, reply);
        };
        let call = self.invited.get(&invite).copied();
        // RFC 3261 §9.2: the tag is that of the response to the INVITE.
        let tag = call.and_then(|call| Some(self.calls.get(&call)?.invited(invite)?.id.local_tag.clone()));
        let mut reply = ringback_sip::message::Builder::reply(cancel, 200);
        reply = match &tag {
            Some(tag) => reply.to_tag(tag),
            None => reply.to_tag(self.stateless_tag(cancel).as_bytes()),
        };
        self.respond(now, id, reply.finish());
        match call {
            Some(call) => {
                self.on_call(now, call, |exchange, call| exchange.cancelled(now, call, invite, cancel))
            }
            None => self.cancel_parked(now, invite),
        }
    }

    fn handle_response(&mut self, now: Instant, id: ClientId, response: &Message) {
        self.request_answered(now, id, response);
        let status = response.status().unwrap_or_default();
        let goes_on = status < 200 || *response.method_ref() == Method::Invite && status < 300;
        let purpose = match self.clients.get(&id) {
            Some(Use::Invite(call, leg)) if goes_on => Some(Use::Invite(*call, *leg)),
            Some(Use::Reinvite(call, leg)) if goes_on => Some(Use::Reinvite(*call, *leg)),
            // A provisional response to anything else says nothing.
            Some(
                Use::PassedOn { .. }
                | Use::Probe(..)
                | Use::Key(..)
                | Use::Notify(..)
                | Use::Notification(_)
                | Use::Page(..)
                | Use::Ping(_)
                | Use::Proxied(..)
                | Use::Prack(..)
                | Use::PictureRequest
                | Use::Bye,
            ) if goes_on => return,
            _ => self.clients.remove(&id),
        };
        match purpose {
            Some(Use::Invite(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.branch_answered(now, call, leg, id, response);
            }),
            Some(Use::Reinvite(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.reinvite_answered(now, call, leg, id, Ok(response));
            }),
            Some(Use::PassedOn { leg, server, request }) => {
                let call = self.call_of(leg);
                let other = self.calls.get(&call).and_then(|call| call.leg(leg));
                let hides = other.is_some_and(|leg| leg.is_hidden);
                self.passed_on_answered(now, server, &request, Ok(response), hides);
                if status == 481 {
                    self.on_call(now, call, |exchange, call| exchange.dialog_lost(now, call, leg));
                }
            }
            Some(Use::Probe(leg)) => self.on_call(now, self.call_of(leg), |exchange, call| match status {
                481 => exchange.dialog_lost(now, call, leg),
                408 => exchange.probe_unanswered(now, call, leg, Silence::TimedOut),
                _ => {
                    if let Some(leg) = call.leg_mut(leg) {
                        leg.is_missed = false;
                    }
                }
            }),
            // A key that was refused was pressed in vain, as on a telephone.
            Some(Use::Key(leg)) => self.on_call(now, self.call_of(leg), |exchange, call| match status {
                481 => exchange.dialog_lost(now, call, leg),
                _ => exchange.key_told(now, call, leg),
            }),
            Some(Use::Notify(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.notify_answered(now, call, leg, Some(status));
            }),
            Some(Use::Notification(id)) => self.notification_answered(now, id, Ok(response)),
            Some(Use::Page(id, contact)) => self.page_answered(now, id, contact, Ok(response)),
            Some(Use::Ping(ping)) => self.ping_answered(now, ping),
            Some(Use::Proxied(id, branch)) => self.proxied_answered(now, id, branch, Ok(response)),
            Some(Use::Prack(call, leg)) if status >= 300 => {
                self.on_call(now, call, |exchange, call| exchange.prack_failed(now, call, leg));
            }
            Some(Use::Prack(..) | Use::PictureRequest | Use::Bye) | None => {}
        }
    }

    fn handle_silence(&mut self, now: Instant, id: ClientId, silence: Silence) {
        self.request_unanswered(now, id, silence);
        match self.clients.remove(&id) {
            Some(Use::Invite(call, leg)) => {
                self.stats.branches_unanswered += 1;
                self.on_call(now, call, |exchange, call| exchange.branch_refused(now, call, leg, None));
            }
            Some(Use::Reinvite(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.reinvite_answered(now, call, leg, id, Err(silence));
            }),
            // A client may never answer a MESSAGE: that alone does not end the call.
            Some(Use::PassedOn { server, request, .. }) => {
                self.passed_on_answered(now, server, &request, Err(silence), false);
            }
            Some(Use::Probe(leg)) => self.on_call(now, self.call_of(leg), |exchange, call| {
                exchange.probe_unanswered(now, call, leg, silence);
            }),
            Some(Use::Notify(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.notify_answered(now, call, leg, None);
            }),
            Some(Use::Notification(id)) => self.notification_answered(now, id, Err(silence)),
            Some(Use::Page(id, contact)) => self.page_answered(now, id, contact, Err(silence)),
            Some(Use::Proxied(id, branch)) => self.proxied_answered(now, id, branch, Err(silence)),
            Some(Use::Prack(call, leg)) => self.on_call(now, call, |exchange, call| {
                exchange.prack_failed(now, call, leg);
            }),
            // That nobody answers in time is seen before the transaction ends.
            Some(Use::Key(leg)) => {
                self.on_call(now, self.call_of(leg), |exchange, call| exchange.key_told(now, call, leg));
            }
            Some(Use::Ping(_) | Use::PictureRequest | Use::Bye) | None => {}
        }
    }

    /// Whose dialog the request belongs to: by our tag, then by the whole dialog and by where it came from. `None` for a
    /// request outside of dialogs.
    pub(crate) fn membership(&self, request: &Message, flow: Flow) -> Option<Membership> {
        let tag = request.to().ok()?.tag()?;
        let leg = LocalTag::parse(tag)
            .filter(|tag| owner::worker_of(tag.leg) == self.settings.worker)
            .and_then(|tag| self.calls.get(&self.call_of(tag.leg))?.leg(tag.leg))
            .filter(|leg| leg.dialog().is_some_and(|dialog| dialog.matches(request)));
        Some(match leg {
            Some(leg) if leg.flow.remote().ip() == flow.remote().ip() => Membership::Member(leg.key),
            Some(leg) => Membership::Elsewhere(leg.key),
            None => Membership::None,
        })
    }
}

/// The options that a request requires and that are not done here, as the value of `Unsupported`.
pub(crate) fn unsupported(request: &Message) -> Option<Vec<u8>> {
    let options: Vec<&[u8]> = request
        .values(Name::Require)
        .filter(|option| !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(option)))
        .collect();
    (!options.is_empty()).then(|| options.join(&b", "[..]))
}
