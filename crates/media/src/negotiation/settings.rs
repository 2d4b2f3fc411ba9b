//! What a leg's agreement means for the media worker.

use std::net::SocketAddr;

use ringback_nat::ice::Credentials;

use super::bypass::is_public;
use super::{Payloads, Sdes};
use crate::dtls::{Fingerprint, Role};
use crate::sdp::Candidate;

/// What offer and answer agreed on for a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegSettings {
    /// Where the far end receives. `None` when it named no address (`0.0.0.0`, port 9) and on a leg with ICE, where only
    /// the nominated pair counts.
    pub remote: Option<Remote>,
    /// The far end's ICE credentials; they change when it restarts ICE.
    pub ice: Option<Credentials>,
    /// What addresses the far end has named for ICE; nobody sends there, but whoever asks why ICE failed wants to know.
    pub candidates: Candidates,
    /// How the DTLS association is made. Another role or other fingerprints than before mean a new association.
    pub dtls: Option<Dtls>,
    /// The keys, where the descriptions have them. Another key than before means another context for its direction.
    pub sdes: Option<Sdes>,
    /// Whether the far end may send to us.
    pub sends: bool,
    /// Whether we may send to the far end.
    pub receives: bool,
    /// The payload types that are acceptable from the far end, and what they mean.
    pub payloads: Payloads,
    /// Whether what comes is made silence in the codecs where that can be, for whoever hears it, recordings included.
    pub is_silenced: bool,
    /// Whether it is a fax instead of audio: what comes is passed on as it is, and there is no RTCP.
    pub is_fax: bool,
    /// The name of the first audio codec of the answer, such as `opus`; of a fax `t38`.
    pub codec: String,
}

/// Where the far end of a leg with ports of its own receives.
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

/// What addresses a far end has named for ICE, by the best of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Candidates {
    /// None at all.
    #[default]
    None,
    /// Only names (`.local`) behind which a browser hides its addresses.
    Hidden,
    /// Only addresses of private networks.
    Private,
    /// At least one that is an address of the internet.
    Public,
}

impl Candidates {
    /// What a list of candidates amounts to.
    pub(super) fn of(candidates: &[Candidate]) -> Candidates {
        let rank = |candidate: &Candidate| match candidate.host.address() {
            Some(address) if is_public(address) => Candidates::Public,
            Some(_) => Candidates::Private,
            None => Candidates::Hidden,
        };
        candidates.iter().map(rank).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Host;

    #[test]
    fn candidates_are_as_good_as_the_best_of_them() {
        let candidates = |hosts: &[&str]| {
            let all: Vec<Candidate> = hosts
                .iter()
                .map(|host| {
                    let mut candidate = Candidate::hosts(&[([192, 0, 2, 1], 4000).into()]).remove(0);
                    candidate.host = match host.parse() {
                        Ok(address) => Host::Address(address),
                        Err(_) => Host::Name((*host).to_owned()),
                    };
                    candidate
                })
                .collect();
            Candidates::of(&all)
        };
        assert_eq!(candidates(&[]), Candidates::None);
        assert_eq!(candidates(&["4e5c.local"]), Candidates::Hidden);
        assert_eq!(candidates(&["4e5c.local", "192.168.1.5", "fd00::1"]), Candidates::Private);
        assert_eq!(candidates(&["100.64.1.1"]), Candidates::Private, "of a carrier's NAT");
        assert_eq!(candidates(&["10.0.0.1", "198.51.100.7"]), Candidates::Public);
    }
}
