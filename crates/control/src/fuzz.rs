//! What holds whatever comes, in whatever order; a fuzz target and a test call it.

mod bodies;
mod reliable;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ringback_media::negotiation::{Credentials, Local, LocalVideo, Profile, Seed, Srtp, Transcoding};
use ringback_media::session::{Gone, LegKey};
use ringback_sansio::fuzz::Input;
use ringback_sansio::{ConnectionId, FiveTuple, Flow, Transport};
use ringback_sip::digest::{self, Algorithm, Ha1, Login, Purpose};
use ringback_sip::gruu::Gruus;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::resolve;

use bodies::{FAX, report, with_body};

use crate::ask::{Answer, Ask, AskId, NotConnected, User};
use crate::exchange::Exchange;
use crate::features::Features;
use crate::header_tables::HeaderTables;
use crate::media::{MediaCommand, MediaEvent, Medium};
use crate::messages::StoredMessage;
use crate::settings::{Bypass, Epoch, Limits, RecordedCalls, Recording, Settings};
use crate::stats::Stats;

/// Lets an exchange live through what the bytes say: a byte for how it begins and whether media may go past it, then
/// steps, each an opcode and what it takes. Nothing panics, every message of the exchange keeps the rules of SIP, and in
/// the end nothing of all that is left. Gives the counters, which say how deep it went.
pub fn exchange(start: Instant, data: &[u8]) -> Stats {
    let mut input = Input(data);
    let beginning = input.number(2 * PROLOGUES.len());
    let bypass = if beginning < PROLOGUES.len() { Bypass::Never } else { Bypass::Local };
    let Some(mut play) = Play::new(start, bypass) else { return Stats::default() };
    let prologue = PROLOGUES.get(beginning % PROLOGUES.len()).copied().unwrap_or_default();
    play.live(&mut Input(prologue));
    play.live(&mut input);
    play.end();
    play.exchange.stats
}

/// An exchange, and what stands around it.
struct Play {
    exchange: Exchange,
    now: Instant,
    flows: [Flow; 4],
    connections: u64,
    /// What the exchange sent lately, the latest first.
    heard: VecDeque<(Flow, Message)>,
    /// What was sent to it lately, the latest first.
    said: VecDeque<(usize, Bytes)>,
    legs: VecDeque<LegKey>,
    asks: VecDeque<(AskId, Answer)>,
    messages: VecDeque<StoredMessage>,
    is_slow: bool,
    is_broken: bool,
    serial: u32,
}

impl Play {
    fn new(start: Instant, bypass: Bypass) -> Option<Self> {
        let settings = Settings {
            domains: Vec::new(),
            realm: "ringback".to_owned(),
            digest: vec![Algorithm::Md5],
            public_addresses: Vec::new(),
            own_addresses: vec![TELEPHONES.into()],
            listeners: Vec::new(),
            workers: 1,
            bypass,
            transcoding: Transcoding::default(),
            video: true,
            srtp: None,
            recording: Recording { calls: RecordedCalls::Asked, beep: true, ..Recording::default() },
            hold_music: true,
            sounds: vec!["open".into()],
            worker: 0,
            headers: HeaderTables::default(),
            limits: Limits { calls_per_user: 4, ring: Duration::from_secs(20), ..Limits::default() },
            epoch: Epoch { instant: start, time: SystemTime::UNIX_EPOCH },
            gruus: Gruus::new([7; 32]),
            seed: [7; 32],
        };
        // Where media may go past the exchange, telephones are where their session descriptions say.
        let telephone = |host, port| match bypass {
            Bypass::Never => {
                Flow::datagram(([192, 0, 2, 1], 5060).into(), ([198, 51, 100, host], 5060).into())
            }
            Bypass::Local => Flow::datagram(([192, 0, 2, 1], 5060).into(), (TELEPHONES, port).into()),
        };
        let flow = |transport, host: u8, connection| {
            let ours = ([192, 0, 2, 1], 5060).into();
            let theirs = ([198, 51, 100, host], 5060).into();
            Flow { tuple: FiveTuple::new(transport, ours, theirs), connection: ConnectionId(connection) }
        };
        let mut exchange = Exchange::new(settings).ok()?;
        for user in ["user0", "user1", "user2"] {
            let group = Some("group".to_owned());
            exchange.set_features(user, Features { group, ..Features::default() });
        }
        Some(Play {
            exchange,
            now: start,
            flows: [
                telephone(10, 5062),
                telephone(11, 5064),
                flow(Transport::Wss, 12, 1),
                flow(Transport::Wss, 13, 2),
            ],
            connections: 2,
            heard: VecDeque::new(),
            said: VecDeque::new(),
            legs: VecDeque::new(),
            asks: VecDeque::new(),
            messages: VecDeque::new(),
            is_slow: false,
            is_broken: false,
            serial: 0,
        })
    }

