//! Our side of a leg.

use std::net::{IpAddr, SocketAddr};

use ringback_nat::ice::Credentials;

use super::acceptance::choose;
use super::{Seed, Srtp};
use crate::dtls::Fingerprint;
use crate::sdp::{Description, Sources};

/// How a leg is reached by media; it follows from the transport of the leg's contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// ICE, DTLS-SRTP, rtcp-mux and BUNDLE.
    WebRtc,
    /// RTP and RTCP over ports of the leg's own, in the clear or protected by SDES or by DTLS-SRTP without ICE.
    Rtp,
}

/// Our side of a leg, as the media worker opened it.
#[derive(Debug, Clone)]
pub struct Local {
    /// How media travels.
    pub profile: Profile,
    /// The address of the `c=` and `o=` lines.
    pub address: IpAddr,
    /// The port for RTP.
    pub rtp: u16,
    /// The port for RTCP; that for RTP when there is only one.
    pub rtcp: u16,
    /// Our ICE credentials; only for [`Profile::WebRtc`].
    pub ice: Option<Credentials>,
    /// Our host candidates, best first; only for [`Profile::WebRtc`].
    pub candidates: Vec<SocketAddr>,
    /// The fingerprint of our certificate; without it a leg of [`Profile::Rtp`] takes no DTLS-SRTP.
    pub fingerprint: Option<Fingerprint>,
    /// Whether media is encrypted; only for [`Profile::Rtp`].
    pub srtp: Srtp,
    /// What our SDES keys are derived from; without it no `a=crypto` is written.
    pub seed: Option<Seed>,
    /// Where video goes; without it no video is taken or offered.
    pub video: Option<LocalVideo>,
}

/// Our side of the video of a leg.
#[derive(Debug, Clone)]
pub struct LocalVideo {
    /// The port for its RTP; with BUNDLE that of the leg.
    pub rtp: u16,
    /// The port for its RTCP.
    pub rtcp: u16,
    /// The SSRCs that our descriptions name; only for [`Profile::WebRtc`].
    pub sources: Option<Sources>,
    /// What its SDES keys are derived from.
    pub seed: Option<Seed>,
}

impl Profile {
    /// The profile that takes an offer; `None` when neither does.
    ///
    /// A leg's profile follows from its transport. An offer that it refuses may still fit the other one: a desk phone
    /// behind WebSocket, or a WebRTC engine behind UDP.
    pub fn of_offer(sdp: &[u8]) -> Option<Profile> {
        let offer = Description::parse(sdp).ok()?;
        [Profile::WebRtc, Profile::Rtp]
            .into_iter()
            .find(|profile| choose(&offer, *profile, Srtp::Offered, None).is_ok())
    }

    /// The transport protocol of our own offers, as long as nothing says that they are to be encrypted.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Profile::WebRtc => "UDP/TLS/RTP/SAVPF",
            Profile::Rtp => "RTP/AVP",
        }
    }

    /// Whether a section of this transport protocol is taken. Feedback is agreed by `a=rtcp-fb`, with and without the `F`;
    /// clients of old wrote `RTP/SAVPF` for DTLS-SRTP.
    pub(super) fn takes(self, protocol: &str) -> bool {
        let protocols: &[&str] = match self {
            Profile::WebRtc => &["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"],
            Profile::Rtp => {
                &["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]
            }
        };
        protocols.iter().any(|known| known.eq_ignore_ascii_case(protocol))
    }
}
