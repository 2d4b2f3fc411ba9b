//! A phone: what it can be told to do. What it does by itself is in `hearing`.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::{Flow, Transmit, Transport};
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::reliable::{Receiver, Sender};
use ringback_sip::transaction::{ClientId, ServerId, Timers, Transactions};

use super::surroundings::password_of;
use super::texts::Says;

/// Whose habits a phone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    JsSip,
    SipJs,
    Baresip,
    /// A telephone that knows no telephone events.
    OldPhone,
    /// A telephone with a codec that is not ours, and no other.
    Foreign,
}

/// How a phone behaves where it has a choice.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Sends 180 to an INVITE.
    pub rings: bool,
    /// Acknowledges 2xx.
    pub acknowledges: bool,
    pub on_reinvite: OnReinvite,
    /// Its answer to INFO and MESSAGE; `None` for silence.
    pub on_info: Option<u16>,
    /// Its answer to OPTIONS; `None` for silence.
    pub on_options: Option<u16>,
    /// Its answer to a NOTIFY of a subscription; `None` for silence.
    pub on_notify: Option<u16>,
    /// The Session-Expires of its INVITE, and of its 200 to one.
    pub timer: Option<&'static str>,
    /// Hears nothing at all.
    pub is_deaf: bool,
    /// Takes another call beside the one that it has.
    pub has_lines: bool,
    /// The header field of its INVITE that lists 100rel.
    pub reliability: Option<Name>,
    /// Acknowledges reliable provisional responses.
    pub pracks: bool,
    /// Its answer to a PRACK outside of its dialogs: for those of a fork that the test plays.
    pub on_foreign_prack: u16,
}

/// What a phone does with a re-INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReinvite {
    Accept,
    Refuse(u16),
    Ignore,
}

/// How far a call of a phone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Calling,
    Ringing,
    Up,
}

pub struct Phone {
    pub user: String,
    pub label: String,
    pub password: String,
    pub client: Client,
    pub flow: Flow,
    pub manners: Manners,
    /// What it says of itself in Via, when that is not where it is.
    pub sent_by: Option<String>,
    pub call: Option<PhoneCall>,
    /// Calls that it has beside that one.
    pub aside: Vec<PhoneCall>,
    /// Every message that it was given, in order; repeated ones excluded.
    pub heard: Vec<Message>,
    /// A re-INVITE that it has not answered.
    pub ignored: Option<(ServerId, Message)>,
    pub(super) now: Instant,
    pub(super) transactions: Transactions,
    pub(super) sent: BTreeMap<ClientId, Sent>,
    /// What its session descriptions say.
    pub says: Says,
    pub(super) registration: (String, u32),
    /// The dialogs of its subscriptions, by Call-ID.
    pub(super) subscriptions: BTreeMap<Vec<u8>, Dialog>,
    /// The users of requests that are not of its own user, by Call-ID.
    pub(super) lines: BTreeMap<Vec<u8>, String>,
    /// The credentials of its first REGISTER.
    pub(super) authorization: Option<Vec<u8>>,
    pub(super) serial: u32,
}

/// A call as the phone knows it.
pub struct PhoneCall {
    pub stage: Stage,
    pub dialog: Option<Dialog>,
    /// The INVITE that began it, ours or theirs.
    pub invite: Message,
    pub client: Option<ClientId>,
    pub server: Option<ServerId>,
    pub tag: String,
    /// The reliable provisional responses that it sends.
    pub reliable: Option<Sender<Message>>,
    /// The RSeq of the last reliable provisional response that it acknowledged.
    pub acknowledged: Receiver,
}

/// A request that waits for its final response.
pub struct Sent {
    pub request: Message,
    /// Whether it has credentials.
    pub has_tried: bool,
}

impl Phone {
    pub fn new(user: &str, label: &str, client: Client, flow: Flow, seed: u64, now: Instant) -> Self {
        let timers = Timers { trying: None, ..Timers::default() };
        Phone {
            user: user.to_owned(),
            label: label.to_owned(),
            password: password_of(user),
            client,
            flow,
            sent_by: None,
            manners: Manners {
                rings: true,
                acknowledges: true,
                on_reinvite: OnReinvite::Accept,
                on_info: Some(200),
                on_notify: Some(200),
                on_options: Some(200),
                timer: None,
                is_deaf: false,
                has_lines: false,
                reliability: None,
                pracks: true,
                on_foreign_prack: 481,
            },
            call: None,
            aside: Vec::new(),
            heard: Vec::new(),
            ignored: None,
            now,
            transactions: Transactions::new(timers, seed),
            sent: BTreeMap::new(),
            says: Says {
                version: 1,
                direction: "sendrecv",
                generation: 1,
                address: flow.local().ip().to_string(),
            },
            registration: (format!("reg-{label}"), 0),
            subscriptions: BTreeMap::new(),
            lines: BTreeMap::new(),
            authorization: None,
            serial: 0,
        }
    }

