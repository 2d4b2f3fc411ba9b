//! A session with its socket, on tokio.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::{Protection, RtpCounts, RtpError, RtpSession};
use crate::audio::Audio;

/// An [`RtpSession`] with its socket.
///
/// Everything happens within [`RtpConnection::drive`], so keep asking it; it may be given up while it waits and nothing is
/// lost.
pub struct RtpConnection {
    session: RtpSession,
    socket: UdpSocket,
    buffer: Vec<u8>,
    /// Datagrams that the system did not take.
    unsent: u64,
}

impl RtpConnection {
    /// Binds a socket at an address of ours that the far end can reach. `signalling` is where its SIP comes from.
    pub async fn open(
        address: IpAddr,
        signalling: IpAddr,
        protection: Protection,
    ) -> io::Result<RtpConnection> {
        let socket = UdpSocket::bind((address, 0)).await?;
        let local = socket.local_addr()?;
        let session = RtpSession::new(local, signalling, protection, rand::random());
        Ok(RtpConnection { session, socket, buffer: vec![0; LONGEST_DATAGRAM], unsent: 0 })
    }

    /// The offer of a call.
    pub fn offer(&mut self) -> Bytes {
        self.session.offer()
    }

    /// Takes the answer to the offer.
    pub fn accept(&mut self, answer: &[u8]) -> Result<(), RtpError> {
        self.session.accept(Instant::now(), answer)
    }

    /// Answers an offer.
    pub fn answer(&mut self, offer: &[u8]) -> Result<Bytes, RtpError> {
        self.session.answer(Instant::now(), offer)
    }

    /// The audio, once something was agreed.
    pub fn audio(&mut self) -> Option<&mut Audio> {
        self.session.audio()
    }

    /// What became of packets.
    pub fn counts(&self) -> RtpCounts {
        self.session.counts()
    }

    /// How many datagrams the system did not take.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Waits for the next packet, or until something is due, and handles it.
    pub async fn drive(&mut self) {
        let due = self.session.poll_timeout();
        let sleep = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = sleep => self.session.handle_timeout(Instant::now()),
            received = self.socket.recv_from(&mut self.buffer) => match received {
                Ok((len, from)) => {
                    let datagram = self.buffer.get_mut(..len).unwrap_or_default();
                    self.session.handle_datagram(Instant::now(), from, datagram);
                }
                // The answer to a packet that nobody took: as good as a lost one.
                Err(_) => tokio::task::yield_now().await,
            },
        }
        self.transmit();
    }

    fn transmit(&mut self) {
        while let Some((to, packet)) = self.session.poll_transmit() {
            // A full buffer or an unreachable address is a lost packet like any other.
            let is_sent = self.socket.try_send_to(packet, to).is_ok();
            self.unsent += u64::from(!is_sent);
        }
    }

    /// Where packets are taken.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// The bytes of the longest datagram that is taken.
const LONGEST_DATAGRAM: usize = 2048;
