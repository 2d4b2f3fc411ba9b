//! The STUN and TURN servers that a room names.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::wire::Servers;
use crate::webrtc::TurnServer;

/// Which servers are known, and how long.
#[derive(Debug, Default)]
pub(super) struct Known {
    stun: Vec<SocketAddr>,
    turn: Vec<TurnServer>,
    /// When others are to be asked for.
    ask_at: Option<Instant>,
}

impl Known {
    /// Takes what the server says, in place of what was known.
    pub(super) async fn learn(&mut self, now: Instant, servers: &Servers) {
        *self = Known::default();
        let lifetime = servers.ice_expires_in.map(|seconds| Duration::from_secs(seconds.into()));
        self.ask_at = lifetime.map(|lifetime| now + (lifetime * 3 / 4).max(SOONEST));
        for server in &servers.ice_servers {
            for url in &server.urls {
                let Some((is_turn, host)) = parse(url) else { continue };
                // A server that is not found is one that says nothing.
                let found = timeout(LOOKUP, lookup_host(host)).await.into_iter().flatten().flatten();
                let found: Vec<SocketAddr> = found.collect();
                match is_turn {
                    false => self.stun.extend(found),
                    true => self.turn.extend(found.into_iter().map(|address| TurnServer {
                        address,
                        name: server.username.clone(),
                        password: server.credential.clone(),
                    })),
                }
            }
        }
        self.stun.truncate(MOST);
        self.turn.truncate(MOST);
    }

    /// STUN servers.
    pub(super) fn stun(&self) -> &[SocketAddr] {
        &self.stun
    }

    /// TURN servers.
    pub(super) fn turn(&self) -> &[TurnServer] {
        &self.turn
    }

    /// Whether the server is to be asked for new credentials: those of whoever comes next would have expired.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.ask_at.take_if(|at| *at <= now).is_some()
    }

    /// When that is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.ask_at
    }
}

/// Whether a URL is that of a TURN server, and its host with port; `None` for what is not reached over UDP
/// ([RFC 7064], [RFC 7065]).
///
/// [RFC 7064]: https://www.rfc-editor.org/rfc/rfc7064
/// [RFC 7065]: https://www.rfc-editor.org/rfc/rfc7065
fn parse(url: &str) -> Option<(bool, String)> {
    let (scheme, rest) = url.split_once(':')?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_turn = match scheme {
        "stun" => false,
        "turn" if matches!(query, "" | "transport=udp") => true,
        _ => return None,
    };
    let has_port = host.rsplit_once(':').is_some_and(|(name, _)| !name.contains(':') || name.ends_with(']'));
    Some((is_turn, if has_port { host.to_owned() } else { format!("{host}:{PORT}") }))
}

/// The port of STUN and TURN.
const PORT: u16 = 3478;
/// Servers of a kind that are asked.
const MOST: usize = 4;
/// How long a name is looked up: the talk with the members waits meanwhile.
const LOOKUP: Duration = Duration::from_secs(1);
/// How soon the server is asked again at the least.
const SOONEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::wire::IceServer;

    #[test]
    fn urls_of_what_is_reached_over_udp_are_read() {
        for (url, expected) in [
            ("stun:example.com", Some((false, "example.com:3478"))),
            ("stun:192.0.2.1:3479", Some((false, "192.0.2.1:3479"))),
            ("turn:[2001:db8::1]:3478?transport=udp", Some((true, "[2001:db8::1]:3478"))),
            ("turn:[2001:db8::1]", Some((true, "[2001:db8::1]:3478"))),
            ("turn:example.com?transport=tcp", None),
            ("turns:example.com:443?transport=tcp", None),
            ("stuns:example.com", None),
            ("nonsense", None),
        ] {
            let expected = expected.map(|(is_turn, host)| (is_turn, host.to_owned()));
            assert_eq!(parse(url), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn servers_are_asked_for_again_before_their_credentials_expire() {
        let now = Instant::now();
        let server =
            |url: &str| IceServer { urls: vec![url.into()], username: "u".into(), credential: "c".into() };
        let ice_servers =
            vec![server("stun:192.0.2.1"), server("turn:192.0.2.1:3478?transport=udp"), server("turns:x")];
        let mut known = Known::default();
        known.learn(now, &Servers { ice_servers, ice_expires_in: Some(600) }).await;
        assert_eq!(known.stun(), ["192.0.2.1:3478".parse().unwrap()]);
        assert_eq!((known.turn().len(), known.turn()[0].name.as_str()), (1, "u"));
        let at = known.poll_timeout().unwrap();
        assert!(at > now && at < now + Duration::from_secs(600));
        assert!(!known.handle_timeout(now) && known.handle_timeout(at) && !known.handle_timeout(at));
        known.learn(now, &Servers::default()).await;
        assert_eq!((known.stun().len(), known.turn().len(), known.poll_timeout()), (0, 0, None));
    }
}
