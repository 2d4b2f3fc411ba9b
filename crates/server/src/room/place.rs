//! Which room is meant: a link, or a name and a server.

use ringback_sansio::Transport;
use thiserror::Error;

use crate::upstream::Target;

/// A room and its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where its WebSocket is.
    pub target: Target,
    /// Its name; none is one that the server makes.
    pub room: Option<String>,
}

/// Why a place is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// It is no link to a room.
    #[error("`{0}` is no link to a room; write it as in https://example.com/r/team, or a name with --via")]
    Link(String),
    /// The name is none.
    #[error(
        "`{0}` is no name of a room; it has 3 to 64 of a-z, 0-9 and hyphens, and neither begins nor ends with one"
    )]
    Name(String),
    /// Nobody knows where it is.
    #[error("`{0}` says not where it is; write the whole link, or give the server with --via")]
    NoServer(String),
    /// The server is none that has rooms.
    #[error("rooms are at ws:// or wss:// addresses, and {0} is none")]
    Transport(Target),
}

impl Place {
    /// Reads a link (`https://HOST/r/NAME`) or the name of a room at the server `via`. No name is for a new room.
    pub fn read(room: Option<&str>, via: Option<Target>) -> Result<Place, PlaceError> {
        let link = room.and_then(|room| room.split_once("://").map(|(scheme, rest)| (room, scheme, rest)));
        let (target, room) = match (link, via) {
            (Some((whole, scheme, rest)), _) => {
                let wrong = || PlaceError::Link(whole.to_owned());
                let scheme = match scheme {
                    "https" => "wss",
                    "http" => "ws",
                    _ => return Err(wrong()),
                };
                let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
                let name = path.strip_prefix("r/").ok_or_else(wrong)?;
                let name = name.split(['?', '#']).next().unwrap_or_default();
                let target: Target = format!("{scheme}://{host}").parse().map_err(|_| wrong())?;
                (target, Some(name.to_owned()))
            }
            (None, Some(via)) => (via, room.map(str::to_owned)),
            (None, None) => return Err(PlaceError::NoServer(room.unwrap_or_default().to_owned())),
        };
        if let Some(name) = room.as_ref().filter(|name| !is_name(name)) {
            return Err(PlaceError::Name(name.clone()));
        }
        if !matches!(target.transport, Transport::Ws | Transport::Wss) {
            return Err(PlaceError::Transport(target));
        }
        Ok(Place { target: Target { path: Some(PATH.to_owned()), ..target }, room })
    }

    /// The link to a room of this server.
    pub fn link(&self, room: &str) -> String {
        let scheme = if self.target.transport == Transport::Wss { "https" } else { "http" };
        format!("{scheme}://{}/r/{room}", self.target.authority())
    }
}

fn is_name(name: &str) -> bool {
    (3..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Where rooms are at a server.
const PATH: &str = "/rooms/ws";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_a_name_with_a_server_are_the_same_place() {
        let link = Place::read(Some("https://example.com:8443/r/team"), None).unwrap();
        assert_eq!(link.target.to_string(), "wss://example.com:8443/rooms/ws");
        let named = Place::read(Some("team"), Some("wss://example.com:8443".parse().unwrap())).unwrap();
        assert_eq!(link, named);
        assert_eq!(link.link("team"), "https://example.com:8443/r/team");
        let local = Place::read(Some("http://127.0.0.1:8080/r/team?x#y"), None).unwrap();
        assert_eq!(
            (local.target.to_string().as_str(), local.room.as_deref()),
            ("ws://127.0.0.1:8080/rooms/ws", Some("team"))
        );
        let new = Place::read(None, Some("ws://127.0.0.1:8080/ws".parse().unwrap())).unwrap();
        assert_eq!((new.target.path.as_deref(), new.room), (Some(PATH), None));
    }

    #[test]
    fn what_is_no_place_is_told_with_the_mend() {
        let via = || Some("udp://127.0.0.1:5060".parse().unwrap());
        for (room, via, cause) in [
            (Some("ftp://a/r/team"), None, "no link to a room"),
            (Some("https://a/team"), None, "no link to a room"),
            (Some("https://a/r/Te"), None, "3 to 64"),
            (Some("-team"), Some("ws://a".parse().unwrap()), "3 to 64"),
            (Some("team"), None, "--via"),
            (Some("team"), via(), "udp://127.0.0.1:5060 is none"),
        ] {
            let error = Place::read(room, via).unwrap_err().to_string();
            assert!(error.contains(cause), "{room:?}: {error}");
        }
    }
}
