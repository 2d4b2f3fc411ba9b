//! What is told of calls: `query`, `list`, `statistics`.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ringback_media::negotiation::{Party, Profile};

use super::calls::{Call, Side};
use super::command::Whose;
use super::engine::{Engine, ok};
use super::refusal::Reason;
use super::value::{Dict, Value};

impl Engine {
    /// What is known of a call.
    pub(super) fn query(&self, whose: &Whose) -> Result<Dict, Reason> {
        let number = self.number_of(&whose.call)?;
        let call = self.calls.get(&number).ok_or(Reason::NoCall)?;
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
            .with("relayedpackets", count(stats.packets));
        let all = Dict::new()
            .with("currentstatistics", Value::Dict(current))
            .with("totalstatistics", Value::Dict(total));
        ok().with("statistics", Value::Dict(all))
    }

    /// A call as a query tells it.
    pub(super) fn told(&self, call: &Call) -> Dict {
        let mut tags = Dict::new();
        for side in &call.sides {
            // Several without a tag cannot be told apart: the latest is told.
            tags.insert(side.tag(), Value::Dict(self.side_told(call, side)));
        }
        ok().with("created", self.seconds(call.created))
            .with("last signal", self.seconds(call.signalled))
            .with("tags", Value::Dict(tags))
    }

    fn side_told(&self, call: &Call, side: &Side) -> Dict {
        let mut told =
            Dict::new().with("tag", Value::Text(side.tag())).with("created", self.seconds(side.created));
        if let Some(label) = &side.label {
            told = told.with("label", Value::Text(label.clone()));
        }
        let partner = side.peer.and_then(|peer| call.side(peer)).or_else(|| call.partners(side.leg).next());
        if let Some(partner) = partner.filter(|partner| !partner.tags.is_empty()) {
            told = told.with("in dialogue with", Value::Text(partner.tag()));
        }
        let medias = side.party().map(|party| Value::Dict(media_told(side, party)));
        told.with("medias", Value::List(medias.into_iter().collect()))
    }

    fn seconds(&self, at: Instant) -> Value {
        count(self.settings.epoch.unix_ms(at) / 1_000)
    }
}

fn media_told(side: &Side, party: &Party) -> Dict {
    let local = party.local();
    let agreed = party.agreed();
    let remote = agreed.as_ref().and_then(|agreed| agreed.remote);
    let (protocol, mut flags) = match side.profile {
        Profile::WebRtc => ("UDP/TLS/RTP/SAVPF", vec!["ICE", "DTLS-SRTP", "rtcp-mux"]),
        Profile::Rtp if remote.is_some_and(|remote| remote.mux) => ("RTP/AVP", vec!["rtcp-mux"]),
        Profile::Rtp => ("RTP/AVP", Vec::new()),
    };
    if agreed.is_some() {
        flags.push("initialized");
    }
    let mut streams = vec![stream("RTP", local.rtp, remote.map(|remote| remote.rtp))];
    if local.rtcp != local.rtp {
        streams.push(stream("RTCP", local.rtcp, remote.map(|remote| remote.rtcp)));
    }
    Dict::new()
        .with("index", count(1))
        .with("type", Value::text("audio"))
        .with("protocol", Value::text(protocol))
        .with("flags", Value::List(flags.into_iter().map(Value::text).collect()))
        .with("streams", Value::List(streams))
}

fn stream(kind: &str, port: u16, remote: Option<SocketAddr>) -> Value {
    let mut told = Dict::new()
        .with("local port", count(port.into()))
        .with("flags", Value::List(vec![Value::text(kind)]));
    if let Some(remote) = remote {
        let family = match remote.ip() {
            IpAddr::V4(_) => "IPv4",
            IpAddr::V6(_) => "IPv6",
        };
        let endpoint = Dict::new()
            .with("family", Value::text(family))
            .with("address", Value::text(remote.ip().to_string()))
            .with("port", count(remote.port().into()));
        told = told.with("endpoint", Value::Dict(endpoint));
    }
    Value::Dict(told)
}

fn count(number: u64) -> Value {
    Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
}