    fn live(&mut self, input: &mut Input<'_>) {
        for _ in 0..MAX_STEPS {
            let Some(opcode) = input.byte() else { break };
            self.step(opcode, input);
            self.carry();
        }
    }

    fn step(&mut self, opcode: u8, input: &mut Input<'_>) {
        if opcode >= reliable::FIRST_OPCODE {
            return self.rely(opcode, input);
        }
        match opcode % 20 {
            0 => {
                let from = input.number(4);
                let length = input.number(256);
                let bytes = Bytes::copy_from_slice(input.bytes(length));
                self.say(from, bytes);
            }
            1 => {
                let from = input.number(4);
                let register = self.request(from, Method::Register, from).finish();
                self.say_with_credentials(from, register);
            }
            2 | 3 => self.dial(input),
            4 => self.dial_in_place(input),
            5..=7 => self.respond(input),
            8 => self.acknowledge(input),
            9 | 10 => self.ask_in_dialog(input),
            11 => self.cancel(input),
            12 => self.repeat_changed(input),
            13 => self.tell_of_media(input),
            14 => {
                const MILLISECONDS: [u64; 8] = [1, 20, 500, 1_000, 5_000, 20_000, 40_000, 100_000];
                let step = MILLISECONDS.get(input.number(8)).copied().unwrap_or(1);
                self.pass(Duration::from_millis(step));
            }
            15 => self.disturb(input),
            16 => self.subscribe(input),
            17 => self.publish(input),
            18 => {
                let (from, to) = (input.number(4), input.number(6));
                let body = input.bytes(4);
                let request = self.request(from, Method::Message, to).body(b"text/plain", body).finish();
                self.say_with_credentials(from, request);
            }
            _ => self.resubscribe(input),
        }
    }

    fn subscribe(&mut self, input: &mut Input<'_>) {
        let (from, to) = (input.number(4), input.number(6));
        let event = EVENTS.get(input.number(EVENTS.len())).copied().unwrap_or("presence");
        let request = self
            .request(from, Method::Subscribe, to)
            .header(Name::Event, event)
            .header(Name::Expires, EXPIRES.get(input.number(EXPIRES.len())).copied().unwrap_or("0"));
        let request = if input.number(4) == 0 {
            let list = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
                <entry uri=\"sip:user0@192.0.2.1\"/><entry uri=\"sip:user1@192.0.2.1\"/></list></resource-lists>";
            request
                .header(Name::Supported, "eventlist")
                .body(b"application/resource-lists+xml", list.as_bytes())
        } else {
            request
        };
        self.say_with_credentials(from, request.finish());
    }

    fn publish(&mut self, input: &mut Input<'_>) {
        let from = input.number(4);
        let document = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"><tuple id=\"t\"><status><basic>open</basic>\
            </status></tuple></presence>";
        let etag =
            self.heard.iter().find_map(|(_, message)| message.header(Name::SipETag)).map(<[u8]>::to_vec);
        let request = self
            .request(from, Method::Publish, from)
            .header(Name::Event, "presence")
            .header(Name::Expires, EXPIRES.get(input.number(EXPIRES.len())).copied().unwrap_or("0"));
        let request = match etag.filter(|_| input.number(2) == 0) {
            Some(etag) => request.header(Name::SipIfMatch, etag),
            None => request,
        };
        let request = match input.number(3) {
            0 => request,
            1 => request.body(b"application/pidf+xml", document.as_bytes()),
            _ => {
                let report = report(&self.dialog_heard(input));
                let request = self.request(from, Method::Publish, from).header(Name::Event, "vq-rtcpxr");
                request.body(b"application/vq-rtcpxr", report.as_bytes())
            }
        };
        self.say_with_credentials(from, request.finish());
    }

