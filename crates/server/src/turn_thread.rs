//! The thread of the TURN server: it drives [`Server`].
//!
//! Clients come by the sockets of `listen.turn`. Each allocation has a socket of its own, by which its peers come. A round
//! takes what has come, sends what it leads to, and opens and closes sockets; with io_uring it costs one system call.

mod accounts;
mod guests;
mod media;
mod reach;
mod relays;

pub use accounts::Accounts;
pub use guests::Guests;
pub use media::{OurMedia, OurWorker};
pub use reach::Reach;
pub use relays::{Address, Relays};

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use ringback_nat::turn::{
    Command, Family, HEADROOM, NotOpened, Port, RelayKey, Server, TAILROOM, TimeLimited, Verdict,
};
use ringback_sansio::{Flow, Transmit, Transport};

use crate::http::Readiness;
use crate::inbox::Input;
use crate::net::datagram::DatagramSocket;
use crate::net::kernel::{Kernel, Out};
use crate::net::pace::Pace;
use crate::net::ring::{Crowd, PAYLOAD};
use crate::net::wake::Waker;
use crate::outbox::{NotSent, Outbox};
use crate::telemetry::{NOBODY, Telemetry, limited};

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

/// How often the addresses of the machine are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often the counters are handed to the telemetry, and the longest wait.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// Whose allocations there may be: the users', by their passwords and by what was made for them for a time, and those of members
/// of rooms, by the latter.
type Known = (Accounts, (TimeLimited, Guests));

/// What the thread is made of.
pub struct TurnThread {
    server: Server<Known>,
    kernel: Kernel,
    places: Places,
    made: Made,
    inputs: Receiver<Input>,
    waker: Waker,
    reach: Reach,
    /// The addresses of the machine when it was looked at last.
    own: Vec<IpAddr>,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    counters: Counters,
    pace: Pace,
    /// Since when it has been told to drain and nothing was relayed.
    idle_since: Option<Instant>,
    /// What had been relayed then.
    relayed: u64,
    /// Something that panics.
    #[cfg(test)]
    is_sabotaged: bool,
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
    /// Which addresses of ours peers see, and which are none.
    pub reach: Reach,
    /// Our own media.
    pub media: OurMedia,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
    /// What `/healthz` tells.
    pub readiness: Arc<Readiness>,
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
    /// Datagrams to our own media that found its worker behind.
    pub worker_full: u64,
    /// Mistakes of ours that were contained.
    pub panics: u64,
}

impl Counters {
    /// What became of a message to a connection.
    fn note(&mut self, sent: Result<(), NotSent>) {
        match sent {
            Ok(()) => {}
            Err(NotSent::Full) => self.outbox_full += 1,
            Err(NotSent::Gone) => self.connection_gone += 1,
        }
    }
}

/// Where each socket is.
struct Places {
    clients: Vec<DatagramSocket>,
    relays: Relays,
    media: OurMedia,
    connections: HashMap<Flow, Connection>,
}

/// A connection of a client.
struct Connection {
    outbox: Outbox,
    /// Whether it has had an allocation.
    has_allocated: bool,
}

/// A datagram that is to be sent, in room that is used again for the next.
struct Made {
    bytes: Box<[u8; HEADROOM + PAYLOAD + TAILROOM]>,
    start: usize,
    end: usize,
    /// What there was no room for.
    too_long: u64,
}

/// Who is to have it.
enum To {
    /// A client.
    Client(Flow),
    /// A peer of an allocation.
    Peer(RelayKey, SocketAddr),
    /// Our media at this address, from an allocation and its address.
    Media(RelayKey, SocketAddr, SocketAddr),
}

impl TurnThread {
    /// A thread that has not started.
    pub fn new(server: Server<Known>, surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings { clients, relays, inputs, waker, io_uring, reach, media, telemetry, readiness } =
            surroundings;
        let mut kernel = Kernel::new(io_uring)?;
        for (number, socket) in clients.iter().enumerate() {
            kernel.hear(socket, mark(Ready::Client(number)), Crowd::Shared)?;
        }
        kernel.hear_edges(&waker)?;
        Ok(TurnThread {
            server,
            kernel,
            places: Places { clients, relays, media, connections: HashMap::new() },
            made: Made {
                bytes: Box::new([0; HEADROOM + PAYLOAD + TAILROOM]),
                start: HEADROOM,
                end: HEADROOM,
                too_long: 0,
            },
            inputs,
            waker,
            reach,
            own: Vec::new(),
            telemetry,
            readiness,
            counters: Counters::default(),
            pace: Pace::new(Instant::now(), TICK),
            idle_since: None,
            relayed: 0,
            #[cfg(test)]
            is_sabotaged: false,
        })
    }

