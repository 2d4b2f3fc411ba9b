//! The INVITE client transaction: [RFC 3261 §17.1.1] as amended by [RFC 6026 §7.2].
//!
//! [RFC 3261 §17.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.1.1
//! [RFC 6026 §7.2]: https://www.rfc-editor.org/rfc/rfc6026#section-7.2

use ringback_sansio::Transport;

use super::client::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///                  INVITE from the user: send it, start A (UDP) and B
///                                  |
///      A: send again, double A     v
///                 ┌────────── Calling ───────────────────────────────────┐
///                 └───────────▶ │ │ │                                    │ B: timed out
///               ┌───────────────┘ │ └───────────────┐                    │ transport error:
///          2xx: │             1xx:│                 │ 300-699:           │   inform the user
///       to user │          to user│                 │ ACK, to user       │
///       start M │                 v                 │ start D (UDP)      │
///               │◀── 2xx ──── Proceeding ─ 300-699 ▶│                    │
///               │           1xx │ ▲                 │                    │
///               v               └─┘                 v                    │
///           Accepted                            Completed                │
///       2xx │ ▲  │ M                 300-699: │ ▲   │ D, or at once      │
///           └─┘  │                 ACK again  └─┘   │ (not UDP)          │
///                └──────────────────┬───────────────┘                    │
///                                   v                                    │
///                               Terminated ◀─────────────────────────────┘
/// ```
///
/// Proceeding has no end of its own: the transaction user sets Timer C (§16.6) or its own patience, and
/// cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The INVITE is sent, and nothing has come back.
    Calling,
    /// A provisional response has come.
    Proceeding,
    /// A final response other than 2xx has come and is acknowledged, as often as it comes.
    Completed,
    /// A 2xx has come; more may, from other branches or again.
    Accepted,
    /// Over.
    Terminated,
}

impl State {
    /// The timers that may run in the state; those of the state before that are not among them are stopped.
    pub(super) const fn timers(self) -> &'static [Timer] {
        match self {
            State::Calling => &[Timer::A, Timer::B],
            State::Proceeding => &[],
            State::Completed => &[Timer::D],
            State::Accepted => &[Timer::M],
            State::Terminated => &[],
        }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A 1xx.
    Provisional,
    /// A 2xx.
    Success,
    /// A 300 to 699.
    Failure,
    /// Timer A fired.
    TimerA,
    /// Timer B fired.
    TimerB,
    /// Timer D fired.
    TimerD,
    /// Timer M fired.
    TimerM,
    /// The flow failed.
    TransportError,
}

impl Event {
    /// The event of a response.
    pub(super) const fn response(status: u16) -> Self {
        match status {
            ..200 => Event::Provisional,
            200..300 => Event::Success,
            300.. => Event::Failure,
        }
    }

    /// The event of a timer; `None` for one that is not this machine's.
    pub(super) const fn fired(timer: Timer) -> Option<Self> {
        Some(match timer {
            Timer::A => Event::TimerA,
            Timer::B => Event::TimerB,
            Timer::D => Event::TimerD,
            Timer::M => Event::TimerM,
            _ => return None,
        })
    }
}

/// What is done when the transaction is made; it is then Calling.
pub(super) const fn begin(transport: Transport) -> &'static [Action] {
    if transport.is_reliable() {
        &[Action::SendRequest, Action::Start(Timer::B)]
    } else {
        &[Action::SendRequest, Action::Start(Timer::A), Action::Start(Timer::B)]
    }
}

/// The next state and what is done on the way; `None` when the event means nothing in the state and is
/// absorbed.
pub(super) fn next(state: State, event: Event, transport: Transport) -> Option<(State, &'static [Action])> {
    use Action::{Double, Over, SendAck, SendRequest, Start, TimedOut, ToUser, TransportFailed};
    use Event::{Failure, Provisional, Success, TimerA, TimerB, TimerD, TimerM, TransportError};
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};

    let reliable = transport.is_reliable();
    let step: (State, &'static [Action]) = match (state, event) {
        (Calling, TimerA) => (Calling, &[SendRequest, Double(Timer::A)]),
        (Calling, TimerB) => (Terminated, &[TimedOut]),
        (Calling, TransportError) => (Terminated, &[TransportFailed]),
        (Calling | Proceeding, Provisional) => (Proceeding, &[ToUser]),
        (Calling | Proceeding, Success) => (Accepted, &[ToUser, Start(Timer::M)]),
        // Timer D is zero where nothing repeats a response.
        (Calling | Proceeding, Failure) if reliable => (Terminated, &[SendAck, ToUser]),
        (Calling | Proceeding, Failure) => (Completed, &[SendAck, ToUser, Start(Timer::D)]),
        // Over a connection that is gone no response will come; a datagram flow may be back.
        (Proceeding, TransportError) if reliable => (Terminated, &[TransportFailed]),
        (Proceeding, TransportError) => return None,
        (Completed, Failure) => (Completed, &[SendAck]),
        (Completed, TimerD) => (Terminated, &[]),
        // The user has the final response; that an ACK did not leave is news for nobody, the response comes
        // again.
        (Completed, TransportError) => return None,
        (Completed, Provisional | Success) => return None,
        (Accepted, Success) => (Accepted, &[ToUser]),
        (Accepted, TimerM) => (Terminated, &[Over]),
        (Accepted, Provisional | Failure | TransportError) => return None,
        (Calling, TimerD | TimerM) => return None,
        (Proceeding, TimerA | TimerB | TimerD | TimerM) => return None,
        (Completed, TimerA | TimerB | TimerM) => return None,
        (Accepted, TimerA | TimerB | TimerD) => return None,
        (Terminated, _) => return None,
    };
    Some(step)
}