    /// Refreshes or ends the subscription of a NOTIFY that the exchange sent.
    fn resubscribe(&mut self, input: &mut Input<'_>) {
        let at = input.number(KEPT);
        let expires = EXPIRES.get(input.number(EXPIRES.len())).copied().unwrap_or("0");
        let notifies = self.heard.iter().filter(|(_, message)| *message.method_ref() == Method::Notify);
        let Some((flow, notify)) = notifies.filter(|(_, message)| message.is_request()).nth(at) else {
            return;
        };
        let flow = *flow;
        self.serial += 1;
        let request = Builder::request(Method::Subscribe, b"sip:ringback@192.0.2.1")
            .header(Name::Via, format!("SIP/2.0/{} x;branch=z9hG4bKs{}", flow.transport(), self.serial))
            .header(Name::From, notify.header(Name::To).unwrap_or_default())
            .header(Name::To, notify.header(Name::From).unwrap_or_default())
            .copy(notify, Name::CallId)
            .header(Name::CSeq, format!("{} SUBSCRIBE", self.serial + 100))
            .copy(notify, Name::Event)
            .header(Name::Expires, expires)
            .header(Name::Contact, "<sip:x@198.51.100.99>")
            .finish();
        self.say_over(flow, request.bytes().clone());
    }

    fn disturb(&mut self, input: &mut Input<'_>) {
        match input.number(64) {
            0..32 => {
                let at = 2 + input.number(2);
                if let Some(flow) = self.flows.get_mut(at) {
                    let lost = *flow;
                    self.connections += 1;
                    flow.connection = ConnectionId(self.connections);
                    self.exchange.handle_flow_lost(self.now, lost);
                }
            }
            32..48 => self.is_slow = !self.is_slow,
            48..60 => self.is_broken = !self.is_broken,
            60..62 => {
                // A phone on another network.
                if let Some(flow) = self.flows.get_mut(input.number(2)) {
                    let remote = ([203, 0, 113, 1 + input.number(9) as u8], 5060).into();
                    *flow = Flow::datagram(flow.local(), remote);
                }
            }
            62 => self.exchange.drain(),
            _ => self.exchange.shut_down(self.now),
        }
    }

    fn dial(&mut self, input: &mut Input<'_>) {
        let (from, callee) = (input.number(4), input.number(12));
        let invite = self.request(from, Method::Invite, callee);
        let invite = with_body(invite, input.number(6)).finish();
        self.say_with_credentials(from, invite);
    }

    /// Dials in the place of a dialog, or into one, of a message that the exchange sent.
    fn dial_in_place(&mut self, input: &mut Input<'_>) {
        let (way, dialog) = (input.number(8), self.dialog_heard(input));
        let (from, name) = (way % 4, if way < 4 { Name::Replaces } else { Name::Join });
        let invite = self.request(from, Method::Invite, from).header(name, dialog);
        let invite = with_body(invite, input.number(6)).finish();
        self.say_with_credentials(from, invite);
    }

