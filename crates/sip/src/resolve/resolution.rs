//! One resolution: the machine that asks, and makes targets of the answers.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringback_sansio::{Transport, canonical};

use super::destination::{Destination, DnsName, Place, Target as Host, Unresolvable};
use super::naptr::{self, Lead};
use super::outcome::{Abilities, Dropped, Families, NotFound};
use super::question::{Answer, AskId, Data, Naptr, Question, Record, Srv};
use super::random::Random;
use super::srv;
use super::stage::{
    ABSENT, Hop, LONGEST, LONGEST_ABSENT, MAX_ADDRESSES, MAX_ALIASES, MAX_HOPS, MAX_NAPTR_DEPTH,
    MAX_QUESTIONS, MAX_RECORDS, MAX_TARGETS, MAX_WAYS, Pending, SHORTEST, Stage, Way,
};
use super::target::{Target, Targets, default_port, is_usable};

/// Locates one destination ([RFC 3263 §4]).
///
/// Drain [`poll_ask`](Self::poll_ask) after making it and after every answer; when
/// [`outcome`](Self::outcome) is there, it is over.
///
/// [RFC 3263 §4]: https://www.rfc-editor.org/rfc/rfc3263#section-4
#[derive(Debug)]
pub struct Resolution {
    abilities: Abilities,
    destination: Destination,
    random: Random,
    stage: Stage,
    questions: VecDeque<(AskId, Question)>,
    pending: BTreeMap<AskId, Pending>,
    asked: u32,
    /// The shortest time to live of everything that was learnt, in seconds.
    ttl: u32,
    dns_failed: bool,
    dropped: Dropped,
}

impl Resolution {
    /// Starts; `seed` chooses among servers of one priority.
    pub fn new(
        now: Instant,
        destination: &Destination,
        abilities: &Abilities,
        seed: u64,
    ) -> Result<Self, Unresolvable> {
        let mut resolution = Resolution {
            abilities: abilities.clone(),
            destination: destination.clone(),
            random: Random::new(seed),
            stage: Stage::Over(Err(NotFound::NoAddress)),
            questions: VecDeque::new(),
            pending: BTreeMap::new(),
            asked: 0,
            ttl: LONGEST,
            dns_failed: false,
            dropped: Dropped::default(),
        };
        if destination.transport.is_some_and(|transport| !abilities.transports.contains(&transport)) {
            return Err(Unresolvable::NotOurs);
        }
        // Without a transport of the URI there must be one that it could come to.
        let fallback = resolution.fallback_transport()?;
        match destination.then.clone() {
            None => resolution.finish(now, Vec::new()),
            Some(Place { host: Host::Address(address), port }) => {
                let port = port.unwrap_or_else(|| default_port(fallback));
                resolution.finish(now, vec![(fallback, SocketAddr::new(address, port))]);
            }
            Some(Place { host: Host::Name(name), port: Some(port) }) => {
                resolution.look_up(now, vec![Hop { transport: fallback, name, port }]);
            }
            Some(Place { host: Host::Name(name), port: None }) => match destination.transport {
                Some(transport) => resolution.locate(now, &name, &[transport]),
                None => {
                    resolution.stage = Stage::Naptr { found: Vec::new(), depth: 0 };
                    resolution.ask(Question::Naptr(name));
                }
            },
        }
        Ok(resolution)
    }

    /// The next question for the DNS.
    pub fn poll_ask(&mut self) -> Option<(AskId, Question)> {
        self.questions.pop_front()
    }

