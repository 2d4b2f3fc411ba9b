//! Requests that are no call and that the exchange does not serve itself, on their way to the contacts of a user: the
//! proxy core of [RFC 3261 §16] ([`ringback_sip::proxy`]).
//!
//! OPTIONS to a user or a device, INFO outside of dialogs, and methods that are not known here. Each is authenticated, as
//! whatever reaches a user is; its credentials end here. It goes to the contacts as a call would, in the order of their
//! preference, to each device once, and the best of the responses goes back.
//!
//! Assumptions and what is left out:
//! - None of these makes a dialog, so nothing is written into a Record-Route, and there is nothing to cancel.
//! - The exchange is the last hop: what a Route says beyond it is not followed, and no domain of others is reached.
//! - What speaks of identities or within a trust domain does not pass; the rest goes as it came, Contact included.
//! - A contact's challenge is answered by nobody: it comes back as 403. A 3xx is passed on.
//! - A contact that never answers is answered for by nobody (RFC 4320 §4.2): the sender's transaction times out.
//!
//! [RFC 3261 §16]: https://www.rfc-editor.org/rfc/rfc3261#section-16

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::time::Instant;

use ringback_sansio::Flow;
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::outbound::Way;
use ringback_sip::proxy::{
    self, Action, BranchFailure, BranchId, Budget, Candidate, Ending, LoopDetection, Onward, OwnVia, Refusal,
    ResponseContext, Rules,
};
use ringback_sip::transaction::ServerId;

use crate::ask::{Ask, User};
use crate::call::conference::conference_name;
use crate::call::headers::passed_through;
use crate::call::hunt::{Groups, Target};
use crate::call::refused::CallRefused;
use crate::devices::Addressee;
use crate::exchange::{Exchange, Incoming, Silence, Use};
use crate::features::Code;
use crate::parked::Parked;
use crate::routing::ECHO;

/// The number of a request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProxiedId(u64);

/// Requests on their way to contacts.
#[derive(Debug)]
pub(crate) struct Proxying {
    loops: LoopDetection,
    under_way: BTreeMap<ProxiedId, Box<Proxied>>,
    /// How many of them each user has sent.
    senders: HashMap<String, usize>,
    next: u64,
}

/// A request on its way.
#[derive(Debug)]
struct Proxied {
    server: ServerId,
    sender: String,
    /// As its copies are made of it.
    request: Message,
    budget: Budget,
    context: ResponseContext<Way>,
}

/// Why a request is not sent on.
enum NotSent {
    Uri(CallRefused),
    Rules(Refusal),
    Overloaded,
}

impl Proxying {
    /// Nothing is on its way.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(b"loops");
        hasher.write(secret);
        Proxying {
            loops: LoopDetection::new(hasher.finish()),
            under_way: BTreeMap::new(),
            senders: HashMap::new(),
            next: 0,
        }
    }

    /// How much is kept for what is under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len() + self.senders.len()
    }

    fn release(&mut self, sender: &str) {
        if let Some(count) = self.senders.get_mut(sender) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.senders.remove(sender);
            }
        }
    }
}

impl Exchange {
    /// Whether a request outside of dialogs is for the contacts of somebody. OPTIONS that may go no further is for whom
    /// it has come to ([RFC 3261 §11]).
    ///
    /// [RFC 3261 §11]: https://www.rfc-editor.org/rfc/rfc3261#section-11
    pub(crate) fn is_for_contacts(&self, request: &Message, flow: Flow) -> bool {
        let Ok(uri) = self.uri_of_ours(request, flow) else { return false };
        let Some(user) = uri.user_unescaped() else { return false };
        let name = String::from_utf8_lossy(&user);
        let is_own = name == OWN
            || ECHO.contains(&&*name)
            || conference_name(&name).is_some()
            || self.number_to_hear(&name).is_some()
            || Code::parse(&name).is_some();
        let is_at_its_end = request.max_forwards().ok().flatten() == Some(0);
        !(is_own || is_at_its_end && *request.method_ref() == Method::Options)
    }

