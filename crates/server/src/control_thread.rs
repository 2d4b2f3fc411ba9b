//! The control thread: it drives the [`Exchange`].
//!
//! It owns the UDP sockets of SIP, so that a datagram costs no hand-over, and is woken for everything else: messages of
//! connections, answers of the store, news of media workers. One round takes what is there, lets the exchange act, and
//! hands out what it has to say.

mod asks;
mod backlog;
mod records;
pub(crate) mod sockets;
mod strangers;
mod waiting;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_control::{Answer, AskId, Event, Exchange, MediaCommand, Pressure, Standing};
use ringback_sansio::{ConnectionId, Flow, Transmit, Transport};
use ringback_sip::message::Message;

use crate::http::Readiness;
use crate::inbox::Input;
use crate::media_thread::MediaInbox;
use crate::net::client::Dialler;
use crate::net::datagram::DatagramSocket;
use crate::net::pace::Pace;
use crate::net::stun;
use crate::net::wake::Waker;
use crate::outbox::{NotSent, Outbox};
use crate::store::{Reader, Writer};
use crate::telemetry::{NOBODY, Telemetry, limited};
use crate::trace::{Direction, Tracer};
use asks::{Pending, Users};
use backlog::{Backlog, Round};
pub use records::binding_record;
use sockets::Sockets;
use strangers::Strangers;
use waiting::Waiting;

/// Inputs that are taken in one round before the sockets are looked at again.
const INPUTS_A_ROUND: usize = 256;

/// Messages beyond the budget of its source after which a connection without a user is closed: as many as a stranger may
/// send at once. What one that means well sends before it signs in is some ten.
const OVER_BUDGET: u32 = 200;

/// The longest that a message waits for others while more than a thousand of them come in a second.
const TICK: Duration = Duration::from_millis(2);

/// How often the counters are handed to the telemetry, and the longest wait.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// What the thread is made of.
pub struct ControlThread {
    exchange: Exchange,
    sockets: Sockets,
    strangers: Strangers,
    waiting: Waiting,
    inputs: Receiver<Input>,
    waker: Waker,
    connections: HashMap<ConnectionId, Outbox>,
    workers: Vec<MediaInbox>,
    users: Users,
    pending: Pending,
    readiness: Arc<Readiness>,
    telemetry: Arc<Telemetry>,
    tracer: Tracer,
    counters: Counters,
    pace: Pace,
    /// Whether the last round took as much as it may, so that there is more.
    is_behind: bool,
    backlog: Backlog,
    draining: bool,
    reported: Instant,
}

/// What the thread drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Messages for a connection that does not read.
    pub outbox_full: u64,
    /// Messages for a connection that is gone.
    pub connection_gone: u64,
    /// Datagrams that the kernel did not take.
    pub datagram_refused: u64,
    /// Keep-alives over UDP.
    pub keep_alives: u64,
    /// Keep-alives over UDP by STUN, answered with the address that they came from.
    pub stun_answered: u64,
    /// STUN over UDP that is no Binding request.
    pub stun_dropped: u64,
    /// Datagrams longer than any that SIP allows.
    pub truncated: u64,
    /// Media commands that a worker did not take.
    pub worker_full: u64,
    /// Messages handed to the tracer.
    pub traced: u64,
    /// Messages not traced because the tracer was behind.
    pub trace_missed: u64,
    /// Messages that the tracer's destinations did not take.
    pub trace_failed: u64,
    /// Messages of strangers dropped unread, because too many wait for those who are known.
    pub strangers_dropped: u64,
    /// Messages of those who are known dropped unread: they are beyond the share of their source, and too many wait, or
    /// their connection has ended meanwhile.
    pub known_dropped: u64,
}

/// What the thread needs besides the exchange.
pub struct Surroundings {
    /// The UDP sockets of SIP.
    pub sockets: Vec<DatagramSocket>,
    /// What other threads hand in.
    pub inputs: Receiver<Input>,
    /// What they wake the thread by.
    pub waker: Waker,
    /// The media workers, by number.
    pub workers: Vec<MediaInbox>,
    /// The store.
    pub writer: Writer,
    /// The store, to read from.
    pub reader: Reader,
    /// What looks up names and makes connections.
    pub dialler: Dialler,
    /// Those who may sign in.
    pub users: Vec<ringback_control::User>,
    /// What `/readyz` and `/healthz` tell.
    pub readiness: Arc<Readiness>,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
    /// What every message is shown to.
    pub tracer: Tracer,
    /// How the exchange's instants relate to the calendar.
    pub epoch: ringback_control::Epoch,
}

