//! Which peers a TURN allocation may exchange data with.
//!
//! Without a policy a TURN server is a way into the network that it stands in: to its own loopback services, to its
//! neighbours, to the metadata service of its cloud. So a peer is judged by what its packets would reach in the end, in
//! whatever form its address is written, and nothing but global unicast is reached ([RFC 6890], and the registries of
//! special-purpose addresses since then) unless the settings open a range.
//!
//! Left out: prefixes of NAT64 other than the two that RFCs name ([RFC 6052 §2.1], [RFC 8215]). Who runs a translator of its
//! own with another one denies it by listing its prefix in [`PeerPolicy::denied`].
//!
//! [RFC 6890]: https://www.rfc-editor.org/rfc/rfc6890
//! [RFC 6052 §2.1]: https://www.rfc-editor.org/rfc/rfc6052#section-2.1
//! [RFC 8215]: https://www.rfc-editor.org/rfc/rfc8215

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ringback_sansio::canonical;
use smallvec::SmallVec;

/// The addresses that peers may have.
#[derive(Debug, Clone, Default)]
pub struct PeerPolicy {
    /// Ranges that are reached although they are not global, by the addresses that are written so and by no other form of
    /// them. They open no address of ours, and neither multicast, broadcast nor the unspecified address.
    pub allowed: Vec<Prefix>,
    /// Ranges that are not reached although they are global.
    pub denied: Vec<Prefix>,
    /// Our own addresses, as they are seen from inside and from outside: none of our listeners is a peer. The addresses of
    /// relay sockets are known without being listed.
    pub own: Vec<IpAddr>,
    /// The exceptions, by address and port: where our own media waits for browsers.
    pub media: Vec<SocketAddr>,
}

impl PeerPolicy {
    /// With our addresses in the form in which they are compared.
    pub(super) fn canonical(mut self) -> Self {
        self.own.iter_mut().for_each(|address| *address = address.to_canonical());
        self.media.iter_mut().for_each(|address| *address = canonical(*address));
        self
    }

    /// Whether a peer with this address may be reached, one of ours aside.
    pub(super) fn is_open(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if is_in(&self.denied, address) || embedded(address).any(|inner| is_in(&self.denied, inner)) {
            return false;
        }
        is_in(&self.allowed, address) && is_unicast(address)
            || is_global(address) && embedded(address).all(is_global)
    }

    /// Whether packets to this address would come to us, whose relay sockets have the addresses `hosts`.
    pub(super) fn is_own(&self, address: IpAddr, hosts: &[IpAddr]) -> bool {
        let address = address.to_canonical();
        let mut forms = std::iter::once(address).chain(embedded(address));
        forms.any(|form| self.own.contains(&form) || hosts.contains(&form))
    }
}

/// A range of addresses, such as `192.168.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The addresses that begin with the first `length` bits of `address`; `None` when it does not have as many, or is an
    /// IPv4-mapped address, which is compared as the IPv4 address that it is.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let is_range = u32::from(length) <= width(address) && address.to_canonical() == address;
        is_range.then_some(Prefix { address, length })
    }

    /// Whether the address is one of them.
    pub fn contains(self, address: IpAddr) -> bool {
        let behind = width(address) - u32::from(self.length).min(width(address));
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(behind).unwrap_or_default() == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(behind).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    /// An address alone is a range of one.
    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse().map_err(|_| InvalidPrefix)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidPrefix)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(address, length.unwrap_or(most)).ok_or(InvalidPrefix)
    }
}

/// The text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address with a prefix length, such as 192.168.0.0/16")]
pub struct InvalidPrefix;

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_in(prefixes: &[Prefix], address: IpAddr) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(address))
}

/// What no setting opens: a packet there has no single receiver.
fn is_unicast(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_GLOBAL_IPV4.iter().any(|&(ip, length)| starts_with(address, ip, length)),
        IpAddr::V6(address) => {
            GLOBAL_IPV6.iter().any(|range| range.contains(&address))
                && (is_teredo(address) || !NOT_GLOBAL_IPV6.iter().any(|range| range.contains(&address)))
        }
    }
}

fn starts_with(address: Ipv4Addr, [a, b, c, d]: [u8; 4], length: u32) -> bool {
    let behind = 32 - length;
    (address.to_bits() ^ u32::from_be_bytes([a, b, c, d])).checked_shr(behind).unwrap_or_default() == 0
}

fn is_teredo(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x2001, 0, ..])
}

