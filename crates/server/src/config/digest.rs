//! `digest`: the algorithms that SIP phones are challenged with.

use std::fmt;
use std::str::FromStr;

use ringback_sip::digest::Algorithm;
use serde::{Deserializer, de};

use super::texts;

/// A digest algorithm by its name of RFC 7616, such as `SHA-256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestAlgorithm(pub Algorithm);

impl FromStr for DigestAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Algorithm::from_token(text.as_bytes()).map(DigestAlgorithm).ok_or_else(|| {
            format!("`{text}` is not a digest algorithm; write `MD5`, `SHA-256` or `SHA-512-256`")
        })
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.token())
    }
}

/// Reads the list. Browsers know nothing but MD5, so it cannot be left out.
pub(super) fn algorithms<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DigestAlgorithm>, D::Error> {
    let algorithms: Vec<DigestAlgorithm> = texts::parse_each(deserializer)?;
    if !algorithms.contains(&DigestAlgorithm(Algorithm::Md5)) {
        return Err(de::Error::custom(
            "browsers know MD5 only, so it must be in the list; write `digest = [\"SHA-256\", \"MD5\"]`",
        ));
    }
    Ok(algorithms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_named_as_on_the_wire() {
        for name in ["MD5", "SHA-256", "SHA-512-256"] {
            assert_eq!(
                name.parse::<DigestAlgorithm>().map(|algorithm| algorithm.to_string()),
                Ok(name.to_owned())
            );
        }
        assert!("SHA1".parse::<DigestAlgorithm>().is_err());
    }

    #[test]
    fn md5_cannot_be_left_out() {
        let read = |text: &str| algorithms(&mut serde_json::Deserializer::from_str(text));
        assert!(read("[\"SHA-256\", \"MD5\"]").is_ok() && read("\"MD5\"").is_ok());
        for wrong in ["[]", "\"SHA-256\"", "[\"SHA-256\", \"SHA-512-256\"]"] {
            assert!(read(wrong).unwrap_err().to_string().contains("browsers know MD5 only"), "{wrong}");
        }
    }
}
