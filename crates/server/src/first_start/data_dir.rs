//! The data directory: private, and of one server at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{StartError, secrecy};

/// The data directory, locked as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The lock ends with the file, also when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing (mode 0700) and locks it. One that others can write to is refused; one that
    /// they can only look into is a warning, since its secrets have permissions of their own.
    pub fn lock(path: &Path) -> Result<DataDir, StartError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(StartError::file("make the data directory", path))?;
        if let Some(mode) = secrecy::mode(path).filter(|mode| mode & WRITABLE_BY_OTHERS != 0) {
            return Err(StartError::WritableByOthers { path: path.to_owned(), mode });
        }
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&file)
            .map_err(StartError::file("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StartError::file("lock", file)(source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a file so that it is there whole or not at all, and readable by its owner only if `private`.
pub(super) fn write_whole(path: &Path, bytes: &[u8], private: bool) -> Result<(), StartError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let write = || -> io::Result<()> {
        // A leftover of a crash may have other permissions than the ones asked for here.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = if private { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(StartError::file("write", path))
}

const LOCK: &str = "lock";
const WRITABLE_BY_OTHERS: u32 = 0o002;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_has_one_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::lock(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let refusal = DataDir::lock(&path).unwrap_err().to_string();
        assert!(refusal.contains("another ringback already uses"), "{refusal}");
        drop(first);
        DataDir::lock(&path).unwrap();
    }

    #[test]
    fn one_that_others_can_write_to_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        fs::create_dir(&path).unwrap();
        for (mode, is_refused) in [(0o777, true), (0o702, true), (0o755, false), (0o770, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refusal = DataDir::lock(&path).map(drop).map_err(|error| error.to_string());
            let shown = path.display();
            let sentence = format!(
                "others can write to the data directory `{shown}` (mode {mode:o}); run `chmod 700 {shown}`"
            );
            assert_eq!(refusal, if is_refused { Err(sentence) } else { Ok(()) });
        }
    }

    #[test]
    fn a_private_file_is_private_whatever_was_left_behind() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("key");
        fs::write(parent.path().join("key.new"), "left by a crash").unwrap();
        write_whole(&path, b"secret", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
