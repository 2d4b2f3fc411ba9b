//! Whom a load may be sent to: a machine of one's own, or one that somebody has said to be theirs.

use std::net::{IpAddr, SocketAddr};

use ringback_sansio::canonical;

/// The first of these addresses that is neither of this machine nor of a private network ([RFC 1918], [RFC 4193], and
/// the link-local ones).
///
/// [RFC 1918]: https://www.rfc-editor.org/rfc/rfc1918
/// [RFC 4193]: https://www.rfc-editor.org/rfc/rfc4193
pub(super) fn stranger(addresses: &[SocketAddr]) -> Option<IpAddr> {
    addresses.iter().map(|&address| canonical(address).ip()).find(|&address| !is_private(address))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_internet_reaches_is_a_stranger() {
        for own in ["127.0.0.1", "127.8.0.1", "10.1.2.3", "172.16.0.1", "192.168.7.7", "169.254.1.1"] {
            assert_eq!(stranger(&[(own.parse::<IpAddr>().unwrap(), 5060).into()]), None, "{own}");
        }
        for own in ["::1", "fd00::1", "fe80::1", "::ffff:127.0.0.1"] {
            assert_eq!(stranger(&[(own.parse::<IpAddr>().unwrap(), 5060).into()]), None, "{own}");
        }
        for other in ["192.0.2.1", "172.32.0.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            let address: IpAddr = other.parse().unwrap();
            let among = [SocketAddr::from(([127, 0, 0, 1], 5060)), (address, 5060).into()];
            assert!(stranger(&among).is_some(), "{other}");
        }
    }
}
