//! The record of a call.

use ringback_media::negotiation::Profile;
use ringback_media::session::LegReport;
use ringback_sansio::Flow;

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The party that called.
    Caller,
    /// The party that was called.
    Callee,
    /// The exchange: a time-out, lost media, a drain.
    Exchange,
}

impl EndedBy {
    /// The word that stands in the record.
    pub const fn word(self) -> &'static str {
        match self {
            EndedBy::Caller => "caller",
            EndedBy::Callee => "callee",
            EndedBy::Exchange => "exchange",
        }
    }
}

/// The call detail record: one per call, complete when the call is over. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Cdr {
    /// Unique in the store.
    pub id: String,
    /// The caller's authenticated identity, an AOR.
    pub caller: String,
    /// What was dialled: the user part of the Request-URI.
    pub dialled: String,
    /// Whose contact answered, an AOR.
    pub answered_by: Option<String>,
    /// When the INVITE came.
    pub started: u64,
    /// When the answer went to the caller.
    pub answered: Option<u64>,
    /// When the call was over; when the far end vanished, the time at which it was last heard.
    pub ended: u64,
    /// The final status of the caller's INVITE.
    pub status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why, in words.
    pub reason: String,
    /// The audio codec that was agreed.
    pub codec: Option<String>,
    /// Whether its media, or some of it, went past the exchange: nobody has counted that.
    pub is_bypassed: bool,
    /// The caller's leg, and the one that answered.
    pub legs: Vec<CdrLeg>,
}

/// What is recorded of one leg.
#[derive(Debug, Clone)]
pub struct CdrLeg {
    /// Who it was: the user part of the AOR.
    pub party: String,
    /// The Call-ID of its dialog.
    pub call_id: String,
    /// The signalling flow.
    pub flow: Flow,
    /// The media profile.
    pub profile: Profile,
    /// What the leg carried; `None` when its media went past the exchange, or its media worker did not say in time.
    pub media: Option<LegReport>,
}
