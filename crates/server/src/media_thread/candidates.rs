//! Which of our addresses a far end is told.
//!
//! Every address that is advertised must be one that we can answer from: an ICE agent that is answered from another
//! stays in `checking` for ever.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringback_control::advertised;
use ringback_sansio::Flow;

use crate::interfaces::{self, InterfaceAddress};

/// How long a look at the interfaces is good for: a laptop that changes its network should not need a restart.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// The addresses of this machine.
#[derive(Debug)]
pub struct Candidates {
    public: Vec<IpAddr>,
    interfaces: Vec<InterfaceAddress>,
    read: Option<Instant>,
}

impl Candidates {
    /// Advertises `public`, or what the interfaces have when it is empty.
    pub fn new(public: Vec<IpAddr>) -> Self {
        Candidates { public, interfaces: Vec::new(), read: None }
    }

    /// The host candidates for the page at the far end of `signalling`, best first.
    ///
    /// `shared` are the sockets that media comes in by, wildcards among them. The address that the page itself was
    /// loaded from comes first, and loopback addresses are told to pages that came over loopback only.
    pub fn towards(&mut self, signalling: &Flow, shared: &[SocketAddr]) -> Vec<SocketAddr> {
        let is_local = signalling.remote().ip().is_loopback();
        let mut addresses: Vec<IpAddr> = Vec::new();
        if self.public.is_empty() || is_local {
            self.refresh();
            let usable = self.interfaces.iter().filter(|entry| !entry.is_link_local());
            addresses.extend(usable.filter(|entry| is_local || !entry.loopback).map(|entry| entry.address));
        }
        if !is_local {
            addresses.extend(&self.public);
        }
        let own = signalling.local().ip();
        addresses.sort_by_key(|address| *address != own);
        let mut candidates: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            let socket = shared.iter().find(|socket| {
                socket.ip() == address
                    || socket.ip().is_unspecified() && socket.is_ipv4() == address.is_ipv4()
                    || self.public.contains(&address) && socket.is_ipv4() == address.is_ipv4()
            });
            if let Some(socket) = socket {
                let candidate = SocketAddr::new(address, socket.port());
                if !candidates.contains(&candidate) {
                    candidates.push(candidate);
                }
            }
        }
        candidates
    }

    /// The address for the SDP of a plain leg.
    pub fn address_towards(&self, signalling: &Flow) -> IpAddr {
        advertised(&self.public, signalling)
    }

    fn refresh(&mut self) {
        if self.read.is_some_and(|read| read.elapsed() < FRESH_FOR) {
            return;
        }
        match interfaces::addresses() {
            Ok(addresses) => {
                self.interfaces = addresses;
                self.read = Some(Instant::now());
            }
            Err(error) => tracing::warn!(%error, "the interfaces of this machine could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringback_sansio::{ConnectionId, FiveTuple, Transport};

    use super::*;

    fn flow(local: &str, remote: &str) -> Flow {
        let tuple = FiveTuple::new(Transport::Ws, local.parse().unwrap(), remote.parse().unwrap());
        Flow { tuple, connection: ConnectionId(1) }
    }

    fn machine(public: &[&str]) -> Candidates {
        let entry =
            |address: &str, loopback| InterfaceAddress { address: address.parse().unwrap(), loopback };
        Candidates {
            public: public.iter().map(|address| address.parse().unwrap()).collect(),
            interfaces: vec![
                entry("127.0.0.1", true),
                entry("10.0.0.5", false),
                entry("192.0.2.7", false),
                entry("::1", true),
                entry("2001:db8::7", false),
                entry("fe80::1", false),
            ],
            read: Some(Instant::now()),
        }
    }

    fn texts(candidates: &[SocketAddr]) -> Vec<String> {
        candidates.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn a_page_from_the_network_is_told_every_address_but_loopback_its_own_first() {
        let shared = ["0.0.0.0:8443".parse().unwrap(), "[::]:8443".parse().unwrap()];
        let told = machine(&[]).towards(&flow("192.0.2.7:8443", "198.51.100.1:5000"), &shared);
        assert_eq!(texts(&told), ["192.0.2.7:8443", "10.0.0.5:8443", "[2001:db8::7]:8443"]);
    }

    #[test]
    fn a_page_from_loopback_is_told_loopback_too() {
        let shared = ["0.0.0.0:8443".parse().unwrap()];
        let told = machine(&["203.0.113.5"]).towards(&flow("127.0.0.1:8080", "127.0.0.1:5000"), &shared);
        assert_eq!(texts(&told), ["127.0.0.1:8443", "10.0.0.5:8443", "192.0.2.7:8443"]);
    }

    #[test]
    fn behind_a_nat_only_the_public_address_is_told() {
        let shared = ["10.0.0.5:8443".parse().unwrap()];
        let told = machine(&["203.0.113.5"]).towards(&flow("10.0.0.5:8443", "198.51.100.1:5000"), &shared);
        assert_eq!(texts(&told), ["203.0.113.5:8443"]);
    }

    #[test]
    fn nothing_is_told_that_no_socket_answers_from() {
        let shared = ["10.0.0.5:8443".parse().unwrap()];
        let told = machine(&[]).towards(&flow("192.0.2.7:8443", "198.51.100.1:5000"), &shared);
        assert_eq!(texts(&told), ["10.0.0.5:8443"]);
    }
}
