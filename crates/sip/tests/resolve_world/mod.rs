//! A zone of the DNS as text, and a resolver that answers from it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use ringback_sansio::Transport;
use ringback_sansio::sim::Clock;
use ringback_sip::resolve::{
    Abilities, Answer, Data, Destination, Families, Naptr, NotFound, Question, Record, Resolution, Srv,
    Targets,
};
use ringback_sip::uri::Uri;

pub const ALL: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

/// Records by name, one a line: `name ttl TYPE data`.
pub struct Zone<'a>(pub &'a str);

/// What a resolution came to, and what it asked.
#[derive(Debug)]
pub struct Located {
    pub asked: Vec<String>,
    pub outcome: Result<Targets, NotFound>,
    pub resolution: Resolution,
    pub now: Instant,
}

impl Located {
    /// The targets as text: `TLS 192.0.2.1:5061 example.com`.
    pub fn targets(&self) -> Vec<String> {
        let targets = self.outcome.as_ref().unwrap().as_slice();
        targets.iter().map(|to| format!("{} {} {}", to.transport, to.address, to.server_name)).collect()
    }

    /// For how many seconds the targets hold.
    pub fn seconds(&self) -> u64 {
        (self.outcome.as_ref().unwrap().valid_until() - self.now).as_secs()
    }
}

pub fn abilities(transports: &[Transport], families: Families) -> Abilities {
    Abilities { transports: transports.to_vec(), families }
}

pub fn locate(zone: &str, uri: &str) -> Located {
    locate_with(zone, uri, &abilities(&ALL, Families::V4First), 1)
}

pub fn locate_with(zone: &str, uri: &str, abilities: &Abilities, seed: u64) -> Located {
    let destination = Destination::of_uri(&Uri::parse(uri.as_bytes()).unwrap()).unwrap();
    run(zone, &destination, abilities, seed)
}

pub fn run(zone: &str, destination: &Destination, abilities: &Abilities, seed: u64) -> Located {
    let now = Clock::new().now();
    let mut resolution = Resolution::new(now, destination, abilities, seed).unwrap();
    let mut asked = Vec::new();
    while resolution.outcome().is_none() {
        let (id, question) = resolution.poll_ask().expect("an open resolution has a question");
        asked.push(question.to_string());
        resolution.handle_answer(now, id, Zone(zone).answer(&question));
    }
    let outcome = resolution.outcome().unwrap().cloned();
    Located { asked, outcome, resolution, now }
}

impl Zone<'_> {
    pub fn answer(&self, question: &Question) -> Answer {
        let text = question.to_string();
        let (kind, name) = text.split_once(' ').unwrap();
        let mut records = Vec::new();
        for line in self.0.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [owner, ttl, record_kind, data @ ..] = &fields[..] else { panic!("{line}") };
            if *owner != name {
                continue;
            }
            if *record_kind == "FAILS" {
                return Answer::Failed;
            }
            if *record_kind == "ABSENT" {
                return Answer::Nothing { ttl: Some(Duration::from_secs(ttl.parse().unwrap())) };
            }
            if *record_kind == kind || *record_kind == "CNAME" {
                records.push(Record { ttl: ttl.parse().unwrap(), data: read(record_kind, data) });
            }
        }
        if records.is_empty() { Answer::Nothing { ttl: None } } else { Answer::Records(records) }
    }
}

fn read(kind: &str, data: &[&str]) -> Data {
    match (kind, data) {
        ("A" | "AAAA", [address]) => Data::Address(address.parse().unwrap()),
        ("CNAME", [name]) => Data::Alias((*name).to_owned()),
        ("SRV", [priority, weight, port, target]) => Data::Srv(Srv {
            priority: priority.parse().unwrap(),
            weight: weight.parse().unwrap(),
            port: port.parse().unwrap(),
            target: (*target).to_owned(),
        }),
        ("NAPTR", [order, preference, flags, service, replacement]) => Data::Naptr(Naptr {
            order: order.parse().unwrap(),
            preference: preference.parse().unwrap(),
            flags: if *flags == "-" { String::new() } else { (*flags).to_owned() },
            service: (*service).to_owned(),
            regexp: String::new(),
            replacement: (*replacement).to_owned(),
        }),
        _ => panic!("{kind} {data:?}"),
    }
}
