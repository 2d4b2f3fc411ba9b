//! Opening legs: what our side of each offers.

use std::net::IpAddr;
use std::time::Instant;

use rand::Rng;
use ringback_media::negotiation::{Local, LocalVideo, Profile, Seed, Srtp};
use ringback_media::rtcp::Cname;
use ringback_media::sdp::Sources;
use ringback_media::session::{self, LegKey};
use ringback_nat::ice::Credentials;
use ringback_sansio::Flow;

use super::MediaThread;

impl MediaThread {
    /// The video of a browser, which shares its port.
    pub(super) fn bundled_video(&mut self, local: &Local) -> LocalVideo {
        let mut cname = [0; 12];
        self.random.fill_bytes(&mut cname);
        let sources = Sources {
            media: self.random.next_u32(),
            repair: Some(self.random.next_u32()),
            cname: Cname::from_random(cname),
        };
        LocalVideo { rtp: local.rtp, rtcp: local.rtcp, sources: Some(sources), seed: None }
    }

    /// Opens ports for the video of a telephone.
    pub(super) fn open_video(
        &mut self,
        now: Instant,
        leg: LegKey,
        signalling: &Flow,
    ) -> Result<LocalVideo, String> {
        let family = unspecified(signalling);
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        self.worker
            .open(now, leg.video(), session::Medium::Rtp { signalling: signalling.remote().ip() })
            .map_err(|error| error.to_string())?;
        let port = self.bind_rtp(leg.video(), signalling.local().ip(), family).inspect_err(|_| {
            self.worker.close(now, leg.video());
        })?;
        Ok(LocalVideo { rtp: port, rtcp: port + 1, sources: None, seed: Some(Seed::new(seed)) })
    }

    pub(super) fn open_webrtc(
        &mut self,
        now: Instant,
        leg: LegKey,
        signalling: &Flow,
    ) -> Result<Local, String> {
        let candidates = self.candidates.towards(signalling, &self.sockets.shared_addresses());
        let Some(first) = candidates.first().copied() else {
            return Err(
                "no address of this machine can be offered to a browser; check listen.webrtc".to_owned()
            );
        };
        let mut random = [0; Credentials::RANDOM_LEN];
        self.random.fill_bytes(&mut random);
        let ice = Credentials::from_random(&random);
        self.worker
            .open(now, leg, session::Medium::WebRtc { ice: ice.clone() })
            .map_err(|error| error.to_string())?;
        Ok(Local {
            profile: Profile::WebRtc,
            address: first.ip(),
            rtp: first.port(),
            rtcp: first.port(),
            ice: Some(ice),
            candidates,
            fingerprint: Some(self.identity.fingerprint()),
            srtp: Srtp::Never,
            seed: None,
            video: None,
        })
    }

    pub(super) fn open_rtp(&mut self, now: Instant, leg: LegKey, signalling: &Flow) -> Result<Local, String> {
        let family = unspecified(signalling);
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        self.worker
            .open(now, leg, session::Medium::Rtp { signalling: signalling.remote().ip() })
            .map_err(|error| error.to_string())?;
        let port = self.bind_rtp(leg, signalling.local().ip(), family).inspect_err(|_| {
            self.worker.close(now, leg);
        })?;
        Ok(Local {
            profile: Profile::Rtp,
            address: self.candidates.address_towards(signalling),
            rtp: port,
            rtcp: port + 1,
            ice: None,
            candidates: Vec::new(),
            fingerprint: Some(self.identity.fingerprint()),
            // Control knows how the phone is reached.
            srtp: Srtp::Offered,
            seed: Some(Seed::new(seed)),
            video: None,
        })
    }

    /// Binds a pair of ports for a leg; gives the even one.
    fn bind_rtp(&mut self, leg: LegKey, local: IpAddr, family: IpAddr) -> Result<u16, String> {
        let (port, rtp, rtcp) = self.ports.bind(family).map_err(|error| error.to_string())?;
        self.sockets.open(leg, local, rtp, rtcp).map_err(|error| {
            self.ports.give_back(port);
            error.to_string()
        })?;
        Ok(port)
    }
}

/// The address that stands for all of the family that a flow has.
fn unspecified(signalling: &Flow) -> IpAddr {
    match signalling.local().ip() {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
