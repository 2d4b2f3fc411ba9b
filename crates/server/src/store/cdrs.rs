//! The tables of call detail records.

use rusqlite::{Connection, params};

use super::StoreError;

/// What is kept of a call when it has ended. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdrRow {
    /// Our own name of the call, unique for all time.
    pub call: String,
    /// When the INVITE came.
    pub started: i64,
    /// When the answer went to the caller, if there was one.
    pub answered: Option<i64>,
    /// When the last media or signalling of the call was seen.
    pub ended: i64,
    /// Who called: an address of record.
    pub caller: String,
    /// What was dialled.
    pub callee: String,
    /// Whose contact answered.
    pub answered_by: Option<String>,
    /// The final status the caller got.
    pub status: u16,
    /// Why it ended, in words.
    pub reason: String,
    /// Who ended it: `caller`, `callee` or `exchange`.
    pub ended_by: String,
    /// One entry a leg, the caller's first.
    pub legs: Vec<CdrLegRow>,
}

/// What is kept of one leg.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CdrLegRow {
    /// Whose leg it is.
    pub party: String,
    /// The Call-ID of its dialog.
    pub call_id: String,
    /// The SIP transport.
    pub transport: String,
    /// The far end's signalling address.
    pub remote: String,
    /// The media profile: `WebRTC`, `RTP`, or `RTP bypass` when it went past us and was not counted.
    pub media_profile: String,
    /// The codec in use at the end, if any was agreed.
    pub codec: Option<String>,
    /// RTP packets taken from this party.
    pub packets_received: u64,
    /// Octets of RTP payload taken from this party.
    pub octets_received: u64,
    /// RTP packets sent to this party.
    pub packets_sent: u64,
    /// Octets of RTP payload sent to this party.
    pub octets_sent: u64,
    /// Packets missing in what this party sent.
    pub packets_lost: u64,
    /// Packets of this party dropped here, for a named reason.
    pub packets_dropped: u64,
}

/// Writes the call and its legs. A call that is there already stays as it is: the first record counts.
pub(super) fn add(connection: &Connection, cdr: &CdrRow) -> Result<(), StoreError> {
    let added = connection
        .prepare_cached(
            "INSERT INTO cdrs (call, started, answered, ended, caller, callee, answered_by, status, reason, ended_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (call) DO NOTHING",
        )?
        .execute(params![
            cdr.call,
            cdr.started,
            cdr.answered,
            cdr.ended,
            cdr.caller,
            cdr.callee,
            cdr.answered_by,
            cdr.status,
            cdr.reason,
            cdr.ended_by,
        ])?;
    if added == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO cdr_legs (call, leg, party, call_id, transport, remote, media_profile, codec, packets_received,
                               octets_received, packets_sent, octets_sent, packets_lost, packets_dropped)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    for (number, leg) in (0i64..).zip(&cdr.legs) {
        statement.execute(params![
            cdr.call,
            number,
            leg.party,
            leg.call_id,
            leg.transport,
            leg.remote,
            leg.media_profile,
            leg.codec,
            clamp(leg.packets_received),
            clamp(leg.octets_received),
            clamp(leg.packets_sent),
            clamp(leg.octets_sent),
            clamp(leg.packets_lost),
            clamp(leg.packets_dropped),
        ])?;
    }
    Ok(())
}

/// SQLite counts in 63 bits.
fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
