//! The addresses of this machine's network interfaces.
#![allow(unsafe_code, reason = "getifaddrs has no safe form in the standard library")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::ptr;

/// An address that an interface of this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Whether the interface is the loopback one.
    pub loopback: bool,
}

impl InterfaceAddress {
    /// Whether the address means something on its link only and can therefore not be advertised.
    pub fn is_link_local(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }
}

/// Lists the addresses of every interface that is up, IPv4 before IPv6, each once.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a valid place for one pointer; on success it owns a list that `freeifaddrs` below releases.
    if unsafe { libc::getifaddrs(&mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut entry = head;
    // SAFETY: `entry` is null or a node of the list, which nothing changes until `freeifaddrs`.
    while let Some(interface) = unsafe { entry.as_ref() } {
        let flags = interface.ifa_flags;
        if flags & libc::IFF_UP as u32 != 0
            && let Some(address) = ip_address(interface.ifa_addr)
        {
            found.push(InterfaceAddress { address, loopback: flags & libc::IFF_LOOPBACK as u32 != 0 });
        }
        entry = interface.ifa_next;
    }
    // SAFETY: `head` came from `getifaddrs` and is released once; no reference into the list is left.
    unsafe { libc::freeifaddrs(head) };
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The addresses that others reach this machine at, without loopback and link-local ones: those that a default route
/// leaves by come first.
pub fn reachable_addresses() -> Vec<IpAddr> {
    let listed = addresses().unwrap_or_default();
    let wanted = listed.iter().filter(|entry| !entry.loopback && !entry.is_link_local());
    order(wanted.map(|entry| entry.address).collect(), &default_sources())
}

fn order(mut addresses: Vec<IpAddr>, first: &[IpAddr]) -> Vec<IpAddr> {
    addresses.sort_by_key(|address| !first.contains(address));
    addresses
}

/// Our addresses on the way to the rest of the world. Connecting a datagram socket asks the routing table and sends
/// nothing; the far ends are those of documentation (RFC 5737, RFC 3849).
fn default_sources() -> Vec<IpAddr> {
    let far_ends: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let source = |(local, far): (IpAddr, IpAddr)| -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((local, 0))?;
        socket.connect((far, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    far_ends.into_iter().filter_map(|ends| source(ends).ok()).collect()
}

/// Reads the address a node of the list points to; `None` for families other than IPv4 and IPv6.
fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: `address` is null or points to a socket address whose family says how long it is.
    let family = i32::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: the family is AF_INET, so the memory holds a `sockaddr_in`; it may be unaligned for the type.
            let address = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family is AF_INET6, so the memory holds a `sockaddr_in6`; it may be unaligned for the type.
            let address = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_them_and_marked() {
        let found = addresses().unwrap();
        let loopback = found
            .iter()
            .find(|entry| entry.address == IpAddr::V4(Ipv4Addr::LOCALHOST))
            .expect("127.0.0.1 exists");
        assert!(loopback.loopback);
    }

    #[test]
    fn the_address_of_the_default_route_comes_first() {
        let [docker, lan, other, six] = ["172.17.0.1", "192.0.2.7", "10.0.0.7", "2001:db8::7"]
            .map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(order(vec![docker, lan, other, six], &[lan, six]), [lan, six, docker, other]);
        assert_eq!(order(vec![docker, lan], &[]), [docker, lan], "without a route the first is the first");
        assert!(reachable_addresses().iter().all(|address| !address.is_loopback()));
    }

    #[test]
    fn every_address_listed_can_be_bound() {
        for entry in addresses().unwrap().into_iter().filter(|entry| !entry.is_link_local()) {
            std::net::UdpSocket::bind((entry.address, 0)).expect("an address of this machine");
        }
    }
}
