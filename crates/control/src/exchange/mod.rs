//! The exchange: one worker's machine for the whole policy of the product.
//!
//! It is told of messages, lost flows, answers and news from the media workers, and gives messages to send, questions,
//! media commands and events. The phases of a message are those of ARCHITECTURE.md; *receive* and *frame* come before
//! it and *send* after it.
//!
//! `dispatch` decides who a message is for, `writing` has what every message of ours is made with, `containment` keeps
//! a mistake of ours to what it happened to.

mod containment;
mod dispatch;
mod writing;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_media::session::LegKey;
use ringback_sansio::{Deadlines, Flow, Transmit};
use ringback_sip::event::SubscriptionId;
use ringback_sip::location::Location;
use ringback_sip::message::Message;
use ringback_sip::proxy::BranchId;
use ringback_sip::registrar;
use ringback_sip::transaction::{self, ClientId, ServerId, Timers, Transactions};

use crate::admission::{Admission, Standing};
use crate::ask::{Answer, Ask, AskId};
use crate::authentication::Authentication;
use crate::call::conference::Conferences;
use crate::call::{Call, CallNumber};
use crate::event::Event;
use crate::events::EventState;
use crate::features::Features;
use crate::keepalive::{Keepalive, Ping};
use crate::media::{MediaCommand, MediaEvent, PlayNumber};
use crate::messages::{Messages, PageId};
use crate::owner;
use crate::parked::Parked;
use crate::pressure::Pressure;
use crate::proxying::{ProxiedId, Proxying};
use crate::quality_reports::EndedCalls;
use crate::reach::{HeldId, Reach};
use crate::settings::{InvalidSettings, Settings};
use crate::stats::Stats;

pub(crate) use dispatch::{Membership, unsupported};
use writing::is_nowhere;
pub(crate) use writing::{warning, warning_of};

/// The exchange.
pub struct Exchange {
    pub(crate) settings: Settings,
    pub(crate) transactions: Transactions,
    pub(crate) admission: Admission,
    pub(crate) authentication: Authentication,
    pub(crate) location: Location,
    pub(crate) registrar: registrar::Settings,
    pub(crate) calls: BTreeMap<CallNumber, Box<Call>>,
    pub(crate) calls_by_user: HashMap<String, usize>,
    /// The calls that took over a leg from another one, by the key of that leg, which says otherwise.
    pub(crate) adopted: HashMap<LegKey, CallNumber>,
    /// The media worker that a user's calls are on, and how many they are, when there are several workers: legs can be
    /// joined on one worker only, and it is the calls of one user that are joined.
    pub(crate) placed: HashMap<String, (u16, usize)>,
    /// The conferences that are held.
    pub(crate) conferences: Conferences,
    /// The calls of the last seconds, whose phones may still say how they sounded.
    pub(crate) ended_calls: EndedCalls,
    /// What users have set; those who have set nothing are not there.
    pub(crate) features: HashMap<String, Features>,
    /// The INVITEs, first or within a dialog, that wait for our final response.
    pub(crate) invited: HashMap<ServerId, CallNumber>,
    /// The INVITEs that we answered with a 2xx whose ACK is awaited.
    pub(crate) unacknowledged: HashMap<ServerId, LegKey>,
    /// The INVITEs outside a dialog that are being served, by their [`Exchange::fingerprint`]: the same one by another
    /// way is merged (RFC 3261 §8.2.2.2).
    pub(crate) fingerprints: HashMap<u64, ServerId>,
    pub(crate) clients: HashMap<ClientId, Use>,
    pub(crate) parked: HashMap<AskId, Parked>,
    pub(crate) deadlines: Deadlines<Timer>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) event_state: EventState,
    pub(crate) messages: Messages,
    pub(crate) keepalive: Keepalive,
    pub(crate) proxying: Proxying,
    pub(crate) reach: Reach,
    pub(crate) stats: Stats,
    pub(crate) draining: bool,
    pub(crate) pressure: Pressure,
    asks: VecDeque<(AskId, Ask)>,
    commands: VecDeque<(u16, LegKey, MediaCommand)>,
    pub(crate) random: StdRng,
    /// Makes fingerprints, and the To tags of stateless answers, unguessable.
    pub(crate) tag_secret: u64,
    next_ask: u64,
    next_call: u64,
    pub(crate) last_play: PlayNumber,
    /// Whether the next timer of a transaction panics.
    #[cfg(test)]
    is_sabotaged: bool,
}

/// A request that came in and has no final response yet.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub server: ServerId,
    pub flow: Flow,
    pub message: Message,
}

