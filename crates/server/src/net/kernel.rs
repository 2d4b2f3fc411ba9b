//! How the sockets of a thread are waited for, read and written: with io_uring where the machine allows it, else with
//! epoll. Each socket has a mark, by which its owner knows it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::datagram::{Datagram, DatagramSocket};
use super::epoll::{BATCH, Epoll, FEW};
use super::ring::{Crowd, Ring};
use super::wake::Waker;

/// One of both ways.
pub enum Kernel {
    /// A system call for a round.
    Ring(Box<Ring>),
    /// One for each datagram and each look.
    Epoll(Box<Epoll>),
}

/// Where datagrams are sent while others are read.
pub enum Out<'a> {
    /// With the next wait.
    Ring(&'a mut Ring),
    /// At once.
    Direct,
}

impl Kernel {
    /// With io_uring if it may be used and the machine allows it, else with epoll.
    pub fn new(may_ring: bool) -> io::Result<Self> {
        if may_ring {
            match Kernel::ring() {
                Ok(ring) => return Ok(ring),
                Err(error) => tracing::info!(%error, "{WITHOUT_RING}"),
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

    /// Hears a socket from the next wait on. Its mark is its own; the highest bit may be set only if one of the two lowest is.
    pub fn hear(&mut self, socket: &DatagramSocket, mark: u64, crowd: Crowd) -> io::Result<()> {
        match self {
            Kernel::Ring(ring) => ring.hear(socket, mark, crowd),
            Kernel::Epoll(epoll) => epoll.hear(socket, mark),
        }
    }

    /// Ends waits whenever the waker is used.
    pub fn hear_edges(&mut self, waker: &Waker) -> io::Result<()> {
        match self {
            Kernel::Ring(ring) => ring.hear_edges(waker),
            Kernel::Epoll(epoll) => epoll.hear_edges(waker),
        }
    }

    /// Hears the sockets of these marks no more, which are to be closed.
    pub fn forget(&mut self, marks: impl IntoIterator<Item = u64>) {
        match self {
            // A ring that fails is told by the next wait.
            Kernel::Ring(ring) => drop(ring.forget(marks)),
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
        socket: impl Fn(u64) -> Option<(&'a DatagramSocket, Crowd)>,
    ) -> io::Result<()> {
        match self {
            Kernel::Epoll(epoll) => epoll.wait(rest, at_most),
            Kernel::Ring(ring) => {
                for _ in 0..ring.lapsed() {
                    let Some(mark) = ring.next_lapsed() else { break };
                    if let Some((socket, crowd)) = socket(mark) {
                        ring.hear(socket, mark, crowd)?;
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
    /// that are still there, `state` is for both. Says how many datagrams there were.
    pub fn round<'a, S, D>(
        &mut self,
        state: &mut S,
        socket: impl Fn(u64) -> Option<(&'a DatagramSocket, Crowd)>,
        mut handle: impl FnMut(&mut S, u64, &Datagram<'_>) -> Option<D>,
        mut send: impl FnMut(&mut S, &mut Out<'_>, D),
    ) -> io::Result<usize> {
        let mut received = 0;
        match self {
            Kernel::Ring(ring) => {
                // What comes meanwhile is of the next round.
                for _ in 0..ring.arrived() {
                    let Some(arrival) = ring.next_arrival() else { break };
                    let mark = arrival.mark;
                    let datagram = socket(mark).and_then(|(socket, _)| ring.read(&arrival, socket.bound()));
                    let made = datagram.and_then(|datagram| {
                        received += 1;
                        handle(state, mark, &datagram)
                    });
                    ring.give_back(arrival);
                    if let Some(made) = made {
                        send(state, &mut Out::Ring(ring), made);
                    }
                }
            }
            Kernel::Epoll(epoll) => {
                while let Some(mark) = epoll.next_ready() {
                    let Some((socket, crowd)) = socket(mark) else { continue };
                    let room = if crowd == Crowd::Shared { BATCH } else { FEW };
                    received += epoll.read(socket, mark, room, |datagram| {
                        if let Some(made) = handle(state, mark, datagram) {
                            send(state, &mut Out::Direct, made);
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

const WITHOUT_RING: &str = "io_uring is not allowed here, so each packet costs a system call; Linux has it from \
                            6.1 on, where neither kernel.io_uring_disabled nor a container forbids it";
