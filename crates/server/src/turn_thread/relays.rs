//! The sockets of allocations, and their ports, the longest free given first.
//!
//! A port that was just in use still gets what peers send to the allocation before; the longer it rests, the less.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ringback_nat::turn::{Family, NotOpened, Port, RelayKey};
use ringback_sansio::{Seeded, Table};

use crate::config::PortRange;
use crate::net::datagram::DatagramSocket;

/// The sockets of allocations.
pub struct Relays {
    free: VecDeque<u16>,
    /// At most one of each family.
    addresses: Vec<Address>,
    sockets: Table<RelayKey, (DatagramSocket, Address)>,
}

/// One of our addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// As peers see it.
    pub seen: IpAddr,
    /// As this machine has it, if it has it: behind a NAT it does not.
    pub local: Option<IpAddr>,
}

/// Ports that are tried: one may be taken by another program, more than this many are not.
const TRIES: usize = 16;

impl Relays {
    /// With the ports of a range, which nobody can guess when they are shuffled, and an address of each family.
    pub fn new(
        range: PortRange,
        addresses: Vec<Address>,
        seeded: Seeded,
        shuffle: impl FnOnce(&mut [u16]),
    ) -> Self {
        let mut free: Vec<u16> = (range.first..=range.last).collect();
        shuffle(&mut free);
        Relays { free: free.into(), addresses, sockets: Table::with_hasher(seeded) }
    }

    /// Takes other addresses, for what is opened from here on.
    pub fn set_addresses(&mut self, addresses: Vec<Address>) {
        self.addresses = addresses;
    }

    /// The families that there are addresses of.
    pub fn families(&self) -> Vec<Family> {
        self.addresses.iter().map(|address| Family::of(address.seen)).collect()
    }

    /// Opens the socket of an allocation; its address as peers see it.
    pub fn open(&mut self, relay: RelayKey, family: Family, port: Port) -> Result<SocketAddr, NotOpened> {
        let address = self.addresses.iter().find(|address| Family::of(address.seen) == family);
        let address = *address.ok_or(NotOpened)?;
        // With an address of its own the kernel need not be told of one with each packet, and tells none.
        let ip = address.local.unwrap_or(match family {
            Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
        });
        for _ in 0..TRIES {
            let will_do = |free: &u16| port == Port::Any || free.is_multiple_of(2);
            let place = self.free.iter().position(will_do).ok_or(NotOpened)?;
            let port = self.free.remove(place).ok_or(NotOpened)?;
            match DatagramSocket::bind(SocketAddr::new(ip, port)) {
                Ok(socket) => {
                    self.sockets.insert(relay, (socket, address));
                    return Ok(SocketAddr::new(address.seen, port));
                }
                Err(_) => self.free.push_back(port),
            }
        }
        Err(NotOpened)
    }

    /// Takes the socket of an allocation that has ended, with its address as peers saw it; whoever takes it closes it.
    pub fn close(&mut self, relay: RelayKey) -> Option<(DatagramSocket, SocketAddr)> {
        let (socket, address) = self.sockets.remove(&relay)?;
        let port = socket.bound().port();
        self.free.push_back(port);
        Some((socket, SocketAddr::new(address.seen, port)))
    }

    /// The socket of an allocation.
    pub fn socket(&self, relay: RelayKey) -> Option<&DatagramSocket> {
        self.sockets.get(&relay).map(|(socket, _)| socket)
    }

    /// The address that it sends from; unspecified where the system has to choose.
    pub fn source(&self, relay: RelayKey) -> IpAddr {
        let local = self.sockets.get(&relay).and_then(|(_, address)| address.local);
        local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Four ports in a row that nobody has at the moment, the first one even.
    fn free() -> PortRange {
        let is_free =
            |port: u16| DatagramSocket::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).is_ok();
        let first = (20_000u16..30_000).step_by(4).find(|&first| (first..first + 4).all(is_free)).unwrap();
        PortRange { first, last: first + 3 }
    }

    fn relays(range: PortRange) -> Relays {
        Relays::new(range, vec![Address { seen: LOCAL, local: Some(LOCAL) }], Seeded::new([7; 16]), |_| {})
    }

    #[test]
    fn the_port_that_is_free_for_longest_is_given_and_an_even_one_where_it_is_asked_for() {
        let range = free();
        let mut relays = relays(range);
        let mut open =
            |key, port| relays.open(RelayKey(key), Family::Ipv4, port).map(|address| address.port());
        assert_eq!(open(0, Port::Any), Ok(range.first));
        assert_eq!(open(1, Port::Even), Ok(range.first + 2));
        assert_eq!(open(2, Port::Even), Err(NotOpened), "the even ones are in use");
        assert_eq!(open(3, Port::Any), Ok(range.first + 1));
        assert_eq!(relays.close(RelayKey(0)).map(|(_, address)| address.port()), Some(range.first));
        let mut open =
            |key, port| relays.open(RelayKey(key), Family::Ipv4, port).map(|address| address.port());
        assert_eq!(open(4, Port::Any), Ok(range.first + 3));
        assert_eq!(open(5, Port::Any), Ok(range.first));
        assert_eq!(open(6, Port::Any), Err(NotOpened));
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over() {
        let range = free();
        let mut relays = relays(range);
        let _other =
            DatagramSocket::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), range.first)).unwrap();
        let opened = relays.open(RelayKey(0), Family::Ipv4, Port::Any).unwrap();
        assert_eq!(opened, SocketAddr::new(LOCAL, range.first + 1));
        assert_eq!(relays.source(RelayKey(0)), LOCAL);
    }

    #[test]
    fn there_is_no_socket_of_a_family_without_an_address() {
        let mut relays = relays(PortRange { first: 1, last: 2 });
        assert_eq!(relays.families(), [Family::Ipv4]);
        assert_eq!(relays.open(RelayKey(0), Family::Ipv6, Port::Any), Err(NotOpened));
    }
}
