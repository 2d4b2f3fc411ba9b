//! The sockets of one media worker and the waiting for them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ringback_media::session::{Destination, LegKey, Packet, SLOT_LEN, Socket};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::net::datagram::{Batch, Datagram, DatagramSocket};
use crate::net::wake::Waker;

/// Datagrams that are received with one system call.
const BATCH: usize = 32;

/// Sockets that can be told ready at once; others are told by the next wait.
const EVENTS: usize = 256;

/// The mark of the waker among the marks of sockets.
const WAKER: u64 = u64::MAX;

/// The sockets.
pub struct Sockets {
    shared: Vec<DatagramSocket>,
    plain: HashMap<LegKey, Pair>,
    epoll: OwnedFd,
    ready: Vec<Socket>,
    may_have_more: bool,
    batch: Batch<SLOT_LEN>,
}

/// The sockets of a plain leg.
struct Pair {
    port: u16,
    /// Our address that the far end knows; packets leave from it until one has come.
    local: IpAddr,
    rtp: DatagramSocket,
    rtcp: DatagramSocket,
}

/// What came of one look at a socket.
#[derive(Debug, Clone, Copy, Default)]
pub struct Received {
    /// Datagrams that were there.
    pub count: usize,
    /// Those whose answer or copy the kernel did not take.
    pub failed: u64,
    /// Those whose answer or copy has no socket to leave by.
    pub no_socket: u64,
}

