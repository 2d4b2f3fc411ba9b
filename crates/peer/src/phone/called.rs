//! What others ask of a phone: [RFC 3261 §8.2], [§13.3].
//!
//! [RFC 3261 §8.2]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2
//! [§13.3]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3

use std::time::Instant;

use bytes::Bytes;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::ServerId;

use super::calling::sdp;
use super::machine::{Call, Phone, Stage};
use super::writing::ALLOW;
use super::{End, Event, Failure};

impl Phone {
    /// Lets a caller hear that it rings.
    pub fn ring(&mut self, now: Instant) {
        let Some(Call { stage: Stage::Called, question: Some((id, request)), tag, .. }) = &self.call else {
            return;
        };
        let reply = self.reply(request, 180, tag).finish();
        self.transactions.respond(now, *id, reply);
    }

    /// Answers a call, or new media in one, with our description: an answer to their offer, or an offer where there was
    /// none.
    pub fn answer(&mut self, now: Instant, own: Bytes) {
        let Some(call) = &mut self.call else { return };
        let Some((id, request)) = call.question.take() else { return };
        let tag = call.tag.clone();
        let reply = self.reply(&request, 200, &tag).body(b"application/sdp", &own).finish();
        let is_new = matches!(self.call, Some(Call { stage: Stage::Called, .. }));
        if is_new {
            match Dialog::uas(&request, tag.as_bytes(), self.flow) {
                Ok(mut dialog) => {
                    dialog.confirm();
                    if let Some(call) = &mut self.call {
                        call.stage = Stage::Up(Box::new(dialog));
                    }
                }
                Err(_) => {
                    self.counts.refused += 1;
                    let bad = Builder::reply(&request, 400).to_tag(tag.as_bytes()).finish();
                    self.transactions.respond(now, id, bad);
                    return self.end(End::Failed(Failure::NoDialog));
                }
            }
        }
        self.transactions.respond(now, id, reply);
        if *request.method_ref() == Method::Invite
            && let Some(call) = &mut self.call
        {
            call.unconfirmed = Some((id, sdp(&request).is_none()));
        }
    }

    /// Refuses a call, which ends it, or new media in one, which does not.
    pub fn refuse(&mut self, now: Instant, status: u16) {
        let Some(call) = &mut self.call else { return };
        let Some((id, request)) = call.question.take() else { return };
        let is_new = matches!(call.stage, Stage::Called);
        let reply = Builder::reply(&request, status).to_tag(call.tag.as_bytes()).finish();
        self.transactions.respond(now, id, reply);
        if is_new {
            self.end(End::Ours);
        }
    }

    pub(super) fn handle_request(&mut self, now: Instant, id: ServerId, request: &Message) {
        let is_in_dialog = request.to().is_ok_and(|to| to.tag().is_some());
        let status = match (request.method_ref(), is_in_dialog) {
            (_, true) => return self.handle_in_dialog(now, id, request),
            (Method::Invite, false) if self.call.is_none() => return self.ring_in(id, request),
            (Method::Invite, false) => 486,
            (Method::Options, false) => 200,
            (Method::Bye | Method::Update, false) => 481,
            _ => 405,
        };
        self.counts.refused += u64::from(status != 200);
        let reply = Builder::reply(request, status).stateless_to_tag(request).header(Name::Allow, ALLOW);
        self.transactions.respond(now, id, reply.finish());
    }

    /// Somebody calls.
    fn ring_in(&mut self, id: ServerId, request: &Message) {
        let from = request.from();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.events.push_back(Event::Incoming {
            from: from.as_ref().map(|from| text(from.uri)).unwrap_or_default(),
            display: from.map(|from| text(&from.display_unquoted())).unwrap_or_default(),
            offer: sdp(request),
        });
        self.call = Some(Call {
            stage: Stage::Called,
            tag: self.word(),
            question: Some((id, request.clone())),
            unconfirmed: None,
            is_given_up: false,
        });
    }

