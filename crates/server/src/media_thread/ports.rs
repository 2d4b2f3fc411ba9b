//! The UDP ports of plain RTP: pairs of an even and the next odd one, the longest free given first.
//!
//! A port that was just in use still gets packets of the call before; the longer it rests, the fewer. What still comes
//! is known by the worker that had the port (`ringback_media::session` keeps it out for 30 s): so a port belongs to one
//! worker for good.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::config::PortRange;
use crate::net::datagram::DatagramSocket;

/// The even ports of one media worker that are free.
#[derive(Debug)]
pub struct Ports {
    free: VecDeque<u16>,
    range: PortRange,
}

/// Why no pair of ports could be had.
#[derive(Debug, Error)]
pub enum NoPorts {
    /// Every pair is in use.
    #[error("all that a media worker has of media.rtp_ports ({0}) are in use; widen the range")]
    AllInUse(PortRange),
    /// The system refused every pair that was tried.
    #[error("no port of media.rtp_ports ({range}) could be bound: {source}")]
    Refused {
        /// The range.
        range: PortRange,
        /// What the system said last.
        source: io::Error,
    },
}

/// Pairs that are tried: one may be taken by another program, more than this many are not.
const TRIES: usize = 16;

impl Ports {
    /// The share of one of so many workers: every pair of the range is in one share.
    pub fn share(range: PortRange, worker: u16, workers: u16) -> Self {
        let every = usize::from(workers.max(1));
        Ports { free: range.pairs().skip(worker.into()).step_by(every).collect(), range }
    }

    /// Binds a pair: its even port, the socket of RTP and the socket of RTCP.
    pub fn bind(&mut self, address: IpAddr) -> Result<(u16, DatagramSocket, DatagramSocket), NoPorts> {
        let mut refused = None;
        for _ in 0..TRIES {
            let Some(port) = self.free.pop_front() else { break };
            match bind_pair(address, port) {
                Ok((rtp, rtcp)) => return Ok((port, rtp, rtcp)),
                Err(error) => {
                    self.give_back(port);
                    refused = Some(error);
                }
            }
        }
        match refused {
            Some(source) => Err(NoPorts::Refused { range: self.range, source }),
            None => Err(NoPorts::AllInUse(self.range)),
        }
    }

    /// Frees a pair.
    pub fn give_back(&mut self, port: u16) {
        self.free.push_back(port);
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<(DatagramSocket, DatagramSocket)> {
    let rtp = DatagramSocket::bind(SocketAddr::new(address, port))?;
    let rtcp = DatagramSocket::bind(SocketAddr::new(address, port + 1))?;
    Ok((rtp, rtcp))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_longest_free_pair_comes_first_and_a_taken_one_is_passed_over() {
        // Another program has the first pair's second port.
        let taken = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let odd = taken.bound().port() | 1;
        let even = odd - 1;
        let blocker = if taken.bound().port() == odd {
            taken
        } else {
            DatagramSocket::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), odd)).unwrap()
        };
        let mut ports = Ports::share(PortRange { first: even, last: even + 5 }, 0, 1);
        let (first, rtp, rtcp) = ports.bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert!(first > even);
        assert_eq!((rtp.bound().port(), rtcp.bound().port()), (first, first + 1));
        drop(blocker);
        drop((rtp, rtcp));
        ports.give_back(first);
        assert_eq!(ports.free.back(), Some(&first), "what was used last is used last again");
    }

    #[test]
    fn when_all_are_in_use_the_sentence_names_the_key() {
        let mut ports = Ports::share(PortRange { first: 4000, last: 4001 }, 0, 1);
        ports.free.clear();
        let error = ports.bind(Ipv4Addr::LOCALHOST.into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "all that a media worker has of media.rtp_ports (4000-4001) are in use; widen the range"
        );
    }

    #[test]
    fn every_pair_is_one_workers_and_starts_at_an_even_port() {
        let range = PortRange { first: 4001, last: 4016 };
        assert_eq!(Ports::share(range, 0, 1).free, [4002, 4004, 4006, 4008, 4010, 4012, 4014]);
        let shares: Vec<_> = (0..3).map(|worker| Ports::share(range, worker, 3).free).collect();
        assert_eq!(shares, [vec![4002, 4008, 4014], vec![4004, 4010], vec![4006, 4012]]);
    }
}
