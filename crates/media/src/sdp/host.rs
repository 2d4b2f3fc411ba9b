//! A host in a `c=` line or a candidate.

use std::fmt;
use std::net::IpAddr;

/// Where something is: an IP address, or a name (`.local` from a browser that hides its addresses).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address; IPv4 in IPv6 form is kept as IPv4.
    Address(IpAddr),
    /// A name, which is never resolved here.
    Name(String),
}

impl Host {
    /// Reads an address, without the `/ttl` of a multicast address, or else takes the text as a name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let host = text.split('/').next().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Host::Address(address.to_canonical()));
        }
        let is_name = !host.is_empty()
            && host.len() <= MAX_NAME_LEN
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        is_name.then(|| Host::Name(host.to_owned()))
    }

    /// The address, when it is one.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(address) => address.fmt(f),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// The longest domain name.
const MAX_NAME_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_host() {
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        assert_eq!(Host::parse("192.0.2.1"), address("192.0.2.1"));
        assert_eq!(Host::parse("224.2.1.1/127"), address("224.2.1.1"));
        assert_eq!(Host::parse("::ffff:192.0.2.2"), address("192.0.2.2"));
        assert_eq!(Host::parse("[2001:db8::1]"), address("2001:db8::1"));
        assert_eq!(Host::parse("4e5c.local"), Some(Host::Name("4e5c.local".into())));
        assert_eq!(Host::parse(""), None);
        assert_eq!(Host::parse("a\"b"), None);
    }
}
