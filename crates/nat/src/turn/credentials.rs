//! Who may allocate: long-term credentials ([RFC 8489 §9.2]), and such as are made from a shared secret for a time.
//!
//! [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::budget::Rate;
use crate::stun::Key;

/// The hash by which a password becomes a key ([RFC 8489 §18.5]).
///
/// [RFC 8489 §18.5]: https://www.rfc-editor.org/rfc/rfc8489#section-18.5
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PasswordAlgorithm {
    /// What a client has used that names none.
    Md5,
    /// SHA-256.
    Sha256,
}

impl PasswordAlgorithm {
    /// The key of a user with a password. A digest user's HA1 with the same realm is the same hash: [`Key::long_term`]
    /// takes it as it is.
    pub fn key(self, name: &[u8], realm: &str, password: &[u8]) -> Key {
        let parts = [name, b":", realm.as_bytes(), b":", password];
        match self {
            PasswordAlgorithm::Md5 => Key::long_term(&hash::<Md5>(&parts)),
            PasswordAlgorithm::Sha256 => Key::long_term(&hash::<Sha256>(&parts)),
        }
    }

    /// Its form in PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS: a number and no parameters.
    pub(super) const fn value(self) -> [u8; 4] {
        match self {
            PasswordAlgorithm::Md5 => [0, 1, 0, 0],
            PasswordAlgorithm::Sha256 => [0, 2, 0, 0],
        }
    }
}

/// How a request names its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserName<'a> {
    /// USERNAME.
    Name(&'a [u8]),
    /// USERHASH: the [`userhash`] of name and realm.
    Hash(&'a [u8]),
}

/// The value of USERHASH ([RFC 8489 §14.4]).
///
/// [RFC 8489 §14.4]: https://www.rfc-editor.org/rfc/rfc8489#section-14.4
pub fn userhash(name: &[u8], realm: &str) -> [u8; 32] {
    hash::<Sha256>(&[name, b":", realm.as_bytes()]).into()
}

/// A question for the key of a user.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The user.
    pub name: UserName<'a>,
    /// Our realm.
    pub realm: &'a str,
    /// The hash that made the key.
    pub algorithm: PasswordAlgorithm,
    /// The time in seconds since 1970.
    pub unix_time: u64,
}

/// A user that may be who a request says.
#[derive(Debug, Clone)]
pub struct User {
    /// Its key.
    pub key: Key,
    /// By what it counts as the same user, whatever name it has for the hour: quotas are of an account.
    pub account: Box<[u8]>,
}

/// Where keys come from.
pub trait Users {
    /// The users that the name may stand for: none, one, or one for each secret that is good at the time.
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]>;

    /// Whether there is such an account and it may allocate. It is asked of whom a key has shown to be right: credentials
    /// that were made for a time outlive the account that they were made for, if nobody asks.
    fn has_account(&self, account: &[u8]) -> bool;

    /// How many bytes of application data all allocations of an account together may carry in each direction; `None` for as
    /// many as come. A packet that is larger than the burst never passes.
    fn bandwidth(&self, _account: &[u8]) -> Option<Rate> {
        None
    }
}

/// Both of them: an account of either is one.
impl<A: Users, B: Users> Users for (A, B) {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        let mut users = self.0.candidates(lookup);
        users.extend(self.1.candidates(lookup));
        users
    }

    fn has_account(&self, account: &[u8]) -> bool {
        self.0.has_account(account) || self.1.has_account(account)
    }

    fn bandwidth(&self, account: &[u8]) -> Option<Rate> {
        self.0.bandwidth(account).or_else(|| self.1.bandwidth(account))
    }
}

/// Credentials for a time, which need no store: the name is `expiry:account`, the password an HMAC over it.
///
/// It is what several TURN servers and web services do alike, though no RFC says it: the expiry is in seconds since 1970,
/// the HMAC has SHA-1 and is in base64. `Debug` shows no secret.
///
/// It knows no accounts: put it in a pair with what does, `(store, time_limited)`.
#[derive(Clone)]
pub struct TimeLimited {
    /// The first makes passwords; the others are good until what was made with them is over.
    secrets: Vec<Box<[u8]>>,
    longest: Duration,
}

impl TimeLimited {
    /// By these secrets: one to make passwords with, and those that went before it. An empty one is none.
    ///
    /// A name whose expiry is further away than `longest` is refused, whoever has made it: what is good for days is worth
    /// stealing. Its clock may be a minute before ours.
    pub fn new(secrets: impl IntoIterator<Item = Box<[u8]>>, longest: Duration) -> Self {
        TimeLimited { secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).collect(), longest }
    }

    /// A name and a password for an account until a time, in seconds since 1970; `None` without a secret.
    pub fn issue(&self, account: &str, expiry: u64) -> Option<(String, String)> {
        let name = format!("{expiry}:{account}");
        let password = password(self.secrets.first()?, name.as_bytes())?;
        Some((name, password))
    }
}

