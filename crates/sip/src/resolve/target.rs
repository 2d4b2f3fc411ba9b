//! Where a request can be sent to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ringback_sansio::Transport;

/// One place to send a request to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The transport.
    pub transport: Transport,
    /// The address and port.
    pub address: SocketAddr,
    /// Whom the certificate must be for ([RFC 5922 §7]): the host of the URI, a name or an address without brackets.
    ///
    /// [RFC 5922 §7]: https://www.rfc-editor.org/rfc/rfc5922#section-7
    pub server_name: Arc<str>,
}

/// Targets in the order to try them; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    pub(super) list: Vec<Target>,
    pub(super) valid_until: Instant,
}

impl Targets {
    /// The targets.
    pub fn as_slice(&self) -> &[Target] {
        &self.list
    }

    /// Until when the list may be used again without a new resolution: the shortest time to live of what it rests on,
    /// within bounds.
    pub fn valid_until(&self) -> Instant {
        self.valid_until
    }

    /// Keeps the targets that `may_be` takes, in their order; says how many it did not. None may be left.
    pub fn retain(&mut self, may_be: impl FnMut(&Target) -> bool) -> u64 {
        let before = self.list.len();
        self.list.retain(may_be);
        (before - self.list.len()) as u64
    }

    /// Keeps the first `most` targets, at least one.
    pub fn truncate(&mut self, most: usize) {
        self.list.truncate(most.max(1));
    }

    /// The targets for a request of that many bytes ([RFC 3261 §18.1.1]): one that is too large for a datagram is tried
    /// by TCP before UDP, at the same address and port, when TCP is among our transports.
    ///
    /// [RFC 3261 §18.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
    pub fn for_length(&self, length: usize, ours: &[Transport]) -> Targets {
        let mut targets = self.clone();
        if length <= MAX_UDP_REQUEST || !ours.contains(&Transport::Tcp) {
            return targets;
        }
        targets.list = Vec::with_capacity(self.list.len() * 2);
        for target in &self.list {
            if target.transport == Transport::Udp {
                let tcp = Target { transport: Transport::Tcp, ..target.clone() };
                if !self.list.contains(&tcp) {
                    targets.list.push(tcp);
                }
            }
            targets.list.push(target.clone());
        }
        targets
    }
}

/// Whether a request may go to the address: it is one host's, and a host of ours to reach.
///
/// A URI or a record of a stranger names multicast, broadcast and unspecified addresses only to have us amplify.
pub fn is_usable(address: IpAddr) -> bool {
    match address.to_canonical() {
        // 0.0.0.0/8 is "this network" (RFC 6890 §2.2.2), 240.0.0.0/4 with the broadcast address is reserved.
        IpAddr::V4(v4) => {
            !v4.is_multicast() && v4.octets().first().is_some_and(|&first| first != 0 && first < 240)
        }
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
    }
}

/// The port of a transport when nothing names one (RFC 3261 §19.1.2, RFC 7118 §8).
pub(super) fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls | Transport::Dtls => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
    }
}

/// Bytes of the largest request that goes by UDP when the path MTU is not known ([RFC 3261 §18.1.1]).
///
/// [RFC 3261 §18.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-18.1.1
pub const MAX_UDP_REQUEST: usize = 1300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_goes_to_many_or_to_nobody() {
        for address in [
            "224.0.1.75",
            "239.255.255.255",
            "255.255.255.255",
            "240.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "ff02::1",
            "::ffff:224.0.1.75",
            "::ffff:0.0.0.0",
        ] {
            assert!(!is_usable(address.parse().unwrap()), "{address}");
        }
        for address in
            ["192.0.2.1", "127.0.0.1", "10.0.0.1", "223.255.255.255", "::1", "2001:db8::1", "fe80::1"]
        {
            assert!(is_usable(address.parse().unwrap()), "{address}");
        }
    }
}
