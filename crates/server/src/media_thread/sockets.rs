//! The sockets of one media worker and the waiting for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringback_media::session::{Destination, LegKey, Packet, Socket};
use ringback_sansio::{Seeded, Table};

use super::pair::Pair;
use super::turn::Turn;
use crate::net::datagram::{Datagram, DatagramSocket};
use crate::net::kernel::{Kernel, Out};
use crate::net::ring::Crowd;
use crate::net::wake::Waker;

/// The sockets.
pub struct Sockets {
    places: Places,
    kernel: Kernel,
    noted: Noted,
    /// Sockets that are connected with one far end, and how many of them there may be.
    connected: usize,
    most_connected: usize,
}

/// Where each socket is.
struct Places {
    shared: Vec<DatagramSocket>,
    plain: Table<LegKey, Pair>,
    turn: Turn,
}

/// What came of sending.
#[derive(Default)]
struct Noted {
    /// Legs that are to have a socket connected.
    steady: Vec<LegKey>,
    counts: Counts,
}

/// What the sockets could not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that the kernel did not take.
    pub send_failed: u64,
    /// Datagrams with no socket to leave by.
    pub no_socket: u64,
    /// Times that a socket could not be connected with a far end.
    pub unconnected: u64,
    /// Datagrams to an allocation of TURN that found its thread behind.
    pub turn_full: u64,
}

/// What has something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
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
    fn socket(self) -> Socket {
        match self {
            Ready::Shared(_) => Socket::Shared,
            Ready::Rtp(leg) | Ready::Connected(leg) => Socket::Rtp(leg),
            Ready::Rtcp(leg) => Socket::Rtcp(leg),
        }
    }

    fn crowd(self) -> Crowd {
        if matches!(self, Ready::Shared(_)) { Crowd::Shared } else { Crowd::Single }
    }
}

impl Sockets {
    /// Takes the shared sockets. At most `most_connected` others are connected with the far ends of legs.
    pub fn new(
        mut kernel: Kernel,
        shared: Vec<DatagramSocket>,
        waker: &Waker,
        seeded: Seeded,
        most_connected: usize,
        turn: Turn,
    ) -> io::Result<Self> {
        for (number, socket) in shared.iter().enumerate() {
            hear(&mut kernel, socket, Ready::Shared(number))?;
        }
        kernel.hear_edges(waker)?;
        let places = Places { shared, plain: Table::with_hasher(seeded), turn };
        Ok(Sockets { places, kernel, noted: Noted::default(), connected: 0, most_connected })
    }

    /// What passes between media and TURN.
    pub fn turn(&mut self) -> &mut Turn {
        &mut self.places.turn
    }

    /// The addresses of the shared sockets.
    pub fn shared_addresses(&self) -> Vec<SocketAddr> {
        self.places.shared.iter().map(DatagramSocket::bound).collect()
    }

    /// Takes the sockets of a plain leg.
    pub fn open(
        &mut self,
        leg: LegKey,
        local: IpAddr,
        rtp: DatagramSocket,
        rtcp: DatagramSocket,
    ) -> io::Result<()> {
        hear(&mut self.kernel, &rtp, Ready::Rtp(leg))?;
        hear(&mut self.kernel, &rtcp, Ready::Rtcp(leg))?;
        self.places.plain.insert(leg, Pair::new(local, rtp, rtcp));
        Ok(())
    }

    /// Closes the sockets of a leg; its even port, if it had any.
    pub fn close(&mut self, leg: LegKey) -> Option<u16> {
        let pair = self.places.plain.remove(&leg)?;
        self.connected -= usize::from(pair.beside().is_some());
        let beside = pair.beside().map(|_| Ready::Connected(leg));
        self.kernel.forget([Ready::Rtp(leg), Ready::Rtcp(leg)].into_iter().chain(beside).map(mark));
        Some(pair.port())
    }

    /// Waits until something is there, `until` has come, or `longest` has passed; with a `rest`, as long as that in any case.
    pub fn wait(
        &mut self,
        rest: Option<Duration>,
        until: Option<Instant>,
        longest: Duration,
    ) -> io::Result<()> {
        let at_most =
            until.map_or(longest, |until| until.saturating_duration_since(Instant::now()).min(longest));
        self.kernel.wait(rest, at_most, |mark| self.places.marked(mark))
    }

