//! Requests that wait until a contact can be reached.

use std::time::{Duration, Instant};

use ringback_sip::message::Method;
use ringback_sip::transaction::ServerId;

use super::Place;
use super::search::{Sought, Waiting};
use crate::ask::User;
use crate::devices::Addressee;
use crate::exchange::{Exchange, Incoming, Timer};

/// The number of a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct HeldId(u64);

/// A request that waits, and who sent it.
#[derive(Debug)]
pub(super) struct Held {
    incoming: Incoming,
    user: User,
    /// Places that it waits for.
    open: usize,
}

impl Exchange {
    /// Serves an authenticated request outside of dialogs, when it is known how its contacts are reached.
    pub(crate) fn serve_when_reached(&mut self, now: Instant, incoming: Incoming, user: User) {
        let (places, has_others) = self.places_for(&incoming);
        if places.is_empty() || self.reach.held.len() >= MAX_HELD {
            return self.serve(now, incoming, &user);
        }
        let id = HeldId(self.reach.next_held);
        self.reach.next_held += 1;
        let sought =
            places.iter().filter(|place| self.seek(now, place, Waiting::Held(id)) == Sought::UnderWay);
        let open = sought.count();
        if open == 0 {
            return self.serve(now, incoming, &user);
        }
        if self.begins_call(&incoming) {
            self.fingerprints.insert(self.fingerprint(&incoming.message), incoming.server);
        }
        self.stats.requests_held += 1;
        let is_brief = has_others || places.iter().all(|place| place.is_beside);
        let within = if is_brief { WITHIN_BESIDE_OTHERS } else { WITHIN };
        self.deadlines.set(Timer::Held(id), now + within);
        self.reach.held.insert(id, Held { incoming, user, open });
    }

    /// A place that a request waits for was reached, or was not.
    pub(super) fn place_settled(&mut self, now: Instant, id: HeldId) {
        // It may have gone on without the place.
        let Some(held) = self.reach.held.get_mut(&id) else { return };
        held.open = held.open.saturating_sub(1);
        if held.open == 0 {
            self.release(now, id);
        }
    }

    /// A request has waited for long enough.
    pub(crate) fn held_due(&mut self, now: Instant, id: HeldId) {
        self.stats.requests_held_in_vain += 1;
        self.release(now, id);
    }

    /// The INVITE that a CANCEL is for may be waiting here.
    pub(crate) fn cancel_held(&mut self, now: Instant, invite: ServerId) {
        if let Some(Held { incoming, .. }) = self.take_held_of(invite) {
            let response = self.reply(&incoming.message, 487).finish();
            self.respond(now, incoming.server, response);
        }
    }

    /// There is nobody left to answer: who sent the request is gone.
    pub(crate) fn forget_held(&mut self, now: Instant, server: ServerId) {
        if let Some(Held { incoming, .. }) = self.take_held_of(server) {
            self.stats.callers_lost += 1;
            // It goes nowhere, and ends the transaction.
            let response = self.reply(&incoming.message, 480).finish();
            self.respond(now, server, response);
        }
    }

    fn release(&mut self, now: Instant, id: HeldId) {
        if let Some(Held { incoming, user, .. }) = self.take_held(id) {
            self.serve(now, incoming, &user);
        }
    }

    fn take_held_of(&mut self, server: ServerId) -> Option<Held> {
        let (&id, _) = self.reach.held.iter().find(|(_, held)| held.incoming.server == server)?;
        self.take_held(id)
    }

    fn take_held(&mut self, id: HeldId) -> Option<Held> {
        self.deadlines.cancel(&Timer::Held(id));
        let held = self.reach.held.remove(&id)?;
        if self.begins_call(&held.incoming) {
            self.fingerprints.remove(&self.fingerprint(&held.incoming.message));
        }
        Some(held)
    }

    /// The places of the contacts that a request may go to, and whether it has contacts that need none. Who the request
    /// may be forwarded to counts as well.
    fn places_for(&self, incoming: &Incoming) -> (Vec<Place>, bool) {
        let (mut places, mut has_others) = (Vec::new(), false);
        if matches!(incoming.message.method_ref(), Method::Register | Method::Subscribe | Method::Publish) {
            return (places, has_others);
        }
        let uri = self.uri_of_ours(&incoming.message, incoming.flow).ok();
        let addressee = uri.and_then(|uri| self.addressee(&uri).ok());
        let (user, device) = match addressee {
            Some(Addressee::User(user)) => (user, None),
            Some(Addressee::Device { user, bindings }) => (user, Some(bindings)),
            None => return (places, has_others),
        };
        let may_be_large = self.may_be_large(&incoming.message);
        let mut users = vec![user];
        let mut at = 0;
        while let Some(user) = users.get(at).cloned() {
            at += 1;
            for binding in device.as_deref().unwrap_or_else(|| self.location.bindings(user.as_bytes())) {
                let way = ringback_sip::outbound::way_to(binding, |_| None);
                let place = self.place_of(binding, &way);
                if place.is_none() {
                    has_others |= at == 1 && self.location.is_reachable(binding);
                }
                let beside = || may_be_large.then(|| self.place_beside(binding)).flatten();
                let Some(place) = place.or_else(beside) else { continue };
                if places.len() < MAX_PLACES && !places.contains(&place) {
                    places.push(place);
                }
            }
            // Who dials a device does not mean another one.
            let features = self.features.get(&user).filter(|_| device.is_none());
            let Some(features) = features else { continue };
            for next in [&features.always, &features.busy, &features.no_answer].into_iter().flatten() {
                if users.len() < MAX_USERS && !users.contains(next) {
                    users.push(next.clone());
                }
            }
        }
        (places, has_others)
    }
}

/// How long a request waits: a caller who hears nothing for longer gives up.
const WITHIN: Duration = Duration::from_secs(4);
/// How long it waits while there are contacts that could ring.
pub(super) const WITHIN_BESIDE_OTHERS: Duration = Duration::from_millis(500);
/// Requests that wait at the same time; more go on without waiting.
const MAX_HELD: usize = 4096;
/// Places that one request waits for.
const MAX_PLACES: usize = 16;
/// Users whose contacts one request may go to.
const MAX_USERS: usize = 4;
