//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a read or a write failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No room is left.
    #[error("the disk is full")]
    DiskFull,
    /// The disk or the file system failed.
    #[error("the disk failed: {0}")]
    Disk(String),
    /// The file holds what it must not.
    #[error("the database is damaged: {0}; start once with --recover")]
    Damaged(String),
    /// Another process kept the database locked.
    #[error("another process keeps the database locked")]
    Locked,
    /// A row breaks a rule of the schema.
    #[error("the row breaks a rule of the schema: {0}")]
    Rule(String),
    /// The writer has ended, or gave the write up when it did.
    #[error("the store is closed")]
    Closed,
    /// A call record gave way to a newer one while the disk took no writes.
    #[error("too many call records wait for the disk")]
    TooManyWaiting,
    /// The call record that is to be amended is not there.
    #[error("there is no such call record")]
    NoRecord,
    /// Anything else SQLite says, which is a fault of this program.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether the write may succeed later without a change to it.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::DiskFull | StoreError::Disk(_) | StoreError::Locked)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied,
            ) => StoreError::Disk(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged(error.to_string())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
            Some(ErrorCode::ConstraintViolation) => StoreError::Rule(error.to_string()),
            _ => StoreError::Refused(error.to_string()),
        }
    }
}

/// Why the store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("cannot open the database `{}`: {source}; check the data directory and its permissions", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file fails its integrity check.
    #[error(
        "the database `{}` is damaged ({detail}); start once with --recover to keep what can be read",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check says.
        detail: String,
    },
    /// The file belongs to another program.
    #[error("`{}` is the database of another program; give `store.file` another name", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "the database `{}` was written by a later version (schema {found}, this version knows {known}); start that \
         version, or give `data_dir` another directory",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Anything else.
    #[error("cannot prepare the database `{}`: {source}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: StoreError,
    },
}
