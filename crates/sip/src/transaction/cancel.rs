//! When the CANCEL of an INVITE may be sent: [RFC 3261 §9.1].
//!
//! [RFC 3261 §9.1]: https://www.rfc-editor.org/rfc/rfc3261#section-9.1

use super::client::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///                 asked                        asked
///    Unanswered ─────────▶ Waiting   Answered ────────┐
///        │                    │         ▲             │ send CANCEL,
///        │ 1xx                │ 1xx     │             │ start 64 T1
///        └────────────────────│─────────┘             v
///                             └──────────────────▶  Sent ── 64 T1: give the INVITE up
///
///    a final response leads from every state to TooLate
/// ```
///
/// Before a provisional response the far side may not have the INVITE, and a CANCEL that overtakes it stops
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No response has come.
    Unanswered,
    /// A provisional response has come.
    Answered,
    /// The user asked for the CANCEL, which waits for a provisional response.
    Waiting,
    /// The CANCEL is sent.
    Sent,
    /// The final response has come: there is nothing to cancel.
    TooLate,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The user asks for the CANCEL.
    Asked,
    /// A 1xx to the INVITE.
    Provisional,
    /// A final response to the INVITE.
    Final,
    /// 64 T1 after the CANCEL there is no final response.
    TimerCancelled,
}

/// The next state and what is done on the way; `None` when the event means nothing in the state.
pub(super) fn next(state: State, event: Event) -> Option<(State, &'static [Action])> {
    use Action::{SendCancel, Start, Stop, TimedOut};
    use Event::{Asked, Final, Provisional, TimerCancelled};
    use State::{Answered, Sent, TooLate, Unanswered, Waiting};

    let step: (State, &'static [Action]) = match (state, event) {
        (Unanswered, Asked) => (Waiting, &[]),
        (Unanswered, Provisional) => (Answered, &[]),
        (Answered, Asked) | (Waiting, Provisional) => (Sent, &[SendCancel, Start(Timer::Cancelled)]),
        (Sent, TimerCancelled) => (TooLate, &[TimedOut]),
        (Sent, Final) => (TooLate, &[Stop(Timer::Cancelled)]),
        (Unanswered | Answered | Waiting, Final) => (TooLate, &[]),
        (Answered, Provisional) | (Waiting, Asked) | (Sent, Asked | Provisional) => return None,
        (Unanswered | Answered | Waiting, TimerCancelled) => return None,
        (TooLate, _) => return None,
    };
    Some(step)
}
