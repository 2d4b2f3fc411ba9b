//! What a phone does to transfer a call, and to have two at once.

use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::Event;

use super::phone::{Phone, PhoneCall};

impl Phone {
    /// Goes on with another of its calls.
    pub fn swap(&mut self) {
        let next = (!self.aside.is_empty()).then(|| self.aside.remove(0));
        let last = std::mem::replace(&mut self.call, next);
        self.aside.extend(last);
    }

    /// Asks for a transfer of its call to a user.
    pub fn refer(&mut self, user: &str) {
        self.refer_with(&format!("<sip:{user}@192.0.2.1>"), |refer| refer);
    }

    /// The same with that Refer-To and header fields of one's own.
    pub fn refer_with(&mut self, refer_to: &str, add: impl FnOnce(Builder) -> Builder) {
        let (contact, own) = (self.contact(), format!("<sip:{}@192.0.2.1>", self.user));
        let refer = self
            .in_dialog(Method::Refer)
            .header(Name::Contact, contact)
            .header(Name::ReferTo, refer_to)
            .header(Name::ReferredBy, own);
        self.send(add(refer).finish());
    }

    /// Asks for a transfer of its call to the far end of the call that it has set aside.
    pub fn refer_to_aside(&mut self) {
        let dialog = self.aside[0].dialog.as_ref().expect("a dialog");
        let uri = String::from_utf8_lossy(&dialog.remote_target).into_owned();
        let refer_to = format!("<{uri}?Replaces={}>", escaped(&self.replaces_of_aside()));
        self.refer_with(&refer_to, |refer| refer);
    }

    /// A Replaces that names the call that it has set aside, as its far end knows it.
    pub fn replaces_of_aside(&self) -> String {
        replaces_of(&self.aside[0])
    }

    /// A Replaces that names its call, as the far end knows it.
    pub fn replaces(&self) -> String {
        replaces_of(self.call.as_ref().expect("a call"))
    }

    /// What it was told of its transfers.
    pub fn told(&self) -> Vec<String> {
        let line = |notify: &&Message| String::from_utf8_lossy(notify.body()).trim_end().to_owned();
        self.requests("NOTIFY").iter().map(line).collect()
    }

    /// The call beside the first one that an event is for.
    pub(super) fn aside_of(&self, event: &Event) -> Option<usize> {
        let (Event::Request { message, .. }
        | Event::Response { message, .. }
        | Event::Ack { message, .. }
        | Event::Cancel { message, .. }) = event
        else {
            return None;
        };
        let is_it = |call: &PhoneCall| call.invite.call_id() == message.call_id();
        self.aside.iter().position(is_it)
    }

    /// Takes another call in hand for a moment, and gives it back.
    pub(super) fn exchange_calls(&mut self, index: Option<usize>) {
        let Some(index) = index else { return };
        match self.call.take() {
            Some(call) if index < self.aside.len() => {
                self.call = Some(std::mem::replace(&mut self.aside[index], call));
            }
            Some(call) => self.call = Some(call),
            None => self.call = (index < self.aside.len()).then(|| self.aside.remove(index)),
        }
    }
}

fn replaces_of(call: &PhoneCall) -> String {
    let id = &call.dialog.as_ref().expect("a dialog").id;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (call_id, theirs, ours) = (text(&id.call_id), text(&id.remote_tag), text(&id.local_tag));
    format!("{call_id};to-tag={theirs};from-tag={ours}")
}

/// A header field value inside a URI.
pub fn escaped(value: &str) -> String {
    value.replace('%', "%25").replace(';', "%3B").replace('=', "%3D").replace('@', "%40")
}
