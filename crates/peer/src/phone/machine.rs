//! The machine: what happens, and to whom it is handed.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringback_sansio::{Flow, Transmit};
use ringback_sip::dialog::Dialog;
use ringback_sip::digest::{self, Purpose};
use ringback_sip::header::Challenge;
use ringback_sip::message::{Message, Name};
use ringback_sip::transaction::{self, ClientId, ServerId, Timers, Transactions};

use super::registering::Registration;
use super::{End, Event, Failure, PhoneCounts, Settings};

/// A telephone, without sockets and without a clock.
pub struct Phone {
    pub(super) settings: Settings,
    pub(super) flow: Flow,
    pub(super) transactions: Transactions,
    pub(super) registration: Registration,
    pub(super) call: Option<Call>,
    /// BYEs whose call is forgotten.
    pub(super) goodbyes: Vec<(ClientId, Message)>,
    pub(super) events: VecDeque<Event>,
    pub(super) counts: PhoneCounts,
    random: StdRng,
    /// Host in our Vias over a WebSocket, where nobody could use the real one.
    pub(super) host: String,
}

/// The one call.
pub(super) struct Call {
    pub(super) stage: Stage,
    /// Our tag, where we are called.
    pub(super) tag: String,
    /// A request of the other side that waits for our answer.
    pub(super) question: Option<(ServerId, Message)>,
    /// An INVITE of the other side whose 2xx waits for its ACK, and whether that brings an answer.
    pub(super) unconfirmed: Option<(ServerId, bool)>,
    /// We have hung up, and wait for that ACK.
    pub(super) is_given_up: bool,
}

/// How far it is.
pub(super) enum Stage {
    /// We call.
    Calling(Box<Calling>),
    /// We are called; the dialog comes with our answer.
    Called,
    /// It stands.
    Up(Box<Dialog>),
}

/// A call that we make.
pub(super) struct Calling {
    pub(super) target: Vec<u8>,
    pub(super) call_id: String,
    pub(super) tag: String,
    pub(super) cseq: u32,
    pub(super) offer: Bytes,
    pub(super) id: ClientId,
    pub(super) request: Message,
    pub(super) attempt: Attempt,
    /// We have hung up, and wait for what comes of it.
    pub(super) is_given_up: bool,
}

/// How often a request has been challenged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt(u8);

impl Phone {
    /// A phone that speaks over `flow`; its identifiers follow from `seed`, which nobody else may know.
    pub fn new(settings: Settings, flow: Flow, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Phone {
            settings,
            flow,
            transactions: Transactions::new(Timers::default(), random.random()),
            registration: Registration::new(word(&mut random)),
            call: None,
            goodbyes: Vec::new(),
            events: VecDeque::new(),
            counts: PhoneCounts::default(),
            host: format!("{}.invalid", word(&mut random)),
            random,
        }
    }

