//! Branches of our own Vias: [RFC 3261 §8.1.1.7].
//!
//! [RFC 3261 §8.1.1.7]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.7

use std::fmt;
use std::ops::Deref;

use super::keyed_hash::Secret;

/// A branch parameter: the magic cookie and 96 bits that nobody else can foresee.
///
/// The bits are a keyed hash of a counter, written in lower-case hexadecimal: a branch is a token, and tokens
/// compare without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Branch([u8; LENGTH]);

impl Branch {
    /// The branch.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Branch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Branch {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Makes branches, none twice.
#[derive(Clone, Copy)]
pub(super) struct Branches {
    secret: Secret,
    made: u64,
}

impl Branches {
    pub(super) fn new(secret: Secret) -> Self {
        Branches { secret, made: 0 }
    }

    pub(super) fn make(&mut self) -> Branch {
        let mut hash = self.secret.hash();
        hash.write(b"branch");
        hash.write(&self.made.to_le_bytes());
        self.made = self.made.wrapping_add(1);
        let mut bits = hash.finish();
        let mut branch = [0; LENGTH];
        let (cookie, digits) = branch.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        for digit in digits {
            *digit = HEX[(bits & 0xf) as usize];
            bits >>= 4;
        }
        Branch(branch)
    }
}

const COOKIE: &[u8; 7] = b"z9hG4bK";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The cookie and 24 digits.
const LENGTH: usize = COOKIE.len() + 24;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn branches_are_unique_and_repeat_with_the_seed() {
        let make = |seed| {
            let mut branches = Branches::new(Secret::new(seed));
            (0..10_000).map(|_| branches.make()).collect::<Vec<_>>()
        };
        let one = make(1);
        assert_eq!(one.iter().collect::<HashSet<_>>().len(), one.len());
        assert_eq!(one, make(1));
        assert_ne!(one[0], make(2)[0]);
        assert!(one[0].to_string().starts_with("z9hG4bK"));
        assert_eq!(one[0].len(), 31);
    }
}
