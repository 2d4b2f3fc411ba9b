//! Which names this server answers to.
//!
//! A page of another site can make its own name resolve to our address (DNS rebinding) and then speak to us as if it
//! were ours. Its requests carry its name in `Host`, so a name that is not ours gets 421.

use std::net::IpAddr;

use hyper::header::HeaderValue;

/// The names of this server.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// `localhost`, the names given (the domain and its aliases) and those of the machine.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut known = vec!["localhost".to_owned()];
        known.extend(names.into_iter().filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase()));
        Hosts(known)
    }

    /// Whether a `Host` header field value names this server. Every IP literal does: it cannot be rebound.
    pub fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        literal.parse::<IpAddr>().is_ok() || self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Whether an `Origin` is that of pages of `host`, as a `Host` names it. The scheme is left out: a proxy may have ended the TLS
/// of both.
pub(super) fn is_page_of(origin: &HeaderValue, host: &[u8]) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority.is_some_and(|(_, authority)| authority.as_bytes().eq_ignore_ascii_case(host))
}

/// The name or address of a `Host`, an IPv6 address in its brackets.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            // The last group of a bare IPv6 address is no port; in brackets it is told apart.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_and_addresses_are_known_and_others_are_not() {
        let hosts = Hosts::new(["Phone.example.com".to_owned(), "debian".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8443",
            "192.0.2.9",
            "phone.example.com:8443",
            "debian:1",
        ] {
            assert!(hosts.knows(host), "{host}");
        }
        for host in
            ["", "evil.example", "phone.example.com.evil.example", "localhost.evil.example:8080", "::1:x"]
        {
            assert!(!hosts.knows(host), "{host}");
        }
    }
}
