//! HTTP: the pages, `/ws`, and what operators ask of a server.
//!
//! One connection at a time over HTTP/1.1 with small buffers: an idle connection should cost kilobytes. What a request
//! asks for is in a file each: [`websocket`], [`health`], [`metrics`]; the rest are the pages.

mod files;
mod health;
mod host;
mod metrics;
mod websocket;

pub use health::Readiness;
pub use host::Hosts;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Config;
use crate::inbox::{ConnectionNumbers, Inbox};
use crate::net::accept::Place;
use crate::telemetry::Telemetry;

/// The body of a response.
pub type Body = Full<Bytes>;

/// The smallest buffer that hyper takes.
const BUFFER: usize = 8 << 10;

/// What every request can use; a clone is the same server.
#[derive(Clone)]
pub struct Server {
    /// The configuration.
    pub config: Arc<Config>,
    /// The way to the control thread.
    pub inbox: Inbox,
    /// Numbers for new connections.
    pub numbers: Arc<ConnectionNumbers>,
    /// The names that this server answers to.
    pub hosts: Arc<Hosts>,
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

/// Serves one connection until it ends.
pub async fn serve_connection<S>(server: Server, peer: Peer, stream: S, place: Arc<Place>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let first_request = server.config.limits.first_request();
    let service = service_fn(move |request| {
        let response = respond(&server, peer, &place, request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(BUFFER)
        .timer(TokioTimer::new())
        .header_read_timeout(first_request.max(Duration::from_secs(1)))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, remote = %peer.remote, "an HTTP connection broke");
    }
}

fn respond(server: &Server, peer: Peer, place: &Arc<Place>, request: Request<Incoming>) -> Response<Body> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !server.hosts.knows(host) {
        tracing::warn!(host = %host.escape_debug(), "a request for an unknown host was refused; set `domain` to serve it");
        return plain(
            StatusCode::MISDIRECTED_REQUEST,
            "this server does not answer to that name; set `domain` in its configuration\n",
        );
    }
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n");
    }
    match path {
        "/ws" => websocket::upgrade(server, peer, place, request),
        "/healthz" => health::healthz(server),
        "/readyz" => health::readyz(server),
        "/metrics" => metrics::metrics(server),
        _ => files::page(&request),
    }
}

/// A response of one line of text.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
