//! The load itself: phones that sign in, call each other and answer. It has no socket and no clock.
//!
//! A registration is REGISTER, challenge, REGISTER with credentials, 200. A call is INVITE, challenge, ACK, INVITE with
//! credentials, 200 at once, ACK, and after a while BYE from the caller. Each has a number and a deadline; what is not
//! done by then has failed. Retransmissions and what they need are those of [`Transactions`].
//!
//! A phone answers what it is asked: INVITE with 200 and a description, every other request with 200. It keeps nothing of
//! the calls that it answers.

mod description;
mod failure;
mod phone;
mod tally;

pub use failure::Failure;
pub(super) use tally::Tally;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{Flow, Transmit, Transport};
use ringback_sip::dialog::Dialog;
use ringback_sip::digest::{self, Login, Purpose};
use ringback_sip::header::Challenge;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::{ClientId, Event, ServerId, Timers, Transactions};

use super::accounts::Account;
use phone::{ALLOW, Phone};

/// What a load is made of.
pub(super) struct Settings {
    /// The host of every address of record.
    pub(super) domain: String,
    /// How long a registration may take, and a call beyond `talk`.
    pub(super) within: Duration,
    /// How long a call stands.
    pub(super) talk: Duration,
    /// Makes identifiers, and is a secret.
    pub(super) seed: u64,
}

/// Phones with what they are doing.
pub(super) struct Load {
    settings: Settings,
    /// Names this load in its identifiers, so that those of an earlier one are none of it.
    series: String,
    offer: String,
    transactions: Transactions,
    phones: Vec<Phone>,
    by_flow: HashMap<Flow, Vec<usize>>,
    attached: usize,
    /// The phones that have a connection and are not registering, those whose turn is next in front.
    idle: VecDeque<usize>,
    jobs: HashMap<u64, Job>,
    last_job: u64,
    job_by_request: HashMap<ClientId, u64>,
    deadlines: VecDeque<(Instant, u64)>,
    /// Calls that stand, in the order of their ends.
    hang_ups: VecDeque<(Instant, u64)>,
    calls_begun: usize,
    /// What came of the registrations.
    pub(super) registrations: Tally,
    /// What came of the calls.
    pub(super) calls: Tally,
    /// Messages received.
    pub(super) received: u64,
    /// Messages sent.
    pub(super) sent: u64,
}

/// What is in progress.
enum Job {
    Registration(Registration),
    Call(Box<Call>),
}

struct Registration {
    phone: usize,
    begun: Instant,
    challenges: u8,
}

struct Call {
    caller: usize,
    callee: usize,
    begun: Instant,
    challenges: u8,
    /// The INVITE that waits for its answer, or that was answered.
    invite: Option<(ClientId, Message)>,
    /// Once it is answered.
    dialog: Option<Dialog>,
    /// When the BYE was sent.
    hung_up: Option<Instant>,
}

/// How often a request may be challenged: once, and once more when the nonce has become stale.
const CHALLENGES: u8 = 2;

/// Calls and registrations at the same time.
const JOBS: usize = 20_000;

/// Transactions at the same time, each of which stays for up to 32 s after its end.
const TRANSACTIONS: usize = 1 << 20;

impl Load {
    /// A load of phones without connections.
    pub(super) fn new(settings: Settings, accounts: Vec<Account>, transport: Transport) -> Self {
        // The layer must not say 100 for a phone that answers at once; repeats are absorbed for 5 s on a network this
        // near.
        let timers = Timers { trying: None, d: Duration::from_secs(5), ..Timers::default() };
        Load {
            series: format!("{:08x}", settings.seed & 0xffff_ffff),
            offer: description::offer(transport),
            transactions: Transactions::new(timers, settings.seed).with_limit(TRANSACTIONS),
            phones: accounts.into_iter().map(Phone::new).collect(),
            by_flow: HashMap::new(),
            attached: 0,
            idle: VecDeque::new(),
            jobs: HashMap::new(),
            last_job: 0,
            job_by_request: HashMap::new(),
            deadlines: VecDeque::new(),
            hang_ups: VecDeque::new(),
            calls_begun: 0,
            registrations: Tally::new(),
            calls: Tally::new(),
            received: 0,
            sent: 0,
            settings,
        }
    }

    /// Gives a phone a connection, or the socket that all of them share.
    pub(super) fn attach(&mut self, phone: usize, flow: Flow) {
        if let Some(attached) = self.phones.get_mut(phone) {
            attached.attach(flow);
            self.by_flow.entry(flow).or_default().push(phone);
            self.attached += 1;
            // It has the next turn: who has registered waits behind those who have not.
            self.idle.push_front(phone);
        }
    }

