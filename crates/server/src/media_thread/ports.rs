//! The UDP ports of plain RTP: pairs of an even and the next odd one, the longest free given first.
//!
//! A port that was just in use still gets packets of the call before; the longer it rests, the fewer.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::config::PortRange;
use crate::net::datagram::DatagramSocket;

/// The even ports that are free, shared by the media workers. It is locked when a leg opens or closes, never for a
/// packet.
#[derive(Debug)]
pub struct Ports {
    free: Mutex<VecDeque<u16>>,
    range: PortRange,
}

/// Why no pair of ports could be had.
#[derive(Debug, Error)]
pub enum NoPorts {
    /// Every pair is in use.
    #[error("all of media.rtp_ports ({0}) are in use; widen the range")]
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
    /// All pairs of the range.
    pub fn new(range: PortRange) -> Self {
        let first = range.first + range.first % 2;
        let free = (first..range.last).step_by(2).collect();
        Ports { free: Mutex::new(free), range }
    }

    /// Binds a pair: its even port, the socket of RTP and the socket of RTCP.
    pub fn bind(&self, address: IpAddr) -> Result<(u16, DatagramSocket, DatagramSocket), NoPorts> {
        let mut refused = None;
        for _ in 0..TRIES {
            // The lock is not held while the system binds; a panic elsewhere leaves the list as it was.
            let port = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(port) = port else { break };
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
    pub fn give_back(&self, port: u16) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(port);
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
        let ports = Ports::new(PortRange { first: even, last: even + 5 });
        let (first, rtp, rtcp) = ports.bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert!(first > even);
        assert_eq!((rtp.bound().port(), rtcp.bound().port()), (first, first + 1));
        drop(blocker);
        drop((rtp, rtcp));
        ports.give_back(first);
        let order: Vec<u16> = ports.free.lock().unwrap().iter().copied().collect();
        assert_eq!(order.last(), Some(&first), "what was used last is used last again");
    }

    #[test]
    fn when_all_are_in_use_the_sentence_names_the_key() {
        let ports = Ports::new(PortRange { first: 4000, last: 4001 });
        ports.free.lock().unwrap().clear();
        let error = ports.bind(Ipv4Addr::LOCALHOST.into()).unwrap_err();
        assert_eq!(error.to_string(), "all of media.rtp_ports (4000-4001) are in use; widen the range");
    }

    #[test]
    fn a_pair_starts_at_an_even_port() {
        let ports = Ports::new(PortRange { first: 4001, last: 4006 });
        assert_eq!(*ports.free.lock().unwrap(), [4002, 4004]);
    }
}
