//! Strings that must not be shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A password or key that neither `Debug` nor an effective configuration shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself: every place that reads it is found by this name.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Serialises the text itself, for `#[serde(serialize_with)]` on the way to a process of the same user.
    pub fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// Takes a string only. Every other kind is refused without showing it: serde's own sentence would quote the value.
struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        if text.is_empty() {
            return Err(E::custom("must not be empty; choose a password"));
        }
        Ok(Secret::new(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(NOT_A_STRING))
    }
}

const HIDDEN: &str = "(hidden)";
const NOT_A_STRING: &str = "is not a string; put it in quotes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_serialisation_shows_it() {
        let secret = Secret::new("orange-7");
        assert_eq!(format!("{secret:?}"), "(hidden)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(hidden)\"");
    }

    #[test]
    fn a_refusal_does_not_quote_the_value() {
        for json in ["4711", "47.11", "-4711", "true", "[\"4711\"]"] {
            let sentence = serde_json::from_str::<Secret>(json).unwrap_err().to_string();
            assert!(!sentence.contains("4711"), "{sentence}");
        }
    }
}
