//! What has happened to a leg, and when.

use std::time::{Duration, Instant};

use crate::dtls::Failure;
use crate::negotiation::{Candidates, Profile};

/// The milestones of one leg, in fixed room. Each is when it happened first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// How its media travels.
    pub profile: Profile,
    /// When offer and answer were complete.
    pub agreed: Option<Instant>,
    /// When the leg was closed.
    pub closed: Option<Instant>,
    /// What addresses the far end has named for ICE.
    pub candidates: Candidates,
    /// Whether the far end may send, by what was agreed last.
    pub sends: bool,
    /// Whether it could at any time.
    pub could_send: bool,
    /// Whether we may send to the far end, by what was agreed last.
    pub receives: bool,
    /// Whether we could at any time.
    pub could_receive: bool,
    /// ICE and DTLS.
    pub connecting: Connecting,
    /// When the first RTP packet was taken from the far end.
    pub first_received: Option<Instant>,
    /// When the first RTP packet was sent to it.
    pub first_sent: Option<Instant>,
    /// When its first RTCP came.
    pub first_rtcp: Option<Instant>,
    /// Whether a fax took the place of the audio at any time.
    pub has_fax: bool,
    /// Packets from it that held something to hear, counted up to [`History::HEARD`].
    pub audible: u8,
}

impl History {
    /// So many packets with something in them make a voice: half a second.
    pub const HEARD: u8 = 25;

    /// Nothing has happened yet.
    pub const fn new(profile: Profile) -> History {
        History {
            profile,
            agreed: None,
            closed: None,
            candidates: Candidates::None,
            sends: false,
            could_send: false,
            receives: false,
            could_receive: false,
            connecting: Connecting::NOT_BEGUN,
            first_received: None,
            first_sent: None,
            first_rtcp: None,
            has_fax: false,
            audible: 0,
        }
    }

    /// How long the leg was agreed and open; `None` while it still is.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.closed?.saturating_duration_since(self.agreed?))
    }
}

/// How far ICE and DTLS of a WebRTC leg have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connecting {
    /// When the first connectivity check for the leg came, good or not.
    pub first_check: Option<Instant>,
    /// When the first authenticated check came: there is a valid pair.
    pub validated: Option<Instant>,
    /// When the far end first nominated a pair.
    pub nominated: Option<Instant>,
    /// When consent was lost last.
    pub consent_lost: Option<Instant>,
    /// Checks that were refused because user name or password did not fit.
    pub unauthenticated: u64,
    /// When the DTLS handshake began, by the first ClientHello of either side.
    pub dtls_begun: Option<Instant>,
    /// When it was complete.
    pub dtls_done: Option<Instant>,
    /// When a handshake failed last, and why.
    pub dtls_failed: Option<(Instant, Failure)>,
}

impl Connecting {
    const NOT_BEGUN: Connecting = Connecting {
        first_check: None,
        validated: None,
        nominated: None,
        consent_lost: None,
        unauthenticated: 0,
        dtls_begun: None,
        dtls_done: None,
        dtls_failed: None,
    };
}
