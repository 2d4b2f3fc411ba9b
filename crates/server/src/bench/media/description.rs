//! The session descriptions of both ends, and what is read of the engine's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ringback_media::codec::Format;
use ringback_media::dtls::{Fingerprint, Identity, Role};
use ringback_media::sdp::{Candidate, Crypto, Description, MediaType, Origin, Rtcp, Section, Setup};
use ringback_media::srtp::MasterKey;
use ringback_nat::ice::Credentials;

use super::Kind;

/// What an end tells of itself.
pub(super) struct Own<'a> {
    /// Where it takes RTP.
    pub(super) rtp: SocketAddr,
    /// The port of its address where RTCP may go, which is looked at by nobody.
    pub(super) rtcp: u16,
    /// The session's number.
    pub(super) session: u64,
    /// Of a browser.
    pub(super) ice: Option<&'a Credentials>,
    /// The certificate of a browser.
    pub(super) identity: Option<&'a Arc<Identity>>,
    /// What an end of SDES sends under.
    pub(super) key: Option<&'a MasterKey>,
}

/// What the engine tells of itself.
#[derive(Debug)]
pub(super) struct Engine {
    /// Where it takes RTP.
    pub(super) rtp: SocketAddr,
    /// Its half of ICE.
    pub(super) ice: Option<Credentials>,
    /// What its certificate has to be like.
    pub(super) fingerprints: Vec<Fingerprint>,
    /// Our role towards it in DTLS.
    pub(super) role: Role,
    /// What it sends under.
    pub(super) key: Option<MasterKey>,
}

/// The payload type that an end sends.
pub(super) fn payload_type(kind: Kind) -> u8 {
    match kind {
        Kind::Opus => OPUS,
        Kind::Plain | Kind::Sdes | Kind::Webrtc => PCMU,
    }
}

/// What an end says: the caller's offer if it is of the kind asked for, and the callee's answer, which is plain.
pub(super) fn write(kind: Kind, own: &Own<'_>) -> Bytes {
    let format = if kind == Kind::Opus { Format::Opus } else { Format::Pcmu };
    let protocol = match kind {
        Kind::Plain | Kind::Opus => "RTP/AVP",
        Kind::Sdes => "RTP/SAVP",
        Kind::Webrtc => "UDP/TLS/RTP/SAVPF",
    };
    let address = own.rtp.ip();
    let payload_type = payload_type(kind);
    let formats = payload_type.to_string();
    let mut section = Section::new(MediaType::Audio, own.rtp.port(), protocol, &formats);
    section.codecs = vec![format.describe(payload_type)];
    section.ptime = Some(20);
    let mut description = Description::new(Origin { session: own.session, version: 1, address });
    description.connection = Some(host(address));
    if let (Some(ice), Some(identity)) = (own.ice, own.identity) {
        section.mid = Some("0".to_owned());
        section.rtcp_mux = true;
        section.ice = Some(ice.clone());
        section.candidates = Candidate::hosts(&[own.rtp]);
        section.end_of_candidates = true;
        section.fingerprints = vec![identity.fingerprint()];
        section.setup = Some(Setup::ActPass);
        description.bundles = vec![vec!["0".to_owned()]];
    } else {
        section.rtcp = Some(Rtcp { port: own.rtcp, address: None });
    }
    section.crypto = own.key.map(|key| Crypto { tag: 1, master: key.clone() }).into_iter().collect();
    description.sections = vec![section];
    description.write()
}

/// Reads what the engine wrote for an end.
pub(super) fn read(sdp: &[u8]) -> Result<Engine, &'static str> {
    let description = Description::parse(sdp).map_err(|_| "the engine's description cannot be read")?;
    let section = description.sections.into_iter().next().ok_or("the engine's description has no media")?;
    let best = section.candidates.iter().find(|candidate| {
        candidate.component == 1
            && candidate.transport.eq_ignore_ascii_case("udp")
            && candidate.host.address().is_some()
    });
    let (host, port) = match best {
        Some(candidate) => (candidate.host.address(), candidate.port),
        None => {
            let host = section.connection.as_ref().or(description.connection.as_ref());
            (host.and_then(|host| host.address()), section.port)
        }
    };
    let address = host.filter(|_| port != 0).ok_or("the engine takes no media")?;
    Ok(Engine {
        rtp: SocketAddr::new(address, port),
        ice: section.ice,
        fingerprints: section.fingerprints,
        role: if section.setup == Some(Setup::Active) { Role::Server } else { Role::Client },
        key: section.crypto.into_iter().next().map(|crypto| crypto.master),
    })
}

fn host(address: IpAddr) -> ringback_media::sdp::Host {
    ringback_media::sdp::Host::Address(address)
}

/// The payload type of PCMU.
const PCMU: u8 = 0;
/// The payload type of Opus.
const OPUS: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_end_says_can_be_read() {
        let key = MasterKey::split(ringback_media::srtp::Suite::AesCm128HmacSha1_80, &[7; 30]).unwrap();
        let own = Own {
            rtp: "127.0.0.1:4000".parse().unwrap(),
            rtcp: 5000,
            session: 1,
            ice: None,
            identity: None,
            key: Some(&key),
        };
        let sdp = write(Kind::Sdes, &own);
        let read = read(&sdp).unwrap();
        assert_eq!((read.rtp, read.key, read.ice), (own.rtp, Some(key.clone()), None));
        assert!(String::from_utf8_lossy(&sdp).contains("m=audio 4000 RTP/SAVP 0\r\n"));
        let opus = write(Kind::Opus, &Own { key: None, ..own });
        assert!(String::from_utf8_lossy(&opus).contains("a=rtpmap:96 opus/48000/2\r\n"));
    }

    #[test]
    fn a_description_without_media_is_refused() {
        assert!(read(b"").is_err());
        assert!(read(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n").is_err());
        let rejected = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n";
        assert_eq!(read(rejected).err(), Some("the engine takes no media"));
    }
}
