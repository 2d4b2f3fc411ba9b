//! What no single value shows: two keys that cannot both be true.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::SystemTime;

use super::Config;
use super::error::{ConfigError, Place, Problem};

/// Refuses what must not start. `places` says where each key was given.
pub(super) fn check(config: &Config, places: &BTreeMap<String, Place>) -> Result<(), ConfigError> {
    let blame = |key: &str, problem: Problem| ConfigError { place: places.get(key).cloned(), problem };
    for (key, value, least, greatest) in config
        .limits
        .ranges()
        .into_iter()
        .chain(config.store.ranges())
        .chain(config.trace.ranges())
        .chain(config.ng.ranges())
        .chain(config.turn.ranges())
        .chain(config.rooms.ranges())
        .chain(config.recording.ranges())
    {
        if !(least..=greatest).contains(&value) {
            return Err(blame(key, Problem::OutOfRange { key: key.to_owned(), value, least, greatest }));
        }
    }
    check_workers(config).map_err(|problem| blame("media.workers", problem))?;
    check_listeners(config).map_err(|(key, problem)| blame(key, problem))?;
    if let Some(words) = config.recording.contradiction() {
        let problem = Problem::Value { key: "recording.mask_dtmf".to_owned(), message: words.to_owned() };
        return Err(blame("recording.format", problem));
    }
    let mut names = BTreeSet::new();
    for user in &config.users {
        if !names.insert(&user.name) {
            return Err(blame("user", Problem::DuplicateUser { name: user.name.to_string() }));
        }
    }
    let mut peers = Vec::new();
    for headers in &config.headers {
        let value = |message: String| Problem::Value { key: "headers".to_owned(), message };
        headers.table().map_err(|message| blame("headers", value(message)))?;
        if peers.contains(&headers.peer) {
            let message = "two entries are of the same `peer`; make one of them".to_owned();
            return Err(blame("headers", value(message)));
        }
        peers.push(headers.peer);
    }
    let now = SystemTime::now();
    let tls = &config.tls;
    tls.load(now).map_err(|problem| blame(problem.key(), Problem::Tls(problem)))?;
    tls.check_trust().map_err(|problem| blame("tls.trust", Problem::Tls(problem)))?;
    tls.load_client_ca().map_err(|problem| blame("tls.client_ca", Problem::Tls(problem)))?;
    tls.load_named(now).map_err(|problem| blame("tls.sni", Problem::Tls(problem)))?;
    Ok(())
}

fn check_workers(config: &Config) -> Result<(), Problem> {
    let workers = config.media.workers;
    if !(1..=MOST_WORKERS).contains(&workers) {
        let (value, least, greatest) = (u32::from(workers), 1, u32::from(MOST_WORKERS));
        return Err(Problem::OutOfRange { key: "media.workers".to_owned(), value, least, greatest });
    }
    let pairs = config.media.rtp_ports.pairs().count();
    if pairs < usize::from(workers) {
        return Err(Problem::WorkersBeyondPairs { workers, range: config.media.rtp_ports });
    }
    for address in config.listen.webrtc.as_slice() {
        if address.port() != 0 && address.port().checked_add(workers - 1).is_none() {
            return Err(Problem::WorkersBeyondPorts { workers, address: *address });
        }
    }
    Ok(())
}

fn check_listeners(config: &Config) -> Result<(), (&'static str, Problem)> {
    let listen = &config.listen;
    let tcp = [
        ("listen.http", &listen.http),
        ("listen.https", &listen.https),
        ("listen.sip_tcp", &listen.sip_tcp),
        ("listen.sip_tls", &listen.sip_tls),
        ("listen.turn", &listen.turn),
        ("listen.turn_tls", &listen.turn_tls),
        ("ng.http", &config.ng.http),
    ];
    let tcp: Vec<_> = tcp
        .iter()
        .flat_map(|&(key, list)| list.as_slice().iter().map(move |&address| (key, address)))
        .collect();
    let mut udp: Vec<_> =
        listen.sip_udp.as_slice().iter().map(|&address| ("listen.sip_udp", address)).collect();
    udp.extend(listen.turn.as_slice().iter().map(|&address| ("listen.turn", address)));
    udp.extend(listen.turn_tls.as_slice().iter().map(|&address| ("listen.turn_tls", address)));
    udp.extend(config.ng.listen.as_slice().iter().map(|&address| ("ng.listen", address)));
    for &base in listen.webrtc.as_slice() {
        // Every worker has a port of its own; `check_workers` has seen that they do not run over.
        let workers = if base.port() == 0 { 1 } else { config.media.workers };
        udp.extend(
            (0..workers)
                .map(|i| ("listen.webrtc", SocketAddr::new(base.ip(), base.port().saturating_add(i)))),
        );
    }
    if tcp.is_empty() && udp.is_empty() {
        return Err(("listen", Problem::NothingListens));
    }
    for listeners in [&tcp, &udp] {
        for (i, &(first, first_address)) in listeners.iter().enumerate() {
            for &(second, second_address) in listeners.iter().skip(i + 1) {
                if overlap(first_address, second_address) {
                    return Err((second, Problem::SameAddress { first, second, address: second_address }));
                }
            }
        }
    }
    let rtp = config.media.rtp_ports;
    // The customary ports of the ng protocol lie there; whoever binds a pair passes over one that is taken.
    for &(listener, address) in udp.iter().filter(|(listener, _)| *listener != "ng.listen") {
        if (rtp.first..=rtp.last).contains(&address.port()) {
            return Err(("media.rtp_ports", Problem::ListenerInRtpPorts { listener, address }));
        }
    }
    let relays = config.turn.relay_ports;
    if config.has_turn() {
        if relays.first <= rtp.last && rtp.first <= relays.last {
            return Err(("turn.relay_ports", Problem::RelayPortsInRtpPorts { relays, rtp }));
        }
        for &(listener, address) in &udp {
            if (relays.first..=relays.last).contains(&address.port()) {
                return Err(("turn.relay_ports", Problem::ListenerInRelayPorts { listener, address }));
            }
        }
    }
    Ok(())
}

/// Whether the system would refuse the second of two sockets of the same protocol.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.port() != 0
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// More threads than this on one machine are a typing error.
const MOST_WORKERS: u16 = 256;
