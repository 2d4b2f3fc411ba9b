//! What a phone does by itself with what it hears.

use bytes::Bytes;
use ringback_sip::dialog::Dialog;
use ringback_sip::digest::{self, Login, Purpose};
use ringback_sip::header::Rack;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::reliable::{Due, Receiver, Verdict};
use ringback_sip::transaction::{ClientId, Event, ServerId};

use super::phone::{Client, OnReinvite, Phone, PhoneCall, Sent, Stage};
use super::surroundings::password_of;

impl Phone {
    pub(super) fn hear(&mut self, payload: &Bytes) {
        if self.manners.is_deaf {
            return;
        }
        let message = Message::parse(payload.clone()).expect("the exchange writes SIP");
        message.validate().expect("the exchange keeps the rules of SIP");
        assert!(message.is_request() || message.values(Name::Via).count() == 1, "one Via in a response");
        let event = self.transactions.handle_message(self.now, self.flow, message);
        self.react(event);
    }

    pub(super) fn handle_timeout(&mut self) {
        self.transactions.handle_timeout(self.now);
        self.repeat_provisional();
        self.react(None);
    }

    fn react(&mut self, first: Option<Event>) {
        let mut next = first.or_else(|| self.transactions.poll_event());
        while let Some(event) = next {
            self.handle(event);
            next = self.transactions.poll_event();
        }
    }

    fn handle(&mut self, event: Event) {
        let index = self.aside_of(&event);
        self.exchange_calls(index);
        self.handle_for_call(event);
        self.exchange_calls(index);
    }

    fn handle_for_call(&mut self, event: Event) {
        match event {
            Event::Request { id, message, .. } => {
                self.heard.push(message.clone());
                self.handle_request(id, message);
            }
            Event::Ack { message, .. } => self.heard.push(message),
            Event::Cancel { id, invite, message, .. } => {
                self.heard.push(message.clone());
                self.handle_cancel(id, invite, &message);
            }
            Event::Response { id, message } => {
                self.heard.push(message.clone());
                self.handle_response(id, &message);
            }
            Event::TimedOut { id } | Event::TransportFailed { id } => {
                self.sent.remove(&id);
                if self.call.as_ref().is_some_and(|call| call.client == Some(id)) {
                    self.call = None;
                }
            }
            Event::Terminated { id } => {
                self.sent.remove(&id);
            }
            // Nobody acknowledged its answer: it hangs up (RFC 3261 §13.3.1.4).
            Event::Ok2xxUnacknowledged { .. } => {
                if self.call.is_some() {
                    self.hang_up();
                }
            }
            Event::StrayResponse { message, .. } => self.heard.push(message),
            Event::Undeliverable { .. } | Event::AckTimedOut { .. } => {}
        }
    }

    fn handle_request(&mut self, id: ServerId, request: Message) {
        let is_ours = self
            .call
            .as_mut()
            .and_then(|call| call.dialog.as_mut())
            .is_some_and(|dialog| dialog.matches(&request) && dialog.handle_request(&request).is_ok());
        let has_tag = request.to().is_ok_and(|to| to.tag().is_some());
        match request.method_ref() {
            // What a transfer says belongs to its call: after the call, nobody knows it.
            Method::Notify if !is_ours && !is_of_transfer(&request) => {
                self.handle_notify(id, &request);
            }
            Method::Prack if !is_ours => self.respond(id, &request, self.manners.on_foreign_prack),
            Method::Prack => self.handle_prack(id, &request),
            _ if has_tag && !is_ours => self.respond(id, &request, 481),
            Method::Invite if !has_tag && self.call.is_some() && !self.manners.has_lines => {
                self.respond(id, &request, 486);
            }
            Method::Invite if !has_tag => self.handle_invite(id, request),
            Method::Invite => match self.manners.on_reinvite {
                OnReinvite::Accept => self.accept_reinvite(id, &request),
                OnReinvite::Refuse(status) => self.respond(id, &request, status),
                OnReinvite::Ignore => self.ignored = Some((id, request)),
            },
            Method::Bye => {
                self.respond(id, &request, 200);
                self.call = None;
            }
            Method::Info | Method::Message => {
                if let Some(status) = self.manners.on_info {
                    self.respond(id, &request, status);
                }
            }
            Method::Options => {
                if let Some(status) = self.manners.on_options {
                    self.respond(id, &request, status);
                }
            }
            Method::Update if self.client == Client::SipJs => self.respond(id, &request, 405),
            _ => self.respond(id, &request, 200),
        }
    }

