//! The embedded store: SQLite in write-ahead-log mode with `synchronous=FULL`.
//!
//! Assumptions: one process at a time writes bindings and call records, through one [`Writer`]; commands of the same
//! user may change users beside it. What is acknowledged is on the disk: a commit ends with an fsync of the log.
//!
//! Left out: replication and other databases. No SQL stands outside this folder.

mod bindings;
mod cdrs;
mod credentials;
mod devices;
mod error;
mod features;
mod messages;
mod migrations;
mod options;
mod reader;
mod recover;
mod rooms;
mod settings;
mod users;
mod writer;

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringback_control::Features;
use ringback_control::rooms::RoomRecord;
use rusqlite::{Connection, OpenFlags};

pub use bindings::BindingRow;
pub use cdrs::{CdrLegRow, CdrRow, Hundredths, QualityRow, ReportedRow, VideoRow};
pub use credentials::Credentials;
pub use devices::DeviceRow;
pub use error::{OpenError, StoreError};
pub use messages::MessageRow;
pub use options::{Options, Recovery, Synchronous};
pub use reader::{Messages, Reader};
pub use recover::Salvage;
pub use users::UserRow;
pub use writer::{Completions, Refused, Write, Writer, WriterStats, WriterThread};

/// An open database: reads, and the few writes that happen before anybody waits for them.
///
/// Registrations and call records go through the [`Writer`], which commits them in groups.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    options: Options,
    salvage: Option<Salvage>,
}

impl Store {
    /// Opens or makes the database, checks it, and brings its schema up to date.
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        make_private(path)?;
        match open_checked(path, &options) {
            Ok(connection) => Ok(Store { connection, path: path.to_owned(), options, salvage: None }),
            Err(OpenError::Damaged { .. }) if options.recovery == Recovery::Salvage => {
                let salvage = recover::salvage(path, &options)?;
                let connection = open_checked(path, &options)?;
                Ok(Store { connection, path: path.to_owned(), options, salvage: Some(salvage) })
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the same database once more, for another thread.
    pub fn reopen(&self) -> Result<Store, OpenError> {
        let connection = open_connection(&self.path, &self.options)?;
        Ok(Store { connection, path: self.path.clone(), options: self.options.clone(), salvage: None })
    }

    /// Opens a database that a running server has checked, for reading only.
    pub fn open_reader(path: &Path) -> Result<Store, OpenError> {
        let failed =
            |error: rusqlite::Error| OpenError::Failed { path: path.to_owned(), source: error.into() };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        Ok(Store { connection, path: path.to_owned(), options: Options::default(), salvage: None })
    }

    /// What could be saved of a damaged file, if this start had to.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.salvage.as_ref()
    }

    /// Starts the thread that writes. It uses a connection of its own; `completions` is called on it, after each commit,
    /// with the tickets that are settled.
    pub fn start_writer(&self, completions: Completions) -> Result<(Writer, WriterThread), OpenError> {
        let connection = open_connection(&self.path, &self.options)?;
        writer::start(connection, &self.options, completions)
            .map_err(|source| OpenError::Unusable { path: self.path.clone(), source })
    }

    /// Starts the thread that reads messages while the server runs. It uses a connection of its own; `messages` is called
    /// on it with what it found.
    pub fn start_reader(&self, messages: Messages) -> Result<Reader, OpenError> {
        reader::start(self.reopen()?, messages)
            .map_err(|source| OpenError::Unusable { path: self.path.clone(), source })
    }

    /// Every user, by name.
    pub fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        users::all(&self.connection)
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        users::named(&self.connection, name)
    }

    /// Adds a user or changes the one of that name, whose devices stay.
    pub fn put_user(&self, user: &UserRow) -> Result<(), StoreError> {
        users::put(&self.connection, user)
    }

    /// Removes a user with its devices and what it had set; says whether there was one.
    pub fn remove_user(&self, name: &str) -> Result<bool, StoreError> {
        features::remove(&self.connection, name)?;
        users::remove(&self.connection, name)
    }

