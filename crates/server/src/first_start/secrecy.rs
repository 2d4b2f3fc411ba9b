//! What only the server's user may read. A file that others can read is refused and not mended: they may have read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{StartError, admin, certificate, demo_users};
use crate::config::{Config, READABLE_BY_OTHERS};

/// Refuses the files of the data directory that hold secrets and that others can read.
pub(super) fn check(config: &Config) -> Result<(), StartError> {
    let data_dir = &config.data_dir;
    let files = [
        (data_dir.join(certificate::AUTHORITY_KEY), "a private key"),
        (data_dir.join(certificate::KEY), "a private key"),
        (data_dir.join(admin::FILE), "a password"),
        (data_dir.join(demo_users::FILE), "passwords"),
        (config.store_file(), "what passwords are checked against"),
    ];
    for (path, holds) in files {
        // What is not there yet will be made for its owner only; what cannot be looked at is told by who opens it.
        let Some(mode) = mode(&path) else { continue };
        if mode & READABLE_BY_OTHERS != 0 {
            return Err(StartError::ReadableByOthers { path, mode, holds });
        }
    }
    Ok(())
}

/// The permission bits of a file or directory, where it is there.
pub(super) fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_its_name_and_the_mend() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
        check(&config).unwrap();
        fs::create_dir(directory.path().join("tls")).unwrap();
        for (name, holds) in [
            ("tls/ca.key", "a private key"),
            ("tls/server.key", "a private key"),
            ("admin-password", "a password"),
            ("demo-users", "passwords"),
            ("ringback.db", "what passwords are checked against"),
        ] {
            let path = directory.path().join(name);
            fs::write(&path, "secret").unwrap();
            for mode in [0o604, 0o644, 0o606] {
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                let refusal = check(&config).unwrap_err();
                assert!(refusal.is_configuration());
                let shown = path.display();
                assert_eq!(
                    refusal.to_string(),
                    format!(
                        "others can read `{shown}` (mode {mode:o}) and it holds {holds}; run `chmod 600 {shown}`"
                    )
                );
            }
            // A group of its own may read it, as a backup does.
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            check(&config).unwrap();
        }
    }
}
