//! What is to be located.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringback_sansio::Transport;

use super::target::default_port;
use crate::header::Via;
use crate::uri::{Host, Scheme, Uri};

/// Where a request or a response is to go, before its host is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// An address to try before anything is looked up.
    pub(super) first: Option<SocketAddr>,
    /// What is looked up; nothing when `first` is all there is.
    pub(super) then: Option<Place>,
    pub(super) transport: Option<Transport>,
    pub(super) secure: bool,
    /// Whom the far end's certificate must be for (RFC 5922): who was asked for, not who the DNS says serves them.
    pub(super) server_name: Arc<str>,
}

/// A host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: Target,
    pub(super) port: Option<u16>,
}

/// The TARGET of RFC 3263 §4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Address(IpAddr),
    Name(DnsName),
}

/// Why nothing can be looked up: the URI is at fault, or we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unresolvable {
    /// Only `sip:` and `sips:` URIs name a server.
    #[error("only sip and sips URIs name a server; this URI has another scheme")]
    Scheme,
    /// The host, or `maddr`, is neither an address nor a name that the DNS could have.
    #[error("the host is neither an address nor a name of the DNS")]
    Host,
    /// A `transport` that does not exist here.
    #[error("the URI asks for a transport that is none of udp, tcp, tls, ws and wss")]
    UnknownTransport,
    /// A `sips:` URI that asks for datagrams.
    #[error("a sips URI cannot be reached over UDP; take sip or another transport")]
    NotSecure,
    /// A transport that we are not set up to speak.
    #[error("the URI needs a transport that is not among ours; enable it")]
    NotOurs,
    /// A client of SIP over WebSocket cannot be connected to ([RFC 7118 §5]).
    ///
    /// [RFC 7118 §5]: https://www.rfc-editor.org/rfc/rfc7118#section-5
    #[error("a WebSocket client is reached over its own connection, and that is gone")]
    NotConnectable,
}

impl Destination {
    /// Where a request to the URI goes: its `maddr` or host ([RFC 3263 §4]).
    ///
    /// [RFC 3263 §4]: https://www.rfc-editor.org/rfc/rfc3263#section-4
    pub fn of_uri(uri: &Uri<'_>) -> Result<Self, Unresolvable> {
        if !uri.is_sip() {
            return Err(Unresolvable::Scheme);
        }
        let secure = uri.scheme == Scheme::Sips;
        let transport = match uri.transport() {
            None => None,
            Some(token) => {
                let transport = Transport::from_token(token).ok_or(Unresolvable::UnknownTransport)?;
                Some(if secure { secured(transport)? } else { transport })
            }
        };
        let host = match uri.params.get(b"maddr") {
            None => uri.host,
            Some(value) => value.and_then(Host::parse).ok_or(Unresolvable::Host)?,
        };
        Ok(Destination {
            first: None,
            then: Some(Place { host: Target::of(&host)?, port: uri.port }),
            transport,
            secure,
            server_name: server_name(&uri.host),
        })
    }

    /// Where a response goes when the flow that its request came by is gone ([RFC 3261 §18.2.2], [RFC 3263 §5]).
    ///
    /// [RFC 3261 §18.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
    /// [RFC 3263 §5]: https://www.rfc-editor.org/rfc/rfc3263#section-5
    pub fn of_response(via: &Via<'_>) -> Result<Self, Unresolvable> {
        let transport = Transport::from_token(via.transport).ok_or(Unresolvable::UnknownTransport)?;
        if transport.is_websocket() {
            return Err(Unresolvable::NotConnectable);
        }
        let secure = transport.is_secure();
        let sent_by = Place { host: Target::of(&via.host)?, port: via.port };
        let port = via.port.unwrap_or_else(|| default_port(transport));
        let server_name = server_name(&via.host);
        let (first, then) = match (via.params.get(b"maddr"), via.received()) {
            (Some(value), _) if transport == Transport::Udp => {
                let host = value.and_then(Host::parse).ok_or(Unresolvable::Host)?;
                (None, Some(Place { host: Target::of(&host)?, port: Some(port) }))
            }
            // RFC 3581 §4: datagrams go back to where they came from, and nowhere else.
            (_, Some(received)) if transport == Transport::Udp => {
                (Some(SocketAddr::new(received, via.rport().flatten().unwrap_or(port))), None)
            }
            (_, received) => (received.map(|received| SocketAddr::new(received, port)), Some(sent_by)),
        };
        Ok(Destination { first, then, transport: Some(transport), secure, server_name })
    }
}

