//! Binding every listener, all or none, and starting those of streams.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use ringback_sansio::Transport;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Addresses, Config};
use crate::first_start::Opened;
use crate::http::{self, Peer, Server};
use crate::net::accept::{self, FirstBytes};
use crate::net::datagram::DatagramSocket;
use crate::net::{Certificates, Doorkeeper, End, Place, https_stream, sip_stream, turn_stream};
use crate::telemetry::Telemetry;

/// Everything that is bound.
pub struct Listeners {
    sip_udp: Vec<DatagramSocket>,
    /// The shared sockets of each media worker.
    webrtc: Vec<Vec<DatagramSocket>>,
    ng: Vec<DatagramSocket>,
    turn: Vec<DatagramSocket>,
    turn_dtls: Vec<DatagramSocket>,
    streams: Streams,
}

/// The listeners of streams.
pub struct Streams {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    sip_tcp: Vec<TcpListener>,
    sip_tls: Vec<TcpListener>,
    turn_tcp: Vec<TcpListener>,
    turn_tls: Vec<TcpListener>,
}

/// The UDP sockets of everything that is bound.
pub struct Datagrams {
    /// Those of the control thread.
    pub sip: Vec<DatagramSocket>,
    /// Those that the WebRTC legs of each media worker share.
    pub webrtc: Vec<Vec<DatagramSocket>>,
    /// Those of the ng protocol.
    pub ng: Vec<DatagramSocket>,
    /// Those of TURN.
    pub turn: Vec<DatagramSocket>,
    /// Those of TURN over DTLS.
    pub turn_dtls: Vec<DatagramSocket>,
}

impl Listeners {
    /// Binds what the configuration names. The error names the key, the address, and what to do.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let listen = &config.listen;
        let streams = |key, addresses: &Addresses| bind_all(key, addresses, accept::bind);
        Ok(Listeners {
            sip_udp: datagrams("listen.sip_udp", &listen.sip_udp, 0)?,
            webrtc: bind_webrtc(config)?,
            ng: bind_ng(config)?,
            turn: datagrams("listen.turn", &listen.turn, 0)?,
            turn_dtls: datagrams("listen.turn_tls", &listen.turn_tls, 0)?,
            streams: Streams {
                http: streams("listen.http", &listen.http)?,
                https: streams("listen.https", &listen.https)?,
                sip_tcp: streams("listen.sip_tcp", &listen.sip_tcp)?,
                sip_tls: streams("listen.sip_tls", &listen.sip_tls)?,
                turn_tcp: streams("listen.turn", &listen.turn)?,
                turn_tls: streams("listen.turn_tls", &listen.turn_tls)?,
            },
        })
    }

    /// The addresses that were bound, with the ports that were given for port 0.
    pub fn opened(&self) -> Opened {
        let addresses = |listeners: &[TcpListener]| -> Vec<SocketAddr> {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
        };
        Opened {
            https: addresses(&self.streams.https),
            http: addresses(&self.streams.http),
            sip_udp: self.sip_udp.iter().map(DatagramSocket::bound).collect(),
            sip_tcp: addresses(&self.streams.sip_tcp),
            sip_tls: addresses(&self.streams.sip_tls),
            turn: self.turn.iter().map(DatagramSocket::bound).collect(),
            turn_tcp: addresses(&self.streams.turn_tcp),
            turn_tls: addresses(&self.streams.turn_tls),
            turn_dtls: self.turn_dtls.iter().map(DatagramSocket::bound).collect(),
            ng: self.ng.iter().map(DatagramSocket::bound).collect(),
        }
    }

    /// The sockets of UDP, and the listeners of streams.
    pub fn split(self) -> (Datagrams, Streams) {
        let Listeners { sip_udp, webrtc, ng, turn, turn_dtls, streams } = self;
        (Datagrams { sip: sip_udp, webrtc, ng, turn, turn_dtls }, streams)
    }
}

impl Streams {
    /// Accepts connections on every listener. The inbox of `turn` is that of its thread, if there is one.
    pub fn start(
        self,
        server: &Server,
        turn: Option<&Server>,
        doorkeeper: &Arc<Doorkeeper>,
        certificates: &Arc<Certificates>,
    ) -> anyhow::Result<()> {
        let plain_first = FirstBytes {
            transport: Transport::Tcp,
            within: server.config.limits.first_request(),
            late: End::FirstRequestLate,
        };
        let within = server.config.limits.tls_handshake();
        let start = Start { doorkeeper, certificates, telemetry: &server.telemetry, within };
        let plain = server.clone();
        start.all(self.http, plain_first, move |peer, stream, place| {
            http::serve_connection(plain.clone(), peer, stream, place, Instant::now())
        })?;
        let (pages, relayed) = (server.clone(), turn.cloned());
        start.secure(self.https, Certificates::https, move |peer, stream, place| {
            https_stream::serve(pages.clone(), relayed.clone(), peer, stream, place)
        })?;
        let plain = server.clone();
        start.all(self.sip_tcp, plain_first, move |peer, stream, place| {
            sip_stream::serve(plain.clone(), peer, stream, place)
        })?;
        let secure = server.clone();
        start.secure(self.sip_tls, Certificates::sip, move |peer, stream, place| {
            sip_stream::serve(secure.clone(), peer, stream, place)
        })?;
        // Without its thread there are no listeners of TURN.
        let Some(turn) = turn else { return Ok(()) };
        let plain = turn.clone();
        start.all(self.turn_tcp, plain_first, move |peer, stream, place| {
            turn_stream::serve(plain.clone(), peer, stream, place)
        })?;
        let secure = turn.clone();
        start.secure(self.turn_tls, Certificates::turn, move |peer, stream, place| {
            turn_stream::serve(secure.clone(), peer, stream, place)
        })
    }
}

