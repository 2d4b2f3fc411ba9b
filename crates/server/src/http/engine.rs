//! What a media engine that stands alone (`ringback ng`) answers: `/metrics`, `/healthz`, `/readyz`, and nothing else.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response};
use tokio::net::TcpStream;

use super::refusal::refuse;
use super::{Answer, Body, Connection, Hosts, Peer, Readiness, Refusal, health, metrics};
use crate::config::Limits;
use crate::net::Place;
use crate::telemetry::Telemetry;

/// What there is to tell.
#[derive(Debug)]
pub struct Engine {
    /// How long a request is waited for.
    pub limits: Limits,
    /// The names that it answers to.
    pub hosts: Hosts,
    /// Whether it can take calls.
    pub readiness: Arc<Readiness>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
}

impl Engine {
    /// Serves one connection until it ends.
    pub async fn serve(self: Arc<Self>, peer: Peer, stream: TcpStream, place: Arc<Place>) {
        let engine = self.clone();
        let connection = Connection {
            peer,
            place,
            began: Instant::now(),
            first_request: self.limits.first_request(),
            telemetry: self.telemetry.clone(),
        };
        connection.serve(stream, move |request| Answer::Ready(engine.respond(peer, &request))).await;
    }

    fn respond(&self, peer: Peer, request: &Request<Incoming>) -> Response<Body> {
        let source = peer.remote.ip();
        let refused = |refusal, named: &[u8]| refuse(&self.telemetry, source, refusal, named);
        let host = request.headers().get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
        if !std::str::from_utf8(host).is_ok_and(|host| self.hosts.knows(host)) {
            return refused(Refusal::UnknownHost, host);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refused(Refusal::Method, b"");
        }
        match request.uri().path() {
            "/healthz" => health::healthz(&self.readiness),
            "/readyz" => health::readyz(&self.readiness),
            "/metrics" => metrics::metrics(&self.telemetry),
            _ => refused(Refusal::NoPage, b""),
        }
    }
}
