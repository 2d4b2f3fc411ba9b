//! One client transaction: its machine, and what it keeps to do what its table says.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::{Flow, Transport};

use super::cancel::State as Cancel;
use super::derived;
use super::event::{ClientId, Event};
use super::keys::{Key, Keys};
use super::output::{Deadline, Output};
use super::timers::Timer;
use super::{invite_client, non_invite_client};
use crate::message::{Message, Method};

/// One client transaction.
pub(super) struct Client {
    pub(super) number: u32,
    pub(super) key: Key,
    pub(super) flow: Flow,
    /// What Timer A or E waited for the last time.
    pub(super) interval: Duration,
    /// The request as sent; empty once it will not be sent again.
    pub(super) request: Bytes,
    pub(super) machine: Machine,
}

pub(super) enum Machine {
    NonInvite(non_invite_client::State),
    /// A CANCEL: its response is for the layer.
    Cancel(non_invite_client::State),
    Invite(Box<Invite>),
}

/// What only an INVITE has.
pub(super) struct Invite {
    pub(super) state: invite_client::State,
    pub(super) cancel: Cancel,
    /// The Reason of the CANCEL; empty for none.
    pub(super) reason: Bytes,
    /// What the ACK of a failure and the CANCEL are made of; `None` after the final response.
    pub(super) request: Option<Message>,
    /// The ACK of the failure; empty before it.
    pub(super) ack: Bytes,
    /// The ACK of the user to a 2xx, by which 2xx it acknowledges.
    pub(super) confirmed: Option<(Key, Flow, Bytes)>,
}

/// What can happen to any client transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    Response(u16),
    Fired(Timer),
    TransportError,
}

impl Client {
    /// Does what a table said; returns what the user is to hear.
    pub(super) fn perform(
        &mut self,
        now: Instant,
        id: ClientId,
        actions: &[Action],
        response: Option<&Message>,
        out: &mut Output,
    ) -> Option<News> {
        let mut news = None;
        for &action in actions {
            match action {
                Action::SendRequest => {
                    // Only a request that has been sent has an interval to be sent again after.
                    match self.interval.is_zero() {
                        true => out.stats.requests_sent += 1,
                        false => out.stats.requests_retransmitted += 1,
                    }
                    out.send(self.flow, self.request.clone());
                }
                Action::SendAck => self.send_ack(response, out),
                // The caller makes the CANCEL: it is a transaction beside this one.
                Action::SendCancel => {}
                Action::Start(timer) => {
                    let duration = out.start(now, Deadline::Client(id, timer));
                    if matches!(timer, Timer::A | Timer::E) {
                        self.interval = duration;
                    }
                }
                Action::Double(timer) => {
                    self.interval = out.timers.doubled(timer, self.interval);
                    out.deadlines.set(Deadline::Client(id, timer), now + self.interval);
                }
                Action::StartAtT2(timer) => {
                    self.interval = out.timers.t2;
                    out.deadlines.set(Deadline::Client(id, timer), now + self.interval);
                }
                Action::Stop(timer) => {
                    out.deadlines.cancel(&Deadline::Client(id, timer));
                }
                Action::ToUser => news = Some(News::Response),
                Action::TimedOut => {
                    out.stats.timed_out += 1;
                    news = Some(News::TimedOut);
                }
                Action::TransportFailed => {
                    out.stats.transport_failed += 1;
                    news = Some(News::TransportFailed);
                }
                Action::Over => news = Some(News::Over),
            }
        }
        match &self.machine {
            // The layer sent the CANCEL of its own accord; only the INVITE is the user's.
            Machine::Cancel(_) => None,
            Machine::NonInvite(_) | Machine::Invite(_) => news,
        }
    }

    /// Sends the ACK of a failure; it is made once and then kept.
    fn send_ack(&mut self, response: Option<&Message>, out: &mut Output) {
        let Machine::Invite(invite) = &mut self.machine else { return };
        if let (Some(request), Some(response)) = (&invite.request, response) {
            invite.ack = derived::ack(request, response).bytes().clone();
            out.stats.requests_sent += 1;
        } else {
            out.stats.requests_retransmitted += 1;
        }
        out.send(self.flow, invite.ack.clone());
    }

