//! The layer itself: all transactions of one worker.

use std::time::Instant;

use ringback_sansio::{Flow, Transmit};

use super::branch::{Branch, Branches};
use super::clients::{Cancellation, Clients};
use super::event::{ClientId, Event, ServerId};
use super::keyed_hash::Secret;
use super::keys::{Key, Keys};
use super::output::{Deadline, Output};
use super::received;
use super::servers::{Acknowledged, Servers};
use super::stats::Stats;
use super::timers::Timers;
use crate::header::Via;
use crate::message::{Builder, Message, Method, Name};

/// The transaction layer ([RFC 3261 §17], [RFC 6026]): every client and server transaction of one worker.
///
/// The transaction user sits above it, and flows below. After every call the driver drains [`poll_transmit`]
/// and [`poll_event`], then reads [`poll_timeout`].
///
/// [RFC 3261 §17]: https://www.rfc-editor.org/rfc/rfc3261#section-17
/// [RFC 6026]: https://www.rfc-editor.org/rfc/rfc6026
/// [`poll_transmit`]: Transactions::poll_transmit
/// [`poll_event`]: Transactions::poll_event
/// [`poll_timeout`]: Transactions::poll_timeout
pub struct Transactions {
    keys: Keys,
    branches: Branches,
    limit: usize,
    clients: Clients,
    servers: Servers,
    out: Output,
    /// Whose timer is being fired; it stays here when that panics.
    firing: Option<Deadline>,
    /// Whether to panic when the next timer has fired.
    #[cfg(test)]
    is_sabotaged: bool,
}

impl Transactions {
    /// A layer without transactions; `seed` makes its branches and the keys of its tables, and is a secret.
    pub fn new(timers: Timers, seed: u64) -> Self {
        let secret = Secret::new(seed);
        Transactions {
            keys: Keys::new(secret),
            branches: Branches::new(secret),
            limit: LIMIT,
            clients: Clients::new(),
            servers: Servers::new(),
            out: Output::new(timers),
            firing: None,
            #[cfg(test)]
            is_sabotaged: false,
        }
    }

