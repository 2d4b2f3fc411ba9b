//! One server transaction: its machine, and what it keeps to do what its table says.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{Flow, Transport};

use super::event::{Event, ServerId};
use super::keys::Key;
use super::output::{Deadline, Output};
use super::timers::Timer;
use super::{invite_server, non_invite_server, success};
use crate::message::{Builder, Message};

/// One server transaction.
pub(super) struct Server {
    pub(super) number: u32,
    pub(super) key: Key,
    pub(super) flow: Flow,
    /// The last response, as sent; empty before the first.
    pub(super) response: Bytes,
    pub(super) machine: Machine,
}

pub(super) enum Machine {
    NonInvite(non_invite_server::State),
    Invite(Box<Invite>),
}

/// What only an INVITE has.
pub(super) struct Invite {
    pub(super) state: invite_server::State,
    /// What Timer G, or the timer of the 2xx, waited for the last time.
    pub(super) interval: Duration,
    /// The INVITE, for the 100 that the user may be too slow for; `None` once there is any response.
    pub(super) request: Option<Message>,
    pub(super) success: Option<Success>,
}

/// The 2xx of an INVITE.
pub(super) struct Success {
    pub(super) state: success::State,
    pub(super) key: Key,
}

/// What can happen to any server transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    Repeated,
    Ack,
    Respond(u16),
    Fired(Timer),
    TransportError,
}

impl Server {
    /// Does what a table said; returns what the user is to hear.
    pub(super) fn perform(
        &mut self,
        now: Instant,
        id: ServerId,
        actions: &[Action],
        out: &mut Output,
    ) -> Option<News> {
        let mut news = None;
        for &action in actions {
            match action {
                // There is nothing to repeat before the first response.
                Action::SendResponse if self.response.is_empty() => {}
                Action::SendResponse => out.send(self.flow, self.response.clone()),
                Action::SendTrying => self.send_trying(out),
                Action::Start(timer) => {
                    let duration = out.start(now, Deadline::Server(id, timer));
                    if let Machine::Invite(invite) = &mut self.machine
                        && matches!(timer, Timer::G | Timer::Success)
                    {
                        invite.interval = duration;
                    }
                }
                Action::Double(timer) => {
                    if let Machine::Invite(invite) = &mut self.machine {
                        invite.interval = out.timers.doubled(timer, invite.interval);
                        out.deadlines.set(Deadline::Server(id, timer), now + invite.interval);
                    }
                }
                Action::Stop(timer) => {
                    out.deadlines.cancel(&Deadline::Server(id, timer));
                }
                Action::ToUser => news = Some(News::Ack),
                Action::AckTimedOut => {
                    out.stats.acks_timed_out += 1;
                    news = Some(News::AckTimedOut);
                }
                Action::SuccessUnacknowledged => {
                    out.stats.successes_unacknowledged += 1;
                    news = Some(News::SuccessUnacknowledged);
                }
                Action::Undeliverable => {
                    out.stats.undeliverable += 1;
                    news = Some(News::Undeliverable);
                }
            }
        }
        news
    }

    fn send_trying(&mut self, out: &mut Output) {
        let Machine::Invite(invite) = &mut self.machine else { return };
        let Some(request) = invite.request.take() else { return };
        self.response = Builder::reply(&request, 100).finish().bytes().clone();
        out.stats.tryings_sent += 1;
        out.send(self.flow, self.response.clone());
    }
}

impl Machine {
    /// Moves to the next state; `None` when the input is absorbed.
    pub(super) fn advance(&mut self, input: Input, transport: Transport) -> Option<&'static [Action]> {
        match self {
            Machine::NonInvite(state) => {
                let event = match input {
                    Input::Repeated => non_invite_server::Event::Request,
                    Input::Respond(status) => non_invite_server::Event::respond(status),
                    Input::Fired(timer) => non_invite_server::Event::fired(timer)?,
                    Input::TransportError => non_invite_server::Event::TransportError,
                    // Only an INVITE is acknowledged.
                    Input::Ack => return None,
                };
                let (next, actions) = non_invite_server::next(*state, event, transport)?;
                *state = next;
                Some(actions)
            }
            Machine::Invite(invite) => {
                let event = match input {
                    Input::Repeated => invite_server::Event::Invite,
                    Input::Ack => invite_server::Event::Ack,
                    Input::Respond(status) => invite_server::Event::respond(status),
                    Input::Fired(timer) => invite_server::Event::fired(timer)?,
                    Input::TransportError => invite_server::Event::TransportError,
                };
                let (next, actions) = invite_server::next(invite.state, event, transport)?;
                invite.state = next;
                Some(actions)
            }
        }
    }

    /// Whether a response of the user means anything in the present state.
    pub(super) fn takes(&self, status: u16) -> bool {
        // Which transport it is changes what is done, not whether something is.
        let transport = Transport::Udp;
        match self {
            Machine::NonInvite(state) => {
                non_invite_server::next(*state, non_invite_server::Event::respond(status), transport)
                    .is_some()
            }
            Machine::Invite(invite) => {
                invite_server::next(invite.state, invite_server::Event::respond(status), transport).is_some()
            }
        }
    }

    pub(super) fn timers(&self) -> &'static [Timer] {
        match self {
            Machine::NonInvite(state) => state.timers(),
            Machine::Invite(invite) => invite.state.timers(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Machine::NonInvite(state) => *state == non_invite_server::State::Terminated,
            Machine::Invite(invite) => invite.state == invite_server::State::Terminated,
        }
    }
}

impl News {
    /// The event of news that comes without a message.
    pub(super) fn event(self, id: ServerId) -> Option<Event> {
        match self {
            News::Ack => None,
            News::AckTimedOut => Some(Event::AckTimedOut { id }),
            News::SuccessUnacknowledged => Some(Event::Ok2xxUnacknowledged { id }),
            News::Undeliverable => Some(Event::Undeliverable { id }),
        }
    }
}

/// What a table of the server side can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the last response, again or for the first time.
    SendResponse,
    /// Send a 100 (Trying) for the user.
    SendTrying,
    /// Give the ACK to the user.
    ToUser,
    /// Tell the user that no ACK came to a response 300 to 699.
    AckTimedOut,
    /// Tell the user that no ACK came to its 2xx.
    SuccessUnacknowledged,
    /// Tell the user that the flow of the response failed.
    Undeliverable,
    /// Start a timer.
    Start(Timer),
    /// Start a timer that fired again, for twice the interval.
    Double(Timer),
    /// Stop a timer before its state ends.
    Stop(Timer),
}

/// What the user hears of a step, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Ack,
    AckTimedOut,
    SuccessUnacknowledged,
    Undeliverable,
}
