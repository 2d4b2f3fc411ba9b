//! Subscriptions and publications (RFC 6665, RFC 3903): presence, busy lamps, mailboxes and registrations of local users.
//!
//! `subscribe` and `publish` take the requests, `notify` sends the news; `presence`, `dialogs`, `contacts`, `watchers` and
//! `lists` say what there is to tell. Whatever changes something calls `touch` and nothing else: what a watcher knows already is found
//! out when its NOTIFY is due, so a call too many costs a comparison.
//!
//! Who may watch: presence and calls of anybody are shown to every user who has signed in; mailboxes, registrations and
//! who watches one's presence to the user alone. The other side of a call is told to the user alone. A user that there
//! is not looks like one who is not signed in.
//!
//! Assumptions and what is left out:
//! - Users of other exchanges cannot be watched: there is no SUBSCRIBE of our own.
//! - A subscription does not outlive the process: its watcher subscribes again when it expires.
//! - Watcher information (RFC 3857) is of presence alone, and of at most 200 watchers; nobody has to be approved.
//! - Filters (RFC 4660) and partial presence (RFC 5262) are not there.

mod contacts;
mod dialogs;
mod lists;
mod notify;
mod presence;
mod publish;
mod refused;
mod subscribe;
mod watchers;

use std::collections::BTreeMap;
use std::time::Duration;

use ringback_sip::event::documents::dialog_info::Dialog;
use ringback_sip::event::documents::pidf::Presence;
use ringback_sip::event::documents::reginfo::Contact;
use ringback_sip::event::documents::watcherinfo::Watcher;
use ringback_sip::event::{Bounds, Compositor, Expiry, Notifier, Package, SubscriptionId};

use crate::call::Call;
use crate::exchange::Exchange;
use dialogs::CallsByUser;

/// The packages that can be subscribed to, as the value of Allow-Events.
pub(crate) const ALLOW_EVENTS: &str = "presence, dialog, message-summary, reg, presence.winfo";

/// The option of lists (RFC 4662).
pub(crate) const EVENT_LIST: &[u8] = b"eventlist";

/// Bounds of subscriptions and publications.
#[derive(Debug, Clone)]
pub struct EventLimits {
    /// Subscriptions in all, and publications in all.
    pub subscriptions: usize,
    /// Subscriptions of one user.
    pub subscriptions_per_user: usize,
    /// Publications of one user.
    pub publications_per_user: usize,
    /// The shortest and the longest time for which a subscription or a publication is granted; the longest is also what
    /// is granted to who asks for none.
    pub expires: (Duration, Duration),
}

impl Default for EventLimits {
    fn default() -> Self {
        EventLimits {
            subscriptions: 20_000,
            subscriptions_per_user: 500,
            publications_per_user: 8,
            expires: (Duration::from_secs(10), Duration::from_secs(3600)),
        }
    }
}

impl EventLimits {
    fn expiry(&self) -> Expiry {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let (min, max) = self.expires;
        Expiry { min: seconds(min), default: seconds(max), max: seconds(max) }
    }
}

/// Subscriptions and publications.
#[derive(Debug)]
pub(crate) struct EventState {
    pub notifier: Notifier<Told>,
    pub publications: Compositor<Presence>,
    pub expiry: Expiry,
    /// Which calls each user has.
    pub calls: CallsByUser,
}

impl EventState {
    pub fn new(limits: &EventLimits) -> Self {
        let expiry = limits.expiry();
        let bounds =
            Bounds { expiry, total: limits.subscriptions, per_watcher: limits.subscriptions_per_user };
        EventState {
            notifier: Notifier::new(bounds),
            publications: Compositor::new(limits.subscriptions, limits.publications_per_user),
            expiry,
            calls: CallsByUser::default(),
        }
    }
}

/// What the watcher of a subscription has been told.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whom it watches, in the order that it gave.
    pub watched: Vec<Watched>,
    /// The URI of its list, when it watches one.
    pub list: Option<String>,
    /// How many documents of the list it was sent.
    pub version: u32,
    /// Whether the next document has everything, because one before may not have arrived.
    pub is_lost: bool,
    /// Whether those who are watched may not know who watches them ([RFC 3323]).
    ///
    /// [RFC 3323]: https://www.rfc-editor.org/rfc/rfc3323
    pub is_hidden: bool,
}

/// Somebody who is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The URI by which the watcher knows them.
    pub uri: String,
    /// The user part of the AOR; `None` when there can be no such user here.
    pub user: Option<String>,
    /// What the watcher knows; `None` before the first document.
    pub known: Option<Known>,
    /// How many documents came before.
    pub version: u32,
}

/// What a watcher knows of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// The hash of the whole document.
    Document(u64),
    /// Their calls.
    Dialogs(Vec<Dialog>),
    /// Their contacts.
    Contacts(BTreeMap<String, Contact>),
    /// Who watches them.
    Watchers(BTreeMap<SubscriptionId, Watcher>),
}

impl Exchange {
    /// Subscriptions that are kept.
    pub fn subscriptions(&self) -> usize {
        self.event_state.notifier.len()
    }

    /// Publications that are kept.
    pub fn publications(&self) -> usize {
        self.event_state.publications.len()
    }

    /// The contacts of a user may have changed.
    pub(crate) fn contacts_changed(&mut self, aor: &str) {
        self.event_state.notifier.touch(Package::Presence, aor);
        self.event_state.notifier.touch(Package::Reg, aor);
    }

    /// A call may have changed, or is over.
    pub(crate) fn call_changed(&mut self, call: &Call) {
        self.event_state.calls.note(call);
        if self.event_state.notifier.is_empty() {
            return;
        }
        for leg in call.legs() {
            self.event_state.notifier.touch(Package::Dialog, &leg.aor);
            self.event_state.notifier.touch(Package::Presence, &leg.aor);
        }
    }
}
