//! The non-INVITE server transaction: [RFC 3261 §17.2.2].
//!
//! [RFC 3261 §17.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.2

use ringback_sansio::Transport;

use super::server::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///                 request: to the user
///                         │
///                         v
///                      Trying      request again: absorbed
///                1xx:  │    │  200-699 from the user: send, start J (UDP)
///             send it  v    │
///              Proceeding   │      request again, 1xx: send (again)
///                      │    │
///                      v    v
///                     Completed    request again: send again
///                         │ J, or at once (not UDP)
///                         v
///                     Terminated
/// ```
///
/// A transport error changes no state (RFC 6026 §8.8): a repeated request must not look like a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The user has the request and has sent nothing.
    Trying,
    /// The user has sent a provisional response.
    Proceeding,
    /// The user has sent the final response.
    Completed,
    /// Over.
    Terminated,
}

impl State {
    /// The timers that may run in the state; those of the state before that are not among them are stopped.
    pub(super) const fn timers(self) -> &'static [Timer] {
        match self {
            State::Trying | State::Proceeding | State::Terminated => &[],
            State::Completed => &[Timer::J],
        }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The request came again.
    Request,
    /// A 1xx from the user.
    Provisional,
    /// A 200 to 699 from the user.
    Final,
    /// Timer J fired.
    TimerJ,
    /// The flow failed.
    TransportError,
}

impl Event {
    /// The event of a response from the user.
    pub(super) const fn respond(status: u16) -> Self {
        if status < 200 { Event::Provisional } else { Event::Final }
    }

    /// The event of a timer; `None` for one that is not this machine's.
    pub(super) const fn fired(timer: Timer) -> Option<Self> {
        match timer {
            Timer::J => Some(Event::TimerJ),
            _ => None,
        }
    }
}

/// The next state and what is done on the way; `None` when the event means nothing in the state and is
/// absorbed.
pub(super) fn next(state: State, event: Event, transport: Transport) -> Option<(State, &'static [Action])> {
    use Action::{SendResponse, Start, Undeliverable};
    use Event::{Final, Provisional, Request, TimerJ, TransportError};
    use State::{Completed, Proceeding, Terminated, Trying};

    let reliable = transport.is_reliable();
    let step: (State, &'static [Action]) = match (state, event) {
        (Trying, Request) => return None,
        (Proceeding | Completed, Request) => (state, &[SendResponse]),
        (Trying | Proceeding, Provisional) => (Proceeding, &[SendResponse]),
        // Timer J is zero where nothing repeats a request.
        (Trying | Proceeding, Final) if reliable => (Terminated, &[SendResponse]),
        (Trying | Proceeding, Final) => (Completed, &[SendResponse, Start(Timer::J)]),
        (Completed, TimerJ) => (Terminated, &[]),
        (Trying | Proceeding | Completed, TransportError) => (state, &[Undeliverable]),
        (Completed, Provisional | Final) => return None,
        (Trying | Proceeding, TimerJ) => return None,
        (Terminated, _) => return None,
    };
    Some(step)
}
