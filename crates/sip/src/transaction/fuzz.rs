//! What holds whatever comes to the transaction layer, in whatever order; a fuzz target and a test call it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::fuzz::Input;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};

use super::{ClientId, Event, ServerId, Stats, Timers, Transactions};
use crate::message::{Builder, Message, Method, Name};

/// Lets a layer, its user and three far ends live through what the bytes say: steps, each an opcode and what it takes.
/// Nothing panics; the user hears of every transaction what [`Event`] promises, once; what is sent at one moment and what
/// is kept is bounded; and some minutes later nothing is left. Gives the counters, which say how deep it went.
pub fn transaction(data: &[u8], start: Instant) -> Stats {
    let mut play = Play::new(start);
    let mut input = Input(data);
    for _ in 0..MAX_STEPS {
        let Some(opcode) = input.byte() else { break };
        play.step(opcode, &mut input);
        play.drain();
    }
    play.end()
}

/// A layer, and what stands around it.
struct Play {
    now: Instant,
    layer: Transactions,
    flows: [Flow; 3],
    connections: u64,
    serial: u32,
    /// The requests that the user was given, the latest last.
    served: Vec<(ServerId, Message)>,
    /// Those of them of which the user was told that their 2xx was acknowledged, or never will be.
    settled: BTreeSet<ServerId>,
    asked: BTreeMap<ClientId, Asked>,
    /// What the layer sent lately, the latest first.
    heard: VecDeque<(Flow, Message)>,
    /// What was sent to it lately, the latest first.
    said: VecDeque<(usize, Message)>,
}

/// A request of the user.
struct Asked {
    request: Message,
    /// A 2xx to an INVITE has come.
    is_accepted: Option<Message>,
    /// The user will not hear of it again.
    is_over: bool,
}

impl Play {
    fn new(start: Instant) -> Self {
        let flow = |transport, host: u8, connection| {
            let (ours, theirs) = (([192, 0, 2, 1], 5060).into(), ([198, 51, 100, host], 5060).into());
            Flow { tuple: FiveTuple::new(transport, ours, theirs), connection: ConnectionId(connection) }
        };
        Play {
            now: start,
            layer: Transactions::new(Timers::default(), 7).with_limit(LIMIT),
            flows: [flow(Transport::Udp, 10, 0), flow(Transport::Udp, 11, 0), flow(Transport::Wss, 12, 1)],
            connections: 1,
            serial: 0,
            served: Vec::new(),
            settled: BTreeSet::new(),
            asked: BTreeMap::new(),
            heard: VecDeque::new(),
            said: VecDeque::new(),
        }
    }

    fn step(&mut self, opcode: u8, input: &mut Input<'_>) {
        match opcode % 16 {
            0..=2 => self.come(input),
            3 | 4 => self.answer(input),
            5 => self.leave(input),
            6 | 7 => self.ask(input),
            8 | 9 => self.respond(input),
            10 => self.acknowledge(input),
            11 => self.cancel(input),
            12 => self.repeat(input),
            13 => self.lose(input),
            14 => {
                let from = input.number(3);
                let length = usize::from(input.byte().unwrap_or_default());
                let bytes = Bytes::copy_from_slice(input.bytes(length));
                if let Ok(message) = Message::parse(bytes) {
                    self.say(from, message);
                }
            }
            _ => {
                const MILLISECONDS: [u64; 8] = [1, 100, 500, 500, 1_000, 4_000, 32_000, 64_000];
                let time = Duration::from_millis(input.one_of(&MILLISECONDS, 1));
                self.pass(time);
            }
        }
    }

    /// A request of a far end. There are few branches, so that some come again.
    fn come(&mut self, input: &mut Input<'_>) {
        const METHODS: [&Method; 8] = [
            &Method::Invite,
            &Method::Invite,
            &Method::Invite,
            &Method::Options,
            &Method::Bye,
            &Method::Register,
            &Method::Cancel,
            &Method::Ack,
        ];
        let (from, method) = (input.number(3), input.one_of(&METHODS, &Method::Options));
        let branch = input.number(16);
        // RFC 2543 had no magic cookie.
        let cookie = if branch == 15 { "" } else { "z9hG4bK" };
        let tag = if input.one_in(4) { ";tag=ours" } else { "" };
        let transport = self.flows.get(from).map_or(Transport::Udp, Flow::transport);
        let request = Builder::request(method.clone(), b"sip:b@example.com")
            .header(Name::Via, format!("SIP/2.0/{transport} host{};branch={cookie}{branch}", branch % 3))
            .header(Name::From, "<sip:a@example.com>;tag=theirs")
            .header(Name::To, format!("<sip:b@example.com>{tag}"))
            .header(Name::CallId, format!("call-{branch}"))
            .header(Name::CSeq, format!("1 {method}"))
            .finish();
        self.say(from, request);
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        const STATUSES: [u16; 8] = [100, 180, 200, 200, 202, 302, 486, 603];
        let back = input.number(KEPT);
        let Some((id, request)) = self.served.iter().rev().nth(back) else { return };
        let response = Builder::reply(request, input.one_of(&STATUSES, 200)).to_tag(b"ours").finish();
        self.layer.respond(self.now, *id, response);
    }

