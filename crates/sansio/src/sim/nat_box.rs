//! A network address translator, by the words of [RFC 4787](https://www.rfc-editor.org/rfc/rfc4787).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// On what the public port of an inside address depends ([RFC 4787 §4.1]) or who may send to it ([§5]).
///
/// [RFC 4787 §4.1]: https://www.rfc-editor.org/rfc/rfc4787#section-4.1
/// [§5]: https://www.rfc-editor.org/rfc/rfc4787#section-5
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// On the inside address alone: one public port for all destinations, or everyone may send to it.
    EndpointIndependent,
    /// On the far host too.
    AddressDependent,
    /// On the far host and its port too; as a mapping this is the symmetric NAT.
    AddressAndPortDependent,
}

/// Why a NAT box let a packet from outside go no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// No inside address has this public port, or the time of the mapping was over.
    NoMapping,
    /// The inside address has sent nothing to this sender.
    Filtered,
}

/// A NAT box: inside addresses share one public address.
///
/// A mapping is refreshed by packets from inside only (the safe reading of RFC 4787 REQ-6), never by packets
/// from outside. Ports are given out in order and do not keep the inside port, as on the boxes that break
/// things.
#[derive(Debug, Clone)]
pub struct NatBox {
    public: IpAddr,
    mapping: Dependence,
    filtering: Dependence,
    timeout: Duration,
    next_port: u16,
    mappings: BTreeMap<(SocketAddr, Option<Far>), u16>,
    by_port: BTreeMap<u16, Mapped>,
}

/// The part of a far address that a dependence looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Far {
    host: IpAddr,
    port: Option<u16>,
}

/// What stands behind a public port.
#[derive(Debug, Clone)]
struct Mapped {
    inside: SocketAddr,
    expires: Instant,
    /// Whom the inside address has sent to through this port, as far as the filter cares.
    sent_to: BTreeSet<Option<Far>>,
}

impl NatBox {
    /// A box with the mapping and filtering behaviour given; a mapping lives for `timeout` after the last
    /// packet out.
    pub fn new(public: IpAddr, mapping: Dependence, filtering: Dependence, timeout: Duration) -> Self {
        NatBox {
            public,
            mapping,
            filtering,
            timeout,
            next_port: FIRST_PORT,
            mappings: BTreeMap::new(),
            by_port: BTreeMap::new(),
        }
    }

    /// A home router: endpoint-independent mapping, address- and port-dependent filtering, two minutes.
    pub fn home(public: IpAddr) -> Self {
        let timeout = Duration::from_secs(120);
        Self::new(public, Dependence::EndpointIndependent, Dependence::AddressAndPortDependent, timeout)
    }

    /// A symmetric NAT: mapping and filtering depend on address and port, half a minute.
    pub fn symmetric(public: IpAddr) -> Self {
        let timeout = Duration::from_secs(30);
        Self::new(public, Dependence::AddressAndPortDependent, Dependence::AddressAndPortDependent, timeout)
    }

    /// The address it shows to the outside.
    pub fn public(&self) -> IpAddr {
        self.public
    }

    /// Takes a packet from `inside` to `far`; returns the source address that `far` will see.
    pub fn outbound(&mut self, now: Instant, inside: SocketAddr, far: SocketAddr) -> SocketAddr {
        let key = (inside, seen(self.mapping, far));
        let live = self.mappings.get(&key).copied().filter(|port| self.is_live(now, *port));
        let port = live.unwrap_or_else(|| self.map(now, key));
        if let Some(mapped) = self.by_port.get_mut(&port) {
            mapped.expires = now + self.timeout;
            mapped.sent_to.insert(seen(self.filtering, far));
        }
        SocketAddr::new(self.public, port)
    }

    /// Takes a packet from `far` to the public port `port`; returns the inside address it goes to.
    pub fn inbound(&mut self, now: Instant, far: SocketAddr, port: u16) -> Result<SocketAddr, Blocked> {
        let mapped =
            self.by_port.get(&port).filter(|mapped| mapped.expires > now).ok_or(Blocked::NoMapping)?;
        if mapped.sent_to.contains(&seen(self.filtering, far)) {
            Ok(mapped.inside)
        } else {
            Err(Blocked::Filtered)
        }
    }

    /// Forgets every mapping, as a restart of the box does; inside addresses get new ports.
    pub fn restart(&mut self) {
        self.mappings.clear();
        self.by_port.clear();
    }

    fn is_live(&self, now: Instant, port: u16) -> bool {
        self.by_port.get(&port).is_some_and(|mapped| mapped.expires > now)
    }

