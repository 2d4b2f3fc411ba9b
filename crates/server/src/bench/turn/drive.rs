//! The run of a load: sockets, clock and rate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_nat::turn::client::{CHANNEL_HEADER, Client, Event};

use super::Options;
use super::report::Report;
use crate::bench::pacing::{BURST, Pacing};
use crate::bench::progress::Progress;
use crate::bench::sockets::Sockets;
use crate::bench::traffic::{Part, Traffic};
use crate::bench::{BenchError, accounts, gauge};
use crate::net::datagram::Datagram;

/// Runs a load.
pub(super) fn run(options: &Options) -> Result<Report, BenchError> {
    let mut drive = Drive::new(options)?;
    let memory = drive.read(gauge::memory)?;
    let allocating = drive.measured(Drive::allocate)?;
    let after = drive.read(gauge::memory)?;
    drive.talk("warming up", options.warm_up)?;
    drive.rest(SETTLE)?;
    drive.traffic = Traffic::new();
    let dropped = drive.sockets.dropped();
    let own = gauge::own_cpu();
    let seconds = options.seconds;
    let relaying = drive.measured(|drive| drive.talk("relaying", seconds))?;
    let own_cpu = gauge::difference(gauge::own_cpu(), own);
    drive.rest(SETTLE)?;
    drive.traffic.dropped_here = drive.sockets.dropped() - dropped;
    let up = drive.talkers.len() as u64;
    drive.close()?;
    drive.progress.clear();
    Ok(Report {
        to: options.to.to_string(),
        size: options.size,
        allocations: options.allocations.into(),
        up,
        faults: drive.faults,
        allocating,
        relaying,
        traffic: drive.traffic,
        own_cpu,
        memory: after.zip(memory).map(|(after, before)| after.saturating_sub(before)),
    })
}

/// What drives a load.
struct Drive<'a> {
    options: &'a Options,
    sockets: Sockets,
    /// Whose each socket is.
    owners: Vec<Owner>,
    ends: Vec<End>,
    /// Those that have a channel to their peer.
    talkers: Vec<usize>,
    /// Allocations that are being made.
    pending: usize,
    faults: BTreeMap<String, u64>,
    traffic: Traffic,
    began: Instant,
    /// The window of counting, which packets carry.
    window: u32,
    swept: Instant,
    progress: Progress,
}

/// Whose a socket is.
#[derive(Clone, Copy)]
enum Owner {
    Client(usize),
    Peers,
}

/// A client with its peer.
struct End {
    client: Client,
    socket: usize,
    peer_socket: usize,
    peer: SocketAddr,
    /// Where the peer sends to.
    relayed: Option<SocketAddr>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Asking,
    Up,
    Over,
}

impl<'a> Drive<'a> {
    fn new(options: &'a Options) -> Result<Self, BenchError> {
        let accounts = accounts::read(&options.accounts, None)?;
        let mut sockets = Sockets::new().map_err(BenchError::Threads)?;
        let mut owners = Vec::new();
        let mut open = |owner, from, owners: &mut Vec<Owner>| {
            let opened = sockets.open(from).map_err(|error| BenchError::Bind(from, error));
            owners.push(owner);
            opened
        };
        let mut ends = Vec::new();
        let Some(&peer) = options.from.first() else { return Err(BenchError::NoAddress) };
        let mut peers = (0, 0);
        let whose = accounts.iter().cycle().zip(options.from.iter().cycle());
        for (number, (account, from)) in whose.take(options.allocations as usize).enumerate() {
            if number % PEERS_A_SOCKET == 0 {
                peers = open(Owner::Peers, peer, &mut owners)?;
            }
            let (socket, _) = open(Owner::Client(number), *from, &mut owners)?;
            ends.push(End {
                client: Client::new(&account.name, account.password.expose(), rand::random()),
                socket,
                peer_socket: peers.0,
                peer: SocketAddr::new(peer, peers.1),
                relayed: None,
                state: State::Waiting,
            });
        }
        let now = Instant::now();
        Ok(Drive {
            options,
            sockets,
            owners,
            ends,
            talkers: Vec::new(),
            pending: 0,
            faults: BTreeMap::new(),
            traffic: Traffic::new(),
            began: now,
            window: 0,
            swept: now,
            progress: Progress::new(now),
        })
    }

