//! The sockets of the load, and the waiting for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::net::datagram::{Batch, Datagram, DatagramSocket};

/// Sockets by number.
pub(in crate::bench) struct Sockets {
    sockets: Vec<DatagramSocket>,
    epoll: OwnedFd,
    ready: Vec<usize>,
    batch: Batch<ROOM>,
}

impl Sockets {
    /// None.
    pub(in crate::bench) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Sockets { sockets: Vec::new(), epoll, ready: Vec::new(), batch: Batch::new(BATCH) })
    }

    /// Binds one more at an address; its number and port.
    pub(in crate::bench) fn open(&mut self, address: IpAddr) -> io::Result<(usize, u16)> {
        let socket = DatagramSocket::bind(SocketAddr::new(address, 0))?;
        socket.enlarge_buffer()?;
        let number = self.sockets.len();
        epoll::add(&self.epoll, socket.as_fd(), EventData::new_u64(number as u64), EventFlags::IN)?;
        let port = socket.bound().port();
        self.sockets.push(socket);
        Ok((number, port))
    }

    /// The port of a socket.
    pub(in crate::bench) fn port(&self, number: usize) -> u16 {
        self.sockets.get(number).map_or(0, |socket| socket.bound().port())
    }

    /// Waits until something has come, but no longer than that.
    pub(in crate::bench) fn wait(&mut self, longest: Duration) -> io::Result<()> {
        let wait = Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: i64::from(longest.subsec_nanos()) };
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
        let count = match epoll::wait(&self.epoll, &mut events, Some(&wait)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.ready.clear();
        self.ready.extend(events.iter().take(count).map(|event| {
            let data = event.data;
            data.u64() as usize
        }));
        Ok(())
    }

    /// Hands over what has come, a batch of each socket that is ready.
    pub(in crate::bench) fn receive(
        &mut self,
        mut handle: impl FnMut(usize, &Datagram<'_>),
    ) -> io::Result<()> {
        for &number in &self.ready {
            let Some(socket) = self.sockets.get(number) else { continue };
            socket.receive(&mut self.batch, BATCH)?;
            for datagram in self.batch.datagrams(socket.bound()) {
                handle(number, &datagram);
            }
        }
        Ok(())
    }

    /// Sends a datagram; whether the kernel took it.
    pub(in crate::bench) fn send(&self, number: usize, to: SocketAddr, bytes: &[u8]) -> bool {
        let socket = self.sockets.get(number);
        socket.is_some_and(|socket| socket.send(socket.bound().ip(), to, bytes).is_ok())
    }

    /// How many datagrams the kernel has dropped because we were too slow to take them.
    pub(in crate::bench) fn dropped(&self) -> u64 {
        self.sockets.iter().filter_map(|socket| socket.dropped().ok()).map(u64::from).sum()
    }
}

/// Datagrams that are received with one system call.
const BATCH: usize = 64;
/// Sockets that can be told ready at once; others are told by the next wait.
const EVENTS: usize = 256;
/// The longest datagram that is read: an answer of the engine's with a description in it.
const ROOM: usize = 8192;
