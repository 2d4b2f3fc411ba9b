//! A peer with sockets, on tokio.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;
use std::time::Instant;

use str0m::channel::ChannelId;
use thiserror::Error;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::gather::Gatherer;
use super::relay::{Arrived, RelayEvent, Relays};
use super::{DescriptionError, Event, Peer, SendError, Settings};
use crate::audio::Audio;

/// A [`Peer`] with its sockets.
///
/// Everything happens within [`Connection::next`], so keep asking it; it may be given up while it waits (in a
/// `tokio::select!`) and nothing is lost.
pub struct Connection {
    /// Large, and moved about with whoever has it.
    peer: Box<Peer>,
    sockets: Vec<(UdpSocket, SocketAddr)>,
    gatherer: Gatherer,
    relays: Relays,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    is_over: bool,
    /// Datagrams that the system did not take.
    unsent: u64,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No address is there.
    #[error("no address of this machine can be used: give one in `addresses`")]
    NoAddress,
    /// A socket cannot be bound.
    #[error("no socket can be opened at {0}: {1}")]
    Bind(IpAddr, io::Error),
}

impl Connection {
    /// Binds a socket for each of our addresses and asks the STUN and TURN servers.
    pub async fn open(settings: Settings) -> Result<Connection, OpenError> {
        let addresses = match settings.addresses.is_empty() {
            true => own_addresses().await,
            false => settings.addresses.clone(),
        };
        let mut sockets = Vec::new();
        for address in addresses {
            let bound = async {
                let socket = UdpSocket::bind((address, 0)).await?;
                let local = socket.local_addr()?;
                Ok((socket, local))
            };
            sockets.push(bound.await.map_err(|error| OpenError::Bind(address, error))?);
        }
        let now = Instant::now();
        let bases: Vec<SocketAddr> = sockets.iter().map(|(_, local)| *local).collect();
        let gatherer = Gatherer::new(now, &bases, &settings.stun, rand::random());
        let relays = Relays::new(now, &bases, &settings.turn, rand::random());
        let mut peer = Box::new(Peer::new(now, &settings));
        let usable = bases.iter().filter(|base| peer.add_address(**base)).count();
        if usable == 0 {
            return Err(OpenError::NoAddress);
        }
        let buffer = vec![0; LONGEST_DATAGRAM];
        let events = VecDeque::new();
        Ok(Connection { peer, sockets, gatherer, relays, events, buffer, is_over: false, unsent: 0 })
    }

    /// The offer, with the candidates that are known.
    pub fn offer(&mut self) -> Result<String, DescriptionError> {
        self.peer.offer(Instant::now())
    }

    /// An offer that looks for another way between the two.
    pub fn restart(&mut self) -> Result<String, DescriptionError> {
        self.peer.restart(Instant::now())
    }

    /// Answers an offer.
    pub fn answer(&mut self, offer: &str) -> Result<String, DescriptionError> {
        self.peer.answer(Instant::now(), offer)
    }

    /// Takes the answer to the offer.
    pub fn accept(&mut self, answer: &str) -> Result<(), DescriptionError> {
        self.peer.accept(Instant::now(), answer)
    }

    /// Takes a candidate of the other side.
    pub fn add_candidate(&mut self, candidate: &str) -> Result<(), DescriptionError> {
        self.peer.add_candidate(Instant::now(), candidate)
    }

    /// Opens a data channel; see [`Peer::open_channel`].
    pub fn open_channel(&mut self, label: &str) {
        self.peer.open_channel(Instant::now(), label);
    }

    /// Sends a message on a channel.
    pub fn send(&mut self, channel: ChannelId, is_text: bool, data: &[u8]) -> Result<(), SendError> {
        let sent = self.peer.send(Instant::now(), channel, is_text, data);
        self.transmit();
        sent
    }

    /// The audio, once it was agreed on.
    pub fn audio(&mut self) -> Option<&mut Audio> {
        self.peer.audio()
    }

    /// The machine, for what has no verb here.
    pub fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// How many datagrams the system did not take, or a TURN server could not yet be given.
    pub fn unsent(&self) -> u64 {
        self.unsent + self.relays.unbound()
    }

    /// Says goodbye; the last event is [`Event::Closed`]. What TURN servers have for us is given back by
    /// [`Connection::linger`].
    pub fn close(&mut self) {
        let now = Instant::now();
        self.peer.close(now);
        self.transmit();
        self.relays.close(now);
        self.transmit();
    }

    /// Whether nothing is left to be said after [`Connection::close`].
    pub fn is_at_rest(&self) -> bool {
        self.relays.is_at_rest()
    }