    /// The user answers without state, not at all, or does not wait for an ACK.
    fn leave(&mut self, input: &mut Input<'_>) {
        let back = input.number(KEPT);
        let Some((id, request)) = self.served.iter().rev().nth(back) else { return };
        match input.number(3) {
            0 => {
                let response = Builder::reply(request, 401).to_tag(b"ours").finish();
                self.layer.respond_statelessly(*id, response);
            }
            1 => self.layer.abandon(*id),
            _ => self.layer.stop_2xx(self.now, *id),
        }
    }

    /// The user sends a request.
    fn ask(&mut self, input: &mut Input<'_>) {
        const METHODS: [&Method; 4] = [&Method::Invite, &Method::Invite, &Method::Options, &Method::Ack];
        let (to, method) = (input.number(3), input.one_of(&METHODS, &Method::Options));
        let Some(&flow) = self.flows.get(to) else { return };
        self.serial += 1;
        let branch = self.layer.new_branch();
        let request = Builder::request(method.clone(), b"sip:a@example.com")
            .header(Name::Via, format!("SIP/2.0/{} 192.0.2.1;branch={branch}", flow.transport()))
            .header(Name::From, "<sip:b@example.com>;tag=ours")
            .header(Name::To, "<sip:a@example.com>")
            .header(Name::CallId, format!("ours-{}", self.serial))
            .header(Name::CSeq, format!("{} {method}", self.serial))
            .finish();
        let id = self.layer.request(self.now, flow, request.clone());
        let asked = Asked { request, is_accepted: None, is_over: false };
        assert!(self.asked.insert(id, asked).is_none(), "two requests have one id");
    }

    /// A far end answers something that it heard.
    fn respond(&mut self, input: &mut Input<'_>) {
        const STATUSES: [u16; 8] = [100, 180, 200, 200, 200, 407, 486, 487];
        let back = input.number(KEPT);
        let status = input.one_of(&STATUSES, 200);
        let tag: &[u8] = if input.one_in(4) { b"another" } else { b"theirs" };
        let heard = self.heard.get(back).filter(|(_, message)| message.is_request());
        let Some((flow, request)) = heard else { return };
        let response = Builder::reply(request, status).to_tag(tag).finish();
        let from = self.flows.iter().position(|known| known == flow).unwrap_or_default();
        self.say(from, response);
    }

