//! The server side of the layer: all server transactions, and how they are found.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{ConnectionId, Flow};
use slab::Slab;

use super::event::{Event, ServerId, Slot};
use super::keys::{ByKey, Key, Keys};
use super::output::{Deadline, Output};
use super::server::{Input, Invite, Machine, News, Server, Success};
use super::timers::Timer;
use super::{invite_server, non_invite_server, success};
use crate::message::{Message, Method};

/// What became of an ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// It acknowledged a response 300 to 699.
    Failure,
    /// It is the first ACK of this INVITE's 2xx.
    Success(ServerId),
    /// It came again.
    Again,
    /// It belongs to no transaction.
    Nothing,
}

/// All server transactions.
pub(super) struct Servers {
    slab: Slab<Server>,
    by_key: ByKey<u32>,
    /// INVITEs answered 2xx, by what the ACK will have.
    by_acknowledged: ByKey<u32>,
    by_connection: BTreeSet<(ConnectionId, u32)>,
    made: u32,
}

impl Servers {
    pub(super) fn new() -> Self {
        Servers {
            slab: Slab::new(),
            by_key: ByKey::default(),
            by_acknowledged: ByKey::default(),
            by_connection: BTreeSet::new(),
            made: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing is kept, in any table.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        let tables = self.by_key.is_empty() && self.by_acknowledged.is_empty();
        tables && self.slab.is_empty() && self.by_connection.is_empty()
    }

    /// The transaction with that key.
    pub(super) fn find(&self, key: &Key) -> Option<ServerId> {
        let index = *self.by_key.get(key)?;
        let server = self.slab.get(index as usize)?;
        Some(ServerId(Slot { index, number: server.number }))
    }

    /// The transaction with that key, when its request came from that host.
    pub(super) fn find_from(&self, key: &Key, host: IpAddr) -> Result<Option<ServerId>, FromElsewhere> {
        let Some(id) = self.find(key) else { return Ok(None) };
        match self.slab.get(id.0.index as usize) {
            Some(server) if server.flow.remote().ip() == host => Ok(Some(id)),
            _ => Err(FromElsewhere),
        }
    }

    /// Makes a transaction for a new request.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        flow: Flow,
        key: Key,
        request: &Message,
        out: &mut Output,
    ) -> ServerId {
        self.made = self.made.wrapping_add(1);
        let number = self.made;
        let trying = out.timers.trying.filter(|_| *request.method_ref() == Method::Invite);
        let machine = match request.method_ref() {
            Method::Invite => Machine::Invite(Box::new(Invite {
                state: invite_server::State::Proceeding,
                interval: Duration::ZERO,
                request: trying.map(|_| request.clone()),
                success: None,
            })),
            _ => Machine::NonInvite(non_invite_server::State::Trying),
        };
        let index = self.slab.insert(Server { number, key, flow, response: Bytes::new(), machine }) as u32;
        let id = ServerId(Slot { index, number });
        self.by_key.insert(key, index);
        if flow.connection != ConnectionId::NONE {
            self.by_connection.insert((flow.connection, index));
        }
        match trying {
            Some(Duration::ZERO) => drop(self.step(now, id, Input::Fired(Timer::Trying), out)),
            Some(_) => drop(out.start(now, Deadline::Server(id, Timer::Trying))),
            None => {}
        }
        id
    }

    /// Takes a request that came again.
    pub(super) fn handle_repeated(&mut self, now: Instant, id: ServerId, out: &mut Output) {
        let sent = out.transmits.len();
        // The user hears nothing of it whatever the table says.
        let _ = self.step(now, id, Input::Repeated, out);
        match out.transmits.len() > sent {
            true => out.stats.requests_answered_again += 1,
            false => out.stats.requests_absorbed += 1,
        }
    }