    /// Goes on after [`Connection::close`] until the TURN servers have what is theirs, or until a moment.
    pub async fn linger(&mut self, until: Instant) {
        self.is_over = true;
        self.transmit();
        while !self.is_at_rest() && Instant::now() < until {
            tokio::select! {
                () = self.wait() => {}
                () = sleep_until(until.into()) => {}
            }
            self.transmit();
        }
    }

    /// The next news; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            self.transmit();
            if let Some(event) = self.events.pop_front().or_else(|| self.peer.poll_event()) {
                self.is_over |= event == Event::Closed;
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            self.wait().await;
        }
    }

    /// The next news before a moment, for whoever looks at [`Connection::audio`] now and then; `None` when there is none until
    /// then, or the connection has ended.
    pub async fn next_before(&mut self, until: Instant) -> Option<Event> {
        tokio::select! {
            event = self.next() => event,
            () = sleep_until(until.into()) => None,
        }
    }

    /// Waits for a datagram, or until something is due, and handles it.
    async fn wait(&mut self) {
        let due = [self.peer.poll_timeout(), self.gatherer.poll_timeout(), self.relays.poll_timeout()];
        let due = due.into_iter().flatten().min();
        let Connection { sockets, buffer, .. } = self;
        let received = poll_fn(|context| {
            for (socket, local) in &*sockets {
                let mut space = ReadBuf::new(buffer);
                match socket.poll_recv_from(context, &mut space) {
                    Poll::Ready(Ok(from)) => return Poll::Ready(Some((from, *local, space.filled().len()))),
                    // The answer to a datagram that nobody took: ICE finds out by itself. The socket is looked at again.
                    Poll::Ready(Err(_)) => context.waker().wake_by_ref(),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        });
        let sleep = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let received = tokio::select! {
            biased;
            () = sleep => None,
            received = received => received,
        };
        let now = Instant::now();
        if let Some((from, local, len)) = received {
            let datagram = self.buffer.get(..len).unwrap_or_default();
            match self.gatherer.handle_datagram(from, datagram) {
                Some((base, mapped)) => self.peer.add_reflexive(base, mapped),
                None => match self.relays.handle_datagram(now, local, from, datagram) {
                    Arrived::Other => self.peer.handle_datagram(now, from, local, datagram),
                    Arrived::Data { peer, relayed, data } => {
                        self.peer.handle_datagram(now, peer, relayed, data);
                    }
                    Arrived::Taken => {}
                },
            }
        }
        self.relays.handle_timeout(now);
        while let Some(event) = self.relays.poll_event() {
            match event {
                RelayEvent::Relayed { base, relayed, mapped } => {
                    self.peer.add_relayed(base, relayed);
                    if let Some(mapped) = mapped {
                        self.peer.add_reflexive(base, mapped);
                    }
                }
                RelayEvent::Refused(server, why) => self.events.push_back(Event::NotRelayed(server, why)),
            }
        }
        if self.peer.poll_timeout().is_some_and(|at| at <= now) {
            self.peer.handle_timeout(now);
        }
    }

    /// Sends everything that is to be sent.
    fn transmit(&mut self) {
        let now = Instant::now();
        while let Some(ask) = self.gatherer.poll_transmit(now) {
            self.send_from(ask.base, ask.server, &ask.request);
        }
        while let Some((from, to, datagram)) = self.peer.poll_transmit() {
            match self.sockets.iter().any(|(_, local)| *local == from) {
                true => self.send_from(from, to, &datagram),
                false => {
                    if let Some((base, server, wrapped)) = self.relays.wrap(now, from, to, &datagram) {
                        self.send_from(base, server, &wrapped);
                    }
                }
            }
        }
        while let Some((base, server, message)) = self.relays.poll_transmit() {
            self.send_from(base, server, &message);
        }
    }

    fn send_from(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let socket = self.sockets.iter().find(|(_, local)| *local == from);
        // A full buffer or an unreachable address is a lost datagram like any other.
        let is_sent = socket.is_some_and(|(socket, _)| socket.try_send_to(datagram, to).is_ok());
        self.unsent += u64::from(!is_sent);
    }
}

/// The addresses that packets leave from by the default routes, and loopback. Nothing is sent to find out.
async fn own_addresses() -> Vec<IpAddr> {
    let far: [SocketAddr; 2] =
        [(Ipv4Addr::new(192, 0, 2, 1), 9).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into()];
    let mut addresses = Vec::new();
    for far in far {
        let any: IpAddr = match far {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let found = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(far).await?;
            socket.local_addr()
        };
        // A family that this machine has no route for is none to be reached by.
        if let Ok(local) = found.await {
            addresses.push(local.ip());
        }
    }
    addresses.push(Ipv4Addr::LOCALHOST.into());
    addresses.dedup();
    addresses
}

/// The bytes of the longest datagram that is taken.
const LONGEST_DATAGRAM: usize = 2048;
