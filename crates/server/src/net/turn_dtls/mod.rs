//! TURN over DTLS ([RFC 7350], [RFC 8656 §3.1]): a task for each socket tells whose a datagram is, and a task for each
//! association has it open it.
//!
//! Nothing is kept of who says hello before it has brought a cookie back (`greetings.rs`). Then it takes a place as a
//! connection does, so associations are bounded in all and for each source, half-open ones among them, and the oldest on
//! which nobody has an allocation goes first. To the thread of TURN an association is a connection: its flow has a number,
//! what is for it goes into an outbox, and dropping that ends it. What differs is that datagrams are dropped where a stream
//! would wait, and counted (`drops.rs`).
//!
//! An association is known by both addresses. One that begins anew from the same, which a client does that has lost its
//! own, takes the place of the one before as soon as its cookie has shown that the client is there ([RFC 6347 §4.2.8]).
//!
//! Left out: DTLS 1.3 and, with the crate `dimpl`, RSA; certificates of `[[tls.sni]]`; a PROXY header, which there is none of
//! for datagrams.
//!
//! [RFC 6347 §4.2.8]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.8
//! [RFC 7350]: https://www.rfc-editor.org/rfc/rfc7350
//! [RFC 8656 §3.1]: https://www.rfc-editor.org/rfc/rfc8656#section-3.1

mod client;
mod drops;
mod greetings;

pub use drops::Dropped;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use ringback_media::dtls::{Greeting, Verified, is_client_hello};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};

use super::datagram::{Batch, Datagram, DatagramSocket};
use super::ring::PAYLOAD;
use super::{Certificates, Doorkeeper};
use crate::http::Server;
use crate::telemetry::{NOBODY, limited};
use client::Client;
use greetings::Greetings;

/// Room for the longest datagram that is taken: as much data as over UDP, and what DTLS puts around it.
const ROOM: usize = PAYLOAD + 64;

/// Datagrams that are received by one call.
const A_ROUND: usize = 32;

/// Datagrams that may wait for the task of an association; then they are dropped, as a full socket would.
const WAITING: usize = 64;

/// How often associations that have ended are forgotten, or when there are so many more than last time.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const SWEEP_AT_LEAST: usize = 1024;

/// How long the last words of associations are waited for when the server ends.
const FAREWELL_WITHIN: Duration = Duration::from_millis(500);

/// The associations that are connected.
#[derive(Debug, Clone, Default)]
pub struct Associations(watch::Sender<usize>);

impl Associations {
    /// Counts one until what is given is dropped.
    fn one(&self) -> One {
        self.0.send_modify(|count| *count += 1);
        One(self.clone())
    }

    /// Waits until the last has said that it ends, which it does when the thread of TURN has, and not for long.
    pub async fn ended(&self) {
        let mut count = self.0.subscribe();
        let _ = timeout(FAREWELL_WITHIN, count.wait_for(|count| *count == 0)).await;
    }
}

/// An association that is connected.
struct One(Associations);

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// Takes associations at these sockets. `server` is one whose inbox leads to the thread of TURN.
pub fn start(
    server: &Server,
    sockets: Vec<DatagramSocket>,
    doorkeeper: &Arc<Doorkeeper>,
    certificates: &Arc<Certificates>,
    associations: &Associations,
) -> io::Result<()> {
    if !sockets.is_empty() {
        certificates.serve_dtls();
    }
    let mut random = rand::rng();
    for socket in sockets {
        let mut secrets = [[0; 32]; 3];
        secrets.iter_mut().for_each(|secret| random.fill_bytes(secret));
        let listener = Listener {
            server: server.clone(),
            readiness: socket.waited_for()?,
            socket: Arc::new(socket),
            doorkeeper: doorkeeper.clone(),
            certificates: certificates.clone(),
            associations: associations.clone(),
            greetings: Greetings::new(Instant::now(), &secrets),
            known: HashMap::new(),
            sweep_at: SWEEP_AT_LEAST,
        };
        tokio::spawn(listener.listen());
    }
    Ok(())
}

/// Who receives at a socket.
struct Listener {
    server: Server,
    socket: Arc<DatagramSocket>,
    /// Another handle of it.
    readiness: UdpSocket,
    doorkeeper: Arc<Doorkeeper>,
    certificates: Arc<Certificates>,
    associations: Associations,
    greetings: Greetings,
    /// By our address and theirs.
    known: HashMap<(SocketAddr, SocketAddr), Known>,
    /// How many there may be before those that have ended are forgotten.
    sweep_at: usize,
}