    fn handle_invite(&mut self, id: ServerId, invite: Message) {
        self.aside.extend(self.call.take());
        let tag = self.next("t");
        let dialog = Dialog::uas(&invite, tag.as_bytes(), self.flow).expect("an INVITE that makes a dialog");
        self.call = Some(PhoneCall {
            stage: Stage::Ringing,
            dialog: Some(dialog),
            invite,
            client: None,
            server: Some(id),
            tag,
            reliable: None,
            acknowledged: Receiver::default(),
        });
        if self.manners.rings {
            self.ring();
        }
    }

    pub(super) fn accept_reinvite(&mut self, id: ServerId, request: &Message) {
        let contact = self.contact();
        let mut reply = Builder::reply(request, 200).header(Name::Contact, contact);
        if self.client == Client::JsSip && self.manners.timer.is_some() {
            reply = reply.header(Name::SessionExpires, "90;refresher=uas");
        }
        // What the phone holds stays held; what is held it only hears.
        let offer = String::from_utf8_lossy(request.body()).into_owned();
        let (holds, is_held) =
            (self.says.direction == "sendonly", offer.contains("a=sendonly") || offer.contains("a=inactive"));
        let direction = match (holds, is_held) {
            (false, false) => "sendrecv",
            (false, true) if offer.contains("a=inactive") => "inactive",
            (false, true) => "recvonly",
            (true, false) => "sendonly",
            (true, true) => "inactive",
        };
        let kept = std::mem::replace(&mut self.says.direction, direction);
        let reply = self.with_answer(reply, request.body());
        self.says.direction = kept;
        self.transactions.respond(self.now, id, reply.finish());
    }

    fn handle_cancel(&mut self, id: ServerId, invite: Option<ServerId>, cancel: &Message) {
        self.respond(id, cancel, if invite.is_some() { 200 } else { 481 });
        if let Some((server, request)) = self.ignored.take_if(|(server, _)| Some(*server) == invite) {
            let response = Builder::reply(&request, 487).finish();
            return self.transactions.respond(self.now, server, response);
        }
        let is_it = |call: &PhoneCall| call.server == invite && call.stage == Stage::Ringing;
        if let Some(call) = self.call.take_if(|call| is_it(call)) {
            let response = Builder::reply(&call.invite, 487).to_tag(call.tag.as_bytes()).finish();
            self.transactions.respond(self.now, call.server.expect("it came in"), response);
        }
    }

    fn handle_response(&mut self, id: ClientId, response: &Message) {
        let status = response.status().unwrap();
        let is_invite = *response.method_ref() == Method::Invite;
        if status < 200 {
            self.note_early_dialog(id, response);
            self.acknowledge_provisional(id, response);
            return;
        }
        let Some(sent) = (if is_invite && status < 300 { self.keep(id) } else { self.sent.remove(&id) })
        else {
            return;
        };
        match status {
            401 | 407 if self.try_credentials(id, &sent, response) => {}
            200..300 if is_invite => self.accepted(id, &sent, response),
            200..300 if *response.method_ref() == Method::Subscribe => self.subscribed(&sent, response),
            // A call that nobody took, or one that the other side has forgotten.
            300.. if is_invite && self.call.as_ref().is_some_and(|call| call.client == Some(id)) => {
                self.call = None;
            }
            481 if !matches!(response.method_ref(), Method::Subscribe | Method::Prack) => self.call = None,
            _ => {}
        }
    }

    /// A 2xx may come several times.
    fn keep(&self, id: ClientId) -> Option<Sent> {
        let sent = self.sent.get(&id)?;
        Some(Sent { request: sent.request.clone(), has_tried: sent.has_tried })
    }

    fn note_early_dialog(&mut self, id: ClientId, response: &Message) {
        let flow = self.flow;
        if let Some(call) = &mut self.call
            && call.client == Some(id)
            && call.dialog.is_none()
        {
            call.dialog = Dialog::uac(&call.invite, response, flow).ok();
        }
    }

    /// The PRACK of a reliable provisional response, with an answer when that has the offer.
    fn acknowledge_provisional(&mut self, id: ClientId, response: &Message) {
        let Some(call) = self.call.as_mut().filter(|call| call.client == Some(id)) else { return };
        let Verdict::Next(rack) = call.acknowledged.handle_provisional(response) else { return };
        let has_offer = call.invite.body().is_empty() && !response.body().is_empty();
        if !self.manners.pracks {
            return;
        }
        let prack = self.in_dialog(Method::Prack).header(Name::Rack, rack.to_string());
        let prack = if has_offer { self.with_answer(prack, response.body()) } else { prack };
        self.send(prack.finish());
    }