impl Target {
    fn of(host: &Host<'_>) -> Result<Self, Unresolvable> {
        match host {
            Host::Name(name) => DnsName::parse(name).map(Target::Name).ok_or(Unresolvable::Host),
            Host::V4(address) => Ok(Target::Address((*address).into())),
            Host::V6(address) => Ok(Target::Address(IpAddr::from(*address).to_canonical())),
        }
    }
}

/// The transport that keeps the promise of `sips:` (RFC 3261 §26.2.2).
fn secured(transport: Transport) -> Result<Transport, Unresolvable> {
    match transport {
        Transport::Udp | Transport::Dtls => Err(Unresolvable::NotSecure),
        Transport::Tcp | Transport::Tls => Ok(Transport::Tls),
        Transport::Ws | Transport::Wss => Ok(Transport::Wss),
    }
}

fn server_name(host: &Host<'_>) -> Arc<str> {
    match host {
        Host::Name(name) => Arc::from(String::from_utf8_lossy(name).to_ascii_lowercase()),
        Host::V4(address) => Arc::from(address.to_string()),
        Host::V6(address) => Arc::from(IpAddr::from(*address).to_canonical().to_string()),
    }
}

/// A name as the DNS can have it, in lower case and without the dot at its end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(Arc<str>);

impl DnsName {
    /// Reads a name: labels of 1 to 63 letters, digits, hyphens and underscores, 253 bytes together.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let is_label = |label: &[u8]| {
            (1..=63).contains(&label.len())
                && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if name.len() > MAX_NAME || !name.split(|&byte| byte == b'.').all(is_label) {
            return None;
        }
        Some(DnsName(Arc::from(std::str::from_utf8(name).ok()?.to_ascii_lowercase())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a service of this one, unless it becomes too long.
    pub(super) fn service(&self, prefix: &str) -> Option<Self> {
        DnsName::parse(format!("{prefix}.{}", self.0).as_bytes())
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes of a name without its last dot (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn of_uri(uri: &str) -> Result<Destination, Unresolvable> {
        Destination::of_uri(&Uri::parse(uri.as_bytes()).unwrap())
    }

    #[test]
    fn uris_that_name_no_server_are_refused() {
        for (uri, error) in [
            ("tel:+12015550123", Unresolvable::Scheme),
            ("sips:a@example.com;transport=udp", Unresolvable::NotSecure),
            ("sip:a@example.com;transport=sctp", Unresolvable::UnknownTransport),
            ("sip:a@x;maddr", Unresolvable::Host),
            ("sip:a@x..y", Unresolvable::Host),
        ] {
            assert_eq!(of_uri(uri), Err(error), "{uri}");
        }
        assert_eq!(of_uri(&format!("sip:{}.example", "a".repeat(64))), Err(Unresolvable::Host));
    }

    #[test]
    fn sips_keeps_its_promise_whatever_transport_is_named() {
        assert_eq!(of_uri("sips:a@x;transport=tcp").unwrap().transport, Some(Transport::Tls));
        assert_eq!(of_uri("sips:a@x;transport=ws").unwrap().transport, Some(Transport::Wss));
        assert_eq!(of_uri("sip:a@x;transport=tls").unwrap().transport, Some(Transport::Tls));
    }

    #[test]
    fn maddr_says_where_and_the_host_whom() {
        let destination = of_uri("sips:a@Example.COM;maddr=192.0.2.7").unwrap();
        assert_eq!(destination.then.unwrap().host, Target::Address("192.0.2.7".parse().unwrap()));
        assert_eq!(&*destination.server_name, "example.com");
    }

    #[test]
    fn names_are_lower_case_without_their_last_dot() {
        assert_eq!(DnsName::parse(b"_SIP._udp.Example.com.").unwrap().as_str(), "_sip._udp.example.com");
        for name in [&b""[..], b".", b"a..b", b"a b", b"-\xff", b"a.b.."] {
            assert_eq!(DnsName::parse(name), None, "{}", name.escape_ascii());
        }
        let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert!(DnsName::parse(longest.as_bytes()).is_some());
        assert_eq!(DnsName::parse(format!("{longest}d").as_bytes()), None);
    }
}
