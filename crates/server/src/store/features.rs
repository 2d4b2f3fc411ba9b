//! The table of what users have set.

use ringback_control::Features;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;

pub(super) fn all(connection: &Connection) -> Result<Vec<(String, Features)>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM features ORDER BY user"))?;
    let rows = statement.query_map([], |row| Ok((row.get("user")?, read(row)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn of(connection: &Connection, user: &str) -> Result<Features, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM features WHERE user = ?1"))?;
    Ok(statement.query_row([user], read).optional()?.unwrap_or_default())
}

/// Replaces what a user has set; the default removes the row.
pub(super) fn put(connection: &Connection, user: &str, features: &Features) -> Result<(), StoreError> {
    if *features == Features::default() {
        return remove(connection, user);
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO features (user, forward_always, forward_busy, forward_no_answer,
                 ring_seconds, do_not_disturb, waiting, pickup_group)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            user,
            features.always,
            features.busy,
            features.no_answer,
            features.ring_seconds,
            features.do_not_disturb,
            features.waiting,
            features.group,
        ])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, user: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM features WHERE user = ?1")?.execute([user])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Features> {
    Ok(Features {
        always: row.get("forward_always")?,
        busy: row.get("forward_busy")?,
        no_answer: row.get("forward_no_answer")?,
        ring_seconds: row.get("ring_seconds")?,
        do_not_disturb: row.get("do_not_disturb")?,
        waiting: row.get("waiting")?,
        group: row.get("pickup_group")?,
    })
}

const COLUMNS: &str = "user, forward_always, forward_busy, forward_no_answer, ring_seconds, do_not_disturb, \
                       waiting, pickup_group";
