//! A call that we make, and the end of any: [RFC 3261 §13.2], [§15].
//!
//! [RFC 3261 §13.2]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2
//! [§15]: https://www.rfc-editor.org/rfc/rfc3261#section-15

use std::time::Instant;

use bytes::Bytes;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::ClientId;

use super::machine::{Attempt, Call, Calling, Phone, Stage, refused};
use super::writing::ALLOW;
use super::{End, Event, Failure};

impl Phone {
    /// Calls a SIP URI with an offer; says whether it does: not while there is another call.
    ///
    /// [`Event::Progress`] and [`Event::Answered`] or [`Event::Ended`] follow.
    pub fn call(&mut self, now: Instant, target: &str, offer: Bytes) -> bool {
        if self.call.is_some() {
            return false;
        }
        let (call_id, tag) = (self.word(), self.word());
        let target = target.as_bytes().to_vec();
        let invite = Invite { target, call_id, tag, cseq: 1, offer, attempt: Attempt::default() };
        self.send_invite(now, invite, None);
        true
    }

    /// Ends the call, whatever it is doing; [`Event::Ended`] follows, at once unless it is being made or the ACK of our answer
    /// is on its way: before that we may say no BYE ([RFC 3261 §15]). Whoever hangs up again does not wait for it.
    ///
    /// [RFC 3261 §15]: https://www.rfc-editor.org/rfc/rfc3261#section-15
    pub fn hang_up(&mut self, now: Instant) {
        let unconfirmed = self.call.as_mut().filter(|call| call.unconfirmed.is_some());
        if unconfirmed.is_some_and(|call| !std::mem::replace(&mut call.is_given_up, true)) {
            return;
        }
        match self.call.as_mut().map(|call| &mut call.stage) {
            None => {}
            Some(Stage::Calling(calling)) => {
                calling.is_given_up = true;
                self.transactions.cancel(now, calling.id);
            }
            Some(Stage::Called) => self.refuse(now, 486),
            Some(Stage::Up(dialog)) => {
                let dialog = dialog.clone();
                if let Some((id, _)) = self.call.as_mut().and_then(|call| call.unconfirmed.take()) {
                    self.transactions.stop_2xx(now, id);
                }
                self.say_goodbye(now, *dialog, None);
                self.end(End::Ours);
            }
        }
    }

    fn send_invite(&mut self, now: Instant, invite: Invite, credentials: Option<(Name, Vec<u8>)>) {
        let own = self.own_uri();
        let to = String::from_utf8_lossy(&invite.target).into_owned();
        let cseq = (invite.cseq, Method::Invite);
        let mut request = self
            .request(&invite.target, (&own, &invite.tag), (&to, None), &invite.call_id, cseq)
            .header(Name::Contact, format!("<{}>", self.contact_uri()))
            .header(Name::Allow, ALLOW);
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        let request = request.body(b"application/sdp", &invite.offer).finish();
        let id = self.transactions.request(now, self.flow, request.clone());
        let Invite { target, call_id, tag, cseq, offer, attempt } = invite;
        let calling = Calling { target, call_id, tag, cseq, offer, id, request, attempt, is_given_up: false };
        let stage = Stage::Calling(Box::new(calling));
        self.call =
            Some(Call { stage, tag: String::new(), question: None, unconfirmed: None, is_given_up: false });
    }

    pub(super) fn call_answered(&mut self, now: Instant, id: ClientId, response: &Message) {
        let status = response.status().unwrap_or_default();
        let Some(Call { stage: Stage::Calling(calling), .. }) = &mut self.call else {
            return self.answered_again(now, response);
        };
        if calling.id != id {
            return self.answered_again(now, response);
        }
        match status {
            ..=100 => {}
            101..200 => {
                let reason = String::from_utf8_lossy(response.reason()).into_owned();
                self.events.push_back(Event::Progress { status, reason, answer: sdp(response) });
            }
            200..300 => {
                let is_given_up = calling.is_given_up;
                let Some(dialog) = self.acknowledge(id, response) else {
                    return self.end(End::Failed(Failure::NoDialog));
                };
                if is_given_up {
                    self.say_goodbye(now, dialog, None);
                    return self.end(End::Ours);
                }
                if let Some(call) = &mut self.call {
                    call.stage = Stage::Up(Box::new(dialog));
                }
                self.events.push_back(Event::Answered(sdp(response)));
            }
            401 | 407 if !calling.is_given_up => {
                let (uri, attempt, offer) = (calling.target.clone(), calling.attempt, calling.offer.clone());
                let (call_id, tag) = (calling.call_id.clone(), calling.tag.clone());
                let cseq = calling.cseq + 1;
                match self.credentials(response, Method::Invite.as_bytes(), &uri, attempt) {
                    Ok(credentials) => {
                        let attempt = attempt.next();
                        let invite = Invite { target: uri, call_id, tag, cseq, offer, attempt };
                        self.send_invite(now, invite, Some(credentials));
                    }
                    Err(failure) => self.end(End::Failed(failure)),
                }
            }
            _ if calling.is_given_up => self.end(End::Ours),
            _ => self.end(End::Failed(refused(response))),
        }
    }

