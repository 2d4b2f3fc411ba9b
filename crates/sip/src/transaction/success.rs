//! The repetition of a 2xx to an INVITE until its ACK comes: [RFC 3261 §13.3.1.4].
//!
//! It runs over every transport: between the two user agents there may be a hop that loses messages even when
//! this one does not. The server transaction's Timer L, which is started by the same 2xx and lasts as long,
//! ends it.
//!
//! [RFC 3261 §13.3.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-13.3.1.4

use super::server::Action;
use super::timers::Timer;

/// The states.
///
/// ```text
///   2xx from the user: start the interval at T1
///                 │
///                 v       interval: send again, double it up to T2
///          Unacknowledged ──── ACK, or stopped by the user ───▶ Acknowledged
///                 │ L: tell the user, who ends the dialog by a BYE
///                 v
///             Abandoned
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No ACK has come.
    Unacknowledged,
    /// The ACK has come, or the user does not wait for it any more.
    Acknowledged,
    /// 64 T1 are over.
    Abandoned,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The ACK of this 2xx.
    Ack,
    /// The user does not wait for the ACK any more.
    Stop,
    /// The interval is over.
    TimerSuccess,
    /// Timer L fired.
    TimerL,
}

/// What is done when the 2xx is sent; it is then Unacknowledged.
pub(super) const fn begin() -> &'static [Action] {
    &[Action::Start(Timer::Success)]
}

/// The next state and what is done on the way; `None` when the event means nothing in the state and is
/// absorbed.
pub(super) fn next(state: State, event: Event) -> Option<(State, &'static [Action])> {
    use Action::{Double, SendResponse, Stop, SuccessUnacknowledged, ToUser};
    use State::{Abandoned, Acknowledged, Unacknowledged};

    let step: (State, &'static [Action]) = match (state, event) {
        (Unacknowledged, Event::TimerSuccess) => (Unacknowledged, &[SendResponse, Double(Timer::Success)]),
        (Unacknowledged, Event::Ack) => (Acknowledged, &[Stop(Timer::Success), ToUser]),
        (Unacknowledged, Event::Stop) => (Acknowledged, &[Stop(Timer::Success)]),
        (Unacknowledged, Event::TimerL) => (Abandoned, &[SuccessUnacknowledged]),
        // An ACK is repeated for every 2xx that crossed it.
        (Acknowledged, Event::Ack | Event::Stop | Event::TimerSuccess | Event::TimerL) => return None,
        (Abandoned, Event::Ack | Event::Stop | Event::TimerSuccess | Event::TimerL) => return None,
    };
    Some(step)
}
