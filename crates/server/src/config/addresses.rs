//! Where a listener listens.

use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::texts;

/// The addresses of one listener; none turns it off.
///
/// Port 0 takes a free port. `[::]` takes IPv6 only, so that `0.0.0.0:5060` and `[::]:5060` stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// The addresses, in the order in which they were written.
    pub fn as_slice(&self) -> &[SocketAddr] {
        &self.0
    }
}

impl<const N: usize> From<[SocketAddr; N]> for Addresses {
    fn from(addresses: [SocketAddr; N]) -> Self {
        Addresses(addresses.to_vec())
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        texts::print_each(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let listeners: Vec<Listener> = texts::parse_each(deserializer)?;
        Ok(Addresses(listeners.into_iter().map(|Listener(address)| address).collect()))
    }
}

/// One address with its port, in the only form that leaves no question.
struct Listener(SocketAddr);

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Listener).map_err(|_| {
            format!("`{text}` is not an IP address with a port; write it as `0.0.0.0:5060` or `[::]:5060`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Addresses, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn one_several_and_none() {
        assert_eq!(read("\"127.0.0.1:80\"").unwrap().as_slice(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(read("[\"127.0.0.1:80\", \"[::1]:80\"]").unwrap().as_slice().len(), 2);
        assert!(read("\"\"").unwrap().as_slice().is_empty());
        assert!(read("[]").unwrap().as_slice().is_empty());
    }

    #[test]
    fn what_is_not_an_address_is_named_with_the_form_to_write() {
        for wrong in ["localhost:80", ":5060", "0.0.0.0", "0.0.0.0:70000", "::1:80"] {
            let sentence = read(&format!("\"{wrong}\"")).unwrap_err();
            assert!(sentence.contains(wrong) && sentence.contains("write it as"), "{sentence}");
        }
    }
}
