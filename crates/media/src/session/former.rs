//! Who had a port before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The far ends of plain legs that were closed a short while ago, by our port.
///
/// A phone that has not heard of the end of a call goes on sending. When its port is given to the next call, its packets
/// must not become that call's media.
#[derive(Debug, Default)]
pub(super) struct FormerPeers {
    by_port: HashMap<u16, FormerPeer>,
}

#[derive(Debug, Clone, Copy)]
struct FormerPeer {
    remote: SocketAddr,
    ssrc: Option<u32>,
    until: Instant,
}

impl FormerPeers {
    /// Notes who sent to our port `local` with which SSRC until `now`. One is kept for each port.
    pub(super) fn note(&mut self, now: Instant, local: u16, remote: SocketAddr, ssrc: Option<u32>) {
        if self.by_port.len() >= SWEEP_AT {
            self.by_port.retain(|_, former| now < former.until);
        }
        self.by_port.insert(local, FormerPeer { remote, ssrc, until: now + QUARANTINE });
    }

    /// Whether a packet to our port `local` comes from its former far end.
    pub(super) fn sends(&self, now: Instant, local: u16, remote: SocketAddr, ssrc: Option<u32>) -> bool {
        self.by_port.get(&local).is_some_and(|former| {
            now < former.until && (former.remote == remote || ssrc.is_some() && former.ssrc == ssrc)
        })
    }
}

/// How long a port's former far end is kept out.
const QUARANTINE: Duration = Duration::from_secs(30);

/// How many are kept before those whose time is over are removed.
const SWEEP_AT: usize = 1024;

#[cfg(test)]
mod tests {
    use ringback_sansio::sim::Clock;

    use super::*;

    #[test]
    fn the_former_far_end_is_known_by_address_or_ssrc_for_30_seconds() {
        let now = Clock::new().now();
        let (former, other) =
            (SocketAddr::from(([192, 0, 2, 1], 4000)), SocketAddr::from(([192, 0, 2, 2], 4000)));
        let mut peers = FormerPeers::default();
        peers.note(now, 20_000, former, Some(7));
        let soon = now + Duration::from_secs(29);
        assert!(peers.sends(soon, 20_000, former, Some(8)));
        assert!(peers.sends(soon, 20_000, other, Some(7)));
        assert!(!peers.sends(soon, 20_000, other, Some(8)));
        assert!(!peers.sends(soon, 20_002, former, Some(7)));
        assert!(!peers.sends(now + Duration::from_secs(30), 20_000, former, Some(7)));
    }
}