    /// The same with another limit on the transactions of each side, instead of [`LIMIT`].
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Takes a message that was received on `flow`.
    ///
    /// What belongs to a transaction is absorbed, answered or delivered as the tables say; a new request
    /// makes a transaction. `None` means that the user has nothing to do; [`Transactions::stats`] has counted
    /// why.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message) -> Option<Event> {
        if !message.is_request() {
            return self.handle_response(now, flow, message);
        }
        let Ok(via) = message.via() else {
            self.out.stats.requests_without_via += 1;
            return None;
        };
        let method = message.method_ref();
        if *method == Method::Ack {
            let invite = self.keys.server(&message, &via, &Method::Invite);
            return self.handle_ack(now, flow, invite, message);
        }
        let key = self.keys.server(&message, &via, method);
        if let Some(id) = self.servers.find(&key) {
            self.servers.handle_repeated(now, id, &mut self.out);
            return None;
        }
        if self.servers.len() >= self.limit_for(&message) {
            self.refuse(flow, key, &message, &via);
            return None;
        }
        let invite = match method {
            Method::Cancel => Some(self.invite_to_cancel(flow, &message, &via)),
            _ => None,
        };
        let stamped = received::stamped(&message, &via, flow.remote());
        let message = stamped.unwrap_or(message);
        let id = self.servers.begin(now, flow, key, &message, &mut self.out);
        self.out.stats.requests_new += 1;
        Some(match invite {
            Some(invite) => Event::Cancel { id, invite, flow, message },
            None => Event::Request { id, flow, message },
        })
    }

    /// Whether a message is one that a transaction waits for: a response, an ACK or a CANCEL. Nothing is done with it.
    pub fn awaits(&self, message: &Message) -> bool {
        let Ok(via) = message.via() else { return false };
        if !message.is_request() {
            let branch = via.branch();
            return branch.is_some_and(|it| self.clients.has(&self.keys.client(it, message.method_ref())));
        }
        matches!(message.method_ref(), Method::Ack | Method::Cancel)
            && self.servers.find(&self.keys.server(message, &via, &Method::Invite)).is_some()
    }

    /// Sends a request and keeps it until it is answered; INVITE or not is told by its method.
    ///
    /// The request has its topmost Via already, with a branch of [`Transactions::new_branch`]. When there are
    /// too many transactions, or the branch is missing or in use, or it is an ACK or a CANCEL, nothing is
    /// sent and the id that is returned gets [`Event::TransportFailed`].
    pub fn request(&mut self, now: Instant, flow: Flow, request: Message) -> ClientId {
        let method = request.method_ref();
        let branch = request.via().ok().and_then(|via| via.unique_branch());
        let key = branch.map(|branch| self.keys.client(branch, method)).filter(|key| !self.clients.has(key));
        let usable = request.is_request() && !matches!(method, Method::Ack | Method::Cancel);
        let room = self.clients.len() < self.limit;
        match key {
            Some(key) if usable && room => self.clients.begin(now, flow, key, request, &mut self.out),
            refused => {
                match refused {
                    Some(_) if usable => self.out.stats.own_requests_refused += 1,
                    _ => self.out.stats.own_requests_unusable += 1,
                }
                let id = self.clients.spent_id();
                self.out.events.push_back(Event::TransportFailed { id });
                id
            }
        }
    }

    /// Cancels an INVITE of ours ([RFC 3261 §9.1]): the CANCEL leaves once a provisional response has come.
    ///
    /// Its own response is the layer's affair. The INVITE ends as it would have: by a 487, by a 2xx that was
    /// quicker (which the user acknowledges and ends by a BYE), or, 64 T1 after the CANCEL, by
    /// [`Event::TimedOut`].
    ///
    /// [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1
    pub fn cancel(&mut self, now: Instant, id: ClientId) -> Cancellation {
        self.cancel_because(now, id, b"")
    }

    /// The same with the value of a Reason header field ([RFC 3326]) for the CANCEL, such as
    /// `SIP;cause=200;text="Call completed elsewhere"`, by which a phone tells a missed call from one that
    /// was taken.
    ///
    /// [RFC 3326]: https://www.rfc-editor.org/rfc/rfc3326
    pub fn cancel_because(&mut self, now: Instant, id: ClientId, reason: &[u8]) -> Cancellation {
        self.clients.cancel(now, id, reason, &self.keys, &mut self.out)
    }

    /// Sends a response over the flow that its request came by.
    ///
    /// A 2xx to an INVITE is repeated until its ACK comes (§13.3.1.4) and ends in [`Event::Ack`] or
    /// [`Event::Ok2xxUnacknowledged`]. What comes after a final response is dropped and counted.
    pub fn respond(&mut self, now: Instant, id: ServerId, response: Message) {
        self.servers.respond(now, id, &response, &self.keys, &mut self.out);
    }

    /// Sends a final response and forgets the transaction ([RFC 3261 §8.2.7]): a challenge keeps no state.
    ///
    /// The request, when it comes again, is a new one; so is the ACK of such a response ([`Event::Ack`]
    /// without an INVITE).
    ///
    /// [RFC 3261 §8.2.7]: https://www.rfc-editor.org/rfc/rfc3261#section-8.2.7
    pub fn respond_statelessly(&mut self, id: ServerId, response: Message) {
        self.servers.respond_statelessly(id, &response, &mut self.out);
    }

    /// Forgets a request without an answer, as for a source that is banned.
    pub fn abandon(&mut self, id: ServerId) {
        self.servers.abandon(id, &mut self.out);
    }

    /// Stops the repetition of a 2xx, when the dialog has ended before its ACK came.
    pub fn stop_2xx(&mut self, now: Instant, id: ServerId) {
        self.servers.stop_2xx(now, id, &mut self.out);
    }

    /// Sends the user's ACK of a 2xx and keeps it, so that the same 2xx is acknowledged without the user when
    /// it comes again; a 2xx with another To tag still goes to the user.
    pub fn ack_2xx(&mut self, id: ClientId, flow: Flow, ack: Message) {
        self.out.stats.requests_sent += 1;
        self.out.send(flow, ack.bytes().clone());
        if let Some(key) = self.keys.acknowledged(&ack) {
            self.clients.confirm(id, key, flow, ack.bytes().clone());
        }
    }

    /// Sends a message that is part of no transaction.
    pub fn send(&mut self, flow: Flow, message: Message) {
        self.out.stats.sent_statelessly += 1;
        self.out.send(flow, message.bytes().clone());
    }

    /// Has the responses to a request leave over another flow, because its connection is gone ([RFC 3261 §18.2.2]); the
    /// last one is sent there again. Says whether the transaction is still there.
    ///
    /// [RFC 3261 §18.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
    pub fn reconnect(&mut self, id: ServerId, flow: Flow) -> bool {
        self.servers.reconnect(id, flow, &mut self.out)
    }

    /// Fails what waits for an answer over `flow`: a connection that closed, or a fatal ICMP error for
    /// datagrams.
    pub fn handle_flow_failed(&mut self, now: Instant, flow: Flow) {
        self.clients.handle_flow_failed(now, flow, &mut self.out);
        self.servers.handle_flow_failed(now, flow, &mut self.out);
    }

    /// Fires every timer whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(deadline) = self.out.deadlines.pop_due(now) {
            self.firing = Some(deadline);
            match deadline {
                Deadline::Client(id, timer) => {
                    self.clients.handle_timer(now, id, timer, &self.keys, &mut self.out);
                }
                Deadline::Server(id, timer) => self.servers.handle_timer(now, id, timer, &mut self.out),
            }
            #[cfg(test)]
            if std::mem::take(&mut self.is_sabotaged) {
                std::panic::resume_unwind(Box::new("sabotaged"));
            }
            self.firing = None;
        }
    }

    /// Forgets the transaction of the timer that has just panicked out of [`Transactions::handle_timeout`]; says whether
    /// one has. The user of the transaction hears that it is over.
    pub fn forget_broken(&mut self) -> bool {
        let Some(broken) = self.firing.take() else { return false };
        match broken {
            Deadline::Client(id, _) => self.clients.forget_broken(id, &mut self.out),
            Deadline::Server(id, _) => self.servers.forget_broken(id, &mut self.out),
        }
        true
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// The next news for the user.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`Transactions::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.out.deadlines.next()
    }

    /// A branch for the Via of a request of ours.
    pub fn new_branch(&mut self) -> Branch {
        self.branches.make()
    }

    /// What the layer has done so far.
    pub fn stats(&self) -> &Stats {
        &self.out.stats
    }

    /// How many client transactions there are.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many server transactions there are.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    fn handle_response(&mut self, now: Instant, flow: Flow, response: Message) -> Option<Event> {
        let Some(branch) = response.via().ok().and_then(|via| via.branch()) else {
            self.out.stats.responses_without_branch += 1;
            return None;
        };
        let key = self.keys.client(branch, response.method_ref());
        if !self.clients.has(&key) {
            self.out.stats.responses_stray += 1;
            return Some(Event::StrayResponse { flow, message: response });
        }
        self.clients.handle_response(now, &key, response, &self.keys, &mut self.out)
    }

    fn handle_ack(&mut self, now: Instant, flow: Flow, key: Key, message: Message) -> Option<Event> {
        let invite = match self.servers.handle_ack(now, &key, &message, &self.keys, &mut self.out) {
            Acknowledged::Failure => {
                self.out.stats.acks_matched += 1;
                return None;
            }
            Acknowledged::Again => {
                self.out.stats.acks_absorbed += 1;
                return None;
            }
            Acknowledged::Success(id) => Some(id),
            Acknowledged::Nothing => None,
        };
        self.out.stats.acks_to_user += 1;
        Some(Event::Ack { flow, message, invite })
    }

    /// The INVITE that a CANCEL is for (§9.2), unless another host sent it: a CANCEL cannot be challenged.
    fn invite_to_cancel(&mut self, flow: Flow, cancel: &Message, via: &Via<'_>) -> Option<ServerId> {
        let key = self.keys.server(cancel, via, &Method::Invite);
        self.servers.find_from(&key, flow.remote().ip()).unwrap_or_else(|_| {
            self.out.stats.cancels_from_elsewhere += 1;
            None
        })
    }

    /// How many server transactions there may be for this request to make one more: what belongs to a call
    /// that stands, or ends one, has room when nothing else has.
    fn limit_for(&self, request: &Message) -> usize {
        let in_dialog = request.to().is_ok_and(|to| to.tag().is_some());
        if in_dialog || *request.method_ref() == Method::Cancel {
            self.limit + self.limit / 4
        } else {
            self.limit
        }
    }

    /// Answers 503 without a transaction; when to try again is spread, so that not all come back at once.
    fn refuse(&mut self, flow: Flow, key: Key, request: &Message, via: &Via<'_>) {
        self.out.stats.requests_refused += 1;
        let after = RETRY_AFTER_LEAST + key.bits() % RETRY_AFTER_SPREAD;
        let stamped = received::stamped(request, via, flow.remote());
        let response = Builder::reply(stamped.as_ref().unwrap_or(request), 503)
            .to_tag(format!("{:016x}", key.bits()).as_bytes())
            .header(Name::RetryAfter, after.to_string())
            .finish();
        self.out.send(flow, response.bytes().clone());
    }
}