    /// What every user has set that has set something, by name.
    pub fn all_features(&self) -> Result<Vec<(String, Features)>, StoreError> {
        features::all(&self.connection)
    }

    /// What one user has set.
    pub fn features(&self, user: &str) -> Result<Features, StoreError> {
        features::of(&self.connection, user)
    }

    /// Replaces what a user has set.
    pub fn put_features(&self, user: &str, features: &Features) -> Result<(), StoreError> {
        features::put(&self.connection, user, features)
    }

    /// Every device, revoked ones too.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        devices::all(&self.connection)
    }

    /// Adds a device of an existing user.
    pub fn add_device(&self, device: &DeviceRow) -> Result<(), StoreError> {
        devices::add(&self.connection, device)
    }

    /// Revokes a device; says whether there was one that was not revoked.
    pub fn revoke_device(&self, authorization_user: &str, at: i64) -> Result<bool, StoreError> {
        devices::revoke(&self.connection, authorization_user, at)
    }

    /// The bindings that end after `now`, in Unix milliseconds.
    pub fn bindings(&self, now: i64) -> Result<Vec<BindingRow>, StoreError> {
        bindings::unexpired(&self.connection, now)
    }

    /// Removes the bindings that ended at or before `now`; says how many.
    pub fn remove_expired_bindings(&self, now: i64) -> Result<usize, StoreError> {
        bindings::remove_expired(&self.connection, now)
    }

    /// The first messages that wait for a user with a number above `after`, in order.
    pub fn messages(&self, user: &str, after: i64) -> Result<Vec<MessageRow>, StoreError> {
        messages::after(&self.connection, user, after)
    }

    /// How many messages wait for each user.
    pub fn waiting_messages(&self) -> Result<Vec<(String, usize)>, StoreError> {
        messages::counts(&self.connection)
    }

    /// Removes the messages that are of no use after `now`; says how many.
    pub fn remove_expired_messages(&self, now: i64) -> Result<usize, StoreError> {
        messages::remove_expired(&self.connection, now)
    }

    /// Every room that can be read; and the names of those that cannot.
    pub fn rooms(&self) -> Result<(Vec<RoomRecord>, Vec<String>), StoreError> {
        rooms::all(&self.connection)
    }

    /// The value of a setting.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        settings::read(&self.connection, key)
    }

    /// Sets a setting.
    pub fn put_setting(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        settings::write(&self.connection, key, value)
    }
}

/// Makes an empty file that only its owner can read, which SQLite fills and whose permissions its log inherits.
fn make_private(path: &Path) -> Result<(), OpenError> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::Unusable { path: path.to_owned(), source }),
    }
}

fn open_checked(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let mut connection = open_connection(path, options)?;
    let failed = |error: rusqlite::Error| open_error(path, error);
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let version = migrations::version(&connection).map_err(failed)?;
    if id == 0 && version == 0 && is_empty(&connection).map_err(failed)? {
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    } else if id != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { path: path.to_owned(), detail: verdict });
    }
    if version > migrations::LATEST {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: migrations::LATEST });
    }
    migrations::migrate(&mut connection, migrations::LATEST).map_err(failed)?;
    Ok(connection)
}

fn open_connection(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| open_error(path, error);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", options.synchronous.pragma()).map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT).map_err(failed)?;
    Ok(connection)
}

fn open_error(path: &Path, error: rusqlite::Error) -> OpenError {
    match StoreError::from(error) {
        StoreError::Damaged(detail) => OpenError::Damaged { path: path.to_owned(), detail },
        source => OpenError::Failed { path: path.to_owned(), source },
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// `rgbk`, written into the header of the file.
const APPLICATION_ID: i64 = 0x7267_626b;

/// How long one connection waits for another of this process or of a command.
const BUSY: Duration = Duration::from_secs(5);

/// How much of the write-ahead log stays on the disk after a checkpoint.
const LOG_BYTES_KEPT: i64 = 16 << 20;
