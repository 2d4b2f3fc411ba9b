//! The sockets of a leg with ports of its own.
//!
//! RTP that goes the same way for a while goes by a third socket, which is connected with the far end beside the one that
//! hears everybody: the kernel then need not look for the way with each packet, which is a good part of what a packet
//! costs. Where there is none, because those that only save time have their part of the descriptors, the leg goes on without.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};

use ringback_media::session::Destination;

use crate::net::datagram::DatagramSocket;

/// Packets in a row that go the same way before a socket is connected for them: a second of audio.
const STEADY: u16 = 50;

/// The sockets.
pub(super) struct Pair {
    /// Our address that the far end knows; packets leave from it until one has come.
    local: IpAddr,
    pub(super) rtp: DatagramSocket,
    pub(super) rtcp: DatagramSocket,
    way: Cell<Way>,
    /// Packets that went that way in a row.
    steady: Cell<u16>,
    beside: Option<Beside>,
}

/// Between which of our addresses and whom packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    local: IpAddr,
    remote: SocketAddr,
}

/// A socket that is connected with the far end.
struct Beside {
    socket: DatagramSocket,
    way: Way,
}

impl Pair {
    pub(super) fn new(local: IpAddr, rtp: DatagramSocket, rtcp: DatagramSocket) -> Self {
        let way = Way { local, remote: rtp.bound() };
        Pair { local, rtp, rtcp, way: Cell::new(way), steady: Cell::new(0), beside: None }
    }

    /// The even port.
    pub(super) fn port(&self) -> u16 {
        self.rtp.bound().port()
    }

    /// The socket that is connected with the far end.
    pub(super) fn beside(&self) -> Option<&DatagramSocket> {
        self.beside.as_ref().map(|beside| &beside.socket)
    }

    /// Whether its sockets are of the family of an address.
    pub(super) fn reaches(&self, remote: SocketAddr) -> bool {
        self.local.is_ipv4() == remote.is_ipv4()
    }

    /// The socket that is connected with where a datagram goes, the way it goes.
    pub(super) fn beside_towards(&self, destination: &Destination) -> Option<&DatagramSocket> {
        let way = Way { local: destination.local.ip(), remote: destination.remote };
        self.beside.as_ref().filter(|beside| beside.way == way).map(|beside| &beside.socket)
    }

    /// Sends RTP by the socket that hears everybody. Says whether it has gone the same way so often that it is worth a
    /// [`Pair::connect`].
    pub(super) fn send_rtp(&self, destination: &Destination, bytes: &[u8]) -> io::Result<bool> {
        let way = Way { local: destination.local.ip(), remote: destination.remote };
        self.send(&self.rtp, destination, bytes)?;
        // It comes to STEADY again after some twenty minutes: what was refused may be had then.
        let steady = if way == self.way.replace(way) { self.steady.get().wrapping_add(1) } else { 1 };
        self.steady.set(steady);
        Ok(steady == STEADY && !way.local.is_unspecified())
    }

    /// Sends RTCP.
    pub(super) fn send_rtcp(&self, destination: &Destination, bytes: &[u8]) -> io::Result<()> {
        self.send(&self.rtcp, destination, bytes)
    }

    fn send(&self, socket: &DatagramSocket, destination: &Destination, bytes: &[u8]) -> io::Result<()> {
        let local = destination.local.ip();
        if local.is_unspecified() {
            // The address that the far end knows may not lead to where its media is; then the system chooses.
            return socket
                .send(self.local, destination.remote, bytes)
                .or_else(|_| socket.send(local, destination.remote, bytes));
        }
        socket.send(local, destination.remote, bytes)
    }