    // What it is told to do.

    pub fn register(&mut self) {
        self.register_for(600);
    }

    pub fn register_for(&mut self, seconds: u32) {
        let host = self.host();
        let contact = self.client.registered_contact(&self.user, &host, seconds);
        self.send_register(&contact);
    }

    /// It is started anew: its next REGISTER has another Call-ID.
    pub fn forget_registration(&mut self) {
        self.registration = (format!("again-{}", self.label), 0);
    }

    /// Signs in another user, as a telephone with two lines does.
    pub fn register_as(&mut self, user: &str) {
        let own = (self.user.clone(), self.password.clone(), self.registration.clone());
        self.user = user.to_owned();
        self.registration = (format!("reg-{}-{user}", self.label), 0);
        self.lines.insert(self.registration.0.clone().into_bytes(), user.to_owned());
        self.register();
        (self.user, self.password, self.registration) = own;
    }

    pub fn send_register(&mut self, contact: &str) {
        let request = self.register_request(contact).finish();
        self.send(request);
    }

    /// Refreshes as SIP.js does: with the credentials that were good once.
    pub fn refresh_with_old_credentials(&mut self) {
        let old = self.authorization.clone().expect("it has signed in");
        let contact = self.client.registered_contact(&self.user, &self.host(), 600);
        let request = self.register_request(&contact).header(Name::Authorization, old).finish();
        self.send(request);
    }

