//! Waiting for sockets with epoll, and reading them one after the other: what every machine allows.
//!
//! epoll tells once of each socket that has become ready, so each is read until it is empty. One that is not after its
//! share of a round stays ready for the next, once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::datagram::{Batch, Datagram, DatagramSocket};
use super::ring::PAYLOAD;

/// Datagrams that are received with one system call.
pub const BATCH: usize = 32;

/// Datagrams that are looked for where one is there as a rule: the second look finds that it was all.
pub const FEW: usize = 2;

/// Sockets that can be told ready at once; others are told by the next wait.
const EVENTS: usize = 256;

/// The mark of what ends waits and is not read.
const EDGE: u64 = u64::MAX << 2;

/// Sockets that are waited for.
pub struct Epoll {
    epoll: OwnedFd,
    /// The marks of what has something to read.
    ready: Vec<u64>,
    unfinished: Vec<u64>,
    may_have_more: bool,
    batch: Batch<PAYLOAD>,
}

impl Epoll {
    /// Without sockets.
    pub fn new() -> io::Result<Self> {
        Ok(Epoll {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(EVENTS),
            unfinished: Vec::new(),
            may_have_more: false,
            batch: Batch::new(BATCH),
        })
    }

    /// Hears a socket until it is closed.
    pub fn hear(&self, socket: &impl AsFd, mark: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket.as_fd(), EventData::new_u64(mark), flags)?)
    }

    /// Ends waits whenever the descriptor has an edge.
    pub fn hear_edges(&self, of: &impl AsFd) -> io::Result<()> {
        self.hear(of, EDGE)
    }

    /// Rests for as long as it is told, then waits until something is there, at most so long.
    pub fn wait(&mut self, rest: Option<Duration>, at_most: Duration) -> io::Result<()> {
        if let Some(rest) = rest {
            thread::sleep(rest);
        }
        let wait = if self.unfinished.is_empty() { at_most } else { Duration::ZERO };
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
        let count = match epoll::wait(&self.epoll, &mut events, Some(&wait)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.may_have_more = count == EVENTS;
        self.ready.clear();
        let marks = events.iter().take(count).map(|event| {
            let data = event.data;
            data.u64()
        });
        self.ready.extend(marks.filter(|mark| *mark != EDGE));
        if !self.unfinished.is_empty() {
            // More may have come to one of these meanwhile.
            self.ready.append(&mut self.unfinished);
            self.ready.sort_unstable();
            self.ready.dedup();
        }
        Ok(())
    }

    /// Whether a round since the last wait took as much as it can, so that the next one finds more at once.
    pub fn may_have_more(&self) -> bool {
        self.may_have_more || !self.unfinished.is_empty()
    }

    /// The mark of a socket that the last wait found ready.
    pub fn next_ready(&mut self) -> Option<u64> {
        self.ready.pop()
    }

    /// Has what is there by a socket handled: what there is `room` for, then a batch. One that holds more is ready for the
    /// next round, since the others have their turn first.
    pub fn read(
        &mut self,
        socket: &DatagramSocket,
        mark: u64,
        mut room: usize,
        mut handle: impl FnMut(&Datagram<'_>),
    ) -> io::Result<usize> {
        let mut received = 0;
        loop {
            let count = socket.receive(&mut self.batch, room)?;
            received += count;
            self.batch.datagrams(socket.bound()).for_each(|datagram| handle(&datagram));
            if count < room {
                return Ok(received);
            }
            if room == BATCH {
                self.unfinished.push(mark);
                return Ok(received);
            }
            room = BATCH;
        }
    }
}