    /// Connects a socket with the far end that RTP goes to; gives it when it is a new one. One that was connected with
    /// another far end is turned to this one, and what it still holds of that is not lost.
    pub(super) fn connect(&mut self) -> io::Result<Option<&DatagramSocket>> {
        let way @ Way { local, remote } = self.way.get();
        match &mut self.beside {
            Some(beside) if beside.way.local == local => {
                beside.socket.turn_to(remote)?;
                beside.way = way;
                Ok(None)
            }
            // An address of ours that changes in mid-call is too rare to be worth a fourth socket.
            Some(_) => Ok(None),
            None => {
                let socket = self.rtp.connect_beside(local, remote)?;
                Ok(Some(&self.beside.insert(Beside { socket, way }).socket))
            }
        }
    }

    /// Closes the socket that is connected with the far end.
    pub(super) fn disconnect(&mut self) {
        self.beside = None;
    }
}

#[cfg(test)]
mod tests {
    use ringback_media::session::{LegKey, Socket};

    use super::*;

    fn bind(address: &str) -> DatagramSocket {
        DatagramSocket::bind(address.parse().unwrap()).unwrap()
    }

    fn pair() -> Pair {
        Pair::new("127.0.0.1".parse().unwrap(), bind("0.0.0.0:0"), bind("0.0.0.0:0"))
    }

    fn towards(pair: &Pair, far: &DatagramSocket) -> Destination {
        let local = SocketAddr::new("127.0.0.1".parse().unwrap(), pair.port());
        Destination { socket: Socket::Rtp(LegKey(1)), local, remote: far.bound() }
    }

    /// Sends so often; how often it was told that a socket is worth it.
    fn send(pair: &Pair, far: &DatagramSocket, times: u16) -> usize {
        let destination = towards(pair, far);
        (0..times).filter(|_| pair.send_rtp(&destination, b"rtp").unwrap()).count()
    }

    #[test]
    fn what_goes_one_way_for_long_is_worth_a_socket_once() {
        let (pair, far, other) = (pair(), bind("127.0.0.9:0"), bind("127.0.0.8:0"));
        assert_eq!(send(&pair, &far, STEADY - 1), 0);
        assert_eq!(send(&pair, &other, 1), 0, "it went another way");
        assert_eq!(send(&pair, &far, STEADY - 1), 0);
        assert_eq!(send(&pair, &far, 1), 1);
        assert_eq!(send(&pair, &far, 3 * STEADY), 0, "it was refused, and is not asked for again so soon");
    }

    #[test]
    fn a_far_end_that_moves_takes_its_socket_along() {
        let (mut pair, far, moved) = (pair(), bind("127.0.0.9:0"), bind("127.0.0.8:0"));
        assert_eq!(send(&pair, &far, STEADY), 1);
        assert!(pair.connect().unwrap().is_some());
        assert_eq!(send(&pair, &far, 1), 0);
        let ours = towards(&pair, &far).local;
        far.send(far.bound().ip(), ours, b"from where it was").unwrap();
        assert_eq!(send(&pair, &moved, STEADY), 1);
        assert!(pair.connect().unwrap().is_none(), "it has one");
        moved.send(moved.bound().ip(), ours, b"from where it is").unwrap();
        let mut batch = crate::net::datagram::Batch::<64>::new(4);
        let mut heard = Vec::new();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while heard.len() < 2 && std::time::Instant::now() < deadline {
            let beside = pair.beside().unwrap();
            beside.receive(&mut batch, 4).unwrap();
            heard.extend(batch.datagrams(beside.bound()).map(|it| it.payload.to_vec()));
        }
        assert_eq!(heard, [b"from where it was".to_vec(), b"from where it is".to_vec()]);
    }

    #[test]
    fn rtp_from_no_address_of_ours_in_particular_stays_unconnected() {
        let (pair, far) = (pair(), bind("127.0.0.9:0"));
        let destination = Destination { local: "0.0.0.0:0".parse().unwrap(), ..towards(&pair, &far) };
        let asked = (0..2 * STEADY).filter(|_| pair.send_rtp(&destination, b"rtp").unwrap()).count();
        assert_eq!(asked, 0);
    }
}