    /// The dialog of a message that the exchange sent, as Replaces and Join name it.
    fn dialog_heard(&self, input: &mut Input<'_>) -> String {
        let Some((_, of)) = self.heard.get(input.number(KEPT)) else {
            return "x;to-tag=1;from-tag=2".to_owned();
        };
        let tag = |address: Result<ringback_sip::header::Address<'_>, _>| {
            let tag = address.ok().and_then(|address| address.tag()).unwrap_or(b"usual");
            String::from_utf8_lossy(tag).into_owned()
        };
        let (from, to) = (tag(of.from()), tag(of.to()));
        let (ours, theirs) = if of.is_request() { (from, to) } else { (to, from) };
        let call_id = String::from_utf8_lossy(of.call_id().unwrap_or_default());
        format!("{call_id};to-tag={ours};from-tag={theirs}")
    }

    /// Answers a request that the exchange sent.
    fn respond(&mut self, input: &mut Input<'_>) {
        const STATUSES: [u16; 16] =
            [100, 180, 183, 200, 200, 200, 202, 302, 401, 408, 481, 486, 488, 491, 503, 603];
        let at = input.number(KEPT);
        let Some((flow, request)) = self.heard.get(at).filter(|(_, message)| message.is_request()) else {
            return;
        };
        let (flow, status) = (*flow, STATUSES.get(input.number(16)).copied().unwrap_or(200));
        let tag: &[u8] = if input.number(8) == 0 { b"other" } else { b"usual" };
        let contact = if input.number(8) == 0 { "*" } else { "<sip:x@198.51.100.99>" };
        let response = Builder::reply(request, status).to_tag(tag).header(Name::Contact, contact);
        let response = if input.number(4) == 0 {
            response.header(Name::SessionExpires, "60;refresher=uac")
        } else {
            response
        };
        let kind = input.number(6);
        let response = with_body(response, if kind == 5 { FAX } else { kind }).finish();
        self.say_over(flow, response.bytes().clone());
    }

    /// Acknowledges a 2xx of the exchange.
    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let at = input.number(KEPT);
        let Some((flow, response)) = self.heard.get(at).filter(|(_, message)| !message.is_request()) else {
            return;
        };
        let (flow, number) = (*flow, response.cseq().map_or(1, |cseq| cseq.number));
        let ack = Builder::request(Method::Ack, b"sip:ringback@192.0.2.1")
            .header(Name::Via, format!("SIP/2.0/{} x;branch=z9hG4bKa{}", flow.transport(), self.serial))
            .copy(response, Name::From)
            .copy(response, Name::To)
            .copy(response, Name::CallId)
            .header(Name::CSeq, format!("{number} ACK"));
        let ack = with_body(ack, input.number(6)).finish();
        self.serial += 1;
        self.say_over(flow, ack.bytes().clone());
    }

    /// Sends a request in the dialog of a message that the exchange sent.
    fn ask_in_dialog(&mut self, input: &mut Input<'_>) {
        const METHODS: [Method; 7] = [
            Method::Invite,
            Method::Bye,
            Method::Update,
            Method::Info,
            Method::Message,
            Method::Options,
            Method::Refer,
        ];
        let at = input.number(KEPT);
        let method = METHODS.get(input.number(7)).cloned().unwrap_or(Method::Bye);
        let may_offer = matches!(method, Method::Invite | Method::Update);
        let is_info = method == Method::Info;
        let Some((flow, of)) = self.heard.get(at) else { return };
        let flow = *flow;
        let (from, to) = if of.is_request() { (Name::To, Name::From) } else { (Name::From, Name::To) };
        self.serial += 1;
        let request = Builder::request(method.clone(), b"sip:ringback@192.0.2.1")
            .header(Name::Via, format!("SIP/2.0/{} x;branch=z9hG4bKd{}", flow.transport(), self.serial))
            .header(Name::From, with_tag(of.header(from).unwrap_or_default()))
            .header(Name::To, of.header(to).unwrap_or_default())
            .copy(of, Name::CallId)
            .header(Name::CSeq, format!("{} {method}", self.serial + 100));
        let request = match input.number(4) {
            0 => request.header(Name::SessionExpires, "60;refresher=uas"),
            1 => request.header(Name::Require, "timer, teleport"),
            _ => request.header(Name::Contact, "<sip:x@198.51.100.99>"),
        };
        let request = match (method, input.number(8)) {
            (Method::Refer, way @ (0 | 4)) => {
                let dialog = self.dialog_heard(input).replace(';', "%3B").replace('=', "%3D");
                let name = if way == 0 { "Replaces" } else { "Join" };
                request.header(Name::ReferTo, format!("<sip:ringback@192.0.2.1?{name}={dialog}>"))
            }
            (Method::Refer, 1 | 5) => request.header(Name::ReferTo, "sip:echo@192.0.2.1"),
            (Method::Refer, way) => request.header(Name::ReferTo, format!("<sip:user{}@192.0.2.1>", way % 4)),
            _ => request,
        };
        let request = match input.number(6) {
            1..=4 if is_info => {
                request.body(b"application/vq-rtcpxr", report(&self.dialog_heard(input)).as_bytes())
            }
            5 if may_offer => with_body(request, FAX),
            kind => with_body(request, kind),
        };
        let request = request.finish();
        self.say_over(flow, request.bytes().clone());
    }

    /// Cancels something that was said.
    fn cancel(&mut self, input: &mut Input<'_>) {
        let at = input.number(KEPT);
        let Some((from, bytes)) = self.said.get(at).cloned() else { return };
        let Ok(invite) = Message::parse(bytes) else { return };
        let number = invite.cseq().map_or(1, |cseq| cseq.number);
        let cancel = Builder::request(Method::Cancel, invite.request_uri())
            .copy(&invite, Name::Via)
            .copy(&invite, Name::From)
            .copy(&invite, Name::To)
            .copy(&invite, Name::CallId)
            .header(Name::CSeq, format!("{number} CANCEL"))
            .finish();
        self.say(from, cancel.bytes().clone());
    }

    /// Says something again, with some bytes changed.
    fn repeat_changed(&mut self, input: &mut Input<'_>) {
        let at = input.number(KEPT);
        let Some((from, bytes)) = self.said.get(at).cloned() else { return };
        let mut bytes = bytes.to_vec();
        for _ in 0..input.number(4) {
            let place = input.number(256) * 8 + input.number(8);
            let value = input.byte().unwrap_or_default();
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        self.say(from, Bytes::from(bytes));
    }

    fn tell_of_media(&mut self, input: &mut Input<'_>) {
        let key = self.legs.get(input.number(KEPT)).copied().unwrap_or(LegKey(u64::MAX));
        let event = match input.number(9) {
            0 => MediaEvent::Connected(key),
            1 => MediaEvent::FirstPacket(key),
            2 => MediaEvent::Gone(key, Gone::ConsentLost),
            3 => MediaEvent::Gone(key, Gone::NoMedia),
            4 => MediaEvent::Closed(key, None),
            5 => MediaEvent::Gone(key, Gone::Failed),
            6 => MediaEvent::Opened(key, Err("no".to_owned())),
            7 => MediaEvent::PictureWanted(key),
            _ => MediaEvent::VideoOpened(key, Err("no".to_owned())),
        };
        self.exchange.handle_media(self.now, event);
    }

    /// A request outside of dialogs, of the user of a flow.
    fn request(&mut self, from: usize, method: Method, callee: usize) -> Builder {
        const CALLEES: [&str; 12] = [
            "user0", "user1", "user2", "user3", "echo", "nobody", "*8", "*8user1", "*72user2", "*73",
            "*90user3", "*92echo",
        ];
        self.serial += 1;
        let transport = self.flows.get(from).map_or(Transport::Udp, Flow::transport);
        let callee = CALLEES.get(callee).copied().unwrap_or("echo");
        Builder::request(method.clone(), format!("sip:{callee}@192.0.2.1").as_bytes())
            .header(Name::Via, format!("SIP/2.0/{transport} x;branch=z9hG4bKr{}", self.serial))
            .header(Name::From, format!("<sip:user{from}@192.0.2.1>;tag=f{}", self.serial))
            .header(Name::To, format!("<sip:{callee}@192.0.2.1>"))
            .header(Name::CallId, format!("call-{}", self.serial))
            .header(Name::CSeq, format!("1 {method}"))
            .header(Name::Contact, format!("<sip:user{from}@{}>", self.host(from)))
    }

    /// The address of a phone.
    fn host(&self, phone: usize) -> IpAddr {
        self.flows.get(phone).map_or([198, 51, 100, 99].into(), |flow| flow.remote().ip())
    }

    /// Sends a request and, when it is challenged, again with credentials.
    fn say_with_credentials(&mut self, from: usize, request: Message) {
        self.say(from, request.bytes().clone());
        self.carry();
        let Some((_, challenge)) = self.heard.front() else { return };
        let (asked, given) = match challenge.status() {
            Some(401) => (Name::WwwAuthenticate, Name::Authorization),
            Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return,
        };
        let user = format!("user{from}");
        let login = Login { realm: None, user: user.as_bytes(), password: PASSWORD };
        let purpose = Purpose {
            method: request.method_ref().as_bytes(),
            uri: request.request_uri(),
            cnonce: "c",
            nc: 1,
        };
        let Ok(value) = digest::answer(challenge.headers(asked), &login, &purpose) else { return };
        self.serial += 1;
        let mut edit = request.edit();
        let via = format!("SIP/2.0/UDP x;branch=z9hG4bKc{}", self.serial);
        edit.replace(Name::Via, via.as_bytes());
        edit.replace(Name::CSeq, format!("2 {}", request.method_ref()).as_bytes());
        edit.push_back(given, &value);
        let request = edit.finish();
        self.say(from, request.bytes().clone());
    }

    fn say(&mut self, from: usize, bytes: Bytes) {
        self.said.push_front((from, bytes.clone()));
        self.said.truncate(KEPT);
        if let Some(flow) = self.flows.get(from).copied() {
            self.exchange.handle_message(self.now, flow, bytes);
        }
    }

    /// Sends over the flow that something came by, or over the one that its far end has by now.
    fn say_over(&mut self, flow: Flow, bytes: Bytes) {
        let from = self.flows.iter().position(|known| known.remote() == flow.remote()).unwrap_or_default();
        self.say(from, bytes);
    }

    /// Carries out what the exchange wants.
    fn carry(&mut self) {
        loop {
            let mut is_quiet = true;
            while let Some(transmit) = self.exchange.poll_transmit() {
                let parsed = Message::parse(transmit.payload.clone());
                // An answer to what cannot be read echoes what cannot be read.
                let is_echo = transmit.payload.starts_with(b"SIP/2.0 400 ");
                assert!(is_echo || parsed.is_ok(), "the exchange does not write SIP: {:?}", transmit.payload);
                let Ok(message) = parsed else { continue };
                assert!(
                    is_echo || message.validate().is_ok(),
                    "the exchange breaks a rule of SIP: {message:?}"
                );
                self.heard.push_front((transmit.flow, message));
                self.heard.truncate(KEPT);
            }
            while let Some((id, ask)) = self.exchange.poll_ask() {
                let answer = match ask {
                    Ask::Credentials { user, .. } => Answer::Credentials(account(&user)),
                    Ask::StoredMessages { user, after } => {
                        let waits = |message: &&StoredMessage| message.user == user && message.number > after;
                        Answer::Messages(self.messages.iter().filter(waits).take(2).cloned().collect())
                    }
                    Ask::StoreMessage(mut message) => {
                        if !self.is_broken {
                            self.serial += 1;
                            message.number = self.serial.into();
                            self.messages.push_back(*message);
                        }
                        Answer::Persisted(!self.is_broken)
                    }
                    Ask::MessageDelivered { number, .. } => {
                        self.messages.retain(|message| message.number != number);
                        Answer::Persisted(!self.is_broken)
                    }
                    Ask::Dns(_) => Answer::Dns(resolve::Answer::Failed),
                    Ask::Connect(target) => Answer::Connected(connected(&target, self.serial)),
                    Ask::Persist(_)
                    | Ask::Record(_)
                    | Ask::AmendRecord { .. }
                    | Ask::ForgetMessages { .. }
                    | Ask::Features { .. } => Answer::Persisted(!self.is_broken),
                };
                self.asks.push_back((id, answer));
            }
            if !self.is_slow {
                while let Some((id, answer)) = self.asks.pop_front() {
                    is_quiet = false;
                    self.exchange.handle_answer(self.now, id, answer);
                }
            }
            while let Some((_, key, command)) = self.exchange.poll_media() {
                is_quiet = false;
                self.serve(key, command);
            }
            while self.exchange.poll_event().is_some() {}
            if is_quiet {
                break;
            }
        }
        assert_eq!(self.exchange.stats().panics, 0, "a mistake was contained");
    }

    /// A media worker that opens and closes legs.
    fn serve(&mut self, key: LegKey, command: MediaCommand) {
        match command {
            MediaCommand::Open { medium, video, .. } => {
                self.legs.push_front(key);
                self.legs.truncate(KEPT);
                let local = Local { video: video.then(local_video), ..local(medium) };
                self.exchange.handle_media(self.now, MediaEvent::Opened(key, Ok(Box::new(local))));
            }
            MediaCommand::OpenVideo { .. } => {
                self.exchange
                    .handle_media(self.now, MediaEvent::VideoOpened(key, Ok(Box::new(local_video()))));
            }
            MediaCommand::Close => self.exchange.handle_media(self.now, MediaEvent::Closed(key, None)),
            MediaCommand::Restart(_)
            | MediaCommand::Configure(..)
            | MediaCommand::ConfigureVideo(..)
            | MediaCommand::Watch { .. }
            | MediaCommand::AskPicture
            | MediaCommand::Press { .. }
            | MediaCommand::Join(_)
            | MediaCommand::Locate(_)
            | MediaCommand::Report
            | MediaCommand::Echo
            | MediaCommand::Play(_)
            | MediaCommand::StopPlaying
            | MediaCommand::Record(_)
            | MediaCommand::PauseRecording(_)
            | MediaCommand::ResumeRecording(_)
            | MediaCommand::StopRecording(_)
            | MediaCommand::DiscardRecording(_) => {}
        }
    }

    /// Time goes by, timer after timer.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.exchange.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.exchange.handle_timeout(self.now);
            self.carry();
        }
        self.now = end;
    }

    /// All calls are ended and all questions answered: some minutes later nothing is left.
    fn end(&mut self) {
        self.is_slow = false;
        self.carry();
        self.exchange.shut_down(self.now);
        self.carry();
        self.pass(PATIENCE);
        assert_eq!(self.exchange.under_way(), 0, "something is left of what has ended");
        assert_eq!(self.exchange.subscriptions(), 0, "a subscription is left");
    }
}

