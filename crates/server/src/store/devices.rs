//! The table of devices.

use rusqlite::{Connection, Row, params};

use super::StoreError;
use super::credentials::Credentials;

/// A device with a name and a secret of its own, so that losing it does not cost the user's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The name it signs in with.
    pub authorization_user: String,
    /// Whose device it is.
    pub user: String,
    /// What the user calls it.
    pub label: String,
    /// The hashes of its secret.
    pub credentials: Credentials,
    /// When it was added, in Unix milliseconds.
    pub created: i64,
    /// When it was revoked.
    pub revoked: Option<i64>,
}

pub(super) fn all(connection: &Connection) -> Result<Vec<DeviceRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT authorization_user, user, label, realm, ha1_md5, ha1_sha256, ha1_sha512_256, created, revoked
         FROM devices ORDER BY authorization_user",
    )?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn add(connection: &Connection, device: &DeviceRow) -> Result<(), StoreError> {
    let Credentials { realm, ha1_md5, ha1_sha256, ha1_sha512_256 } = &device.credentials;
    connection
        .prepare_cached(
            "INSERT INTO devices (authorization_user, user, label, realm, ha1_md5, ha1_sha256, ha1_sha512_256,
                                  created, revoked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            device.authorization_user,
            device.user,
            device.label,
            realm,
            ha1_md5,
            ha1_sha256,
            ha1_sha512_256,
            device.created,
            device.revoked,
        ])?;
    Ok(())
}

/// Marks the device as revoked; says whether there was one that was not.
pub(super) fn revoke(connection: &Connection, authorization_user: &str, at: i64) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE devices SET revoked = ?2 WHERE authorization_user = ?1 AND revoked IS NULL",
    )?;
    Ok(statement.execute(params![authorization_user, at])? > 0)
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        authorization_user: row.get("authorization_user")?,
        user: row.get("user")?,
        label: row.get("label")?,
        credentials: Credentials::read(row)?,
        created: row.get("created")?,
        revoked: row.get("revoked")?,
    })
}
