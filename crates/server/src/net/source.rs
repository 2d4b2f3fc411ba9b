//! What counts as one source.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an address that one customer of a provider has: an IPv4 address, or the /64 of an IPv6 one.
pub fn source_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}