    /// Runs until it is told to stop, or until nothing is relayed any more after it was told to drain: an allocation stands
    /// for minutes after the call that it was for.
    ///
    /// No call of the exchange needs it: when it fails, it says so in the log and on `/healthz`, and the others go on.
    pub fn run(mut self) -> io::Result<()> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.drive())).unwrap_or_else(|_| {
            Err(io::Error::other("it panicked; this is a mistake in Ringback, please report it"))
        });
        let Err(error) = ended else { return Ok(()) };
        tracing::error!(%error, "TURN failed; nothing is relayed any more until the next start");
        self.readiness.turn_failed();
        let TurnThread { inputs, server, kernel, places, idle_since, .. } = self;
        // No socket stays open for what nobody relays, and connections that come are closed.
        drop((server, kernel, places));
        let mut is_over = idle_since.is_some();
        while !is_over {
            is_over = matches!(inputs.recv(), Ok(Input::Drain | Input::Stop) | Err(_));
        }
        Ok(())
    }

    fn drive(&mut self) -> io::Result<()> {
        let mut reported = Instant::now();
        let mut looked = Instant::now();
        loop {
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look();
            }
            let rest = self.pace.rest(Instant::now()).filter(|_| !self.kernel.may_have_more());
            let until = self.server.poll_timeout();
            let at_most = until.map_or(TELEMETRY_EVERY, |until| {
                until.saturating_duration_since(Instant::now()).min(TELEMETRY_EVERY)
            });
            let places = &self.places;
            self.kernel.wait(rest, at_most, |mark| places.socket(mark))?;
            self.pace.wakes(Instant::now());
            self.waker.clear();
            #[cfg(test)]
            assert!(!self.is_sabotaged, "a panic that is meant");
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
                self.close_ended();
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

    /// Looks whether the machine has other addresses: they are no peers from here on.
    fn look(&mut self) {
        match self.reach.look() {
            Ok(found) if found.policy.own == self.own => {}
            Ok(found) => {
                self.own.clone_from(&found.policy.own);
                self.server.set_policy(found.policy);
                self.places.relays.set_addresses(found.addresses);
            }
            Err(error) => {
                limited!(self.telemetry.log, WARN, NOBODY, "turn_addresses", %error, "the addresses of this machine cannot be read");
            }
        }
    }

    /// Closes the connections whose allocations have ended: each stood for a user, and would have its place for ever.
    fn close_ended(&mut self) {
        let server = &self.server;
        let stays =
            |flow: &Flow, connection: &Connection| !connection.has_allocated || server.has_allocation(flow);
        self.places.connections.retain(|flow, connection| stays(flow, connection));
    }

    fn report(&self) {
        let send_failed = self.counters.send_failed + self.kernel.failed();
        let truncated = self.counters.truncated + self.made.too_long;
        let counters = Counters { send_failed, truncated, ..self.counters };
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
                    self.server.users_mut().0.set(&name, user.as_deref());
                    self.server.close_account(name.as_bytes());
                }
                Input::Opened(flow, outbox) => {
                    let connection = Connection { outbox, has_allocated: false };
                    self.places.connections.insert(flow, connection);
                }
                Input::Message(flow, message) => {
                    self.take_message(flow, &message);
                    if let Some(connection) = self.places.connections.get(&flow) {
                        connection.outbox.handled(message.len());
                    }
                }
                Input::RoomOver(room) => {
                    self.server.close_accounts(|account| Guests::is_of(account, &room));
                }
                Input::Relayed(relay, from, data) => {
                    let TurnThread { server, made, counters, .. } = self;
                    let to = contained(counters, || made.relayed(server, Instant::now(), relay, from, &data));
                    self.send_made(to);
                }
                Input::Closed(flow) => {
                    self.places.connections.remove(&flow);
                    self.server.close(&flow);
                }
                Input::Drain => {
                    self.idle_since = Some(Instant::now());
                    self.server.drain();
                }
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
        self.send_made(to);
    }

    fn send_made(&mut self, to: Option<To>) {
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
        if let Some((socket, address)) = self.places.relays.close(relay) {
            self.places.media.ended(address);
            self.kernel.forget([mark(Ready::Relay(relay))]);
            drop(socket);
        }
    }

    /// Sends what the machine has to send, and opens and closes sockets.
    fn hand_out(&mut self, now: Instant) {
        loop {
            while let Some(transmit) = self.server.poll_transmit() {
                let Transmit { flow, payload } = transmit;
                if let Some(connection) = self.places.connections.get_mut(&flow) {
                    if !connection.has_allocated && self.server.has_allocation(&flow) {
                        // It is that of a user from here on.
                        connection.has_allocated = true;
                        connection.outbox.place.authenticated();
                    }
                    // Nobody asks again for an answer over a stream, so it waits behind whatever is relayed.
                    self.counters.note(connection.outbox.send(payload));
                    continue;
                }
                self.places.send(&mut self.kernel.out(), &mut self.counters, &To::Client(flow), &payload);
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
    server: &mut Server<Known>,
    now: Instant,
    flow: Flow,
    message: &[u8],
    made: &mut Made,
) -> Option<To> {
    match server.handle_datagram(now, flow, message) {
        Verdict::ToPeer { relay, peer, data } => made.copy(data).then_some(To::Peer(relay, peer)),
        Verdict::ToRelay { relay, from, data } => made.relayed(server, now, relay, from, data),
        Verdict::ToMedia { relay, to, from, data } => made.copy(data).then_some(To::Media(relay, from, to)),
        Verdict::ToClient { .. } | Verdict::Consumed | Verdict::Drop(_) => None,
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
        self.too_long += u64::from(room.is_none());
        room.map(|room| room.copy_from_slice(data)).is_some()
    }

    /// Makes the message to a client of what a peer sent to its allocation.
    fn relayed(
        &mut self,
        server: &mut Server<Known>,
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
                let connection = self.connections.get(flow);
                let sent = connection.map(|connection| connection.outbox.send_within(bytes, WAITING));
                return counters.note(sent.unwrap_or(Err(NotSent::Gone)));
            }
            To::Client(flow) => {
                let local = flow.local();
                let socket = self.clients.iter().chain(self.media.sockets()).find(|socket| {
                    let bound = socket.bound();
                    bound.port() == local.port()
                        && bound.is_ipv4() == local.is_ipv4()
                        && (bound.ip().is_unspecified() || bound.ip() == local.ip())
                });
                socket.map(|socket| out.send(socket, local.ip(), flow.remote(), bytes))
            }
            To::Media(relay, from, to) => {
                counters.worker_full += u64::from(!self.media.send(*relay, *from, *to, bytes));
                return;
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

#[cfg(test)]
mod tests {
    use ringback_nat::turn::{Limits, PasswordAlgorithm, Quotas, Secret, Settings};
    use ringback_sansio::Seeded;

    use super::*;
    use crate::config::{Listen, PortRange};
    use crate::inbox::Inbox;
    use crate::net::{Bounds, Doorkeeper};
    use crate::telemetry::LogLimit;

    fn thread() -> (TurnThread, Inbox, Arc<Readiness>) {
        let waker = Waker::new().unwrap();
        let (inbox, inputs) = Inbox::new(waker.clone());
        let readiness = Arc::new(Readiness::default());
        let bounds = Bounds { connections: 1, per_source: 1, per_shared_source: 1 };
        let doorkeeper = Doorkeeper::new(bounds, Listen::default());
        let settings = Settings {
            realm: "example.org".to_owned(),
            password_algorithms: vec![PasswordAlgorithm::Sha256],
            secret: Secret::new([7; 32]),
            families: vec![Family::Ipv4],
            limits: Limits::default(),
            quotas: Quotas::new(10, 10),
            policy: ringback_nat::turn::PeerPolicy::default(),
            alternates: Vec::new(),
            unix_time: unix_time(),
        };
        let server = Server::new(
            Instant::now(),
            (Accounts::new("example.org"), (TimeLimited::new([], Duration::ZERO), Guests::default())),
            settings,
        )
        .unwrap();
        let surroundings = Surroundings {
            clients: vec![DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()],
            relays: Relays::new(PortRange { first: 1, last: 2 }, Vec::new(), Seeded::new([7; 16]), |_| {}),
            inputs,
            waker,
            io_uring: true,
            reach: Reach { public: Vec::new(), allowed: Vec::new(), media: Vec::new() },
            media: OurMedia::default(),
            telemetry: Arc::new(Telemetry::new(doorkeeper, None, Arc::new(LogLimit::default()))),
            readiness: readiness.clone(),
        };
        (TurnThread::new(server, surroundings).unwrap(), inbox, readiness)
    }

    #[test]
    fn a_mark_names_its_socket() {
        for ready in [Ready::Client(3), Ready::Relay(RelayKey(0)), Ready::Relay(RelayKey((1 << 62) - 1))] {
            assert_eq!(ready_of(mark(ready)), ready);
        }
    }

    #[test]
    fn it_ends_when_it_is_told_to_drain_and_has_nothing_to_relay() {
        let (thread, inbox, readiness) = thread();
        inbox.send(Input::Drain).unwrap();
        thread.run().unwrap();
        assert!(!readiness.has_failed_turn());
    }

    #[test]
    fn one_that_fails_takes_nobody_with_it() {
        let (mut thread, inbox, readiness) = thread();
        let address = thread.places.clients[0].bound();
        thread.is_sabotaged = true;
        let running = std::thread::spawn(move || thread.run());
        let deadline = Instant::now() + Duration::from_secs(10);
        while !readiness.has_failed_turn() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(readiness.has_failed_turn());
        assert!(!running.is_finished(), "it waits for the others");
        // The kernel may take a moment to give up the port.
        while DatagramSocket::bind(address).is_err() {
            assert!(Instant::now() < deadline, "its sockets are closed");
            std::thread::sleep(Duration::from_millis(5));
        }
        inbox.send(Input::Stop).unwrap();
        running.join().unwrap().unwrap();
    }
}
