//! The bytes of the header: 16 that are always there, then addresses and what else a proxy has to tell.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ringback_sansio::canonical;

/// What a header begins with: no SIP message, HTTP request or TLS handshake does.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes that every header has: signature, version and command, family, length of the rest.
pub const FIXED: usize = 16;

/// The longest rest that is read. Addresses take 36 bytes, or 216 for a socket of UNIX; what follows them, such as the
/// name in a client's certificate, is skipped.
const LONGEST_REST: u16 = 2048;

/// The first [`FIXED`] bytes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    addresses: Addresses,
    /// How many bytes follow, before those of the client.
    pub rest: usize,
}

/// Which addresses the rest begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addresses {
    /// None that count: the connection is the proxy's own (LOCAL), or it does not say where the client is (UNSPEC, UNIX,
    /// UDP).
    Unspecified,
    V4,
    V6,
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not of version 2.
    #[error("version {0} of the PROXY protocol is not spoken; have the proxy send version 2")]
    Version(u8),
    /// It is neither LOCAL nor PROXY.
    #[error("the PROXY header has the command {0}; only 0 (LOCAL) and 1 (PROXY) are known")]
    Command(u8),
    /// Its family and protocol are no pair that the specification has.
    #[error("the PROXY header has the family and protocol {0:#04x}; no specification has them")]
    Family(u8),
    /// It has more bytes than any proxy needs.
    #[error(
        "the PROXY header goes on for {0} bytes, and {LONGEST_REST} are taken; have the proxy send fewer TLVs"
    )]
    TooLong(u16),
    /// It ends before its addresses do.
    #[error("the PROXY header ends within its addresses")]
    Truncated,
}

impl Head {
    /// Reads the bytes that every header has. The signature is not looked at: who calls this has seen it.
    pub fn parse(bytes: &[u8; FIXED]) -> Result<Self, Malformed> {
        let [.., version_and_command, family, high, low] = *bytes;
        let (version, command) = (version_and_command >> 4, version_and_command & 0x0f);
        if version != 2 {
            return Err(Malformed::Version(version));
        }
        let addresses = match (command, family) {
            // LOCAL: whatever the family says is ignored.
            (0, _) => Addresses::Unspecified,
            (1, 0x11) => Addresses::V4,
            (1, 0x21) => Addresses::V6,
            // UNSPEC; UDP and UNIX are pairs of the specification that are taken for it.
            (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Addresses::Unspecified,
            (1, _) => return Err(Malformed::Family(family)),
            _ => return Err(Malformed::Command(command)),
        };
        let rest = u16::from_be_bytes([high, low]);
        if rest > LONGEST_REST {
            return Err(Malformed::TooLong(rest));
        }
        if usize::from(rest) < addresses.length() {
            return Err(Malformed::Truncated);
        }
        Ok(Head { addresses, rest: rest.into() })
    }

    /// Where the client is, by the bytes that follow; `None` when that is where the connection comes from. The address
    /// that the client connected to is not used: it is the proxy's.
    pub fn client(&self, rest: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
        let address = match self.addresses {
            Addresses::Unspecified => return Ok(None),
            Addresses::V4 => rest.split_first_chunk::<4>().and_then(|(source, rest)| {
                let port = port(rest.get(4..)?)?;
                Some(SocketAddr::from((Ipv4Addr::from(*source), port)))
            }),
            Addresses::V6 => rest.split_first_chunk::<16>().and_then(|(source, rest)| {
                let port = port(rest.get(16..)?)?;
                Some(SocketAddr::from((Ipv6Addr::from(*source), port)))
            }),
        };
        address.map(|address| Some(canonical(address))).ok_or(Malformed::Truncated)
    }
}

/// The port of the source, at the beginning of the two ports.
fn port(ports: &[u8]) -> Option<u16> {
    let (&[a, b, _, _], _) = ports.split_first_chunk::<4>()?;
    Some(u16::from_be_bytes([a, b]))
}

impl Addresses {
    /// The bytes of two addresses and two ports.
    fn length(self) -> usize {
        match self {
            Addresses::Unspecified => 0,
            Addresses::V4 => 12,
            Addresses::V6 => 36,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const TCP_V4: u8 = 0x11;
    const TCP_V6: u8 = 0x21;

    /// From 203.0.113.9, port 4660, to 192.0.2.1, port 5060.
    const V4: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x34, 0x13, 0xc4];

    fn head(command: u8, family: u8, rest: u16) -> [u8; FIXED] {
        let mut bytes = [0; FIXED];
        bytes[..12].copy_from_slice(&SIGNATURE);
        bytes[12..14].copy_from_slice(&[command, family]);
        bytes[14..].copy_from_slice(&rest.to_be_bytes());
        bytes
    }

    /// What a header of this rest says.
    fn client(command: u8, family: u8, rest: &[u8]) -> Result<Option<String>, Malformed> {
        let head = Head::parse(&head(command, family, rest.len().try_into().unwrap()))?;
        assert_eq!(head.rest, rest.len(), "the client's bytes begin behind it");
        Ok(head.client(rest)?.map(|client| client.to_string()))
    }

    fn v6(source: &str) -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        [&address(source)[..], &address("2001:db8::1"), &[0x12, 0x34, 0x13, 0xc4]].concat()
    }

