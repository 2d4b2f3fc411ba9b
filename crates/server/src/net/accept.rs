//! Accepting connections: one task a listener, bounds before anything is spawned.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringback_sansio::{FiveTuple, Transport, canonical};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Doorkeeper, End, Place};
use crate::http::Peer;
use crate::telemetry::{NOBODY, Shown, Telemetry, limited};

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

/// Accepts plain connections for ever.
pub async fn accept<F>(
    listener: TcpListener,
    doorkeeper: Arc<Doorkeeper>,
    telemetry: Arc<Telemetry>,
    serve: impl Fn(Peer, TcpStream, Arc<Place>) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let bound = listener.local_addr()?;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // The connection was gone before it was accepted, or descriptors have run out: neither ends a server.
                limited!(telemetry.log, WARN, NOBODY, "accept", %error, "a connection could not be accepted");
                tokio::time::sleep(BREATHER).await;
                continue;
            }
        };
        let remote = canonical(remote);
        let Some(place) = doorkeeper.admit(remote.ip()) else {
            let words = "all `limits.connections` have users; a new connection was turned away";
            limited!(telemetry.log, WARN, remote.ip(), "too_many", "{words}");
            continue;
        };
        // SIP and WebSocket frames are small and wait for answers: Nagle's algorithm would only delay them. Where these
        // fail the connection is broken, and who reads from it finds out.
        let local = stream.local_addr().unwrap_or(bound);
        let _ = stream.set_nodelay(true);
        let peer = Peer { local: canonical(local), remote, secure: false };
        tokio::spawn(serve(peer, stream, Arc::new(place)));
    }
}

/// Performs the TLS handshake within a time.
pub async fn handshake(
    acceptor: &TlsAcceptor,
    within: Duration,
    telemetry: &Telemetry,
    peer: Peer,
    stream: TcpStream,
    place: &Place,
) -> Option<(Peer, TlsStream<TcpStream>)> {
    let end = tokio::select! {
        shaken = timeout(within, acceptor.accept(stream)) => match shaken {
            Ok(Ok(stream)) => return Some((Peer { secure: true, ..peer }, stream)),
            Ok(Err(error)) => {
                let error = Shown(error);
                limited!(telemetry.log, DEBUG, peer.remote.ip(), "tls", %error, "a TLS handshake failed");
                End::TlsFailed
            }
            Err(_) => End::TlsLate,
        },
        end = place.evicted() => end,
    };
    telemetry.ended(FiveTuple::new(Transport::Tls, peer.local, peer.remote), end);
    None
}