    /// Whether a round since the last wait took as much as it can, so that the next one finds more at once.
    pub fn may_have_more(&self) -> bool {
        self.kernel.may_have_more()
    }

    /// What could not be done.
    pub fn counts(&self) -> Counts {
        let Counts { send_failed, .. } = self.noted.counts;
        Counts { send_failed: send_failed + self.kernel.failed(), ..self.noted.counts }
    }

    /// Has what is there by each socket handled, up to its share of a round, and sends what comes of it. Says how many
    /// datagrams there were.
    pub fn round(
        &mut self,
        packet: &mut Packet,
        mut handle: impl FnMut(&Turn, Socket, &Datagram<'_>, &mut Packet) -> Option<Destination>,
    ) -> io::Result<usize> {
        let Sockets { places, kernel, noted, .. } = self;
        let received = kernel.round(
            packet,
            |mark| places.marked(mark),
            |packet, mark, datagram| handle(&places.turn, ready_of(mark).socket(), datagram, packet),
            |packet, out, destination| places.send(out, noted, &destination, packet.bytes()),
        )?;
        self.connect_steady();
        Ok(received)
    }

    /// Sends one datagram.
    pub fn send(&mut self, destination: Destination, bytes: &[u8]) {
        self.places.send(&mut self.kernel.out(), &mut self.noted, &destination, bytes);
        self.connect_steady();
    }

    /// Connects a socket for each leg whose RTP has gone one way for a while. What cannot be had is done without.
    fn connect_steady(&mut self) {
        while let Some(leg) = self.noted.steady.pop() {
            if !self.connect(leg) {
                self.noted.counts.unconnected += 1;
            }
        }
    }

    /// Connects a socket with the far end of a leg; says whether there is one.
    fn connect(&mut self, leg: LegKey) -> bool {
        let Some(pair) = self.places.plain.get_mut(&leg) else { return false };
        if pair.beside().is_none() && self.connected >= self.most_connected {
            return false;
        }
        // What waits to be sent goes where the socket leads to now.
        self.kernel.flush();
        match pair.connect() {
            Err(_) => false,
            Ok(None) => true,
            Ok(Some(socket)) if hear(&mut self.kernel, socket, Ready::Connected(leg)).is_ok() => {
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

impl Places {
    fn marked(&self, mark: u64) -> Option<(&DatagramSocket, Crowd)> {
        let ready = ready_of(mark);
        self.socket(ready).map(|socket| (socket, ready.crowd()))
    }

    fn socket(&self, ready: Ready) -> Option<&DatagramSocket> {
        match ready {
            Ready::Shared(number) => self.shared.get(number),
            Ready::Rtp(leg) => self.plain.get(&leg).map(|pair| &pair.rtp),
            Ready::Rtcp(leg) => self.plain.get(&leg).map(|pair| &pair.rtcp),
            Ready::Connected(leg) => self.plain.get(&leg).and_then(Pair::beside),
        }
    }

    /// Sends by the socket that the destination names, and notes what came of it.
    fn send(&self, out: &mut Out<'_>, noted: &mut Noted, destination: &Destination, bytes: &[u8]) {
        let (local, remote) = (destination.local.ip(), destination.remote);
        let pair = |leg| self.plain.get(&leg).filter(|pair| pair.reaches(remote));
        let sent = match destination.socket {
            Socket::Shared => {
                if let Some(is_taken) = self.turn.send(destination.local, remote, bytes) {
                    noted.counts.turn_full += u64::from(!is_taken);
                    return;
                }
                let socket = self.shared.iter().find(|socket| {
                    let bound = socket.bound().ip();
                    bound.is_ipv4() == remote.is_ipv4()
                        && (bound.is_unspecified() || local == bound || local.is_unspecified())
                });
                socket.map(|socket| out.send(socket, local, remote, bytes))
            }
            Socket::Rtp(leg) => pair(leg).map(|pair| {
                if let Some(socket) = pair.beside_towards(destination) {
                    return out.send_connected(socket, bytes);
                }
                let is_steady = pair.send_rtp(destination, bytes)?;
                noted.steady.extend(is_steady.then_some(leg));
                Ok(())
            }),
            Socket::Rtcp(leg) => pair(leg).map(|pair| pair.send_rtcp(destination, bytes)),
        };
        match sent {
            Some(Ok(())) => {}
            Some(Err(_)) => noted.counts.send_failed += 1,
            None => noted.counts.no_socket += 1,
        }
    }
}

/// Hears a socket from the next wait on.
fn hear(kernel: &mut Kernel, socket: &DatagramSocket, ready: Ready) -> io::Result<()> {
    kernel.hear(socket, mark(ready), ready.crowd())
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
    use std::collections::HashMap;

    use super::*;
    use crate::net::epoll::{BATCH, FEW};

    #[test]
    fn a_mark_names_its_socket() {
        for leg in [LegKey(1), LegKey((7 << 48) | 12_345), LegKey((1 << 62) - 1)] {
            for ready in [Ready::Shared(3), Ready::Rtp(leg), Ready::Rtcp(leg), Ready::Connected(leg)] {
                assert_eq!(ready_of(mark(ready)), ready);
            }
        }
    }

    fn bind(address: &str) -> DatagramSocket {
        DatagramSocket::bind(address.parse().unwrap()).unwrap()
    }

    fn sockets(kernel: Kernel, shared: Vec<DatagramSocket>) -> Sockets {
        // It lives as long as whoever waits by it.
        let waker = Box::leak(Box::new(Waker::new().unwrap()));
        let (turn, _) = Turn::new(None, waker.clone());
        Sockets::new(kernel, shared, waker, Seeded::new([7; 16]), 1, turn).unwrap()
    }

    /// One of each kind, as far as this machine has it.
    fn kernels() -> Vec<Kernel> {
        let ring = Kernel::ring().inspect_err(|error| println!("io_uring is not tested: {error}"));
        std::iter::once(Kernel::epoll().unwrap()).chain(ring).collect()
    }

    /// One round: how many datagrams came to each of our addresses.
    fn round(sockets: &mut Sockets) -> HashMap<SocketAddr, usize> {
        sockets.wait(None, None, Duration::from_millis(200)).unwrap();
        let mut heard = HashMap::new();
        let count = sockets.round(&mut Packet::new(), |_, _, datagram, _| {
            *heard.entry(datagram.local).or_default() += 1;
            None
        });
        assert_eq!(count.unwrap(), heard.values().sum::<usize>());
        heard
    }

    #[test]
    fn under_a_flood_each_socket_has_one_turn_a_round() {
        let far = bind("127.0.0.1:0");
        let kernel = Kernel::epoll().unwrap();
        let mut sockets = sockets(kernel, vec![bind("127.0.0.1:0"), bind("127.0.0.1:0")]);
        let addresses = sockets.shared_addresses();
        let flood = |count: usize| {
            for address in &addresses {
                (0..count).for_each(|_| far.send(far.bound().ip(), *address, b"flood").unwrap());
            }
        };
        let full = addresses.iter().map(|address| (*address, BATCH)).collect();
        flood(3 * BATCH);
        for _ in 0..5 {
            assert_eq!(round(&mut sockets), full);
            assert!(sockets.may_have_more());
            flood(BATCH);
        }
        // Now what is left of it, once and no more.
        let rest: Vec<_> =
            std::iter::repeat_with(|| round(&mut sockets)).take_while(|it| !it.is_empty()).collect();
        assert_eq!(rest, vec![full; 3]);
    }

    #[test]
    fn a_port_of_a_leg_takes_a_few_then_a_batch_and_then_waits_its_turn() {
        let (far, rtp) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let (ours, mut sockets) = (rtp.bound(), sockets(Kernel::epoll().unwrap(), Vec::new()));
        sockets.open(LegKey(9), ours.ip(), rtp, bind("127.0.0.1:0")).unwrap();
        (0..FEW + BATCH + 6).for_each(|_| far.send(far.bound().ip(), ours, b"rtp").unwrap());
        assert_eq!(round(&mut sockets), HashMap::from([(ours, FEW + BATCH)]));
        assert!(sockets.may_have_more());
        assert_eq!(round(&mut sockets), HashMap::from([(ours, 6)]));
        assert!(!sockets.may_have_more());
    }

    #[test]
    fn a_far_end_is_heard_by_the_socket_that_is_connected_with_it() {
        const LEG: LegKey = LegKey(9);
        const OTHER: LegKey = LegKey(10);
        for kernel in kernels() {
            let far = bind("127.0.0.9:0");
            let mut sockets = sockets(kernel, Vec::new());
            let rtp = bind("0.0.0.0:0");
            let ours = SocketAddr::new("127.0.0.1".parse().unwrap(), rtp.bound().port());
            sockets.open(LEG, ours.ip(), rtp, bind("0.0.0.0:0")).unwrap();
            let destination = Destination { socket: Socket::Rtp(LEG), local: ours, remote: far.bound() };
            (0..60).for_each(|_| sockets.send(destination, b"rtp"));
            let beside = |sockets: &Sockets| sockets.places.plain.get(&LEG).unwrap().beside().is_some();
            assert!(beside(&sockets));
            far.send(far.bound().ip(), ours, b"far").unwrap();
            assert_eq!(round(&mut sockets), HashMap::from([(ours, 1)]));
            let stranger = bind("127.0.0.8:0");
            stranger.send(stranger.bound().ip(), ours, b"who").unwrap();
            assert_eq!(round(&mut sockets), HashMap::from([(ours, 1)]));
            // That nobody is there ends nothing.
            let remote = far.bound();
            drop(far);
            sockets.send(destination, b"rtp");
            assert_eq!(round(&mut sockets), HashMap::new());
            let far = DatagramSocket::bind(remote).unwrap();
            far.send(remote.ip(), ours, b"far again").unwrap();
            let again = std::iter::repeat_with(|| round(&mut sockets)).take(10).find(|it| !it.is_empty());
            assert_eq!(again, Some(HashMap::from([(ours, 1)])));
            // There is one for a leg at a time, and none for another.
            sockets.open(OTHER, ours.ip(), bind("0.0.0.0:0"), bind("0.0.0.0:0")).unwrap();
            let destination = Destination { socket: Socket::Rtp(OTHER), ..destination };
            (0..60).for_each(|_| sockets.send(destination, b"rtp"));
            assert_eq!((sockets.connected, sockets.counts().unconnected), (1, 1));
            assert_eq!(sockets.close(LEG), Some(ours.port()));
            assert!(DatagramSocket::bind(ours).is_ok(), "the port is free");
            sockets.noted.steady.push(OTHER);
            sockets.connect_steady();
            assert_eq!((sockets.connected, sockets.counts().unconnected), (1, 1), "there is room for it now");
        }
    }

    #[test]
    fn what_comes_is_answered_from_where_it_came_to() {
        for kernel in kernels() {
            let far = bind("127.0.0.9:0");
            let mut sockets = sockets(kernel, vec![bind("0.0.0.0:0")]);
            let port = sockets.shared_addresses()[0].port();
            let ours = SocketAddr::new("127.0.0.5".parse().unwrap(), port);
            far.send(far.bound().ip(), ours, b"ping").unwrap();
            sockets.wait(None, None, Duration::from_secs(10)).unwrap();
            let answered = sockets.round(&mut Packet::new(), |_, socket, datagram, packet| {
                assert_eq!(
                    (datagram.local, datagram.remote, datagram.payload),
                    (ours, far.bound(), &b"ping"[..])
                );
                assert!(packet.fill(b"pong"));
                Some(Destination { socket, local: datagram.local, remote: datagram.remote })
            });
            assert_eq!(answered.unwrap(), 1);
            sockets.wait(None, None, Duration::ZERO).unwrap();
            let mut batch = crate::net::datagram::Batch::<64>::new(1);
            assert_eq!(far.receive(&mut batch, 1).unwrap(), 1);
            let pong = batch.datagrams(far.bound()).next().map(|it| (it.remote, it.payload.to_vec()));
            assert_eq!(pong, Some((ours, b"pong".to_vec())));
            assert_eq!(sockets.counts(), Counts::default());
        }
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        for kernel in kernels() {
            let mut sockets = sockets(kernel, vec![bind("127.0.0.1:0")]);
            let local = sockets.shared_addresses()[0];
            let destination =
                |remote: &str| Destination { socket: Socket::Shared, local, remote: remote.parse().unwrap() };
            // Nothing is routed there from loopback, and there is no socket for the other family.
            sockets.send(destination("192.0.2.1:9"), b"lost");
            sockets.send(destination("[::1]:9"), b"lost");
            sockets.wait(None, None, Duration::ZERO).unwrap();
            let Counts { send_failed, no_socket, .. } = sockets.counts();
            assert_eq!((send_failed, no_socket), (1, 1));
        }
    }
}
