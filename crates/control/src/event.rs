//! What the exchange tells about itself: for logs, records and metrics. Nothing waits for an answer.

use std::net::IpAddr;

use ringback_sansio::Flow;

/// News from the exchange.
#[derive(Debug, Clone)]
pub enum Event {
    /// Somebody has shown valid credentials over the flow, or came back to a dialog over it.
    Authenticated {
        /// The flow.
        flow: Flow,
    },
    /// A contact was registered or refreshed, durably.
    Registered {
        /// The user part of the AOR.
        aor: String,
        /// Contacts that the AOR has.
        contacts: usize,
    },
    /// The last contact of the AOR is gone.
    Unregistered {
        /// The user part of the AOR.
        aor: String,
    },
    /// Credentials were wrong. The name is what the peer claims.
    CredentialsRefused {
        /// The claimed user.
        user: String,
        /// Where it came from.
        source: IpAddr,
    },
    /// The source is answered no more for a while.
    SourceBanned {
        /// Who.
        source: IpAddr,
        /// For how many seconds.
        seconds: u64,
    },
    /// A user has set something by its phone, durably.
    SettingChanged {
        /// Whose it is.
        user: String,
    },
    /// A call was answered.
    CallAnswered {
        /// The record's id.
        id: String,
    },
    /// A recording of a call begins.
    RecordingBegun {
        /// The record's id.
        id: String,
        /// The name of its file.
        name: String,
    },
    /// A party pressed a key and sent it by INFO.
    KeyPressed {
        /// The record's id.
        id: String,
        /// Whether it was the caller.
        caller: bool,
        /// The key.
        key: char,
    },
    /// The first packet of a party came in.
    FirstPacket {
        /// The record's id.
        id: String,
        /// Whether it was the caller's.
        caller: bool,
    },
    /// A call ended by a mistake of ours.
    CallPanicked {
        /// The record's id.
        id: String,
    },
    /// Something other than a call was given up because of a mistake of ours.
    Panicked {
        /// What was being done.
        during: &'static str,
    },
}