    fn handle_in_dialog(&mut self, now: Instant, id: ServerId, request: &Message) {
        let dialog = match self.call.as_mut().map(|call| &mut call.stage) {
            Some(Stage::Up(dialog)) if dialog.matches(request) => dialog,
            _ => {
                self.counts.refused += 1;
                let reply = Builder::reply(request, 481).finish();
                return self.transactions.respond(now, id, reply);
            }
        };
        if let Err(reject) = dialog.handle_request(request) {
            self.counts.refused += 1;
            let reply = Builder::reply(request, reject.status()).finish();
            return self.transactions.respond(now, id, reply);
        }
        let offer = sdp(request);
        let has_question = self.call.as_ref().is_some_and(|call| call.question.is_some());
        let reply = match request.method_ref() {
            Method::Bye => {
                let reply = Builder::reply(request, 200).finish();
                self.transactions.respond(now, id, reply);
                return self.end(End::Theirs);
            }
            // Another offer before the first is answered (RFC 3261 §14.2).
            Method::Invite | Method::Update if has_question => {
                Builder::reply(request, 500).header(Name::RetryAfter, "1")
            }
            // A session timer that is refreshed.
            Method::Update if offer.is_none() => self.reply(request, 200, ""),
            Method::Invite | Method::Update => {
                if let Some(call) = &mut self.call {
                    call.question = Some((id, request.clone()));
                }
                return self.events.push_back(Event::Reoffered(offer));
            }
            Method::Options => self.reply(request, 200, ""),
            _ => {
                self.counts.refused += 1;
                Builder::reply(request, 405).header(Name::Allow, ALLOW)
            }
        };
        self.transactions.respond(now, id, reply.finish());
    }

    pub(super) fn handle_cancel(
        &mut self,
        now: Instant,
        id: ServerId,
        invite: Option<ServerId>,
        cancel: &Message,
    ) {
        let is_it = |call: &&Call| call.question.as_ref().is_some_and(|(id, _)| Some(*id) == invite);
        let found = self.call.as_ref().filter(is_it);
        let found = found.and_then(|call| Some((call.question.clone()?, call.tag.clone())));
        let Some(((question, request), tag)) = found else {
            let reply = Builder::reply(cancel, if invite.is_some() { 200 } else { 481 });
            return self.transactions.respond(now, id, reply.stateless_to_tag(cancel).finish());
        };
        let reply = Builder::reply(cancel, 200).to_tag(tag.as_bytes()).finish();
        self.transactions.respond(now, id, reply);
        let reply = Builder::reply(&request, 487).to_tag(tag.as_bytes()).finish();
        self.transactions.respond(now, question, reply);
        match self.call.as_mut() {
            Some(call) if !matches!(call.stage, Stage::Called) => call.question = None,
            _ => self.end(End::Cancelled),
        }
    }

    pub(super) fn handle_ack(&mut self, now: Instant, invite: Option<ServerId>, ack: &Message) {
        let waiting =
            self.call.as_mut().and_then(|call| call.unconfirmed.take_if(|(id, _)| Some(*id) == invite));
        match waiting {
            Some(_) if self.call.as_ref().is_some_and(|call| call.is_given_up) => self.hang_up(now),
            Some((_, has_answer)) => {
                self.events.push_back(Event::Confirmed(sdp(ack).filter(|_| has_answer)));
            }
            None => self.counts.stray += 1,
        }
    }

    /// Nobody has acknowledged that we have answered: the call is none ([RFC 3261 §13.3.1.4]).
    ///
    /// [RFC 3261 §13.3.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4
    pub(super) fn handle_unconfirmed(&mut self, now: Instant, id: ServerId) {
        let is_it = self.call.as_ref().and_then(|call| call.unconfirmed).is_some_and(|(it, _)| it == id);
        if let (true, Some(Call { stage: Stage::Up(dialog), is_given_up, .. })) = (is_it, &self.call) {
            let (dialog, is_given_up) = ((**dialog).clone(), *is_given_up);
            self.say_goodbye(now, dialog, None);
            self.end(if is_given_up { End::Ours } else { End::Failed(Failure::NoAnswer) });
        }
    }
}
