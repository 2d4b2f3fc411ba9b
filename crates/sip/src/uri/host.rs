//! Hosts: names and addresses, with a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::grammar;

/// The host of a URI or of a Via's sent-by ([RFC 3261 §25.1]).
///
/// [RFC 3261 §25.1]: https://www.rfc-editor.org/rfc/rfc3261#section-25.1
#[derive(Debug, Clone, Copy, Eq)]
pub enum Host<'a> {
    /// A host name as it stands.
    Name(&'a [u8]),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, which stands in brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads a host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if let [b'[', inner @ .., b']'] = bytes {
            return ipv6(inner).map(Host::V6);
        }
        // An underscore is no host name's byte and yet stands in many a LAN's names.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if bytes.is_empty() || !bytes.iter().all(is_name) {
            return None;
        }
        Some(ipv4(bytes).map_or(Host::Name(bytes), Host::V4))
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match *self {
            Host::Name(_) => None,
            Host::V4(address) => Some(address.into()),
            Host::V6(address) => Some(address.into()),
        }
    }

    /// The name, when it is one.
    pub fn name(&self) -> Option<&'a [u8]> {
        match self {
            Host::Name(name) => Some(name),
            Host::V4(_) | Host::V6(_) => None,
        }
    }
}

/// Names are equal in any case of letters, addresses by their value.
impl PartialEq for Host<'_> {
    fn eq(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Host::V4(one), Host::V4(two)) => one == two,
            (Host::V6(one), Host::V6(two)) => one == two,
            _ => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => write!(f, "{}", name.escape_ascii()),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Reads `host [":" port]`, with white space around the colon as a Via may have it.
pub fn host_and_port(bytes: &[u8]) -> Option<(Host<'_>, Option<u16>)> {
    let host_end = match bytes.first()? {
        b'[' => memchr::memchr(b']', bytes)? + 1,
        _ => memchr::memchr(b':', bytes).unwrap_or(bytes.len()),
    };
    let (host, rest) = bytes.split_at_checked(host_end)?;
    let host = Host::parse(grammar::trim_end(host))?;
    let rest = grammar::trim_start(rest);
    if rest.is_empty() {
        return Some((host, None));
    }
    let port = grammar::number(grammar::trim_start(rest.strip_prefix(b":")?)).ok()?;
    Some((host, Some(u16::try_from(port).ok()?)))
}

/// An IPv4 address: four numbers without leading zeros. Every message has several, so they are read by hand.
fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = bytes.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let digits = parts.next()?;
        let is_octet = matches!(digits.len(), 1..=3) && digits.iter().all(u8::is_ascii_digit);
        if !is_octet || digits.len() > 1 && digits.first() == Some(&b'0') {
            return None;
        }
        let value = digits.iter().fold(0, |sum, digit| 10 * sum + u16::from(digit - b'0'));
        *octet = u8::try_from(value).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// An IPv6 address. The three colons that the grammar of RFC 3261 makes before an IPv4 part are read as two
/// ([RFC 5118 §4.10]).
///
/// [RFC 5118 §4.10]: https://www.rfc-editor.org/rfc/rfc5118#section-4.10
fn ipv6(bytes: &[u8]) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(bytes).ok()?;
    match text.split_once(":::") {
        Some((before, after)) if after.contains('.') => format!("{before}::{after}").parse().ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        assert_eq!(Host::parse(b"192.0.2.1"), Some(Host::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(Host::parse(b"Atlanta.COM"), Some(Host::Name(b"atlanta.com")));
        assert_eq!(Host::parse(b"3com.example"), Some(Host::Name(b"3com.example")));
        assert_eq!(Host::parse(b"[::ffff:192.0.2.10]").unwrap().to_string(), "[::ffff:192.0.2.10]");
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "256.1.1.1",
            "01.2.3.4",
            "1.2.3",
            "1.2.3.4.5",
            "1..2.3",
            "0.0.0.0",
            "1.2.3.4a",
        ] {
            let read = Host::parse(text.as_bytes()).and_then(|host| host.ip());
            assert_eq!(read, text.parse::<Ipv4Addr>().ok().map(IpAddr::V4), "{text}");
        }
        for text in [&b""[..], b"a b", b"[::1", b"::1", b"[]", b"a/b", b"[g::]"] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_third_colon_of_the_old_grammar() {
        assert_eq!(Host::parse(b"[2001:db8:::192.0.2.1]"), Host::parse(b"[2001:db8::192.0.2.1]"));
        assert_eq!(Host::parse(b"[2001:db8:::1]"), None);
        assert_eq!(Host::parse(b"[1:::2:::192.0.2.1]"), None);
    }

    #[test]
    fn ports() {
        assert_eq!(host_and_port(b"x : 5"), Some((Host::Name(b"x"), Some(5))));
        assert_eq!(host_and_port(b"[::1]:65535").unwrap().1, Some(65535));
        for text in [&b"x:"[..], b"x:65536", b"x:5a", b"[::1]5", b"[::1] 5", b":5", b""] {
            assert_eq!(host_and_port(text), None, "{text:?}");
        }
    }
}
