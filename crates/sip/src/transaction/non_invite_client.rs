//! The non-INVITE client transaction: [RFC 3261 §17.1.2].
//!
//! [RFC 3261 §17.1.2]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.2

use ringback_sansio::Transport;

use super::client::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///               request from the user: send it, start E (UDP) and F
///                                │
///      E: send again, double E   v
///               ┌───────────  Trying  ──────────────────────────┐
///               └──────────▶  │    │                            │
///                        1xx: │    │ 200-699: to user           │
///                     to user │    │          start K (UDP)     │ F: timed out
///                             v    │                            │ transport error:
///        E: again, E = T2   Proceeding ─────────────────────────┤    inform the user
///        1xx: to user         │    │                            │
///                    200-699: │    │                            │
///                             v    v                            │
///                            Completed   responses: absorbed    │
///                                │ K, or at once (not UDP)      │
///                                v                              │
///                            Terminated ◀───────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The request is sent, and nothing has come back.
    Trying,
    /// A provisional response has come.
    Proceeding,
    /// The final response has come.
    Completed,
    /// Over.
    Terminated,
}

impl State {
    /// The timers that may run in the state; those of the state before that are not among them are stopped.
    pub(super) const fn timers(self) -> &'static [Timer] {
        match self {
            State::Trying | State::Proceeding => &[Timer::E, Timer::F],
            State::Completed => &[Timer::K],
            State::Terminated => &[],
        }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A 1xx.
    Provisional,
    /// A 200 to 699.
    Final,
    /// Timer E fired.
    TimerE,
    /// Timer F fired.
    TimerF,
    /// Timer K fired.
    TimerK,
    /// The flow failed.
    TransportError,
}

impl Event {
    /// The event of a response.
    pub(super) const fn response(status: u16) -> Self {
        if status < 200 { Event::Provisional } else { Event::Final }
    }

    /// The event of a timer; `None` for one that is not this machine's.
    pub(super) const fn fired(timer: Timer) -> Option<Self> {
        Some(match timer {
            Timer::E => Event::TimerE,
            Timer::F => Event::TimerF,
            Timer::K => Event::TimerK,
            _ => return None,
        })
    }
}

/// What is done when the transaction is made; it is then Trying.
pub(super) const fn begin(transport: Transport) -> &'static [Action] {
    if transport.is_reliable() {
        &[Action::SendRequest, Action::Start(Timer::F)]
    } else {
        &[Action::SendRequest, Action::Start(Timer::E), Action::Start(Timer::F)]
    }
}

/// The next state and what is done on the way; `None` when the event means nothing in the state and is
/// absorbed.
pub(super) fn next(state: State, event: Event, transport: Transport) -> Option<(State, &'static [Action])> {
    use Action::{Double, SendRequest, Start, StartAtT2, TimedOut, ToUser, TransportFailed};
    use Event::{Final, Provisional, TimerE, TimerF, TimerK, TransportError};
    use State::{Completed, Proceeding, Terminated, Trying};

    let reliable = transport.is_reliable();
    let step: (State, &'static [Action]) = match (state, event) {
        (Trying, TimerE) => (Trying, &[SendRequest, Double(Timer::E)]),
        (Proceeding, TimerE) => (Proceeding, &[SendRequest, StartAtT2(Timer::E)]),
        (Trying | Proceeding, TimerF) => (Terminated, &[TimedOut]),
        (Trying | Proceeding, TransportError) => (Terminated, &[TransportFailed]),
        (Trying | Proceeding, Provisional) => (Proceeding, &[ToUser]),
        // Timer K is zero where nothing repeats a response.
        (Trying | Proceeding, Final) if reliable => (Terminated, &[ToUser]),
        (Trying | Proceeding, Final) => (Completed, &[ToUser, Start(Timer::K)]),
        (Completed, TimerK) => (Terminated, &[]),
        (Completed, Provisional | Final | TransportError) => return None,
        (Trying | Proceeding, TimerK) => return None,
        (Completed, TimerE | TimerF) => return None,
        (Terminated, _) => return None,
    };
    Some(step)
}
