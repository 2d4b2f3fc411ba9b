//! What a leg's agreement means for the media worker.

use std::net::SocketAddr;

use ringback_nat::ice::Credentials;

use super::Payloads;
use crate::dtls::{Fingerprint, Role};

/// What offer and answer agreed on for a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegSettings {
    /// Where the far end receives. `None` when it named no address (`0.0.0.0`, port 9) and on a leg with ICE, where only
    /// the nominated pair counts.
    pub remote: Option<Remote>,
    /// The far end's ICE credentials; they change when it restarts ICE.
    pub ice: Option<Credentials>,
    /// How the DTLS association is made. Another role or other fingerprints than before mean a new association.
    pub dtls: Option<Dtls>,
    /// Whether the far end may send to us.
    pub sends: bool,
    /// Whether we may send to the far end.
    pub receives: bool,
    /// The payload types that are acceptable from the far end, and what they mean.
    pub payloads: Payloads,
    /// The name of the first audio codec of the answer, such as `opus`.
    pub codec: String,
}

/// Where the far end of a plain leg receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Address and port for RTP.
    pub rtp: SocketAddr,
    /// Address and port for RTCP; that for RTP with rtcp-mux.
    pub rtcp: SocketAddr,
    /// Whether both ends agreed on rtcp-mux ([RFC 5761]).
    ///
    /// [RFC 5761]: https://www.rfc-editor.org/rfc/rfc5761
    pub mux: bool,
}

/// How the DTLS association of a leg is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dtls {
    /// Our role.
    pub role: Role,
    /// Of these the far end's certificate must have one.
    pub fingerprints: Vec<Fingerprint>,
}

/// When codecs of ours are offered behind those that another party has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transcoding {
    /// Never: parties without a common codec cannot talk.
    Never,
    /// Where the other party has no G.711, which every phone and browser speaks.
    ///
    /// It is not done always, because an answerer is free to prefer what was added, and then every packet costs many
    /// times what passing it on does.
    #[default]
    Needed,
    /// Wherever the other party lacks one of them.
    Always,
}
