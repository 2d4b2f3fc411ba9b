//! The form that most lists of the configuration take: one string, or a list of strings.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess};
use serde::ser::{SerializeSeq, Serializer};

/// What was written as `"x"` (one), `["x", "y"]` (several), `""` or `[]` (none).
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads each text as a `T`; the first that cannot be read is the error.
pub(super) fn parse_each<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let Texts(texts) = Texts::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

/// Writes the shortest form that `Texts` reads back.
pub(super) fn print_each<T: fmt::Display, S: Serializer>(
    items: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match items {
        [] => serializer.serialize_str(""),
        [one] => serializer.collect_str(one),
        several => {
            let mut list = serializer.serialize_seq(Some(several.len()))?;
            for item in several {
                list.serialize_element(&item.to_string())?;
            }
            list.end()
        }
    }
}

/// Writes a list even when it holds one item or none, for keys that are lists by nature.
pub(super) fn print_list<T: fmt::Display, S: Serializer>(
    items: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().map(ToString::to_string))
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}
