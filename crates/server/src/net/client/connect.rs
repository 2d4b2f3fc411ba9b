//! One connection: made, announced to the control thread, and served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use hyper::upgrade::Upgraded;
use ringback_control::NotConnected;
use ringback_sansio::{FiveTuple, Flow, Transport};
use ringback_sip::resolve::Target;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::stream::{self, Duplex, TlsError};
use super::{Client, IDLE, source_towards, web_socket};
use crate::http::serve_web_socket;
use crate::inbox::{Input, Owed};
use crate::net::patience::Patience;
use crate::net::{Place, accept, sip_stream};
use crate::outbox::Outgoing;
use crate::telemetry::limited;

/// How long it may take until a far end can be spoken to.
const WITHIN: Duration = Duration::from_secs(5);

/// What a connection is made of.
enum Made {
    Stream(Box<dyn Duplex>),
    WebSocket(Upgraded),
}

impl Client {
    /// Connects, tells the control thread, and serves the connection until it ends.
    pub(super) async fn connect(&self, number: u64, target: Target, permit: OwnedSemaphorePermit) {
        let owed = Owed::new(&self.server.inbox, Input::Connected(number, Err(NotConnected::Unreachable)));
        if target.transport == Transport::Udp {
            let flow = self.datagrams(target.address).await;
            return owed.say(Input::Connected(number, flow)).await;
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
            let place = Arc::new(self.doorkeeper.ours());
            let outgoing = self.server.inbox.open(flow, &place).map_err(|_| NotConnected::TooMany)?;
            Ok((made, flow, place, outgoing))
        });
        match entered {
            Ok((made, flow, place, outgoing)) => {
                owed.say(Input::Connected(number, Ok(flow))).await;
                self.carry(made, flow, place, outgoing).await;
            }
            Err(why) => owed.say(Input::Connected(number, Err(why))).await,
        }
    }

    async fn carry(&self, made: Made, flow: Flow, place: Arc<Place>, outgoing: Outgoing) {
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
        let (stream, local, _) = stream::tcp(to).await.map_err(|error| {
            limited!(log, DEBUG, remote, "connect", %to, %error, "nobody takes the connection");
            NotConnected::Unreachable
        })?;
        accept::keep_watch(socket2::SockRef::from(&stream)).map_err(|_| NotConnected::Unreachable)?;
        let tls = match target.transport.is_secure() {
            true => Some(self.trust.towards(target.transport, name).await.ok_or(NotConnected::Untrusted)?),
            false => None,
        };
        let stream = stream::secured(stream, tls).await.map_err(|error| match error {
            TlsError::Handshake(error) => {
                let words = "the far end is not trusted: its certificate must be for this name and of an \
                             authority of this machine or of `tls.trust`";
                limited!(log, WARN, remote, "untrusted", %to, name, %error, "{words}");
                NotConnected::Untrusted
            }
            TlsError::NotTaken(error) => {
                let words = "the far end asks for our certificate and does not take it: that of `tls.certificate` or \
                             `tls.sni` must be of an authority that the far end trusts, and be for clients too \
                             (clientAuth)";
                limited!(log, WARN, remote, "certificate_not_taken", %to, name, %error, "{words}");
                NotConnected::CertificateNotTaken
            }
        })?;
        if !target.transport.is_websocket() {
            return Ok((Made::Stream(stream), local));
        }
        let host = authority(name, target.address.port());
        let host = HeaderValue::from_str(&host).map_err(|_| NotConnected::NoWebSocket)?;
        match web_socket::open(stream, web_socket::opening(host, web_socket::SIP)).await {
            Ok(upgraded) => Ok((Made::WebSocket(upgraded), local)),
            Err(error) => {
                limited!(log, DEBUG, remote, "connect", %to, %error, "no SIP over WebSocket");
                Err(NotConnected::NoWebSocket)
            }
        }
    }
}

/// Host and port as they stand in a Host header.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
