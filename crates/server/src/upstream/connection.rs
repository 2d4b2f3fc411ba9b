//! One connection: WebSocket, datagrams or a stream.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use ringback_sansio::{FiveTuple, Transport};
use ringback_sip::framing::{self, StreamFramer};
use ringback_sip::message::limits::{MAX_DATAGRAM, MAX_STREAM_MESSAGE};
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::frames::{Frame, Kind, Role};
use super::socket::{Broken, Socket};
use super::{Target, UpstreamError, trust};
use crate::net::client::stream::{self, Duplex, Tls, TlsError};
use crate::net::client::web_socket::{self, NotOpened};

/// How long it may take until the server can be spoken to.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// The bytes read from a stream at once.
const READ_BUFFER: usize = 4 << 10;

/// A server, and how it is to be connected to.
pub(crate) struct Server<'a> {
    /// Where it is.
    pub(crate) target: &'a Target,
    /// The Host that a WebSocket server is told; without one, that of `target`.
    pub(crate) host: Option<&'a str>,
    /// The Origin that a WebSocket server is told; without one, that of the browser.
    pub(crate) origin: Option<&'a str>,
    /// Certificates of authorities to trust, beside those of the system.
    pub(crate) authorities: Option<&'a Path>,
    /// Whether its certificate is not looked at.
    pub(crate) is_insecure: bool,
    /// The sub-protocol of a WebSocket.
    pub(crate) protocol: &'static str,
}

/// What connects to the server.
pub(crate) struct Connector {
    target: Target,
    host: HeaderValue,
    origin: Option<HeaderValue>,
    protocol: &'static str,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no connection to the server.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// No name, no route, nobody there.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, io::Error),
    /// TLS.
    #[error("the TLS handshake with {0} failed: {1}")]
    Tls(String, TlsError),
    /// It took too long.
    #[error("{0} could not be connected to within 10 s")]
    Late(String),
    /// The server does not speak SIP over WebSocket.
    #[error("{0} cannot be spoken to: {1}")]
    Handshake(String, NotOpened),
}

impl ConnectError {
    /// What the browser is answered.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            ConnectError::Handshake(_, NotOpened::Refused(status))
                if !status.is_success() && !status.is_informational() =>
            {
                *status
            }
            ConnectError::Late(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

/// One connection to the server.
pub(crate) enum Upstream {
    /// Frames are passed on.
    WebSocket(Socket<TokioIo<Upgraded>>),
    /// A socket of its own, connected to the server.
    Datagrams(UdpSocket, Vec<u8>),
    /// TCP or TLS.
    Stream(Box<Stream>),
}

/// A stream that is cut into messages.
pub(crate) struct Stream {
    stream: Box<dyn Duplex>,
    framer: StreamFramer,
    buffer: [u8; READ_BUFFER],
    /// The stream cannot be cut any further, after the frames that are left.
    is_unframed: bool,
}

impl Connector {
    /// Reads what the command line says of the server.
    pub(crate) fn new(server: &Server<'_>) -> Result<Connector, UpstreamError> {
        let header =
            |text: &str| HeaderValue::from_str(text).map_err(|_| UpstreamError::Header(text.to_owned()));
        let target = server.target.clone();
        let tls = match target.transport.is_secure() {
            false => None,
            true => {
                let name = ServerName::try_from(target.host.clone());
                let name = name.map_err(|_| UpstreamError::Name(target.host.clone()))?;
                Some((trust::connector(server.authorities, server.is_insecure)?, name))
            }
        };
        Ok(Connector {
            host: header(server.host.unwrap_or(&target.authority()))?,
            origin: server.origin.map(header).transpose()?,
            protocol: server.protocol,
            target,
            tls,
        })
    }

    /// Connects for a browser, whose opening handshake says what else the server may want to know.
    pub(crate) async fn connect<B>(
        &self,
        request: &Request<B>,
    ) -> Result<(Upstream, FiveTuple), ConnectError> {
        let connected = timeout(CONNECT_WITHIN, self.connect_at_leisure(request)).await;
        connected.unwrap_or_else(|_| Err(ConnectError::Late(self.target.to_string())))
    }

    async fn connect_at_leisure<B>(
        &self,
        request: &Request<B>,
    ) -> Result<(Upstream, FiveTuple), ConnectError> {
        let unreachable = |error| ConnectError::Unreachable(self.target.to_string(), error);
        let tuple = |local, remote| FiveTuple::new(self.target.transport, local, remote);
        if self.target.transport == Transport::Udp {
            let socket = self.datagrams().await.map_err(unreachable)?;
            let ends = socket.local_addr().and_then(|local| Ok(tuple(local, socket.peer_addr()?)));
            return Ok((Upstream::Datagrams(socket, vec![0; MAX_DATAGRAM]), ends.map_err(unreachable)?));
        }
        let address = (self.target.host.as_str(), self.target.port);
        let (stream, local, remote) = stream::tcp(address).await.map_err(unreachable)?;
        let ends = tuple(local, remote);
        let tls = self.tls.clone().map(|(connector, name)| Tls { connector, name, presented: None });
        let stream = stream::secured(stream, tls).await;
        let stream = stream.map_err(|error| ConnectError::Tls(self.target.to_string(), error))?;
        let upstream = if self.target.transport.is_websocket() {
            Upstream::WebSocket(self.handshake(stream, request).await?)
        } else {
            let framer = StreamFramer::with_limit(MAX_STREAM_MESSAGE);
            Upstream::Stream(Box::new(Stream {
                stream,
                framer,
                buffer: [0; READ_BUFFER],
                is_unframed: false,
            }))
        };
        Ok((upstream, ends))
    }

    async fn datagrams(&self) -> io::Result<UdpSocket> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((self.target.host.as_str(), self.target.port)).await? {
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).await?;
            match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The opening handshake with the server (RFC 6455 §4.1, RFC 7118 §4).
    async fn handshake<B>(
        &self,
        stream: Box<dyn Duplex>,
        request: &Request<B>,
    ) -> Result<Socket<TokioIo<Upgraded>>, ConnectError> {
        let upgraded = web_socket::open(stream, self.opening(request)).await;
        let upgraded = upgraded.map_err(|error| ConnectError::Handshake(self.target.to_string(), error))?;
        Ok(Socket::new(TokioIo::new(upgraded), Role::Client, MAX_STREAM_MESSAGE))
    }

    fn opening<B>(&self, of_browser: &Request<B>) -> Request<Empty<Bytes>> {
        let mut request = web_socket::opening(self.host.clone(), self.protocol);
        let path = match &self.target.path {
            Some(path) => path.parse().ok(),
            None => of_browser.uri().path_and_query().and_then(|path| path.as_str().parse().ok()),
        };
        if let Some(path) = path {
            *request.uri_mut() = path;
        }
        let headers = request.headers_mut();
        if let Some(origin) = &self.origin {
            headers.insert(ORIGIN, origin.clone());
        }
        const PASSED_ON: [HeaderName; 4] = [ORIGIN, USER_AGENT, COOKIE, AUTHORIZATION];
        for name in PASSED_ON.iter().filter(|name| **name != ORIGIN || self.origin.is_none()) {
            if let Some(value) = of_browser.headers().get(name) {
                headers.insert(name, value.clone());
            }
        }
        request
    }
}

impl Upstream {
    /// Whether pings and close frames can be passed on.
    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self, Upstream::WebSocket(_))
    }

