//! Passwords nobody has to invent.

use rand::RngExt;

use crate::secret::Secret;

/// A password of 16 letters and digits, 93 bits, without characters that look alike.
pub fn random_password() -> Secret {
    let mut random = rand::rng();
    let letter = |_| char::from(LETTERS[random.random_range(0..LETTERS.len())]);
    Secret::new((0..LENGTH).map(letter).collect::<String>())
}

const LENGTH: usize = 16;
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_long_readable_and_different_each_time() {
        let (a, b) = (random_password(), random_password());
        assert_ne!(a, b);
        assert_eq!(a.expose().len(), LENGTH);
        assert!(a.expose().bytes().all(|byte| LETTERS.contains(&byte)));
    }
}