    #[test]
    fn the_source_over_ipv4_and_ipv6_is_the_client() {
        assert_eq!(client(PROXY, TCP_V4, &V4), Ok(Some("203.0.113.9:4660".into())));
        assert_eq!(client(PROXY, TCP_V6, &v6("2001:db8:7::9")), Ok(Some("[2001:db8:7::9]:4660".into())));
        assert_eq!(client(PROXY, TCP_V6, &v6("::ffff:203.0.113.9")), Ok(Some("203.0.113.9:4660".into())));
    }

    #[test]
    fn what_follows_the_addresses_is_skipped() {
        let authority_tlv = [&V4[..], &[0x02, 0, 3], b"a.b"].concat();
        assert_eq!(client(PROXY, TCP_V4, &authority_tlv), Ok(Some("203.0.113.9:4660".into())));
    }

    #[test]
    fn a_connection_of_the_proxys_own_or_of_an_unspecified_client_names_nobody() {
        assert_eq!(client(LOCAL, 0, &[]), Ok(None));
        assert_eq!(client(LOCAL, TCP_V4, &V4), Ok(None), "its addresses are ignored");
        assert_eq!(client(LOCAL, 0xff, &[1; 5]), Ok(None), "and its family");
        for family in [0x00, 0x12, 0x22, 0x31, 0x32] {
            assert_eq!(client(PROXY, family, &[7; 216]), Ok(None), "{family:#x}");
        }
    }

    #[test]
    fn an_unknown_version_command_or_family_is_refused() {
        for version in (0..16).filter(|&version| version != 2) {
            assert_eq!(client(version << 4 | 1, TCP_V4, &V4), Err(Malformed::Version(version)));
        }
        for command in 2..16 {
            assert_eq!(client(0x20 | command, TCP_V4, &V4), Err(Malformed::Command(command)));
        }
        let known = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32];
        for family in (0..=255).filter(|family| !known.contains(family)) {
            assert_eq!(client(PROXY, family, &[0; 216]), Err(Malformed::Family(family)));
        }
    }

    #[test]
    fn a_header_that_ends_within_its_addresses_is_refused_wherever_it_ends() {
        for length in 0..V4.len() {
            assert_eq!(client(PROXY, TCP_V4, &V4[..length]), Err(Malformed::Truncated), "{length}");
        }
        let v6 = v6("2001:db8:7::9");
        for length in 0..v6.len() {
            assert_eq!(client(PROXY, TCP_V6, &v6[..length]), Err(Malformed::Truncated), "{length}");
        }
        let promised = Head::parse(&head(PROXY, TCP_V4, 12)).unwrap();
        for length in 0..V4.len() {
            assert_eq!(promised.client(&V4[..length]), Err(Malformed::Truncated), "{length} of 12 came");
        }
    }

    #[test]
    fn more_than_any_proxy_needs_is_refused_before_it_is_read() {
        let parse = |rest| Head::parse(&head(PROXY, TCP_V4, rest)).map(|head| head.rest);
        assert_eq!(parse(LONGEST_REST), Ok(LONGEST_REST.into()));
        assert_eq!(parse(LONGEST_REST + 1), Err(Malformed::TooLong(LONGEST_REST + 1)));
        assert_eq!(parse(u16::MAX), Err(Malformed::TooLong(u16::MAX)));
    }
}
