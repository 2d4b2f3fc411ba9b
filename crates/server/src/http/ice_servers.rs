//! `/api/v1/ice-servers`: the STUN and TURN servers for a peer connection of whoever is signed in, with credentials for a
//! time.
//!
//! The answer is a configuration for `RTCPeerConnection` as it is. The credentials are not the user's password: who finds
//! them in a page can relay for an hour in its name, and nothing else.

use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use ringback_control::rooms::IceServer;
use ringback_nat::turn::TimeLimited;
use serde_json::json;

use super::host::without_port;
use super::{Body, Peer, Server, refuse};
use crate::config::Config;
use crate::first_start::Opened;
use crate::turn_thread::unix_time;

/// What the ICE servers are made of.
#[derive(Debug, Clone)]
pub struct IceServers {
    credentials: TimeLimited,
    /// The port of STUN, and of TURN over UDP and over TCP.
    turn: Option<u16>,
    /// The one over TLS: the port that the pages have come by, where there is one.
    turns: Option<u16>,
}

/// How long a user's credentials are good for a new allocation: a call that was made with them goes on.
const LIFETIME: Duration = Duration::from_secs(3600);

impl IceServers {
    /// Our own, where they listen.
    pub fn new(config: &Config, opened: &Opened, credentials: TimeLimited) -> Self {
        let first = |addresses: &[std::net::SocketAddr]| addresses.first().map(|address| address.port());
        let is_on = config.has_turn();
        IceServers {
            credentials,
            turn: first(&opened.turn),
            turns: first(&opened.https).or_else(|| first(&opened.turn_tls)).filter(|_| is_on),
        }
    }

    /// Those for an account that has reached us as `host`, by credentials that are good for so long after `unix_time`.
    pub fn of(&self, unix_time: u64, host: &str, account: &str, lifetime: Duration) -> Vec<IceServer> {
        let host = without_port(host);
        let stun = self.turn.map(|port| format!("stun:{host}:{port}"));
        let plain = self.turn.iter().flat_map(|port| {
            ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}"))
        });
        let secure = self.turns.map(|port| format!("turns:{host}:{port}?transport=tcp"));
        let urls: Vec<String> = plain.chain(secure).collect();
        let credentials = self.credentials.issue(account, unix_time + lifetime.as_secs());
        let stun = stun.map(|url| IceServer { urls: vec![url], username: None, credential: None });
        let turn = credentials.filter(|_| !urls.is_empty()).map(|(username, credential)| IceServer {
            urls,
            username: Some(username),
            credential: Some(credential),
        });
        stun.into_iter().chain(turn).collect()
    }
}

/// Answers a request of a user.
pub fn answer(
    server: &Server,
    peer: Peer,
    source: std::net::IpAddr,
    request: &Request<Incoming>,
) -> Response<Body> {
    let user = match server.sign_in.user(Instant::now(), peer, source, request.headers()) {
        Ok(user) => user,
        Err(refusal) => return refuse(&server.telemetry, source, refusal, b""),
    };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let servers = server.ice_servers.of(unix_time(), host, &user, LIFETIME);
    let text = json!({ "iceServers": servers, "expiresIn": LIFETIME.as_secs() }).to_string();
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(turn: Option<u16>, turns: Option<u16>, host: &str) -> Vec<IceServer> {
        let credentials = TimeLimited::new([b"0123456789abcdef".as_slice().into()], LIFETIME);
        IceServers { credentials, turn, turns }.of(1_700_000_000, host, "alice", LIFETIME)
    }

    #[test]
    fn they_are_where_the_client_has_reached_us() {
        let [stun, turn] = &servers(Some(3478), Some(8443), "phone.example.org:8443")[..] else {
            panic!("two servers")
        };
        assert_eq!(
            stun,
            &IceServer {
                urls: vec!["stun:phone.example.org:3478".to_owned()],
                username: None,
                credential: None
            }
        );
        assert_eq!(
            turn.urls,
            [
                "turn:phone.example.org:3478?transport=udp",
                "turn:phone.example.org:3478?transport=tcp",
                "turns:phone.example.org:8443?transport=tcp",
            ]
        );
        assert_eq!(turn.username.as_deref(), Some("1700003600:alice"));
        assert!(turn.credential.is_some());
        let at_address = &servers(Some(3478), None, "[2001:db8::1]:8443")[0];
        assert_eq!(at_address.urls, ["stun:[2001:db8::1]:3478"]);
    }

    #[test]
    fn what_does_not_listen_is_not_named() {
        assert_eq!(servers(None, None, "example.org"), []);
        let [turn] = &servers(None, Some(5349), "example.org")[..] else { panic!("one server") };
        assert_eq!(turn.urls, ["turns:example.org:5349?transport=tcp"]);
    }
}
