//! Dialogs: [RFC 3261 §12], with target refresh by UPDATE (RFC 3311) and by SUBSCRIBE and NOTIFY (RFC 6665).
//!
//! A [`Dialog`] is plain data, no handle: it can be copied, compared, stored and taken over by another
//! process. It numbers and routes our requests, judges the order of theirs, and follows the far side's
//! Contact.
//!
//! Assumptions and what is left out:
//! - Where a request of ours goes is the dialog's [`Flow`], which the user may move (a browser that
//!   reconnects); Route headers are written all the same, for the elements behind it.
//! - An early dialog that a UAS or UAC makes for each To tag is its own [`Dialog`]; forks are the user's to
//!   keep apart.
//! - Which offers and answers may cross (RFC 3261 §14, RFC 6337: 491) and session timers (RFC 4028) are the
//!   call's.
//! - A Contact of a re-INVITE counts at once, as §12.2.2 has it, even if the re-INVITE is then refused.
//!
//! [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12

mod establish;
mod id;
mod receive;
pub(crate) mod route;
mod send;

pub use establish::NoDialog;
pub use id::DialogId;
pub use receive::{Fate, Reject};

use bytes::Bytes;
use ringback_sansio::Flow;

/// One dialog as one of its two ends keeps it ([RFC 3261 §12]).
///
/// [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// What it is known by.
    pub id: DialogId,
    /// Early until a 2xx.
    pub state: State,
    /// Our URI, in the From of our requests.
    pub local_uri: Bytes,
    /// Our display name as it stands, quotes included; empty when there is none.
    pub local_display: Bytes,
    /// Their URI, in the To of our requests.
    pub remote_uri: Bytes,
    /// Their display name as it stands, quotes included; empty when there is none.
    pub remote_display: Bytes,
    /// The URI of their Contact, the Request-URI of our requests.
    pub remote_target: Bytes,
    /// The values of Route of our requests, in order.
    pub route_set: Vec<Bytes>,
    /// The CSeq number of our last request; 0 before the first.
    pub local_cseq: u32,
    /// The CSeq number of their last request; `None` before the first.
    pub remote_cseq: Option<u32>,
    /// Whether it was made by a request for a `sips` URI over TLS.
    pub secure: bool,
    /// Where our requests leave.
    pub flow: Flow,
}

/// The states of a dialog ([RFC 3261 §12]).
///
/// [RFC 3261 §12]: https://www.rfc-editor.org/rfc/rfc3261#section-12
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}
