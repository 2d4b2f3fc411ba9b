//! What is told of calls: `query`, `list`, `statistics`, in the shape that rtpengine gives it.
//!
//! Counts are of what came from a far end. Bytes are those of RTP with a header of twelve bytes a packet, without what
//! encryption adds.

use std::iter::once;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ringback_media::negotiation::{LegSettings, Party, Profile};
use ringback_media::quality::Mos;
use ringback_media::session::{FeedbackCounts, LegReport};

use super::calls::{Call, Side, State};
use super::command::Whose;
use super::engine::{Engine, ok};
use super::recording::with_recordings;
use super::refusal::Reason;
use super::value::{Dict, Value};
use crate::media::MediaCommand;

impl Engine {
    /// Whether the media workers have said what a call has carried. They are asked the first time.
    pub(super) fn is_told(&mut self, call: &mut Call, is_asked: &mut bool) -> bool {
        if !std::mem::replace(is_asked, true) {
            let open = call.sides.iter().filter(|side| matches!(side.state, State::Open(_)));
            call.awaited = open.map(|side| side.leg).collect();
            for leg in call.awaited.clone() {
                self.command(leg, MediaCommand::Report);
            }
        }
        call.awaited.is_empty()
    }

    /// What is known of a call.
    pub(super) fn query(&self, call: &Call, whose: &Whose) -> Result<Dict, Reason> {
        for tag in whose.from.iter().chain(&whose.to) {
            call.tagged(tag).ok_or(Reason::NoTag)?;
        }
        Ok(self.told(call))
    }

    /// The Call-IDs of the oldest calls.
    pub(super) fn list(&self, limit: usize) -> Dict {
        let calls = self.calls.values().take(limit).map(|call| Value::Text(call.id.clone())).collect();
        ok().with("calls", Value::List(calls))
    }

    /// What is counted, under the names that it has in this protocol.
    pub(super) fn statistics(&self, now: Instant) -> Dict {
        let uptime = self.started.map_or(0, |started| now.saturating_duration_since(started).as_secs());
        let stats = &self.stats;
        let current = Dict::new()
            .with("sessionsown", count(self.calls.len() as u64))
            .with("sessionsforeign", count(0))
            .with("sessionstotal", count(self.calls.len() as u64));
        let total = Dict::new()
            .with("uptime", Value::text(uptime.to_string()))
            .with("managedsessions", count(stats.calls))
            .with("rejectedsessions", count(stats.calls_refused))
            .with("timeoutsessions", count(stats.calls_silent))
            .with("offertimeoutsessions", count(stats.calls_unanswered))
            .with("regularterminatedsessions", count(stats.calls_deleted))
            .with("relayedpackets", count(stats.packets))
            .with("relayedpacketerrors", count(stats.packets_dropped))
            .with("relayedbytes", count(stats.octets));
        let control = Dict::new()
            .with("totalpingcount", count(stats.pings))
            .with("totaloffercount", count(stats.offers))
            .with("totalanswercount", count(stats.answers))
            .with("totaldeletecount", count(stats.deletes))
            .with("totalquerycount", count(stats.queries))
            .with("totallistcount", count(stats.lists))
            .with("errorcount", count(stats.errors));
        let all = Dict::new()
            .with("currentstatistics", Value::Dict(current))
            .with("totalstatistics", Value::Dict(total))
            .with("controlstatistics", Value::Dict(control));
        ok().with("statistics", Value::Dict(all))
    }

    /// A call as a query tells it.
    pub(super) fn told(&self, call: &Call) -> Dict {
        let mut tags = Dict::new();
        for side in &call.sides {
            // Several without a tag cannot be told apart: the latest is told.
            tags.insert(side.tag(), Value::Dict(self.side_told(call, side)));
        }
        let reports = || call.sides.iter().filter_map(|side| side.report.as_deref());
        let mut streams = Dict::new();
        for report in reports() {
            if let Some((ssrc, told)) = report.ssrc.zip(quality(report)) {
                streams.insert(ssrc.to_string().into(), Value::Dict(told));
            }
        }
        let sections = || reports().flat_map(|report| once(report).chain(video(report)));
        let sum = |of: fn(&LegReport) -> Tally| sections().map(of).fold(Tally::default(), Tally::plus).told();
        let totals = Dict::new().with("RTP", sum(Tally::rtp)).with("RTCP", sum(Tally::rtcp));
        let created = self.settings.epoch.unix_ms(call.created);
        with_recordings(ok(), call)
            .with("created", count(created / 1_000))
            .with("created_us", count(created % 1_000 * 1_000))
            .with("last signal", self.seconds(call.signalled))
            .with("SSRC", Value::Dict(streams))
            .with("tags", Value::Dict(tags))
            .with("totals", Value::Dict(totals))
    }