    /// Acknowledges a 2xx to our INVITE, and gives the dialog that it makes.
    fn acknowledge(&mut self, id: ClientId, response: &Message) -> Option<Dialog> {
        let Some(Call { stage: Stage::Calling(calling), .. }) = &self.call else { return None };
        let dialog = Dialog::uac(&calling.request, response, self.flow).ok()?;
        self.send_ack(id, &dialog, dialog.local_cseq);
        Some(dialog)
    }

    fn send_ack(&mut self, id: ClientId, dialog: &Dialog, cseq: u32) {
        let branch = self.transactions.new_branch();
        let ack = dialog.ack(cseq, &branch, self.sent_by().as_bytes()).finish();
        self.transactions.ack_2xx(id, dialog.flow, ack);
    }

    /// A 2xx for a call that stands already: of another device, since a proxy has forked. We have one call, so that one is
    /// ended ([RFC 3261 §13.2.2.4]).
    ///
    /// [RFC 3261 §13.2.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.2.2.4
    fn answered_again(&mut self, now: Instant, response: &Message) {
        let is_invite = *response.method_ref() == Method::Invite;
        let Some(Call { stage: Stage::Up(dialog), .. }) = &self.call else {
            self.counts.stray += 1;
            return;
        };
        let is_other = response.to().is_ok_and(|to| to.tag().unwrap_or_default() != dialog.id.remote_tag);
        let is_ours = response.call_id() == Some(&dialog.id.call_id[..]);
        if !(is_invite && is_other && is_ours && matches!(response.status(), Some(200..300))) {
            self.counts.stray += 1;
            return;
        }
        let mut other = (**dialog).clone();
        let target = response.contacts().next().and_then(Result::ok);
        other.id.remote_tag =
            Bytes::copy_from_slice(response.to().ok().and_then(|to| to.tag()).unwrap_or_default());
        if let Some(target) = target {
            other.remote_target = Bytes::copy_from_slice(target.uri);
        }
        let cseq = response.cseq().map_or(other.local_cseq, |cseq| cseq.number);
        let branch = self.transactions.new_branch();
        let ack = other.ack(cseq, &branch, self.sent_by().as_bytes()).finish();
        self.transactions.send(self.flow, ack);
        self.say_goodbye(now, other, None);
    }

    /// Sends a BYE; what comes of it ends nothing any more.
    pub(super) fn say_goodbye(
        &mut self,
        now: Instant,
        mut dialog: Dialog,
        credentials: Option<(Name, Vec<u8>)>,
    ) {
        let branch = self.transactions.new_branch();
        let mut request = dialog.request(Method::Bye, &branch, self.sent_by().as_bytes());
        if let Some((name, value)) = credentials {
            request = request.header(name, value);
        }
        let request = request.finish();
        let id = self.transactions.request(now, dialog.flow, request.clone());
        if self.goodbyes.len() < MOST_GOODBYES {
            self.goodbyes.push((id, request));
        }
    }

    /// Takes the answer to a BYE: a challenge is answered once.
    pub(super) fn goodbye_answered(&mut self, now: Instant, at: usize, response: &Message) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        let (_, request) = self.goodbyes.swap_remove(at);
        let is_first = !request.has(Name::Authorization) && !request.has(Name::ProxyAuthorization);
        if !matches!(status, 401 | 407) || !is_first {
            return;
        }
        let uri = request.request_uri().to_vec();
        let attempt = Attempt::default();
        let Ok((name, value)) = self.credentials(response, Method::Bye.as_bytes(), &uri, attempt) else {
            return;
        };
        let branch = self.transactions.new_branch();
        let Some(again) = repeated(&request, &branch, &self.sent_by(), self.flow.transport().token()) else {
            return;
        };
        let again = again.header(name, value).finish();
        let id = self.transactions.request(now, self.flow, again.clone());
        self.goodbyes.push((id, again));
    }
}

/// What an INVITE is made of.
struct Invite {
    target: Vec<u8>,
    call_id: String,
    tag: String,
    cseq: u32,
    offer: Bytes,
    attempt: Attempt,
}

/// A request once more, with a branch and the next number.
fn repeated(request: &Message, branch: &[u8], sent_by: &str, transport: &str) -> Option<Builder> {
    let cseq = request.cseq().ok()?.number.saturating_add(1);
    let head = format!("SIP/2.0/{transport} {sent_by};branch=");
    let method = request.method();
    let number = format!("{cseq} {method}");
    let again = Builder::request(method, request.request_uri())
        .header(Name::Via, [head.as_bytes(), branch].concat())
        .header(Name::MaxForwards, "70")
        .copy(request, Name::Route)
        .copy(request, Name::From)
        .copy(request, Name::To)
        .copy(request, Name::CallId)
        .header(Name::CSeq, number);
    Some(again)
}

/// The session description of a message.
pub(super) fn sdp(message: &Message) -> Option<Bytes> {
    let body = message.body_bytes();
    (!body.is_empty()).then_some(body)
}

/// Calls that end at the same time.
const MOST_GOODBYES: usize = 8;
