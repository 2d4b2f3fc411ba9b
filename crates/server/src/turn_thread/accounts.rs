//! Whose allocations there may be: those of the users, by their passwords.

use std::collections::HashMap;

use ringback_control::User;
use ringback_nat::stun::Key;
use ringback_nat::turn::{self, Lookup, PasswordAlgorithm, UserName, Users, userhash};
use ringback_sip::digest::Algorithm;
use smallvec::SmallVec;

/// The users with what their passwords make: the same hashes that SIP digest has, with the same realm.
#[derive(Debug)]
pub struct Accounts {
    realm: String,
    users: HashMap<Box<[u8]>, Keys>,
    names: HashMap<[u8; 32], Box<[u8]>>,
}

#[derive(Debug)]
struct Keys {
    md5: Option<Key>,
    sha256: Option<Key>,
}

impl Accounts {
    /// Nobody yet.
    pub fn new(realm: &str) -> Self {
        Accounts { realm: realm.to_owned(), users: HashMap::new(), names: HashMap::new() }
    }

    /// Takes a user as it is from now on; `None` removes it.
    pub fn set(&mut self, name: &str, user: Option<&User>) {
        let hash = userhash(name.as_bytes(), &self.realm);
        let Some(user) = user else {
            self.users.remove(name.as_bytes());
            self.names.remove(&hash);
            return;
        };
        let key = |algorithm| {
            let ha1 = user.ha1.iter().find(|ha1| ha1.algorithm() == algorithm)?;
            Some(Key::long_term(ha1.reveal()))
        };
        let keys = Keys { md5: key(Algorithm::Md5), sha256: key(Algorithm::Sha256) };
        self.users.insert(name.as_bytes().into(), keys);
        self.names.insert(hash, name.as_bytes().into());
    }
}

impl Users for Accounts {
    fn candidates(&self, lookup: &Lookup<'_>) -> SmallVec<[turn::User; 1]> {
        let name = match lookup.name {
            UserName::Name(name) => Some(name),
            UserName::Hash(hash) => {
                hash.first_chunk().and_then(|hash| self.names.get(hash)).map(AsRef::as_ref)
            }
        };
        let found = name.and_then(|name| self.users.get_key_value(name));
        let user = found.and_then(|(account, keys)| {
            let key = match lookup.algorithm {
                PasswordAlgorithm::Md5 => keys.md5.clone(),
                PasswordAlgorithm::Sha256 => keys.sha256.clone(),
            }?;
            Some(turn::User { key, account: account.clone() })
        });
        user.into_iter().collect()
    }

    fn has_account(&self, account: &[u8]) -> bool {
        self.users.contains_key(account)
    }
}

#[cfg(test)]
mod tests {
    use ringback_nat::stun::{self, Answer, Message, REPLY_ROOM};
    use ringback_sip::digest::Ha1;

    use super::*;

    const REALM: &str = "example.org";

    fn alice() -> User {
        let ha1 = [Algorithm::Md5, Algorithm::Sha256]
            .map(|algorithm| Ha1::of_password(algorithm, b"alice", REALM.as_bytes(), b"secret"));
        User { name: "alice".to_owned(), display: None, ha1: ha1.into() }
    }

    /// What a key makes of a message: keys themselves are not compared.
    fn signed(key: &Key) -> Vec<u8> {
        let bytes = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let request = Message::parse(&bytes).unwrap();
        let answer = Answer { request: &request, key: Some((key, stun::Algorithm::Sha1)) };
        let mut out = [0; REPLY_ROOM];
        let length = answer.error(400, &mut out).unwrap();
        out[..length].to_vec()
    }

    fn found(accounts: &Accounts, name: UserName<'_>, algorithm: PasswordAlgorithm) -> Vec<turn::User> {
        accounts.candidates(&Lookup { name, realm: REALM, algorithm, unix_time: 0 }).into_vec()
    }

    #[test]
    fn a_user_of_sip_is_one_of_turn_with_the_same_password() {
        let mut accounts = Accounts::new(REALM);
        accounts.set("alice", Some(&alice()));
        let hash = userhash(b"alice", REALM);
        for algorithm in [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256] {
            for name in [UserName::Name(b"alice"), UserName::Hash(&hash)] {
                let [user] = &found(&accounts, name, algorithm)[..] else { panic!("one user") };
                let key = algorithm.key(b"alice", REALM, b"secret");
                assert_eq!(signed(&user.key), signed(&key));
                assert_eq!(&*user.account, b"alice");
            }
        }
        assert!(found(&accounts, UserName::Name(b"bob"), PasswordAlgorithm::Md5).is_empty());
        assert!(accounts.has_account(b"alice") && !accounts.has_account(b"bob"));
    }

    #[test]
    fn who_is_removed_is_found_by_no_name() {
        let mut accounts = Accounts::new(REALM);
        accounts.set("alice", Some(&alice()));
        accounts.set("alice", None);
        let hash = userhash(b"alice", REALM);
        for name in [UserName::Name(b"alice"), UserName::Hash(&hash)] {
            assert!(found(&accounts, name, PasswordAlgorithm::Sha256).is_empty());
        }
        assert!(!accounts.has_account(b"alice"));
    }
}
