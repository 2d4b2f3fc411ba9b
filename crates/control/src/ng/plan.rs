//! What the flags of an offer or an answer ask for, in terms of what the negotiation can do.
//!
//! There are two kinds of sides: WebRTC (ICE, DTLS-SRTP, rtcp-mux) and plain RTP. What asks for something in between is
//! an error in words; what only loses something on the way to a call that works is a warning.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use ringback_media::negotiation::Profile;
use ringback_sansio::Flow;

use super::flags::{Dtls, Family, Flags, Ice, RtcpMux, Sdes, Switch, TransportProtocol};
use super::refusal::Reason;
use super::settings::Interface;

/// The profile of the side that a description goes to: the one that it has, or else what the flags say, or else that
/// of the side that the description comes from.
pub(super) fn profile(
    flags: &Flags,
    from: Profile,
    known: Option<Profile>,
    warnings: &mut Vec<&'static str>,
) -> Result<Profile, Reason> {
    let has_ice = match flags.ice {
        Some(Ice::Force | Ice::Optional | Ice::ForceRelay) => true,
        Some(Ice::Remove) => false,
        Some(Ice::Default) | None => from == Profile::WebRtc || known == Some(Profile::WebRtc),
    };
    let asked = match flags.transport {
        None | Some(TransportProtocol::Accept) => match known {
            Some(known) => known,
            // Without the word for it, taking ICE out of WebRTC leaves DTLS-SRTP alone.
            None if from == Profile::WebRtc && flags.ice == Some(Ice::Remove) => {
                return Err(Reason::DtlsWithoutIce);
            }
            None => from,
        },
        Some(TransportProtocol::Avp) => Profile::Rtp,
        Some(TransportProtocol::Avpf) => {
            warnings.push("RTP/AVPF is written as RTP/AVP in this version");
            Profile::Rtp
        }
        Some(TransportProtocol::Savp) => return Err(Reason::Sdes),
        Some(TransportProtocol::Savpf | TransportProtocol::DtlsSavp | TransportProtocol::DtlsSavpf) => {
            if flags.dtls == Some(Dtls::Off) || flags.sdes.iter().any(|sdes| matches!(sdes, Sdes::Only(_))) {
                return Err(Reason::Sdes);
            }
            if !has_ice {
                return Err(Reason::DtlsWithoutIce);
            }
            Profile::WebRtc
        }
    };
    if known.is_some_and(|known| known != asked) {
        return Err(Reason::OtherTransport);
    }
    check(flags, asked, warnings)?;
    Ok(asked)
}

fn check(flags: &Flags, profile: Profile, warnings: &mut Vec<&'static str>) -> Result<(), Reason> {
    match profile {
        Profile::WebRtc => {
            if flags.ice == Some(Ice::Remove) {
                return Err(Reason::DtlsWithoutIce);
            }
            if flags.ice == Some(Ice::ForceRelay) {
                warnings.push("ICE=force-relay is done as ICE=force in this version");
            }
            if flags.rtcp_mux.contains(&RtcpMux::Reject) {
                warnings.push("a WebRTC side has rtcp-mux in any case");
            }
        }
        Profile::Rtp => {
            if matches!(flags.ice, Some(Ice::Force | Ice::ForceRelay)) {
                warnings.push("a plain side is offered no ICE in this version");
            }
            if flags.rtcp_mux.contains(&RtcpMux::Require) || flags.rtcp_mux.contains(&RtcpMux::Offer) {
                warnings.push("a plain side is offered no rtcp-mux in this version");
            }
        }
    }
    for (is_asked, words) in [
        (!flags.osrtp.is_empty(), "OSRTP is not in this version"),
        (flags.record_call == Some(true), "calls are not recorded in this version"),
        (flags.ptime.is_some() || flags.ptime_reverse.is_some(), "ptime passes unchanged in this version"),
        (flags.has(Switch::AlwaysTranscode), "codecs are not transcoded in this version"),
        (flags.has(Switch::InjectDtmf), "no DTMF is put in in this version"),
    ] {
        if is_asked {
            warnings.push(words);
        }
    }
    if flags.has(Switch::Fragment) {
        return Err(Reason::Fragment);
    }
    Ok(())
}

/// The way to a side, as the media workers want to know it: our address, and where the far end is.
///
/// For the side that a description comes from, `far` is where its SIP came from. Of the other one nothing is known but
/// the interface: an address that is nobody's stands for it, or, on loopback, our own.
pub(super) fn way(
    interfaces: &[Interface],
    name: Option<&Bytes>,
    family: Option<Family>,
    far: Option<IpAddr>,
) -> Result<Flow, Reason> {
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
    let fits = |address: &&IpAddr| match wanted {
        Some(Family::Ip4) => address.is_ipv4(),
        Some(Family::Ip6) => address.is_ipv6(),
        None => true,
    };
    let local = match interface.addresses.iter().find(fits) {
        Some(local) => *local,
        // What was asked for must be had; what follows from the source of the SIP need not.
        None if family.is_some() => return Err(Reason::NoFamily),
        None => *interface.addresses.first().ok_or(Reason::NoInterface)?,
    };
    let nobody = match local {
        _ if local.is_loopback() => local,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let far = far.unwrap_or(nobody);
    Ok(Flow::datagram(SocketAddr::new(local, 0), SocketAddr::new(far, 0)))
}