impl Users for TimeLimited {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[User; 1]> {
        // Who names itself by a hash cannot be told when its time is over.
        let UserName::Name(name) = lookup.name else { return SmallVec::new() };
        let Some((expiry, account)) = split(name) else { return SmallVec::new() };
        let latest = lookup.unix_time.saturating_add(self.longest.saturating_add(CLOCKS).as_secs());
        if expiry <= lookup.unix_time || expiry > latest {
            return SmallVec::new();
        }
        let passwords = self.secrets.iter().filter_map(|secret| password(secret, name));
        let key = |password: String| lookup.algorithm.key(name, lookup.realm, password.as_bytes());
        passwords.map(|password| User { key: key(password), account: account.into() }).collect()
    }

    fn has_account(&self, _account: &[u8]) -> bool {
        false
    }
}

impl fmt::Debug for TimeLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLimited").field("secrets", &self.secrets.len()).finish()
    }
}

/// Takes a name for a time apart: expiry and account.
fn split(name: &[u8]) -> Option<(u64, &[u8])> {
    let colon = name.iter().position(|&byte| byte == b':')?;
    let (expiry, account) = (name.get(..colon)?, name.get(colon + 1..)?);
    if account.is_empty() || !expiry.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((str::from_utf8(expiry).ok()?.parse().ok()?, account))
}

/// `None` by its signature only: an HMAC takes a key of any length.
fn password(secret: &[u8], name: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(name);
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// By how much the clock of who makes credentials may be before ours.
const CLOCKS: Duration = Duration::from_secs(60);

fn hash<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut digest = D::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "example.org";

    fn lookup(name: &str, unix_time: u64) -> Lookup<'_> {
        let name = UserName::Name(name.as_bytes());
        Lookup { name, realm: REALM, algorithm: PasswordAlgorithm::Md5, unix_time }
    }

    fn secrets(secrets: &[&str]) -> TimeLimited {
        TimeLimited::new(secrets.iter().map(|secret| secret.as_bytes().into()), Duration::from_secs(3600))
    }

    /// Reckoned with `openssl dgst -sha1 -hmac`.
    #[test]
    fn the_password_is_an_hmac_of_the_name() {
        let (name, password) = secrets(&["north"]).issue("alice", 1_433_895_918).unwrap();
        assert_eq!(name, "1433895918:alice");
        assert_eq!(password, PASSWORD);
    }

    #[test]
    fn a_name_is_good_until_its_time_and_for_its_account() {
        let users = secrets(&["north", "south"]);
        let found = users.candidates(&lookup("1000:alice:home", 999));
        assert_eq!(found.len(), 2, "one for each secret");
        assert!(found.iter().all(|user| &*user.account == b"alice:home"));
        assert!(users.candidates(&lookup("1000:alice", 1000)).is_empty(), "expired");
        for name in
            ["alice", "1000", "1000:", ":alice", "+1000:alice", "99999999999999999999:alice", "1e9:alice"]
        {
            assert!(users.candidates(&lookup(name, 1)).is_empty(), "{name}");
        }
        let hash = userhash(b"1000:alice", REALM);
        let by_hash = Lookup { name: UserName::Hash(&hash), ..lookup("", 1) };
        assert!(users.candidates(&by_hash).is_empty());
    }

    #[test]
    fn a_name_is_good_for_the_longest_lifetime_and_no_longer() {
        let users = secrets(&["north"]);
        let is_good = |expiry: u64| !users.candidates(&lookup(&format!("{expiry}:alice"), 1000)).is_empty();
        assert!(is_good(1000 + 3600) && is_good(1000 + 3600 + 60), "clocks differ");
        assert!(!is_good(1000 + 3600 + 61) && !is_good(u64::MAX));
        let endless = TimeLimited { longest: Duration::MAX, ..users.clone() };
        assert!(!endless.candidates(&lookup("2000:alice", 1000)).is_empty(), "and nothing overflows");
        assert!(!users.has_account(b"alice"), "that is for others to say");
    }

    #[test]
    fn an_empty_secret_is_none() {
        let users = secrets(&[""]);
        assert_eq!(users.issue("alice", 1), None);
        assert!(users.candidates(&lookup("1000:alice", 1)).is_empty());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", secrets(&["north"])), "TimeLimited { secrets: 1 }");
    }

    /// RFC 8489 B.1 names its user by this hash.
    #[test]
    fn rfc8489_b_1_userhash() {
        let hash = userhash("マトリックス".as_bytes(), REALM);
        assert_eq!(hash[..4], [0x4a, 0x3c, 0xf3, 0x8f]);
    }

    const PASSWORD: &str = "RqMvcGPYTJMGThVLSi4amT4zFtI=";
}
