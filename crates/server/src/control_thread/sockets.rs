//! The UDP sockets of SIP and the waiting for them.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringback_sansio::Flow;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::net::datagram::{Batch, Datagram, DatagramSocket};
use crate::net::wake::Waker;

/// The longest datagram of UDP.
const LONGEST: usize = 65_535;

/// Datagrams that are received with one system call.
const BATCH: usize = 16;

/// Batches of one socket after which the other inputs have their turn. Under a flood most datagrams are only put aside,
/// so that the next one from somebody who is known is found.
const BATCHES_A_ROUND: usize = 16;

/// Datagrams of one socket after which there may be more of it.
pub const DATAGRAMS_A_ROUND: usize = BATCH * BATCHES_A_ROUND;

/// The sockets, and what waits for them and for the waker at once.
pub struct Sockets {
    sockets: Vec<DatagramSocket>,
    epoll: std::os::fd::OwnedFd,
    batch: Batch<LONGEST>,
}

impl Sockets {
    /// Takes the sockets.
    pub fn new(sockets: Vec<DatagramSocket>, waker: &Waker) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for socket in &sockets {
            epoll::add(&epoll, socket.as_fd(), EventData::new_u64(0), EventFlags::IN)?;
        }
        epoll::add(&epoll, waker.as_fd(), EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(Sockets { sockets, epoll, batch: Batch::new(BATCH) })
    }

    /// Waits until something is there, `until` has come, or `longest` has passed.
    pub fn wait(&self, until: Option<Instant>, longest: Duration) -> io::Result<()> {
        let wait =
            until.map_or(longest, |until| until.saturating_duration_since(Instant::now()).min(longest));
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
        match epoll::wait(&self.epoll, &mut events, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Receives what is there, so many batches a socket at most; says how many datagrams. Who takes one may answer by its
    /// socket.
    pub fn receive(
        &mut self,
        mut take: impl FnMut(Flow, &Datagram<'_>, &DatagramSocket),
    ) -> io::Result<usize> {
        let mut received = 0;
        for socket in &self.sockets {
            for _ in 0..BATCHES_A_ROUND {
                let count = socket.receive(&mut self.batch, BATCH)?;
                for datagram in self.batch.datagrams(socket.bound()) {
                    take(Flow::datagram(datagram.local, datagram.remote), &datagram, socket);
                }
                received += count;
                if count < BATCH {
                    break;
                }
            }
        }
        Ok(received)
    }

    /// Sends a datagram by the socket that the flow came in by.
    pub fn send(&self, flow: &Flow, payload: &[u8]) -> io::Result<()> {
        let local = flow.local();
        let socket = self.sockets.iter().find(|socket| {
            let bound = socket.bound();
            bound.port() == local.port()
                && bound.is_ipv4() == local.is_ipv4()
                && (bound.ip().is_unspecified() || bound.ip() == local.ip())
        });
        let socket = socket.ok_or(io::ErrorKind::AddrNotAvailable)?;
        socket.send(local.ip(), flow.remote(), payload)
    }
}