    /// Whether there is a call, or one is being made.
    pub fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    /// Whether nothing waits to be answered, so that the connection can be closed.
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.goodbyes.is_empty() && self.registration.is_at_rest()
    }

    /// What was counted.
    pub fn counts(&self) -> PhoneCounts {
        self.counts
    }

    /// Takes a message that came over the flow.
    pub fn handle_message(&mut self, now: Instant, bytes: Bytes) {
        self.counts.received += 1;
        let Ok(message) = Message::parse(bytes) else {
            self.counts.unreadable += 1;
            return;
        };
        if let Some(event) = self.transactions.handle_message(now, self.flow, message) {
            self.handle_event(now, event);
        }
        self.drain(now);
    }

    /// The connection has ended.
    pub fn handle_connection_lost(&mut self, now: Instant) {
        self.transactions.handle_flow_failed(now, self.flow);
        self.drain(now);
        if self.call.take().is_some() {
            self.events.push_back(Event::Ended(End::Failed(Failure::NoConnection)));
        }
        if self.registration.forget() {
            self.events.push_back(Event::NotRegistered(Failure::NoConnection));
        }
        self.goodbyes.clear();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.refresh(now);
        self.transactions.handle_timeout(now);
        self.drain(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.transactions.poll_timeout(), self.registration.refresh_at].into_iter().flatten().min()
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.transactions.poll_event() {
            self.handle_event(now, event);
        }
    }

    fn handle_event(&mut self, now: Instant, event: transaction::Event) {
        match event {
            transaction::Event::Request { id, message, .. } => self.handle_request(now, id, &message),
            transaction::Event::Cancel { id, invite, message, .. } => {
                self.handle_cancel(now, id, invite, &message);
            }
            transaction::Event::Ack { message, invite, .. } => self.handle_ack(now, invite, &message),
            transaction::Event::Response { id, message } => self.handle_response(now, id, &message),
            transaction::Event::TimedOut { id } => self.give_up(now, id, &Failure::NoAnswer),
            transaction::Event::TransportFailed { id } => self.give_up(now, id, &Failure::NoConnection),
            transaction::Event::Ok2xxUnacknowledged { id } => self.handle_unconfirmed(now, id),
            transaction::Event::StrayResponse { .. } => self.counts.stray += 1,
            // A refusal that nobody acknowledges or that cannot be sent is known to us, and changes nothing.
            transaction::Event::Terminated { .. }
            | transaction::Event::Undeliverable { .. }
            | transaction::Event::AckTimedOut { .. } => {}
        }
    }

    fn handle_response(&mut self, now: Instant, id: ClientId, response: &Message) {
        if self.registration.is(id) {
            self.registration_answered(now, response);
        } else if let Some(at) = self.goodbyes.iter().position(|(bye, _)| *bye == id) {
            self.goodbye_answered(now, at, response);
        } else {
            self.call_answered(now, id, response);
        }
    }

    fn give_up(&mut self, now: Instant, id: ClientId, failure: &Failure) {
        if self.registration.is(id) {
            self.registration_failed(now, failure.clone(), None);
        }
        self.goodbyes.retain(|(bye, _)| *bye != id);
        if let Some(Call { stage: Stage::Calling(calling), .. }) = &self.call
            && calling.id == id
        {
            let end = if calling.is_given_up { End::Ours } else { End::Failed(failure.clone()) };
            self.end(end);
        }
    }

    /// A word that nobody else has, and nobody can foresee.
    pub(super) fn word(&mut self) -> String {
        word(&mut self.random)
    }

    /// Forgets the call.
    pub(super) fn end(&mut self, end: End) {
        self.call = None;
        self.events.push_back(Event::Ended(end));
    }

    /// The answer to the challenges of a response, and the header field that it goes into.
    pub(super) fn credentials(
        &mut self,
        response: &Message,
        method: &[u8],
        uri: &[u8],
        attempt: Attempt,
    ) -> Result<(Name, Vec<u8>), Failure> {
        let (asks, answers) = match response.status() {
            Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => (Name::WwwAuthenticate, Name::Authorization),
        };
        if !attempt.may_answer(response, asks) {
            return Err(Failure::WrongPassword);
        }
        let cnonce = self.word();
        let login = self.settings.login.as_ref().ok_or(Failure::PasswordNeeded)?;
        let login = digest::Login {
            realm: login.realm.as_ref().map(String::as_bytes),
            user: login.user.as_bytes(),
            password: login.password.as_bytes(),
        };
        let purpose = Purpose { method, uri, cnonce: &cnonce, nc: 1 };
        Ok((answers, digest::answer(response.headers(asks), &login, &purpose)?))
    }
}

impl Attempt {
    /// The next one.
    pub(super) const fn next(self) -> Attempt {
        Attempt(self.0 + 1)
    }

    /// Whether credentials can be of use: they were not refused already.
    fn may_answer(self, response: &Message, asks: Name) -> bool {
        let is_stale = |value| Challenge::parse(value).is_ok_and(|challenge| challenge.is_stale());
        self.0 == 0 || self.0 < MOST_ATTEMPTS && response.headers(asks).any(is_stale)
    }
}

/// Sixteen digits: a token for tags, Call-IDs and the like.
fn word(random: &mut StdRng) -> String {
    format!("{:016x}", random.random::<u64>())
}

/// What a response refuses with, in its words.
pub(super) fn refused(response: &Message) -> Failure {
    let words = String::from_utf8_lossy(response.reason()).into_owned();
    Failure::Refused(response.status().unwrap_or_default(), words)
}

/// Challenges of one request.
const MOST_ATTEMPTS: u8 = 3;