/// An association, to who receives for it.
struct Known {
    /// The way to its task. Dropping it ends the association.
    datagrams: mpsc::Sender<Bytes>,
    /// Of the hello that it was begun with.
    random: [u8; 32],
}

impl Listener {
    async fn listen(mut self) {
        let mut batch = Batch::<ROOM>::new(A_ROUND);
        let mut sweep = interval(SWEEP_EVERY);
        let bound = self.socket.bound();
        loop {
            tokio::select! {
                ready = self.readiness.readable() => {
                    let received = ready.and_then(|()| self.receive(&mut batch));
                    match received {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(error) => {
                            let words = "TURN over DTLS failed; nothing comes by it until the next start";
                            tracing::error!(%error, %bound, "{words}");
                            return;
                        }
                    }
                    let now = Instant::now();
                    for datagram in batch.datagrams(bound) {
                        if let Err(dropped) = self.contained(now, &datagram) {
                            self.server.telemetry.turn_dtls.count(dropped);
                        }
                    }
                }
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    /// Receives what is there; without anything the socket is not ready any more.
    fn receive(&self, batch: &mut Batch<ROOM>) -> io::Result<()> {
        self.readiness.try_io(Interest::READABLE, || match self.socket.receive(batch, A_ROUND)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        })
    }

    /// A mistake of ours costs the datagram that it happened to.
    fn contained(&mut self, now: Instant, datagram: &Datagram<'_>) -> Result<(), Dropped> {
        let handled = catch_unwind(AssertUnwindSafe(|| self.handle(now, datagram)));
        handled.unwrap_or_else(|_| {
            let words =
                "a datagram of TURN over DTLS was dropped because of a mistake in Ringback; please report it";
            limited!(self.server.telemetry.log, ERROR, NOBODY, "panic", "{words}");
            Err(Dropped::Mistake)
        })
    }

    fn handle(&mut self, now: Instant, datagram: &Datagram<'_>) -> Result<(), Dropped> {
        let Datagram { local, remote, payload, truncated } = *datagram;
        if truncated {
            return Err(Dropped::TooLong);
        }
        let ends = (local, remote);
        if !is_client_hello(payload) {
            let known = self.known.get(&ends).ok_or(match payload {
                // The first byte of a record of DTLS 1.2 (RFC 7983 §7).
                [20..=63, ..] => Dropped::NoAssociation,
                _ => Dropped::NotDtls,
            })?;
            return known.take(payload);
        }
        match self.greetings.handle(now, local, remote, payload)? {
            Greeting::Asked(answer) => {
                let sent = self.socket.send(local.ip(), remote, &answer);
                sent.map_err(|_| Dropped::SendFailed)
            }
            Greeting::Verified(hello) => match self.known.get(&ends) {
                // It comes again, since our answer was lost or is late.
                Some(known) if known.random == hello.random() => known.take(payload),
                _ => self.accept(now, ends, hello),
            },
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        ends: (SocketAddr, SocketAddr),
        hello: Verified,
    ) -> Result<(), Dropped> {
        let (local, remote) = ends;
        if !self.greetings.may_begin(now, remote) {
            return Err(Dropped::HandshakeBudget);
        }
        let identity = self.certificates.dtls().ok_or(Dropped::NoCertificate)?;
        let Some(place) = self.doorkeeper.admit(remote.ip()) else {
            let words = "all `limits.connections` have users; a new association was turned away";
            limited!(self.server.telemetry.log, WARN, remote.ip(), "too_many", "{words}");
            return Err(Dropped::TooMany);
        };
        if self.known.len() >= self.sweep_at {
            self.sweep();
        }
        let (datagrams, incoming) = mpsc::channel(WAITING);
        // The one before, if there was one, hears that it is not received for any more.
        self.known.insert(ends, Known { datagrams, random: hello.random() });
        let client = Client {
            server: self.server.clone(),
            socket: self.socket.clone(),
            local,
            remote,
            place: Arc::new(place),
            incoming,
            associations: self.associations.clone(),
        };
        tokio::spawn(client.serve(identity, hello));
        Ok(())
    }

    /// Forgets the associations that have ended.
    fn sweep(&mut self) {
        self.known.retain(|_, known| !known.datagrams.is_closed());
        self.sweep_at = (2 * self.known.len()).max(SWEEP_AT_LEAST);
    }
}

impl Known {
    /// Hands a datagram to the task of the association.
    fn take(&self, payload: &[u8]) -> Result<(), Dropped> {
        self.datagrams.try_send(Bytes::copy_from_slice(payload)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Dropped::Behind,
            mpsc::error::TrySendError::Closed(_) => Dropped::NoAssociation,
        })
    }
}
