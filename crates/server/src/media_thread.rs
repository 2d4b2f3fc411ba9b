//! A media worker: one thread with its own sockets and legs, no locks, no tokio.
//!
//! It drives [`Worker`]: every datagram is given to it in a packet and what the verdict says is done. Commands come from
//! the control thread over a bounded queue; news goes back by its inbox.

mod candidates;
mod ports;
mod sockets;

pub use candidates::Candidates;
pub use ports::Ports;

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ringback_control::{MediaCommand, MediaEvent, Medium};
use ringback_media::dtls::Identity;
use ringback_media::negotiation::{Local, Profile};
use ringback_media::rtcp::NtpClock;
use ringback_media::session::{self, Destination, Event, LegKey, Packet, Settings, Socket, Verdict, Worker};
use ringback_nat::demux::{Class, classify};
use ringback_nat::ice::Credentials;
use ringback_nat::stun;
use ringback_sansio::Flow;

use crate::inbox::{Inbox, Input};
use crate::net::datagram::{Datagram, DatagramSocket};
use crate::net::wake::Waker;
use crate::telemetry::{NOBODY, Telemetry, limited};
use sockets::Sockets;

/// Commands that may wait for a worker.
const COMMANDS: usize = 16_384;

/// The longest wait: the counters are handed out at least this often.
const TELEMETRY_EVERY: Duration = Duration::from_secs(1);

/// The way to a media worker.
#[derive(Debug)]
pub struct MediaInbox {
    // Dropped in this order: the worker is woken when there is nobody left to send, and ends.
    sender: SyncSender<(LegKey, MediaCommand)>,
    waker: WakeOnDrop,
}

#[derive(Debug)]
struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl MediaInbox {
    /// An inbox and the receiving side.
    pub fn new() -> io::Result<(Self, Commands)> {
        let waker = Waker::new()?;
        let (sender, receiver) = sync_channel(COMMANDS);
        Ok((MediaInbox { sender, waker: WakeOnDrop(waker.clone()) }, Commands { receiver, waker }))
    }

    /// Hands in a command. When it is not taken, the error is the answer that the worker would have given.
    pub fn send(&self, leg: LegKey, command: MediaCommand) -> Result<(), Option<MediaEvent>> {
        match self.sender.try_send((leg, command)) {
            Ok(()) => {
                self.waker.0.wake();
                Ok(())
            }
            Err(TrySendError::Full((leg, command)) | TrySendError::Disconnected((leg, command))) => {
                Err(match command {
                    MediaCommand::Open { .. } => {
                        Some(MediaEvent::Opened(leg, Err("the media workers are overloaded".to_owned())))
                    }
                    MediaCommand::Close => Some(MediaEvent::Closed(leg, None)),
                    MediaCommand::Restart(_)
                    | MediaCommand::Configure(..)
                    | MediaCommand::Join(_)
                    | MediaCommand::Echo => None,
                })
            }
        }
    }
}

/// The receiving side of a [`MediaInbox`].
#[derive(Debug)]
pub struct Commands {
    receiver: Receiver<(LegKey, MediaCommand)>,
    waker: Waker,
}

/// What a media thread is made with.
pub struct Surroundings {
    /// The number of the worker.
    pub number: u16,
    /// The sockets that its WebRTC legs share, one for each address that is listened on.
    pub shared: Vec<DatagramSocket>,
    /// What the control thread asks for.
    pub commands: Commands,
    /// Where news goes.
    pub control: Inbox,
    /// The ports of plain legs.
    pub ports: Arc<Ports>,
    /// What is advertised.
    pub candidates: Candidates,
    /// The certificate that WebRTC legs show.
    pub identity: Arc<Identity>,
    /// What gives sender reports their date.
    pub clock: NtpClock,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
}

/// One media worker with its thread's state.
pub struct MediaThread {
    number: u16,
    worker: Worker,
    sockets: Sockets,
    commands: Commands,
    control: Inbox,
    ports: Arc<Ports>,
    candidates: Candidates,
    identity: Arc<Identity>,
    random: StdRng,
    telemetry: Arc<Telemetry>,
    counters: Counters,
    packet: Packet,
}

