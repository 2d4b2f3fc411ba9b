//! Whether telephones behind a NAT are still reached: OPTIONS to their contacts over UDP ([RFC 3261 §11]).
//!
//! The server sees the end of a connection; a datagram flow just falls silent when the NAT forgets it. A contact whose
//! source is not what its URI says is therefore asked every `limits.ping`, each at its own time. What is asked keeps
//! the NAT open; any final response tells that the device is there, and how long the way is. One that twice says
//! nothing is no target until it answers again or registers: its binding stays, because it may be back at any time.
//!
//! ```text
//!                 asked               ANSWER_WITHIN              ANSWER_WITHIN
//!   Quiet ──────────────────▶ Asked ────────────────▶ Asked again ─────────────▶ silent, asked once each time
//!     ▲ 80–100 % of the time    │                          │                          │
//!     └─────────────────────────┴──────── any answer ──────┴──────────────────────────┘
//! ```
//!
//! Assumptions and what is left out:
//! - Connections are looked after by the server: pings of a WebSocket, keep-alives of the kernel on TCP and TLS.
//! - A contact with a Path is its edge proxy's to keep (RFC 5626 §5).
//! - A client that keeps its flow alive by STUN (RFC 5626 §3.5.2) is asked all the same.
//!
//! [RFC 3261 §11]: https://www.rfc-editor.org/rfc/rfc3261#section-11

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ringback_sansio::{Deadlines, Flow, Transport};
use ringback_sip::location::{Aor, Binding, BindingId, Location};
use ringback_sip::message::{Method, Name};
use ringback_sip::uri::Uri;

use crate::call::setup::sip_uri;
use crate::event::Event;
use crate::exchange::{Exchange, Use};

/// How long a contact may take to answer. The transactions repeat the question four times in that.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Questions without an answer after which a contact is no target.
const MOST_MISSED: u8 = 2;

/// The contacts that are asked.
#[derive(Debug)]
pub(crate) struct Keepalive {
    every: Duration,
    /// Never more than there are bindings, but for those that have ended since they were asked last.
    contacts: HashMap<BindingId, Contact>,
    deadlines: Deadlines<BindingId>,
}

#[derive(Debug)]
struct Contact {
    aor: Aor,
    flow: Flow,
    /// When the question was sent that has no answer yet.
    asked: Option<Instant>,
    missed: u8,
}

/// A question to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ping {
    binding: BindingId,
    sent: Instant,
}

impl Keepalive {
    /// Nobody is asked; nobody ever is when `every` is zero.
    pub fn new(every: Duration) -> Self {
        Keepalive { every, contacts: HashMap::new(), deadlines: Deadlines::new() }
    }

    /// Nobody is asked any more.
    pub fn stop(&mut self) {
        *self = Keepalive::new(Duration::ZERO);
    }

    /// Whether a request can be expected to reach the contact.
    pub fn answers(&self, id: BindingId) -> bool {
        self.contacts.get(&id).is_none_or(|contact| contact.missed < MOST_MISSED)
    }

    /// When a contact is to be asked, or has not answered.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Looks after a contact that has just registered, if it needs that.
    fn note(&mut self, now: Instant, binding: &Binding, wait: impl FnOnce(Duration) -> Duration) {
        if self.every.is_zero() {
            return;
        }
        if !is_behind_nat(binding) {
            self.forget(binding.id());
            return;
        }
        let contact = Contact { aor: binding.aor().clone(), flow: binding.flow(), asked: None, missed: 0 };
        self.contacts.insert(binding.id(), contact);
        self.deadlines.set(binding.id(), now + wait(self.every));
    }

    fn forget(&mut self, id: BindingId) {
        if self.contacts.remove(&id).is_some() {
            self.deadlines.cancel(&id);
        }
    }
}

impl Contact {
    fn binding<'l>(&self, location: &'l Location, id: BindingId) -> Option<&'l Binding> {
        location.bindings(self.aor.as_bytes()).iter().find(|binding| binding.id() == id).map(|found| &**found)
    }
}

impl Exchange {
    /// A contact has registered, refreshed or come back from the store.
    pub(crate) fn keep_alive(&mut self, now: Instant, binding: &Binding) {
        let secret = self.tag_secret;
        self.keepalive.note(now, binding, |every| spread(every, secret, binding.id(), binding.recency()));
    }

