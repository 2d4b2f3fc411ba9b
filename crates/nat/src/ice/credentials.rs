//! The user name fragment and password of an ICE agent.

use std::fmt;

/// A user name fragment and its password ([RFC 8445 §5.3]); `Debug` hides the password.
///
/// [RFC 8445 §5.3]: https://www.rfc-editor.org/rfc/rfc8445#section-5.3
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`: names the agent in the USERNAME of a check.
    pub ufrag: String,
    /// `a=ice-pwd`: the key of MESSAGE-INTEGRITY.
    pub pwd: String,
}

impl Credentials {
    /// How many random bytes a set of credentials takes.
    pub const RANDOM_LEN: usize = UFRAG_LEN + PWD_LEN;

    /// Makes credentials out of random bytes: 48 bits of user name fragment and 144 of password.
    ///
    /// [RFC 8445 §5.3] asks for 24 and 128 at least; the longer fragment keeps two legs of one port apart.
    ///
    /// [RFC 8445 §5.3]: https://www.rfc-editor.org/rfc/rfc8445#section-5.3
    pub fn from_random(random: &[u8; Self::RANDOM_LEN]) -> Self {
        let (ufrag, pwd) = random.split_at(UFRAG_LEN);
        Credentials { ufrag: ice_chars(ufrag), pwd: ice_chars(pwd) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// One character for each byte, from its low six bits, so that every character is equally likely.
fn ice_chars(random: &[u8]) -> String {
    random
        .iter()
        .map(|byte| match byte & 0x3f {
            n @ 0..=25 => char::from(b'A' + n),
            n @ 26..=51 => char::from(b'a' + (n - 26)),
            n @ 52..=61 => char::from(b'0' + (n - 52)),
            62 => '+',
            _ => '/',
        })
        .collect()
}

/// Characters of a user name fragment; the least is 4.
const UFRAG_LEN: usize = 8;
/// Characters of a password; the least is 22.
const PWD_LEN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_an_ice_char_and_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=255u8 {
            let credentials = Credentials::from_random(&[byte; Credentials::RANDOM_LEN]);
            assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (8, 24));
            let c = credentials.ufrag.chars().next().unwrap();
            assert!(c.is_ascii_alphanumeric() || c == '+' || c == '/', "RFC 8839 ice-char: {c}");
            *counts.entry(c).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 64);
        assert!(counts.values().all(|&count| count == 4));
    }

    #[test]
    fn debug_hides_the_password() {
        let credentials = Credentials::from_random(&std::array::from_fn(|i| i as u8));
        let shown = format!("{credentials:?}");
        assert!(shown.contains(&credentials.ufrag));
        assert!(!shown.contains(&credentials.pwd), "{shown}");
    }
}
