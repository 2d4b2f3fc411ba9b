//! The thread of the TURN server: it drives [`Server`].
//!
//! Clients come by the sockets of `listen.turn`. Each allocation has a socket of its own, by which its peers come. A round
//! takes what has come, sends what it leads to, and opens and closes sockets; with io_uring it costs one system call.

mod accounts;
mod relays;

pub use accounts::Accounts;
pub use relays::{Address, Relays};

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use ringback_nat::turn::{Command, Family, HEADROOM, NotOpened, Port, RelayKey, Server, TAILROOM, Verdict};
use ringback_sansio::{Flow, Transport};

use crate::inbox::Input;
use crate::net::datagram::DatagramSocket;
use crate::net::kernel::{Kernel, Out};
use crate::net::pace::Pace;
use crate::net::ring::{Crowd, PAYLOAD};
use crate::net::wake::Waker;
use crate::outbox::{NotSent, Outbox};
use crate::telemetry::Telemetry;

/// The longest that a packet waits for others while more than two thousand of them come in a second.
const TICK: Duration = Duration::from_millis(1);

/// Inputs that are taken in one round before the sockets are looked at again.
const INPUTS_A_ROUND: usize = 256;

/// The bytes that may wait for a client which reads more slowly than its peers send: what is old is worth less than what
/// comes next.
const WAITING: usize = 64 << 10;

/// How long nothing is relayed when calls are over. Whoever talks sends fifty packets a second; who is on hold still checks
/// that the far end is there (RFC 7675: every five seconds).
const SILENT: Duration = Duration::from_secs(10);

/// How often the counters are handed to the telemetry, and the longest wait.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// What the thread is made of.
pub struct TurnThread {
    server: Server<Accounts>,
    kernel: Kernel,
    places: Places,
    made: Made,
    inputs: Receiver<Input>,
    waker: Waker,
    telemetry: Arc<Telemetry>,
    counters: Counters,
    pace: Pace,
    /// Since when it has been told to drain and nothing was relayed.
    idle_since: Option<Instant>,
    /// What had been relayed then.
    relayed: u64,
}

/// What the thread needs besides the machine.
pub struct Surroundings {
    /// The UDP sockets that clients send to.
    pub clients: Vec<DatagramSocket>,
    /// The sockets of allocations.
    pub relays: Relays,
    /// What other threads hand in.
    pub inputs: Receiver<Input>,
    /// What they wake the thread by.
    pub waker: Waker,
    /// Whether it uses io_uring where the machine allows it.
    pub io_uring: bool,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
}

/// What the thread itself drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Datagrams that the kernel did not take.
    pub send_failed: u64,
    /// Datagrams with no socket to leave by.
    pub no_socket: u64,
    /// Datagrams longer than any that is relayed.
    pub truncated: u64,
    /// Allocations for which no port could be had.
    pub not_opened: u64,
    /// Messages to connections whose clients do not read as fast as their peers send.
    pub outbox_full: u64,
    /// Messages to connections that are gone.
    pub connection_gone: u64,
    /// Mistakes of ours that were contained.
    pub panics: u64,
}

/// Where each socket is.
struct Places {
    clients: Vec<DatagramSocket>,
    relays: Relays,
    connections: HashMap<Flow, Outbox>,
}

/// A datagram that is to be sent, in room that is used again for the next.
struct Made {
    bytes: Box<[u8; HEADROOM + PAYLOAD + TAILROOM]>,
    start: usize,
    end: usize,
}

/// Who is to have it.
enum To {
    /// A client.
    Client(Flow),
    /// A peer of an allocation.
    Peer(RelayKey, SocketAddr),
}

impl TurnThread {
    /// A thread that has not started.
    pub fn new(server: Server<Accounts>, surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings { clients, relays, inputs, waker, io_uring, telemetry } = surroundings;
        let mut kernel = Kernel::new(io_uring)?;
        for (number, socket) in clients.iter().enumerate() {
            kernel.hear(socket, mark(Ready::Client(number)), Crowd::Shared)?;
        }
        kernel.hear_edges(&waker)?;
        Ok(TurnThread {
            server,
            kernel,
            places: Places { clients, relays, connections: HashMap::new() },
            made: Made {
                bytes: Box::new([0; HEADROOM + PAYLOAD + TAILROOM]),
                start: HEADROOM,
                end: HEADROOM,
            },
            inputs,
            waker,
            telemetry,
            counters: Counters::default(),
            pace: Pace::new(Instant::now(), TICK),
            idle_since: None,
            relayed: 0,
        })
    }

