//! The table of users.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use super::credentials::Credentials;

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user part of the address of record.
    pub name: String,
    /// The hashes of the password, with the realm they were made for.
    pub credentials: Credentials,
    /// The name that others see.
    pub display: String,
    /// When the row was made, in Unix milliseconds.
    pub created: i64,
}

pub(super) fn all(connection: &Connection) -> Result<Vec<UserRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users ORDER BY name"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn named(connection: &Connection, name: &str) -> Result<Option<UserRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE name = ?1"))?;
    Ok(statement.query_row([name], read).optional()?)
}

/// Adds the user or replaces what is known of it. An upsert, because a replaced row would take its devices with it.
pub(super) fn put(connection: &Connection, user: &UserRow) -> Result<(), StoreError> {
    let Credentials { realm, ha1_md5, ha1_sha256, ha1_sha512_256 } = &user.credentials;
    connection
        .prepare_cached(
            "INSERT INTO users (name, realm, ha1_md5, ha1_sha256, ha1_sha512_256, display, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name) DO UPDATE SET realm = excluded.realm, ha1_md5 = excluded.ha1_md5,
                 ha1_sha256 = excluded.ha1_sha256, ha1_sha512_256 = excluded.ha1_sha512_256,
                 display = excluded.display",
        )?
        .execute(params![
            user.name,
            realm,
            ha1_md5,
            ha1_sha256,
            ha1_sha512_256,
            user.display,
            user.created,
        ])?;
    Ok(())
}

/// Removes the user with its devices; says whether there was one.
pub(super) fn remove(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM users WHERE name = ?1")?.execute([name])? > 0)
}

fn read(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        name: row.get("name")?,
        credentials: Credentials::read(row)?,
        display: row.get("display")?,
        created: row.get("created")?,
    })
}

const COLUMNS: &str = "name, realm, ha1_md5, ha1_sha256, ha1_sha512_256, display, created";
