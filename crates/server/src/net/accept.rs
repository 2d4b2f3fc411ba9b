//! Accepting connections: one task a listener, bounds before anything is spawned.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringback_sansio::{FiveTuple, Transport, canonical};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Doorkeeper, End, Place, proxy_protocol};
use crate::http::Peer;
use crate::telemetry::{NOBODY, Shown, Telemetry, limited};

/// Connections that the kernel may hold before we accept them.
const BACKLOG: i32 = 1024;

/// How long a connection may be quiet before the kernel asks the far end whether it is there, which also keeps the NATs
/// on the way open. No client has to do anything for it.
const QUIET: Duration = Duration::from_secs(15);

/// How often it asks when nothing comes back.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// Questions without an answer that end a connection: at worst one is dead for 45 s before it is closed.
const PROBES: u32 = 3;

/// How long what was sent may go unacknowledged. The kernel does not ask while it repeats something, for a quarter of an
/// hour by default.
const UNACKNOWLEDGED: Duration = Duration::from_secs(45);

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
    // What is accepted has these as well.
    keep_watch(SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Has the kernel find out when the far end of a connection is dead.
pub fn keep_watch(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(QUIET).with_interval(PROBE_EVERY).with_retries(PROBES),
    )?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

/// What the first bytes on a listener are waited for with.
#[derive(Debug, Clone, Copy)]
pub struct FirstBytes {
    /// What the connection is over.
    pub transport: Transport,
    /// How long they may take.
    pub within: Duration,
    /// Why the connection ends when they take longer.
    pub late: End,
}

/// Accepts plain connections for ever. Those of the proxies of `listen.proxy_protocol` begin with a PROXY header, which
/// has as long as the first bytes of a client.
pub async fn accept<F>(
    listener: TcpListener,
    doorkeeper: Arc<Doorkeeper>,
    telemetry: Arc<Telemetry>,
    first: FirstBytes,
    serve: impl Fn(Peer, TcpStream, Arc<Place>) -> F + Clone + Send + Sync + 'static,
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
        let place = Arc::new(place);
        if !doorkeeper.expects_proxy_header(remote.ip()) {
            tokio::spawn(serve(peer, stream, place));
            continue;
        }
        let (serve, telemetry) = (serve.clone(), telemetry.clone());
        tokio::spawn(async move {
            let mut stream = stream;
            if let Some(peer) = behind_proxy(first, &telemetry, peer, &mut stream, &place).await {
                serve(peer, stream, place).await;
            }
        });
    }
}

/// Who is behind the connection of a proxy: the client that its header names, or the proxy itself when the header says
/// so.
async fn behind_proxy(
    first: FirstBytes,
    telemetry: &Telemetry,
    peer: Peer,
    stream: &mut TcpStream,
    place: &Place,
) -> Option<Peer> {
    let end = tokio::select! {
        taken = timeout(first.within, proxy_protocol::take_header(stream)) => match taken {
            Ok(Ok(Some(client))) => return Some(peer.on_behalf_of(client, place)),
            Ok(Ok(None)) => return Some(peer),
            Ok(Err(failed)) => {
                let reason = match failed {
                    proxy_protocol::Failed::Missing => "no_proxy_header",
                    _ => "proxy_header",
                };
                let error = Shown(&failed);
                limited!(telemetry.log, DEBUG, peer.remote.ip(), reason, %error, "a PROXY header was not taken");
                failed.into()
            }
            Err(_) => first.late,
        },
        end = place.evicted() => end,
    };
    telemetry.ended(FiveTuple::new(first.transport, peer.local, peer.remote), end);
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_connection_is_closed_within_fifty_seconds() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.keepalive().unwrap());
        let times = [accepted.tcp_keepalive_time().unwrap(), accepted.tcp_keepalive_interval().unwrap()];
        assert_eq!(times, [QUIET, PROBE_EVERY]);
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), PROBES);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
        let within = Duration::from_secs(50);
        assert!(QUIET + PROBE_EVERY * PROBES <= within && UNACKNOWLEDGED <= within);
    }
}