    /// What a part of the run took of the server.
    fn measured(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<(), BenchError>,
    ) -> Result<Part, BenchError> {
        let (cpu, began) = (self.read(gauge::cpu)?, Instant::now());
        part(self)?;
        Ok(Part { server: gauge::difference(self.read(gauge::cpu)?, cpu), lasted: began.elapsed() })
    }

    fn read<T>(&self, gauge: fn(&[u32]) -> Option<T>) -> Result<Option<T>, BenchError> {
        gauge::read(&self.options.pids, gauge)
    }

    /// Makes every allocation with its channel, some at a time.
    fn allocate(&mut self) -> Result<(), BenchError> {
        let mut next = 0;
        while next < self.ends.len() || self.pending > 0 {
            while self.pending < AT_ONCE && next < self.ends.len() {
                if let Some(end) = self.ends.get_mut(next) {
                    end.client.allocate(Instant::now());
                    end.state = State::Asking;
                    self.pending += 1;
                }
                self.poll(next);
                next += 1;
            }
            self.step(TICK)?;
            self.show_progress("allocating");
        }
        Ok(())
    }

    /// Sends at the rate asked for, each end in turn, there and back.
    fn talk(&mut self, what: &str, seconds: u32) -> Result<(), BenchError> {
        self.window += 1;
        let talkers = self.talkers.len() as u64;
        if talkers == 0 || self.options.rate == 0 {
            return Ok(());
        }
        let lasting = Duration::from_secs(seconds.into());
        let mut pacing = Pacing::new(Instant::now(), self.options.rate.into(), lasting);
        loop {
            let now = Instant::now();
            if pacing.is_over(now) {
                break;
            }
            pacing.leave_out(now);
            let mut burst = 0;
            while burst < BURST
                && let Some(number) = pacing.take(now)
            {
                let talker = self.talkers.get((number / 2 % talkers) as usize).copied();
                if let Some(end) = talker {
                    self.speak(end, number % 2 == 0);
                }
                burst += 1;
            }
            self.step(if burst == BURST { Duration::ZERO } else { pacing.wait(Instant::now()) })?;
            self.show_progress(what);
        }
        self.traffic.late += pacing.left_out();
        Ok(())
    }

    /// Has the client of an end send, or its peer.
    fn speak(&mut self, number: usize, is_client: bool) {
        let Some(end) = self.ends.get(number) else { return };
        let mut buffer = [0; CHANNEL_HEADER + MOST_DATA];
        let Some((header, data)) = buffer.split_at_mut_checked(CHANNEL_HEADER) else { return };
        let at = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let stamp = [&at.to_be_bytes()[..], &self.window.to_be_bytes(), &(number as u32).to_be_bytes()];
        data.iter_mut().zip(stamp.into_iter().flatten()).for_each(|(byte, stamp)| *byte = *stamp);
        let length = CHANNEL_HEADER + usize::from(self.options.size);
        let is_sent = if is_client {
            let Some(channel) = end.client.header(end.peer, self.options.size) else { return };
            header.copy_from_slice(&channel);
            buffer.get(..length).is_some_and(|bytes| self.sockets.send(end.socket, self.options.to, bytes))
        } else {
            let Some(relayed) = end.relayed else { return };
            let bytes = buffer.get(CHANNEL_HEADER..length);
            bytes.is_some_and(|bytes| self.sockets.send(end.peer_socket, relayed, bytes))
        };
        self.traffic.sent += 1;
        self.traffic.unsent += u64::from(!is_sent);
    }

