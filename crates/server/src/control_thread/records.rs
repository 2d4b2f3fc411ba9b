//! What the exchange tells, as log lines and as rows of the store.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use ringback_control::{Cdr, CdrLeg, Event, StoredMessage};
use ringback_media::negotiation::Profile;
use ringback_media::quality::Mos;
use ringback_media::session::{LegReport, VideoReport};
use ringback_sansio::FiveTuple;
use ringback_sip::event::documents::vq_report::Metrics;
use ringback_sip::location::{BindingId, BindingRecord};

use crate::store::{
    BindingRow, CdrLegRow, CdrRow, Hundredths, MessageRow, QualityRow, ReportedRow, VideoRow,
};
use crate::telemetry::{LogLimit, Shown, limited};

/// Logs the end of a call.
pub fn log(cdr: &Cdr) {
    let seconds = cdr.answered.map_or(0, |answered| cdr.ended.saturating_sub(answered) / 1000);
    // What the parties wrote. Strings are written with their control characters escaped in either format.
    let [dialled, reason] = [&cdr.dialled, &cdr.reason].map(|text| Shown(text).to_string());
    let scores = cdr.legs.iter().filter_map(|leg| {
        let quality = &leg.media.as_ref()?.quality;
        [quality.incoming.mos(), quality.outgoing.mos()].into_iter().flatten().min()
    });
    tracing::info!(
        call = cdr.id,
        caller = cdr.caller,
        dialled,
        answered_by = cdr.answered_by.as_deref().unwrap_or("-"),
        status = cdr.status,
        seconds,
        ended_by = cdr.ended_by.word(),
        reason,
        mos = scores.min().map(Mos::score),
        "call ended"
    );
    for leg in 0..cdr.legs.len() {
        if let Some((verdict, told)) = cdr.verdict(leg).zip(cdr.told(leg)) {
            let (because, verdict) = (verdict.cause.name(), told.to_string());
            tracing::info!(call = cdr.id, because, verdict, "call without sound");
        }
    }
}

/// Logs everything else.
pub fn log_event(event: &Event, limit: &LogLimit) {
    match event {
        Event::Registered { aor, contacts } => tracing::debug!(aor, contacts, "registered"),
        Event::Unregistered { aor } => tracing::info!(aor, "no contact is left"),
        Event::CredentialsRefused { user, source } => {
            limited!(limit, DEBUG, *source, "credentials", user, "wrong credentials");
        }
        Event::SourceBanned { source, seconds } => {
            let words = "too many wrong credentials: this source is not answered for a while";
            limited!(limit, WARN, *source, "banned", seconds, "{words}");
        }
        Event::SettingChanged { user } => tracing::info!(user, "a user changed what is set about its calls"),
        Event::CallAnswered { id } => tracing::info!(call = id, "call answered"),
        Event::RecordingBegun { id, name } => {
            tracing::info!(call = id, file = name, "a recording of a call begins")
        }
        Event::KeyPressed { id, caller, .. } => tracing::debug!(call = id, caller, "a key was pressed"),
        Event::FirstPacket { id, caller } => tracing::debug!(call = id, caller, "first packet"),
        Event::CallPanicked { id } => {
            tracing::error!(call = id, "a call was ended because of a mistake in Ringback; please report it");
        }
        Event::Panicked { during } => {
            tracing::error!(during, "given up because of a mistake in Ringback; please report it");
        }
        Event::Authenticated { .. } => {}
    }
}

/// The record of a call as a row.
pub fn row(cdr: &Cdr) -> CdrRow {
    CdrRow {
        call: cdr.id.clone(),
        started: signed(cdr.started),
        answered: cdr.answered.map(signed),
        ended: signed(cdr.ended),
        caller: cdr.caller.clone(),
        callee: cdr.dialled.clone(),
        answered_by: cdr.answered_by.clone(),
        status: cdr.status,
        reason: cdr.reason.clone(),
        ended_by: cdr.ended_by.word().to_owned(),
        recordings: Some(cdr.recordings.join(" ")).filter(|names| !names.is_empty()),
        legs: cdr.legs.iter().enumerate().map(|(number, leg)| leg_row(number, leg, cdr)).collect(),
    }
}

fn leg_row(number: usize, leg: &CdrLeg, cdr: &Cdr) -> CdrLegRow {
    let media = leg.media.as_ref();
    CdrLegRow {
        party: leg.party.clone(),
        call_id: leg.call_id.clone(),
        transport: leg.flow.transport().token().to_owned(),
        remote: leg.flow.remote().to_string(),
        media_profile: match leg.profile {
            Profile::WebRtc => "WebRTC",
            // Nobody has counted it: the zeros below are no packets that were missing.
            Profile::Rtp if cdr.is_bypassed && media.is_none() => "RTP bypass",
            Profile::Rtp if media.is_some_and(|media| media.suite.is_some()) => "SRTP",
            Profile::Rtp => "RTP",
        }
        .to_owned(),
        codec: cdr.codec.clone(),
        packets_received: media.map_or(0, |media| media.packets_in),
        octets_received: media.map_or(0, |media| media.octets_in),
        packets_sent: media.map_or(0, |media| media.packets_out),
        octets_sent: media.map_or(0, |media| media.octets_out),
        packets_lost: media.map_or(0, |media| media.lost),
        packets_dropped: media.map_or(0, |media| media.drops.total()),
        quality: media.map(quality_row).unwrap_or_default(),
        reported: leg.reported.map(|reported| reported_row(&reported.metrics)).unwrap_or_default(),
        silent_because: cdr.verdict(number).map(|verdict| verdict.cause.name().to_owned()),
        verdict: cdr.told(number).map(|told| told.to_string()),
        video: media.and_then(|media| media.video.as_deref()).map(video_row),
    }
}