impl ControlThread {
    /// A thread that has not started.
    pub fn new(exchange: Exchange, surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings {
            sockets,
            inputs,
            waker,
            workers,
            writer,
            reader,
            dialler,
            users,
            readiness,
            telemetry,
            tracer,
            epoch,
        } = surroundings;
        Ok(ControlThread {
            exchange,
            sockets: Sockets::new(sockets, &waker)?,
            strangers: Strangers::default(),
            waiting: Waiting::default(),
            inputs,
            waker,
            connections: HashMap::new(),
            workers,
            users: Users::new(users),
            pending: Pending::new(
                writer,
                reader,
                dialler,
                epoch,
                telemetry.log.clone(),
                telemetry.sound.clone(),
            ),
            readiness,
            telemetry,
            tracer,
            counters: Counters::default(),
            pace: Pace::new(Instant::now(), TICK),
            is_behind: false,
            backlog: Backlog::default(),
            draining: false,
            reported: Instant::now(),
        })
    }

    /// Runs until it is told to stop, or until the last call has ended after it was told to drain.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            if self.strangers.is_empty() && self.waiting.is_empty() {
                match self.pace.rest(Instant::now()).filter(|_| !self.is_behind) {
                    // The round looks everywhere by itself: what has come meanwhile needs no waiting for.
                    Some(rest) => thread::sleep(rest),
                    None => self.sockets.wait(self.exchange.poll_timeout(), TELEMETRY_EVERY)?,
                }
            }
            self.pace.wakes(Instant::now());
            self.waker.clear();
            let began = Instant::now();
            let mut round = Round { is_waited: !self.waiting.is_empty(), ..Round::default() };
            self.receive_datagrams(&mut round)?;
            let stop = self.take_inputs(&mut round);
            let now = Instant::now();
            self.pace.took(now, round.count());
            self.is_behind = round.is_full();
            if let Some(pressure) = self.backlog.round(began, now, round) {
                self.press(pressure);
            }
            if self.exchange.poll_timeout().is_some_and(|due| due <= now) {
                self.exchange.handle_timeout(now);
            }
            self.hand_out();
            self.serve_waiting();
            self.serve_strangers();
            self.wake_workers();
            if stop || self.draining && self.exchange.calls() == 0 {
                return self.finish();
            }
            self.report(now);
        }
    }

    /// The exchange hears how far behind the thread is.
    fn press(&mut self, pressure: Pressure) {
        self.exchange.set_pressure(pressure);
        if pressure == Pressure::Extreme {
            let words = "more comes than can be served: new calls are refused with 503 until it is caught up";
            limited!(self.telemetry.log, WARN, NOBODY, "pressure", "{words}");
        }
    }

    /// Takes what has come over UDP.
    fn receive_datagrams(&mut self, round: &mut Round) -> io::Result<()> {
        let ControlThread { exchange, sockets, strangers, waiting, counters, tracer, .. } = self;
        round.datagrams = sockets.receive(|flow, datagram, socket| {
            if datagram.truncated {
                counters.truncated += 1;
                return;
            }
            if datagram.payload.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                counters.keep_alives += 1;
                return;
            }
            let now = Instant::now();
            match exchange.standing(now, flow) {
                Standing::Known if stun::is_stun(datagram.payload) => {
                    let send = |reply: &[u8]| socket.send(datagram.local.ip(), datagram.remote, reply);
                    answer_stun(flow, datagram.payload, counters, send);
                }
                Standing::Known => {
                    round.known_datagrams += 1;
                    let bytes = Bytes::copy_from_slice(datagram.payload);
                    trace(tracer, exchange, flow, Direction::Received, &bytes);
                    exchange.handle_message(now, flow, bytes);
                }
                Standing::BeyondShare => {
                    round.datagrams_beyond += 1;
                    let bytes = Bytes::copy_from_slice(datagram.payload);
                    let goes_on = || exchange.goes_on(flow, &bytes);
                    let has_room = waiting.push(flow, bytes.clone(), goes_on);
                    counters.known_dropped += u64::from(!has_room);
                }
                Standing::Stranger => {
                    let has_room = strangers.push(flow, Bytes::copy_from_slice(datagram.payload));
                    counters.strangers_dropped += u64::from(!has_room);
                }
                Standing::OverBudget => {}
            }
        })?;
        Ok(())
    }

    /// Serves those who have had their share, some of them: the next round looks for the others first.
    fn serve_waiting(&mut self) {
        self.exchange.set_pressure(self.backlog.pressure_beyond());
        let mut served = 0;
        while let Some((flow, bytes)) = self.waiting.next(served) {
            served += 1;
            self.take_message_or_stun(flow, bytes);
            self.hand_out();
        }
        self.exchange.set_pressure(self.backlog.pressure());
    }

    /// Serves those who are not known yet, some of them: the next round looks for the others first. While the thread is
    /// behind with the others, very few, and when too many wait, they are dropped.
    fn serve_strangers(&mut self) {
        for (flow, bytes) in self.strangers.round(self.backlog.pressure()) {
            self.take_message_or_stun(flow, bytes);
            self.hand_out();
        }
    }

    fn take_message_or_stun(&mut self, flow: Flow, bytes: Bytes) {
        if flow.transport() == Transport::Udp && stun::is_stun(&bytes) {
            let send = |reply: &[u8]| self.sockets.send(&flow, reply);
            return answer_stun(flow, &bytes, &mut self.counters, send);
        }
        self.take_message(flow, bytes);
    }

    fn take_message(&mut self, flow: Flow, bytes: Bytes) {
        trace(&self.tracer, &self.exchange, flow, Direction::Received, &bytes);
        self.exchange.handle_message(Instant::now(), flow, bytes);
    }

    /// Takes what other threads have handed in; says whether to stop.
    fn take_inputs(&mut self, round: &mut Round) -> bool {
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.try_recv() else { return false };
            let now = Instant::now();
            round.inputs += 1;
            round.known_inputs += 1;
            match input {
                // The address of a connection is not forged, so its budget bounds it, and its messages keep their order.
                Input::Message(flow, bytes) => {
                    let standing = self.exchange.standing(now, flow);
                    round.known_inputs -= usize::from(standing != Standing::Known);
                    match standing {
                        Standing::OverBudget => self.refuse_stranger(flow),
                        Standing::Stranger => self.take_message(flow, bytes),
                        Standing::Known if !self.waiting.is_before(flow) => self.take_message(flow, bytes),
                        Standing::Known | Standing::BeyondShare => {
                            round.inputs_beyond += usize::from(standing == Standing::BeyondShare);
                            let goes_on = || self.exchange.goes_on(flow, &bytes);
                            let has_room = self.waiting.push(flow, bytes.clone(), goes_on);
                            self.counters.known_dropped += u64::from(!has_room);
                        }
                    }
                }
                Input::Opened(flow, outbox) => {
                    self.connections.insert(flow.connection, outbox);
                }
                Input::Closed(flow) => {
                    self.connections.remove(&flow.connection);
                    self.counters.known_dropped += self.waiting.forget(flow) as u64;
                    self.exchange.handle_flow_lost(now, flow);
                }
                Input::Persisted(results) => {
                    for (ticket, durable) in results {
                        self.pending.settled(now, ticket, durable, &mut self.exchange);
                    }
                }
                Input::Messages(ticket, rows) => {
                    self.pending.read(now, ticket, rows, &mut self.exchange);
                }
                Input::LookedUp(number, answer) => {
                    self.exchange.handle_answer(now, AskId(number), Answer::Dns(answer));
                }
                Input::Connected(number, result) => {
                    self.exchange.handle_answer(now, AskId(number), Answer::Connected(result));
                }
                Input::Media(event) => self.exchange.handle_media(now, event),
                Input::UserChanged(name, user) => {
                    if user.is_none() {
                        self.exchange.remove_user(now, &name);
                    }
                    self.users.change(name, user);
                }
                Input::FeaturesChanged(name, features) => self.exchange.set_features(&name, *features),
                // The names of sounds are known to the exchange since it was made; rooms and TURN have threads of their own.
                Input::Sounds(_)
                | Input::Relayed(..)
                | Input::RoomOver(_)
                | Input::Asked(_)
                | Input::Visited(..) => {}
                Input::Drain => {
                    self.draining = true;
                    self.exchange.drain();
                }
                Input::Stop => return true,
            }
            self.hand_out();
        }
        // There may be more: come back at once.
        self.waker.wake();
        false
    }

    /// A message of a connection was beyond the budget of its source. The budget is that of all who are there, so it is
    /// what this connection has sent beyond it that counts.
    fn refuse_stranger(&mut self, flow: Flow) {
        let Some(outbox) = self.connections.get_mut(&flow.connection) else { return };
        outbox.over_budget = outbox.over_budget.saturating_add(1);
        if outbox.over_budget == OVER_BUDGET {
            outbox.place.send_away();
        }
    }

    /// Carries out what the exchange asks for, until it asks for nothing.
    fn hand_out(&mut self) {
        loop {
            let mut quiet = true;
            while let Some((id, ask)) = self.exchange.poll_ask() {
                quiet = false;
                self.pending.ask(Instant::now(), id, ask, &self.users, &mut self.exchange);
            }
            while let Some((worker, leg, command)) = self.exchange.poll_media() {
                quiet = false;
                self.command(worker, leg, command);
            }
            while let Some(transmit) = self.exchange.poll_transmit() {
                self.transmit(&transmit);
            }
            while let Some(event) = self.exchange.poll_event() {
                self.note(event);
            }
            if quiet {
                return;
            }
        }
    }

    fn command(&mut self, worker: u16, leg: ringback_media::session::LegKey, command: MediaCommand) {
        let Some(inbox) = self.workers.get(usize::from(worker)) else { return };
        if let Err(refused) = inbox.send(leg, command) {
            self.counters.worker_full += 1;
            if let Some(event) = refused {
                self.exchange.handle_media(Instant::now(), event);
            }
        }
    }

    /// Ends a round: the media workers hear what it had for them.
    fn wake_workers(&self) {
        self.workers.iter().for_each(MediaInbox::wake);
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let flow = transmit.flow;
        trace(&self.tracer, &self.exchange, flow, Direction::Sent, &transmit.payload);
        if flow.transport() == Transport::Udp {
            if let Err(error) = self.sockets.send(&flow, &transmit.payload) {
                self.counters.datagram_refused += 1;
                let (limit, to) = (&self.telemetry.log, flow.remote().ip());
                limited!(limit, DEBUG, to, "datagram", %error, %flow, "a datagram was not sent");
            }
            return;
        }
        let Some(outbox) = self.connections.get(&flow.connection) else {
            self.counters.connection_gone += 1;
            return;
        };
        match outbox.send(transmit.payload.clone()) {
            Ok(()) => {}
            Err(NotSent::Full) => {
                // Dropping the outbox closes the connection; its task reports that it is gone.
                self.counters.outbox_full += 1;
                self.connections.remove(&flow.connection);
            }
            Err(NotSent::Gone) => self.counters.connection_gone += 1,
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Authenticated { flow } => {
                if let Some(outbox) = self.connections.get(&flow.connection) {
                    outbox.place.authenticated();
                }
            }
            event => records::log_event(&event, &self.telemetry.log),
        }
    }

    fn report(&mut self, now: Instant) {
        if now.duration_since(self.reported) >= TELEMETRY_EVERY {
            self.reported = now;
            self.readiness.store_failing(!self.pending.store_is_healthy());
            let trace = self.tracer.counts();
            self.counters.traced = trace.traced;
            self.counters.trace_missed = trace.missed;
            self.counters.trace_failed = trace.failed;
            self.telemetry.set_control(&self.exchange, self.counters);
        }
    }

    /// Ends every call and waits for its record to be handed to the store.
    fn finish(mut self) -> io::Result<()> {
        self.exchange.shut_down(Instant::now());
        self.hand_out();
        self.wake_workers();
        let deadline = Instant::now() + Duration::from_secs(3);
        while self.exchange.calls() > 0 && Instant::now() < deadline {
            self.sockets.wait(self.exchange.poll_timeout(), Duration::from_millis(100))?;
            self.waker.clear();
            self.receive_datagrams(&mut Round::default())?;
            self.take_inputs(&mut Round::default());
            self.exchange.handle_timeout(Instant::now());
            self.hand_out();
            self.serve_waiting();
            self.serve_strangers();
            self.wake_workers();
        }
        Ok(())
    }
}

/// Answers a keep-alive by STUN.
fn answer_stun(
    flow: Flow,
    datagram: &[u8],
    counters: &mut Counters,
    send: impl FnOnce(&[u8]) -> io::Result<()>,
) {
    let Some(reply) = stun::answer(flow.remote(), datagram) else {
        counters.stun_dropped += 1;
        return;
    };
    match send(reply.bytes()) {
        Ok(()) => counters.stun_answered += 1,
        Err(_) => counters.datagram_refused += 1,
    }
}

/// Shows a message to the tracer.
fn trace(tracer: &Tracer, exchange: &Exchange, flow: Flow, direction: Direction, bytes: &Bytes) {
    if !tracer.is_on() {
        return;
    }
    let message = Message::parse(bytes.clone()).ok();
    let correlation = message.and_then(|message| exchange.correlation(&message).map(str::to_owned));
    tracer.take(flow, direction, bytes, correlation.map(Bytes::from));
}
