//! Who is on our own machine: a client that needs no TLS to keep its words from others.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderValue};

use super::host::without_port;
use super::{FORWARDED_FOR, Peer};

/// Whether the client runs on our own machine and no proxy stands between: the connection, the name that we are called by
/// and the absence of what proxies add must all say so.
pub fn is_of_own_machine(peer: Peer, source: IpAddr, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    source.is_loopback()
        && peer.remote.ip().to_canonical().is_loopback()
        && !headers.contains_key(FORWARDED_FOR)
        && std::str::from_utf8(host).is_ok_and(is_loopback_name)
}

fn is_loopback_name(host: &str) -> bool {
    let name = without_port(host);
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
        is_of_own_machine(peer, source.parse().unwrap(), &headers)
    }

    #[test]
    fn a_name_of_this_machine_and_no_proxy_are_wanted() {
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
