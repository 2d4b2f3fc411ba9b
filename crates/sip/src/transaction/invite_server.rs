//! The INVITE server transaction: [RFC 3261 §17.2.1] as amended by [RFC 6026 §7.1].
//!
//! [RFC 3261 §17.2.1]: https://www.rfc-editor.org/rfc/rfc3261#section-17.2.1
//! [RFC 6026 §7.1]: https://www.rfc-editor.org/rfc/rfc6026#section-7.1

use ringback_sansio::Transport;

use super::server::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///                     INVITE: to the user
///                             │
///   INVITE: last 1xx again    v    1xx from the user: send it
///              ┌──────── Proceeding ────────┐   200 ms without an answer: 100
///              └───────▶  │      │  ◀────────┘
///     2xx from the user:  │      │  300-699 from the user:
///         send, start L   │      │    send, start G (UDP) and H
///                         v      v
///                  Accepted      Completed   INVITE, G: send again, double G
///   INVITE: absorbed │           │       │
///   ACK: to user     │           │ ACK   │ H: no ACK came, tell the user
///   2xx: send it     │           v       │
///                    │       Confirmed   │   only over UDP: start I, absorb repeated ACKs
///                    │ L         │ I     │
///                    v           v       v
///                    ───── Terminated ────
/// ```
///
/// A transport error changes no state (RFC 6026 §8.8); the user is told. The 2xx is repeated by the table in
/// `success`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The user has the INVITE and has sent no final response.
    Proceeding,
    /// The user has sent a 2xx.
    Accepted,
    /// The user has sent another final response, and no ACK has come.
    Completed,
    /// The ACK has come.
    Confirmed,
    /// Over.
    Terminated,
}

impl State {
    /// The timers that may run in the state; those of the state before that are not among them are stopped.
    pub(super) const fn timers(self) -> &'static [Timer] {
        match self {
            State::Proceeding => &[Timer::Trying],
            State::Accepted => &[Timer::L, Timer::Success],
            State::Completed => &[Timer::G, Timer::H],
            State::Confirmed => &[Timer::I],
            State::Terminated => &[],
        }
    }
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The INVITE came again.
    Invite,
    /// An ACK with the branch of the INVITE.
    Ack,
    /// A 1xx from the user.
    Provisional,
    /// A 2xx from the user.
    Success,
    /// A 300 to 699 from the user.
    Failure,
    /// The user has not answered for 200 ms.
    TimerTrying,
    /// Timer G fired.
    TimerG,
    /// Timer H fired.
    TimerH,
    /// Timer I fired.
    TimerI,
    /// Timer L fired.
    TimerL,
    /// The flow failed.
    TransportError,
}

impl Event {
    /// The event of a response from the user.
    pub(super) const fn respond(status: u16) -> Self {
        match status {
            ..200 => Event::Provisional,
            200..300 => Event::Success,
            300.. => Event::Failure,
        }
    }

    /// The event of a timer; `None` for one that is not this machine's.
    pub(super) const fn fired(timer: Timer) -> Option<Self> {
        Some(match timer {
            Timer::Trying => Event::TimerTrying,
            Timer::G => Event::TimerG,
            Timer::H => Event::TimerH,
            Timer::I => Event::TimerI,
            Timer::L => Event::TimerL,
            _ => return None,
        })
    }
}

/// The next state and what is done on the way; `None` when the event means nothing in the state and is
/// absorbed.
pub(super) fn next(state: State, event: Event, transport: Transport) -> Option<(State, &'static [Action])> {
    use Action::{AckTimedOut, Double, SendResponse, SendTrying, Start, Stop, ToUser, Undeliverable};
    use Event::{
        Ack, Failure, Invite, Provisional, Success, TimerG, TimerH, TimerI, TimerL, TimerTrying,
        TransportError,
    };
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

    let reliable = transport.is_reliable();
    let step: (State, &'static [Action]) = match (state, event) {
        (Proceeding, Invite) => (Proceeding, &[SendResponse]),
        (Proceeding, TimerTrying) => (Proceeding, &[SendTrying]),
        (Proceeding, Provisional) => (Proceeding, &[SendResponse, Stop(Timer::Trying)]),
        (Proceeding, Success) => (Accepted, &[SendResponse, Start(Timer::L)]),
        (Proceeding, Failure) if reliable => (Completed, &[SendResponse, Start(Timer::H)]),
        (Proceeding, Failure) => (Completed, &[SendResponse, Start(Timer::G), Start(Timer::H)]),
        (Proceeding | Accepted | Completed, TransportError) => (state, &[Undeliverable]),
        (Accepted, Invite) => return None,
        (Accepted, Ack) => (Accepted, &[ToUser]),
        (Accepted, Success) => (Accepted, &[SendResponse]),
        (Accepted, TimerL) => (Terminated, &[]),
        (Completed, Invite) => (Completed, &[SendResponse]),
        (Completed, TimerG) => (Completed, &[SendResponse, Double(Timer::G)]),
        (Completed, TimerH) => (Terminated, &[AckTimedOut]),
        // Timer I is zero where nothing repeats an ACK.
        (Completed, Ack) if reliable => (Terminated, &[]),
        (Completed, Ack) => (Confirmed, &[Start(Timer::I)]),
        (Confirmed, TimerI) => (Terminated, &[]),
        (Confirmed, Invite | Ack | TransportError) => return None,
        // An ACK to nothing; and what the user says after its final response.
        (Proceeding, Ack) => return None,
        (Accepted, Provisional | Failure) => return None,
        (Completed | Confirmed, Provisional | Success | Failure) => return None,
        (Proceeding, TimerG | TimerH | TimerI | TimerL) => return None,
        (Accepted, TimerTrying | TimerG | TimerH | TimerI) => return None,
        (Completed, TimerTrying | TimerI | TimerL) => return None,
        (Confirmed, TimerTrying | TimerG | TimerH | TimerL) => return None,
        (Terminated, _) => return None,
    };
    Some(step)
}
