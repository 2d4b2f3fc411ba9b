//! The ladder of what passed, and records as lines.

use std::time::Duration;

use bytes::Bytes;
use ringback_control::Cdr;
use ringback_media::negotiation::Profile;
use ringback_media::sdp::{Description, MediaType, Section};
use ringback_sansio::sim::{Head, Ladder};
use ringback_sip::message::{Message, Method, Name};
use ringback_sip::uri::Uri;

/// What passed since a moment.
#[derive(Default)]
pub struct Drawing {
    since: Duration,
    rows: Vec<Row>,
}

enum Row {
    Arrow { at: Duration, from: String, to: String, label: String, head: Head, remark: String },
    Note { at: Duration, text: String },
}

impl Drawing {
    pub fn from(since: Duration) -> Self {
        Drawing { since, rows: Vec::new() }
    }

    pub fn arrow(&mut self, at: Duration, from: &str, to: &str, payload: &Bytes, head: Head) {
        let (label, remark) = describe(payload);
        let at = at - self.since;
        self.rows.push(Row::Arrow { at, from: from.to_owned(), to: to.to_owned(), label, head, remark });
    }

    pub fn note(&mut self, at: Duration, text: String) {
        self.rows.push(Row::Note { at: at - self.since, text });
    }

    pub fn draw(&self, names: &[&str]) -> String {
        let mut ladder = Ladder::new(names.iter().copied(), 34);
        for row in &self.rows {
            match row {
                Row::Arrow { at, from, to, label, head, remark } if names.contains(&to.as_str()) => {
                    ladder.arrow(*at, from, to, label, *head, remark);
                }
                Row::Arrow { at, to, label, .. } => ladder.note(*at, &format!("{label} to {to}")),
                Row::Note { at, text } => ladder.note(*at, text),
            }
        }
        ladder.to_string()
    }
}

/// What a SIP engineer wants to see of a message: its name, and a remark.
fn describe(payload: &Bytes) -> (String, String) {
    let Ok(message) = Message::parse(payload.clone()) else {
        return ("not SIP".to_owned(), String::new());
    };
    let method = message.method();
    let label = match message.status() {
        Some(status) => {
            let reason: String = String::from_utf8_lossy(message.reason()).chars().take(20).collect();
            let of = if method == Method::Invite { String::new() } else { format!(" ({method})") };
            format!("{status} {}{of}", reason.trim())
        }
        None if method == Method::Invite && message.to().is_ok_and(|to| to.tag().is_some()) => {
            "re-INVITE".to_owned()
        }
        None if method == Method::Invite => format!("INVITE {}", dialled(&message)),
        None => method.to_string(),
    };
    let mut remarks = Vec::new();
    for name in SHOWN {
        remarks.extend(
            message
                .header(*name)
                .map(|value| format!("{}: {}", name.as_str(), String::from_utf8_lossy(value))),
        );
    }
    if message.status().is_some_and(|status| matches!(status, 401 | 407)) {
        let challenges =
            message.headers(Name::WwwAuthenticate).chain(message.headers(Name::ProxyAuthenticate));
        let is_stale =
            challenges.into_iter().any(|value| String::from_utf8_lossy(value).contains("stale=true"));
        remarks.extend(is_stale.then(|| "stale".to_owned()));
    }
    if message.has(Name::Authorization) || message.has(Name::ProxyAuthorization) {
        remarks.push("with credentials".to_owned());
    }
    remarks.extend(body(&message));
    (label, remarks.join("; "))
}

fn dialled(message: &Message) -> String {
    let user =
        Uri::parse(message.request_uri()).ok().and_then(|uri| uri.user_unescaped().map(|u| u.into_owned()));
    String::from_utf8_lossy(&user.unwrap_or_default()).into_owned()
}

fn body(message: &Message) -> Option<String> {
    if message.body().is_empty() {
        return None;
    }
    if message.header(Name::ContentType) != Some(b"application/sdp") {
        return Some(
            String::from_utf8_lossy(message.body()).split_whitespace().collect::<Vec<_>>().join(" "),
        );
    }
    let description = Description::parse(message.body()).ok()?;
    let section = description.sections.iter().find(|it| it.is_live()).or(description.sections.first())?;
    if section.media == MediaType::Image {
        return Some("SDP fax".to_owned());
    }
    let profile = if section.protocol.contains("TLS") { "WebRTC" } else { "RTP" };
    Some(format!("SDP {profile} {} {}", codecs(section), section.direction))
}

/// The codecs by name, with those that RFC 4733 events have.
fn codecs(section: &Section) -> String {
    let names: Vec<String> = section
        .codecs
        .iter()
        .map(|codec| match codec.name.as_str() {
            "telephone-event" => format!("events/{}", codec.clock_rate / 1000),
            name => name.to_owned(),
        })
        .collect();
    names.join(",")
}

/// A record as a line.
pub fn record(cdr: &Cdr) -> String {
    let seconds = |at: u64| (at - cdr.started) as f64 / 1000.0;
    let legs: Vec<String> = cdr
        .legs
        .iter()
        .map(|leg| {
            let profile = match leg.profile {
                Profile::WebRtc => "WebRTC",
                Profile::Rtp => "RTP",
            };
            let media = if leg.media.is_some() { "" } else { ", no report" };
            format!("{} ({} {profile}{media})", leg.party, leg.flow.transport())
        })
        .collect();
    let bypass = if cdr.is_bypassed { ", bypassed" } else { "" };
    format!(
        "{} -> {}: {}, answered {}, ended {:.3} by {} ({}), codec {}{bypass}, legs {}",
        cdr.caller,
        cdr.dialled,
        cdr.status,
        cdr.answered.map_or_else(
            || "never".to_owned(),
            |at| {
                format!("{:.3} by {}", seconds(at), cdr.answered_by.as_deref().unwrap_or("the exchange"))
            }
        ),
        seconds(cdr.ended),
        cdr.ended_by.word(),
        cdr.reason,
        cdr.codec.as_deref().unwrap_or("none"),
        legs.join(" and ")
    )
}

/// Header fields that a remark shows.
const SHOWN: &[Name] = &[
    Name::Require,
    Name::RSeq,
    Name::Rack,
    Name::Unsupported,
    Name::SessionExpires,
    Name::Reason,
    Name::Warning,
    Name::RetryAfter,
    Name::Diversion,
];
