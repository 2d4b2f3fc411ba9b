//! How the sockets of a media worker are waited for, read and written: with io_uring where the machine allows it, else
//! with epoll.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringback_media::session::{Destination, LegKey, Packet, Socket};

use super::epoll::{BATCH, Epoll, FEW};
use crate::net::datagram::{Datagram, DatagramSocket};
use crate::net::ring::{Crowd, Ring};
use crate::net::wake::Waker;

/// One of both ways.
pub enum Kernel {
    /// A system call for a round.
    Ring(Box<Ring>),
    /// One for each datagram and each look.
    Epoll(Box<Epoll>),
}

/// What has something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// A shared one, by its number.
    Shared(usize),
    /// The one for RTP of a leg that hears everybody.
    Rtp(LegKey),
    /// The one for RTCP of a leg.
    Rtcp(LegKey),
    /// The one for RTP that is connected with the far end of a leg.
    Connected(LegKey),
}

impl Ready {
    /// What the worker knows it by.
    pub fn socket(self) -> Socket {
        match self {
            Ready::Shared(_) => Socket::Shared,
            Ready::Rtp(leg) | Ready::Connected(leg) => Socket::Rtp(leg),
            Ready::Rtcp(leg) => Socket::Rtcp(leg),
        }
    }
}

/// Where datagrams are sent while others are read.
pub enum Out<'a> {
    /// With the next wait.
    Ring(&'a mut Ring),
    /// At once.
    Direct,
}

impl Kernel {
    /// With io_uring if that `may` be, else with epoll.
    pub fn new(may: bool, worker: u16) -> io::Result<Self> {
        if may {
            match Kernel::ring() {
                Ok(ring) => return Ok(ring),
                Err(error) => tracing::info!(worker, %error, "{WITHOUT_RING}"),
            }
        }
        Kernel::epoll()
    }

    /// With io_uring, or an error that says why the machine has none.
    pub fn ring() -> io::Result<Self> {
        Ring::new().map(|ring| Kernel::Ring(Box::new(ring)))
    }

    /// With epoll.
    pub fn epoll() -> io::Result<Self> {
        Epoll::new().map(|epoll| Kernel::Epoll(Box::new(epoll)))
    }

    /// Hears a socket from the next wait on.
    pub fn hear(&mut self, socket: &DatagramSocket, ready: Ready) -> io::Result<()> {
        match self {
            Kernel::Ring(ring) => ring.hear(socket, mark(ready), crowd(ready)),
            Kernel::Epoll(epoll) => epoll.hear(socket, mark(ready)),
        }
    }

    /// Ends waits whenever the waker is used.
    pub fn hear_edges(&mut self, waker: &Waker) -> io::Result<()> {
        match self {
            Kernel::Ring(ring) => ring.hear_edges(waker),
            Kernel::Epoll(epoll) => epoll.hear_edges(waker),
        }
    }