    /// Takes an ACK: of the INVITE with `key` (same branch), else of the 2xx with the same dialog and CSeq.
    pub(super) fn handle_ack(
        &mut self,
        now: Instant,
        key: &Key,
        ack: &Message,
        keys: &Keys,
        out: &mut Output,
    ) -> Acknowledged {
        if let Some(id) = self.find(key) {
            let Some(invite) = self.invite_mut(id) else { return Acknowledged::Nothing };
            let (waited, success) =
                (invite.state == invite_server::State::Completed, invite.success.is_some());
            let news = match success {
                // Some clients give the ACK of a 2xx the branch of the INVITE.
                true => self.step_success(now, id, success::Event::Ack, out),
                false => self.step(now, id, Input::Ack, out),
            };
            return match news {
                Some(News::Ack) => Acknowledged::Success(id),
                _ if waited => Acknowledged::Failure,
                _ => Acknowledged::Again,
            };
        }
        let index = keys.acknowledged(ack).and_then(|key| self.by_acknowledged.get(&key).copied());
        let Some(index) = index else { return Acknowledged::Nothing };
        let Some(server) = self.slab.get(index as usize) else { return Acknowledged::Nothing };
        let id = ServerId(Slot { index, number: server.number });
        match self.step_success(now, id, success::Event::Ack, out) {
            Some(News::Ack) => Acknowledged::Success(id),
            _ => Acknowledged::Again,
        }
    }

