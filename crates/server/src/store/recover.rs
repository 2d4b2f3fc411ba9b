//! `--recover`: what can still be read of a damaged file, in a fresh one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};

use super::{OpenError, Options, make_private, open_checked};

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Each table with the number of its rows in the fresh file.
    pub rows: Vec<(String, u32)>,
    /// The tables that could not be read to their end.
    pub incomplete: Vec<String>,
    /// Where the damaged file is kept.
    pub kept: PathBuf,
}

/// Copies every readable row of `path` into a fresh file and swaps the two.
///
/// The fresh file is made beside the old one and takes its name in one step, the last.
pub(super) fn salvage(path: &Path, options: &Options) -> Result<Salvage, OpenError> {
    let unusable = |source: io::Error| OpenError::Unusable { path: path.to_owned(), source };
    let fresh_path = beside(path, ".recovering");
    remove_with_log(&fresh_path).map_err(unusable)?;
    make_private(&fresh_path)?;
    let fresh = open_checked(&fresh_path, options)?;
    let mut salvage = Salvage { rows: Vec::new(), incomplete: Vec::new(), kept: kept_path(path) };
    for (table, key) in TABLES {
        let copied = copy(path, &fresh, table, key);
        let rows = fresh
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0))
            .map_err(|error| OpenError::Failed { path: fresh_path.clone(), source: error.into() })?;
        salvage.rows.push(((*table).to_owned(), rows));
        if copied.is_err() {
            salvage.incomplete.push((*table).to_owned());
        }
    }
    fresh
        .close()
        .map_err(|(_, error)| OpenError::Failed { path: fresh_path.clone(), source: error.into() })?;
    // A second name for the old file first, so that at no time is there nothing under the name of the database: an empty
    // one would be made in its place. Its log must be gone before the swap: SQLite would replay it into the fresh file.
    fs::hard_link(path, &salvage.kept).map_err(unusable)?;
    rename_if_there(&beside(path, "-wal"), &beside(&salvage.kept, "-wal")).map_err(unusable)?;
    rename_if_there(&beside(path, "-shm"), &beside(&salvage.kept, "-shm")).map_err(unusable)?;
    fs::rename(&fresh_path, path).map_err(unusable)?;
    Ok(salvage)
}

/// Copies one table: forward to the damage, then backward to it from the other end. An error says that rows are missing.
fn copy(old: &Path, fresh: &Connection, table: &str, key: &str) -> rusqlite::Result<()> {
    let forward = copy_in_order(old, fresh, table, key, "ASC");
    if forward.is_err() {
        // The backward pass adds what it reaches; whether or not it meets damage too, the table is incomplete.
        let _ = copy_in_order(old, fresh, table, key, "DESC");
    }
    forward
}

fn copy_in_order(
    old: &Path,
    fresh: &Connection,
    table: &str,
    key: &str,
    order: &str,
) -> rusqlite::Result<()> {
    // A connection for each pass: an error of one leaves nothing cached for the next.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(old, flags)?;
    let keys = key.split(", ").map(|column| format!("{column} {order}")).collect::<Vec<_>>().join(", ");
    let mut select = old.prepare(&format!("SELECT * FROM {table} ORDER BY {keys}"))?;
    let columns = select.column_names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = fresh
        .prepare(&format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({places})", columns.join(", ")))?;
    fresh.execute_batch("BEGIN")?;
    let outcome = (|| {
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values =
                (0..columns.len()).map(|i| row.get::<_, Value>(i)).collect::<rusqlite::Result<Vec<_>>>()?;
            // A row that the schema refuses, such as a leg of a lost call, is one that could not be saved.
            if let Err(error) = insert.execute(params_from_iter(values)) {
                tracing::warn!(table, %error, "a row of the damaged database was left out");
            }
        }
        Ok(())
    })();
    fresh.execute_batch("COMMIT")?;
    outcome
}

fn kept_path(path: &Path) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    beside(path, &format!(".damaged-{seconds}"))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_with_log(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Each table with its key, those that others refer to first.
const TABLES: &[(&str, &str)] = &[
    ("users", "name"),
    ("devices", "authorization_user"),
    ("bindings", "aor, key"),
    ("cdrs", "call"),
    ("cdr_legs", "call, leg"),
    ("cdr_videos", "call, leg"),
    ("settings", "key"),
    ("messages", "number"),
    ("features", "user"),
];
