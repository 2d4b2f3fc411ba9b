//! Who calls: the name of `--user`, and the password of a file or of the environment.

use ringback_peer::phone::Login;

use super::{CallError, Options};
use crate::bench::accounts;

/// Who calls.
pub(super) struct Account {
    pub(super) login: Option<Login>,
    pub(super) user: String,
    pub(super) domain: String,
}

/// Reads who calls. The command line has no password: every process of the machine could read it there.
pub(super) fn read(options: &Options) -> Result<Account, CallError> {
    let mut user = options.user.clone();
    let mut password = std::env::var(VARIABLE).ok().filter(|password| !password.is_empty());
    if let Some(path) = &options.password_file {
        let accounts = accounts::read(path, None)?;
        let found = match &user {
            Some((name, _)) => accounts.into_iter().find(|account| account.name == *name),
            None => accounts.into_iter().next(),
        };
        let (name, _) = user.clone().unwrap_or_default();
        let account = found.ok_or_else(|| CallError::NoAccount(path.clone(), name))?;
        password = Some(account.password.expose().to_owned());
        user.get_or_insert_with(|| (account.name, host(options)));
    }
    let (user, domain) = match user {
        Some((name, domain)) if domain.is_empty() => (Some(name), host(options)),
        Some((name, domain)) => (Some(name), domain),
        None => (None, host(options)),
    };
    let login = match (&user, password) {
        (Some(user), Some(password)) => Some(Login { user: user.clone(), password, realm: None }),
        _ => None,
    };
    if login.is_none() && (options.registers || options.callee.is_none()) {
        return Err(CallError::NoPassword);
    }
    Ok(Account { login, user: user.unwrap_or_else(|| NOBODY.to_owned()), domain })
}

/// The host of the server as it stands in a URI.
fn host(options: &Options) -> String {
    let host = &options.via.host;
    if host.contains(':') { format!("[{host}]") } else { host.clone() }
}

/// Where the password may be, beside a file.
const VARIABLE: &str = "RINGBACK_PASSWORD";
/// Who calls without a name.
const NOBODY: &str = "anonymous";

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::live_sound::Wanted;

    fn options(user: Option<(&str, &str)>, callee: Option<&str>, password_file: Option<PathBuf>) -> Options {
        Options {
            callee: callee.map(str::to_owned),
            via: "udp://[::1]:5060".parse().unwrap(),
            user: user.map(|(name, domain)| (name.to_owned(), domain.to_owned())),
            password_file,
            registers: false,
            kind: None,
            play: None,
            is_looped: false,
            record: None,
            sound: Wanted::default(),
            keys: Vec::new(),
            length: None,
            within: None,
            authorities: None,
            is_insecure: false,
        }
    }

    #[test]
    fn a_name_and_its_password_are_found_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "alice:a\nbob:b\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let read = |user| read(&options(user, Some("sip:x@y"), Some(path.clone())));
        let bob = read(Some(("bob", "example.com"))).unwrap();
        let login = bob.login.unwrap();
        assert_eq!((bob.user.as_str(), bob.domain.as_str()), ("bob", "example.com"));
        assert_eq!((login.user.as_str(), login.password.as_str()), ("bob", "b"));
        let first = read(None).unwrap();
        assert_eq!((first.user.as_str(), first.domain.as_str()), ("alice", "[::1]"));
        let error = read(Some(("carol", ""))).err().unwrap().to_string();
        assert!(error.contains("carol:PASSWORD"), "{error}");
    }

    #[test]
    fn who_waits_for_a_call_needs_a_password_and_who_calls_may_do_without() {
        let caller = read(&options(None, Some("sip:x@y"), None)).unwrap();
        assert_eq!((caller.user.as_str(), caller.login.is_none()), (NOBODY, true));
        let error = read(&options(Some(("alice", "")), None, None)).err().unwrap();
        assert!(error.is_usage() && error.to_string().contains("--password-file"), "{error}");
    }
}
