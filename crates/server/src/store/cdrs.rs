//! The tables of call detail records.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
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
    /// The files of its recordings, with spaces between them.
    pub recordings: Option<String>,
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
    /// The media profile: `WebRTC`, `SRTP`, `RTP`, or `RTP bypass` when it went past us and was not counted.
    pub media_profile: String,
    /// The codec in use at the end, if any was agreed; where audio was made anew that of either side, as `opus/PCMU`.
    /// A fax is `t38`, or `PCMU+t38` beside audio.
    pub codec: Option<String>,
    /// RTP packets, and datagrams of faxes, taken from this party.
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
    /// How good it was.
    pub quality: QualityRow,
    /// What the party's phone has said of that.
    pub reported: ReportedRow,
    /// The name of what kept this party from being heard, when it was not.
    pub silent_because: Option<String>,
    /// The same in a sentence.
    pub verdict: Option<String>,
    /// What was counted of its video, if it had any.
    pub video: Option<VideoRow>,
}

/// What was counted of the video of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoRow {
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
    /// Packets sent to this party again.
    pub packets_repeated: u64,
    /// NACKs of this party.
    pub nacks_received: u64,
    /// NACKs to this party.
    pub nacks_sent: u64,
    /// PLIs and FIRs of this party.
    pub picture_requests_received: u64,
    /// PLIs and FIRs to this party.
    pub picture_requests_sent: u64,
}

/// How good a leg was: what came from the party (received), and what it says came to it (sent).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QualityRow {
    /// The mean score of what was received.
    pub mos_received: Option<Hundredths>,
    /// The score of its worst five seconds.
    pub mos_received_worst: Option<Hundredths>,
    /// The mean score of what was sent.
    pub mos_sent: Option<Hundredths>,
    /// The score of its worst five seconds.
    pub mos_sent_worst: Option<Hundredths>,
    /// Packets lost on the way to us, in percent.
    pub loss_received: Option<Hundredths>,
    /// Packets lost on the way to the party, in percent.
    pub loss_sent: Option<Hundredths>,
    /// The jitter with which packets came to us, in milliseconds.
    pub jitter_received: Option<Hundredths>,
    /// The jitter with which they came to the party.
    pub jitter_sent: Option<Hundredths>,
    /// The mean round trip time, in milliseconds.
    pub round_trip: Option<Hundredths>,
    /// The longest.
    pub round_trip_longest: Option<Hundredths>,
    /// Packets that came after one with a higher number.
    pub packets_late: u64,
    /// Packets that had come before.
    pub packets_duplicate: u64,
    /// How much audio was missing, in milliseconds.
    pub audio_missing: u64,
    /// Milliseconds from the answer to the nominated pair.
    pub ice_after: Option<u64>,
    /// … to the end of the DTLS handshake.
    pub dtls_after: Option<u64>,
    /// … to the first packet from the party.
    pub received_after: Option<u64>,
    /// … to the first packet to it.
    pub sent_after: Option<u64>,
}

/// What a phone has said of what it heard, if it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportedRow {
    /// Packets lost on the way to it, in percent.
    pub loss: Option<Hundredths>,
    /// Packets that its jitter buffer discarded, in percent.
    pub discarded: Option<Hundredths>,
    /// The jitter with which packets came to it, in milliseconds.
    pub jitter: Option<Hundredths>,
    /// The round trip time, in milliseconds.
    pub round_trip: Option<Hundredths>,
    /// The score of how it sounded.
    pub mos_lq: Option<Hundredths>,
    /// The score that takes the delay into account.
    pub mos_cq: Option<Hundredths>,
}

/// A number with two decimals, which the table holds as a real number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hundredths(pub u32);

impl Hundredths {
    /// The nearest.
    pub fn of(number: f64) -> Hundredths {
        Hundredths((number * 100.0).round() as u32)
    }
}

impl ToSql for Hundredths {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(f64::from(self.0) / 100.0))
    }
}

