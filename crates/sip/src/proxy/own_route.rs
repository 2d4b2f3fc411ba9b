//! URIs of ours in Record-Route, Path and Service-Route.

use ringback_sansio::Transport;

/// A URI that leads back to us: by which of our addresses and, with a token in its user part, over which flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRoute<'a> {
    /// `sip` or `sips`.
    pub scheme: RouteScheme,
    /// The flow token, if the way back is a flow ([RFC 5626 §5.2]).
    ///
    /// [RFC 5626 §5.2]: https://www.rfc-editor.org/rfc/rfc5626#section-5.2
    pub token: Option<&'a str>,
    /// The host, an IPv6 address in brackets.
    pub host: &'a str,
    /// The port.
    pub port: Option<u16>,
    /// The transport of the listener.
    pub transport: Transport,
}

/// The scheme of an own route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the schemes")]
pub enum RouteScheme {
    Sip,
    Sips,
}

impl OwnRoute<'_> {
    /// The header value: `<sip:…;lr>`, with more URI parameters such as `ob`.
    pub fn value(&self, params: &[&str]) -> Vec<u8> {
        let (scheme, transport) = match (self.scheme, self.transport) {
            (RouteScheme::Sip, transport) => ("sip", transport.token()),
            // A sips URI names what is under TLS (RFC 3261 §26.2.2, RFC 7118 §5.2).
            (RouteScheme::Sips, Transport::Ws | Transport::Wss) => ("sips", "ws"),
            (RouteScheme::Sips, _) => ("sips", "tcp"),
        };
        let mut text = format!("<{scheme}:");
        if let Some(token) = self.token {
            text.push_str(token);
            text.push('@');
        }
        text.push_str(self.host);
        if let Some(port) = self.port {
            text.push_str(&format!(":{port}"));
        }
        text.push_str(&format!(";transport={};lr", transport.to_ascii_lowercase()));
        for param in params {
            text.push(';');
            text.push_str(param);
        }
        text.push('>');
        text.into_bytes()
    }
}

/// The Record-Route values of a request, the topmost last: one, or two when each side reaches us another way
/// ([RFC 5658]), the one for the side that the request goes to on top.
///
/// [RFC 5658]: https://www.rfc-editor.org/rfc/rfc5658
pub fn record_routes(came_by: &OwnRoute<'_>, goes_by: &OwnRoute<'_>) -> Vec<Vec<u8>> {
    if came_by == goes_by {
        vec![goes_by.value(&[])]
    } else {
        vec![came_by.value(&[DOUBLE]), goes_by.value(&[DOUBLE])]
    }
}

/// Marks the two of a pair, so that who takes one of them out of a Route takes out the other: a parameter that several
/// proxies use.
pub(super) const DOUBLE: &str = "r2=on";