    /// An authenticated request for the contacts of somebody.
    pub(crate) fn proxy(&mut self, now: Instant, incoming: Incoming, sender: &User) {
        let Incoming { server, flow, message } = &incoming;
        let (server, flow) = (*server, *flow);
        let (addressee, budget) = match self.admit_proxied(message, flow, &sender.name) {
            Ok(admitted) => admitted,
            Err(refused) => return self.refuse_proxied(now, server, message, refused),
        };
        let mut groups = match &addressee {
            Addressee::User(user) => self.groups_of(user, &sender.name, flow),
            Addressee::Device { user, bindings } => {
                let others = bindings.iter().filter(|binding| binding.flow() != flow);
                let ways = others.map(|binding| self.way_of(binding));
                Target::of_device(user, ways).map(|target| vec![target]).into_iter().collect()
            }
        };
        if groups.is_empty() {
            return self.ask_for_addressee(now, incoming, addressee.user().to_owned());
        }
        let request = self.without_private(message);
        for target in groups.iter_mut().flatten() {
            self.prefers_stream(request.bytes().len() + VIA, target);
        }
        let context =
            ResponseContext::new(now, &request, &budget, candidates(groups), proxy::Settings::default());
        let id = ProxiedId(self.proxying.next);
        self.proxying.next += 1;
        *self.proxying.senders.entry(sender.name.clone()).or_default() += 1;
        self.stats.requests_proxied += 1;
        let proxied = Proxied { server, sender: sender.name.clone(), request, budget, context };
        self.proxying.under_way.insert(id, Box::new(proxied));
        self.on_proxied(now, id, |_| {});
    }

    fn admit_proxied(
        &self,
        request: &Message,
        flow: Flow,
        sender: &str,
    ) -> Result<(Addressee, Budget), NotSent> {
        let uri = self.uri_of_ours(request, flow).map_err(NotSent::Uri)?;
        let rules = Rules { options: &[], loops: &self.proxying.loops };
        let budget = proxy::check(request, &rules).map_err(NotSent::Rules)?;
        let limits = &self.settings.limits;
        let mine = self.proxying.senders.get(sender).copied().unwrap_or_default();
        if mine >= limits.proxied_per_user || self.proxying.under_way.len() >= limits.proxied {
            return Err(NotSent::Overloaded);
        }
        Ok((self.addressee(&uri).map_err(NotSent::Uri)?, budget))
    }

    fn refuse_proxied(&mut self, now: Instant, server: ServerId, request: &Message, refused: NotSent) {
        match refused {
            NotSent::Uri(refused) => {
                let reply = self.refuse_uri(request, &refused).finish();
                self.respond(now, server, reply);
            }
            NotSent::Rules(refusal) => {
                self.stats.proxied_refused += 1;
                match refusal.answer(request) {
                    Some(answer) => self.respond(now, server, answer),
                    None => self.transactions.abandon(server),
                }
            }
            NotSent::Overloaded => {
                self.stats.proxied_overloaded += 1;
                self.refuse(now, server, request, 503, "too many requests are on their way");
            }
        }
    }

    /// There is no contact: is there such a user? Only who is authenticated is told.
    fn ask_for_addressee(&mut self, now: Instant, incoming: Incoming, user: String) {
        if self.parked.len() >= self.settings.limits.questions {
            return self.proxied_absent(now, &incoming, CallRefused::Absent);
        }
        let realm = self.settings.realm.clone();
        self.ask(Parked::Proxied(Box::new(incoming)), Ask::Credentials { user, realm });
    }

    /// Nobody can be sent a request.
    pub(crate) fn proxied_absent(&mut self, now: Instant, incoming: &Incoming, refused: CallRefused) {
        let reply = self.refuse_uri(&incoming.message, &refused).finish();
        self.respond(now, incoming.server, reply);
    }

    /// A contact has answered a request, or did not.
    pub(crate) fn proxied_answered(
        &mut self,
        now: Instant,
        id: ProxiedId,
        branch: BranchId,
        answer: Result<&Message, Silence>,
    ) {
        self.on_proxied(now, id, |context| match answer {
            Ok(response) => context.handle_response(now, branch, response),
            Err(Silence::TimedOut) => context.handle_branch_failed(now, branch, BranchFailure::Timeout),
            Err(Silence::FlowLost) => context.handle_branch_failed(now, branch, BranchFailure::Transport),
        });
    }