/// What a request of ours was sent for.
#[derive(Debug)]
pub(crate) enum Use {
    /// The INVITE of a branch.
    Invite(CallNumber, LegKey),
    /// A new offer, or a refresh, within a dialog.
    Reinvite(CallNumber, LegKey),
    /// A request of the other leg, whose transaction waits for the answer.
    PassedOn { leg: LegKey, server: ServerId, request: Box<Message> },
    /// The question whether the far end of a leg is still there.
    Probe(LegKey),
    /// A key that its party is told of.
    Key(LegKey),
    /// What the party that asked for a transfer is told of it.
    Notify(CallNumber, LegKey),
    /// The PRACK of a reliable provisional response of a branch.
    Prack(CallNumber, LegKey),
    /// The wish for a whole picture, which is repeated where it matters.
    PictureRequest,
    /// The end of a dialog that is forgotten already.
    Bye,
    /// News for a subscription.
    Notification(SubscriptionId),
    /// An instant message for one contact, and which.
    Page(PageId, usize),
    /// The question whether a contact is still there.
    Ping(Ping),
    /// A request on its way to a contact.
    Proxied(ProxiedId, BranchId),
}

/// Why a request of ours has no final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody answered in time.
    TimedOut,
    /// It could not be sent, or its connection is gone. The far end may come back.
    FlowLost,
}

/// The deadlines of the exchange itself; transactions and bindings have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    /// Until when the media workers open the legs, and then until when a callee picks up.
    Ring(CallNumber),
    /// Until when a group of contacts rings that is not the last.
    Fork(CallNumber),
    /// When a provisional response is sent again, or its PRACK has not come.
    Provisional(CallNumber),
    /// Until when a far end answers an offer in mid-call.
    Offer(CallNumber),
    /// When an offer of ours that met another one is made again.
    Reoffer(CallNumber),
    /// Until when the media workers say what the legs carried.
    Reports(CallNumber),
    /// Until when the record of a call holds up the 200 to the BYE that ended it.
    Farewell(AskId),
    /// When legs whose silence says nothing are asked whether they are there.
    Probe(CallNumber),
    /// Until when a far end that closed its media says BYE.
    Bye(CallNumber, LegKey),
    /// When a session is refreshed by us, or must have been refreshed by the far end.
    Session(CallNumber, LegKey),
    /// Until when the contacts of a user take an instant message.
    Page(PageId),
    /// Until when a request waits for a contact to be reached.
    Held(HeldId),
    /// The time to connect to the far end of a leg again.
    Stranded(LegKey),
}

impl Exchange {
    /// An exchange without registrations; see [`Exchange::restore`].
    pub fn new(settings: Settings) -> Result<Self, InvalidSettings> {
        let mut random = StdRng::from_seed(settings.seed);
        let start = settings.epoch.instant;
        Ok(Exchange {
            transactions: Transactions::new(Timers::default(), random.next_u64()),
            admission: Admission::new(start, random.next_u64()),
            authentication: Authentication::new(&settings, &mut random)?,
            location: crate::registration::location(&settings),
            registrar: crate::registration::bounds(&settings)?,
            calls: BTreeMap::new(),
            calls_by_user: HashMap::new(),
            adopted: HashMap::new(),
            placed: HashMap::new(),
            conferences: Conferences::default(),
            ended_calls: EndedCalls::default(),
            features: HashMap::new(),
            invited: HashMap::new(),
            unacknowledged: HashMap::new(),
            fingerprints: HashMap::new(),
            clients: HashMap::new(),
            parked: HashMap::new(),
            deadlines: Deadlines::new(),
            events: VecDeque::new(),
            event_state: EventState::new(&settings.limits.events),
            messages: Messages::default(),
            keepalive: Keepalive::new(settings.limits.ping),
            proxying: Proxying::new(&settings.seed),
            reach: Reach::default(),
            stats: Stats::default(),
            draining: false,
            pressure: Pressure::None,
            asks: VecDeque::new(),
            commands: VecDeque::new(),
            tag_secret: random.next_u64(),
            random,
            next_ask: 0,
            next_call: 0,
            last_play: PlayNumber(0),
            #[cfg(test)]
            is_sabotaged: false,
            settings,
        })
    }

    /// What a message that came over the flow is worth, before it is read: which to take first, and which not at all.
    pub fn standing(&mut self, now: Instant, flow: Flow) -> Standing {
        let standing = self.admission.standing(now, flow, self.pressure);
        self.stats.messages_over_budget += u64::from(standing == Standing::OverBudget);
        self.stats.messages_beyond_share += u64::from(standing == Standing::BeyondShare);
        standing
    }

