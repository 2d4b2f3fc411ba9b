//! Which place a request goes to that has no flow, and who may have us go there.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use ringback_sansio::{Flow, Transport};
use ringback_sip::dialog::Dialog;
use ringback_sip::header::{Address, Via};
use ringback_sip::location::Binding;
use ringback_sip::outbound::{Way, way_to};
use ringback_sip::resolve::Target;
use ringback_sip::uri::{Scheme, Uri};

use crate::exchange::Exchange;

/// A server that a URI names, and the host that it must be at: the one that the client came from who says so. A client
/// that we serve is none that we trust, and its words lead nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The URI without what says nothing about the server: the clients of one proxy share its place.
    pub(super) uri: Bytes,
    pub(super) host: IpAddr,
    /// Whether it is a second way to a device that has one.
    pub(super) is_beside: bool,
}

impl Place {
    /// The proxy that a Path or a Route names.
    fn of_proxy(uri: &[u8], came_by: &Flow) -> Option<Self> {
        let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
        Some(Place { uri: server(&uri), host: came_by.remote().ip(), is_beside: false })
    }

    /// The device that a Contact names, if it says that it takes connections. A browser never does.
    fn of_device(uri: &[u8], came_by: &Flow) -> Option<Self> {
        let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
        let takes_connections = match uri.transport() {
            Some(token) => matches!(Transport::from_token(token), Some(Transport::Tcp | Transport::Tls)),
            None => uri.scheme == Scheme::Sips,
        };
        let is_invalid = uri.host.name().is_some_and(|name| name.to_ascii_lowercase().ends_with(INVALID));
        let is_stream = came_by.transport().is_stream();
        (takes_connections && is_stream && !is_invalid).then(|| Place {
            uri: server(&uri),
            host: came_by.remote().ip(),
            is_beside: false,
        })
    }

    /// Where a device may take connections whose datagrams come from there: at the same address and port.
    pub(super) fn beside(remote: SocketAddr) -> Self {
        Place { uri: format!("sip:{remote};transport=tcp").into(), host: remote.ip(), is_beside: true }
    }

    /// Where the sender of a request takes responses ([RFC 3261 §18.2.2]): at the host that it came from, whatever its
    /// Via calls it, and the port of the Via. A browser takes none.
    ///
    /// [RFC 3261 §18.2.2]: https://www.rfc-editor.org/rfc/rfc3261#section-18.2.2
    pub(super) fn of_sender(via: &Via<'_>, came_by: &Flow) -> Option<Self> {
        let source = came_by.remote().ip();
        let uri = match came_by.transport() {
            Transport::Tcp => {
                format!("sip:{};transport=tcp", SocketAddr::new(source, via.port.unwrap_or(5060)))
            }
            Transport::Tls => {
                let host = via.host.to_string().to_ascii_lowercase();
                let port = via.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("sip:{host}{port};transport=tls")
            }
            Transport::Udp | Transport::Ws | Transport::Wss | Transport::Dtls => return None,
        };
        Some(Place { uri: uri.into(), host: source, is_beside: false })
    }
}

impl Exchange {
    /// The way to a binding: along its Path, over a flow of ours where there is one and it takes one, else over the flow
    /// that its REGISTER came by. No Path has a URI of ours in it, for the exchange sends no REGISTER on.
    pub(crate) fn way_of(&self, binding: &Binding) -> Way {
        let mut way = way_to(binding, |_| None);
        if let Some(flow) = self.place_of(binding, &way).and_then(|place| self.reach.flow(&place)) {
            way.flow = flow;
        }
        way
    }

    /// Whether a binding without a connection is reached over a flow of ours.
    pub(crate) fn is_reached_anew(&self, binding: &Binding) -> bool {
        let place = self.place_of(binding, &way_to(binding, |_| None));
        place.is_some_and(|place| self.reach.flow(&place).is_some())
    }

    /// Where a binding is when its own flow does not lead there.
    pub(super) fn place_of(&self, binding: &Binding, way: &Way) -> Option<Place> {
        let flow = binding.flow();
        match &way.next_hop {
            Some(next_hop) if flow.transport() == Transport::Udp => {
                (!is_behind(next_hop, flow.remote())).then(|| Place::of_proxy(next_hop, &flow)).flatten()
            }
            _ if self.location.is_reachable(binding) => None,
            Some(next_hop) => Place::of_proxy(next_hop, &flow),
            // Who keeps its flows itself (RFC 5626) is behind something that lets nobody in.
            None if binding.reg_id().is_some() => None,
            None => Place::of_device(binding.uri(), &flow),
        }
    }

    /// Where the far end of a dialog is when the flow is gone.
    pub(super) fn place_of_dialog(dialog: &Dialog) -> Option<Place> {
        match dialog.route_set.first() {
            Some(route) => {
                let address = Address::parse(route).ok()?;
                Place::of_proxy(address.uri, &dialog.flow)
            }
            None => Place::of_device(&dialog.remote_target, &dialog.flow),
        }
    }

    /// Whether a client may have us connect to the target: to its own host, and never to ourselves.
    pub(super) fn may_go_to(&self, place: &Place, target: &Target) -> bool {
        place.host == target.address.ip().to_canonical() && !self.listens_at(target.address)
    }

