//! Where a server is: the value of `--to` and of `--via`.

use std::fmt;
use std::str::FromStr;

use ringback_sansio::Transport;
use thiserror::Error;

/// A SIP server and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The transport.
    pub transport: Transport,
    /// A name or an address; of IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Of a WebSocket, the path and query to ask for; without one, that of the browser.
    pub path: Option<String>,
}

impl Target {
    /// Host and port as they stand in a Host header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.transport.token().to_ascii_lowercase();
        write!(f, "{scheme}://{}{}", self.authority(), self.path.as_deref().unwrap_or_default())
    }
}

/// Why a value is no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// No scheme that is known.
    #[error(
        "it does not begin with ws://, wss://, udp://, tcp:// or tls://; write it as in ws://127.0.0.1:8080/ws"
    )]
    Scheme,
    /// No host.
    #[error("it names no host; write it as in ws://127.0.0.1:8080/ws, an IPv6 address in brackets")]
    Host,
    /// No port.
    #[error("`{0}` is no port; write a number from 1 to 65535")]
    Port(String),
    /// A path where there is none.
    #[error("`{0}` is a path, which SIP over UDP, TCP or TLS has not; end it after the port")]
    Path(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.split_once("://").ok_or(TargetError::Scheme)?;
        let (transport, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "ws" => (Transport::Ws, 80),
            "wss" => (Transport::Wss, 443),
            "udp" => (Transport::Udp, 5060),
            "tcp" => (Transport::Tcp, 5060),
            "tls" => (Transport::Tls, 5061),
            _ => return Err(TargetError::Scheme),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let path = match path {
            "" => None,
            path if !transport.is_websocket() => {
                return Err(TargetError::Path(path.to_owned()));
            }
            path if path.starts_with('?') => Some(format!("/{path}")),
            path => Some(path.to_owned()),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(TargetError::Host)?;
                (host, rest.strip_prefix(':'))
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(TargetError::Host);
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(TargetError::Port(port.to_owned())),
                Ok(port) => port,
            },
        };
        Ok(Target { transport, host: host.to_owned(), port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_and_written() {
        for (text, host, port, path) in [
            ("ws://127.0.0.1:8080/ws", "127.0.0.1", 8080, Some("/ws")),
            ("wss://sip.example.com:7443/a?b=c", "sip.example.com", 7443, Some("/a?b=c")),
            ("udp://[::1]:5060", "::1", 5060, None),
            ("tcp://pbx:5080", "pbx", 5080, None),
            ("tls://pbx:5061", "pbx", 5061, None),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host.as_str(), target.port, target.path.as_deref()), (host, port, path));
            assert_eq!(target.to_string(), text);
        }
        let short: Target = "wss://example.com".parse().unwrap();
        assert_eq!(short.to_string(), "wss://example.com:443");
    }

    #[test]
    fn what_is_no_target_is_told_with_the_mend() {
        for (text, cause) in [
            ("127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("http://a/", "does not begin with"),
            ("ws://:80", "names no host"),
            ("ws://a:b/ws", "`b` is no port"),
            ("udp://a:0", "`0` is no port"),
            ("udp://a:5060/x", "`/x` is a path"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(cause), "{error}");
        }
    }
}
