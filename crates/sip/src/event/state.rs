//! The states of a subscription as its notifier sees them: [RFC 6665 §4.1.3] with the table of [RFC 3857 §4.7.1].
//!
//! ```text
//!            SUBSCRIBE, no policy      +-------------+      SUBSCRIBE, allowed
//!          +---------------------------|    init     |--------------------------+
//!          V                           +-------------+                          V
//!   +-------------+          approved         |                          +-------------+
//!   |   pending   |-------------------------------------------------------->|   active    |
//!   +-------------+                           | fetch                    +-------------+
//!          | timeout, rejected,               V                                 | timeout, rejected, deactivated,
//!          | noresource, giveup ...    +-------------+                          | noresource, probation ...
//!          +-------------------------->| terminated  |<-------------------------+
//!                                      +-------------+
//! ```
//!
//! The state *waiting* of RFC 3857, in which a refused watcher is remembered, is left out: nobody has to be asked here.
//!
//! [RFC 6665 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
//! [RFC 3857 §4.7.1]: https://www.rfc-editor.org/rfc/rfc3857#section-4.7.1

/// Where a subscription stands; `substate-value` of the Subscription-State header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing was decided.
    Init,
    /// Whether the watcher may watch is to be decided.
    Pending,
    /// The watcher is told of every change.
    Active,
    /// It is over, for that reason.
    Terminated(Reason),
}

/// Why a subscription is over ([RFC 6665 §4.1.3]).
///
/// [RFC 6665 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6665#section-4.1.3
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The watcher should subscribe again at once.
    Deactivated,
    /// The watcher should try again later.
    Probation,
    /// The watcher may not watch.
    Rejected,
    /// It was not refreshed, or was given up by the watcher.
    Timeout,
    /// The decision about the watcher took too long.
    GiveUp,
    /// What was watched is no more.
    NoResource,
    /// What was watched never changes again.
    Invariant,
}

/// Whether somebody may watch, when the subscription is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// Yes.
    Allowed,
    /// Somebody has to be asked.
    Undecided,
}

/// What happens to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// A SUBSCRIBE that makes it.
    Subscribe(Authorization),
    /// A SUBSCRIBE outside a dialog for no time: one NOTIFY is wanted.
    Fetch,
    /// A SUBSCRIBE within it, for more time.
    Refresh,
    /// A SUBSCRIBE within it, for no time.
    Unsubscribe,
    /// The watcher may watch.
    Approved,
    /// Its time is over.
    Expired,
    /// We end it.
    End(Reason),
    /// The far end does not take a NOTIFY in a way that ends the subscription (§4.2.2).
    NotifyFailed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A NOTIFY is due at once.
    Notify,
    /// The time that was granted begins.
    StartExpiration,
    /// It is forgotten without a word.
    Forget,
}

/// The table.
pub fn transition(state: State, occurrence: Occurrence) -> (State, &'static [Action]) {
    use Action::{Forget, Notify, StartExpiration};
    use Occurrence as O;
    use State::{Active, Init, Pending, Terminated};
    match (state, occurrence) {
        (Init, O::Subscribe(Authorization::Allowed)) => (Active, &[StartExpiration, Notify]),
        (Init, O::Subscribe(Authorization::Undecided)) => (Pending, &[StartExpiration, Notify]),
        (Init, O::Fetch) => (Terminated(Reason::Timeout), &[Notify]),
        (Pending, O::Approved) => (Active, &[Notify]),
        (Pending | Active, O::Refresh) => (state, &[StartExpiration, Notify]),
        (Pending | Active, O::Unsubscribe | O::Expired) => (Terminated(Reason::Timeout), &[Notify]),
        (Pending | Active, O::End(reason)) => (Terminated(reason), &[Notify]),
        (Pending | Active, O::NotifyFailed) => (Terminated(Reason::Timeout), &[Forget]),
        _ => (state, &[]),
    }
}

impl State {
    /// The value of Subscription-State, with the seconds that are left or after which to come back.
    pub fn header(self, seconds_left: u32, retry_after: u32) -> String {
        match self {
            State::Init | State::Pending => format!("pending;expires={seconds_left}"),
            State::Active => format!("active;expires={seconds_left}"),
            State::Terminated(reason @ (Reason::Probation | Reason::GiveUp)) => {
                format!("terminated;reason={};retry-after={retry_after}", reason.word())
            }
            State::Terminated(reason) => format!("terminated;reason={}", reason.word()),
        }
    }

    /// Whether it is over.
    pub const fn is_terminated(self) -> bool {
        matches!(self, State::Terminated(_))
    }
}

impl Reason {
    /// `event-reason-value` of the grammar.
    pub const fn word(self) -> &'static str {
        match self {
            Reason::Deactivated => "deactivated",
            Reason::Probation => "probation",
            Reason::Rejected => "rejected",
            Reason::Timeout => "timeout",
            Reason::GiveUp => "giveup",
            Reason::NoResource => "noresource",
            Reason::Invariant => "invariant",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, as a SIP engineer reads it.
    #[test]
    fn the_table() {
        let states = [State::Init, State::Pending, State::Active, State::Terminated(Reason::Timeout)];
        let occurrences = [
            Occurrence::Subscribe(Authorization::Allowed),
            Occurrence::Subscribe(Authorization::Undecided),
            Occurrence::Fetch,
            Occurrence::Refresh,
            Occurrence::Unsubscribe,
            Occurrence::Approved,
            Occurrence::Expired,
            Occurrence::End(Reason::Rejected),
            Occurrence::NotifyFailed,
        ];
        let mut table = String::new();
        for state in states {
            for occurrence in occurrences {
                let (next, actions) = transition(state, occurrence);
                if next != state || !actions.is_empty() {
                    table += &format!("{state:?} + {occurrence:?} -> {next:?} {actions:?}\n");
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_header_says_what_the_watcher_is_to_do() {
        assert_eq!(State::Active.header(600, 9), "active;expires=600");
        assert_eq!(State::Pending.header(60, 9), "pending;expires=60");
        assert_eq!(State::Terminated(Reason::Timeout).header(0, 9), "terminated;reason=timeout");
        let later = "terminated;reason=probation;retry-after=9";
        assert_eq!(State::Terminated(Reason::Probation).header(0, 9), later);
    }
}