    fn side_told(&self, call: &Call, side: &Side) -> Dict {
        let mut told =
            Dict::new().with("tag", Value::Text(side.tag())).with("created", self.seconds(side.created));
        if let Some(label) = &side.label {
            told = told.with("label", Value::Text(label.clone()));
        }
        if let Some(branch) = side.branch.as_ref().filter(|_| side.tags.is_empty()) {
            told = told.with("via-branch", Value::Text(branch.clone()));
        }
        let partner = side.peer.and_then(|peer| call.side(peer)).or_else(|| call.partners(side.leg).next());
        if let Some(partner) = partner.filter(|partner| !partner.tags.is_empty()) {
            let subscribed =
                Dict::new().with("tag", Value::Text(partner.tag())).with("type", Value::text("offer/answer"));
            let subscribed = || Value::List(vec![Value::Dict(subscribed.clone())]);
            // The first is the word of versions before 10.
            told = told
                .with("in dialogue with", Value::Text(partner.tag()))
                .with("subscriptions", subscribed())
                .with("subscribers", subscribed());
        }
        let medias = side.party().into_iter().flat_map(|party| {
            let video = self.video_told(side, party);
            once(self.audio_told(side, party)).chain(video).map(Value::Dict)
        });
        told.with("medias", Value::List(medias.collect()))
    }

    fn audio_told(&self, side: &Side, party: &Party) -> Dict {
        let local = party.local();
        let media = Media {
            index: 1,
            kind: "audio",
            protocol: party.protocol(),
            address: local.address,
            ports: (local.rtp, local.rtcp),
            agreed: party.agreed(),
            report: side.report.as_deref(),
        };
        self.media_told(side, &media)
    }

    /// The video of a side, as long as there is any or was.
    fn video_told(&self, side: &Side, party: &Party) -> Option<Dict> {
        let local = party.local();
        let report = side.report.as_deref().and_then(|report| report.video.as_deref());
        let agreed = party.agreed_video();
        let place = local.video.as_ref().filter(|_| agreed.is_some() || report.is_some())?;
        let media = Media {
            index: 2,
            kind: "video",
            protocol: party.video_protocol().unwrap_or(party.protocol()),
            address: local.address,
            ports: (place.rtp, place.rtcp),
            agreed: agreed.map(|agreed| agreed.leg),
            report: report.map(|report| &report.section),
        };
        let told = self.media_told(side, &media);
        Some(match report {
            Some(report) => told.with("feedback", feedback(&report.feedback)),
            None => told,
        })
    }

    fn media_told(&self, side: &Side, media: &Media<'_>) -> Dict {
        let Media { index, kind, protocol, address, ports: (rtp, rtcp), agreed, report } = media;
        let remote = agreed.as_ref().and_then(|agreed| agreed.remote);
        let has_mux = side.profile == Profile::WebRtc || remote.is_some_and(|remote| remote.mux);
        // With ICE the far end is where its media comes from, as soon as it does.
        let at = report.and_then(|report| report.remote).or(remote.map(|remote| remote.rtp));
        let rtp = Stream {
            port: *rtp,
            remote: at,
            flags: if has_mux { &["RTP", "RTCP"] } else { &["RTP"] },
            tally: report.map(Tally::rtp),
        };
        let rtcp = Stream {
            port: *rtcp,
            remote: remote.map(|remote| remote.rtcp),
            flags: &["RTCP"],
            tally: report.map(Tally::rtcp),
        };
        let streams = [Some(rtp), Some(rtcp).filter(|_| !has_mux)].into_iter().flatten();
        let streams = streams.map(|stream| self.stream_told(side, *report, &stream, *address));
        Dict::new()
            .with("index", count(*index))
            .with("type", Value::text(*kind))
            .with("protocol", Value::text(*protocol))
            .with("flags", Value::List(flags(side.profile, agreed.as_ref(), has_mux)))
            .with("streams", Value::List(streams.collect()))
    }

    fn stream_told(&self, side: &Side, report: Option<&LegReport>, stream: &Stream, local: IpAddr) -> Value {
        let last = report.and_then(|report| report.last_media).unwrap_or(side.created);
        let mut told = Dict::new()
            .with("local port", count(stream.port.into()))
            .with("local address", Value::text(local.to_string()))
            .with("family", Value::text(family(local)))
            .with("last packet", self.seconds(last))
            .with("flags", Value::List(stream.flags.iter().map(Value::text).collect()))
            .with("stats", stream.tally.unwrap_or_default().told());
        if let Some(remote) = stream.remote {
            told = told.with("endpoint", endpoint(remote)).with("advertised endpoint", endpoint(remote));
        }
        if let Some(suite) = report.and_then(|report| report.suite) {
            told = told.with("crypto suite", Value::text(suite.name()));
        }
        let is_rtp = stream.flags.first() == Some(&"RTP");
        if let Some(report) = report.filter(|_| is_rtp) {
            let out = Tally { packets: report.packets_out, octets: report.octets_out, errors: 0 };
            let out = Tally { octets: out.octets.saturating_add(out.packets.saturating_mul(HEADER)), ..out };
            told = told.with("stats_out", out.told()).with("packets lost", count(report.lost));
            if let Some(ssrc) = report.ssrc {
                told = told.with("SSRC", count(ssrc.into()));
            }
        }
        Value::Dict(told)
    }