    /// Hears sockets no more, which are to be closed.
    pub fn forget<'a>(&mut self, sockets: impl IntoIterator<Item = &'a DatagramSocket>) {
        match self {
            // A ring that fails is told by the next wait.
            Kernel::Ring(ring) => drop(ring.forget(sockets)),
            // Closing a descriptor takes it out of epoll.
            Kernel::Epoll(_) => {}
        }
    }

    /// Hands over what is to be sent.
    pub fn flush(&mut self) {
        match self {
            // As above.
            Kernel::Ring(ring) => drop(ring.flush()),
            Kernel::Epoll(_) => {}
        }
    }

    /// Waits until something is there, at most so long; with a `rest`, as long as that in any case. `socket` knows those that
    /// are still there.
    pub fn wait<'a>(
        &mut self,
        rest: Option<Duration>,
        at_most: Duration,
        socket: impl Fn(Ready) -> Option<&'a DatagramSocket>,
    ) -> io::Result<()> {
        match self {
            Kernel::Epoll(epoll) => epoll.wait(rest, at_most),
            Kernel::Ring(ring) => {
                for _ in 0..ring.lapsed() {
                    let Some(mark) = ring.next_lapsed() else { break };
                    let ready = ready_of(mark);
                    if let Some(socket) = socket(ready) {
                        ring.hear(socket, mark, crowd(ready))?;
                    }
                }
                ring.wait(rest, at_most)
            }
        }
    }

    /// Whether a round since the last wait took as much as it can, so that the next one finds more at once.
    pub fn may_have_more(&self) -> bool {
        match self {
            Kernel::Ring(ring) => ring.has_lapsed(),
            Kernel::Epoll(epoll) => epoll.may_have_more(),
        }
    }

    /// Datagrams that the kernel did not take although they had been handed over.
    pub fn failed(&self) -> u64 {
        match self {
            Kernel::Ring(ring) => ring.failed(),
            Kernel::Epoll(_) => 0,
        }
    }

    /// Has what is there by each socket handled, up to its share of a round, and sent what comes of it. `socket` knows those
    /// that are still there. Says how many datagrams there were.
    pub fn round<'a>(
        &mut self,
        packet: &mut Packet,
        socket: impl Fn(Ready) -> Option<&'a DatagramSocket>,
        mut handle: impl FnMut(Ready, &Datagram<'_>, &mut Packet) -> Option<Destination>,
        mut send: impl FnMut(&mut Out<'_>, &Destination, &Packet),
    ) -> io::Result<usize> {
        let mut received = 0;
        match self {
            Kernel::Ring(ring) => {
                // What comes meanwhile is of the next round.
                for _ in 0..ring.arrived() {
                    let Some(arrival) = ring.next_arrival() else { break };
                    let ready = ready_of(arrival.mark);
                    let datagram = socket(ready).and_then(|socket| ring.read(&arrival, socket.bound()));
                    let destination = datagram.and_then(|datagram| {
                        received += 1;
                        handle(ready, &datagram, packet)
                    });
                    ring.give_back(arrival);
                    if let Some(destination) = destination {
                        send(&mut Out::Ring(ring), &destination, packet);
                    }
                }
            }
            Kernel::Epoll(epoll) => {
                while let Some(mark) = epoll.next_ready() {
                    let ready = ready_of(mark);
                    let Some(socket) = socket(ready) else { continue };
                    let room = if matches!(ready, Ready::Shared(_)) { BATCH } else { FEW };
                    received += epoll.read(socket, mark, room, |datagram| {
                        if let Some(destination) = handle(ready, datagram, packet) {
                            send(&mut Out::Direct, &destination, packet);
                        }
                    })?;
                }
            }
        }
        Ok(received)
    }

    /// Where datagrams are sent.
    pub fn out(&mut self) -> Out<'_> {
        match self {
            Kernel::Ring(ring) => Out::Ring(ring),
            Kernel::Epoll(_) => Out::Direct,
        }
    }
}

impl Out<'_> {
    /// Sends one datagram from the address `local`.
    pub fn send(
        &mut self,
        socket: &DatagramSocket,
        local: IpAddr,
        remote: SocketAddr,
        bytes: &[u8],
    ) -> io::Result<()> {
        match self {
            Out::Ring(ring) => ring.send(socket, local, remote, bytes),
            Out::Direct => socket.send(local, remote, bytes),
        }
    }

    /// Sends one datagram by a connected socket.
    pub fn send_connected(&mut self, socket: &DatagramSocket, bytes: &[u8]) -> io::Result<()> {
        match self {
            Out::Ring(ring) => ring.send_connected(socket, bytes),
            Out::Direct => socket.send_connected(bytes),
        }
    }
}

const WITHOUT_RING: &str = "io_uring is not allowed here, so media costs a system call for each packet; Linux has it from \
                            6.1 on, where neither kernel.io_uring_disabled nor a container forbids it";

fn crowd(ready: Ready) -> Crowd {
    if matches!(ready, Ready::Shared(_)) { Crowd::Shared } else { Crowd::Legs }
}

/// The number that the kernel gives back for a socket: which of its sockets it is, and the key of its leg, which has 62 bits, or
/// its own number.
fn mark(ready: Ready) -> u64 {
    match ready {
        Ready::Shared(number) => (number as u64) << 2,
        Ready::Rtp(LegKey(key)) => key << 2 | 1,
        Ready::Rtcp(LegKey(key)) => key << 2 | 2,
        Ready::Connected(LegKey(key)) => key << 2 | 3,
    }
}

fn ready_of(mark: u64) -> Ready {
    let leg = LegKey(mark >> 2);
    match mark & 3 {
        0 => Ready::Shared((mark >> 2) as usize),
        1 => Ready::Rtp(leg),
        2 => Ready::Rtcp(leg),
        _ => Ready::Connected(leg),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_socket() {
        for leg in [LegKey(1), LegKey((7 << 48) | 12_345), LegKey((1 << 62) - 1)] {
            for ready in [Ready::Shared(3), Ready::Rtp(leg), Ready::Rtcp(leg), Ready::Connected(leg)] {
                assert_eq!(ready_of(mark(ready)), ready);
            }
        }
    }
}