    /// Asks the contacts whose turn it is, and gives up those that do not answer.
    pub(crate) fn pings_due(&mut self, now: Instant) {
        while let Some(id) = self.keepalive.deadlines.pop_due(now) {
            let Some(contact) = self.keepalive.contacts.get_mut(&id) else { continue };
            if contact.asked.take().is_some() {
                contact.missed = contact.missed.saturating_add(1);
                let missed = contact.missed;
                if missed == MOST_MISSED {
                    self.contact_silent(id);
                }
                if missed >= MOST_MISSED {
                    let every = self.keepalive.every;
                    self.keepalive.deadlines.set(id, now + every.saturating_sub(ANSWER_WITHIN));
                    continue;
                }
            }
            self.ping(now, id);
        }
    }

    fn ping(&mut self, now: Instant, id: BindingId) {
        let Some(contact) = self.keepalive.contacts.get_mut(&id) else { return };
        let Some(binding) = contact.binding(&self.location, id) else {
            // It has expired or was removed.
            return self.keepalive.forget(id);
        };
        contact.asked = Some(now);
        let flow = contact.flow;
        let (uri, aor) =
            (binding.uri().to_vec(), String::from_utf8_lossy(binding.aor().as_bytes()).into_owned());
        self.keepalive.deadlines.set(id, now + ANSWER_WITHIN);
        let host = self.identity_host(&flow);
        let (tag, call_id) = (self.random_token(), self.random_token());
        let request = self
            .request(Method::Options, &uri, flow)
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<sip:ringback@{host}>;tag={tag}"))
            .header(Name::To, format!("<{}>", sip_uri(&aor, &host)))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, "1 OPTIONS")
            .finish();
        self.stats.pings += 1;
        self.send_request(now, flow, request, Use::Ping(Ping { binding: id, sent: now }));
    }

    /// A contact has answered, whatever it says.
    pub(crate) fn ping_answered(&mut self, now: Instant, ping: Ping) {
        let secret = self.tag_secret;
        let Some(contact) = self.keepalive.contacts.get_mut(&ping.binding) else { return };
        let round_trip = now.saturating_duration_since(ping.sent);
        let was_silent = contact.missed >= MOST_MISSED;
        (contact.asked, contact.missed) = (None, 0);
        let aor = String::from_utf8_lossy(contact.aor.as_bytes()).into_owned();
        let wait = spread(self.keepalive.every, secret, ping.binding, self.stats.pings);
        self.keepalive.deadlines.set(ping.binding, now + wait);
        self.stats.pings_answered += 1;
        self.stats.ping_milliseconds += u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
        if was_silent {
            self.stats.contacts_heard_again += 1;
            self.contacts_changed(&aor);
            let contacts = self.location.bindings(aor.as_bytes()).len();
            self.deliver_stored(now, &aor, true);
            self.events.push_back(Event::Registered { aor, contacts });
        }
    }

    /// A contact does not answer: it is no target from here on.
    fn contact_silent(&mut self, id: BindingId) {
        let Some(contact) = self.keepalive.contacts.get(&id) else { return };
        let aor = String::from_utf8_lossy(contact.aor.as_bytes()).into_owned();
        if contact.binding(&self.location, id).is_none() {
            return;
        }
        self.stats.contacts_silent += 1;
        self.contacts_changed(&aor);
        if self.reachable(&aor).next().is_none() {
            self.events.push_back(Event::Unregistered { aor });
        }
    }
}

/// Between 80 and 100 % of the time, so that contacts that have come at once are not asked at once.
fn spread(every: Duration, secret: u64, id: BindingId, turn: u64) -> Duration {
    // The finishing steps of SplitMix64: any bit of the input moves half of the output.
    let mut bits = secret ^ id.0.rotate_left(32) ^ turn;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = u32::try_from((bits ^ (bits >> 31)) % 201).unwrap_or_default();
    every * (800 + share) / 1000
}

/// Whether a datagram flow comes from elsewhere than its Contact says.
fn is_behind_nat(binding: &Binding) -> bool {
    let flow = binding.flow();
    if flow.transport() != Transport::Udp || binding.path().is_some() {
        return false;
    }
    let remote = flow.remote();
    Uri::parse(binding.uri())
        .is_ok_and(|uri| uri.host.ip() != Some(remote.ip()) || uri.port.unwrap_or(SIP_PORT) != remote.port())
}

/// The port of a URI that names none (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_that_come_at_once_are_asked_over_a_fifth_of_the_time() {
        let every = Duration::from_secs(25);
        let waits: Vec<_> = (0..1000).map(|id| spread(every, 7, BindingId(id), 1)).collect();
        assert!(waits.iter().all(|wait| (20_000..=25_000).contains(&wait.as_millis())));
        let early = waits.iter().filter(|wait| wait.as_millis() < 22_500).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
    }
}
