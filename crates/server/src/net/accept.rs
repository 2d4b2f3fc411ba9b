//! Accepting connections: one task a listener, bounds before anything is spawned.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringback_sansio::canonical;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::Peer;

/// Connections that the kernel may hold before we accept them.
const BACKLOG: i32 = 1024;

/// How long to wait after an accept that failed for want of descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// Binds a listener. An IPv6 wildcard takes IPv6 only, so that both families can be bound side by side.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many connections there are: in all, and from each source those that no user has signed in on.
#[derive(Debug)]
pub struct Doorkeeper {
    limit: u32,
    per_source: u32,
    from_loopback: u32,
    open: AtomicU32,
    sources: Mutex<HashMap<IpAddr, u32>>,
    refused: AtomicU32,
}

/// The place of one connection; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    doorkeeper: Arc<Doorkeeper>,
    source: IpAddr,
    authenticated: AtomicBool,
}

impl Place {
    /// A user has signed in on this connection: it takes no place of its source's any more. An office behind one
    /// address can have any number of phones.
    pub fn authenticated(&self) {
        if !self.authenticated.swap(true, Ordering::Relaxed) {
            self.doorkeeper.leave(self.source);
        }
    }
}

impl Doorkeeper {
    /// Lets in `limit` connections, `per_source` of them from one address, or `from_loopback` from a loopback one.
    pub fn new(limit: u32, per_source: u32, from_loopback: u32) -> Arc<Self> {
        Arc::new(Doorkeeper {
            limit,
            per_source,
            from_loopback,
            open: AtomicU32::new(0),
            sources: Mutex::new(HashMap::new()),
            refused: AtomicU32::new(0),
        })
    }

    /// A place for a connection, unless there are too many.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let limit = if source.is_loopback() { self.from_loopback } else { self.per_source };
        // A poisoned lock means that another task panicked while counting; the counts are still counts.
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(source).or_default();
        if *count >= limit || self.open.load(Ordering::Relaxed) >= self.limit {
            if *count == 0 {
                sources.remove(&source);
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *count += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Place { doorkeeper: self.clone(), source, authenticated: AtomicBool::new(false) })
    }

    fn leave(&self, source: IpAddr) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&source);
            }
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were turned away.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.doorkeeper.open.fetch_sub(1, Ordering::Relaxed);
        if !self.authenticated.load(Ordering::Relaxed) {
            self.doorkeeper.leave(self.source);
        }
    }
}

/// Accepts plain connections for ever.
pub async fn accept<F>(
    listener: TcpListener,
    doorkeeper: Arc<Doorkeeper>,
    serve: impl Fn(Peer, TcpStream, Arc<Place>) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The connection was gone before it was accepted, or descriptors have run out: neither ends a server.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let remote = canonical(remote);
        let Some(place) = doorkeeper.admit(remote.ip()) else {
            tracing::debug!(%remote, "too many connections; this one was turned away");
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        // SIP and WebSocket frames are small and wait for answers: Nagle's algorithm would only delay them.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let peer = Peer { local: canonical(local), remote, secure: false };
        tokio::spawn(serve(peer, stream, Arc::new(place)));
    }
}

/// Performs the TLS handshake within a time.
pub async fn handshake(
    acceptor: &TlsAcceptor,
    within: Duration,
    peer: Peer,
    stream: TcpStream,
) -> Option<(Peer, TlsStream<TcpStream>)> {
    match timeout(within, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some((Peer { secure: true, ..peer }, stream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, remote = %peer.remote, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(remote = %peer.remote, "a TLS handshake took too long");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_every_place() {
        let doorkeeper = Doorkeeper::new(10, 2, 5);
        let source = "198.51.100.1".parse().unwrap();
        let places: Vec<_> = (0..2).map(|_| doorkeeper.admit(source).expect("a free place")).collect();
        assert!(doorkeeper.admit(source).is_none());
        assert!(
            doorkeeper.admit("198.51.100.2".parse().unwrap()).is_some(),
            "another source has places of its own"
        );
        drop(places);
        assert!(doorkeeper.admit(source).is_some());
        assert_eq!(doorkeeper.refused(), 1);
    }

    #[test]
    fn a_signed_in_connection_takes_no_place_of_its_source() {
        let doorkeeper = Doorkeeper::new(10, 1, 1);
        let source = "198.51.100.1".parse().unwrap();
        let phone = doorkeeper.admit(source).expect("a free place");
        phone.authenticated();
        phone.authenticated();
        let second = doorkeeper.admit(source).expect("the place is free again");
        drop(phone);
        assert!(doorkeeper.admit(source).is_none(), "the second still has it");
        drop(second);
        assert_eq!(doorkeeper.open(), 0);
    }

    #[test]
    fn the_whole_server_has_a_limit() {
        let doorkeeper = Doorkeeper::new(3, 2, 5);
        let places: Vec<_> =
            (1..=5).filter_map(|i| doorkeeper.admit(format!("198.51.100.{i}").parse().unwrap())).collect();
        assert_eq!((places.len(), doorkeeper.open()), (3, 3));
        drop(places);
        assert_eq!(doorkeeper.open(), 0);
        assert!(doorkeeper.sources.lock().unwrap().is_empty(), "a source without connections is forgotten");
    }
}