    fn map(&mut self, now: Instant, key: (SocketAddr, Option<Far>)) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        let mapped = Mapped { inside: key.0, expires: now + self.timeout, sent_to: BTreeSet::new() };
        self.mappings.insert(key, port);
        self.by_port.insert(port, mapped);
        port
    }
}

fn seen(dependence: Dependence, far: SocketAddr) -> Option<Far> {
    match dependence {
        Dependence::EndpointIndependent => None,
        Dependence::AddressDependent => Some(Far { host: far.ip(), port: None }),
        Dependence::AddressAndPortDependent => Some(Far { host: far.ip(), port: Some(far.port()) }),
    }
}

/// The first public port given out.
const FIRST_PORT: u16 = 40_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Clock;

    const KINDS: [Dependence; 3] =
        [Dependence::EndpointIndependent, Dependence::AddressDependent, Dependence::AddressAndPortDependent];

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(mapping: Dependence, filtering: Dependence) -> NatBox {
        NatBox::new("203.0.113.1".parse().unwrap(), mapping, filtering, Duration::from_secs(30))
    }

    #[test]
    fn the_mapping_depends_on_what_its_kind_says() {
        let now = Clock::new().now();
        let inside = address("10.0.0.5:5060");
        let destinations = ["192.0.2.1:5060", "192.0.2.1:5070", "192.0.2.2:5060"].map(address);
        let ports = |kind| {
            let mut nat = nat(kind, Dependence::EndpointIndependent);
            destinations.map(|far| nat.outbound(now, inside, far).port() - FIRST_PORT)
        };
        assert_eq!(ports(Dependence::EndpointIndependent), [0, 0, 0]);
        assert_eq!(ports(Dependence::AddressDependent), [0, 0, 1]);
        assert_eq!(ports(Dependence::AddressAndPortDependent), [0, 1, 2]);
    }

    #[test]
    fn the_filter_lets_in_whom_its_kind_says() {
        let now = Clock::new().now();
        let inside = address("10.0.0.5:5060");
        let senders = ["192.0.2.1:5060", "192.0.2.1:5070", "192.0.2.2:5060"].map(address);
        let let_in = |kind| {
            let mut nat = nat(Dependence::EndpointIndependent, kind);
            let public = nat.outbound(now, inside, senders[0]);
            senders.map(|far| nat.inbound(now, far, public.port()) == Ok(inside))
        };
        assert_eq!(let_in(Dependence::EndpointIndependent), [true, true, true]);
        assert_eq!(let_in(Dependence::AddressDependent), [true, true, false]);
        assert_eq!(let_in(Dependence::AddressAndPortDependent), [true, false, false]);
    }

    #[test]
    fn two_inside_addresses_never_share_a_port() {
        let now = Clock::new().now();
        for kind in KINDS {
            let mut nat = nat(kind, kind);
            let far = address("192.0.2.1:5060");
            let first = nat.outbound(now, address("10.0.0.5:5060"), far);
            let second = nat.outbound(now, address("10.0.0.6:5060"), far);
            assert_ne!(first, second);
            assert_eq!(nat.inbound(now, far, second.port()), Ok(address("10.0.0.6:5060")));
        }
    }

    #[test]
    fn a_mapping_ends_unless_the_inside_refreshes_it() {
        let mut clock = Clock::new();
        let (inside, far) = (address("10.0.0.5:5060"), address("192.0.2.1:5060"));
        let mut nat = nat(Dependence::EndpointIndependent, Dependence::EndpointIndependent);
        let public = nat.outbound(clock.now(), inside, far);
        clock.advance(Duration::from_secs(20));
        assert_eq!(nat.outbound(clock.now(), inside, far), public, "refreshed before its end");
        clock.advance(Duration::from_secs(29));
        assert_eq!(nat.inbound(clock.now(), far, public.port()), Ok(inside));
        clock.advance(Duration::from_secs(1));
        let late = nat.inbound(clock.now(), far, public.port());
        assert_eq!(late, Err(Blocked::NoMapping), "a packet from outside refreshes nothing");
        assert_ne!(nat.outbound(clock.now(), inside, far), public, "the next packet gets a new port");
    }

    #[test]
    fn after_a_restart_the_old_port_is_dead() {
        let now = Clock::new().now();
        let (inside, far) = (address("10.0.0.5:5060"), address("192.0.2.1:5060"));
        let mut nat = NatBox::home("203.0.113.1".parse().unwrap());
        let public = nat.outbound(now, inside, far);
        nat.restart();
        assert_eq!(nat.inbound(now, far, public.port()), Err(Blocked::NoMapping));
        assert_ne!(nat.outbound(now, inside, far), public);
    }
}