impl FromSql for Hundredths {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_f64().map(Hundredths::of)
    }
}

/// Writes the call and its legs. A call that is there already stays as it is: the first record counts.
pub(super) fn add(connection: &Connection, cdr: &CdrRow) -> Result<(), StoreError> {
    let added = connection
        .prepare_cached(
            "INSERT INTO cdrs (call, started, answered, ended, caller, callee, answered_by, status, reason, ended_by,
                               recordings)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (call) DO NOTHING",
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
            cdr.recordings,
        ])?;
    if added == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO cdr_legs (call, leg, party, call_id, transport, remote, media_profile, codec, packets_received,
                               octets_received, packets_sent, octets_sent, packets_lost, packets_dropped,
                               mos_received, mos_received_worst, mos_sent, mos_sent_worst, loss_received, loss_sent,
                               jitter_received, jitter_sent, round_trip, round_trip_longest, packets_late,
                               packets_duplicate, audio_missing, ice_after, dtls_after, received_after, sent_after,
                               silent_because, verdict,
                               reported_loss, reported_discarded, reported_jitter, reported_round_trip,
                               reported_mos_lq, reported_mos_cq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
                 ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39)",
    )?;
    for (number, leg) in (0i64..).zip(&cdr.legs) {
        let (quality, reported) = (&leg.quality, &leg.reported);
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
            quality.mos_received,
            quality.mos_received_worst,
            quality.mos_sent,
            quality.mos_sent_worst,
            quality.loss_received,
            quality.loss_sent,
            quality.jitter_received,
            quality.jitter_sent,
            quality.round_trip,
            quality.round_trip_longest,
            clamp(quality.packets_late),
            clamp(quality.packets_duplicate),
            clamp(quality.audio_missing),
            quality.ice_after.map(clamp),
            quality.dtls_after.map(clamp),
            quality.received_after.map(clamp),
            quality.sent_after.map(clamp),
            leg.silent_because,
            leg.verdict,
            reported.loss,
            reported.discarded,
            reported.jitter,
            reported.round_trip,
            reported.mos_lq,
            reported.mos_cq,
        ])?;
        if let Some(video) = &leg.video {
            add_video(connection, &cdr.call, number, video)?;
        }
    }
    Ok(())
}

fn add_video(connection: &Connection, call: &str, leg: i64, video: &VideoRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO cdr_videos (call, leg, packets_received, octets_received, packets_sent, octets_sent, packets_lost,
                                     packets_dropped, packets_repeated, nacks_received, nacks_sent,
                                     picture_requests_received, picture_requests_sent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            call,
            leg,
            clamp(video.packets_received),
            clamp(video.octets_received),
            clamp(video.packets_sent),
            clamp(video.octets_sent),
            clamp(video.packets_lost),
            clamp(video.packets_dropped),
            clamp(video.packets_repeated),
            clamp(video.nacks_received),
            clamp(video.nacks_sent),
            clamp(video.picture_requests_received),
            clamp(video.picture_requests_sent),
        ])?;
    Ok(())
}

/// Replaces what a phone has said of a leg whose record is there; `leg` is its place in the record.
pub(super) fn amend(
    connection: &Connection,
    call: &str,
    leg: i64,
    reported: &ReportedRow,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE cdr_legs SET reported_loss = ?3, reported_discarded = ?4, reported_jitter = ?5,
                                 reported_round_trip = ?6, reported_mos_lq = ?7, reported_mos_cq = ?8
             WHERE call = ?1 AND leg = ?2",
        )?
        .execute(params![
            call,
            leg,
            reported.loss,
            reported.discarded,
            reported.jitter,
            reported.round_trip,
            reported.mos_lq,
            reported.mos_cq,
        ])?;
    if changed == 0 {
        return Err(StoreError::NoRecord);
    }
    Ok(())
}

/// SQLite counts in 63 bits.
fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
