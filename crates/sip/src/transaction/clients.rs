//! The client side of the layer: all client transactions, and how they are found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{ConnectionId, Flow};
use slab::Slab;

use super::cancel::{self, State as Cancel};
use super::client::{Action, Client, Input, Invite, Machine, News};
use super::event::{ClientId, Event, Slot};
use super::keys::{ByKey, Key, Keys};
use super::output::{Deadline, Output};
use super::timers::Timer;
use super::{derived, invite_client};
use crate::message::{Message, Method};

/// What became of a request to cancel an INVITE ([`Transactions::cancel`](super::Transactions::cancel)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// The CANCEL is sent, here or by an earlier call; the INVITE ends with the response that comes, or times
    /// out.
    Sent,
    /// No provisional response has come; the CANCEL follows the first one.
    Waiting,
    /// The INVITE has its final response, or there is no such INVITE.
    TooLate,
}

/// All client transactions.
pub(super) struct Clients {
    slab: Slab<Client>,
    by_key: ByKey<u32>,
    by_connection: BTreeSet<(ConnectionId, u32)>,
    made: u32,
}

impl Clients {
    pub(super) fn new() -> Self {
        Clients { slab: Slab::new(), by_key: ByKey::default(), by_connection: BTreeSet::new(), made: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing is kept, in any table.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.slab.is_empty() && self.by_key.is_empty() && self.by_connection.is_empty()
    }

    /// Whether a transaction has that key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// An id of no transaction, for a request that is refused.
    pub(super) fn spent_id(&mut self) -> ClientId {
        self.made = self.made.wrapping_add(1);
        ClientId(Slot { index: u32::MAX, number: self.made })
    }

    /// Makes a transaction and sends its request.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        flow: Flow,
        key: Key,
        request: Message,
        out: &mut Output,
    ) -> ClientId {
        let bytes = request.bytes().clone();
        let (machine, actions) = Machine::begin(request, flow.transport());
        self.made = self.made.wrapping_add(1);
        let number = self.made;
        let entry = self.slab.vacant_entry();
        let index = entry.key() as u32;
        let id = ClientId(Slot { index, number });
        let client =
            entry.insert(Client { number, key, flow, interval: Duration::ZERO, request: bytes, machine });
        client.perform(now, id, actions, None, out);
        self.by_key.insert(key, index);
        if flow.connection != ConnectionId::NONE {
            self.by_connection.insert((flow.connection, index));
        }
        id
    }