    /// Takes the connections of phones away: it has ended.
    pub(super) fn detach(&mut self, now: Instant, flow: Flow) {
        for phone in self.by_flow.remove(&flow).unwrap_or_default() {
            self.attached -= 1;
            if let Some(phone) = self.phones.get_mut(phone) {
                phone.flow = None;
            }
            self.idle.retain(|idle| *idle != phone);
        }
        self.transactions.handle_flow_failed(now, flow);
        self.drain_events(now);
    }

    /// How many phones there are.
    pub(super) fn phones(&self) -> usize {
        self.phones.len()
    }

    /// How many phones have a connection.
    pub(super) fn attached(&self) -> usize {
        self.attached
    }

    /// The flow of a phone that has one.
    pub(super) fn flow_of(&self, phone: usize) -> Option<Flow> {
        self.phones.get(phone)?.flow
    }

    /// How many registrations and calls are not over.
    pub(super) fn in_progress(&self) -> usize {
        self.jobs.len()
    }

    /// How many messages were sent again, because they or their answers were lost or late.
    pub(super) fn sent_again(&self) -> u64 {
        let stats = self.transactions.stats();
        stats.requests_retransmitted + stats.responses_retransmitted
    }

    /// Forgets what came of everything so far.
    pub(super) fn forget_results(&mut self) {
        (self.registrations, self.calls) = (Tally::new(), Tally::new());
    }

    /// Lets the phone whose turn it is register; says whether there was one.
    pub(super) fn begin_registration(&mut self, now: Instant) -> bool {
        if self.jobs.len() >= JOBS {
            return false;
        }
        let Some(phone) = self.idle.pop_front() else { return false };
        self.registrations.begun += 1;
        let registration = Registration { phone, begun: now, challenges: 0 };
        let number = self.begin(now + self.settings.within);
        self.send_register(now, number, registration, None);
        true
    }

    /// Lets the caller whose turn it is call; says whether it could.
    ///
    /// The first half of the phones calls the second, in turn.
    pub(super) fn begin_call(&mut self, now: Instant) -> bool {
        let half = self.phones.len() / 2;
        if half == 0 || self.jobs.len() >= JOBS {
            return false;
        }
        let (caller, callee) =
            (self.calls_begun % half, half + self.calls_begun % (self.phones.len() - half));
        self.calls_begun += 1;
        self.calls.begun += 1;
        let call =
            Call { caller, callee, begun: now, challenges: 0, invite: None, dialog: None, hung_up: None };
        let number = self.begin(now + self.settings.within + self.settings.talk);
        self.send_invite(now, number, Box::new(call), None);
        true
    }