    /// A REGISTER without credentials, to be changed.
    pub fn register_request(&mut self, contact: &str) -> Builder {
        self.registration.1 += 1;
        let (call_id, cseq) = self.registration.clone();
        let aor = self.aor(&self.user.clone());
        let (from, tag) = (aor.clone(), format!("r{cseq}"));
        self.begin(Method::Register, "sip:192.0.2.1")
            .header(Name::From, format!("<{from}>;tag={tag}"))
            .header(Name::To, format!("<{aor}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("{cseq} REGISTER"))
            .header(Name::Contact, contact)
            .header(Name::Supported, "path,gruu,outbound")
    }

    pub fn dial(&mut self, callee: &str) {
        self.dial_with(callee, |invite| invite);
    }

    /// Dials with header fields of one's own.
    pub fn dial_with(&mut self, callee: &str, add: impl FnOnce(Builder) -> Builder) {
        let offer = self.client.offer(&self.says);
        let invite = add(self.invite_request(callee)).body(b"application/sdp", offer.as_bytes()).finish();
        self.place(invite);
    }

    pub fn dial_with_body(&mut self, callee: &str, content_type: &str, body: &str) {
        let invite = self.invite_request(callee).body(content_type.as_bytes(), body.as_bytes()).finish();
        self.place(invite);
    }

    /// Dials without an offer.
    pub fn dial_late(&mut self, callee: &str) {
        let invite = self.invite_request(callee).finish();
        self.place(invite);
    }

    pub fn invite_request(&mut self, callee: &str) -> Builder {
        let tag = self.next("t");
        let call_id = self.next("call");
        let (from, to, contact) = (self.aor(&self.user.clone()), self.aor(callee), self.contact());
        let invite = self
            .begin(Method::Invite, &to)
            .header(Name::From, format!("\"{}\" <{from}>;tag={tag}", self.label))
            .header(Name::To, format!("<{to}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 INVITE")
            .header(Name::Contact, contact)
            .header(Name::Allow, self.client.allow())
            .header(Name::Supported, self.client.supported())
            .header(Name::UserAgent, self.client.user_agent());
        let invite = match self.manners.reliability {
            Some(name) => invite.header(name, "100rel"),
            None => invite,
        };
        match self.manners.timer {
            Some(timer) => invite.header(Name::SessionExpires, timer),
            None => invite,
        }
    }

    pub fn place(&mut self, invite: Message) {
        let tag = String::from_utf8_lossy(invite.from().unwrap().tag().unwrap()).into_owned();
        let client = self.send(invite.clone());
        self.aside.extend(self.call.take());
        self.call = Some(PhoneCall {
            stage: Stage::Calling,
            dialog: None,
            invite,
            client: Some(client),
            server: None,
            tag,
            reliable: None,
            acknowledged: Receiver::default(),
        });
    }

    /// Gives up before the answer.
    pub fn cancel(&mut self) {
        self.cancel_because("");
    }

    pub fn cancel_because(&mut self, reason: &str) {
        let client = self.call.as_ref().and_then(|call| call.client).expect("a call of its own");
        self.transactions.cancel_because(self.now, client, reason.as_bytes());
    }

    pub fn ring(&mut self) {
        self.respond_provisional(180, false);
    }

    /// 183 with an answer.
    pub fn ring_with_media(&mut self) {
        self.respond_provisional(183, true);
    }

    /// 180 with header fields of the test's own.
    pub fn ring_with(&mut self, add: impl FnOnce(Builder) -> Builder) {
        let (server, reply, _) = self.reply_to_call(180);
        self.transactions.respond(self.now, server, add(reply).finish());
    }

    pub fn respond_provisional(&mut self, status: u16, with_media: bool) {
        let (server, reply, offer) = self.reply_to_call(status);
        let reply = if with_media { self.with_answer(reply, &offer) } else { reply };
        self.transactions.respond(self.now, server, reply.finish());
    }

    /// A provisional response that is repeated until its PRACK comes.
    pub fn ring_reliably(&mut self, status: u16, with_media: bool) {
        let (server, reply, offer) = self.reply_to_call(status);
        let reply = reply.header(Name::Require, "100rel");
        let reply = if with_media { self.with_answer(reply, &offer) } else { reply };
        let now = self.now;
        let call = self.call.as_mut().expect("a call");
        let cseq = call.invite.cseq().unwrap().number;
        let sender = call.reliable.get_or_insert_with(|| Sender::new(cseq, 7000, Timers::default().t1));
        let make = |rseq: u32| reply.header(Name::RSeq, rseq.to_string()).finish();
        let response = sender.send(now, with_media, make).expect("none waits").clone();
        self.transactions.respond(now, server, response);
    }

    /// A PRACK with that RAck.
    pub fn prack(&mut self, rack: &str) {
        let prack = self.in_dialog(Method::Prack).header(Name::Rack, rack).finish();
        self.send(prack);
    }

    /// Whether a provisional response of its own waits for its PRACK.
    pub fn awaits_prack(&self) -> bool {
        self.call.as_ref().and_then(|call| call.reliable.as_ref()).is_some_and(Sender::is_awaiting)
    }

    /// A provisional response with a session description of the test's own.
    pub fn respond_with_body(&mut self, status: u16, body: &str) {
        let (server, reply, _) = self.reply_to_call(status);
        let reply = reply.body(b"application/sdp", body.as_bytes()).finish();
        self.transactions.respond(self.now, server, reply);
    }

    pub fn answer(&mut self) {
        self.answer_with(|reply| reply);
    }

    pub fn answer_with(&mut self, add: impl FnOnce(Builder) -> Builder) {
        let (server, reply, offer) = self.reply_to_call(200);
        let reply = match self.manners.timer {
            Some(timer) => reply.header(Name::SessionExpires, timer),
            None => reply,
        };
        let reply = add(self.with_answer(reply, &offer)).finish();
        self.transactions.respond(self.now, server, reply);
        let call = self.call.as_mut().expect("a call");
        call.stage = Stage::Up;
        if let Some(sender) = &mut call.reliable {
            sender.finish();
        }
        call.dialog.as_mut().expect("a dialog").confirm();
    }

    /// Answers with nothing to add to what a reliable provisional response said.
    pub fn answer_without_session(&mut self) {
        let (server, reply, _) = self.reply_to_call(200);
        self.transactions.respond(self.now, server, reply.finish());
        let call = self.call.as_mut().expect("a call");
        call.stage = Stage::Up;
        call.dialog.as_mut().expect("a dialog").confirm();
    }

    /// Answers with a session description of the test's own.
    pub fn answer_with_body(&mut self, content_type: &str, body: &str) {
        let (server, reply, _) = self.reply_to_call(200);
        let reply = reply.body(content_type.as_bytes(), body.as_bytes()).finish();
        self.transactions.respond(self.now, server, reply);
        let call = self.call.as_mut().expect("a call");
        call.stage = Stage::Up;
        if let Some(sender) = &mut call.reliable {
            sender.finish();
        }
        call.dialog.as_mut().expect("a dialog").confirm();
    }

    pub fn refuse(&mut self, status: u16) {
        self.refuse_with(status, |reply| reply);
    }

    pub fn refuse_with(&mut self, status: u16, add: impl FnOnce(Builder) -> Builder) {
        let (server, reply, _) = self.reply_to_call(status);
        self.transactions.respond(self.now, server, add(reply).finish());
        self.call = None;
    }

    /// Sends the caller elsewhere.
    pub fn redirect(&mut self, contact: &str) {
        self.redirect_with(contact, |reply| reply);
    }

    pub fn redirect_with(&mut self, contact: &str, add: impl FnOnce(Builder) -> Builder) {
        let call = self.call.take().expect("a call");
        let reply =
            Builder::reply(&call.invite, 302).to_tag(call.tag.as_bytes()).header(Name::Contact, contact);
        self.transactions.respond(self.now, call.server.expect("a call that came in"), add(reply).finish());
    }

    fn reply_to_call(&mut self, status: u16) -> (ServerId, Builder, Bytes) {
        let contact = self.contact();
        let call = self.call.as_mut().expect("a call");
        let reply = Builder::reply(&call.invite, status)
            .to_tag(call.tag.as_bytes())
            .header(Name::Contact, contact)
            .header(Name::Allow, self.client.allow());
        (call.server.expect("a call that came in"), reply, call.invite.body_bytes())
    }

    pub(super) fn with_answer(&self, reply: Builder, offer: &[u8]) -> Builder {
        reply.body(b"application/sdp", self.client.answer(offer, &self.says).as_bytes())
    }

    pub fn hang_up(&mut self) {
        self.hang_up_with(|bye| bye);
    }

    pub fn hang_up_with(&mut self, add: impl FnOnce(Builder) -> Builder) {
        let bye = add(self.in_dialog(Method::Bye)).finish();
        self.send(bye);
        self.call = None;
    }

    pub fn hold(&mut self) {
        self.reinvite("sendonly");
    }

    pub fn resume(&mut self) {
        self.reinvite("sendrecv");
    }

    /// A re-INVITE with that direction.
    pub fn reinvite(&mut self, direction: &'static str) {
        self.says.direction = direction;
        self.says.version += 1;
        self.refresh_by_reinvite();
    }

    /// A re-INVITE that says what was said last.
    pub fn refresh_by_reinvite(&mut self) {
        let offer = self.client.offer(&self.says);
        let contact = self.contact();
        let request = self.in_dialog(Method::Invite).header(Name::Contact, contact);
        let request = match self.manners.timer {
            Some(timer) => request.header(Name::SessionExpires, timer),
            None => request,
        };
        self.send(request.body(b"application/sdp", offer.as_bytes()).finish());
    }

    /// A re-INVITE without an offer; its 200 has one, which the ACK answers with that direction.
    pub fn reinvite_late(&mut self, direction: &'static str) {
        self.says.direction = direction;
        self.says.version += 1;
        let contact = self.contact();
        let request = self.in_dialog(Method::Invite).header(Name::Contact, contact).finish();
        self.send(request);
    }

    pub fn restart_ice(&mut self) {
        self.says.generation += 1;
        self.says.version += 1;
        self.refresh_by_reinvite();
    }

    /// Takes the re-INVITE that it has not answered.
    pub fn accept_ignored(&mut self) {
        let (server, request) = self.ignored.take().expect("one that waits");
        self.accept_reinvite(server, &request);
    }

    /// Gives the re-INVITE that it has not answered this status.
    pub fn forget_ignored(&mut self, status: u16) {
        let (server, request) = self.ignored.take().expect("one that waits");
        self.transactions.respond(self.now, server, Builder::reply(&request, status).finish());
    }

    /// Refuses it with header fields of the test's own.
    pub fn refuse_ignored(&mut self, status: u16, add: impl FnOnce(Builder) -> Builder) {
        let (server, request) = self.ignored.take().expect("one that waits");
        self.transactions.respond(self.now, server, add(Builder::reply(&request, status)).finish());
    }

    /// Takes it with header fields of the test's own.
    pub fn answer_ignored_with(&mut self, add: impl FnOnce(Builder) -> Builder) {
        let contact = self.contact();
        let (server, request) = self.ignored.take().expect("one that waits");
        let reply = add(Builder::reply(&request, 200).header(Name::Contact, contact));
        let reply = self.with_answer(reply, request.body()).finish();
        self.transactions.respond(self.now, server, reply);
    }

    /// Says of it that it is looking into the matter.
    pub fn ring_reinvite(&mut self) {
        let (server, request) = self.ignored.as_ref().expect("one that waits");
        self.transactions.respond(self.now, *server, Builder::reply(request, 180).finish());
    }

    /// Answers it with nonsense from nowhere.
    pub fn answer_reinvite_badly(&mut self) {
        let (server, request) = self.ignored.take().expect("one that waits");
        let reply = Builder::reply(&request, 200).header(Name::Contact, "*");
        self.transactions.respond(self.now, server, reply.body(b"application/sdp", b"nonsense").finish());
    }

    /// Answers it with a body of the test's own.
    pub fn answer_reinvite(&mut self, content_type: &str, body: &str) {
        let contact = self.contact();
        let (server, request) = self.ignored.take().expect("one that waits");
        let reply = Builder::reply(&request, 200).header(Name::Contact, contact);
        let reply = reply.body(content_type.as_bytes(), body.as_bytes()).finish();
        self.transactions.respond(self.now, server, reply);
    }

    /// Cancels its own re-INVITE.
    pub fn cancel_reinvite(&mut self) {
        let client = *self.sent.keys().last().expect("it was sent");
        self.transactions.cancel(self.now, client);
    }

    /// A request within the dialog with a body.
    pub fn send_in_dialog(&mut self, method: Method, content_type: &str, body: &str) {
        let request = self.in_dialog(method).body(content_type.as_bytes(), body.as_bytes()).finish();
        self.send(request);
    }

    /// A request within the dialog, to be changed.
    pub fn in_dialog(&mut self, method: Method) -> Builder {
        let branch = self.transactions.new_branch();
        let sent_by = self.host();
        let dialog = self.call.as_mut().and_then(|call| call.dialog.as_mut()).expect("a dialog");
        dialog.request(method, branch.as_bytes(), sent_by.as_bytes())
    }

    /// Sends a request and keeps it until it is answered.
    pub fn send(&mut self, request: Message) -> ClientId {
        let has_tried = request.has(Name::Authorization) || request.has(Name::ProxyAuthorization);
        let client = self.transactions.request(self.now, self.flow, request.clone());
        self.sent.insert(client, Sent { request, has_tried });
        client
    }

    /// It has another flow from here on.
    pub fn moved(&mut self, flow: Flow) {
        self.flow = flow;
        if let Some(dialog) = self.call.as_mut().and_then(|call| call.dialog.as_mut()) {
            dialog.flow = flow;
        }
    }

    // What it is made of.

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let reliable = self.call.as_ref().and_then(|call| call.reliable.as_ref());
        self.transactions.poll_timeout().into_iter().chain(reliable.and_then(Sender::poll_timeout)).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    /// Whether it waits for nothing.
    pub(super) fn is_done(&self) -> bool {
        self.transactions.client_count() + self.transactions.server_count() == 0
    }

    pub fn host(&self) -> String {
        self.client.host(&self.flow.local().ip().to_string())
    }

    pub fn contact(&self) -> String {
        let contact = self.client.contact(&self.user, &self.host());
        match self.flow.transport() {
            Transport::Tcp => contact.replace('>', ";transport=tcp>"),
            _ => contact,
        }
    }

    pub(super) fn aor(&self, user: &str) -> String {
        if user.starts_with("sip:") { user.to_owned() } else { format!("sip:{user}@192.0.2.1") }
    }

    pub(super) fn next(&mut self, what: &str) -> String {
        self.serial += 1;
        format!("{what}-{}-{}", self.label, self.serial)
    }

    pub(super) fn begin(&mut self, method: Method, uri: &str) -> Builder {
        let via = self.new_via();
        Builder::request(method, uri.as_bytes()).header(Name::Via, via).header(Name::MaxForwards, "70")
    }

    pub fn new_via(&mut self) -> String {
        let rport = if self.flow.transport() == Transport::Udp { ";rport" } else { "" };
        let branch = self.transactions.new_branch();
        let sent_by = self.sent_by.clone().unwrap_or_else(|| self.host());
        format!("SIP/2.0/{} {sent_by};branch={branch}{rport}", self.flow.transport())
    }
}