    /// Lets something happen to a request on its way, and does what comes of it. A mistake of ours ends that request.
    fn on_proxied(&mut self, now: Instant, id: ProxiedId, act: impl FnOnce(&mut ResponseContext<Way>)) {
        // It had its answer before this contact said anything.
        let Some(mut proxied) = self.proxying.under_way.remove(&id) else { return };
        let (server, sender, request) = (proxied.server, proxied.sender.clone(), proxied.request.clone());
        let panics = self.stats.panics;
        let mut is_over = true;
        self.contain("a request on its way", |exchange| {
            act(&mut proxied.context);
            is_over = exchange.carry_out(now, id, &mut proxied);
            if !is_over {
                exchange.proxying.under_way.insert(id, proxied);
            }
        });
        if self.stats.panics > panics {
            let reply = self.reply(&request, 500).finish();
            self.respond(now, server, reply);
        }
        if !self.proxying.under_way.contains_key(&id) {
            self.proxying.release(&sender);
        }
    }

    /// Does what a context asks for; says whether it is over.
    fn carry_out(&mut self, now: Instant, id: ProxiedId, proxied: &mut Proxied) -> bool {
        let Proxied { server, request, budget, context, .. } = proxied;
        while let Some(action) = context.poll_action() {
            match action {
                Action::Start { branch, to, breadth } => match self.copy_for(request, budget, &to, breadth) {
                    Some(copy) => {
                        self.send_request(now, to.flow, copy, Use::Proxied(id, branch));
                    }
                    None => context.handle_branch_failed(now, branch, BranchFailure::Transport),
                },
                Action::Forward(response) => self.pass_back(now, *server, request, &response),
                Action::Over(Ending::Answered) => return true,
                Action::Over(Ending::Silent) => {
                    self.stats.proxied_unanswered += 1;
                    self.transactions.abandon(*server);
                    return true;
                }
                // Of an INVITE alone, and of a context that is set to ask.
                Action::Cancel(_) | Action::Redirected { .. } => {}
            }
        }
        false
    }

    /// The copy for one contact; `None` when its Path cannot be followed.
    fn copy_for(&mut self, request: &Message, budget: &Budget, to: &Way, breadth: u32) -> Option<Message> {
        let branch = self.transactions.new_branch();
        let sent_by = self.sent_by(&to.flow);
        let onward = Onward {
            request_uri: &to.request_uri,
            routes: &to.routes,
            record_routes: &[],
            budget,
            breadth,
            via: OwnVia { transport: to.flow.transport(), sent_by: &sent_by, branch: branch.as_bytes() },
            realm: Some(self.settings.realm.as_bytes()),
        };
        proxy::forward(request, &onward).ok()
    }

    fn pass_back(&mut self, now: Instant, server: ServerId, request: &Message, response: &Message) {
        let response = match response.status() {
            Some(401 | 407) => self.reply(request, 403).finish(),
            _ => self.without_private(response),
        };
        self.respond(now, server, response);
    }

    /// The message without what does not cross the exchange, and without the way that led here.
    fn without_private(&self, message: &Message) -> Message {
        let table = &self.settings.headers.users;
        let mut edit = message.edit();
        edit.retain(|line| line.name() != Name::Route && passed_through(&line, table));
        for (name, value) in table.set() {
            edit.push_named(name, value.as_bytes());
        }
        edit.finish()
    }
}

/// The target set: the groups by falling preference, each device with all its ways.
fn candidates(groups: Groups) -> impl Iterator<Item = Candidate<Way>> {
    let by_preference = groups.into_iter().zip((0..=Q_OF_FIRST).rev());
    by_preference.flat_map(|(group, q)| {
        group.into_iter().map(move |target| {
            let Target { uri, routes, flow, spares, .. } = target;
            let first = Way { request_uri: uri.clone(), routes, flow, next_hop: None };
            spares.into_iter().rev().fold(Candidate::new(uri, q, first), Candidate::or)
        })
    })
}

/// The user part of our own Contact.
const OWN: &str = "ringback";
const Q_OF_FIRST: u16 = 1000;
/// What a copy has more than the request: a Via of ours.
const VIA: usize = 100;