    fn seconds(&self, at: Instant) -> Value {
        count(self.settings.epoch.unix_ms(at) / 1_000)
    }
}

/// A section of one side.
struct Media<'a> {
    index: u64,
    kind: &'static str,
    protocol: &'a str,
    address: IpAddr,
    /// Ours for RTP and RTCP.
    ports: (u16, u16),
    agreed: Option<LegSettings>,
    report: Option<&'a LegReport>,
}

/// A stream of packets of one side.
struct Stream {
    port: u16,
    remote: Option<SocketAddr>,
    flags: &'static [&'static str],
    tally: Option<Tally>,
}

/// What was counted of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    packets: u64,
    octets: u64,
    errors: u64,
}

impl Tally {
    fn rtp(report: &LegReport) -> Tally {
        Tally {
            packets: report.packets_in,
            octets: report.octets_in.saturating_add(report.packets_in.saturating_mul(HEADER)),
            errors: report.drops.total(),
        }
    }

    fn rtcp(report: &LegReport) -> Tally {
        Tally { packets: report.rtcp_in, octets: report.rtcp_octets_in, errors: 0 }
    }

    fn plus(self, other: Tally) -> Tally {
        Tally {
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
            errors: self.errors.saturating_add(other.errors),
        }
    }

    fn told(self) -> Value {
        let Tally { packets, octets, errors } = self;
        let told = Dict::new().with("packets", count(packets)).with("bytes", count(octets));
        Value::Dict(told.with("errors", count(errors)))
    }
}

/// What is counted of the video beside the audio.
fn video(report: &LegReport) -> Option<&LegReport> {
    report.video.as_deref().map(|video| &video.section)
}

/// What the two ends have asked each other for: a word of ours, since rtpengine passes feedback on.
fn feedback(counts: &FeedbackCounts) -> Value {
    let FeedbackCounts { nacks_in, nacks_out, plis_in, plis_out, firs_in, firs_out, .. } = *counts;
    let both =
        |received, sent| Value::Dict(Dict::new().with("received", count(received)).with("sent", count(sent)));
    let told = Dict::new()
        .with("NACK", both(nacks_in, nacks_out))
        .with("PLI", both(plis_in, plis_out))
        .with("FIR", both(firs_in, firs_out))
        .with("retransmissions", both(counts.repeated_in, counts.repeated_out));
    Value::Dict(told)
}

fn flags(profile: Profile, agreed: Option<&LegSettings>, has_mux: bool) -> Vec<Value> {
    let is_webrtc = profile == Profile::WebRtc;
    let has = |what: fn(&LegSettings) -> bool| agreed.is_some_and(what);
    let flags = [
        ("initialized", agreed.is_some()),
        ("send", has(|agreed| agreed.receives)),
        ("recv", has(|agreed| agreed.sends)),
        ("rtcp-mux", has_mux),
        ("DTLS-SRTP", is_webrtc || has(|agreed| agreed.dtls.is_some())),
        ("SDES", has(|agreed| agreed.sdes.is_some())),
        ("ICE", is_webrtc),
    ];
    flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| Value::text(flag)).collect()
}

/// How good what came from a far end was; nothing before the first score.
fn quality(report: &LegReport) -> Option<Dict> {
    let incoming = &report.quality.incoming;
    // The protocol has tenths.
    let tenths = |mos: Mos| count((mos.score() * 10.0).round() as u64);
    let mut average = Dict::new().with("MOS", tenths(incoming.mos()?));
    if let Some(jitter) = incoming.jitter() {
        average = average.with("jitter", count(jitter.as_millis() as u64));
    }
    if let Some(loss) = incoming.loss() {
        average = average.with("packet loss", count((loss * 100.0).round() as u64));
    }
    if let Some(round_trip) = report.quality.round_trip() {
        average = average.with("round-trip time", count(round_trip.as_micros() as u64));
    }
    let lowest = incoming.worst.map(|worst| Value::Dict(Dict::new().with("MOS", tenths(worst))));
    let told = Dict::new().with("average MOS", Value::Dict(average));
    Some(match lowest {
        Some(lowest) => told.with("lowest MOS", lowest),
        None => told,
    })
}

fn endpoint(at: SocketAddr) -> Value {
    let told = Dict::new()
        .with("family", Value::text(family(at.ip())))
        .with("address", Value::text(at.ip().to_string()))
        .with("port", count(at.port().into()));
    Value::Dict(told)
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn count(number: u64) -> Value {
    Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The bytes of an RTP header without anything that it may have besides.
const HEADER: u64 = 12;