/// A header field value whose address has a tag.
fn with_tag(value: &[u8]) -> Vec<u8> {
    let has_tag = value.windows(5).any(|window| window == b";tag=");
    if has_tag { value.to_vec() } else { [value, b";tag=usual"].concat() }
}

fn account(user: &str) -> Option<User> {
    let is_known = matches!(user, "user0" | "user1" | "user2" | "user3");
    is_known.then(|| User {
        name: user.to_owned(),
        display: None,
        ha1: vec![Ha1::of_password(Algorithm::Md5, user.as_bytes(), b"ringback", PASSWORD)],
    })
}

fn local(medium: Medium) -> Local {
    let profile = match medium {
        Medium::WebRtc => Profile::WebRtc,
        Medium::Rtp => Profile::Rtp,
    };
    let ice = Credentials::from_random(&[5; Credentials::RANDOM_LEN]);
    Local {
        profile,
        address: [192, 0, 2, 1].into(),
        rtp: 20_000,
        rtcp: 20_001,
        ice: (profile == Profile::WebRtc).then_some(ice),
        candidates: Vec::new(),
        fingerprint: None,
        srtp: Srtp::Offered,
        seed: (profile == Profile::Rtp).then(|| Seed::new([6; 32])),
        video: None,
    }
}

fn local_video() -> LocalVideo {
    LocalVideo { rtp: 20_002, rtcp: 20_003, sources: None, seed: None }
}

