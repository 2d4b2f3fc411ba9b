//! What we write into our own descriptions.

use super::fax::{UDPTL, serve_fax};
use super::formats::repeats;
use super::protection::first_lines;
use super::{Local, Profile, Srtp};
use crate::sdp::{
    Candidate, Codec, Crypto, Description, Direction, Feedback, Host, MediaType, Origin, Rtcp, Section,
    Setup, Sources, T38,
};

/// What of a section that is served comes from the other leg.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// The codecs, in the numbers of this leg.
    pub(super) codecs: Vec<Codec>,
    /// What a fax says of itself, if it is one: then there are no codecs.
    pub(super) fax: Option<Vec<T38>>,
    /// The direction, as we see it.
    pub(super) direction: Direction,
    /// Milliseconds of audio in a packet.
    pub(super) ptime: Option<u16>,
    /// The most of it.
    pub(super) maxptime: Option<u16>,
    /// Whether RTCP may share the port of RTP: that is for who receives on it to say.
    pub(super) rtcp_mux: bool,
    /// What may be said about lost pictures.
    pub(super) feedback: Feedback,
}

/// A section that is in use, and where it stands.
pub(super) struct Live {
    pub(super) place: usize,
    pub(super) media: MediaType,
    pub(super) frame: Frame,
    pub(super) content: Content,
}

/// What of the served section is agreed with the far end of this leg.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) protocol: String,
    pub(super) mid: Option<String>,
    pub(super) bundled: bool,
    pub(super) rtcp_mux: bool,
    pub(super) setup: Setup,
    /// Our `a=crypto` lines.
    pub(super) crypto: Vec<Crypto>,
    /// Whether a leg with ports of its own shakes hands; with ICE it always does.
    pub(super) has_handshake: bool,
}

impl Frame {
    /// The frame of the first offer on a leg.
    pub(super) fn first(local: &Local, has_feedback: bool) -> Self {
        let is_webrtc = local.profile == Profile::WebRtc;
        let protocol = match (local.profile, local.srtp, has_feedback) {
            (Profile::Rtp, Srtp::Required, false) => "RTP/SAVP",
            (Profile::Rtp, Srtp::Required, true) => "RTP/SAVPF",
            (Profile::Rtp, Srtp::Handshake, false) => "UDP/TLS/RTP/SAVP",
            (Profile::Rtp, Srtp::Handshake, true) => "UDP/TLS/RTP/SAVPF",
            (Profile::Rtp, _, true) => "RTP/AVPF",
            (profile, ..) => profile.protocol(),
        };
        Frame {
            protocol: protocol.to_owned(),
            mid: is_webrtc.then(|| FIRST_MID.to_owned()),
            bundled: is_webrtc,
            rtcp_mux: is_webrtc,
            setup: Setup::ActPass,
            crypto: first_lines(local),
            has_handshake: local.profile == Profile::Rtp && local.srtp == Srtp::Handshake,
        }
    }

    /// The frame of a fax.
    pub(super) fn of_fax(mid: Option<String>) -> Self {
        Frame {
            protocol: UDPTL.to_owned(),
            mid,
            bundled: false,
            rtcp_mux: false,
            setup: Setup::ActPass,
            crypto: Vec::new(),
            has_handshake: false,
        }
    }
}

impl Content {
    /// The media of the section.
    pub(super) const fn media(&self) -> MediaType {
        if self.fax.is_some() { MediaType::Image } else { MediaType::Audio }
    }
}

/// Our description: the sections in use in their places, which rise, and all others rejected.
pub(super) fn describe(
    local: &Local,
    origin: Origin,
    others: &[Section],
    live: impl IntoIterator<Item = Live>,
) -> Description {
    let is_webrtc = local.profile == Profile::WebRtc;
    let mut sections: Vec<Section> = others.iter().map(Section::rejected).collect();
    let mut bundle = Vec::new();
    for Live { place, media, frame, content } in live {
        bundle.extend(frame.mid.clone().filter(|_| frame.bundled));
        let section = serve(local, media, frame, content);
        match sections.get_mut(place) {
            Some(place) => *place = section,
            None => sections.push(section),
        }
    }
    let bundles = Some(bundle).filter(|bundle| !bundle.is_empty()).into_iter().collect();
    Description {
        connection: Some(Host::Address(local.address)),
        ice_lite: is_webrtc,
        // RFC 8445 §10: says that nomination is regular, which a lite agent follows in any case.
        ice_options: if is_webrtc { vec!["ice2".to_owned()] } else { Vec::new() },
        bundles,
        sections,
        ..Description::new(origin)
    }
}

fn serve(local: &Local, media: MediaType, frame: Frame, content: Content) -> Section {
    if media == MediaType::Image {
        return serve_fax(local, frame, content);
    }
    let Frame { protocol, mid, rtcp_mux, setup, crypto, has_handshake, .. } = frame;
    let Content { codecs, direction, ptime, maxptime, feedback, .. } = content;
    let video = local.video.as_ref().filter(|_| media == MediaType::Video);
    let (rtp, rtcp) = video.map_or((local.rtp, local.rtcp), |video| (video.rtp, video.rtcp));
    let is_repaired = codecs.iter().any(|codec| repeats(codec).is_some());
    let sources = video
        .and_then(|video| video.sources)
        .map(|sources| Sources { repair: sources.repair.filter(|_| is_repaired), ..sources });
    let msid = if video.is_some() { VIDEO_MSID } else { MSID };
    let formats: Vec<String> = codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    let section = Section {
        connection: Some(Host::Address(local.address)),
        codecs,
        feedback,
        sources,
        direction,
        mid,
        rtcp_mux,
        ptime,
        maxptime,
        ..Section::new(media, rtp, &protocol, &formats.join(" "))
    };
    match local.profile {
        Profile::WebRtc => Section {
            // Without it Chromium and Firefox differ in whether a track comes in a stream (RFC 8829 §5.2.1).
            msid: Some(msid.to_owned()),
            ice: local.ice.clone(),
            candidates: Candidate::hosts(&local.candidates),
            end_of_candidates: true,
            fingerprints: local.fingerprint.iter().cloned().collect(),
            setup: Some(setup),
            ..section
        },
        Profile::Rtp => Section {
            has_crypto: !crypto.is_empty(),
            crypto,
            fingerprints: local.fingerprint.iter().filter(|_| has_handshake).cloned().collect(),
            setup: Some(setup).filter(|_| has_handshake),
            rtcp: Some(Rtcp { port: rtcp, address: None })
                .filter(|rtcp| !rtcp_mux && rtp.checked_add(1) != Some(rtcp.port)),
            ..section
        },
    }
}

/// The mid of our first section.
const FIRST_MID: &str = "0";
/// The stream and the track of our audio; the same in all descriptions, so that a page keeps its track.
const MSID: &str = "ringback audio";
/// The same of our video, in the stream of the audio, so that lips move with the words.
const VIDEO_MSID: &str = "ringback video";
