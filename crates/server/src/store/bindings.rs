//! The table of bindings.

use std::net::SocketAddr;
use std::str::FromStr;

use ringback_sansio::Transport;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::StoreError;

/// One contact of an address of record ([RFC 3261 §10.3]), as far as it outlives the process.
///
/// What comes from the wire is kept as the bytes that came.
///
/// [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRow {
    /// The address of record.
    pub aor: String,
    /// What tells this binding from others of the same address of record.
    pub key: Vec<u8>,
    /// The Contact value.
    pub contact: Vec<u8>,
    /// The URI of the contact.
    pub uri: Vec<u8>,
    /// `+sip.instance`.
    pub instance: Option<Vec<u8>>,
    /// `reg-id`.
    pub reg_id: Option<u32>,
    /// When it ends, in Unix milliseconds.
    pub expires: i64,
    /// The preference in thousandths.
    pub q: u16,
    /// The order among the bindings of the address of record: the higher, the later.
    pub recency: i64,
    /// The Path values, joined by commas; empty without.
    pub path: Vec<u8>,
    /// The Call-ID of the registration.
    pub call_id: Vec<u8>,
    /// Its sequence number.
    pub cseq: u32,
    /// The transport of its flow.
    pub transport: Transport,
    /// Our address of the flow.
    pub local: SocketAddr,
    /// The far end's address of the flow.
    pub remote: SocketAddr,
    /// The User-Agent; empty without.
    pub user_agent: Vec<u8>,
}

/// The bindings that end after `now`.
pub(super) fn unexpired(connection: &Connection, now: i64) -> Result<Vec<BindingRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT aor, key, contact, uri, instance, reg_id, expires, q, recency, path, call_id, cseq, transport, local,
                remote, user_agent
         FROM bindings WHERE expires > ?1 ORDER BY aor, key",
    )?;
    let rows = statement.query_map([now], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn upsert(connection: &Connection, binding: &BindingRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO bindings (aor, key, contact, uri, instance, reg_id, expires, q, recency, path, call_id, cseq,
                                   transport, local, remote, user_agent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (aor, key) DO UPDATE SET contact = excluded.contact, uri = excluded.uri,
                 instance = excluded.instance, reg_id = excluded.reg_id, expires = excluded.expires, q = excluded.q,
                 recency = excluded.recency, path = excluded.path, call_id = excluded.call_id, cseq = excluded.cseq,
                 transport = excluded.transport, local = excluded.local, remote = excluded.remote,
                 user_agent = excluded.user_agent",
        )?
        .execute(params![
            binding.aor,
            binding.key,
            binding.contact,
            binding.uri,
            binding.instance,
            binding.reg_id,
            binding.expires,
            binding.q,
            binding.recency,
            binding.path,
            binding.call_id,
            binding.cseq,
            binding.transport.token(),
            binding.local.to_string(),
            binding.remote.to_string(),
            binding.user_agent,
        ])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, aor: &str, key: &[u8]) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM bindings WHERE aor = ?1 AND key = ?2")?
        .execute(params![aor, key])?;
    Ok(())
}

pub(super) fn remove_aor(connection: &Connection, aor: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM bindings WHERE aor = ?1")?.execute([aor])?;
    Ok(())
}

/// Removes the bindings that ended at or before `now`; says how many.
pub(super) fn remove_expired(connection: &Connection, now: i64) -> Result<usize, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM bindings WHERE expires <= ?1")?.execute([now])?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<BindingRow> {
    Ok(BindingRow {
        aor: row.get("aor")?,
        key: row.get("key")?,
        contact: row.get("contact")?,
        uri: row.get("uri")?,
        instance: row.get("instance")?,
        reg_id: row.get("reg_id")?,
        expires: row.get("expires")?,
        q: row.get("q")?,
        recency: row.get("recency")?,
        path: row.get("path")?,
        call_id: row.get("call_id")?,
        cseq: row.get("cseq")?,
        transport: transport(row)?,
        local: parsed(row, "local")?,
        remote: parsed(row, "remote")?,
        user_agent: row.get("user_agent")?,
    })
}

fn transport(row: &Row<'_>) -> rusqlite::Result<Transport> {
    let token: String = row.get("transport")?;
    Transport::from_token(token.as_bytes()).ok_or_else(|| {
        let wrong = format!("`{token}` is not a transport");
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, wrong.into())
    })
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