    /// Answers a 2xx that came again with the ACK that the user gave for it; says whether it did.
    pub(super) fn acknowledge_again(&self, response: &Message, keys: &Keys, out: &mut Output) -> bool {
        let Machine::Invite(invite) = &self.machine else { return false };
        let Some((key, flow, ack)) = &invite.confirmed else { return false };
        if keys.acknowledged(response).as_ref() != Some(key) {
            // Another To tag is another branch of a fork: its dialog is the user's to acknowledge.
            return false;
        }
        out.stats.requests_retransmitted += 1;
        out.send(*flow, ack.clone());
        true
    }

    /// Once there is a final response nothing is sent or derived from the request again.
    pub(super) fn forget_request_if_answered(&mut self) {
        let answered = match &mut self.machine {
            Machine::NonInvite(state) | Machine::Cancel(state) => {
                *state == non_invite_client::State::Completed
            }
            Machine::Invite(invite) => {
                use invite_client::State::{Accepted, Completed};
                let answered = matches!(invite.state, Accepted | Completed);
                if answered {
                    invite.request = None;
                }
                answered
            }
        };
        if answered {
            self.request = Bytes::new();
        }
    }
}

impl Machine {
    pub(super) fn begin(request: Message, transport: Transport) -> (Self, &'static [Action]) {
        let trying = non_invite_client::State::Trying;
        match request.method_ref() {
            Method::Invite => {
                let invite = Invite {
                    state: invite_client::State::Calling,
                    cancel: Cancel::Unanswered,
                    reason: Bytes::new(),
                    request: Some(request),
                    ack: Bytes::new(),
                    confirmed: None,
                };
                (Machine::Invite(Box::new(invite)), invite_client::begin(transport))
            }
            Method::Cancel => (Machine::Cancel(trying), non_invite_client::begin(transport)),
            _ => (Machine::NonInvite(trying), non_invite_client::begin(transport)),
        }
    }

    /// Moves to the next state; `None` when the input is absorbed.
    pub(super) fn advance(&mut self, input: Input, transport: Transport) -> Option<&'static [Action]> {
        match self {
            Machine::NonInvite(state) | Machine::Cancel(state) => {
                let event = match input {
                    Input::Response(status) => non_invite_client::Event::response(status),
                    Input::Fired(timer) => non_invite_client::Event::fired(timer)?,
                    Input::TransportError => non_invite_client::Event::TransportError,
                };
                let (next, actions) = non_invite_client::next(*state, event, transport)?;
                *state = next;
                Some(actions)
            }
            Machine::Invite(invite) => {
                let event = match input {
                    Input::Response(status) => invite_client::Event::response(status),
                    Input::Fired(timer) => invite_client::Event::fired(timer)?,
                    Input::TransportError => invite_client::Event::TransportError,
                };
                let (next, actions) = invite_client::next(invite.state, event, transport)?;
                invite.state = next;
                Some(actions)
            }
        }
    }

    pub(super) fn timers(&self) -> &'static [Timer] {
        match self {
            Machine::NonInvite(state) | Machine::Cancel(state) => state.timers(),
            Machine::Invite(invite) => invite.state.timers(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Machine::NonInvite(state) | Machine::Cancel(state) => {
                *state == non_invite_client::State::Terminated
            }
            Machine::Invite(invite) => invite.state == invite_client::State::Terminated,
        }
    }
}

impl News {
    /// The event of news that comes without a message.
    pub(super) fn event(self, id: ClientId) -> Option<Event> {
        match self {
            News::Response => None,
            News::TimedOut => Some(Event::TimedOut { id }),
            News::TransportFailed => Some(Event::TransportFailed { id }),
            News::Over => Some(Event::Terminated { id }),
        }
    }
}

/// What a table of the client side can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the request, again or for the first time.
    SendRequest,
    /// Send the ACK of a response 300 to 699.
    SendAck,
    /// Send the CANCEL, which is a transaction of its own.
    SendCancel,
    /// Give the response to the user.
    ToUser,
    /// Tell the user that no response came.
    TimedOut,
    /// Tell the user that the flow failed.
    TransportFailed,
    /// Tell the user that no further 2xx will be matched.
    Over,
    /// Start a timer.
    Start(Timer),
    /// Start a timer that fired again, for twice the interval.
    Double(Timer),
    /// Start a timer for T2.
    StartAtT2(Timer),
    /// Stop a timer before its state ends.
    Stop(Timer),
}

/// What the user hears of a step, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Response,
    TimedOut,
    TransportFailed,
    Over,
}