impl Sockets {
    /// Takes the shared sockets.
    pub fn new(shared: Vec<DatagramSocket>, waker: &Waker) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for socket in &shared {
            epoll::add(&epoll, socket.as_fd(), EventData::new_u64(mark(Socket::Shared)), EventFlags::IN)?;
        }
        epoll::add(&epoll, waker.as_fd(), EventData::new_u64(WAKER), EventFlags::IN | EventFlags::ET)?;
        Ok(Sockets {
            shared,
            plain: HashMap::new(),
            epoll,
            ready: Vec::with_capacity(EVENTS),
            may_have_more: false,
            batch: Batch::new(BATCH),
        })
    }

    /// The addresses of the shared sockets.
    pub fn shared_addresses(&self) -> Vec<SocketAddr> {
        self.shared.iter().map(DatagramSocket::bound).collect()
    }

    /// Takes the sockets of a plain leg.
    pub fn open(
        &mut self,
        leg: LegKey,
        local: IpAddr,
        rtp: DatagramSocket,
        rtcp: DatagramSocket,
    ) -> io::Result<()> {
        let port = rtp.bound().port();
        epoll::add(&self.epoll, rtp.as_fd(), EventData::new_u64(mark(Socket::Rtp(leg))), EventFlags::IN)?;
        epoll::add(&self.epoll, rtcp.as_fd(), EventData::new_u64(mark(Socket::Rtcp(leg))), EventFlags::IN)?;
        self.plain.insert(leg, Pair { port, local, rtp, rtcp });
        Ok(())
    }

    /// Closes the sockets of a leg; its even port, if it had any.
    pub fn close(&mut self, leg: LegKey) -> Option<u16> {
        // Closing a descriptor takes it out of epoll.
        self.plain.remove(&leg).map(|pair| pair.port)
    }

    /// Waits until something is there, `until` has come, or `longest` has passed.
    pub fn wait(&mut self, until: Option<Instant>, longest: Duration) -> io::Result<()> {
        let wait =
            until.map_or(longest, |until| until.saturating_duration_since(Instant::now()).min(longest));
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
        let count = match epoll::wait(&self.epoll, &mut events, Some(&wait)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.may_have_more = count == EVENTS;
        self.ready.clear();
        for event in events.iter().take(count) {
            let data = event.data;
            if let Some(socket) = socket_of(data.u64()) {
                self.ready.push(socket);
            }
        }
        Ok(())
    }

    /// Whether a round since the last wait took as much as it can, so that the next one finds more at once.
    pub fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// A socket that the last wait found ready.
    pub fn next_ready(&mut self) -> Option<Socket> {
        self.ready.pop()
    }

    /// Receives one batch by a socket and sends what `handle` makes of each datagram.
    pub fn receive(
        &mut self,
        ready: Socket,
        packet: &mut Packet,
        mut handle: impl FnMut(&Datagram<'_>, &mut Packet) -> Option<Destination>,
    ) -> io::Result<Received> {
        let mut received = Received::default();
        let Sockets { shared, plain, batch, may_have_more, .. } = self;
        let sockets: &[DatagramSocket] = match ready {
            Socket::Shared => shared,
            Socket::Rtp(leg) => plain.get(&leg).map_or(&[], |pair| std::slice::from_ref(&pair.rtp)),
            Socket::Rtcp(leg) => plain.get(&leg).map_or(&[], |pair| std::slice::from_ref(&pair.rtcp)),
        };
        for socket in sockets {
            let count = socket.receive(batch)?;
            received.count += count;
            *may_have_more |= count == BATCH;
            for datagram in batch.datagrams(socket.bound()) {
                let Some(destination) = handle(&datagram, packet) else { continue };
                match send(shared, plain, &destination, packet.bytes()) {
                    Some(sent) => received.failed += u64::from(sent.is_err()),
                    None => received.no_socket += 1,
                }
            }
        }
        Ok(received)
    }

    /// Sends one datagram; `None` when there is no socket for it.
    pub fn send(&self, destination: Destination, bytes: &[u8]) -> Option<io::Result<()>> {
        send(&self.shared, &self.plain, &destination, bytes)
    }
}

fn send(
    shared: &[DatagramSocket],
    plain: &HashMap<LegKey, Pair>,
    destination: &Destination,
    bytes: &[u8],
) -> Option<io::Result<()>> {
    let (socket, known) = socket_for(shared, plain, destination)?;
    let local = destination.local.ip();
    if !local.is_unspecified() {
        return Some(socket.send(local, destination.remote, bytes));
    }
    // The address that the far end knows may not lead to where its media is; then the system chooses.
    let sent = known.map(|known| socket.send(known, destination.remote, bytes));
    Some(sent.filter(Result::is_ok).unwrap_or_else(|| socket.send(local, destination.remote, bytes)))
}

fn socket_for<'s>(
    shared: &'s [DatagramSocket],
    plain: &'s HashMap<LegKey, Pair>,
    destination: &Destination,
) -> Option<(&'s DatagramSocket, Option<IpAddr>)> {
    let local = destination.local.ip();
    let pair = |leg| plain.get(&leg).filter(|pair| pair.local.is_ipv4() == destination.remote.is_ipv4());
    match destination.socket {
        Socket::Shared => {
            let socket = shared.iter().find(|socket| {
                let bound = socket.bound().ip();
                bound.is_ipv4() == destination.remote.is_ipv4()
                    && (bound.is_unspecified() || local == bound || local.is_unspecified())
            });
            socket.map(|socket| (socket, None))
        }
        Socket::Rtp(leg) => pair(leg).map(|pair| (&pair.rtp, Some(pair.local))),
        Socket::Rtcp(leg) => pair(leg).map(|pair| (&pair.rtcp, Some(pair.local))),
    }
}

/// The number that epoll gives back for a socket: the key of its leg and which of its two it is. Keys use 62 bits.
fn mark(socket: Socket) -> u64 {
    match socket {
        Socket::Shared => 0,
        Socket::Rtp(LegKey(key)) => key << 2 | 1,
        Socket::Rtcp(LegKey(key)) => key << 2 | 2,
    }
}

fn socket_of(mark: u64) -> Option<Socket> {
    if mark == WAKER {
        return None;
    }
    let leg = LegKey(mark >> 2);
    match mark & 3 {
        0 => Some(Socket::Shared),
        1 => Some(Socket::Rtp(leg)),
        2 => Some(Socket::Rtcp(leg)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_socket() {
        for leg in [LegKey((7 << 48) | 12_345), LegKey((1 << 62) - 1)] {
            for socket in [Socket::Shared, Socket::Rtp(leg), Socket::Rtcp(leg)] {
                assert_eq!(socket_of(mark(socket)), Some(socket));
            }
        }
        assert_eq!(socket_of(WAKER), None);
    }
}