    /// Takes a message that came over `flow`.
    pub(super) fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes) else { return };
        self.received += 1;
        if let Some(event) = self.transactions.handle_message(now, flow, message) {
            self.handle_event(now, event);
        }
        self.drain_events(now);
    }

    /// Does what is due: hangs up, sends again, gives up.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, number)) = self.hang_ups.pop_front_if(|(at, _)| *at <= now) {
            self.hang_up(now, number);
        }
        while let Some((_, number)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if let Some(job) = self.jobs.remove(&number) {
                if let Job::Call(call) = &job
                    && let (Some((invite, _)), None) = (&call.invite, &call.dialog)
                {
                    self.transactions.cancel(now, *invite);
                }
                self.fail(job, Failure::NoAnswer);
            }
        }
        self.transactions.handle_timeout(now);
        self.drain_events(now);
    }

    /// The next message to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transactions.poll_transmit();
        self.sent += u64::from(transmit.is_some());
        transmit
    }

    fn begin(&mut self, deadline: Instant) -> u64 {
        self.last_job += 1;
        self.deadlines.push_back((deadline, self.last_job));
        self.last_job
    }

    fn send_register(
        &mut self,
        now: Instant,
        number: u64,
        registration: Registration,
        credentials: Option<(Name, Vec<u8>)>,
    ) {
        let branch = self.transactions.new_branch();
        let phone = self.phones.get_mut(registration.phone).filter(|phone| phone.flow.is_some());
        let Some(phone) = phone else {
            return self.fail(Job::Registration(registration), Failure::NoConnection);
        };
        let Some(flow) = phone.flow else { return };
        let request = phone.register(&self.settings.domain, &self.series, &branch, credentials);
        let id = self.transactions.request(now, flow, request);
        self.job_by_request.insert(id, number);
        self.jobs.insert(number, Job::Registration(registration));
    }

    fn send_invite(
        &mut self,
        now: Instant,
        number: u64,
        mut call: Box<Call>,
        credentials: Option<(Name, Vec<u8>)>,
    ) {
        let branch = self.transactions.new_branch();
        let (caller, callee) = (self.phones.get(call.caller), self.phones.get(call.callee));
        let (Some(caller), Some(callee)) = (caller, callee) else { return };
        let Some(flow) = caller.flow else {
            return self.fail(Job::Call(call), Failure::NoConnection);
        };
        let call_id = format!("{}-{number}", self.series);
        let tag = tag(number);
        let dialog = (call_id.as_str(), tag.as_str(), u32::from(call.challenges) + 1);
        let (domain, name) = (&self.settings.domain, &callee.account.name);
        let request = caller.invite(domain, name, dialog, &branch, credentials, &self.offer);
        let id = self.transactions.request(now, flow, request.clone());
        call.invite = Some((id, request));
        self.job_by_request.insert(id, number);
        self.jobs.insert(number, Job::Call(call));
    }

    fn hang_up(&mut self, now: Instant, number: u64) {
        let Some(Job::Call(call)) = self.jobs.get_mut(&number) else { return };
        let Some(dialog) = &mut call.dialog else { return };
        let Some(caller) = self.phones.get(call.caller) else { return };
        call.hung_up = Some(now);
        let branch = self.transactions.new_branch();
        let request = dialog.request(Method::Bye, &branch, caller.sent_by.as_bytes()).finish();
        let flow = dialog.flow;
        let id = self.transactions.request(now, flow, request);
        self.job_by_request.insert(id, number);
    }

    fn drain_events(&mut self, now: Instant) {
        while let Some(event) = self.transactions.poll_event() {
            self.handle_event(now, event);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { id, flow, message } => self.answer(now, id, flow.transport(), &message),
            Event::Cancel { id, message, .. } => {
                self.transactions.respond(now, id, Builder::reply(&message, 200).finish());
            }
            Event::Response { id, message } => self.handle_response(now, id, &message),
            Event::TimedOut { id } => self.give_up(id, Failure::NoAnswer),
            Event::TransportFailed { id } => self.give_up(id, Failure::NoConnection),
            // Nothing of a phone waits for these: a call that lacks its ACK is ended by its server or its caller.
            _ => {}
        }
    }

    fn give_up(&mut self, id: ClientId, failure: Failure) {
        let number = self.job_by_request.remove(&id);
        if let Some(job) = number.and_then(|number| self.jobs.remove(&number)) {
            self.fail(job, failure);
        }
    }

    fn handle_response(&mut self, now: Instant, id: ClientId, response: &Message) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        let Some(number) = self.job_by_request.remove(&id) else { return };
        match self.jobs.remove(&number) {
            Some(Job::Registration(registration)) => {
                self.registration_answered(now, number, registration, response);
            }
            Some(Job::Call(call)) if call.hung_up.is_some() => self.bye_answered(now, call, status),
            Some(Job::Call(call)) => self.invite_answered(now, number, call, response),
            None => {}
        }
    }

    fn registration_answered(
        &mut self,
        now: Instant,
        number: u64,
        mut registration: Registration,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        match status {
            200..300 => {
                self.registrations.answered(now.duration_since(registration.begun));
                self.registrations.succeed();
                self.free(registration.phone);
            }
            401 | 407 if may_answer(response, registration.challenges) => {
                let uri = format!("sip:{}", self.settings.domain);
                let phone = registration.phone;
                match self.credentials(phone, response, Method::Register, uri.as_bytes(), number) {
                    Ok(credentials) => {
                        registration.challenges += 1;
                        self.send_register(now, number, registration, Some(credentials));
                    }
                    Err(failure) => self.fail(Job::Registration(registration), failure),
                }
            }
            _ => self.fail(Job::Registration(registration), Failure::Status(status)),
        }
    }

    fn invite_answered(&mut self, now: Instant, number: u64, mut call: Box<Call>, response: &Message) {
        let status = response.status().unwrap_or_default();
        let Some((id, request)) = call.invite.clone() else { return };
        match status {
            200..300 => {
                let caller = self.phones.get(call.caller);
                let way = caller.and_then(|caller| Some((caller.flow?, caller.sent_by.as_bytes())));
                let Some((flow, sent_by)) = way else {
                    return self.fail(Job::Call(call), Failure::NoConnection);
                };
                let Ok(dialog) = Dialog::uac(&request, response, flow) else {
                    return self.fail(Job::Call(call), Failure::NoDialog);
                };
                let branch = self.transactions.new_branch();
                let ack = dialog.ack(dialog.local_cseq, &branch, sent_by).finish();
                self.transactions.ack_2xx(id, flow, ack);
                self.calls.answered(now.duration_since(call.begun));
                call.dialog = Some(dialog);
                self.hang_ups.push_back((now + self.settings.talk, number));
                self.jobs.insert(number, Job::Call(call));
            }
            401 | 407 if may_answer(response, call.challenges) => {
                let uri = request.request_uri();
                match self.credentials(call.caller, response, Method::Invite, uri, number) {
                    Ok(credentials) => {
                        call.challenges += 1;
                        self.send_invite(now, number, call, Some(credentials));
                    }
                    Err(failure) => self.fail(Job::Call(call), failure),
                }
            }
            _ => self.fail(Job::Call(call), Failure::Status(status)),
        }
    }

    fn bye_answered(&mut self, now: Instant, call: Box<Call>, status: u16) {
        if !(200..300).contains(&status) {
            return self.fail(Job::Call(call), Failure::Status(status));
        }
        if let Some(hung_up) = call.hung_up {
            self.calls.ended.note(now.duration_since(hung_up));
        }
        self.calls.succeed();
    }

    /// The answer to the challenges of a response, and the header field that it goes into.
    fn credentials(
        &self,
        phone: usize,
        response: &Message,
        method: Method,
        uri: &[u8],
        number: u64,
    ) -> Result<(Name, Vec<u8>), Failure> {
        let (asks, answers) = match response.status() {
            Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => (Name::WwwAuthenticate, Name::Authorization),
        };
        let account = &self.phones.get(phone).ok_or(Failure::NoConnection)?.account;
        let login = Login {
            realm: None,
            user: account.name.as_bytes(),
            password: account.password.expose().as_bytes(),
        };
        let cnonce = format!("{}{number:x}", self.series);
        let purpose = Purpose { method: method.as_bytes(), uri, cnonce: &cnonce, nc: 1 };
        digest::answer(response.headers(asks), &login, &purpose)
            .map(|value| (answers, value))
            .map_err(Failure::Challenge)
    }

    /// Answers a request as a phone does that lifts off at once. Its Contact is where it was asked.
    fn answer(&mut self, now: Instant, id: ServerId, transport: Transport, request: &Message) {
        let reply = Builder::reply(request, 200).copy(request, Name::RecordRoute).stateless_to_tag(request);
        let reply = match request.method_ref() {
            Method::Invite => {
                let answer = description::answer(request.body(), transport);
                reply
                    .header(Name::Contact, [b"<", request.request_uri(), b">"].concat())
                    .header(Name::Allow, ALLOW)
                    .body(b"application/sdp", answer.as_bytes())
            }
            Method::Bye => {
                self.ended_by_server(request);
                reply
            }
            Method::Options => reply.header(Name::Allow, ALLOW),
            _ => reply,
        };
        self.transactions.respond(now, id, reply.finish());
    }

    /// A BYE to a caller, who had not hung up.
    fn ended_by_server(&mut self, bye: &Message) {
        let to = bye.to().ok();
        let Some(number) = to.as_ref().and_then(|to| to.tag()).and_then(number_of) else { return };
        let stands = |job: &Job| matches!(job, Job::Call(call) if call.hung_up.is_none());
        if bye.call_id().is_some_and(|call_id| call_id.starts_with(self.series.as_bytes()))
            && self.jobs.get(&number).is_some_and(stands)
            && let Some(job) = self.jobs.remove(&number)
        {
            self.fail(job, Failure::Ended);
        }
    }

    fn fail(&mut self, job: Job, failure: Failure) {
        match job {
            Job::Registration(registration) => {
                self.registrations.fail(failure);
                self.free(registration.phone);
            }
            Job::Call(_) => self.calls.fail(failure),
        }
    }

    /// Lets a phone have its turn again, if it still has a connection.
    fn free(&mut self, phone: usize) {
        if self.phones.get(phone).is_some_and(|phone| phone.flow.is_some()) {
            self.idle.push_back(phone);
        }
    }
}

/// Whether credentials can be of use: they were not refused already.
fn may_answer(response: &Message, answered: u8) -> bool {
    let mut values = response.headers(Name::WwwAuthenticate).chain(response.headers(Name::ProxyAuthenticate));
    let mut is_stale =
        || values.any(|value| Challenge::parse(value).is_ok_and(|challenge| challenge.is_stale()));
    answered == 0 || (answered < CHALLENGES && is_stale())
}

/// The tag of the caller of a call.
fn tag(number: u64) -> String {
    format!("caller-{number}")
}

/// The call that a tag belongs to.
fn number_of(tag: &[u8]) -> Option<u64> {
    std::str::from_utf8(tag).ok()?.strip_prefix("caller-")?.parse().ok()
}

#[cfg(test)]
mod tests;
