//! The domain this exchange is responsible for, and the realm of its passwords.

use std::str::FromStr;

use ringback_sip::digest::{InvalidRealm, Realm};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::texts;

/// The domain and its aliases; empty when the host of any request URI is taken as local.
///
/// Names are kept in lower case: host names compare without case ([RFC 3261 §19.1.4]).
///
/// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Domain(Vec<String>);

impl Domain {
    /// The domain itself: the first name that was written.
    pub fn name(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// Every name: the domain, then its aliases.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        texts::print_each(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names: Vec<HostName> = texts::parse_each(deserializer)?;
        Ok(Domain(names.into_iter().map(|HostName(name)| name).collect()))
    }
}

/// Reads a realm; empty stands for the default.
pub(super) fn realm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let realm = String::deserialize(deserializer)?;
    match Realm::new(&realm) {
        Ok(_) | Err(InvalidRealm::Empty) => Ok(realm),
        Err(reason) => {
            Err(de::Error::custom(format!("{reason}; write for example `realm = \"example.com\"`")))
        }
    }
}

struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let label_is_sound = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > LONGEST || !text.split('.').all(label_is_sound) {
            return Err(format!("`{text}` is not a host name; write it as `example.com`"));
        }
        Ok(HostName(text.to_ascii_lowercase()))
    }
}

/// Shorter than the 253 bytes of DNS: the domain is also the default realm.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_is_the_domain_and_the_rest_are_aliases() {
        let domain: Domain = serde_json::from_str("[\"Example.com\", \"sip.example.com\"]").unwrap();
        assert_eq!(domain.name(), Some("example.com"));
        assert_eq!(domain.names(), ["example.com", "sip.example.com"]);
        let none: Domain = serde_json::from_str("\"\"").unwrap();
        assert_eq!(none.name(), None);
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        for wrong in ["sip:example.com", "exa mple.com", "example..com", "-x.com", "example.com:5060", "."] {
            assert!(wrong.parse::<HostName>().is_err(), "{wrong}");
        }
    }
}
