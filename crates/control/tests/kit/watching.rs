//! What a phone does with subscriptions, publications and instant messages.

use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::ServerId;

use super::phone::{Phone, Sent};

impl Phone {
    /// Subscribes to an event of a user.
    pub fn subscribe(&mut self, event: &str, user: &str, expires: u32) {
        let request = self.subscribe_request(event, user, Some(expires)).finish();
        self.send(request);
    }

    /// A SUBSCRIBE without credentials, to be changed.
    pub fn subscribe_request(&mut self, event: &str, user: &str, expires: Option<u32>) -> Builder {
        let contact = self.contact();
        let request = self
            .request_outside(Method::Subscribe, user)
            .header(Name::Contact, contact)
            .header(Name::Event, event);
        match expires {
            Some(seconds) => request.header(Name::Expires, seconds.to_string()),
            None => request,
        }
    }

    /// Refreshes, or for 0 ends, its only subscription.
    pub fn resubscribe(&mut self, event: &str, expires: u32) {
        let request = self.in_subscription(Method::Subscribe);
        let request = request.header(Name::Event, event).header(Name::Expires, expires.to_string());
        self.send(request.finish());
    }

    /// A request within its only subscription, to be changed.
    pub fn in_subscription(&mut self, method: Method) -> Builder {
        let (branch, sent_by, contact) = (self.transactions.new_branch(), self.host(), self.contact());
        let flow = self.flow;
        let dialog = self.subscriptions.values_mut().next().expect("a subscription");
        dialog.flow = flow;
        dialog.request(method, branch.as_bytes(), sent_by.as_bytes()).header(Name::Contact, contact)
    }

    /// Publishes, with the entity-tag of an earlier publication, a document or none.
    pub fn publish(&mut self, etag: Option<&str>, expires: u32, document: Option<&str>) {
        let user = self.user.clone();
        let mut request = self
            .request_outside(Method::Publish, &user)
            .header(Name::Event, "presence")
            .header(Name::Expires, expires.to_string());
        if let Some(etag) = etag {
            request = request.header(Name::SipIfMatch, etag);
        }
        if let Some(document) = document {
            request = request.body(b"application/pidf+xml", document.as_bytes());
        }
        self.send(request.finish());
    }

    /// The entity-tag of the last answer to a PUBLISH.
    pub fn etag(&self) -> String {
        let tags = self.heard.iter().filter_map(|message| message.header(Name::SipETag));
        String::from_utf8(tags.last().expect("an entity-tag").to_vec()).unwrap()
    }

    /// Sends an instant message.
    pub fn write(&mut self, user: &str, text: &str) {
        let request = self.message_request(user, text).finish();
        self.send(request);
    }

    /// A MESSAGE without credentials, to be changed.
    pub fn message_request(&mut self, user: &str, text: &str) -> Builder {
        self.request_outside(Method::Message, user).body(b"text/plain;charset=utf-8", text.as_bytes())
    }

    /// The texts of the instant messages that it was given.
    pub fn messages(&self) -> Vec<String> {
        let bodies = self.requests("MESSAGE").into_iter();
        bodies.map(|message| String::from_utf8_lossy(message.body()).into_owned()).collect()
    }

    /// The NOTIFYs that it was given: Subscription-State and body.
    pub fn notifications(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let notifies = self.requests("NOTIFY").into_iter();
        notifies
            .map(|notify| (text(notify.header(Name::SubscriptionState).unwrap()), text(notify.body())))
            .collect()
    }

    /// A request outside of dialogs.
    pub fn request_outside(&mut self, method: Method, user: &str) -> Builder {
        let (tag, call_id) = (self.next("t"), self.next("call"));
        let (from, to) = (self.aor(&self.user.clone()), self.aor(user));
        self.begin(method.clone(), &to)
            .header(Name::From, format!("<{from}>;tag={tag}"))
            .header(Name::To, format!("<{to}>"))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("1 {method}"))
    }

    pub(super) fn subscribed(&mut self, sent: &Sent, response: &Message) {
        let call_id = response.call_id().unwrap().to_vec();
        if let Some(dialog) = self.subscriptions.get_mut(&call_id) {
            dialog.handle_response(response).expect("a 200 that can be read");
            return;
        }
        let dialog = Dialog::uac(&sent.request, response, self.flow).expect("a 200 that makes a dialog");
        self.subscriptions.insert(call_id, dialog);
    }

    pub(super) fn handle_notify(&mut self, id: ServerId, request: &Message) {
        if let Some(status) = self.manners.on_notify {
            self.respond(id, request, status);
        }
    }
}
