//! `alice` and `bob`, so that the first call needs no configuration. Only when there is no user at all.

use std::path::Path;

use super::StartError;
use super::data_dir::write_whole;
use super::password::random_password;
use crate::config::Config;
use crate::secret::Secret;
use crate::store::{Credentials, Store, UserRow};

/// A user made by this start.
#[derive(Debug, Clone)]
pub struct DemoUser {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password, which is nowhere else but in the file beside it.
    pub password: Secret,
}

/// Makes the demo users if neither the store nor the configuration has a user.
pub(super) fn prepare(
    config: &Config,
    data_dir: &Path,
    store: &Store,
    created: i64,
) -> Result<Vec<DemoUser>, StartError> {
    if !config.users.is_empty() || !store.users()?.is_empty() {
        return Ok(Vec::new());
    }
    let made: Vec<DemoUser> =
        NAMES.iter().map(|(name, _)| DemoUser { name, password: random_password() }).collect();
    let lines: String =
        made.iter().map(|user| format!("{} {}\n", user.name, user.password.expose())).collect();
    write_whole(&data_dir.join(FILE), lines.as_bytes(), true)?;
    for (user, (_, display)) in made.iter().zip(NAMES) {
        store.put_user(&UserRow {
            name: user.name.to_owned(),
            credentials: Credentials::derive(user.name, config.realm(), &user.password),
            display: (*display).to_owned(),
            created,
        })?;
    }
    Ok(made)
}

/// One `name password` line for each user.
pub(super) const FILE: &str = "demo-users";

const NAMES: &[(&str, &str)] = &[("alice", "Alice"), ("bob", "Bob")];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::User;
    use crate::store::Options;

    #[test]
    fn they_are_made_once_and_the_file_holds_their_passwords() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        let made = prepare(&Config::default(), directory.path(), &store, 7).unwrap();
        assert_eq!(made.iter().map(|user| user.name).collect::<Vec<_>>(), ["alice", "bob"]);

        let file = directory.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(file).unwrap();
        for (line, row) in text.lines().zip(store.users().unwrap()) {
            let (name, password) = line.split_once(' ').unwrap();
            assert_eq!(Credentials::derive(name, "ringback", &Secret::new(password)), row.credentials);
        }
        assert!(prepare(&Config::default(), directory.path(), &store, 8).unwrap().is_empty());
    }

    #[test]
    fn a_user_of_the_configuration_is_a_user() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        let carol = User {
            name: "carol".parse().unwrap(),
            password: Secret::new("x"),
            display: String::new(),
            group: String::new(),
        };
        let config = Config { users: vec![carol], ..Config::default() };
        assert!(prepare(&config, directory.path(), &store, 7).unwrap().is_empty());
        assert!(store.users().unwrap().is_empty());
    }
}