    /// Sends the user's response.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        id: ServerId,
        response: &Message,
        keys: &Keys,
        out: &mut Output,
    ) {
        let status = response.status().unwrap_or_default();
        let usable = |server: &&mut Server| !response.is_request() && server.machine.takes(status);
        let Some(server) = self.server_mut(id).filter(usable) else {
            out.stats.own_responses_unusable += 1;
            return;
        };
        server.response = response.bytes().clone();
        if let Machine::Invite(invite) = &mut server.machine {
            invite.request = None;
        }
        out.stats.responses_sent += 1;
        let _ = self.step(now, id, Input::Respond(status), out);
        if (200..300).contains(&status) {
            self.begin_success(now, id, response, keys, out);
        }
    }

    /// Sends the user's response and forgets the transaction.
    pub(super) fn respond_statelessly(&mut self, id: ServerId, response: &Message, out: &mut Output) {
        let Some(server) = self.server_mut(id) else {
            out.stats.own_responses_unusable += 1;
            return;
        };
        out.stats.responses_sent += 1;
        out.stats.sent_statelessly += 1;
        out.send(server.flow, response.bytes().clone());
        self.remove(id, out);
    }

    /// Forgets a transaction without an answer.
    pub(super) fn abandon(&mut self, id: ServerId, out: &mut Output) {
        if self.server_mut(id).is_some() {
            out.stats.abandoned += 1;
            self.remove(id, out);
        }
    }

    /// Stops the repetition of a 2xx for which the user does not expect an ACK any more.
    pub(super) fn stop_2xx(&mut self, now: Instant, id: ServerId, out: &mut Output) {
        let _ = self.step_success(now, id, success::Event::Stop, out);
    }

    /// Takes a timer that fired.
    pub(super) fn handle_timer(&mut self, now: Instant, id: ServerId, timer: Timer, out: &mut Output) {
        let news = match timer {
            Timer::Success => self.step_success(now, id, success::Event::TimerSuccess, out),
            Timer::L => {
                let news = self.step_success(now, id, success::Event::TimerL, out);
                self.step(now, id, Input::Fired(Timer::L), out).or(news)
            }
            timer => self.step(now, id, Input::Fired(timer), out),
        };
        out.events.extend(news.and_then(|news| news.event(id)));
    }

    /// Tells the user of every transaction on a connection that still has a response to send.
    ///
    /// An error of a datagram flow is no news: nobody waits here for a response to arrive, a request that
    /// comes again is answered again, and whoever can provoke such errors must not make us search all
    /// transactions.
    pub(super) fn handle_flow_failed(&mut self, now: Instant, flow: Flow, out: &mut Output) {
        let connection = flow.connection;
        if connection == ConnectionId::NONE {
            return;
        }
        let failed: Vec<ServerId> = self
            .by_connection
            .range((connection, 0)..=(connection, u32::MAX))
            .filter_map(|&(_, index)| {
                let server = self.slab.get(index as usize).filter(|server| server.flow == flow)?;
                Some(ServerId(Slot { index, number: server.number }))
            })
            .collect();
        for id in failed {
            let news = self.step(now, id, Input::TransportError, out);
            out.events.extend(news.and_then(|news| news.event(id)));
        }
    }

    /// Moves a transaction to another flow; says whether it is still there.
    pub(super) fn reconnect(&mut self, id: ServerId, flow: Flow, out: &mut Output) -> bool {
        let Some(server) = self.server_mut(id) else { return false };
        let before = std::mem::replace(&mut server.flow, flow).connection;
        if !server.response.is_empty() {
            out.stats.responses_retransmitted += 1;
            out.send(flow, server.response.clone());
        }
        self.by_connection.remove(&(before, id.0.index));
        if flow.connection != ConnectionId::NONE {
            self.by_connection.insert((flow.connection, id.0.index));
        }
        true
    }

    /// Starts the repetition of a 2xx, once for each INVITE.
    fn begin_success(
        &mut self,
        now: Instant,
        id: ServerId,
        response: &Message,
        keys: &Keys,
        out: &mut Output,
    ) {
        let Some(server) = self.server_mut(id) else { return };
        let Machine::Invite(invite) = &mut server.machine else { return };
        let Some(key) = keys.acknowledged(response).filter(|_| invite.success.is_none()) else { return };
        invite.success = Some(Success { state: success::State::Unacknowledged, key });
        server.perform(now, id, success::begin(), out);
        self.by_acknowledged.insert(key, id.0.index);
    }

    /// Asks the table of the transaction and does what it says; `None` when the user hears nothing of it.
    fn step(&mut self, now: Instant, id: ServerId, input: Input, out: &mut Output) -> Option<News> {
        let server = self.server_mut(id)?;
        let before = server.machine.timers();
        let actions = server.machine.advance(input, server.flow.transport())?;
        let after = server.machine.timers();
        for &timer in before.iter().filter(|timer| !after.contains(timer)) {
            out.deadlines.cancel(&Deadline::Server(id, timer));
        }
        let again = !matches!(input, Input::Respond(_));
        let sent = out.transmits.len();
        let news = server.perform(now, id, actions, out);
        if again {
            out.stats.responses_retransmitted += (out.transmits.len() - sent) as u64;
        }
        if server.machine.is_over() {
            self.remove(id, out);
        }
        news
    }

    /// The same for the repetition of a 2xx.
    fn step_success(
        &mut self,
        now: Instant,
        id: ServerId,
        event: success::Event,
        out: &mut Output,
    ) -> Option<News> {
        let server = self.server_mut(id)?;
        let Machine::Invite(invite) = &mut server.machine else { return None };
        let success = invite.success.as_mut()?;
        let (next, actions) = success::next(success.state, event)?;
        success.state = next;
        if event == success::Event::TimerSuccess {
            out.stats.responses_retransmitted += 1;
        }
        server.perform(now, id, actions, out)
    }

    /// Forgets a transaction whose state cannot be trusted. The user of an INVITE is told what ends its call: that the
    /// caller cannot be reached, or that no ACK will come.
    pub(super) fn forget_broken(&mut self, id: ServerId, out: &mut Output) {
        let Some(server) = self.server_mut(id) else { return };
        let event = match &server.machine {
            Machine::Invite(invite) if invite.success.is_some() => Some(Event::Ok2xxUnacknowledged { id }),
            Machine::Invite(invite) if invite.state == invite_server::State::Proceeding => {
                Some(Event::Undeliverable { id })
            }
            Machine::Invite(_) => Some(Event::AckTimedOut { id }),
            Machine::NonInvite(_) => None,
        };
        self.remove(id, out);
        out.events.extend(event);
    }

    fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.slab.get_mut(id.0.index as usize).filter(|server| server.number == id.0.number)
    }

    fn invite_mut(&mut self, id: ServerId) -> Option<&mut Invite> {
        match &mut self.server_mut(id)?.machine {
            Machine::Invite(invite) => Some(invite),
            Machine::NonInvite(_) => None,
        }
    }

    fn remove(&mut self, id: ServerId, out: &mut Output) {
        let Some(server) = self.slab.try_remove(id.0.index as usize) else { return };
        for &timer in server.machine.timers() {
            out.deadlines.cancel(&Deadline::Server(id, timer));
        }
        self.by_key.remove(&server.key);
        self.by_connection.remove(&(server.flow.connection, id.0.index));
        // Two INVITEs with other branches can ask for the same ACK; the key is the later one's.
        if let Machine::Invite(invite) = server.machine
            && let Some(success) = invite.success
            && self.by_acknowledged.get(&success.key) == Some(&id.0.index)
        {
            self.by_acknowledged.remove(&success.key);
        }
    }
}

/// A request that looks like another host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FromElsewhere;
