//! One message to every contact of a user; the first that takes it answers for all.

use std::time::Instant;

use ringback_sip::header::Date;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::transaction::ServerId;

use super::refused::MessageRefused;
use super::{ANSWER_WITHIN, StoredMessage};
use crate::ask::User;
use crate::call::headers::{pass_response, passed_with_body, set_headers};
use crate::call::hunt::Target;
use crate::call::identity::{display_name, from_value};
use crate::call::setup::sip_uri;
use crate::devices::Addressee;
use crate::exchange::{Exchange, Incoming, Silence, Timer, Use, unsupported};

/// The number of a message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PageId(pub u64);

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Page {
    pub origin: Origin,
    pub message: StoredMessage,
    /// Contacts that have not answered.
    pub open: usize,
    /// The contacts, with the other flows of each that were not tried.
    pub targets: Vec<Target>,
    /// Whether a contact may take it another time.
    pub is_silent: bool,
    /// The best refusal (RFC 3261 §16.7).
    pub best: Option<Box<Message>>,
}

/// Where a message comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// From a sender who waits.
    Sender {
        server: ServerId,
        request: Box<Message>,
        /// Whether it is for one device, and so of no use to others later.
        is_for_device: bool,
    },
    /// From the store.
    Store,
}

impl Origin {
    fn hops_left(&self) -> u8 {
        let hops = match self {
            Origin::Sender { request, .. } => request.max_forwards().ok().flatten(),
            Origin::Store => None,
        };
        hops.map_or(70, |hops| hops.saturating_sub(1))
    }
}

impl Exchange {
    /// An authenticated MESSAGE outside of dialogs.
    pub(crate) fn message(&mut self, now: Instant, incoming: Incoming, sender: &User) {
        let Incoming { server, flow, message: request } = incoming;
        match self.admit_message(&request, flow, sender) {
            Ok(addressee) => {
                let user = addressee.user().to_owned();
                *self.messages.senders.entry(sender.name.clone()).or_default() += 1;
                let message = self.text_of(now, &request, sender, user);
                // Those that were stored come first.
                let is_behind = self.messages.deliveries.contains_key(&message.user);
                let is_for_device = matches!(addressee, Addressee::Device { .. });
                let targets = match addressee {
                    Addressee::User(_) if is_behind => Vec::new(),
                    Addressee::User(user) => self.contacts_to_page(&user, flow),
                    Addressee::Device { user, bindings } => {
                        let others = bindings.iter().filter(|binding| binding.flow() != flow);
                        Target::of_device(&user, others.map(|binding| self.way_of(binding)))
                            .into_iter()
                            .collect()
                    }
                };
                let origin = Origin::Sender { server, request: Box::new(request), is_for_device };
                if targets.is_empty() {
                    self.addressee_absent(now, origin, message);
                } else {
                    self.page(now, origin, message, targets);
                }
            }
            Err(refused) => self.refuse_message(now, server, &request, &refused),
        }
    }

    /// Sends a message to these contacts.
    pub(super) fn page(
        &mut self,
        now: Instant,
        origin: Origin,
        message: StoredMessage,
        targets: Vec<Target>,
    ) {
        let id = PageId(self.messages.next_page);
        self.messages.next_page += 1;
        let mut page = Page { origin, message, open: targets.len(), targets, is_silent: false, best: None };
        for (place, target) in page.targets.iter_mut().enumerate() {
            let mut request = self.message_to(&page.message, target, page.origin.hops_left());
            if self.prefers_stream(request.bytes().len(), target) {
                request = self.message_to(&page.message, target, page.origin.hops_left());
            }
            self.send_request(now, target.flow, request, Use::Page(id, place));
        }
        self.deadlines.set(Timer::Page(id), now + ANSWER_WITHIN);
        self.messages.pages.insert(id, Box::new(page));
    }

    /// A contact has answered a message, or did not.
    pub(crate) fn page_answered(
        &mut self,
        now: Instant,
        id: PageId,
        place: usize,
        answer: Result<&Message, Silence>,
    ) {
        self.on_page(now, id, |exchange, mut page| {
            if exchange.paged_another_way(now, id, &mut page, place, &answer) {
                return Some(page);
            }
            page.open = page.open.saturating_sub(1);
            match answer.map(|response| (response.status().unwrap_or(500), response)) {
                Ok((200..300, response)) => {
                    exchange.page_taken(now, page, response);
                    return None;
                }
                Ok((status, response)) => {
                    page.is_silent |= may_take_it_later(status);
                    if page.best.as_ref().is_none_or(|best| rank(status) < rank(best.status().unwrap_or(699)))
                    {
                        page.best = Some(Box::new(response.clone()));
                    }
                }
                Err(_) => page.is_silent = true,
            }
            if page.open > 0 {
                return Some(page);
            }
            exchange.page_failed(now, page);
            None
        });
    }

