//! What the flags of an offer or an answer ask for, in terms of what the negotiation can do.
//!
//! There are two kinds of sides: WebRTC (ICE, DTLS-SRTP, rtcp-mux), and those with ports of their own, in the clear or
//! protected by SDES or by DTLS-SRTP without ICE. What asks for something in between is an error in words; what only
//! loses something on the way to a call that works is a warning.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use ringback_media::negotiation::{Profile, Srtp};
use ringback_media::sdp::{Description, MediaType};
use ringback_sansio::Flow;

use super::flags::{Dtls, Family, Flags, Ice, RtcpMux, Sdes, Switch, TransportProtocol};
use super::refusal::Reason;
use super::settings::{Address, Interface};

/// What a side is like that a description goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Towards {
    /// How media travels.
    pub profile: Profile,
    /// How our own offers want it protected.
    pub srtp: Srtp,
    /// Whether they are in the profile with feedback.
    pub has_feedback: bool,
}

/// The side that a description goes to: what it is `known` to be, or else what the flags say, or else as the side that
/// the description comes from.
pub(super) fn towards(
    flags: &Flags,
    from: Profile,
    sdp: &[u8],
    known: Option<Profile>,
    warnings: &mut Vec<&'static str>,
) -> Result<Towards, Reason> {
    let has_ice = match flags.ice {
        Some(Ice::Force | Ice::Optional | Ice::ForceRelay) => true,
        Some(Ice::Remove) => false,
        Some(Ice::Default) | None => from == Profile::WebRtc || known == Some(Profile::WebRtc),
    };
    let transport = match flags.transport {
        None | Some(TransportProtocol::Accept) => match known {
            Some(profile) => {
                check(flags, profile, warnings)?;
                return Ok(Towards { profile, srtp: Srtp::Offered, has_feedback: false });
            }
            None => protocol_of(sdp),
        },
        transport => transport,
    };
    let has_dtls = flags.dtls != Some(Dtls::Off);
    let has_sdes = !flags.sdes.contains(&Sdes::Off);
    let has_feedback = transport.is_some_and(TransportProtocol::has_feedback);
    let with_ports = |srtp| Towards { profile: Profile::Rtp, srtp, has_feedback };
    let web_rtc = Towards { profile: Profile::WebRtc, srtp: Srtp::Never, has_feedback: true };
    let wants_sdes = flags.sdes.iter().any(|sdes| matches!(sdes, Sdes::Only(_)));
    let asked = match transport {
        None | Some(TransportProtocol::Avp | TransportProtocol::Avpf | TransportProtocol::Accept) => {
            let is_offered = flags.osrtp.iter().any(|osrtp| osrtp.is_offer());
            with_ports(if is_offered && has_sdes { Srtp::Preferred } else { Srtp::Offered })
        }
        // Clients of old wrote this for DTLS-SRTP.
        Some(TransportProtocol::Savpf) if has_ice && has_dtls && !wants_sdes => web_rtc,
        Some(TransportProtocol::Savp | TransportProtocol::Savpf) => match (has_sdes, has_dtls) {
            (true, _) => with_ports(Srtp::Required),
            (false, true) => with_ports(Srtp::Handshake),
            (false, false) => return Err(Reason::NoKeys),
        },
        Some(TransportProtocol::DtlsSavp | TransportProtocol::DtlsSavpf) => match (has_dtls, has_ice) {
            (false, _) => return Err(Reason::NoKeys),
            (true, true) => web_rtc,
            (true, false) => with_ports(Srtp::Handshake),
        },
    };
    if known.is_some_and(|known| known != asked.profile) {
        return Err(Reason::OtherTransport);
    }
    check(flags, asked.profile, warnings)?;
    Ok(asked)
}

/// The transport protocol of the audio of a description.
fn protocol_of(sdp: &[u8]) -> Option<TransportProtocol> {
    let description = Description::parse(sdp).ok()?;
    let audio = description.sections.iter().find(|section| section.media == MediaType::Audio)?;
    TransportProtocol::of(audio.protocol.to_ascii_uppercase().as_bytes())
}

fn check(flags: &Flags, profile: Profile, warnings: &mut Vec<&'static str>) -> Result<(), Reason> {
    match profile {
        Profile::WebRtc => {
            if flags.ice == Some(Ice::ForceRelay) {
                warnings.push("ICE=force-relay is done as ICE=force in this version");
            }
            if flags.rtcp_mux.contains(&RtcpMux::Reject) {
                warnings.push("a WebRTC side has rtcp-mux in any case");
            }
        }
        Profile::Rtp => {
            if matches!(flags.ice, Some(Ice::Force | Ice::ForceRelay)) {
                warnings.push("a side without DTLS-SRTP is offered no ICE in this version");
            }
            if flags.rtcp_mux.contains(&RtcpMux::Require) || flags.rtcp_mux.contains(&RtcpMux::Offer) {
                warnings.push("a side without ICE is offered no rtcp-mux in this version");
            }
        }
    }
    if flags.ptime.is_some() || flags.ptime_reverse.is_some() {
        warnings.push("ptime passes unchanged in this version");
    }
    if flags.has(Switch::Fragment) {
        return Err(Reason::Fragment);
    }
    Ok(())
}

/// The way to a side.
pub(super) struct Way {
    /// Our address and where the far end is, as the media workers want to know it.
    pub signalling: Flow,
    /// What is advertised, the best first; nothing where the media workers know best.
    pub advertised: Vec<IpAddr>,
}

/// The way to a side, from the interface of this name.
///
/// For the side that a description comes from, `far` is where its SIP came from. Of the other one nothing is known but
/// the interface: an address that is nobody's stands for it, or, on loopback, our own.
pub(super) fn way(
    interfaces: &[Interface],
    name: Option<&Bytes>,
    family: Option<Family>,
    far: Option<IpAddr>,
) -> Result<Way, Reason> {
    let interface = match name {
        // The names of old, where no interface is called so.
        Some(name) if matches!(&name[..], b"internal" | b"external") => {
            interfaces.iter().find(|interface| interface.name == *name).or(interfaces.first())
        }
        Some(name) => interfaces.iter().find(|interface| interface.name == *name),
        None => interfaces.first(),
    };
    let interface = interface.ok_or(Reason::NoInterface)?;
    let wanted = family.or(far.map(|far| if far.is_ipv4() { Family::Ip4 } else { Family::Ip6 }));
    let fits = |address: &&Address| match wanted {
        Some(Family::Ip4) => address.local.is_ipv4(),
        Some(Family::Ip6) => address.local.is_ipv6(),
        None => true,
    };
    let chosen = match interface.addresses.iter().find(fits) {
        Some(local) => *local,
        // What was asked for must be had; what follows from the source of the SIP need not.
        None if family.is_some() => return Err(Reason::NoFamily),
        None => *interface.addresses.first().ok_or(Reason::NoInterface)?,
    };
    let local = chosen.local;
    let nobody = match local {
        _ if local.is_loopback() => local,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let far = far.unwrap_or(nobody);
    let others = interface.addresses.iter().filter(|other| **other != chosen);
    let advertised = std::iter::once(&chosen).chain(others).filter_map(|address| address.advertised);
    Ok(Way {
        signalling: Flow::datagram(SocketAddr::new(local, 0), SocketAddr::new(far, 0)),
        advertised: advertised.collect(),
    })
}
