//! `[turn]`: relaying for browsers and phones that cannot reach each other.

use std::net::SocketAddr;

use ringback_sansio::Prefix;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::media::PortRange;
use super::texts;
use crate::secret::Secret;

/// What the TURN server relays, for whom and to where. It is on where `listen.turn` or `listen.turn_tls` names an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What credentials for a time are made with, which other services may know as well; `None` for one that stays in the
    /// database.
    #[serde(deserialize_with = "secret", serialize_with = "hidden")]
    pub secret: Option<Secret>,
    /// The UDP ports of allocations.
    pub relay_ports: PortRange,
    /// Private networks whose addresses may be peers.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub allow_peers: Vec<Prefix>,
    /// How many allocations a user may have at once.
    pub quota: u32,
    /// Where clients are sent when there is no room here, and while this server drains.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub alternate_servers: Vec<SocketAddr>,
}

impl Turn {
    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 1] {
        [("turn.quota", self.quota, 1, 10_000)]
    }
}

impl Default for Turn {
    fn default() -> Self {
        // A call of a browser takes one or two, and a page has a handful of calls and rooms at the most.
        Turn {
            secret: None,
            relay_ports: PortRange { first: 40_000, last: 49_999 },
            allow_peers: Vec::new(),
            quota: 16,
            alternate_servers: Vec::new(),
        }
    }
}

/// The fewest bytes of a secret: what is shorter is found by trying.
const SHORTEST: usize = 16;

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = String::deserialize(deserializer)
        .map_err(|_| de::Error::custom("is not a string; put it in quotes"))?;
    match text.len() {
        0 => Ok(None),
        SHORTEST.. => Ok(Some(Secret::new(text))),
        _ => Err(de::Error::custom(
            "has fewer than 16 bytes, which can be found by trying; take what `openssl rand -hex 32` prints",
        )),
    }
}

fn hidden<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        None => serializer.serialize_str(""),
        Some(secret) => secret.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_or_none_and_never_shown() {
        let read = |text: &str| toml::from_str::<Turn>(&format!("secret = {text}"));
        assert_eq!(read("''").unwrap().secret, None);
        let turn = read("'0123456789abcdef'").unwrap();
        assert_eq!(turn.secret.as_ref().map(Secret::expose), Some("0123456789abcdef"));
        assert!(!toml::to_string(&turn).unwrap().contains("0123456789abcdef"));
        for wrong in ["'0123456789abcde'", "47110815"] {
            let sentence = read(wrong).unwrap_err().message().to_owned();
            assert!(!sentence.contains("4711") && !sentence.contains("0123"), "{sentence}");
        }
    }
}