    /// A far end acknowledges something that it heard, or the user does.
    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let (back, is_ours) = (input.number(KEPT), input.one_in(2));
        if is_ours {
            let accepted =
                self.asked.iter().rev().filter_map(|(id, asked)| Some((id, asked.is_accepted.as_ref()?)));
            let Some((id, response)) = accepted.clone().nth(back) else { return };
            let Some(&flow) = self.flows.first() else { return };
            let via = format!("SIP/2.0/UDP 192.0.2.1;branch={}", self.layer.new_branch());
            let ack = ack_of(response, via.as_bytes());
            self.layer.ack_2xx(*id, flow, ack);
            return;
        }
        let Some((flow, response)) = self.heard.get(back).filter(|(_, message)| !message.is_request()) else {
            return;
        };
        let from = self.flows.iter().position(|known| known == flow).unwrap_or_default();
        // The ACK of a 2xx has a branch of its own.
        let via = if input.one_in(2) {
            b"SIP/2.0/UDP x;branch=z9hG4bKack".to_vec()
        } else {
            response.header(Name::Via).unwrap_or_default().to_vec()
        };
        let ack = ack_of(response, &via);
        self.say(from, ack);
    }

    fn cancel(&mut self, input: &mut Input<'_>) {
        let back = input.number(KEPT);
        if let Some((id, _)) = self.asked.iter().rev().nth(back) {
            self.layer.cancel_because(self.now, *id, b"SIP;cause=200");
        }
    }

    fn repeat(&mut self, input: &mut Input<'_>) {
        let (back, from) = (input.number(KEPT), input.number(6));
        let Some((by, message)) = self.said.get(back).cloned() else { return };
        // Now and then from somebody else.
        self.say(if from < 3 { from } else { by }, message);
    }

    fn lose(&mut self, input: &mut Input<'_>) {
        let Some(flow) = self.flows.get_mut(input.number(3)) else { return };
        let lost = *flow;
        if lost.connection != ConnectionId::NONE {
            self.connections += 1;
            flow.connection = ConnectionId(self.connections);
        }
        self.layer.handle_flow_failed(self.now, lost);
    }

    fn say(&mut self, from: usize, message: Message) {
        self.said.push_front((from, message.clone()));
        self.said.truncate(KEPT);
        let Some(&flow) = self.flows.get(from) else { return };
        let event = self.layer.handle_message(self.now, flow, message);
        if let Some(event) = event {
            self.note(event);
        }
    }

    /// Takes what the layer has to send and to tell.
    fn drain(&mut self) {
        let most = 2 * (self.layer.client_count() + self.layer.server_count() + 1);
        let mut count = 0;
        while let Some(transmit) = self.layer.poll_transmit() {
            count += 1;
            assert!(count <= most, "it sends without end");
            if let Ok(message) = Message::parse(transmit.payload.clone()) {
                self.heard.push_front((transmit.flow, message));
                self.heard.truncate(KEPT);
            }
        }
        while let Some(event) = self.layer.poll_event() {
            self.note(event);
        }
        assert!(self.layer.server_count() <= LIMIT + LIMIT / 4, "more is kept than may be");
        // An INVITE may have a CANCEL beside it.
        assert!(self.layer.client_count() <= 2 * LIMIT, "more is kept than may be");
    }

    /// What the user is told is what it was promised.
    fn note(&mut self, event: Event) {
        match event {
            Event::Request { id, message, .. } => self.serve(id, message),
            Event::Cancel { id, invite, message, .. } => {
                assert!(invite.is_none_or(|invite| self.served.iter().any(|(id, _)| *id == invite)));
                self.serve(id, message);
            }
            Event::Ack { invite: Some(id), .. } | Event::Ok2xxUnacknowledged { id } => {
                assert!(self.settled.insert(id), "a 2xx is settled twice");
            }
            Event::Ack { invite: None, .. } | Event::StrayResponse { .. } => {}
            Event::Undeliverable { id } | Event::AckTimedOut { id } => {
                assert!(self.served.iter().any(|(served, _)| *served == id), "news of no request");
            }
            Event::Response { id, message } => {
                let status = message.status().unwrap_or_default();
                let asked = self.running(id);
                let is_invite = *asked.request.method_ref() == Method::Invite;
                match status {
                    ..200 => assert!(asked.is_accepted.is_none(), "a 1xx after the 2xx"),
                    200..300 if is_invite => asked.is_accepted = Some(message),
                    _ => {
                        assert!(asked.is_accepted.is_none(), "a refusal after the 2xx");
                        asked.is_over = true;
                    }
                }
            }
            Event::TimedOut { id } | Event::TransportFailed { id } => {
                let asked = self.running(id);
                assert!(asked.is_accepted.is_none(), "it fails after the 2xx");
                asked.is_over = true;
            }
            Event::Terminated { id } => {
                let asked = self.running(id);
                assert!(asked.is_accepted.is_some(), "it ends without a 2xx");
                asked.is_over = true;
            }
        }
    }

    fn serve(&mut self, id: ServerId, message: Message) {
        assert!(self.served.iter().all(|(served, _)| *served != id), "two requests have one id");
        self.served.push((id, message));
    }

    /// A request of the user that is not over.
    fn running(&mut self, id: ClientId) -> &mut Asked {
        match self.asked.get_mut(&id) {
            Some(asked) if !asked.is_over => asked,
            _ => unreachable!("news of a request that is over, or never was"),
        }
    }

    /// Time goes by, timer after timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(at) = self.layer.poll_timeout().filter(|&at| at <= end) {
            rounds += 1;
            assert!(rounds <= MAX_ROUNDS, "it is always due");
            self.now = self.now.max(at);
            self.layer.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The user ends what it has begun; some minutes later nothing is left.
    fn end(mut self) -> Stats {
        let stats = *self.layer.stats();
        for (id, _) in &self.served {
            self.layer.abandon(*id);
        }
        for id in self.asked.keys() {
            self.layer.cancel(self.now, *id);
        }
        self.drain();
        self.pass(PATIENCE);
        assert_eq!((self.layer.client_count(), self.layer.server_count()), (0, 0), "something is left");
        assert_eq!(self.layer.poll_timeout(), None);
        assert!(self.asked.values().all(|asked| asked.is_over), "the user never hears the end");
        stats
    }
}

fn ack_of(response: &Message, via: &[u8]) -> Message {
    let number = response.cseq().map_or(1, |cseq| cseq.number);
    Builder::request(Method::Ack, b"sip:x@example.com")
        .header(Name::Via, via)
        .copy(response, Name::From)
        .copy(response, Name::To)
        .copy(response, Name::CallId)
        .header(Name::CSeq, format!("{number} ACK"))
        .finish()
}

/// The limit of the layer: low, so that it is reached.
const LIMIT: usize = 8;
/// Messages and requests that are remembered.
const KEPT: usize = 8;
/// Steps that one input may have.
const MAX_STEPS: usize = 400;
/// Timers within one step of time.
const MAX_ROUNDS: usize = 2000;
/// Every timer of everything that was begun has fired by then.
const PATIENCE: Duration = Duration::from_secs(200);
