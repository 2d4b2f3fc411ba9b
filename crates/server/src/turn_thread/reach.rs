//! Which addresses of ours peers see, and which are no peers.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ringback_nat::turn::PeerPolicy;
use ringback_sansio::Prefix;

use super::Address;
use crate::interfaces;

/// What of it is configured; the addresses of the machine come and go.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Where the world reaches this server; empty for the addresses of its interfaces.
    pub public: Vec<IpAddr>,
    /// Private networks whose addresses may be peers.
    pub allowed: Vec<Prefix>,
    /// Where our own media waits for browsers; an unspecified address stands for each of ours.
    pub media: Vec<SocketAddr>,
}

/// How it is at the moment.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Who may be a peer.
    pub policy: PeerPolicy,
    /// The address of each family that allocations have.
    pub addresses: Vec<Address>,
}

impl Reach {
    /// Looks at the interfaces of the machine.
    pub fn look(&self) -> io::Result<Found> {
        let own: Vec<IpAddr> = interfaces::addresses()?.iter().map(|interface| interface.address).collect();
        let addresses = addresses(&self.public, &interfaces::reachable_addresses(), &own);
        let own: Vec<IpAddr> = own.iter().chain(&self.public).copied().collect();
        let media = media(&self.media, &own, &self.public);
        let policy = PeerPolicy { allowed: self.allowed.clone(), own, media, ..PeerPolicy::default() };
        Ok(Found { policy, addresses })
    }
}

/// Every address and port that leads to our media: an address that the world sees does so wherever the socket is bound.
fn media(bound: &[SocketAddr], own: &[IpAddr], public: &[IpAddr]) -> Vec<SocketAddr> {
    let leads_to = |socket: &SocketAddr, address: &IpAddr| {
        let is_everywhere = socket.ip().is_unspecified() || public.contains(address);
        socket.ip() == *address || is_everywhere && socket.is_ipv4() == address.is_ipv4()
    };
    let mut media = Vec::new();
    for socket in bound {
        let addresses = own.iter().filter(|address| leads_to(socket, address));
        media.extend(addresses.map(|address| SocketAddr::new(*address, socket.port())));
    }
    media
}

/// The first address of each family: of the public ones, else of those that others reach this machine at, else, on a machine
/// that has nothing else, of its own.
fn addresses(public: &[IpAddr], reachable: &[IpAddr], own: &[IpAddr]) -> Vec<Address> {
    let candidates = [public, reachable, own].into_iter().find(|list| !list.is_empty()).unwrap_or_default();
    [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6]
        .into_iter()
        .filter_map(|is_family| candidates.iter().find(|address| is_family(address)).copied())
        .map(|seen| Address { seen, local: own.contains(&seen).then_some(seen) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn loopback_is_an_address_of_a_machine_that_has_nothing_else() {
        let own = ips(&["127.0.0.1", "192.0.2.7", "::1"]);
        let seen = |public: &[&str], reachable: &[&str], own: &[IpAddr]| {
            addresses(&ips(public), &ips(reachable), own).iter().map(|it| it.seen).collect::<Vec<_>>()
        };
        assert_eq!(seen(&[], &["192.0.2.7"], &own), ips(&["192.0.2.7"]), "no IPv6 at ::1");
        assert_eq!(seen(&[], &[], &ips(&["127.0.0.1", "::1"])), ips(&["127.0.0.1", "::1"]));
        assert_eq!(seen(&["203.0.113.9"], &["192.0.2.7", "fd00::7"], &own), ips(&["203.0.113.9"]));
    }

    #[test]
    fn behind_a_nat_the_system_chooses_what_is_sent_from() {
        let own = ips(&["10.0.0.7"]);
        let sources = |public: &[&str]| {
            addresses(&ips(public), &own, &own).iter().map(|it| it.local).collect::<Vec<_>>()
        };
        assert_eq!(sources(&["203.0.113.9"]), [None]);
        assert_eq!(sources(&[]), [Some(own[0])]);
    }

    #[test]
    fn every_address_of_the_machine_is_its_own() {
        let reach = Reach { public: ips(&["203.0.113.9"]), allowed: Vec::new(), media: Vec::new() };
        let own = reach.look().unwrap().policy.own;
        assert!(ips(&["127.0.0.1", "203.0.113.9"]).iter().all(|address| own.contains(address)), "{own:?}");
    }

    #[test]
    fn media_is_reached_at_every_address_that_leads_to_its_sockets() {
        let (own, public) =
            (ips(&["127.0.0.1", "10.0.0.7", "fd00::7", "203.0.113.9"]), ips(&["203.0.113.9"]));
        let found = |bound: &[&str]| {
            let bound: Vec<SocketAddr> = bound.iter().map(|text| text.parse().unwrap()).collect();
            media(&bound, &own, &public).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let everywhere = ["127.0.0.1:8443", "10.0.0.7:8443", "203.0.113.9:8443"];
        assert_eq!(found(&["0.0.0.0:8443"]), everywhere);
        assert_eq!(found(&["10.0.0.7:8444"]), ["10.0.0.7:8444", "203.0.113.9:8444"]);
        assert_eq!(found(&["[::]:8443"]), ["[fd00::7]:8443"]);
    }
}
