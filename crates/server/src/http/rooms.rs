//! `/rooms/ws`: the signalling of rooms (`docs/reference/rooms.md`), and how a client of it has come.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, body::Incoming};
use ringback_control::rooms::Visit;

use super::websocket::{self, Service};
use super::{Body, FORWARDED_FOR, Peer, Server};
use crate::net::Place;

/// The sub-protocol of its WebSocket.
pub const SUB_PROTOCOL: &str = "ringback.rooms.1";

/// The bytes of a message: a session description fits, whatever `limits.message_bytes` says of SIP.
pub const MAX_MESSAGE: usize = 65_536;

/// Answers the opening handshake of `source`. What comes over the connection goes to the thread of rooms.
pub fn upgrade(
    server: &Server,
    peer: Peer,
    source: IpAddr,
    place: &Arc<Place>,
    request: Request<Incoming>,
) -> Response<Body> {
    let is_local = is_local(peer, source, request.headers());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let visit = Visit {
        host: host.to_owned(),
        private: peer.secure || is_local,
        may_create: server.config.rooms.anonymous.allows(is_local),
    };
    let server = Server { inbox: server.rooms.clone(), ..server.clone() };
    websocket::upgrade(&server, peer, source, place, request, Service::Rooms(visit))
}

/// Whether the client runs on our own machine and no proxy stands between: the connection, the name that we are called by
/// and the absence of what proxies add must all say so.
fn is_local(peer: Peer, source: IpAddr, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    source.is_loopback()
        && peer.remote.ip().to_canonical().is_loopback()
        && !headers.contains_key(FORWARDED_FOR)
        && std::str::from_utf8(host).is_ok_and(is_loopback_name)
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || literal.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(remote: &str, source: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let local = "127.0.0.1:8080".parse().unwrap();
        let peer = Peer { local, remote: format!("{remote}:4000").parse().unwrap(), secure: false };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        is_local(peer, source.parse().unwrap(), &headers)
    }

    #[test]
    fn only_who_is_on_this_machine_is_local() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "127.0.0.1"] {
            assert!(came("127.0.0.1", "127.0.0.1", &[("host", host)]), "{host}");
        }
        for host in ["example.com", "192.0.2.1:8080", "", "localhost.example"] {
            assert!(!came("127.0.0.1", "127.0.0.1", &[("host", host)]), "{host}");
        }
        let proxied = [("host", "localhost"), ("x-forwarded-for", "192.0.2.1")];
        assert!(!came("127.0.0.1", "127.0.0.1", &proxied), "a proxy that is not trusted");
        assert!(!came("127.0.0.1", "192.0.2.1", &[("host", "localhost")]), "a proxy that is");
        assert!(!came("192.0.2.1", "192.0.2.1", &[("host", "localhost")]));
    }
}
