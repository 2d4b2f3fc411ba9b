//! Our own media, as clients of TURN reach it: as a peer of an allocation, and by its ports.

use std::net::SocketAddr;

use bytes::Bytes;
use ringback_nat::turn::RelayKey;

use crate::media_thread::{FromTurn, ToWorker};
use crate::net::datagram::DatagramSocket;

/// The media workers.
#[derive(Debug, Default)]
pub struct OurMedia(Vec<OurWorker>);

/// One of them.
#[derive(Debug)]
pub struct OurWorker {
    /// The way to it.
    pub way: ToWorker,
    /// The sockets that its WebRTC legs share: what answers a client of TURN that came by one of them leaves by it.
    pub shared: Vec<DatagramSocket>,
}

impl OurMedia {
    /// These workers.
    pub fn new(workers: Vec<OurWorker>) -> Self {
        OurMedia(workers)
    }

    /// Where they wait for browsers.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.sockets().map(DatagramSocket::bound).collect()
    }

    /// The sockets that they wait by.
    pub fn sockets(&self) -> impl Iterator<Item = &DatagramSocket> {
        self.0.iter().flat_map(|worker| &worker.shared)
    }

    /// Hands a datagram of an allocation to the worker that waits at `to`; `false` where it does not take it.
    pub fn send(&self, relay: RelayKey, from: SocketAddr, to: SocketAddr, data: &[u8]) -> bool {
        let Some(worker) = self.worker_at(to) else { return false };
        worker.way.send(FromTurn::Datagram { relay, from, to, data: Bytes::copy_from_slice(data) })
    }

    /// The worker that waits at an address; an address that only the world sees is that of any socket with the port.
    fn worker_at(&self, address: SocketAddr) -> Option<&OurWorker> {
        let waits = |is_there: fn(SocketAddr, SocketAddr) -> bool| {
            let has = |worker: &&OurWorker| worker.shared.iter().any(|it| is_there(it.bound(), address));
            self.0.iter().find(has)
        };
        waits(|bound, address| bound == address).or_else(|| {
            waits(|bound, address| bound.port() == address.port() && bound.is_ipv4() == address.is_ipv4())
        })
    }

    /// Tells all that an allocation has ended. One that is behind keeps an address that nobody else has.
    pub fn ended(&self, address: SocketAddr) {
        for worker in &self.0 {
            worker.way.send(FromTurn::Ended(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_thread::Turn;
    use crate::net::wake::Waker;

    #[test]
    fn each_address_leads_to_the_worker_that_waits_there() {
        let bind = |address: &str| DatagramSocket::bind(address.parse().unwrap()).unwrap();
        let (one, two) = (bind("127.0.0.1:0"), bind("127.0.0.2:0"));
        // The port of the first at the address of the second: no worker may be taken by the port alone.
        let across = bind(&format!("127.0.0.2:{}", one.bound().port()));
        let (one_at, across_at) = (one.bound(), across.bound());
        let worker = |shared| {
            let (turn, way) = Turn::new(None, Waker::new().unwrap());
            (turn, OurWorker { way, shared })
        };
        let (mut first, one) = worker(vec![one, two]);
        let (mut second, across) = worker(vec![across]);
        let media = OurMedia::new(vec![one, across]);
        let from: SocketAddr = "203.0.113.7:40000".parse().unwrap();
        let mut leads_to = |to: SocketAddr| {
            let is_taken = media.send(RelayKey(1), from, to, b"check");
            (is_taken, first.poll().map(|it| it.1), second.poll().map(|it| it.1))
        };
        assert_eq!(leads_to(one_at), (true, Some(one_at), None));
        assert_eq!(leads_to(across_at), (true, None, Some(across_at)));
        let outside = SocketAddr::new("203.0.113.9".parse().unwrap(), one_at.port());
        assert_eq!(leads_to(outside), (true, Some(outside), None), "as the world sees it");
        assert_eq!(leads_to("127.0.0.1:1".parse().unwrap()), (false, None, None));
    }
}
