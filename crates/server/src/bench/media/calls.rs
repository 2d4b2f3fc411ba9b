//! The calls of a load: how each comes to where media flows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rand::Rng;
use ringback_media::srtp::{MasterKey, Suite};
use ringback_nat::ice::Credentials;

use super::Kind;
use super::browser::{Browser, Step};
use super::description::{self, Own};
use super::drive::{Drive, Owner, PACKET_ROOM, TICK};
use super::end::End;
use super::ng::{Request, dictionary};
use super::stream::Stream;
use crate::bench::BenchError;

/// How far a call is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) state: State,
    pub(super) begun: Instant,
    /// Whether the engine has answered anything of it.
    pub(super) is_known: bool,
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Offering,
    Answering,
    Connecting,
    Up,
    Over,
}

impl Drive<'_> {
    /// Brings the calls to where media can flow, some at a time.
    pub(super) fn set_up(&mut self) -> Result<(), BenchError> {
        let calls = self.options.calls as usize;
        loop {
            while self.calls.len() < calls && self.in_progress() < AT_ONCE {
                self.begin()?;
            }
            if self.calls.len() == calls && self.in_progress() == 0 {
                return Ok(());
            }
            self.step(TICK)?;
            self.show_progress("setting up");
        }
    }

    fn in_progress(&self) -> usize {
        let is_on_its_way = |call: &&Call| !matches!(call.state, State::Up | State::Over);
        // Calls begin in order, and those before the last few are done.
        self.calls.iter().rev().take(4 * AT_ONCE).filter(is_on_its_way).count()
    }

    /// Makes both ends of a call and offers it.
    fn begin(&mut self) -> Result<(), BenchError> {
        let number = self.calls.len();
        let kind = self.options.kind;
        for (side, kind) in [kind, Kind::Plain].into_iter().enumerate() {
            let socket = self.socket_for(number, kind)?;
            if let Some(owner @ Owner::Nobody) = self.owners.get_mut(socket) {
                *owner = match kind {
                    Kind::Webrtc => Owner::One(self.ends.len()),
                    _ => Owner::ByPort(HashMap::new()),
                };
            }
            let [callers, callees] = &self.sounds;
            let heard = if side == 0 { callers } else { callees };
            let mut random = [0; Credentials::RANDOM_LEN];
            rand::rng().fill_bytes(&mut random);
            let suite = Suite::AesCm128HmacSha1_80;
            let key = random.get(..suite.key_len() + suite.salt_len());
            self.ends.push(End {
                socket,
                engine: None,
                key: key.filter(|_| kind == Kind::Sdes).and_then(|key| MasterKey::split(suite, key)),
                ice: (kind == Kind::Webrtc).then(|| Credentials::from_random(&random)),
                browser: None,
                keys: None,
                stream: Stream::new(kind, heard.clone(), rand::random()),
            });
        }
        self.calls.push(Call { state: State::Offering, begun: Instant::now(), is_known: false });
        let offer = self.description(2 * number);
        self.ask(number, Request::Offer(&offer));
        Ok(())
    }

    /// The socket of an end: one of its own for a browser, else one that it shares with others of its side.
    fn socket_for(&mut self, number: usize, kind: Kind) -> Result<usize, BenchError> {
        let side = self.ends.len() % 2;
        if kind != Kind::Webrtc
            && !number.is_multiple_of(SHARED)
            && let Some(end) = self.ends.get(2 * (number - 1) + side)
        {
            return Ok(end.socket);
        }
        let from = self.options.from;
        let (socket, _) = self.sockets.open(from).map_err(|error| BenchError::Bind(from, error))?;
        self.owners.push(Owner::Nobody);
        Ok(socket)
    }

    /// What an end says of itself.
    fn description(&self, end: usize) -> Bytes {
        let kind = if end.is_multiple_of(2) { self.options.kind } else { Kind::Plain };
        let Some(End { socket, key, ice, .. }) = self.ends.get(end) else { return Bytes::new() };
        let own = Own {
            rtp: SocketAddr::new(self.options.from, self.sockets.port(*socket)),
            rtcp: self.rtcp,
            session: end as u64 + 1,
            ice: ice.as_ref(),
            identity: ice.is_some().then_some(&self.identity),
            key: key.as_ref(),
        };
        description::write(kind, &own)
    }

    pub(super) fn ask(&mut self, call: usize, request: Request<'_>) {
        let name = format!("{:016x}-{call}", self.prefix);
        let dict = dictionary(self.options.kind, &name, self.options.from, request);
        let datagram = self.requests.ask(Instant::now(), call, &dict);
        self.sockets.send(self.asking, self.options.to, &datagram);
    }

    /// The engine has answered a request.
    pub(super) fn answered(&mut self, now: Instant, number: usize, answer: Result<Option<Bytes>, String>) {
        let Some(call) = self.calls.get_mut(number) else { return };
        call.is_known = true;
        let state = call.state;
        if state == State::Over {
            return;
        }
        let engine = match answer {
            Ok(Some(sdp)) => description::read(&sdp).map_err(str::to_owned),
            Ok(None) => Err("the engine's answer has no description".to_owned()),
            Err(reason) => Err(reason),
        };
        let engine = match engine {
            Ok(engine) => engine,
            Err(reason) => return self.fail(number, &reason),
        };
        // The offer's answer is for the callee, the answer's for the caller.
        let which = 2 * number + usize::from(state == State::Offering);
        let Some(end) = self.ends.get_mut(which) else { return };
        end.engine = Some(engine.rtp);
        if let Some(Owner::ByPort(ports)) = self.owners.get_mut(end.socket) {
            ports.insert(engine.rtp.port(), which);
        }
        if state == State::Offering {
            self.set(number, State::Answering);
            let answer = self.description(which);
            return self.ask(number, Request::Answer(&answer));
        }
        if let Some(own) = &end.ice {
            match Browser::new(now, own, &self.identity, &engine, rand::random::<u32>().into()) {
                Ok(browser) => end.browser = Some(Box::new(browser)),
                Err(reason) => return self.fail(number, reason),
            }
            self.set(number, State::Connecting);
            return self.poll_browser(now, which);
        }
        if let Some(own) = &end.key {
            let receiver = engine.key.as_ref().and_then(|key| key.receiver().ok());
            match own.sender().ok().zip(receiver) {
                Some(keys) => end.keys = Some(Box::new(keys)),
                None => return self.fail(number, "the engine's description has no usable a=crypto"),
            }
        }
        self.connected(number);
    }

    pub(super) fn poll_browser(&mut self, now: Instant, number: usize) {
        let mut buffer = [0; PACKET_ROOM];
        loop {
            let Some(end) = self.ends.get_mut(number) else { return };
            let Some((browser, engine)) = end.browser.as_mut().zip(end.engine) else { return };
            match browser.poll(now, &mut buffer) {
                Some(Step::Send(len)) => {
                    if let Some(datagram) = buffer.get(..len) {
                        self.sockets.send(end.socket, engine, datagram);
                    }
                }
                Some(Step::Keys(keys)) => {
                    end.keys = Some(keys);
                    self.connected(number / 2);
                }
                Some(Step::Failed(why)) => return self.fail(number / 2, why),
                None => return,
            }
        }
    }

    fn connected(&mut self, number: usize) {
        if self.calls.get(number).is_some_and(|call| !matches!(call.state, State::Up | State::Over)) {
            self.set(number, State::Up);
            self.speakers.extend([2 * number, 2 * number + 1]);
        }
    }

    fn set(&mut self, number: usize, state: State) {
        if let Some(call) = self.calls.get_mut(number) {
            call.state = state;
        }
    }

    pub(super) fn fail(&mut self, number: usize, why: &str) {
        let Some(call) = self.calls.get_mut(number).filter(|call| call.state != State::Over) else { return };
        call.state = State::Over;
        self.speakers.retain(|end| end / 2 != number);
        self.count_fault(why);
    }

    pub(super) fn count_fault(&mut self, why: &str) {
        if self.faults.len() < MOST_FAULTS || self.faults.contains_key(why) {
            *self.faults.entry(why.to_owned()).or_default() += 1;
        }
    }
}

/// Calls that are set up at the same time.
pub(super) const AT_ONCE: usize = 16;
/// Plain ends that share a socket.
const SHARED: usize = 25;
/// How many reasons for failures are told apart.
const MOST_FAULTS: usize = 20;
