//! The table of instant messages that wait for their users.

use rusqlite::{Connection, Row, params};

use super::StoreError;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number, which orders the messages of a user; what is added gets one.
    pub number: i64,
    /// Whom it is for.
    pub user: String,
    /// Who sent it.
    pub sender: String,
    /// The name of the sender; empty without.
    pub display: String,
    /// Header lines that go along with it.
    pub headers: Vec<u8>,
    /// The type of the body.
    pub content_type: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// When it was sent, in Unix milliseconds.
    pub sent: i64,
    /// When it is of no use any more, in Unix milliseconds.
    pub expires: i64,
}

/// Messages that are read at once.
pub(super) const AT_ONCE: u32 = 32;

/// The first messages of a user with a number above `after`, in order.
pub(super) fn after(connection: &Connection, user: &str, after: i64) -> Result<Vec<MessageRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, user, sender, display, headers, content_type, body, sent, expires
         FROM messages WHERE user = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let rows = statement.query_map(params![user, after, AT_ONCE], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many messages wait for each user.
pub(super) fn counts(connection: &Connection) -> Result<Vec<(String, usize)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT user, count(*) FROM messages GROUP BY user ORDER BY user")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, u32>(1)? as usize)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn add(connection: &Connection, message: &MessageRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO messages (user, sender, display, headers, content_type, body, sent, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            message.user,
            message.sender,
            message.display,
            message.headers,
            message.content_type,
            message.body,
            message.sent,
            message.expires,
        ])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, user: &str, number: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM messages WHERE number = ?1 AND user = ?2")?
        .execute(params![number, user])?;
    Ok(())
}

pub(super) fn remove_of_user(connection: &Connection, user: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM messages WHERE user = ?1")?.execute([user])?;
    Ok(())
}

/// Removes the messages that were of no use at `now` any more; says how many.
pub(super) fn remove_expired(connection: &Connection, now: i64) -> Result<usize, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM messages WHERE expires <= ?1")?.execute([now])?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        number: row.get("number")?,
        user: row.get("user")?,
        sender: row.get("sender")?,
        display: row.get("display")?,
        headers: row.get("headers")?,
        content_type: row.get("content_type")?,
        body: row.get("body")?,
        sent: row.get("sent")?,
        expires: row.get("expires")?,
    })
}
