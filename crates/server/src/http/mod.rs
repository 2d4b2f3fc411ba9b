//! HTTP: the pages, `/ws`, `/rooms/ws`, and what operators ask of a server.
//!
//! One connection at a time over HTTP/1.1 with small buffers: an idle connection should cost kilobytes. What a request
//! asks for is in a file each: [`websocket`], [`rooms`], [`streams`], [`health`], [`metrics`]; the
//! rest are the pages, and [`engine`] is what there is without a server. What is refused has a name and a counter in [`refusal`].

mod engine;
mod files;
mod health;
mod host;
mod ice_servers;
mod message_clock;
mod metrics;
mod own_machine;
mod refusal;
mod rooms;
mod sign_in;
mod streams;
mod websocket;

pub use engine::Engine;
pub use health::Readiness;
pub use host::Hosts;
pub use ice_servers::IceServers;
pub use refusal::Refusal;
pub use sign_in::SignIn;
pub use websocket::serve_web_socket;

use std::convert::Infallible;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use refusal::refuse;
use ringback_sansio::{FiveTuple, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep_until;
use websocket::Service;

use crate::config::Config;
use crate::inbox::{ConnectionNumbers, Inbox};
use crate::net::{End, Place};
use crate::telemetry::Telemetry;

/// The body of a response.
pub type Body = Full<Bytes>;

/// The smallest buffer that hyper takes.
const BUFFER: usize = 8 << 10;

/// What a proxy names the client in.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What every request can use; a clone is the same server.
#[derive(Clone)]
pub struct Server {
    /// The configuration.
    pub config: Arc<Config>,
    /// The way to the control thread.
    pub inbox: Inbox,
    /// The way to the thread of rooms.
    pub rooms: Inbox,
    /// Numbers for new connections.
    pub numbers: Arc<ConnectionNumbers>,
    /// The names that this server answers to.
    pub hosts: Arc<Hosts>,
    /// Who the users are, to what asks for their passwords.
    pub sign_in: Arc<SignIn>,
    /// Where media can be relayed.
    pub ice_servers: Arc<IceServers>,
    /// Whether it can take calls.
    pub readiness: Arc<Readiness>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Our address.
    pub local: SocketAddr,
    /// The client's address.
    pub remote: SocketAddr,
    /// Whether the connection is under TLS.
    pub secure: bool,
}

impl Peer {
    /// The connection as it is when a trusted proxy says that `client` is behind it: that is the source for limits, bans
    /// and logs, and the remote end of the flow. It takes a place of that source's.
    pub fn on_behalf_of(self, client: SocketAddr, place: &Place) -> Self {
        if client.ip() != self.remote.ip() {
            place.belongs_to(client.ip());
        }
        Peer { remote: client, ..self }
    }
}

/// How far a connection has come.
mod progress {
    /// No request has come.
    pub const NEW: u8 = 0;
    /// A request was answered.
    pub const ANSWERED: u8 = 1;
    /// It is a WebSocket, and its end is told of there.
    pub const UPGRADED: u8 = 2;
}

/// Serves one connection until it ends, or is a WebSocket. Its first request is waited for since it `began`.
pub async fn serve_connection<S>(server: Server, peer: Peer, stream: S, place: Arc<Place>, began: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection {
        peer,
        place: place.clone(),
        began,
        first_request: server.config.limits.first_request(),
        telemetry: server.telemetry.clone(),
    };
    connection.serve(stream, move |request| respond(&server, peer, &place, request)).await;
}

/// A connection, whatever is asked for on it.
struct Connection {
    peer: Peer,
    place: Arc<Place>,
    began: Instant,
    /// How long a request is waited for.
    first_request: Duration,
    telemetry: Arc<Telemetry>,
}

impl Connection {
    async fn serve<S>(self, stream: S, respond: impl Fn(Request<Incoming>) -> Answer + Send)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { peer, place, began, first_request, telemetry } = self;
        let first_request = first_request.max(Duration::from_secs(1));
        let come = AtomicU8::new(progress::NEW);
        let service = service_fn(|request| {
            let answer = respond(request);
            let status = match &answer {
                Answer::Ready(response) => Some(response.status()),
                Answer::Later(_) => None,
            };
            let is_upgraded = status == Some(StatusCode::SWITCHING_PROTOCOLS);
            come.store(if is_upgraded { progress::UPGRADED } else { progress::ANSWERED }, Ordering::Relaxed);
            async move {
                Ok::<_, Infallible>(match answer {
                    Answer::Ready(response) => response,
                    Answer::Later(response) => response.await,
                })
            }
        });
        let connection = http1::Builder::new()
            .max_buf_size(BUFFER)
            .timer(TokioTimer::new())
            // It runs for the first request and for each later one, so it ends idle connections as well.
            .header_read_timeout(first_request)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let served = tokio::select! {
            served = connection => Ok(served),
            end = place.evicted() => Err(end),
            end = late(began + first_request, &come) => Err(end),
        };
        let come = come.load(Ordering::Relaxed);
        if come == progress::UPGRADED {
            return;
        }
        let end = match served {
            Err(end) => end,
            Ok(Ok(())) => End::ClosedByClient,
            Ok(Err(error)) => match error {
                error if error.is_timeout() && come == progress::NEW => End::FirstRequestLate,
                error if error.is_timeout() => End::Idle,
                error if error.is_parse_too_large() => End::TooLarge,
                error if error.is_parse() => End::NotHttp,
                _ => End::Broken,
            },
        };
        let transport = if peer.secure { Transport::Tls } else { Transport::Tcp };
        telemetry.ended(FiveTuple::new(transport, peer.local, peer.remote), end);
    }
}

