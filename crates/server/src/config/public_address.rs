//! `public_address`: where the world reaches this server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address that others can reach us at: neither a wildcard nor multicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicAddress(IpAddr);

impl PublicAddress {
    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl FromStr for PublicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() && !address.is_multicast() => Ok(PublicAddress(address)),
            _ => Err(format!(
                "`{text}` is not an IP address that others can reach; write it as `203.0.113.5` or `2001:db8::5`"
            )),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_or_a_group_is_nobodys_address() {
        for wrong in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "example.com", "203.0.113.5:5060"] {
            assert!(wrong.parse::<PublicAddress>().is_err(), "{wrong}");
        }
        assert!("203.0.113.5".parse::<PublicAddress>().is_ok());
    }
}