    fn handle_prack(&mut self, id: ServerId, prack: &Message) {
        let sender = self.call.as_mut().and_then(|call| call.reliable.as_mut());
        let rack = Rack::parse(prack.header(Name::Rack).expect("a RAck")).expect("a RAck that can be read");
        let matched = sender.is_some_and(|sender| sender.handle_prack(&rack).is_ok());
        self.respond(id, prack, if matched { 200 } else { 481 });
    }

    fn repeat_provisional(&mut self) {
        let now = self.now;
        let Some(call) = &mut self.call else { return };
        let (Some(server), Some(sender)) = (call.server, &mut call.reliable) else { return };
        match sender.handle_timeout(now) {
            Some(Due::Again(response)) => {
                let response = response.clone();
                self.transactions.respond(now, server, response);
            }
            Some(Due::Unacknowledged) => self.refuse(504),
            None => {}
        }
    }

    /// Our INVITE or re-INVITE was taken: the ACK, with an answer when the 2xx has the offer.
    fn accepted(&mut self, id: ClientId, sent: &Sent, response: &Message) {
        let flow = self.flow;
        let is_new = self.call.as_ref().is_some_and(|call| call.client == Some(id));
        let Some(call) = &mut self.call else { return };
        if is_new {
            call.stage = Stage::Up;
            match &mut call.dialog {
                Some(early) if early.matches(response) => {
                    early.handle_response(response).expect("a 200 that confirms");
                }
                _ => call.dialog = Dialog::uac(&sent.request, response, flow).ok(),
            }
        } else if let Some(dialog) = &mut call.dialog {
            dialog.handle_response(response).expect("a Contact that can be read");
        }
        if !self.manners.acknowledges {
            return;
        }
        let branch = self.transactions.new_branch();
        let sent_by = self.host();
        let Some(dialog) = self.call.as_ref().and_then(|call| call.dialog.as_ref()) else { return };
        let number = response.cseq().unwrap().number;
        let mut ack = dialog.ack(number, branch.as_bytes(), sent_by.as_bytes());
        // Without an offer in the 2xx, it was answered in a PRACK.
        if sent.request.body().is_empty() && !response.body().is_empty() {
            ack = self.with_answer(ack, response.body());
        }
        self.transactions.ack_2xx(id, flow, ack.finish());
    }

    /// Sends a request again with credentials; says whether it did.
    fn try_credentials(&mut self, id: ClientId, sent: &Sent, response: &Message) -> bool {
        let is_proxy = response.status() == Some(407);
        let (challenge, credentials) = if is_proxy {
            (Name::ProxyAuthenticate, Name::ProxyAuthorization)
        } else {
            (Name::WwwAuthenticate, Name::Authorization)
        };
        let challenges: Vec<Vec<u8>> = response.headers(challenge).map(<[u8]>::to_vec).collect();
        let is_stale = challenges.iter().any(|value| String::from_utf8_lossy(value).contains("stale=true"));
        if sent.has_tried && !is_stale {
            return false;
        }
        let cnonce = self.next("c");
        let request = &sent.request;
        let (user, password) = match self.lines.get(request.call_id().unwrap()) {
            Some(user) => (user.clone(), password_of(user)),
            None => (self.user.clone(), self.password.clone()),
        };
        let login = Login { realm: None, user: user.as_bytes(), password: password.as_bytes() };
        let purpose = Purpose {
            method: request.method_ref().as_bytes(),
            uri: request.request_uri(),
            cnonce: &cnonce,
            nc: 1,
        };
        let value =
            digest::answer(challenges.iter().map(Vec::as_slice), &login, &purpose).expect("an answer");
        let number = request.cseq().unwrap().number + 1;
        let via = self.new_via();
        let mut edit = request.edit();
        edit.replace(Name::Via, via.as_bytes());
        edit.replace(Name::CSeq, format!("{number} {}", request.method_ref()).as_bytes());
        edit.remove(credentials);
        edit.push_back(credentials, &value);
        let request = edit.finish();
        if *request.method_ref() == Method::Register && user == self.user {
            self.registration.1 = number;
            self.authorization.get_or_insert(value);
        }
        let client = self.send(request.clone());
        if let Some(call) = &mut self.call {
            if call.client == Some(id) {
                call.client = Some(client);
                call.invite = request;
            } else if let Some(dialog) = &mut call.dialog {
                dialog.local_cseq = dialog.local_cseq.max(number);
            }
        }
        true
    }

    pub(super) fn respond(&mut self, id: ServerId, request: &Message, status: u16) {
        let response = Builder::reply(request, status).to_tag(b"phone").finish();
        self.transactions.respond(self.now, id, response);
    }
}

/// Whether a NOTIFY is of the subscription that a REFER makes (RFC 3515).
fn is_of_transfer(notify: &Message) -> bool {
    notify.header(Name::Event).is_some_and(|event| event.starts_with(b"refer"))
}
