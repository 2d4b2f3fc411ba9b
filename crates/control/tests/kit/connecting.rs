//! The DNS of the kit, and those who take connections of the exchange.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_control::{Answer, Ask, AskId, NotConnected};
use ringback_sansio::sim::Link;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::resolve::{self, Data, Record, Target};

use super::{DELAY, PhoneId, UDP, World};

/// What the exchange finds when it looks for places and connects to them.
#[derive(Default)]
pub struct Outside {
    /// Records by question, as in `SRV _sip._tcp.edge.example`.
    pub records: BTreeMap<String, Vec<Data>>,
    /// Who takes connections.
    pub listening: BTreeSet<(Transport, SocketAddr)>,
    /// Where nothing comes back.
    pub silent: BTreeSet<SocketAddr>,
    /// Who does not take connections, and why.
    pub refusing: BTreeMap<SocketAddr, NotConnected>,
    /// What was asked, in words.
    pub log: Vec<String>,
    answers: VecDeque<(Instant, AskId, Question)>,
}

/// A question that waits for its time.
enum Question {
    Dns(resolve::Question),
    Connect(Target),
}

/// How long the exchange is left alone by who does not answer.
const SILENCE: Duration = Duration::from_secs(10);

impl Outside {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.answers.iter().map(|(at, ..)| *at).min()
    }

    /// Takes a question if it is about the world outside, else gives it back.
    pub fn ask(&mut self, now: Instant, id: AskId, ask: Ask) -> Option<Ask> {
        let (at, question) = match ask {
            Ask::Dns(question) => {
                self.log.push(question.to_string());
                (now + DELAY, Question::Dns(question))
            }
            Ask::Connect(target) => {
                let Target { transport, address, server_name } = &target;
                self.log.push(format!("connect {transport} {address} as {server_name}"));
                let is_silent = self.silent.contains(address);
                (now + if is_silent { SILENCE } else { DELAY }, Question::Connect(target))
            }
            other => return Some(other),
        };
        self.answers.push_back((at, id, question));
        None
    }
}

impl World {
    /// Somebody takes connections at the address of the phone.
    pub fn listen(&mut self, id: PhoneId, transport: Transport) {
        let address = self.phone(id).flow.local();
        self.outside.listening.insert((transport, address));
    }

    /// The answers whose time has come.
    pub(super) fn answer_from_outside(&mut self, now: Instant) {
        while let Some(at) = self.outside.answers.iter().position(|(at, ..)| *at <= now) {
            let Some((_, id, question)) = self.outside.answers.remove(at) else { return };
            let answer = match question {
                Question::Dns(question) => {
                    Answer::Dns(match self.outside.records.get(&question.to_string()) {
                        Some(data) => resolve::Answer::Records(
                            data.iter().map(|data| Record { ttl: 60, data: data.clone() }).collect(),
                        ),
                        None => resolve::Answer::Nothing { ttl: None },
                    })
                }
                Question::Connect(target) => Answer::Connected(self.take_connection(&target)),
            };
            self.exchange.handle_answer(now, id, answer);
            self.flush();
        }
    }

    fn take_connection(&mut self, target: &Target) -> Result<Flow, NotConnected> {
        let Target { transport, address, .. } = *target;
        if self.outside.silent.contains(&address) {
            return Err(NotConnected::Late);
        }
        if let Some(&why) = self.outside.refusing.get(&address) {
            return Err(why);
        }
        let server: SocketAddr = UDP.parse().unwrap();
        if transport == Transport::Udp {
            let flow = Flow::datagram(server, address);
            self.flows.insert(address, flow);
            return Ok(flow);
        }
        if !self.outside.listening.contains(&(transport, address)) {
            return Err(NotConnected::Unreachable);
        }
        self.connections += 1;
        self.network.mend(address);
        self.network.set_links(address, server, Link::stream(DELAY, Duration::ZERO));
        let flow = Flow {
            tuple: FiveTuple::new(transport, server, address),
            connection: ConnectionId(self.connections),
        };
        self.flows.insert(address, flow);
        let label = self.phones.iter().find(|phone| phone.flow.local() == address);
        let label = label.map_or_else(|| address.to_string(), |phone| phone.label.clone());
        self.drawing.note(self.clock.elapsed(), format!("ringback connects to {label} over {transport}"));
        Ok(flow)
    }
}