    /// Takes a response for the transaction with that key.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        key: &Key,
        response: Message,
        keys: &Keys,
        out: &mut Output,
    ) -> Option<Event> {
        let index = *self.by_key.get(key)?;
        let client = self.slab.get_mut(index as usize)?;
        let id = ClientId(Slot { index, number: client.number });
        let status = response.status().unwrap_or_default();
        if matches!(client.machine, Machine::Cancel(_)) {
            out.stats.responses_to_cancel += 1;
            self.step(now, id, Input::Response(status), Some(&response), out);
            return None;
        }
        if client.acknowledge_again(&response, keys, out) {
            out.stats.responses_absorbed += 1;
            return None;
        }
        let news = self.step(now, id, Input::Response(status), Some(&response), out);
        let cancelled = if status < 200 { cancel::Event::Provisional } else { cancel::Event::Final };
        self.step_cancel(now, id, cancelled, keys, out);
        if news != Some(News::Response) {
            out.stats.responses_absorbed += 1;
            return None;
        }
        out.stats.responses_to_user += 1;
        Some(Event::Response { id, message: response })
    }

    /// Takes a timer that fired.
    pub(super) fn handle_timer(
        &mut self,
        now: Instant,
        id: ClientId,
        timer: Timer,
        keys: &Keys,
        out: &mut Output,
    ) {
        let news = match timer {
            Timer::Cancelled => self.step_cancel(now, id, cancel::Event::TimerCancelled, keys, out),
            timer => self.step(now, id, Input::Fired(timer), None, out),
        };
        out.events.extend(news.and_then(|news| news.event(id)));
    }

    /// Fails every transaction on the flow that still waits for it.
    pub(super) fn handle_flow_failed(&mut self, now: Instant, flow: Flow, out: &mut Output) {
        let on_it = |(index, client): (usize, &Client)| {
            (client.flow == flow).then_some(ClientId(Slot { index: index as u32, number: client.number }))
        };
        let failed: Vec<ClientId> = match flow.connection {
            // Datagram flows are many and fail rarely: no index is kept for them.
            ConnectionId::NONE => self.slab.iter().filter_map(on_it).collect(),
            connection => self
                .by_connection
                .range((connection, 0)..=(connection, u32::MAX))
                .filter_map(|&(_, index)| on_it((index as usize, self.slab.get(index as usize)?)))
                .collect(),
        };
        for id in failed {
            let news = self.step(now, id, Input::TransportError, None, out);
            out.events.extend(news.and_then(|news| news.event(id)));
        }
    }

    /// Sends the CANCEL of an INVITE, at once or when it may be sent.
    pub(super) fn cancel(
        &mut self,
        now: Instant,
        id: ClientId,
        reason: &[u8],
        keys: &Keys,
        out: &mut Output,
    ) -> Cancellation {
        if let Some(invite) = self.invite_mut(id) {
            invite.reason = Bytes::copy_from_slice(reason);
        }
        self.step_cancel(now, id, cancel::Event::Asked, keys, out);
        match self.invite_mut(id).map(|invite| invite.cancel) {
            Some(Cancel::Unanswered | Cancel::Waiting) => Cancellation::Waiting,
            Some(Cancel::Answered | Cancel::Sent) => Cancellation::Sent,
            Some(Cancel::TooLate) | None => Cancellation::TooLate,
        }
    }

    /// Keeps the user's ACK of a 2xx, to answer the same 2xx with it when it comes again.
    pub(super) fn confirm(&mut self, id: ClientId, key: Key, flow: Flow, ack: Bytes) {
        if let Some(invite) = self.invite_mut(id)
            && invite.state == invite_client::State::Accepted
        {
            invite.confirmed = Some((key, flow, ack));
        }
    }

    /// Asks the table of the transaction and does what it says; `None` when the user hears nothing of it.
    fn step(
        &mut self,
        now: Instant,
        id: ClientId,
        input: Input,
        response: Option<&Message>,
        out: &mut Output,
    ) -> Option<News> {
        let client = self.client_mut(id)?;
        let before = client.machine.timers();
        let actions = client.machine.advance(input, client.flow.transport())?;
        let after = client.machine.timers();
        for &timer in before.iter().filter(|timer| !after.contains(timer)) {
            out.deadlines.cancel(&Deadline::Client(id, timer));
        }
        let news = client.perform(now, id, actions, response, out);
        client.forget_request_if_answered();
        if client.machine.is_over() {
            self.remove(id, out);
        }
        news
    }

    /// The same for the CANCEL of an INVITE.
    fn step_cancel(
        &mut self,
        now: Instant,
        id: ClientId,
        event: cancel::Event,
        keys: &Keys,
        out: &mut Output,
    ) -> Option<News> {
        let client = self.client_mut(id)?;
        let Machine::Invite(invite) = &mut client.machine else { return None };
        let (next, actions) = cancel::next(invite.cancel, event)?;
        invite.cancel = next;
        let cancel = match &invite.request {
            Some(request) if actions.contains(&Action::SendCancel) => {
                Some(derived::cancel(request, &invite.reason))
            }
            _ => None,
        };
        let flow = client.flow;
        let news = client.perform(now, id, actions, None, out);
        if let Some(cancel) = cancel
            && let Some(branch) = cancel.via().ok().and_then(|via| via.branch())
        {
            let key = keys.client(branch, &Method::Cancel);
            self.begin(now, flow, key, cancel, out);
        }
        if news == Some(News::TimedOut) {
            self.remove(id, out);
        }
        news
    }

    /// Forgets a transaction whose state cannot be trusted; its user hears that nothing will come of it.
    pub(super) fn forget_broken(&mut self, id: ClientId, out: &mut Output) {
        if self.client_mut(id).is_some() {
            self.remove(id, out);
            out.events.push_back(Event::TransportFailed { id });
        }
    }

    fn client_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.0.index as usize).filter(|client| client.number == id.0.number)
    }

    fn invite_mut(&mut self, id: ClientId) -> Option<&mut Invite> {
        match &mut self.client_mut(id)?.machine {
            Machine::Invite(invite) => Some(invite),
            Machine::NonInvite(_) | Machine::Cancel(_) => None,
        }
    }

    fn remove(&mut self, id: ClientId, out: &mut Output) {
        let Some(client) = self.slab.try_remove(id.0.index as usize) else { return };
        for &timer in client.machine.timers().iter().chain(&[Timer::Cancelled]) {
            out.deadlines.cancel(&Deadline::Client(id, timer));
        }
        self.by_key.remove(&client.key);
        self.by_connection.remove(&(client.flow.connection, id.0.index));
    }
}