    /// A flow of a device has failed: the message goes over its next one, if it has one (RFC 5626 §5.3).
    fn paged_another_way(
        &mut self,
        now: Instant,
        id: PageId,
        page: &mut Page,
        place: usize,
        answer: &Result<&Message, Silence>,
    ) -> bool {
        let is_flow =
            matches!(answer.as_ref().map(|response| response.status()), Err(_) | Ok(Some(408 | 430)));
        let Some(target) = page.targets.get_mut(place).filter(|_| is_flow) else { return false };
        let Some(next) = target.next_way() else { return false };
        self.stats.flows_failed_over += 1;
        let request = self.message_to(&page.message, &next, page.origin.hops_left());
        self.send_request(now, next.flow, request, Use::Page(id, place));
        *target = next;
        true
    }

    /// Nobody took a message in time.
    pub(crate) fn page_timed_out(&mut self, now: Instant, id: PageId) {
        self.on_page(now, id, |exchange, mut page| {
            page.is_silent = true;
            exchange.page_failed(now, page);
            None
        });
    }

    /// Lets something happen to a message on its way. A mistake of ours ends that message and nothing else.
    fn on_page(
        &mut self,
        now: Instant,
        id: PageId,
        act: impl FnOnce(&mut Self, Box<Page>) -> Option<Box<Page>>,
    ) {
        // Another contact took it before.
        let Some(page) = self.messages.pages.remove(&id) else { return };
        let (sender, user) = (page.message.sender.clone(), page.message.user.clone());
        let waiting = match &page.origin {
            Origin::Sender { server, request, .. } => Some((*server, request.bytes().clone())),
            Origin::Store => None,
        };
        let panics = self.stats.panics;
        self.contain("an instant message", |exchange| {
            if let Some(page) = act(exchange, page) {
                exchange.messages.pages.insert(id, page);
            }
        });
        if !self.messages.pages.contains_key(&id) {
            self.deadlines.cancel(&Timer::Page(id));
        }
        if self.stats.panics > panics {
            self.messages.pages.remove(&id);
            match waiting.map(|(server, bytes)| (server, Message::parse(bytes))) {
                Some((server, Ok(request))) => {
                    self.messages.release(&sender);
                    self.respond(now, server, self.reply(&request, 500).finish());
                }
                Some(_) => {}
                None => {
                    self.messages.deliveries.remove(&user);
                }
            }
        }
    }

    fn page_taken(&mut self, now: Instant, page: Box<Page>, response: &Message) {
        let Page { origin, message, .. } = *page;
        match origin {
            Origin::Sender { server, request, .. } => {
                self.stats.instant_messages_delivered += 1;
                self.messages.release(&message.sender);
                let reply = self.reply(&request, response.status().unwrap_or(200));
                let reply = pass_response(response, reply, false, &self.settings.headers.users);
                self.respond(now, server, reply.finish());
            }
            Origin::Store => self.stored_message_taken(now, &message),
        }
    }

    /// No contact has taken a message.
    fn page_failed(&mut self, now: Instant, page: Box<Page>) {
        let Page { origin, message, is_silent, best, .. } = *page;
        match (origin, best) {
            (Origin::Store, _) => self.stored_message_not_taken(now, &message, is_silent),
            (Origin::Sender { server, request, .. }, Some(best)) if !is_silent => {
                self.stats.instant_messages_declined += 1;
                self.messages.release(&message.sender);
                let status = best.status().unwrap_or(500);
                // A contact's challenge is answered by nobody.
                let status = if matches!(status, 401 | 407) { 403 } else { status };
                let reply =
                    pass_response(&best, self.reply(&request, status), false, &self.settings.headers.users);
                self.respond(now, server, reply.copy(&best, Name::Accept).finish());
            }
            (origin, _) => self.keep(now, origin, message, false),
        }
    }