    /// Whether an error of the network ends nothing.
    pub(crate) fn is_datagrams(&self) -> bool {
        matches!(self, Upstream::Datagrams(..))
    }

    /// The next frame, or a message as one. Nothing is lost when it is given up while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Broken> {
        match self {
            Upstream::WebSocket(socket) => socket.next().await,
            Upstream::Datagrams(socket, buffer) => {
                let length = socket.recv(buffer).await?;
                let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                Ok(Some(Frame::Message(bytes, Kind::Text)))
            }
            Upstream::Stream(stream) => stream.next().await,
        }
    }

    /// Sends a frame, or what there is for it.
    pub(crate) async fn send(&mut self, frame: &Frame) -> Result<(), Broken> {
        let bytes = match (&mut *self, frame) {
            (Upstream::WebSocket(socket), frame) => return socket.send(frame).await,
            (_, Frame::Message(bytes, _)) => &bytes[..],
            (Upstream::Stream(_), Frame::Pong(_)) => b"\r\n",
            _ => return Ok(()),
        };
        match self {
            Upstream::Datagrams(socket, _) => match socket.send(bytes).await {
                // The answer to an earlier datagram; whoever reads is told of it too.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                sent => Ok(sent.map(drop)?),
            },
            Upstream::Stream(stream) => {
                let stream = &mut stream.stream;
                let written = async {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                };
                match timeout(WRITE_WITHIN, written).await {
                    Ok(written) => Ok(written?),
                    Err(_) => Err(Broken::NotReading),
                }
            }
            Upstream::WebSocket(_) => Ok(()),
        }
    }

    /// Waits for the close frame of a WebSocket server.
    pub(crate) async fn closed(&mut self) {
        if let Upstream::WebSocket(socket) = self {
            while let Ok(Some(frame)) = socket.next().await {
                if matches!(frame, Frame::Close(_)) {
                    return;
                }
            }
        }
    }
}

impl Stream {
    async fn next(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            match self.framer.next() {
                Some(framing::Frame::Message(bytes)) => return Ok(Some(Frame::Message(bytes, Kind::Text))),
                Some(framing::Frame::Ping) => return Ok(Some(Frame::Ping(Bytes::new()))),
                Some(framing::Frame::Pong) => continue,
                None if self.is_unframed => {
                    return Err(Broken::Unframed);
                }
                None => {}
            }
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Ok(None);
            }
            let pushed = self.framer.push(self.buffer.get(..read).unwrap_or_default());
            self.is_unframed = pushed.is_err();
        }
    }
}