/// The most transactions of each side that a layer keeps unless it is told another number.
///
/// A non-INVITE server transaction over UDP lasts 32 s: this is room for 8000 a second.
pub const LIMIT: usize = 262_144;
/// Seconds of the shortest Retry-After of a refused request.
const RETRY_AFTER_LEAST: u64 = 5;
/// How many seconds the Retry-Afters are spread over.
const RETRY_AFTER_SPREAD: u64 = 16;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;
    use ringback_sansio::{ConnectionId, FiveTuple, Transport};

    use super::*;

    fn request(layer: &mut Transactions, method: Method) -> Message {
        let via = format!("SIP/2.0/WSS 192.0.2.1;branch={}", layer.new_branch());
        Builder::request(method.clone(), b"sip:b@x")
            .header(Name::Via, via)
            .header(Name::From, "<sip:a@x>;tag=1")
            .header(Name::To, "<sip:b@x>")
            .header(Name::CallId, "c1")
            .header(Name::CSeq, format!("1 {method}"))
            .finish()
    }

    /// The responses leave over the other connection, and its end is told; that of the first one is not.
    #[test]
    fn a_request_whose_connection_is_gone_is_answered_over_another_one() {
        let now = Clock::new().now();
        let (here, there) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let [first, second] = [7, 8].map(|number| Flow {
            tuple: FiveTuple::new(Transport::Tcp, here, there),
            connection: ConnectionId(number),
        });
        let mut layer = Transactions::new(Timers::default(), 1);
        let invite = request(&mut layer, Method::Invite);
        let Some(Event::Request { id, message, .. }) = layer.handle_message(now, first, invite) else {
            panic!("not a new request");
        };
        layer.respond(now, id, Builder::reply(&message, 180).to_tag(b"b1").finish());
        layer.handle_flow_failed(now, first);
        assert_eq!(layer.poll_event(), Some(Event::Undeliverable { id }));
        while layer.poll_transmit().is_some() {}
        assert!(layer.reconnect(id, second));
        layer.respond(now, id, Builder::reply(&message, 486).to_tag(b"b1").finish());
        for status in [180, 486] {
            let sent = layer.poll_transmit().unwrap();
            assert_eq!(sent.flow, second);
            assert_eq!(Message::parse(sent.payload).unwrap().status(), Some(status));
        }
        layer.handle_flow_failed(now, first);
        assert_eq!(layer.poll_event(), None);
        layer.handle_flow_failed(now, second);
        assert_eq!(layer.poll_event(), Some(Event::Undeliverable { id }));
        while let Some(at) = layer.poll_timeout() {
            layer.handle_timeout(at);
        }
        assert!(layer.servers.is_bare() && !layer.reconnect(id, second));
    }

    /// When all is over nothing is left in any table, whatever the requests and their answers were.
    #[test]
    fn no_table_keeps_what_is_over() {
        let now = Clock::new().now();
        for connection in [ConnectionId::NONE, ConnectionId(7)] {
            let transport = if connection == ConnectionId::NONE { Transport::Udp } else { Transport::Wss };
            let (here, there) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
            let flow = Flow { tuple: FiveTuple::new(transport, here, there), connection };
            for method in [Method::Invite, Method::Options] {
                for status in [200, 486] {
                    let mut layer = Transactions::new(Timers::default(), 1);
                    let request = request(&mut layer, method.clone());
                    layer.request(now, flow, request.clone());
                    let Some(Event::Request { id, message, .. }) = layer.handle_message(now, flow, request)
                    else {
                        panic!("not a new request");
                    };
                    assert!(!layer.clients.is_bare() && !layer.servers.is_bare());
                    let response = Builder::reply(&message, status).to_tag(b"b1").finish();
                    layer.respond(now, id, response.clone());
                    assert!(layer.handle_message(now, flow, response).is_some());
                    while let Some(at) = layer.poll_timeout() {
                        layer.handle_timeout(at);
                    }
                    assert!(layer.clients.is_bare(), "{transport} {method} {status}");
                    assert!(layer.servers.is_bare(), "{transport} {method} {status}");
                }
            }
        }
    }

    /// A mistake in the firing of one timer costs its transaction; the next one fires.
    #[test]
    fn a_timer_that_panics_ends_its_transaction_and_no_other() {
        let now = Clock::new().now();
        let flow = Flow::datagram("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let mut layer = Transactions::new(Timers::default(), 1);
        let [first, second] = [Method::Invite, Method::Options].map(|method| {
            let request = request(&mut layer, method);
            layer.request(now, flow, request)
        });
        let later = layer.poll_timeout().unwrap();
        layer.is_sabotaged = true;
        let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| layer.handle_timeout(later)));
        assert!(fired.is_err() && layer.forget_broken());
        assert_eq!(layer.poll_event(), Some(Event::TransportFailed { id: first }));
        assert_eq!(layer.client_count(), 1);
        while let Some(at) = layer.poll_timeout() {
            layer.handle_timeout(at);
        }
        assert_eq!(layer.poll_event(), Some(Event::TimedOut { id: second }));
        assert!(layer.clients.is_bare() && !layer.forget_broken());
    }

    /// The same for a request that we received: its user is told in the way that ends its call.
    #[test]
    fn the_user_of_a_request_whose_timer_panicked_is_told() {
        let now = Clock::new().now();
        let flow = Flow::datagram("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        for (status, is_told) in [
            (None, (|event| matches!(event, Event::Undeliverable { .. })) as fn(&Event) -> bool),
            (Some(200), |event| matches!(event, Event::Ok2xxUnacknowledged { .. })),
            (Some(486), |event| matches!(event, Event::AckTimedOut { .. })),
        ] {
            let timers = Timers { trying: Some(Timers::default().t1), ..Timers::default() };
            let mut layer = Transactions::new(timers, 1);
            let invite = request(&mut layer, Method::Invite);
            let Some(Event::Request { id, message, .. }) = layer.handle_message(now, flow, invite) else {
                panic!("not a new request");
            };
            if let Some(status) = status {
                layer.respond(now, id, Builder::reply(&message, status).to_tag(b"b1").finish());
            }
            let later = layer.poll_timeout().unwrap();
            layer.is_sabotaged = true;
            let fired =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| layer.handle_timeout(later)));
            assert!(fired.is_err() && layer.forget_broken());
            let event = layer.poll_event().unwrap();
            assert!(is_told(&event), "{status:?}: {event:?}");
            assert!(layer.servers.is_bare());
        }
    }
}