/// What the thread itself drops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Datagrams that the kernel did not take.
    pub send_failed: u64,
    /// Datagrams with no socket to leave by.
    pub no_socket: u64,
    /// Datagrams longer than any that media has.
    pub truncated: u64,
    /// Binding requests for nobody's leg, answered with the address that they came from.
    pub stun_answered: u64,
    /// Packets whose handling failed by a mistake of ours.
    pub panics: u64,
}

impl MediaThread {
    /// A thread that has not started.
    pub fn new(surroundings: Surroundings) -> io::Result<Self> {
        let Surroundings { number, shared, commands, control, ports, candidates, identity, clock, telemetry } =
            surroundings;
        let mut random = StdRng::from_rng(&mut rand::rng());
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        let worker = Worker::new(Settings { identity: identity.clone(), seed, clock });
        Ok(MediaThread {
            number,
            worker,
            sockets: Sockets::new(shared, &commands.waker)?,
            commands,
            control,
            ports,
            candidates,
            identity,
            random,
            telemetry,
            counters: Counters::default(),
            packet: Packet::new(),
        })
    }

    /// Runs until the control thread is gone.
    pub fn run(mut self) -> io::Result<()> {
        let mut reported = Instant::now();
        loop {
            self.sockets.wait(self.worker.poll_timeout(), TELEMETRY_EVERY)?;
            self.commands.waker.clear();
            while let Some(ready) = self.sockets.next_ready() {
                self.receive(ready)?;
            }
            loop {
                match self.commands.receiver.try_recv() {
                    Ok((leg, command)) => self.carry_out(Instant::now(), leg, command),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let now = Instant::now();
            if self.worker.poll_timeout().is_some_and(|due| due <= now) {
                self.worker.handle_timeout(now);
            }
            self.hand_out();
            if now.duration_since(reported) >= TELEMETRY_EVERY {
                reported = now;
                self.telemetry.set_worker(self.number, self.worker.stats(), self.counters);
            }
        }
    }

    /// Takes what has come by one socket.
    fn receive(&mut self, ready: Socket) -> io::Result<()> {
        let MediaThread { worker, sockets, packet, counters, .. } = self;
        let now = Instant::now();
        let unsent = sockets.receive(ready, packet, |datagram, packet| {
            if datagram.truncated || !packet.fill(datagram.payload) {
                counters.truncated += 1;
                return None;
            }
            if ready == Socket::Shared
                && stun::username(packet.bytes()).is_none()
                && answer_stun(datagram, packet)
            {
                counters.stun_answered += 1;
                let (local, remote) = (datagram.local, datagram.remote);
                return Some(Destination { socket: Socket::Shared, local, remote });
            }
            // A mistake of ours in one packet must not end the calls of the others.
            let handled = catch_unwind(AssertUnwindSafe(|| {
                worker.handle_packet(now, ready, datagram.local, datagram.remote, packet)
            }));
            match handled {
                Ok(Verdict::Forward(destination) | Verdict::Reply(destination)) => Some(destination),
                Ok(Verdict::Consumed | Verdict::Drop(_)) => None,
                Err(_) => {
                    counters.panics += 1;
                    None
                }
            }
        })?;
        self.counters.send_failed += unsent.failed;
        self.counters.no_socket += unsent.no_socket;
        self.hand_out();
        Ok(())
    }

    /// Sends and tells what the worker has to send and to tell.
    fn hand_out(&mut self) {
        while let Some(destination) = self.worker.poll_transmit(&mut self.packet) {
            self.send(destination);
        }
        while let Some(event) = self.worker.poll_event() {
            let event = match event {
                Event::Connected { leg } => MediaEvent::Connected(leg),
                Event::FirstPacket { leg } => MediaEvent::FirstPacket(leg),
                Event::Gone { leg, why } => MediaEvent::Gone(leg, why),
            };
            self.tell(event);
        }
    }

    fn send(&mut self, destination: Destination) {
        match self.sockets.send(destination, self.packet.bytes()) {
            Some(Ok(())) => {}
            Some(Err(_)) => self.counters.send_failed += 1,
            None => self.counters.no_socket += 1,
        }
    }

    fn tell(&self, event: MediaEvent) {
        // Control waits for every answer; a full inbox empties in milliseconds.
        let mut input = Input::Media(event.clone());
        while self.control.send(input) == Err(crate::inbox::Refused::Full) {
            std::thread::sleep(Duration::from_millis(1));
            input = Input::Media(event.clone());
        }
    }

    fn carry_out(&mut self, now: Instant, leg: LegKey, command: MediaCommand) {
        match command {
            MediaCommand::Open { medium, signalling } => {
                let opened = match medium {
                    Medium::WebRtc => self.open_webrtc(now, leg, &signalling),
                    Medium::Rtp => self.open_rtp(now, leg, &signalling),
                };
                self.tell(MediaEvent::Opened(leg, opened.map(Box::new)));
            }
            MediaCommand::Restart(credentials) => {
                if let Err(error) = self.worker.restart(now, leg, *credentials) {
                    let words = "the restart of ICE of a leg is not followed";
                    limited!(self.telemetry.log, WARN, NOBODY, "ice_restart", %error, "{words}");
                }
            }
            MediaCommand::Configure(settings, map) => self.worker.configure(now, leg, *settings, *map),
            MediaCommand::Join(other) => self.worker.join(leg, other),
            MediaCommand::Echo => self.worker.echo(leg),
            MediaCommand::Close => {
                let report = self.worker.close(now, leg);
                // What the leg says last leaves before its sockets close.
                self.hand_out();
                if let Some(port) = self.sockets.close(leg) {
                    self.ports.give_back(port);
                }
                self.tell(MediaEvent::Closed(leg, report.map(Box::new)));
            }
        }
        self.hand_out();
    }

    fn open_webrtc(&mut self, now: Instant, leg: LegKey, signalling: &Flow) -> Result<Local, String> {
        let candidates = self.candidates.towards(signalling, &self.sockets.shared_addresses());
        let Some(first) = candidates.first().copied() else {
            return Err(
                "no address of this machine can be offered to a browser; check listen.webrtc".to_owned()
            );
        };
        let mut random = [0; Credentials::RANDOM_LEN];
        self.random.fill_bytes(&mut random);
        let ice = Credentials::from_random(&random);
        self.worker
            .open(now, leg, session::Medium::WebRtc { ice: ice.clone() })
            .map_err(|error| error.to_string())?;
        Ok(Local {
            profile: Profile::WebRtc,
            address: first.ip(),
            rtp: first.port(),
            rtcp: first.port(),
            ice: Some(ice),
            candidates,
            fingerprint: Some(self.identity.fingerprint()),
        })
    }

    fn open_rtp(&mut self, now: Instant, leg: LegKey, signalling: &Flow) -> Result<Local, String> {
        let family: IpAddr = match signalling.local().ip() {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let (port, rtp, rtcp) = self.ports.bind(family).map_err(|error| error.to_string())?;
        let opened = self
            .worker
            .open(now, leg, session::Medium::Rtp { signalling: signalling.remote().ip() })
            .map_err(|error| error.to_string())
            .and_then(|()| {
                self.sockets.open(leg, signalling.local().ip(), rtp, rtcp).map_err(|error| error.to_string())
            });
        if let Err(sentence) = opened {
            self.worker.close(now, leg);
            self.ports.give_back(port);
            return Err(sentence);
        }
        Ok(Local {
            profile: Profile::Rtp,
            address: self.candidates.address_towards(signalling),
            rtp: port,
            rtcp: port + 1,
            ice: None,
            candidates: Vec::new(),
            fingerprint: None,
        })
    }
}

/// Puts the answer to a Binding request that names no leg into the packet; says whether there is one.
fn answer_stun(datagram: &Datagram<'_>, packet: &mut Packet) -> bool {
    if classify(datagram.payload) != Class::Stun || stun::username(datagram.payload).is_some() {
        return false;
    }
    let mut reply = [0; stun::REPLY_ROOM];
    match stun::server::respond(datagram.remote, datagram.payload, &mut reply) {
        stun::server::Answer::Reply(length) => reply.get(..length).is_some_and(|reply| packet.fill(reply)),
        stun::server::Answer::Drop(_) => false,
    }
}
