//! One subscription.

use std::time::Instant;

use bytes::Bytes;

use super::{Package, State};
use crate::dialog::Dialog;

/// The number of a subscription, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub u64);

/// Somebody's wish to be told of something, and the dialog that it lives in ([RFC 6665 §4.5]).
///
/// [RFC 6665 §4.5]: https://www.rfc-editor.org/rfc/rfc6665#section-4.5
#[derive(Debug)]
pub struct Subscription<T> {
    /// The dialog, in which NOTIFYs are sent.
    pub dialog: Dialog,
    /// What kind of news.
    pub package: Package,
    /// The `id` parameter of the Event header field; empty when there is none.
    pub event_id: Bytes,
    /// Who watches.
    pub watcher: String,
    /// Of whom, in the order that the watcher gave.
    pub resources: Vec<String>,
    /// What its user remembers of it, such as what was told last.
    pub memory: T,
    pub(super) state: State,
    pub(super) expires: Instant,
    pub(super) news: News,
    /// When a NOTIFY was sent last.
    pub(super) notified: Option<Instant>,
    /// NOTIFYs that are not answered.
    pub(super) in_flight: u32,
    /// Whether its connection is gone.
    pub(super) is_unreachable: bool,
}

/// What the watcher is not yet told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Nothing.
    None,
    /// Something may have changed; the interval is kept.
    Changed,
    /// A NOTIFY is due at once.
    Urgent,
}

impl<T> Subscription<T> {
    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the next NOTIFY is one that must be sent, whatever it says.
    pub fn is_urgent(&self) -> bool {
        self.news == News::Urgent
    }

    /// The value of the Subscription-State header field of a NOTIFY.
    pub fn header(&self, now: Instant, retry_after: u32) -> String {
        let left = self.expires.saturating_duration_since(now);
        let seconds = left.as_secs() + u64::from(left.subsec_millis() >= 500);
        self.state.header(u32::try_from(seconds).unwrap_or(u32::MAX), retry_after)
    }
}