/// What every listener accepts with.
struct Start<'a> {
    doorkeeper: &'a Arc<Doorkeeper>,
    certificates: &'a Arc<Certificates>,
    telemetry: &'a Arc<Telemetry>,
    /// How long a handshake of TLS may take.
    within: Duration,
}

impl Start<'_> {
    /// Accepts connections over TLS, with the certificates that there are by then.
    fn secure<F>(
        &self,
        listeners: Vec<TcpListener>,
        acceptor: fn(&Certificates) -> TlsAcceptor,
        serve: impl Fn(Peer, TlsStream<TcpStream>, Arc<Place>) -> F + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let within = self.within;
        let first = FirstBytes { transport: Transport::Tls, within, late: End::TlsLate };
        let (telemetry, certificates) = (self.telemetry.clone(), self.certificates.clone());
        self.all(listeners, first, move |peer, stream, place| {
            let (serve, telemetry, acceptor) = (serve.clone(), telemetry.clone(), acceptor(&certificates));
            async move {
                let shaken = accept::handshake(&acceptor, within, &telemetry, peer, stream, &place).await;
                if let Some((peer, stream)) = shaken {
                    serve(peer, stream, place).await;
                }
            }
        })
    }

    fn all<F>(
        &self,
        listeners: Vec<TcpListener>,
        first: FirstBytes,
        serve: impl Fn(Peer, TcpStream, Arc<Place>) -> F + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for listener in listeners {
            let listener =
                tokio::net::TcpListener::from_std(listener).context("a listener cannot be waited for")?;
            let (doorkeeper, telemetry) = (self.doorkeeper.clone(), self.telemetry.clone());
            tokio::spawn(accept::accept(listener, doorkeeper, telemetry, first, serve.clone()));
        }
        Ok(())
    }
}

/// Binds the shared sockets of each media worker.
pub fn bind_webrtc(config: &Config) -> anyhow::Result<Vec<Vec<DatagramSocket>>> {
    let workers = 0..config.media.workers.max(1);
    workers.map(|worker| datagrams("listen.webrtc", &config.listen.webrtc, worker)).collect()
}

/// Binds the listeners of an engine that stands alone.
pub fn bind_ng_http(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    bind_all("ng.http", &config.ng.http, accept::bind)
}

/// Binds the sockets of the ng protocol.
pub fn bind_ng(config: &Config) -> anyhow::Result<Vec<DatagramSocket>> {
    datagrams("ng.listen", &config.ng.listen, 0)
}

fn datagrams(key: &str, addresses: &Addresses, plus: u16) -> anyhow::Result<Vec<DatagramSocket>> {
    bind_all(key, addresses, |mut address| {
        if address.port() != 0 {
            let port = address.port().checked_add(plus).ok_or(io::ErrorKind::InvalidInput)?;
            address.set_port(port);
        }
        let socket = DatagramSocket::bind(address)?;
        socket.enlarge_buffer()?;
        Ok(socket)
    })
}

fn bind_all<T>(
    key: &str,
    addresses: &Addresses,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let each = addresses.as_slice().iter();
    each.map(|&address| bind_patiently(address, &bind).map_err(|error| refused(key, address, &error)))
        .collect()
}

/// Binds an address, also one that a process before this one has just had: the kernel may give up its sockets a moment after
/// it has ended, when io_uring still had requests for them.
fn bind_patiently<T>(address: SocketAddr, bind: &impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + FREED_WITHIN;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(FREED_WITHIN / 40);
            }
            bound => return bound,
        }
    }
}

/// How long an address may be in use by a process that has ended.
const FREED_WITHIN: Duration = Duration::from_secs(2);

fn refused(key: &str, address: SocketAddr, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{key}: {address} is in use by another program; stop it, or give another address with \
             `--set {key}='\"ADDRESS:PORT\"'`"
        ),
        io::ErrorKind::AddrNotAvailable => {
            anyhow!("{key}: {address} is not an address of this machine; `ip address` lists those that are")
        }
        io::ErrorKind::PermissionDenied => anyhow!(
            "{key}: {address} may not be bound by this user; use a port above 1023 or give the binary \
             CAP_NET_BIND_SERVICE"
        ),
        _ => anyhow!("{key}: {address} cannot be bound: {error}"),
    }
}
