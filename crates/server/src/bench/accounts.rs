//! Who phones are: the file of `--password-file`, of `bench` and of `call`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::READABLE_BY_OTHERS;
use crate::secret::Secret;

/// A user and its password.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: Secret,
}

/// Why there are no accounts.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The file cannot be read.
    #[error("`{path}` cannot be read: {1}; write NAME:PASSWORD on its lines", path = .0.display())]
    Read(PathBuf, std::io::Error),
    /// Others can read the passwords.
    #[error("`{path}` holds passwords and can be read by others (mode {mode:o}); run `chmod 600 {path}`", path = .0.display(), mode = .1)]
    ReadableByOthers(PathBuf, u32),
    /// A line without a name or a colon.
    #[error("line {1} of `{path}` is not NAME:PASSWORD; a name has letters, digits, `-`, `.` and `_`", path = .0.display())]
    Line(PathBuf, usize),
    /// Fewer users than asked for.
    #[error("`{path}` has {1} users, and {2} are asked for; add lines, or ask for fewer with --users", path = .0.display())]
    TooFew(PathBuf, usize, usize),
}

/// Reads the first `count` accounts of a file, or all of them.
pub(crate) fn read(path: &Path, count: Option<usize>) -> Result<Vec<Account>, AccountsError> {
    let unreadable = |error| AccountsError::Read(path.to_owned(), error);
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & READABLE_BY_OTHERS != 0 {
        return Err(AccountsError::ReadableByOthers(path.to_owned(), mode));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut accounts = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let account = account(line).ok_or_else(|| AccountsError::Line(path.to_owned(), at + 1))?;
        accounts.push(account);
    }
    let wanted = count.unwrap_or(accounts.len().max(1));
    if accounts.len() < wanted {
        return Err(AccountsError::TooFew(path.to_owned(), accounts.len(), wanted));
    }
    accounts.truncate(wanted);
    Ok(accounts)
}

fn account(line: &str) -> Option<Account> {
    let (name, password) = line.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_usable = !name.is_empty() && name.chars().all(is_name);
    is_usable.then(|| Account { name: name.to_owned(), password: Secret::new(password.to_owned()) })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn names(accounts: &[Account]) -> Vec<&str> {
        accounts.iter().map(|account| account.name.as_str()).collect()
    }

    #[test]
    fn a_password_may_hold_colons_and_the_first_are_taken() {
        let (_folder, path) = file("alice:a:b\n\nbob:c\ncarol:\n", 0o600);
        let all = read(&path, None).unwrap();
        assert_eq!(names(&all), ["alice", "bob", "carol"]);
        assert_eq!(all[0].password.expose(), "a:b");
        assert_eq!(names(&read(&path, Some(2)).unwrap()), ["alice", "bob"]);
    }

    #[test]
    fn what_is_no_list_of_users_is_told_with_the_mend() {
        for (text, mode, count, cause) in [
            ("alice:a\n", 0o644, None, "chmod 600"),
            ("alice:a\nbob\n", 0o600, None, "line 2"),
            ("a b:c\n", 0o600, None, "line 1"),
            ("alice:a\n", 0o600, Some(2), "has 1 users, and 2 are asked for"),
            ("", 0o600, None, "has 0 users, and 1"),
        ] {
            let (_folder, path) = file(text, mode);
            let Err(error) = read(&path, count) else { panic!("{text:?} is no list") };
            assert!(error.to_string().contains(cause), "{error}");
        }
        let missing = read(Path::new("/nonexistent/users"), None);
        assert!(matches!(missing, Err(AccountsError::Read(..))));
    }
}