    /// The user whom a MESSAGE is for, if it is one that can be served.
    fn admit_message(
        &self,
        request: &Message,
        flow: ringback_sansio::Flow,
        sender: &User,
    ) -> Result<Addressee, MessageRefused> {
        let uri = self.uri_of_ours(request, flow).map_err(MessageRefused::Uri)?;
        if let Some(options) = unsupported(request) {
            return Err(MessageRefused::Extension(options));
        }
        if request.max_forwards().ok().flatten() == Some(0) {
            return Err(MessageRefused::TooManyHops);
        }
        let limits = &self.settings.limits.messages;
        if request.body().len() > limits.bytes {
            return Err(MessageRefused::TooLarge);
        }
        let mine = self.messages.senders.get(&sender.name).copied().unwrap_or_default();
        if mine >= limits.under_way_per_user || self.messages.pages.len() >= limits.under_way {
            return Err(MessageRefused::TooMany);
        }
        self.addressee(&uri).map_err(MessageRefused::Uri)
    }

    /// The message apart from its way.
    fn text_of(&self, now: Instant, request: &Message, sender: &User, user: String) -> StoredMessage {
        let mut headers = Vec::new();
        let table = &self.settings.headers.users;
        for line in request.lines().filter(|line| passed_with_body(line, table)) {
            headers.extend_from_slice(line.raw_name());
            headers.extend_from_slice(b": ");
            headers.extend_from_slice(&line.unfolded());
            headers.extend_from_slice(b"\r\n");
        }
        let sent = self.settings.epoch.unix_ms(now);
        let kept = self.settings.limits.messages.kept.as_secs();
        let seconds = request.expires().map_or(kept, |seconds| kept.min(seconds.into()));
        StoredMessage {
            number: 0,
            user,
            sender: sender.name.clone(),
            display: display_name(sender, request),
            headers,
            content_type: request.header(Name::ContentType).unwrap_or_default().to_vec(),
            body: request.body().to_vec(),
            sent,
            expires: sent.saturating_add(seconds.saturating_mul(1000)),
        }
    }

    /// The request for one contact. It makes no dialog and has no Contact (RFC 3428 §4).
    fn message_to(&mut self, message: &StoredMessage, target: &Target, hops: u8) -> Message {
        let host = self.identity_host(&target.flow);
        let (tag, call_id) = (self.random_token(), self.random_token());
        let date = Date { unix: (message.sent / 1000).cast_signed() }.to_string();
        let mut request = self
            .request_along(Method::Message, &target.uri, &target.routes, target.flow)
            .header(Name::MaxForwards, hops.to_string())
            .header(Name::From, from_value(&message.display, &message.sender, &host, &tag))
            .header(Name::To, format!("<{}>", sip_uri(&message.user, &host)))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 MESSAGE")
            .header(Name::Date, date);
        for line in message.headers.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(colon) = line.iter().position(|&byte| byte == b':') {
                let (name, value) = line.split_at(colon);
                request = request.header_named(name, value.get(1..).unwrap_or_default());
            }
        }
        set_headers(request, &self.settings.headers.users).body(&message.content_type, &message.body).finish()
    }

    /// The devices of a user, but the one that the sender itself writes from.
    pub(super) fn contacts_to_page(&self, user: &str, from: ringback_sansio::Flow) -> Vec<Target> {
        self.devices_of(user).filter(|target| target.flow != from).collect()
    }
}

/// Whether who answers like this may take the message another time.
fn may_take_it_later(status: u16) -> bool {
    matches!(status, 408 | 430 | 480 | 481 | 486 | 500..600)
}

/// Which refusal is told, the lowest first: what somebody refused everywhere, then what the sender can mend.
fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        401 | 407 | 415 | 420 | 484 => 1,
        400..500 => 2,
        300..400 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use crate::kit::{World, ms};

    #[test]
    fn a_panic_costs_one_message_and_its_sender_is_told() {
        let mut world = World::new(1);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.baresip(name));
        world.register_all();
        world.phone(bob).manners.on_info = None;
        world.phone(alice).write("bob", "one");
        world.phone(carol).write("bob", "two");
        world.run(ms(100));
        let now = world.now();
        let first = *world.exchange.messages.pages.keys().next().unwrap();
        // The sentence of the panic stays out of the test's output.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        world.exchange.on_page(now, first, |_, _| panic!("a mistake"));
        std::panic::set_hook(hook);
        world.settle();
        assert_eq!(world.exchange.stats().panics, 1);
        assert_eq!(world.phone(alice).last_status("MESSAGE"), Some(500));
        assert_eq!(world.phone(carol).last_status("MESSAGE"), Some(202));
        world.assert_nothing_is_left();
    }
}