    /// Takes what the DNS said to a question.
    pub fn handle_answer(&mut self, now: Instant, id: AskId, answer: Answer) {
        let Some(pending) = self.pending.remove(&id) else {
            self.dropped.strays += 1;
            return;
        };
        self.questions.retain(|(asked, _)| *asked != id);
        match answer {
            Answer::Records(records) => self.take(pending, records),
            Answer::Nothing { ttl } => {
                let seconds = ttl.map_or(ABSENT, |ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX));
                self.ttl = self.ttl.min(seconds);
            }
            Answer::Failed => {
                self.dns_failed = true;
                self.ttl = self.ttl.min(ABSENT);
            }
        }
        if self.pending.is_empty() {
            self.advance(now);
        }
    }

    /// What came of it, when it is over.
    pub fn outcome(&self) -> Option<Result<&Targets, NotFound>> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome.as_ref().map_err(|error| *error)),
            _ => None,
        }
    }

    /// For how long an outcome without targets holds.
    pub fn negative_ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl.clamp(SHORTEST, LONGEST_ABSENT)))
    }

    /// What was passed over so far.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// The transport when nothing else says one: UDP for `sip:`, TLS for `sips:` (§4.1).
    fn fallback_transport(&self) -> Result<Transport, Unresolvable> {
        let usual: &[Transport] = match (self.destination.transport, self.destination.secure) {
            (Some(transport), _) => return Ok(transport),
            (None, true) => &[Transport::Tls, Transport::Wss],
            (None, false) => &[Transport::Udp, Transport::Tcp, Transport::Ws, Transport::Tls, Transport::Wss],
        };
        let ours = usual.iter().find(|transport| self.abilities.transports.contains(transport));
        ours.copied().ok_or(Unresolvable::NotOurs)
    }

    fn ask(&mut self, question: Question) {
        let original = question.name().clone();
        self.ask_again(Pending { question, original, aliases: 0 });
    }

    fn ask_again(&mut self, pending: Pending) {
        if self.asked >= MAX_QUESTIONS {
            self.dropped.questions += 1;
            return;
        }
        let id = AskId(self.asked);
        self.asked += 1;
        self.questions.push_back((id, pending.question.clone()));
        self.pending.insert(id, pending);
    }

    fn take(&mut self, pending: Pending, records: Vec<Record>) {
        let above = records.len().saturating_sub(MAX_RECORDS);
        self.dropped.too_many += above as u64;
        let mut alias = None;
        let (mut naptr, mut srv, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for Record { ttl, data } in records.into_iter().take(MAX_RECORDS) {
            match (data, &pending.question) {
                (Data::Naptr(record), Question::Naptr(_)) => naptr.push(record),
                (Data::Srv(record), Question::Srv(_)) => srv.push(record),
                (Data::Address(address), Question::A(_)) if address.is_ipv4() => addresses.push(address),
                (Data::Address(address), Question::Aaaa(_)) if address.is_ipv6() => addresses.push(address),
                (Data::Alias(name), _) => alias = Some(name),
                _ => continue,
            }
            self.ttl = self.ttl.min(ttl);
        }
        if naptr.is_empty()
            && srv.is_empty()
            && addresses.is_empty()
            && let Some(name) = alias
        {
            return self.follow(pending, &name);
        }
        match &mut self.stage {
            Stage::Naptr { found, .. } => *found = naptr,
            Stage::Srv(ways) => {
                for way in ways.iter_mut().filter(|way| way.name == pending.original) {
                    way.found = Some(srv.clone());
                }
            }
            Stage::Addresses { known, .. } => {
                known.entry(pending.original).or_default().extend(addresses);
            }
            Stage::Over(_) => {}
        }
    }

    fn follow(&mut self, pending: Pending, alias: &str) {
        match DnsName::parse(alias.as_bytes()) {
            None => self.dropped.malformed += 1,
            Some(_) if pending.aliases >= MAX_ALIASES => self.dropped.aliases += 1,
            Some(name) => {
                let question = pending.question.about(name);
                self.ask_again(Pending { question, aliases: pending.aliases + 1, ..pending });
            }
        }
    }

    /// Every question of the stage is answered: goes on to the next stage.
    fn advance(&mut self, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Over(Err(NotFound::NoAddress))) {
            Stage::Naptr { found, depth } => self.advance_naptr(now, &found, depth),
            Stage::Srv(ways) => self.advance_srv(now, ways),
            Stage::Addresses { hops, known } => self.advance_addresses(now, &hops, &known),
            over @ Stage::Over(_) => self.stage = over,
        }
    }

    fn advance_naptr(&mut self, now: Instant, found: &[Naptr], depth: u32) {
        let leads = naptr::leads(found, self.destination.secure, &self.abilities.transports);
        let mut ways = Vec::new();
        let mut more = None;
        for lead in leads {
            match lead {
                Lead::Srv(transport, name) => ways.push(Way { transport, name, found: Some(Vec::new()) }),
                Lead::Address(transport, name) => ways.push(Way { transport, name, found: None }),
                Lead::Naptr(name) => more = more.or(Some(name)),
            }
        }
        if ways.is_empty()
            && let Some(name) = more
            && depth < MAX_NAPTR_DEPTH
        {
            self.stage = Stage::Naptr { found: Vec::new(), depth: depth + 1 };
            self.ask(Question::Naptr(name));
            if self.pending.is_empty() {
                self.advance(now);
            }
            return;
        }
        if !ways.is_empty() {
            return self.locate_by(now, ways);
        }
        let Some(Place { host: Host::Name(name), .. }) = self.destination.then.clone() else { return };
        let secure = self.destination.secure;
        let ours = self.abilities.transports.iter().copied();
        let candidates: Vec<_> = ours.filter(|transport| !secure || transport.is_secure()).collect();
        self.locate(now, &name, &candidates);
    }

    /// Asks for the SRV records of the name by each transport.
    fn locate(&mut self, now: Instant, name: &DnsName, transports: &[Transport]) {
        let ways = transports.iter().filter_map(|&transport| {
            let prefix = match transport {
                Transport::Udp => "_sip._udp",
                Transport::Tcp => "_sip._tcp",
                Transport::Tls => "_sips._tcp",
                Transport::Ws | Transport::Wss | Transport::Dtls => return None,
            };
            Some(Way { transport, name: name.service(prefix)?, found: Some(Vec::new()) })
        });
        self.locate_by(now, ways.collect());
    }

    fn locate_by(&mut self, now: Instant, mut ways: Vec<Way>) {
        self.dropped.too_many += ways.len().saturating_sub(MAX_WAYS) as u64;
        ways.truncate(MAX_WAYS);
        let mut names: Vec<_> =
            ways.iter().filter(|way| way.found.is_some()).map(|way| way.name.clone()).collect();
        names.dedup();
        self.stage = Stage::Srv(ways);
        for name in names {
            self.ask(Question::Srv(name));
        }
        if self.pending.is_empty() {
            self.advance(now);
        }
    }

    fn advance_srv(&mut self, now: Instant, ways: Vec<Way>) {
        let mut hops = Vec::new();
        let mut refused = false;
        let preferred = ways.first().map(|way| way.transport);
        for Way { transport, name, found } in ways {
            let Some(records) = found else {
                hops.push(Hop { transport, name, port: default_port(transport) });
                continue;
            };
            for Srv { port, target, .. } in srv::order(records, &mut self.random) {
                if target == "." || target.is_empty() {
                    refused = true;
                    continue;
                }
                match DnsName::parse(target.as_bytes()) {
                    None => self.dropped.malformed += 1,
                    Some(_) if port == 0 => self.dropped.unusable += 1,
                    Some(name) => hops.push(Hop { transport, name, port }),
                }
            }
        }
        if hops.is_empty() && refused {
            self.stage = Stage::Over(Err(NotFound::NoService));
            return;
        }
        if hops.is_empty()
            && let Some(Place { host: Host::Name(name), .. }) = self.destination.then.clone()
        {
            // §4.2: without SRV records, the addresses of the domain itself.
            let transport = match self.destination.transport {
                Some(transport) => Ok(transport),
                None => self.fallback_transport(),
            };
            if let Some(transport) = transport.ok().or(preferred) {
                hops.push(Hop { transport, name, port: default_port(transport) });
            }
        }
        self.look_up(now, hops);
    }

    /// Asks for the addresses of the hops.
    fn look_up(&mut self, now: Instant, mut hops: Vec<Hop>) {
        self.dropped.too_many += hops.len().saturating_sub(MAX_HOPS) as u64;
        hops.truncate(MAX_HOPS);
        let mut names: Vec<_> = hops.iter().map(|hop| hop.name.clone()).collect();
        names.sort();
        names.dedup();
        self.stage = Stage::Addresses { hops, known: BTreeMap::new() };
        for name in names {
            let (v4, v6) = (Question::A(name.clone()), Question::Aaaa(name));
            match self.abilities.families {
                Families::V4Only => self.ask(v4),
                Families::V6Only => self.ask(v6),
                Families::V4First | Families::V6First => {
                    self.ask(v4);
                    self.ask(v6);
                }
            }
        }
        if self.pending.is_empty() {
            self.advance(now);
        }
    }

    fn advance_addresses(&mut self, now: Instant, hops: &[Hop], known: &BTreeMap<DnsName, Vec<IpAddr>>) {
        let v6_first = self.abilities.families == Families::V6First;
        let mut found = Vec::new();
        for hop in hops {
            let mut addresses = known.get(&hop.name).cloned().unwrap_or_default();
            // The sort is stable: within a family the order of the DNS stays.
            addresses.sort_by_key(|address| address.is_ipv6() != v6_first);
            self.dropped.too_many += addresses.len().saturating_sub(MAX_ADDRESSES) as u64;
            addresses.truncate(MAX_ADDRESSES);
            found.extend(
                addresses.into_iter().map(|address| (hop.transport, SocketAddr::new(address, hop.port))),
            );
        }
        self.finish(now, found);
    }

    fn finish(&mut self, now: Instant, found: Vec<(Transport, SocketAddr)>) {
        let first = self.destination.first.zip(self.destination.transport);
        let mut list: Vec<Target> = Vec::new();
        let mut any = false;
        for (transport, address) in
            first.map(|(address, transport)| (transport, address)).into_iter().chain(found)
        {
            any = true;
            let address = canonical(address);
            let target = Target { transport, address, server_name: self.destination.server_name.clone() };
            if !is_usable(address.ip()) || address.port() == 0 {
                self.dropped.unusable += 1;
            } else if list.len() >= MAX_TARGETS {
                self.dropped.too_many += 1;
            } else if !list.contains(&target) {
                list.push(target);
            }
        }
        let ttl = self.ttl.clamp(SHORTEST, LONGEST);
        self.stage = Stage::Over(if !list.is_empty() {
            Ok(Targets { list, valid_until: now + Duration::from_secs(u64::from(ttl)) })
        } else if any {
            Err(NotFound::Unusable)
        } else if self.dns_failed {
            Err(NotFound::DnsFailed)
        } else {
            Err(NotFound::NoAddress)
        });
    }
}
