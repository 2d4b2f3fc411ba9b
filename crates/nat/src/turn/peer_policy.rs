//! Which peers a TURN allocation may exchange data with.
//!
//! Without a policy a TURN server is a way into the network that it stands in: to its own loopback services, to its
//! neighbours, to the metadata service of its cloud. So a peer is judged by what its packets would reach in the end, in
//! whatever form its address is written, and nothing but global unicast is reached ([RFC 6890], and the registries of
//! special-purpose addresses since then) unless the settings open a range.
//!
//! A range of [`PeerPolicy::allowed`] opens its addresses whatever they stand for, except for what is ours or denied: who
//! allows the prefix of a translator allows what the translator does.
//!
//! Left out: prefixes of NAT64 other than the two that RFCs name ([RFC 6052 §2.1], [RFC 8215]). Who runs a translator of
//! its own with another one denies it by listing its prefix in [`PeerPolicy::denied`].
//!
//! [RFC 6890]: https://www.rfc-editor.org/rfc/rfc6890
//! [RFC 6052 §2.1]: https://www.rfc-editor.org/rfc/rfc6052#section-2.1
//! [RFC 8215]: https://www.rfc-editor.org/rfc/rfc8215

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ringback_sansio::{Prefix, canonical};
use smallvec::SmallVec;

/// The addresses that peers may have.
///
/// Our own addresses are none, and neither is loopback, which is ours on every machine: nothing that only listens there
/// has reckoned with strangers. There are three exceptions: relay sockets of ours, [`PeerPolicy::media`] and
/// [`PeerPolicy::allowed_own`].
#[derive(Debug, Clone, Default)]
pub struct PeerPolicy {
    /// Ranges that are reached although they are not global, by the addresses that are written so and by no other form of
    /// them. They open no address of ours, and neither multicast, broadcast nor the unspecified address.
    pub allowed: Vec<Prefix>,
    /// Ranges that are not reached although they are global, or allowed; relay sockets and `media` are.
    pub denied: Vec<Prefix>,
    /// Our own addresses, as they are seen from inside and from outside: none of our listeners is a peer. Loopback and the
    /// addresses of relay sockets are known without being listed.
    pub own: Vec<IpAddr>,
    /// Ranges in which our own addresses are reached, loopback among them, and so every service that listens there: for
    /// tests whose peers are on the same machine.
    pub allowed_own: Vec<Prefix>,
    /// The exceptions by address and port: where our own media waits for browsers. No packet to them leaves the process.
    pub media: Vec<SocketAddr>,
}

impl PeerPolicy {
    /// With our addresses in the form in which they are compared.
    pub(super) fn canonical(mut self) -> Self {
        self.own.iter_mut().for_each(|address| *address = address.to_canonical());
        self.media.iter_mut().for_each(|address| *address = canonical(*address));
        self
    }

    /// Whether packets may leave to this address from relay sockets, which have the addresses `hosts`.
    pub(super) fn lets_reach(&self, address: IpAddr, hosts: &[IpAddr]) -> bool {
        let address = address.to_canonical();
        let mut forms = std::iter::once(address).chain(embedded(address));
        if forms.any(|form| is_in(&self.denied, form)) || !is_unicast(address) {
            return false;
        }
        if self.is_own(address, hosts) {
            return is_in(&self.allowed_own, address);
        }
        is_in(&self.allowed, address) || is_global(address) && embedded(address).all(is_global)
    }