    /// Takes one datagram, WebSocket message or framed message of a stream.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        self.stats.messages_received += 1;
        if is_nowhere(flow.remote()) || self.is_listener_of_ours(&flow) {
            self.stats.messages_from_nowhere += 1;
            return;
        }
        self.contain("a message", |exchange| exchange.take_message(now, flow, bytes));
        self.settle(now);
    }

    /// A connection is gone; its bindings and transactions go with it, its calls wait for it to come back.
    pub fn handle_flow_lost(&mut self, now: Instant, flow: Flow) {
        self.contain("a lost connection", |exchange| {
            exchange.transactions.handle_flow_failed(now, flow);
            exchange.reach.lost(&flow);
            exchange.flow_unregistered(now, flow);
            exchange.seek_dialogs(now, flow);
        });
        self.settle(now);
    }

    /// Takes the answer to a question.
    pub fn handle_answer(&mut self, now: Instant, id: AskId, answer: Answer) {
        match self.parked.remove(&id) {
            Some(parked) => {
                self.deadlines.cancel(&Timer::Farewell(id));
                self.contain("an answer", |exchange| exchange.answered(now, parked, answer));
            }
            None => self.stats.answers_unasked += 1,
        }
        self.settle(now);
    }

    /// Takes news from a media worker.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        let (MediaEvent::Opened(key, _)
        | MediaEvent::Reported(key, _)
        | MediaEvent::Closed(key, _)
        | MediaEvent::Connected(key)
        | MediaEvent::FirstPacket(key)
        | MediaEvent::Key(key, _)
        | MediaEvent::VideoOpened(key, _)
        | MediaEvent::PictureWanted(key)
        | MediaEvent::Played(key, ..)
        | MediaEvent::RecordingEnded(key, _)
        | MediaEvent::Gone(key, _)) = event;
        let number = self.call_of(key);
        if !self.calls.contains_key(&number) {
            self.stats.news_for_no_call += 1;
            if let MediaEvent::Opened(_, Ok(_)) | MediaEvent::Gone(..) = event {
                // Its call did not wait for it; nobody else would ever close it.
                self.stats.legs_stray += 1;
                self.command(owner::media_worker_of(number, self.settings.workers), key, MediaCommand::Close);
            }
            return;
        }
        self.on_call(now, number, |exchange, call| match event {
            MediaEvent::Opened(key, result) => exchange.leg_opened(now, call, key, result),
            MediaEvent::VideoOpened(key, result) => exchange.video_opened(now, call, key, result),
            MediaEvent::PictureWanted(key) => exchange.picture_wanted(now, call, key),
            MediaEvent::Closed(key, report) => exchange.leg_closed(now, call, key, report),
            // Nobody here asks for it.
            MediaEvent::Reported(..) => {}
            MediaEvent::Connected(_) => exchange.stats.legs_connected += 1,
            MediaEvent::FirstPacket(key) => exchange.leg_heard(call, key),
            MediaEvent::Key(key, press) => exchange.tell_key(now, call, key, press),
            MediaEvent::RecordingEnded(_, key) => exchange.recording_ended(call, key),
            MediaEvent::Played(key, _, end) => exchange.played(now, call, key, end),
            MediaEvent::Gone(key, gone) => exchange.leg_gone(now, call, key, gone),
        });
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transactions_due(now);
        while let Some(timer) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Ring(call) => {
                    self.on_call(now, call, |exchange, call| exchange.ring_timed_out(now, call));
                }
                Timer::Fork(call) => {
                    self.on_call(now, call, |exchange, call| exchange.fork_timed_out(now, call));
                }
                Timer::Provisional(call) => {
                    self.on_call(now, call, |exchange, call| exchange.provisional_due(now, call));
                }
                Timer::Offer(call) => {
                    self.on_call(now, call, |exchange, call| exchange.offer_timed_out(now, call));
                }
                Timer::Reoffer(call) => {
                    self.on_call(now, call, |exchange, call| exchange.reoffer_due(now, call));
                }
                Timer::Reports(call) => {
                    self.on_call(now, call, |exchange, call| exchange.reports_timed_out(call));
                }
                Timer::Farewell(id) => {
                    self.contain("a farewell", |exchange| exchange.farewell_due(now, id));
                }
                Timer::Probe(call) => {
                    self.on_call(now, call, |exchange, call| exchange.probe_due(now, call));
                }
                Timer::Bye(call, leg) => {
                    self.on_call(now, call, |exchange, call| exchange.bye_missing(now, call, leg));
                }
                Timer::Session(call, leg) => {
                    self.on_call(now, call, |exchange, call| exchange.session_timer_due(now, call, leg));
                }
                Timer::Page(id) => self.page_timed_out(now, id),
                Timer::Stranded(leg) => {
                    self.contain("a lost dialog", |exchange| exchange.seek_dialog(now, leg))
                }
                Timer::Held(id) => self.contain("a held request", |exchange| exchange.held_due(now, id)),
            }
        }
        self.contain("bindings", |exchange| exchange.bindings_due(now));
        self.contain("keep-alives", |exchange| exchange.pings_due(now));
        self.contain("publications", |exchange| exchange.publications_due(now));
        self.event_state.notifier.handle_timeout(now);
        self.settle(now);
    }

    /// Takes no new calls from here on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends every call.
    pub fn shut_down(&mut self, now: Instant) {
        self.draining = true;
        let numbers: Vec<CallNumber> = self.calls.keys().copied().collect();
        for number in numbers {
            self.on_call(now, number, |exchange, call| {
                exchange.end(now, call, crate::cdr::EndedBy::Exchange, "the exchange was shut down");
            });
        }
        self.end_subscriptions(now);
        self.keepalive.stop();
        self.settle(now);
    }

    /// A message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    /// A question; see [`Exchange::handle_answer`].
    pub fn poll_ask(&mut self) -> Option<(AskId, Ask)> {
        self.asks.pop_front()
    }

    /// A command for the leg that the key names, on the media worker of that number.
    pub fn poll_media(&mut self) -> Option<(u16, LegKey, MediaCommand)> {
        self.commands.pop_front()
    }

    /// News for logs, records and metrics.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Exchange::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.transactions.poll_timeout(),
            self.deadlines.next(),
            self.location.poll_timeout(),
            self.keepalive.poll_timeout(),
            self.event_state.notifier.poll_timeout(),
            self.event_state.publications.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The Call-ID of the caller's leg of the call that a message belongs to, for a tracer; `None` for a message in no
    /// dialog of ours.
    pub fn correlation(&self, message: &Message) -> Option<&str> {
        let tags = [message.to().ok()?.tag(), message.from().ok()?.tag()];
        let leg = tags.into_iter().flatten().find_map(owner::LocalTag::parse)?.leg;
        Some(&self.calls.get(&owner::call_of(leg))?.caller.call_id)
    }

    /// What has been counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What the transactions have counted.
    pub fn transaction_stats(&self) -> &transaction::Stats {
        self.transactions.stats()
    }

    /// What was challenged, and what the answers were worth.
    pub fn authentication_stats(&self) -> &ringback_sip::digest::Stats {
        self.authentication.stats()
    }

    /// Calls in progress, those that are saying goodbye included.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Contacts that are registered.
    pub fn bindings(&self) -> usize {
        self.location.len()
    }

    /// How much is kept for what is under way, apart from registrations, subscriptions, publications and the calls of the
    /// last seconds: calls, transactions, questions, and what waits for one of them. Zero when nothing happens.
    pub fn under_way(&self) -> usize {
        self.calls.len()
            + self.calls_by_user.len()
            + self.adopted.len()
            + self.placed.len()
            + self.conferences.len()
            + self.invited.len()
            + self.unacknowledged.len()
            + self.fingerprints.len()
            + self.clients.len()
            + self.parked.len()
            + self.deadlines.len()
            + self.transactions.client_count()
            + self.transactions.server_count()
            + self.event_state.calls.len()
            + self.messages.under_way()
            + self.proxying.under_way()
            + self.reach.under_way()
    }

    pub(crate) fn ask(&mut self, parked: Parked, ask: Ask) -> AskId {
        let id = AskId(self.next_ask);
        self.next_ask += 1;
        self.parked.insert(id, parked);
        self.asks.push_back((id, ask));
        id
    }

    pub(crate) fn command(&mut self, worker: u16, key: LegKey, command: MediaCommand) {
        self.commands.push_back((worker, key, command));
    }

    /// The number of a new call, which says the media worker: that of the other calls of these users, if they have any.
    pub(crate) fn next_call<'u>(&mut self, users: impl IntoIterator<Item = &'u str>) -> CallNumber {
        match users.into_iter().find_map(|user| self.placed.get(user)) {
            Some(&(worker, _)) => self.next_call_at(worker),
            None => {
                self.next_call += 1;
                CallNumber(self.next_call)
            }
        }
    }

    /// The number of a new call on a media worker.
    pub(crate) fn next_call_at(&mut self, worker: u16) -> CallNumber {
        self.next_call += 1;
        let workers = self.settings.workers;
        while workers > 1 && owner::media_worker_of(CallNumber(self.next_call), workers) != worker {
            self.next_call += 1;
        }
        CallNumber(self.next_call)
    }

    /// The call that a leg is part of: the one that made it, or the one that it was handed to.
    pub(crate) fn call_of(&self, leg: LegKey) -> CallNumber {
        self.adopted.get(&leg).copied().unwrap_or_else(|| owner::call_of(leg))
    }
}