    /// Runs until it is told to stop, or until nothing is relayed any more after it was told to drain: an allocation stands
    /// for minutes after the call that it was for.
    pub fn run(mut self) -> io::Result<()> {
        let mut reported = Instant::now();
        loop {
            let rest = self.pace.rest(Instant::now()).filter(|_| !self.kernel.may_have_more());
            let until = self.server.poll_timeout();
            let at_most = until.map_or(TELEMETRY_EVERY, |until| {
                until.saturating_duration_since(Instant::now()).min(TELEMETRY_EVERY)
            });
            let places = &self.places;
            self.kernel.wait(rest, at_most, |mark| places.socket(mark))?;
            self.pace.wakes(Instant::now());
            self.waker.clear();
            let received = self.receive()?;
            let is_over = self.take_inputs();
            let now = Instant::now();
            self.pace.took(now, received);
            self.server.handle_timeout(now);
            self.hand_out(now);
            if is_over || self.is_drained(now) {
                self.kernel.flush();
                self.report();
                return Ok(());
            }
            if now.duration_since(reported) >= TELEMETRY_EVERY {
                reported = now;
                // The clock of the machine may have been set.
                self.server.set_unix_time(now, unix_time());
                self.report();
            }
        }
    }

    /// Whether it has been told to drain, and nothing has been relayed for a while.
    fn is_drained(&mut self, now: Instant) -> bool {
        let Some(since) = self.idle_since else { return false };
        let stats = self.server.stats();
        let relayed = stats.to_peers + stats.to_clients;
        if relayed != self.relayed && !self.server.is_empty() {
            (self.relayed, self.idle_since) = (relayed, Some(now));
        }
        self.server.is_empty() || now.duration_since(since) >= SILENT
    }

    fn report(&self) {
        let send_failed = self.counters.send_failed + self.kernel.failed();
        let counters = Counters { send_failed, ..self.counters };
        self.telemetry.set_turn(self.server.stats(), self.server.len(), counters);
    }

    /// Takes what has come, and sends what it leads to; says how many datagrams there were.
    fn receive(&mut self) -> io::Result<usize> {
        let TurnThread { server, kernel, places, made, counters, .. } = self;
        let now = Instant::now();
        kernel.round(
            &mut (made, counters),
            |mark| places.socket(mark),
            |(made, counters), mark, datagram| {
                if datagram.truncated {
                    counters.truncated += 1;
                    return None;
                }
                contained(counters, || match ready_of(mark) {
                    Ready::Client(_) => {
                        let flow = Flow::datagram(datagram.local, datagram.remote);
                        from_client(server, now, flow, datagram.payload, made)
                    }
                    Ready::Relay(relay) => {
                        made.relayed(server, now, relay, datagram.remote, datagram.payload)
                    }
                })
            },
            |(made, counters), out, to| places.send(out, counters, &to, made.bytes()),
        )
    }

    /// Takes what other threads have handed in; says whether to stop.
    fn take_inputs(&mut self) -> bool {
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.try_recv() else { return false };
            match input {
                Input::UserChanged(name, user) => {
                    self.server.users_mut().set(&name, user.as_deref());
                    self.server.close_account(name.as_bytes());
                }
                Input::Opened(flow, outbox) => drop(self.places.connections.insert(flow, outbox)),
                Input::Message(flow, message) => self.take_message(flow, &message),
                Input::Closed(flow) => {
                    self.places.connections.remove(&flow);
                    self.server.close(&flow);
                }
                Input::Drain => self.idle_since = Some(Instant::now()),
                Input::Stop => return true,
                // Nobody hands in anything else here.
                _ => {}
            }
        }
        // There may be more: come back at once.
        self.waker.wake();
        false
    }

    /// Takes a message that came over a connection.
    fn take_message(&mut self, flow: Flow, message: &[u8]) {
        let TurnThread { server, made, counters, .. } = self;
        let to = contained(counters, || from_client(server, Instant::now(), flow, message, made));
        if let Some(to) = to {
            self.places.send(&mut self.kernel.out(), &mut self.counters, &to, self.made.bytes());
        }
    }

    fn open(&mut self, relay: RelayKey, family: Family, port: Port) -> Result<SocketAddr, NotOpened> {
        let Places { relays, .. } = &mut self.places;
        let address = relays.open(relay, family, port)?;
        let socket = relays.socket(relay).ok_or(NotOpened)?;
        if self.kernel.hear(socket, mark(Ready::Relay(relay)), Crowd::Single).is_err() {
            self.close(relay);
            return Err(NotOpened);
        }
        Ok(address)
    }

    fn close(&mut self, relay: RelayKey) {
        if let Some(socket) = self.places.relays.close(relay) {
            self.kernel.forget([&socket]);
        }
    }

    /// Sends what the machine has to send, and opens and closes sockets.
    fn hand_out(&mut self, now: Instant) {
        loop {
            while let Some(transmit) = self.server.poll_transmit() {
                if self.server.has_allocation(&transmit.flow)
                    && let Some(outbox) = self.places.connections.get(&transmit.flow)
                {
                    // It is that of a user from here on.
                    outbox.place.authenticated();
                }
                let to = To::Client(transmit.flow);
                self.places.send(&mut self.kernel.out(), &mut self.counters, &to, &transmit.payload);
            }
            let Some(command) = self.server.poll_command() else { return };
            match command {
                Command::Open(relay, family, port) => {
                    let opened = self.open(relay, family, port);
                    self.counters.not_opened += u64::from(opened.is_err());
                    self.server.handle_opened(now, relay, opened);
                }
                Command::Close(relay) => self.close(relay),
            }
        }
    }
}

