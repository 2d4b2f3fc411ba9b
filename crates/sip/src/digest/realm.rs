//! The name of what a password is for.

use std::fmt;

/// A realm that may stand between quotes as it is ([RFC 7616 §3.3]).
///
/// Quotes and backslashes are not taken: some clients hash what stands between the quotes and some what it means.
///
/// [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(String);

/// Why a text is no realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRealm {
    /// There is nothing.
    #[error("a realm cannot be empty")]
    Empty,
    /// It would make every challenge longer than its request.
    #[error("a realm cannot be longer than {LONGEST} bytes")]
    TooLong,
    /// A quote, a backslash or a control character.
    #[error("a realm cannot hold {0:?}")]
    Character(char),
}

impl Realm {
    /// The realm of that name.
    pub fn new(name: &str) -> Result<Self, InvalidRealm> {
        if name.is_empty() {
            return Err(InvalidRealm::Empty);
        }
        if name.len() > LONGEST {
            return Err(InvalidRealm::TooLong);
        }
        match name.chars().find(|&character| matches!(character, '"' | '\\') || character.is_control()) {
            Some(character) => Err(InvalidRealm::Character(character)),
            None => Ok(Realm(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two challenges with it fit into one and a half times the shortest REGISTER.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_leave_its_quotes() {
        assert_eq!(Realm::new("sip.example.com").unwrap().as_str(), "sip.example.com");
        assert!(Realm::new("Büro 7").is_ok());
        assert_eq!(Realm::new(""), Err(InvalidRealm::Empty));
        assert_eq!(Realm::new(&"x".repeat(129)), Err(InvalidRealm::TooLong));
        for character in ['"', '\\', '\r', '\n', '\0'] {
            assert_eq!(Realm::new(&format!("a{character}b")), Err(InvalidRealm::Character(character)));
        }
    }
}
