//! `/rooms/ws`: the signalling of rooms (`docs/reference/rooms.md`), and how a client of it has come.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::HOST;
use hyper::{Request, Response, body::Incoming};
use ringback_control::rooms::Visit;

use super::own_machine::is_of_own_machine;
use super::websocket::{self, Service};
use super::{Body, Peer, Server};
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
    let is_local = is_of_own_machine(peer, source, request.headers());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let visit = Visit {
        host: host.to_owned(),
        private: peer.secure || is_local,
        may_create: server.config.rooms.anonymous.allows(is_local),
    };
    let server = Server { inbox: server.rooms.clone(), ..server.clone() };
    websocket::upgrade(&server, peer, source, place, request, Service::Rooms(visit))
}
