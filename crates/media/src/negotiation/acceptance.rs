//! Whether a far end's description fits its leg, and which section is served.

use std::net::{IpAddr, SocketAddr};

use super::agreed::Agreed;
use super::fax::{check_fax, choose_fax, is_fax};
use super::protection::{check_answered, wanted};
use super::{Profile, Refusal, Remote, Srtp};
use crate::sdp::{Codec, Description, Direction, Kind, MediaType, Section, Setup};

/// The section of an offer that is served: its audio, or a fax in the place of that.
pub(super) fn choose(
    offer: &Description,
    profile: Profile,
    srtp: Srtp,
    last: Option<&Agreed>,
) -> Result<usize, Refusal> {
    choose_fax(offer, profile, srtp, last)
        .unwrap_or_else(|| choose_audio(offer, profile, srtp, last.map(|last| last.served)))
}

/// The audio of an offer that is served: what was, when it still fits, or else the first that does.
pub(super) fn choose_audio(
    offer: &Description,
    profile: Profile,
    srtp: Srtp,
    served: Option<usize>,
) -> Result<usize, Refusal> {
    let live = |index: &usize| {
        offer
            .sections
            .get(*index)
            .is_some_and(|section| section.media == MediaType::Audio && section.is_live())
    };
    let mut refusal = Refusal::NoAudio;
    for index in served.into_iter().chain(0..offer.sections.len()).filter(live) {
        match check(offer, profile, index, Kind::Audio, |section| wanted(section, srtp).map(drop)) {
            Ok(()) => return Ok(index),
            // Of several audio sections the first that is refused gives the reason.
            Err(first) if refusal == Refusal::NoAudio => refusal = first,
            Err(_) => {}
        }
    }
    Err(refusal)
}

/// Checks the served section of an answer to what we offered.
pub(super) fn check_answer(
    answer: &Description,
    ours: Option<&Section>,
    profile: Profile,
    served: usize,
) -> Result<(), Refusal> {
    let is_protected = |section: &Section| ours.map_or(Ok(()), |ours| check_answered(ours, section));
    if ours.is_some_and(is_fax) {
        return check_fax(answer.sections.get(served));
    }
    match answer.sections.get(served) {
        Some(section) if section.media != MediaType::Audio => Err(Refusal::NoAudio),
        Some(section) if section.is_live() => check(answer, profile, served, Kind::Audio, is_protected),
        Some(_) | None => Err(Refusal::AudioRejected),
    }
}

/// Checks a section that is to be served, which has codecs of a kind.
pub(super) fn check(
    description: &Description,
    profile: Profile,
    index: usize,
    kind: Kind,
    is_protected: impl Fn(&Section) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let section = description.sections.get(index).ok_or(Refusal::NoAudio)?;
    let transport = description.transport_of(index).ok_or(Refusal::NoAudio)?;
    match profile {
        Profile::WebRtc => check_webrtc(description, section, transport)?,
        Profile::Rtp => {
            check_rtp(section)?;
            is_protected(section)?;
        }
    }
    if !section.codecs.iter().any(|codec| codec.kind() == kind) {
        return Err(Refusal::NoCommonCodec {
            offered: Vec::new(),
            supported: vec!["any audio codec".to_owned()],
        });
    }
    Ok(())
}

fn check_webrtc(description: &Description, section: &Section, transport: &Section) -> Result<(), Refusal> {
    if !Profile::WebRtc.takes(&section.protocol) {
        return Err(wrong_protocol(section, Profile::WebRtc));
    }
    if transport.fingerprints.is_empty() {
        return Err(match (transport.has_unusable_fingerprint, section.has_crypto) {
            (true, _) => Refusal::WeakFingerprint,
            (false, true) => Refusal::Sdes,
            (false, false) => Refusal::NoFingerprint,
        });
    }
    if transport.ice.is_none() {
        return Err(Refusal::NoIce);
    }
    if description.ice_lite {
        return Err(Refusal::IceLite);
    }
    if transport.setup == Some(Setup::HoldConn) {
        return Err(Refusal::HoldConn);
    }
    if !transport.rtcp_mux && !section.rtcp_mux {
        return Err(Refusal::NoRtcpMux);
    }
    Ok(())
}

fn check_rtp(section: &Section) -> Result<(), Refusal> {
    if !Profile::Rtp.takes(&section.protocol) {
        return Err(wrong_protocol(section, Profile::Rtp));
    }
    check_address(section)
}

/// Checks that a section on ports of its own names a host.
pub(super) fn check_address(section: &Section) -> Result<(), Refusal> {
    match section.connection.as_ref().and_then(|host| host.address()) {
        Some(IpAddr::V4(address)) if address.is_multicast() || address.is_broadcast() => {
            Err(Refusal::Address)
        }
        Some(IpAddr::V6(address)) if address.is_multicast() => Err(Refusal::Address),
        Some(_) => Ok(()),
        None => Err(Refusal::Address),
    }
}

fn wrong_protocol(section: &Section, profile: Profile) -> Refusal {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.');
    let offered = if section.protocol.len() <= MAX_PROTOCOL_LEN && section.protocol.bytes().all(is_plain) {
        section.protocol.clone()
    } else {
        "unknown".to_owned()
    };
    Refusal::Protocol { offered, profile }
}

/// The audio codecs of a list as a sentence names them.
pub(super) fn names(codecs: &[Codec]) -> Vec<String> {
    codecs.iter().filter(|codec| codec.kind() == Kind::Audio).map(Codec::to_string).collect()
}

/// The direction that a far end means: on a plain leg an address of zeros is a hold of the old style, whatever the
/// attribute says ([RFC 3264 §8.4]); with ICE it only means that no candidate is the default.
///
/// [RFC 3264 §8.4]: https://www.rfc-editor.org/rfc/rfc3264#section-8.4
pub(super) fn meant_direction(section: &Section, profile: Profile) -> Direction {
    match profile {
        Profile::Rtp if has_zero_address(section) => section.direction.and(Direction::SendOnly),
        Profile::Rtp | Profile::WebRtc => section.direction,
    }
}

/// Where the far end of a plain leg receives; `None` when it names no address.
///
/// Of `a=rtcp` only the port is taken: RTCP to a third address would be a way to aim our packets at someone else.
pub(super) fn remote(section: &Section, mux: bool) -> Option<Remote> {
    let address = section.connection.as_ref()?.address().filter(|address| !address.is_unspecified())?;
    let usable = |port: u16| Some(port).filter(|port| !matches!(*port, 0 | DISCARD_PORT));
    let rtp = SocketAddr::new(address, usable(section.port)?);
    // RFC 3550 §11: RTCP on the next port, unless RFC 3605 says otherwise.
    let next = SocketAddr::new(address, section.port.checked_add(1).unwrap_or(section.port));
    let rtcp = match section.rtcp {
        _ if mux => rtp,
        Some(attribute) => usable(attribute.port).map_or(next, |port| SocketAddr::new(address, port)),
        None => next,
    };
    Some(Remote { rtp, rtcp, mux })
}

fn has_zero_address(section: &Section) -> bool {
    section
        .connection
        .as_ref()
        .and_then(|host| host.address())
        .is_some_and(|address| address.is_unspecified())
}

/// Port 9 stands for "no port yet" ([RFC 8839 §4.2.1.1]).
///
/// [RFC 8839 §4.2.1.1]: https://www.rfc-editor.org/rfc/rfc8839#section-4.2.1.1
const DISCARD_PORT: u16 = 9;
/// The longest transport protocol that a sentence names.
const MAX_PROTOCOL_LEN: usize = 32;