/// How a play can begin: with nothing, with everybody signed in, with a call of two telephones, of two browsers, and with
/// one that still rings.
const PROLOGUES: &[&[u8]] = &[
    &[],
    &[1, 0, 1, 1, 1, 2, 1, 3],
    &[1, 0, 1, 1, 2, 0, 1, 1, 5, 0, 3, 1, 1, 1, 1, 8, 0, 0],
    &[1, 2, 1, 3, 2, 2, 3, 4, 5, 0, 3, 1, 1, 1, 4, 8, 0, 0],
    &[1, 0, 1, 2, 2, 0, 2, 1, 5, 0, 1, 1, 1, 1, 0],
];
const EVENTS: [&str; 6] = ["presence", "dialog", "message-summary", "reg", "conference", "presence;id=1"];
const EXPIRES: [&str; 4] = ["0", "1", "15", "3600"];
/// The address in [`with_body`]'s descriptions of telephones.
const TELEPHONES: [u8; 4] = [198, 51, 100, 9];
const PASSWORD: &[u8] = b"secret";
/// Messages and legs that are remembered.
const KEPT: usize = 12;
/// Steps that one input may have.
const MAX_STEPS: usize = 400;
/// Every timer of everything that was begun has fired by then.
const PATIENCE: Duration = Duration::from_secs(300);

/// The flow to a target that takes connections, which those with an even port do.
fn connected(target: &resolve::Target, serial: u32) -> Result<Flow, NotConnected> {
    if target.address.port() % 2 == 1 {
        return Err(NotConnected::Unreachable);
    }
    let tuple = FiveTuple::new(target.transport, ([192, 0, 2, 1], 5060).into(), target.address);
    let connection = match target.transport {
        Transport::Udp => ConnectionId::NONE,
        _ => ConnectionId(1 << 32 | u64::from(serial) << 8 | u64::from(target.address.port() & 0xff)),
    };
    Ok(Flow { tuple, connection })
}
