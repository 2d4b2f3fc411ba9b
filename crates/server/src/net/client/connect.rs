//! One connection: made, announced to the control thread, and served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::upgrade::Upgraded;
use ringback_control::NotConnected;
use ringback_sansio::{FiveTuple, Flow, Transport};
use ringback_sip::resolve::Target;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::{Client, IDLE, source_towards, web_socket};
use crate::http::serve_web_socket;
use crate::inbox::{Input, OWN_OUTBOX_LENGTH};
use crate::net::patience::Patience;
use crate::net::{Place, accept, sip_stream};
use crate::telemetry::limited;

/// How long it may take until a far end can be spoken to.
const WITHIN: Duration = Duration::from_secs(5);

/// What a connection is made of.
enum Made {
    Stream(Box<dyn Duplex>),
    WebSocket(Upgraded),
}

/// A stream in either direction.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Client {
    /// Connects, tells the control thread, and serves the connection until it ends.
    pub(super) async fn connect(&self, number: u64, target: Target, permit: OwnedSemaphorePermit) {
        if target.transport == Transport::Udp {
            let flow = self.datagrams(target.address).await;
            return self.tell(Input::Connected(number, flow)).await;
        }
        let made = timeout(WITHIN, self.make(&target)).await.unwrap_or_else(|_| {
            let (log, remote) = (&self.server.telemetry.log, target.address.ip());
            limited!(log, DEBUG, remote, "connect", to = %target.address, "not connected within 5 s");
            Err(NotConnected::Late)
        });
        drop(permit);
        let entered = made.and_then(|(made, local)| {
            let local = self.listening(target.transport, local);
            let tuple = FiveTuple::new(target.transport, local, target.address);
            let flow = Flow { tuple, connection: self.server.numbers.next() };
            let place = self.doorkeeper.admit(target.address.ip()).ok_or(NotConnected::TooMany)?;
            // It was made for a user: no crowd of strangers takes its place.
            place.authenticated();
            let place = Arc::new(place);
            let outgoing =
                self.server.inbox.open(flow, &place, OWN_OUTBOX_LENGTH).map_err(|_| NotConnected::TooMany)?;
            Ok((made, flow, place, outgoing))
        });
        match entered {
            Ok((made, flow, place, outgoing)) => {
                self.tell(Input::Connected(number, Ok(flow))).await;
                self.carry(made, flow, place, outgoing).await;
            }
            Err(why) => self.tell(Input::Connected(number, Err(why))).await,
        }
    }

    async fn carry(&self, made: Made, flow: Flow, place: Arc<Place>, outgoing: mpsc::Receiver<Bytes>) {
        let server = self.server.clone();
        match made {
            Made::Stream(stream) => {
                let patience = Patience::of_ours(Instant::now(), &server.config.limits, IDLE);
                sip_stream::carry(server, flow, stream, place, outgoing, patience).await;
            }
            Made::WebSocket(upgraded) => {
                serve_web_socket(server, flow, upgraded, place, outgoing, IDLE).await
            }
        }
    }

    /// The flow of datagrams to an address.
    async fn datagrams(&self, remote: SocketAddr) -> Result<Flow, NotConnected> {
        let source = source_towards(remote).await.map_err(|_| NotConnected::Unreachable)?;
        // Port 0 stays where no listener is of the family: nothing can be sent then.
        let local = self.listening(Transport::Udp, SocketAddr::new(source, 0));
        if local.port() == 0 { Err(NotConnected::Unreachable) } else { Ok(Flow::datagram(local, remote)) }
    }

    /// The connection, and our address of it.
    async fn make(&self, target: &Target) -> Result<(Made, SocketAddr), NotConnected> {
        let (log, remote) = (&self.server.telemetry.log, target.address.ip());
        let (to, name) = (target.address, &*target.server_name);
        let (stream, local) = connect_tcp(target.address).await.map_err(|error| {
            limited!(log, DEBUG, remote, "connect", %to, %error, "nobody takes the connection");
            NotConnected::Unreachable
        })?;
        let stream: Box<dyn Duplex> = if target.transport.is_secure() {
            let connector = self.trust.connector().await.ok_or(NotConnected::Untrusted)?;
            let server_name = ServerName::try_from(name.to_owned()).map_err(|_| NotConnected::Untrusted)?;
            let shaken = connector.connect(server_name, stream).await;
            Box::new(shaken.map_err(|error| {
                let words = "the far end is not trusted: its certificate must be for this name and of an \
                             authority of this machine or of `tls.trust`";
                limited!(log, WARN, remote, "untrusted", %to, name, %error, "{words}");
                NotConnected::Untrusted
            })?)
        } else {
            Box::new(stream)
        };
        if !target.transport.is_websocket() {
            return Ok((Made::Stream(stream), local));
        }
        let host = authority(name, target.address.port());
        let host = HeaderValue::from_str(&host).map_err(|_| NotConnected::NoWebSocket)?;
        match web_socket::open(stream, web_socket::opening(host)).await {
            Ok(upgraded) => Ok((Made::WebSocket(upgraded), local)),
            Err(error) => {
                limited!(log, DEBUG, remote, "connect", %to, %error, "no SIP over WebSocket");
                Err(NotConnected::NoWebSocket)
            }
        }
    }
}

async fn connect_tcp(address: SocketAddr) -> std::io::Result<(TcpStream, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    accept::keep_watch(socket2::SockRef::from(&socket))?;
    let stream = socket.connect(address).await?;
    // Where it fails the connection is broken, and who reads from it finds out.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr()?;
    Ok((stream, local))
}

/// Host and port as they stand in a Host header.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