    /// Lets what is on its way come.
    fn rest(&mut self, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(TICK)?;
        }
        Ok(())
    }

    /// Gives all allocations back; what the server does not confirm ends by itself.
    fn close(&mut self) -> Result<(), BenchError> {
        for number in std::mem::take(&mut self.talkers) {
            if let Some(end) = self.ends.get_mut(number) {
                end.client.close(Instant::now());
            }
            self.poll(number);
            self.step(Duration::ZERO)?;
        }
        self.rest(SETTLE)
    }

    /// Takes what comes and does what is due.
    fn step(&mut self, longest: Duration) -> Result<(), BenchError> {
        self.sockets.wait(longest).map_err(BenchError::Threads)?;
        let Drive { sockets, owners, ends, traffic, began, window, .. } = self;
        let (began, window) = (*began, *window);
        let now = Instant::now();
        let mut poked = Vec::new();
        let received = sockets.receive(|socket, datagram: &Datagram<'_>| {
            let data = match owners.get(socket) {
                Some(Owner::Peers) => Some(datagram.payload),
                Some(Owner::Client(number)) => {
                    let Some(end) = ends.get_mut(*number) else { return };
                    let came = end.client.handle_datagram(now, datagram.payload);
                    if came.is_none() {
                        poked.push(*number);
                    }
                    came.map(|(_, data)| data)
                }
                None => None,
            };
            if let Some(at) = data.and_then(|data| stamped(data, window)) {
                traffic.heard += 1;
                traffic.delays.note(began.elapsed().saturating_sub(Duration::from_nanos(at)));
            }
        });
        received.map_err(BenchError::Threads)?;
        for number in poked {
            self.poll(number);
        }
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            for number in 0..self.ends.len() {
                let due = self.ends.get(number).and_then(|end| end.client.poll_timeout());
                if due.is_some_and(|due| due <= now) {
                    self.ends.get_mut(number).into_iter().for_each(|end| end.client.handle_timeout(now));
                    self.poll(number);
                }
            }
        }
        Ok(())
    }

    /// Sends what a client has for the server, and sees what has become of its allocation.
    fn poll(&mut self, number: usize) {
        let Some(end) = self.ends.get_mut(number) else { return };
        while let Some(event) = end.client.poll_event() {
            let fault = match event {
                Event::Allocated { relayed, .. } => {
                    end.relayed = Some(relayed);
                    end.client.bind(Instant::now(), end.peer);
                    None
                }
                Event::Bound(_) => {
                    end.state = State::Up;
                    self.talkers.push(number);
                    self.pending -= 1;
                    None
                }
                Event::NotBound(_, why) => Some(format!("a channel to a peer: {why}")),
                Event::Ended(why) => Some(format!("an allocation: {why}")),
                Event::Closed => None,
            };
            if let Some(fault) = fault {
                if end.state == State::Asking {
                    self.pending -= 1;
                }
                end.state = State::Over;
                *self.faults.entry(fault).or_default() += 1;
                self.talkers.retain(|talker| *talker != number);
            }
        }
        while let Some(bytes) = end.client.poll_transmit() {
            self.sockets.send(end.socket, self.options.to, &bytes);
        }
    }

    fn show_progress(&mut self, what: &str) {
        let now = Instant::now();
        if !self.progress.is_due(now) {
            return;
        }
        let Traffic { sent, heard, .. } = &self.traffic;
        self.progress.show(format_args!(
            "{what}: {} of {} allocations, {sent} packets sent, {heard} came through",
            self.talkers.len(),
            self.options.allocations
        ));
    }
}

/// When a packet was sent, where it is one of this window.
fn stamped(data: &[u8], window: u32) -> Option<u64> {
    let (at, rest) = data.split_first_chunk()?;
    (rest.first_chunk() == Some(&window.to_be_bytes())).then(|| u64::from_be_bytes(*at))
}

/// Allocations that are made at the same time.
const AT_ONCE: usize = 50;
/// Peers that share a socket: the server tells them apart by the allocation that they send to.
const PEERS_A_SOCKET: usize = 25;
/// The most bytes of data in a packet.
pub(super) const MOST_DATA: usize = 1400;
/// How long is waited for what comes while nothing is due.
const TICK: Duration = Duration::from_millis(1);
/// How long what is on its way may take.
const SETTLE: Duration = Duration::from_millis(400);
/// How often repeats are looked at.
const SWEEP: Duration = Duration::from_millis(20);
