//! Where bytes come from and go to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

/// The transports of SIP ([RFC 3261 §18], [RFC 7118]) and of TURN, which has `Udp`, `Tcp` and `Tls` of them, and `Dtls`
/// besides ([RFC 7350]).
///
/// [RFC 3261 §18]: https://www.rfc-editor.org/rfc/rfc3261#section-18
/// [RFC 7118]: https://www.rfc-editor.org/rfc/rfc7118
/// [RFC 7350]: https://www.rfc-editor.org/rfc/rfc7350
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream.
    Tcp,
    /// A byte stream under TLS.
    Tls,
    /// WebSocket over plain HTTP.
    Ws,
    /// WebSocket over HTTPS.
    Wss,
    /// Datagrams under DTLS, of TURN alone.
    Dtls,
}

impl Transport {
    /// Whether the transport delivers in order and repeats what was lost, so that a transaction does not.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp | Transport::Dtls)
    }

    /// Whether bytes arrive without message boundaries and need framing by Content-Length.
    pub const fn is_stream(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Tls)
    }

    /// Whether the far end speaks SIP over WebSocket, which makes its media profile WebRTC.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// Whether the bytes are protected on the wire.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss | Transport::Dtls)
    }

    /// The token of a Via header field: `UDP`, `TCP`, `TLS`, `WS`, `WSS`; `Dtls`, which is none of SIP's, is told by it.
    pub const fn token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
            Transport::Dtls => "DTLS",
        }
    }

    /// The transport that a Via or a `transport=` parameter names, in any case of letters.
    pub fn from_token(token: &[u8]) -> Option<Self> {
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
            .into_iter()
            .find(|transport| transport.token().as_bytes().eq_ignore_ascii_case(token))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// Transport, our address and theirs.
///
/// On a socket bound to a wildcard address `local` is the address the packet came to, never `0.0.0.0` or `[::]`: an
/// answer from another address is dropped by the far side's NAT and by ICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// The transport.
    pub transport: Transport,
    /// Our address and port.
    pub local: SocketAddr,
    /// The far end's address and port.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// A five-tuple with both addresses [canonical].
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        FiveTuple { transport, local: canonical(local), remote: canonical(remote) }
    }
}

impl fmt::Display for FiveTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} <-> {}", self.transport, self.local, self.remote)
    }
}

/// The number of a TCP, TLS or WebSocket connection or of a DTLS association, unique in a process; [`ConnectionId::NONE`]
/// for plain datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Of a flow that has no connection.
    pub const NONE: ConnectionId = ConnectionId(0);
}

/// A flow ([RFC 5626 §2]): the transport, both addresses and, where there is one, the connection.
///
/// A contact that came over a flow is reached over that flow and never by the host of its Contact.
///
/// [RFC 5626 §2]: https://www.rfc-editor.org/rfc/rfc5626#section-2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Transport and addresses.
    pub tuple: FiveTuple,
    /// The connection, so that a new one from a reused port is a new flow.
    pub connection: ConnectionId,
}

impl Flow {
    /// A flow of datagrams.
    pub fn datagram(local: SocketAddr, remote: SocketAddr) -> Self {
        Flow { tuple: FiveTuple::new(Transport::Udp, local, remote), connection: ConnectionId::NONE }
    }

    /// The transport.
    pub const fn transport(&self) -> Transport {
        self.tuple.transport
    }

    /// Our address and port.
    pub const fn local(&self) -> SocketAddr {
        self.tuple.local
    }

    /// The far end's address and port.
    pub const fn remote(&self) -> SocketAddr {
        self.tuple.remote
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tuple.fmt(f)?;
        if self.connection != ConnectionId::NONE {
            write!(f, " #{}", self.connection.0)?;
        }
        Ok(())
    }
}

/// Bytes to send, and the flow to send them over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One datagram, one WebSocket message, or the next bytes of a stream.
    pub payload: Bytes,
}

/// The address with an IPv4-mapped IPv6 address written as the IPv4 address it is, and without scope or flow label.
///
/// Dual-stack sockets report `::ffff:192.0.2.1`; every comparison in this project is made on the canonical form.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::to_canonical(&address.ip()), address.port())
}

/// The address in the form that both families have: an IPv4 address as the IPv4-mapped one.
pub fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_a_form_in_ipv6() {
        for (address, form) in [("192.0.2.1", "::ffff:192.0.2.1"), ("2001:db8::1", "2001:db8::1")] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(as_ipv6(address).to_string(), form);
            assert_eq!(as_ipv6(address).to_canonical(), address);
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:5060".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.1:5060".parse().unwrap());
        let tuple = FiveTuple::new(Transport::Udp, mapped, "[2001:db8::1]:5060".parse().unwrap());
        assert_eq!(tuple.to_string(), "UDP 192.0.2.1:5060 <-> [2001:db8::1]:5060");
    }

    #[test]
    fn tokens_are_read_in_any_case() {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
            let lower = transport.token().to_ascii_lowercase();
            assert_eq!(Transport::from_token(lower.as_bytes()), Some(transport));
        }
        for none_of_sip in [&b"SCTP"[..], b"DTLS"] {
            assert_eq!(Transport::from_token(none_of_sip), None);
        }
    }

    #[test]
    fn a_new_connection_from_the_same_port_is_another_flow() {
        let local = "192.0.2.1:8443".parse().unwrap();
        let remote = "192.0.2.9:40000".parse().unwrap();
        let first =
            Flow { tuple: FiveTuple::new(Transport::Wss, local, remote), connection: ConnectionId(1) };
        let second = Flow { connection: ConnectionId(2), ..first };
        assert_ne!(first, second);
        assert_eq!(first.to_string(), "WSS 192.0.2.1:8443 <-> 192.0.2.9:40000 #1");
    }
}