/// The end of a connection on which no request has come until `deadline`: a part of that time may have gone before.
async fn late(deadline: Instant, come: &AtomicU8) -> End {
    sleep_until(deadline.into()).await;
    if come.load(Ordering::Relaxed) == progress::NEW {
        return End::FirstRequestLate;
    }
    pending().await
}

/// The answer to a request.
enum Answer {
    /// At hand.
    Ready(Response<Body>),
    /// To be waited for; apart, so that other connections need no room for it.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

fn respond(server: &Server, peer: Peer, place: &Arc<Place>, request: Request<Incoming>) -> Answer {
    let headers = request.headers();
    let source = source(server, peer, &request);
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    if !std::str::from_utf8(host).is_ok_and(|host| server.hosts.knows(host)) {
        return Answer::Ready(refuse(&server.telemetry, source, Refusal::UnknownHost, host));
    }
    if let Some(target) = streams::Target::of(request.uri().path()) {
        let server = server.clone();
        return Answer::Later(Box::pin(async move {
            streams::serve(&server, peer, source, target, request).await
        }));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Answer::Ready(refuse(&server.telemetry, source, Refusal::Method, b""));
    }
    Answer::Ready(match request.uri().path() {
        "/ws" => websocket::upgrade(server, peer, source, place, request, Service::Sip),
        "/rooms/ws" => rooms::upgrade(server, peer, source, place, request),
        "/healthz" => health::healthz(&server.readiness),
        "/readyz" => health::readyz(&server.readiness),
        "/metrics" => metrics::metrics(&server.telemetry),
        "/api/v1/ice-servers" => ice_servers::answer(server, peer, source, &request),
        "/api/v1/openapi.json" => json(OPENAPI),
        _ => files::page(&request).unwrap_or_else(|| refuse(&server.telemetry, source, Refusal::NoPage, b"")),
    })
}

/// The address that a request comes from, as the proxies tell that are trusted.
fn source(server: &Server, peer: Peer, request: &Request<Incoming>) -> IpAddr {
    let forwarded = request.headers().get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    server.config.listen.source(peer.remote.ip(), forwarded)
}

/// What there is under `/api`, for programs.
const OPENAPI: &str = include_str!("../../../../docs/reference/openapi.json");

/// A response of JSON that is the same for everybody.
fn json(text: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::OK, text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response of one line of text.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
