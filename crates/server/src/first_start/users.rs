//! Who may sign in: the entries of the configuration over the rows of the store.

use std::collections::BTreeMap;

use super::StartError;
use crate::config::Config;
use crate::store::{Credentials, Store};

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user part of the address of record, and the name to sign in with.
    pub name: String,
    /// The hashes of the password.
    pub credentials: Credentials,
    /// The name that others see.
    pub display: String,
    /// Whether it stands in the configuration, so that no command can change it.
    pub from_configuration: bool,
}

/// Every account, by name. Refuses rows whose passwords were hashed for another realm: nobody could sign in.
pub(super) fn accounts(config: &Config, store: &Store) -> Result<Vec<Account>, StartError> {
    let realm = config.realm();
    let mut accounts = BTreeMap::new();
    for user in &config.users {
        let name = user.name.to_string();
        let credentials = Credentials::derive(&name, realm, &user.password);
        let display = user.display.clone();
        accounts.insert(name.clone(), Account { name, credentials, display, from_configuration: true });
    }
    let mut foreign: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in store.users()? {
        if accounts.contains_key(&row.name) {
            continue;
        }
        if row.credentials.realm != realm {
            foreign.entry(row.credentials.realm).or_default().push(format!("`{}`", row.name));
            continue;
        }
        let account = Account {
            name: row.name.clone(),
            credentials: row.credentials,
            display: row.display,
            from_configuration: false,
        };
        accounts.insert(row.name, account);
    }
    match foreign.pop_first() {
        Some((theirs, mut names)) => {
            let more = names.len().saturating_sub(MOST_NAMED);
            names.truncate(MOST_NAMED);
            let mut users = names.join(", ");
            if more > 0 {
                users.push_str(&format!(" and {more} more"));
            }
            Err(StartError::OtherRealm { users, theirs, ours: realm.to_owned() })
        }
        None => Ok(accounts.into_values().collect()),
    }
}

/// How many users a refusal names.
const MOST_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::User;
    use crate::secret::Secret;
    use crate::store::{Options, UserRow};

    fn store_with(directory: &tempfile::TempDir, realm: &str) -> Store {
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        let credentials = Credentials::derive("alice", realm, &Secret::new("stored"));
        let row = UserRow { name: "alice".to_owned(), credentials, display: "Stored".to_owned(), created: 1 };
        store.put_user(&row).unwrap();
        store
    }

    #[test]
    fn the_configuration_wins_over_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let store = store_with(&directory, "another-realm");
        let alice = User {
            name: "alice".parse().unwrap(),
            password: Secret::new("configured"),
            display: "Configured".to_owned(),
            group: String::new(),
        };
        let config = Config { users: vec![alice], ..Config::default() };
        let accounts = accounts(&config, &store).unwrap();
        assert_eq!(accounts.len(), 1);
        assert!(accounts[0].from_configuration);
        assert_eq!(accounts[0].display, "Configured");
        assert_eq!(
            accounts[0].credentials,
            Credentials::derive("alice", "ringback", &Secret::new("configured"))
        );
    }

    #[test]
    fn rows_of_another_realm_are_refused_with_both_ways_out() {
        let directory = tempfile::tempdir().unwrap();
        let store = store_with(&directory, "old.example.com");
        let refusal = accounts(&Config::default(), &store).unwrap_err();
        assert!(refusal.is_configuration());
        assert_eq!(
            refusal.to_string(),
            "the passwords of `alice` belong to the realm `old.example.com` and this server has `ringback`; set \
             `realm = \"old.example.com\"`, or give each a new password with `ringback user passwd`"
        );
    }
}