    /// Whether packets to this address would come to us.
    fn is_own(&self, address: IpAddr, hosts: &[IpAddr]) -> bool {
        let mut forms = std::iter::once(address).chain(embedded(address));
        forms.any(|form| form.is_loopback() || self.own.contains(&form) || hosts.contains(&form))
    }
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
    let mut found: SmallVec<[Ipv4Addr; 6]> = SmallVec::new();
    if let IpAddr::V6(address) = address {
        let bits = address.to_bits();
        let at = |bit: u32| Ipv4Addr::from_bits((bits >> (96 - bit)) as u32);
        match address.segments() {
            // IPv4-compatible, RFC 4291 §2.5.5.1, IPv4-translated, RFC 2765 §2.1, and NAT64, RFC 6052 §2.1.
            [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
                found.push(at(96));
            }
            // NAT64, RFC 8215: an operator may use any of the lengths of RFC 6052 §2.2 from its 48 bits on. In all but the
            // last, the byte at bit 64 is not of the address.
            [0x64, 0xff9b, 1, ..] => {
                let without = bits >> 64 << 64 | bits << 72 >> 64;
                found.extend([48, 56, 64].map(|bit| Ipv4Addr::from_bits((without >> (96 - bit)) as u32)));
                found.push(at(96));
            }
            // Teredo, RFC 4380 §4: the server, and the client with every bit turned.
            [0x2001, 0, ..] => found.extend([at(32), Ipv4Addr::from_bits(!(bits as u32))]),
            // 6to4, RFC 3056 §2.
            [0x2002, ..] => found.push(at(16)),
            _ => {}
        }
        // ISATAP, RFC 5214 §6.1: whatever the prefix is.
        if let [_, _, _, _, 0 | 0x0200, 0x5efe, ..] = address.segments() {
            found.push(at(96));
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
            ("local NAT64 of 56 bits", v6([0x64, 0xff9b, 1, 0x0300 | high >> 8, high & 0xff, low, 0, 0])),
            (
                "local NAT64 of 64 bits",
                v6([0x64, 0xff9b, 1, 0x344, high >> 8, high << 8 | low >> 8, low << 8, 0]),
            ),
            ("local NAT64 of 96 bits", v6([0x64, 0xff9b, 1, 0, 0, 0, high, low])),
            ("ISATAP", v6([0x2a00, 1, 2, 3, 0, 0x5efe, high, low])),
            ("ISATAP of a global address", v6([0x2a00, 1, 2, 3, 0x0200, 0x5efe, high, low])),
            ("ISATAP behind 6to4", v6([0x2002, 0x0808, 0x0808, 3, 0, 0x5efe, high, low])),
        ]
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    fn reaches(policy: &PeerPolicy, address: IpAddr) -> bool {
        policy.lets_reach(address, &[])
    }

    #[test]
    fn every_class_is_refused_in_every_encoding() {
        let policy = PeerPolicy::default();
        for address in REFUSED {
            assert!(!reaches(&policy, ip(address)), "{address}");
            for (form, encoded) in encodings(address.parse().unwrap()) {
                assert!(!reaches(&policy, encoded.into()), "{address} as {form}: {encoded}");
            }
        }
    }

    #[test]
    fn global_unicast_is_open_where_its_encoding_is_routed() {
        let policy = PeerPolicy::default();
        for address in OPEN {
            assert!(reaches(&policy, ip(address)), "{address}");
            for (form, encoded) in encodings(address.parse().unwrap()) {
                let is_routed = !matches!(form, "compatible" | "translated") && !form.starts_with("local");
                assert_eq!(reaches(&policy, encoded.into()), is_routed, "{address} as {form}: {encoded}");
            }
        }
        for address in ["2606:4700:4700::1111", "2a00:1450::1", "3ffe::1", "2001:200::1"] {
            assert!(reaches(&policy, ip(address)), "{address}");
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
            assert!(!reaches(&PeerPolicy::default(), ip(address)), "{address}");
        }
    }

    fn prefixes(prefixes: &[&str]) -> Vec<Prefix> {
        prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect()
    }

    /// The examples of RFC 6052 §2.4, behind the prefix of RFC 8215.
    #[test]
    fn rfc6052_2_4_local_nat64() {
        for address in [
            "64:ff9b:1:c000:2:2100::",
            "64:ff9b:1:3c0:0:221::",
            "64:ff9b:1:344:c0:2:2100::",
            "64:ff9b:1:344::192.0.2.33",
        ] {
            let stands_for: Vec<_> = embedded(ip(address)).collect();
            assert!(stands_for.contains(&ip("192.0.2.33")), "{address}: {stands_for:?}");
        }
    }

    #[test]
    fn an_allowed_range_opens_itself_in_its_own_form() {
        let allowed = prefixes(&["10.0.0.0/8", "fd00::/8", "224.0.0.0/3"]);
        let policy = PeerPolicy { allowed, ..PeerPolicy::default() };
        for open in ["10.9.8.7", "::ffff:10.9.8.7", "fd12::1", "240.0.0.1"] {
            assert!(reaches(&policy, ip(open)), "{open}");
        }
        for refused in ["2002:0a09:0807::1", "64:ff9b::10.9.8.7", "224.0.0.1", "255.255.255.255"] {
            assert!(!reaches(&policy, ip(refused)), "{refused}");
        }
        let everything = PeerPolicy { allowed: prefixes(&["::/0"]), ..PeerPolicy::default() };
        assert!(reaches(&everything, ip("fe80::1")));
        assert!(!reaches(&everything, ip("::")) && !reaches(&everything, ip("ff02::1")));
    }

    #[test]
    fn no_allowed_range_opens_an_address_of_ours() {
        let allowed = prefixes(&["0.0.0.0/0", "::/0"]);
        let policy =
            PeerPolicy { allowed, own: vec![ip("10.0.0.1"), ip("fd00::1")], ..PeerPolicy::default() };
        for own in ["127.0.0.1", "127.255.255.254", "::1", "10.0.0.1", "fd00::1", "192.168.0.7"] {
            assert!(!policy.lets_reach(ip(own), &[ip("192.168.0.7")]), "{own}");
        }
        for v4 in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)] {
            for (form, encoded) in encodings(v4) {
                assert!(!reaches(&policy, encoded.into()), "{v4} as {form}: {encoded}");
            }
        }
        assert!(reaches(&policy, ip("10.0.0.2")) && reaches(&policy, ip("64:ff9b:1:a00:0:200::")));
    }

    #[test]
    fn our_own_addresses_are_opened_by_a_setting_of_their_own() {
        let policy = PeerPolicy {
            allowed_own: prefixes(&["127.0.0.0/8", "10.0.0.1", "10.9.0.0/16"]),
            own: vec![ip("10.0.0.1"), ip("10.0.0.2")],
            denied: prefixes(&["127.0.0.53"]),
            ..PeerPolicy::default()
        };
        assert!(reaches(&policy, ip("127.0.0.1")) && reaches(&policy, ip("10.0.0.1")));
        for refused in ["127.0.0.53", "10.0.0.2", "::1", "::127.0.0.1", "64:ff9b::127.0.0.1", "10.9.9.9"] {
            assert!(!reaches(&policy, ip(refused)), "{refused}");
        }
    }

    #[test]
    fn a_denied_range_is_closed_in_every_encoding_that_is_open() {
        let policy = PeerPolicy {
            allowed: prefixes(&["8.0.0.0/8", "64:ff9b:1::/48"]),
            denied: prefixes(&["8.8.0.0/16"]),
            ..PeerPolicy::default()
        };
        assert!(reaches(&policy, ip("8.9.8.8")) && !reaches(&policy, ip("8.8.8.8")));
        for (form, encoded) in encodings(Ipv4Addr::new(8, 8, 8, 8)) {
            assert!(!reaches(&policy, encoded.into()), "{form}");
        }
    }

    #[test]
    fn our_own_address_is_known_in_every_encoding() {
        let policy = PeerPolicy { own: vec![ip("2a00::1")], ..PeerPolicy::default() };
        let is_own = |address: IpAddr| policy.is_own(address.to_canonical(), &[ip("9.9.9.9")]);
        assert!(is_own(ip("9.9.9.9")) && is_own(ip("2a00::1")) && !is_own(ip("9.9.9.8")));
        for (form, encoded) in encodings(Ipv4Addr::new(9, 9, 9, 9)) {
            assert!(is_own(encoded.into()), "{form}");
        }
    }
}
