//! `[[user]]`: people whose account stands in the configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::secret::Secret;

/// A user of the configuration file. It wins over a row of the same name in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user part of the address of record, and the name to sign in with.
    pub name: UserName,
    /// The password.
    pub password: Secret,
    /// The name that others see.
    #[serde(default)]
    pub display: String,
    /// The group whose calls the user may pick up; empty for none.
    #[serde(default)]
    pub group: String,
}

impl User {
    /// The pickup group, if there is one.
    pub fn group(&self) -> Option<String> {
        Some(self.group.clone()).filter(|group| !group.is_empty())
    }
}

/// The user part of an address of record, in the characters that need no escape in a SIP URI.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for examples.
    pub(super) fn example() -> Self {
        UserName("alice".to_owned())
    }
}

impl FromStr for UserName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty()
            || text.len() > 64
            || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
        {
            return Err(format!(
                "`{text}` is not a user name; use 1 to 64 of the letters a-z and A-Z, digits and `-_.+`"
            ));
        }
        if text == "echo" || text.starts_with("conf-") {
            return Err(format!("`{text}` is a built-in number; choose another user name"));
        }
        Ok(UserName(text.to_owned()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for UserName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_uri_carries_unescaped_and_no_built_in_number() {
        for sound in ["alice", "Bob.Smith", "+4930123", "100", "a-b_c"] {
            assert!(sound.parse::<UserName>().is_ok(), "{sound}");
        }
        for wrong in ["", "a b", "a@b", "a:b", "*43", "echo", "conf-sales", "é", &"x".repeat(65)] {
            assert!(wrong.parse::<UserName>().is_err(), "{wrong}");
        }
    }
}
