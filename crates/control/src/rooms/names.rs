//! The words of rooms that have limits: names, PINs, tokens, lines of signalling.

use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// Why a word is not taken, as a sentence that says what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWord {
    /// Not the name of a room.
    #[error("the name of a room has 3 to 64 of a-z, 0-9 and -, with no hyphen first or last")]
    Room,
    /// Not the name of a member.
    #[error("a name has 1 to 48 characters, without control characters")]
    Member,
    /// Not a PIN.
    #[error("a PIN has 6 to 12 digits")]
    Pin,
    /// Not a token.
    #[error("that is no token of a room")]
    Token,
}

/// The name of a room, as it stands in a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomName(String);

impl RoomName {
    /// A name that nobody can guess: 100 random bits.
    pub(super) fn generate(random: &mut StdRng) -> Self {
        let letters = random_letters(random, 20);
        let groups: Vec<&str> = (0..4).filter_map(|group| letters.get(group * 5..group * 5 + 5)).collect();
        RoomName(groups.join("-"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoomName {
    type Error = InvalidWord;

    fn try_from(name: String) -> Result<Self, InvalidWord> {
        let of_letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let is_name =
            of_letters && (3..=64).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-');
        if is_name { Ok(RoomName(name)) } else { Err(InvalidWord::Room) }
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> String {
        name.0
    }
}

/// The name that a member goes by. It is text, and two members may have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(String);

impl MemberName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MemberName {
    type Error = InvalidWord;

    fn try_from(name: String) -> Result<Self, InvalidWord> {
        if name.chars().any(is_unprintable) {
            return Err(InvalidWord::Member);
        }
        let name = name.trim();
        let count = name.chars().take(49).count();
        if !(1..=48).contains(&count) || name.len() > 192 {
            return Err(InvalidWord::Member);
        }
        Ok(MemberName(name.to_owned()))
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> String {
        name.0
    }
}

/// Control characters, line and paragraph separators, and those that turn the direction of writing: with them a name
/// can be shown as another one.
fn is_unprintable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What has to be known besides the name of a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(String);

impl Pin {
    /// The digits.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is that one. It takes the same time wherever they differ.
    pub(super) fn is(&self, other: &str) -> bool {
        is_same(&self.0, other)
    }
}

impl TryFrom<String> for Pin {
    type Error = InvalidWord;

    fn try_from(pin: String) -> Result<Self, InvalidWord> {
        let is_pin = (6..=12).contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
        if is_pin { Ok(Pin(pin)) } else { Err(InvalidWord::Pin) }
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> String {
        pin.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// What a member comes back with: 130 random bits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    pub(super) fn generate(random: &mut StdRng) -> Self {
        Token(random_letters(random, 26))
    }

    /// The token whose letters stand for these bytes, five bits of each.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Token(letters(bytes))
    }

    /// The letters.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is that one. It takes the same time wherever they differ.
    pub(super) fn is(&self, other: &Token) -> bool {
        is_same(&self.0, &other.0)
    }
}

impl TryFrom<String> for Token {
    type Error = InvalidWord;

    fn try_from(token: String) -> Result<Self, InvalidWord> {
        let of_letters = token.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        if of_letters && (26..=64).contains(&token.len()) {
            Ok(Token(token))
        } else {
            Err(InvalidWord::Token)
        }
    }
}

impl From<Token> for String {
    fn from(token: Token) -> String {
        token.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
}

/// So many letters of five bits each.
fn random_letters(random: &mut StdRng, count: usize) -> String {
    let mut bytes = vec![0; count];
    random.fill_bytes(&mut bytes);
    letters(&bytes)
}

fn letters(bytes: &[u8]) -> String {
    bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|&letter| char::from(letter))
        .collect()
}

/// Without letters that look like others: no 0, 1, l and o.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn names_of_rooms_are_short_and_of_few_letters() {
        for name in ["abc", "a-b", "team-2", &"x".repeat(64)] {
            assert!(RoomName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", "ab", "-abc", "abc-", "Team", "a b c", "a/b", "a.b", "täm", &"x".repeat(65)] {
            assert_eq!(RoomName::try_from(name.to_owned()), Err(InvalidWord::Room), "{name}");
        }
    }

    #[test]
    fn names_of_members_are_text_of_a_line() {
        for name in ["A", "  Ada  ", "<b>Ada</b>", "Åsa Öst", "👩‍🚀", &"ü".repeat(48)] {
            assert!(MemberName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        assert_eq!(MemberName::try_from("  Ada ".to_owned()).unwrap().as_str(), "Ada");
        for name in [
            "",
            "   ",
            "a\nb",
            "a\u{7}",
            "a\u{85}",
            "a\u{202e}b",
            "a\u{2066}b",
            &"x".repeat(49),
            &"👩‍🚀".repeat(20),
        ] {
            assert_eq!(MemberName::try_from(name.to_owned()), Err(InvalidWord::Member), "{name:?}");
        }
    }

    #[test]
    fn pins_are_digits() {
        for (pin, is_one) in [
            ("123456", true),
            ("123456789012", true),
            ("12345", false),
            ("1234567890123", false),
            ("12345x", false),
        ] {
            assert_eq!(Pin::try_from(pin.to_owned()).is_ok(), is_one, "{pin}");
        }
        let pin = Pin::try_from("123456".to_owned()).unwrap();
        assert!(pin.is("123456") && !pin.is("123457") && !pin.is("1234567"));
    }

    #[test]
    fn what_is_generated_is_valid_and_never_the_same() {
        let mut random = StdRng::from_seed([3; 32]);
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let name = RoomName::generate(&mut random);
            assert_eq!(name.as_str().len(), 23);
            assert_eq!(RoomName::try_from(name.as_str().to_owned()), Ok(name.clone()));
            assert!(names.insert(name));
            let token = Token::generate(&mut random);
            assert!(Token::try_from(token.reveal().to_owned()).unwrap().is(&token));
            assert!(!Token::generate(&mut random).is(&token));
        }
        assert_eq!(LETTERS.iter().collect::<std::collections::BTreeSet<_>>().len(), 32);
    }

    #[test]
    fn secrets_are_not_in_logs() {
        let pin = Pin::try_from("123456".to_owned()).unwrap();
        let token = Token::generate(&mut StdRng::from_seed([3; 32]));
        assert_eq!(format!("{pin:?} {token:?}"), "Pin(..) Token(..)");
    }
}