/// A mistake of ours costs the packet that it happened to.
fn contained(counters: &mut Counters, handle: impl FnOnce() -> Option<To>) -> Option<To> {
    catch_unwind(AssertUnwindSafe(handle)).unwrap_or_else(|_| {
        // Once, since whoever can send one can send many.
        if counters.panics == 0 {
            tracing::error!(
                "a packet of TURN was dropped because of a mistake in Ringback; please report it"
            );
        }
        counters.panics += 1;
        None
    })
}

/// Handles what a client sent: whom what it leads to is for.
fn from_client(
    server: &mut Server<Accounts>,
    now: Instant,
    flow: Flow,
    message: &[u8],
    made: &mut Made,
) -> Option<To> {
    match server.handle_datagram(now, flow, message) {
        Verdict::ToPeer { relay, peer, data } => made.copy(data).then_some(To::Peer(relay, peer)),
        Verdict::ToRelay { relay, from, data } => made.relayed(server, now, relay, from, data),
        // No port of our media is a peer yet (`PeerPolicy::media` is empty).
        Verdict::ToMedia { .. } | Verdict::ToClient { .. } | Verdict::Consumed | Verdict::Drop(_) => None,
    }
}

impl Made {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes data behind the headroom; whether there is room.
    fn copy(&mut self, data: &[u8]) -> bool {
        (self.start, self.end) = (HEADROOM, HEADROOM + data.len());
        let room = self.bytes.get_mut(self.start..self.end).filter(|_| data.len() <= PAYLOAD);
        room.map(|room| room.copy_from_slice(data)).is_some()
    }

    /// Makes the message to a client of what a peer sent to its allocation.
    fn relayed(
        &mut self,
        server: &mut Server<Accounts>,
        now: Instant,
        relay: RelayKey,
        from: SocketAddr,
        data: &[u8],
    ) -> Option<To> {
        if !self.copy(data) {
            return None;
        }
        let whole = self.bytes.as_ptr().addr();
        match server.handle_relayed(now, relay, from, self.bytes.as_mut_slice(), data.len()) {
            Verdict::ToClient { flow, message } => {
                self.start = message.as_ptr().addr() - whole;
                self.end = self.start + message.len();
                Some(To::Client(flow))
            }
            _ => None,
        }
    }
}

impl Places {
    fn socket(&self, mark: u64) -> Option<(&DatagramSocket, Crowd)> {
        match ready_of(mark) {
            Ready::Client(number) => self.clients.get(number).map(|socket| (socket, Crowd::Shared)),
            Ready::Relay(relay) => self.relays.socket(relay).map(|socket| (socket, Crowd::Single)),
        }
    }

    fn send(&self, out: &mut Out<'_>, counters: &mut Counters, to: &To, bytes: &[u8]) {
        let sent = match to {
            To::Client(flow) if flow.transport() != Transport::Udp => {
                match self.connections.get(flow).map(|outbox| outbox.send_within(bytes, WAITING)) {
                    Some(Ok(())) => {}
                    Some(Err(NotSent::Full)) => counters.outbox_full += 1,
                    Some(Err(NotSent::Gone)) | None => counters.connection_gone += 1,
                }
                return;
            }
            To::Client(flow) => {
                let local = flow.local();
                let socket = self.clients.iter().find(|socket| {
                    let bound = socket.bound();
                    bound.port() == local.port()
                        && bound.is_ipv4() == local.is_ipv4()
                        && (bound.ip().is_unspecified() || bound.ip() == local.ip())
                });
                socket.map(|socket| out.send(socket, local.ip(), flow.remote(), bytes))
            }
            To::Peer(relay, peer) => {
                let socket = self.relays.socket(*relay);
                socket.map(|socket| out.send(socket, self.relays.source(*relay), *peer, bytes))
            }
        };
        match sent {
            Some(Ok(())) => {}
            Some(Err(_)) => counters.send_failed += 1,
            None => counters.no_socket += 1,
        }
    }
}

/// What has something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// A socket of clients, by its number.
    Client(usize),
    /// The socket of an allocation.
    Relay(RelayKey),
}

/// The number that the kernel gives back for a socket.
fn mark(ready: Ready) -> u64 {
    match ready {
        Ready::Client(number) => (number as u64) << 2,
        Ready::Relay(RelayKey(key)) => key << 2 | 1,
    }
}

fn ready_of(mark: u64) -> Ready {
    match mark & 1 {
        0 => Ready::Client((mark >> 2) as usize),
        _ => Ready::Relay(RelayKey(mark >> 2)),
    }
}

/// Seconds since 1970; a clock before that is as good as none.
pub fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
