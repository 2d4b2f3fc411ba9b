//! The sockets of one media worker and the waiting for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ringback_media::session::{Destination, LegKey, Packet, SLOT_LEN, Seeded, Socket, Table};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::pair::Pair;
use crate::net::datagram::{Batch, Datagram, DatagramSocket};
use crate::net::wake::Waker;

/// Datagrams that are received with one system call.
const BATCH: usize = 32;

/// Datagrams that are looked for at a port of one leg: one is there as a rule, and the second look finds that it was all.
const FEW: usize = 2;

/// Sockets that can be told ready at once; others are told by the next wait.
const EVENTS: usize = 256;

/// The sockets.
///
/// epoll tells once of each that has become ready, so each is read until it is empty. One that is not after its share of a
/// round stays ready for the next, once.
pub struct Sockets {
    shared: Vec<DatagramSocket>,
    plain: Table<LegKey, Pair>,
    epoll: OwnedFd,
    /// The marks of what has something to read.
    ready: Vec<u64>,
    unfinished: Vec<u64>,
    may_have_more: bool,
    batch: Batch<SLOT_LEN>,
    /// Legs that are to have a socket connected.
    steady: Vec<LegKey>,
    /// Sockets that are connected with one far end, and how many of them there may be.
    connected: usize,
    most_connected: usize,
    /// Times that one more was wanted and could not be had.
    unconnected: u64,
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
    /// Takes the shared sockets. At most `most_connected` others are connected with the far ends of legs.
    pub fn new(
        shared: Vec<DatagramSocket>,
        waker: &Waker,
        seeded: Seeded,
        most_connected: usize,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for (number, socket) in shared.iter().enumerate() {
            watch(&epoll, socket, mark(Ready::Shared(number)))?;
        }
        watch(&epoll, waker, WAKER)?;
        Ok(Sockets {
            shared,
            plain: Table::with_hasher(seeded),
            epoll,
            ready: Vec::with_capacity(EVENTS),
            unfinished: Vec::new(),
            may_have_more: false,
            batch: Batch::new(BATCH),
            steady: Vec::new(),
            connected: 0,
            most_connected,
            unconnected: 0,
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
        watch(&self.epoll, &rtp, mark(Ready::Rtp(leg)))?;
        watch(&self.epoll, &rtcp, mark(Ready::Rtcp(leg)))?;
        self.plain.insert(leg, Pair::new(local, rtp, rtcp));
        Ok(())
    }

    /// Closes the sockets of a leg; its even port, if it had any.
    pub fn close(&mut self, leg: LegKey) -> Option<u16> {
        // Closing a descriptor takes it out of epoll.
        let pair = self.plain.remove(&leg)?;
        self.connected -= usize::from(pair.beside().is_some());
        Some(pair.port())
    }

    /// Waits until something is there, `until` has come, or `longest` has passed.
    pub fn wait(&mut self, until: Option<Instant>, longest: Duration) -> io::Result<()> {
        let longest = if self.unfinished.is_empty() { longest } else { Duration::ZERO };
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
        let marks = events.iter().take(count).map(|event| {
            let data = event.data;
            data.u64()
        });
        self.ready.extend(marks.filter(|mark| *mark != WAKER));
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

    /// How often a socket could not be connected with a far end.
    pub fn unconnected(&self) -> u64 {
        self.unconnected
    }

    /// A socket that the last wait found ready.
    pub fn next_ready(&mut self) -> Option<Ready> {
        self.ready.pop().map(ready_of)
    }

    /// Receives what is there by a socket, up to a batch and a few, and sends what `handle` makes of each datagram.
    pub fn receive(
        &mut self,
        ready: Ready,
        packet: &mut Packet,
        mut handle: impl FnMut(&Datagram<'_>, &mut Packet) -> Option<Destination>,
    ) -> io::Result<Received> {
        let mut received = Received::default();
        let Sockets { shared, plain, batch, unfinished, steady, .. } = self;
        let (socket, mut room) = match ready {
            Ready::Shared(number) => (shared.get(number), BATCH),
            Ready::Rtp(leg) => (plain.get(&leg).map(|pair| &pair.rtp), FEW),
            Ready::Rtcp(leg) => (plain.get(&leg).map(|pair| &pair.rtcp), FEW),
            Ready::Connected(leg) => (plain.get(&leg).and_then(Pair::beside), FEW),
        };
        // A leg may have been closed since.
        let Some(socket) = socket else { return Ok(received) };
        loop {
            let count = socket.receive(batch, room)?;
            received.count += count;
            for datagram in batch.datagrams(socket.bound()) {
                let Some(destination) = handle(&datagram, packet) else { continue };
                match send(shared, plain, steady, &destination, packet.bytes()) {
                    Some(sent) => received.failed += u64::from(sent.is_err()),
                    None => received.no_socket += 1,
                }
            }
            if count < room {
                break;
            }
            if room == BATCH {
                // The others have their turn first.
                unfinished.push(mark(ready));
                break;
            }
            room = BATCH;
        }
        self.connect_steady();
        Ok(received)
    }

    /// Sends one datagram; `None` when there is no socket for it.
    pub fn send(&mut self, destination: Destination, bytes: &[u8]) -> Option<io::Result<()>> {
        let sent = send(&self.shared, &self.plain, &mut self.steady, &destination, bytes);
        self.connect_steady();
        sent
    }

    /// Connects a socket for each leg whose RTP has gone one way for a while. What cannot be had is done without.
    fn connect_steady(&mut self) {
        while let Some(leg) = self.steady.pop() {
            if !self.connect(leg) {
                self.unconnected += 1;
            }
        }
    }

    /// Connects a socket with the far end of a leg; says whether there is one.
    fn connect(&mut self, leg: LegKey) -> bool {
        let Some(pair) = self.plain.get_mut(&leg) else { return false };
        if pair.beside().is_none() && self.connected >= self.most_connected {
            return false;
        }
        match pair.connect() {
            Err(_) => false,
            Ok(None) => true,
            Ok(Some(socket)) if watch(&self.epoll, socket, mark(Ready::Connected(leg))).is_ok() => {
                self.connected += 1;
                true
            }
            Ok(Some(_)) => {
                // Unheard it would swallow what the far end says.
                pair.disconnect();
                false
            }
        }
    }
}

/// Has epoll tell once whenever something has come.
fn watch(epoll: &OwnedFd, what: &impl AsFd, mark: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, what.as_fd(), EventData::new_u64(mark), EventFlags::IN | EventFlags::ET)?)
}

/// Sends by the socket that the destination names, and notes which leg has become `steady`.
fn send(
    shared: &[DatagramSocket],
    plain: &Table<LegKey, Pair>,
    steady: &mut Vec<LegKey>,
    destination: &Destination,
    bytes: &[u8],
) -> Option<io::Result<()>> {
    let (local, remote) = (destination.local.ip(), destination.remote);
    let pair = |leg| plain.get(&leg).filter(|pair| pair.reaches(remote));
    match destination.socket {
        Socket::Shared => {
            let socket = shared.iter().find(|socket| {
                let bound = socket.bound().ip();
                bound.is_ipv4() == remote.is_ipv4()
                    && (bound.is_unspecified() || local == bound || local.is_unspecified())
            });
            socket.map(|socket| socket.send(local, remote, bytes))
        }
        Socket::Rtp(leg) => pair(leg).map(|pair| {
            let is_steady = pair.send_rtp(destination, bytes)?;
            steady.extend(is_steady.then_some(leg));
            Ok(())
        }),
        Socket::Rtcp(leg) => pair(leg).map(|pair| pair.send_rtcp(destination, bytes)),
    }
}

/// The number that epoll gives back for a socket: which of its sockets it is, and the key of its leg, which has 62 bits, or
/// its own number.
fn mark(ready: Ready) -> u64 {
    match ready {
        Ready::Shared(number) => (number as u64) << 2,
        Ready::Rtp(LegKey(key)) => key << 2 | 1,
        Ready::Rtcp(LegKey(key)) => key << 2 | 2,
        Ready::Connected(LegKey(key)) => key << 2 | 3,
    }
}

/// The mark of the waker among the marks of sockets: there are not so many shared ones.
const WAKER: u64 = u64::MAX << 2;

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
                assert_ne!(mark(ready), WAKER);
            }
        }
    }

    fn bind(address: &str) -> DatagramSocket {
        DatagramSocket::bind(address.parse().unwrap()).unwrap()
    }

    fn sockets(shared: Vec<DatagramSocket>) -> Sockets {
        Sockets::new(shared, &Waker::new().unwrap(), Seeded::new([7; 16]), 1).unwrap()
    }

    /// One round: how many turns there were, and what was heard.
    fn round(sockets: &mut Sockets) -> (usize, usize) {
        sockets.wait(None, Duration::from_millis(200)).unwrap();
        let (mut turns, mut heard) = (0, 0);
        while let Some(ready) = sockets.next_ready() {
            turns += 1;
            heard += sockets.receive(ready, &mut Packet::new(), |_, _| None).unwrap().count;
        }
        (turns, heard)
    }

    #[test]
    fn under_a_flood_each_socket_has_one_turn_a_round() {
        let far = bind("127.0.0.1:0");
        let mut sockets = sockets(vec![bind("127.0.0.1:0"), bind("127.0.0.1:0")]);
        let flood = |sockets: &Sockets, count: usize| {
            for address in sockets.shared_addresses() {
                (0..count).for_each(|_| far.send(far.bound().ip(), address, b"flood").unwrap());
            }
        };
        flood(&sockets, 3 * BATCH);
        for _ in 0..5 {
            assert_eq!(round(&mut sockets), (2, 2 * BATCH));
            assert!(sockets.may_have_more());
            flood(&sockets, BATCH);
        }
        // Now what is left of it, once and no more.
        let rest: Vec<_> = std::iter::repeat_with(|| round(&mut sockets)).take_while(|it| it.0 > 0).collect();
        assert_eq!(rest.iter().map(|it| it.1).sum::<usize>(), 2 * 3 * BATCH);
        assert!(rest.iter().all(|it| it.0 == 2), "{rest:?}");
    }

    #[test]
    fn a_port_of_a_leg_takes_a_few_then_a_batch_and_then_waits_its_turn() {
        let (far, rtp) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let (ours, mut sockets) = (rtp.bound(), sockets(Vec::new()));
        sockets.open(LegKey(9), ours.ip(), rtp, bind("127.0.0.1:0")).unwrap();
        (0..FEW + BATCH + 6).for_each(|_| far.send(far.bound().ip(), ours, b"rtp").unwrap());
        assert_eq!(round(&mut sockets), (1, FEW + BATCH));
        assert!(sockets.may_have_more());
        assert_eq!(round(&mut sockets), (1, 6));
        assert!(!sockets.may_have_more());
    }

    #[test]
    fn a_far_end_is_heard_by_the_socket_that_is_connected_with_it() {
        const LEG: LegKey = LegKey(9);
        let far = bind("127.0.0.9:0");
        let mut sockets = sockets(Vec::new());
        let rtp = bind("0.0.0.0:0");
        let ours = SocketAddr::new("127.0.0.1".parse().unwrap(), rtp.bound().port());
        sockets.open(LEG, ours.ip(), rtp, bind("0.0.0.0:0")).unwrap();
        let destination = Destination { socket: Socket::Rtp(LEG), local: ours, remote: far.bound() };
        for _ in 0..60 {
            sockets.send(destination, b"rtp").unwrap().unwrap();
        }
        let mut ready_after = |what: &mut dyn FnMut(&mut Sockets)| {
            what(&mut sockets);
            sockets.wait(None, Duration::from_secs(10)).unwrap();
            let ready = sockets.next_ready().unwrap();
            (ready, sockets.receive(ready, &mut Packet::new(), |_, _| None).unwrap().count)
        };
        let heard = ready_after(&mut |_| far.send(far.bound().ip(), ours, b"far").unwrap());
        assert_eq!(heard, (Ready::Connected(LEG), 1));
        let stranger = bind("127.0.0.8:0");
        let heard = ready_after(&mut |_| stranger.send(stranger.bound().ip(), ours, b"who").unwrap());
        assert_eq!(heard, (Ready::Rtp(LEG), 1));
        drop(far);
        let told = ready_after(&mut |sockets| sockets.send(destination, b"rtp").unwrap().unwrap());
        assert_eq!(told, (Ready::Connected(LEG), 0), "that nobody is there ends nothing");
        // There is one for a leg at a time, and none for another.
        const OTHER: LegKey = LegKey(10);
        sockets.open(OTHER, ours.ip(), bind("0.0.0.0:0"), bind("0.0.0.0:0")).unwrap();
        let destination = Destination { socket: Socket::Rtp(OTHER), ..destination };
        for _ in 0..60 {
            sockets.send(destination, b"rtp").unwrap().unwrap();
        }
        assert_eq!((sockets.connected, sockets.unconnected()), (1, 1));
        assert_eq!(sockets.close(LEG), Some(ours.port()));
        sockets.steady.push(OTHER);
        sockets.connect_steady();
        assert_eq!((sockets.connected, sockets.unconnected()), (1, 1), "there is room for it now");
    }
}
