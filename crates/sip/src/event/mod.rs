//! Event notification ([RFC 6665]) from the notifier's side, event state publication ([RFC 3903]), and the documents that
//! both carry.
//!
//! A [`Notifier`] keeps subscriptions: who watches what, until when, and whether a NOTIFY is due. It does not know what
//! the NOTIFY says; that is written by its user from [`documents`]. A [`Compositor`] keeps what was published, by
//! entity-tag.
//!
//! ```text
//! SUBSCRIBE ──▶ subscribe / refresh ──▶ poll_due ──▶ (its user writes a NOTIFY) ──▶ sent ──▶ answered
//!               touch (there is news) ──▶ at most one NOTIFY per interval, with the newest state
//! ```
//!
//! Assumptions and what is left out:
//! - A subscription is a dialog of its own: a second SUBSCRIBE with another event or `id` in the same dialog is
//!   not taken (RFC 6665 §4.5.2 tells watchers to make none).
//! - Who may watch is decided before; a subscription that waits for that decision is *pending*.
//! - A NOTIFY whose connection is gone does not end the subscription: its far end may come back over another one
//!   ([`Notifier::moved`]), or it expires.
//! - Who watches is a package like others ([RFC 3857]); watchers that were refused or asked once are not remembered.
//! - The subscriber's side, conditional notification (RFC 5839) and the `Event` rate parameters of RFC 6446 are not here.
//!
//! [RFC 6665]: https://www.rfc-editor.org/rfc/rfc6665
//! [RFC 3903]: https://www.rfc-editor.org/rfc/rfc3903
//! [RFC 3857]: https://www.rfc-editor.org/rfc/rfc3857

mod compositor;
pub mod documents;
mod expiry;
mod notifier;
mod package;
mod state;
mod subscription;

pub use compositor::{Compositor, NotPublished, Publish};
pub use expiry::{Expiry, TooBrief};
pub use notifier::{Bounds, NotSubscribed, Notifier, Outcome, Subscribe};
pub use package::Package;
pub use state::{Action, Authorization, Occurrence, Reason, State, transition};
pub use subscription::{Subscription, SubscriptionId};