/// The IPv4 addresses that an IPv6 address stands for in one of the forms of transition: what a translator or the end of a
/// tunnel would send to. An IPv4-mapped address is not among them: it is the IPv4 address.
fn embedded(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let mut found: SmallVec<[Ipv4Addr; 2]> = SmallVec::new();
    if let IpAddr::V6(address) = address {
        let bits = address.to_bits();
        let low = Ipv4Addr::from_bits(bits as u32);
        match address.segments() {
            // IPv4-compatible, RFC 4291 §2.5.5.1, and IPv4-translated, RFC 2765 §2.1.
            [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => found.push(low),
            // NAT64, RFC 6052 §2.1.
            [0x64, 0xff9b, 0, 0, 0, 0, ..] => found.push(low),
            // NAT64, RFC 8215: an operator may use any of the lengths of RFC 6052 §2.2 below its 48 bits.
            [0x64, 0xff9b, 1, ..] => {
                found.push(low);
                found.push(Ipv4Addr::from_bits(((bits >> 64) as u32) << 16 | (bits >> 40) as u32 & 0xffff));
            }
            // Teredo, RFC 4380 §4: the server, and the client with every bit turned.
            [0x2001, 0, ..] => {
                found.push(Ipv4Addr::from_bits((bits >> 64) as u32));
                found.push(Ipv4Addr::from_bits(!(bits as u32)));
            }
            // 6to4, RFC 3056 §2.
            [0x2002, ..] => found.push(Ipv4Addr::from_bits((bits >> 80) as u32)),
            _ => {}
        }
    }
    found.into_iter().map(IpAddr::V4)
}

/// The [IPv4 special-purpose addresses](https://www.iana.org/assignments/iana-ipv4-special-registry) that are not globally
/// reachable, and two that a name would hide.
const NOT_GLOBAL_IPV4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // shared
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's host to its guests, in a range that is global otherwise
    ([169, 254, 0, 0], 16),   // link-local, with the metadata of most clouds
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // IETF protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // anycast of 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarking
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// Global unicast, and NAT64 as the registry has it: what it stands for decides.
const GLOBAL_IPV6: &[Range] = &[Range(0x2000, 0, 3), Range(0x64, 0xff9b, 96)];
/// What of it is not globally reachable.
const NOT_GLOBAL_IPV6: &[Range] = &[
    Range(0x2001, 0, 23),      // IETF protocol assignments: benchmarking, ORCHID and others
    Range(0x2001, 0x0db8, 32), // documentation
    Range(0x3fff, 0, 20),      // documentation
];

/// IPv6 addresses by their first two groups and a prefix length.
struct Range(u16, u16, u32);

impl Range {
    fn contains(&self, address: &Ipv6Addr) -> bool {
        let &Range(first, second, length) = self;
        let ours = u128::from(first) << 112 | u128::from(second) << 96;
        (ours ^ address.to_bits()).checked_shr(128 - length).unwrap_or_default() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One address of every class that is refused.
    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
    ];
    const OPEN: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.1",
        "192.0.1.1",
        "223.255.255.255",
    ];

    /// Every way in which an IPv6 address stands for an IPv4 one.
    fn encodings(v4: Ipv4Addr) -> Vec<(&'static str, Ipv6Addr)> {
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let v6 = |[a, b, c, d, e, f, g, h]: [u16; 8]| Ipv6Addr::new(a, b, c, d, e, f, g, h);
        vec![
            ("mapped", v6([0, 0, 0, 0, 0, 0xffff, high, low])),
            ("compatible", v6([0, 0, 0, 0, 0, 0, high, low])),
            ("translated", v6([0, 0, 0, 0, 0xffff, 0, high, low])),
            ("6to4", v6([0x2002, high, low, 0, 0, 0, 0, 1])),
            ("Teredo client", v6([0x2001, 0, 0x0808, 0x0808, 0, 0x1234, !high, !low])),
            ("Teredo server", v6([0x2001, 0, high, low, 0, 0x1234, !0x0808, !0x0808])),
            ("NAT64", v6([0x64, 0xff9b, 0, 0, 0, 0, high, low])),
            ("local NAT64 of 48 bits", v6([0x64, 0xff9b, 1, high, low >> 8, low << 8, 0, 0])),
            ("local NAT64 of 96 bits", v6([0x64, 0xff9b, 1, 0, 0, 0, high, low])),
        ]
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn every_class_is_refused_in_every_encoding() {
        let policy = PeerPolicy::default();
        for address in REFUSED {
            assert!(!policy.is_open(ip(address)), "{address}");
            for (form, encoded) in encodings(address.parse().unwrap()) {
                assert!(!policy.is_open(encoded.into()), "{address} as {form}: {encoded}");
            }
        }
    }

    #[test]
    fn global_unicast_is_open_where_its_encoding_is_routed() {
        let policy = PeerPolicy::default();
        for address in OPEN {
            assert!(policy.is_open(ip(address)), "{address}");
            for (form, encoded) in encodings(address.parse().unwrap()) {
                let is_routed =
                    matches!(form, "mapped" | "6to4" | "Teredo client" | "Teredo server" | "NAT64");
                assert_eq!(policy.is_open(encoded.into()), is_routed, "{address} as {form}: {encoded}");
            }
        }
        for address in ["2606:4700:4700::1111", "2a00:1450::1", "3ffe::1", "2001:200::1"] {
            assert!(policy.is_open(ip(address)), "{address}");
        }
    }

    #[test]
    fn ipv6_that_is_not_global_unicast_is_refused() {
        for address in [
            "::",
            "::1",
            "100::1",
            "64:ff9b:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!PeerPolicy::default().is_open(ip(address)), "{address}");
        }
    }

    #[test]
    fn an_allowed_range_opens_itself_in_its_own_form() {
        let allowed = ["10.0.0.0/8", "127.0.0.1", "fd00::/8", "224.0.0.0/3"];
        let policy = PeerPolicy {
            allowed: allowed.iter().map(|prefix| prefix.parse().unwrap()).collect(),
            ..PeerPolicy::default()
        };
        for open in ["10.9.8.7", "::ffff:10.9.8.7", "127.0.0.1", "fd12::1", "240.0.0.1"] {
            assert!(policy.is_open(ip(open)), "{open}");
        }
        for refused in ["2002:0a09:0807::1", "64:ff9b::10.9.8.7", "127.0.0.2", "224.0.0.1", "255.255.255.255"]
        {
            assert!(!policy.is_open(ip(refused)), "{refused}");
        }
        let everything = PeerPolicy { allowed: vec!["::/0".parse().unwrap()], ..PeerPolicy::default() };
        assert!(everything.is_open(ip("fe80::1")) && everything.is_open(ip("::1")));
        assert!(!everything.is_open(ip("::")) && !everything.is_open(ip("ff02::1")));
    }

    #[test]
    fn a_denied_range_is_closed_in_every_encoding_that_is_open() {
        let policy = PeerPolicy {
            allowed: vec!["8.0.0.0/8".parse().unwrap()],
            denied: vec!["8.8.0.0/16".parse().unwrap()],
            ..PeerPolicy::default()
        };
        assert!(policy.is_open(ip("8.9.8.8")) && !policy.is_open(ip("8.8.8.8")));
        for (form, encoded) in encodings(Ipv4Addr::new(8, 8, 8, 8)) {
            assert!(!policy.is_open(encoded.into()), "{form}");
        }
    }

    #[test]
    fn our_own_address_is_known_in_every_encoding() {
        let policy = PeerPolicy { own: vec![ip("2a00::1")], ..PeerPolicy::default() };
        let is_own = |address| policy.is_own(address, &[ip("9.9.9.9")]);
        assert!(is_own(ip("9.9.9.9")) && is_own(ip("2a00::1")) && !is_own(ip("9.9.9.8")));
        for (form, encoded) in encodings(Ipv4Addr::new(9, 9, 9, 9)) {
            assert!(is_own(encoded.into()), "{form}");
        }
    }

    #[test]
    fn a_prefix_is_read_and_bounded() {
        let prefix: Prefix = "192.168.4.0/22".parse().unwrap();
        assert!(prefix.contains(ip("192.168.7.255")) && !prefix.contains(ip("192.168.8.0")));
        assert!(!prefix.contains(ip("::ffff:192.168.4.1")), "callers compare canonical addresses");
        assert!("0.0.0.0/0".parse::<Prefix>().unwrap().contains(ip("1.2.3.4")));
        assert!("::/0".parse::<Prefix>().unwrap().contains(ip("fe80::1")));
        for wrong in
            ["", "192.168.0.0/33", "::/129", "192.168.0.0/", "192.168.0.0/-1", "lan/8", "::ffff:10.0.0.0/104"]
        {
            assert_eq!(wrong.parse::<Prefix>(), Err(InvalidPrefix), "{wrong}");
        }
    }
}