    /// Whether one of our listeners may be there: behind a NAT a public address is that of any of them.
    fn listens_at(&self, address: SocketAddr) -> bool {
        let settings = &self.settings;
        let is_ours = address.ip().is_loopback()
            || settings.own_addresses.contains(&address.ip())
            || settings.public_addresses.contains(&address.ip());
        is_ours && settings.listeners.iter().any(|listener| listener.port() == address.port())
    }
}

/// What of a URI says where its server is.
fn server(uri: &Uri<'_>) -> Bytes {
    let scheme = if uri.scheme == Scheme::Sips { "sips" } else { "sip" };
    let mut text = format!("{scheme}:{}", uri.host.to_string().to_ascii_lowercase());
    if let Some(port) = uri.port {
        text.push_str(&format!(":{port}"));
    }
    for name in ["transport", "maddr"] {
        if let Some(Some(value)) = uri.params.get(name.as_bytes()) {
            text.push_str(&format!(";{name}={}", String::from_utf8_lossy(value).to_ascii_lowercase()));
        }
    }
    Bytes::from(text)
}

/// Whether datagrams to `remote` go to the proxy that a Path names, as far as can be told. A private address that came
/// from a public one is that of a proxy behind a NAT, which its flow leads through.
fn is_behind(next_hop: &[u8], remote: SocketAddr) -> bool {
    let Ok(uri) = Uri::parse(next_hop) else { return true };
    let is_udp = uri.transport().is_none_or(|token| token.eq_ignore_ascii_case(b"udp"));
    let is_other = uri.scheme == Scheme::Sips || uri.params.has(b"maddr") || !is_udp;
    match uri.host.ip() {
        _ if is_other => false,
        None => false,
        Some(host) if host == remote.ip() => uri.port.unwrap_or(5060) == remote.port(),
        Some(IpAddr::V4(host)) => {
            host.is_private() && !matches!(remote.ip(), IpAddr::V4(remote) if remote.is_private())
        }
        Some(IpAddr::V6(_)) => false,
    }
}

const INVALID: &[u8] = b".invalid";

#[cfg(test)]
mod tests {
    use ringback_sansio::{ConnectionId, FiveTuple};

    use super::*;

    fn tcp(remote: &str) -> Flow {
        let tuple =
            FiveTuple::new(Transport::Tcp, "192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap());
        Flow { tuple, connection: ConnectionId(1) }
    }

    #[test]
    fn the_clients_of_a_proxy_share_its_place() {
        let flow = tcp("198.51.100.9:40000");
        let place = |uri: &str| Place::of_proxy(uri.as_bytes(), &flow).unwrap();
        let one = place("sip:token1@Edge.example:5070;transport=TCP;lr;ob");
        assert_eq!(one, place("sip:token2@edge.example:5070;lr;transport=tcp"));
        assert_eq!(one.uri, "sip:edge.example:5070;transport=tcp");
        assert_ne!(one, place("sip:edge.example:5070;lr"));
        assert_ne!(one, place("sips:edge.example:5070;transport=tcp"));
    }

    #[test]
    fn a_contact_is_connected_to_only_when_it_says_so() {
        let flow = tcp("198.51.100.9:40000");
        let is_place = |uri: &str| Place::of_device(uri.as_bytes(), &flow).is_some();
        assert!(is_place("sip:bob@198.51.100.9:5060;transport=tcp"));
        assert!(is_place("sip:bob@198.51.100.9;transport=TLS"));
        assert!(is_place("sips:bob@phone.example"));
        for uri in [
            "sip:bob@198.51.100.9:5060",
            "sip:bob@198.51.100.9:5060;transport=udp",
            "sip:bob@198.51.100.9;transport=ws",
            "sip:bob@df7jal23ls0d.INVALID;transport=tcp",
            "tel:+12015550123",
        ] {
            assert!(!is_place(uri), "{uri}");
        }
        let datagrams =
            Flow::datagram("192.0.2.1:5060".parse().unwrap(), "198.51.100.9:5060".parse().unwrap());
        assert_eq!(Place::of_device(b"sip:bob@198.51.100.9;transport=tcp", &datagrams), None);
    }

    #[test]
    fn a_path_over_datagrams_is_left_alone_where_the_flow_leads_to_it() {
        let is_behind = |uri: &str, remote: &str| is_behind(uri.as_bytes(), remote.parse().unwrap());
        assert!(is_behind("sip:198.51.100.9;lr", "198.51.100.9:5060"));
        assert!(is_behind("sip:10.0.0.2:5080;lr", "198.51.100.9:61000"), "a proxy behind a NAT");
        for uri in [
            "sip:198.51.100.9:5062;lr",
            "sip:198.51.100.9;transport=tcp;lr",
            "sips:198.51.100.9;lr",
            "sip:198.51.100.10;lr",
            "sip:edge.example;lr",
        ] {
            assert!(!is_behind(uri, "198.51.100.9:5060"), "{uri}");
        }
        assert!(!is_behind("sip:10.0.0.2;lr", "10.0.0.3:5060"));
    }
}
