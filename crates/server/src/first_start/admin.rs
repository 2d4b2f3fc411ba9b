//! The admin password. Its hash is in the store; the password itself is in a file for the operator to read, who may
//! remove it afterwards.

use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;

use super::StartError;
use super::data_dir::write_whole;
use super::password::random_password;
use crate::store::Store;

/// Makes the admin password if there is none; says whether it did.
///
/// The file comes first: a crash between the two makes a new password at the next start, and never leaves a hash of a
/// password that nobody knows.
pub(super) fn prepare(data_dir: &Path, store: &Store) -> Result<bool, StartError> {
    if store.setting(SETTING)?.is_some() {
        return Ok(false);
    }
    let password = random_password();
    // The defaults are Argon2id with the parameters of OWASP.
    let hash = Argon2::default().hash_password(password.expose().as_bytes()).map_err(StartError::Hash)?;
    write_whole(&data_dir.join(FILE), format!("{}\n", password.expose()).as_bytes(), true)?;
    store.put_setting(SETTING, hash.to_string().as_bytes())?;
    Ok(true)
}

pub(super) const FILE: &str = "admin-password";
const SETTING: &str = "admin_password";

#[cfg(test)]
mod tests {
    use std::fs;

    use argon2::password_hash::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;
    use crate::store::Options;

    #[test]
    fn the_file_holds_the_password_of_the_hash_and_removing_it_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        assert!(prepare(directory.path(), &store).unwrap());

        let password = fs::read_to_string(directory.path().join(FILE)).unwrap();
        let hash = String::from_utf8(store.setting(SETTING).unwrap().unwrap()).unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let parsed = PasswordHash::new(&hash).unwrap();
        Argon2::default().verify_password(password.trim().as_bytes(), &parsed).unwrap();

        fs::remove_file(directory.path().join(FILE)).unwrap();
        assert!(!prepare(directory.path(), &store).unwrap());
        assert!(!directory.path().join(FILE).exists());
    }
}