fn video_row(video: &VideoReport) -> VideoRow {
    let VideoReport { section, feedback } = video;
    VideoRow {
        packets_received: section.packets_in,
        octets_received: section.octets_in,
        packets_sent: section.packets_out,
        octets_sent: section.octets_out,
        packets_lost: section.lost,
        packets_dropped: section.drops.total(),
        packets_repeated: feedback.repeated_out,
        nacks_received: feedback.nacks_in,
        nacks_sent: feedback.nacks_out,
        picture_requests_received: feedback.plis_in + feedback.firs_in,
        picture_requests_sent: feedback.plis_out + feedback.firs_out,
    }
}

fn quality_row(media: &LegReport) -> QualityRow {
    let score = |mos: Option<Mos>| mos.map(|mos| Hundredths(mos.hundredths().into()));
    let percent = |share: Option<f64>| share.map(|share| Hundredths::of(share * 100.0));
    let milliseconds = |time: Option<Duration>| time.map(|time| Hundredths::of(time.as_secs_f64() * 1000.0));
    let (history, quality) = (&media.history, &media.quality);
    // What was quicker than the answer, as ICE may be, took no time from there.
    let after = |then: Option<Instant>| {
        let took = then?.saturating_duration_since(history.agreed?);
        Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    };
    QualityRow {
        mos_received: score(quality.incoming.mos()),
        mos_received_worst: score(quality.incoming.worst),
        mos_sent: score(quality.outgoing.mos()),
        mos_sent_worst: score(quality.outgoing.worst),
        loss_received: percent(quality.incoming.loss()),
        loss_sent: percent(quality.outgoing.loss()),
        jitter_received: milliseconds(quality.incoming.jitter()),
        jitter_sent: milliseconds(quality.outgoing.jitter()),
        round_trip: milliseconds(quality.round_trip()),
        round_trip_longest: milliseconds(quality.longest_round_trip()),
        packets_late: quality.late,
        packets_duplicate: quality.duplicates,
        audio_missing: u64::try_from(quality.concealed.as_millis()).unwrap_or(u64::MAX),
        ice_after: after(history.connecting.nominated),
        dtls_after: after(history.connecting.dtls_done),
        received_after: after(history.first_received),
        sent_after: after(history.first_sent),
    }
}

/// What a phone has said as a row.
pub fn reported_row(metrics: &Metrics) -> ReportedRow {
    let hundredths = |number: Option<u16>| number.map(|number| Hundredths(number.into()));
    let milliseconds = |time: Option<Duration>| time.map(|time| Hundredths::of(time.as_secs_f64() * 1000.0));
    ReportedRow {
        loss: hundredths(metrics.loss),
        discarded: hundredths(metrics.discarded),
        jitter: milliseconds(metrics.jitter),
        round_trip: milliseconds(metrics.round_trip),
        mos_lq: hundredths(metrics.mos_lq),
        mos_cq: hundredths(metrics.mos_cq),
    }
}

/// A binding as a row.
pub fn binding_row(record: &BindingRecord<'_>) -> BindingRow {
    BindingRow {
        aor: String::from_utf8_lossy(record.aor).into_owned(),
        key: binding_key(record.id),
        contact: record.contact.to_vec(),
        uri: record.uri.to_vec(),
        instance: record.instance.map(<[u8]>::to_vec),
        reg_id: record.reg_id.map(u32::from),
        expires: signed(record.expires_unix_ms),
        q: record.q,
        recency: signed(record.recency),
        path: record.path.unwrap_or_default().to_vec(),
        call_id: record.call_id.to_vec(),
        cseq: record.cseq,
        transport: record.flow.transport,
        local: record.flow.local,
        remote: record.flow.remote,
        user_agent: record.user_agent.unwrap_or_default().to_vec(),
    }
}

/// A row as the location service takes it; `None` when it cannot be one of ours.
pub fn binding_record(row: &BindingRow) -> Option<BindingRecord<'_>> {
    Some(BindingRecord {
        id: BindingId(u64::from_be_bytes(row.key.as_slice().try_into().ok()?)),
        aor: row.aor.as_bytes(),
        contact: &row.contact,
        uri: &row.uri,
        instance: row.instance.as_deref(),
        reg_id: row.reg_id.and_then(NonZeroU32::new),
        q: row.q,
        expires_unix_ms: u64::try_from(row.expires).ok()?,
        recency: u64::try_from(row.recency).ok()?,
        call_id: &row.call_id,
        cseq: row.cseq,
        path: Some(row.path.as_slice()).filter(|path| !path.is_empty()),
        flow: FiveTuple::new(row.transport, row.local, row.remote),
        user_agent: Some(row.user_agent.as_slice()).filter(|agent| !agent.is_empty()),
    })
}

/// A message as a row.
pub fn message_row(message: StoredMessage) -> MessageRow {
    MessageRow {
        number: signed(message.number),
        user: message.user,
        sender: message.sender,
        display: message.display,
        headers: message.headers,
        content_type: message.content_type,
        body: message.body,
        sent: signed(message.sent),
        expires: signed(message.expires),
    }
}

/// A row as the exchange takes it.
pub fn message(row: MessageRow) -> StoredMessage {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    StoredMessage {
        number: unsigned(row.number),
        user: row.user,
        sender: row.sender,
        display: row.display,
        headers: row.headers,
        content_type: row.content_type,
        body: row.body,
        sent: unsigned(row.sent),
        expires: unsigned(row.expires),
    }
}

/// The key of a binding's row.
pub fn binding_key(id: BindingId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// The store counts in signed numbers.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
