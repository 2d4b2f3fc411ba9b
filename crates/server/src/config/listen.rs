//! `[listen]`: where the server listens, and for whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use ringback_sansio::Prefix;
use serde::{Deserialize, Serialize};

use super::addresses::Addresses;
use super::texts;

/// Every listener, and what is believed about who connects to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Plain HTTP and WebSocket.
    pub http: Addresses,
    /// HTTPS and WebSocket over TLS.
    pub https: Addresses,
    /// SIP over UDP.
    pub sip_udp: Addresses,
    /// SIP over TCP.
    pub sip_tcp: Addresses,
    /// SIP over TLS.
    pub sip_tls: Addresses,
    /// WebRTC media over UDP: media worker i takes the port plus i.
    pub webrtc: Addresses,
    /// STUN and TURN over UDP and TCP.
    pub turn: Addresses,
    /// TURN over TLS (TCP) and DTLS (UDP).
    pub turn_tls: Addresses,
    /// The origins whose pages may open `/ws`; none allows every origin.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub origins: Vec<Origin>,
    /// The proxies that are believed where their clients are, by `X-Forwarded-For`.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub trusted_proxies: Vec<Prefix>,
    /// The proxies that begin every connection with a header of the PROXY protocol.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_list")]
    pub proxy_protocol: Vec<Prefix>,
}

impl Listen {
    /// Whether a proxy is at `address`, so that its connections are those of many.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.expects_proxy_header(address) || self.trusted_proxies.iter().any(|it| it.contains(address))
    }

    /// Whether every connection from `address` begins with a PROXY header. A receiver must know that and not guess: else
    /// a client could write one where its proxy does not.
    pub fn expects_proxy_header(&self, address: IpAddr) -> bool {
        self.proxy_protocol.iter().any(|it| it.contains(address))
    }

    /// The address a request over HTTP or WebSocket comes from, for limits, bans and logs.
    ///
    /// `forwarded_for` are the values of the `X-Forwarded-For` lines in their order. Each proxy appends the address it
    /// saw, so the list is read from its end, and only as long as the one who vouches is trusted: what a client wrote
    /// itself stands further left and is never reached.
    pub fn source<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut source = peer.to_canonical();
        for entry in forwarded_for.rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusted_proxies.iter().any(|proxy| proxy.contains(source)) {
                break;
            }
            let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
            source = address.to_canonical();
        }
        source
    }
}

impl Default for Listen {
    fn default() -> Self {
        let everywhere = |port| Addresses::from([SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]);
        Listen {
            http: Addresses::from([SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))]),
            https: everywhere(8443),
            sip_udp: everywhere(5060),
            sip_tcp: everywhere(5060),
            sip_tls: everywhere(5061),
            webrtc: everywhere(8443),
            turn: everywhere(3478),
            turn_tls: everywhere(5349),
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
        }
    }
}

/// A web origin ([RFC 6454 §6.2]) in lower case, such as `https://phone.example.com`.
///
/// [RFC 6454 §6.2]: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Whether the value of an `Origin` header names this origin.
    pub fn matches(&self, header: &str) -> bool {
        self.0.eq_ignore_ascii_case(header)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match authority {
            Some(authority)
                if !authority.is_empty()
                    && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b)) =>
            {
                Ok(Origin(text.to_ascii_lowercase()))
            }
            _ => Err(format!(
                "`{text}` is not a web origin; write scheme, host and port without a path, as \
                 `https://phone.example.com`"
            )),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(proxies: &[&str]) -> Listen {
        let trusted_proxies = proxies.iter().map(|prefix| prefix.parse().unwrap()).collect();
        Listen { trusted_proxies, ..Listen::default() }
    }

    fn source(listen: &Listen, peer: &str, lines: &[&str]) -> String {
        listen.source(peer.parse().unwrap(), lines.iter().copied()).to_string()
    }

    #[test]
    fn the_header_of_a_stranger_is_not_believed() {
        assert_eq!(source(&behind(&[]), "198.51.100.1", &["10.0.0.1"]), "198.51.100.1");
        assert_eq!(source(&behind(&["10.0.0.0/8"]), "198.51.100.1", &["127.0.0.1"]), "198.51.100.1");
    }

    #[test]
    fn the_last_address_that_a_trusted_proxy_saw_is_the_source() {
        let listen = behind(&["10.0.0.0/8"]);
        assert_eq!(source(&listen, "10.0.0.1", &["127.0.0.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(source(&listen, "10.0.0.1", &["127.0.0.1, 203.0.113.9", "10.0.0.2"]), "203.0.113.9");
        assert_eq!(source(&listen, "::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn an_unreadable_entry_stops_the_walk_at_the_proxy() {
        assert_eq!(source(&behind(&["10.0.0.0/8"]), "10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(source(&behind(&["10.0.0.0/8"]), "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn who_writes_headers_is_listed_for_that() {
        let listen =
            Listen { proxy_protocol: vec!["10.1.0.0/16".parse().unwrap()], ..behind(&["10.2.0.0/16"]) };
        let [header, forwarded, nobody] =
            ["::ffff:10.1.0.1", "10.2.0.1", "10.3.0.1"].map(|it| it.parse().unwrap());
        let seen =
            [header, forwarded, nobody].map(|it| (listen.is_proxy(it), listen.expects_proxy_header(it)));
        assert_eq!(seen, [(true, true), (true, false), (false, false)]);
        assert_eq!(
            source(&listen, "10.1.0.1", &["203.0.113.9"]),
            "10.1.0.1",
            "X-Forwarded-For is another matter"
        );
    }

    #[test]
    fn an_origin_has_no_path() {
        let origin: Origin = "https://Phone.example.com".parse().unwrap();
        assert!(origin.matches("https://phone.example.com"));
        assert!(!origin.matches("https://phone.example.com.evil.example"));
        for wrong in ["phone.example.com", "https://", "https://a/b", "ws://a", "null", "*"] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
