//! `a=rtcp`: where RTCP goes when it is not the next port.

use std::fmt;
use std::net::IpAddr;

use super::Host;

/// The value of `a=rtcp` ([RFC 3605 §2.1]).
///
/// [RFC 3605 §2.1]: https://www.rfc-editor.org/rfc/rfc3605#section-2.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rtcp {
    /// The port; 9 means that there is none.
    pub port: u16,
    /// The address, when it is not that of the `c=` line.
    pub address: Option<IpAddr>,
}

impl Rtcp {
    /// Reads `PORT` or `PORT IN IP4 ADDRESS`; a name in the place of the address counts as none.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let port = fields.next()?.parse().ok()?;
        let address = fields.nth(2).and_then(Host::parse).and_then(|host| host.address());
        Some(Rtcp { port, address })
    }
}

impl fmt::Display for Rtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        match self.address {
            Some(address @ IpAddr::V4(_)) => write!(f, " IN IP4 {address}"),
            Some(address @ IpAddr::V6(_)) => write!(f, " IN IP6 {address}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written() {
        for text in ["53020", "53020 IN IP4 192.0.2.4", "53020 IN IP6 2001:db8::4"] {
            assert_eq!(Rtcp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Rtcp::parse("9 IN IP4 x.local"), Some(Rtcp { port: 9, address: None }));
        assert_eq!(Rtcp::parse("x"), None);
        assert_eq!(Rtcp::parse("65536"), None);
    }
}
